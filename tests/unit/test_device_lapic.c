/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The local APIC as a guest sees it, through its registers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/lapic.h"

#define BOOT     7000000000ull
#define SPURIOUS 0xef
#define NEVER    UINT64_MAX

#define ICR_SELF    0x40000u
#define ICR_ALL     0x80000u
#define ICR_OTHERS  0xc0000u
#define ICR_LOGICAL 0x800u

static struct lapic reset_lapic(void)
{
	struct lapic lapic;

	lapic_reset(&lapic);
	return lapic;
}

static void put(struct lapic *lapic, uint32_t offset, uint32_t value)
{
	assert_int_equal(lapic_write(lapic, offset, value, BOOT), LAPIC_NO_EOI);
}

static uint32_t get(struct lapic *lapic, uint32_t offset)
{
	return lapic_read(lapic, offset, BOOT);
}

/* As an OS has it: enabled, the PIC shut out. */
static struct lapic enabled_lapic(void)
{
	struct lapic lapic = reset_lapic();

	put(&lapic, LAPIC_SVR, LAPIC_SVR_ENABLE | SPURIOUS);
	put(&lapic, LAPIC_LVT_LINT0, LAPIC_LVT_MASKED);
	return lapic;
}

static uint32_t errors(struct lapic *lapic)
{
	put(lapic, LAPIC_ESR, 0);
	return get(lapic, LAPIC_ESR);
}

static bool bit_of(struct lapic *lapic, uint32_t set, unsigned vector)
{
	return get(lapic, set + vector / 32 * 16) >> vector % 32 & 1;
}

static void reset_state_is_what_the_manual_and_a_bios_leave(void **state)
{
	struct lapic lapic = reset_lapic();

	(void)state;
	assert_int_equal(get(&lapic, LAPIC_ID), 0);
	assert_int_equal(get(&lapic, LAPIC_VERSION), 0x00050014);
	assert_int_equal(get(&lapic, LAPIC_SVR), 0xff);
	assert_int_equal(get(&lapic, LAPIC_DFR), 0xffffffff);
	assert_int_equal(get(&lapic, LAPIC_LDR), 0);
	assert_int_equal(get(&lapic, LAPIC_TPR), 0);
	assert_int_equal(get(&lapic, LAPIC_LVT_TIMER), 0x10000);
	assert_int_equal(get(&lapic, LAPIC_LVT_THERMAL), 0x10000);
	assert_int_equal(get(&lapic, LAPIC_LVT_PERF), 0x10000);
	assert_int_equal(get(&lapic, LAPIC_LVT_LINT0), 0x700);
	assert_int_equal(get(&lapic, LAPIC_LVT_LINT1), 0x400);
	assert_int_equal(get(&lapic, LAPIC_LVT_ERROR), 0x10000);
	assert_int_equal(get(&lapic, LAPIC_TIMER_CURRENT), 0);
	assert_int_equal(errors(&lapic), 0);
	assert_false(lapic_intr(&lapic));
	assert_true(lapic_next_deadline(&lapic) == NEVER);
}

static void pic_passes_until_an_enabled_apic_masks_it(void **state)
{
	struct lapic lapic = reset_lapic();

	(void)state;
	assert_true(lapic_accepts_extint(&lapic));
	put(&lapic, LAPIC_SVR, LAPIC_SVR_ENABLE | SPURIOUS);
	assert_true(lapic_accepts_extint(&lapic)); /* LINT0 as the BIOS left it */
	put(&lapic, LAPIC_LVT_LINT0, LAPIC_LVT_MASKED | LAPIC_MODE_EXTINT);
	assert_false(lapic_accepts_extint(&lapic));
	put(&lapic, LAPIC_LVT_LINT0, 0x31); /* fixed: no ExtINT */
	assert_false(lapic_accepts_extint(&lapic));
	put(&lapic, LAPIC_LVT_LINT0, LAPIC_MODE_EXTINT);
	assert_true(lapic_accepts_extint(&lapic));
	put(&lapic, LAPIC_LVT_LINT0, LAPIC_LVT_MASKED);
	put(&lapic, LAPIC_SVR, SPURIOUS);
	assert_true(lapic_accepts_extint(&lapic));
}

static void disabling_masks_the_local_vectors_for_good(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	put(&lapic, LAPIC_LVT_TIMER, 0x31);
	put(&lapic, LAPIC_LVT_ERROR, 0x32);
	put(&lapic, LAPIC_SVR, SPURIOUS);
	for (uint32_t lvt = LAPIC_LVT_TIMER; lvt <= LAPIC_LVT_ERROR; lvt += 16)
		assert_true(get(&lapic, lvt) & LAPIC_LVT_MASKED);
	assert_int_equal(get(&lapic, LAPIC_LVT_ERROR), 0x10032);
	put(&lapic, LAPIC_LVT_TIMER, 0x33);
	assert_int_equal(get(&lapic, LAPIC_LVT_TIMER), 0x10033);
	put(&lapic, LAPIC_SVR, LAPIC_SVR_ENABLE | SPURIOUS);
	assert_int_equal(get(&lapic, LAPIC_LVT_TIMER), 0x10033);
	put(&lapic, LAPIC_SVR, LAPIC_SVR_ENABLE | 0x55); /* stays enabled: masks nothing */
	put(&lapic, LAPIC_LVT_TIMER, 0x33);
	put(&lapic, LAPIC_SVR, LAPIC_SVR_ENABLE | SPURIOUS);
	assert_int_equal(get(&lapic, LAPIC_LVT_TIMER), 0x33);
}

static void disabled_apic_accepts_nothing_and_keeps_what_it_has(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	assert_true(lapic_receive(&lapic, 0x41, false));
	put(&lapic, LAPIC_SVR, SPURIOUS);
	assert_false(lapic_receive(&lapic, 0x51, false));
	assert_false(lapic_receive(&lapic, 0x05, true));
	put(&lapic, LAPIC_ICR_LOW, ICR_SELF | 0x61);
	assert_false(bit_of(&lapic, LAPIC_IRR, 0x51));
	assert_false(bit_of(&lapic, LAPIC_IRR, 0x61));
	assert_int_equal(lapic_acknowledge(&lapic), 0x41);
	assert_int_equal(errors(&lapic), 0);
}

static void global_switch_takes_the_apic_off_the_bus_and_resets_it(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	lapic_receive(&lapic, 0x41, false);
	lapic_set_global(&lapic, true); /* no change */
	assert_true(lapic_intr(&lapic));
	lapic_set_global(&lapic, false);
	assert_false(lapic_intr(&lapic));
	assert_true(lapic_accepts_extint(&lapic));
	assert_int_equal(get(&lapic, LAPIC_VERSION), 0xffffffff);
	put(&lapic, LAPIC_SVR, LAPIC_SVR_ENABLE | SPURIOUS);
	put(&lapic, LAPIC_LVT_LINT0, LAPIC_LVT_MASKED);
	assert_false(lapic_receive(&lapic, 0x41, false));
	assert_true(lapic_accepts_extint(&lapic));
	lapic_set_global(&lapic, true);
	assert_int_equal(get(&lapic, LAPIC_SVR), 0xff);
	assert_int_equal(get(&lapic, LAPIC_LVT_LINT0), 0x700);
}

static void every_legal_vector_is_delivered_once(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	for (int vector = 16; vector < 256; vector++) {
		assert_true(lapic_receive(&lapic, (uint8_t)vector, false));
		assert_true(bit_of(&lapic, LAPIC_IRR, (unsigned)vector));
		assert_true(lapic_intr(&lapic));
		assert_int_equal(lapic_acknowledge(&lapic), vector);
		assert_false(bit_of(&lapic, LAPIC_IRR, (unsigned)vector));
		assert_true(bit_of(&lapic, LAPIC_ISR, (unsigned)vector));
		assert_false(lapic_intr(&lapic));
		put(&lapic, LAPIC_EOI, 0);
		assert_false(bit_of(&lapic, LAPIC_ISR, (unsigned)vector));
	}
}

static void illegal_vector_is_an_error_and_no_interrupt(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	for (unsigned vector = 0; vector < 16; vector++) {
		assert_true(lapic_receive(&lapic, (uint8_t)vector, false));
		assert_int_equal(get(&lapic, LAPIC_IRR), 0);
		assert_false(lapic_intr(&lapic));
		assert_int_equal(errors(&lapic), LAPIC_ESR_RECV_VECTOR);
	}
}

static void only_a_higher_class_interrupts_a_handler(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	lapic_receive(&lapic, 0x45, false);
	assert_int_equal(lapic_acknowledge(&lapic), 0x45);
	assert_int_equal(get(&lapic, LAPIC_PPR), 0x40);
	lapic_receive(&lapic, 0x4f, false);
	lapic_receive(&lapic, 0x3f, false);
	assert_false(lapic_intr(&lapic));
	lapic_receive(&lapic, 0x50, false);
	assert_true(lapic_intr(&lapic));
	assert_int_equal(lapic_acknowledge(&lapic), 0x50);
	put(&lapic, LAPIC_EOI, 0); /* ends 0x50, the highest */
	assert_false(bit_of(&lapic, LAPIC_ISR, 0x50));
	assert_true(bit_of(&lapic, LAPIC_ISR, 0x45));
	assert_false(lapic_intr(&lapic));
	put(&lapic, LAPIC_EOI, 0);
	assert_true(lapic_intr(&lapic));
	assert_int_equal(lapic_acknowledge(&lapic), 0x4f);
	put(&lapic, LAPIC_EOI, 0);
	assert_int_equal(lapic_acknowledge(&lapic), 0x3f);
}

static void vector_in_service_can_be_requested_again(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	lapic_receive(&lapic, 0x45, false);
	lapic_acknowledge(&lapic);
	lapic_receive(&lapic, 0x45, false);
	lapic_receive(&lapic, 0x45, false);
	assert_false(lapic_intr(&lapic));
	put(&lapic, LAPIC_EOI, 0);
	assert_int_equal(lapic_acknowledge(&lapic), 0x45);
	put(&lapic, LAPIC_EOI, 0);
	assert_false(lapic_intr(&lapic));
}

static void task_priority_holds_back_its_class_and_below(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	put(&lapic, LAPIC_TPR, 0x4a);
	assert_int_equal(get(&lapic, LAPIC_TPR), 0x4a);
	assert_int_equal(get(&lapic, LAPIC_PPR), 0x4a);
	lapic_receive(&lapic, 0x4f, false);
	assert_false(lapic_intr(&lapic));
	put(&lapic, LAPIC_TPR, 0x3f);
	assert_true(lapic_intr(&lapic));
	assert_int_equal(lapic_acknowledge(&lapic), 0x4f);
	assert_int_equal(get(&lapic, LAPIC_PPR), 0x40);
	put(&lapic, LAPIC_TPR, 0xff);
	lapic_receive(&lapic, 0xff, false);
	assert_false(lapic_intr(&lapic));
	put(&lapic, LAPIC_TPR, 0x45); /* equal classes: the whole TPR */
	assert_int_equal(get(&lapic, LAPIC_PPR), 0x45);
}

static void withdrawn_interrupt_is_acknowledged_as_spurious(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	assert_int_equal(lapic_acknowledge(&lapic), SPURIOUS);
	lapic_receive(&lapic, 0x41, false);
	put(&lapic, LAPIC_TPR, 0x40);
	assert_int_equal(lapic_acknowledge(&lapic), SPURIOUS);
	assert_int_equal(get(&lapic, LAPIC_ISR + 0x70), 0);
	put(&lapic, LAPIC_EOI, 0); /* of nothing */
	lapic.output = 1;          /* in memory that the guest may overwrite */
	lapic_acknowledge(&lapic);
	assert_false(lapic_intr(&lapic));
	put(&lapic, LAPIC_TPR, 0);
	assert_int_equal(lapic_acknowledge(&lapic), 0x41);
}

static void arbitration_priority_follows_the_manual(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	put(&lapic, LAPIC_TPR, 0x35);
	assert_int_equal(get(&lapic, LAPIC_APR), 0x35);
	lapic_receive(&lapic, 0x61, false);
	assert_int_equal(get(&lapic, LAPIC_APR), 0x60);
	put(&lapic, LAPIC_TPR, 0x65); /* the classes are equal, nothing is in service */
	assert_int_equal(get(&lapic, LAPIC_APR), 0x65);
	put(&lapic, LAPIC_TPR, 0x35);
	lapic_acknowledge(&lapic); /* in service 0x61: 0x35 & 0x60 */
	assert_int_equal(get(&lapic, LAPIC_APR), 0x20);
	put(&lapic, LAPIC_TPR, 0x65); /* as in service: its lower half does not count */
	assert_int_equal(get(&lapic, LAPIC_APR), 0x60);
	put(&lapic, LAPIC_TPR, 0x71);
	assert_int_equal(get(&lapic, LAPIC_APR), 0x71);
}

static void end_of_a_level_interrupt_is_for_the_ioapic(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	lapic_receive(&lapic, 0x71, true);
	lapic_receive(&lapic, 0x81, false);
	assert_true(bit_of(&lapic, LAPIC_TMR, 0x71));
	assert_false(bit_of(&lapic, LAPIC_TMR, 0x81));
	assert_int_equal(lapic_acknowledge(&lapic), 0x81);
	assert_int_equal(lapic_write(&lapic, LAPIC_EOI, 0, BOOT), LAPIC_NO_EOI);
	assert_int_equal(lapic_acknowledge(&lapic), 0x71);
	assert_int_equal(lapic_write(&lapic, LAPIC_EOI, 0, BOOT), 0x71);
	lapic_receive(&lapic, 0x71, false); /* an edge of the same vector now */
	lapic_acknowledge(&lapic);
	assert_int_equal(lapic_write(&lapic, LAPIC_EOI, 0, BOOT), LAPIC_NO_EOI);
}

static void self_ipi_is_immediate(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	put(&lapic, LAPIC_ICR_LOW, ICR_SELF | 0xfd);
	assert_true(lapic_intr(&lapic));
	assert_int_equal(lapic_acknowledge(&lapic), 0xfd);
	put(&lapic, LAPIC_EOI, 0);
	put(&lapic, LAPIC_ICR_LOW, ICR_ALL | 0x100 | 0xfc);
	assert_int_equal(lapic_acknowledge(&lapic), 0xfc);
	put(&lapic, LAPIC_EOI, 0);
	put(&lapic, LAPIC_ICR_LOW, ICR_OTHERS | 0xfb);
	assert_false(lapic_intr(&lapic));
	assert_int_equal(get(&lapic, LAPIC_ICR_LOW), ICR_OTHERS | 0xfb);
}

struct destination {
	uint32_t id, ldr, dfr, mode, to;
	bool us;
};

static void ipi_reaches_us_by_our_address_only(void **state)
{
	static const struct destination cases[] = {
	    {0, 0, 0xffffffff, 0, 0, true},
	    {0, 0, 0xffffffff, 0, 1, false},
	    {3, 0, 0xffffffff, 0, 3, true},
	    {3, 0, 0xffffffff, 0, 0, false},
	    {3, 0, 0xffffffff, 0, 0xff, true},
	    {0, 0x02, 0xffffffff, ICR_LOGICAL, 0x06, true},
	    {0, 0x02, 0xffffffff, ICR_LOGICAL, 0x05, false},
	    {0, 0x82, 0xffffffff, ICR_LOGICAL, 0x80, true},
	    {0, 0x82, 0xffffffff, ICR_LOGICAL, 0xff, true},
	    {0, 0x12, 0x0fffffff, ICR_LOGICAL, 0x12, true},
	    {0, 0x12, 0x0fffffff, ICR_LOGICAL, 0x22, false},
	    {0, 0x12, 0x0fffffff, ICR_LOGICAL, 0x11, false},
	    {0, 0x12, 0x0fffffff, ICR_LOGICAL, 0xf2, true},
	    {0, 0x12, 0x0fffffff, ICR_LOGICAL, 0xf1, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lapic lapic = enabled_lapic();

		put(&lapic, LAPIC_ID, cases[i].id << 24);
		put(&lapic, LAPIC_LDR, cases[i].ldr << 24);
		put(&lapic, LAPIC_DFR, cases[i].dfr);
		put(&lapic, LAPIC_ICR_HIGH, cases[i].to << 24);
		put(&lapic, LAPIC_ICR_LOW, cases[i].mode | 0x55);
		assert_int_equal(lapic_intr(&lapic), cases[i].us);
	}
}

static void other_ipis_vanish(void **state)
{
	static const uint32_t modes[] = {0x200, 0x500, 0x600, 0x700, 0x300};
	struct lapic lapic = enabled_lapic();
	struct lapic before = lapic;

	(void)state;
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		put(&lapic, LAPIC_ICR_LOW, ICR_ALL | modes[i] | 0x4000 | 0x41);
		put(&lapic, LAPIC_ICR_LOW, modes[i]); /* a start-up at page 0 has no vector */
	}
	assert_false(lapic_intr(&lapic));
	assert_int_equal(errors(&lapic), 0);
	put(&lapic, LAPIC_ICR_LOW, 0);
	lapic.errors = 0;
	assert_memory_equal(&lapic, &before, sizeof(lapic));
}

static void nmi_to_this_processor_is_taken_whatever_its_vector(void **state)
{
	static const struct {
		uint32_t high, low;
		bool us;
	} cases[] = {
	    {0, 0x400, true},           {0xff000000, 0x4402, true},
	    {0x01000000, 0x400, false}, {0, ICR_SELF | 0x400, true},
	    {0, ICR_ALL | 0x400, true}, {0, ICR_OTHERS | 0x400, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lapic lapic = reset_lapic(); /* disabled by software: no matter */

		put(&lapic, LAPIC_ICR_HIGH, cases[i].high);
		put(&lapic, LAPIC_ICR_LOW, cases[i].low);
		assert_int_equal(lapic.nmi, cases[i].us);
		assert_false(lapic_intr(&lapic));
		assert_int_equal(errors(&lapic), 0);
	}
}

static void illegal_ipi_is_an_error_of_sender_and_receiver(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	put(&lapic, LAPIC_ICR_LOW, ICR_OTHERS | 0x0f);
	assert_int_equal(errors(&lapic), LAPIC_ESR_SEND_VECTOR);
	put(&lapic, LAPIC_ICR_LOW, ICR_SELF | 0x0f);
	assert_int_equal(errors(&lapic), LAPIC_ESR_SEND_VECTOR | LAPIC_ESR_RECV_VECTOR);
	put(&lapic, LAPIC_ICR_LOW, ICR_SELF | 0x10);
	assert_int_equal(errors(&lapic), 0);
}

static void esr_shows_what_happened_up_to_its_last_write(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	lapic_receive(&lapic, 1, false);
	assert_int_equal(get(&lapic, LAPIC_ESR), 0);
	put(&lapic, LAPIC_ESR, 0);
	assert_int_equal(get(&lapic, LAPIC_ESR), LAPIC_ESR_RECV_VECTOR);
	assert_int_equal(get(&lapic, LAPIC_ESR), LAPIC_ESR_RECV_VECTOR);
	put(&lapic, LAPIC_ESR, 0);
	assert_int_equal(get(&lapic, LAPIC_ESR), 0);
}

static void errors_interrupt_once_until_esr_is_written(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	put(&lapic, LAPIC_LVT_ERROR, 0xfe);
	lapic_receive(&lapic, 1, false);
	assert_int_equal(lapic_acknowledge(&lapic), 0xfe);
	put(&lapic, LAPIC_EOI, 0);
	put(&lapic, LAPIC_ICR_LOW, ICR_OTHERS);
	assert_false(lapic_intr(&lapic));
	put(&lapic, LAPIC_ESR, 0);
	put(&lapic, LAPIC_ICR_LOW, ICR_OTHERS);
	assert_true(lapic_intr(&lapic));
	put(&lapic, LAPIC_ESR, 0);
	put(&lapic, LAPIC_LVT_ERROR, 0x0e); /* illegal itself: an error, no recursion */
	put(&lapic, LAPIC_ICR_LOW, ICR_OTHERS);
	assert_int_equal(errors(&lapic), LAPIC_ESR_SEND_VECTOR | LAPIC_ESR_RECV_VECTOR);
}

static bool reserved(uint32_t offset)
{
	if (offset & 15)
		return true;
	return offset < 0x20 || (offset >= 0x40 && offset < 0x80) ||
	       (offset >= 0x290 && offset < 0x300) || (offset >= 0x3a0 && offset < 0x3e0) ||
	       offset >= 0x3f0;
}

static void reserved_registers_read_zero_and_are_errors(void **state)
{
	(void)state;
	for (uint32_t offset = 0; offset < 0x1000; offset += 4) {
		struct lapic lapic = enabled_lapic();
		uint32_t expected = reserved(offset) ? LAPIC_ESR_REGISTER : 0;
		uint32_t value = get(&lapic, offset);

		if (expected)
			assert_int_equal(value, 0);
		assert_int_equal(errors(&lapic), expected);
		lapic_write(&lapic, offset, 0x11, BOOT);
		assert_int_equal(errors(&lapic), expected);
	}
}

static void registers_keep_what_the_manual_lets_them(void **state)
{
	static const uint32_t writable[][2] = {
	    {LAPIC_ID, 0xff000000},
	    {LAPIC_VERSION, 0x00050014},
	    {LAPIC_TPR, 0xff},
	    {LAPIC_EOI, 0},
	    {LAPIC_LDR, 0xff000000},
	    {LAPIC_DFR, 0xffffffff},
	    {LAPIC_SVR, 0x3ff},
	    {LAPIC_ISR, 0},
	    {LAPIC_TMR, 0},
	    {LAPIC_IRR, 0},
	    {LAPIC_ICR_LOW, 0xccfff},
	    {LAPIC_ICR_HIGH, 0xff000000},
	    {LAPIC_LVT_TIMER, 0x700ff},
	    {LAPIC_LVT_THERMAL, 0x107ff},
	    {LAPIC_LVT_PERF, 0x107ff},
	    {LAPIC_LVT_LINT0, 0x1a7ff},
	    {LAPIC_LVT_LINT1, 0x1a7ff},
	    {LAPIC_LVT_ERROR, 0x100ff},
	    {LAPIC_TIMER_CURRENT, 0},
	    {LAPIC_TIMER_INITIAL, 0xffffffff},
	    {LAPIC_TIMER_DIVIDE, 0x0b},
	    {LAPIC_REMOTE_READ, 0},
	};
	struct lapic lapic = enabled_lapic();

	(void)state;
	for (unsigned i = 0; i < sizeof(writable) / sizeof(writable[0]); i++) {
		put(&lapic, writable[i][0], 0xffffffff);
		assert_int_equal(get(&lapic, writable[i][0]), writable[i][1]);
	}
	put(&lapic, LAPIC_DFR, 0);
	assert_int_equal(get(&lapic, LAPIC_DFR), 0x0fffffff);
	put(&lapic, 0xfee00000u | LAPIC_ID, 0x12000000); /* an address will do */
	assert_int_equal(get(&lapic, 0xfee00000u | LAPIC_ID), 0x12000000);
	assert_int_equal(get(&lapic, LAPIC_ID), 0x12000000);
	assert_int_equal(errors(&lapic), 0);
}

/* ---- timer ---- */

static struct lapic timed_lapic(uint32_t lvt, uint32_t divide, uint32_t initial)
{
	struct lapic lapic = enabled_lapic();

	put(&lapic, LAPIC_LVT_TIMER, lvt);
	put(&lapic, LAPIC_TIMER_DIVIDE, divide);
	put(&lapic, LAPIC_TIMER_INITIAL, initial);
	return lapic;
}

static void timer_counts_at_the_divided_rate(void **state)
{
	static const uint32_t divide[][2] = {{0x0, 2},  {0x1, 4},  {0x2, 8},   {0x3, 16},
	                                     {0x8, 32}, {0x9, 64}, {0xa, 128}, {0xb, 1}};

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		uint32_t n = divide[i][1];
		struct lapic lapic = timed_lapic(0x31, divide[i][0], 1000);

		assert_true(lapic_next_deadline(&lapic) == BOOT + 1000 * n);
		assert_int_equal(lapic_read(&lapic, LAPIC_TIMER_CURRENT, BOOT), 1000);
		assert_int_equal(lapic_read(&lapic, LAPIC_TIMER_CURRENT, BOOT + n - 1), 1000);
		assert_int_equal(lapic_read(&lapic, LAPIC_TIMER_CURRENT, BOOT + n), 999);
		assert_int_equal(lapic_read(&lapic, LAPIC_TIMER_CURRENT, BOOT + 1000 * n - 1), 1);
		assert_false(lapic_intr(&lapic));
		assert_int_equal(lapic_read(&lapic, LAPIC_TIMER_CURRENT, BOOT + 1000 * n), 0);
		assert_true(lapic_intr(&lapic));
	}
}

static void one_shot_fires_once_at_its_deadline(void **state)
{
	struct lapic lapic = timed_lapic(0x31, 0xb, 5000);

	(void)state;
	lapic_update(&lapic, BOOT + 4999);
	assert_false(lapic_intr(&lapic));
	lapic_update(&lapic, BOOT + 5000);
	assert_int_equal(lapic_acknowledge(&lapic), 0x31);
	put(&lapic, LAPIC_EOI, 0);
	assert_true(lapic_next_deadline(&lapic) == NEVER);
	lapic_update(&lapic, BOOT + 100000);
	assert_false(lapic_intr(&lapic));
	assert_int_equal(lapic_read(&lapic, LAPIC_TIMER_INITIAL, BOOT + 100000), 5000);
}

static void periodic_timer_neither_drifts_nor_piles_up(void **state)
{
	struct lapic lapic = timed_lapic(LAPIC_LVT_PERIODIC | 0x31, 0x3, 62500); /* 1 ms */
	uint64_t ms = 1000000;

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		assert_true(lapic_next_deadline(&lapic) == BOOT + i * ms);
		lapic_update(&lapic, BOOT + i * ms + i * 17);
		assert_int_equal(lapic_acknowledge(&lapic), 0x31);
		assert_int_equal(lapic_write(&lapic, LAPIC_EOI, 0, BOOT), LAPIC_NO_EOI);
	}
	lapic_update(&lapic, BOOT + 100 * ms + ms / 2);
	assert_int_equal(lapic_acknowledge(&lapic), 0x31);
	put(&lapic, LAPIC_EOI, 0);
	assert_false(lapic_intr(&lapic));
	assert_true(lapic_next_deadline(&lapic) == BOOT + 101 * ms);
	assert_int_equal(lapic_read(&lapic, LAPIC_TIMER_CURRENT, BOOT + 100 * ms + ms / 2), 31250);
}

/* A period of a few ns would leave the processor no time for anything else. */
static void tiny_period_is_drawn_out(void **state)
{
	static const uint32_t tiny[] = {1, 2, 1000, LAPIC_SHORTEST_PERIOD - 1};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct lapic lapic = timed_lapic(LAPIC_LVT_PERIODIC | 0x31, 0xb, tiny[i]);
		uint64_t now = BOOT + tiny[i];

		assert_true(lapic_next_deadline(&lapic) == now);
		for (unsigned n = 0; n < 3; n++) {
			lapic_update(&lapic, now);
			assert_int_equal(lapic_acknowledge(&lapic), 0x31);
			put(&lapic, LAPIC_EOI, 0);
			assert_true(lapic_next_deadline(&lapic) == now + LAPIC_SHORTEST_PERIOD);
			assert_int_equal(lapic_read(&lapic, LAPIC_TIMER_CURRENT, now), tiny[i]);
			now += LAPIC_SHORTEST_PERIOD;
		}
		assert_int_equal(get(&lapic, LAPIC_TIMER_INITIAL), tiny[i]);
	}
	/* also with a divider, where the same time is fewer ticks */
	struct lapic lapic = timed_lapic(LAPIC_LVT_PERIODIC | 0x31, 0xa, 1);

	lapic_update(&lapic, BOOT + 128);
	assert_true(lapic_next_deadline(&lapic) >= BOOT + 128 + LAPIC_SHORTEST_PERIOD - 128);
}

static void tsc_deadline_fires_once(void **state)
{
	struct lapic lapic = timed_lapic(LAPIC_LVT_DEADLINE | 0x31, 0xb, 5000);

	(void)state;
	/* the initial count means nothing in this mode */
	assert_true(lapic_next_deadline(&lapic) == NEVER);
	assert_int_equal(get(&lapic, LAPIC_TIMER_CURRENT), 0);
	lapic_set_tsc_deadline(&lapic, 123456, BOOT + 700);
	assert_true(lapic_next_deadline(&lapic) == BOOT + 700);
	assert_true(lapic_tsc_deadline(&lapic) == 123456);
	lapic_update(&lapic, BOOT + 699);
	assert_false(lapic_intr(&lapic));
	lapic_update(&lapic, BOOT + 700);
	assert_int_equal(lapic_acknowledge(&lapic), 0x31);
	put(&lapic, LAPIC_EOI, 0);
	assert_true(lapic_tsc_deadline(&lapic) == 0);
	assert_true(lapic_next_deadline(&lapic) == NEVER);
	lapic_set_tsc_deadline(&lapic, 200000, BOOT + 900);
	lapic_set_tsc_deadline(&lapic, 0, 0); /* disarms */
	lapic_update(&lapic, BOOT + 10000);
	assert_false(lapic_intr(&lapic));
}

static void changing_the_timers_mode_disarms_it(void **state)
{
	struct lapic lapic = timed_lapic(LAPIC_LVT_DEADLINE | 0x31, 0xb, 0);

	(void)state;
	lapic_set_tsc_deadline(&lapic, 123456, BOOT + 700);
	put(&lapic, LAPIC_LVT_TIMER, 0x31);
	assert_true(lapic_next_deadline(&lapic) == NEVER);
	lapic_set_tsc_deadline(&lapic, 123456, BOOT + 700); /* not in this mode */
	assert_true(lapic_tsc_deadline(&lapic) == 0);
	assert_true(lapic_next_deadline(&lapic) == NEVER);
	put(&lapic, LAPIC_TIMER_INITIAL, 5000);
	put(&lapic, LAPIC_LVT_TIMER, LAPIC_LVT_DEADLINE | 0x31);
	assert_true(lapic_next_deadline(&lapic) == NEVER);
	lapic_update(&lapic, BOOT + 10000);
	assert_false(lapic_intr(&lapic));
}

static void masked_tsc_deadline_passes_unnoticed(void **state)
{
	struct lapic lapic = timed_lapic(LAPIC_LVT_DEADLINE | LAPIC_LVT_MASKED | 0x31, 0xb, 0);

	(void)state;
	lapic_set_tsc_deadline(&lapic, 123456, BOOT + 700);
	assert_true(lapic_next_deadline(&lapic) == NEVER);
	lapic_update(&lapic, BOOT + 700);
	assert_true(lapic_tsc_deadline(&lapic) == 0);
	put(&lapic, LAPIC_LVT_TIMER, LAPIC_LVT_DEADLINE | 0x31);
	assert_false(lapic_intr(&lapic));
}

/* What the guest is then allowed to end in memory (core/late_eoi.h). */
static void end_may_wait_only_for_a_lone_edge(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	assert_false(lapic_eoi_may_wait(&lapic)); /* nothing is in service */
	(void)lapic_receive(&lapic, 0x41, false);
	assert_false(lapic_eoi_may_wait(&lapic));
	(void)lapic_acknowledge(&lapic);
	assert_true(lapic_eoi_may_wait(&lapic));
	(void)lapic_receive(&lapic, 0x31, false); /* waits for the end of 0x41 */
	assert_false(lapic_eoi_may_wait(&lapic));
	put(&lapic, LAPIC_EOI, 0);
	(void)lapic_acknowledge(&lapic);
	assert_true(lapic_eoi_may_wait(&lapic));
	(void)lapic_receive(&lapic, 0x81, false);
	(void)lapic_acknowledge(&lapic); /* nested */
	assert_false(lapic_eoi_may_wait(&lapic));
	put(&lapic, LAPIC_EOI, 0);
	put(&lapic, LAPIC_EOI, 0);
	(void)lapic_receive(&lapic, 0x51, true);
	(void)lapic_acknowledge(&lapic); /* the IO-APIC has to hear of it */
	assert_false(lapic_eoi_may_wait(&lapic));
}

static void masked_timer_counts_but_is_never_due(void **state)
{
	struct lapic lapic = timed_lapic(LAPIC_LVT_MASKED | 0x31, 0xb, 5000);

	(void)state;
	assert_true(lapic_next_deadline(&lapic) == NEVER);
	assert_int_equal(lapic_read(&lapic, LAPIC_TIMER_CURRENT, BOOT + 1000), 4000);
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x31, BOOT + 6000); /* its expiry is over */
	assert_false(lapic_intr(&lapic));
	lapic = timed_lapic(LAPIC_LVT_MASKED | 0x31, 0xb, 5000);
	lapic_write(&lapic, LAPIC_LVT_TIMER, 0x31, BOOT + 4000);
	assert_true(lapic_next_deadline(&lapic) == BOOT + 5000);
}

static void zero_stops_the_timer(void **state)
{
	struct lapic lapic = timed_lapic(LAPIC_LVT_PERIODIC | 0x31, 0xb, 5000);

	(void)state;
	lapic_write(&lapic, LAPIC_TIMER_INITIAL, 0, BOOT + 100);
	assert_true(lapic_next_deadline(&lapic) == NEVER);
	lapic_update(&lapic, BOOT + 10000);
	assert_false(lapic_intr(&lapic));
}

static void expiry_before_a_reprogramming_is_not_lost(void **state)
{
	struct lapic lapic = timed_lapic(0x31, 0xb, 5000);

	(void)state;
	lapic_write(&lapic, LAPIC_TIMER_INITIAL, 9000, BOOT + 5000);
	assert_int_equal(lapic_acknowledge(&lapic), 0x31);
	assert_true(lapic_next_deadline(&lapic) == BOOT + 14000);
	lapic_write(&lapic, LAPIC_TIMER_INITIAL, 3000, BOOT + 6000); /* before its time: replaced */
	assert_true(lapic_next_deadline(&lapic) == BOOT + 9000);
}

static void changed_divider_applies_to_the_rest_of_the_count(void **state)
{
	struct lapic lapic = timed_lapic(0x31, 0xb, 500000);

	(void)state;
	lapic_write(&lapic, LAPIC_TIMER_DIVIDE, 0x0, BOOT + 100000);
	assert_int_equal(lapic_read(&lapic, LAPIC_TIMER_CURRENT, BOOT + 100000), 400000);
	assert_true(lapic_next_deadline(&lapic) == BOOT + 100000 + 800000);
	lapic_write(&lapic, LAPIC_LVT_TIMER, LAPIC_LVT_PERIODIC | 0x31, BOOT + 100000);
	lapic_update(&lapic, BOOT + 900000);
	assert_true(lapic_next_deadline(&lapic) ==
	            BOOT + 900000 + 1000000); /* then the whole again */
}

static void changed_mode_applies_at_the_expiry(void **state)
{
	struct lapic lapic = timed_lapic(0x31, 0xb, 500000);

	(void)state;
	lapic_write(&lapic, LAPIC_LVT_TIMER, LAPIC_LVT_PERIODIC | 0x32, BOOT + 100000);
	lapic_update(&lapic, BOOT + 500000);
	assert_int_equal(lapic_acknowledge(&lapic), 0x32);
	assert_true(lapic_next_deadline(&lapic) == BOOT + 1000000);
}

static void timer_of_a_disabled_apic_is_silent(void **state)
{
	struct lapic lapic = timed_lapic(0x31, 0xb, 5000);

	(void)state;
	put(&lapic, LAPIC_SVR, SPURIOUS);
	assert_true(lapic_next_deadline(&lapic) == NEVER);
	lapic_update(&lapic, BOOT + 6000);
	assert_false(lapic_intr(&lapic));
}

static void timer_with_an_illegal_vector_is_an_error(void **state)
{
	struct lapic lapic = timed_lapic(0x0f, 0xb, 5000);

	(void)state;
	lapic_update(&lapic, BOOT + 5000);
	assert_false(lapic_intr(&lapic));
	assert_int_equal(errors(&lapic), LAPIC_ESR_RECV_VECTOR);
}

static void outer_timer_uses_the_timer_vector_and_its_mask(void **state)
{
	struct lapic lapic = enabled_lapic();

	(void)state;
	put(&lapic, LAPIC_LVT_TIMER, LAPIC_LVT_MASKED | 0x41);
	lapic_raise_timer(&lapic);
	assert_false(lapic_intr(&lapic));
	put(&lapic, LAPIC_LVT_TIMER, 0x41);
	assert_false(lapic_intr(&lapic));
	lapic_raise_timer(&lapic);
	assert_int_equal(lapic_acknowledge(&lapic), 0x41);
}

static void time_going_back_and_far_ahead_is_survived(void **state)
{
	struct lapic lapic = timed_lapic(LAPIC_LVT_PERIODIC | 0x31, 0xa, 0xffffffff);

	(void)state;
	lapic_update(&lapic, 0);
	assert_int_equal(lapic_read(&lapic, LAPIC_TIMER_CURRENT, 0), 0xffffffff);
	assert_false(lapic_intr(&lapic));
	lapic_update(&lapic, NEVER);
	assert_true(lapic_intr(&lapic));
	assert_true(lapic_next_deadline(&lapic) == NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reset_state_is_what_the_manual_and_a_bios_leave),
	    cmocka_unit_test(pic_passes_until_an_enabled_apic_masks_it),
	    cmocka_unit_test(disabling_masks_the_local_vectors_for_good),
	    cmocka_unit_test(disabled_apic_accepts_nothing_and_keeps_what_it_has),
	    cmocka_unit_test(global_switch_takes_the_apic_off_the_bus_and_resets_it),
	    cmocka_unit_test(every_legal_vector_is_delivered_once),
	    cmocka_unit_test(illegal_vector_is_an_error_and_no_interrupt),
	    cmocka_unit_test(only_a_higher_class_interrupts_a_handler),
	    cmocka_unit_test(vector_in_service_can_be_requested_again),
	    cmocka_unit_test(task_priority_holds_back_its_class_and_below),
	    cmocka_unit_test(withdrawn_interrupt_is_acknowledged_as_spurious),
	    cmocka_unit_test(arbitration_priority_follows_the_manual),
	    cmocka_unit_test(end_of_a_level_interrupt_is_for_the_ioapic),
	    cmocka_unit_test(self_ipi_is_immediate),
	    cmocka_unit_test(ipi_reaches_us_by_our_address_only),
	    cmocka_unit_test(other_ipis_vanish),
	    cmocka_unit_test(nmi_to_this_processor_is_taken_whatever_its_vector),
	    cmocka_unit_test(illegal_ipi_is_an_error_of_sender_and_receiver),
	    cmocka_unit_test(esr_shows_what_happened_up_to_its_last_write),
	    cmocka_unit_test(errors_interrupt_once_until_esr_is_written),
	    cmocka_unit_test(reserved_registers_read_zero_and_are_errors),
	    cmocka_unit_test(registers_keep_what_the_manual_lets_them),
	    cmocka_unit_test(timer_counts_at_the_divided_rate),
	    cmocka_unit_test(one_shot_fires_once_at_its_deadline),
	    cmocka_unit_test(periodic_timer_neither_drifts_nor_piles_up),
	    cmocka_unit_test(tiny_period_is_drawn_out),
	    cmocka_unit_test(tsc_deadline_fires_once),
	    cmocka_unit_test(changing_the_timers_mode_disarms_it),
	    cmocka_unit_test(masked_tsc_deadline_passes_unnoticed),
	    cmocka_unit_test(end_may_wait_only_for_a_lone_edge),
	    cmocka_unit_test(masked_timer_counts_but_is_never_due),
	    cmocka_unit_test(zero_stops_the_timer),
	    cmocka_unit_test(expiry_before_a_reprogramming_is_not_lost),
	    cmocka_unit_test(changed_divider_applies_to_the_rest_of_the_count),
	    cmocka_unit_test(changed_mode_applies_at_the_expiry),
	    cmocka_unit_test(timer_of_a_disabled_apic_is_silent),
	    cmocka_unit_test(timer_with_an_illegal_vector_is_an_error),
	    cmocka_unit_test(outer_timer_uses_the_timer_vector_and_its_mask),
	    cmocka_unit_test(time_going_back_and_far_ahead_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
