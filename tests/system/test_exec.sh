#!/bin/sh
# Commands in a guest: ring1 exec, the agent, and the ports of the virtio console it uses.
# shellcheck disable=SC2016 # the guest's shell expands
# Time limit: 300 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh
# shellcheck source=tests/system/shares.sh
. tests/system/shares.sh

cp build/agent "$scratch/root/agent"
cat >>"$scratch/root/test" <<'GUEST'
agent() {
	/agent serve &
	say 'agent started'
	if [ "$(argument first)" ]; then
		port=$(grep -l '^first$' /sys/class/virtio-ports/*/name | cut -d / -f 5)
		# A line that comes there goes back. The port stays open: what comes while one is being closed Linux throws away.
		(exec 3<>"/dev/$port"; while :; do head -n 1 <&3 >/tmp/echo; [ -s /tmp/echo ] && cat /tmp/echo >&3; sleep 0.1; done) &
		(while :; do echo of the console >/dev/hvc0; sleep 0.2; done) &
	fi
	while :; do sleep 1000; done
}
none() { say 'agent started'; while :; do sleep 1000; done; }
# A guest that says to whoever comes what no agent says.
lies() {
	for p in /sys/class/virtio-ports/*; do
		grep -q ring1.agent "$p/name" || continue
		p=/dev/$(basename "$p")
		(while :; do dd if=/dev/urandom of="$p" bs=100 count=1 2>/dev/null; sleep 0.1; done) &
	done
	say 'agent started'
	while :; do sleep 1000; done
}
# One that opens its ports, as an agent does, and says nothing.
mute() {
	for p in /sys/class/virtio-ports/*; do
		grep -q ring1.agent "$p/name" && sleep 1000 <>"/dev/$(basename "$p")" &
	done
	say 'agent started'
	while :; do sleep 1000; done
}
GUEST
share_archive virtio_console

# begin FUNCTION [OPTION]...: a machine "m" in the background
begin() {
	what=$1
	shift
	# The last machine's words must not be taken for this one's.
	rm -f "$scratch/console"
	"$ring1" run -k "$kernel" -i "$scratch/archive" -n m -a "ring1.init=/test quiet test.do=$what test.first=1" \
		"$@" </dev/null >"$scratch/console" 2>&1 &
	machine=$!
	appears 'guest: agent started' "$scratch/console" 30 || show "$scratch/console"
}
end() {
	"$ring1" stop --now m >/dev/null
	wait_for_end "$machine" 10
}
# x ARGUMENT...: in the guest; sets status, output in $scratch/out and $scratch/err
x() {
	status=0
	"$ring1" exec m -- "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
}

begin agent --agent=on --port "first=unix:$scratch/first" --port "hvc=unix:$scratch/hvc"
x uname -m
check 'output of a command' [ "$status $(cat "$scratch/out")" = '0 i686' ]
x sh -c 'echo to the error; exit 7'
check 'its error and status' [ "$status $(cat "$scratch/out")$(cat "$scratch/err")" = '7 to the error' ]
x sh -c 'kill -9 $$'
check 'a signal ends it: 128 and its number' [ "$status" = 137 ]
x /no/such/program
check 'not found: 127, and it is said' [ "$status $(grep -c 'No such file' "$scratch/err")" = '127 1' ]
x /etc
check 'not to be run: 126' [ "$status $(grep -c 'Permission denied' "$scratch/err")" = '126 1' ]
x printf '%s|' 'a b' '' "it's"
check 'arguments are what they are' [ "$(cat "$scratch/out")" = "a b||it's|" ]
"$ring1" exec -e 'A=b c' -e PATH=/bin -w /proc m sh -c 'echo "$A $PATH $HOME $(pwd)"' >"$scratch/out"
check 'environment and directory' [ "$(cat "$scratch/out")" = 'b c /bin /root /proc' ]
"$ring1" exec -w /nowhere m true 2>"$scratch/err"
check 'a directory that is not there' [ $? = 127 ]
check '... is named' grep -q '^ring1: true, in /nowhere: No such file' "$scratch/err"
"$ring1" pause m
x true
check 'a machine that is paused: 125, and what to do is said' \
	[ "$status $(cat "$scratch/err")" = "125 ring1: m is paused; 'ring1 resume m' lets it go on" ]
"$ring1" resume m

head -c 3000000 /dev/urandom >"$scratch/data"
"$ring1" exec m -- sha256sum <"$scratch/data" >"$scratch/out"
check '3 MB of input arrive' [ "$(cut -d ' ' -f 1 "$scratch/out")" = "$(sha256sum <"$scratch/data" | cut -d ' ' -f 1)" ]
"$ring1" exec m -- cat <"$scratch/data" >"$scratch/out"
check '... and come back' cmp -s "$scratch/data" "$scratch/out"
"$ring1" exec m -- sh -c 'head -c 5 >/dev/null; exec <&-; echo done' <"$scratch/data" >"$scratch/out"
check 'input that nobody reads is no hindrance' [ "$(cat "$scratch/out")" = 'done' ]
"$ring1" exec m -- sh -c 'yes | head -c 20000000' | sha256sum >"$scratch/out"
check '20 MB of output arrive' [ "$(cat "$scratch/out")" = "$(yes | head -c 20000000 | sha256sum)" ]
"$ring1" exec m -- yes </dev/null | head -n 1 >"$scratch/out"
check 'a reader that goes ends it' [ "$(cat "$scratch/out")" = y ]
"$ring1" exec m -- sh -c 'sleep 1000 & echo started' </dev/null >"$scratch/out"
check 'what goes on in the background is not waited for' [ "$(cat "$scratch/out")" = started ]

# More at once than there are ports.
n=0
while [ $n -lt 9 ]; do
	"$ring1" exec m -- sh -c "sleep 0.2; echo $n" </dev/null >"$scratch/many.$n" 2>&1 &
	n=$((n + 1))
	pids="${pids:-} $!"
done
# shellcheck disable=SC2086
wait $pids
check 'nine at once each get their own' [ "$(cat "$scratch"/many.* | sort | tr -d '\n')" = 012345678 ]

# Who waited is killed: so is the command.
"$ring1" exec m -- sh -c 'echo $$ >/tmp/pid; sleep 1000' </dev/null &
client=$!
until x cat /tmp/pid && [ -s "$scratch/out" ]; do sleep 0.1; done
pid=$(cat "$scratch/out")
kill -KILL "$client"
wait "$client" 2>/dev/null
until ! x kill -0 "$pid" || [ "$status" != 0 ]; do sleep 0.1; done
ok 'a command whose client is gone is ended'
"$ring1" exec m -- sh -c 'trap "echo told; exit 3" TERM; echo ready; while :; do sleep 0.1; done' </dev/null >"$scratch/told" &
client=$!
appears ready "$scratch/told" 10
kill -TERM "$client"
wait_for_end "$client" 10
check 'signals are the command'"'"'s' [ "$status $(tail -n 1 "$scratch/told")" = '3 told' ]

"$pty" seconds=30 'expect=> $ ' 'send=stty size; tty\n' 'expect=33 77' 'expect=/dev/' 'send=exit 5\n' -- \
	sh -c "stty rows 33 cols 77; exec $ring1 exec -e 'PS1=> $ ' m sh" >"$scratch/out" 2>&1
check 'a terminal, of the same size' grep -q '33 77' "$scratch/out"
check '... with the status' grep -q '^pty: exit 5$' "$scratch/out"
check '... put back' grep -q '^pty: terminal restored$' "$scratch/out"
grep -q 'pty: exit 5' "$scratch/out" || show "$scratch/out"

# ---- other ports ----

# answer SOCKET [TEXT]: the first line of what comes back for it; without, the first that is whole, of one that never ceases
answer() { python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect(sys.argv[1])
lines = s.makefile(newline="\n")
if len(sys.argv) > 2:
    s.sendall(sys.argv[2].encode())
    s.shutdown(socket.SHUT_WR)
else:
    lines.readline()
print(lines.readline().rstrip("\n"))
' "$@"; }
check 'a named port, there and back' [ "$(answer "$scratch/first" 'hello
')" = hello ]
check '... for one client after the other' [ "$(answer "$scratch/first" 'again
')" = again ]
check 'a console' [ "$(answer "$scratch/hvc" | tr -d '\r')" = 'of the console' ]
end
check 'sockets are removed' [ ! -e "$scratch/first" -a ! -e "$scratch/hvc" -a -z "$(ls "$XDG_RUNTIME_DIR/ring1")" ]

# ---- errors ----

"$ring1" exec nobody true >"$scratch/out" 2>&1
check 'no such machine: 125' [ $? = 125 -a "$(grep -c nobody "$scratch/out")" = 1 ]
begin none
x true
check 'a machine without ports: 125, and what to do' [ "$status $(grep -c -e '--agent=on' "$scratch/err")" = '125 1' ]
end
begin none --agent=on
"$ring1" exec --timeout 0 m true 2>"$scratch/err"
check 'a guest without an agent: 125, and what to do' [ $? = 125 -a "$(grep -c 'ring1-agent serve' "$scratch/err")" = 1 ]
end
# A snapshot, with a share that is not mounted; who restores it has an agent at once.
mkdir "$scratch/shared"
begin agent --agent=on --share "shared=$scratch/shared"
x true
"$ring1" snapshot m "$scratch/snapshot" 2>"$scratch/err"
check 'a machine with agent and share is saved' [ $? = 0 ]
x sh -c 'mkdir -p /mnt; mount -t 9p -o trans=virtio,version=9p2000.L shared /mnt'
"$ring1" snapshot m "$scratch/snapshot2" 2>"$scratch/err"
check 'not while the share is mounted, which is said' [ $? = 9 -a -s "$scratch/err" -a ! -e "$scratch/snapshot2" ]
end
"$ring1" run --restore "$scratch/snapshot" -n m --agent=on --share "shared=$scratch/shared" </dev/null >"$scratch/console" 2>&1 &
machine=$!
until "$ring1" ls | grep -q '^m '; do
	alive "$machine" || break
	sleep 0.1
done
"$ring1" exec --timeout 60 m -- sh -c 'mkdir -p /mnt; mount -t 9p -o trans=virtio,version=9p2000.L shared /mnt && touch /mnt/file; exit 6' </dev/null
check 'commands run in it, and the share can be mounted' [ $? = 6 -a -e "$scratch/shared/file" ]
end
begin lies --agent=on
n=0
bad=0
while [ $n -lt 5 ]; do
	x true
	[ "$status" = 125 ] || bad=$((bad + 1))
	n=$((n + 1))
done
check 'a guest that lies is found out' [ $bad = 0 ]
"$ring1" exec m sleep 1000 2>/dev/null &
client=$!
end
wait_for_end "$client" 10
check 'a machine that ends ends who waits' [ "$ended $status" = 'itself 125' ]
begin mute --agent=on
"$ring1" exec m true </dev/null >"$scratch/out" 2>&1 &
client=$!
sleep 1
kill -TERM "$client"
wait_for_end "$client" 20
check 'before the guest answers a signal ends ring1 exec itself' [ "$ended $status" = 'itself 143' ]
end
"$ring1" exec --print-agent >"$scratch/agent"
check 'the agent is printed' cmp -s "$scratch/agent" build/agent
for option in 'a b=unix:/x' '=unix:/x' 'a=/x' "a=unix:" "ring1.agent.0=unix:$scratch/x"; do
	"$ring1" run -k "$kernel" -i "$initrd" --port "$option" </dev/null >"$scratch/out" 2>&1
	check "--port '$option' is refused" [ $? = 2 ]
done
done_testing
