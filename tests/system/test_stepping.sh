#!/bin/sh
# A kernel that single-steps its own text: one trap for each of its instructions, whatever stands for it
# (guests/conformance/stepped.c).
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

for options in '' --delivery=deferred --count=exits --traps-only; do
	# shellcheck disable=SC2086 # words
	limited 60 "$scratch/out" "$ring1" run -k build/guests/stepped.elf --stats $options
	tr -d '\r' <"$scratch/out" >"$scratch/tap"
	while IFS= read -r line; do
		case $line in
		"ok "* | "not ok "*) tests=$((tests + 1)) ;;
		esac
		printf '%s\n' "$line" |
			sed -nE "s/^(ok|not ok) [0-9]+ - (.*)/\1 $tests - ${options:-as usual}: \2/p; s/^(# .*|Bail out.*)/# \1/p"
	done <"$scratch/tap"
	ran=$(grep -cE '^(not )?ok ' "$scratch/tap")
	check "${options:-as usual}: ran all its tests, and ended by itself" \
		[ "$status" = 0 -a "$ended" = itself -a "$ran" -ge 9 -a "$(sed -n 's/^1\.\.//p' "$scratch/tap")" = "$ran" ]
	# Else nothing was shown but that instructions in their own places are steps.
	[ "$options" = --traps-only ] || check "${options:-as usual}: what is stepped had been rewritten" \
		grep -qE '^ +[1-9][0-9]+ +probe_restored ' "$scratch/tap"
done
done_testing
