/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the APICs, the 8259A pair, the timers and the lines are wired together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/ports.h"
#include "tests/unit/test_device_pic_set_up.h"

#define SECOND   1000000000ull
#define BOOT     (7 * SECOND)
#define COM1     PLATFORM_UART_PORT
#define SPURIOUS 0xef

static void out(struct platform *platform, uint16_t port, uint8_t value, uint64_t now)
{
	platform_out(platform, port, 1, value, now);
}

static void put(struct platform *platform, uint32_t reg, uint32_t value)
{
	platform_mmio_write(platform, PLATFORM_LAPIC_PA + reg, 4, value, BOOT);
}

static uint32_t get(struct platform *platform, uint32_t reg)
{
	return platform_mmio_read(platform, PLATFORM_LAPIC_PA + reg, 4, BOOT);
}

static void route(struct platform *platform, unsigned pin, uint32_t low)
{
	uint32_t pa = PLATFORM_IOAPIC_PA;

	platform_mmio_write(platform, pa + IOAPIC_SELECT, 4, IOAPIC_REDIRECTION + 2 * pin, BOOT);
	platform_mmio_write(platform, pa + IOAPIC_WINDOW, 4, low, BOOT);
}

static uint32_t routed(struct platform *platform, unsigned pin, uint64_t now)
{
	uint32_t pa = PLATFORM_IOAPIC_PA;

	platform_mmio_write(platform, pa + IOAPIC_SELECT, 4, IOAPIC_REDIRECTION + 2 * pin, now);
	return platform_mmio_read(platform, pa + IOAPIC_WINDOW, 4, now);
}

static struct platform platform_with_pic(void)
{
	struct platform platform = {0};

	platform_reset(&platform, 0, 64ull << 20, BOOT);
	set_up_pic(&platform, BOOT);
	return platform;
}

static void enable_uart(struct platform *platform)
{
	out(platform, COM1 + UART_MCR, 0x08, BOOT); /* OUT2 */
	out(platform, COM1 + UART_IER, 0x01, BOOT);
}

/* As an OS in symmetric I/O mode: the 8259A pair masked, the local APIC enabled. */
static struct platform platform_with_apics(void)
{
	struct platform platform = platform_with_pic();

	out(&platform, 0x21, 0xff, BOOT);
	out(&platform, 0xa1, 0xff, BOOT);
	put(&platform, LAPIC_SVR, LAPIC_SVR_ENABLE | SPURIOUS);
	put(&platform, LAPIC_LVT_LINT0, LAPIC_LVT_MASKED);
	return platform;
}

static void start_timer(struct platform *platform, uint16_t count, uint64_t now)
{
	out(platform, 0x43, 0x34, now);
	out(platform, 0x40, (uint8_t)count, now);
	out(platform, 0x40, (uint8_t)(count >> 8), now);
}

static void type(struct platform *platform, uint64_t now)
{
	enable_uart(platform);
	uart_receive(&platform->uart, 'a', now);
	platform_update_irqs(platform, now);
}

static void pic_works_alone_while_nobody_enables_an_apic(void **state)
{
	struct platform platform = platform_with_pic();
	struct platform before = platform;

	(void)state;
	start_timer(&platform, 11932, BOOT);
	platform_update_irqs(&platform, BOOT + SECOND);
	type(&platform, BOOT + SECOND);
	assert_true(pic_intr(&platform.pic));
	assert_true(platform_intr(&platform));
	assert_int_equal(platform_acknowledge(&platform), 0x30);
	out(&platform, 0x20, 0x60, BOOT + SECOND);
	assert_true(platform_intr(&platform));
	assert_int_equal(platform_acknowledge(&platform), 0x34);
	assert_false(platform_intr(&platform));
	assert_int_equal(platform_acknowledge(&platform), 0x37); /* its spurious vector */
	assert_memory_equal(&platform.lapic, &before.lapic, sizeof(before.lapic));
}

static void masking_lint0_shuts_the_pic_out(void **state)
{
	struct platform platform = platform_with_pic();

	(void)state;
	put(&platform, LAPIC_SVR, LAPIC_SVR_ENABLE | SPURIOUS);
	type(&platform, BOOT);
	assert_true(platform_intr(&platform));
	put(&platform, LAPIC_LVT_LINT0, LAPIC_LVT_MASKED | LAPIC_MODE_EXTINT);
	assert_false(platform_intr(&platform));
	assert_int_equal(platform_acknowledge(&platform), SPURIOUS);
	put(&platform, LAPIC_LVT_LINT0, LAPIC_MODE_EXTINT);
	assert_true(platform_intr(&platform));
	assert_int_equal(platform_acknowledge(&platform), 0x34);
	assert_int_equal(get(&platform, LAPIC_ISR + 0x10), 0); /* no business of the APIC's */
}

static void pic_passes_through_pin_0_too(void **state)
{
	struct platform platform = platform_with_pic();

	(void)state;
	put(&platform, LAPIC_SVR, LAPIC_SVR_ENABLE | SPURIOUS);
	put(&platform, LAPIC_LVT_LINT0, LAPIC_LVT_MASKED);
	type(&platform, BOOT);
	assert_false(platform_intr(&platform));
	route(&platform, 0, IOAPIC_EXTINT);
	assert_true(platform_intr(&platform));
	assert_int_equal(platform_acknowledge(&platform), 0x34);
}

static void local_apic_goes_before_the_pic(void **state)
{
	struct platform platform = platform_with_pic();

	(void)state;
	put(&platform, LAPIC_SVR, LAPIC_SVR_ENABLE | SPURIOUS);
	type(&platform, BOOT);
	put(&platform, LAPIC_ICR_LOW, 0x40000 | 0x22); /* below every vector of the PIC */
	assert_int_equal(platform_acknowledge(&platform), 0x22);
	assert_int_equal(platform_acknowledge(&platform), 0x34);
}

static void timer_line_is_pin_2(void **state)
{
	struct platform platform = platform_with_apics();
	uint64_t deadline;

	(void)state;
	route(&platform, 0, 0x50);
	route(&platform, 2, 0x51);
	start_timer(&platform, 4772, BOOT);
	for (unsigned i = 0; i < 3; i++) {
		deadline = platform_next_deadline(&platform, BOOT);
		platform_update_irqs(&platform, deadline - 1);
		assert_false(platform_intr(&platform));
		platform_update_irqs(&platform, deadline);
		assert_int_equal(platform_acknowledge(&platform), 0x51);
		put(&platform, LAPIC_EOI, 0);
		assert_false(platform_intr(&platform));
	}
}

static void other_lines_are_the_pins_of_their_numbers(void **state)
{
	struct platform platform = platform_with_apics();

	(void)state;
	for (unsigned pin = 0; pin < 16; pin++)
		route(&platform, pin, 0x50 + pin);
	out(&platform, 0x64, 0x60, BOOT); /* keyboard interrupts on, then a byte from it */
	out(&platform, 0x60, 0x01, BOOT);
	out(&platform, 0x60, 0xf2, BOOT);
	assert_int_equal(platform_acknowledge(&platform), 0x51);
	put(&platform, LAPIC_EOI, 0);
	out(&platform, 0x64, 0x60, BOOT); /* the same of the AUX device */
	out(&platform, 0x60, 0x02, BOOT);
	out(&platform, 0x64, 0xd4, BOOT);
	out(&platform, 0x60, 0x55, BOOT);
	assert_int_equal(platform_acknowledge(&platform), 0x5c);
	put(&platform, LAPIC_EOI, 0);
	type(&platform, BOOT);
	assert_int_equal(platform_acknowledge(&platform), 0x54);
	put(&platform, LAPIC_EOI, 0);
	out(&platform, 0x70, RTC_B, BOOT);
	out(&platform, 0x71, RTC_B_24H | RTC_B_PERIODIC, BOOT);
	platform_update_irqs(&platform, BOOT + SECOND);
	assert_int_equal(platform_acknowledge(&platform), 0x58);
	put(&platform, LAPIC_EOI, 0);
	assert_false(platform_intr(&platform));
}

static void level_line_comes_again_until_the_device_is_served(void **state)
{
	struct platform platform = platform_with_apics();

	(void)state;
	route(&platform, 4, IOAPIC_LEVEL | 0x61);
	type(&platform, BOOT);
	assert_int_equal(platform_acknowledge(&platform), 0x61);
	assert_true(routed(&platform, 4, BOOT) & IOAPIC_REMOTE_IRR);
	put(&platform, LAPIC_EOI, 0); /* without reading the byte */
	assert_true(platform_intr(&platform));
	assert_int_equal(platform_acknowledge(&platform), 0x61);
	platform_in(&platform, COM1, 1, BOOT);
	put(&platform, LAPIC_EOI, 0);
	assert_false(platform_intr(&platform));
	assert_false(routed(&platform, 4, BOOT) & IOAPIC_REMOTE_IRR);
}

static void level_line_waits_for_a_disabled_apic(void **state)
{
	struct platform platform = platform_with_apics();

	(void)state;
	put(&platform, LAPIC_SVR, SPURIOUS);
	route(&platform, 4, IOAPIC_LEVEL | 0x61);
	type(&platform, BOOT);
	assert_false(platform_intr(&platform));
	put(&platform, LAPIC_SVR, LAPIC_SVR_ENABLE | SPURIOUS);
	platform_update_irqs(&platform, BOOT + SECOND);
	assert_int_equal(platform_acknowledge(&platform), 0x61);
}

static void messages_without_a_receiver_vanish(void **state)
{
	static const uint32_t modes[] = {2, 3, 5, 6, 7, 1, 0};
	struct platform platform = platform_with_apics();

	(void)state;
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		route(&platform, 2, modes[i] << 8 | 0x71);
		start_timer(&platform, 4772, BOOT + i * SECOND);
		platform_update_irqs(&platform, BOOT + (i + 1) * SECOND);
		assert_int_equal(platform_acknowledge(&platform), modes[i] < 2 ? 0x71 : SPURIOUS);
		put(&platform, LAPIC_EOI, 0);
	}
}

static void a_pin_can_send_an_nmi(void **state)
{
	struct platform platform = platform_with_apics();

	(void)state;
	route(&platform, 2, 0x400 | 0x71);
	start_timer(&platform, 4772, BOOT);
	assert_false(platform_nmi(&platform));
	platform_update_irqs(&platform, BOOT + SECOND);
	assert_true(platform_nmi(&platform));
	assert_false(platform_intr(&platform));
	platform_acknowledge_nmi(&platform);
	assert_false(platform_nmi(&platform));
}

/* nmi_watchdog=1 of Linux before 2.6.37: the tick goes to the handler by the IO-APIC, and to LINT0.
 */
static void each_tick_the_pics_let_through_is_an_nmi_at_lint0(void **state)
{
	static const struct {
		uint32_t lint0;
		uint8_t imr;
		bool nmi;
	} cases[] = {
	    {0x400, 0xfe, true},
	    {0x400, 0xff, false},
	    {0x400 | LAPIC_LVT_MASKED, 0xfe, false},
	    {LAPIC_MODE_EXTINT, 0xfe, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct platform platform = platform_with_apics();

		put(&platform, LAPIC_LVT_LINT0, cases[i].lint0);
		out(&platform, 0x21, cases[i].imr, BOOT);
		for (unsigned tick = 0; tick < 3; tick++) {
			start_timer(&platform, 4772, BOOT + tick * SECOND);
			platform_update_irqs(&platform, BOOT + (tick + 1) * SECOND);
			assert_int_equal(platform_nmi(&platform), cases[i].nmi);
			platform_acknowledge_nmi(&platform);
		}
	}
}

static void the_nmi_button_is_at_lint1(void **state)
{
	struct platform platform = platform_with_pic();

	(void)state;
	platform_press_nmi_button(&platform); /* as the BIOS left it, APIC disabled */
	assert_true(platform_nmi(&platform));
	platform_acknowledge_nmi(&platform);

	platform = platform_with_apics();
	put(&platform, LAPIC_LVT_LINT1, 0x400 | LAPIC_LVT_MASKED);
	platform_press_nmi_button(&platform);
	assert_false(platform_nmi(&platform));
	put(&platform, LAPIC_LVT_LINT1, 0x62);
	platform_press_nmi_button(&platform);
	assert_false(platform_nmi(&platform));
	assert_int_equal(platform_acknowledge(&platform), 0x62);
	put(&platform, LAPIC_LVT_LINT1, 0x400);
	platform_press_nmi_button(&platform);
	assert_true(platform_nmi(&platform));
	platform_acknowledge_nmi(&platform);

	lapic_set_global(&platform.lapic, false); /* the pin is the processor's own */
	platform_press_nmi_button(&platform);
	assert_true(platform_nmi(&platform));
	lapic_set_global(&platform.lapic, true);
	assert_true(platform_nmi(&platform));
}

static void local_timer_is_a_deadline_and_an_interrupt(void **state)
{
	struct platform platform = platform_with_apics();

	(void)state;
	platform.events = 0;
	put(&platform, LAPIC_LVT_TIMER, LAPIC_LVT_PERIODIC | 0xee);
	put(&platform, LAPIC_TIMER_DIVIDE, 0xb);
	put(&platform, LAPIC_TPR, 0);
	assert_int_equal(platform.events, 0);
	put(&platform, LAPIC_TIMER_INITIAL, 4000000);
	assert_int_equal(platform.events, PLATFORM_TIMER_CHANGED);
	assert_true(platform_next_deadline(&platform, BOOT) == BOOT + 4000000);
	platform_update_irqs(&platform, BOOT + 3999999);
	assert_false(platform_intr(&platform));
	platform_update_irqs(&platform, BOOT + 4000000);
	assert_int_equal(platform_acknowledge(&platform), 0xee);
	assert_true(platform_next_deadline(&platform, BOOT) == BOOT + 8000000);
	platform.events = PLATFORM_CONSOLE_ROOM;
	put(&platform, LAPIC_LVT_TIMER, LAPIC_LVT_MASKED);
	assert_int_equal(platform.events, PLATFORM_CONSOLE_ROOM | PLATFORM_TIMER_CHANGED);
	assert_true(platform_next_deadline(&platform, BOOT) == UINT64_MAX);
}

static void registers_show_lines_that_nobody_carried_over_yet(void **state)
{
	struct platform platform = platform_with_apics();
	uint64_t later = BOOT + SECOND;

	(void)state;
	route(&platform, 2, 0x51);
	route(&platform, 4, IOAPIC_LEVEL | 0x61);
	start_timer(&platform, 4772, BOOT);
	assert_int_equal(
	    platform_mmio_read(&platform, PLATFORM_LAPIC_PA + LAPIC_IRR + 0x20, 4, later), 0x20000);
	enable_uart(&platform);
	uart_receive(&platform.uart, 'a', BOOT);
	assert_true(routed(&platform, 4, later) & IOAPIC_REMOTE_IRR);
}

static void vmi_alarms_raise_their_wires(void **state)
{
	struct platform platform = platform_with_apics();

	(void)state;
	put(&platform, LAPIC_LVT_TIMER, 0x41);
	out(&platform, 0x21, 0xfe, BOOT);
	route(&platform, 2, 0x51);
	vmitimer_set(&platform.vmitimer, VMITIMER_REAL | VMITIMER_LVTT, 1000, 0);
	platform_update_vmitimer(&platform, 999);
	assert_false(platform_intr(&platform));
	platform_update_vmitimer(&platform, 1000);
	assert_int_equal(platform_acknowledge(&platform), 0x41);
	put(&platform, LAPIC_EOI, 0);
	assert_false(platform_intr(&platform));
	assert_false(pic_intr(&platform.pic));
	vmitimer_set(&platform.vmitimer, VMITIMER_AVAILABLE | VMITIMER_PERIODIC, 2000, 1000);
	for (uint64_t cycles = 2000; cycles < 5000; cycles += 1000) {
		platform_update_vmitimer(&platform, cycles);
		assert_int_equal(platform_acknowledge(&platform), 0x51);
		put(&platform, LAPIC_EOI, 0);
		assert_int_equal(pic_acknowledge(&platform.pic), 0x30);
		out(&platform, 0x20, 0x60, BOOT);
		assert_false(platform_intr(&platform));
		assert_false(pic_intr(&platform.pic));
	}
}

static void both_pages_are_decoded_and_no_other(void **state)
{
	struct platform platform = platform_with_apics();

	(void)state;
	assert_true(platform_is_mmio(&platform, 0xfee00000));
	assert_true(platform_is_mmio(&platform, 0xfee00fff));
	assert_true(platform_is_mmio(&platform, 0xfec00010));
	assert_false(platform_is_mmio(&platform, 0xfee01000));
	assert_false(platform_is_mmio(&platform, 0xfec01000));
	assert_false(platform_is_mmio(&platform, 0xfedfffff));
	assert_false(platform_is_mmio(&platform, 0));
	assert_int_equal(platform_mmio_read(&platform, 0xfee01030, 4, BOOT), UINT32_MAX);
	platform_mmio_write(&platform, 0xfee01080, 4, 0x50, BOOT);
	assert_int_equal(get(&platform, LAPIC_TPR), 0);
	assert_int_equal(platform_mmio_read(&platform, 0xfee00030, 4, BOOT), 0x00050014);
	platform_mmio_write(&platform, 0xfec00000, 4, 1, BOOT);
	assert_int_equal(platform_mmio_read(&platform, 0xfec00010, 4, BOOT), 0x00170011);
}

static void parts_of_a_register_are_read_and_never_written(void **state)
{
	struct platform platform = platform_with_apics();
	uint32_t version = PLATFORM_LAPIC_PA + LAPIC_VERSION;

	(void)state;
	assert_int_equal(platform_mmio_read(&platform, version, 1, BOOT), 0x14);
	assert_int_equal(platform_mmio_read(&platform, version + 2, 1, BOOT), 0x05);
	assert_int_equal(platform_mmio_read(&platform, version + 2, 2, BOOT), 0x0005);
	assert_int_equal(platform_mmio_read(&platform, version + 1, 2, BOOT), 0x0500);
	assert_int_equal(platform_mmio_read(&platform, version + 3, 2, BOOT), UINT32_MAX);
	assert_int_equal(platform_mmio_read(&platform, version + 1, 4, BOOT), UINT32_MAX);
	assert_int_equal(platform_mmio_read(&platform, version, 3, BOOT), UINT32_MAX);
	assert_int_equal(platform_mmio_read(&platform, version, 8, BOOT), UINT32_MAX);
	assert_int_equal(platform_mmio_read(&platform, version, 0, BOOT), UINT32_MAX);
	platform_mmio_write(&platform, PLATFORM_LAPIC_PA + LAPIC_TPR, 1, 0x20, BOOT);
	platform_mmio_write(&platform, PLATFORM_LAPIC_PA + LAPIC_TPR, 8, 0x20, BOOT);
	platform_mmio_write(&platform, PLATFORM_LAPIC_PA + LAPIC_TPR + 1, 4, 0x20, BOOT);
	assert_int_equal(get(&platform, LAPIC_TPR), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pic_works_alone_while_nobody_enables_an_apic),
	    cmocka_unit_test(masking_lint0_shuts_the_pic_out),
	    cmocka_unit_test(pic_passes_through_pin_0_too),
	    cmocka_unit_test(local_apic_goes_before_the_pic),
	    cmocka_unit_test(timer_line_is_pin_2),
	    cmocka_unit_test(other_lines_are_the_pins_of_their_numbers),
	    cmocka_unit_test(level_line_comes_again_until_the_device_is_served),
	    cmocka_unit_test(level_line_waits_for_a_disabled_apic),
	    cmocka_unit_test(messages_without_a_receiver_vanish),
	    cmocka_unit_test(a_pin_can_send_an_nmi),
	    cmocka_unit_test(each_tick_the_pics_let_through_is_an_nmi_at_lint0),
	    cmocka_unit_test(the_nmi_button_is_at_lint1),
	    cmocka_unit_test(local_timer_is_a_deadline_and_an_interrupt),
	    cmocka_unit_test(registers_show_lines_that_nobody_carried_over_yet),
	    cmocka_unit_test(vmi_alarms_raise_their_wires),
	    cmocka_unit_test(both_pages_are_decoded_and_no_other),
	    cmocka_unit_test(parts_of_a_register_are_read_and_never_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
