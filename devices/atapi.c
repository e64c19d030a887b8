// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A CD-ROM drive. Sources: ATA/ATAPI-6, 9.8 (the protocol of PACKET); SPC-2 (INQUIRY, REQUEST
 * SENSE, MODE SENSE); MMC-4 (everything else): chapter and table numbers below are of these.
 */
#include "devices/ata.h"

#define READY (ATA_READY | ATA_SEEK)

#define PACKET_BYTES   12u
#define CD_SECTOR      2048u
#define CD_PARTS       (CD_SECTOR / IDE_SECTOR)
#define BUFFER_SECTORS (IDE_BUFFER / IDE_SECTOR)
#define LIMIT_MAX      0xfffeu /* bytes of a block, what a limit of 0 means */

/* More than a CD holds (80 minutes of 75 sectors a second) is a DVD. */
#define CD_SECTORS_MAX (80u * 60 * 75)

/* Interrupt reason, in the count register */
#define REASON_COMMAND 1u /* C/D */
#define REASON_IN      2u /* I/O */

#define FEATURE_DMA     1u
#define FEATURE_OVERLAP 2u

/* Sense keys, and additional sense codes with their qualifiers: SPC-2, 7.23 */
#define NOT_READY       2u
#define MEDIUM_ERROR    3u
#define ILLEGAL_REQUEST 5u
#define UNIT_ATTENTION  6u

#define UNRECOVERED_READ     0x1100u
#define INVALID_COMMAND      0x2000u
#define ADDRESS_OUT_OF_RANGE 0x2100u
#define INVALID_FIELD        0x2400u
#define MEDIUM_CHANGED       0x28u
#define SAVING_NOT_SUPPORTED 0x3900u
#define NO_MEDIUM_TRAY_OPEN  0x3a02u
#define REMOVAL_PREVENTED    0x5302u
#define INVALID_TRACK_MODE   0x6400u

/* Events of the medium: MMC-4, table 98 */
#define EVENT_NONE    0u
#define EVENT_NEW     2u
#define EVENT_REMOVAL 3u
#define MEDIA_CLASS   4u

#define PROFILE_CD  0x0008u
#define PROFILE_DVD 0x0010u
#define NO_PROFILE  0u

#define LEAD_OUT 0xaau

enum { /* ATA commands */
       DEVICE_RESET = 0x08,
       PACKET = 0xa0,
       IDENTIFY_PACKET = 0xa1,
       STANDBY_NOW = 0xe0,
       IDLE_NOW,
       CHECK_POWER = 0xe5,
       SLEEP,
       FLUSH_CACHE,
       IDENTIFY = 0xec,
       SET_FEATURES = 0xef
};

enum { /* packet commands */
       TEST_UNIT_READY = 0x00,
       REQUEST_SENSE = 0x03,
       INQUIRY = 0x12,
       START_STOP = 0x1b,
       PREVENT_ALLOW = 0x1e,
       READ_CAPACITY = 0x25,
       READ_10 = 0x28,
       SEEK_10 = 0x2b,
       VERIFY_10 = 0x2f,
       READ_TOC = 0x43,
       GET_CONFIGURATION = 0x46,
       GET_EVENT_STATUS = 0x4a,
       READ_DISC_INFORMATION = 0x51,
       MODE_SENSE_10 = 0x5a,
       READ_12 = 0xa8,
       SET_SPEED = 0xbb,
       MECHANISM_STATUS = 0xbd,
       READ_CD = 0xbe
};

static uint32_t big16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t big32(const uint8_t *p)
{
	return big16(p) << 16 | big16(p + 2);
}

static void put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
	put16(p, value >> 16);
	put16(p + 2, value);
}

static void put_text(uint8_t *p, unsigned n, const char *text)
{
	while (n--)
		*p++ = *text ? (uint8_t)*text++ : ' ';
}

static uint32_t sectors_of(const struct ide_unit *u)
{
	uint64_t n = u->shown.sectors / CD_PARTS;

	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* Minute, second and frame of a sector, behind the lead-in's two seconds. */
static void put_msf(uint8_t *p, uint32_t sector)
{
	sector += 150;
	p[0] = 0;
	p[1] = (uint8_t)(sector / 75 / 60);
	p[2] = (uint8_t)(sector / 75 % 60);
	p[3] = (uint8_t)(sector % 75);
}

/* ---- ends ---- */

static void end_packet(struct ide_unit *u, uint8_t error)
{
	u->file[ATA_COUNT][0] = REASON_COMMAND | REASON_IN;
	ide_end(u, READY, error);
}

static void good(struct ide_unit *u)
{
	u->sense_key = u->sense_code = u->sense_qualifier = 0;
	end_packet(u, 0);
}

/* CHECK CONDITION: the sense key stands in the error register as well (ATA/ATAPI-6, 8.23.6). */
static void bad(struct ide_unit *u, uint8_t key, uint32_t code)
{
	u->sense_key = key;
	u->sense_code = (uint8_t)(code >> 8);
	u->sense_qualifier = (uint8_t)code;
	end_packet(u, (uint8_t)(key << 4 | ATA_ABORTED));
}

/* ---- data to the host ---- */

/* The next block of the buffer, as long as the guest's limit allows (ATA/ATAPI-6, 8.23.4). */
static void give_block(struct ide_unit *u, uint32_t from)
{
	uint32_t left = u->filled - from;
	uint32_t limit = u->limit && u->limit < LIMIT_MAX ? u->limit : LIMIT_MAX;

	if (limit < left && limit > 1)
		left = limit & ~1u; /* only the last block may be of odd length */
	u->file[ATA_COUNT][0] = REASON_IN;
	u->file[ATA_LBA_MID][0] = (uint8_t)left;
	u->file[ATA_LBA_HIGH][0] = (uint8_t)(left >> 8);
	u->interrupt = 1;
	ide_data(u, IDE_IN, from, from + left);
}

/* What a command answers: `bytes` of the buffer, of which the guest wants `room`. */
static void reply(struct ide *ide, struct ide_unit *u, uint32_t bytes, uint32_t room)
{
	u->left = u->block = 0;
	u->filled = bytes < room ? bytes : room;
	u->sense_key = u->sense_code = u->sense_qualifier = 0;
	if (!u->filled) {
		end_packet(u, 0);
	} else if (u->by_dma) {
		u->operation = IDE_OP_REPLY;
		ide_ask(ide, u);
	} else {
		give_block(u, 0);
	}
}

/* By PIO: the next sectors into the buffer. */
static void fetch(struct ide *ide, struct ide_unit *u)
{
	u->block = u->left < BUFFER_SECTORS ? u->left : BUFFER_SECTORS;
	ide_ask(ide, u);
}

static void read_sectors(struct ide *ide, struct ide_unit *u, uint32_t lba, uint32_t n)
{
	uint32_t all = sectors_of(u);

	if (lba > all || n > all - lba || n > UINT32_MAX / CD_PARTS) {
		bad(u, ILLEGAL_REQUEST, ADDRESS_OUT_OF_RANGE);
		return;
	}
	if (!n) {
		good(u);
		return;
	}
	u->operation = IDE_OP_READ;
	u->lba = (uint64_t)lba * CD_PARTS;
	u->left = n * CD_PARTS;
	if (u->by_dma) {
		u->block = u->left;
		ide_ask(ide, u);
	} else {
		fetch(ide, u);
	}
}

void atapi_answered(struct ide *ide, struct ide_unit *u, bool failed, uint32_t done)
{
	(void)ide;
	(void)done;
	if (failed) {
		bad(u, MEDIUM_ERROR, UNRECOVERED_READ);
	} else if (u->by_dma || u->operation != IDE_OP_READ) {
		good(u);
	} else {
		u->filled = u->block * IDE_SECTOR;
		give_block(u, 0);
	}
}

/* ---- what commands answer ---- */

static void inquiry(struct ide *ide, struct ide_unit *u, const uint8_t *p)
{
	uint8_t *b = ide_buffer(ide, u);

	/* No vital product data: SPC-2's pages are not asked of a drive of version 0. */
	if ((p[1] & 1) || p[2]) {
		bad(u, ILLEGAL_REQUEST, INVALID_FIELD);
		return;
	}
	b[0] = 0x05; /* CD-ROM */
	b[1] = 0x80; /* removable */
	b[2] = 0;
	b[3] = 0x21; /* ATAPI; response data format 1 */
	b[4] = 36 - 5;
	b[5] = b[6] = b[7] = 0;
	put_text(b + 8, 8, "RING1");
	put_text(b + 16, 16, "CD-ROM");
	put_text(b + 32, 4, "1.0");
	reply(ide, u, 36, big16(p + 3));
}

static void request_sense(struct ide *ide, struct ide_unit *u, const uint8_t *p)
{
	uint8_t *b = ide_buffer(ide, u);

	for (unsigned i = 0; i < 18; i++)
		b[i] = 0;
	b[0] = 0x70;
	b[2] = u->sense_key;
	b[7] = 18 - 8;
	b[12] = u->sense_code;
	b[13] = u->sense_qualifier;
	/* Nothing has gone wrong, but there is something to be told (SPC-2, 7.20). */
	if (!u->sense_key && u->attention) {
		b[2] = UNIT_ATTENTION;
		b[12] = u->attention;
		u->attention = 0;
	}
	reply(ide, u, 18, p[4]);
}

static void read_capacity(struct ide *ide, struct ide_unit *u)
{
	uint8_t *b = ide_buffer(ide, u);

	put32(b, sectors_of(u) - 1);
	put32(b + 4, CD_SECTOR);
	reply(ide, u, 8, 8);
}

static void put_track(uint8_t *p, uint8_t number, uint32_t sector, bool msf)
{
	p[0] = 0;
	p[1] = 0x14; /* data, recorded uninterrupted */
	p[2] = number;
	p[3] = 0;
	if (msf)
		put_msf(p + 4, sector);
	else
		put32(p + 4, sector);
}

/* One entry of a lead-in: point, and what stands in its PMIN, PSEC and PFRAME. */
static void put_point(uint8_t *p, uint8_t point, uint8_t minute, uint8_t second, uint8_t frame)
{
	for (unsigned i = 0; i < 11; i++)
		p[i] = 0;
	p[0] = 1; /* session */
	p[1] = 0x14;
	p[3] = point;
	p[8] = minute;
	p[9] = second;
	p[10] = frame;
}

/* One session of one track, of data. MMC-4, 6.30. */
static void read_toc(struct ide *ide, struct ide_unit *u, const uint8_t *p)
{
	uint8_t *b = ide_buffer(ide, u), end[4];
	bool msf = p[1] & 2;
	unsigned format = p[2] & 15, n = 4;

	/* Before MMC the format stood in the control byte (INF-8020i, 10.8.20). */
	if (!format)
		format = p[9] >> 6;
	b[2] = b[3] = 1; /* first and last */
	if (format == 0) {
		if (p[6] > 1 && p[6] != LEAD_OUT) {
			bad(u, ILLEGAL_REQUEST, INVALID_FIELD);
			return;
		}
		if (p[6] <= 1) {
			put_track(b + n, 1, 0, msf);
			n += 8;
		}
		put_track(b + n, LEAD_OUT, sectors_of(u), msf);
		n += 8;
	} else if (format == 1) {
		put_track(b + n, 1, 0, msf);
		n += 8;
	} else if (format == 2) {
		put_msf(end, sectors_of(u));
		put_point(b + n, 0xa0, 1, 0, 0);
		put_point(b + n + 11, 0xa1, 1, 0, 0);
		put_point(b + n + 22, 0xa2, end[1], end[2], end[3]);
		put_point(b + n + 33, 1, 0, 2, 0);
		n += 44;
	} else {
		bad(u, ILLEGAL_REQUEST, INVALID_FIELD);
		return;
	}
	put16(b, n - 2);
	reply(ide, u, n, big16(p + 7));
}

/* Page 0x2a of INF-8020i and MMC: what the drive can do. */
static unsigned put_capabilities(const struct ide_unit *u, uint8_t *p)
{
	static const uint8_t page[20] = {
	    0x2a, 18,
	    0x3b, 0x00, /* reads CD-R, CD-RW, DVD-ROM, DVD-R, and method 2; writes nothing */
	    0x70,       /* mode 2 forms 1 and 2, sessions */
	    0x00, 0x29,
	    0x00,       /* a tray, which ejects and can be locked */
	    0x1b, 0x90, /* 7056 kB/s */
	    0x00, 0x00,
	    0x00, IDE_BUFFER / 1024,
	    0x1b, 0x90};

	for (unsigned i = 0; i < sizeof page; i++)
		p[i] = page[i];
	if (u->locked)
		p[6] |= 2;
	return sizeof page;
}

static unsigned put_recovery(uint8_t *p)
{
	static const uint8_t page[8] = {0x01, 6, 0x00, 5 /* retries */};

	for (unsigned i = 0; i < sizeof page; i++)
		p[i] = page[i];
	return sizeof page;
}

static void mode_sense(struct ide *ide, struct ide_unit *u, const uint8_t *p)
{
	uint8_t *b = ide_buffer(ide, u);
	unsigned page = p[2] & 63, control = p[2] >> 6, n = 8;

	if (control == 3) {
		bad(u, ILLEGAL_REQUEST, SAVING_NOT_SUPPORTED);
		return;
	}
	for (unsigned i = 0; i < 8; i++)
		b[i] = 0;
	b[2] = u->open ? 0x71 : 0x01; /* medium type: the door is open; a CD of data */
	if (page == 0x01 || page == 0x3f)
		n += put_recovery(b + n);
	if (page == 0x2a || page == 0x3f)
		n += put_capabilities(u, b + n);
	if (n == 8) {
		bad(u, ILLEGAL_REQUEST, INVALID_FIELD);
		return;
	}
	/* Which of it can be changed: nothing. */
	for (unsigned i = 8; control == 1 && i < n;) {
		unsigned bytes = b[i + 1];

		for (i += 2; bytes; bytes--)
			b[i++] = 0;
	}
	put16(b, n - 2);
	reply(ide, u, n, big16(p + 7));
}

static uint32_t profile_of(const struct ide_unit *u)
{
	return u->open ? NO_PROFILE : sectors_of(u) > CD_SECTORS_MAX ? PROFILE_DVD : PROFILE_CD;
}

/* MMC-4, 5.2.2: code, version and flags (current 1, persistent 2), additional length. */
static uint8_t *put_feature(uint8_t *p, uint32_t code, uint8_t flags, uint8_t bytes)
{
	put16(p, code);
	p[2] = flags;
	p[3] = bytes;
	for (unsigned i = 0; i < bytes; i++)
		p[4 + i] = 0;
	return p + 4;
}

/* The features from `first` on; only those in force with `current`; only that one with `single`. */
static unsigned put_features(const struct ide_unit *u, uint8_t *b, uint32_t first, bool current,
                             bool single)
{
	static const struct {
		uint16_t code;
		uint8_t flags, bytes;
		uint16_t profile; /* in force with this medium only; 0: always */
	} all[] = {{0x0000, 3, 8, 0}, {0x0001, 7, 4, 0},          {0x0003, 3, 4, 0},
	           {0x0010, 0, 8, 1}, {0x001e, 8, 4, PROFILE_CD}, {0x001f, 0, 4, PROFILE_DVD},
	           {0x0100, 3, 0, 0}};
	uint32_t profile = profile_of(u);
	unsigned n = 8;

	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		uint8_t flags = all[i].flags, *p;

		if (all[i].profile == profile || (all[i].profile == 1 && profile))
			flags |= 1;
		if (all[i].code < first || (single && all[i].code != first) ||
		    (current && !(flags & 1)))
			continue;
		p = put_feature(b + n, all[i].code, flags, all[i].bytes);
		switch (all[i].code) {
		case 0x0000: /* profiles */
			put16(p, PROFILE_DVD);
			p[2] = profile == PROFILE_DVD;
			put16(p + 4, PROFILE_CD);
			p[6] = profile == PROFILE_CD;
			break;
		case 0x0001: /* core: ATAPI */
			put32(p, 2);
			break;
		case 0x0003: /* removable medium: a tray, ejects, locks */
			p[0] = 0x29;
			break;
		case 0x0010: /* random reads: sectors of 2048 bytes, one at a time */
			put32(p, CD_SECTOR);
			put16(p + 4, 1);
			break;
		default:
			break;
		}
		n += 4u + all[i].bytes;
	}
	return n;
}

static void get_configuration(struct ide *ide, struct ide_unit *u, const uint8_t *p)
{
	uint8_t *b = ide_buffer(ide, u);
	unsigned which = p[1] & 3, n;

	if (which == 3) {
		bad(u, ILLEGAL_REQUEST, INVALID_FIELD);
		return;
	}
	n = put_features(u, b, big16(p + 2), which == 1, which == 2);
	put32(b, n - 4);
	put16(b + 4, 0);
	put16(b + 6, profile_of(u));
	reply(ide, u, n, big16(p + 7));
}

static void get_event_status(struct ide *ide, struct ide_unit *u, const uint8_t *p)
{
	uint8_t *b = ide_buffer(ide, u);

	if (!(p[1] & 1)) { /* asynchronous events: none are sent */
		bad(u, ILLEGAL_REQUEST, INVALID_FIELD);
		return;
	}
	for (unsigned i = 0; i < 8; i++)
		b[i] = 0;
	b[3] = 1u << MEDIA_CLASS;
	if (!(p[4] & 1u << MEDIA_CLASS)) {
		put16(b, 2);
		b[2] = 0x80; /* no event of these classes */
		reply(ide, u, 4, big16(p + 7));
		return;
	}
	put16(b, 6);
	b[2] = MEDIA_CLASS;
	b[4] = u->event & 15;
	b[5] = u->open ? 1 : 2; /* the tray is open, or a medium is there */
	u->event = EVENT_NONE;
	reply(ide, u, 8, big16(p + 7));
}

static void read_disc_information(struct ide *ide, struct ide_unit *u, const uint8_t *p)
{
	uint8_t *b = ide_buffer(ide, u);

	if (p[1] & 7) {
		bad(u, ILLEGAL_REQUEST, INVALID_FIELD);
		return;
	}
	for (unsigned i = 0; i < 34; i++)
		b[i] = 0;
	put16(b, 32);
	b[2] = 0x0e; /* complete, and so is the last session */
	b[3] = b[4] = b[5] = b[6] = 1;
	b[7] = 0x20; /* unrestricted use */
	reply(ide, u, 34, big16(p + 7));
}

static void mechanism_status(struct ide *ide, struct ide_unit *u, const uint8_t *p)
{
	uint8_t *b = ide_buffer(ide, u);

	for (unsigned i = 0; i < 8; i++)
		b[i] = 0;
	if (u->open)
		b[1] = 0x10;
	b[5] = 1; /* slots */
	reply(ide, u, 8, big16(p + 8));
}

static void start_stop(struct ide_unit *u, const uint8_t *p)
{
	bool ejects = (p[4] & 3) == 2, loads = (p[4] & 3) == 3;

	if (p[4] >> 4) { /* a power condition */
		good(u);
		return;
	}
	if (ejects && u->locked) {
		bad(u, ILLEGAL_REQUEST, REMOVAL_PREVENTED);
		return;
	}
	if (ejects && !u->open) {
		u->open = 1;
		u->event = EVENT_REMOVAL;
	} else if (loads && u->open) {
		u->open = 0;
		u->event = EVENT_NEW;
		u->attention = MEDIUM_CHANGED;
	}
	good(u);
}

/* Sectors of 2048 bytes without anything around them, or nothing at all, are all there is. */
static void read_cd(struct ide *ide, struct ide_unit *u, const uint8_t *p)
{
	unsigned what = p[9] & 0xf8;
	uint32_t n = (uint32_t)p[6] << 16 | big16(p + 7);

	if (!what && !(p[10] & 7))
		n = 0;
	else if (what != 0x10 || (p[10] & 7)) {
		bad(u, ILLEGAL_REQUEST, INVALID_TRACK_MODE);
		return;
	}
	read_sectors(ide, u, big32(p + 2), n);
}

/* ---- packets ---- */

/* Carried out although there is something to be told first (SPC-2, 5.6.4; MMC-4, 4.1.6.1). */
static bool precedes_attention(uint8_t command)
{
	return command == INQUIRY || command == REQUEST_SENSE || command == GET_CONFIGURATION ||
	       command == GET_EVENT_STATUS;
}

static bool needs_medium(uint8_t command)
{
	switch (command) {
	case TEST_UNIT_READY:
	case READ_CAPACITY:
	case READ_10:
	case READ_12:
	case READ_CD:
	case SEEK_10:
	case VERIFY_10:
	case READ_TOC:
	case READ_DISC_INFORMATION:
		return true;
	default:
		return false;
	}
}

static void carry_out(struct ide *ide, struct ide_unit *u, const uint8_t *p)
{
	switch (p[0]) {
	case TEST_UNIT_READY:
	case SET_SPEED:
		good(u);
		break;
	case REQUEST_SENSE:
		request_sense(ide, u, p);
		break;
	case INQUIRY:
		inquiry(ide, u, p);
		break;
	case START_STOP:
		start_stop(u, p);
		break;
	case PREVENT_ALLOW:
		u->locked = p[4] & 1;
		good(u);
		break;
	case READ_CAPACITY:
		read_capacity(ide, u);
		break;
	case READ_10:
		read_sectors(ide, u, big32(p + 2), big16(p + 7));
		break;
	case READ_12:
		read_sectors(ide, u, big32(p + 2), big32(p + 6));
		break;
	case READ_CD:
		read_cd(ide, u, p);
		break;
	case SEEK_10:
	case VERIFY_10:
		if (big32(p + 2) >= sectors_of(u))
			bad(u, ILLEGAL_REQUEST, ADDRESS_OUT_OF_RANGE);
		else
			good(u);
		break;
	case READ_TOC:
		read_toc(ide, u, p);
		break;
	case GET_CONFIGURATION:
		get_configuration(ide, u, p);
		break;
	case GET_EVENT_STATUS:
		get_event_status(ide, u, p);
		break;
	case READ_DISC_INFORMATION:
		read_disc_information(ide, u, p);
		break;
	case MODE_SENSE_10:
		mode_sense(ide, u, p);
		break;
	case MECHANISM_STATUS:
		mechanism_status(ide, u, p);
		break;
	default:
		bad(u, ILLEGAL_REQUEST, INVALID_COMMAND);
	}
}

static void take_packet(struct ide *ide, struct ide_unit *u)
{
	const uint8_t *b = ide_buffer(ide, u);
	uint8_t packet[PACKET_BYTES];

	/* Answers are made in the same buffer. */
	for (unsigned i = 0; i < PACKET_BYTES; i++)
		packet[i] = b[i];
	u->phase = IDE_IDLE;
	if (u->attention && !precedes_attention(packet[0])) {
		uint32_t code = (uint32_t)u->attention << 8;

		u->attention = 0;
		bad(u, UNIT_ATTENTION, code);
	} else if (u->open && needs_medium(packet[0])) {
		bad(u, NOT_READY, NO_MEDIUM_TRAY_OPEN);
	} else {
		carry_out(ide, u, packet);
	}
}

void atapi_moved(struct ide *ide, struct ide_unit *u)
{
	if (u->phase == IDE_PACKET) {
		take_packet(ide, u);
	} else if (u->command != PACKET) { /* IDENTIFY PACKET DEVICE */
		u->phase = IDE_IDLE;
		u->status = READY;
	} else if (u->end < u->filled) {
		give_block(u, u->end);
	} else if (u->left > u->block) {
		u->left -= u->block;
		u->lba += u->block;
		fetch(ide, u);
	} else {
		good(u);
	}
}

/* ---- ATA commands of a packet device ---- */

static void identify(struct ide *ide, struct ide_unit *u)
{
	uint16_t w[ATA_WORDS] = {0};

	/* ATAPI, CD-ROM, removable, DRQ within 50 us of PACKET, packets of 12 bytes */
	w[0] = 2u << 14 | 5u << 8 | 1u << 7 | 2u << 5;
	ata_text(w + 10, 10, u->shown.serial);
	ata_text(w + 23, 4, "1.0");
	ata_text(w + 27, 20, "RING1 CD-ROM");
	w[49] = 1u << 11 | 1u << 9 | 1u << 8; /* IORDY, LBA, DMA */
	w[51] = 2u << 8;
	w[53] = 6; /* words 64 to 70 and 88 */
	w[64] = 3; /* PIO modes 3 and 4 */
	for (unsigned i = 65; i <= 68; i++)
		w[i] = 120;                   /* ns */
	w[80] = 0xf0;                         /* ATA/ATAPI-4 to 7 */
	w[82] = 1u << 14 | 1u << 9 | 1u << 4; /* NOP, DEVICE RESET, PACKET */
	w[83] = w[84] = 1u << 14;
	w[85] = w[82];
	w[87] = 1u << 14;
	ata_put_modes(u, w);
	w[93] = 1u << 14 | 1u << 13 | 1;
	ata_put_words(ide_buffer(ide, u), w);
	u->interrupt = 1;
	ide_data(u, IDE_IN, 0, 2 * ATA_WORDS);
}

static void begin_packet(struct ide_unit *u)
{
	uint8_t features = u->file[ATA_FEATURE][0];

	if (features & FEATURE_OVERLAP) {
		ide_end(u, READY, ATA_ABORTED);
		return;
	}
	u->by_dma = features & FEATURE_DMA;
	/* The limit of a block: the registers will say how long each is. */
	u->limit = u->file[ATA_LBA_MID][0] | (uint32_t)u->file[ATA_LBA_HIGH][0] << 8;
	u->file[ATA_COUNT][0] = REASON_COMMAND;
	ide_data(u, IDE_PACKET, 0, PACKET_BYTES);
}

/* The signature tells whoever takes it for a disk what it is (ATA/ATAPI-6, 8.15.5.2). */
static void refuse_as_disk(struct ide_unit *u)
{
	u->file[ATA_COUNT][0] = u->file[ATA_LBA_LOW][0] = 1;
	u->file[ATA_LBA_MID][0] = 0x14;
	u->file[ATA_LBA_HIGH][0] = 0xeb;
	ide_end(u, READY, ATA_ABORTED);
}

static void set_features(struct ide_unit *u)
{
	bool known =
	    u->file[ATA_FEATURE][0] == 0x03 && ata_set_transfer_mode(u, u->file[ATA_COUNT][0]);

	/* 66h and CCh: what a reset does to settings */
	if (u->file[ATA_FEATURE][0] == 0x66 || u->file[ATA_FEATURE][0] == 0xcc)
		known = true;
	ide_end(u, READY, known ? 0 : ATA_ABORTED);
}

void atapi_command(struct ide *ide, struct ide_unit *u)
{
	switch (u->command) {
	case PACKET:
		begin_packet(u);
		break;
	case IDENTIFY_PACKET:
		identify(ide, u);
		break;
	case SET_FEATURES:
		set_features(u);
		break;
	case CHECK_POWER:
		u->file[ATA_COUNT][0] = 0xff; /* active or idle */
		ide_end(u, READY, 0);
		break;
	case STANDBY_NOW:
	case IDLE_NOW:
	case SLEEP:
	case FLUSH_CACHE:
		ide_end(u, READY, 0);
		break;
	case IDENTIFY:
	case 0x20: /* READ SECTORS: 8.27.5.2 */
		refuse_as_disk(u);
		break;
	default:
		ide_end(u, READY, ATA_ABORTED);
	}
}
