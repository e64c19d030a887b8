#!/bin/sh
# A guest program in 64-bit mode tries every system call of its host: all but those a cell needs are refused, and those
# for any other use. (guests/hostile; each of its lines is a test.)
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

limited 60 "$scratch/out" "$ring1" run -k "$kernel" -i "$test_initrd" -a "ring1.init=/bin/hostile hostile.do=calls quiet"
tr -d '\r' <"$scratch/out" | grep -aE '^((not )?ok |#)' | tee "$scratch/tap"
tests=$(grep -cE '^(not )?ok ' "$scratch/tap")
plan=$(tr -d '\r' <"$scratch/out" | sed -n 's/^1\.\.\([0-9]*\)$/\1/p')
check "the program tried all it planned" [ "$tests" = "${plan:-unknown}" ]
check "the guest powered off by itself" [ "$ended" = itself ]
check "status 0" [ "$status" = 0 ]
[ "$status" = 0 ] || show "$scratch/out"
done_testing
