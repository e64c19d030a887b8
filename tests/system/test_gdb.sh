#!/bin/sh
# --gdb: Debian's gdb debugs guests: a bare kernel with symbols from its first instruction on, and Debian's kernel while it
# works. docs/control.md says what a debugger may expect.
# shellcheck source=tests/system/lib.sh disable=SC2016 # gdb's variables
. "$(dirname "$0")/lib.sh"
socket=$scratch/gdb.sock
out=$scratch/out
plain=build/guests/multiboot/plain.elf

if ! command -v gdb >/dev/null; then
	skip "a debugger" "there is no gdb"
	done_testing
	exit
fi

# session SECONDS COMMAND...: gdb's commands; what it prints is in $out. Waits for the socket.
session() {
	seconds=$1
	shift
	printf '%s\n' 'set pagination off' 'set confirm off' 'set width 0' "set remotetimeout $(seconds_of 1)" "target remote $socket" "$@" >"$scratch/commands"
	within 60 is_socket "$socket"
	timeout "$(seconds_of "$seconds")" gdb -nx -q -batch -x "$scratch/commands" ${program:+"$program"} </dev/null >"$out" 2>&1
	status=$?
	[ $status = 0 ] || show "$out"
}
says() { grep -qE -- "$1" "$out"; }
# bare [OPTION]...: the bare kernel, with a debugger's socket, in the background
bare() {
	"$ring1" run -k $plain -a 'one two=3' -i "$scratch/a with arguments,$scratch/b" --gdb "unix:$socket" "$@" </dev/null >"$scratch/console" 2>"$scratch/words" &
	machine=$!
}

# ---- a kernel with symbols ----

printf first >"$scratch/a"
printf second >"$scratch/b"

program=$plain
bare --paused
session 60 'info registers' 'x/i $pc' 'break check_interrupts' 'continue' 'bt' 'print ticks' 'print &ticks' 'stepi' 'stepi' 'info line *$pc' \
	'watch ticks' 'continue' 'bt' 'continue' 'delete' 'hbreak check_exceptions' 'continue' 'finish' \
	'set var ticks = 77' 'print ticks' 'x/dw &ticks' 'set $xmm1.v4_int32[2] = 1234567' 'print $xmm1.v4_int32' 'set $st0 = 1.5' 'info registers st0' \
	'set $edi = 0x12345678' 'print/x $edi' 'print $eflags' 'info registers cr0 cs' 'monitor info cells' 'monitor nonsense' \
	'continue'
check "bare kernel: begins at its entry" says '^eip +0x100198 '
check "bare kernel: a breakpoint by name" says '^Breakpoint 1, check_interrupts '
check "bare kernel: who called it" says '^#1 +0x[0-9a-f]+ in run '
check "bare kernel: a variable" says '^\$1 = 0$'
check "bare kernel: steps, and lines of its source" says 'Line [0-9]+ of "[^"]*plain\.c"'
check "bare kernel: a watchpoint" says '^Hardware watchpoint 2: ticks'
check "bare kernel: the watchpoint sees the first change: before" says '^Old value = 0$'
check "bare kernel: and after" says '^New value = 1$'
check "bare kernel: made by the handler of an interrupt" says '^#1 +.* in irq_entry '
check "bare kernel: a breakpoint of the hardware" says '^Breakpoint 3, check_exceptions '
check "bare kernel: writes memory" says '^\$[0-9]+ = 77$'
check "bare kernel: and reads it" says '^0x[0-9a-f]+ <ticks>:[[:space:]]+77$'
check "bare kernel: writes XMM registers" says '= \{[0-9-]+, [0-9-]+, 1234567, [0-9-]+\}'
check "bare kernel: writes x87 registers" says '^st0 +1\.5 '
check "bare kernel: writes general registers" says '= 0x12345678$'
check "bare kernel: system registers" says '^cr0 +0x11 '
check "bare kernel: answers of the monitor" says 'cells in all$'
check "bare kernel: which say what they do not understand" says '^not understood'
check "bare kernel: the debugger is told of its end" says 'exited normally'
wait_for_end "$machine" 20
check "bare kernel: ends as it would have" [ "$status$ended" = 0itself ]
tr -d '\r' <"$scratch/console" >"$scratch/tap"
check "bare kernel: and none of its tests noticed" [ "$(grep -c '^ok ' "$scratch/tap")" -ge 20 -a "$(grep -c '^not ok ' "$scratch/tap")" = 0 ]
check "bare kernel: the socket is gone" [ ! -e "$socket" ]

# Every instruction from a function's first to its last, then the tests go on; no step stands still or shows the trap flag.
cat >"$scratch/steps.py" <<'PYTHON'
import gdb
gdb.execute("break check_interrupts")
gdb.execute("continue")
flagged = steps = 0
inside = set()
while steps < 3000:
    gdb.execute("stepi", to_string=True)
    steps += 1
    pc = int(gdb.parse_and_eval("(unsigned int)$pc"))
    if pc >= 0xff000000:
        print("OUTSIDE 0x%x" % pc)
    if int(gdb.parse_and_eval("$eflags")) & 0x100:
        flagged += 1
    inside.add(pc)
print("steps %d, places %s, flagged %d" % (steps, "many" if len(inside) > 50 else "few", flagged))
PYTHON
if gdb -nx -batch -ex 'python print(6 * 7)' 2>/dev/null | grep -q 42; then
	bare --paused
	session 200 "source $scratch/steps.py" 'delete' 'continue'
	check "steps: 3000 of them, in the kernel's own addresses, without the trap flag" says '^steps 3000, places many, flagged 0$'
	check "steps: never outside" [ "$(grep -c OUTSIDE "$out")" = 0 ]
	wait_for_end "$machine" 20
	tr -d '\r' <"$scratch/console" >"$scratch/tap"
	check "steps: and none of the guest's tests noticed" [ "$(grep -c '^ok ' "$scratch/tap")" -ge 20 -a "$(grep -c '^not ok ' "$scratch/tap")" = 0 ]
	[ "$(grep -c '^not ok ' "$scratch/tap")" = 0 ] || show "$scratch/console"
else
	skip "steps" "this gdb has no Python"
fi

bare --paused -n bare
session 30 'print/x *(int *)0x7fffff00' >/dev/null # an error: gdb leaves
check "memory that is not there" says 'Cannot access memory at address 0x7fffff00'
"$ring1" resume bare
wait_for_end "$machine" 10
check "a debugger that leaves: the machine is as paused as it was" [ "$status$ended" = 0itself ]

bare --paused
session 30 'kill'
wait_for_end "$machine" 10
check "kill: ends the machine, status 0" [ "$status$ended" = 0itself ]
check "kill: said so" grep -q 'ended by the debugger' "$scratch/words"

# ---- Debian's kernel, which goes on meanwhile ----

program=
if start_machine -n gdb --gdb "unix:$socket"; then
	# Addresses as the guest itself tells them.
	type_in "grep -E ' (vfs_write|schedule|ksys_write)\$' /proc/kallsyms; echo all-sh\"own\""
	appears 'all-shown' "$scratch/console" 10
	address() { tr -d '\r' <"$scratch/console" | sed -n "s/^\\([0-9a-f]\\{8\\}\\) [tT] $1\$/0x\\1/p" | head -n 1; }
	write=$(address vfs_write) schedule=$(address schedule)
	# What the guest does while gdb waits for it: it has stood still since gdb came.
	(
		within 100 is_there "$scratch/goes-on"
		type_in 'echo $((6*7))x; ls / >/dev/null; ls / >/dev/null'
	) &
	session 100 "break *$write" "shell touch $scratch/goes-on" 'continue' 'print/x $pc' 'print $eflags' 'x/2i $pc' 'bt 2' 'stepi 400' 'print/x $pc' 'delete' "hbreak *$schedule" 'continue' \
		'print/x $pc' 'delete' 'watch *(int *)($ebp)' 'info registers cr3 cs fs_base' 'delete' 'detach'
	check "Linux: a breakpoint at $write" says "^\\\$1 = $write\$"
	check "Linux: interrupts are on there" says '^\$2 = \[.* IF .*\]'
	check "Linux: its own instructions are shown, not what was put there" [ "$(grep -cE '(jmp +0xff|hlt)' "$out")" = 0 ]
	check "Linux: 400 steps go elsewhere" says '^\$3 = 0x[0-9a-f]+$'
	check "Linux: a hardware breakpoint at $schedule" says "^\\\$4 = $schedule\$"
	check "Linux: leaves it" says '^\[Inferior 1 .*detached\]'
	check "Linux: which goes on" appears 42x "$scratch/console" 20
	type_in "echo a\"gain\"; cat /proc/version >/dev/null; echo th\"ere\""
	check "Linux: without the breakpoints" appears 'there' "$scratch/console" 20
	# Ctrl-C, and a debugger that dies with a breakpoint set.
	cat >"$scratch/commands" <<COMMANDS
set pagination off
set remotetimeout $(seconds_of 1)
target remote $socket
break *$write
shell touch $scratch/goes-on-again
continue
COMMANDS
	gdb -nx -q -batch -x "$scratch/commands" </dev/null >"$out" 2>&1 &
	debugger=$!
	within 60 is_there "$scratch/goes-on-again"
	sleep 2 # the guest may come there or not
	timeout "$(seconds_of 60)" build/test/connect "$socket" </dev/null >"$scratch/second" 2>&1
	check "a second debugger is turned away" [ $? = 0 -a ! -s "$scratch/second" ]
	kill -KILL $debugger
	wait $debugger 2>/dev/null
	type_in 'echo $((7*7))y'
	check "a debugger that was killed leaves nothing behind" appears 49y "$scratch/console" 20
	# Not gdb: packets with nonsense in them, from somebody who stays until that is answered.
	mkfifo "$scratch/stays"
	exec 8<>"$scratch/stays"
	{
		exec 8>&-
		printf '+$qSupported#37$zz#00$g#ff$mffffffffff,10#00$P#50$Z9,1,1#5a\003\003$m0#9d$X0,ffffffff:#00}}}}$?#3f'
		# Packed, so any bytes there are, and the same ones each time.
		tail -c 100000 "$kernel"
		printf '#00$?#3f'
		cat
	} <"$scratch/stays" | build/test/connect "$socket" >"$scratch/noise" 2>&1 8>&- &
	noise=$!
	check "nonsense: is answered" appears 'PacketSize' "$scratch/noise" 60
	check "nonsense: wrong checksums are told" appears - "$scratch/noise" 60
	exec 8>&-
	kill $noise 2>/dev/null
	wait $noise 2>/dev/null
	type_in 'echo $((8*8))z'
	check "nonsense: the guest goes on" appears 64z "$scratch/console" 20
	# ring1 pause, and a debugger that comes then.
	"$ring1" pause gdb
	session 30 'print/x $eip' 'detach'
	check "paused by the user: a debugger sees registers" says '^\$1 = 0x[0-9a-f]+$'
	check "paused by the user: and leaves it paused" [ "$("$ring1" ls | awk '$1 == "gdb" { print $3 }')" = paused ]
	"$ring1" resume gdb
	type_in 'poweroff -f'
	wait_for_end "$machine" 20
	exec 9>&-
	check "Linux: powers off" [ "$status$ended" = 0itself ]
fi

# ---- a kernel that speaks VMI, with its symbols ----

if image=$(vmi_kernel 2.6.32-up); then
	program=$(dirname "$image")/vmlinux
	# shellcheck disable=SC2153
	"$ring1" run -k "$image" -i "$RING1_VMI_KERNELS/initramfs/musl.cpio.gz" -a 'panic=1' --paused --gdb "unix:$socket" </dev/null >"$scratch/console" 2>&1 &
	machine=$!
	session 60 'hbreak do_fork' 'continue' 'bt 1' 'stepi 500' 'x/i $pc' 'delete' 'break sys_open' 'continue' 'bt 1' 'delete' 'detach'
	check "VMI: a breakpoint by name" says '^Breakpoint 1, .*do_fork'
	check "VMI: and another, after 500 steps" says '^Breakpoint 2, .*sys_open'
	kill "$machine"
	wait_for_end "$machine" 10
else
	skip "VMI kernels" "$image"
fi

# ---- wrong usage ----

for where in 0 65536 nonsense unix:/no/such/socket; do
	status=0
	"$ring1" run -k $plain --gdb $where </dev/null >"$out" 2>&1 || status=$?
	check "--gdb $where is refused" [ "$status" = 2 ]
	check "  and named" grep -q -- "--gdb $where" "$out"
done
done_testing
