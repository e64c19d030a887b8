#!/bin/sh
# What a running cell has of its host: two files, no privileges to gain, a filter, and no library, heap or main's memory.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

start_machine || {
	not_ok "a guest boots"
	done_testing
	exit
}
# A few processes in the guest: several cells have worked. Not the echo of what is typed says when: a cell that is only just
# being made has more than it will keep.
type_in 'for i in 1 2 3 4 5 6; do cat /proc/version | grep -c Linux; sleep 0.01; done; echo "did"" it"'
check "processes have run in the guest" appears 'did it' "$scratch/console" 5
cells=$(cells_of "$machine")
nursery=$(nursery_of "$machine")
count=$(echo "$cells" | wc -l)
check "there are several cells ($count)" [ "$count" -ge 3 ]

# every NAME COMMAND...: for each cell, with its process id behind the words
every() {
	what=$1
	shift
	wrong=
	for cell in $cells; do
		"$@" "$cell" || wrong="$wrong $cell"
	done
	if [ -z "$wrong" ]; then ok "$what"; else not_ok "$what (not so:$wrong)"; fi
}
# The third is there where the host has it.
# shellcheck disable=SC2012 # numbers
three_files() { ls "/proc/$1/fd" | sort -n | tr '\n' ' ' | grep -qE '^3 4 (5 )?$'; }
the_right_files() {
	readlink "/proc/$1/fd/3" | grep -q '^/memfd:ring1-ram' && readlink "/proc/$1/fd/4" | grep -q '^/memfd:ring1-state' &&
		{ [ ! -L "/proc/$1/fd/5" ] || readlink "/proc/$1/fd/5" | grep -qF 'anon_inode:[userfaultfd]'; }
}
status_is() { grep -q "^$1:[[:space:]]*$2\$" "/proc/$3/status"; }
no_environment() { [ "$(tr -d '\0' <"/proc/$1/environ" | wc -c)" = 0 ]; }
only_known_maps() {
	# Columns: range, rights, offset, device, inode, name. The vsyscall page is in every process of x86-64.
	strange=$(awk '$6 !~ /^\/memfd:ring1-(ram|state|annotations|cell)$/ && $6 != "[vsyscall]"' "/proc/$1/maps")
	[ -z "$strange" ] && return
	printf '%s\n' "$strange" | sed 's/^/# /'
	return 1
}
has_no() { ! grep -qE -- "$1" "/proc/$2/maps"; }
# What the cell may write and execute at once is the guest's memory below 4 GiB (i386 pages without NX), nothing above.
no_writable_code_above() { ! awk '$2 ~ /w/ && $2 ~ /x/ && length($1) > 17 { print }' "/proc/$1/maps" | grep -q .; }

every "each cell holds exactly the files 3, 4 and 5" three_files
every "these are the guest's RAM, the machine state and a userfaultfd" the_right_files
every "no new privileges" status_is NoNewPrivs 1
every "a system-call filter" status_is Seccomp 2
every "one filter" status_is Seccomp_filters 1
every "one thread" status_is Threads 1
every "no environment" no_environment
every "no library is mapped" has_no '\.so|libc|/usr/|ring1$'
every "no heap, stack, vDSO is mapped" has_no '\[(heap|stack|vdso|vvar)'
every "nothing but the machine is mapped" only_known_maps
every "no code is writable above 4 GiB" no_writable_code_above
# That these tests can tell: the nursery holds more, main maps a library.
check "the test can tell: the nursery holds more files" sh -c "[ \"\$(ls /proc/$nursery/fd | wc -l)\" -gt 2 ]"
check "the test can tell: main maps a C library" grep -q 'libc' "/proc/$machine/maps"
check "the nursery maps no C library" has_no 'libc|ld-linux' "$nursery"
stop_machine
done_testing
