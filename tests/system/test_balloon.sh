#!/bin/sh
# A balloon: what the guest puts into it, or reports as free, is the host's again, and whole when the guest takes it back.
# What the host has is what the file of the guest's memory has (its blocks), and not what anybody says.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/modules.sh
. tests/system/modules.sh
out=$scratch/out
mib=1048576

mkdir -p "$scratch/root"
cat >"$scratch/root/test" <<'GUEST'
#!/bin/sh
say() { echo "guest: $*"; }
case $1 in
load)
	while read -r m file; do
		options=
		[ "$m" = virtio_pci ] && options=$2
		# shellcheck disable=SC2086
		insmod "/modules/$file" $options
	done </order
	say loaded
	;;
total) say "total $2 $(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) kB" ;;
keep)
	dd if=/dev/urandom of=/kept bs=1M count=32 2>/dev/null
	sha256sum </kept >/sum
	say kept
	;;
look) if [ "$(sha256sum </kept)" = "$(cat /sum)" ]; then say "as it was: $2"; else say "ALTERED: $2"; fi ;;
# A program that has touched so many MiB, and stays.
hold)
	mkfifo /hold
	sleep 100000 </hold &
	dd if=/dev/zero of=/hold bs="$2M" count=1 2>/dev/null &
	echo $! >/holder
	say holds
	;;
drop) kill "$(cat /holder)" && say dropped ;;
touch) if dd if=/dev/zero of=/dev/null bs="$2M" count=1 2>/dev/null; then say "touched: $3"; else say "not touched: $3"; fi ;;
big)
	yes 'the quick brown fox' | head -c $((128 * 1048576)) >/big
	say "big $(sha256sum </big)"
	rm /big
	;;
esac
GUEST

# archive KERNEL: $initrd, with the modules
archive() {
	# shellcheck disable=SC2046
	set -- $(module_files "$1" virtio_pci virtio_balloon)
	load_order "$@" >"$scratch/root/order"
	guest_archive "$scratch/archive" "$@"
	initrd=$scratch/archive
}

# ring SUBCOMMAND...: its output in $out, its status in $status
ring() {
	status=0
	timeout $((60 * patience)) "$ring1" "$@" </dev/null >"$out" 2>&1 || status=$?
}
says() { grep -aqF -- "$1" "$out"; }
# within SECONDS COMMAND...: it is so by then
within() {
	tenths=$(($1 * 10 * patience))
	shift
	until "$@"; do
		[ $tenths -gt 0 ] || return 1
		tenths=$((tenths - 1))
		sleep 0.1
	done
}

# asked MEMBER: of what the machine says about its balloon
asked() { timeout $((60 * patience)) "$ring1" balloon --json bal </dev/null 2>/dev/null | sed -n "s/^ *\"$1\": \([0-9a-z]*\),\{0,1\}$/\1/p"; }
is() { [ "$(asked "$1")" = "$2" ]; }
# Bytes of guest memory that the host has, by process $main.
of_host() {
	for fd in /proc/"$main"/fd/*; do
		case $(readlink "$fd") in */memfd:ring1-ram*) echo $(($(stat -L -c %b "$fd") * 512)) && return ;; esac
	done
	echo -1
}
host_has_at_most() { [ "$(of_host)" -ge 0 ] && [ "$(of_host)" -le "$1" ]; }
host_has_at_least() { [ "$(of_host)" -ge "$1" ]; }
guest_says() { within 60 grep -aqF -- "guest: $1" "$scratch/console"; }
# total TAG: the guest's MemTotal in kB
total() {
	type_in "/test total $1"
	guest_says "total $1 "
	tr -d '\r' <"$scratch/console" | sed -n "s/^guest: total $1 \([0-9]*\) kB$/\1/p"
}
# machine_with WORDS [OPTION]...: of 512 MiB, with such a balloon, and a driver for it
machine_with() {
	words=$1
	shift
	start_machine -n bal --balloon "$words" "$@" || return
	main=$machine
	type_in "/test load ${pci:-}"
	guest_says loaded && within 60 is driver true
}

# ---- inflated and deflated; nothing goes back by itself ----

archive "$kernel"
start_machine -n bal --balloon 0,free-page-reporting=off --stats="$scratch/stats"
main=$machine
ring balloon bal
check 'without a driver: that is said' says 'has no driver for its balloon'
type_in '/test load'
guest_says loaded
check 'the driver is there' within 60 is driver true
check 'the guest gives its statistics' within 60 sh -c "'$ring1' balloon bal | grep -qE '^guest: total +[1-9][0-9]* KiB'"
type_in '/test keep'
guest_says kept
type_in '/test touch 300 first'
guest_says 'touched: first'
check 'what the guest has used the host has lost' host_has_at_least $((300 * mib))
before=$(total before)
ring balloon bal 300M
check 'balloon NAME SIZE: status 0, without a word' [ "$status" = 0 -a ! -s "$out" ]
check 'the target is what was said' is target $((300 * mib))
check 'the guest puts so much into it' within 120 is actual $((300 * mib))
during=$(total during)
check "... which is missing from its memory ($before, $during kB)" [ $((before - during)) = 307200 ]
check "... and the host has it back ($(($(of_host) / mib)) MiB left)" host_has_at_most $((220 * mib))
type_in '/test look during'
check '... and the rest is as it was' guest_says 'as it was: during'
ring stat bal --interval 0.2 --count 1
check 'stat says how much is in it' says '307200 KiB in the balloon'
ring monitor bal info balloon
check 'so does the monitor' grep -qE '^actual +307200 KiB' "$out"
type_in '/test touch 250 more'
check 'what is in the balloon the guest does without' guest_says 'not touched: more'
ring balloon bal 600M
check 'more than there is: status 9' [ "$status" = 9 ]
check '... and the reason' says "more than the machine's memory"
ring balloon bal much
check 'no size: status 2' [ "$status" = 2 ]
printf '{"id":1,"command":"balloon","arguments":{"size":-5}}\n{"id":2,"command":"balloon","arguments":{"size":"1"}}\n' |
	timeout 20 build/test/connect --shut "$XDG_RUNTIME_DIR/ring1/bal.sock" >"$out" 2>&1
check 'no size, by the socket' [ "$(grep -c 'bad-argument' "$out")" = 2 ]
ring monitor bal balloon 0
check 'deflated by the monitor: all comes back' within 120 is actual 0
check '... to the guest' [ "$(total after)" = "$before" ]
type_in '/test big'
sum=$(yes 'the quick brown fox' | head -c $((128 * mib)) | sha256sum)
check '... which can use it: 128 MiB have the right checksum' guest_says "big $sum"
type_in '/test look after'
check '... and the rest is as it was' guest_says 'as it was: after'

# ---- a snapshot, and what goes on from it ----

ring balloon bal 100M
within 120 is actual $((100 * mib))
ring snapshot --stop bal "$scratch/snap"
check 'a snapshot with something in the balloon' [ "$status" = 0 ]
exec 9>&-
wait "$machine"
ring restore "$scratch/snap" -n bal
check '... is not restored without a balloon' [ "$status" = 2 ]
ring restore "$scratch/snap" -n bal --balloon
check '... nor with one that can something else' [ "$status" = 2 ]
ring restore "$scratch/snap" -n bal --balloon free-page-reporting=off
check '... but with the same' [ "$status" = 0 ]
main=$("$ring1" ls --json </dev/null | sed -n 's/^ *"pid": \([0-9]*\),\{0,1\}$/\1/p')
check 'restored: target and contents of the balloon are as they were' sh -c "'$ring1' balloon --json bal | tr -d ' ,\n' | grep -q '\"target\":104857600\"actual\":104857600'"
ring balloon bal 300M
check 'restored: the guest puts more into it' within 120 is actual $((300 * mib))
check "restored: no memory is taken for that ($(($(of_host) / mib)) MiB)" host_has_at_most $((220 * mib))
ring balloon bal 0
check 'restored: it comes back' within 120 is actual 0
: >"$scratch/console"
# With what there was before it: who types may be quicker.
timeout $((120 * patience)) "$ring1" console --watch bal </dev/null >"$scratch/console" 2>/dev/null &
hearer=$!
printf '/test look restored\n' | timeout $((60 * patience)) "$ring1" console --no-history bal >"$scratch/told" 2>&1 &
teller=$!
check 'restored: what the guest has kept is as it was' guest_says 'as it was: restored'
ring stop --now bal
kill $teller $hearer 2>/dev/null
wait $teller $hearer 2>/dev/null

# ---- what is free goes back by itself; deflated before the guest kills for memory ----

# frees WHAT
frees() {
	idle=$(of_host)
	type_in '/test hold 240'
	guest_says holds
	check "$1: a program touches 240 MiB" within 60 host_has_at_least $((idle + 150 * mib))
	type_in '/test drop'
	guest_says dropped
	check "$1: when it has ended the host has them back" within 120 host_has_at_most $((idle + 60 * mib))
	check "$1: because they were reported" [ "$(asked reported)" -ge $((150 * mib)) ]
}

check 'free page reporting is on if nothing is said' machine_with deflate-on-oom=on
check '... and the machine says so' is free_page_reporting true
frees 'reporting'
ring balloon bal 350M
check 'deflate on OOM: the balloon is filled' within 120 is actual $((350 * mib))
type_in '/test touch 250 oom'
check 'deflate on OOM: a program that needs more than there is gets it' guest_says 'touched: oom'
check 'deflate on OOM: out of the balloon' [ "$(asked actual)" -lt $((300 * mib)) ]
stop_machine

archive "$kernel_pae"
kernel=$kernel_pae
check 'PAE: a machine with a balloon that is to be filled' machine_with 100M
check 'PAE: it is filled' within 120 is actual $((100 * mib))
frees PAE
stop_machine

# By the registers of virtio 0.9.5, of which there is no reset for the asking.
pci=force_legacy=1
if machine_with 100M --apic=off --huge-pages=off; then
	check 'legacy: it is filled' within 120 is actual $((100 * mib))
	ring balloon bal 50M
	check 'legacy: it is emptied' within 120 is actual $((50 * mib))
	check 'legacy: statistics' within 60 sh -c "'$ring1' balloon bal </dev/null | grep -qE '^guest: total +[1-9][0-9]* KiB'"
	frees legacy
else
	not_ok 'legacy: a machine with a balloon'
fi
stop_machine

# ---- the command line ----

# refused REASON OPTION...
refused() {
	reason=$1
	shift
	limited 20 "$out" "$ring1" run -k "$kernel" --console socket "$@"
	check "refused: $*" [ "$status $ended" = '2 itself' ]
	check "... because $reason" says "$reason"
}
refused 'none of SIZE' --balloon many
refused 'none of deflate-on-oom' --balloon 10M,10M
refused 'none of deflate-on-oom' --balloon 0,deflate-on-oom=maybe
refused 'no machine has so much' --balloon=10G
refused "more than the machine's memory" --balloon 200M -m 128M
refused 'a machine has one' --balloon --balloon 10M
start_machine -n bal
ring balloon bal
check 'a machine without a balloon: status 9' [ "$status" = 9 ]
check '... and that is said' says 'has no balloon'
stop_machine
done_testing
