#!/bin/sh
# Modules are annotated before they run, whatever the kernel, and leave nothing behind.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh

rounds=2
# With sites of every kind, in core and initialization text; none of them needs a device, all can be removed again.
churned='loop ext4 crc32c_generic isofs overlay dummy tun bonding nf_conntrack xt_recent cpuid gameport parport_pc lp ne2k_pci
	pcnet32 8139cp e1000 ata_piix brd dm_snapshot snd_pcm usbcore i2c_piix4 twofish_i586 slip can'

# objdump's count of an instruction in what a kernel executes of modules in place
sites_in() { # NAME FILE...
	name=$1
	shift
	for file; do objdump -d --no-show-raw-insn "$file"; done | awk -v name="$name" '
		/^Disassembly of section/ { skip = /\.altinstr/ }
		!skip && /^ *[0-9a-f]+:/ && $2 == name { n++ }
		END { print n + 0 }'
}

mkdir -p "$scratch/root"
mke2fs -q -t ext4 -F "$scratch/root/disk" 16M >/dev/null 2>&1
cat >"$scratch/root/test" <<'GUEST'
#!/bin/sh
cd /modules
if [ -e flags.ko ]; then
	insmod flags.ko && echo "flags kept"
	rmmod flags && echo "flags gone"
fi
round() {
	loaded=
	while read -r m file; do
		if insmod "$file"; then loaded="$m $loaded"; else echo "not loaded: $m"; fi
	done </order
	[ "$1" = 1 ] && [ -e /disk ] && data
	for m in $loaded; do rmmod "$m" || echo "not removed: $m"; done
}
data() {
	mkdir -p /mnt
	losetup /dev/loop0 /disk
	mount -t ext4 /dev/loop0 /mnt || return
	dd if=/dev/urandom of=/mnt/a bs=64k count=64 2>/dev/null
	for i in 1 2 3 4; do
		mkdir "/mnt/$i"
		cp /mnt/a "/mnt/$i/f"
		[ "$i" = 1 ] || rm "/mnt/$((i - 1))/f"
	done
	sync
	before=$(cat /mnt/a /mnt/4/f | sha256sum)
	umount /mnt
	mount -t ext4 /dev/loop0 /mnt
	[ "$before" = "$(cat /mnt/a /mnt/4/f | sha256sum)" ] && echo "data kept"
	umount /mnt
	losetup -d /dev/loop0
}
for i in $(seq "$(cat /rounds)"); do
	round "$i"
	echo "round $i"
done
dmesg | grep -E 'BUG|Oops|WARNING: CPU|EXT4-fs error' | head
echo "the end"
GUEST
# shellcheck disable=SC2046,SC2086 # lists of words; names of files without blanks
set -- $(module_files "$kernel" $churned)
check 'the modules are there' [ $# -gt 35 ]
load_order "$@" >"$scratch/root/order"
echo $rounds >"$scratch/root/rounds"
check 'our own module is built' own_module "$kernel" flags "$scratch/flags.ko"
guest_archive "$scratch/archive" "$@" "$scratch/flags.ko"
run_guest "$scratch/archive" 300 -m 512M

said() { grep -qF -- "$1" "$scratch/said"; }
check 'the guest ends well' [ "$ended $status" = 'itself 0' ]
check 'sensitive instructions of a module mean what they should' said 'flags kept'
check '... and it goes' said 'flags gone'
check 'ext4 on a loop device keeps data over a remount' said 'data kept'
check "$# modules are loaded and removed, $rounds times" said "round $rounds"
check '... every one of them' sh -c "! grep -E '^not (loaded|removed)' '$scratch/said'"
check 'the kernel has nothing to complain about' sh -c "! grep -aE 'BUG:|Oops|WARNING: CPU|EXT4-fs error' '$scratch/said'"
check 'none is left as it was' [ "$(count "$scratch/stats" failed)" = 0 ]
check 'each is annotated each time' [ "$(count "$scratch/stats" loaded)" = $(($# * rounds + 1)) ]
for kind in pushf popf cpuid cli sti; do
	wanted=$(($(sites_in $kind "$@") * rounds + $(sites_in $kind "$scratch/flags.ko")))
	check "every $kind of them is known ($wanted)" [ "$(kind_count "$scratch/stats" $kind)" = $wanted ]
done
check 'no bytes that are no instructions' [ "$(count "$scratch/stats" undecodable)" = 0 ]
check 'nothing executed was unknown' [ "$(count "$scratch/stats" exit_trap_unknown)" = 0 ]
for what in parts sites windows points stub_bytes; do
	check "no $what are left" [ "$(count "$scratch/stats" ${what}_now)" = 0 ]
done
said 'the end' || show "$scratch/said"

# ---- the other kernel, and without rewriting ----

rm "$scratch/root/disk"
: >"$scratch/root/order"
kernel=$kernel_pae
check 'PAE: our own module is built' own_module "$kernel" flags "$scratch/flags.ko"
guest_archive "$scratch/archive" "$scratch/flags.ko"
for options in '' --traps-only; do
	# shellcheck disable=SC2086 # one or none
	run_guest "$scratch/archive" 60 $options
	check "PAE $options: sensitive instructions of a module mean what they should" said 'flags kept'
	check "PAE $options: nothing is left of it" \
		[ "$(count "$scratch/stats" loaded) $(count "$scratch/stats" parts_now)" = '1 0' ]
done
done_testing
