#!/bin/sh
# Guests of all sizes boot, and see the memory they were given.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# The guest's own count, in MiB, of what it was given less what its kernel keeps for itself.
try() {
	size=$1 least=$2 most=$3
	shell_does 'dd if=/dev/zero of=/tmp/x bs=1M count=16; md5sum /tmp/x; poweroff -f' -m "$size"
	seen=$(tr -d '\r' <"$scratch/console" | sed -n 's/^memory: \([0-9]*\) MiB$/\1/p')
	check "-m $size: the guest sees ${seen:-nothing} MiB, $least to $most wanted" \
		[ "${seen:-0}" -ge "$least" -a "${seen:-0}" -le "$most" ]
	# md5sum of 16 MiB of zeros
	check "-m $size: its memory holds what is written" grep -aq 2c7ab85a893283e98c931e9511add182 "$scratch/console"
	check "-m $size: it powers off with status 0" [ "$status" = 0 -a "$ended" = itself ]
	[ "$status" = 0 ] || show "$scratch/console"
}

try 64M 36 64
try 512M 470 512
try 1500M 1430 1500
try 3G 2950 3072
done_testing
