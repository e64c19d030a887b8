#!/bin/sh
# When an enable lets in what is pending: the bare guest of guests/delivery in both modes of --delivery, by the renderings of
# its instructions and by VMI calls; and what the ROM executes for it when nothing is pending, from its disassembly.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
guest=build/guests/delivery

# Each line of the guest is a test of ours.
ask_guest() { # MODE DELIVERY
	limited 60 "$scratch/out" "$ring1" run -k $guest --delivery="$2" --count=exits --stats="$scratch/$1.json" -a "test=$1"
	tr -d '\r' <"$scratch/out" >"$scratch/lines"
	while IFS= read -r line; do
		case $line in
		'ok '*) ok "$1: ${line#* - }" ;;
		'not ok '*) not_ok "$1: ${line#* - }" ;;
		esac
	done <"$scratch/lines"
	planned=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$scratch/lines")
	check "$1: the guest made all its ${planned:-planned} checks and ended by itself" \
		[ "$status:$ended:$(grep -cE '^(not )?ok ' "$scratch/lines")" = "0:itself:${planned:-?}" ]
	[ "$status" = 0 ] || show "$scratch/out"
}
# By which way they come depends on the fast paths; true without them.
ways() { slow STUBS ROM_IRET ROM_CALLS >"$scratch/reason"; }
counted() { count "$scratch/$1.json" "$2"; }
none() { ways || check "$1: no interrupt came by $2" [ "$(counted "$1" "$2")" = 0 ]; }
some() { ways || check "$1: $(counted "$1" "$2") came by $2" [ "$(counted "$1" "$2")" -gt 0 ]; }

ask_guest immediate immediate
some immediate deliver_enable
none immediate deliver_disable
none immediate deliver_bound
ask_guest deferred deferred
none deferred deliver_enable
some deferred deliver_disable
some deferred deliver_bound
some deferred deliver_halt
some deferred deliver_iret
ask_guest vmi-immediate immediate
none vmi-immediate deliver_disable
some vmi-immediate deliver_bound # EnableInterruptsDeferred, in either mode
ask_guest vmi-deferred deferred
some vmi-deferred deliver_disable
some vmi-deferred deliver_bound

limited 10 "$scratch/out" "$ring1" run -k $guest --delivery=never
check "--delivery=never: status 2, and the two that there are" \
	[ "$status" = 2 -a "$(grep -c 'immediate or deferred' "$scratch/out")" = 1 ]

# ---- disassembly ----

if ways; then
	skip 'the ways of interrupts, and the code of the fast ones' "$(cat "$scratch/reason")"
	done_testing
	exit
fi

# path FUNCTION [TAKEN]: the mnemonics on the way to the RET (or the jump out of the ROM) of a function of the ROM, conditional
# jumps not taken but for those in TAKEN (their mnemonics).
objdump -d --no-show-raw-insn build/rom.elf >"$scratch/rom"
path() { bench/delivery/path.awk -v subject="$1" -v taken="${2:-}" "$scratch/rom"; }
is_path() { # FUNCTION TAKEN WANTED
	got=$(path "$1" "$2")
	check "$1${2:+, $2 taken}: $3" [ "$got" = "$3" ]
}
is_path rom_vmi_EnableInterrupts '' 'orl js ret'
is_path rom_vmi_DisableInterrupts '' 'andl ret'
is_path rom_vmi_GetInterruptMask '' 'mov and ret'
is_path rom_vmi_SetInterruptMask '' 'test je orl js ret'
is_path rom_vmi_SetInterruptMask je 'test je andl ret'
is_path rom_vmi_EnableInterruptsDeferred '' 'orl ret'
is_path rom_vmi_DeliverInterrupts je 'testl je ret'
is_path rom_vmi_DisableInterrupts_deferred '' 'cmpl jae andl ret'
is_path rom_vmi_SetInterruptMask_deferred '' 'test je orl ret'
is_path rom_vmi_SetInterruptMask_deferred je 'test je cmpl jae andl ret'
is_path rom_enable_keep '' 'pushf orl js popf ret'
is_path rom_disable_keep_deferred '' 'pushf cmpl jae andl popf ret'
enable=$(grep -A1 '<rom_vmi_EnableInterrupts>:' "$scratch/rom" | sed -n '2s/^[^\t]*\t//p' | tr -s ' ')
# shellcheck disable=SC2016 # a dollar of the assembler
check "EnableInterrupts sets the flag in the word whose sign says that something waits" [ "$enable" = 'orl $0x200,%ss:0xff000000' ]
done_testing
