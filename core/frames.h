/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of kernel code that was interrupted in the hole. The kernel finds its own address in the
 * frame, for its fault handlers, its call traces and its oopses; the return goes back to where the
 * virtual CPU really was.
 */
#ifndef CORE_FRAMES_H
#define CORE_FRAMES_H

#include "core/core.h"

/**
 * frame_name - the EIP that a frame of kernel mode is to show
 * @at: guest-virtual address of the frame's EIP
 *
 * V->eip, unless that is in a stub or in the ROM: then the address of the instruction it stands
 * for, and the frame is remembered.
 */
uint32_t frame_name(uint32_t at);

/**
 * frame_return - where a return to kernel mode goes on
 * @at: guest-virtual address of the frame's EIP
 * @eip: what it holds: as it was named, or a place of the kernel's choice
 */
uint32_t frame_return(uint32_t at, uint32_t eip);

/** iret_work_update - must the core look at every IRET? Ask when one of its reasons has gone. */
void iret_work_update(void);

#endif
