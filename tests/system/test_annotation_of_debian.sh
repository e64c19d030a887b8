#!/bin/sh
# The annotator's promises hold on Debian's kernels: tests/unit/test_annotate_kernel.c on each of them.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

for name in debian-686 debian-686-pae; do
	check "$name: the kernel unpacks" sh -c "build/test/vmlinux build/guests/$name/vmlinuz >'$scratch/$name'"
	RING1_TEST_KERNEL=$scratch/$name build/test/unit/test_annotate_kernel >"$scratch/out" 2>&1
	status=$?
	grep -aE '^(not )?ok ' "$scratch/out" >"$scratch/tap"
	while read -r line; do
		text=${line##* - }
		case $line in
		*'# SKIP'*) skip "$name: $text" "the test says so" ;;
		ok*) ok "$name: $text" ;;
		*) not_ok "$name: $text" ;;
		esac
	done <"$scratch/tap"
	check "$name: the test program ends well" [ "$status" = 0 ]
	[ "$status" = 0 ] || show "$scratch/out"
done
done_testing
