/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the hostile kernel share. */
#ifndef HOSTILE_KERNEL_H
#define HOSTILE_KERNEL_H

#include <stdint.h>

#define PAGE_OFFSET  0xc0000000u
#define RINGS        (16u << 20) /* physical; 1 MiB of which descriptors point into */
/* Of the machine (-m 64M): the upper half is nobody's. */
#define MEMORY_BYTES (64u << 20)

struct gate {
	uint16_t low, selector, type, high;
};
struct table_register {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

/* Of start.S. */
extern uint32_t page_root[1024];
extern uint64_t gdt[16];
extern struct gate idt[256];
extern struct table_register gdt_register, idt_register;

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %w1" : : "a"(v), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %w1" : : "a"(v), "Nd"(port));
}

uint32_t random32(void);
void print(const char *s);

/** share_checks - a client of the share that is the first device, by 9P messages of its own making
 */
void share_checks(void);

/** try_share - one message, nearly right, to the same */
void try_share(void);

/** try_balloon - one chain, nearly right, for the balloon that is the first device */
void try_balloon(void);

/** try_nic - one frame, or register, of the RTL8139 that is the first device */
void try_nic(void);

/* What the last two have counted of their device's doing what it was asked for. */
extern uint32_t answers;

/** stack_checks - pages of the stack that go while an instruction is carried out */
void stack_checks(void);

#endif
