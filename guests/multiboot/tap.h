/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports, and TAP on the serial line: what bare kernels without a library need to report. */
#ifndef MULTIBOOT_TAP_H
#define MULTIBOOT_TAP_H

#include <stdbool.h>
#include <stdint.h>

#define UART 0x3f8

static uint8_t inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "d"(port));
	return value;
}

static void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "d"(port));
}

static void put(const char *s)
{
	for (; *s; s++) {
		while (!(inb(UART + 5) & 0x20))
			;
		outb(UART, (uint8_t)*s);
	}
}

static unsigned count;

static void check(bool ok, const char *what)
{
	char number[] = {(char)('0' + ++count / 10), (char)('0' + count % 10), 0};

	put(ok ? "ok " : "not ok ");
	put(number);
	put(" - ");
	put(what);
	put("\n");
}

#endif
