#!/bin/sh
# Disks that somebody else serves: qcow2 images by qemu-nbd, and NBD servers, also those that fail.
# shellcheck disable=SC2016 # the guest's shell expands
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh
# shellcheck source=tests/system/disks.sh
. tests/system/disks.sh

if ! command -v qemu-nbd >/dev/null || ! command -v qemu-img >/dev/null; then
	skip 'qcow2 images and NBD servers' 'there is no qemu-nbd (qemu-utils)'
	done_testing
	exit
fi
cat >>"$scratch/root/test" <<'GUEST'
reads_badly() {
	fails dd if=/dev/vda of=/dev/null bs=4k skip=256 count=1
	fails dd if=/dev/vda of=/dev/null bs=4k skip=512 count=1
	say 'and it goes on'
}
server_dies() {
	mount -t ext4 /dev/vda /mnt && say mounted
	while [ -z "$(dmesg | grep 'I/O error')" ]; do
		dd if=/dev/zero of=/mnt/more bs=64k count=1 conv=fsync 2>/dev/null
		sleep 0.1
	done
	say 'the guest was told'
}
GUEST
disk_archive

# ---- qcow2 ----

mke2fs -q -t ext4 -F "$scratch/raw" 64M >/dev/null 2>&1
qemu-img convert -f raw -O qcow2 "$scratch/raw" "$scratch/disk.qcow2"
disk_guest data '' --disk "$scratch/disk.qcow2" --rng
check 'qcow2: ext4 keeps data over a remount' said '^guest: data kept'
sum=$(sed -n 's/^guest: data kept \([0-9a-f]*\).*/\1/p' "$scratch/said")
# A server that is not gone yet has its images locked.
server_gone() { ! pgrep -f "qemu-nbd.*$scratch/" >/dev/null; }
check '... the server goes with the machine' within 60 server_gone
check '... the image is whole' qemu-img check -q "$scratch/disk.qcow2"
qemu-img convert -O raw "$scratch/disk.qcow2" "$scratch/raw"
check '... its file system clean' sh -c "e2fsck -fn '$scratch/raw' >/dev/null 2>&1"
check '... and the data in it' [ "$(debugfs -R 'cat /dir/copy' "$scratch/raw" 2>/dev/null | sha256sum | cut -d ' ' -f 1)" = "$sum" ]

before=$(sha256sum <"$scratch/disk.qcow2")
qemu-img create -q -f qcow2 -b "$scratch/disk.qcow2" -F qcow2 "$scratch/top.qcow2"
limited 20 "$scratch/words" "$ring1" run -k "$kernel" --disk "$scratch/top.qcow2"
check 'an image with a backing file is refused' [ "$status" = 2 -a "$(grep -c 'has a backing file' "$scratch/words")" = 1 ]
disk_guest data '' --disk "$scratch/top.qcow2,backing=allow" --rng
check '... unless that is allowed' said '^guest: data kept'
within 60 server_gone
check '... and its backing file is not written' [ "$before" = "$(sha256sum <"$scratch/disk.qcow2")" ]
mke2fs -q -t ext4 -F "$scratch/raw" 64M >/dev/null 2>&1
qemu-img convert -f raw -O qcow2 "$scratch/raw" "$scratch/disk.qcow2"
before=$(sha256sum <"$scratch/disk.qcow2")
disk_guest data '' --disk "$scratch/disk.qcow2,cow" --rng
check 'qcow2 with cow: ext4 keeps data over a remount' said '^guest: data kept'
within 60 server_gone
check '... and the image is as it was' [ "$before" = "$(sha256sum <"$scratch/disk.qcow2")" ]
cp "$scratch/raw" "$scratch/raw.qcow2"
limited 20 "$scratch/words" "$ring1" run -k "$kernel" --disk "$scratch/raw.qcow2"
check 'what is no qcow2 image is refused' [ "$status" = 2 -a "$(grep -c 'is not a qcow2 image' "$scratch/words")" = 1 ]
cp "$scratch/disk.qcow2" "$scratch/image"
start_machine --disk "$scratch/image"
check 'a qcow2 image that is not named so is raw' [ -n "$(children "$machine")" -a -z "$(pgrep -f "qemu-nbd.*$scratch/image")" ]
stop_machine
start_machine --disk "$scratch/disk.qcow2"
limited 20 "$scratch/words" "$ring1" run -k "$kernel" --disk "$scratch/disk.qcow2"
check 'two machines with one image are refused' [ "$status" = 2 -a "$(grep -c 'lock' "$scratch/words")" -ge 1 ]
for pid in $(children "$machine"); do
	case $(cat "/proc/$pid/comm") in ring1:disk*) disk=$pid ;; esac
done
check 'the process of the disk has a connection and no file' \
	[ "$(for fd in "/proc/$disk/fd/"*; do readlink "$fd"; done | sed 's/:.*//')" = socket ]
stop_machine

# ---- NBD servers ----

qemu-nbd --persistent --format=raw --socket="$scratch/socket" "$scratch/raw" &
server=$!
within 60 is_socket "$scratch/socket"
disk_guest data '' --disk "nbd+unix:///?socket=$scratch/socket" --rng
check 'a server by its URI: ext4 keeps data over a remount' said '^guest: data kept'
check '... which goes on without the machine' alive $server
"$ring1" run -k "$kernel" -i "$scratch/archive" -a 'ring1.init=/test quiet test.do=server_dies' \
	--disk "nbd+unix:///?socket=$scratch/socket" </dev/null >"$scratch/console" 2>&1 &
machine=$!
appears 'guest: mounted' "$scratch/console" 30
kill -KILL $server
wait_for_end $machine 30
check 'a server that dies is an error of the guest' grep -q 'guest: the guest was told' "$scratch/console"
check '... and nothing else breaks' [ "$status $ended" = '0 itself' ]
limited 20 "$scratch/words" "$ring1" run -k "$kernel" --disk "nbd+unix:///?socket=$scratch/nowhere"
check 'no server is a reason to end' [ "$status" = 2 -a "$(grep -c 'disk nbd+unix:' "$scratch/words")" = 1 ]

if command -v nbdkit >/dev/null; then
	touch "$scratch/trigger"
	nbdkit -f --unix="$scratch/faulty" --filter=error file "$scratch/raw" error-pread=EIO error-pread-rate=100% \
		error-pread-file="$scratch/trigger" >/dev/null 2>&1 &
	server=$!
	within 60 is_socket "$scratch/faulty"
	disk_guest reads_badly '' --disk "nbd+unix:///?socket=$scratch/faulty,ro"
	check 'errors of a server are errors of the guest' [ "$(grep -c '^guest: failed as it should' "$scratch/said")" = 2 ]
	check '... which goes on' said '^guest: and it goes on'
	kill $server
else
	skip 'a server that gives errors' 'there is no nbdkit'
fi
done_testing
