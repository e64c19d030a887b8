/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the bare guest's files share: ports, the console, interrupts to wait for. */
#ifndef DELIVERY_GUEST_H
#define DELIVERY_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#define EFLAGS_IF     0x200u
#define EFLAGS_IOPL_1 0x1000u

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint64_t rdtsc(void)
{
	uint64_t t;

	__asm__ volatile("rdtsc" : "=A"(t));
	return t;
}

void put(const char *text);
void put_number(uint32_t n);

/* As many as have been taken since the last raise(). */
extern volatile uint32_t timer_taken, serial_taken, local_taken, depth_max;
extern volatile uint32_t others_taken; /* interrupts and exceptions nobody asked for */

/* raise() - with interrupts off: let the timer's interrupt become pending (and the UART's) */
void raise_timer(void);
void raise_serial(void);

/* The local APIC's registers; an interrupt sent to oneself. */
#define APIC(offset) (*(volatile uint32_t *)(0xfee00000u + (offset)))

static inline void send_to_self(uint32_t vector)
{
	APIC(0x300) = 0x40000 | vector; /* ICR: shorthand self, fixed, edge */
}

#define LOCAL_VECTOR 0x40

/* What the handlers return with: 0 for IRET, or VMI_IRET. */
extern uint32_t vmi_iret;

/* Addresses of VMI calls, 0 where there is no ROM. */
struct vmi {
	uint32_t enable, disable, get_mask, set_mask, enable_deferred, deliver, halt;
};
extern struct vmi vmi;
bool vmi_start(void);

void test(bool deferred);
void test_vmi(bool deferred);
void measure(void);
void measure_vmi(void);

/* A VMI call that keeps all registers but the flags (and EAX, for a mask). */
static inline void vmi_call(uint32_t where)
{
	__asm__ volatile("call *%0" : : "r"(where) : "memory", "cc");
}

static inline void vmi_set(uint32_t mask)
{
	__asm__ volatile("call *%1" : "+a"(mask) : "r"(vmi.set_mask) : "memory", "cc");
}

static inline uint32_t vmi_get(void)
{
	uint32_t mask;

	__asm__ volatile("call *%1" : "=a"(mask) : "r"(vmi.get_mask) : "memory", "cc");
	return mask;
}

#endif
