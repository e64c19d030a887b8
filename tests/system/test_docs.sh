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

# Anchors, of pages and of headings as they are named by what shows these pages.
anchors() { sed -n 's/^##* //p' "$1" | tr 'A-Z' 'a-z' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'; }
for page in README.md CONTRIBUTING.md docs/*.md guests/README.md tests/README.md; do
	missing=
	for link in $(grep -o '](\([^)]*\))*' "$page" | sed 's/^](//; s/).*//' | grep -v '^[a-z]*:' | grep '#'); do
		of=${link%%#*}
		[ "$of" ] && of=$(dirname "$page")/$of || of=$page
		anchors "$of" | grep -qx -- "${link#*#}" || missing="$missing $link"
	done
	check "$page: its anchors are headings:$missing" [ -z "$missing" ]
done

# "section 7" is one of architecture.md's, which has numbers; 6.7.1 is a manual's.
missing=
for page in README.md CONTRIBUTING.md docs/architecture.md docs/control.md docs/specification.md docs/threat-model.md docs/annotation.md; do
	for number in $(grep -oE '\bsections? [0-9]+\b[.]?[0-9]*' "$page" | sed 's/^[a-z]* //; s/[.]$//' | grep -v '[.]' | sort -u); do
		grep -q "^## $number[.] " docs/architecture.md || missing="$missing $page:$number"
	done
done
check "sections that are referred to exist:$missing" [ -z "$missing" ]

# Who reads docs/README.md finds every page.
missing=
for page in docs/*.md docs/*.1; do
	[ "$page" = docs/README.md ] || grep -q "](${page#docs/})" docs/README.md || missing="$missing $page"
done
check "docs/README.md has every page:$missing" [ -z "$missing" ]

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

# The other way round: what the manual page says a command takes, its --help has.
for command in image run inspect check vmi ls stop pause resume snapshot clone console balloon stat monitor exec sandbox; do
	"$ring1" $command --help >"$scratch/help" 2>/dev/null
	unknown=
	for option in $(part "$command" | sed 's/\\//g' |
		sed -n 's/^\.It Fl \([a-zA-Z] , \)\{0,1\}-\([a-z-]*\).*/\2/p' | sort -u); do
		[ "$option" = help ] || grep -q -e "--$option\b" "$scratch/help" || unknown="$unknown --$option"
	done
	check "ring1 $command: --help has every option of the manual page:$unknown" [ -z "$unknown" ]
done
"$ring1" run --help >"$scratch/help"
sed -n '/^\.Cm run$/,/^\.Nm$/p' "$man" | sed 's/\\//g' >"$scratch/synopsis"
missing=
for option in $(grep -oE '^ +(-[a-zA-Z], )? *--[a-z-]+' "$scratch/help" | grep -oE '[-][-][a-z-]+' | sort -u); do
	case $option in
	--help | --kernel | --initrd | --append | --memory | --name) ;; # by their letters
	*) grep -qE "Fl -?${option#-}( |$)" "$scratch/synopsis" || missing="$missing $option" ;;
	esac
done
check "the synopsis of run has every option:$missing" [ -z "$missing" ]

# The environment is read by getenv() only.
missing=
sed -n '/^\.Sh ENVIRONMENT/,/^\.Sh FILES/p' "$man" >"$scratch/environment"
for name in $(cat main/*.c common/*.c backends/*.c image/*.c | sed -n 's/.*getenv("\([A-Z_]*\)").*/\1/p' | sort -u); do
	grep -q "Ev $name\b" "$scratch/environment" || missing="$missing $name"
done
check "the manual page names every variable that is read:$missing" [ -z "$missing" ]

# Options in command lines of the pages: of ring1 COMMAND, as far as they stand on the same line.
for page in README.md docs/*.md; do
	unknown=
	for command in image run inspect check vmi ls stop pause resume snapshot clone console balloon stat monitor exec sandbox; do
		"$ring1" $command --help >"$scratch/help" 2>/dev/null
		for option in $(grep -oE "\bring1 $command [^\`|]*" "$page" | sed 's/ -- .*//; s/#.*//' |
			grep -oE '(^| )--[a-z][a-z-]*' | sort -u); do
			grep -q -e "$option\b" "$scratch/help" || unknown="$unknown $command:$option"
		done
	done
	check "$page: the options in its command lines exist:$unknown" [ -z "$unknown" ]
done
done_testing
