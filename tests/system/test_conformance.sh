#!/bin/sh
# The VMI conformance suite: each guest of guests/conformance writes TAP, which is passed through with the group's name.
# build/test/conformance/GROUP.tap keeps it for scripts/conformance-doc.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# ending WORD TEXT RULE: the guest leaves by the call it is told to; the rule's line says what it did.
ending() {
	limited 100 "$scratch/end" "$ring1" run -k "$guest" -a "end=$1" --stats
	result='not ok'
	[ "$status" = 0 ] && [ "$ended" = itself ] && grep -aq "^# leaving by end=$1" "$scratch/end" &&
		! grep -aq '^# came back' "$scratch/end" && grep -aq "^ended: .*$2" "$scratch/end" && result=ok
	sed -i -E "s/^ok ([0-9]+) - ($3) # SKIP .*/$result \\1 - \\2/" "$results/$group.tap"
}
endings() {
	ending shutdown VMI_Shutdown 'Shutdown: powers the machine off'
	ending soft VMI_Reboot 'Reboot: resets the machine, soft'
	ending hard VMI_Reboot 'Reboot: resets the machine, hard'
	ending other VMI_Reboot 'Reboot: takes any other value for hard'
}

results=build/test/conformance
rm -f "$results"/[!e]*.tap
mkdir -p "$results"
for guest in build/guests/conformance/*.elf; do
	group=$(basename "$guest" .elf)
	limited 200 "$scratch/out" "$ring1" run -k "$guest"
	tr -d '\r' <"$scratch/out" >"$results/$group.tap"
	[ "$group" != machine ] || endings
	while IFS= read -r line; do
		case $line in
		"ok "* | "not ok "*) tests=$((tests + 1)) ;;
		esac
		printf '%s\n' "$line" | sed -nE "s/^(ok|not ok) [0-9]+ - (.*)/\1 $tests - $group: \2/p; s/^(# .*|Bail out.*)/# \1/p"
	done <"$results/$group.tap"
	# A guest that ends early has failed, whatever it said before.
	ran=$(grep -cE '^(not )?ok ' "$results/$group.tap")
	check "$group: runs all of its tests, and ends" \
		[ "$status" = 0 -a "$ended" = itself -a "$ran" -gt 0 -a \
		"$(sed -n 's/^1\.\.//p' "$results/$group.tap")" = "$ran" ]
done
done_testing
