# shellcheck shell=sh
# Guests with network devices: an initramfs with Debian's driver and tests/tools/peer.c, and a /test that does what test.do=
# on the kernel's command line says. Sourced behind lib.sh and modules.sh. More functions can be appended to root/test before
# net_archive is called.

peer=build/test/peer
mkdir -p "$scratch/root/bin"
cp build/test/guest/peer "$scratch/root/bin/peer"
cat >"$scratch/root/udhcpc" <<'GUEST'
#!/bin/sh
[ "$1" = bound ] || exit 0
echo "guest: lease $ip/$mask router ${router:-none} dns ${dns:-none} name ${hostname:-none}"
ip addr add "$ip/$mask" dev "$interface"
[ -z "$router" ] || ip route add default via "$router"
[ -z "$dns" ] || echo "nameserver $dns" >/etc/resolv.conf
GUEST
cat >"$scratch/root/test" <<'GUEST'
#!/bin/sh
argument() { tr ' ' '\n' </proc/cmdline | sed -n "s/^test\.$1=//p"; }
while read -r m file; do
	options=
	case $m in virtio_pci) options=$(argument pci | tr , ' ') ;; 8139too) options=$(argument card | tr , ' ') ;; esac
	# shellcheck disable=SC2086
	insmod "/modules/$file" $options
done </order
say() { echo "guest: $*"; }
fails() { if "$@" >/tmp/why 2>&1; then say "unexpected success: $*"; else say "failed as it should"; fi; }
complaints() { dmesg | grep -E 'BUG|Oops|WARNING: CPU|nobody cared|virtio.*(buffer|error)' && say complaints; }
# until COMMAND...: at most a minute
until_so() {
	n=0
	until "$@" 2>/dev/null; do
		n=$((n + 1))
		[ $n -lt 600 ] || return 1
		sleep 0.1
	done
}
carrier() { [ "$(cat /sys/class/net/eth0/carrier)" = "$1" ]; }
lease() { udhcpc -i "${1:-eth0}" -n -q -t 20 -T 1 -s /udhcpc >/tmp/dhcp 2>&1 && grep guest: /tmp/dhcp; }
ip link set lo up
ip link set eth0 up
host=10.0.2.2 port=$(argument port)
GUEST

# net_archive [MODULE...]: makes $scratch/archive; the drivers are virtio's unless said
net_archive() {
	[ $# != 0 ] || set -- virtio_pci virtio_net
	echo '"$(argument do)"; complaints; say "the end"' >>"$scratch/root/test"
	# shellcheck disable=SC2046
	set -- $(module_files "$kernel" "$@")
	load_order "$@" >"$scratch/root/order"
	guest_archive "$scratch/archive" "$@"
}

# net_guest FUNCTION ARGUMENTS [OPTION]...: runs it; what it said is in $scratch/said
net_guest() {
	what=$1 arguments=$2
	shift 2
	limited 90 "$scratch/console" "$ring1" run -k "$kernel" -i "$scratch/archive" \
		-a "ring1.init=/test quiet panic_on_oops=0 test.do=$what test.port=$port $arguments" "$@"
	tr -d '\r' <"$scratch/console" >"$scratch/said"
}
# net_machine FUNCTION [OPTION]...: the same in the background; its console grows in $scratch/console
net_machine() {
	what=$1
	shift
	: >"$scratch/console"
	"$ring1" run -k "$kernel" -i "$scratch/archive" -n tested \
		-a "ring1.init=/test quiet panic_on_oops=0 test.do=$what test.port=$port" "$@" \
		</dev/null >"$scratch/console" 2>"$scratch/words" &
	machine=$!
}
said() { grep -qE -- "$1" "$scratch/said"; }

# serve: a server of this host; sets server and port
serve() {
	: >"$scratch/port"
	"$peer" serve 127.0.0.1 >"$scratch/port" &
	server=$!
	until [ -s "$scratch/port" ]; do sleep 0.05; done
	port=$(cat "$scratch/port")
}
