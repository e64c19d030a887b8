#!/bin/sh
# The self-test in a guest: each of its lines is a test.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

limited 200 "$scratch/out" "$ring1" run -k "$kernel" -i "$initrd" -a "ring1.init=selftest quiet"
tr -d '\r' <"$scratch/out" | grep -aE '^((not )?ok |#)' | tee "$scratch/tap"
tests=$(grep -cE '^(not )?ok ' "$scratch/tap")
plan=$(tr -d '\r' <"$scratch/out" | sed -n 's/^1\.\.\([0-9]*\)$/\1/p' | tail -n 1)
check "all ${plan:-planned} checks ran" [ "$tests" = "${plan:-unknown}" ]
check "the guest powered off by itself" [ "$ended" = itself ]
check "ring1 ends with status 0" [ "$status" = 0 ]
[ "$status" = 0 ] || show "$scratch/out" 60
done_testing
