#!/bin/sh
# A guest's first 64 KiB where the host maps nothing there (vm.mmap_min_addr; --low-memory=moved is the same on any host).
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

for image in "$kernel" "$kernel_pae"; do
	name=$(basename "$(dirname "$image")")
	limited 100 "$scratch/out" "$ring1" run -k "$image" -i "$initrd" --low-memory=moved \
		-a "ring1.init=selftest ring1.checks=low-memory quiet" --stats="$scratch/stats.json"
	tr -d '\r' <"$scratch/out" | grep -aE '^((not )?ok |#)' | sed 's/^/#   /'
	check "$name: programs use low memory" grep -aq 'selftest passed' "$scratch/out"
	steps=$(count "$scratch/stats.json" low_access)
	check "$name: it was moved ($steps instructions)" [ "${steps:-0}" -gt 1000 ]
	check "$name: status 0" [ "$status" = 0 -a "$ended" = itself ]
	[ "$status" = 0 ] || show "$scratch/out"
done
done_testing
