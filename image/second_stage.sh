#!/bin/sh
# The guest's part of `ring1 image create`: runs in the new Debian, as root, with nothing else running.
# In the environment: SUITE, HOST_NAME.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true

# No service starts while packages are configured, and no package waits for a disk: all is lost or kept as a whole.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/ring1-image

echo "stage: configuring packages"
/debootstrap/debootstrap --second-stage || {
	tail -n 20 /debootstrap/debootstrap.log 2>/dev/null || true
	echo "error: packages could not be configured; the end of debootstrap's log is above"
	exit 1
}

echo "stage: setting up the system"
rm -f /usr/sbin/policy-rc.d /etc/dpkg/dpkg.cfg.d/ring1-image
echo "$HOST_NAME" >/etc/hostname
printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n::1\tlocalhost ip6-localhost ip6-loopback\n' "$HOST_NAME" >/etc/hosts
echo 'LABEL=ring1 / ext4 errors=remount-ro,discard 0 1' >/etc/fstab
passwd -d root >/dev/null

# The user network's address, router and name server come by DHCP.
mkdir -p /etc/systemd/network
printf '[Match]\nType=ether\n\n[Network]\nDHCP=yes\n\n[DHCPv4]\nUseDNS=yes\n' >/etc/systemd/network/80-ring1.network
systemctl enable systemd-networkd.service >/dev/null 2>&1
# Nothing here waits for the network to be up before the login prompt.
systemctl disable systemd-networkd-wait-online.service >/dev/null 2>&1 || true
# Without systemd-resolved networkd tells nobody of the name servers that DHCP names. Until it has some: the user network's.
if [ ! -e /lib/systemd/systemd-resolved ]; then
	echo 'nameserver 10.0.2.3' >/etc/resolv.conf
	cat >/usr/local/sbin/resolv-conf <<'SCRIPT'
#!/bin/sh
# The name servers of all networks that systemd-networkd manages, into /etc/resolv.conf.
servers=$(sed -n 's/^DNS=//p' /run/systemd/netif/state 2>/dev/null)
[ -n "$servers" ] || exit 0
for server in $servers; do echo "nameserver $server"; done >/etc/resolv.conf.new && mv /etc/resolv.conf.new /etc/resolv.conf
SCRIPT
	chmod 755 /usr/local/sbin/resolv-conf
	cat >/etc/systemd/system/resolv-conf.path <<'UNIT'
[Unit]
Description=Name servers that a network tells of
[Path]
PathChanged=/run/systemd/netif/state
[Install]
WantedBy=multi-user.target
UNIT
	cat >/etc/systemd/system/resolv-conf.service <<'UNIT'
[Unit]
Description=Put name servers into /etc/resolv.conf
After=resolv-conf.path
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/resolv-conf
[Install]
WantedBy=multi-user.target
UNIT
	systemctl enable resolv-conf.path resolv-conf.service >/dev/null 2>&1
fi

# What 'ring1 exec' speaks to; started when its port is found.
mkdir -p /usr/local/sbin
cp /ring1/agent /usr/local/sbin/ring1-agent
cat >/etc/systemd/system/ring1-agent.service <<'UNIT'
[Unit]
Description=Commands of the host (ring1 exec)

[Service]
ExecStart=/usr/local/sbin/ring1-agent serve
Restart=always
UNIT
printf 'SUBSYSTEM=="virtio-ports", ATTR{name}=="ring1.agent.0", TAG+="systemd", ENV{SYSTEMD_WANTS}+="ring1-agent.service"\n' \
	>/etc/udev/rules.d/60-ring1-agent.rules

apt-get clean
rm -rf /ring1 /debootstrap /var/lib/apt/lists/*_dists_*
rm -f /etc/machine-id
: >/etc/machine-id
echo "stage: done"
