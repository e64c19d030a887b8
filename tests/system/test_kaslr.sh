#!/bin/sh
# Kernels that choose where they lie: with --kaslr=on a bzImage built for it (CONFIG_RANDOMIZE_BASE) lies elsewhere each
# time, as its own decompressor would have it, and is annotated there; with the default arguments it lies where it was
# linked.
# Time limit: 400 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

linked=c1000000

# The address of the first instruction, and of the first byte of memory that the kernel says is its own, of a guest that
# then crashes on purpose.
place_of() { tr -d '\r' <"$scratch/console" | sed -n 's/^\([0-9a-f]*\) . startup_32$/\1/p'; }
crash() { shell_does 'grep " startup_32$" /proc/kallsyms; grep Kernel /proc/iomem; echo c >/proc/sysrq-trigger' "$@"; }
memory_is() {
	tr -d '\r' <"$scratch/console" | grep -aq "^ *$(printf %08x "$1")-[0-9a-f]* : Kernel code" && return
	tr -d '\r' <"$scratch/console" | grep -a ' : Kernel' | sed 's/^/#   /'
	return 1
}
passed() {
	[ "$ended" = itself ] && [ "$status" = 0 ] && grep -aq '^ring1: selftest passed' "$scratch/out" && return
	show "$scratch/out" 30
	return 1
}

for image in "$kernel" "$kernel_pae"; do
	name=$(basename "$(dirname "$image")")
	crash -k "$image"
	check "$name with the default arguments lies where it was linked" [ "$(place_of)" = "$linked" ]

	# The alignment of Debian's kernels, 16 MiB, leaves few places.
	place=$linked tries=0
	while [ "$place" = "$linked" ] && [ $tries -lt 6 ]; do
		tries=$((tries + 1))
		crash -k "$image" -m 512M --kaslr=on
		place=$(place_of)
	done
	check "$name with --kaslr=on lies elsewhere" [ "${place:-$linked}" != "$linked" ]
	check "$name: in memory as in its addresses" memory_is $((0x${place:-$linked} - 0xc0000000))
	check "$name: ring1 finds its functions there: panic is noted" grep -q '^ring1: guest panic' "$scratch/words"

	crash -k "$image" --kaslr=on -a "quiet nokaslr"
	check "$name with --kaslr=on and nokaslr lies where it was linked" [ "$(place_of)" = "$linked" ]
	crash -k "$image" --kaslr=on -a "quiet mem=200M"
	check "$name with --kaslr=on and mem= lies where it was linked" [ "$(place_of)" = "$linked" ]

	limited 200 "$scratch/out" "$ring1" run -k "$image" -i "$initrd" --kaslr=on -a "ring1.init=selftest quiet"
	check "$name with --kaslr=on passes the self-test" passed
done

# What the annotator's test on real kernels unpacks has no decompressor that would choose.
build/test/vmlinux "$kernel" >"$scratch/vmlinux"
crash -k "$scratch/vmlinux" --kaslr=on
check "a vmlinux with --kaslr=on lies where it was linked" [ "$(place_of)" = "$linked" ]
check "... and ring1 says so" grep -q '^ring1: .*vmlinux: is no kernel that chooses where it lies' "$scratch/words"

# Each life draws anew.
start_machine --kaslr=on --reboot=restart
type_in 'echo c >/proc/sysrq-trigger'
wait_for_end "$machine" 30
exec 9>&-
check "--kaslr=on with --reboot=restart boots" grep -q '^ring1: guest panic' "$scratch/words"
done_testing
