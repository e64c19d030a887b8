#!/bin/sh
# 50 times a guest at work is stopped by a snapshot, and goes on from it; one whose kernel is not rewritten.
# Time limit: 1800 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh
# shellcheck source=tests/system/disks.sh
. tests/system/disks.sh
# shellcheck source=tests/system/snapshots.sh
. tests/system/snapshots.sh
disk_archive
rounds 50
shell_goes_on 'traps only' -k "$kernel" --traps-only
wait
done_testing
