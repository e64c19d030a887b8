# shellcheck shell=sh
# shellcheck disable=SC2154 # what is set before
# Gets Debian packages for i386 without touching the system and unpacks files of them. Sourced, after setting
#   label        what messages start with
#   top          the project's folder
#   wanted       the packages; linux-image-* stands for the package it depends on
#   index_name   the file that says what there is: each set of packages has one
#   into         where things are unpacked; a file "fetched" in it is touched when something changed
#   attempts     how often the package source is asked before giving up (4)
# The packages come through apt from the sources this machine is configured for, with a private apt state:
# neither the system's architectures nor its package lists or state are touched. They are kept in
# ${XDG_CACHE_HOME:-~/.cache}/ring1/debs; when all are there, no network is used at all.

if [ -n "${XDG_CACHE_HOME:-${HOME:-}}" ]; then
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/ring1
else
	cache=$top/build/cache
fi
debs=$cache/debs
index=$debs/$index_name # lines "WANTED FILE SHA256", written when all files are there
apt_dir=$cache/apt
apt_conf=$apt_dir/apt.conf

say() { echo "$label: $*"; }
fail() {
	echo "$label: $*" >&2
	exit 1
}

temp=
# shellcheck disable=SC2317 # reached by the trap
clean_up() { [ -z "$temp" ] || rm -rf "$temp"; }
trap clean_up EXIT
trap 'exit 130' INT TERM

# --- the package source -----------------------------------------------------------------------------------

# The private configuration is read after the system's own (apt -c), so it can take hooks away again: those
# of apt-get update would tell the system about lists that are not the system's.
write_apt_conf() {
	mkdir -p "$apt_dir/lists/partial" "$apt_dir/cache/archives/partial"
	: >"$apt_dir/status"
	cat >"$apt_conf" <<-EOF
		Dir::State "$apt_dir";
		Dir::State::status "$apt_dir/status";
		Dir::State::lists "$apt_dir/lists";
		Dir::Cache "$apt_dir/cache";
		#clear APT::Architectures;
		APT::Architecture "i386";
		APT::Architectures { "i386"; };
		Acquire::Languages { "none"; };
		Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
	EOF
	# Root would hand downloads to the user _apt, who cannot write here.
	[ "$(id -u)" != 0 ] || echo 'APT::Sandbox::User "root";' >>"$apt_conf"
}

apt() {
	command=$1
	shift
	"$command" -c "$apt_conf" "$@"
}

quiet_unless_terminal() { [ -t 1 ] || echo -q; }

# The field's value in the candidate version's record.
field() { apt apt-cache show --no-all-versions "$2" 2>/dev/null | sed -n "s/^$1: //p" | head -n 1; }

# The package that holds the kernel is the first dependency of the one that always names the newest.
real_package() {
	case $1 in
	linux-image-*) field Depends "$1" | sed 's/[ ,(].*//' ;;
	*) echo "$1" ;;
	esac
}

# Prints "WANTED REAL VERSION SHA256" for each package; fails when one is unknown.
resolve() {
	for name in $wanted; do
		real=$(real_package "$name")
		[ -n "$real" ] || return 1
		sha=$(field SHA256 "$real")
		[ -n "$sha" ] || return 1
		echo "$name $real $(field Version "$real") $sha"
	done
}

# A mirror that is being synchronised lets apt-get update fail in part; what counts is whether the packages
# can be named afterwards.
update_lists() {
	say "reading the package lists for i386"
	# shellcheck disable=SC2046 # zero or one word
	apt apt-get $(quiet_unless_terminal) update || say "apt-get update failed in part; going on with what it read"
}

# apt checks what it downloads against the signed lists.
download() {
	say "downloading $1"
	# shellcheck disable=SC2046
	(cd "$debs" && apt apt-get $(quiet_unless_terminal) download "$1")
}

# apt's name for a package's file: the version's colon is quoted.
deb_name() {
	(cd "$debs" && for file in "$1_$(echo "$2" | sed 's/:/%3a/g')"_*.deb; do
		[ ! -f "$file" ] || echo "$file"
	done) | head -n 1
}

sha_of() { sha256sum <"$1" | cut -d ' ' -f 1; }

# Reads resolve's lines; downloads what is not there yet and prints lines of the index on descriptor 3.
get_debs() {
	while read -r name real version sha; do
		file=$(deb_name "$real" "$version")
		if [ -z "$file" ] || [ "$(sha_of "$debs/$file")" != "$sha" ]; then
			[ -z "$file" ] || rm -f "$debs/$file"
			download "$real=$version" </dev/null || return 1
			file=$(deb_name "$real" "$version")
			[ -n "$file" ] || return 1
			[ "$(sha_of "$debs/$file")" = "$sha" ] || return 1
		fi
		echo "$name $file $sha" >&3
	done
}

# The lists are read anew on every attempt: a download fails when the mirror moved on after they were read.
fetch_once() {
	update_lists
	resolve >"$debs/.resolved" || return 1
	get_debs <"$debs/.resolved" 3>"$debs/.index" || return 1
	rm -f "$debs/.resolved"
	mv "$debs/.index" "$index"
}

fetch() {
	command -v apt-get >/dev/null ||
		fail "these are Debian packages: apt-get is needed to get them (or a filled $debs)"
	write_apt_conf
	attempt=0
	while [ $attempt -lt "${attempts:-4}" ]; do
		attempt=$((attempt + 1))
		if fetch_once; then
			drop_old_debs
			return
		fi
		say "attempt $attempt failed"
		[ $attempt -ge "${attempts:-4}" ] || sleep $((attempt * 2))
	done
	fail "this machine's apt sources do not give: $wanted (i386). They must name a Debian mirror, not limited to another architecture."
}

drop_old_debs() {
	for path in "$debs"/*.deb; do
		grep -qF " ${path##*/} " "$debs"/index* || rm -f "$path"
	done
}

cache_complete() {
	[ -f "$index" ] || return 1
	for name in $wanted; do
		file=$(indexed "$name" file)
		[ -n "$file" ] && [ -f "$debs/$file" ] || return 1
	done
}

indexed() { # NAME file|sha
	while read -r entry file sha; do
		[ "$entry" != "$1" ] || eval "echo \"\$$2\""
	done <"$index"
}

# Asks the package source when a package is missing, or for newer ones when told "yes".
need_debs() { # yes|no
	if [ "$1" = yes ] || ! cache_complete; then
		mkdir -p "$debs"
		# Two clones may want to fill the cache at the same time; the second finds it filled.
		exec 9>"$cache/lock"
		flock 9
		if [ "$1" = yes ] || ! cache_complete; then fetch; fi
		exec 9>&-
	fi
}

# --- unpacking --------------------------------------------------------------------------------------------

# Identifies what a directory was made from: the packages' files with their checksums, and this script.
stamp_of() {
	for name in "$@"; do
		echo "$(indexed "$name" file) $(indexed "$name" sha)"
	done
}

is_fresh() { # DIRECTORY STAMP
	[ -f "$1/version" ] && [ "$(cat "$1/version")" = "$2" ]
}

unpack() { # NAME DIRECTORY
	file=$debs/$(indexed "$1" file)
	[ "$(sha_of "$file")" = "$(indexed "$1" sha)" ] ||
		fail "$file is damaged: remove it and run this again"
	dpkg-deb -x "$file" "$2"
}

# Puts a finished directory in its place; a reader sees the old one or the new one.
replace() { # NEW PLACE
	[ ! -e "$2" ] || mv "$2" "$temp/old"
	mv "$1" "$2"
	: >"$into/fetched"
}

new_temp() {
	clean_up
	mkdir -p "$into"
	temp=$(mktemp -d "$into/.unpack.XXXXXX")
}

only() { # the one path a pattern must give
	if [ $# != 1 ] || [ ! -e "$1" ]; then fail "unexpected package contents: $*"; fi
	echo "$1"
}

# Takes a file from wherever the package has it: /usr may or may not be merged.
take() { # PATH: bin/... or lib/...
	for prefix in '' usr/; do
		path=$temp/deb/$prefix$1
		[ -e "$path" ] || continue
		case $1 in
		bin/busybox) target=bin/busybox ;;
		bin/*) target=usr/$1 ;;
		*) target=$1 ;;
		esac
		mkdir -p "$(dirname "$temp/new/$target")"
		cp -L --preserve=mode "$path" "$temp/new/$target"
		return
	done
	fail "$1 is in none of: $wanted"
}
