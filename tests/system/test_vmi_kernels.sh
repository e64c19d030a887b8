#!/bin/sh
# Linux kernels that speak VMI (CONFIG_VMI, 2.6.21 to 2.6.36): with the ROM they use it, without it the same file boots
# as any other kernel, and the self-test passes in both. None comes with this project (docs/vmi-guests.md):
#   RING1_VMI_KERNELS  a directory with NAME/bzImage or NAME/vmlinux
#   RING1_VMI_INITRD   initramfs with /bin/selftest that all of them can run (guests-old in mk/guests.mk); without it
#                      initramfs/*.cpio.gz of that directory, else the one of Debian's kernels
# Time limit: 1800 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

properties='boots to userland with the ROM and uses it
passes the self-test with the ROM
boots to userland with --vmi=off and sees no ROM
passes the self-test with --vmi=off
keeps its processes apart with --delivery=deferred
keeps its processes apart with --traps-only'

skip_all() {
	echo "$properties" >"$scratch/properties"
	while read -r property; do skip "a VMI kernel $property" "$1"; done <"$scratch/properties"
	done_testing
	exit
}

[ -n "${RING1_VMI_KERNELS:-}" ] || skip_all 'RING1_VMI_KERNELS is not set'

vmi_initrd=${RING1_VMI_INITRD:-}
if [ -z "$vmi_initrd" ]; then
	for file in "$RING1_VMI_KERNELS"/initramfs/*.cpio.gz; do [ ! -r "$file" ] || vmi_initrd=$file; done
fi
: "${vmi_initrd:=$initrd}"


# self_test OPTION...: sets status and ended; the console is $scratch/out
self_test() {
	# panic=1: "at once" is unknown to them, and a panic would wait for ever.
	limited 300 "$scratch/out" "$ring1" run -k "$image" -i "$vmi_initrd" "$@"
}
says() { tr -d '\r' <"$scratch/out" | grep -aqE "$1"; }
says_not() { ! says "$1"; }
all_passed() { [ "$ended" = itself ] && [ "$status" = 0 ] && says '^ring1: selftest passed$'; }

# What a kernel says on the way; "bare hardware" is what Linux calls having no paravirtual interface.
with_rom() { says 'VMI: Found ring1 .*API version 3\.' && says 'Booting paravirtualized kernel on vmi' && says '^1\.\.'; }
without_rom() {
	says_not 'VMI: Found' && says_not 'paravirtualized kernel on vmi' &&
		says 'Booting paravirtualized kernel on bare hardware' && says '^1\.\.'
}

reasons() {
	all_passed && return
	tr -d '\r' <"$scratch/out" | grep -aE '^(#|not ok |ring1:)' | tail -n 40 | sed 's/^/#   /'
	show "$scratch/out" 10
}

full='ring1.init=selftest panic=1'
some="$full ring1.checks=processes quiet"

found=0
for directory in "$RING1_VMI_KERNELS"/*/; do
	name=$(basename "$directory")
	image=$(vmi_image_in "$directory")
	[ -n "$image" ] || continue
	found=$((found + 1))

	self_test -a "$full"
	check "$name boots to userland with the ROM and uses it" with_rom
	check "$name passes the self-test with the ROM" all_passed
	reasons
	self_test -a "$full" --vmi=off
	check "$name boots to userland with --vmi=off and sees no ROM" without_rom
	check "$name passes the self-test with --vmi=off" all_passed
	reasons
	self_test -a "$some" --vmi=off --stats="$scratch/stats.json"
	# Its native_iret is too short to be rewritten, and lies behind a word that can be (annotate/iret_word.h).
	trapped=$(count "$scratch/stats.json" exit_trap) returned=$(count "$scratch/stats.json" iret_user_rom)
	if reason=$(slow ROM_IRET STUBS WINDOWS); then
		skip "$name returns to user mode without a trap with --vmi=off" "$reason"
	else
		check "$name returns to user mode without a trap with --vmi=off (${trapped:-no} traps, ${returned:-no} returns in the ROM)" \
			[ "${trapped:-0}" -lt $((${returned:-0} / 10)) ]
	fi
	self_test -a "$some" --delivery=deferred
	check "$name keeps its processes apart with --delivery=deferred" all_passed
	reasons
	self_test -a "$some" --traps-only
	check "$name keeps its processes apart with --traps-only" all_passed
	reasons
done
[ "$found" -gt 0 ] || skip_all "no kernel that ring1 can load in $RING1_VMI_KERNELS"
done_testing
