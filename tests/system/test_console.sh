#!/bin/sh
# The guest's console in a terminal: what is typed and shown, the keys of ring1's own, and the terminal's state after
# every way a machine may end.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# session NAME STEP...: boots to a shell on a terminal of its own, then plays the steps.
session() {
	session=$1
	shift
	"$pty" seconds=20 'expect=type poweroff' 'expect=# ' "$@" -- "$ring1" run -k "$kernel" -i "$initrd" -a quiet >"$scratch/out" 2>&1
	played=$?
	check "$session" [ "$played" = 0 ]
	[ "$played" = 0 ] || show "$scratch/out"
	check "$session: the terminal is as it was" verdict 'terminal restored'
}
verdict() { tr -d '\r' <"$scratch/out" | grep -aqx "pty: $1"; }

# The answer is computed, so that the echo of the command is not taken for it.
# shellcheck disable=SC2016 # the guest's shell expands them
session "a command's output is shown" 'send=echo $((6*7))x\r' 'expect=42x' 'send=poweroff -f\r'
check "power-off: status 0" verdict 'exit 0'

# What is typed is the program's from when the program says so: its terminal is in the mode that makes keys signals then, and
# it is in the foreground. What is typed has quotes in the word that is waited for.
# shellcheck disable=SC2016
session "Ctrl-C reaches the guest's program" 'send=sh -c "echo be""gins; exec sleep 1000"\r' 'expect=begins' 'send=\003' \
	'send=echo $((6*7))x\r' 'expect=42x' 'send=\001x'
session "Ctrl-Z is the guest's too" 'send=sh -c "echo be""gins; exec sleep 1000"\r' 'expect=begins' 'send=\032' \
	'expect=Stopped' 'send=\001x'
session "Ctrl-A Ctrl-A sends one Ctrl-A" 'send=echo be""gins; cat -v >/tmp/keys\r' 'expect=begins' 'send=q\001\001q\r' \
	'send=\004' 'expect=# ' 'send=od -c /tmp/keys\r' 'expect=q   ^   A   q' 'send=\001x'
session "Ctrl-A h lists the keys" 'send=\001h' 'expect=Ctrl-A x' 'expect=Ctrl-A h' 'send=\001x'
session "Ctrl-A x leaves" 'send=\001x' 'expect=left by Ctrl-A x'
check "Ctrl-A x: status 0" verdict 'exit 0'
session "a long line typed at once arrives whole" 'send=stty -echo; echo be""gins; cat >/tmp/line\r' \
	'expect=begins' "send=$(head -c 2000 /dev/zero | tr '\0' y)\\r" 'send=\004' 'expect=# ' 'send=stty echo; wc -c /tmp/line\r' \
	'expect=2001 /tmp/line' 'send=\001x'

session "SIGTERM ends it with a reason" 'signal=15' 'expect=ended by signal 15'
session "SIGHUP ends it with a reason" 'signal=1' 'expect=ended by signal 1 '
session "SIGINT from outside ends it with a reason" 'signal=2' 'expect=ended by signal 2 '
session "a guest's panic is shown" 'send=echo c >/proc/sysrq-trigger\r' 'expect=guest panic' 'expect=eip '
check "panic: status 1" verdict 'exit 1'
session "a signal nobody expects" 'signal=6'
check "a signal nobody expects: main dies of it" verdict 'signal 6'

# Whoever stopped reading the console must not keep main from ending.
mkfifo "$scratch/pipe"
# shellcheck disable=SC2217 # it is there not to read
sleep 60 <"$scratch/pipe" &
sleeper=$!
{ exec "$ring1" run -k "$kernel" -i "$initrd" -a "ring1.init=/bin/yes quiet" >"$scratch/pipe" 2>"$scratch/words" </dev/null; } &
main=$!
sleep 4
all=$(family "$main")
kill -TERM "$main"
# shellcheck disable=SC2086 # one word a process
check "SIGTERM ends it though nobody reads its output" all_gone 3 $all
kill -KILL "$main" "$sleeper" 2>/dev/null
wait "$main" "$sleeper" 2>/dev/null
done_testing
