#!/bin/sh
# ACPI: the guest switches the machine off; the user presses its power button, and a second press does not ask.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

says() { tr -d '\r' <"$scratch/words" | grep -aqE -- "$1"; }
ends_with() { [ "$status" = "$1" -a "$ended" = itself ]; }

shell_does 'poweroff -f'
check "poweroff: status 0" ends_with 0
check "poweroff: said so" says '^ring1: the guest powered off'
shell_does 'poweroff -f' --acpi=off
check "poweroff without ACPI: status 0, halted" ends_with 0
check "poweroff without ACPI: it is not called that" [ "$(grep -ac 'powered off' "$scratch/words")" = 0 ]

# Debian's button driver is a module; it counts the presses for us.
button=$(find build/guests/debian-686/modules -name button.ko)
{
	cat build/test/guests.list
	echo "file bin/button.ko 0644 $button"
} >"$scratch/list"
build/guests/mkinitramfs "$scratch/list" | gzip -1 >"$scratch/initrd"
initrd=$scratch/initrd

# A guest that powers off when the button is pressed.
# shellcheck disable=SC2016 # for the guest's shell
listen='insmod /bin/button.ko; b=/sys/firmware/acpi/interrupts/ff_pwr_btn; echo "list""ening"; while grep -q "^ *0 " $b; do :; done; poweroff -f'
for options in '' '--apic=off'; do
	# shellcheck disable=SC2086
	if start_machine $options; then
		type_in "$listen"
		check "power button ($options): the guest listens" appears listening "$scratch/console" 20
		sleep 0.5
		kill -s PWR "$machine"
		wait_for_end "$machine" 20
		exec 9>&-
		check "SIGPWR ($options): the guest hears the button and powers off" ends_with 0
		check "SIGPWR ($options): it was the guest" says '^ring1: the guest powered off'
		check "SIGPWR ($options): no hint that it does not listen" [ "$(grep -ac 'does not listen' "$scratch/words")" = 0 ]
		[ "$ended" = itself ] || show "$scratch/console"
	fi
done

$pty seconds=60 expect='type poweroff' send="$(printf '%s' "$listen" | sed 's/\\/\\\\/g')"'\r' expect=listening sleep=500 send='\001p' \
	-- "$ring1" run -k "$kernel" -i "$initrd" -a quiet >"$scratch/tty" 2>&1
check "Ctrl-A p: the guest powers off" grep -aq '^pty: exit 0' "$scratch/tty"
check "Ctrl-A p: said so" grep -aq 'ring1: the guest powered off' "$scratch/tty"

if start_machine; then
	kill -s PWR "$machine"
	check "a guest that does not listen: said so" appears 'does not listen' "$scratch/words" 5
	type_in 'echo $((6*7))x'
	check "a guest that does not listen: goes on" appears 42x "$scratch/console" 10
	kill -s PWR "$machine"
	wait_for_end "$machine" 5
	exec 9>&-
	check "second press: ends at once, status 0" ends_with 0
	check "second press: said so" says '^ring1: power cut by a second press'
fi
done_testing
