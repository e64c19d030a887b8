#!/bin/sh
# The guest self-test on this machine: what fails here is a fault of the test, not of the guest.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

SELFTEST_ROOT=build/guests/root build/guests/selftest
