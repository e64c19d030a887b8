#!/bin/sh
# ring1 itself, built with the address, undefined-behaviour and thread sanitizers (mk/tests.mk), runs guests: it finds nothing.
# Cells are other programs, and freestanding: what they do is what main has to bear, not what is looked at here.
# Time limit: 600 s
# shellcheck source=tests/system/lib.sh disable=SC2016 # gdb's variables
. "$(dirname "$0")/lib.sh"

export XDG_CACHE_HOME="$scratch/cache" # the annotator is to work, with its threads
# Main's own filter leaves no calls for what looks for leaks, or for a signal stack to be taken down; nor for a symbolizer.
export ASAN_OPTIONS=detect_leaks=0:use_sigaltstack=0:symbolize=0 UBSAN_OPTIONS=symbolize=0
export TSAN_OPTIONS=exitcode=66:symbolize=0:history_size=4

clean() { ! grep -aqE 'ThreadSanitizer|AddressSanitizer|LeakSanitizer|runtime error:' "$@"; }
finds_nothing() {
	check "$kind, $1: nothing is found" clean "$scratch/out"
	clean "$scratch/out" || grep -aE -A 30 'Sanitizer|runtime error:' "$scratch/out" | show /dev/stdin 60
}

for kind in thread address; do
	ring1=build/test/$kind/ring1
	initrd=build/guests/busybox.cpio.gz
	has=__$(echo $kind | sed 's/thread/tsan/;s/address/asan/')_init
	check "$kind: the sanitizer is in the program" sh -c 'nm -D "$0" | grep -q "$1"' "$ring1" "$has"

	limited 60 "$scratch/out" "$ring1" inspect "$kernel"
	check "$kind: inspect ends with 0 (it was $status)" [ "$status" = 0 ]
	finds_nothing inspect
	limited 60 "$scratch/out" "$ring1" check
	check "$kind: check ends with 0 (it was $status)" [ "$status" = 0 ]
	finds_nothing check

	# A terminal, the monitor line, a break, the power button; the annotator from scratch.
	rm -rf "$XDG_CACHE_HOME"
	"$pty" seconds=120 'expect=type poweroff' 'expect=# ' 'send=echo $((6*7))x\n' 'expect=42x' 'send=\001c' \
		'expect=(ring1) ' 'send=info registers\n' 'expect=virtual CPU' 'send=info cells\n' 'expect=cells in all' \
		'send=info stats\n' 'expect=exit_gate_site' 'send=\001c' 'send=\001b' 'send=\001h' \
		'send=dd if=/dev/zero bs=1k count=600 | tr \\\\0 y | fold -w 100; echo do""ne\n' 'expect=done' \
		'send=poweroff -f\n' -- "$ring1" run -k "$kernel" -i "$initrd" -a quiet --stats >"$scratch/out" 2>&1
	check "$kind, at a terminal: it powers off with status 0" grep -aq '^pty: exit 0' "$scratch/out"
	grep -aq '^pty: exit 0' "$scratch/out" || show "$scratch/out"
	finds_nothing "at a terminal"

	# Many address spaces, a busy machine, its memory, and an end from outside.
	limited 120 "$scratch/out" "$ring1" run -k "$kernel_pae" -i "$initrd" -m 300M \
		-a "quiet ring1.init=selftest ring1.checks=fork" --stats="$scratch/stats.json"
	check "$kind, forks: status 0 (it was $status)" [ "$status" = 0 -a "$ended" = itself ]
	finds_nothing forks
	start_machine --console stdio && type_in 'while :; do echo x; done' && sleep 1
	kill -TERM "$machine"
	wait_for_end "$machine" 20
	exec 9>&-
	cat "$scratch/console" "$scratch/words" >"$scratch/out"
	check "$kind, SIGTERM while it prints: status 0 (it was $status)" [ "$status" = 0 -a "$ended" = itself ]
	finds_nothing "SIGTERM while it prints"

	# A machine that restarts is a child's.
	limited 120 "$scratch/out" "$ring1" run -k "$kernel" -i "$initrd" --reboot restart \
		-a "quiet ring1.init=poweroff" --delivery deferred
	check "$kind, as a life: status 0 (it was $status)" [ "$status" = 0 -a "$ended" = itself ]
	finds_nothing "as a life"
	# Processes behind disks, a trace, a debugger's socket, and what the control socket is asked for.
	truncate -s 4M "$scratch/disk"
	dd if=/dev/urandom of="$scratch/base" bs=1M count=4 2>/dev/null
	start_machine -n "$kind" --disk "$scratch/disk" --disk "$scratch/base,cow" --rng --trace all:"$scratch/trace.json" \
		--gdb unix:"$scratch/gdb"
	# shellcheck disable=SC2016 # the guest's shell
	type_in 'for i in /sys/block/vd?; do dd if=/dev/${i##*/} of=/dev/null bs=64k; done; dd if=/dev/vda of=/dev/vdb; sync; echo cop""ied'
	check "$kind, disks: are read and written" appears copied "$scratch/console" 60
	for words in ls "pause $kind" "resume $kind" "monitor $kind info registers" "monitor $kind info stats" \
		"stat $kind --interval 0.1 --count 2 --json"; do
		# shellcheck disable=SC2086 # words
		"$ring1" $words >>"$scratch/words" 2>&1 || echo "'$words': $?" >>"$scratch/refused"
	done
	check "$kind: the control socket answers" [ ! -e "$scratch/refused" ]
	[ ! -e "$scratch/refused" ] || show "$scratch/refused"
	if command -v gdb >/dev/null; then
		gdb -nx -batch -ex 'set confirm off' -ex "target remote $scratch/gdb" -ex 'info registers' -ex 'x/4i $eip' -ex stepi \
			-ex 'break *0xc1000000' -ex detach >"$scratch/debugger" 2>&1
		check "$kind: a debugger looks, steps and goes" grep -q 'detached' "$scratch/debugger"
	fi
	type_in 'poweroff -f'
	wait_for_end "$machine" 60
	exec 9>&-
	cat "$scratch/console" "$scratch/words" >"$scratch/out"
	check "$kind, disks: status 0 (it was $status)" [ "$status" = 0 -a "$ended" = itself ]
	finds_nothing "disks, trace, debugger, control socket"

	# A snapshot of a machine that works, with a disk; what is made of it goes on, in place and beside.
	set -- --disk "$scratch/disk" --rng --balloon free-page-reporting=on
	start_machine -n "taken-$kind" "$@"
	type_in 'while :; do dd if=/dev/vda of=/dev/null bs=64k; dd if=/dev/zero of=/dev/vda bs=4k count=8; done 2>/dev/null & echo wor""ks'
	check "$kind, snapshot: the guest works" appears works "$scratch/console" 60
	"$ring1" snapshot "taken-$kind" "$scratch/snapshot" >"$scratch/told" 2>&1
	check "$kind, snapshot: it is taken" [ $? = 0 -a -s "$scratch/snapshot" ]
	"$ring1" snapshot "taken-$kind" "$scratch/snapshot" --stop >>"$scratch/told" 2>&1
	check "$kind, snapshot: and again, behind which the machine ends" [ $? = 0 ]
	wait_for_end "$machine" 60
	exec 9>&-
	check "$kind, snapshot: status 0 (it was $status)" [ "$status" = 0 -a "$ended" = itself ]
	cat "$scratch/console" "$scratch/words" "$scratch/told" >"$scratch/out"
	mkfifo "$scratch/restored-keys"
	"$ring1" run --restore "$scratch/snapshot" -n "restored-$kind" "$@" <"$scratch/restored-keys" >"$scratch/restored" 2>&1 &
	machine=$!
	exec 9>"$scratch/restored-keys"
	rm "$scratch/restored-keys"
	type_in 'echo go""es on'
	check "$kind, restore: the guest goes on" appears 'goes on' "$scratch/restored" 60
	type_in 'poweroff -f'
	wait_for_end "$machine" 60
	exec 9>&-
	check "$kind, restore: status 0 (it was $status)" [ "$status" = 0 -a "$ended" = itself ]
	cat "$scratch/restored" >>"$scratch/out"
	[ "$status" = 0 ] || show "$scratch/out"
	finds_nothing "snapshot and restore"

	# A drive and a CD-ROM at an IDE controller, a balloon, a network card without virtio: what their drivers may say.
	for mode in drives balloon nic; do
		case $mode in
		drives) set -- --disk "$scratch/disk,bus=ide" --disk "$scratch/base,bus=ide,cow" --cdrom "$scratch/base" ;;
		balloon) set -- --balloon free-page-reporting=on ;;
		nic) set -- --net user,restrict=on,model=rtl8139 ;;
		esac
		limited 60 "$scratch/out" "$ring1" run -k build/guests/hostile_kernel.elf -m 64M --no-defaults \
			-a "do=$mode seed=2 rounds=2000" "$@"
		check "$kind, $mode: no process behind it died (status $status, $ended)" sh -c "! grep -aq 'the process of ' '$scratch/out'"
		check "$kind, $mode: it began" grep -aq ' begins' "$scratch/out"
		finds_nothing "$mode"
	done

	# A daemon, whose words are in its log.
	"$ring1" run --detach -n "daemon-$kind" -k "$kernel" -i "$initrd" -a "quiet ring1.init=/bin/sh" >"$scratch/out" 2>&1
	check "$kind: a machine in the background" [ $? = 0 ]
	daemon=$("$ring1" ls | awk -v name="daemon-$kind" '$1 == name { print $2 }')
	[ -z "$daemon" ] || kill -TERM "$daemon"
	check "$kind: which ends when asked to" gone_within "${daemon:-$$}" 20
	find "$XDG_RUNTIME_DIR" -name '*.log' -exec cat {} + >>"$scratch/out" 2>/dev/null
	finds_nothing "in the background"
	for mode in talk-hard machine; do
		given 20 "$scratch/out" "$ring1" run -k "$kernel" -i "$test_initrd" \
			-a "ring1.init=/bin/hostile hostile.do=$mode hostile.seed=4 quiet"
		finds_nothing "attacked ($mode)"
	done
done
done_testing
