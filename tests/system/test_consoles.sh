#!/bin/sh
# Where the first serial port can lead (--console), the machine's name (-n), and the questions behind Ctrl-A c.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
connect=build/test/connect
out=$scratch/out
words=$scratch/words

# machine WHERE [OPTION]...: a shell in the background, on that console. Sets main.
machine() {
	where=$1
	shift
	rm -f "$words"
	"$ring1" run -k "$kernel" -i "$initrd" -a quiet --console "$where" "$@" </dev/null >"$scratch/stdout" 2>"$words" &
	main=$!
}
end() {
	kill -TERM "$main" 2>/dev/null
	wait_for_end "$main" 10
}
# user STEP... -- PATH: plays the steps at a console.
user() {
	"$pty" seconds=30 "$@" >"$out" 2>&1 && return
	show "$out"
	show "$words"
	return 1
}
pid_exists() { kill -0 "$1" 2>/dev/null; }

# ---- unix: ----

socket=$scratch/console.sock
machine "unix:$socket" -n alpha
appears_file() { tenths=100; until [ -e "$1" ]; do [ $tenths -gt 0 ] || return 1; tenths=$((tenths - 1)); sleep 0.1; done; }
check "unix: the socket appears" appears_file "$socket"
check "unix: it is the user's alone" [ "$(stat -c %a "$socket")" = 600 ]
# shellcheck disable=SC2016 # the guest's shell expands them
check "unix: a client gets the console" user 'expect=type poweroff' 'expect=# ' 'send=echo $((6*7))x\n' 'expect=42x' \
	'sleep=100' 'send=\003' -- "$connect" "$socket" || :
# (Ctrl-C at the driver's terminal ends connect: the client is gone, the machine is not.)
check "unix: the machine outlives its client" pid_exists "$main"
# shellcheck disable=SC2016
check "unix: the next client can go on" user 'send=echo $((7*7))x\n' 'expect=49x' 'send=\003' -- "$connect" "$socket"
mkfifo "$scratch/typed"
"$connect" "$socket" <"$scratch/typed" >"$scratch/first" 2>&1 &
first=$!
exec 7>"$scratch/typed"
# shellcheck disable=SC2016
echo 'echo $((8*8))x' >&7
check "unix: and one after that" appears 64x "$scratch/first" 10
timeout 10 "$connect" "$socket" </dev/null >"$scratch/second" 2>&1
check "unix: a second client is refused, and told by whom" grep -q 'console of alpha has a client already' "$scratch/second"
check "unix: the first one is not" pid_exists $first
kill $first
wait $first 2>/dev/null
exec 7>&-
status=0
"$ring1" run -k "$kernel" --console "unix:$socket" </dev/null >"$out" 2>&1 || status=$?
check "unix: a name that another machine serves is refused" [ "$status" = 2 ]
check "unix: with the reason" grep -q "unix:$socket: there is something of that name" "$out"
check "unix: and stays as it was" [ -S "$socket" ]
end
check "unix: the end has a status" [ "$status" = 0 ]
check "unix: the name is gone" [ ! -e "$socket" ]
check "messages begin with the machine's name" grep -q '^ring1 alpha: ended by signal 15' "$words"

# What a machine that was killed left behind is taken over; a file is not.
machine "unix:$socket"
appears_file "$socket"
all=$(family "$main")
kill -KILL "$main"
wait "$main" 2>/dev/null
# shellcheck disable=SC2086 # one word a process
check "unix: a kill leaves no process" all_gone 2 $all
check "unix: a kill leaves the socket" [ -S "$socket" ]
left=$(stat -c %i "$socket")
machine "unix:$socket"
another_file() { [ "$(stat -c %i "$socket" 2>/dev/null || echo "$left")" != "$left" ]; }
tenths=100
until another_file || [ $tenths = 0 ]; do
	tenths=$((tenths - 1))
	sleep 0.1
done
check "unix: which the next machine takes over" user 'expect=type poweroff' 'expect=# ' 'send=poweroff -f\n' -- "$connect" "$socket"
wait_for_end "$main" 20
check "unix: power-off ends it" [ "$status" = 0 ]
echo precious >"$scratch/file"
machine "unix:$scratch/file"
wait_for_end "$main" 20
check "unix: a file of that name is refused" [ "$status" = 2 ]
check "unix: and kept" grep -q precious "$scratch/file"

# ---- pty ----

machine pty -n beta
check "pty: its name is told" appears 'the console is /dev/pts/' "$words" 10
device=$(sed -n 's/.*the console is \([^[:space:]]*\).*/\1/p' "$words" | tr -d '\r')
check "pty: it is a terminal" [ -c "$device" ]
# Nobody looks, and the guest goes on; what it said is there for who comes.
sleep 3
# shellcheck disable=SC2016
check "pty: what was printed before is kept for the first to come" user 'expect=type poweroff' 'expect=# ' \
	'send=echo $((6*7))x\n' 'expect=42x' 'send=\003' -- "$connect" "$device"
check "pty: with nobody there main sleeps" sleeps "$main"
# shellcheck disable=SC2016
check "pty: the next one can go on" user 'send=echo $((7*7))x\n' 'expect=49x' 'send=poweroff -f\n' -- "$connect" "$device"
wait_for_end "$main" 20
check "pty: power-off ends it" [ "$status" = 0 ]

# ---- file: ----

echo 'first line' >"$scratch/log"
limited 60 "$out" "$ring1" run -k "$kernel" -i "$initrd" -a "quiet ring1.init=/bin/uname" --console "file:$scratch/log"
check "file: it ends" [ "$status" = 0 ]
check "file: it has the output" grep -aq '^Linux' "$scratch/log"
check "file: which is appended" [ "$(head -n 1 "$scratch/log")" = 'first line' ]
check "file: and nowhere else" [ "$(grep -c Linux "$out")" = 0 ]
limited 60 "$out" "$ring1" run -k "$kernel" -i "$initrd" -a ring1.init=/bin/uname --console file:/dev/full
check "file: on a full disk the guest goes on to its end" [ "$status" = 0 ]
check "file: and it is said, once" [ "$(grep -c -- '--console file:/dev/full: No space left on device: what the guest prints is lost' "$out")" = 1 ]

# A guest that writes more than anybody reads: it does not wait for a client.
machine "unix:$socket" -a "quiet ring1.init=/bin/dmesg"
wait_for_end "$main" 30
check "a guest does not wait for a client to come" [ "$status$ended" = 0itself ]

# ---- wrong usage ----

refused() { # WORD OPTION...
	word=$1
	shift
	status=0
	"$ring1" run -k "$kernel" "$@" </dev/null >"$out" 2>&1 || status=$?
	check "'$*' is refused" [ "$status" = 2 ]
	check "  and named" grep -q -- "$word" "$out"
}
refused 'somewhere' --console somewhere
refused 'file:' --console file:
refused '/no/such' --console file:/no/such/file
refused '/no/such' --console unix:/no/such/socket
refused 'at most' --console "unix:/tmp/$(printf '%0200d' 0)"
refused "a/b" -n a/b
refused 'a name has' -n "$(printf '%0100d' 0)"

# ---- the name in process lists ----

start_machine -n gamma
check "main is named" [ "$(cat "/proc/$machine/comm")" = ring1:gamma ]
check "its cells are" [ "$(for p in $(cells_of "$machine"); do cat "/proc/$p/comm"; done | sort -u)" = cell:gamma ]
stop_machine

# ---- typed early ----

# From the first moment on, long before the guest has opened its port.
# shellcheck disable=SC2016
(printf 'echo $((6*7))early\npoweroff -f\n'; sleep 20) | "$ring1" run -k "$kernel" -i "$initrd" -a quiet >"$out" 2>&1 &
job=$!
check "what is typed before the guest listens arrives" appears 42early "$out" 20
wait_for_end $job 25

# ---- Ctrl-A c ----

session() {
	session=$1
	shift
	"$pty" seconds=30 'expect=type poweroff' 'expect=# ' "$@" -- "$ring1" run -k "$kernel" -i "$initrd" -a quiet -n delta >"$out" 2>&1
	played=$?
	check "$session" [ "$played" = 0 ]
	[ "$played" = 0 ] || show "$out"
	check "$session: the terminal is as it was" grep -aq 'pty: terminal restored' "$out"
}
# An idle guest sleeps in its kernel, with the kernel's page tables. A shell that has just shown its prompt may have something
# to do yet: it is looked at more than once.
set --
for _ in 1 2 3 4 5 6; do set -- "$@" 'send=info registers\r' 'expect=eip ' 'expect=cr3 ' 'expect=(ring1) ' 'sleep=200'; done
session "Ctrl-A c asks for registers" 'send=\001c' 'expect=(ring1) ' "$@" 'send=\001x' 'expect=left by Ctrl-A x'
check "and gets a kernel's" grep -aqE 'eip [cf][0-9a-f]{7} ' "$out"
check "with paging on" grep -aqE 'cr0 [89a-f][0-9a-f]{7} ' "$out"
session "info cells lists processes" 'send=\001c' 'send=info  cells \r' 'expect=activations' 'expect=runs' 'expect=cells in all' \
	'send=quit\r' 'expect=left by quit'
session "info stats counts" 'send=\001c' 'send=info stats\r' 'expect=guest time' 'expect=exit_gate_site' 'expect=(ring1) ' 'send=\001x'
session "help lists what can be asked" 'send=\001c' 'send=help\r' 'expect=info registers' 'expect=info cells' 'expect=info stats' 'expect=quit' 'send=\001x'
session "the line can be edited" 'send=\001c' 'send=nonsense\025hellp\177\177p\r' 'expect=info stats' 'send=\001x'
session "what is not understood is said" 'send=\001c' 'send=information\r' "expect='information' is not understood" 'send=\001x'
# shellcheck disable=SC2016
session "Ctrl-A c goes back to the guest, which has seen none of it" 'send=\001c' 'send=exit\r' 'expect=not understood' \
	'send=\001c' 'sleep=200' 'send=echo $((6*7))x\r' 'expect=42x' 'send=\001x'
session "keys and what is typed behind them in one go" 'send=\001cquit\r' 'expect=left by quit'
# shellcheck disable=SC2016
session "a break reaches the guest: sysrq help" 'send=echo 1 >/proc/sys/kernel/sysrq; echo $((6*7))x\r' 'expect=42x' 'send=\001bh' 'expect=sysrq: HELP' 'send=\001x'
done_testing
