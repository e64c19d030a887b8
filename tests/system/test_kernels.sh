#!/bin/sh
# Kernels that you have, each as it was configured: other versions, without CONFIG_PARAVIRT, with other page splits, ...
# None comes with this project:
#   RING1_KERNELS  a directory with NAME/bzImage or NAME/vmlinux, and beside it what there is of
#                  config   its configuration, which tells what else to try
#                  modules  as in /lib/modules: VERSION/**.ko, not compressed
#                  initrd   initramfs with /bin/selftest that it can run; without it that of Debian's kernels
# Time limit: 2400 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh

if [ -z "${RING1_KERNELS:-}" ]; then
	for property in 'passes the self-test' 'splits addresses where it was told to' 'lies elsewhere with --kaslr=on' \
		'loads modules that are annotated'; do
		skip "a kernel that you have $property" 'RING1_KERNELS is not set'
	done
	done_testing
	exit
fi

says() { tr -d '\r' <"$scratch/out" | grep -aqE "$1"; }
says_not() { ! says "$1"; }
passed() {
	[ "$ended" = itself ] && [ "$status" = 0 ] && says '^ring1: selftest passed$' && return
	tr -d '\r' <"$scratch/out" | grep -aE '^(#|not ok |ring1:)' | tail -n 40 | sed 's/^/#   /'
	show "$scratch/out" 10
	return 1
}
is_set() { grep -qx "CONFIG_$1" "$directory/config" 2>/dev/null; }

# boot ARGUMENTS [OPTION]...; panic=1 because "at once" is unknown to old kernels, and a panic would wait for ever.
boot() {
	arguments="ring1.init=selftest panic=1 $1"
	shift
	limited 300 "$scratch/out" "$ring1" run -k "$kernel" -i "$its_initrd" -a "$arguments" "$@"
}

cat >"$scratch/test" <<'GUEST'
#!/bin/sh
cd /modules
insmod flags.ko && echo "flags kept"
rmmod flags && echo "flags gone"
loaded=
while read -r m file; do insmod "$file" && loaded="$m $loaded"; done </order
for m in $loaded; do rmmod "$m"; done
GUEST

# Sensitive instructions of a module of ours, and ext4 with what it needs.
modules() {
	mkdir -p "$scratch/root"
	cp "$scratch/test" "$scratch/root/test"
	# shellcheck disable=SC2046 # a list of words; names of files without blanks
	set -- $(module_files "$kernel" ext4)
	load_order "$@" >"$scratch/root/order"
	check "$name: a module is built for it" own_module "$kernel" flags "$scratch/flags.ko"
	guest_archive "$scratch/archive" "$@" "$scratch/flags.ko"
	run_guest "$scratch/archive" 120
	check "$name: sensitive instructions of a module mean what they should" grep -qF 'flags kept' "$scratch/said"
	check "$name: ... and it goes" grep -qF 'flags gone' "$scratch/said"
	check "$name: $(($# + 1)) modules are annotated, all of them" \
		[ "$(count "$scratch/stats" loaded) $(count "$scratch/stats" failed)" = "$(($# + 1)) 0" ]
	check "$name: nothing is left of them" [ "$(count "$scratch/stats" parts_now)" = 0 ]
	check "$name: nothing executed was unknown" [ "$(count "$scratch/stats" exit_trap_unknown)" = 0 ]
}

found=0
for directory in "$RING1_KERNELS"/*/; do
	name=$(basename "$directory")
	for kernel in "$directory/bzImage" "$directory/vmlinux" ''; do [ ! -r "$kernel" ] || break; done
	[ -n "$kernel" ] || continue
	found=$((found + 1))
	its_initrd=$initrd
	[ ! -r "$directory/initrd" ] || its_initrd=$directory/initrd

	boot ''
	check "$name passes the self-test" passed
	if is_set 'PARAVIRT=y'; then
		check "$name knows paravirtual machines" says 'Booting paravirtualized kernel on'
	elif [ -r "$directory/config" ]; then
		check "$name knows no paravirtual machine" says_not 'Booting paravirtualized kernel on'
	fi
	split=$(sed -n 's/^CONFIG_PAGE_OFFSET=//p' "$directory/config" 2>/dev/null | tr A-F a-f)
	[ -z "$split" ] || check "$name: user addresses end at $split" says "^# user addresses end at $split\$"
	boot 'ring1.checks=processes ring1.seconds=200 quiet' --traps-only
	check "$name runs programs with --traps-only" passed
	boot 'ring1.checks=addresses quiet' -m 3G
	check "$name runs programs in 3 GiB" passed
	if is_set 'RANDOMIZE_BASE=y'; then
		boot 'ring1.checks=processes quiet' --kaslr=on
		check "$name runs programs with --kaslr=on" passed
	fi
	if is_set 'X86_PAE=y' && { is_set 'PAGE_TABLE_ISOLATION=y' || is_set 'MITIGATION_PAGE_TABLE_ISOLATION=y'; }; then
		boot 'ring1.checks=processes pti=on'
		check "$name isolates page tables with pti=on" says 'page tables isolation: enabled'
		check "$name runs programs with pti=on" passed
	fi
	[ ! -d "$directory/modules" ] || modules
done
[ "$found" -gt 0 ] || skip 'a kernel that you have passes the self-test' "no bzImage or vmlinux in $RING1_KERNELS/*"
done_testing
