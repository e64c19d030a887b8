#!/bin/sh
# What a kernel does to its own text while it runs, and what it shows of it: kprobes anywhere in functions that were
# rewritten, the function tracer, jump labels, static calls, /proc/kcore, oopses. All of it under load.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh

# Both save and restore the interrupt flag, and are called all the time; of each the first bytes.
probed='_raw_spin_lock_irqsave try_to_wake_up'
bytes=40

mkdir -p "$scratch/root"
cat >"$scratch/root/test" <<'GUEST'
#!/bin/sh
# tag() lines are for the test; everything else is for who reads the log.
dmesg -n 1
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
cd /sys/kernel/tracing
tag() { echo "TAG $*"; }
workers=
for i in 1 2; do
	(while :; do cat /proc/self/stat /proc/meminfo | grep -c x; /bin/true; done) >/dev/null 2>&1 &
	workers="$workers $!"
done
(while :; do sleep 0.01; done) &
workers="$workers $!"

for f in $(cat /probed); do
	tag symbol "$f" "$(sed -n "s/^\([0-9a-f]*\) . $f\$/\1/p" /proc/kallsyms)"
	for offset in $(seq 0 "$(cat /bytes)"); do
		echo "p:own/${f}_$offset $f+$offset" 2>/dev/null >>kprobe_events || continue
		echo 1 >"events/own/${f}_$offset/enable" || tag failed "$f" "$offset"
	done
done
# Until each function was entered so often that whatever way it goes was gone. What the host lets the guest do in a second
# is not known.
entered() {
	for f in $(cat /probed); do
		hits=$(sed -n "s/^ *${f}_0  *\([0-9]*\) .*/\1/p" kprobe_profile)
		[ "${hits:-0}" -ge 1000 ] || return 1
	done
}
looks=0
until entered || [ $looks = 600 ]; do
	looks=$((looks + 1))
	sleep 0.1
done
while read -r name hits missed; do tag probe "$name" "$hits"; done <kprobe_profile
echo 0 >events/own/enable
echo >kprobe_events
tag probes-left "$(wc -l <kprobe_events)"

# A kprobe on every instruction of a module's function, and none again.
for i in 1 2; do insmod /modules/probed.ko && tag module-probed "$i" && rmmod probed; done

for i in 1 2 3; do
	echo function >current_tracer
	sleep 0.2
	echo nop >current_tracer
done
echo function >current_tracer
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do read -r x </proc/uptime; done
echo 0 >tracing_on
tag traced "$(grep -c 'vfs_read' trace)"
echo nop >current_tracer

# What a tracepoint calls is a static call, of the one who listens or of all. The file is there with CONFIG_SCHED_DEBUG only.
echo 1 >tracing_on
echo >trace
for i in 1 2 3 4 5; do
	for mode in full none voluntary; do
		[ ! -e /sys/kernel/debug/sched/preempt ] || echo $mode >/sys/kernel/debug/sched/preempt
		echo $((i % 2)) >/proc/sys/kernel/sched_schedstats
		echo $((i % 2)) >events/sched/enable
		echo $(((i + 1) % 2)) >events/irq/enable
	done
done
tag preempt "$(cat /sys/kernel/debug/sched/preempt 2>/dev/null || echo none)"
tag switched "$(grep -c sched_switch: trace)"
echo 0 >events/enable
sleep 0.1
echo >trace
sleep 0.2
tag switched-off "$(grep -c sched_switch: trace)"
tag schedstats "$(cat /proc/sys/kernel/sched_schedstats)"

# /proc/kcore: an ELF file; the segment that holds an address, and 16 bytes there
for f in $(cat /probed); do
	address=$(sed -n "s/^\([0-9a-f]*\) . $f\$/\1/p" /proc/kallsyms)
	hexdump -v -s 52 -n 640 -e '8/4 "%08x " "\n"' /proc/kcore | while read -r type offset va pa size rest; do
		[ "$type" = 00000001 ] || continue
		into=$((0x$address - 0x$va))
		[ $into -ge 0 ] && [ $into -lt $((0x$size)) ] || continue
		tag kcore "$f" "$(dd if=/proc/kcore bs=1 skip=$((0x$offset + into)) count=48 2>/dev/null | hexdump -v -e '48/1 "%02x" "\n"')"
		break
	done
done
kill $workers
dmesg | grep -E 'BUG:|Oops|WARNING: CPU' | head -n 3 | while read -r line; do tag complaint "$line"; done

tag before-oops
dmesg -c >/dev/null
insmod /modules/fault.ko
tag alive "$(echo yes)"
dmesg
tag end
GUEST
echo "$probed" >"$scratch/root/probed"
echo $bytes >"$scratch/root/bytes"
for module in fault probed; do check "our module $module is built" own_module "$kernel" $module "$scratch/$module.ko"; done
guest_archive "$scratch/archive" "$scratch/fault.ko" "$scratch/probed.ko"
run_guest "$scratch/archive" 150 -m 256M
check 'the guest ends well' [ "$ended $status" = 'itself 0' ]
grep -a '^TAG ' "$scratch/said" | sed 's/^TAG //' >"$scratch/tags"
tag() { sed -n "s/^$1 //p" "$scratch/tags"; }

# ---- kprobes ----

build/test/vmlinux "$kernel" >"$scratch/vmlinux"
for f in $probed; do
	start=$(tag "symbol $f")
	objdump -d --no-show-raw-insn --start-address="0x$start" --stop-address=$((0x$start + bytes + 16)) "$scratch/vmlinux" |
		sed -n 's/^ *\([0-9a-f]*\):[[:space:]]*\([a-z0-9]*\).*/\1 \2/p' |
		while read -r at what; do echo "$((0x$at - 0x$start)) $what"; done |
		awk -v most=$bytes '$1 <= most' >"$scratch/instructions"
	awk '{ print $1 }' "$scratch/instructions" | sort -n >"$scratch/wanted"
	sed -n "s/^probe ${f}_\([0-9]*\) .*/\1/p" "$scratch/tags" | sort -n >"$scratch/taken"
	check "$f: every instruction can be probed, and nothing else" cmp -s "$scratch/wanted" "$scratch/taken"
	cmp -s "$scratch/wanted" "$scratch/taken" || paste "$scratch/instructions" "$scratch/taken" | sed 's/^/# /'
	# What lies behind the first return or jump is another path's, or padding.
	reached=$(awk '{ print $1 } $2 ~ /^(ret|jmp)/ { exit }' "$scratch/instructions" | tail -n 1)
	check "$f: its probes are hit" [ "$(sed -n "s/^probe ${f}_\([0-9]*\) \([0-9]*\)/\1 \2/p" "$scratch/tags" |
		awk -v reached="$reached" '$1 <= reached && $2 == 0' | wc -l)" = 0 ]
done
check 'no probe failed to be armed' [ -z "$(tag failed)" ]
check 'windows were taken back for them' [ "$(count "$scratch/stats" probe_restored)" -gt 0 ]
check 'all probes go again' [ "$(tag probes-left)" = 0 ]
# The module fails to load when one of its sensitive instructions means something else than on hardware.
check 'the instructions of a module mean the same while they are probed' [ "$(tag module-probed | wc -l)" = 2 ]

# ---- the others ----

check 'the function tracer traces, on and off' [ "$(tag traced)" -gt 10 ]
check 'static calls switch: tracepoints are heard' [ "$(tag switched)" -gt 0 ]
check '... and no more' [ "$(tag switched-off)" = 0 ]
case $(tag preempt) in
none) skip 'static calls switch: preemption models' 'this kernel shows none' ;;
*) check 'static calls switch: preemption models' [ "$(tag preempt)" = 'none (voluntary) full ' ] ;;
esac
check 'jump labels switch' [ "$(tag schedstats)" = 1 ]
check 'the kernel has nothing to complain about' [ -z "$(tag complaint)" ]
for f in $probed; do
	# As it is in memory: since the probes the kernel's own bytes, but for traps. The first five are the tracer's.
	original=$(objdump -s --start-address=$((0x$(tag "symbol $f") + 5)) --stop-address=$((0x$(tag "symbol $f") + 9)) \
		"$scratch/vmlinux" | awk '/^ [0-9a-f]+ / { print $2 $3 }' | cut -c 1-8)
	check "/proc/kcore shows $f" [ "$(tag "kcore $f" | cut -c 11-18)" = "$original" ]
done

# ---- the oops ----

sed -n '/^TAG before-oops/,/^TAG end/p' "$scratch/said" >"$scratch/oops"
check 'an oops names the instruction that faulted, which ran in a stub' grep -aqF 'EIP: faults+0x4/0x10 [fault]' "$scratch/oops"
check '... and its caller' grep -aqF 'init_module+0x8/' "$scratch/oops"
check '... and no address in the hole' sh -c "! grep -aE '(EIP: |\[<|\+0x).*ff[0-9a-f]{6}|EIP: 0xff' '$scratch/oops'"
check 'the guest lives on' [ "$(tag alive)" = yes ]
check 'its frames were named' [ "$(count "$scratch/stats" frame_named)" -gt 0 ]
grep -q '^end' "$scratch/tags" || show "$scratch/said" 60
done_testing
