#!/bin/sh
# Virtio network devices: the user's own network, what is forwarded and what is not, and cables that come out.
# shellcheck disable=SC2016 # the guest's shell expands
# Time limit: 420 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh
# shellcheck source=tests/system/net.sh
. tests/system/net.sh

cat >>"$scratch/root/test" <<'GUEST'
# What every kernel, interface and interrupt controller is asked
basics() {
	lease || return
	ping -c 1 -W 20 $host >/dev/null && say 'the host answers'
	say "$(peer get $host $port 1000000), $(peer put $host $port 1000000), $(peer udp $host $port 1000)"
	say "mtu $(cat /sys/class/net/eth0/mtu), $(cat /sys/class/net/eth0/address)"
	grep virtio /proc/interrupts /proc/ioports | sed 's/^/guest: /'
}
all() {
	basics
	say "$(peer get $host $port 16777216), $(peer put $host $port 16777216)"
	say "$(peer udp $host $port 60000)"
	say "$(peer many $host $port 1000)"
	until_so ping6 -c 1 -W 5 fec0::2 >/dev/null && say 'IPv6 answers'
	fails peer get $host 1 1
}
parts() {
	lease && say "$(peer udp $host $port 9000), mtu $(cat /sys/class/net/eth0/mtu)"
	say "$(peer parts $host $port 4000), $(peer parts $host $port 65507)"
}
serves() {
	lease >/dev/null
	peer serve 0.0.0.0 9000 >/tmp/served &
	until_so test -s /tmp/served && say serving
	until_so test -e /tmp/never
}
restricted() {
	lease
	fails peer get $host $port 1
	fails peer get 127.0.0.1 $port 1
	fails timeout 3 peer udp $host $port 100
	fails timeout 3 nslookup debian.org 10.0.2.3
	serves
}
no_loopback() {
	lease
	fails timeout 5 peer get $host $port 1
	fails timeout 3 peer udp $host $port 100
}
unplugged() {
	lease
	peer get $host $port 3000000 drip >/tmp/got &
	until_so grep -q 10.0.2 /proc/net/arp
	say transferring
	until_so carrier 0 && say 'no carrier'
	until_so carrier 1 && say 'carrier again'
	wait
	say "$(cat /tmp/got)"
}
snapped() {
	lease
	peer hold $host $port >/tmp/held &
	peer put $host $port 1000000000000 >/tmp/put &
	until_so grep -q held /tmp/held
	say "$(peer get $host $port 100000), waiting" | sed 's/got 100000, //'
	until_so carrier 0 && say 'no carrier'
	until_so carrier 1
	until_so grep -q reset /tmp/held && say "reader $(sed -n 's/^ended: //p' /tmp/held)"
	until_so grep -q reset /tmp/put && say "writer $(sed 's/.*: //' /tmp/put)"
	say "$(peer get $host $port 200000)"
}
lives() {
	lease
	n=$(peer count $host $port)
	say "$n"
	[ "$n" = 'count 1' ] && say "$(peer get $host $port 1000000)" && reboot -f
	say "$(peer get $host $port 1000000)"
}
two() {
	ip link set eth1 up
	lease eth0
	lease eth1
	say "$(cat /sys/class/net/eth0/address) $(cat /sys/class/net/eth1/address)"
}
asked() { nslookup ring1.test 10.0.2.3 2>/dev/null | grep -qF "192.0.2.$1"; }
names() {
	lease
	ping -c 1 -W 20 198.51.100.7 >/dev/null && say pinged
	until_so asked 9 && say asked
	until_so asked 10 && say 'another one'
}
nameless() {
	lease
	fails timeout 20 nslookup ring1.test 10.0.2.3
	ping -c 1 -W 20 $host >/dev/null && say 'nameless, and here'
}
tapped() {
	ip addr add 192.168.77.2/24 dev eth0
	to='192.168.77.1 9000'
	say "$(peer get $to 16777216), $(peer put $to 16777216), $(peer udp $to 9000)"
}
GUEST
net_archive virtio_pci virtio_net 8139too
serve

# ---- every way to reach it ----

# each ARGUMENTS INTERRUPT REGION [OPTION]...
each() {
	arguments=$1 interrupt=$2 region=$3
	shift 3
	net_guest "${do:-basics}" "$arguments" --net "user${net:-}" "$@"
	check "$arguments $*${net:-}: a lease" said '^guest: lease 10.0.2.15/(24|255.255.255.0) router 10.0.2.2 dns 10.0.2.3'
	check '... the host answers pings' said '^guest: the host answers'
	check '... TCP both ways, and UDP' said '^guest: got 1000000, put 1000000, datagram of 1000$'
	check "... by $interrupt, $region" sh -c "grep -qE '$interrupt.*virtio0' '$scratch/said' && grep -q '$region' '$scratch/said'"
	check '... the guest ends well, with nothing to complain about' \
		[ "$(grep -cE '^guest: (the end|complaints)' "$scratch/said") $status" = '1 0' ]
	said '^guest: got 1000000, put 1000000, datagram' && said '^guest: the end' || show "$scratch/said"
}
do=all
each '' PCI-MSI virtio-pci-modern
check '16 MiB each way, byte by byte' said '^guest: got 16777216, put 16777216$'
check 'a datagram of 60000 bytes' said '^guest: datagram of 60000$'
check '1000 connections at a time' said '^guest: 1000 echoed$'
check 'IPv6' said '^guest: IPv6 answers'
check 'a port where nobody listens is refused' said '^guest: failed as it should'
check 'the device has the address and MTU of QEMU'"'s" said '^guest: mtu 1500, 52:54:00:12:34:56'
do=
each 'pci=nomsi' IO-APIC.*fasteoi virtio-pci-modern
each 'test.pci=force_legacy=1' PCI-MSI virtio-pci-legacy
net=,mtu=65520,mac=02:00:00:00:00:07,ipv6=off
each 'test.pci=force_legacy=1' XT-PIC virtio-pci-legacy --apic=off --acpi=off
check '... with that MTU and address' said '^guest: mtu 65520, 02:00:00:00:00:07'
net=
net_guest parts '' --net user
check 'a datagram in parts' said '^guest: datagram of 9000, mtu 1500'
check '... the last of them first, of any size' said '^guest: parts of 4000, parts of 65507'
net_guest two '' --net user,hostname=guest-one --net user,net=192.168.5.0/24,dns=192.168.5.9
check 'two networks, each with its own addresses' [ "$(grep -cE '^guest: lease (10.0.2.15/.* router 10.0.2.2 dns 10.0.2.3 name guest-one|192.168.5.15/.* router 192.168.5.2 dns 192.168.5.9)' "$scratch/said")" = 2 ]
check '... and devices' said '^guest: 52:54:00:12:34:56 52:54:00:12:34:57'

# ---- from outside ----

# A port that is free may be somebody else's a moment later.
forwarded() {
	for _ in 1 2 3; do
		out=$("$peer" free)
		net_machine "$1" --net "user,hostfwd=tcp:127.0.0.1:$out-:9000,hostfwd=udp:127.0.0.1:$out-:9000$2"
		appears 'guest: serving' "$scratch/console" 60 && return
		grep -q 'cannot listen' "$scratch/words" || return
		wait "$machine"
	done
}
forwarded serves ''
check 'a forwarded TCP port leads into the guest' [ "$("$peer" get 127.0.0.1 "$out" 2000000)" = 'got 2000000' ]
check '... both ways' [ "$("$peer" put 127.0.0.1 "$out" 2000000)" = 'put 2000000' ]
check '... and a UDP port' [ "$("$peer" udp 127.0.0.1 "$out" 1200)" = 'datagram of 1200' ]
check '... fifty at a time' [ "$("$peer" many 127.0.0.1 "$out" 50)" = '50 echoed' ]
limited 20 "$scratch/words2" "$ring1" run -k "$kernel" --net "user,hostfwd=tcp:127.0.0.1:$out-:22"
check 'a port that is taken is refused with a reason' \
	[ "$status $(grep -c "cannot listen at TCP port $out of 127.0.0.1: Address already in use" "$scratch/words2")" = '2 1' ]

# ---- the process behind it ----

for pid in $(children "$machine"); do
	case $(cat "/proc/$pid/comm") in ring1:net0*) net=$pid ;; ring1:resolver) resolver=$pid ;; esac
done
check 'a network has a process of its own' [ -n "${net:-}" -a -n "${resolver:-}" ]
for pid in $net $resolver; do
	check '... with a filter and no new privileges' \
		[ "$(grep -cE '^(Seccomp:.2|NoNewPrivs:.1)$' "/proc/$pid/status")" = 2 ]
done
check '... and no file' [ -z "$(for fd in "/proc/$net/fd/"*; do readlink "$fd"; done | grep -v -e '^socket:' -e '^anon_inode:.eventfd')" ]
if [ -x build/test/inject ]; then
	probe=$(build/test/inject "$net" futex 2>/dev/null)
	# "socket" is one of the file system, where a user's session listens
	for call in fork 'execve /bin/true' socket ptrace mmap-exec mprotect-exec process_vm_readv setuid; do
		if [ "$probe" != -38 ]; then
			skip "... $call" 'the host allows no ptrace'
			continue
		fi
		# shellcheck disable=SC2086
		got=$(build/test/inject "$net" $call 2>/dev/null)
		check "... $call is refused (result ${got:-none})" [ "$got" = -1 -o "$got" = -13 ]
	done
fi
all=$(family "$machine")
kill -KILL "$net"
wait_for_end "$machine" 5
check 'when it dies the machine ends, and says why' \
	[ "$status $ended" = '3 itself' -a "$(grep -c 'the process of net0 user was killed' "$scratch/words")" = 1 ]
# shellcheck disable=SC2086
check '... and no process is left' all_gone 2 $all

# ---- restricted ----

forwarded restricted ,restrict=on
tr -d '\r' <"$scratch/console" >"$scratch/said"
check 'a restricted guest has a lease without a way out' said '^guest: lease 10.0.2.15/.* router none dns none'
check '... reaches neither host nor name server' [ "$(grep -c '^guest: failed as it should' "$scratch/said")" = 4 ]
check '... and is reached by what is forwarded' [ "$("$peer" get 127.0.0.1 "$out" 100000)" = 'got 100000' ]
kill -TERM "$machine"
wait_for_end "$machine" 5
net_guest no_loopback '' --net user,loopback=off
check "loopback=off: a guest does not reach the host's loopback device" [ "$(grep -c '^guest: failed as it should' "$scratch/said")" = 2 ]

# ---- the cable ----

net_machine unplugged --net user
check 'a transfer is under way' appears 'guest: transferring' "$scratch/console" 60
"$ring1" monitor tested 'link net0 off' >"$scratch/monitor"
check 'the cable is out' grep -q 'net0: user.*, unplugged' "$scratch/monitor"
check '... the guest sees it' appears 'guest: no carrier' "$scratch/console" 60
control() { echo "$1" | build/test/connect --shut "$XDG_RUNTIME_DIR/ring1/tested.sock" >"$scratch/reply"; }
control '{"id":1,"command":"link","arguments":{"name":"net1","on":true}}'
check 'another device is not there' grep -q 'no network device' "$scratch/reply"
control '{"id":1,"command":"link","arguments":{"name":"net0","on":true}}'
check 'the cable is in again' grep -q '"result":{"on":true}' "$scratch/reply"
"$ring1" monitor tested 'info net' >"$scratch/monitor"
check '... and shown so' grep -q 'net0: user, 52:54:00:12:34:56, plugged in' "$scratch/monitor"
check '... the guest sees it' appears 'guest: carrier again' "$scratch/console" 60
wait_for_end "$machine" 120
check '... and nothing of the transfer is lost' grep -q 'guest: got 3000000' "$scratch/console"
check '... the machine ends well' [ "$status $ended" = '0 itself' ]

# ---- a reboot ----

net_guest lives '' --net user --reboot=restart
check 'a guest that was started anew has its network' \
	[ "$(grep -cE '^guest: (count [12]|got 1000000|lease .*)$' "$scratch/said") $status" = '6 0' ]

# ---- a snapshot ----

net_machine snapped --net user
check 'a machine with a network is saved' appears 'guest: waiting' "$scratch/console" 60
check '... to a file' "$ring1" snapshot --stop tested "$scratch/snapshot"
wait_for_end "$machine" 30
: >"$scratch/console"
"$ring1" run --restore "$scratch/snapshot" -n tested --net user </dev/null >"$scratch/console" 2>"$scratch/words" &
machine=$!
until "$ring1" monitor tested 'link net0 off' >/dev/null 2>&1 || ! alive "$machine"; do sleep 0.1; done
check '... and goes on from it, with its cable out' appears 'guest: no carrier' "$scratch/console" 60
"$ring1" monitor tested 'link net0 on' >/dev/null
wait_for_end "$machine" 60
check '... a connection that waits for its peer is reset' grep -q 'guest: reader Connection reset by peer' "$scratch/console"
check '... and one that sends' grep -q 'guest: writer Connection reset by peer' "$scratch/console"
check '... and in: it has its network' grep -q 'guest: got 200000' "$scratch/console"
check '... the machine ends well' [ "$status $ended" = '0 itself' ]

# ---- where /etc/resolv.conf, port 53 and the devices are ours ----

cat >"$scratch/own" <<'OWN'
#!/bin/sh
# DIRECTORY COMMAND...: in a network of its own, with name servers at 127.0.0.9 and 127.0.0.10, and a tap device
# Those of an earlier time were there at once.
rm -f "$1/named" "$1/named2" "$1/tapped"
ip link set lo up && mount --bind "$1/resolv.conf" /etc/resolv.conf || exit 125
ip addr add 198.51.100.7/32 dev lo
echo '0 0' >/proc/sys/net/ipv4/ping_group_range
build/test/peer dns 127.0.0.9 >"$1/named" &
build/test/peer dns 127.0.0.10 >"$1/named2" &
until [ -s "$1/named" ] && [ -s "$1/named2" ]; do sleep 0.05; done
if [ -n "${TAP:-}" ]; then
	ip tuntap add dev tap0 mode tap || exit 125
	ip addr add 192.168.77.1/24 dev tap0
	ip link set tap0 up
	build/test/peer serve 192.168.77.1 9000 >"$1/tapped" &
	until [ -s "$1/tapped" ]; do sleep 0.05; done
fi
shift
exec "$@"
OWN
chmod +x "$scratch/own"
echo 'nameserver 127.0.0.9' >"$scratch/resolv.conf"
unshare -rmn "$scratch/own" "$scratch" true 2>/dev/null
own=$?
printf '%s\n' '#!/bin/sh' "exec unshare -rmn $scratch/own $scratch \$WITH build/ring1 \"\$@\"" >"$scratch/ring1"
chmod +x "$scratch/ring1"
ring1=$scratch/ring1
WITH=
export WITH
if [ $own = 0 ]; then
	net_machine names --net user
	check "names are those of the host's name server" appears 'guest: asked' "$scratch/console" 60
	echo 'nameserver 127.0.0.10 # another, and another length' >"$scratch/resolv.conf"
	wait_for_end "$machine" 60
	check '... also when it becomes another' grep -q 'guest: another one' "$scratch/console"
	check 'ICMP leaves where the host allows it' grep -q 'guest: pinged' "$scratch/console"
	: >"$scratch/resolv.conf"
	net_guest nameless '' --net user
	check 'without a name server of the host all but names works' said '^guest: nameless, and here'
	check '... and asking ends with an error' said '^guest: failed as it should'
else
	skip "names are those of the host's name server" 'no namespaces for users here'
fi
export TAP=1
if [ $own = 0 ] && unshare -rmn "$scratch/own" "$scratch" true 2>/dev/null; then
	net_guest tapped '' --net tap,ifname=tap0
	check 'a tap device: TCP both ways, UDP' said '^guest: got 16777216, put 16777216, datagram of 9000'
	net_guest tapped test.card=use_io=1 --net tap,ifname=tap0,model=rtl8139
	check '... with an RTL8139' said '^guest: got 16777216, put 16777216, datagram of 9000'
	WITH='build/test/peer tap tap0'
	net_guest tapped '' --net tap,fd=7
	check '... given as a descriptor, without virtio headers' said '^guest: got 16777216, put 16777216, datagram of 9000'
	WITH=
else
	skip 'a tap device' 'no /dev/net/tun here'
fi
unset TAP
ring1=build/ring1

# ---- what is refused ----

refused() { # NAME TEXT OPTION...
	name=$1 text=$2
	shift 2
	limited 20 "$scratch/words" "$ring1" run -k "$kernel" "$@"
	check "$name is refused with a reason" [ "$status" = 2 -a "$(grep -cE -- "$text" "$scratch/words")" = 1 ]
	grep -qE -- "$text" "$scratch/words" || show "$scratch/words"
}
refused 'an unknown kind' "--net bridge: 'bridge' is none of user, tap, none" --net bridge
refused 'an unknown word' "'restric=on' is none of" --net user,restric=on
refused 'none beside another' "'none' is all or nothing" --net user --net none
# Root makes it instead: not where the network is somebody else's.
if [ "$(id -u)" = 0 ]; then
	printf '%s\n' '#!/bin/sh' 'exec unshare -r build/ring1 "$@"' >"$scratch/ring1"
	ring1=$scratch/ring1
fi
refused 'a tap device that is not there' '--net tap,ifname=nowhere0: (/dev/net/tun|nowhere0): ' --net tap,ifname=nowhere0
ring1=build/ring1
refused 'a descriptor that is none of a tap device' 'descriptor 8 is not that of a tap device' --net tap,fd=8
kill "$server"
done_testing
