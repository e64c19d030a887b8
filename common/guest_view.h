/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest-virtual memory as main sees it: main has the guest's RAM, and the control registers a
 * cell told it. Neither the registers nor the page tables are trusted; whatever they say, only
 * RAM is touched. (The core walks by core/paging.c, which sets accessed bits; this changes none.)
 */
#ifndef COMMON_GUEST_VIEW_H
#define COMMON_GUEST_VIEW_H

#include "common/lazy_memory.h"

#include <stdbool.h>
#include <stdint.h>

struct guest_view {
	uint8_t *ram;
	uint64_t ram_size; /* bytes, at least 4096 */
	uint32_t cr0, cr3, cr4;
	struct lazy_memory lazy; /* of a machine that was restored */
};

/**
 * guest_view_read, guest_view_write - copy from and to guest-virtual memory
 * @va: first byte, any alignment; the range may not wrap
 * @n: bytes
 *
 * Write protection is not looked at: main writes what the guest's monitor may write.
 *
 * Return: false when a page is not there or not RAM; then a prefix was copied.
 */
bool guest_view_read(const struct guest_view *v, uint32_t va, void *to, uint32_t n);
bool guest_view_write(const struct guest_view *v, uint32_t va, const void *from, uint32_t n);

#endif
