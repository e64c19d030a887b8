# shellcheck shell=sh
# shellcheck disable=SC2154 # what is set before
# How each system is started for the benchmark. Sourced, after setting top (the project's folder).
#
# A system runs the items as bench/guest/bench-init describes them and leaves a log with times
# (bench/launch.c). Guests have one CPU and, unless told otherwise, 512 MiB; ring1 and QEMU boot the same kernel file with the
# same initramfs, User Mode Linux its own kernel (Debian's package, 6.1 as well) with that initramfs.

bench=$top/build/bench
kernel=$top/build/guests/debian-686/vmlinuz
initramfs=$bench/bench.cpio.gz
initramfs_list=$bench/initramfs.list
launch=$bench/launch
uml=$bench/uml/usr/bin/linux.uml
pin= # a CPU number: everything runs there
memory=512M # of a guest
disk=       # a file: each system's disk
image=      # a disk image with a Debian, which is booted instead
net=        # the port of a server at 127.0.0.1, which guests reach as 10.0.2.2
iperf=      # that of iperf3's, there as well

# The kernel of the table that compares VMI with annotation: NAME below $RING1_VMI_KERNELS, as in the tests.
vmi_kernel_file() { # NAME
	for file in "${RING1_VMI_KERNELS:-}/$1/bzImage" "${RING1_VMI_KERNELS:-}/$1/vmlinux"; do
		if [ -n "${RING1_VMI_KERNELS:-}" ] && [ -r "$file" ]; then
			echo "$file"
			return
		fi
	done
	return 1
}

as_guest='rdinit=/bin/bench-init ring1.init=/bin/bench-init'

# The build that is measured stays the same when another is made meanwhile.
snapshot_ring1() { cp "$top/build/ring1" "$bench/ring1"; }

# Why a system cannot be measured here; nothing when it can.
why_not() {
	case $1 in
	qemu) command -v qemu-system-i386 >/dev/null || echo "QEMU is not installed (package qemu-system-x86)" ;;
	uml)
		if [ ! -x "$uml" ]; then
			echo "User Mode Linux for i386 could not be fetched (package user-mode-linux)"
		elif [ ! -e /lib/ld-linux.so.2 ]; then
			echo "User Mode Linux for i386 needs a 32-bit C library (package libc6-i386)"
		fi
		;;
	native | ring1 | rom | annotated | 64M | 512M | 3G) ;;
	*) echo "there is no such system (native, ring1, qemu, uml; with --vmi annotated, rom, qemu; with --growth 64M, 512M, 3G)" ;;
	esac
}

# A folder on tmpfs for what has to be in memory.
tmpfs_folder() {
	for folder in /dev/shm /tmp "${XDG_RUNTIME_DIR:-}"; do
		if [ -d "$folder" ] && [ -w "$folder" ] && [ "$(stat -f -c %T "$folder")" = tmpfs ]; then
			echo "$folder"
			return
		fi
	done
	echo "bench: no writable tmpfs: native file figures will include a disk" >&2
	echo "$bench"
}

# The initramfs's files, for the native run.
make_native_root() { # DIRECTORY
	while read -r kind path third fourth; do
		case $kind in
		dir) mkdir -p "$1/$path" ;;
		link)
			mkdir -p "$(dirname "$1/$path")"
			ln -s "$third" "$1/$path"
			;;
		file)
			mkdir -p "$(dirname "$1/$path")"
			cp "$top/$fourth" "$1/$path"
			chmod "$third" "$1/$path"
			;;
		esac
	done <"$initramfs_list"
}

pinned() {
	if [ -n "$pin" ]; then
		taskset -c "$pin" "$@"
	else
		"$@"
	fi
}

launch_native() { # LOG PARAMETER...
	log=$1
	shift
	place=$(mktemp -d "$(tmpfs_folder)/ring1-bench.XXXXXX")
	mkdir "$place/root" "$place/work"
	make_native_root "$place/root"
	status=0
	(cd "$place/work" && pinned "$launch" --timeout 300 "$place/root/bin/busybox" sh \
		"$place/root/bin/bench-init" --native "$place/root" ${disk:+"bench.disk=$disk"} ${net:+"bench.net=127.0.0.1:$net"} ${iperf:+"bench.iperf=$iperf"} "$@" >"$log") || status=$?
	rm -rf "$place"
	return $status
}

launch_ring1() { # LOG PARAMETER...; the counters go beside the log
	log=$1
	shift
	pinned "$launch" --timeout 600 "$bench/ring1" run -m "$memory" ${ring1_options:-} ${disk:+--disk "$disk"} ${net:+--net user} -k "$kernel" -i "$initramfs" \
		--stats="${log%.log}.stats.json" --count=exits -a "$as_guest ${disk:+bench.disk=/dev/vda} ${net:+bench.net=10.0.2.2:$net} ${iperf:+bench.iperf=$iperf} $*" >"$log"
}

# One kernel file that speaks VMI, with the ROM and without: what differs is how it reaches the core.
launch_rom() { ring1_options=--vmi=on launch_ring1 "$@"; }
launch_annotated() { ring1_options=--vmi=off launch_ring1 "$@"; }

# The table of growth: the same machine with more memory.
launch_64M() { memory=64M launch_ring1 "$@"; }
launch_512M() { memory=512M launch_ring1 "$@"; }
launch_3G() { memory=3G launch_ring1 "$@"; }

launch_qemu() { # LOG PARAMETER...
	log=$1
	shift
	nic=none
	[ -z "$net" ] || nic=user,model=virtio-net-pci
	pinned "$launch" --timeout 900 qemu-system-i386 -accel tcg -m "$memory" -smp 1 -nographic -no-reboot \
		-nic "$nic" ${disk:+-drive "file=$disk,if=virtio,format=raw,cache=writeback"} -kernel "$kernel" -initrd "$initramfs" -append "console=ttyS0 panic=-1 $as_guest ${disk:+bench.disk=/dev/vda} ${net:+bench.net=10.0.2.2:$net} ${iperf:+bench.iperf=$iperf} $*" >"$log"
}

# UML keeps the guest's memory in a file below TMPDIR. What its disks are told to flush it does not; "s" opens the file with
# O_SYNC, which is for the item that wants just that.
launch_uml() { # LOG PARAMETER...
	log=$1
	shift
	# shellcheck disable=SC2086 # words
	TMPDIR=$(tmpfs_folder) pinned "$launch" --timeout 600 "$uml" "mem=$memory" "initrd=$initramfs" \
		${disk:+"ubd0=$disk" bench.disk=/dev/ubda "ubd1s=$disk" bench.synced_disk=/dev/ubdb} con0=fd:0,fd:1 con=null panic=-1 $as_guest "$@" >"$log"
}

# A Debian from a disk image, until it asks who is there. Nobody's writes are kept. QEMU is given kernel and initrd out of it.
image_login=' login:'
unpack_image() { # DIRECTORY
	version=$(debugfs -R 'ls -p /boot' "$image" 2>/dev/null | sed -n 's,.*/vmlinuz-\([^/]*\)/.*,\1,p' | sort -V | tail -n 1)
	[ -n "$version" ] || return 1
	debugfs -R "dump /boot/vmlinuz-$version $1/vmlinuz" "$image" 2>/dev/null
	debugfs -R "dump /boot/initrd.img-$version $1/initrd" "$image" 2>/dev/null
	[ -s "$1/vmlinuz" ] && [ -s "$1/initrd" ]
}
boot_image() { # SYSTEM LOG DIRECTORY
	case $1 in
	ring1)
		pinned "$launch" --timeout 300 --until "$image_login" "$bench/ring1" run -m "$memory" --image "$image,cow" --net user >"$2"
		;;
	qemu)
		pinned "$launch" --timeout 900 --until "$image_login" qemu-system-i386 -accel tcg -m "$memory" -smp 1 -nographic -no-reboot \
			-nic user,model=virtio-net-pci -drive "file=$image,if=virtio,format=raw,cache=writeback,snapshot=on" \
			-kernel "$3/vmlinuz" -initrd "$3/initrd" -append "console=ttyS0 root=/dev/vda rw" >"$2"
		;;
	esac
}

launch_system() { # SYSTEM LOG PARAMETER...
	system=$1
	shift
	"launch_$system" "$@"
}

# The result lines of a log, without their times: NAME<TAB>UNIT<TAB>MEDIAN<TAB>MINIMUM.
result_lines() {
	awk -F '\t' 'NF == 5 && ($3 == "ns" || $3 == "ms") && $4 ~ /^(-|[0-9.]+)$/ { print $2 "\t" $3 "\t" $4 "\t" $5 }' "$1"
}
