# shellcheck shell=sh
# Guests with kernel modules: Debian's own, and ours made to fit. Sourced behind lib.sh.

modules_root() { echo "$(dirname "$1")"/modules/*/; }

# depends FILE: names of the modules it needs
depends() { tr '\0' '\n' <"$1" | sed -n 's/^depends=//p' | tr ',' ' ' | tr - _; }

# module_files KERNEL NAME...: the files of those modules and of all they need, one a line
module_files() {
	find "$(modules_root "$1")" -name '*.ko' | awk '{ n = $0; sub(/.*\//, "", n); sub(/\.ko$/, "", n)
		gsub(/-/, "_", n); print n, $0 }' >"$scratch/all-modules"
	shift
	todo=$*
	done_modules=' '
	while [ -n "${todo# }" ]; do
		set -- $todo
		name=$1
		shift
		todo=$*
		case $done_modules in *" $name "*) continue ;; esac
		done_modules="$done_modules$name "
		file=$(sed -n "s/^$name //p" "$scratch/all-modules")
		[ -n "$file" ] || {
			echo "# no module $name" >&2
			return 1
		}
		echo "$file"
		todo="$todo $(depends "$file")"
	done
}

# own_module KERNEL NAME OUT: guests/modules/NAME.S for that kernel; loop.ko, or else ext4.ko, shows how its modules look
own_module() {
	like=$(find "$(modules_root "$1")" -name loop.ko -o -name ext4.ko | sort -r | head -n 1)
	size=$(readelf -SW "$like" | sed -n 's/.* \.gnu\.linkonce\.this_module *PROGBITS *[0-9a-f]* [0-9a-f]* \([0-9a-f]*\) .*/\1/p')
	offsets=$(readelf -rW "$like" | awk '/^Relocation section/ { in_it = /this_module/ }
		in_it && $5 ~ /init_module/ { init = $1 } in_it && $5 ~ /cleanup_module/ { leave = $1 }
		END { print init, leave }')
	magic=$(tr '\0' '\n' <"$like" | sed -n 's/^vermagic=//p')
	layout=0
	case $magic in *modversions*)
		objcopy -O binary --only-section=__versions "$like" "$scratch/versions"
		# Entries of 64 bytes: a checksum, a name.
		entry=$(($(grep -abo module_layout "$scratch/versions" | head -n 1 | cut -d : -f 1) - 4))
		layout=$(od -A n -t x4 -j $entry -N 4 "$scratch/versions" | tr -d ' ')
		;;
	esac
	${CC:-gcc} -m32 -c -o "$3" -DMODULE_SIZE="0x$size" -DMODULE_INIT="0x${offsets% *}" \
		-DMODULE_EXIT="0x${offsets#* }" -DMODULE_VERMAGIC="\"$magic\"" -DMODULE_LAYOUT="0x$layout" "guests/modules/$2.S"
}

# guest_archive OUT FILE...: the test's initramfs with the modules given in /modules, in a loadable order as
# /modules/order, and the files below $scratch/root at the top
guest_archive() {
	archive=$1
	shift
	mkdir -p "$scratch/root"
	{
		cat build/guests/initramfs.list
		echo 'dir modules 0755'
		for file; do echo "file modules/$(basename "$file") 0644 $file"; done
		(cd "$scratch/root" && find . -type f) | while read -r file; do
			echo "file ${file#./} 0755 $scratch/root/${file#./}"
		done
	} >"$scratch/archive.list"
	build/guests/mkinitramfs "$scratch/archive.list" | gzip -1 >"$archive"
}

# load_order FILE...: "NAME FILE" of each, without the directory, behind those it needs
load_order() {
	for file; do
		name=$(basename "$file" .ko | tr - _)
		echo "$name $(basename "$file")" >>"$scratch/base-names"
		echo "$name $name"
		for need in $(depends "$file"); do echo "$need $name"; done
	done | tsort | while read -r name; do grep "^$name " "$scratch/base-names"; done
	rm "$scratch/base-names"
}

# run_guest ARCHIVE SECONDS [OPTION]...: /test in a guest, its console in $scratch/console, counts in $scratch/stats
run_guest() {
	archive=$1 seconds=$2
	shift 2
	limited "$seconds" "$scratch/console" "$ring1" run -k "$kernel" -i "$archive" -a "ring1.init=/test quiet panic_on_oops=0" \
		--stats="$scratch/stats" "$@"
	tr -d '\r' <"$scratch/console" >"$scratch/said"
}

# kind_count FILE KIND: how many sites of a kind were found in modules
kind_count() {
	sed -n '/"modules": {/,$p' "$1" | sed -n "/\"$2\": {/,/}/p" | sed -n 's/^ *"found": \([0-9]*\).*/\1/p' | head -n 1
}
