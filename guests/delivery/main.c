// SPDX-License-Identifier: GPL-2.0-or-later
//
// A bare i386 guest that does nothing but look at interrupts: when an enable lets them in, and what
// the calls about the interrupt flag cost. It writes TAP, or figures, to the first serial port and
// ends by HLT with interrupts off. On its command line:
//
//   test=immediate|deferred   what --delivery says; some promises differ
//   test=vmi-immediate, vmi-deferred   the same by VMI calls
//   measure=annotated, vmi    cycles

#include "guest.h"
#include "vmi/vmi.h"

#define COM1        0x3f8
#define PIC1        0x20
#define PIC2        0xa0
#define PIT         0x40
#define TIMER_IRQ   0
#define SERIAL_IRQ  4
#define VECTOR_BASE 0x20
#define VECTOR_UD   6

volatile uint32_t timer_taken, serial_taken, local_taken, depth_max, others_taken;
static volatile uint32_t depth;
uint32_t vmi_iret;
struct vmi vmi;

static struct gate {
	uint16_t low, selector, type, high;
} idt[256];

void timer_entry(void), serial_entry(void), local_entry(void), spurious_entry(void),
    undefined_entry(void);

void put(const char *text)
{
	for (; *text; text++) {
		while (!(inb(COM1 + 5) & 0x20))
			;
		outb(COM1, (uint8_t)*text);
	}
}

void put_number(uint32_t n)
{
	char text[11], *p = text + 10;

	*p = 0;
	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	put(p);
}

/* ---- interrupts ---- */

static void enter(void)
{
	if (++depth > depth_max)
		depth_max = depth;
	/* Handlers save and disable, too: with interrupts off already that must let nothing in. */
	__asm__ volatile("pushfl; cli; nop; popfl" : : : "memory", "cc");
}

static void leave(void)
{
	outb(PIC1, 0x20); /* end of interrupt */
	depth--;
}

void timer_interrupt(void);
void timer_interrupt(void)
{
	enter();
	timer_taken++;
	leave();
}

void serial_interrupt(void);
void serial_interrupt(void)
{
	enter();
	serial_taken++;
	outb(COM1 + 1, 0);
	leave();
}

void local_interrupt(void);
void local_interrupt(void)
{
	local_taken++;
	APIC(0xb0) = 0; /* end of interrupt */
}

void spurious_interrupt(void);
void spurious_interrupt(void)
{
	others_taken++;
}

static void set_gate(unsigned vector, void (*handler)(void))
{
	uint32_t at = (uint32_t)handler;

	idt[vector] = (struct gate){(uint16_t)at, 0x10, 0x8e00, (uint16_t)(at >> 16)};
}

static void open_interrupts(void)
{
	struct {
		uint16_t limit;
		uint32_t base;
	} __attribute__((packed)) idtr = {sizeof(idt) - 1, (uint32_t)idt};

	for (unsigned i = 0; i < 256; i++)
		set_gate(i, spurious_entry);
	set_gate(VECTOR_UD, undefined_entry);
	set_gate(VECTOR_BASE + TIMER_IRQ, timer_entry);
	set_gate(VECTOR_BASE + SERIAL_IRQ, serial_entry);
	set_gate(LOCAL_VECTOR, local_entry);
	__asm__ volatile("lidt %0" : : "m"(idtr));
	outb(PIC1, 0x11);
	outb(PIC1 + 1, VECTOR_BASE);
	outb(PIC1 + 1, 4);
	outb(PIC1 + 1, 1);
	outb(PIC2, 0x11);
	outb(PIC2 + 1, VECTOR_BASE + 8);
	outb(PIC2 + 1, 2);
	outb(PIC2 + 1, 1);
	outb(PIC1 + 1, (uint8_t) ~(1u << TIMER_IRQ | 1u << SERIAL_IRQ));
	outb(PIC2 + 1, 0xff);
	outb(PIT + 3, 0x30);  /* channel 0, mode 0: stopped until it gets a count */
	outb(COM1 + 4, 0x0b); /* OUT2 lets the UART's interrupt through */
}

static void wait_until_requested(unsigned irq)
{
	do
		outb(PIC1, 0x0a); /* read the request register */
	while (!(inb(PIC1) & 1u << irq));
}

void raise_timer(void)
{
	timer_taken = 0;
	outb(PIT + 3, 0x30);
	outb(PIT, 20); /* at 1.19 MHz */
	outb(PIT, 0);
	wait_until_requested(TIMER_IRQ);
}

void raise_serial(void)
{
	serial_taken = 0;
	outb(COM1 + 1, 2); /* transmitter empty, as it is */
	wait_until_requested(SERIAL_IRQ);
}

/* ---- VMI ---- */

#define ROM 0xc0000u

static uint32_t relocation(uint32_t number)
{
	uint32_t eip, type;

	__asm__ volatile("call *%3"
	                 : "=a"(eip), "=d"(type)
	                 : "a"(number), "r"(ROM + VMI_ROM_GET_RELOC)
	                 : "ecx", "memory", "cc");
	return (type & 0xff) == VMI_RELOCATION_CALL_REL ? eip : 0;
}

bool vmi_start(void)
{
	const struct vrom_header *rom = (const struct vrom_header *)ROM;
	uint32_t result;

	__asm__("" : "+r"(rom)); /* an address like any other */
	if (rom->rom_signature != VMI_OPROM_SIGNATURE || rom->vrom_signature != VMI_SIGNATURE)
		return false;
	__asm__ volatile("call *%1"
	                 : "=a"(result)
	                 : "r"(ROM + VMI_ROM_INIT)
	                 : "ecx", "edx", "memory", "cc");
	if (result)
		return false;
	vmi = (struct vmi){.enable = relocation(VMI_CALL_EnableInterrupts),
	                   .disable = relocation(VMI_CALL_DisableInterrupts),
	                   .get_mask = relocation(VMI_CALL_GetInterruptMask),
	                   .set_mask = relocation(VMI_CALL_SetInterruptMask),
	                   .enable_deferred = relocation(VMI_CALL_EnableInterruptsDeferred),
	                   .deliver = relocation(VMI_CALL_DeliverInterrupts),
	                   .halt = relocation(VMI_CALL_Halt)};
	vmi_iret = relocation(VMI_CALL_IRET);
	return vmi.enable && vmi.disable && vmi.get_mask && vmi.set_mask && vmi.halt && vmi_iret;
}

/* ---- what to do ---- */

static bool says(const char *line, const char *word)
{
	for (; *line; line++) {
		const char *a = line, *b = word;

		while (*b && *a == *b)
			a++, b++;
		if (!*b && (!*a || *a == ' '))
			return true;
	}
	return false;
}

__attribute__((regparm(1))) void delivery_main(const uint8_t *boot_params);
__attribute__((regparm(1))) void delivery_main(const uint8_t *boot_params)
{
	/* setup_header.cmd_line_ptr (Linux, Documentation/arch/x86/boot.rst) */
	const char *line = *(const char *const *)(boot_params + 0x228);

	open_interrupts();
	if (says(line, "test=immediate") || says(line, "test=deferred"))
		test(says(line, "test=deferred"));
	else if (says(line, "measure=annotated"))
		measure();
	else if (!vmi_start())
		put("1..0 # SKIP no VMI ROM\n");
	else if (says(line, "measure=vmi"))
		measure_vmi();
	else
		test_vmi(says(line, "test=vmi-deferred"));
	put("end\n");
}
