// SPDX-License-Identifier: GPL-2.0-or-later
/* The local APIC, alarms wired to it, and further processors: calls 62 to 64, and 68 and 69. */
#include "conformance.h"

#define ID      0x020
#define VERSION 0x030
#define TPR     0x080
#define EOI     0x0b0
#define SVR     0x0f0
#define IRR     0x200
#define ESR     0x280
#define ICR     0x300
#define ICR_TO  0x310
#define LVTT    0x320
#define LINT0   0x350
#define INITIAL 0x380
#define DIVIDE  0x3e0

#define ENABLED   0x100
#define MASKED    0x10000
#define TO_SELF   0x40000
#define VECTOR    0x35 /* what tests send; IRQ_VECTOR + 0x15 here */
#define LOWER     0x32
#define IRQ(v)    ((v)-IRQ_VECTOR)
#define REAL      VMI_CYCLES_REAL
#define AVAILABLE VMI_CYCLES_AVAILABLE
#define NEVER     (1ull << 62)

static uint32_t apic_read(uint32_t which)
{
	return (uint32_t)VMI(APICRead, which);
}

static void apic_write(uint32_t which, uint32_t value)
{
	VMI(APICWrite, which, value);
}

static volatile uint32_t *mapped(uint32_t which)
{
	return (volatile uint32_t *)(APIC_PAGE + which);
}

void group_setup(void)
{
	pic_disable();
	map_page(APIC_PAGE, APIC_PAGE, PTE_P | PTE_RW);
	apic_write(SVR, ENABLED | 0x3f);
	apic_in_use = true;
}

static bool requested(unsigned vector)
{
	return apic_read(IRR + vector / 32 * 16) >> vector % 32 & 1;
}

static void enable(void)
{
	VMI(EnableInterrupts);
}

static void disable(void)
{
	VMI(DisableInterrupts);
}

/* ---- APICRead, APICWrite ---- */

TEST(APICRead, "tells id and version, by offset and by mapped address alike")
{
	uint32_t version = apic_read(VERSION);

	check((version & 0xff) >= 0x10 && (version & 0xff) < 0x20);
	check((version >> 16 & 0xff) >= 3);
	check_equal(apic_read(0xfee00000 | VERSION), version);
	check_equal(apic_read(0x12345000 | VERSION), version);
	check_equal(apic_read(ID) & 0x00ffffff, 0);
	check_equal(*mapped(VERSION), version);
}

TEST(APICRead, "reads what was stored in the page itself")
{
	*mapped(TPR) = 0x20;
	check_equal(apic_read(TPR) & 0xff, 0x20);
	*mapped(TPR) = 0;
	check_equal(apic_read(TPR) & 0xff, 0);
}

TEST(APICRead, "answers for registers that do not exist as a load does")
{
	static const uint32_t none[] = {0x000, 0x010, 0x040, 0x3f0, 0xffc, 0x400};

	for (unsigned i = 0; i < sizeof none / sizeof *none; i++)
		check_equal(apic_read(none[i]), *mapped(none[i]));
	apic_write(ESR, 0);
}

TEST(APICRead, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(APICRead, VERSION);
	VMI_EVERYWHERE(APICRead, 0xffffffff);
	apic_write(ESR, 0);
}

TEST(APICWrite, "writes what the page shows")
{
	for (uint32_t v = 0; v <= 0xf0; v += 0x10) {
		apic_write(0xfee00000 | TPR, v);
		check_equal(*mapped(TPR) & 0xff, v);
		check_equal(apic_read(TPR) & 0xff, v);
	}
	apic_write(TPR, 0);
}

TEST(APICWrite, "delivers an interrupt to oneself before it returns")
{
	for (uint32_t i = 1; i <= 20; i++) {
		enable();
		apic_write(ICR, TO_SELF | VECTOR);
		disable();
		check_equal(interrupts(IRQ(VECTOR)), i);
	}
}

TEST(APICWrite, "keeps an interrupt to oneself pending while the flag is clear")
{
	apic_write(ICR, TO_SELF | VECTOR);
	check_equal(interrupts(IRQ(VECTOR)), 0);
	check(requested(VECTOR));
	enable();
	check_equal(interrupts(IRQ(VECTOR)), 1);
	disable();
	check(!requested(VECTOR));
}

TEST(APICWrite, "sends by a store to the page as well")
{
	*mapped(ICR) = TO_SELF | VECTOR;
	check_equal(interrupts(IRQ(VECTOR)), 0);
	enable();
	check_equal(interrupts(IRQ(VECTOR)), 1);
	*mapped(ICR) = TO_SELF | VECTOR;
	disable();
	check_equal(interrupts(IRQ(VECTOR)), 2);
}

TEST(APICWrite, "keeps out what the task priority is above, until it is lowered")
{
	enable();
	apic_write(TPR, VECTOR & 0xf0);
	apic_write(ICR, TO_SELF | VECTOR);
	check_equal(interrupts(IRQ(VECTOR)), 0);
	apic_write(TPR, 0);
	check_equal(interrupts(IRQ(VECTOR)), 1);
	disable();
}

static uint32_t order[4], taken;

static bool note_order(struct frame *f)
{
	if (taken < 4)
		order[taken++] = f->vector;
	*mapped(EOI) = 0;
	return true;
}

TEST(APICWrite, "has the higher vector delivered first")
{
	taken = 0;
	trap_hook = note_order;
	apic_write(ICR, TO_SELF | LOWER);
	apic_write(ICR, TO_SELF | VECTOR);
	enable();
	disable();
	trap_hook = NULL;
	check_equal(taken, 2);
	check_equal(order[0], VECTOR);
	check_equal(order[1], LOWER);
}

static bool without_eoi(struct frame *f)
{
	if (f->vector != VECTOR)
		return false;
	last_interrupt = *f;
	taken++;
	return true;
}

TEST(APICWrite, "ends an interrupt by EOI, and not before")
{
	taken = 0;
	trap_hook = without_eoi;
	enable();
	apic_write(ICR, TO_SELF | VECTOR);
	check_equal(taken, 1);
	apic_write(ICR, TO_SELF | VECTOR);
	check_equal(taken, 1);
	apic_write(EOI, 0);
	check_equal(taken, 2);
	apic_write(EOI, 0);
	disable();
}

TEST(APICWrite, "ignores registers that do not exist, as a store does")
{
	static const uint32_t none[] = {0x000, 0x010, 0x040, 0x3f0, 0xffc, 0x400};

	for (unsigned i = 0; i < sizeof none / sizeof *none; i++)
		apic_write(none[i], 0xffffffff);
	apic_write(ESR, 0);
	check_equal(apic_read(SVR) & 0x1ff, ENABLED | 0x3f);
}

TEST(APICWrite, "keeps all but the standard clobbers, also when it delivers")
{
	VMI_EVERYWHERE(APICWrite, TPR, 0);
	VMI_EVERYWHERE(APICWrite, ICR, TO_SELF | VECTOR);
	enable();
	disable();
	check(interrupts(IRQ(VECTOR)) >= 8);
}

/* ---- the timer ---- */

TEST(APICWrite, "runs the APIC's own timer")
{
	apic_write(DIVIDE, 0xb);
	apic_write(LVTT, VECTOR);
	apic_write(INITIAL, 10000);
	enable();
	while (!interrupts(IRQ(VECTOR)))
		__asm__ volatile("pause" ::: "memory");
	disable();
	check_equal(interrupts(IRQ(VECTOR)), 1);
	apic_write(LVTT, MASKED);
}

static uint64_t counter(uint32_t which)
{
	return VMI(GetCycleCounter, which);
}

static void set_alarm(uint32_t flags, uint64_t expiry, uint64_t period)
{
	call_reset();
	call_in.eflags |= get_eflags() & EFLAGS_IF;
	call_in.eax = flags | VMI_ALARM_WIRED_LVTT;
	call_in.edx = (uint32_t)expiry;
	call_in.ecx = (uint32_t)(expiry >> 32);
	call_stack[0] = (uint32_t)period;
	call_stack[1] = (uint32_t)(period >> 32);
	call_with(VMI_CALL_SetAlarm);
}

TEST(SetAlarm, "raises the vector of LVTT when wired there, once, and no line of the PIC")
{
	apic_write(LVTT, VECTOR);
	for (uint32_t i = 1; i <= 5; i++) {
		uint32_t which = i & 1 ? REAL : AVAILABLE;

		set_alarm(which, counter(which) + 100000, 0);
		enable();
		while (interrupts(IRQ(VECTOR)) < i)
			__asm__ volatile("pause" ::: "memory");
		disable();
		check_equal((uint32_t)VMI(CancelAlarm, which), 0);
	}
	check(!pic_requests(TIMER_IRQ));
	apic_write(LVTT, MASKED);
}

TEST(SetAlarm, "takes the vector from LVTT when it fires, not when it is set")
{
	apic_write(LVTT, VECTOR);
	set_alarm(REAL, counter(REAL) + NEVER, 0);
	apic_write(LVTT, LOWER);
	set_alarm(REAL, 0, 0);
	enable();
	disable();
	check_equal(interrupts(IRQ(VECTOR)), 0);
	check_equal(interrupts(IRQ(LOWER)), 1);
	apic_write(LVTT, MASKED);
}

TEST(SetAlarm, "delivers nothing while LVTT is masked, though the alarm expires")
{
	apic_write(LVTT, MASKED | VECTOR);
	set_alarm(REAL, 0, 0);
	enable();
	disable();
	check_equal(interrupts(IRQ(VECTOR)), 0);
	check(!requested(VECTOR));
	check_equal((uint32_t)VMI(CancelAlarm, REAL), 0);
	apic_write(LVTT, VECTOR);
	enable();
	disable();
	check_equal(interrupts(IRQ(VECTOR)), 0);
	apic_write(LVTT, MASKED);
}

TEST(SetAlarm, "fires again and again through LVTT when periodic, until CancelAlarm")
{
	apic_write(LVTT, VECTOR);
	set_alarm(AVAILABLE | VMI_ALARM_IS_PERIODIC, counter(AVAILABLE) + 100000, 3000000);
	enable();
	while (interrupts(IRQ(VECTOR)) < 4)
		__asm__ volatile("pause" ::: "memory");
	disable();
	check_equal((uint32_t)VMI(CancelAlarm, AVAILABLE | VMI_ALARM_WIRED_LVTT), 1);
	apic_write(LVTT, MASKED);
}

TEST(CancelAlarm, "disarms an alarm that is wired to LVTT")
{
	apic_write(LVTT, VECTOR);
	set_alarm(REAL, counter(REAL) + NEVER, 0);
	check_equal((uint32_t)VMI(CancelAlarm, REAL), 1);
	check_equal((uint32_t)VMI(CancelAlarm, REAL | VMI_ALARM_WIRED_LVTT), 0);
	apic_write(LVTT, MASKED);
}

TEST(Halt, "is ended by an alarm that is wired to LVTT")
{
	apic_write(LVTT, VECTOR);
	for (uint32_t i = 1; i <= 10; i++) {
		set_alarm(REAL, counter(REAL) + 100000, 0);
		VMI(Halt);
		disable();
		check_equal(interrupts(IRQ(VECTOR)), i);
	}
	apic_write(LVTT, MASKED);
}

TEST(EnableInterrupts, "delivers the PIC's interrupts through LINT0 in ExtINT mode")
{
	uint32_t lint0 = apic_read(LINT0);

	apic_write(LINT0, 0x700);
	pic_mask(0xfffe);
	timer_pend();
	apic_in_use = false;
	enable();
	disable();
	apic_in_use = true;
	check_equal(interrupts(TIMER_IRQ), 1);
	pic_mask(0xffff);
	apic_write(LINT0, lint0);
}

/* ---- SetInitialAPState ---- */

static struct vmi_ap_state state;

TEST(SetInitialAPState, "ignores an APIC id that nobody has, and that of a processor that runs")
{
	static const uint32_t ids[] = {1, 2, 0xff, 0xffffffff, 0};
	uint32_t before = (uint32_t)VMI(GetCR3);

	state = (struct vmi_ap_state){.cr0 = 0x80050033, .eip = 1, .esp = 1};
	for (unsigned i = 0; i < 5; i++)
		VMI(SetInitialAPState, (uint32_t)&state, ids[i]);
	check_equal((uint32_t)VMI(GetCR3), before);
	check(!trapped.happened);
}

TEST(SetInitialAPState, "takes a structure at any address, across pages too")
{
	uint8_t *pages = page_new();

	page_new();
	for (unsigned offset = 4096 - VMI_AP_STATE_SIZE - 1; offset < 4096; offset += 13)
		VMI(SetInitialAPState, (uint32_t)pages + offset, 1);
	check(!trapped.happened);
}

TEST(SetInitialAPState, "raises #PF on a structure that is not mapped")
{
	call_reset();
	call_in.eax = PLAYGROUND + 64;
	call_in.edx = 1;
	if (call_trapping(VMI_CALL_SetInitialAPState, 14)) {
		check_equal(trapped.cr2, PLAYGROUND + 64);
		check_equal(trapped.error, 0);
	}
	/* And on its second page. */
	map_page(PLAYGROUND, physical(page_new()), PTE_P | PTE_RW);
	call_reset();
	call_in.eax = PLAYGROUND + 4096 - 4;
	call_in.edx = 1;
	if (call_trapping(VMI_CALL_SetInitialAPState, 14))
		check_equal(trapped.cr2, PLAYGROUND + 4096);
}

TEST(SetInitialAPState, "keeps all but the standard clobbers")
{
	VMI_EVERYWHERE(SetInitialAPState, (uint32_t)&state, 1);
}
