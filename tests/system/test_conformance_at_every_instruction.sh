#!/bin/sh
# An interrupt at each instruction of the ROM that has to do with the interrupt flag: none is lost, late, taken twice or
# taken while the flag is clear, and no register changes. tests/tools/kick_each.c does it.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
skip_unless_fast ROM_SYSCALL ROM_IRET ROM_CALLS

kick_each=build/test/kick_each
guest=build/guests/kicked.elf
rom=build/rom.elf
control=$(nm $guest | awk '$3 == "kick" { print $1 }')

# instructions FILE FUNCTION: the addresses of its instructions
instructions() {
	# shellcheck disable=SC2046 # two words
	set -- "$1" $(nm -S "$1" | awk -v name="$2" '$4 == name { print $1, $2 }')
	objdump -d --no-show-raw-insn --start-address="0x$2" --stop-address=$((0x$2 + 0x$3)) "$1" |
		sed -n 's/^ *\([0-9a-f]*\):.*/\1/p'
}

results=build/test/conformance
mkdir -p "$results"
: >"$results/everywhere.tap"

# everywhere SCENARIO WHAT WHERE FUNCTION...: a kick at each instruction, and one more at each behind a first one. WHAT is
# a call or an instruction, for docs/vmi-conformance.md.
everywhere() {
	scenario=$1 property="$2: takes an interrupt at each of its instructions${3:+, $3}: once, in time, with all registers kept"
	shift 3
	all=
	for function; do all="$all $(instructions $rom "$function")"; done
	# shellcheck disable=SC2086 # words
	set -- $all
	for first; do break; done
	pairs=
	for address; do pairs="$pairs $first,$address"; done
	for address in $resume; do pairs="$pairs $first,$address"; done
	# shellcheck disable=SC2086 # words
	limited 200 "$scratch/out" $kick_each "$ring1" $guest "$control" "$scenario" $all $pairs
	good=$(grep -c ' ok$' "$scratch/out")
	bad=$(grep -vcE ' (ok|not reached)$' "$scratch/out")
	# A single kick must have been possible at the function's first instruction at least.
	check "$property" [ "$status" = 0 -a "$bad" = 0 -a "$good" -ge 2 -a "$(grep -c "^$first ok" "$scratch/out")" = 1 ]
	echo "# right at $good places, wrong at $bad"
	[ "$status" = 0 ] || show "$scratch/out" 60
	if [ "$status" = 0 ]; then echo "ok $tests - $property"; else echo "not ok $tests - $property"; fi >>"$results/everywhere.tap"
}

# nmi_everywhere SCENARIO WHAT FUNCTION...: the timer's edge is an NMI, which the ROM must not be interrupted by
nmi_everywhere() {
	scenario=$1 property="$2: an NMI at each of its instructions comes once, and changes nothing"
	shift 2
	all=
	for function; do all="$all $(instructions $rom "$function")"; done
	# shellcheck disable=SC2086 # words
	limited 200 "$scratch/out" $kick_each -a nmi "$ring1" $guest "$control" "$scenario" $all
	good=$(grep -c ' ok$' "$scratch/out")
	bad=$(grep -vcE ' (ok|not reached)$' "$scratch/out")
	check "$property" [ "$status" = 0 -a "$bad" = 0 -a "$good" -ge 1 ]
	echo "# right at $good places, wrong at $bad"
	[ "$status" = 0 ] || show "$scratch/out" 60
}

resume=
everywhere 1 DisableInterrupts '' rom_vmi_DisableInterrupts
everywhere 2 SetInterruptMask 'setting the flag' rom_vmi_SetInterruptMask
everywhere 3 SetInterruptMask 'clearing it' rom_vmi_SetInterruptMask
everywhere 4 GetInterruptMask '' rom_vmi_GetInterruptMask
everywhere 5 DeliverInterrupts 'EnableInterruptsDeferred before it included' rom_vmi_EnableInterruptsDeferred rom_vmi_DeliverInterrupts
everywhere 6 STI 'the flags being needed' rom_enable_keep
everywhere 7 POPF 'setting the flag' rom_popf
everywhere 8 POPF 'clearing it' rom_popf
everywhere 9 PUSHF '' rom_pushf_image
everywhere 10 IRET 'to the kernel with the flag set' rom_vmi_IRET rom_iret
everywhere 11 IRET 'to the kernel with the flag clear' rom_vmi_IRET rom_iret
everywhere 13 SYSEXIT '' rom_vmi_SYSEXIT
everywhere 14 'INT 0x80' "by the vDSO's way" rom_syscall
nmi_everywhere 0 EnableInterrupts rom_vmi_EnableInterrupts
nmi_everywhere 3 SetInterruptMask rom_vmi_SetInterruptMask
nmi_everywhere 6 STI rom_enable_keep
nmi_everywhere 8 POPF rom_popf
nmi_everywhere 9 PUSHF rom_pushf_image
nmi_everywhere 11 'IRET to the kernel' rom_vmi_IRET rom_iret
nmi_everywhere 12 'IRET to user mode' rom_vmi_IRET rom_iret
nmi_everywhere 13 SYSEXIT rom_vmi_SYSEXIT
nmi_everywhere 14 "INT 0x80 by the vDSO's way" rom_syscall
# The way back to the guest, in 64-bit code, is everybody's: it is looked at here.
resume=$(instructions build/cell.elf cell_resume)
everywhere 0 EnableInterrupts 'and on the way back from the core' rom_vmi_EnableInterrupts
everywhere 12 IRET 'to user mode' rom_vmi_IRET rom_iret
done_testing
