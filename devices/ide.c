// SPDX-License-Identifier: GPL-2.0-or-later
#include "devices/ata.h"

/* Configuration space of the PIIX4's function 1 beside the header */
#define TIMING        0x40u /* 16 bits for each channel... */
#define TIMING_DECODE 0x8000u
#define TIMING_SLAVES 0x44u
#define ULTRA_DMA     0x48u /* control, and timing 16 bits behind it */
#define LATENCY_BITS  0xf000u
#define STATUS_BITS   0x02800000u /* fast back-to-back, medium DEVSEL; in the word at PCI_COMMAND */
#define MASTER_BAR    4u
#define MASTER_PORTS  16u

/* Device control */
#define CONTROL_NO_INTERRUPT 0x02u
#define CONTROL_RESET        0x04u
#define CONTROL_BEFORE       0x80u /* HOB: read what was written before */

/* Bus master, SFF-8038i 1.2 */
#define MASTER_COMMAND   0u
#define MASTER_STATUS    2u
#define MASTER_TABLE     4u
#define MASTER_START     0x01u
#define MASTER_TO_MEMORY 0x08u
#define MASTER_ACTIVE    0x01u
#define MASTER_ERROR     0x02u
#define MASTER_INTERRUPT 0x04u
#define MASTER_CAPABLE   0x20u /* and the next one: what firmware says of device 0 and 1 */

#define DEVICE_SELECT 0x10u
#define DEVICE_FIXED  0xa0u
#define DEVICE_HEAD   0x0fu

#define COMMAND_DEVICE_RESET 0x08u
#define COMMAND_DIAGNOSTIC   0x90u

/* Sources: ATA/ATAPI-6, 9.12: what tells a packet device from a disk. */
#define SIGNATURE_MID  0x14
#define SIGNATURE_HIGH 0xeb
#define PASSED         0x01 /* diagnostic code */

static unsigned number_of(const struct ide *ide, const struct ide_unit *u)
{
	return (unsigned)(u - ide->unit);
}

static struct ide_channel *channel_of(struct ide *ide, const struct ide_unit *u)
{
	return &ide->channel[number_of(ide, u) / 2];
}

static struct ide_unit *selected(struct ide *ide, unsigned channel)
{
	return &ide->unit[2 * channel + (ide->channel[channel].selected & 1)];
}

uint8_t *ide_buffer(struct ide *ide, const struct ide_unit *u)
{
	return channel_of(ide, u)->buffer;
}

unsigned ide_device(const struct ide *ide, const struct ide_unit *u)
{
	return number_of(ide, u) % 2;
}

/* ---- INTRQ ---- */

static void update_line(struct ide *ide, unsigned channel)
{
	struct ide_channel *c = &ide->channel[channel];
	bool level = selected(ide, channel)->interrupt && !(c->control & CONTROL_NO_INTERRUPT);

	/* The controller notes each rise. */
	if (level && !c->line)
		c->master_status |= MASTER_INTERRUPT;
	c->line = level;
}

/* ---- requests ---- */

static bool master_runs(const struct ide_channel *c, const struct pci *pci)
{
	return (c->master_command & MASTER_START) &&
	       (pci->function[IDE_FUNCTION].config[PCI_COMMAND / 4] & PCI_COMMAND_MASTER);
}

static void post(struct ide *ide, struct ide_unit *u)
{
	struct ide_request *r = &u->request;

	r->operation = u->operation;
	r->flags = (u->by_dma ? IDE_REQUEST_DMA : 0) | (u->sync ? IDE_REQUEST_SYNC : 0);
	r->prd = channel_of(ide, u)->prd;
	r->sectors = u->block;
	r->lba = u->lba;
	r->bytes = u->filled;
	__atomic_store_n(&r->sequence, r->sequence + 1, __ATOMIC_SEQ_CST);
	u->posted = 1;
	ide->rung |= 1u << number_of(ide, u);
}

/* What the back end has not begun it will not begin; what it has it finishes first. */
static void withdraw(struct ide *ide, struct ide_unit *u)
{
	if (!u->posted)
		return;
	__atomic_store_n(&u->request.operation, IDE_OP_NONE, __ATOMIC_SEQ_CST);
	u->posted = 0;
	ide->settling |= 1u << number_of(ide, u);
}

void ide_ask(struct ide *ide, struct ide_unit *u)
{
	u->phase = IDE_HOST;
	u->status = ATA_BUSY;
	if (!u->by_dma)
		post(ide, u);
}

void ide_data(struct ide_unit *u, uint8_t phase, uint32_t from, uint32_t to)
{
	u->phase = phase;
	u->at = from;
	u->end = to;
	u->status = ATA_READY | ATA_SEEK | ATA_REQUEST;
}

void ide_end(struct ide_unit *u, uint8_t status, uint8_t error)
{
	u->phase = IDE_IDLE;
	u->status = error ? status | ATA_CHECK : status;
	u->error = error;
	u->interrupt = 1;
}

static void answered(struct ide *ide, struct ide_unit *u)
{
	struct ide_channel *c = channel_of(ide, u);
	uint32_t outcome = u->result.outcome, done = u->result.done;

	u->posted = 0;
	if (u->by_dma && outcome != IDE_OUTCOME_LONG)
		c->master_status &= (uint8_t)~MASTER_ACTIVE;
	if (outcome == IDE_OUTCOME_LONG)
		outcome = IDE_OUTCOME_DONE;
	if (outcome == IDE_OUTCOME_FAULT)
		c->master_status |= MASTER_ERROR;
	if (outcome == IDE_OUTCOME_SHORT) {
		/* The drive waits for somebody to take the rest; no interrupt (SFF-8038i, 3.1). */
		u->phase = IDE_IDLE;
		u->status = ATA_READY | ATA_SEEK;
	} else if (outcome == IDE_OUTCOME_FAULT && u->shown.kind != IDE_CDROM) {
		ide_end(u, ATA_READY | ATA_SEEK, ATA_ABORTED);
	} else if (u->shown.kind == IDE_CDROM) {
		atapi_answered(ide, u, outcome != IDE_OUTCOME_DONE, done);
	} else {
		ata_answered(ide, u, outcome != IDE_OUTCOME_DONE, done);
	}
}

static bool has_answer(const struct ide_unit *u)
{
	return u->posted &&
	       __atomic_load_n(&u->result.sequence, __ATOMIC_SEQ_CST) == u->request.sequence;
}

void ide_update(struct ide *ide, const struct pci *pci)
{
	for (unsigned i = 0; i < IDE_UNITS; i++) {
		struct ide_unit *u = &ide->unit[i];

		if (has_answer(u)) {
			answered(ide, u);
			update_line(ide, i / 2);
		}
		/* The command and the bus master's start come in either order. */
		if (u->phase == IDE_HOST && u->by_dma && !u->posted &&
		    master_runs(channel_of(ide, u), pci))
			post(ide, u);
	}
}

/* ---- the data register ---- */

static void moved(struct ide *ide, struct ide_unit *u)
{
	if (u->at < u->end && u->at < IDE_BUFFER)
		return;
	if (u->shown.kind == IDE_CDROM)
		atapi_moved(ide, u);
	else
		ata_moved(ide, u);
}

static uint32_t read_data(struct ide *ide, struct ide_unit *u, unsigned size)
{
	const uint8_t *buffer = ide_buffer(ide, u);
	uint32_t value = 0;

	if (u->phase != IDE_IN)
		return 0;
	for (unsigned i = 0; i < size && u->at < u->end && u->at < IDE_BUFFER; i++)
		value |= (uint32_t)buffer[u->at++] << 8 * i;
	moved(ide, u);
	return value;
}

static void write_data(struct ide *ide, struct ide_unit *u, unsigned size, uint32_t value)
{
	uint8_t *buffer = ide_buffer(ide, u);

	if (u->phase != IDE_OUT && u->phase != IDE_PACKET)
		return;
	for (unsigned i = 0; i < size && u->at < u->end && u->at < IDE_BUFFER; i++)
		buffer[u->at++] = (uint8_t)(value >> 8 * i);
	moved(ide, u);
}

/* ---- reset ---- */

static void put_signature(struct ide_unit *u)
{
	bool packet = u->shown.kind == IDE_CDROM;

	u->file[ATA_COUNT][0] = 1;
	u->file[ATA_LBA_LOW][0] = 1;
	u->file[ATA_LBA_MID][0] = packet ? SIGNATURE_MID : 0;
	u->file[ATA_LBA_HIGH][0] = packet ? SIGNATURE_HIGH : 0;
	u->file[ATA_DEVICE][0] &= (uint8_t)~DEVICE_HEAD;
	u->error = PASSED;
	/* A packet device is not "ready" before its first command (9.10, 9.12). */
	u->status = packet ? 0 : ATA_READY | ATA_SEEK;
}

static void reset_unit(struct ide *ide, struct ide_unit *u)
{
	withdraw(ide, u);
	u->phase = IDE_IDLE;
	u->interrupt = 0;
	u->status = 0;
	if (u->shown.kind != IDE_NONE)
		put_signature(u);
}

static void write_control(struct ide *ide, unsigned channel, uint8_t value)
{
	struct ide_channel *c = &ide->channel[channel];
	uint8_t was = c->control;

	c->control = value;
	if (!((was ^ value) & CONTROL_RESET))
		return;
	for (unsigned i = 0; i < 2; i++) {
		struct ide_unit *u = &ide->unit[2 * channel + i];

		reset_unit(ide, u);
		if ((value & CONTROL_RESET) && u->shown.kind != IDE_NONE)
			u->status = ATA_BUSY;
	}
	c->selected = 0;
}

/* ---- the command block ---- */

/* Both devices run it, whichever is selected; device 0 tells of both (8.11). */
static void diagnose(struct ide *ide, unsigned channel)
{
	struct ide_unit *u = &ide->unit[2 * channel];

	reset_unit(ide, &u[0]);
	reset_unit(ide, &u[1]);
	ide->channel[channel].selected = u->shown.kind == IDE_NONE;
	selected(ide, channel)->interrupt = 1;
}

static void write_command(struct ide *ide, unsigned channel, uint8_t value)
{
	struct ide_unit *u = selected(ide, channel);
	bool resets = value == COMMAND_DEVICE_RESET && u->shown.kind == IDE_CDROM;

	if (u->shown.kind == IDE_NONE || ((u->status & (ATA_BUSY | ATA_REQUEST)) && !resets))
		return;
	u->interrupt = 0;
	if (resets) {
		reset_unit(ide, u);
		return;
	}
	if (value == COMMAND_DIAGNOSTIC) {
		diagnose(ide, channel);
		return;
	}
	u->command = value;
	u->error = 0;
	u->by_dma = u->sync = 0;
	u->left = u->block = u->filled = 0;
	if (u->shown.kind == IDE_CDROM)
		atapi_command(ide, u);
	else
		ata_command(ide, u);
}

/* Both devices take what is written into their registers; a busy one takes nothing (7.2). */
static void write_file(struct ide *ide, unsigned channel, unsigned reg, uint8_t value)
{
	struct ide_channel *c = &ide->channel[channel];

	c->control &= (uint8_t)~CONTROL_BEFORE;
	if (selected(ide, channel)->status & ATA_BUSY)
		return;
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *file = ide->unit[2 * channel + i].file[reg];

		file[1] = file[0];
		file[0] = value;
	}
	if (reg == ATA_DEVICE)
		c->selected = !!(value & DEVICE_SELECT);
}

static uint8_t read_file(struct ide *ide, unsigned channel, unsigned reg)
{
	struct ide_channel *c = &ide->channel[channel];
	struct ide_unit *u = selected(ide, channel);

	/* Nobody drives the bus, or device 0 answers for device 1, with zeros. */
	if (u->shown.kind == IDE_NONE)
		return 0;
	switch (reg) {
	case ATA_ERROR:
		return u->error;
	case ATA_DEVICE:
		return u->file[reg][0] | DEVICE_FIXED;
	case ATA_STATUS:
		u->interrupt = 0;
		return u->status;
	default:
		return u->file[reg][!!(c->control & CONTROL_BEFORE)];
	}
}

/* ---- ports ---- */

static unsigned channel_at(uint16_t port)
{
	return port & 0x80 ? 0 : 1;
}

static bool is_control(uint16_t port)
{
	return port & 0x200;
}

static bool is_on(const struct pci *pci, unsigned channel)
{
	const struct pci_function *f = &pci->function[IDE_FUNCTION];

	return (f->config[PCI_COMMAND / 4] & PCI_COMMAND_IO) &&
	       (f->config[TIMING / 4] >> 16 * channel & TIMING_DECODE);
}

uint32_t ide_in(struct ide *ide, const struct pci *pci, uint16_t port, unsigned size)
{
	unsigned channel = channel_at(port);
	uint32_t value;

	if (!is_on(pci, channel))
		return size >= 4 ? UINT32_MAX : (1u << 8 * size) - 1;
	ide_update(ide, pci);
	if (is_control(port))
		return selected(ide, channel)->status;
	if (ide_is_data(port))
		value = read_data(ide, selected(ide, channel), size);
	else
		value = read_file(ide, channel, port & 7);
	update_line(ide, channel);
	return value;
}

void ide_out(struct ide *ide, const struct pci *pci, uint16_t port, unsigned size, uint32_t value)
{
	unsigned channel = channel_at(port);

	if (!is_on(pci, channel))
		return;
	ide_update(ide, pci);
	if (is_control(port))
		write_control(ide, channel, (uint8_t)value);
	else if (ide_is_data(port))
		write_data(ide, selected(ide, channel), size, value);
	else if ((port & 7) == ATA_COMMAND)
		write_command(ide, channel, (uint8_t)value);
	else
		write_file(ide, channel, port & 7, (uint8_t)value);
	update_line(ide, channel);
}

uint8_t ide_master_in(struct ide *ide, uint32_t offset)
{
	const struct ide_channel *c = &ide->channel[offset / 8 % IDE_CHANNELS];

	switch (offset % 8) {
	case MASTER_COMMAND:
		return c->master_command;
	case MASTER_STATUS:
		return c->master_status;
	case MASTER_TABLE ... MASTER_TABLE + 3:
		return (uint8_t)(c->prd >> 8 * (offset % 4));
	default:
		return 0;
	}
}

static void write_master_command(struct ide *ide, unsigned channel, uint8_t value)
{
	struct ide_channel *c = &ide->channel[channel];
	struct ide_unit *u = selected(ide, channel);
	bool waits = u->phase == IDE_HOST && u->by_dma;

	if (!((c->master_command ^ value) & MASTER_START)) {
		c->master_command = value & (MASTER_START | MASTER_TO_MEMORY);
		return;
	}
	c->master_command = value & (MASTER_START | MASTER_TO_MEMORY);
	if (value & MASTER_START) {
		c->master_status |= MASTER_ACTIVE;
		return;
	}
	/* What was moved of it is lost; the drive stays busy until it is reset. */
	c->master_status &= (uint8_t)~MASTER_ACTIVE;
	if (waits)
		withdraw(ide, u);
}

void ide_master_out(struct ide *ide, uint32_t offset, uint8_t value)
{
	unsigned channel = offset / 8 % IDE_CHANNELS, shift = 8 * (offset % 4);
	struct ide_channel *c = &ide->channel[channel];

	switch (offset % 8) {
	case MASTER_COMMAND:
		write_master_command(ide, channel, value);
		break;
	case MASTER_STATUS:
		c->master_status &= (uint8_t) ~(value & (MASTER_ERROR | MASTER_INTERRUPT));
		c->master_status = (uint8_t)((c->master_status & ~(3 * MASTER_CAPABLE)) |
		                             (value & 3 * MASTER_CAPABLE));
		break;
	case MASTER_TABLE ... MASTER_TABLE + 3:
		c->prd = ((c->prd & ~(0xffu << shift)) | (uint32_t)value << shift) & ~3u;
		break;
	default:
		break;
	}
}

/* ---- power-on ---- */

/* As a PC's firmware leaves it: both channels decode, timings are the slowest. */
static void plug_controller(struct pci *pci)
{
	static const struct pci_identity identity = {
	    .vendor = 0x8086, .device = 0x7111, .class_revision = 0x01018001};
	struct pci_function *f = &pci->function[IDE_FUNCTION];

	pci_plug(pci, IDE_FUNCTION, IDE_DEVFN, &identity);
	f->config[PCI_COMMAND / 4] |= STATUS_BITS;
	f->writable[PCI_HEADER / 4] = LATENCY_BITS;
	/* IRQ 14 and 15, as ever: no pin */
	f->config[PCI_INTERRUPT / 4] = 0;
	f->writable[PCI_INTERRUPT / 4] = 0;
	pci_set_bar(f, MASTER_BAR, true, MASTER_PORTS, IDE_MASTER);
	f->config[TIMING / 4] = TIMING_DECODE << 16 | TIMING_DECODE;
	f->writable[TIMING / 4] = UINT32_MAX;
	f->writable[TIMING_SLAVES / 4] = 0xff;
	f->writable[ULTRA_DMA / 4] = 0xffff000f;
}

void ide_plug(struct ide *ide, struct pci *pci, unsigned unit, const struct ide_shown *shown)
{
	struct ide_unit *u = &ide->unit[unit % IDE_UNITS];

	if (!ide_plugged(pci))
		plug_controller(pci);
	*u = (struct ide_unit){
	    .shown = *shown, .heads = 16, .per_track = 63, .multiple = IDE_MULTIPLE_MAX};
	reset_unit(ide, u);
	if (shown->kind == IDE_CDROM)
		u->attention = 0x29; /* power on: SPC-2, 7.4.1 */
	ide->channel[unit % IDE_UNITS / 2].master_status |= (uint8_t)(MASTER_CAPABLE << unit % 2);
}
