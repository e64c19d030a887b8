# shellcheck shell=sh
# Guests that have directories of the host: an initramfs with Debian's 9p modules and a /test that does what test.do= on the
# kernel's command line says. Sourced behind lib.sh and modules.sh, as disks.sh is for disks.

mkdir -p "$scratch/root"
cat >"$scratch/root/test" <<'GUEST'
#!/bin/sh
argument() { tr ' ' '\n' </proc/cmdline | sed -n "s/^test\.$1=//p"; }
while read -r m file; do
	options=
	[ "$m" = virtio_pci ] && options=$(argument pci | tr , ' ')
	# shellcheck disable=SC2086
	insmod "/modules/$file" $options
done </order
say() { echo "guest: $*"; }
fails() { if "$@" >/tmp/why 2>&1; then say "unexpected success: $*"; else say "failed as it should: $(head -n 1 /tmp/why)"; fi; }
complaints() { dmesg | grep -E 'BUG|Oops|WARNING: CPU|nobody cared' && say complaints; }
# share TAG PLACE [OPTIONS]
share() {
	mkdir -p "$2"
	mount -t 9p -o "trans=virtio,version=9p2000.L${3:+,$3}" "$1" "$2" || say "no mount of $1"
}
GUEST

# share_archive [MODULE]...: makes $scratch/archive
share_archive() {
	echo '"$(argument do)"; complaints; say "the end"' >>"$scratch/root/test"
	# shellcheck disable=SC2046,SC2086
	set -- $(module_files "$kernel" virtio_pci 9p 9pnet_virtio "$@")
	load_order "$@" >"$scratch/root/order"
	guest_archive "$scratch/archive" "$@"
}

# share_guest FUNCTION ARGUMENTS [OPTION]...: runs it; what it said is in $scratch/said
share_guest() {
	what=$1 arguments=$2
	shift 2
	limited 60 "$scratch/console" "$ring1" run -k "$kernel" -i "$scratch/archive" \
		-a "ring1.init=/test quiet panic_on_oops=0 test.do=$what $arguments" "$@"
	tr -d '\r' <"$scratch/console" >"$scratch/said"
}
said() { grep -qE -- "$1" "$scratch/said"; }
