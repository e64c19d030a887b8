/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The address space of a cell, and the hole at the top of the guest's 4 GiB.
 *
 * Plain numbers only: C, 64-bit assembler and 32-bit assembler all read this file.
 * Every address is the same in every cell, so the core needs no pointers of its own
 * to find anything (docs/architecture.md, "The address space of a cell").
 */
#ifndef RING1_LAYOUT_H
#define RING1_LAYOUT_H

/*
 * The low 4 GiB are the guest's virtual addresses. The guest is told to leave the top
 * 16 MiB alone (stock kernels: reservetop=16M; VMI kernels: virtual_top), and there the
 * code lives that the guest calls instead of executing sensitive instructions.
 */
#define HOLE_BASE 0xff000000 /* first address that is not the guest's */
#define HOLE_SIZE 0x01000000

#define HOLE_VCPU         0xff000000 /* struct vcpu: the words the ROM works on, read/write */
#define HOLE_VCPU_SIZE    0x1000     /* bytes */
#define HOLE_GATE         0xff002000 /* 64-bit landing pads of the far calls (cell/gate.S) */
#define HOLE_ROM          0xff004000 /* 32-bit ROM code (rom/) */
#define HOLE_ROM_SIZE     0x4000     /* bytes */
#define HOLE_STUBS        0xff010000 /* code written by the annotator for the kernel image */
#define HOLE_STUBS_SIZE   0x007f0000 /* bytes; nothing is mapped behind what is used */
#define HOLE_MODULES      0xff800000 /* the same for modules that are loaded; mapped whole */
#define HOLE_MODULES_SIZE 0x00400000 /* bytes */
#define HOLE_LOW          0xffe00000 /* guest pages that hosts map no lower (core/low.h) */
#define HOLE_LOW_SIZE     0x10000    /* bytes; and a page behind them, for a moment */
#define HOLE_GUARD        0xfffff000 /* never mapped: %gs:-4 with a zero base must fault */

/* Host selector of 64-bit user code: what a far call to the gate names. */
#define HOST_CS64 0x33

/*
 * Above 4 GiB: the monitor's half of a cell. What each exit uses lies together: a page of the
 * host's page tables covers 2 MiB, and after a hand-over all of them are cold.
 */
#define CELL_BASE  0x0f00000000 /* the same in a snapshot's file, of a machine restored from it */
#define CELL_RAM   0x1000000000 /* guest-physical memory, whole, shared */
#define CELL_ANNOT 0x1100000000 /* struct annotations, written by main before the first cell */
#define CELL_TEXT  0x1101000000 /* the core's code and constants, read-only */
#define CELL_STATE 0x1101040000 /* struct machine, shared by main and all cells */
#define CELL_SELF  0x1101100000 /* struct cell of this very cell, stack included; the last */

#endif
