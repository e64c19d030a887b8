#!/bin/sh
# --image: a machine boots the kernel and the initial RAM disk that are in its disk's file system. What does the work
# of an initial RAM disk here is ring1's own agent (guests/agent).
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. "$(dirname "$0")/modules.sh"

PATH=$PATH:/usr/sbin:/sbin
if ! command -v mke2fs >/dev/null || ! command -v debugfs >/dev/null; then
	skip "boots from disk images" "e2fsprogs is not installed"
	done_testing
	exit
fi

# ---- an initial RAM disk: mounts the root that the kernel's arguments name, and shows what is there ----

cat >"$scratch/orders" <<'E'
mount proc proc /proc -
mount devtmpfs devtmpfs /dev -
modules /modules
run /bin/busybox sh /show
power-off
E
cat >"$scratch/show" <<'E'
for word in $(/bin/busybox cat /proc/cmdline); do
	case $word in root=*) root=${word#root=} ;; ro | rw) mode=$word ;; esac
done
/bin/busybox mount -t ext4 -o "$mode" "$root" /root || exit 1
echo "root is $root, $mode: $(/bin/busybox cat /root/etc/marker)"
{ echo "not there before" >/root/etc/written; } 2>/dev/null || echo "not written"
/bin/busybox umount /root
E
modules=$(module_files "$kernel" virtio_pci virtio_blk ext4 crc32c_generic) || exit 1
{
	for directory in bin dev proc root modules; do echo "dir $directory 0755"; done
	echo 'node dev/console 0600 5 1'
	echo 'file init 0755 build/agent'
	echo "file orders 0644 $scratch/orders"
	echo "file show 0644 $scratch/show"
	echo 'file bin/busybox 0755 build/guests/root/bin/busybox'
	for file in $modules; do echo "file modules/${file##*/} 0644 $file"; done
} >"$scratch/list"
build/guests/mkinitramfs "$scratch/list" >"$scratch/initrd" || exit 1

# ---- the file system ----

mkdir -p "$scratch/tree/boot" "$scratch/tree/etc"
echo 'a marker in the image' >"$scratch/tree/etc/marker"
cp "$kernel" "$scratch/tree/boot/vmlinuz-6.1.0-10-test"
cp "$scratch/initrd" "$scratch/tree/boot/initrd.img-6.1.0-10-test"
# Older, for all that it sorts behind: nothing that boots.
echo nothing >"$scratch/tree/boot/vmlinuz-6.1.0-9-test"
whole=$scratch/whole.img
mke2fs -q -t ext4 -d "$scratch/tree" "$whole" 48M >"$scratch/mke2fs" 2>&1 || exit 1

boots_from() { limited 90 "$scratch/out" "$ring1" run --image "$@" -a quiet; }
said() { grep -aqF -- "$1" "$scratch/out" || { show "$scratch/out" && false; }; }
sum() { sha256sum <"$1"; }

before=$(sum "$whole")
boots_from "$whole,ro"
check "a machine boots the newest kernel of an image, read-only" said "root is /dev/vda, ro: a marker in the image"
check "and powers off" [ "$status" = 0 ]
check "the image is as it was" [ "$(sum "$whole")" = "$before" ]
boots_from "$whole,cow"
check "copy on write: the guest may write" said "root is /dev/vda, rw: a marker in the image"
check "and the image is as it was" [ "$(sum "$whole")" = "$before" ]
boots_from "$whole"
written() { debugfs -R 'cat /etc/written' "$1" 2>/dev/null; }
check "what the guest writes is in the image" [ "$(written "$whole")" = "not there before" ]

# ---- links, as Debian has them ----

ln -s boot/vmlinuz-6.1.0-10-test "$scratch/tree/vmlinuz"
rm "$scratch/tree/boot/vmlinuz-6.1.0-9-test"
cp "$scratch/tree/etc/marker" "$scratch/tree/boot/vmlinuz-9.9-test"
linked=$scratch/linked.img
mke2fs -q -t ext4 -d "$scratch/tree" "$linked" 48M >"$scratch/mke2fs" 2>&1 || exit 1
boots_from "$linked,ro"
check "the link /vmlinuz says which kernel, its version which initial RAM disk" said "a marker in the image"

# ---- a partition table: one entry, 1 MiB from the begin (type 0x83 at 0x1be, signature at 0x1fe) ----

le32() {
	# shellcheck disable=SC2059 # the format is the bytes
	printf "$(printf '\\%03o\\%03o\\%03o\\%03o' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)))"
}
parted=$scratch/parted.img
{
	head -c 1048576 /dev/zero
	cat "$linked"
} >"$parted"
{
	printf '\000\000\000\000\203\000\000\000'
	le32 2048
	le32 $((48 * 2048))
} | dd of="$parted" bs=1 seek=446 conv=notrunc 2>/dev/null
printf '\125\252' | dd of="$parted" bs=1 seek=510 conv=notrunc 2>/dev/null
boots_from "$parted,ro"
check "a machine boots from a partition" said "root is /dev/vda1, ro: a marker in the image"

limited 90 "$scratch/out" "$ring1" run --image "$linked,ro" -k "$kernel" -i "$initrd" -a "quiet ring1.init=/bin/true"
check "a kernel given with -k is booted instead" said "/bin/true exited with status 0"

# ---- a kernel that the guest has put there ----

# A system for itself: says which kernel it has.
cat >"$scratch/orders" <<'E'
run /bin/busybox uname -r
power-off
E
{
	for directory in bin dev; do echo "dir $directory 0755"; done
	echo 'node dev/console 0600 5 1'
	echo 'file init 0755 build/agent'
	echo "file orders 0644 $scratch/orders"
	echo 'file bin/busybox 0755 build/guests/root/bin/busybox'
} >"$scratch/list2"
build/guests/mkinitramfs "$scratch/list2" >"$scratch/initrd2" || exit 1
# The first system replaces itself, or ends when it finds itself again.
cat >"$scratch/show" <<'E'
/bin/busybox mount -t ext4 /dev/vda /root || exit 1
case $(/bin/busybox ls /root/new) in
*vmlinuz*) /bin/busybox mv /root/new/* /root/boot/ ;;
nothing) /bin/busybox rm -r /root/boot /root/new ;;
*) echo 'the first kernel again' && exit ;;
esac
/bin/busybox umount /root
/bin/busybox reboot -f
E
cat >"$scratch/first-orders" <<'E'
mount proc proc /proc -
mount devtmpfs devtmpfs /dev -
modules /modules
run /bin/busybox sh /show
power-off
E
sed "s,$scratch/orders,$scratch/first-orders," "$scratch/list" >"$scratch/list1"
build/guests/mkinitramfs "$scratch/list1" >"$scratch/tree/boot/initrd.img-6.1.0-10-test" || exit 1
rm "$scratch/tree/vmlinuz" "$scratch/tree/boot/vmlinuz-9.9-test"
mkdir "$scratch/tree/new"
cp "$kernel_pae" "$scratch/tree/new/vmlinuz-6.1.0-11-test"
cp "$scratch/initrd2" "$scratch/tree/new/initrd.img-6.1.0-11-test"
renewed=$scratch/renewed.img
mke2fs -q -t ext4 -d "$scratch/tree" "$renewed" 64M >"$scratch/mke2fs" 2>&1 || exit 1
boots_from "$renewed" --reboot=restart
check "after a reboot the newer kernel that the guest has installed runs, with its initial RAM disk" said '-686-pae'
check "... and powers off" [ "$status $ended" = '0 itself' ]
rm "$scratch/tree/new/"*
: >"$scratch/tree/new/nothing"
rm "$renewed"
mke2fs -q -t ext4 -d "$scratch/tree" "$renewed" 64M >"$scratch/mke2fs" 2>&1 || exit 1
boots_from "$renewed" --reboot=restart
check "a guest that has removed its kernel does not come back: the reason is named" said "$renewed: no kernel in its file system"
check "... with status 2" [ "$status $ended" = '2 itself' ]

# ---- what cannot be used ----

refused() { # REASON FILE
	limited 30 "$scratch/out" "$ring1" run --image "$2"
	[ "$status" = 2 ] && said "$2: $1" && [ "$(wc -l <"$scratch/out")" = 1 ]
}
rm -r "$scratch/tree/boot"
mke2fs -q -t ext4 -d "$scratch/tree" "$scratch/none.img" 4M >"$scratch/mke2fs" 2>&1
check "an image without a kernel is refused" refused "no kernel in its file system" "$scratch/none.img"
head -c 1000000 /dev/zero >"$scratch/zero.img"
check "an image without a file system is refused" refused "no ext2, ext3 or ext4 file system in it" "$scratch/zero.img"
: >"$scratch/empty.img"
check "an empty image is refused" refused "no ext2, ext3 or ext4 file system in it" "$scratch/empty.img"
check "a directory is refused" refused "is neither a file nor a block device" "$scratch/tree"
check "no image is refused" refused "cannot open: No such file or directory" "$scratch/missing.img"
ln -s loop2 "$scratch/tree/vmlinuz"
ln -s vmlinuz "$scratch/tree/loop2"
mke2fs -q -t ext4 -d "$scratch/tree" "$scratch/loop.img" 4M >"$scratch/mke2fs" 2>&1
check "links that lead nowhere are refused" refused "no kernel in its file system" "$scratch/loop.img"

# Bytes anywhere in the structures of the file system: refused, or the kernel is found, or what is found is none.
survives() {
	seed=1
	while [ $seed -le 20 ]; do
		cp "$linked" "$scratch/bad.img"
		awk -v seed=$seed 'BEGIN { srand(seed); for (i = 0; i < 40; i++) print int(rand() * 400) * 1024 + int(rand() * 1024) }' |
			while read -r at; do
				printf '\377' | dd of="$scratch/bad.img" bs=1 seek="$at" conv=notrunc 2>/dev/null
			done
		limited 30 "$scratch/out" "$ring1" run --image "$scratch/bad.img,ro" -a "quiet panic=-1"
		case $ended/$status in itself/[0123]) ;; *)
			echo "# seed $seed: $ended $status"
			show "$scratch/out"
			return 1
			;;
		esac
		seed=$((seed + 1))
	done
}
check "a damaged file system does no harm" survives

# ---- names that could not be a guest's ----

long=$(printf '%064d' 0)
check 'a host name that is too long is refused, and why' \
	[ "$("$ring1" image create "$scratch/new.img" --hostname "$long" 2>&1 | grep -c -- '--hostname 0.*at most 63 characters')" = 1 ]
check '... and the name of a suite' \
	[ "$("$ring1" image create "$scratch/new.img" --suite "$long" 2>&1 | grep -c -- '--suite 0.*at most 63 characters')" = 1 ]
check '... and nothing is made' [ ! -e "$scratch/new.img" ]

done_testing
