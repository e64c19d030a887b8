# shellcheck shell=sh disable=SC2034 # much of it is for the tests
# What the system tests share: TAP, machines in the background, and the processes of a machine.
# Sourced first by every test; leaves it in the root of the project.
set -u
cd "$(dirname "$0")/../.." || exit 1

ring1=build/ring1
# Another for a try: what some tests name of Debian's 6.1 it may not have.
kernel=${RING1_KERNEL:-build/guests/debian-686/vmlinuz}
kernel_pae=build/guests/debian-686-pae/vmlinuz
# Fetched for tests only (scripts/fetch-test-guests); not there on a machine without network.
kernel_rt=build/test/debian-rt-686-pae/vmlinuz
initrd=build/guests/busybox.cpio.gz
# The same with hostile and counts in /bin.
test_initrd=build/test/guests.cpio.gz
pty=build/test/pty

# A kernel that speaks VMI: NAME/vmlinux or NAME/bzImage below $RING1_VMI_KERNELS (docs/vmi-guests.md says what to build).
# Prints the file, or why there is none.
vmi_kernel() {
	if [ -z "${RING1_VMI_KERNELS:-}" ]; then
		echo "RING1_VMI_KERNELS is not set"
		return 1
	fi
	for file in "$RING1_VMI_KERNELS/$1/vmlinux" "$RING1_VMI_KERNELS/$1/bzImage"; do
		if [ -r "$file" ]; then
			echo "$file"
			return
		fi
	done
	echo "no vmlinux or bzImage in $RING1_VMI_KERNELS/$1"
	return 1
}

# The kernel of a directory that ring1 can load and that speaks VMI; prints nothing if there is none. A bzImage from before
# Linux 2.6.26 holds no ELF file; its vmlinux does.
vmi_image_in() {
	for file in "$1/bzImage" "$1/vmlinux"; do
		[ -r "$file" ] && build/ring1 inspect "$file" 2>/dev/null | grep -qE '^speaks VMI +yes' && echo "$file" && return
	done
	return 1
}

scratch=$(mktemp -d "${TMPDIR:-/tmp}/ring1-test.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
# The control sockets of this test's machines: names are its own.
XDG_RUNTIME_DIR=$scratch/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
export XDG_RUNTIME_DIR

# ---- TAP ----

tests=0
ok() {
	tests=$((tests + 1))
	echo "ok $tests - $*"
}
not_ok() {
	tests=$((tests + 1))
	echo "not ok $tests - $*"
}
skip() {
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}
# check NAME COMMAND...: the command says whether it is so.
check() {
	property=$1
	shift
	if "$@"; then ok "$property"; else
		not_ok "$property"
		echo "# failed: $*"
	fi
}
done_testing() { echo "1..$tests"; }

# Shows a file in the log, for whoever looks for the reason of a failure.
show() { tr -d '\r' <"$1" | tr -c '[:print:]\n' '?' | tail -n "${2:-30}" | cut -c 1-300 | sed "s/^/#   /"; }

# slow PATH...: a reason to skip, if one of these fast paths is left out of this build (include/ring1/fast.h)
slow() {
	for path; do
		case " $("$ring1" --version) " in *" $path "*)
			echo "built without $path"
			return
			;;
		esac
	done
	return 1
}
# skip_unless_fast PATH...: for a whole test, which counts what they do
skip_unless_fast() {
	reason=$(slow "$@") || return 0
	skip 'counts what fast paths do' "$reason"
	done_testing
	exit
}

# ---- guests ----

# All waits below are this many times as long as said: tests/soak/run shares the host with whatever else runs there, a build
# without the fast paths takes its time (mk/slow.mk), and nothing is to be taken for a hang that is merely slow.
patience=${RING1_PATIENCE:-1}
# Nor is any shorter than this, in seconds: each ends with what it waits for, so that only what never comes takes so long.
least=60

# seconds_of SECONDS: how long that is; tenths_of SECONDS: how often a wait looks meanwhile
seconds_of() { echo $((($1 > least ? $1 : least) * patience)); }
tenths_of() { echo $(($(seconds_of "$1") * 10)); }

# within SECONDS COMMAND...: waits until the command says yes
within() {
	looks=$(tenths_of "$1")
	shift
	until "$@"; do
		[ "$looks" -gt 0 ] || return 1
		looks=$((looks - 1))
		sleep 0.1
	done
}
is_there() { [ -e "$1" ]; }
is_socket() { [ -S "$1" ]; }
is_gone() { [ ! -e "$1" ]; }

# limited SECONDS OUTPUT COMMAND...: run it, all output into a file. Sets status, and ended to "itself", "term" (it took
# a SIGTERM to end it) or "kill" (that did not suffice).
limited() {
	limit=$1 output=$2
	shift 2
	"$@" </dev/null >"$output" 2>&1 &
	wait_for_end $! "$limit"
}

# wait_for_end PID SECONDS: of a child of this shell; sets status and ended as above.
wait_for_end() {
	ended=itself
	if ! gone_within "$1" "$2"; then
		ended=term
		kill -TERM "$1" 2>/dev/null
		if ! gone_within "$1" 3; then
			ended='kill'
			kill -KILL "$1" 2>/dev/null
		fi
	fi
	status=0
	wait "$1" 2>/dev/null || status=$?
}

# What may go on for ever has so much time, and no more, and is then asked to end by SIGTERM: how far it came by then depends
# on the host, and nothing else does.
# end_after PID SECONDS: of a child of this shell; as wait_for_end.
end_after() {
	asked=
	tenths=$(($2 * 10 * patience))
	while alive "$1"; do
		if [ $tenths -le 0 ]; then
			asked=yes
			kill -TERM "$1"
			break
		fi
		tenths=$((tenths - 1))
		sleep 0.1
	done
	wait_for_end "$1" 60
	[ -z "$asked" -o "$ended" != itself ] || ended=term
}
# given SECONDS OUTPUT COMMAND...: as limited
given() {
	time_given=$1 output=$2
	shift 2
	"$@" </dev/null >"$output" 2>&1 &
	end_after $! "$time_given"
}

# A child that ended stays a zombie until it is waited for.
alive() { [ -r "/proc/$1/stat" ] && ! grep -q ') [ZX] ' "/proc/$1/stat" 2>/dev/null; }

gone_within() {
	tenths=$(tenths_of "$2")
	while alive "$1"; do
		[ $tenths -gt 0 ] || return 1
		tenths=$((tenths - 1))
		sleep 0.1
	done
}

# appears TEXT FILE SECONDS
appears() {
	tenths=$(tenths_of "$3")
	until grep -aqF -- "$1" "$2" 2>/dev/null; do
		[ $tenths -gt 0 ] || return 1
		tenths=$((tenths - 1))
		sleep 0.1
	done
}

# whole_self_test SECONDS KERNEL [OPTION]...: the guest self-test, each of its lines a test, then those around it; no test
# may come before. The console is $scratch/out.
whole_self_test() {
	seconds=$1 image=$2
	shift 2
	limited "$seconds" "$scratch/out" "$ring1" run -k "$image" -i "$initrd" \
		-a "ring1.init=selftest ring1.seconds=$((60 * patience)) quiet" "$@"
	tr -d '\r' <"$scratch/out" | grep -aE '^((not )?ok |#)' | tee "$scratch/tap"
	tests=$(grep -cE '^(not )?ok ' "$scratch/tap")
	plan=$(tr -d '\r' <"$scratch/out" | sed -n 's/^1\.\.\([0-9]*\)$/\1/p' | tail -n 1)
	check "all ${plan:-planned} checks ran" [ "$tests" = "${plan:-unknown}" ]
	check "the guest powered off by itself" [ "$ended" = itself ]
	check "ring1 ends with status 0" [ "$status" = 0 ]
	[ "$status" = 0 ] || show "$scratch/out" 60
}

# version_says KERNEL REGEX
version_says() { "$ring1" inspect "$1" | grep -qE "^version +$2"; }

# start_machine [OPTION]...: a guest with a shell, in the background. Sets machine (main's process id); the console is
# $scratch/console, main's words $scratch/words, and type_in types. Fails when no shell comes up.
start_machine() {
	# The last machine's words must not be taken for this one's.
	rm -f "$scratch/keys" "$scratch/console" "$scratch/words"
	mkfifo "$scratch/keys"
	"$ring1" run -k "$kernel" -i "$initrd" -a quiet "$@" <"$scratch/keys" >"$scratch/console" 2>"$scratch/words" &
	machine=$!
	exec 9>"$scratch/keys"
	appears 'type poweroff' "$scratch/console" 30 && return
	show "$scratch/console"
	show "$scratch/words"
	return 1
}
# A guest whose shell gets one line; waits for its end.
shell_does() {
	line=$1
	shift
	start_machine "$@"
	type_in "$line"
	wait_for_end "$machine" 30
	exec 9>&-
}
# To a machine that is gone as well: the tests behind say what is wrong.
type_in() { (
	trap '' PIPE
	printf '%s\n' "$*" >&9
) 2>/dev/null; }
# All its processes are gone then, with what they have locked.
stop_machine() {
	members=$(family "$machine")
	kill -KILL "$machine" 2>/dev/null
	wait "$machine" 2>/dev/null
	exec 9>&-
	# shellcheck disable=SC2086 # one word a process
	all_gone 60 $members
}

# ---- processes ----

# "PID:START" of every descendant of a process and of itself: a process id alone may be somebody else's later.
family() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v root="$1" '
	{
		pid = $1
		sub(/^.*\) /, "")
		parent[pid] = $2
		start[pid] = $20
	}
	END {
		member[root] = 1
		do {
			more = 0
			for (p in parent)
				if (!(p in member) && (parent[p] in member)) { member[p] = 1; more = 1 }
		} while (more)
		for (p in member) if (p in start) print p ":" start[p]
	}'
}

# Those of a family that still run.
remaining() {
	for member; do
		pid=${member%:*}
		alive "$pid" || continue
		[ "$(sed 's/^.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d ' ' -f 20)" = "${member#*:}" ] && echo "$pid"
	done
}

# all_gone SECONDS PID:START...
all_gone() {
	tenths=$(tenths_of "$1")
	shift
	while [ -n "$(remaining "$@")" ]; do
		if [ $tenths -le 0 ]; then
			echo "# still there: $(remaining "$@" | tr '\n' ' ')"
			return 1
		fi
		tenths=$((tenths - 1))
		sleep 0.1
	done
}

# sleeps PID: it has nothing to do, and knows it: there is a second in which it used less than a tenth of a processor, was
# woken less than five hundred times (an idle guest's ticks are some 60), and slept at both ends. None of that depends on what else the host does; who spins, or is
# woken all the time, never has such a second. Waits for it, since what came before may not be done yet.
sleeps() {
	seconds_left=$((least * patience))
	while [ $seconds_left -gt 0 ]; do
		asleep "$1" && run_before=$(ran_ns "$1") woken_before=$(woken "$1") && up_before=$(uptime_ms) || return 1
		sleep 1
		run_after=$(ran_ns "$1") woken_after=$(woken "$1") up_after=$(uptime_ms)
		passed=$((up_after - up_before))
		asleep_now "$1" && [ $(((run_after - run_before) / 1000000 * 10)) -lt $passed ] &&
			[ $(((woken_after - woken_before) * 2)) -lt $passed ] && return
		seconds_left=$((seconds_left - 1))
	done
	echo "# in $passed ms it used $(((run_after - run_before) / 1000000)) ms and was woken $((woken_after - woken_before)) times"
	return 1
}
asleep_now() { sed 's/^.*) //' "/proc/$1/stat" | grep -q '^S'; }
asleep() {
	tenths=$(tenths_of 1)
	until asleep_now "$1"; do
		[ $tenths -gt 0 ] || return 1
		tenths=$((tenths - 1))
		sleep 0.1
	done
}
# Of all threads: nanoseconds on a processor, and how often they went to sleep by themselves.
ran_ns() { cat "/proc/$1/task/"*/schedstat | awk '{ n += $1 } END { printf "%.0f\n", n }'; }
woken() { cat "/proc/$1/task/"*/status | awk '$1 == "voluntary_ctxt_switches:" { n += $2 } END { print n + 0 }'; }
uptime_ms() { awk '{ printf "%.0f\n", $1 * 1000 }' /proc/uptime; }

children() { family "$1" | sed 's/:.*//' | while read -r pid; do
	[ "$(sed 's/^.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d ' ' -f 2)" = "$1" ] && echo "$pid"
done; }
# The nursery is main's only child, the cells are the nursery's.
nursery_of() { children "$1" | head -n 1; }
cells_of() { children "$(nursery_of "$1")"; }

# ---- statistics ----

# count FILE NAME: a number of a --stats=FILE (one a line, as jansson indents)
count() { sed -n "s/^ *\"$2\": \([0-9]*\),\{0,1\}$/\1/p" "$1" | head -n 1; }
# vmi_count FILE CALL FIELD: asked, called (null: not counted) or left_rom
vmi_count() {
	sed -n "/^ *\"$2\": {/,/}/s/^ *\"$3\": \([0-9a-z]*\),\{0,1\}$/\1/p" "$1" | tail -n 1
}
