#!/bin/sh
# The lists of system calls that main and the processes behind devices keep (main/confine.c, backends/): each call in them
# names a function that makes it, and the sources have that function. A guest with devices makes no other call.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# Lines "FILE CALL COMMENT" of the lists.
entries() {
	sed -n 's/^[[:space:]]*SCMP_SYS(\([a-z0-9_]*\)),[[:space:]]*\(.*\)$/\1 \2/p' "$1" | sed "s|^|$1 |"
}
# Is there a call or a definition of this function, in code?
in_sources() { grep -rhE --include='*.c' "(^|[^a-z0-9_])$1\\(" main backends common annotate image | grep -qv '^ *SCMP_SYS'; }

# has_caller "FILE CALL COMMENT": "the same" is that of the line before
has_caller() {
	comment=${1#* * }
	case $comment in
	*'the same'*) return ;;
	'/* '*'()'*) ;;
	*) return 1 ;;
	esac
	for name in $(printf '%s\n' "$comment" | grep -oE '[a-z0-9_]+\(\)' | tr -d '()'); do
		in_sources "$name" || return 1
	done
}
for file in main/confine.c backends/*.c; do
	grep -q 'SCMP_SYS(' "$file" || continue
	entries "$file" >"$scratch/entries"
	check "$file lists calls" [ -s "$scratch/entries" ]
	nobodys=
	while IFS= read -r entry; do
		has_caller "$entry" || nobodys="$nobodys $(echo "$entry" | cut -d ' ' -f 2)"
	done <"$scratch/entries"
	check "$file: each call names its callers, which there are${nobodys:+ (not$nobodys)}" [ -z "$nobodys" ]
done
check "the test can tell: a caller that does not exist" sh -c "! grep -rq 'no_such_caller(' main backends common annotate image"
has_caller 'x.c read /* no_such_caller() */'
check "  is found out" [ $? = 1 ]

# What is tried beside the lists, while a guest uses its devices.
build/test/calls_seen --new "$scratch/calls"
truncate -s 4M "$scratch/disk"
mkdir "$scratch/share"
CALLS_MADE=$scratch/calls
LD_PRELOAD=$PWD/build/test/calls_made.so
export CALLS_MADE LD_PRELOAD
start_machine --disk "$scratch/disk" --net user,restrict=on --rng --share "here=$scratch/share"
unset LD_PRELOAD
if grep -q 'system-call filter' "$scratch/words"; then
	skip 'no call is made that is not listed' 'the host tells nobody of system calls (SECCOMP_RET_USER_NOTIF)'
	stop_machine
	done_testing
	exit
fi
# shellcheck disable=SC2016 # for the guest's shell
type_in 'head -c 4096 /dev/urandom | wc -c; cat /proc/interrupts; echo do""ne; poweroff -f'
check "a guest with devices works while its calls are counted" appears 'done' "$scratch/console" 60
wait_for_end "$machine" 60
exec 9>&-
check "and powers off, status 0 (it was $status, $ended)" [ "$status" = 0 -a "$ended" = itself ]
build/test/calls_seen "$scratch/calls" >"$scratch/seen"
check "calls were counted" grep -q '^ring1 made ppoll [1-9]' "$scratch/seen"
check "none was tried that is not listed" [ "$(grep -c ' refused ' "$scratch/seen")" = 0 ]
grep ' refused ' "$scratch/seen" | sed 's/^/# /'
done_testing
