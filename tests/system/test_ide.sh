#!/bin/sh
# Disks and CD-ROMs at an IDE controller: what a guest writes and flushes, is refused, and is told of errors; snapshots.
# shellcheck disable=SC2016 # the guest's shell expands
# Time limit: 300 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh
# shellcheck source=tests/system/disks.sh
. tests/system/disks.sh

cat >>"$scratch/root/test" <<'GUEST'
files() {
	mount -t ext4 /dev/sda /mnt || return
	dd if=/dev/urandom of=/mnt/data bs=64k count=128 2>/dev/null
	mkdir -p /mnt/dir && cp /mnt/data /mnt/dir/copy
	sync
	before=$(sha256sum </mnt/data)
	umount /mnt
	echo 3 >/proc/sys/vm/drop_caches
	mount -t ext4 /dev/sda /mnt || return
	[ "$before" = "$(sha256sum </mnt/dir/copy)" ] && say "data kept $before"
	umount /mnt
	say "mode $(cat /sys/class/ata_device/dev1.0/dma_mode)"
	say "interrupts $(awk '/ata_piix/ { n += $2 } END { print (n > 0) ? "come" : "are missing" }' /proc/interrupts)"
}
four() {
	for d in sda sdb sdc; do
		say "$d $(cat /sys/block/$d/size) $(dd if=/dev/$d bs=8 count=1 2>/dev/null) $(readlink -f /sys/block/$d | sed 's,.*/ata,ata,;s,/.*/target[0-9]*,,;s,/block.*,,')"
	done
	say "sr0 $(cat /sys/block/sr0/size) ro $(cat /sys/block/sr0/ro)"
	say "blocks $(cat /sys/block/sda/queue/logical_block_size) $(cat /sys/block/sda/queue/physical_block_size)"
	last=$(($(cat /sys/block/sdb/size) - 1))
	dd if=/dev/sdb bs=512 skip=$last 2>/dev/null | wc -c | sed 's/^/guest: from the last sector on: /'
	echo tail | dd of=/dev/sdb bs=512 seek=$last conv=sync,fsync 2>/dev/null && say 'wrote the last sector'
	mkdir -p /a /b
	dd if=/dev/sda of=/a/x bs=64k 2>/dev/null & dd if=/dev/sdc of=/b/x bs=64k 2>/dev/null & wait
	say "at once: $(sha256sum </a/x) $(sha256sum </b/x)"
}
flushes() { dd if=/dev/zero of=/dev/sda bs=4k count=1 seek=5 conv=fsync 2>/dev/null && say flushed; }
through() {
	for type in /sys/class/scsi_disk/*/cache_type; do echo 'write through' >"$type"; done
	dd if=/dev/urandom of=/dev/sda bs=4k count=4 oflag=direct 2>/dev/null && say "wrote, $(cat "$type")"
}
overwrite() {
	tr '\0' x </dev/zero | dd of=/dev/sda bs=1000 count=3000 iflag=fullblock conv=fsync 2>/dev/null
	echo 3 >/proc/sys/vm/drop_caches
	say "x: $(dd if=/dev/sda bs=1000 count=3000 2>/dev/null | tr -d x | wc -c)"
	say "rest: $(dd if=/dev/sda bs=1000 skip=3000 2>/dev/null | sha256sum)"
}
reads_badly() {
	# A request that begins in front of what cannot be read
	fails dd if=/dev/sda of=/dev/null bs=1000k skip=1 count=1 iflag=direct
	dd if=/dev/sda of=/dev/null bs=4k skip=512 count=1 2>/dev/null && say 'elsewhere it reads'
	dmesg | grep -q 'error: { UNC }' && dmesg | grep -q 'dev sda, sector 2048 ' && say 'the kernel knows the sector'
}
writes_badly() {
	fails dd if=/dev/zero of=/dev/sda bs=4k seek=256 count=1 conv=fsync
	dd if=/dev/zero of=/dev/sda bs=4k seek=512 count=1 conv=fsync 2>/dev/null && say 'elsewhere it writes'
}
syncs_badly() { fails dd if=/dev/zero of=/dev/sda bs=4k seek=256 count=1 conv=fsync; }
cd_reads() {
	say "sr0 $(cat /sys/block/sr0/size) sectors: $(dd if=/dev/sr0 bs=64k 2>/dev/null | sha256sum)"
	mount -t iso9660 /dev/sr0 /mnt && say "file: $(cat /mnt/hello.txt)" && umount /mnt
	fails dd if=/dev/zero of=/dev/sr0 bs=2048 count=1
}
cd_badly() {
	fails dd if=/dev/sr0 of=/dev/null bs=2048 skip=64 count=1
	dd if=/dev/sr0 of=/dev/null bs=2048 skip=512 count=1 2>/dev/null && say 'elsewhere it reads'
}
boots() {
	n=$(dd if=/dev/sda bs=1 skip=1024 count=1 2>/dev/null)
	case $n in
	1) say 'the second life' && return ;;
	esac
	printf 1 | dd of=/dev/sda bs=1 seek=1024 conv=notrunc,fsync 2>/dev/null
	say 'the first life'
	reboot -f
}
# At work while a snapshot is taken: writes with a checksum each, until it is told to end.
works() {
	n=0
	say working
	while [ $n -lt 20 ]; do
		n=$((n + 1))
		dd if=/dev/urandom of=/tmp/block bs=64k count=4 2>/dev/null
		dd if=/tmp/block of=/dev/sda bs=64k seek=$((n % 8 * 4)) conv=notrunc,fsync 2>/dev/null || say 'write failed'
		echo 3 >/proc/sys/vm/drop_caches
		a=$(sha256sum </tmp/block) b=$(dd if=/dev/sda bs=64k skip=$((n % 8 * 4)) count=4 2>/dev/null | sha256sum)
		[ "$a" = "$b" ] || say 'differs'
		[ "$(dd if=/dev/sr0 bs=64k 2>/dev/null | sha256sum)" = "$(argument sum)  -" ] || say 'the CD differs'
	done
	say "worked $n rounds"
}
GUEST
disk_archive ata_piix sd_mod sr_mod isofs || exit 1

with_disk() {
	rm -f "$scratch/counts"
	printf '%s\n' '#!/bin/sh' "export BAD_DISK='$1' BAD_DISK_COUNTS=$scratch/counts LD_PRELOAD=$PWD/build/test/bad_disk.so" \
		"exec $PWD/build/ring1 \"\$@\"" >"$scratch/with-disk"
	chmod +x "$scratch/with-disk"
	shift
	ring1=$scratch/with-disk
	disk_guest "$@"
	ring1=build/ring1
}
counted() { od -A n -t u8 -w40 "$scratch/counts" | awk -v n="$1" '{ print $n }'; }
sum() { sha256sum <"$1" | cut -d ' ' -f 1; }

# ---- a file system, through every interrupt controller ----

# each ARGUMENTS [OPTION]...
each() {
	arguments=$1
	shift
	mke2fs -q -t ext4 -F "$scratch/disk" 64M >/dev/null 2>&1
	disk_guest files "$arguments test.wait=sda" --disk "$scratch/disk,bus=ide" "$@"
	check "$arguments $*: ext4 keeps data over a remount" said '^guest: data kept'
	check '... by interrupts, with nothing to complain about' [ "$(grep -cE '^guest: (interrupts come|the end|complaints)' "$scratch/said") $status" = '2 0' ]
	e2fsck -fn "$scratch/disk" >"$scratch/fsck" 2>&1
	check '... the file system is clean' [ $? = 0 ]
	data=$(sed -n 's/^guest: data kept \([0-9a-f]*\).*/\1/p' "$scratch/said")
	check "... and the data on the host's disk" [ "$(debugfs -R 'cat /dir/copy' "$scratch/disk" 2>/dev/null | sha256sum | cut -d ' ' -f 1)" = "$data" ]
	said '^guest: the end' || show "$scratch/said"
}
each ''
check 'the drive is as fast as the controller lets it be' said '^guest: mode XFER_UDMA_2'
each 'test.libata=dma=0'
check 'without DMA it is PIO' said '^guest: mode $'
each '' --apic=off
each '' --acpi=off

# ---- four drives, of any kind ----

for d in first second third; do
	dd if=/dev/urandom of="$scratch/$d" bs=1M count=3 2>/dev/null
	printf '%-8s' "$d" | tr ' ' . | dd of="$scratch/$d" conv=notrunc 2>/dev/null
done
truncate -s 1000448 "$scratch/second"
qemu-img convert -q -f raw -O qcow2 "$scratch/third" "$scratch/third.qcow2"
echo 'a file on a CD' | build/test/iso "$scratch/cd.iso" 8388608
cd_sum=$(sum "$scratch/cd.iso")
disk_guest four 'test.wait=sda,sdb,sdc,sr0' --disk "$scratch/first,bus=ide,cow,serial=one two" --disk "$scratch/second,bus=ide" \
	--cdrom "$scratch/cd.iso" --disk "$scratch/third.qcow2,bus=ide"
check 'disks come in order, with their sizes' [ "$(grep -cE '^guest: sd(a 6144 first... ata1:0:0|b 1954 second.. ata1:0:1|c 6144 third... ata2:0:1)' "$scratch/said")" = 3 ]
check 'a CD-ROM is the first of the second channel' said '^guest: sr0 16384 ro'
check 'blocks of 512 bytes on a disk of 4096' said '^guest: blocks 512 4096'
check 'the last sector is there, and none behind it' said '^guest: from the last sector on: 512'
check '... and can be written' [ "$(tail -c 512 "$scratch/second" | head -c 4)" = tail -a "$(stat -c %s "$scratch/second")" = 1000448 ]
check 'both channels at once' said "^guest: at once: $(sum "$scratch/first")  - $(sum "$scratch/third")"
said '^guest: the end' || show "$scratch/said"

# ---- flush, copy on write, reboot ----

with_disk '' flushes 'test.wait=sda' --disk "$scratch/first,bus=ide"
check 'an fsync of the guest is one of the host' [ "$(grep -c '^guest: flushed' "$scratch/said")" = 1 -a "$(counted 3)" -ge 1 ]
check '... and nothing was written through' [ "$(counted 4)" = 0 ]
with_disk '' through 'test.wait=sda' --disk "$scratch/first,bus=ide"
check 'without its cache the disk writes through' [ "$(grep -c '^guest: wrote, write through' "$scratch/said")" = 1 -a "$(counted 4)" -ge 1 ]
check '... always' [ "$(counted 2)" = 0 ]
before=$(sum "$scratch/third")
rest=$(dd if="$scratch/third" bs=1000 skip=3000 2>/dev/null | sha256sum)
disk_guest overwrite 'test.wait=sda' --disk "$scratch/third,bus=ide,cow"
check 'cow: the guest reads what it wrote' said '^guest: x: 0'
check '... and what it did not write' said "^guest: rest: $rest"
check '... the base is as it was' [ "$before" = "$(sum "$scratch/third")" ]
truncate -s 1M "$scratch/counter"
disk_guest boots 'test.wait=sda' --disk "$scratch/counter,bus=ide" --reboot=restart
check 'a disk survives a reboot' [ "$(grep -cE '^guest: the (first|second) life' "$scratch/said") $status" = '2 0' ]

# ---- errors ----

with_disk 'read 1048576 1052672 5' reads_badly 'test.wait=sda' --disk "$scratch/first,bus=ide"
check 'an error in reading is one of the guest' said '^guest: failed as it should'
check '... of that place only' said '^guest: elsewhere it reads'
check '... and names it' said '^guest: the kernel knows the sector'
with_disk 'read 1048576 1052672 5' reads_badly 'test.wait=sda test.libata=dma=0' --disk "$scratch/first,bus=ide"
check 'so by PIO' [ "$(grep -cE '^guest: (failed as it should|elsewhere it reads|the kernel knows the sector)' "$scratch/said")" = 3 ]
with_disk 'write 1048576 1052672 28' writes_badly 'test.wait=sda' --disk "$scratch/first,bus=ide"
check 'a full disk is an error of the guest' said '^guest: failed as it should'
check '... of that place only' said '^guest: elsewhere it writes'
with_disk 'sync 0 1 5' syncs_badly 'test.wait=sda' --disk "$scratch/first,bus=ide"
check 'so is an error in flushing' said '^guest: failed as it should'

# ---- CD-ROMs ----

for how in '' 'test.libata=dma=0'; do
	disk_guest cd_reads "test.wait=sr0 $how" --cdrom "$scratch/cd.iso"
	check "$how: a CD-ROM is read" said "^guest: sr0 16384 sectors: $cd_sum"
	check '... has its files' said '^guest: file: a file on a CD'
	check '... and cannot be written' said '^guest: failed as it should'
	check '... the guest ends well' [ "$(grep -cE '^guest: (the end|complaints)' "$scratch/said") $status" = '1 0' ]
	said '^guest: the end' || show "$scratch/said"
done
check '... and is as it was' [ "$cd_sum" = "$(sum "$scratch/cd.iso")" ]
with_disk 'read 131072 133120 5' cd_badly 'test.wait=sr0' --cdrom "$scratch/cd.iso"
check 'an error in reading a CD-ROM is one of the guest' said '^guest: failed as it should'
check '... of that place only' said '^guest: elsewhere it reads'

# ---- a snapshot of a machine at work ----

truncate -s 4M "$scratch/work"
ring() {
	status=0
	timeout $((120 * patience)) "$ring1" "$@" </dev/null >"$scratch/ring" 2>&1 || status=$?
}
ring run -k "$kernel" -i "$scratch/archive" --name at-work --detach --disk "$scratch/work,bus=ide,cow" --cdrom "$scratch/cd.iso" \
	-a "ring1.init=/test quiet test.do=works test.wait=sda,sr0 test.sum=$cd_sum"
timeout $((120 * patience)) "$ring1" console --watch at-work </dev/null >"$scratch/heard" 2>&1 &
appears 'guest: working' "$scratch/heard" 60 || show "$scratch/heard"
ring snapshot --stop at-work "$scratch/snapshot"
check 'a machine with IDE drives at work is saved' [ "$status" = 0 ]
wait
for other in "$scratch/work,bus=ide,cow" "$scratch/cd.iso"; do
	case $other in
	*cow) ring run --restore "$scratch/snapshot" --console socket --disk "$other" --disk "$scratch/cd.iso" ;;
	*) ring run --restore "$scratch/snapshot" --console socket --disk "$scratch/work,cow" --cdrom "$other" ;;
	esac
	check 'other drives than it had are refused' [ "$status" = 2 -a "$(grep -c 'not the same kind' "$scratch/ring")" = 1 ]
done
limited 120 "$scratch/console" "$ring1" run --restore "$scratch/snapshot" --disk "$scratch/work,bus=ide,cow" --cdrom "$scratch/cd.iso"
tr -d '\r' <"$scratch/console" >"$scratch/said"
check 'it goes on where it was' said '^guest: worked 20 rounds'
check '... and all that it reads is what it wrote' [ "$(grep -cE 'differs|failed|complaints' "$scratch/said") $status" = '0 0' ]
said '^guest: worked' || show "$scratch/said"

# ---- kernels that know nothing else: those of RING1_VMI_KERNELS with a driver for the PIIX4 (docs/vmi-guests.md) ----

cat >"$scratch/old-test" <<'GUEST'
#!/bin/sh
say() { echo "guest: $*"; }
for d in /sys/block/hda /sys/block/hdc /sys/block/sda /sys/block/sr0; do
	[ -e "$d/dev" ] && rm -f "/dev/${d##*/}" && mknod "/dev/${d##*/}" b $(tr : ' ' <"$d/dev")
done
disk=/dev/hda cd=/dev/hdc
[ -e /sys/block/sda ] && disk=/dev/sda cd=/dev/sr0
mkdir -p /mnt
mount -t ext2 $disk /mnt || exit 1
dd if=/dev/urandom of=/mnt/data bs=64k count=64 2>/dev/null
cp /mnt/data /mnt/copy
sync
before=$(sha256sum </mnt/data)
umount /mnt
echo 3 >/proc/sys/vm/drop_caches
mount -t ext2 $disk /mnt || exit 1
[ "$before" = "$(sha256sum </mnt/copy)" ] && say "data kept $before"
umount /mnt
say "cd $(dd if=$cd bs=64k 2>/dev/null | sha256sum)"
mount -t iso9660 -o ro $cd /mnt && say "file: $(cat /mnt/hello.txt)"
umount /mnt
say "dma $(dmesg | grep -cE 'hd[ac]: UDMA/33 mode selected|ata[12].00: configured for UDMA/33')"
dmesg | grep -E 'lost interrupt|timeout|DMA disabled|BUG|Oops' && say complaints
say "the end"
GUEST
printf 'dir root 0700\nfile test 0755 %s\n' "$scratch/old-test" >"$scratch/old.list"
old_kernels=0
for directory in ${RING1_VMI_KERNELS:+"$RING1_VMI_KERNELS"/*/}; do
	grep -qE '^CONFIG_(BLK_DEV_PIIX|ATA_PIIX)=y' "$directory/config" 2>/dev/null || continue
	image=$(vmi_image_in "$directory") || continue
	old_kernels=$((old_kernels + 1))
	name=$(basename "$directory")
	old_initrd=$initrd
	for file in "$RING1_VMI_KERNELS"/initramfs/*.cpio.gz; do [ ! -r "$file" ] || old_initrd=$file; done
	build/guests/mkinitramfs "$scratch/old.list" | gzip -1 | cat "${RING1_VMI_INITRD:-$old_initrd}" - >"$scratch/old-archive"
	for how in '' --vmi=off; do
		mke2fs -q -t ext2 -F "$scratch/disk" 32M >/dev/null 2>&1
		limited 120 "$scratch/console" "$ring1" run -k "$image" -i "$scratch/old-archive" -a 'ring1.init=/test panic=1' $how \
			--disk "$scratch/disk,bus=ide" --cdrom "$scratch/cd.iso"
		tr -d '\r' <"$scratch/console" >"$scratch/said"
		check "$name $how: ext2 keeps data over a remount" said '^guest: data kept'
		data=$(sed -n 's/^guest: data kept \([0-9a-f]*\).*/\1/p' "$scratch/said")
		check "... and on the host's disk" [ "$(debugfs -R 'cat /copy' "$scratch/disk" 2>/dev/null | sha256sum | cut -d ' ' -f 1)" = "$data" ]
		check '... a CD-ROM is read, and has its files' [ "$(grep -cE "^guest: (cd $cd_sum|file: a file on a CD)" "$scratch/said")" = 2 ]
		check '... by DMA, with nothing to complain about' [ "$(grep -cE '^guest: (dma 2|the end|complaints)' "$scratch/said")" = 2 ]
		said '^guest: the end' || show "$scratch/said"
	done
done
[ $old_kernels -gt 0 ] || skip 'kernels that know IDE only keep data on a disk and read a CD-ROM' 'RING1_VMI_KERNELS has none with a driver for the PIIX4'

# ---- what is refused ----

refused() { # NAME TEXT OPTION...
	name=$1 text=$2
	shift 2
	limited 20 "$scratch/words" "$ring1" run -k "$kernel" "$@"
	check "$name is refused with a reason" [ "$status" = 2 -a "$(grep -cE -- "$text" "$scratch/words")" = 1 ]
	grep -qE -- "$text" "$scratch/words" || show "$scratch/words"
}
head -c 1536 /dev/zero >"$scratch/small"
refused 'a read-only IDE disk' 'an IDE disk cannot be read-only' --disk "$scratch/first,bus=ide,ro"
refused 'another bus' "'bus=scsi' is none of ro" --disk "$scratch/first,bus=scsi"
refused 'a CD-ROM that is written' "'cow' is none of" --cdrom "$scratch/cd.iso,cow"
refused 'a CD-ROM of less than a sector' 'at least one sector of 2048' --cdrom "$scratch/small"
refused 'no CD-ROM' 'cdrom /nowhere: No such file' --cdrom /nowhere
refused 'a fifth drive' 'four|at most' --disk "$scratch/first,bus=ide" --disk "$scratch/second,bus=ide" --disk "$scratch/third,bus=ide" \
	--cdrom "$scratch/cd.iso" --cdrom "$scratch/cd.iso"

# ---- the process behind a drive ----

start_machine --disk "$scratch/first,bus=ide" --cdrom "$scratch/cd.iso"
for pid in $(children "$machine"); do
	case $(cat "/proc/$pid/comm") in ring1:disk*) drive=$pid ;; ring1:cdrom*) cd=$pid ;; esac
done
check 'each drive has a process of its own' [ -n "${drive:-}" -a -n "${cd:-}" ]
for pid in $drive $cd; do
	check '... with a filter and no new privileges' \
		[ "$(grep -cE '^(Seccomp:.2|NoNewPrivs:.1)$' "/proc/$pid/status")" = 2 ]
done
check '... and no file but its own' [ "$(for fd in "/proc/$cd/fd/"*; do readlink "$fd"; done)" = "$(readlink -f "$scratch/cd.iso")" ]
refused 'the disk of another machine' 'another machine' --disk "$scratch/first,bus=ide"
kill -KILL "$drive"
wait_for_end "$machine" 5
check 'when it dies the machine ends, and says why' [ "$status $ended" = '3 itself' -a "$(grep -c 'the process of disk .* was killed' "$scratch/words")" = 1 ]
exec 9>&-
done_testing
