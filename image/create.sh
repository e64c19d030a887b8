#!/bin/sh
# The host's part of `ring1 image create`: packages of another Debian, unpacked but not configured (their own
# scripts run in the guest, image/second_stage.sh), and a file system made of them. fakeroot remembers owners
# and device nodes, so that none of it needs root.
#
# In the environment: SUITE, PACKAGES (words), MIRROR (may be empty), SIZE (bytes), WORK (an empty directory of
# ours), PART (the image, made here), FILES (a directory whose contents go into the image's root).
# Says "stage: TEXT" when another stage begins.
set -eu

stage() { echo "stage: $*"; }
fail() {
	echo "error: $*"
	exit 1
}
# Debian keeps some of these where ordinary users' paths do not lead.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

missing=
need() { command -v "$1" >/dev/null || missing="$missing $2"; }
need debootstrap debootstrap
need fakeroot fakeroot
need mke2fs e2fsprogs
need dpkg-deb dpkg
[ -z "$missing" ] || fail "Debian's tools are missing; install:$missing"

# The mirror that this machine's apt uses for the same suite; debootstrap knows one otherwise.
if [ -z "$MIRROR" ] && command -v apt-get >/dev/null; then
	# shellcheck disable=SC2016 # apt's variables
	MIRROR=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
		awk -v suite="$SUITE" '$2 == suite { print $1; exit }')
fi

root=$WORK/root
state=$WORK/fakeroot
cache=
if [ -n "${XDG_CACHE_HOME:-${HOME:-}}" ]; then
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/ring1/image-debs
	mkdir -p "$cache"
fi

stage "getting packages of $SUITE"
# shellcheck disable=SC2086 # zero or one word each
fakeroot -s "$state" debootstrap --foreign --arch=i386 --variant=minbase ${cache:+--cache-dir="$cache"} \
	--include="$(echo "$PACKAGES" | tr ' ' ,)" "$SUITE" "$root" $MIRROR ||
	fail "debootstrap could not get the packages; its last words are above"

stage "unpacking the kernel"
# Of packages called so, some only depend on the one with the kernel.
find "$root/var/cache/apt/archives" -name 'linux-image-*.deb' | while read -r deb; do
	dpkg-deb -x "$deb" "$WORK/kernel"
done || fail "the kernel's package is damaged"
[ -n "$(find "$WORK/kernel" -path '*/boot/vmlinuz-*')" ] || fail "among the packages is no kernel (linux-image-...)"

stage "making the file system"
# shellcheck disable=SC2016 # the inner shell's
fakeroot -i "$state" -s "$state" sh -eu -c '
	cp -R "$1"/. "$2"/
	# debootstrap leads it to the host under a fake root.
	[ ! -L "$2/proc" ] || { rm "$2/proc"; mkdir "$2/proc"; }
	chown -R 0:0 "$2/ring1"
	rm -f "$4"
	truncate -s "$3" "$4"
	mke2fs -q -F -t ext4 -L ring1 -m 1 -d "$2" "$4"
' sh "$FILES" "$root" "$SIZE" "$PART" || fail "no file system of $SIZE bytes could be made of the packages: is --size enough?"
