#!/bin/sh
# The self-test in a guest: each of its lines is a test.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

whole_self_test 200 "$kernel"
done_testing
