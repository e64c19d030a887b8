// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The MultiProcessor table (Intel MultiProcessor Specification 1.4, chapter 4): one processor,
 * an ISA bus, nothing else.
 *
 * It is here for the time it saves. A kernel that finds no table looks for one at every 16
 * bytes of the BIOS area, mapping and unmapping all the rest of it each time: 70,000 INVLPG
 * and 36,000 dropped mappings of a boot of Linux 6.1. Linux looks at the first KiB first.
 */
#include "loader/mptable.h"

#include <string.h>

struct floating_pointer {
	char signature[4];
	uint32_t table_pa;
	uint8_t paragraphs, revision, checksum, feature[5];
} __attribute__((packed));

struct table_header {
	char signature[4];
	uint16_t length;
	uint8_t revision, checksum;
	char oem[8], product[12];
	uint32_t oem_table;
	uint16_t oem_size, entries;
	uint32_t local_apic;
	uint16_t extended_length;
	uint8_t extended_checksum, reserved;
} __attribute__((packed));

struct processor_entry {
	uint8_t type, apic_id, apic_version, flags;
	uint32_t signature, features, reserved[2];
} __attribute__((packed));

struct bus_entry {
	uint8_t type, id;
	char name[6];
} __attribute__((packed));

struct interrupt_entry {
	uint8_t type, kind;
	uint16_t flags;
	uint8_t bus, bus_irq, apic, pin;
} __attribute__((packed));

struct table {
	struct table_header header;
	struct processor_entry processor;
	struct bus_entry bus;
	struct interrupt_entry interrupt;
} __attribute__((packed));

#define PROCESSOR_ENABLED 1
#define PROCESSOR_BOOT    2
#define ENTRY_PROCESSOR   0
#define ENTRY_BUS         1
#define ENTRY_INTERRUPT   3
#define INTERRUPT_EXTINT  3
#define REVISION_1_4      4

static uint8_t checksum(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint8_t sum = 0;

	while (n--)
		sum += *p++;
	return (uint8_t)-sum;
}

void mptable_write(uint8_t *ram)
{
	struct floating_pointer pointer = {.signature = "_MP_",
	                                   .table_pa = MPTABLE_PA + sizeof(pointer),
	                                   .paragraphs = 1,
	                                   .revision = REVISION_1_4};
	struct table table = {
	    .header = {.signature = "PCMP",
	               .length = sizeof(table),
	               .revision = REVISION_1_4,
	               .oem = "ring1   ",
	               .product = "ring1       ",
	               .entries = 3,
	               .local_apic = 0xfee00000},
	    .processor = {.type = ENTRY_PROCESSOR,
	                  .apic_version = 0x14,
	                  .flags = PROCESSOR_ENABLED | PROCESSOR_BOOT},
	    .bus = {.type = ENTRY_BUS, .name = "ISA   "},
	    /* Linux warns of a table without any: the 8259A pair. */
	    .interrupt = {.type = ENTRY_INTERRUPT, .kind = INTERRUPT_EXTINT, .apic = 0xff},
	};

	pointer.checksum = checksum(&pointer, sizeof(pointer));
	table.header.checksum = checksum(&table, sizeof(table));
	memcpy(ram + MPTABLE_PA, &pointer, sizeof(pointer));
	memcpy(ram + MPTABLE_PA + sizeof(pointer), &table, sizeof(table));
}
