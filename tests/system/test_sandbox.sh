#!/bin/sh
# ring1 sandbox: a command in a guest made for it.
# shellcheck disable=SC2016 # the guest's shell expands
# Time limit: 300 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

root=$scratch/root,i386
mkdir -p "$root/bin" "$root/sbin" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/run" "$root/mnt" "$root/etc" "$root/root"
cp build/guests/root/bin/busybox "$root/bin/busybox"
for applet in $(build/guests/root/bin/busybox --list); do [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"; done
echo 'nameserver 127.0.0.53' >"$root/etc/resolv.conf"
echo of the host >"$root/etc/file"
cp /bin/true "$root/bin/true64"
printf '#!/bin/true64\n' >"$root/bin/script64"
printf '#! /bin/sh\necho a script\n' >"$root/bin/script"
chmod +x "$root/bin/script64" "$root/bin/script"

# x [OPTION]... -- COMMAND...: sets status, output in $scratch/out and $scratch/err
x() {
	status=0
	"$ring1" sandbox --root "$root" -k "$kernel" "$@" </dev/null >"$scratch/out" 2>"$scratch/err" || status=$?
	[ "$status" != 125 ] || show "$scratch/err"
}

x -- sh -c 'uname -m; id -u; echo error >&2; exit 3'
check 'output, error and status are the command'"'"'s' [ "$status $(tr '\n' ' ' <"$scratch/out")$(cat "$scratch/err")" = '3 i686 0 error' ]
x -- script
check 'a script' [ "$status $(cat "$scratch/out")" = '0 a script' ]
x -- sh -c 'kill -TERM $$'
check 'a signal' [ "$status" = 143 ]
x -- nothing-of-that-name
check 'not found' [ "$status" = 127 ]
before=$(cd "$root" && ls -laR --time-style=full-iso | sha256sum)
x -e 'A=b c' -w /etc -- sh -c 'echo "$A"; cat file; echo x >file; rm file; echo tmp >/tmp/x && cat /tmp/x; ls /proc/1/exe >/dev/null && echo proc; tty'
check 'environment, directory; the root is read-only, /tmp is not' \
	[ "$(tr '\n' '|' <"$scratch/out")" = 'b c|of the host|tmp|proc|not a tty|' -a "$(grep -c 'Read-only' "$scratch/err")" = 2 ]
x --writable -- sh -c 'echo mine >/etc/file; mkdir /etc/new; rm /bin/script; cat /etc/file; ls -d /etc/new; ls /bin/script; cat /etc/resolv.conf'
check '--writable: the guest sees what it changed' \
	[ "$(tr '\n' '|' <"$scratch/out")" = 'mine|/etc/new|nameserver 127.0.0.53|' ]
check '... and the host nothing of it' [ "$before" = "$(cd "$root" && ls -laR --time-style=full-iso | sha256sum)" ]
mkdir "$scratch/shared" "$scratch/fixed"
echo shared >"$scratch/shared/in"
x --share "a=$scratch/shared" --share "b=$scratch/fixed,ro" -- sh -c 'cat /mnt/a/in; echo back >/mnt/a/out; echo x >/mnt/b/out'
check 'directories at /mnt' [ "$(cat "$scratch/out") $(cat "$scratch/shared/out") $(ls "$scratch/fixed")" = 'shared back ' ]
head -c 1000000 /dev/urandom >"$scratch/data"
"$ring1" sandbox --root "$root" -k "$kernel" -- cat <"$scratch/data" >"$scratch/out"
check 'input' cmp -s "$scratch/data" "$scratch/out"
x --net -- sh -c 'ip -4 addr show eth0 | grep -o "inet [0-9.]*"; cat /etc/resolv.conf; ping -c 1 -W 20 10.0.2.2 >/dev/null && echo reached'
check 'a network' [ "$(tr '\n' '|' <"$scratch/out")" = 'inet 10.0.2.15|nameserver 10.0.2.3|reached|' ]
[ "$(wc -l <"$scratch/out")" = 3 ] || show "$scratch/out"
x -- sh -c 'poweroff -f'
check 'a guest that ends itself: 125, and it is said' [ "$status" = 125 -a -s "$scratch/err" ]

"$pty" seconds=60 'expect=# ' 'send=tty; exit 4\n' 'expect=/dev/' -- \
	"$ring1" sandbox --root "$root" -k "$kernel" sh >"$scratch/out" 2>&1
check 'a terminal' grep -q '^pty: exit 4$' "$scratch/out"
grep -q '^pty: exit 4$' "$scratch/out" || show "$scratch/out"

# ---- what ends it ----

"$ring1" sandbox --root "$root" -k "$kernel" -- sh -c 'echo up; sleep 1000' </dev/null >"$scratch/up" 2>&1 &
sandbox=$!
appears up "$scratch/up" 60
all=$(family "$sandbox")
kill -KILL "$sandbox"
wait "$sandbox" 2>/dev/null
# shellcheck disable=SC2086
check 'when it is killed no process is left' all_gone 20 $all
check '... and no socket' [ -z "$("$ring1" ls | sed 1d)" ]

# ---- errors ----

refused() {
	x "$@"
	[ "$status" = 125 ]
}
check 'a 64-bit program' refused -- true64
check '... is named' grep -q 'true64: is a 64-bit program.*--root' "$scratch/err"
check '... and a script of one' refused -- script64
check '... with its path' refused -- /bin/true64
check 'a root that is not there' refused --root /nowhere -- true
check 'a kernel that is none' refused -k "$root/etc/file" -- true
check 'a root without a kernel' [ "$("$ring1" sandbox --root "$root" -- true 2>&1 | grep -c 'has no vmlinuz')" = 1 ]
mkdir "$root/boot"
: >"$root/boot/vmlinuz-6.1.0-9-686" >"$root/boot/vmlinuz-6.1.0-10-686"
check 'the newest of its kernels, by version' \
	[ "$("$ring1" sandbox --root "$root" -- true 2>&1 | grep -c 'vmlinuz-6.1.0-10-686: is empty')" = 1 ]
check 'modules that are no directory' refused --modules "$root/etc/file" -- true
check '... with the reason' grep -q -- '--modules .*/etc/file: is no directory' "$scratch/err"
check 'a share of a bad name' refused --share "../a=$scratch/shared" -- true
check 'a share that is not there' refused --share "a=/nowhere" -- true
check '... whose reason is shown' grep -q '/nowhere: No such file' "$scratch/err"
check 'no command' refused --writable
done_testing
