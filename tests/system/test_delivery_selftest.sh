#!/bin/sh
# The self-test in guests whose enables deliver nothing (--delivery=deferred): all promises of the machine hold there, too.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

for k in "$kernel" "$kernel_pae"; do
	name=${k%/vmlinuz}
	name=${name##*/}
	limited 200 "$scratch/out" "$ring1" run -k "$k" -i "$initrd" --delivery=deferred --count=exits --stats="$scratch/stats" \
		-a "ring1.init=selftest quiet"
	tr -d '\r' <"$scratch/out" >"$scratch/lines"
	plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$scratch/lines" | tail -n 1)
	bad=$(grep -aE '^not ok ' "$scratch/lines" | grep -vc '# TODO')
	check "$name: all ${plan:-planned} checks ran" [ "$(grep -caE '^(not )?ok ' "$scratch/lines")" = "${plan:-unknown}" ]
	check "$name: none failed, and the guest powered off by itself" [ "$bad:$status:$ended" = 0:0:itself ]
	check "$name: no enable delivered, $(count "$scratch/stats" deliver_disable) disables did" \
		[ "$(count "$scratch/stats" deliver_enable)" = 0 -a "$(count "$scratch/stats" deliver_disable)" -gt 0 ]
	[ "$bad:$status" = 0:0 ] || show "$scratch/out" 60
done
done_testing
