#!/bin/sh
# A program that uses 1 GiB in single pages, every second one: twice as many host mappings as Linux allows a process
# (vm.max_map_count is 65530 unless somebody raised it). The cell gives back a part and goes on.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

pages=131072
limited 150 "$scratch/out" "$ring1" run -m 800M -k "$kernel" -i "$test_initrd" \
	-a "ring1.init=/bin/counts counts.do=scatter counts.n=$pages quiet" --stats="$scratch/stats.json"
check "every page holds what was written" grep -aq "counts: scatter $pages done" "$scratch/out"
check "the guest powers off with status 0" [ "$status" = 0 -a "$ended" = itself ]
[ "$status" = 0 ] || show "$scratch/out"
if [ "$(cat /proc/sys/vm/max_map_count)" -lt $pages ]; then
	evictions=$(count "$scratch/stats.json" evict) given=$(count "$scratch/stats.json" evict_pages)
	check "the host ran out of mappings ($evictions times)" [ "${evictions:-0}" -gt 0 ]
	check "a part was given back each time ($given pages in all)" [ "${given:-0}" -lt $((evictions * 20000)) ]
	hidden=$(count "$scratch/stats.json" page_fault_hidden)
	check "going through the memory again maps each page once ($hidden faults the guest does not see)" \
		[ "${hidden:-0}" -lt $((pages * 3 / 2)) ]
else
	skip "the host runs out of mappings" "vm.max_map_count is large"
fi
done_testing
