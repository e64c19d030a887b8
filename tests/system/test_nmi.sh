#!/bin/sh
# Non-maskable interrupts and double faults, through the gates that kernels have for them: a bare kernel with an interrupt
# gate and a task gate, and Debian's.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh
out=$scratch/out

# ---- the bare kernel, by each way in which its instructions are carried out ----

for options in '' --traps-only --delivery=deferred --apic=off; do
	# shellcheck disable=SC2086 # words
	limited 60 "$out" "$ring1" run -k build/guests/multiboot/nmi.elf $options
	tr -d '\r' <"$out" >"$scratch/tap"
	while IFS= read -r line; do
		case $line in
		"ok "* | "not ok "*) tests=$((tests + 1)) ;;
		esac
		printf '%s\n' "$line" | sed -nE "s/^(ok|not ok) [0-9]+ - (.*)/\1 $tests - a bare kernel${options:+ with $options}: \2/p"
	done <"$scratch/tap"
	ran=$(grep -cE '^(not )?ok ' "$scratch/tap")
	check "a bare kernel${options:+ with $options}: ran all its tests, and ended by itself" \
		[ "$status" = 0 -a "$ended" = itself -a "$ran" -ge 18 -a "$(sed -n 's/^1\.\.//p' "$scratch/tap")" = "$ran" ]
	[ "$status" = 0 ] || show "$out"
done

# ---- Debian's kernel ----

# session WHAT ARGUMENTS [OPTION]... -- STEP...: somebody at the terminal, with a shell in the guest
session() {
	session=$1 arguments=$2
	shift 2
	options=
	while [ "$1" != -- ]; do
		options="$options $1"
		shift
	done
	shift
	# shellcheck disable=SC2086 # words
	"$pty" seconds=40 'expect=type poweroff' 'expect=# ' "$@" -- "$ring1" run -k "$kernel" -i "$initrd" \
		-a "quiet $arguments" --stats $options >"$out" 2>&1
	played=$?
	check "$session" [ "$played" = 0 ]
	[ "$played" = 0 ] || show "$out"
}
counted() { tr -d '\r' <"$out" | grep -aqE "^ +$1 +nmi "; }
for options in '' --apic=off; do
	# shellcheck disable=SC2086 # words
	session "the monitor's nmi reaches the kernel when it is idle, and when a program computes${options:+, with $options}" '' \
		$options -- 'send=\001c' 'send=nmi\r' 'expect=NMI received for unknown reason' 'expect=trying to continue' \
		'send=\001c' 'send=while :; do :; done\r' 'sleep=300' 'send=\001c' 'send=nmi\r' \
		'expect=NMI received for unknown reason' 'expect=trying to continue' \
		'send=\001c' 'send=\003' 'expect=# ' 'send=grep NMI: /proc/interrupts\r' 'expect=Non-maskable' 'send=\001x'
	check "two were delivered, and no more" counted 2
	check "and two the kernel counted" grep -aqE 'NMI: +2 ' "$out"
done
session "a kernel told to panics" unknown_nmi_panic -- 'send=\001c' 'send=nmi\r' 'expect=NMI: Not continuing'
check "the reason is named" grep -aq '^ring1: guest panic: NMI: Not continuing' "$out"

check 'a module that makes a double fault is built' own_module "$kernel" double "$scratch/double.ko"
mkdir -p "$scratch/root"
printf '#!/bin/sh\nmount -t proc proc /proc\ninsmod /modules/double.ko\n' >"$scratch/root/test"
guest_archive "$scratch/archive" "$scratch/double.ko"
run_guest "$scratch/archive" 60
check "a double fault enters the kernel's task: status 1" [ "$status" = 1 -a "$ended" = itself ]
check "the kernel names it" grep -aqF 'traps: PANIC: double fault' "$scratch/said"
check "and the instruction" grep -aqE 'EIP: init_module\+0x5/' "$scratch/said"
check "and where the stack was" grep -aqE 'ESP: 00000010' "$scratch/said"
[ "$status" = 1 ] || show "$scratch/said"
done_testing
