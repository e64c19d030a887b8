#!/bin/sh
# The self-test in a guest none of whose instructions is rewritten: all of them trap.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

whole_self_test 1500 "$kernel" -a "ring1.init=selftest ring1.seconds=600 quiet" --traps-only
done_testing
