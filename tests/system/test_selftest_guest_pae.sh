#!/bin/sh
# The self-test on the PAE kernel.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

whole_self_test 200 "$kernel_pae"
done_testing
