#!/bin/sh
# The self-test on a 6.12 kernel, which you build (tests/README.md):
#   RING1_KERNEL_612   its bzImage or vmlinux
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

if [ -z "${RING1_KERNEL_612:-}" ]; then
	skip "the self-test passes on a 6.12 kernel" "RING1_KERNEL_612 is not set"
	done_testing
	exit
fi
whole_self_test 200 "$RING1_KERNEL_612"
check "it is a 6.12 kernel" version_says "$RING1_KERNEL_612" '6\.12[.-]'
done_testing
