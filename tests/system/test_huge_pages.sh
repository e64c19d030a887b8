#!/bin/sh
# The guest's memory is kept in huge pages of the host, which cells map as such; never a condition: where the host refuses
# them, or the user does, the guest runs without, and --stats says which it was.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
skip_unless_fast HUGE_PAGES

# What the cells of the machine map of guest memory in huge pages, in kB, and the page faults that all of them have taken.
look_at_cells() {
	huge_kb=0 faults=0
	for cell in $(cells_of "$machine"); do
		huge_kb=$((huge_kb + $(awk '/^ShmemPmdMapped/ { n += $2 } END { print n + 0 }' "/proc/$cell/smaps")))
		faults=$((faults + $(sed 's/^.*) //' "/proc/$cell/stat" | cut -d ' ' -f 8)))
	done
}
# busy_machine [OPTION]...: many address spaces in use at once, each in a cell that is new to the kernel half.
busy_machine() {
	start_machine --stats="$scratch/stats.json" "$@" || return 1
	type_in 'n=0; while [ $n -lt 120 ]; do sleep 1000 & n=$((n + 1)); done; echo all are$n'
	appears 'all are120' "$scratch/console" 60 || return 1
	look_at_cells
	type_in 'poweroff -f'
	wait_for_end "$machine" 30
	exec 9>&-
	[ "$status" = 0 ]
}
said() { grep -qE "\"huge_pages\": \"$1\"" "$scratch/stats.json"; }

check "--huge-pages=off: the guest runs" busy_machine --huge-pages=off
check "--huge-pages=off: --stats says so" said off
check "--huge-pages=off: no cell maps one" [ "$huge_kb" = 0 ]
without=$faults
if build/ring1 check | grep -q '^huge pages.*yes'; then
	check "with huge pages the guest runs" busy_machine
	check "--stats says how many there are" said '[1-9][0-9]* \([0-9]+ MiB\), [0-9]+ refused'
	check "cells map them as such ($huge_kb kB)" [ "$huge_kb" -ge 10240 ]
	check "they spare most page faults of fresh cells ($faults against $without)" [ "$faults" -lt $((without * 2 / 3)) ]
else
	skip "with huge pages the guest runs" "the host refuses them"
fi

limited 60 "$scratch/out" build/test/deny madvise "$ring1" run -k "$kernel" -i "$initrd" -a "quiet ring1.init=true" \
	--stats="$scratch/stats.json"
check "a host that refuses: the guest runs" grep -aq 'true exited with status 0' "$scratch/out"
check "a host that refuses: --stats says so" said 'refused by the host'
done_testing
