#!/bin/sh
# What a guest was told is written survives a kill -9 of main, 50 times.
# Time limit: 900 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh
# shellcheck source=tests/system/disks.sh
. tests/system/disks.sh
# shellcheck source=tests/system/crash.sh
. tests/system/crash.sh
crash_rounds "${ROUNDS:-50}"
done_testing
