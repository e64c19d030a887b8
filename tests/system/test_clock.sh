#!/bin/sh
# The guest's wall clock is the host's, also after all of the machine stood still; its monotonic time counts that.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# guest_says COMMAND: what it prints, one word
asked=0
guest_says() {
	asked=$((asked + 1))
	type_in "echo answer$asked=\$($1)."
	within 60 answered
}
answered() { said=$(tr -d '\r' <"$scratch/console" | sed -n "s/^answer$asked=\(.*\)\.$/\1/p") && [ -n "$said" ]; }
# The host's time of day when the guest was asked, and when its answer was there.
wall_agrees() {
	before=$(date +%s)
	guest_says 'date +%s' || return 1
	after=$(date +%s)
	echo "# host $before to $after, guest $said"
	[ "$said" -ge $((before - 1)) ] && [ "$said" -le $((after + 1)) ]
}

# With the TSC, kvmclock and ACPI's timer as what the kernel keeps its time by. Of the last Linux takes 24 bits only,
# and believes no step of more than 2 s: where the host took longer there is nothing to check.
for what in '6 tsc quiet' '6 kvm-clock quiet clocksource=kvm-clock' '1 acpi_pm quiet clocksource=acpi_pm pmtmr=0x608'; do
	pause=${what%% *}
	source=${what#* }
	arguments=${source#* }
	source=${source%% *}
	# shellcheck disable=SC2086
	start_machine -a "$arguments" || continue
	check "$source: the guest's wall clock is the host's" wall_agrees
	began=$(uptime_ms)
	guest_says 'cut -d. -f1 /proc/uptime'
	up=${said:-0}
	all=$(family "$machine" | sed 's/:.*//')
	# Main first: it would take cells that do not answer for a reason to look.
	# shellcheck disable=SC2086
	kill -STOP $all
	sleep "$pause"
	# shellcheck disable=SC2086
	kill -CONT $all
	agrees=yes
	wall_agrees || agrees=no
	took=$(($(uptime_ms) - began))
	guest_says 'cut -d. -f1 /proc/uptime'
	echo "# uptime $up, then ${said:-0}, in $took ms"
	if [ "$source" = acpi_pm ] && [ "$took" -gt 2000 ]; then
		skip "$source: it still is after all processes were stopped for $pause s, and they are counted" \
			"the host took $took ms for that"
	else
		check "$source: it still is after all processes were stopped for $pause s" [ $agrees = yes ]
		check "$source: the guest's monotonic time counts them" [ "${said:-0}" -ge $((up + pause)) ]
	fi
	guest_says 'cat /sys/devices/system/clocksource/clocksource0/current_clocksource'
	# A kernel compares ACPI's timer with the PIT, and refuses it when the host was too busy for that.
	chosen=$said
	if [ "$chosen" != acpi_pm ] && [ "$source" = acpi_pm ] && guest_says 'dmesg | grep -c "PM-Timer running at invalid"' &&
		[ "$said" != 0 ]; then
		skip "$source: the clock source is $source" 'the guest found the host too busy to measure it'
	else
		check "$source: the clock source is $source" [ "$chosen" = "$source" ]
	fi
	check "$source: timers work" guest_says 'sleep 1; echo slept'
	type_in 'poweroff -f'
	wait_for_end "$machine" 20
	exec 9>&-
	check "$source: and it powers off, status 0" [ "$status" = 0 -a "$ended" = itself ]
done
done_testing
