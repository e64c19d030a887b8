#!/bin/sh
# A kernel boots from each container its build can make: a bzImage whose payload is compressed in any of the formats that
# ring1 undoes, and the bare ELF file. Debian's kernel comes in one format, so its payload is packed anew here.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# What was unpacked is kept for the next start: not these.
export XDG_CACHE_HOME="$scratch/cache"

# number OFFSET SIZE: a little-endian field of the kernel's header (boot.rst, "The Real-Mode Kernel Header")
number() { od -A n -t "u$2" -j "$1" -N "$2" "$kernel" | tr -d ' '; }
# le32 NUMBER: its four bytes, little-endian
le32() {
	# shellcheck disable=SC2059 # the format is the bytes
	printf "$(printf '\\%03o\\%03o\\%03o\\%03o' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)))"
}
put() { le32 "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; }

setup_end=$((($(number 497 1) + 1) * 512)) # setup_sects
payload_at=$((setup_end + $(number 584 4))) # payload_offset
payload_size=$(number 588 4)                # payload_length

elf=$scratch/vmlinux
build/test/vmlinux "$kernel" >"$elf" || exit 1
elf_size=$(wc -c <"$elf")

# pack PAYLOAD OUT: the kernel with that payload instead of its own
pack() {
	head -c "$payload_at" "$kernel" >"$2"
	cat "$1" >>"$2"
	tail -c +$((payload_at + payload_size + 1)) "$kernel" >>"$2"
	put "$2" 588 "$(wc -c <"$1")"
	put "$2" 500 $((($(wc -c <"$2") - setup_end + 15) / 16)) # syssize, in paragraphs
}

# boots KERNEL: to a program that the guest's init runs
boots() {
	limited 60 "$scratch/out" "$ring1" run -k "$1" -i "$initrd" -a "quiet ring1.init=/bin/true"
	[ "$ended" = itself ] && [ "$status" = 0 ] && grep -aqF 'ring1: /bin/true exited with status 0' "$scratch/out" && return
	show "$scratch/out" 20
	return 1
}
named() { "$ring1" inspect "$1" | grep -qE "^format +$2\$"; }
# The same bytes as before it was packed.
unpacks() { build/test/vmlinux "$1" | cmp - "$elf"; }

# format NAME COMMAND...: COMMAND compresses standard input. As the kernel's build does, the size is put behind all but
# gzip, which has it, and the input is a pipe: zstd then cannot know how small a window would do.
format() {
	name=$1
	shift
	if ! command -v "$1" >/dev/null; then
		for property in 'is named by ring1 inspect' 'unpacks to what was packed' boots; do
			skip "a bzImage with a $name payload $property" "$1 is not installed"
		done
		return
	fi
	# shellcheck disable=SC2002 # a pipe on purpose
	cat "$elf" | "$@" >"$scratch/payload"
	[ "$name" = gzip ] || le32 "$elf_size" >>"$scratch/payload"
	pack "$scratch/payload" "$scratch/bzImage"
	check "a bzImage with a $name payload is named by ring1 inspect" named "$scratch/bzImage" "bzImage, payload $name"
	check "a bzImage with a $name payload unpacks to what was packed" unpacks "$scratch/bzImage"
	check "a bzImage with a $name payload boots" boots "$scratch/bzImage"
}

# Dictionaries and windows as large as the kernel's build makes them, levels that do not take as long.
format gzip gzip -nc
format bzip2 bzip2 -c
format lzma xz -c --format=lzma --lzma1=preset=0,dict=64MiB
format xz xz -c --check=crc32 --x86 --lzma2=preset=0,dict=32MiB
format lz4 lz4 -qclf
format zstd zstd -qc --long=27

check "an ELF vmlinux is named by ring1 inspect" named "$elf" 'ELF.*'
check "an ELF vmlinux boots" boots "$elf"
done_testing
