#!/bin/sh
# The self-test on the PREEMPT_RT kernel: interrupt handlers are threads, most spinlocks sleep.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

if [ ! -r "$kernel_rt" ]; then
	skip "the self-test passes on Debian's rt-686-pae kernel" "$kernel_rt was not fetched (scripts/fetch-test-guests)"
	done_testing
	exit
fi
whole_self_test 200 "$kernel_rt"
check "it is a PREEMPT_RT kernel" version_says "$kernel_rt" '.*PREEMPT_RT'
done_testing
