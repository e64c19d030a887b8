#!/bin/sh
# What cannot be used ends with status 2 and a message that names it and the reason; no guest is started.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# refused NAME REGEX COMMAND...
refused() {
	what=$1 pattern=$2
	shift 2
	limited 10 "$scratch/out" "$@"
	check "$what: status 2" [ "$status" = 2 -a "$ended" = itself ]
	check "$what: the message says what and why" grep -aqE -- "$pattern" "$scratch/out"
	grep -aqE -- "$pattern" "$scratch/out" || show "$scratch/out" 5
	check "$what: in one line" [ "$(grep -ac '^ring1: ' "$scratch/out")" = 1 ]
}
kernel_refused() { refused "$1" "^ring1: .*$(basename "$2").*$3" "$ring1" run -k "$2"; }
memory_refused() { refused "-m '$1'" "^ring1: -m $1: " "$ring1" run -k "$kernel" -m "$1"; }

: >"$scratch/empty"
head -c 20000 "$kernel" >"$scratch/truncated"
size=$(wc -c <"$kernel")
head -c $((size - 100000)) "$kernel" >"$scratch/cut"
head -c 1000000 /dev/urandom >"$scratch/random"
{ head -c 1000000 "$kernel"; head -c 4000 /dev/urandom; tail -c +1004001 "$kernel"; } >"$scratch/damaged"
kernel_refused "kernel: missing file" "$scratch/missing" 'No such file'
kernel_refused "kernel: directory" "$scratch" '[Dd]irectory'
kernel_refused "kernel: empty file" "$scratch/empty" ': .'
kernel_refused "kernel: only its beginning" "$scratch/truncated" ': .'
kernel_refused "kernel: without its end" "$scratch/cut" ': .'
kernel_refused "kernel: random bytes" "$scratch/random" ': .'
kernel_refused "kernel: damaged payload" "$scratch/damaged" ': .'
kernel_refused "kernel: a 64-bit ELF file" build/cell.elf '64'
kernel_refused "kernel: a shared object" build/guests/root/lib/i386-linux-gnu/libm.so.6 ': .'
kernel_refused "kernel: a program of Debian" build/guests/root/bin/busybox 'is a program'
kernel_refused "kernel: a program of i386" build/guests/selftest 'is a program'
kernel_refused "kernel: a text file" README.md ': .'

for size in 0 1M 63M 3073M 100G 99999999999999999999 -5 abc 512X 512MM; do memory_refused "$size"; done
refused "-m ''" '^ring1: -m : ' "$ring1" run -k "$kernel" -m ''

long=$(head -c 4000 /dev/zero | tr '\0' x)
longer=$(head -c 9000 /dev/zero | tr '\0' x)
refused "kernel arguments longer than the kernel takes" 'characters; this kernel takes' "$ring1" run -k "$kernel" -a "$long"
refused "kernel arguments longer than ring1 takes" 'long' "$ring1" run -k "$kernel" -a "$longer"

refused "--cpu 1023" '^ring1: --cpu 1023: .* on CPUs [0-9]' "$ring1" run -k "$kernel" --cpu 1023
refused "--cpu one" '^ring1: --cpu one: not the number' "$ring1" run -k "$kernel" --cpu one

truncate -s 80M "$scratch/large"
refused "initrd: missing file" 'missing.*No such file' "$ring1" run -k "$kernel" -i "$scratch/missing"
refused "initrd: directory" '[Dd]irectory' "$ring1" run -k "$kernel" -i "$scratch"
refused "initrd: larger than the guest's memory" 'large' "$ring1" run -k "$kernel" -i "$scratch/large" -m 64M

refused "no kernel" 'which kernel' "$ring1" run
refused "a word that is no option" "'extra'" "$ring1" run -k "$kernel" extra
refused "an unknown command" "'walk'" "$ring1" walk
refused "inspect: missing file" 'missing.*No such file' "$ring1" inspect "$scratch/missing"
refused "inspect: random bytes" 'random' "$ring1" inspect "$scratch/random"
limited 5 "$scratch/out" "$ring1" run --no-such-option
check "an unknown option: status 2" [ "$status" = 2 ]
check "an unknown option: named" grep -q 'no-such-option' "$scratch/out"
limited 5 "$scratch/out" "$ring1"
check "no command: status 2" [ "$status" = 2 ]
# Every command that --help lists.
commands=$("$ring1" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p')
check "--help lists commands" [ "$(echo "$commands" | wc -l)" -ge 18 ]
for command in "" $commands; do
	# shellcheck disable=SC2086 # none or one word
	limited 5 "$scratch/out" "$ring1" $command --help
	check "'$command --help': status 0 and a usage" [ "$status" = 0 -a "$(grep -c '^usage:' "$scratch/out")" = 1 ]
	[ "$command" ] || continue
	"$ring1" help "$command" >"$scratch/help" 2>&1
	check "'help $command' says the same" cmp -s "$scratch/help" "$scratch/out"
	"$ring1" "$command" --help >/dev/full 2>"$scratch/out"
	check "... status 2 where it cannot be written" [ $? = 2 ]
	check "... with the reason" grep -q 'standard output: cannot write' "$scratch/out"
	want=2
	case $command in
	exec | sandbox) want=125 ;;
	esac
	case $command in
	image) set -- image create ;;
	restore) set -- restore "$scratch/missing" ;;
	*) set -- "$command" ;;
	esac
	limited 5 "$scratch/out" "$ring1" "$@" --no-such-option
	check "'$* --no-such-option': status $want" [ "$status" = $want ]
	check "... names command and option" grep -qE "^ring1: [a-z]+: .*'--no-such-option'" "$scratch/out"
	check "... says where to read on, in two lines that end as lines of a file do" \
		[ "$(wc -l <"$scratch/out") $(grep -c "'ring1 .* --help'" "$scratch/out") $(grep -c "$(printf '\r')" "$scratch/out")" = '2 1 0' ]
done
for words in --version ls 'ls --json' check vmi 'vmi --json' "inspect $kernel" "inspect --json $kernel" 'exec --print-agent'; do
	# shellcheck disable=SC2086 # an option may be there
	"$ring1" $words >/dev/full 2>"$scratch/out" </dev/null
	check "ring1 $words: status 2 on a full disk" [ $? = 2 ]
	check "... with the reason" grep -q 'standard output: cannot write' "$scratch/out"
done
done_testing
