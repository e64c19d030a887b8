#!/bin/sh
# Directories of the host in a guest: what programs expect of a file system, and that nothing else of the host is reached.
# shellcheck disable=SC2016 # the guest's shell expands
# Time limit: 300 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh
# shellcheck source=tests/system/shares.sh
. tests/system/shares.sh

cp build/test/files "$scratch/root/files"
cat >>"$scratch/root/test" <<'GUEST'
uses() {
	share data /mnt
	say "there: $(cat /mnt/there) $(cat '/mnt/a name, with a comma')"
	dd if=/dev/urandom of=/mnt/random bs=64k count=128 2>/dev/null
	sum=$(sha256sum </mnt/random)
	umount /mnt
	share data /mnt
	[ "$sum" = "$(sha256sum </mnt/random)" ] && say "sum $sum"
	mkdir /mnt/dir /mnt/dir/sub && mv /mnt/random /mnt/dir/sub/moved && say 'moved'
	dd if=/mnt/dir/sub/moved of=/mnt/dir/sub/odd bs=999 skip=77 count=1000 2>/dev/null
	cmp -s /mnt/dir/sub/odd /mnt/odd || tail -c +76924 /mnt/dir/sub/moved | head -c 999000 | cmp - /mnt/dir/sub/odd && say 'odd sizes'
	fails rmdir /mnt/dir
	ln -s ../there /mnt/dir/link && say "link $(readlink /mnt/dir/link) $(cat /mnt/dir/link)"
	say "many: $(ls /mnt/many | wc -l) $(ls /mnt/many | sort -n | sha256sum)"
	rm -r /mnt/many && say "left: $(ls /mnt | grep -c many)"
	touch /mnt/from-guest
	chmod 640 /mnt/from-guest
	say "owner $(stat -c '%u:%g %a' /mnt/from-guest) $(stat -c '%u' /mnt/there)"
	say "file system of type $(stat -f -c %t /mnt) with $(($(stat -f -c %b /mnt) > 0)) block or more"
	cp /bin/busybox /mnt/busybox && say "$(/mnt/busybox echo a program of the share runs)"
}
programs() {
	share data /mnt "$(argument mount)"
	mkdir /mnt/files
	/files /mnt/files
}
only_reads() {
	share data /mnt
	share other /other
	say "reads $(cat /mnt/there), $(ls /mnt)"
	for c in 'touch /mnt/new' 'mkdir /mnt/new' 'rm /mnt/there' 'mv /mnt/there /mnt/new' 'ln -s x /mnt/new' \
		'chmod 777 /mnt/there' 'chown 5 /mnt/there' 'touch /mnt/there' 'truncate -s 0 /mnt/there' 'ln /mnt/there /mnt/new'; do
		fails $c
	done
	echo to the other >/other/file && say 'the other is written'
}
seeks_a_way_out() {
	share data /mnt
	# Links are the guest's own to follow.
	say "link: $(cat /mnt/link 2>&1)"
	n=0
	while [ $n -lt 60 ]; do
		cat /mnt/swapped/file /mnt/swapped/sub/file >>/tmp/seen 2>/dev/null
		echo from the guest >/mnt/swapped/file
		echo from the guest >/mnt/swapped/sub/new
		mkdir /mnt/swapped/made
		rm -f /mnt/swapped/victim
		mv -f /mnt/swapped/file /mnt/swapped/file2
		mv -f /mnt/swapped/file2 /mnt/swapped/file
		chmod 777 /mnt/swapped/sub
		n=$((n + 1))
	done 2>/dev/null
	grep -q outside /tmp/seen && say 'saw what is outside'
	say "tried $n times"
}
makes_special() {
	share data /mnt
	fails mknod /mnt/made b 8 0
	fails mknod /mnt/made c 1 3
	fails mkfifo /mnt/made
	# A FIFO of the host's is one of the guest's own here.
	(echo through the guest >/mnt/fifo) & say "fifo: $(cat /mnt/fifo)"
	say "above: $(cd /mnt/.. && ls -d mnt) $(ls /mnt/../mnt/there)"
	chmod 6777 /mnt/there
	ln -sf ../outside/file /mnt/mine
	fails cat /mnt/mine
}
fills() {
	share data /mnt
	fails dd if=/dev/zero of=/mnt/big bs=64k count=100
	rm /mnt/big && echo fits >/mnt/small && say "after that: $(cat /mnt/small)"
}
asks_for_none() { fails mount -t 9p -o trans=virtio,version=9p2000.L nothing /mnt; fails mount -t 9p -o trans=virtio,version=9p2000.u data /mnt; }
GUEST
share_archive

fill() {
	rm -rf "$scratch/data"
	mkdir "$scratch/data"
	echo here >"$scratch/data/there"
	echo too >"$scratch/data/a name, with a comma"
}

# ---- what it is for ----

fill
mkdir "$scratch/data/many"
(cd "$scratch/data/many" && seq 2000 | xargs touch)
many=$(seq 2000 | sha256sum)
share_guest uses '' --share "data=$scratch/data"
check 'the host'"'"'s files are there' said '^guest: there: here too'
sum=$(sed -n 's/^guest: sum \([0-9a-f]*\).*/\1/p' "$scratch/said")
check 'what the guest wrote it reads again' [ -n "$sum" ]
check '... and it is on the host, renamed into a new directory' [ "$(sha256sum <"$scratch/data/dir/sub/moved" | cut -d ' ' -f 1)" = "${sum:-none}" ]
check 'reads and writes of odd sizes at odd places' said '^guest: odd sizes'
check 'a directory that is not empty stays' said '^guest: failed as it should: .*not empty'
check 'a symbolic link' said '^guest: link ../there here'
check '2000 files are listed, each once' said "^guest: many: 2000 $many"
check '... and removed' [ "$(grep -c '^guest: left: 0' "$scratch/said")" = 1 -a ! -e "$scratch/data/many" ]
check 'the user is root in the guest' said '^guest: owner 0:0 640 0'
check '... and the owner of what root makes' [ "$(stat -c '%u %a' "$scratch/data/from-guest")" = "$(id -u) 640" ]
check 'the file system has a size' said '^guest: file system of type .* with 1 block'
check 'programs can be run from it' said '^guest: a program of the share runs'
check 'the guest ends well, with nothing to complain about' [ "$(grep -cE '^guest: (the end|complaints)' "$scratch/said") $status" = '1 0' ]
said '^guest: the end' || show "$scratch/said"

# each ARGUMENTS [OPTION]...: what needs a program
each() {
	arguments=$1
	shift
	fill
	share_guest programs "$arguments" "$@" --share "data=$scratch/data"
	check "$arguments $*: mapped files, locks, open files without names, ... ($(grep -c '^files: ok' "$scratch/said"))" \
		[ "$(grep -c '^files: ok' "$scratch/said") $(grep -c '^files: bad' "$scratch/said")" = "$expected 0" ]
	grep '^files: bad' "$scratch/said" | sed 's/^/# /'
}
expected=23
each test.mount=cache=mmap
check 'what was mapped is on the host' [ "$(dd if="$scratch/data/files/mapped" bs=1 skip=4093 count=6 2>/dev/null)" = across ]
each test.mount=cache=loose,msize=512000
each 'test.mount=cache=mmap,msize=8192 pci=nomsi test.pci=force_legacy=1' --acpi=off

# ---- what is not to be changed ----

fill
mkdir "$scratch/other"
before=$(cd "$scratch/data" && ls -laR --time-style=full-iso | sha256sum)
share_guest only_reads '' --share "data=$scratch/data,ro" --share "other=$scratch/other"
check 'read-only: it is read' said '^guest: reads here'
check '... every change fails, and says why' [ "$(grep -c '^guest: failed as it should: .*Read-only file system' "$scratch/said")" = 10 ]
check '... nothing has changed' [ "$before" = "$(cd "$scratch/data" && ls -laR --time-style=full-iso | sha256sum)" ]
check '... and a second one is written' [ "$(cat "$scratch/other/file")" = 'to the other' ]

# ---- ways out ----

# The host puts a symbolic link to somewhere else where a directory is, and back, all the time.
fill
mkdir -p "$scratch/outside/sub" "$scratch/data/swapped/sub"
for f in file sub/file victim; do echo outside >"$scratch/outside/$f"; done
chmod 700 "$scratch/outside/sub"
echo secret >"$scratch/secret"
ln -s "$scratch/secret" "$scratch/data/link"
before=$(cd "$scratch/outside" && ls -laR --time-style=full-iso | sha256sum)
(
	cd "$scratch/data" || exit
	ln -s ../outside aside
	while [ ! -e stop ]; do
		mv swapped away && mv aside swapped && mv swapped aside && mv away swapped
	done
) 2>/dev/null &
swapper=$!
share_guest seeks_a_way_out '' --share "data=$scratch/data"
touch "$scratch/data/stop"
wait $swapper
check 'a link leads to the guest'"'"'s own files' said "^guest: link: .*can't open"
check 'links put in place of directories lead nowhere' said '^guest: tried 60 times'
check '... nothing outside was seen' [ "$(grep -c '^guest: saw' "$scratch/said")" = 0 ]
check '... or changed' [ "$before" = "$(cd "$scratch/outside" && ls -laR --time-style=full-iso | sha256sum)" ]

fill
mkfifo "$scratch/data/fifo"
before=$(cd "$scratch/outside" && ls -lR --time-style=full-iso)
share_guest makes_special '' --share "data=$scratch/data"
check 'root of the guest makes no devices and no FIFOs' [ "$(grep -c '^guest: failed as it should: .*made.*not permitted' "$scratch/said")" = 3 ]
check "... a FIFO of the host's is one between its own programs" said '^guest: fifo: through the guest'
check '... what is above the share is its own' said '^guest: above: mnt /mnt/../mnt/there'
check '... files get no rights of their own' [ "$(stat -c %a "$scratch/data/there")" = 777 ]
check '... a link leads to its own files' said "^guest: failed as it should: .*mine.*No such file"
check '... the host has nothing new' [ "$(find "$scratch/data" ! -name mine | wc -l) $before" = "4 $(cd "$scratch/outside" && ls -lR --time-style=full-iso)" ]
said '^guest: above' || show "$scratch/said"

share_guest asks_for_none '' --share "data=$scratch/data"
check 'no such share, no such dialect: errors' [ "$(grep -c '^guest: failed as it should' "$scratch/said") $status" = '2 0' ]

# ---- a full file system ----

cat >"$scratch/small" <<HOST
#!/bin/sh
mount -t tmpfs -o size=1m small "$scratch/data" && exec $ring1 "\$@"
HOST
chmod +x "$scratch/small"
if unshare -rm true 2>/dev/null; then
	real=$ring1
	printf '%s\n' '#!/bin/sh' "exec unshare -rm '$scratch/small' \"\$@\"" >"$scratch/in-it"
	chmod +x "$scratch/in-it"
	ring1=$scratch/in-it
	share_guest fills '' --share "data=$scratch/data"
	ring1=$real
	check 'a full file system is an error of the guest' said '^guest: failed as it should: .*No space left'
	check '... and its end is not the end' said '^guest: after that: fits'
else
	skip 'a full file system is an error of the guest' 'the host has no namespaces for users'
fi

# ---- bad options ----

refused() {
	"$ring1" run -k "$kernel" -i "$initrd" "$@" </dev/null >"$scratch/out" 2>&1
	[ $? = 2 ]
}
echo file >"$scratch/file"
for option in "$scratch/data" "=$scratch/data" "a b=$scratch/data" "t=" "t=/nowhere" "t=$scratch/file" "t=$scratch/data,rw" \
	"t=$scratch/data,map=5" t=/proc t=/sys "$(printf %033d 0)=$scratch/data"; do
	check "--share '$option' is refused: $(head -n 1 "$scratch/out")" refused --share "$option"
done
check 'two of one name are refused' refused --share "t=$scratch/data" --share "t=$scratch/other"

# ---- the process behind it ----

fill
start_machine --share "data=$scratch/data" --share "other=$scratch/other,ro"
all=$(family "$machine")
for name in data other; do
	pid=$(for p in $(children "$machine"); do grep -lx "ring1:share $(printf %.3s "$name")" "/proc/$p/comm"; done | cut -d / -f 3)
	check "$name has a process of its own" [ -n "${pid:-}" ]
	check '... with a filter and no new privileges' \
		[ "$(grep -cE '^(Seccomp:.2|NoNewPrivs:.1)$' "/proc/$pid/status")" = 2 ]
	check '... that has the directory, its own descriptors, and no other' \
		[ "$(for fd in "/proc/$pid/fd/"*; do readlink "$fd"; done | sort | tr '\n' ' ')" = "/proc/$pid/fd $scratch/$name " ]
	probe=$(build/test/inject "$pid" futex 2>/dev/null)
	for call in fork 'execve /bin/true' 'openat /etc/hostname' socket ptrace mmap-exec mprotect-exec process_vm_readv setuid; do
		if [ "$probe" != -38 ]; then
			skip "... $call" 'the host allows no ptrace'
			continue
		fi
		# shellcheck disable=SC2086
		got=$(build/test/inject "$pid" $call 2>/dev/null)
		check "... $call is refused (result ${got:-none})" [ "$got" = -1 -o "$got" = -13 ]
	done
done
kill -KILL "$pid"
wait_for_end "$machine" 5
check 'when it dies the machine ends, and says why' [ "$status $ended" = '3 itself' -a "$(grep -c 'the process of share other was killed' "$scratch/words")" = 1 ]
# shellcheck disable=SC2086
check '... and no process is left' all_gone 2 $all
exec 9>&-
done_testing
