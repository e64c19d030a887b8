// SPDX-License-Identifier: GPL-2.0-or-later
/* IRET, whole: what the ROM's fast path (rom/iret.S) stands for. SDM volume 2, IRET. */
#include "core/alarm.h"
#include "core/debug.h"
#include "core/emulate.h"
#include "core/frames.h"
#include "core/interrupt.h"
#include "core/nmi.h"
#include "core/paging.h"
#include "core/probes.h"
#include "core/segment.h"
#include "core/shadow.h"
#include "core/task.h"

static void map_prefilled(void)
{
	struct translation t;
	struct exception x;

	M->prefill.armed = 0;
	iret_work_update();
	if (shadow_present(M->prefill.va, M->prefill.write) ||
	    !walk(M->prefill.va, M->prefill.write, M->prefill.user, &t, &x))
		return;
	COUNT(map_prefill);
	shadow_map(M->prefill.va, &t, false);
}

/* Fill in the page a page-fault handler has just installed, before its code runs again. */
static void prefill(void)
{
	if (!M->prefill.armed)
		return;
	if (M->prefill.eip != V->eip || M->prefill.cr3 != V->cr3) {
		/* A nested return; or the handler went elsewhere (a fixup, another process). */
		if (--M->prefill.armed)
			return;
		iret_work_update();
		return;
	}
	map_prefilled();
}

bool prefill_before_return(void)
{
	struct exception x;
	uint32_t frame[2];

	if (!fast(FAST_ROM_IRET) || !M->prefill.armed || !M->prefill.user ||
	    V->iflag & (IF_PENDING | IF_USER_WORK) || M->prefill.cr3 != V->cr3 ||
	    !guest_read(V->gpr[R_ESP], frame, sizeof frame, false, &x) || (frame[1] & 3) != 3 ||
	    frame[0] != M->prefill.eip)
		return false;
	map_prefilled();
	return !(V->iflag & IF_IRET_WORK);
}

bool enter_user(uint16_t cs, uint32_t eip, uint16_t ss, uint32_t esp, uint32_t image,
                struct exception *x)
{
	uint32_t old_cs = V->vsel[SEG_CS], old_ss = V->vsel[SEG_SS];
	struct exception ignored;

	segments_ldt_look();
	if (!load_code_segment(cs, eip, 3, x) || !load_segment(SEG_SS, ss, 3, x)) {
		load_code_segment(old_cs, 0, 0, &ignored);
		load_segment(SEG_SS, old_ss, 0, &ignored);
		return false;
	}
	set_eflags(image);
	/* From here on IF is on and the word means nothing. */
	V->iflag &= ~IF_BIT;
	segments_enter_user();
	V->gpr[R_ESP] = esp;
	V->eip = eip;
	/* The ROM enters and leaves the kernel for the flat segments only. */
	M->to_user = M->mixed_half;
	if (V->rsel[SEG_CS] == REAL_CS && !(ss & 4) && !M->mixed_half) {
		V->user_cs = cs;
		V->user_ss = ss;
		V->real_uss = V->rsel[SEG_SS];
	}
	leave_idle();
	if (V->cr0 & CR0_TS)
		M->nm_pending = 1;
	return true;
}

/* @n words of a frame, of 2 or 4 bytes each. */
static bool read_words(uint32_t at, unsigned size, unsigned n, uint32_t *words, struct exception *x)
{
	uint16_t small[3];

	if (size == 4)
		return guest_read(at, words, n * 4, false, x);
	if (!guest_read(at, small, n * 2, false, x))
		return false;
	for (unsigned i = 0; i < n; i++)
		words[i] = small[i];
	return true;
}

static bool return_to_user(const uint32_t frame[3], unsigned size, struct exception *x)
{
	uint32_t outer[2];

	return read_words(V->gpr[R_ESP] + 3 * size, size, 2, outer, x) &&
	       enter_user(frame[1], frame[0], outer[1], outer[0], frame[2], x);
}

bool emulate_iret(unsigned size, struct exception *x)
{
	uint32_t frame[3], esp = V->gpr[R_ESP];
	uint32_t cs = V->vsel[SEG_CS];

	COUNT(iret_core);
	if (task_nested()) {
		nmi_unblock();
		return task_return(x);
	}
	if (!read_words(esp, size, 3, frame, x)) {
		nmi_unblock(); /* an IRET that faults does so as well */
		return false;
	}
	if (size == 2)
		frame[2] |= eflags_image() & 0xffff0000u;
	if (frame[2] & EFLAGS_VM)
		stop_guest(STOP_INTERNAL, "the guest enters virtual-8086 mode");
	if ((frame[1] & 3) != 3 && !(frame[2] & EFLAGS_IF) && keep_promise())
		return true;
	nmi_unblock();
	if ((frame[1] & 3) == 3) {
		if (!return_to_user(frame, size, x))
			return false;
	} else {
		if ((frame[1] ^ cs) & 0xfffc && !load_code_segment(frame[1], frame[0], 0, x))
			return false;
		V->gpr[R_ESP] = esp + 3 * size;
		V->eip = frame_return(esp, frame[0]);
		set_eflags(frame[2]);
		probe_return(frame[0]);
		V->eip = redirect_to_stub(V->eip);
	}
	M->debug.resume = 0;
	if (frame[2] & EFLAGS_RF)
		debug_resume();
	prefill();
	return true;
}
