#!/bin/sh
# Hosts that give little: each works, or says exactly what is missing, and ring1 check has said so before.
# Time limit: 400 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

deny=build/test/deny
says() { tr -d '\r' <"$1" | grep -aqE -- "$2"; }

# on NAME COMMAND...: check and run with the command before them. Sets checked, ran; their output is $scratch/check and out.
on() {
	what=$1
	shift
	limited 40 "$scratch/check" "$@" "$ring1" check
	checked=$status
	limited 60 "$scratch/out" "$@" "$ring1" run -k "$kernel" -i "$initrd" -a "quiet ring1.init=true"
	ran=$status
}
# works NAME [ROW] COMMAND...: guests run, and check says so; ROW is where it says less, '-' for none.
works() {
	name=$1 row=$2
	shift 2
	on "$name" "$@"
	check "$what: check ends with 0 (it was $checked)" [ "$checked" = 0 ]
	[ "$row" = - ] || check "$what: check says so at '$row'" says "$scratch/check" "^$row +less"
	check "$what: a guest runs (status $ran, $ended)" [ "$ran" = 0 -a "$ended" = itself ]
	check "$what: its program ran" says "$scratch/out" 'true exited with status 0'
	[ "$ran" = 0 ] || show "$scratch/out"
}
# lacks NAME ROW REASON COMMAND...
lacks() {
	name=$1 row=$2 reason=$3
	shift 3
	on "$name" "$@"
	check "$what: check ends with 3 (it was $checked)" [ "$checked" = 3 ]
	check "$what: check says so at '$row'" says "$scratch/check" "^$row +MISSING"
	check "$what: run ends with 3 (it was $ran, $ended)" [ "$ran" = 3 -a "$ended" = itself ]
	check "$what: run says what is missing" says "$scratch/out" "^ring1: .*$reason"
	says "$scratch/out" "^ring1: .*$reason" || show "$scratch/out"
}

# ---- a container's filter ----

check "the test can tell: the filter refuses a namespace" [ "$("$deny" container unshare -U true 2>&1 | grep -c 'not permitted')" = 1 ]
works "the filter of a default container" userfaultfd "$deny" container
works "a container without Landlock and its own process's limits" Landlock \
	"$deny" container "$deny" landlock_create_ruleset,prlimit64,sched_setaffinity

# ---- resource limits, to the point where they begin to matter ----

# Users whom nobody has, nor another run of this test beside this one; containers often know 65536.
user=$((40000 + $$ % 2500 * 8))
if [ "$(id -u)" = 0 ] && setpriv --reuid=$user --clear-groups true 2>/dev/null && [ -x "$ring1" ] &&
	setpriv --reuid=$user --clear-groups test -r "$initrd"; then
	# Each as a user of its own: the limit counts processes of all sessions. A user without a home, too.
	as() { echo "setpriv --reuid=$1 --clear-groups"; }
	# shellcheck disable=SC2046 # words
	lacks "3 processes" "resource limits" 'more processes' $(as $((user + 1))) prlimit --nproc=3
	# shellcheck disable=SC2046
	works "4 processes: a single cell" "resource limits" $(as $((user + 2))) prlimit --nproc=4
	check "4 processes: check counts the cells" says "$scratch/check" '^cells +less +only 1 of 16'
	# shellcheck disable=SC2046
	works "19 processes: all cells" - $(as $((user + 3))) prlimit --nproc=19
	check "19 processes: check finds no fault" says "$scratch/check" '^resource limits +good'
else
	skip "few processes" "only root can be another user, who may enter this directory"
fi
works "32 open files" - prlimit --nofile=32
works "10 open files, and more for the asking" - prlimit --nofile=10:40
for n in 4 12 21 31; do lacks "$n open files" "(resource limits|.*)" 'open files|descriptors|Too many' prlimit --nofile=$n; done
lacks "400 MB of address space" "resource limits" 'memory' prlimit --as=400000000
works "1700 MB of address space" "resource limits" prlimit --as=1700000000
lacks "files of 600 MB" "resource limits" 'shared memory.*File too large' prlimit --fsize=600000000
works "no locked memory, no queued signals, a small stack" - prlimit --memlock=0 --sigpending=0 --stack=131072

# ---- an unusual place ----

works "no terminal, no session" - setsid -w
works "no HOME" - env -u HOME -u XDG_CACHE_HOME -u XDG_RUNTIME_DIR
works "a HOME that cannot be written" - env -u XDG_CACHE_HOME -u XDG_RUNTIME_DIR HOME=/proc/self
works "an empty environment" - env -i

# Standard files that are closed: guest memory must not get their numbers.
for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
	eval "limited 60 '$scratch/out' sh -c 'exec \"\$@\" $closed' sh '$ring1' run -k '$kernel' -i '$initrd' -a 'quiet ring1.init=true' \
		--stats='$scratch/stats.json'"
	check "started with $closed: status 0 (it was $status, $ended)" [ "$status" = 0 -a "$ended" = itself ]
	[ "$status" = 0 ] || show "$scratch/out"
done
# shellcheck disable=SC2016 # for the inner shell
limited 10 "$scratch/out" sh -c '"$@" <&- >&- 2>&- & sleep 3; for fd in 0 1 2; do readlink /proc/$!/fd/$fd; done; kill $!' \
	sh "$ring1" run -k "$kernel" -i "$initrd" -a quiet
check "all closed: they are /dev/null then" [ "$(grep -c '^/dev/null$' "$scratch/out")" = 3 ]

if unshare -m -p -f --mount-proc true 2>/dev/null; then
	# shellcheck disable=SC2016 # $@ of the inner shell
	own() { "$1" "$2" "$3" ${5:+"$5"} unshare -m -p -f --mount-proc sh -c "$4"' && exec "$@"' sh; }
	own works "no /dev/shm and no /tmp to write to" - \
		'mount -t tmpfs -o size=4k,ro none /dev/shm && mount -t tmpfs -o ro none /tmp'
	own works "a /tmp that is full" - 'mount -t tmpfs -o size=4k none /tmp && { yes >/tmp/full 2>/dev/null; true; }'
	own works "no /proc" memory 'mount -t tmpfs none /proc'
	own works "no /sys" - 'mount -t tmpfs none /sys'
	if unshare -p -f --mount-proc sh -c 'sysctl -qw vm.memfd_noexec=1' 2>/dev/null; then
		own works "vm.memfd_noexec=1" - 'sysctl -qw vm.memfd_noexec=1'
		own works "vm.memfd_noexec=2" - 'sysctl -qw vm.memfd_noexec=2'
		# shellcheck disable=SC2016
		nowhere='sysctl -qw vm.memfd_noexec=2 && for d in /tmp /var/tmp /dev/shm; do mount -t tmpfs -o noexec none $d; done'
		on "vm.memfd_noexec=2 and nowhere else to execute a file" env -u XDG_RUNTIME_DIR -u TMPDIR \
			unshare -m -p -f --mount-proc sh -c "$nowhere"' && exec "$@"' sh
		check "$what: check ends with 3 (it was $checked)" [ "$checked" = 3 ]
		check "$what: run ends with 3 (it was $ran)" [ "$ran" = 3 ]
		check "$what: and names the sysctl" says "$scratch/out" '^ring1: .*vm.memfd_noexec is 2'
	else
		skip "vm.memfd_noexec" "this host has no such setting, or it may not be changed"
	fi
else
	skip "hosts without /proc, /tmp, /dev/shm and memfds that can be executed" "namespaces cannot be made here"
fi
done_testing
