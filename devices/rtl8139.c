/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/rtl8139.h"

#define VENDOR   0x10ecu
#define DEVICE   0x8139u
#define CLASS    0x020000u
#define REVISION 0x10u

enum { BAR_PORTS, BAR_MEMORY };

/* What a BIOS finds in the EEPROM of such a card. */
#define EEPROM_SIGNATURE 0x8129u
#define EEPROM_MAC       7u /* the word where the address begins */

/* 9346CR: the mode, and the wires of the EEPROM */
#define MODE        0xc0u
#define MODE_NORMAL 0x00u
#define MODE_LOAD   0x40u
#define MODE_EEPROM 0x80u
#define MODE_CONFIG 0xc0u
#define WIRE_SELECT 0x08u
#define WIRE_CLOCK  0x04u
#define WIRE_IN     0x02u
#define WIRE_OUT    0x01u

#define TCR_VERSION  0x74000000u /* RTL8139C */
#define TCR_WRITABLE 0x030707f0u
#define RCR_WRITABLE 0x0f07ffbfu
#define TSD_WRITABLE (0x003f0000u | RTL8139_TSD_SIZE | RTL8139_TSD_OWN)
#define INT_ALL      0xe07fu
#define CAPR_RESET   0xfff0u
#define MPC_BITS     0x00ffffffu

#define CONFIG1_FIXED    0x0cu /* its registers are in ports and in memory */
#define CONFIG1_WRITABLE 0xf3u
#define CONFIG3_WRITABLE 0x70u
#define CONFIG4_WRITABLE 0xffu
#define CONFIG5_WRITABLE 0x7fu

#define MSR_NO_LINK   0x04u
#define MSR_FLOW      0x80u /* pause frames: writable */
#define BMCR_RESET    0x8000u
#define BMCR_DEFAULT  0x3100u /* 100 Mbit/s, negotiated, full duplex */
#define BMCR_WRITABLE 0x3100u
#define BMSR_ABLE     0x7809u /* 10 and 100 Mbit/s, both duplexes, negotiation */
#define BMSR_LINK     0x0024u /* and: negotiated */
#define ANAR_DEFAULT  0x05e1u
#define PARTNER       0x45e1u /* a switch that can do all of it */
#define CSCR_FIXED    0x03c0u
#define CSCR_LINK     0x0408u
#define CSCR_CHANGED  0x0800u

#define NS 1000000000ull

/* ---- plugging in ---- */

static void load_address(struct rtl8139 *nic)
{
	const uint16_t *word = nic->eeprom.word + EEPROM_MAC;

	nic->address[0] = word[0] | (uint32_t)word[1] << 16;
	nic->address[1] = word[2];
}

static void reset_control(struct rtl8139 *nic)
{
	nic->control = BMCR_DEFAULT;
	nic->advertised = ANAR_DEFAULT;
}

void rtl8139_plug(struct virtio_bus *bus, struct pci *pci, struct rtl8139 *nic, unsigned number,
                  const struct virtio_shown *shown, const uint8_t *mac)
{
	static const struct pci_identity identity = {.vendor = VENDOR,
	                                             .device = DEVICE,
	                                             .subsystem_vendor = VENDOR,
	                                             .subsystem = DEVICE,
	                                             .class_revision = CLASS << 8 | REVISION};
	struct pci_function *f = &pci->function[number % VIRTIO_DEVICES];

	bus->device[number % VIRTIO_DEVICES] = (struct virtio_device){.shown = *shown};
	*nic = (struct rtl8139){
	    .link = 1,
	    .read_at = CAPR_RESET,
	    .config1 = CONFIG1_FIXED,
	    .eeprom.word = {EEPROM_SIGNATURE, VENDOR, DEVICE, VENDOR, DEVICE, 0x4020, 0xe512}};
	for (unsigned i = 0; i < RTL8139_MAC_BYTES; i++)
		nic->eeprom.word[EEPROM_MAC + i / 2] |= (uint16_t)(mac[i] << i % 2 * 8);
	for (unsigned i = 0; i < RTL8139_DESCRIPTORS; i++)
		nic->transmit_status[i] = RTL8139_TSD_OWN;
	eeprom_reset(&nic->eeprom);
	load_address(nic);
	reset_control(nic);
	pci_plug(pci, number, (uint8_t)((number + 1) << 3), &identity);
	pci_set_bar(f, BAR_PORTS, true, RTL8139_BAR_BYTES,
	            VIRTIO_IO_BASE + 2 * number * VIRTIO_BAR_PORTS);
	pci_set_bar(f, BAR_MEMORY, false, RTL8139_BAR_BYTES,
	            VIRTIO_MEMORY_BASE + number * VIRTIO_MEMORY_BYTES);
}

/* ---- the timer ---- */

static uint64_t ticks(const struct rtl8139 *nic, uint64_t now)
{
	uint64_t ns = now > nic->timer_zero ? now - nic->timer_zero : 0;

	return ns / NS * RTL8139_PCI_CLOCK_HZ + ns % NS * RTL8139_PCI_CLOCK_HZ / NS;
}

/* When the count reaches TimerInt, or will after it has wrapped round. */
static void set_timer(struct rtl8139 *nic, uint64_t now)
{
	uint64_t count, at;

	nic->timer_due = 0;
	if (!nic->timer_interrupt)
		return;
	count = ticks(nic, now);
	at = (count & ~(uint64_t)UINT32_MAX) | nic->timer_interrupt;
	if (at <= count)
		at += 1ull << 32;
	nic->timer_due = nic->timer_zero + at / RTL8139_PCI_CLOCK_HZ * NS +
	                 (at % RTL8139_PCI_CLOCK_HZ * NS) / RTL8139_PCI_CLOCK_HZ + 1;
}

/* ---- reading ---- */

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static uint32_t ring_size(const struct rtl8139 *nic)
{
	return RTL8139_RING_LEAST << (nic->receive_config >> RTL8139_RCR_SIZE_SHIFT & 3);
}

static bool is_empty(const struct rtl8139 *nic)
{
	return !((nic->shown_to - (nic->read_at + 16)) & (ring_size(nic) - 1));
}

static uint32_t read_command(const struct rtl8139 *nic)
{
	return (nic->command & (RTL8139_CR_RECEIVE | RTL8139_CR_TRANSMIT)) |
	       (is_empty(nic) ? RTL8139_CR_EMPTY : 0);
}

/* TSAD: four bits of each descriptor, all at once. */
static uint32_t summary(const struct rtl8139 *nic)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < RTL8139_DESCRIPTORS; i++) {
		uint32_t status = load(&nic->transmit_status[i]);

		value |= (uint32_t) !!(status & RTL8139_TSD_OWN) << i;
		value |= (uint32_t) !!(status & RTL8139_TSD_ABORTED) << (4 + i);
		value |= (uint32_t) !!(status & RTL8139_TSD_OK) << (12 + i);
	}
	return value;
}

static uint32_t read_eeprom_control(const struct rtl8139 *nic)
{
	uint32_t value = nic->eeprom_control;

	if ((value & MODE) == MODE_EEPROM && eeprom_out(&nic->eeprom))
		value |= WIRE_OUT;
	return value;
}

/* It tells of a change once. */
static uint32_t read_link_status(struct rtl8139 *nic)
{
	uint32_t value = CSCR_FIXED | (load(&nic->link) ? CSCR_LINK : 0) |
	                 (nic->link_changed ? CSCR_CHANGED : 0);

	nic->link_changed = 0;
	return value;
}

static uint32_t read_media(const struct rtl8139 *nic)
{
	return nic->flow | (load(&nic->link) ? 0 : MSR_NO_LINK);
}

/* The word at @at, a multiple of 4. */
static uint32_t read_word(struct rtl8139 *nic, uint32_t at, uint64_t now)
{
	bool link = load(&nic->link);

	switch (at) {
	case RTL8139_IDR0:
	case RTL8139_IDR0 + 4:
		return nic->address[at / 4 & 1];
	case RTL8139_MAR0:
	case RTL8139_MAR0 + 4:
		return nic->group[at / 4 & 1];
	case RTL8139_TSD0 ... RTL8139_TSD0 + 15:
		return load(&nic->transmit_status[at / 4 & 3]);
	case RTL8139_TSAD0 ... RTL8139_TSAD0 + 15:
		return nic->transmit_address[at / 4 & 3];
	case RTL8139_RBSTART:
		return nic->ring;
	case RTL8139_CR & ~3u:
		return read_command(nic) << 24;
	case RTL8139_CAPR:
		return (nic->read_at & 0xffff) | nic->shown_to << 16;
	case RTL8139_IMR:
		return nic->mask | nic->status << 16;
	case RTL8139_TCR:
		return nic->transmit_config | TCR_VERSION;
	case RTL8139_RCR:
		return nic->receive_config;
	case RTL8139_TCTR:
		return (uint32_t)ticks(nic, now);
	case RTL8139_MPC:
		return load(&nic->missed) & MPC_BITS;
	case RTL8139_9346CR: /* CONFIG0 reads 0 */
		return read_eeprom_control(nic) | (uint32_t)nic->config1 << 16;
	case RTL8139_TIMERINT:
		return nic->timer_interrupt;
	case RTL8139_MSR:
		return read_media(nic) | (uint32_t)nic->config3 << 8 | (uint32_t)nic->config4 << 16;
	case RTL8139_MULINT: /* and RERID */
		return nic->early | REVISION << 16;
	case RTL8139_TSAD:
		return summary(nic) | (uint32_t)nic->control << 16;
	case RTL8139_BMSR:
		return BMSR_ABLE | (link ? BMSR_LINK : 0) | (uint32_t)nic->advertised << 16;
	case RTL8139_ANLPAR:
		return link ? PARTNER | 1u << 16 : 0;
	case RTL8139_CSCR:
		return read_link_status(nic);
	case RTL8139_CONFIG5:
		return nic->config5;
	default:
		return 0;
	}
}

uint32_t rtl8139_read(struct rtl8139 *nic, uint32_t offset, unsigned size, uint64_t now)
{
	uint32_t value = 0;

	for (unsigned done = 0, n; done < size; done += n, offset += n) {
		uint32_t word =
		    offset < RTL8139_BAR_BYTES ? read_word(nic, offset & ~3u, now) : UINT32_MAX;

		n = 4 - (offset & 3);
		value |= word >> 8 * (offset & 3) << 8 * done;
	}
	return size < 4 ? value & ((1u << 8 * size) - 1) : value;
}

/* ---- writing ---- */

/* A word of which only some lanes are written. */
struct lanes {
	uint32_t mask, value;
};

static uint32_t merge(uint32_t old, struct lanes w, uint32_t writable)
{
	return (old & ~(w.mask & writable)) | (w.value & w.mask & writable);
}

static void merge8(uint8_t *reg, struct lanes w, unsigned byte, uint32_t writable)
{
	*reg = (uint8_t)(merge((uint32_t)*reg << 8 * byte, w, writable << 8 * byte) >> 8 * byte);
}

static bool writes(struct lanes w, unsigned byte)
{
	return w.mask >> 8 * byte & 0xff;
}

static bool unlocked(const struct rtl8139 *nic)
{
	return (nic->eeprom_control & MODE) == MODE_CONFIG;
}

static void forget_frames(struct rtl8139 *nic)
{
	for (unsigned i = 0; i < RTL8139_DESCRIPTORS; i++)
		store(&nic->transmit_status[i], RTL8139_TSD_OWN);
	store(&nic->transmit_epoch, nic->transmit_epoch + 1);
}

static void empty_ring(struct rtl8139 *nic)
{
	store(&nic->read_at, CAPR_RESET);
	nic->shown_to = 0;
	store(&nic->receive_epoch, nic->receive_epoch + 1);
}

/* Addresses, the group filter and what is configured stay (5.7, RST). */
static void reset(struct rtl8139 *nic)
{
	store(&nic->command, 0);
	forget_frames(nic);
	empty_ring(nic);
	store(&nic->mask, 0);
	store(&nic->status, 0);
	nic->transmit_config = nic->receive_config = 0;
	nic->ring = 0;
	nic->early = 0;
	nic->timer_interrupt = 0;
	nic->timer_due = 0;
	store(&nic->missed, 0);
	reset_control(nic);
}

static void write_command(struct virtio_bus *bus, struct rtl8139 *nic, unsigned number,
                          uint32_t value)
{
	uint32_t on = value & (RTL8139_CR_RECEIVE | RTL8139_CR_TRANSMIT);
	uint32_t fresh = on & ~nic->command;

	if (value & RTL8139_CR_RESET) {
		reset(nic);
		virtio_settle(bus, number);
		return;
	}
	if (on == nic->command)
		return;
	if (fresh & RTL8139_CR_RECEIVE)
		empty_ring(nic);
	if (fresh & RTL8139_CR_TRANSMIT)
		forget_frames(nic);
	store(&nic->command, on);
	virtio_settle(bus, number);
}

static void write_descriptor(struct virtio_bus *bus, struct rtl8139 *nic, unsigned number,
                             unsigned i, struct lanes w)
{
	uint32_t value = merge(load(&nic->transmit_status[i]), w, TSD_WRITABLE) & TSD_WRITABLE;

	store(&nic->transmit_status[i], value);
	if (!(value & RTL8139_TSD_OWN) && (nic->command & RTL8139_CR_TRANSMIT))
		virtio_ring(bus, number, RTL8139_BELL_TRANSMIT);
}

static void write_read_at(struct virtio_bus *bus, struct rtl8139 *nic, unsigned number,
                          struct lanes w)
{
	if (!(w.mask & 0xffff))
		return;
	store(&nic->read_at, merge(nic->read_at, w, 0xffff));
	/* Whoever finds no room says so, and then looks at the register once more. */
	if (load(&nic->wants_room) && __atomic_exchange_n(&nic->wants_room, 0, __ATOMIC_SEQ_CST))
		virtio_ring(bus, number, RTL8139_BELL_ROOM);
}

static void write_eeprom_control(struct rtl8139 *nic, uint8_t value)
{
	if ((value & MODE) == MODE_LOAD) {
		load_address(nic);
		nic->eeprom_control = MODE_NORMAL;
		return;
	}
	nic->eeprom_control = value & (MODE | WIRE_SELECT | WIRE_CLOCK | WIRE_IN);
	if ((value & MODE) == MODE_EEPROM)
		eeprom_drive(&nic->eeprom, value & WIRE_SELECT, value & WIRE_CLOCK,
		             value & WIRE_IN);
	else
		eeprom_drive(&nic->eeprom, false, false, false);
}

/* BMCR: a reset and a new negotiation are over at once. */
static void write_control(struct rtl8139 *nic, struct lanes w)
{
	if (w.value & w.mask & (uint32_t)BMCR_RESET << 16)
		reset_control(nic);
	else if (unlocked(nic))
		nic->control =
		    (uint16_t)(merge((uint32_t)nic->control << 16, w, BMCR_WRITABLE << 16) >> 16);
}

static void write_configuration(struct rtl8139 *nic, uint32_t at, struct lanes w)
{
	switch (at) {
	case RTL8139_9346CR:
		if (writes(w, 0))
			write_eeprom_control(nic, (uint8_t)w.value);
		else if (unlocked(nic))
			merge8(&nic->config1, w, 2, CONFIG1_WRITABLE);
		break;
	case RTL8139_MSR:
		merge8(&nic->flow, w, 0, MSR_FLOW);
		if (!unlocked(nic))
			break;
		merge8(&nic->config3, w, 1, CONFIG3_WRITABLE);
		merge8(&nic->config4, w, 2, CONFIG4_WRITABLE);
		break;
	case RTL8139_MULINT:
		nic->early = (uint16_t)merge(nic->early, w, 0xffff);
		break;
	case RTL8139_TSAD:
		write_control(nic, w);
		break;
	case RTL8139_BMSR: /* its upper half: ANAR */
		nic->advertised =
		    (uint16_t)(merge((uint32_t)nic->advertised << 16, w, 0xffff0000) >> 16);
		break;
	case RTL8139_CONFIG5:
		if (unlocked(nic))
			merge8(&nic->config5, w, 0, CONFIG5_WRITABLE);
		break;
	default:
		break;
	}
}

static bool write_timer(struct rtl8139 *nic, uint32_t at, struct lanes w, uint64_t now)
{
	if (at == RTL8139_TCTR)
		nic->timer_zero = now; /* whatever is written */
	else
		nic->timer_interrupt = merge(nic->timer_interrupt, w, UINT32_MAX);
	set_timer(nic, now);
	return true;
}

/* Returns whether the timer's next deadline may be another. */
static bool write_word(struct virtio_bus *bus, struct rtl8139 *nic, unsigned number, uint32_t at,
                       struct lanes w, uint64_t now)
{
	switch (at) {
	case RTL8139_IDR0:
	case RTL8139_IDR0 + 4:
		nic->address[at / 4 & 1] = merge(nic->address[at / 4 & 1], w, UINT32_MAX);
		break;
	case RTL8139_MAR0:
	case RTL8139_MAR0 + 4:
		nic->group[at / 4 & 1] = merge(nic->group[at / 4 & 1], w, UINT32_MAX);
		break;
	case RTL8139_TSD0 ... RTL8139_TSD0 + 15:
		write_descriptor(bus, nic, number, at / 4 & 3, w);
		break;
	case RTL8139_TSAD0 ... RTL8139_TSAD0 + 15:
		nic->transmit_address[at / 4 & 3] =
		    merge(nic->transmit_address[at / 4 & 3], w, UINT32_MAX);
		break;
	case RTL8139_RBSTART:
		nic->ring = merge(nic->ring, w, UINT32_MAX);
		break;
	case RTL8139_CR & ~3u:
		if (writes(w, 3))
			write_command(bus, nic, number, w.value >> 24);
		return writes(w, 3); /* a reset stops the timer */
	case RTL8139_CAPR:
		write_read_at(bus, nic, number, w);
		break;
	case RTL8139_IMR: /* and ISR, where ones clear */
		store(&nic->mask, merge(nic->mask, w, INT_ALL));
		store(&nic->status, nic->status & ~((w.value & w.mask) >> 16));
		break;
	case RTL8139_TCR:
		nic->transmit_config = merge(nic->transmit_config, w, TCR_WRITABLE);
		break;
	case RTL8139_RCR:
		nic->receive_config = merge(nic->receive_config, w, RCR_WRITABLE);
		break;
	case RTL8139_TCTR:
	case RTL8139_TIMERINT:
		return write_timer(nic, at, w, now);
	case RTL8139_MPC:
		store(&nic->missed, 0);
		break;
	default:
		write_configuration(nic, at, w);
		break;
	}
	return false;
}

bool rtl8139_write(struct virtio_bus *bus, struct rtl8139 *nic, unsigned number, uint32_t offset,
                   unsigned size, uint32_t value, uint64_t now)
{
	bool timer = false;

	for (unsigned n; size && offset < RTL8139_BAR_BYTES; size -= n, offset += n) {
		unsigned byte = offset & 3;
		struct lanes w;

		n = size < 4 - byte ? size : 4 - byte;
		w.mask = (n < 4 ? (1u << 8 * n) - 1 : UINT32_MAX) << 8 * byte;
		w.value = value << 8 * byte;
		timer |= write_word(bus, nic, number % VIRTIO_DEVICES, offset - byte, w, now);
		value = n < 4 ? value >> 8 * n : 0;
	}
	return timer;
}

/* ---- interrupts ---- */

void rtl8139_collect(struct virtio_bus *bus, struct pci *pci, struct rtl8139 *nic, unsigned number,
                     uint64_t now)
{
	struct virtio_device *d = &bus->device[number % VIRTIO_DEVICES];
	uint32_t written;

	/* The back end looks at mask and status, behind having written a word here. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	written = load(&nic->written_to);
	if (written >> 16 == (nic->receive_epoch & 0xffff))
		nic->shown_to = written & 0xffff;
	if ((nic->command & RTL8139_CR_RECEIVE) && !is_empty(nic))
		store(&nic->status, nic->status | RTL8139_INT_RECEIVED);
	if (load(&d->completed)) {
		uint32_t bits = __atomic_exchange_n(&d->completed, 0, __ATOMIC_SEQ_CST);

		if (bits & RTL8139_INT_LINK)
			nic->link_changed = 1;
		store(&nic->status, nic->status | (bits & INT_ALL));
	}
	if (nic->timer_due && now >= nic->timer_due) {
		store(&nic->status, nic->status | RTL8139_INT_TIMER);
		set_timer(nic, now);
	}
	pci_set_intx(&pci->function[number % VIRTIO_DEVICES], nic->status & nic->mask & INT_ALL);
}
