#!/bin/sh
# Kernels that do what kernels must not: each ends with a named reason, goes on, or can be ended; main neither crashes
# nor spins, and nothing is left behind. HOSTILE_SEEDS=N tries that many random sequences of each kind (3).
# Time limit: 600 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

seeds=${HOSTILE_SEEDS:-3}
hostile=build/guests/hostile_kernel.elf
devices=
# What main says may come behind an unfinished line of the guest's, who writes anything to any port.
says() { tr -d '\r' <"$scratch/out" | tr -c '[:print:]\n' '?' | sed 's/ring1: /\n&/g' | grep -aqE -- "$1"; }

start_hostile() {
	# shellcheck disable=SC2086 # words
	"$ring1" run -k "$hostile" -m 64M --no-defaults -a "$*" $devices </dev/null >"$scratch/out" 2>&1 &
	machine=$!
}
# ends_well NAME [SECONDS]: what it is given, if it may go on for ever. The processes are listed while they run; who is faster
# than that has left nothing to list.
ends_well() {
	what=$1
	appears ' begins' "$scratch/out" 60
	all=$(family "$machine")
	if [ $# = 1 ]; then wait_for_end "$machine" 60; else end_after "$machine" "$2"; fi
	# shellcheck disable=SC2086 # one word a process
	check "$what: no process is left" all_gone 60 $all
}
# Main must obey the SIGTERM; which may come when the guest has just come to an end of its own.
named_end() {
	case $status:$ended in
	0:itself) says ' begins' ;;
	1:itself | 1:term) says '^ring1: guest' ;;
	4:itself | 4:term) says '^ring1: internal error: [a-z]' && ! says 'the core faulted|ended$' ;;
	0:term) says '^ring1: (ended by signal 15|the guest (powered off|asked for a reset))' ;;
	*) false ;;
	esac
}

for mode in code user ports registers cr3 pages memory hole tables rom; do
	seed=1
	while [ $seed -le "$seeds" ]; do
		start_hostile "do=$mode seed=$seed rounds=2000"
		ends_well "$mode, seed $seed" 5
		check "$mode, seed $seed: a named end (status $status, $ended)" named_end
		named_end || show "$scratch/out"
		seed=$((seed + 1))
	done
done

# With devices to be hostile to, and the processes behind them. Nothing but its disk may have changed.
truncate -s 4M "$scratch/disk"
dd if=/dev/urandom of="$scratch/base" bs=1M count=4 2>/dev/null
mkdir "$scratch/shared"
devices="--disk $scratch/disk --disk $scratch/base,cow --net user,restrict=on --share shared=$scratch/shared"
before=$(sha256sum <"$scratch/base")
seed=1
while [ $seed -le $((2 * seeds)) ]; do
	start_hostile "do=devices seed=$seed rounds=3000"
	ends_well "devices, seed $seed" 8
	check "devices, seed $seed: a named end (status $status, $ended)" named_end
	check "devices, seed $seed: no process behind a device died of it" sh -c "! grep -q 'the process of ' '$scratch/out'"
	named_end || show "$scratch/out"
	seed=$((seed + 1))
done
# Back ends and main are rung for at any moment of theirs: asleep, awake, about to sleep.
for mode in resets console; do
	for seed in 1 2 3 4; do
		start_hostile "do=$mode seed=$seed rounds=20000"
		ends_well "$mode, seed $seed"
		check "$mode, seed $seed: no ring is lost (status $status, $ended)" [ "$status:$ended" = 0:itself ]
	done
done
# The same for drives of an IDE controller.
devices="--disk $scratch/drive,bus=ide --disk $scratch/base,bus=ide,cow --cdrom $scratch/base"
truncate -s 4M "$scratch/drive"
seed=1
while [ $seed -le $((2 * seeds)) ]; do
	start_hostile "do=drives seed=$seed rounds=20000"
	ends_well "drives, seed $seed" 8
	check "drives, seed $seed: a named end (status $status, $ended)" named_end
	check "drives, seed $seed: no process behind a drive died of it" sh -c "! grep -q 'the process of ' '$scratch/out'"
	named_end || show "$scratch/out"
	seed=$((seed + 1))
done
check "the drive is as large as it was" [ "$(stat -c %s "$scratch/drive")" = 4194304 ]
check "the kernel did write to it" [ "$(tr -d '\0' <"$scratch/drive" | wc -c)" -gt 0 ]
for seed in 1 2 3 4; do
	start_hostile "do=drive-resets seed=$seed rounds=5000"
	ends_well "drive-resets, seed $seed"
	check "drive-resets, seed $seed: no ring is lost (status $status, $ended)" [ "$status:$ended" = 0:itself ]
done
# A balloon, and a network card without virtio: rings, lengths, addresses, page numbers, registers. Each of the random sequences is
# answered for a while, or the test would try nothing.
for mode in balloon nic; do
	devices='--balloon free-page-reporting=on'
	[ $mode = balloon ] || devices='--net user,restrict=on,model=rtl8139'
	seed=1 answered=0
	while [ $seed -le "${HOSTILE_SEEDS:-10}" ]; do
		start_hostile "do=$mode seed=$seed rounds=5000"
		ends_well "$mode, seed $seed" 8
		check "$mode, seed $seed: a named end (status $status, $ended)" named_end
		check "$mode, seed $seed: no process behind it died of it" sh -c "! grep -q 'the process of ' '$scratch/out'"
		named_end || show "$scratch/out"
		! says ' ends, having been answered' || answered=$((answered + 1))
		seed=$((seed + 1))
	done
	check "$mode: it was answered, and some got to the end ($answered)" [ "$answered" -ge 1 ]
done
devices=
check "the disk is as large as it was" [ "$(stat -c %s "$scratch/disk")" = 4194304 ]
check "the kernel did write to it" [ "$(tr -d '\0' <"$scratch/disk" | wc -c)" -gt 0 ]
check "and nothing came through to the base of the other" [ "$before" = "$(sha256sum <"$scratch/base")" ]

start_hostile "do=lost-stack"
ends_well "a stack that goes"
check "a stack that goes: the guest goes on to its end (status $status, $ended)" [ "$status:$ended" = 0:itself ]
check "an instruction that uses none means the same" [ "$(tr -d '\r' <"$scratch/out" | grep -c '^stack: ok')" = 4 ]
says '^stack: bad' && show "$scratch/out"

for mode in nowhere triple stack; do
	start_hostile "do=$mode"
	ends_well "$mode"
	check "$mode: triple fault, status 1 (it was $status)" [ "$status" = 1 -a "$ended" = itself ]
	check "$mode: and the registers" says '^  eip [0-9a-f]{8} eflags'
done

# With interrupts off for ever, asleep for ever, and one that keeps ringing.
for mode in spin sleep bell; do
	start_hostile "do=$mode"
	appears ' begins' "$scratch/out" 60
	[ $mode = bell ] || check "$mode: main sleeps" sleeps "$machine"
	kill -TERM "$machine"
	ends_well "$mode"
	check "$mode: SIGTERM ends it, status 0 (it was $status, $ended)" [ "$status" = 0 -a "$ended" = itself ]
	check "$mode: which is said" says 'ring1: ended by signal 15'
done

# Ctrl-A x reaches main whatever the guest does.
for mode in spin bell; do
	"$pty" seconds=120 'expect= begins' 'sleep=300' 'send=\001x' -- \
		"$ring1" run -k "$hostile" -m 64M --no-defaults -a "do=$mode" >"$scratch/out" 2>&1
	check "$mode: Ctrl-A x leaves with status 0" says '^pty: exit 0$'
	check "$mode: and a sane terminal" says '^pty: terminal restored$'
done
done_testing
