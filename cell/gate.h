/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The far-call gates: numbers shared by the ROM, the annotator's stubs and the core. */
#ifndef CELL_GATE_H
#define CELL_GATE_H

#include "vmi/vmi.h"

#define CELL_SIGNAL_KICK 10 /* SIGUSR1: main wants the running cell's attention */

#define GATE_PAD_SIZE    32 /* bytes from one landing pad to the next */
#define GATE_CALL_LENGTH 7  /* bytes of a far call: opcode, offset, selector */

#define GATE_SITE     0 /* an annotated instruction; its index was pushed before the call */
#define GATE_DELIVER  1 /* interrupts are enabled and one is pending */
#define GATE_IRET     2 /* IRET the ROM does not finish; the frame is behind the far pointer */
#define GATE_POPF     3 /* POPF that changes IOPL or sets TF; stack: return address, image */
#define GATE_SYSCALL  4 /* the kernel's stack holds the frame, the IDT entry changed */
#define GATE_LOAD_ES  5 /* segment loads; stack: return address, selector */
#define GATE_LOAD_DS  6
#define GATE_LOAD_FS  7
#define GATE_LOAD_GS  8
#define GATE_STORE_ES 9 /* segment stores; stack: return address, place for the selector */
#define GATE_STORE_DS 10
#define GATE_STORE_FS 11
#define GATE_STORE_GS 12
#define GATE_PROMISE  13 /* interrupts are to be disabled, but an enabled one has not come yet */
#define GATE_VMI_INIT 14 /* the guest entered paravirtual mode */
#define GATE_VMI      15 /* + VMI call number */
#define GATE_COUNT    (GATE_VMI + VMI_NR_CALLS)

#endif
