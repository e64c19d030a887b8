# shellcheck shell=sh
# Guests with virtio disks: an initramfs with Debian's drivers, and a /test that does what test.do= on the kernel's command
# line says. Sourced behind lib.sh and modules.sh. The functions of guest.d run in the guest; more can be appended before
# disk_archive is called.

mkdir -p "$scratch/root"
cat >"$scratch/root/test" <<'GUEST'
#!/bin/sh
argument() { tr ' ' '\n' </proc/cmdline | sed -n "s/^test\.$1=//p"; }
# What a kernel says of a disk's errors would come between the words of a line, from an interrupt: dmesg has it.
dmesg -n 1
while read -r m file; do
	options=
	[ "$m" = virtio_pci ] && options=$(argument pci | tr , ' ')
	[ "$m" = libata ] && options=$(argument libata | tr , ' ')
	# shellcheck disable=SC2086
	insmod "/modules/$file" $options
done </order
# Drivers of other disks say later what they found.
for d in $(argument wait | tr , ' '); do
	n=0
	while [ ! -e "/sys/block/$d" ] && [ $((n += 1)) -le 600 ]; do sleep 0.05; done
done
for d in /sys/block/[vs][dr]*; do
	d=${d##*/}
	[ -e "/sys/block/$d" ] && [ ! -e "/dev/$d" ] && mknod "/dev/$d" b $(tr : ' ' <"/sys/block/$d/dev")
done
mkdir -p /mnt
say() { echo "guest: $*"; }
fails() { if "$@" 2>/tmp/why; then say "unexpected success: $*"; else say "failed as it should"; fi; }
complaints() { dmesg | grep -E 'BUG|Oops|WARNING: CPU|nobody cared' && say complaints; }
# What every kernel, interface and interrupt controller is asked: 8 MiB over a remount, under ext4 with its journal
data() {
	mount -t ext4 /dev/vda /mnt || return
	dd if=/dev/urandom of=/mnt/data bs=64k count=128 2>/dev/null
	mkdir -p /mnt/dir && cp /mnt/data /mnt/dir/copy
	sync
	before=$(sha256sum </mnt/data)
	umount /mnt
	echo 3 >/proc/sys/vm/drop_caches
	mount -t ext4 /dev/vda /mnt || return
	[ "$before" = "$(sha256sum </mnt/dir/copy)" ] && say "data kept $before"
	umount /mnt
	say "random: $(dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c)"
	grep virtio /proc/interrupts /proc/ioports | sed 's/^/guest: /'
}
GUEST

# disk_archive [MODULE]...: makes $scratch/archive
disk_archive() {
	echo '"$(argument do)"; complaints; say "the end"' >>"$scratch/root/test"
	# shellcheck disable=SC2046,SC2086
	set -- $(module_files "$kernel" virtio_pci virtio_blk virtio_rng ext4 crc32c_generic "$@")
	load_order "$@" >"$scratch/root/order"
	guest_archive "$scratch/archive" "$@"
}

# disk_guest FUNCTION ARGUMENTS [OPTION]...: runs it; what it said is in $scratch/said
disk_guest() {
	what=$1 arguments=$2
	shift 2
	limited 60 "$scratch/console" "$ring1" run -k "$kernel" -i "$scratch/archive" \
		-a "ring1.init=/test quiet panic_on_oops=0 test.do=$what $arguments" "$@"
	tr -d '\r' <"$scratch/console" >"$scratch/said"
}
said() { grep -qE -- "$1" "$scratch/said"; }
