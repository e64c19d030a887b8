// SPDX-License-Identifier: GPL-2.0-or-later
/* The end of a guest: its registers and a reason for main to print. */
#include "core/console.h"
#include "core/core.h"
#include "core/interrupt.h"

#include "cell/host.h"

static void copy_text(char *to, const char *from)
{
	unsigned i;

	for (i = 0; from[i] && i < STOP_TEXT - 1; i++)
		to[i] = from[i];
	to[i] = 0;
}

void stop_guest(enum stop_reason reason, const char *text)
{
	struct stop *s = &M->stop;

	s->reason = reason;
	for (unsigned i = 0; i < R_COUNT; i++)
		s->gpr[i] = V->gpr[i];
	s->eip = V->eip;
	s->eflags = eflags_image();
	for (unsigned i = 0; i < SEG_COUNT; i++)
		s->vsel[i] = V->vsel[i];
	s->cr0 = V->cr0;
	s->cr2 = V->cr2;
	s->cr3 = V->cr3;
	s->cr4 = V->cr4;
	copy_text(s->text, text);
	/* What the guest printed last is still on its way. */
	console_service(0);
	ring_doorbell(DOORBELL_STOP | DOORBELL_CONSOLE);
	for (;;)
		host_futex_wait(&M->inbox, M->inbox, UINT64_MAX);
}
