#!/bin/sh
# A program that maps 1 GiB in scattered single pages, 262144 of them, in a guest of 3 GiB: four times as many host mappings
# as Linux allows a process. It keeps running, and every page holds what was written.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

pages=262144
for image in "$kernel" "$kernel_pae"; do
	name=$(basename "$(dirname "$image")")
	limited 900 "$scratch/out" "$ring1" run -m 3G -k "$image" -i "$test_initrd" \
		-a "ring1.init=/bin/counts counts.do=scatter counts.n=$pages quiet" --stats="$scratch/stats.json"
	check "$name: every page holds what was written" grep -aq "counts: scatter $pages done" "$scratch/out"
	check "$name: the guest powers off with status 0" [ "$status" = 0 -a "$ended" = itself ]
	[ "$status" = 0 ] || show "$scratch/out"
	if [ "$(cat /proc/sys/vm/max_map_count)" -lt $pages ]; then
		evictions=$(count "$scratch/stats.json" evict)
		check "$name: the host ran out of mappings ($evictions times)" [ "${evictions:-0}" -gt 0 ]
	else
		skip "$name: the host runs out of mappings" "vm.max_map_count is large"
	fi
done
done_testing
