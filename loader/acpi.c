// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ACPI tables: what a kernel has to be told to switch the machine off, to restart it, to hear its
 * power button and to find its interrupt controllers and ISA devices.
 *
 * Sources: ACPI specification 2.0c, chapter 5 (tables; the FADT is its revision 3, which Linux
 * from 2.6.0 to today reads), 6.4 (resource descriptors), 20.2 (AML encoding).
 *
 * The routing of PCI interrupts is a table of its own, made from pci_irq().
 *
 * What is not there: processor objects (no C or P states to tell of), general-purpose events, an
 * embedded controller.
 */
#include "loader/acpi.h"

#include "loader/checksum.h"

#include "devices/ports.h"

#include <stddef.h>
#include <string.h>

#define OEM          "RING1 "
#define OEM_TABLE    "RING1   "
#define OEM_REVISION 1
#define CREATOR      "RNG1"

struct table_header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct root_pointer {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum, reserved[3];
} __attribute__((packed));

/* Generic address structure, 5.2.3.1 */
struct address {
	uint8_t space, bits, offset, access;
	uint64_t at;
} __attribute__((packed));

struct fadt {
	struct table_header header;
	uint32_t facs, dsdt;
	uint8_t interrupt_model, profile;
	uint16_t sci;
	uint32_t smi_command;
	uint8_t acpi_enable, acpi_disable, s4bios, pstate_control;
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, timer;
	uint32_t gpe0, gpe1;
	uint8_t pm1_event_length, pm1_control_length, pm2_control_length, timer_length;
	uint8_t gpe0_length, gpe1_length, gpe1_base, cst_control;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_architecture;
	uint8_t reserved;
	uint32_t flags;
	struct address reset;
	uint8_t reset_value, reserved3[3];
	uint64_t x_facs, x_dsdt;
	struct address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control, x_pm2_control;
	struct address x_timer, x_gpe0, x_gpe1;
} __attribute__((packed));

_Static_assert(sizeof(struct root_pointer) == 36, "ACPI 5.2.5.3");
_Static_assert(offsetof(struct fadt, century) == 108, "ACPI 5.2.8");
_Static_assert(offsetof(struct fadt, reset) == 116, "ACPI 5.2.8");
_Static_assert(sizeof(struct fadt) == 244, "ACPI 5.2.8: revision 3");

struct facs {
	char signature[4];
	uint32_t length, hardware_signature, waking_vector, global_lock, flags;
	uint64_t x_waking_vector;
	uint8_t version, reserved[31];
} __attribute__((packed));

_Static_assert(sizeof(struct facs) == 64, "ACPI 5.2.9");

struct madt {
	struct table_header header;
	uint32_t local_apic, flags;
	struct {
		uint8_t type, length, processor, id;
		uint32_t flags;
	} __attribute__((packed)) processor;
	struct {
		uint8_t type, length, id, reserved;
		uint32_t address, first_interrupt;
	} __attribute__((packed)) ioapic;
	struct {
		uint8_t type, length, bus, source;
		uint32_t interrupt;
		uint16_t flags;
	} __attribute__((packed)) override[2];
	struct {
		uint8_t type, length, processor;
		uint16_t flags;
		uint8_t lint;
	} __attribute__((packed)) nmi;
} __attribute__((packed));

#define SPACE_IO     1
#define ACCESS_BYTE  1
#define ACCESS_WORD  2
#define ACCESS_DWORD 3
#define NO_C2        101  /* a larger latency than C2 may have: not there */
#define NO_C3        1001 /* likewise */

/* IAPC_BOOT_ARCH, table 5-10; the VGA bit came with ACPI 3.0 */
#define BOOT_LEGACY_DEVICES 0x01
#define BOOT_8042           0x02
#define BOOT_NO_VGA         0x04

/* Fixed feature flags, table 5-9. PWR_BUTTON is clear: the power button is fixed hardware. */
#define FLAG_WBINVD          (1u << 0)
#define FLAG_PROC_C1         (1u << 2)
#define FLAG_NO_SLEEP_BUTTON (1u << 5)
#define FLAG_NO_FIXED_RTC    (1u << 6)
#define FLAG_TIMER_32_BITS   (1u << 8)
#define FLAG_RESET_REGISTER  (1u << 10)

#define CHIPSET_RESET_VALUE 0x06 /* port 0xcf9: reset the processor, hard */

#define MADT_PCAT_COMPATIBLE 1
#define MADT_PROCESSOR       0
#define MADT_IOAPIC          1
#define MADT_OVERRIDE        2
#define MADT_LOCAL_NMI       4
#define ENABLED              1
#define ALL_PROCESSORS       0xff
#define ISA_TRIGGER          0x0 /* as the bus has it: edge, active high */
#define LEVEL_ACTIVE_HIGH    0xd
#define LINT1                1

/*
 * ---- AML by hand ----
 *
 * A macro yields the bytes of a term; PACKAGED() puts the package length (20.2.4, in its two-byte
 * form) in front of what it is given.
 */
#define COUNT(...) sizeof((const uint8_t[]){__VA_ARGS__})
#define PACKAGED(...)                                                                              \
	0x40 | ((COUNT(__VA_ARGS__) + 2) & 15), (COUNT(__VA_ARGS__) + 2) >> 4, __VA_ARGS__

#define WORD(n)  (n) & 0xff, (n) >> 8 & 0xff
#define DWORD(n) WORD((n)&0xffffu), WORD((n) >> 16)

#define NAME(a, b, c, d, ...)   0x08, a, b, c, d, __VA_ARGS__ /* NameOp */
#define SCOPE(a, b, c, d, ...)  0x10, PACKAGED(a, b, c, d, __VA_ARGS__)
#define DEVICE(a, b, c, d, ...) 0x5b, 0x82, PACKAGED(a, b, c, d, __VA_ARGS__)
#define PACKAGE_OF(n, ...)      0x12, PACKAGED(n, __VA_ARGS__)
#define BYTE(n)                 0x0a, n /* BytePrefix */
#define BUFFER(...)             0x11, PACKAGED(BYTE(COUNT(__VA_ARGS__)), __VA_ARGS__)

/* EISA identifier of the vendor "PNP" (6.1.5: three letters of 5 bits, then the number) */
#define HID_PNP(high, low) NAME('_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, high, low)
#define RESOURCES(...)     NAME('_', 'C', 'R', 'S', BUFFER(__VA_ARGS__, 0x79, 0x00)) /* end tag */

/* 6.4.2.5: 16 bits decoded, fixed place */
#define PORTS(first, n) 0x47, 0x01, WORD(first), WORD(first), 1, n
/* 6.4.2.1: edge triggered, active high, not shared */
#define IRQ(n)          0x22, WORD(1u << (n))

/* 6.4.3.5: address spaces that a bridge passes on; both ends fixed, positive decode */
#define RANGE_MEMORY 0
#define RANGE_IO     1
#define RANGE_BUS    2
#define RANGE16(type, specific, first, last)                                                       \
	0x88, WORD(0x0d), type, 0x0c, specific, WORD(0), WORD(first), WORD(last), WORD(0),         \
	    WORD((last) - (first) + 1u)
#define RANGE32(type, specific, first, last)                                                       \
	0x87, WORD(0x17), type, 0x0c, specific, DWORD(0u), DWORD(first), DWORD(last), DWORD(0u),   \
	    DWORD((last) - (first) + 1u)
#define WHOLE_RANGE  3 /* ISA and non-ISA ports */
#define READ_WRITE   1 /* and not cacheable */
#define WINDOW_FIRST 0xe0000000u
#define WINDOW_LAST  0xfebfffffu

static const uint8_t definition_block[] = {
    /* Sleep type of soft off, for PM1a and PM1b. */
    NAME('_', 'S', '5', '_', PACKAGE_OF(4, BYTE(PM_S5_TYPE), BYTE(PM_S5_TYPE), 0x00, 0x00)),
    SCOPE('_', 'S', 'B', '_',
          DEVICE('P', 'C', 'I', '0', HID_PNP(0x0a, 0x03), /* PCI host bridge */
                 NAME('_', 'A', 'D', 'R', 0x00), NAME('_', 'B', 'B', 'N', 0x00),
                 RESOURCES(RANGE16(RANGE_BUS, 0, 0u, 0xffu), PORTS(CHIPSET_CONFIG_ADDRESS, 8),
                           RANGE16(RANGE_IO, WHOLE_RANGE, 0u, 0xcf7u),
                           RANGE16(RANGE_IO, WHOLE_RANGE, 0xd00u, 0xffffu),
                           RANGE32(RANGE_MEMORY, READ_WRITE, WINDOW_FIRST, WINDOW_LAST))),
          DEVICE('C', 'O', 'M', '1', HID_PNP(0x05, 0x01), /* 16550A */
                 NAME('_', 'U', 'I', 'D', 0x01),
                 RESOURCES(PORTS(PLATFORM_UART_PORT, 8), IRQ(PLATFORM_UART_IRQ))),
          DEVICE('R', 'T', 'C', '_', HID_PNP(0x0b, 0x00),
                 RESOURCES(PORTS(RTC_INDEX, 2), IRQ(PLATFORM_RTC_IRQ))),
          DEVICE(
              'K', 'B', 'D', '_', HID_PNP(0x03, 0x03), /* keyboard controller */
              RESOURCES(PORTS(I8042_DATA, 1), PORTS(I8042_COMMAND, 1), IRQ(PLATFORM_KEYBOARD_IRQ))),
          DEVICE('T', 'I', 'M', 'R', HID_PNP(0x01, 0x00), /* PIT */
                 RESOURCES(PORTS(PIT_CHANNEL0, 4), IRQ(PLATFORM_TIMER_IRQ))),
          DEVICE('P', 'I', 'C', '_', HID_PNP(0x00, 0x00), /* 8259A pair */
                 RESOURCES(PORTS(PIC_MASTER_COMMAND, 2), PORTS(PIC_SLAVE_COMMAND, 2),
                           PORTS(PIC_MASTER_ELCR, 2), IRQ(PIC_CASCADE_IRQ)))),
};

/* ---- the tables ---- */

static struct table_header header(const char *signature, uint8_t revision, size_t length)
{
	struct table_header h = {.length = (uint32_t)length,
	                         .revision = revision,
	                         .oem = OEM,
	                         .oem_table = OEM_TABLE,
	                         .oem_revision = OEM_REVISION,
	                         .creator = CREATOR,
	                         .creator_revision = 1};

	memcpy(h.signature, signature, sizeof h.signature);
	return h;
}

/* Where the next table goes. */
struct writer {
	uint8_t *ram;
	uint32_t pa;
};

/* The FACS wants 64 bytes of alignment, and none of the others minds. */
static uint32_t put(struct writer *w, const void *bytes, size_t n)
{
	uint32_t pa = w->pa;

	memcpy(w->ram + pa, bytes, n);
	w->pa = (pa + (uint32_t)n + 63) & ~63u;
	return pa;
}

/* A table behind its header: sum over all of it. */
static uint32_t put_table(struct writer *w, void *table, size_t n)
{
	struct table_header *h = table;

	h->checksum = 0;
	h->checksum = table_checksum(table, n);
	return put(w, table, n);
}

static struct address ports(uint32_t first, uint8_t bits, uint8_t access)
{
	return (struct address){.space = SPACE_IO, .bits = bits, .access = access, .at = first};
}

static uint32_t put_dsdt(struct writer *w)
{
	struct {
		struct table_header header;
		uint8_t aml[sizeof definition_block];
	} __attribute__((packed)) dsdt = {.header = header("DSDT", 1, sizeof dsdt)};

	memcpy(dsdt.aml, definition_block, sizeof definition_block);
	return put_table(w, &dsdt, sizeof dsdt);
}

/*
 * _PRT of the host bridge (6.2.8): for each slot and pin (of which functions here use INTA) a
 * package of address, pin, source, index. Source 0: the index is a global system interrupt, and
 * with the 8259A pair the IRQ of the same number.
 */
#define ROUTE_BYTES 12
#define SCOPE_PCI0  0x10, 0, 0, '\\', 0x2e, '_', 'S', 'B', '_', 'P', 'C', 'I', '0'
#define NAME_PRT    0x08, '_', 'P', 'R', 'T', 0x12, 0, 0, 0

static void put_package_length(uint8_t *at, size_t n)
{
	at[0] = (uint8_t)(0x40 | (n & 15));
	at[1] = (uint8_t)(n >> 4);
}

static uint32_t put_routing(struct writer *w)
{
	static const uint8_t scope[] = {SCOPE_PCI0}, name[] = {NAME_PRT};
	struct {
		struct table_header header;
		uint8_t scope[sizeof scope];
		uint8_t name[sizeof name];
		uint8_t route[PCI_SLOTS - 1][ROUTE_BYTES];
	} __attribute__((packed)) ssdt = {.header = header("SSDT", 1, sizeof ssdt)};

	memcpy(ssdt.scope, scope, sizeof scope);
	memcpy(ssdt.name, name, sizeof name);
	/* Both package lengths count from themselves to the end. */
	put_package_length(ssdt.scope + 1, sizeof ssdt - sizeof ssdt.header - 1);
	put_package_length(ssdt.name + 6, sizeof ssdt.route + 3);
	ssdt.name[8] = PCI_SLOTS - 1;
	for (uint8_t slot = 1; slot < PCI_SLOTS; slot++) {
		const uint8_t route[ROUTE_BYTES] = {
		    0x12, ROUTE_BYTES - 1,          4, 0x0c, 0xff, 0xff, slot,
		    0,    /* address: any function of it */
		    0x00, /* INTA */
		    0x00, /* no link device */
		    0x0a, (uint8_t)pci_irq(slot, 1)};

		memcpy(ssdt.route[slot - 1], route, sizeof route);
	}
	return put_table(w, &ssdt, sizeof ssdt);
}

static uint32_t put_fadt(struct writer *w, uint32_t facs, uint32_t dsdt)
{
	const uint32_t event = PLATFORM_PM_PORT + PM1_STATUS, timer = PLATFORM_PM_PORT + PM_TIMER;
	const uint32_t control = PLATFORM_PM_PORT + PM1_CONTROL;
	struct fadt f = {
	    .header = header("FACP", 3, sizeof f),
	    .facs = facs,
	    .dsdt = dsdt,
	    .sci = PLATFORM_SCI_IRQ,
	    .pm1a_event = event,
	    .pm1a_control = control,
	    .timer = timer,
	    .pm1_event_length = 4,
	    .pm1_control_length = 2,
	    .timer_length = 4,
	    .c2_latency = NO_C2,
	    .c3_latency = NO_C3,
	    .century = RTC_CENTURY,
	    .boot_architecture = BOOT_LEGACY_DEVICES | BOOT_8042 | BOOT_NO_VGA,
	    .flags = FLAG_WBINVD | FLAG_PROC_C1 | FLAG_NO_SLEEP_BUTTON | FLAG_NO_FIXED_RTC |
	             FLAG_TIMER_32_BITS | FLAG_RESET_REGISTER,
	    .reset = ports(CHIPSET_RESET_CONTROL, 8, ACCESS_BYTE),
	    .reset_value = CHIPSET_RESET_VALUE,
	    .x_dsdt = dsdt,
	    .x_pm1a_event = ports(event, 32, ACCESS_WORD),
	    .x_pm1a_control = ports(control, 16, ACCESS_WORD),
	    .x_timer = ports(timer, 32, ACCESS_DWORD),
	};

	return put_table(w, &f, sizeof f);
}

static uint32_t put_madt(struct writer *w)
{
	struct madt m = {
	    .header = header("APIC", 1, sizeof m),
	    .local_apic = PLATFORM_LAPIC_PA,
	    .flags = MADT_PCAT_COMPATIBLE,
	    .processor = {MADT_PROCESSOR, sizeof m.processor, 0, PLATFORM_LAPIC_ID, ENABLED},
	    .ioapic = {MADT_IOAPIC, sizeof m.ioapic, PLATFORM_IOAPIC_ID, 0, PLATFORM_IOAPIC_PA, 0},
	    .override = {{MADT_OVERRIDE, sizeof m.override[0], 0, PLATFORM_TIMER_IRQ,
	                  PLATFORM_TIMER_PIN, ISA_TRIGGER},
	                 {MADT_OVERRIDE, sizeof m.override[1], 0, PLATFORM_SCI_IRQ,
	                  PLATFORM_SCI_IRQ, LEVEL_ACTIVE_HIGH}},
	    .nmi = {MADT_LOCAL_NMI, sizeof m.nmi, ALL_PROCESSORS, ISA_TRIGGER, LINT1},
	};

	return put_table(w, &m, sizeof m);
}

void acpi_write(uint8_t *ram, bool apic)
{
	struct root_pointer root = {
	    .signature = "RSD PTR ", .oem = OEM, .revision = 2, .length = sizeof root};
	struct facs facs = {.signature = "FACS", .length = sizeof facs, .version = 1};
	struct {
		struct table_header header;
		uint32_t table[3];
	} __attribute__((packed)) rsdt;
	struct {
		struct table_header header;
		uint64_t table[3];
	} __attribute__((packed)) xsdt;
	uint32_t n = apic ? 3 : 2;
	struct writer w = {.ram = ram, .pa = ACPI_PA + 64};
	uint32_t facs_pa = put(&w, &facs, sizeof facs), dsdt = put_dsdt(&w);
	uint32_t fadt = put_fadt(&w, facs_pa, dsdt);
	uint32_t routing = put_routing(&w), madt = apic ? put_madt(&w) : 0;

	rsdt.header = header("RSDT", 1, sizeof rsdt.header + n * sizeof rsdt.table[0]);
	xsdt.header = header("XSDT", 1, sizeof xsdt.header + n * sizeof xsdt.table[0]);
	rsdt.table[0] = fadt;
	xsdt.table[0] = fadt;
	rsdt.table[1] = routing;
	xsdt.table[1] = routing;
	rsdt.table[2] = madt;
	xsdt.table[2] = madt;
	root.rsdt = put_table(&w, &rsdt, rsdt.header.length);
	root.xsdt = put_table(&w, &xsdt, xsdt.header.length);
	root.checksum = table_checksum(&root, offsetof(struct root_pointer, length));
	root.extended_checksum = table_checksum(&root, sizeof root);
	memcpy(ram + ACPI_PA, &root, sizeof root);
}
