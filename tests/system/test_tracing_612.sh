#!/bin/sh
# test_tracing on a 6.12 kernel, which you build (tests/README.md):
#   RING1_KERNEL_612   its bzImage or vmlinux
if [ -z "${RING1_KERNEL_612:-}" ]; then
	echo "ok 1 - a 6.12 kernel rewrites itself # SKIP RING1_KERNEL_612 is not set"
	echo "1..1"
	exit
fi
RING1_KERNEL=$RING1_KERNEL_612 exec "$(dirname "$0")/test_tracing.sh"
