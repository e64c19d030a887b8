#!/bin/sh
# What the documentation names is there: files, functions of the tour, tests, options.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/tour --check >"$scratch/out" 2>&1
status=$?
check "the tour names functions that exist" [ $status = 0 ]
[ $status = 0 ] || show "$scratch/out"
check "and shows them" [ "$(scripts/tour | grep -c '^    ')" -gt 500 ]

# Links, relative to the page.
for page in README.md CONTRIBUTING.md docs/*.md guests/README.md tests/README.md; do
	missing=
	for link in $(grep -o '](\([^)#]*\))*' "$page" | sed 's/^](//; s/).*//; s/#.*//' | grep -v '^[a-z]*:' | grep .); do
		[ -e "$(dirname "$page")/$link" ] || missing="$missing $link"
	done
	check "$page: its links lead somewhere:$missing" [ -z "$missing" ]
done

# `dir/file.c` and test_NAME in running text.
for page in README.md CONTRIBUTING.md docs/*.md; do
	missing=
	for file in $(grep -oE '`(annotate|backends|bench|cell|common|core|devices|guests|image|include|loader|main|mk|rom|scripts|tests)/[A-Za-z0-9_./-]+\.(c|h|S|sh|md|mk)`' \
		"$page" | tr -d '`' | sort -u); do
		[ -e "$file" ] || missing="$missing $file"
	done
	for test in $(grep -oE '\b(test|fuzz|slow)_[a-z0-9_]+' "$page" | sort -u); do
		found=$(find tests -name "$test*" | head -n 1)
		[ -n "$found" ] || grep -rqw "$test" tests guests || missing="$missing $test"
	done
	check "$page: the files and tests it names exist:$missing" [ -z "$missing" ]
done

# Each command's --help and its part of the manual page name the same options.
man=docs/ring1.1
part() {
	awk -v command="$1" '/^\.Sh/ { on = 0 } /^\.Ss/ { on = index($0 ",", " " command ",") || index($0, " " command " ") } on' "$man"
}
for command in image run inspect check vmi ls stop pause resume snapshot restore clone console balloon stat monitor exec sandbox; do
	"$ring1" $command --help >"$scratch/help" 2>/dev/null || continue
	missing=
	part "$command" >"$scratch/part"
	for option in $(grep -oE '^ +(-[a-zA-Z], )? *--[a-z-]+' "$scratch/help" | grep -oE '[-][-][a-z-]+' | sort -u); do
		grep -q -- "-$(echo "${option#--}" | sed 's/-/\\?-/g')" "$scratch/part" || missing="$missing $option"
	done
	check "ring1 $command: the manual page has every option of --help:$missing" [ -z "$missing" ]
done
done_testing
