#!/bin/sh
# The lists of system calls that main, the processes behind devices and the reader of images keep (main/confine.c,
# backends/, image/boot_files.c): each call in them names a function that makes it, and the sources have that function. A
# guest with devices and an image make no other call.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# Lines "FILE CALL COMMENT" of the lists, and of the rules for calls with certain arguments (common/call_filter.h).
entries() {
	sed -nE 's/^[[:space:]]*(SCMP_SYS|CALL_WITH|TRAPPED|ABSENT)\(([a-z0-9_]*)(, [^()]*)?\),[[:space:]]*(.*)$/\2 \4/p' "$1" | sed "s|^|$1 |"
}
# Is there a call or a definition of this function, in code?
in_sources() { grep -rhE --include='*.c' "(^|[^a-z0-9_])$1\\(" main backends common annotate image | grep -qvE '^ *(SCMP_SYS|CALL_WITH|TRAPPED|ABSENT)\('; }

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
for file in main/confine.c backends/*.c image/*.c; do
	grep -q '^[[:space:]]*SCMP_SYS(' "$file" || continue
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

# ---- what is tried beside the lists: by a guest that uses its devices, by the reader of an image ----

PATH=$PATH:/usr/sbin:/sbin
build/test/calls_seen --new "$scratch/calls"
truncate -s 4M "$scratch/disk"
mkdir -p "$scratch/share" "$scratch/tree/boot"
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
mkdir -p "$scratch/tree/boot"
cp "$kernel" "$scratch/tree/boot/vmlinuz-1"
cp "$initrd" "$scratch/tree/boot/initrd.img-1"
# So large that the descriptors of its groups are memory of their own for malloc().
if mke2fs -q -t ext4 -O '^has_journal,^resize_inode' -b 4096 -d "$scratch/tree" "$scratch/image" 1T >"$scratch/mke2fs" 2>&1; then
	export LD_PRELOAD="$PWD/build/test/calls_made.so"
	limited 60 "$scratch/out" "$ring1" run --image "$scratch/image,ro" -a 'quiet ring1.init=/bin/true'
	unset LD_PRELOAD
	check "an image of 1 TiB boots while its reader's calls are counted" grep -aq '/bin/true exited with status 0' "$scratch/out"
	image=image
else
	skip "an image of 1 TiB" "no mke2fs, or no room for it: $(head -n 1 "$scratch/mke2fs")"
	image=
fi
build/test/calls_seen "$scratch/calls" >"$scratch/seen"
for made in ' ppoll' ${image:+':image pread64'} ${image:+':image mmap'}; do
	check "calls of ring1${made%% *} were counted: ${made#* }" grep -q "^ring1${made%% *} made ${made#* } [1-9]" "$scratch/seen"
done
check "none was tried that is not listed" [ "$(grep -c ' refused ' "$scratch/seen")" = 0 ]
grep ' refused ' "$scratch/seen" | sed 's/^/# /'
done_testing
