#!/bin/sh
# The control socket of a running machine, and the commands that use it: ls, stop, pause, resume, console, stat, monitor,
# run --detach and --paused. docs/control.md says what is promised.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
connect=build/test/connect
out=$scratch/out
sockets=$XDG_RUNTIME_DIR/ring1

# ring1 SUBCOMMAND...: its output in $out, its status in $status
ring() {
	status=0
	timeout "$(seconds_of 120)" "$ring1" "$@" </dev/null >"$out" 2>&1 || status=$?
}
says() { grep -aqF -- "$1" "$out"; }
# detached NAME [OPTION]...
detached() {
	name=$1
	shift
	ring run -k "$kernel" -i "$initrd" -a quiet -n "$name" --detach "$@"
}
# ask NAME LINE...: each a request; the replies are in $out
ask() {
	name=$1
	shift
	printf '%s\n' "$@" | timeout "$(seconds_of 20)" "$connect" --shut "$sockets/$name.sock" >"$out" 2>&1
}
# info NAME MEMBER: a number or word of what a machine says of itself
info() {
	printf '{"command":"info"}\n' | timeout "$(seconds_of 20)" "$connect" --shut "$sockets/$1.sock" | sed -n "s/.*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p"
}
# user STEP... -- COMMAND...: at a terminal
user() { "$pty" seconds=40 "$@" >"$out" 2>&1; }
is_in_state() { [ "$(info "$1" state)" = "$2" ]; } # NAME STATE

# ---- none ----

ring ls
check "ls: nothing runs" [ "$status" = 0 -a "$(wc -l <"$out")" = 1 ]
ring stop nobody
check "stop: no such machine: status 5" [ "$status" = 5 ]
check "stop: and said so" says "no machine called nobody is running"
ring stop
check "stop: no machine at all: status 5" [ "$status" = 5 ]
ring stop ../nobody
check "stop: what is no name is no machine" [ "$status" = 5 ]

# ---- one in the background ----

detached alpha
check "--detach: status 0" [ "$status" = 0 ]
check "--detach: prints its name, and nothing else" [ "$(cat "$out")" = alpha ]
check "the socket is the user's alone" [ "$(stat -c %a "$sockets/alpha.sock")" = 600 ]
check "so is its directory" [ "$(stat -c %a "$sockets")" = 700 ]
main=$(info alpha pid)
started=$(sed 's/^.*) //' "/proc/$main/stat" | cut -d ' ' -f 20)
check "it is in a session of its own" [ "$(sed 's/^.*) //' "/proc/$main/stat" | cut -d ' ' -f 4)" = "$main" ]
ring ls
check "ls: shows it" grep -qE "^alpha +$main +running +[0-9]+ of 512M .* 6\.1\.[0-9]" "$out"
ring ls --json
check "ls --json: shows it" says '"name": "alpha"'
detached alpha
check "a second one of that name is refused: status 2" [ "$status" = 2 ]
check "  with the reason" says "a machine called alpha is running already"
ring run -k "$kernel" -n alpha
check "so is one in the foreground" [ "$status" = 2 ]
# shellcheck disable=SC2012 # names of machines have no odd characters
check "nothing is left of these" [ "$(ls "$sockets" | tr '\n' ' ')" = "alpha.log alpha.sock " ]

# shellcheck disable=SC2016 # the guest's shell expands them
check "console: shows what was there before, and types" user 'expect=type poweroff' 'expect=# ' 'send=echo $((6*7))x\r' 'expect=42x' \
	'send=\001d' 'expect=the machine goes on' -- "$ring1" console alpha
check "console: leaves the terminal as it was" grep -aq 'pty: terminal restored' "$out"
# shellcheck disable=SC2016
check "console: the machine goes on behind Ctrl-A d" user 'expect=42x' 'send=echo $((7*7))x\r' 'expect=49x' 'send=\001d' -- "$ring1" console alpha
# The terminal is in the mode that shows it when a command begins; what is typed has a quote.
check "console: Ctrl-A Ctrl-A is one for the guest" user 'expect=49x' 'send=\003echo beg"i"ns; cat\r' 'expect=begins' 'send=\001\001\r' 'expect=^A' \
	'send=\003' 'expect=# ' 'send=\001d' -- "$ring1" console alpha
# shellcheck disable=SC2016
check "console: a break reaches the guest" user 'send=echo 1 >/proc/sys/kernel/sysrq; echo $((8*8))x\r' 'expect=64x' 'send=\001b' 'send=h' \
	'expect=sysrq: HELP' 'send=\001d' -- "$ring1" console --no-history alpha

# Two at once: the first types, the second watches, until it insists.
mkfifo "$scratch/one" "$scratch/two"
"$ring1" console --no-history alpha <"$scratch/one" >"$scratch/first" 2>&1 &
first=$!
exec 7>"$scratch/one"
# shellcheck disable=SC2016
echo 'echo $((9*9))x' >&7
check "console: the first types" appears 81x "$scratch/first" 10
"$ring1" console --no-history alpha <"$scratch/two" >"$scratch/second" 2>&1 &
second=$!
exec 8>"$scratch/two"
check "console: the second is told that it watches" appears 'somebody else types' "$scratch/second" 10
# shellcheck disable=SC2016
echo 'echo $((11*11))x' >&8
# shellcheck disable=SC2016
echo 'echo $((12*12))x' >&7
check "console: the second sees what the first does" appears 144x "$scratch/second" 10
check "console: what the second types is not heard" [ "$(grep -ac 121x "$scratch/second")" = 0 ]
# shellcheck disable=SC2016
check "console: --force types" user 'send=echo $((13*13))x\r' 'expect=169x' 'send=\001d' -- "$ring1" console --force --no-history alpha
check "console: and the first is told that it watches now" appears 'you watch' "$scratch/first" 10
exec 7>&- 8>&-
kill $first $second
wait $first $second 2>/dev/null

ring stat alpha --interval 0.2 --count 2
check "stat: counts" grep -qE '^syscall_(rom|trap) +event +[0-9]+ +[0-9]+' "$out"
check "stat: memory and console" grep -qE '^memory: [0-9]+ KiB of 524288 KiB; console: [0-9]+ bytes/s out' "$out"
ring stat alpha --interval 0.2 --count 3 --json
check "stat --json: a line for each look" [ "$(wc -l <"$out")" = 3 ]
check "stat --json: with what happened in a second" [ "$(grep -c '"per_second"' "$out")" = 3 ]
ring monitor alpha info registers
check "monitor: registers" grep -qE '^eip [0-9a-f]{8} ' "$out"
ring monitor alpha nonsense
check "monitor: what is not understood: status 9" [ "$status" = 9 ]
ring monitor "$main" info cells
check "a process id is a name as well" says 'cells in all'

# ---- pause ----

ring pause alpha
check "pause: status 0" [ "$status" = 0 ]
check "pause: ls says so" [ "$(info alpha state)" = paused ]
held=$(info alpha guest_ns) since=$(info alpha uptime_ns)
"$ring1" console --no-history alpha <"$scratch/one" >"$scratch/first" 2>&1 &
first=$!
exec 7>"$scratch/one"
# shellcheck disable=SC2016
echo 'echo $((14*14))x' >&7
sleep 2
check "pause: guest time stands" [ "$(info alpha guest_ns)" = "$held" ]
check "pause: the host's does not" [ "$(info alpha uptime_ns)" -gt "$since" ]
check "pause: the guest does nothing" [ "$(grep -ac 196x "$scratch/first")" = 0 ]
ring pause alpha
check "pause: once more is no error" [ "$status" = 0 ]
ring resume alpha
check "resume: status 0" [ "$status" = 0 -a "$(info alpha state)" = running ]
check "resume: the guest does what it was told meanwhile" appears 196x "$scratch/first" 10
check "resume: guest time goes on" [ "$(info alpha guest_ns)" -gt "$held" ]
exec 7>&-
kill $first
wait $first 2>/dev/null

# ---- the protocol ----

ask alpha '{"id":1,"command":"info"}' '{"id":"two","command":"nothing"}' 'no JSON' '{"id":4}' \
	'{"id":5,"command":"stop","arguments":{"how":"softly"}}' '[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]' '{"id":7,"command":"events"}'
check "protocol: one reply for each line" [ "$(wc -l <"$out")" = 7 ]
check "protocol: a result with its id" grep -q '^{"id":1,"result":{"protocol":1,' "$out"
check "protocol: an unknown command" grep -q '^{"id":"two","error":{"code":"unknown-command",' "$out"
check "protocol: no JSON" [ "$(grep -c '^{"id":null,"error":{"code":"bad-request",' "$out")" = 2 ]
check "protocol: no command" grep -q '^{"id":4,"error":{"code":"bad-request",' "$out"
check "protocol: a wrong argument" grep -q '^{"id":5,"error":{"code":"bad-argument",' "$out"
check "protocol: and after all that" grep -q '^{"id":7,"result":{"on":true}}' "$out"
head -c 40000 /dev/zero | tr '\0' x | timeout "$(seconds_of 20)" "$connect" "$sockets/alpha.sock" >"$out" 2>&1
check "protocol: a line that does not end is refused" grep -q '"code":"too-long"' "$out"
# Clients stay until descriptor 7 is closed. Somebody who asks and never reads is left, and the others are served.
mkfifo "$scratch/stays" "$scratch/unread"
exec 7<>"$scratch/stays" 8<>"$scratch/unread"
{
	exec 7>&- 8>&-
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do printf '{"command":"stats"}\n{"command":"stats"}\n'; done
	cat
} <"$scratch/stays" | "$connect" "$sockets/alpha.sock" >"$scratch/unread" 7>&- 8>&- &
slow=$!
sleep 1
check "protocol: a reader that does not read holds nobody up" [ "$(info alpha state)" = running ]
kill $slow 2>/dev/null
exec 8>&-
# As many as there is room for, and one more. One that comes before main has seen that others are gone comes again.
has_a_line() { [ "$(wc -l <"$1")" -ge 1 ]; }
clients='' connected=0 came=0
while [ $connected -lt 16 ] && [ $came -lt 100 ]; do
	came=$((came + 1))
	{
		exec 7>&-
		echo '{"id":1,"command":"info"}'
		cat
	} <"$scratch/stays" | "$connect" "$sockets/alpha.sock" >"$scratch/client$came" 2>&1 7>&- &
	clients="$clients $!"
	within 60 has_a_line "$scratch/client$came"
	grep -q '"result"' "$scratch/client$came" && connected=$((connected + 1))
done
check "protocol: 16 clients are served" [ $connected = 16 ]
ask alpha '{"id":1,"command":"info"}'
check "protocol: one client too many is told so" grep -q '"code":"busy"' "$out"
# shellcheck disable=SC2086 # one word a process
kill $clients 2>/dev/null
exec 7>&-
check "protocol: and when they have gone there is room" within 60 is_in_state alpha running

# ---- several, and the end ----

detached beta --paused -a "quiet clocksource=kvm-clock"
check "--paused: starts" [ "$status" = 0 -a "$(info beta state)" = paused ]
ring stop
check "stop without a name, and two run: status 6" [ "$status" = 6 ]
check "stop without a name: they are named" says 'alpha, beta'
ring monitor beta info registers
check "--paused: it is before its first instruction" grep -q '^cr0 00000011 ' "$out"
ring resume beta
check "--paused: resume boots it" user 'expect=type poweroff' 'send=\001d' -- "$ring1" console beta

# kvmclock does not count a pause: guest time that passed between two looks of the guest is no more than the time between
# looks of the host around them, without what lies between two looks of the host while the machine stands.
uptime_of_guest() {
	# shellcheck disable=SC2016
	user 'send=echo up=$(cut -d" " -f1 /proc/uptime | tr -d .)0000000"="\r' 'expect=0000000=' 'send=\001d' -- "$ring1" console --no-history beta
	tr -d '\r' <"$out" | sed -n 's/^up=0*\([0-9]*\)=$/\1/p' | head -n 1
}
check "a guest with kvmclock" user 'send=cat /sys/devices/system/clocksource/clocksource0/current_clocksource\r' 'expect=kvm-clock' 'send=\001d' -- \
	"$ring1" console --no-history beta
host_first=$(info beta uptime_ns)
guest_first=$(uptime_of_guest)
ring pause beta
paused_first=$(info beta uptime_ns)
sleep 5
paused_last=$(info beta uptime_ns)
ring resume beta
guest_last=$(uptime_of_guest)
host_last=$(info beta uptime_ns)
most=$((host_last - host_first - (paused_last - paused_first) + 20000000)) # /proc/uptime counts hundredths
check "kvmclock: guest ${guest_first:-none}..${guest_last:-none} ns, at most $most passed" \
	[ "$((${guest_last:-0} - ${guest_first:-0}))" -le $most -a "${guest_last:-0}" -gt "${guest_first:-0}" ]

ring stop beta --timeout 1
check "stop: a guest that does not listen loses its power: status 0" [ "$status" = 0 ]
check "stop: and that is said" says 'its power is cut'
ring stop --now alpha
check "stop --now: status 0" [ "$status" = 0 ]
check "nothing is left in the directory" [ -z "$(ls "$sockets")" ]
check "and no process" [ -z "$(remaining "$main:$started")" ]

# A guest that listens: Debian's button driver is a module, and a loop waits for it to count a press.
button=$(find build/guests/debian-686/modules -name button.ko)
{
	cat build/test/guests.list
	echo "file bin/button.ko 0644 $button"
} >"$scratch/list"
build/guests/mkinitramfs "$scratch/list" | gzip -1 >"$scratch/initrd"
# shellcheck disable=SC2016
listen='insmod /bin/button.ko; b=/sys/firmware/acpi/interrupts/ff_pwr_btn; echo "list""ening"; while grep -q "^ *0 " $b; do :; done; poweroff -f'
plain=$initrd
initrd=$scratch/initrd
if start_machine -n gamma; then
	type_in "$listen"
	check "stop: the guest listens" appears listening "$scratch/console" 20
	ring stop gamma --timeout 60
	check "stop: its name is free when it returns" [ ! -e "$sockets/gamma.sock" ]
	check "stop: status 0" [ "$status" = 0 ]
	check "stop: without a word" [ ! -s "$out" ]
	wait_for_end "$machine" 5
	exec 9>&-
	check "stop: it was the guest that switched itself off" grep -q 'the guest powered off' "$scratch/words"
fi
initrd=$plain

# Every machine has a socket: one without a name is called by its process, and the console is seen beside its terminal.
if start_machine; then
	# shellcheck disable=SC2016
	check "a machine without a name: its process id is one" user 'expect=type poweroff' 'send=echo $((15*15))x\r' 'expect=225x' 'send=\001d' -- \
		"$ring1" console "$machine"
	check "what is typed there is seen at its own console" appears 225x "$scratch/console" 5
	kill -STOP "$machine"
	ring pause "$machine"
	check "a machine that does not answer: status 7" [ "$status" = 7 ]
	check "  with its process" says "its process is $machine"
	ring ls
	check "ls: says that it does not answer" grep -qE "^$machine +not answering" "$out"
	kill -CONT "$machine"
	kill -KILL "$machine"
	wait "$machine" 2>/dev/null
	exec 9>&-
	check "one that was killed leaves its socket" [ -S "$sockets/$machine.sock" ]
	ring ls
	check "ls: removes it" [ "$status" = 0 -a "$(wc -l <"$out")" = 1 -a ! -e "$sockets/$machine.sock" ]
fi

# Reboots keep the name.
detached delta --reboot=restart
user 'expect=type poweroff' 'send=reboot -f\r' 'expect=has ended' -- "$ring1" console delta
check "--reboot=restart: the next life has the name" user 'expect=type poweroff' 'send=\001d' -- "$ring1" console delta
ring stop --now delta
check "--reboot=restart: stop ends it" [ "$status" = 0 -a ! -e "$sockets/delta.sock" ]

# ---- what cannot be ----

detached epsilon -k /no/such/kernel
check "--detach: a kernel that is not there: status 2" [ "$status" = 2 ]
check "--detach: the reason is told" says /no/such/kernel
check "--detach: nothing is left" [ -z "$(ls "$sockets")" ]
ring run -k "$kernel" --detach --console stdio
check "--detach: has no terminal" [ "$status" = 2 ]
detached zeta -a "quiet rdinit=/no/such"
within 60 is_gone "$sockets/zeta.sock"
check "--detach: a panic is in the log" grep -q 'guest panic' "$sockets/zeta.log"
rm -f "$sockets/zeta.log"
chmod 755 "$sockets"
ring ls
check "a directory that others may enter is not used: status 8" [ "$status" = 8 ]
check "  with the reason" says "not this user's alone"
ring run -k "$kernel" -n eta
check "nor by a machine that has a name" [ "$status" = 3 ]
chmod 700 "$sockets"

# Main has nothing to do for a machine that stands, whatever its guest was about to do: one whose programs wake every millisecond.
"$ring1" run -n working -k "$kernel" -i "$initrd" -a "quiet ring1.init=selftest ring1.checks=iopl:" --console "file:$scratch/working" \
	</dev/null >/dev/null 2>&1 &
machine=$!
appears 'ok 1 ' "$scratch/working" 60
wakes=0
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	ring pause working
	was=$(woken "$machine")
	sleep 0.1
	wakes=$((wakes + $(woken "$machine") - was))
	ring resume working
	sleep 0.03
done
check "pause: main sleeps, too (woken $wakes times in twelve pauses)" [ "$wakes" -lt 60 ]
ring stop --now working
wait "$machine"

# ends_itself COMMAND: whatever the limit of descriptors is; one of these limits leaves it none to list the sockets by
ends_itself() {
	told=
	for limit in 4 5 6 7 8 9 10 11 12; do
		prlimit --nofile="$limit" "$ring1" "$1" </dev/null >"$out" 2>&1
		[ $? -lt 128 ] || return 1
		! says 'cannot read the directory of control sockets' || told=yes
	done
	[ -n "$told" ]
}
check "ls: says when it has too few descriptors" ends_itself ls
check "stop: and so does what looks for the only machine" ends_itself stop
done_testing
