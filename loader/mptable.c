// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The MultiProcessor table (Intel MultiProcessor Specification 1.4, chapter 4): one processor, a
 * PCI and an ISA bus and, where the guest is to use it, an IO-APIC with their interrupts.
 *
 * Without the APICs it is here for the time it saves. A kernel that finds no table looks for one at
 * every 16 bytes of the BIOS area, mapping and unmapping all the rest of it each time: 70,000
 * INVLPG and 36,000 dropped mappings of a boot of Linux 6.1. Linux looks at the first KiB first.
 */
#include "loader/mptable.h"

#include "loader/checksum.h"

#include "devices/ports.h"

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

struct ioapic_entry {
	uint8_t type, id, version, flags;
	uint32_t address;
} __attribute__((packed));

/*
 * Every interrupt of the ISA bus but the cascade's and those of PCI; INTA of every slot; and the
 * processor's two local inputs. A pin has one kind of source: Linux takes its trigger mode from the
 * first entry that names it.
 */
#define ISA_INTERRUPTS   (PIC_IRQS - 1 - 3)
#define PCI_INTERRUPTS   (PCI_SLOTS - 1)
#define LOCAL_INTERRUPTS 2

struct table {
	struct table_header header;
	struct processor_entry processor;
	struct bus_entry bus[2];
	struct ioapic_entry ioapic;
	struct interrupt_entry interrupt[ISA_INTERRUPTS + PCI_INTERRUPTS + LOCAL_INTERRUPTS];
} __attribute__((packed));

/* The same without an IO-APIC: the 8259A pair at a local input. Linux warns of a table without. */
struct short_table {
	struct table_header header;
	struct processor_entry processor;
	struct bus_entry bus[2];
	struct interrupt_entry interrupt;
} __attribute__((packed));

#define PROCESSOR_ENABLED 1
#define PROCESSOR_BOOT    2
#define IOAPIC_ENABLED    1
#define ENTRY_PROCESSOR   0
#define ENTRY_BUS         1
#define ENTRY_IOAPIC      2
#define ENTRY_INTERRUPT   3
#define ENTRY_LOCAL       4
#define INTERRUPT_FIXED   0
#define INTERRUPT_NMI     1
#define INTERRUPT_EXTINT  3
#define EVERY_APIC        0xff
#define REVISION_1_4      4
#define PCI_BUS           0 /* as in its configuration addresses */
#define ISA_BUS           1

/* CPUID leaf 1 as an entry gives it: family 6, and FPU, APIC */
#define SIGNATURE 0x600
#define FEATURES  0x201

static struct table_header header(size_t length, unsigned entries)
{
	return (struct table_header){.signature = "PCMP",
	                             .length = (uint16_t)length,
	                             .revision = REVISION_1_4,
	                             .oem = "ring1   ",
	                             .product = "ring1       ",
	                             .entries = (uint16_t)entries,
	                             .local_apic = PLATFORM_LAPIC_PA};
}

static const struct processor_entry processor = {.type = ENTRY_PROCESSOR,
                                                 .apic_id = PLATFORM_LAPIC_ID,
                                                 .apic_version = LAPIC_VERSION_VALUE & 0xff,
                                                 .flags = PROCESSOR_ENABLED | PROCESSOR_BOOT,
                                                 .signature = SIGNATURE,
                                                 .features = FEATURES};
#define PCI                                                                                        \
	{                                                                                          \
		.type = ENTRY_BUS, .id = PCI_BUS, .name = "PCI   "                                 \
	}
#define ISA                                                                                        \
	{                                                                                          \
		.type = ENTRY_BUS, .id = ISA_BUS, .name = "ISA   "                                 \
	}

/* Source of a PCI interrupt (D.3): slot, and pin from 0. */
#define INTA_OF(slot) ((slot) << 2)

static struct table whole_table(void)
{
	struct table t = {
	    .header = header(sizeof t, 4 + ISA_INTERRUPTS + PCI_INTERRUPTS + LOCAL_INTERRUPTS),
	    .processor = processor,
	    .bus = {PCI, ISA},
	    .ioapic = {ENTRY_IOAPIC, PLATFORM_IOAPIC_ID, 0x11, IOAPIC_ENABLED, PLATFORM_IOAPIC_PA}};
	struct interrupt_entry *to = t.interrupt;

	/* flags 0: trigger and polarity are the bus's */
	for (uint8_t irq = 0; irq < PIC_IRQS; irq++)
		if (irq != PIC_CASCADE_IRQ && !(PCI_IRQS >> irq & 1))
			*to++ = (struct interrupt_entry){
			    ENTRY_INTERRUPT,
			    INTERRUPT_FIXED,
			    0,
			    ISA_BUS,
			    irq,
			    PLATFORM_IOAPIC_ID,
			    irq == PLATFORM_TIMER_IRQ ? PLATFORM_TIMER_PIN : irq};
	for (uint8_t slot = 1; slot < PCI_SLOTS; slot++)
		*to++ = (struct interrupt_entry){
		    ENTRY_INTERRUPT,    INTERRUPT_FIXED,          0, PCI_BUS, INTA_OF(slot),
		    PLATFORM_IOAPIC_ID, (uint8_t)pci_irq(slot, 1)};
	*to++ =
	    (struct interrupt_entry){ENTRY_LOCAL, INTERRUPT_EXTINT, 0, ISA_BUS, 0, EVERY_APIC, 0};
	*to = (struct interrupt_entry){ENTRY_LOCAL, INTERRUPT_NMI, 0, ISA_BUS, 0, EVERY_APIC, 1};
	return t;
}

static struct short_table table_without_apics(void)
{
	return (struct short_table){
	    .header = header(sizeof(struct short_table), 4),
	    .processor = processor,
	    .bus = {PCI, ISA},
	    .interrupt = {ENTRY_INTERRUPT, INTERRUPT_EXTINT, 0, ISA_BUS, 0, EVERY_APIC, 0}};
}

void mptable_write(uint8_t *ram, bool apic)
{
	struct floating_pointer pointer = {.signature = "_MP_",
	                                   .table_pa = MPTABLE_PA + sizeof(pointer),
	                                   .paragraphs = 1,
	                                   .revision = REVISION_1_4};
	struct table table = whole_table();
	struct short_table less = table_without_apics();
	struct table_header *h = apic ? &table.header : &less.header;

	pointer.checksum = table_checksum(&pointer, sizeof(pointer));
	h->checksum = table_checksum(h, h->length);
	memcpy(ram + MPTABLE_PA, &pointer, sizeof(pointer));
	memcpy(ram + MPTABLE_PA + sizeof(pointer), h, h->length);
}
