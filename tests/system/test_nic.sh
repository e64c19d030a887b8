#!/bin/sh
# The network card for guests without virtio (--net ...,model=rtl8139), with Debian's driver of it: its registers by ports
# and in memory, cables, snapshots, reboots. What is behind it is as with virtio's (test_net.sh, which has tap devices).
# shellcheck disable=SC2016 # the guest's shell expands
# Time limit: 300 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh
# shellcheck source=tests/system/net.sh
. tests/system/net.sh

cat >>"$scratch/root/test" <<'GUEST'
# What the driver counted of errors and losses
errors() { (cd /sys/class/net/eth0/statistics && cat rx_*error* tx_*error* tx_dropped collisions) | awk '{ n += $1 } END { print n }'; }
basics() {
	tr ' ' '\n' </proc/cmdline | grep use_io | sed 's/^/guest: /'
	lease || return
	ping -c 1 -W 20 $host >/dev/null && say 'the host answers'
	say "$(peer get $host $port 1000000), $(peer put $host $port 1000000), $(peer udp $host $port 1000)"
	say "$(peer get $host $port 4194304), $(peer put $host $port 4194304)"
	say "$(peer udp $host $port 9000), $(peer many $host $port 50)"
	# Neighbours are asked for by multicast: its filter has to let that through.
	until_so ping6 -c 1 -W 5 fec0::2 >/dev/null && say 'IPv6 answers'
	say "errors $(errors), mtu $(cat /sys/class/net/eth0/mtu), $(cat /sys/class/net/eth0/address)"
	grep eth0 /proc/interrupts | sed 's/^/guest: /'
}
again() {
	basics
	ip link set eth0 promisc on
	say "promiscuous: $(peer get $host $port 300000)"
	ip link set eth0 promisc off
	ip link set eth0 down
	ip addr flush dev eth0
	ip link set eth0 address 02:00:00:00:00:33
	ip link set eth0 up
	lease >/dev/null
	say "another address: $(peer get $host $port 300000), $(peer put $host $port 300000)"
	fails peer get $host 1 1
}
serves() {
	lease >/dev/null
	peer serve 0.0.0.0 9000 >/tmp/served &
	until_so test -s /tmp/served && say serving
	peer get $host $port 3000000 drip >/tmp/got &
	drip=$!
	until_so grep -q 10.0.2 /proc/net/arp
	until_so carrier 0 && say 'no carrier'
	until_so carrier 1 && say 'carrier again'
	wait $drip
	say "$(cat /tmp/got)"
	until_so test -e /tmp/never
}
snapped() {
	lease
	say "$(peer get $host $port 100000), waiting" | sed 's/got 100000, //'
	until_so carrier 0 && say 'no carrier'
	until_so carrier 1
	say "$(peer get $host $port 200000), $(peer put $host $port 200000)"
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
GUEST
net_archive 8139too virtio_pci virtio_net
serve
count() { sed -n "s/^ *\"$1\": \([0-9]*\),*$/\1/p" "$scratch/stats"; }

# ---- by ports and by memory ----

# each ARGUMENTS INTERRUPT [OPTION]...
each() {
	arguments=$1 interrupt=$2
	shift 2
	net_guest "${do:-basics}" "$arguments" --net "user,model=rtl8139${net:-}" --stats="$scratch/stats" "$@"
	check "$arguments $*${net:-}: a lease" said '^guest: lease 10.0.2.15/(24|255.255.255.0) router 10.0.2.2 dns 10.0.2.3'
	check '... the host answers pings' said '^guest: the host answers'
	check '... TCP both ways, and UDP' said '^guest: got 1000000, put 1000000, datagram of 1000$'
	check '... 4 MiB each way, byte by byte' said '^guest: got 4194304, put 4194304$'
	check '... a datagram in parts, 50 connections' said '^guest: datagram of 9000, 50 echoed$'
	check '... IPv6, that is, multicast' said '^guest: IPv6 answers'
	check "... by $interrupt" said "$interrupt.* eth0"
	check '... the guest ends well, with nothing to complain about' \
		[ "$(grep -cE '^guest: (the end|complaints)' "$scratch/said") $status" = '1 0' ]
	check '... and the card had no errors' said '^guest: errors 0, mtu 1500, '
	said '^guest: got 1000000, put 1000000, datagram' && said '^guest: the end' || show "$scratch/said"
}
# Both ways more than 14000 frames with all of these, each of them two accesses at least.
by_ports() { [ "$(count port_io)" -gt 10000 ]; }
do=again
each test.card=use_io=1 IO-APIC.*fasteoi
check 'registers by ports' by_ports
check 'the kernel is told that they are there' said '^guest: 8139too.use_io=1$'
check 'the address is that of its EEPROM' said '^guest: errors .* 52:54:00:12:34:56'
check 'it can be promiscuous' said '^guest: promiscuous: got 300000'
check 'closed and opened again, with another address' said '^guest: another address: got 300000, put 300000'
check 'a port where nobody listens is refused' said '^guest: failed as it should'
do=
each test.card=use_io=0 IO-APIC.*fasteoi
check 'registers in memory' sh -c "! [ $(count port_io) -gt 10000 ]"
net=,mac=02:00:00:00:00:07
each test.card=use_io=1 XT-PIC --apic=off --acpi=off
check 'with that address' said '^guest: errors .* 02:00:00:00:00:07'
net=
net_guest two '' --net user,hostname=guest-one,model=rtl8139 --net user,net=192.168.5.0/24,dns=192.168.5.9,model=rtl8139
check 'two cards, each with its own addresses' [ "$(grep -cE '^guest: lease (10.0.2.15/.* router 10.0.2.2 dns 10.0.2.3 name guest-one|192.168.5.15/.* router 192.168.5.2 dns 192.168.5.9)' "$scratch/said")" = 2 ]
check '... and devices' said '^guest: 52:54:00:12:34:56 52:54:00:12:34:57'
net_guest two '' --net user,model=rtl8139 --net user,net=192.168.5.0/24,model=virtio
check 'one beside one of virtio' [ "$(grep -cE '^guest: lease (10.0.2.15|192.168.5.15)/' "$scratch/said")" = 2 ]

# ---- from outside, and the cable ----

# A port that is free may be somebody else's a moment later.
for _ in 1 2 3; do
	out=$("$peer" free)
	net_machine serves --net "user,model=rtl8139,hostfwd=tcp:127.0.0.1:$out-:9000,hostfwd=udp:127.0.0.1:$out-:9000"
	appears 'guest: serving' "$scratch/console" 60 && break
	grep -q 'cannot listen' "$scratch/words" || break
	wait "$machine"
done
check 'a forwarded TCP port leads into the guest' [ "$("$peer" get 127.0.0.1 "$out" 2000000)" = 'got 2000000' ]
check '... both ways' [ "$("$peer" put 127.0.0.1 "$out" 2000000)" = 'put 2000000' ]
check '... and a UDP port' [ "$("$peer" udp 127.0.0.1 "$out" 1200)" = 'datagram of 1200' ]
check '... fifty at a time' [ "$("$peer" many 127.0.0.1 "$out" 50)" = '50 echoed' ]
"$ring1" monitor tested 'link net0 off' >"$scratch/monitor"
check 'the cable is out' grep -q 'net0: user, rtl8139, 52:54:00:12:34:56, unplugged' "$scratch/monitor"
check '... the guest sees it' appears 'guest: no carrier' "$scratch/console" 60
"$ring1" monitor tested 'link net0 on' >/dev/null
check 'the cable is in again, and the guest sees it' appears 'guest: carrier again' "$scratch/console" 60
check '... and nothing of a transfer is lost' appears 'guest: got 3000000' "$scratch/console" 120
for pid in $(children "$machine"); do
	case $(cat "/proc/$pid/comm") in ring1:net0*) net=$pid ;; esac
done
check 'its process has a filter and no new privileges' \
	[ "$(grep -cE '^(Seccomp:.2|NoNewPrivs:.1)$' "/proc/${net:-none}/status")" = 2 ]
kill -TERM "$machine"
wait_for_end "$machine" 5

# ---- a reboot, a snapshot ----

net_guest lives test.card=use_io=1 --net user,model=rtl8139 --reboot=restart
check 'a guest that was started anew has its network' \
	[ "$(grep -cE '^guest: (count [12]|got 1000000|lease .*)$' "$scratch/said") $status" = '6 0' ]
net_machine snapped --net user,model=rtl8139
check 'a machine with such a card is saved' appears 'guest: waiting' "$scratch/console" 60
check '... to a file' "$ring1" snapshot --stop tested "$scratch/snapshot"
wait_for_end "$machine" 30
: >"$scratch/console"
limited 30 "$scratch/words" "$ring1" run --restore "$scratch/snapshot" --net user
check '... which is refused with another card' \
	[ "$status $(grep -c "its device 1 was 'net0 user', and 'net0 user' is not the same kind" "$scratch/words")" = '2 1' ]
"$ring1" run --restore "$scratch/snapshot" -n tested --net user,model=rtl8139 </dev/null >"$scratch/console" 2>"$scratch/words" &
machine=$!
until "$ring1" monitor tested 'link net0 off' >/dev/null 2>&1 || ! alive "$machine"; do sleep 0.1; done
check '... goes on from it, with its cable out' appears 'guest: no carrier' "$scratch/console" 60
"$ring1" monitor tested 'link net0 on' >/dev/null
wait_for_end "$machine" 60
check '... and in: it has its network' grep -q 'guest: got 200000, put 200000' "$scratch/console"
check '... the machine ends well' [ "$status $ended" = '0 itself' ]

# ---- what is refused ----

refused() { # NAME TEXT OPTION...
	name=$1 text=$2
	shift 2
	limited 20 "$scratch/words" "$ring1" run -k "$kernel" "$@"
	check "$name is refused with a reason" [ "$status" = 2 -a "$(grep -cE -- "$text" "$scratch/words")" = 1 ]
	grep -qE -- "$text" "$scratch/words" || show "$scratch/words"
}
refused 'an unknown card' "'model=ne2k' is none of model=virtio, model=rtl8139" --net user,model=ne2k
refused 'an MTU that nobody can tell the guest' 'mtu= is of model=virtio' --net user,mtu=9000,model=rtl8139
kill "$server"
done_testing
