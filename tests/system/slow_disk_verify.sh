#!/bin/sh
# fio verify: what it wrote is what it reads, on ext4 with its journal, on the disk itself, and on the host; requests of all
# sizes, 16 at a time.
# shellcheck disable=SC2016,SC2086 # the guest's shell expands; words
# Time limit: 900 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh
# shellcheck source=tests/system/disks.sh
. tests/system/disks.sh

fio=build/bench/fio
if [ ! -x $fio/usr/bin/fio ] || [ ! -e build/bench/fio-absent/libabsent.so ]; then
	skip 'fio verifies what it wrote' 'fio for i386 could not be fetched (make bench-files)'
	done_testing
	exit
fi
mkdir -p "$scratch/root/usr/bin" "$scratch/root/lib/i386-linux-gnu"
cp $fio/usr/bin/fio "$scratch/root/usr/bin/"
cp $fio/lib/i386-linux-gnu/* "$scratch/root/lib/i386-linux-gnu/"
for name in libgfapi.so.0 libnbd.so.0 libibverbs.so.1 librdmacm.so.1 librados.so.2 librbd.so.1; do
	cp build/bench/fio-absent/libabsent.so "$scratch/root/lib/i386-linux-gnu/$name"
done

# The same sequence each time: the last reads what the first wrote.
raw_job='--name=raw --size=48M --rw=randwrite --bsrange=512-256k --bs_unaligned=0 --randseed=7 --verify=crc32c --verify_fatal=1 --do_verify=1 --invalidate=0'
cat >>"$scratch/root/test" <<GUEST
raw_job='$raw_job'
GUEST
cat >>"$scratch/root/test" <<'GUEST'
verify() {
	what=$1
	shift
	if fio --minimal --clocksource=clock_gettime "$@" >/tmp/fio 2>&1; then say "$what: verified"; else
		say "$what: failed"
		tail -n 5 /tmp/fio
	fi
}
# Each with a file of its own, all at a time, over a remount.
files() {
	verify "$1 direct" --name=direct --directory=/mnt --size=16M --rw=randwrite --bsrange=4k-64k --ioengine=libaio --iodepth=16 --direct=1 \
		--randseed=1 --verify=crc32c --verify_fatal=1 $2 &
	verify "$1 synced" --name=synced --directory=/mnt --size=4M --rw=randwrite --bsrange=1k-32k --ioengine=psync --fsync=16 \
		--randseed=2 --verify=crc32c --verify_fatal=1 $2 &
	verify "$1 buffered" --name=buffered --directory=/mnt --size=24M --rw=write --bsrange=512-200k --bs_unaligned --ioengine=psync \
		--randseed=3 --verify=sha256 --verify_fatal=1 $2 &
	wait
}
verifies() {
	mount -t ext4 /dev/vda /mnt
	files first
	umount /mnt
	echo 3 >/proc/sys/vm/drop_caches
	mount -t ext4 /dev/vda /mnt
	files again --verify_only
	umount /mnt
	verify raw $raw_job --filename=/dev/vdb --ioengine=libaio --iodepth=16 --direct=1
}
GUEST
disk_archive

# each NAME OPTION: the disks as OPTION says
each() {
	mke2fs -q -t ext4 -F "$scratch/disk" 96M >/dev/null 2>&1
	rm -f "$scratch/raw"
	truncate -s 48M "$scratch/raw"
	limited 300 "$scratch/console" "$ring1" run -k "$kernel" -i "$scratch/archive" \
		-a "ring1.init=/test quiet panic_on_oops=0 test.do=verifies" --disk "$scratch/disk$2" --disk "$scratch/raw$2"
	tr -d '\r' <"$scratch/console" >"$scratch/said"
	for pass in first again; do
		for job in direct synced buffered; do check "$1: ext4, $pass, $job" said "^guest: $pass $job: verified"; done
	done
	check "$1: the disk itself" said '^guest: raw: verified'
	check "... the guest ends well, with nothing to complain about" [ "$(grep -cE '^guest: (the end|complaints)' "$scratch/said") $status" = '1 0' ]
	said '^guest: raw: verified' || show "$scratch/said"
}
host_verifies() {
	"$scratch/root/lib/ld" --library-path "$scratch/root/lib/i386-linux-gnu" "$scratch/root/usr/bin/fio" --minimal $raw_job --verify_only --verify_state_save=0 \
		--filename="$scratch/raw" --ioengine=psync >"$scratch/host" 2>&1
}
cp build/guests/root/lib/i386-linux-gnu/* "$scratch/root/lib/i386-linux-gnu/"
cp build/guests/root/lib/i386-linux-gnu/ld-linux.so.2 "$scratch/root/lib/ld"

each 'copy on write' ,cow
check '... the disks are as they were' [ -z "$(tr -d '\0' <"$scratch/raw")" ]
each 'raw' ''
e2fsck -fn "$scratch/disk" >"$scratch/fsck" 2>&1
check '... the file system is clean' [ $? = 0 ]
check '... the host reads what the guest wrote to the disk itself' host_verifies
printf x | dd of="$scratch/raw" bs=1 seek=20000000 conv=notrunc 2>/dev/null
check 'the test can tell: one byte of the disk is another' [ "$(host_verifies && echo verified)" = '' ]
done_testing
