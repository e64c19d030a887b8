#!/bin/sh
# Virtio disks: what a guest writes and flushes, is refused, discards, and is told of errors; locks.
# shellcheck disable=SC2016 # the guest's shell expands
# Time limit: 420 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh
# shellcheck source=tests/system/disks.sh
. tests/system/disks.sh

cat >>"$scratch/root/test" <<'GUEST'
facts() {
	for d in a b c; do
		say "vd$d $(cat /sys/block/vd$d/size) sectors, serial '$(cat /sys/block/vd$d/serial)', ro $(cat /sys/block/vd$d/ro)"
		say "vd$d begins $(dd if=/dev/vd$d bs=8 count=1 2>/dev/null)"
	done
	say "blocks $(cat /sys/block/vda/queue/logical_block_size) $(cat /sys/block/vda/queue/physical_block_size)"
	fails dd if=/dev/zero of=/dev/vdb bs=512 count=1
	# The last sector is there, and none behind it.
	last=$(($(cat /sys/block/vdc/size) - 1))
	dd if=/dev/vdc bs=512 skip=$last 2>/dev/null | wc -c | sed 's/^/guest: from the last sector on: /'
	echo tail | dd of=/dev/vdc bs=512 seek=$last conv=sync,fsync 2>/dev/null && say 'wrote the last sector'
}
flushes() { dd if=/dev/zero of=/dev/vda bs=4k count=1 seek=5 conv=fsync 2>/dev/null && say flushed; }
through() {
	echo 'write through' >/sys/block/vda/queue/write_cache
	echo 'write through' >/sys/block/vda/cache_type
	dd if=/dev/urandom of=/dev/vda bs=4k count=4 oflag=direct 2>/dev/null && say "wrote, $(cat /sys/block/vda/cache_type)"
}
overwrite() {
	tr '\0' x </dev/zero | dd of=/dev/vda bs=1000 count=3000 iflag=fullblock conv=fsync 2>/dev/null
	echo 3 >/proc/sys/vm/drop_caches
	say "x: $(dd if=/dev/vda bs=1000 count=3000 2>/dev/null | tr -d x | wc -c)"
	say "rest: $(dd if=/dev/vda bs=1000 skip=3000 2>/dev/null | sha256sum)"
}
discards() {
	say "discard up to $(cat /sys/block/vda/queue/discard_max_bytes), zeroes $(cat /sys/block/vda/queue/write_zeroes_max_bytes)"
	blkdiscard -o 1048576 -l 4194304 /dev/vda && say 'discarded'
	say "there now: $(dd if=/dev/vda bs=1M skip=1 count=4 2>/dev/null | tr -d '\0' | wc -c)"
	say "before: $(dd if=/dev/vda bs=1M count=1 2>/dev/null | tr -d '\0' | wc -c)"
}
reads_badly() {
	fails dd if=/dev/vda of=/dev/null bs=4k skip=256 count=1
	dd if=/dev/vda of=/dev/null bs=4k skip=512 count=1 2>/dev/null && say 'elsewhere it reads'
}
writes_badly() {
	fails dd if=/dev/zero of=/dev/vda bs=4k seek=256 count=1 conv=fsync
	dd if=/dev/zero of=/dev/vda bs=4k seek=512 count=1 conv=fsync 2>/dev/null && say 'elsewhere it writes'
}
syncs_badly() { fails dd if=/dev/zero of=/dev/vda bs=4k seek=256 count=1 conv=fsync; }
fills() {
	mount -t ext4 /dev/vda /mnt
	fails dd if=/dev/zero of=/mnt/big bs=64k count=400 conv=fsync
	dmesg | grep -qE 'I/O error|critical space' && say 'the kernel was told'
}
boots() {
	n=$(dd if=/dev/vda bs=1 skip=1024 count=1 2>/dev/null)
	case $n in
	1) say 'the second life' && return ;;
	esac
	printf 1 | dd of=/dev/vda bs=1 seek=1024 conv=notrunc,fsync 2>/dev/null
	say 'the first life'
	reboot -f
}
GUEST
disk_archive

# ---- every way to reach it ----

mke2fs -q -t ext4 -F "$scratch/disk" 64M >/dev/null 2>&1
# each ARGUMENTS INTERRUPT REGION [OPTION]...
each() {
	arguments=$1 interrupt=$2 region=$3
	shift 3
	mke2fs -q -t ext4 -F "$scratch/disk" 64M >/dev/null 2>&1
	disk_guest data "$arguments" --disk "$scratch/disk" --rng "$@"
	check "$arguments $*: ext4 keeps data over a remount" said '^guest: data kept'
	check "... the random numbers come" said '^guest: random: 64'
	check "... by $interrupt, $region" sh -c "grep -qE '$interrupt.*virtio0' '$scratch/said' && grep -q '$region' '$scratch/said'"
	check "... the guest ends well, with nothing to complain about" [ "$(grep -cE '^guest: (the end|complaints)' "$scratch/said") $status" = '1 0' ]
	e2fsck -fn "$scratch/disk" >"$scratch/fsck" 2>&1
	check "... the file system is clean" [ $? = 0 ]
	sum=$(sed -n 's/^guest: data kept \([0-9a-f]*\).*/\1/p' "$scratch/said")
	check "... and the data on the host's disk" [ "$(debugfs -R 'cat /dir/copy' "$scratch/disk" 2>/dev/null | sha256sum | cut -d ' ' -f 1)" = "$sum" ]
	said '^guest: the end' || show "$scratch/said"
}
each '' PCI-MSI virtio-pci-modern
each 'pci=nomsi' IO-APIC.*fasteoi virtio-pci-modern
each 'test.pci=force_legacy=1' PCI-MSI virtio-pci-legacy
each 'test.pci=force_legacy=1 pci=nomsi' IO-APIC.*fasteoi virtio-pci-legacy --acpi=off
each '' XT-PIC virtio-pci-modern --apic=off
each '' XT-PIC virtio-pci-modern --apic=off --acpi=off

# ---- several; sizes; read-only ----

printf 'first...' >"$scratch/first"
truncate -s 3M "$scratch/first"
printf 'second..' >"$scratch/sec,ond"
truncate -s 1000448 "$scratch/sec,ond"
printf 'third...' >"$scratch/third"
truncate -s 512 "$scratch/third"
before=$(sha256sum <"$scratch/sec,ond")
disk_guest facts '' --disk "$scratch/first,serial=one two" --disk "$scratch/sec,,ond,ro" --disk "$scratch/third"
check 'three disks, in order, with their sizes and serial number' said "^guest: vda 6144 sectors, serial 'one two', ro 0"
check '... the second' said "^guest: vdb 1954 sectors, serial '', ro 1"
check '... the third, of one sector' said "^guest: vdc 1 sectors, serial '', ro 0"
check '... with their contents' [ "$(grep -cE '^guest: vd(a begins first...|b begins second..|c begins third...)' "$scratch/said")" = 3 ]
check 'blocks of 512 bytes on a disk of 4096' said '^guest: blocks 512 4096'
check 'what is read-only cannot be written' said '^guest: failed as it should'
check '... and was not' [ "$before" = "$(sha256sum <"$scratch/sec,ond")" ]
check 'the last sector, and nothing behind it' said '^guest: from the last sector on: 512'
check '... can be written' [ "$(head -c 4 "$scratch/third")" = tail -a "$(stat -c %s "$scratch/third")" = 512 ]

# ---- flush ----

# with_disk FAILURE ARGUMENT...: disk_guest on a host with such a disk (tests/tools/bad_disk.c)
# counts: reads, writes, syncs, synchronous writes, cleared ranges
counted() { od -A n -t u8 -w40 "$scratch/counts" | awk -v n="$1" '{ print $n }'; }
with_disk() {
	rm -f "$scratch/counts"
	printf '%s\n' '#!/bin/sh' "export BAD_DISK='$1' BAD_DISK_COUNTS=$scratch/counts LD_PRELOAD=$PWD/build/test/bad_disk.so" \
		"exec $ring1 \"\$@\"" >"$scratch/ring1"
	chmod +x "$scratch/ring1"
	shift
	ring1=$scratch/ring1
	disk_guest "$@"
	ring1=build/ring1
}
with_disk '' flushes '' --disk "$scratch/first"
check 'an fsync of the guest is one of the host' [ "$(grep -c '^guest: flushed' "$scratch/said")" = 1 -a "$(counted 3)" -ge 1 ]
check '... and nothing was written through' [ "$(counted 4)" = 0 ]
with_disk '' through '' --disk "$scratch/first"
check 'without its cache the disk writes through' [ "$(grep -c '^guest: wrote, write through' "$scratch/said")" = 1 -a "$(counted 4)" -ge 1 ]
check '... always' [ "$(counted 2)" = 0 ]

# ---- copy on write ----

dd if=/dev/urandom of="$scratch/base" bs=1M count=8 2>/dev/null
chmod 444 "$scratch/base"
before=$(sha256sum <"$scratch/base")
rest=$(dd if="$scratch/base" bs=1000 skip=3000 2>/dev/null | sha256sum)
disk_guest overwrite '' --disk "$scratch/base,cow"
check 'cow: the guest reads what it wrote' said '^guest: x: 0'
check '... and what it did not write' said "^guest: rest: $rest"
check '... the base is as it was' [ "$before" = "$(sha256sum <"$scratch/base")" ]
check '... and there is no file left' [ -z "$(find "${TMPDIR:-/var/tmp}" -maxdepth 1 -name 'ring1-cow*')" ]
truncate -s 1M "$scratch/counter"
disk_guest boots '' --disk "$scratch/counter,cow" --reboot=restart
check 'cow: what was written survives a reboot' [ "$(grep -cE '^guest: the (first|second) life' "$scratch/said") $status" = '2 0' ]
check '... and not the machine' [ -z "$(tr -d '\0' <"$scratch/counter")" ]
disk_guest boots '' --disk "$scratch/counter" --reboot=restart
check 'a disk survives a reboot' [ "$(grep -cE '^guest: the (first|second) life' "$scratch/said") $status" = '2 0' ]

# ---- discard ----

dd if=/dev/urandom of="$scratch/full" bs=1M count=8 2>/dev/null
blocks=$(stat -c %b "$scratch/full")
disk_guest discards '' --disk "$scratch/full"
check 'a discard is taken' said '^guest: discarded'
check '... what was there is zeros' said '^guest: there now: 0'
check '... but not what is in front of it' said '^guest: before: 104[0-9]*'
# Less what its file system notes a hole with.
check '... the host has 4 MiB more' [ $((blocks - $(stat -c %b "$scratch/full"))) -ge $((8192 - 64)) ]
check '... and the image its size' [ "$(stat -c %s "$scratch/full")" = 8388608 ]

# ---- errors ----

with_disk 'read 1048576 1052672 5' reads_badly '' --disk "$scratch/full"
check 'an error in reading is one of the guest' said '^guest: failed as it should'
check '... of that place only' said '^guest: elsewhere it reads'
with_disk 'write 1048576 1052672 5' writes_badly '' --disk "$scratch/full"
check 'an error in writing is one of the guest' said '^guest: failed as it should'
check '... of that place only' said '^guest: elsewhere it writes'
with_disk 'sync 0 1 5' syncs_badly '' --disk "$scratch/full"
check 'so is an error in flushing' said '^guest: failed as it should'
mke2fs -q -t ext4 -F "$scratch/disk" 64M >/dev/null 2>&1
with_disk 'write 16777216 67108864 28' fills '' --disk "$scratch/disk"
check 'a full disk is an error of the guest' said '^guest: failed as it should'
check '... which goes on, and is told' said '^guest: the kernel was told'
check '... and ends as always' [ "$status" = 0 ]

# ---- what is refused ----

refused() { # NAME TEXT OPTION...
	name=$1 text=$2
	shift 2
	limited 20 "$scratch/words" "$ring1" run -k "$kernel" "$@"
	check "$name is refused with a reason" [ "$status" = 2 -a "$(grep -cE -- "$text" "$scratch/words")" = 1 ]
	grep -qE -- "$text" "$scratch/words" || show "$scratch/words"
}
truncate -s 1000 "$scratch/odd"
: >"$scratch/empty"
refused 'an image of 1000 bytes' '1000 bytes, is not a multiple of 512' --disk "$scratch/odd"
refused 'an empty image' 'is empty' --disk "$scratch/empty"
refused 'no image' 'disk /nowhere: No such file' --disk /nowhere
refused 'a directory' 'disk /tmp: ' --disk /tmp
refused 'an unknown word' "'rw' is none of ro" --disk "$scratch/full,rw"
refused 'ro with cow' 'exclude one another' --disk "$scratch/full,ro,cow"
refused 'a long serial number' '1 to 20 characters' --disk "$scratch/full,serial=123456789012345678901"

start_machine --disk "$scratch/full"
refused 'the disk of another machine' 'another machine' --disk "$scratch/full"
refused 'to read it' 'another machine writes it' --disk "$scratch/full,ro"
refused 'to have it as a base' 'another machine writes it' --disk "$scratch/full,cow"
refused 'the same disk twice' 'another machine' --disk "$scratch/first" --disk "$scratch/first"
stop_machine
start_machine --disk "$scratch/full,ro"
refused 'to write what another machine reads' 'another machine' --disk "$scratch/full"
disk_guest flushes '' --disk "$scratch/first" --disk "$scratch/full,cow"
check 'two may read one disk' said '^guest: flushed'
stop_machine

# ---- the process behind a disk ----

start_machine --disk "$scratch/full" --rng
for pid in $(children "$machine"); do
	case $(cat "/proc/$pid/comm") in ring1:disk*) disk=$pid ;; ring1:rng*) rng=$pid ;; esac
done
check 'a disk has a process of its own' [ -n "${disk:-}" -a -n "${rng:-}" ]
for pid in $disk $rng; do
	check '... with a filter and no new privileges' \
		[ "$(grep -cE '^(Seccomp:.2|NoNewPrivs:.1)$' "/proc/$pid/status")" = 2 ]
done
check '... and no file but its own' [ "$(for fd in "/proc/$disk/fd/"*; do readlink "$fd"; done)" = "$(readlink -f "$scratch/full")" ]
check '... or none' [ -z "$(ls "/proc/$rng/fd")" ]
if [ -x build/test/inject ]; then
	probe=$(build/test/inject "$disk" futex 2>/dev/null)
	for call in fork 'execve /bin/true' 'openat /etc/hostname' socket ptrace mmap-exec mprotect-exec process_vm_readv setuid; do
		if [ "$probe" != -38 ]; then
			skip "... $call" 'the host allows no ptrace'
			continue
		fi
		# shellcheck disable=SC2086
		got=$(build/test/inject "$disk" $call 2>/dev/null)
		check "... $call is refused (result ${got:-none})" [ "$got" = -1 -o "$got" = -13 ]
	done
fi
all=$(family "$machine")
kill -KILL "$disk"
wait_for_end "$machine" 5
check 'when it dies the machine ends, and says why' [ "$status $ended" = '3 itself' -a "$(grep -c 'the process of disk .* was killed' "$scratch/words")" = 1 ]
# shellcheck disable=SC2086
check '... and no process is left' all_gone 2 $all
exec 9>&-
done_testing
