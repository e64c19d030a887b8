/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where things are in a conformance guest; C and assembler read this. */
#ifndef CONFORMANCE_MACHINE_H
#define CONFORMANCE_MACHINE_H

#define PAGE_OFFSET 0xc0000000 /* kernel addresses minus physical ones */
#define MAPPED      0x01000000 /* bytes of memory mapped there */

/* The selectors of Linux 2.6. */
#define KERNEL_CS 0x60
#define KERNEL_DS 0x68
#define USER_CS   0x73
#define USER_DS   0x7b
#define TSS       0x80
#define LDT       0x88
#define PERCPU    0xd8
#define SPARE     0xf0 /* an entry for tests to play with */
#define GDT_SIZE  32

#define USER_TEXT  0x00400000 /* one page, filled by user_run() */
#define USER_STACK 0x00402000 /* one page; ESP starts at its end */
#define PLAYGROUND 0x00800000 /* 4 MiB (2 MiB with PAE) for tests of paging: nothing mapped */
#define APIC_PAGE  0xfee00000 /* where the APIC is mapped by groups that use it */

#define IRQ_VECTOR   0x20 /* of IRQ 0 */
#define VECTORS      0x40 /* exceptions, IRQs, and a few for the APIC */
#define USER_VECTOR  0x80 /* what user code ends with */
#define STACK_SIZE   16384
#define TRAP_NO_CODE 0xffffffff /* stands for the error code of vectors without one */

#endif
