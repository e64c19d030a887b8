#!/bin/sh
# ring1 inspect says what Debian's kernels are and what would become of their sensitive instructions.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

has() { grep -qE -- "$1" "$scratch/out"; }
# The numbers of a kind in the JSON: found inlined called island trap
numbers() {
	tr -d ' \n' <"$scratch/out" | sed -n "s/.*\"$1\":{\"found\":\([0-9]*\),\"inlined\":\([0-9]*\),\"called\":\([0-9]*\),\"island\":\([0-9]*\),\"trap\":\([0-9]*\)}.*/\1 \2 \3 \4 \5/p"
}
# No kind's traps and calls are more than what was found.
adds_up() {
	tr -d ' \n' <"$scratch/out" | sed 's/"sensitive":/\n/; ' | tail -n 1 | tr '{' '\n' |
		sed -n 's/^"found":\([0-9]*\),"inlined":\([0-9]*\),"called":\([0-9]*\),"island":\([0-9]*\),"trap":\([0-9]*\).*/\1 \2 \3 \4 \5/p' |
		awk '{ n++; if ($2 + $3 + $5 != $1) bad = 1 } END { exit bad || n < 10 }'
}

try() {
	name=$1 file=$2 version=$3 paging=$4
	limited 10 "$scratch/out" "$ring1" inspect "$file"
	check "$name: status 0" [ "$status" = 0 ]
	check "$name: a bzImage and its payload" has '^format +bzImage, payload (xz|zstd|gzip|lz4|lzma|bzip2)$'
	check "$name: its version" has "^version +6\\.[0-9.]+-[0-9]+-$version "
	check "$name: its paging mode" has "^paging +$paging"
	check "$name: speaks no VMI" has '^speaks VMI +no$'
	check "$name: the scan time" has '^scan +[0-9]+ ms$'
	for kind in cli sti pushf popf iret; do check "$name: counts $kind" has "^ *$kind +[0-9]"; done

	limited 10 "$scratch/out" "$ring1" inspect "$file" --json
	check "$name: JSON: status 0" [ "$status" = 0 ]
	check "$name: JSON: version" has "\"version\": \"6\\.[0-9.]+-[0-9]+-$version "
	check "$name: JSON: paging mode" has "\"pae\": $5,?$"
	check "$name: JSON: every kind's ways add up to what was found" adds_up
	# shellcheck disable=SC2046 # five numbers
	set -- $(numbers cli) $(numbers iret)
	check "$name: more than 500 CLI, nearly all inline (${1:-?}, ${2:-?}), no IRET traps" \
		[ "${1:-0}" -gt 500 -a "${2:-0}" -ge $((${1:-0} - 5)) -a "${10:-1}" = 0 ]
}

try debian-686 "$kernel" 686 'two levels' false
try debian-686-pae "$kernel_pae" 686-pae 'PAE' true
done_testing
