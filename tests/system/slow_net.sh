#!/bin/sh
# Virtio network devices: large transfers, by every kernel at hand, and many connections while they go on.
# shellcheck disable=SC2016 # the guest's shell expands
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh
# shellcheck source=tests/system/net.sh
. tests/system/net.sh

cat >>"$scratch/root/test" <<'GUEST'
large() {
	lease
	say "$(peer get $host $port 157286400)"
	say "$(peer put $host $port 157286400)"
	peer get $host $port 104857600 >/tmp/a &
	peer put $host $port 104857600 >/tmp/b &
	for i in 1 2 3 4 5; do peer many $host $port 300; done | sort | uniq -c | sed 's/^ */guest: /'
	wait
	say "$(cat /tmp/a), $(cat /tmp/b)"
}
GUEST
net_archive
serve
for mtu in 65520 1500 9001; do
	net_guest large '' --net "user,mtu=$mtu"
	check "mtu $mtu: 150 MiB from the host" said '^guest: got 157286400$'
	check '... and to it' said '^guest: put 157286400$'
	check '... 100 MiB both ways at a time' said '^guest: got 104857600, put 104857600$'
	check '... and meanwhile five times 300 connections' said '^guest: 5 300 echoed'
	check '... and nothing to complain about' [ "$(grep -cE '^guest: (the end|complaints)' "$scratch/said") $status" = '1 0' ]
	said '^guest: 5 300 echoed' || show "$scratch/said"
done
kill "$server"
done_testing
