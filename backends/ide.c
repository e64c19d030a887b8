// SPDX-License-Identifier: GPL-2.0-or-later
#include "backends/ide.h"

#include "backends/nbd.h"

#include <seccomp.h>
#include <string.h>

#define SECTORS_MAX (UINT32_MAX / IDE_SECTOR) /* of one request */

/* A table of physical regions, SFF-8038i 1.2: at most 64 KiB, which it does not cross. */
#define TABLE_BYTES  65536u
#define REGION_BYTES 8u
#define REGIONS      (TABLE_BYTES / REGION_BYTES)
#define REGION_MAX   65536u /* bytes, what a count of 0 means */
#define REGION_LAST  0x80000000u

#define PARTS   1024u      /* of one call to the disk */
#define CHUNK   (1u << 20) /* bytes of it, at most */
#define SCRATCH 65536u

/* ---- the table ---- */

struct region {
	uint32_t address, bytes;
};

static struct table {
	unsigned n, at;  /* regions; the one that goes on */
	uint32_t offset; /* bytes of that one that are used */
	struct region region[REGIONS];
} table;

/* Copy it, once. False: it is not in memory. */
static bool take_table(const struct guest_memory *memory, uint32_t prd)
{
	uint64_t at = prd & ~3u, end = (at | (TABLE_BYTES - 1)) + 1;

	table.n = table.at = table.offset = 0;
	while (at + REGION_BYTES <= end) {
		const volatile uint32_t *from = guest_range(memory, at, REGION_BYTES);
		struct region *r = &table.region[table.n];
		uint32_t count;

		if (!from)
			return false;
		r->address = from[0] & ~1u;
		count = from[1];
		r->bytes = (count & 0xfffe) ?: REGION_MAX;
		table.n++;
		if (count & REGION_LAST)
			return true;
		at += REGION_BYTES;
	}
	return true;
}

/*
 * The parts of memory that take the next bytes, at most `want`. *got: how many those are, less
 * where the table ends, or there are many parts. Returns their number, -1: one is not in memory.
 */
static int gather(const struct guest_memory *memory, uint64_t want, struct iovec *part,
                  uint64_t *got)
{
	unsigned n = 0;

	*got = 0;
	while (*got < want && n < PARTS && table.at < table.n) {
		const struct region *r = &table.region[table.at];
		uint64_t left = r->bytes - table.offset;
		uint64_t bytes = left < want - *got ? left : want - *got;

		part[n].iov_base = guest_range(memory, (uint64_t)r->address + table.offset, bytes);
		part[n].iov_len = bytes;
		if (!part[n++].iov_base)
			return -1;
		*got += bytes;
		table.offset += (uint32_t)bytes;
		if (table.offset == r->bytes) {
			table.offset = 0;
			table.at++;
		}
	}
	return (int)n;
}

/* The same for whole sectors. */
static int gather_sectors(const struct guest_memory *memory, uint64_t want, struct iovec *part,
                          uint64_t *got)
{
	unsigned at = table.at;
	uint32_t offset = table.offset;
	int n = gather(memory, want, part, got);

	if (n < 0 || *got % IDE_SECTOR == 0)
		return n;
	table.at = at;
	table.offset = offset;
	return gather(memory, *got - *got % IDE_SECTOR, part, got);
}

static enum ide_outcome end_of_table(void)
{
	return table.at < table.n ? IDE_OUTCOME_LONG : IDE_OUTCOME_DONE;
}

/* ---- the disk ---- */

static bool within(const struct disk *d, const struct ide_request *r)
{
	uint64_t all = d->bytes / IDE_SECTOR;

	return r->sectors && r->sectors <= SECTORS_MAX && r->sectors <= all &&
	       r->lba <= all - r->sectors;
}

/* The first of n sectors that cannot be read: guests go by it. */
static uint32_t find_bad(struct disk *d, uint64_t lba, uint64_t n)
{
	uint8_t sector[IDE_SECTOR];

	for (uint64_t i = 0; i < n; i++) {
		struct iovec part = {sector, sizeof sector};

		if (disk_read(d, &part, 1, (lba + i) * IDE_SECTOR, IDE_SECTOR, 0))
			return (uint32_t)i;
	}
	return 0;
}

static int move_parts(struct disk *d, const struct ide_request *r, struct iovec *part,
                      unsigned parts, uint64_t lba, uint64_t bytes)
{
	if (r->operation == IDE_OP_WRITE)
		return d->read_only ? -1
		                    : disk_write(d, part, parts, lba * IDE_SECTOR, bytes,
		                                 r->flags & IDE_REQUEST_SYNC ? DISK_SYNC : 0);
	return disk_read(d, part, parts, lba * IDE_SECTOR, bytes, 0);
}

static enum ide_outcome fail(struct disk *d, const struct ide_request *r, uint64_t n,
                             uint32_t *done)
{
	if (r->operation != IDE_OP_WRITE)
		*done += find_bad(d, r->lba + *done, n);
	return IDE_OUTCOME_FAILED;
}

static enum ide_outcome by_table(struct disk *d, const struct guest_memory *memory,
                                 const struct ide_request *r, uint32_t *done)
{
	static struct iovec part[PARTS];

	if (!take_table(memory, r->prd))
		return IDE_OUTCOME_FAULT;
	while (*done < r->sectors) {
		uint64_t left = (uint64_t)(r->sectors - *done) * IDE_SECTOR, got;
		int n = gather_sectors(memory, left < CHUNK ? left : CHUNK, part, &got);

		if (n < 0)
			return IDE_OUTCOME_FAULT;
		if (!got)
			return IDE_OUTCOME_SHORT;
		if (move_parts(d, r, part, (unsigned)n, r->lba + *done, got))
			return fail(d, r, got / IDE_SECTOR, done);
		*done += (uint32_t)(got / IDE_SECTOR);
	}
	return end_of_table();
}

static enum ide_outcome by_buffer(struct disk *d, const struct ide_request *r, uint8_t *buffer,
                                  uint32_t *done)
{
	struct iovec part = {buffer, (size_t)r->sectors * IDE_SECTOR};

	if (r->sectors > IDE_BUFFER / IDE_SECTOR)
		return IDE_OUTCOME_FAILED;
	if (move_parts(d, r, &part, 1, r->lba, part.iov_len))
		return fail(d, r, r->sectors, done);
	*done = r->sectors;
	return IDE_OUTCOME_DONE;
}

static enum ide_outcome verify(struct disk *d, const struct ide_request *r, uint32_t *done)
{
	static uint8_t scratch[SCRATCH];

	while (*done < r->sectors) {
		uint32_t left = r->sectors - *done;
		uint32_t n = left < SCRATCH / IDE_SECTOR ? left : SCRATCH / IDE_SECTOR;
		struct iovec part = {scratch, (size_t)n * IDE_SECTOR};

		if (move_parts(d, r, &part, 1, r->lba + *done, part.iov_len))
			return fail(d, r, n, done);
		*done += n;
	}
	return IDE_OUTCOME_DONE;
}

/* Bytes of the buffer to memory, by the table. */
static enum ide_outcome reply(const struct guest_memory *memory, const struct ide_request *r,
                              const uint8_t *buffer)
{
	static struct iovec part[PARTS];
	uint32_t at = 0;

	if (r->bytes > IDE_BUFFER)
		return IDE_OUTCOME_FAILED;
	if (!take_table(memory, r->prd))
		return IDE_OUTCOME_FAULT;
	while (at < r->bytes) {
		uint64_t got;
		int n = gather(memory, r->bytes - at, part, &got);

		if (n < 0)
			return IDE_OUTCOME_FAULT;
		if (!got)
			return IDE_OUTCOME_SHORT;
		for (int i = 0; i < n; i++) {
			memcpy(part[i].iov_base, buffer + at, part[i].iov_len);
			at += (uint32_t)part[i].iov_len;
		}
	}
	return end_of_table();
}

enum ide_outcome ide_request(struct disk *d, const struct guest_memory *memory,
                             const struct ide_request *r, uint8_t *buffer, uint32_t *done)
{
	*done = 0;
	switch (r->operation) {
	case IDE_OP_NONE:
		return IDE_OUTCOME_DONE;
	case IDE_OP_FLUSH:
		return disk_flush(d) ? IDE_OUTCOME_FAILED : IDE_OUTCOME_DONE;
	case IDE_OP_REPLY:
		return reply(memory, r, buffer);
	case IDE_OP_VERIFY:
		return within(d, r) ? verify(d, r, done) : IDE_OUTCOME_FAILED;
	case IDE_OP_READ:
	case IDE_OP_WRITE:
		if (!within(d, r))
			return IDE_OUTCOME_FAILED;
		return r->flags & IDE_REQUEST_DMA ? by_table(d, memory, r, done)
		                                  : by_buffer(d, r, buffer, done);
	default:
		return IDE_OUTCOME_FAILED;
	}
}

/* ---- the process ---- */

static struct ide_request copy(const struct ide_request *from)
{
	return (struct ide_request){
	    .operation = __atomic_load_n(&from->operation, __ATOMIC_SEQ_CST),
	    .flags = __atomic_load_n(&from->flags, __ATOMIC_RELAXED),
	    .prd = __atomic_load_n(&from->prd, __ATOMIC_RELAXED),
	    .sectors = __atomic_load_n(&from->sectors, __ATOMIC_RELAXED),
	    .lba = __atomic_load_n(&from->lba, __ATOMIC_RELAXED),
	    .bytes = __atomic_load_n(&from->bytes, __ATOMIC_RELAXED),
	};
}

static void requested(struct backend *b)
{
	const struct ide_drive *drive = b->own;
	struct ide *ide = &b->machine->platform.ide;
	struct ide_unit *u = &ide->unit[drive->unit];
	uint32_t sequence = __atomic_load_n(&u->request.sequence, __ATOMIC_SEQ_CST), done;
	struct ide_request r;
	enum ide_outcome outcome;

	if (sequence == __atomic_load_n(&u->result.sequence, __ATOMIC_SEQ_CST))
		return;
	r = copy(&u->request);
	outcome =
	    ide_request(drive->disk, &b->memory, &r, ide->channel[drive->unit / 2].buffer, &done);
	u->result.outcome = outcome;
	u->result.done = done;
	__atomic_store_n(&u->result.sequence, sequence, __ATOMIC_SEQ_CST);
	backend_done(b);
}

static const int calls[] = {
    SCMP_SYS(preadv2),   /* disk_read() */
    SCMP_SYS(pwritev2),  /* disk_write() */
    SCMP_SYS(fdatasync), /* disk_flush() */
};

const struct backend_ops ide_ops = {
    .requested = requested, .calls = calls, .ncalls = sizeof calls / sizeof *calls};

/* With an overlay of its own, perhaps. */
static const int overlay_calls[] = {
    SCMP_SYS(preadv2),  /* preadv2() of an overlay */
    SCMP_SYS(pwritev2), /* pwritev2() of an overlay */
};

const struct backend_ops ide_nbd_ops = {.requested = requested,
                                        .calls = overlay_calls,
                                        .ncalls = sizeof overlay_calls / sizeof *overlay_calls,
                                        .also = &nbd_calls};

/* ---- what the guest is shown ---- */

void ide_describe(const struct disk *d, bool cdrom, struct ide_shown *shown)
{
	*shown = (struct ide_shown){.kind = cdrom ? IDE_CDROM : IDE_DISK,
	                            .sectors = d->bytes / IDE_SECTOR};
	if (d->physical > IDE_SECTOR)
		shown->physical_exponent = (uint8_t)__builtin_ctz(d->physical / IDE_SECTOR);
	memcpy(shown->serial, d->serial, strnlen(d->serial, IDE_SERIAL_BYTES));
}
