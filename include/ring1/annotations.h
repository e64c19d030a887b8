/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the annotator tells the core about a kernel: which instructions were replaced,
 * by what, and how to speak of them in the guest's own addresses.
 *
 * The annotator (in main) fills this before the first cell runs; afterwards it is data of
 * the cells. Main reads nothing from it again.
 */
#ifndef RING1_ANNOTATIONS_H
#define RING1_ANNOTATIONS_H

#include <stdint.h>

#define ANNOT_MAX_SITES    32768
#define ANNOT_MAX_WINDOWS  16384
#define ANNOT_MAX_POINTS   65536
#define ANNOT_WINDOW_BYTES 48

/* A sensitive instruction of the kernel, as it was before anything was rewritten. */
struct annot_site {
	uint32_t va;       /* guest-virtual address of its first byte */
	uint8_t length;    /* bytes, 1..15 */
	uint8_t bytes[15]; /* the original instruction */
	uint8_t flags;     /* ANNOT_SITE_* */
	uint8_t pad[3];
};
#define ANNOT_SITE_TRAP        1  /* its first byte is now HLT: #GP leads here by address */
#define ANNOT_SITE_CALLED      2  /* reached by a far call that pushed the site's index */
#define ANNOT_SITE_NOTE_PANIC  4  /* not sensitive: entry of the kernel's panic() */
#define ANNOT_SITE_NOTE_MODULE 8  /* not sensitive: a module's text is final, not yet run */
#define ANNOT_SITE_NOTE_PATCH  16 /* not sensitive: entry of the kernel's __text_poke() */
#define ANNOT_SITE_NOTES       (ANNOT_SITE_NOTE_PANIC | ANNOT_SITE_NOTE_MODULE | ANNOT_SITE_NOTE_PATCH)

/* Bytes of kernel text to overwrite once the guest has turned paging on. */
struct annot_window {
	uint32_t pa;                       /* guest-physical address */
	uint8_t length;                    /* bytes, 2..ANNOT_WINDOW_BYTES */
	uint8_t bytes[ANNOT_WINDOW_BYTES]; /* new contents, up to length */
	uint8_t pad[3];
};

/* An instruction boundary inside a stub that stands for an address of the kernel. */
struct annot_point {
	uint32_t stub; /* address in the hole */
	uint32_t va;   /* the kernel's own address for the same instruction */
};

struct annotations {
	uint32_t nsites;      /* sites[], ascending by va */
	uint32_t nwindows;    /* windows[], ascending by pa */
	uint32_t npoints;     /* points[], ascending by stub */
	uint32_t stub_bytes;  /* used bytes of the stub area at HOLE_STUBS */
	uint32_t kernel_base; /* guest-virtual minus guest-physical of the image */
	uint32_t patch_copy;  /* guest-virtual address of text_poke_memcpy(); 0: none */
	uint32_t pad[2];
	struct annot_site sites[ANNOT_MAX_SITES];
	struct annot_window windows[ANNOT_MAX_WINDOWS];
	struct annot_point points[ANNOT_MAX_POINTS];
};

#endif
