/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 8254 programmable interval timer and the PC's port 0x61.
 *
 * Sources: Intel 8254 data sheet (231164), sections "Programming the 8254", "Read Operations",
 * "Mode Definitions"; Intel 82371SB (PIIX3) data sheet (290550), section 2.5.5.1 (NMI status and
 * control register, port 0x61).
 *
 * Nothing runs between calls: a channel is a function of the tick, and a tick is the integer part
 * of now * 1193182 / 10^9, so periods neither drift nor lose counts.
 */
#ifndef RING1_DEVICES_PIT_H
#define RING1_DEVICES_PIT_H

#include <stdbool.h>
#include <stdint.h>

#define PIT_HZ       1193182u
#define PIT_CHANNELS 3

#define PIT_CHANNEL0 0x40
#define PIT_CHANNEL1 0x41
#define PIT_CHANNEL2 0x42
#define PIT_CONTROL  0x43
#define PIT_PORT61   0x61

/* One counter. Times are in ticks of PIT_HZ. Any content is safe. */
struct pit_channel {
	uint64_t start;      /* tick at which the count in progress was loaded */
	uint64_t load_at;    /* tick at which `written` is loaded, if load_pending */
	uint64_t edges_from; /* rising edges of OUT up to this tick are accounted for */
	uint64_t edges;      /* rising edges accounted for and not yet consumed */
	uint64_t held;       /* ticks elapsed in the count when it was stopped, if not running */
	uint32_t reload;     /* length of the count in progress, 1..65536 */
	uint32_t written;    /* count register, 1..65536 */
	uint16_t latch;      /* latched count */
	uint8_t latch_bytes; /* bytes of the latch still to be read, 0..2 */
	uint8_t status;      /* latched status byte */
	uint8_t status_latched;
	uint8_t mode; /* 0..5 */
	uint8_t bcd;
	uint8_t access; /* 1: LSB only, 2: MSB only, 3: LSB then MSB */
	uint8_t read_msb;
	uint8_t write_msb;
	uint8_t write_lsb; /* first byte of a two-byte count */
	uint8_t gate;
	uint8_t loaded;        /* a count is in progress; else OUT is in its initial state */
	uint8_t running;       /* counting; else stopped by GATE or a half-written count */
	uint8_t count_valid;   /* `written` was written since the control word */
	uint8_t load_pending;  /* `written` goes into the counter at load_at */
	uint8_t load_low_half; /* mode 3: that load starts the low half of the wave */
	uint8_t null_count;    /* status bit 6: `written` is not yet in the counter */
};

struct pit {
	struct pit_channel channel[PIT_CHANNELS];
	uint8_t speaker; /* port 0x61 bits 0..3 as written */
};

/*
 * Power-on state at `now` (guest monotonic nanoseconds): no counter has a count, OUT0 makes no
 * edges; GATE0 and GATE1 are high, GATE2 is low.
 */
void pit_reset(struct pit *pit, uint64_t now);

/* Read a byte from 0x40..0x42 at `now` (ns); the write-only 0x43 and other ports give 0xff. */
uint8_t pit_read(struct pit *pit, uint16_t port, uint64_t now);

/* Write a byte to 0x40..0x43 at `now` (ns); other ports are ignored. */
void pit_write(struct pit *pit, uint16_t port, uint8_t value, uint64_t now);

/*
 * Absolute ns of the earliest rising edge of OUT0 that was not consumed yet: at or before `now` if
 * one is due, UINT64_MAX if the programming makes none.
 */
uint64_t pit_next_irq(const struct pit *pit, uint64_t now);

/*
 * Consume the rising edges of OUT0 up to `now` (ns). Returns whether there was one; *missed
 * (optional) gets how many more there were, saturating at UINT_MAX.
 */
bool pit_irq_edges(struct pit *pit, uint64_t now, unsigned *missed);

/* Level of OUT of a channel (0..2; others give false) at `now` (ns). */
bool pit_out(const struct pit *pit, unsigned channel, uint64_t now);

/*
 * Port 0x61: bit 0 GATE2, bit 1 speaker enable, bit 4 the refresh toggle (changes every 18 ticks,
 * about 15 us), bit 5 OUT2; bits 6 and 7 (parity and channel check) read 0.
 */
uint8_t pit_port61_read(const struct pit *pit, uint64_t now);

/* Write port 0x61: bits 0..3 are kept, the others are read-only. Bit 0 drives GATE2. */
void pit_port61_write(struct pit *pit, uint8_t value, uint64_t now);

#endif
