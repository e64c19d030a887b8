// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile guest against the IDE controller and the processes behind a disk and a CD-ROM: port
 * accesses, bytes of its choice in its memory (tables of regions) and anywhere in the structures,
 * which it shares, requests that no register model makes. Nothing may leave struct platform or
 * guest memory (ASan: heap blocks of their sizes), be undefined (UBSan), or fail to end; the disk
 * keeps its size, the CD-ROM its contents, and only units that are there ask for their back ends.
 */
#include "backends/ide.h"
#include "devices/ports.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP_BYTES 8
#define STEPS_MAX  2048
#define MEMORY     (128u * 1024)
#define DISK       (64u * 1024)
#define CD         (20u * 1024)
#define MASTER     0xf000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct disk disks[IDE_UNITS];
static struct guest_memory memory;

static void make_disks(void)
{
	if (disks[0].bytes)
		return;
	for (unsigned i = 0; i < IDE_UNITS; i += 2) {
		disks[i] = (struct disk){.fd = memfd_create("disk", 0),
		                         .overlay = -1,
		                         .bytes = i ? CD : DISK,
		                         .physical = 4096,
		                         .read_only = i != 0};
		if (ftruncate(disks[i].fd, (off_t)disks[i].bytes))
			abort();
	}
}

static struct platform *machine(void)
{
	struct platform *p = calloc(1, sizeof *p);

	if (!p)
		abort();
	for (unsigned i = 0; i < IDE_UNITS; i += 2) {
		struct ide_shown shown;

		ide_describe(&disks[i], i != 0, &shown);
		shown.mailbox = (uint8_t)i;
		ide_plug(&p->ide, &p->pci, i, &shown);
	}
	platform_reset(p, 0, 64u << 20, 0);
	p->pci.function[IDE_FUNCTION].config[PCI_COMMAND / 4] |= PCI_COMMAND_MASTER;
	return p;
}

/* As backends/ide.c's process has it: one request of each drive. */
static void serve(struct platform *p)
{
	p->virtio.rung = p->virtio.settling = 0;
	for (unsigned i = 0; i < IDE_UNITS; i += 2) {
		struct ide_unit *u = &p->ide.unit[i];
		struct ide_request r = u->request;
		uint32_t done;

		if (r.sequence == u->result.sequence)
			continue;
		u->result.outcome =
		    ide_request(&disks[i], &memory, &r, p->ide.channel[i / 2].buffer, &done);
		if (done > r.sectors && r.operation != IDE_OP_REPLY)
			abort();
		u->result.done = done;
		u->result.sequence = r.sequence;
	}
	platform_update_irqs(p, 0);
}

static void step(struct platform *p, const uint8_t *s)
{
	static const uint16_t blocks[] = {0x1f0, 0x170, 0x1f0, 0x170};
	static const uint8_t sizes[] = {1, 2, 4, 1};
	unsigned size = sizes[s[0] >> 6];
	uint16_t block = blocks[s[1] & 3];
	uint32_t value;

	memcpy(&value, s + 4, 4);
	switch (s[0] & 15) {
	case 0: /* all registers, and then the command */
		for (unsigned i = 1; i < 7; i++)
			platform_out(p, (uint16_t)(block + i), 1, s[1 + i], 0);
		platform_out(p, block + 7, 1, s[1] >> 2 | (uint32_t)(s[0] & 0x30) << 2, 0);
		break;
	case 1:
		platform_out(p, (uint16_t)(block + (s[2] & 7)), size, value, 0);
		break;
	case 2:
		(void)platform_in(p, (uint16_t)(block + (s[2] & 7)), size, 0);
		break;
	case 3:
		platform_out(p, block + 0x206, 1, value & 0xff, 0);
		break;
	case 4:
		(void)platform_in(p, block + 0x206, 1, 0);
		break;
	case 5:
		platform_out(p, (uint16_t)(MASTER + (s[2] & 15)), size, value, 0);
		break;
	case 6:
		(void)platform_in(p, (uint16_t)(MASTER + (s[2] & 15)), size, 0);
		break;
	case 7: /* a whole packet */
		for (unsigned i = 0; i < 6; i++)
			platform_out(p, block, 2, i < 3 ? s[2 + 2 * i] | s[3 + 2 * i] << 8u : s[1],
			             0);
		break;
	case 8: /* a block of data */
		for (unsigned i = 0; i < 256u << (s[2] & 3); i++)
			(void)platform_in(p, block, 4, 0);
		break;
	case 9:
		for (unsigned i = 0; i < 256u << (s[2] & 3); i++)
			platform_out(p, block, 4, value + i, 0);
		break;
	case 10: /* a region, and the table begins there */
		memcpy(memory.base + (s[1] * 256u + s[2] * 8u) % (MEMORY - 8), s + 4, 4);
		memcpy(memory.base + (s[1] * 256u + s[2] * 8u) % (MEMORY - 8) + 4,
		       (uint8_t[]){s[3], 0, 0, s[0] & 0x40 ? 0x80 : 0}, 4);
		platform_out(p, MASTER + 4 + (s[0] & 0x80 ? 8 : 0), 4, s[1] * 256u + s[2] * 8u, 0);
		break;
	case 11:
		platform_out(p, 0xcf8, 4, 0x8000f800u | s[1], 0);
		platform_out(p, 0xcfc, size, value, 0);
		break;
	case 12:
		memory.base[value % MEMORY] = s[1];
		break;
	case 13:
		((uint8_t *)&p->ide)[value % sizeof p->ide] = s[1];
		break;
	case 14:
		((uint8_t *)&p->ide.unit[s[2] & 2])[value % sizeof p->ide.unit[0]] = s[1];
		break;
	default:
		serve(p);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t zeros[CD];
	static uint8_t there[CD];
	struct platform *p;
	struct stat st;

	make_disks();
	memory = (struct guest_memory){.base = calloc(1, MEMORY), .size = MEMORY};
	p = machine();
	if (!memory.base)
		abort();
	for (unsigned n = 0; size >= STEP_BYTES && n < STEPS_MAX;
	     n++, data += STEP_BYTES, size -= STEP_BYTES) {
		step(p, data);
		/* Until somebody overwrites the structures they name what is there. */
		if ((p->virtio.rung | p->virtio.settling) >> VIRTIO_DEVICES)
			abort();
		if (!(data[0] & 0x20))
			serve(p);
	}
	if (fstat(disks[0].fd, &st) || st.st_size != DISK ||
	    pread(disks[2].fd, there, CD, 0) != CD || memcmp(there, zeros, CD))
		abort();
	free(memory.base);
	free(p);
	return 0;
}
