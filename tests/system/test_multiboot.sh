#!/bin/sh
# Multiboot kernels: loaded, told what they ask for, and run right without ever turning paging on.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

printf first >"$scratch/a"
printf second >"$scratch/b"
for kind in elf bin; do
	limited 30 "$scratch/out" "$ring1" run -k build/guests/multiboot/plain.$kind -a 'one two=3' \
		-i "$scratch/a with arguments,$scratch/b"
	tr -d '\r' <"$scratch/out" >"$scratch/tap"
	while IFS= read -r line; do
		case $line in
		"ok "* | "not ok "*) tests=$((tests + 1)) ;;
		esac
		printf '%s\n' "$line" | sed -nE "s/^(ok|not ok) [0-9]+ - (.*)/\1 $tests - $kind: \2/p"
	done <"$scratch/tap"
	ran=$(grep -cE '^(not )?ok ' "$scratch/tap")
	check "$kind: ends by itself, with status 0" [ "$status" = 0 -a "$ended" = itself ]
	check "$kind: runs all of its tests" [ "$ran" -ge 20 -a "$(sed -n 's/^1\.\.//p' "$scratch/tap")" = "$ran" ]
	[ "$status" = 0 ] || show "$scratch/out"
done

# bare FILE TESTS NAME [OPTION]...: a guest's own tests, and that it ran them all
bare() {
	guest=$1 wanted=$2 name=$3
	shift 3
	limited 30 "$scratch/out" "$ring1" run -k "build/guests/multiboot/$guest" "$@"
	tr -d '\r' <"$scratch/out" >"$scratch/tap"
	while IFS= read -r line; do
		case $line in
		"ok "* | "not ok "*) tests=$((tests + 1)) ;;
		esac
		printf '%s\n' "$line" | sed -nE "s/^(ok|not ok) [0-9]+ - (.*)/\1 $tests - $name: \2/p"
	done <"$scratch/tap"
	check "$name: all tests ran, and the guest ended by itself" \
		[ "$status" = 0 -a "$ended" = itself -a "$(grep -cE '^(not )?ok ' "$scratch/tap")" = "$wanted" ]
	[ "$status" = 0 ] || show "$scratch/out"
}
bare tasks.elf 15 'task gates'
bare user.elf 14 'user code beside the kernel'
bare user.elf 14 'user code beside the kernel, without windows of pages' --userfaultfd=off

limited 10 "$scratch/out" "$ring1" inspect build/guests/multiboot/plain.elf
check "inspect says multiboot" grep -q '^format *multiboot' "$scratch/out"

head -c 3000 build/guests/multiboot/plain.bin >"$scratch/cut"
limited 10 "$scratch/out" "$ring1" run -k "$scratch/cut"
check "a file cut off is refused with status 2" [ "$status" = 2 ]
check "and named, with the reason" grep -q "^ring1: .*cut: is truncated" "$scratch/out"
limited 10 "$scratch/out" "$ring1" run -k build/guests/multiboot/plain.elf -i "$scratch/missing"
check "a missing module is refused with status 2" [ "$status" = 2 ]
check "and named, with the reason" grep -q "^ring1: .*missing: .*No such file" "$scratch/out"
done_testing
