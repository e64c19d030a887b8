/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file that a snapshot is: its layout, and what is believed of it when it is read.
 *
 *   0                header: what is where, with a checksum
 *   ram_at           guest memory, page for page at ram_at + its address; pages of zeros are holes
 *   behind that      sections, each with a checksum
 *
 * Guest memory lies at offsets that can be mapped, so that it is read when it is needed and shared
 * by all who read it. Its checksums are in a section: one for each chunk, of the pages that the
 * chunk has, one after the other.
 *
 * A file may come from anywhere and hold anything: snapshot_open() looks at every field and each
 * length before it uses one. What the sections hold is for their readers to check.
 */
#ifndef MAIN_SNAPSHOT_FILE_H
#define MAIN_SNAPSHOT_FILE_H

#include "ring1/machine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_VERSION     1u
#define SNAPSHOT_MAGIC       "ring1 snapshot\n" /* 16 bytes with its end */
#define SNAPSHOT_SECTIONS    96u
#define SNAPSHOT_RAM_MIN     (64ull << 20)
#define SNAPSHOT_RAM_MAX     (3ull << 30)
#define SNAPSHOT_CHUNK       LAZY_CHUNK
#define SNAPSHOT_CHUNK_PAGES (SNAPSHOT_CHUNK / PAGE_SIZE)
#define SNAPSHOT_CHUNKS_MAX  (SNAPSHOT_RAM_MAX / SNAPSHOT_CHUNK)

enum snapshot_kind {
	SNAPSHOT_CONFIG = 1,       /* struct snapshot_config */
	SNAPSHOT_VCPU,             /* struct vcpu */
	SNAPSHOT_MACHINE,          /* struct machine */
	SNAPSHOT_PAGES,            /* for each chunk of guest memory 16 bits: the pages it has */
	SNAPSHOT_HASHES,           /* for each chunk 64 bits: the checksum of these */
	SNAPSHOT_ANNOTATION_PAGES, /* numbers of 32 bits: the pages of the annotations' file... */
	SNAPSHOT_ANNOTATIONS,      /* ...that are not zero, and what they hold */
	SNAPSHOT_DEVICE,       /* struct snapshot_device; the section's number is the device's */
	SNAPSHOT_DEVICE_STATE, /* what its back end had to keep */
	SNAPSHOT_CONTENTS_MAP, /* words of 64 bits, a bit for each cluster of a disk with cow */
	SNAPSHOT_CONTENTS,     /* the clusters whose bit is set, one after the other */
};

struct snapshot_section {
	uint32_t kind, number;
	uint64_t at, bytes; /* in the file */
	uint64_t hash;      /* XXH3, 64 bits */
};

struct snapshot_header {
	char magic[16];
	uint32_t version, nsections;
	uint64_t build; /* of ring1: what addresses and structures mean */
	uint64_t file_bytes, ram_at, ram_bytes;
	struct snapshot_section section[SNAPSHOT_SECTIONS];
	uint64_t hash; /* of all before */
};

#define SNAPSHOT_TEXT 256

/* What the machine was, beside its state. */
struct snapshot_config {
	uint64_t guest_ns; /* guest time */
	uint64_t tsc;      /* the host's then */
	int64_t utc_ns;    /* likewise */
	uint64_t xsave_mask;
	uint32_t xsave_size, tsc_khz, low_end, ncpuid;
	struct cpuid_leaf cpuid[MAX_CPUID]; /* as the guest's kernel was shown it */
	uint32_t ndevices;
	uint8_t have_fsgsbase, have_apic, traps_only, count_calls, deferred, pad[7];
	char ring1[32], kernel[SNAPSHOT_TEXT], kernel_version[SNAPSHOT_TEXT]; /* for people */
};

#define SNAPSHOT_IDENTITY 256
struct snapshot_device {
	struct virtio_shown shown;
	char name[80];                    /* for people */
	char identity[SNAPSHOT_IDENTITY]; /* of what is behind it: must be the same */
	uint64_t clusters;                /* that a disk with cow has */
};

/* A file that is open. */
struct snapshot {
	int fd;
	struct snapshot_header header;
	uint16_t *pages;  /* of each chunk */
	uint64_t *hashes; /* likewise */
	uint32_t chunks;
};

/**
 * snapshot_open - read and check what a file says of itself
 * @fd: taken over
 * @build: of this ring1 (snapshot_build())
 * @why: receives the reason
 *
 * False: it is none, or of another version or build, or cut off or damaged; @fd is closed.
 * Guest memory is not looked at.
 */
bool snapshot_open(struct snapshot *s, int fd, uint64_t build, char *why, size_t size);
void snapshot_close(struct snapshot *s);

/**
 * snapshot_verify - read all of guest memory, and compare it with its checksums
 *
 * False: it is damaged, @why says where.
 */
bool snapshot_verify(const struct snapshot *s, char *why, size_t size);

/**
 * snapshot_verify_sections - the same for everything else that the file holds
 *
 * False: it is damaged, @why says which section.
 */
bool snapshot_verify_sections(const struct snapshot *s, char *why, size_t size);

/** snapshot_find - the section of this kind and number, NULL: there is none */
const struct snapshot_section *snapshot_find(const struct snapshot *s, enum snapshot_kind kind,
                                             uint32_t number);

/**
 * snapshot_read - all of a section, compared with its checksum
 * @min, @max: how many bytes it may have
 * @bytes: receives how many it has
 *
 * Returns the caller's to free(), zeroed behind its end up to @max; NULL with the reason in @why.
 */
void *snapshot_read(const struct snapshot *s, enum snapshot_kind kind, uint32_t number, size_t min,
                    size_t max, size_t *bytes, char *why, size_t size);

/**
 * snapshot_stream - the same, a part at a time, for sections of any length
 * @take: is given the parts in order, and returns false to stop, with @why filled in
 *
 * The checksum is known at the end: what was taken before may be damaged.
 */
bool snapshot_stream(const struct snapshot *s, const struct snapshot_section *section,
                     bool (*take)(void *of, const uint8_t *bytes, size_t n), void *of, char *why,
                     size_t size);

/** snapshot_text - make a text from a file a text: ended, and fit for a terminal */
void snapshot_text(char *text, size_t size);

/** snapshot_build - what files of this very ring1 have in common */
uint64_t snapshot_build(const void *program, size_t bytes);

/* ---- writing; all by lseek() and write(), which a confined main has ---- */

struct snapshot_writer {
	int fd;
	uint64_t at; /* the end so far */
	struct snapshot_header header;
	void *hashing;
	int error; /* the first that happened */
};

/** snapshot_write_begin - @fd: a regular file, empty */
bool snapshot_write_begin(struct snapshot_writer *w, int fd, uint64_t build, uint64_t ram_bytes);

/**
 * snapshot_write_chunk - a chunk of guest memory
 * @bytes, @npages: its pages; those that are all zeros are left out
 * @pages, @hash: receive what the sections must say of it
 */
void snapshot_write_chunk(struct snapshot_writer *w, uint32_t chunk, const uint8_t *bytes,
                          uint32_t npages, uint16_t *pages, uint64_t *hash);

/* A section at once, or in parts. */
void snapshot_write(struct snapshot_writer *w, enum snapshot_kind kind, uint32_t number,
                    const void *bytes, size_t n);
void snapshot_section_begin(struct snapshot_writer *w, enum snapshot_kind kind, uint32_t number);
void snapshot_section_add(struct snapshot_writer *w, const void *bytes, size_t n);
void snapshot_section_end(struct snapshot_writer *w);

/** snapshot_write_end - the header; returns 0 or the errno of the first failure */
int snapshot_write_end(struct snapshot_writer *w);
void snapshot_write_free(struct snapshot_writer *w);

#endif
