#!/bin/sh
# `ring1 image create` by a user without rights: the image boots to a login prompt of a system in which nothing failed,
# keeps what is written, and powers off; the file system is clean. Gets some 150 packages: needs the network.
# Time limit: 2400 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

PATH=$PATH:/usr/sbin:/sbin
for tool in debootstrap fakeroot mke2fs debugfs; do
	command -v "$tool" >/dev/null && continue
	skip "a Debian image is made" "$tool is not installed"
	done_testing
	exit
done

image=$scratch/debian.img
# As root: a user whom nobody has, with a home of its own.
as_user=
if [ "$(id -u)" = 0 ]; then
	user=$((40000 + $$ % 20000))
	as_user="setpriv --reuid=$user --regid=$user --clear-groups"
	mkdir "$scratch/home"
	chown "$user:$user" "$scratch" "$scratch/home" "$XDG_RUNTIME_DIR"
	cp "$ring1" "$scratch/ring1"
	chmod 755 "$scratch/ring1"
	ring1=$scratch/ring1
	export HOME="$scratch/home" XDG_CACHE_HOME="$scratch/home/cache"
fi
by_user() { (cd "$scratch" && exec $as_user "$@"); }

limited 1800 "$scratch/made" by_user "$ring1" image create "$image" --size 2G --hostname slow --packages less
if [ "$status" != 0 ] && grep -q 'could not get the packages' "$scratch/made"; then
	show "$scratch/made"
	skip "a Debian image is made" "its packages cannot be had here"
	done_testing
	exit
fi
check "a Debian image is made (status $status, $ended)" [ "$status" = 0 ]
[ "$status" = 0 ] || show "$scratch/made"
check "it is the user's own" [ -O "$image" -o "$(stat -c %u "$image")" = "${user:-0}" ]
check "it says what it is doing" grep -q 'configuring packages' "$scratch/made"
check "what is not used takes no room" [ "$(du -k "$image" | cut -f 1)" -lt 1600000 ]
# What was there before is not replaced, and nothing is left of the attempt.
sum=$(sha256sum <"$image")
limited 30 "$scratch/again" by_user "$ring1" image create "$image"
check "an image that is there is not replaced without --force" \
	[ "$status" = 2 -a "$sum" = "$(sha256sum <"$image")" ]
check "no other file is left" [ "$(find "$scratch" -maxdepth 1 -name '*.img*' | wc -l)" = 1 ]

# talk SECONDS [WORD]...: at the console of the machine that boots from it; the words are tests/tools/pty's.
talk() {
	seconds=$1
	shift
	limited "$seconds" "$scratch/out" by_user "$PWD/$pty" "seconds=$seconds" 'expect=slow login:' 'send=root\r' 'expect=# ' "$@" \
		'send=poweroff\r' 'expect=powered off' -- "$ring1" run --image "$image" -n slow ${network:+--net "$network"}
	[ "$status" = 0 ] || show "$scratch/out" 60
	[ "$status" = 0 ] && [ "$ended" = itself ]
}
in_network() {
	network=$1
	shift
	"$@"
	set -- $?
	network=
	return "$1"
}
network=
# shellcheck disable=SC2016 # the guest's shell expands them
check "boots to a login prompt, runs, powers off" talk 600 \
	'send=systemctl is-system-running --wait; echo units failed: $(systemctl --failed --no-legend | wc -l).\r' 'expect=units failed: 0.' \
	'send=less --version | head -n 1; echo kept >/root/kept; hostname\r' 'expect=less 5'
running() { tr '\r' '\n' <"$scratch/out" | grep -aqx running; }
check "nothing failed in it" running
# The default network, and one with other addresses: names are asked of what DHCP says.
# shellcheck disable=SC2016 # the guest's shell expands them
check "it has a network, and the name server that this has" talk 600 \
	'send=until grep -q 10.0.2.3 /etc/resolv.conf && ip -4 addr | grep -q 10.0.2.15; do sleep 1; done; ping -c 1 10.0.2.2\r' 'expect=1 received'
check "... and of another network" in_network user,net=192.168.7.0/24 talk 600 \
	'send=until grep 192.168.7.3 /etc/resolv.conf; do sleep 1; done; ping -c 1 192.168.7.2\r' 'expect=1 received'
check "... and what was written is there the next time" talk 600 'send=cat /root/kept\r' 'expect=kept'

# ---- packages, through the user network ----

# How this host's apt reaches the network is how the guest's does; what listens on the host's loopback device, a proxy
# perhaps, is at 10.0.2.2 there.
apt_words() {
	{
		apt-config dump 2>/dev/null | grep -E '^Acquire::((http|https)::|Check-|ForceIPv|Retries)' | grep -v 'Auto-*Detect'
		for scheme in http https; do
			detect=
			eval "$(apt-config shell detect "Acquire::$scheme::Proxy-Auto-Detect" 2>/dev/null)"
			proxy=$(printenv "${scheme}_proxy")
			[ ! -x "$detect" ] || proxy=$("$detect" "$1" 2>/dev/null | grep -v DIRECT)
			[ -z "$proxy" ] || echo "Acquire::$scheme::Proxy \"$proxy\";"
		done
	} | sed -E 's,//([^/@"]*@)?(localhost|127\.[0-9.]*|\[::1\])([:/"]),//\110.0.2.2\3,'
}
# Files that they name: certificates.
apt_files() { apt-config dump 2>/dev/null | sed -n 's/^Acquire::https::[A-Za-z:.-]*\(CaInfo\|SslCert\|SslKey\) "\(\/.*\)";/\2/p'; }
# The same lists on the host, with nothing of its own state: is there a network, and the mirror at its other end?
host_updates() {
	mkdir -p "$scratch/apt/lists/partial" "$scratch/apt/cache/archives/partial" "$scratch/apt/parts"
	: >"$scratch/apt/status"
	apt-get -o APT::Architecture=i386 -o APT::Architectures::=i386 -o Dir::State="$scratch/apt" -o Dir::State::lists="$scratch/apt/lists" \
		-o Dir::State::status="$scratch/apt/status" -o Dir::Cache="$scratch/apt/cache" -o Dir::Etc::sourcelist="$scratch/sources" \
		-o Dir::Etc::sourceparts="$scratch/apt/parts" -o APT::Sandbox::User= -o APT::Update::Error-Mode=any \
		-o APT::Update::Post-Invoke-Success= update </dev/null >"$scratch/host-update" 2>&1
}
in_guest() { by_user "$ring1" exec --timeout 300 slow -- "$@"; }

if limited 60 "$scratch/detached" by_user "$ring1" run --image "$image" -n slow --detach && [ "$status" = 0 ]; then
	in_guest cat /etc/apt/sources.list >"$scratch/sources" </dev/null
	mirror=$(awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) { print $i; exit } }' "$scratch/sources")
	check "the guest knows where packages come from" [ -n "$mirror" ]
	if ! host_updates; then
		show "$scratch/host-update" 10
		skip "apt-get update in the guest" "apt-get update with the same sources fails on this host"
	else
		apt_words "$mirror" >"$scratch/apt-words"
		in_guest sh -c 'cat >/etc/apt/apt.conf.d/90host' <"$scratch/apt-words"
		for file in $(apt_files); do
			in_guest sh -c 'mkdir -p "${1%/*}" && cat >"$1"' sh "$file" <"$file"
		done
		status=0
		in_guest apt-get -o APT::Update::Error-Mode=any update </dev/null >"$scratch/update" 2>&1 || status=$?
		check "apt-get update in the guest (status $status)" [ "$status" = 0 -a "$(grep -c '^Get:' "$scratch/update")" -ge 1 ]
		[ "$status" = 0 ] || show "$scratch/update"
		check "... has the lists that the host has" [ "$(in_guest apt-cache policy hello </dev/null | grep -c '^ *Candidate: [0-9]')" = 1 ]
		status=0
		in_guest sh -c 'apt-get -y install hello && hello -g "greetings from a package"' </dev/null >"$scratch/install" 2>&1 || status=$?
		check "a package is installed, and runs" [ "$status $(tail -n 1 "$scratch/install")" = '0 greetings from a package' ]
		[ "$status" = 0 ] || show "$scratch/install"
	fi
	all=$(family "$(by_user "$ring1" ls </dev/null | awk '$1 == "slow" { print $2 }')")
	status=0
	by_user "$ring1" stop --timeout 120 slow </dev/null >"$scratch/stopped" 2>&1 || status=$?
	check "the power button ends it (status $status)" [ "$status" = 0 ]
	# shellcheck disable=SC2086 # one word a process
	check "... and no process is left" all_gone 5 $all
else
	not_ok "runs in the background"
	show "$scratch/detached"
fi

start=$(sfdisk -J "$image" 2>/dev/null | sed -n 's/.*"start": *\([0-9]*\).*/\1/p' | head -n 1)
dd if="$image" of="$scratch/part" bs=512 skip="${start:-0}" conv=sparse status=none
check "its file system is clean" sh -c 'e2fsck -fn "$1" >"$1.log" 2>&1' sh "$scratch/part"
done_testing
