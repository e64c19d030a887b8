/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the annotator tells the core about a kernel and its modules: which instructions were
 * replaced, by what, and how to speak of them in the guest's own addresses.
 *
 * Main fills this: for the kernel before the first cell runs, for a module while the virtual CPU
 * waits for it. Cells can only read it. docs/annotation.md has the words.
 */
#ifndef RING1_ANNOTATIONS_H
#define RING1_ANNOTATIONS_H

#include "ring1/layout.h"

#include <stdint.h>

/* The kernel's come first; the modules share what is left. */
#define ANNOT_MAX_SITES    65536
#define ANNOT_MAX_WINDOWS  32768
#define ANNOT_MAX_POINTS   262144
#define ANNOT_MAX_PARTS    2048
#define ANNOT_WINDOW_BYTES 48

/* A sensitive instruction of the kernel, as it was before anything was rewritten. */
struct annot_site {
	uint32_t va;       /* guest-virtual address of its first byte */
	uint8_t length;    /* bytes, 1..15 */
	uint8_t bytes[15]; /* the original instruction */
	uint8_t flags;     /* ANNOT_SITE_* */
	uint8_t note;      /* enum annot_note */
	uint8_t pad[2];
};
#define ANNOT_SITE_TRAP   1 /* its first byte is now HLT: #GP leads here by address */
#define ANNOT_SITE_CALLED 2 /* reached by a far call that pushed the site's index */
/* Not sensitive: a place where the core wants to be told of something (core/notes.c). */
#define ANNOT_SITE_NOTE   4

/* What a note is of; the kernel's functions that stand for it are listed in annotate/notes.c. */
enum annot_note {
	ANNOT_NOTE_NONE,
	ANNOT_NOTE_PANIC,       /* panic() is entered */
	ANNOT_NOTE_MODULE,      /* a module is relocated and will be final soon */
	ANNOT_NOTE_FREE_FIRST,  /* memory of a module is freed: the first argument */
	ANNOT_NOTE_FREE_SECOND, /* the same, the second argument */
	ANNOT_NOTE_PROBE,       /* a kprobe is prepared: the function around it is decoded next */
	ANNOT_NOTE_BREAKPOINT,  /* the kernel's debugger sets a breakpoint */
	ANNOT_NOTE_PATCH,       /* __text_poke() is entered */
	ANNOT_NOTE_COUNT
};

/* Bytes of text to overwrite: of the kernel once the guest has turned paging on. */
struct annot_window {
	uint32_t va;                       /* guest-virtual address */
	uint32_t function, function_end;   /* the function it is in: [function, function_end) */
	uint8_t length;                    /* bytes, 2..ANNOT_WINDOW_BYTES */
	uint8_t bytes[ANNOT_WINDOW_BYTES]; /* new contents, up to length */
	uint8_t old[ANNOT_WINDOW_BYTES];   /* what the kernel had there */
	uint8_t retarget;                  /* only the displacement of a branch */
	uint8_t pad[2];
};

/* An instruction boundary inside a stub that stands for an address of the kernel. */
struct annot_point {
	uint32_t stub; /* address in the hole */
	uint32_t va;   /* the kernel's own address for the same instruction */
};

/* Module text that comes and goes as one, and its share of the tables. */
struct annot_part {
	uint32_t va, size; /* guest-virtual address, bytes */
	uint32_t first_site, nsites;
	uint32_t first_window, nwindows;
	uint32_t first_point, npoints;
	uint32_t stub, stub_bytes; /* address in the hole, bytes */
};

struct annotations {
	/* The kernel's share. */
	uint32_t nsites;      /* sites[], ascending by va */
	uint32_t nwindows;    /* windows[], ascending by va */
	uint32_t npoints;     /* points[], ascending by stub */
	uint32_t stub_bytes;  /* used bytes of the stub area at HOLE_STUBS */
	uint32_t kernel_base; /* guest-virtual minus guest-physical of the image */
	uint32_t patch_copy;  /* guest-virtual address of text_poke_memcpy(); 0: none */
	/* The modules': each part's share is in the same order. */
	uint32_t nparts;
	uint32_t pad[1];
	struct annot_part parts[ANNOT_MAX_PARTS]; /* ascending by va */
	struct annot_site sites[ANNOT_MAX_SITES];
	struct annot_window windows[ANNOT_MAX_WINDOWS];
	struct annot_point points[ANNOT_MAX_POINTS];
};

/* The file that main and the nursery share: the structure, the kernel's stubs, the modules'. */
#define ANNOT_FILE_STUBS   ((sizeof(struct annotations) + 4095ull) & ~4095ull)
#define ANNOT_FILE_MODULES (ANNOT_FILE_STUBS + HOLE_STUBS_SIZE)
#define ANNOT_FILE_SIZE    (ANNOT_FILE_MODULES + HOLE_MODULES_SIZE)

#endif
