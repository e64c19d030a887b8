// SPDX-License-Identifier: GPL-2.0-or-later
/* The end of a guest: its registers and a reason for main to print. */
#include "core/console.h"
#include "core/core.h"
#include "core/interrupt.h"
#include "core/paging.h"

#include "cell/host.h"

static void keep_registers(struct stop *s)
{
	for (unsigned i = 0; i < R_COUNT; i++)
		s->gpr[i] = V->gpr[i];
	s->eip = original_address(V->eip);
	s->eflags = eflags_image();
	for (unsigned i = 0; i < SEG_COUNT; i++)
		s->vsel[i] = V->vsel[i];
	s->cr0 = V->cr0;
	s->cr2 = V->cr2;
	s->cr3 = V->cr3;
	s->cr4 = V->cr4;
}

/* Append a guest string, up to a line's end. Returns the new length. */
static unsigned append_guest_text(char *to, unsigned at, uint32_t va)
{
	uint8_t c;

	while (at < STOP_TEXT - 1 && guest_peek(va++, &c, 1) && c && c != '\n')
		to[at++] = c;
	return at;
}

/*
 * panic(const char *fmt, ...): with variable arguments everything is on the stack, whatever
 * -mregparm says. Of the conversions only %s is carried out; the console has the rest.
 */
static void format_panic(char *text)
{
	uint32_t stack = V->gpr[R_ESP] + 4, format = 0, argument;
	unsigned at = 0;
	uint8_t c, next;

	guest_peek(stack, &format, 4);
	while (at < STOP_TEXT - 1 && guest_peek(format++, &c, 1) && c && c != '\n') {
		text[at] = c;
		if (c == '%' && guest_peek(format, &next, 1) && next == 's') {
			stack += 4;
			format++;
			if (guest_peek(stack, &argument, 4))
				at = append_guest_text(text, at, argument);
			continue;
		}
		if (c == '%')
			stack += 4;
		at++;
	}
	text[at] = 0;
}

void note_panic(void)
{
	keep_registers(&M->panic);
	M->panic.reason = STOP_PANIC;
	format_panic(M->panic.text);
	__atomic_store_n(&M->panicked, 1, __ATOMIC_SEQ_CST);
}

static void copy_text(char *to, const char *from)
{
	unsigned i;

	for (i = 0; from[i] && i < STOP_TEXT - 1; i++)
		to[i] = from[i];
	to[i] = 0;
}

void stop_guest(enum stop_reason reason, const char *text)
{
	M->stop.reason = reason;
	keep_registers(&M->stop);
	copy_text(M->stop.text, text);
	/* What the guest printed last is still on its way. */
	console_service(0);
	ring_doorbell(DOORBELL_STOP | DOORBELL_CONSOLE);
	for (;;)
		host_futex_wait(&M->inbox, M->inbox, UINT64_MAX);
}
