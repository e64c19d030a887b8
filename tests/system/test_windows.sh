#!/bin/sh
# Windows of a userfaultfd are a faster way to map pages, never a condition: where the host refuses it, or the user does,
# the guest runs without, and --stats says which it was.
# Time limit: 480 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
skip_unless_fast WINDOWS AROUND UPGRADE COMPARE WARM_CELLS

pages=20000
# touch [COMMAND]... : run a guest that touches so many pages in order
touch_pages() {
	limited 60 "$scratch/out" "$@" -k "$kernel" -i "$test_initrd" --stats="$scratch/stats.json" \
		-a "ring1.init=/bin/counts counts.do=touch counts.n=$pages quiet"
	in_windows=$(count "$scratch/stats.json" window_page) mmaps=$(count "$scratch/stats.json" host_mmap)
	[ "$status" = 0 ] && grep -aq "counts: touch $pages done" "$scratch/out" && return
	show "$scratch/out"
	return 1
}
said() { grep -q "\"windows\": \"$1\"" "$scratch/stats.json"; }

if build/ring1 check | grep -q '^userfaultfd.*yes'; then
	check "with windows the guest runs" touch_pages "$ring1" run
	check "--stats says that there are" said on
	check "most pages are installed in windows: $in_windows of $pages" [ "$in_windows" -gt $((pages / 2)) ]
	with=$mmaps
else
	skip "with windows the guest runs" "the host refuses userfaultfd"
	with=
fi
check "--userfaultfd=off: the guest runs" touch_pages "$ring1" run --userfaultfd=off
check "--userfaultfd=off: --stats says so" said off
check "--userfaultfd=off: no window is opened" [ "$in_windows" = 0 ]
[ -z "$with" ] || check "windows spare mappings: $with against $mmaps" [ "$with" -lt $((mmaps / 2)) ]
check "a host that refuses: the guest runs" touch_pages build/test/deny userfaultfd "$ring1" run
check "a host that refuses: --stats says so" said 'refused by the host'
check "a host that refuses: no window is opened" [ "$in_windows" = 0 ]

limited 300 "$scratch/out" "$ring1" run -k "$kernel" -i "$initrd" --userfaultfd=off \
	-a "ring1.init=selftest ring1.checks=m quiet"
check "--userfaultfd=off: the self-test passes" grep -aq 'selftest passed' "$scratch/out"
grep -aq 'selftest passed' "$scratch/out" || show "$scratch/out"
done_testing
