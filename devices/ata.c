// SPDX-License-Identifier: GPL-2.0-or-later
#include "devices/ata.h"

#define READY (ATA_READY | ATA_SEEK)

#define LBA28_MAX 0x0fffffffu
#define LBA_MODE  0x40u /* device register */

/* The geometry that is shown until a driver sets another (8.16.8.1). */
#define HEADS         16u
#define PER_TRACK     63u
#define CYLINDERS_MAX 16383u

/* Transfer modes, as SET FEATURES has them: kind in the high bits, number in the low three. */
#define MODE_PIO        0x00u
#define MODE_PIO_FLOW   0x08u
#define MODE_WORD_DMA   0x20u
#define MODE_ULTRA_DMA  0x40u
#define MODE_KIND       0xf8u
#define PIO_MODE_MAX    4u
#define WORD_DMA_MAX    2u
#define ULTRA_DMA_MAX   5u
#define TWO_TO_THE_N(n) ((1u << ((n) + 1)) - 1)

enum {
	NOP = 0x00,
	RECALIBRATE_FIRST = 0x10,
	RECALIBRATE_LAST = 0x1f,
	READ_NATIVE_MAX_EXT = 0x27,
	SEEK_FIRST = 0x70,
	SEEK_LAST = 0x7f,
	INITIALIZE_PARAMETERS = 0x91,
	OLD_STANDBY_NOW = 0x94,
	OLD_IDLE_NOW,
	OLD_STANDBY,
	OLD_IDLE,
	OLD_CHECK_POWER,
	OLD_SLEEP,
	SET_MULTIPLE = 0xc6,
	STANDBY_NOW = 0xe0,
	IDLE_NOW,
	STANDBY,
	IDLE,
	CHECK_POWER = 0xe5,
	SLEEP,
	FLUSH_CACHE,
	FLUSH_CACHE_EXT = 0xea,
	IDENTIFY = 0xec,
	SET_FEATURES = 0xef,
	READ_NATIVE_MAX = 0xf8
};

#define ACTIVE_OR_IDLE 0xff /* what CHECK POWER MODE says */

enum {
	ENABLE_WRITE_CACHE = 0x02,
	SET_TRANSFER_MODE = 0x03,
	DISABLE_READ_AHEAD = 0x55,
	KEEP_AT_RESET = 0x66,
	DISABLE_WRITE_CACHE = 0x82,
	ENABLE_READ_AHEAD = 0xaa,
	REVERT_AT_RESET = 0xcc
};

/* ---- commands that move data ---- */

#define BY_DMA   1u
#define EXTENDED 2u /* 48 bits of address, 16 of count */
#define BLOCKS   4u /* of SET MULTIPLE's size */
#define FORCED   8u /* to the disk, whatever the write cache does */

struct transfer {
	uint8_t command, operation, flags;
};

static const struct transfer transfers[] = {
    {0x20, IDE_OP_READ, 0},
    {0x21, IDE_OP_READ, 0},
    {0x24, IDE_OP_READ, EXTENDED},
    {0x25, IDE_OP_READ, BY_DMA | EXTENDED},
    {0x29, IDE_OP_READ, BLOCKS | EXTENDED},
    {0x30, IDE_OP_WRITE, 0},
    {0x31, IDE_OP_WRITE, 0},
    {0x34, IDE_OP_WRITE, EXTENDED},
    {0x35, IDE_OP_WRITE, BY_DMA | EXTENDED},
    {0x39, IDE_OP_WRITE, BLOCKS | EXTENDED},
    {0x3d, IDE_OP_WRITE, BY_DMA | EXTENDED | FORCED},
    {0x40, IDE_OP_VERIFY, 0},
    {0x41, IDE_OP_VERIFY, 0},
    {0x42, IDE_OP_VERIFY, EXTENDED},
    {0xc4, IDE_OP_READ, BLOCKS},
    {0xc5, IDE_OP_WRITE, BLOCKS},
    {0xc8, IDE_OP_READ, BY_DMA},
    {0xc9, IDE_OP_READ, BY_DMA},
    {0xca, IDE_OP_WRITE, BY_DMA},
    {0xcb, IDE_OP_WRITE, BY_DMA},
    {0xce, IDE_OP_WRITE, BLOCKS | EXTENDED | FORCED},
};

static const struct transfer *find_transfer(uint8_t command)
{
	for (unsigned i = 0; i < sizeof transfers / sizeof *transfers; i++)
		if (transfers[i].command == command)
			return &transfers[i];
	return 0;
}

/* The address registers: 48 bits, 28 bits, or cylinder, head and sector. False: no such sector. */
static bool take_address(struct ide_unit *u)
{
	const uint8_t(*f)[2] = (const uint8_t(*)[2])u->file;
	uint64_t lba = f[ATA_LBA_LOW][0] | (uint32_t)f[ATA_LBA_MID][0] << 8 |
	               (uint32_t)f[ATA_LBA_HIGH][0] << 16;
	unsigned head = f[ATA_DEVICE][0] & 15, sector = f[ATA_LBA_LOW][0];

	if (u->extended) {
		lba |= (uint64_t)f[ATA_LBA_LOW][1] << 24 | (uint64_t)f[ATA_LBA_MID][1] << 32 |
		       (uint64_t)f[ATA_LBA_HIGH][1] << 40;
	} else if (f[ATA_DEVICE][0] & LBA_MODE) {
		lba |= (uint32_t)head << 24;
	} else {
		if (!sector || sector > u->per_track || head >= u->heads)
			return false;
		lba = ((lba >> 8) * u->heads + head) * u->per_track + sector - 1;
	}
	u->lba = lba;
	return true;
}

/* The registers say which sector it was that failed, or was the last (8.27.6). */
static void show_address(struct ide_unit *u, uint64_t lba)
{
	uint64_t track;

	if (!u->extended && !(u->file[ATA_DEVICE][0] & LBA_MODE)) {
		if (!u->per_track || !u->heads)
			return;
		track = lba / u->per_track;
		lba = lba % u->per_track + 1;
		lba |= track / u->heads << 8 & 0xffff00;
		lba |= track % u->heads << 24;
	}
	u->file[ATA_LBA_LOW][0] = (uint8_t)lba;
	u->file[ATA_LBA_MID][0] = (uint8_t)(lba >> 8);
	u->file[ATA_LBA_HIGH][0] = (uint8_t)(lba >> 16);
	if (u->extended) {
		u->file[ATA_LBA_LOW][1] = (uint8_t)(lba >> 24);
		u->file[ATA_LBA_MID][1] = (uint8_t)(lba >> 32);
		u->file[ATA_LBA_HIGH][1] = (uint8_t)(lba >> 40);
	} else {
		u->file[ATA_DEVICE][0] =
		    (uint8_t)((u->file[ATA_DEVICE][0] & 0xf0) | (lba >> 24 & 15));
	}
}

static uint32_t block_limit(const struct ide_unit *u)
{
	const struct transfer *t = find_transfer(u->command);

	return t && (t->flags & BLOCKS) && u->multiple && u->multiple <= IDE_MULTIPLE_MAX
	           ? u->multiple
	           : 1;
}

/* By PIO: the next block, as far as the guest or the back end has its turn now. */
static void next_block(struct ide *ide, struct ide_unit *u)
{
	uint32_t limit = block_limit(u);

	u->block = u->left < limit ? u->left : limit;
	if (u->operation == IDE_OP_READ)
		ide_ask(ide, u);
	else
		ide_data(u, IDE_OUT, 0, u->block * IDE_SECTOR);
}

static void begin_transfer(struct ide *ide, struct ide_unit *u, const struct transfer *t)
{
	uint32_t count = u->file[ATA_COUNT][0];

	if ((t->flags & BLOCKS) && !u->multiple) {
		ide_end(u, READY, ATA_ABORTED);
		return;
	}
	u->operation = t->operation;
	u->extended = !!(t->flags & EXTENDED);
	u->by_dma = !!(t->flags & BY_DMA);
	u->sync = u->no_write_cache || (t->flags & FORCED);
	if (u->extended)
		count = (count | (uint32_t)u->file[ATA_COUNT][1] << 8) ?: 65536;
	u->left = count ?: 256;
	if (!take_address(u) || u->lba >= u->shown.sectors || u->left > u->shown.sectors - u->lba) {
		ide_end(u, READY, ATA_NO_ID);
		return;
	}
	u->block = u->left;
	if (u->by_dma || u->operation == IDE_OP_VERIFY)
		ide_ask(ide, u);
	else
		next_block(ide, u);
}

void ata_moved(struct ide *ide, struct ide_unit *u)
{
	if (u->phase == IDE_OUT) {
		ide_ask(ide, u);
		return;
	}
	u->phase = IDE_IDLE;
	u->status = READY;
	/* IDENTIFY has no sectors. */
	if (!u->block || u->block >= u->left)
		return;
	u->left -= u->block;
	u->lba += u->block;
	next_block(ide, u);
}

/*
 * A disk of the host that cannot be read is an error of the medium; one that cannot be written, or
 * flushed, is a fault of the device.
 */
static void end_failed(struct ide_unit *u, uint32_t done)
{
	if (u->operation != IDE_OP_FLUSH)
		show_address(u, u->lba + done);
	if (u->operation == IDE_OP_READ || u->operation == IDE_OP_VERIFY)
		ide_end(u, READY, ATA_UNCORRECTABLE);
	else
		ide_end(u, READY | ATA_FAULT, ATA_ABORTED);
}

void ata_answered(struct ide *ide, struct ide_unit *u, bool failed, uint32_t done)
{
	if (failed) {
		end_failed(u, done);
	} else if (u->operation == IDE_OP_READ && !u->by_dma) {
		u->interrupt = 1;
		ide_data(u, IDE_IN, 0, u->block * IDE_SECTOR);
	} else if (u->operation == IDE_OP_WRITE && !u->by_dma && u->left > u->block) {
		u->left -= u->block;
		u->lba += u->block;
		u->interrupt = 1;
		next_block(ide, u);
	} else {
		ide_end(u, READY, 0);
	}
}

/* ---- IDENTIFY ---- */

void ata_text(uint16_t *words, unsigned n, const char *text)
{
	for (unsigned i = 0; i < 2 * n; i++) {
		uint8_t byte = *text ? (uint8_t)*text++ : ' ';

		words[i / 2] = (uint16_t)(i % 2 ? words[i / 2] | byte : byte << 8);
	}
}

void ata_put_modes(const struct ide_unit *u, uint16_t *words)
{
	unsigned kind = u->transfer_mode & MODE_KIND, n = u->transfer_mode & 7;

	words[63] = TWO_TO_THE_N(WORD_DMA_MAX);
	words[88] = TWO_TO_THE_N(ULTRA_DMA_MAX);
	if (kind == MODE_WORD_DMA)
		words[63] |= (uint16_t)(0x100u << n);
	else if (kind == MODE_ULTRA_DMA)
		words[88] |= (uint16_t)(0x100u << n);
}

void ata_put_words(uint8_t *buffer, const uint16_t *words)
{
	for (unsigned i = 0; i < ATA_WORDS; i++) {
		buffer[2 * i] = (uint8_t)words[i];
		buffer[2 * i + 1] = (uint8_t)(words[i] >> 8);
	}
}

static void put_geometry(const struct ide_unit *u, uint16_t *w)
{
	uint64_t all = u->shown.sectors / (HEADS * PER_TRACK), now;
	uint32_t track = (uint32_t)u->heads * u->per_track;

	w[1] = (uint16_t)(all < CYLINDERS_MAX ? all : CYLINDERS_MAX);
	w[3] = HEADS;
	w[6] = PER_TRACK;
	now = track ? u->shown.sectors / track : 0;
	w[54] = (uint16_t)(now < 65535 ? now : 65535);
	w[55] = u->heads;
	w[56] = u->per_track;
	w[57] = (uint16_t)(w[54] * track);
	w[58] = (uint16_t)((w[54] * (uint64_t)track) >> 16);
}

/* Words 82 to 87: what there is, and what of it is on (8.15.8.36). */
static void put_features(const struct ide_unit *u, uint16_t *w)
{
	w[82] = 1u << 14 | 1u << 6 | 1u << 5;              /* NOP, look-ahead, write cache */
	w[83] = 1u << 14 | 1u << 13 | 1u << 12 | 1u << 10; /* FLUSH CACHE (EXT), 48 bits */
	w[84] = 1u << 14 | 1u << 6;                        /* writes that are forced */
	w[85] = 1u << 14 | 1u << 6 | (u->no_write_cache ? 0 : 1u << 5);
	w[86] = w[83] & 0x3fff;
	w[87] = w[84];
}

/* The text of unit n without one of its user's: what partitions and udev tell disks apart by. */
static void put_serial(const struct ide *ide, const struct ide_unit *u, uint16_t *w)
{
	char text[] = "R10000n";

	text[sizeof text - 2] = (char)('1' + (u - ide->unit));
	ata_text(w + 10, 10, *u->shown.serial ? u->shown.serial : text);
}

static void identify(struct ide *ide, struct ide_unit *u)
{
	uint64_t sectors = u->shown.sectors;
	uint32_t low = sectors < LBA28_MAX ? (uint32_t)sectors : LBA28_MAX;
	uint16_t w[ATA_WORDS] = {0};

	w[0] = 0x0040; /* fixed */
	put_geometry(u, w);
	put_serial(ide, u, w);
	ata_text(w + 23, 4, "1.0");
	ata_text(w + 27, 20, "RING1 HARDDISK");
	w[47] = 0x8000 | IDE_MULTIPLE_MAX;
	w[48] = 1;                            /* the data register takes 32 bits */
	w[49] = 1u << 11 | 1u << 9 | 1u << 8; /* IORDY, LBA, DMA */
	w[50] = 1u << 14;
	w[51] = 2u << 8; /* PIO mode 2, for those that know no word 64 */
	w[53] = 7;       /* words 54 to 58, 64 to 70 and 88 */
	w[59] = u->multiple ? 0x100 | u->multiple : 0;
	w[60] = (uint16_t)low;
	w[61] = (uint16_t)(low >> 16);
	w[64] = 3; /* PIO modes 3 and 4 */
	for (unsigned i = 65; i <= 68; i++)
		w[i] = 120; /* ns */
	w[80] = 0xf0;       /* ATA/ATAPI-4 to 7 */
	put_features(u, w);
	ata_put_modes(u, w);
	w[93] = 1u << 14 | 1u << 13 | 1; /* a cable of 80 conductors */
	for (unsigned i = 0; i < 4; i++)
		w[100 + i] = (uint16_t)(sectors >> 16 * i);
	if (u->shown.physical_exponent)
		w[106] = 1u << 14 | 1u << 13 | (u->shown.physical_exponent & 15);
	ata_put_words(ide_buffer(ide, u), w);
	u->interrupt = 1;
	ide_data(u, IDE_IN, 0, 2 * ATA_WORDS);
}

/* ---- settings ---- */

bool ata_set_transfer_mode(struct ide_unit *u, uint8_t mode)
{
	unsigned n = mode & 7;
	bool known;

	switch (mode & MODE_KIND) {
	case MODE_PIO:
		known = n <= 1; /* the default, with IORDY or without */
		break;
	case MODE_PIO_FLOW:
		known = n <= PIO_MODE_MAX;
		break;
	case MODE_WORD_DMA:
		known = n <= WORD_DMA_MAX;
		break;
	case MODE_ULTRA_DMA:
		known = n <= ULTRA_DMA_MAX;
		break;
	default:
		known = false;
	}
	if (!known)
		return false;
	/* One mode of DMA is in force; PIO is beside it (8.37.10). */
	if (mode & (MODE_WORD_DMA | MODE_ULTRA_DMA))
		u->transfer_mode = mode;
	return true;
}

static void set_features(struct ide *ide, struct ide_unit *u)
{
	switch (u->file[ATA_FEATURE][0]) {
	case SET_TRANSFER_MODE:
		if (!ata_set_transfer_mode(u, u->file[ATA_COUNT][0]))
			break;
		ide_end(u, READY, 0);
		return;
	case DISABLE_WRITE_CACHE:
		/* What is in it is written (8.37.9). */
		u->no_write_cache = 1;
		u->operation = IDE_OP_FLUSH;
		ide_ask(ide, u);
		return;
	case ENABLE_WRITE_CACHE:
		u->no_write_cache = 0;
		ide_end(u, READY, 0);
		return;
	case ENABLE_READ_AHEAD:
	case DISABLE_READ_AHEAD:
	case KEEP_AT_RESET: /* as it always is */
	case REVERT_AT_RESET:
		ide_end(u, READY, 0);
		return;
	default:
		break;
	}
	ide_end(u, READY, ATA_ABORTED);
}

static void set_multiple(struct ide_unit *u)
{
	uint8_t n = u->file[ATA_COUNT][0];

	if (n > IDE_MULTIPLE_MAX || (n & (n - 1))) {
		ide_end(u, READY, ATA_ABORTED);
		return;
	}
	u->multiple = n;
	ide_end(u, READY, 0);
}

static void initialize_parameters(struct ide_unit *u)
{
	if (!u->file[ATA_COUNT][0]) {
		ide_end(u, READY, ATA_ABORTED);
		return;
	}
	u->per_track = u->file[ATA_COUNT][0];
	u->heads = (uint8_t)((u->file[ATA_DEVICE][0] & 15) + 1);
	ide_end(u, READY, 0);
}

static void native_max(struct ide_unit *u, bool extended)
{
	uint64_t last = u->shown.sectors - 1;

	u->extended = extended;
	if (!extended) {
		/* Always an LBA, even where the bit is clear (8.28.3 knows no geometry). */
		u->file[ATA_DEVICE][0] |= LBA_MODE;
		if (last > LBA28_MAX)
			last = LBA28_MAX;
	}
	show_address(u, last);
	ide_end(u, READY, 0);
}

void ata_command(struct ide *ide, struct ide_unit *u)
{
	const struct transfer *t = find_transfer(u->command);

	if (t) {
		begin_transfer(ide, u, t);
		return;
	}
	switch (u->command) {
	case IDENTIFY:
		identify(ide, u);
		break;
	case FLUSH_CACHE:
	case FLUSH_CACHE_EXT:
		u->operation = IDE_OP_FLUSH;
		ide_ask(ide, u);
		break;
	case SET_FEATURES:
		set_features(ide, u);
		break;
	case SET_MULTIPLE:
		set_multiple(u);
		break;
	case INITIALIZE_PARAMETERS:
		initialize_parameters(u);
		break;
	case READ_NATIVE_MAX:
	case READ_NATIVE_MAX_EXT:
		native_max(u, u->command == READ_NATIVE_MAX_EXT);
		break;
	case CHECK_POWER:
	case OLD_CHECK_POWER:
		u->file[ATA_COUNT][0] = ACTIVE_OR_IDLE;
		ide_end(u, READY, 0);
		break;
	case STANDBY_NOW:
	case STANDBY:
	case SLEEP:
	case OLD_STANDBY_NOW:
	case OLD_STANDBY:
	case OLD_SLEEP:
		/* What is cached is written before the heads are parked (8.42.3). */
		u->operation = IDE_OP_FLUSH;
		ide_ask(ide, u);
		break;
	case IDLE_NOW:
	case IDLE:
	case OLD_IDLE_NOW:
	case OLD_IDLE:
	case RECALIBRATE_FIRST ... RECALIBRATE_LAST:
	case SEEK_FIRST ... SEEK_LAST:
		ide_end(u, READY, 0);
		break;
	case NOP:
	default:
		ide_end(u, READY, ATA_ABORTED);
	}
}
