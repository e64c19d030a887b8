#!/bin/sh
# --apic: which interrupt controllers a stock kernel uses, that its timers work with either, and what a tick costs.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# What the guest tells of its interrupts, after a second of sleep: $scratch/console
tells() {
	start_machine "$@" || return
	type_in 'sleep 1; cat /proc/interrupts; cat /proc/timer_list; echo "to""ld"; poweroff -f'
	appears told "$scratch/console" 30
	wait_for_end "$machine" 30
	exec 9>&-
	tr -d '\r' <"$scratch/console" >"$scratch/told"
}
says() { grep -aqE -- "$1" "$scratch/told"; }
# interrupts NAME: of a line of /proc/interrupts
interrupts() { sed -n "s/^ *$1: *\([0-9]*\).*/\1/p" "$scratch/told" | head -n 1; }
ends_well() { [ "$status" = 0 -a "$ended" = itself ]; }

for k in 686 686-pae; do
	kernel=build/guests/debian-$k/vmlinuz
	tells
	check "$k: the serial port interrupts through the IO-APIC" says '^ *4: +[1-9][0-9]* +IO-APIC +4-edge +ttyS0'
	check "$k: the local APIC's timer ticks ($(interrupts LOC))" [ "$(interrupts LOC)" -gt 10 ]
	if reason=$(slow TSC_DEADLINE); then
		skip "$k: by deadline, with high resolution" "$reason"
	else
		check "$k: by deadline, with high resolution" says 'Clock Event Device: lapic-deadline'
	fi
	check "$k: no errors, none misrouted" [ "$(interrupts ERR)" = 0 -a "$(interrupts MIS)" = 0 ]
	check "$k: it powers off, status 0" ends_well
done
kernel=build/guests/debian-686/vmlinuz

tells -a 'quiet lapic=notscdeadline'
# On a busy host the kernel may refuse what it measured, and go on with the PIT.
check "without the TSC deadline: the timer is calibrated and ticks ($(interrupts LOC))" \
	[ "$(interrupts LOC)" -gt 10 -a "$(grep -ac 'lapic-deadline' "$scratch/told")" = 0 ]
check "without the TSC deadline: status 0" ends_well
tells --acpi=off
check "without ACPI: the MP table leads to the IO-APIC" says '^ *4: +[1-9][0-9]* +IO-APIC +4-edge +ttyS0'
check "without ACPI: status 0" ends_well
tells --apic=off
check "--apic=off: the 8259A pair" says '^ *4: +[1-9][0-9]* +XT-PIC +ttyS0'
check "--apic=off: the PIT ticks ($(interrupts 0))" [ "$(interrupts 0)" -gt 10 ]
check "--apic=off: status 0" ends_well

# The timer is set by a WRMSR and the interrupt ended in memory: no access to the APIC's page, which would be a signal.
# Both looks are at one machine that only computes: what it took to boot is no part of it.
# shellcheck disable=SC2016 # for the guest's shell
printf '#!/bin/sh\necho spinning\nwhile :; do i=$((i + 1)); done\n' >"$scratch/spin"
{
	cat build/test/guests.list
	echo "file bin/spin 0755 $scratch/spin"
} >"$scratch/list"
build/guests/mkinitramfs "$scratch/list" | gzip -1 >"$scratch/initrd"
"$ring1" run -n spinner -k "$kernel" -i "$scratch/initrd" -a "quiet ring1.init=/bin/spin" </dev/null >"$scratch/out" 2>&1 &
machine=$!
look() { "$ring1" monitor spinner info stats >"$scratch/$1" 2>&1; }
counted() { awk -v name="$2" '$2 == name { n = $1 } END { print n + 0 }' "$scratch/$1"; }
more_of() { echo $(($(counted later "$1") - $(counted first "$1"))); }
check "a tick: the guest computes" appears spinning "$scratch/out" 60
look first
tenths=$((600 * patience))
while look later && [ "$(more_of interrupt)" -le 500 ] && [ $tenths -gt 0 ]; do
	tenths=$((tenths - 1))
	sleep 0.1
done
kill -TERM "$machine"
wait_for_end "$machine" 10
ticks=$(more_of interrupt)
signals=$(more_of signal_segv)
calls=$(more_of exit_gate_site)
check "a tick: there were some ($ticks)" [ "$ticks" -gt 100 ]
if reason=$(slow STUBS COMPARE WARM_CELLS AROUND LATE_EOI TSC_DEADLINE); then
	skip "a tick: SIGSEGV and far calls" "$reason"
else
	check "a tick: at most one SIGSEGV for ten ($signals)" [ $((signals * 10)) -le "$ticks" ]
	check "a tick: at most four far calls ($calls)" [ "$calls" -le $((ticks * 4)) ]
fi
done_testing
