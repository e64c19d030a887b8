/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/pit.h"

#include <limits.h>

#define NS_PER_SECOND 1000000000ull
#define NEVER         UINT64_MAX

/* Control word, 8254 figure 7 */
#define CONTROL_CHANNEL(v) ((v) >> 6)
#define CONTROL_ACCESS(v)  (((v) >> 4) & 3)
#define CONTROL_MODE(v)    (((v) >> 1) & 7)
#define READ_BACK          3 /* in the channel field */
#define READ_BACK_NO_COUNT 0x20
#define READ_BACK_NO_STAT  0x10
#define ACCESS_LATCH       0 /* in the access field: counter latch command */
#define ACCESS_LSB         1
#define ACCESS_MSB         2
#define ACCESS_BOTH        3
#define STATUS_OUT         0x80
#define STATUS_NULL        0x40

#define PORT61_GATE2   0x01
#define PORT61_KEPT    0x0f
#define PORT61_REFRESH 0x10
#define PORT61_OUT2    0x20
#define REFRESH_TICKS  18

/* Split so that no product exceeds 64 bits: the remainder times PIT_HZ is below 2^51. */
static uint64_t ticks_of(uint64_t ns)
{
	return ns / NS_PER_SECOND * PIT_HZ + ns % NS_PER_SECOND * PIT_HZ / NS_PER_SECOND;
}

/* The first ns that ticks_of maps to `tick`; NEVER if no 64-bit time does. */
static uint64_t ns_of(uint64_t tick)
{
	uint64_t seconds = tick / PIT_HZ;

	if (seconds >= NEVER / NS_PER_SECOND)
		return NEVER;
	return seconds * NS_PER_SECOND + (tick % PIT_HZ * NS_PER_SECOND + PIT_HZ - 1) / PIT_HZ;
}

/* `later` is not before `tick`, for times less than 2^63 ticks (245000 years) apart. */
static bool reached(uint64_t later, uint64_t tick)
{
	return (int64_t)(later - tick) >= 0;
}

/* Counts come from shared memory: whatever is stored there, 1..65536 comes out. */
static uint32_t count_of(uint32_t stored)
{
	return ((stored - 1) & 0xffff) + 1;
}

/* Modes 2 and 3 start over by themselves. */
static bool periodic(const struct pit_channel *ch)
{
	return ch->mode == 2 || ch->mode == 3;
}

/* Modes 1 and 5 start on a rise of GATE, not on a count. */
static bool triggered(const struct pit_channel *ch)
{
	return ch->mode == 1 || ch->mode == 5;
}

/* Ticks since the count in progress was loaded. */
static uint64_t elapsed(const struct pit_channel *ch, uint64_t tick)
{
	if (!ch->running)
		return ch->held;
	return reached(tick, ch->start) ? tick - ch->start : 0;
}

static uint32_t high_half(uint32_t count)
{
	return (count + 1) / 2;
}

static void load(struct pit_channel *ch)
{
	ch->reload = count_of(ch->written);
	ch->start = ch->load_at;
	ch->held = 0;
	/* the wave goes on where it was: this load begins its low half */
	if (ch->load_low_half) {
		ch->start -= high_half(ch->reload);
		ch->held = high_half(ch->reload);
	}
	ch->running = ch->gate || triggered(ch);
	ch->loaded = 1;
	ch->load_pending = 0;
	ch->load_low_half = 0;
	ch->null_count = 0;
}

static bool load_due(const struct pit_channel *ch, uint64_t tick)
{
	return ch->load_pending && reached(tick, ch->load_at);
}

/* The channel as it is at `tick`. */
static struct pit_channel channel_at(const struct pit_channel *ch, uint64_t tick)
{
	struct pit_channel at = *ch;

	if (load_due(&at, tick))
		load(&at);
	return at;
}

/* "Mode Definitions". The argument has no load due. */
static bool out_of(const struct pit_channel *ch, uint64_t tick)
{
	uint32_t count = count_of(ch->reload);
	uint64_t ticks = elapsed(ch, tick);

	if (!ch->loaded)
		return ch->mode != 0;
	switch (ch->mode) {
	case 0:
	case 1:
		return ticks >= count;
	case 2:
		return !ch->running || ticks % count != count - 1;
	case 3:
		return !ch->running || ticks % count < high_half(count);
	default: /* 4 and 5 */
		return ticks != count;
	}
}

/* Mode 3 counts by two: an odd count loads one less and its high half is a tick longer. */
static uint32_t square_wave_value(uint32_t count, uint32_t phase)
{
	uint32_t high = high_half(count);

	return (count & ~1u) - 2 * (phase < high ? phase : phase - high);
}

static uint32_t to_bcd(uint32_t value)
{
	return value % 10 | value / 10 % 10 << 4 | value / 100 % 10 << 8 | value / 1000 % 10 << 12;
}

/* What a read of the counting element gives: 16 bits, or four BCD digits. */
static uint16_t value_of(const struct pit_channel *ch, uint64_t tick)
{
	uint32_t modulus = ch->bcd ? 10000 : 0x10000;
	uint32_t count = count_of(ch->reload);
	uint64_t ticks = elapsed(ch, tick);
	uint32_t value;

	if (ch->mode == 3)
		value = square_wave_value(count, (uint32_t)(ticks % count));
	else if (ch->mode == 2)
		value = count - (uint32_t)(ticks % count);
	else /* the others run on through zero */
		value = count + modulus - (uint32_t)(ticks % modulus);
	return (uint16_t)(ch->bcd ? to_bcd(value % modulus) : value);
}

/* Ticks after the load at which OUT rises: once, or every count for the periodic modes. */
static uint64_t rise_after(const struct pit_channel *ch)
{
	return count_of(ch->reload) + (ch->mode >= 4 ? 1u : 0u);
}

/* Rising edges in (from, to] of a channel with no load due before `to`. */
static uint64_t count_rises(const struct pit_channel *ch, uint64_t from, uint64_t to)
{
	uint64_t period = rise_after(ch);
	uint64_t before, after;

	if (!ch->loaded || !ch->running || !reached(to, ch->start) || !reached(to, from))
		return 0;
	after = (to - ch->start) / period;
	before = reached(from, ch->start) ? (from - ch->start) / period : 0;
	if (periodic(ch))
		return after - before;
	return after > 0 && before == 0;
}

/* Count OUT's rises up to `tick`, then carry out a load that is due. */
static void settle(struct pit_channel *ch, uint64_t tick)
{
	if (!reached(tick, ch->edges_from))
		return;
	if (load_due(ch, tick)) {
		ch->edges += count_rises(ch, ch->edges_from, ch->load_at);
		if (reached(ch->load_at, ch->edges_from))
			ch->edges_from = ch->load_at;
		load(ch);
	}
	ch->edges += count_rises(ch, ch->edges_from, tick);
	ch->edges_from = tick;
}

/* First rise after `from` of a channel with no load due before it; NEVER if there is none. */
static uint64_t next_rise(const struct pit_channel *ch, uint64_t from)
{
	uint64_t period = rise_after(ch);
	uint64_t past;

	if (!ch->loaded || !ch->running)
		return NEVER;
	past = reached(from, ch->start) ? (from - ch->start) / period : 0;
	if (past > 0 && !periodic(ch))
		return NEVER;
	return ch->start + (past + 1) * period;
}

/* OUT may jump on a control word or a change of GATE: that is an edge like any other. */
static void note_jump(struct pit_channel *ch, bool was, uint64_t tick)
{
	if (!was && out_of(ch, tick))
		ch->edges++;
}

static void hold(struct pit_channel *ch, uint64_t tick)
{
	ch->held = elapsed(ch, tick);
	ch->running = 0;
}

static void schedule_load(struct pit_channel *ch, uint64_t tick)
{
	ch->load_at = tick + 1;
	ch->load_low_half = 0;
	ch->load_pending = 1;
}

/* A new count of a running periodic mode waits for the end of the cycle, or half cycle (mode 3). */
static void schedule_load_at_end(struct pit_channel *ch, uint64_t tick)
{
	uint32_t count = count_of(ch->reload);
	uint32_t phase = (uint32_t)(elapsed(ch, tick) % count);
	bool high = ch->mode == 3 && phase < high_half(count);

	ch->load_at = tick + (high ? high_half(count) : count) - phase;
	ch->load_low_half = high;
	ch->load_pending = 1;
}

static void accept_count(struct pit_channel *ch, uint16_t raw, uint64_t tick)
{
	uint32_t count = raw;

	if (ch->bcd)
		count = (raw >> 12) * 1000u + (raw >> 8 & 15) * 100u + (raw >> 4 & 15) * 10u +
		        (raw & 15);
	if (count == 0)
		count = ch->bcd ? 10000 : 0x10000;
	ch->written = count;
	ch->count_valid = 1;
	ch->null_count = 1;
	if (triggered(ch))
		return;
	if (ch->mode == 0) { /* OUT goes low now, not with the load */
		hold(ch, tick);
		ch->loaded = 0;
	}
	if (periodic(ch) && ch->loaded && ch->running) {
		if (!ch->load_pending)
			schedule_load_at_end(ch, tick);
		return;
	}
	schedule_load(ch, tick);
}

static void write_count(struct pit_channel *ch, uint8_t value, uint64_t tick)
{
	settle(ch, tick);
	switch (ch->access) {
	case ACCESS_LSB:
		accept_count(ch, value, tick);
		break;
	case ACCESS_MSB:
		accept_count(ch, (uint16_t)(value << 8), tick);
		break;
	default:
		if (ch->write_msb) {
			accept_count(ch, (uint16_t)(value << 8 | ch->write_lsb), tick);
		} else {
			ch->write_lsb = value;
			/* mode 0: the first byte stops the count and lowers OUT */
			if (ch->mode == 0) {
				hold(ch, tick);
				ch->loaded = 0;
				ch->load_pending = 0;
			}
		}
		ch->write_msb = !ch->write_msb;
		break;
	}
}

static void latch_count(struct pit_channel *ch, uint64_t tick)
{
	struct pit_channel at;

	if (ch->latch_bytes) /* a latch holds until it is read */
		return;
	at = channel_at(ch, tick);
	ch->latch = value_of(&at, tick);
	ch->latch_bytes = ch->access == ACCESS_BOTH ? 2 : 1;
}

static void latch_status(struct pit_channel *ch, uint64_t tick)
{
	struct pit_channel at;

	if (ch->status_latched)
		return;
	at = channel_at(ch, tick);
	ch->status =
	    (uint8_t)((out_of(&at, tick) ? STATUS_OUT : 0) | (at.null_count ? STATUS_NULL : 0) |
	              (at.access & 3) << 4 | (at.mode & 7) << 1 | (at.bcd & 1));
	ch->status_latched = 1;
}

static void read_back(struct pit *pit, uint8_t value, uint64_t tick)
{
	for (unsigned i = 0; i < PIT_CHANNELS; i++) {
		if (!(value & 2u << i))
			continue;
		if (!(value & READ_BACK_NO_COUNT))
			latch_count(&pit->channel[i], tick);
		if (!(value & READ_BACK_NO_STAT))
			latch_status(&pit->channel[i], tick);
	}
}

/* "Control Word Format": programming a counter resets its control logic and OUT at once. */
static void program(struct pit_channel *ch, uint8_t value, uint64_t tick)
{
	uint8_t mode = CONTROL_MODE(value);
	bool was;

	settle(ch, tick);
	was = out_of(ch, tick);
	hold(ch, tick);
	ch->mode = mode > 5 ? mode & 3 : mode; /* 6 and 7 are 2 and 3 */
	ch->access = CONTROL_ACCESS(value);
	ch->bcd = value & 1;
	ch->loaded = 0;
	ch->count_valid = 0;
	ch->load_pending = 0;
	ch->null_count = 1;
	ch->read_msb = 0;
	ch->write_msb = 0;
	ch->latch_bytes = 0;
	ch->status_latched = 0;
	note_jump(ch, was, tick);
}

static void write_control(struct pit *pit, uint8_t value, uint64_t tick)
{
	unsigned channel = CONTROL_CHANNEL(value);

	if (channel == READ_BACK)
		read_back(pit, value, tick);
	else if (CONTROL_ACCESS(value) == ACCESS_LATCH)
		latch_count(&pit->channel[channel], tick);
	else
		program(&pit->channel[channel], value, tick);
}

static void raise_gate(struct pit_channel *ch, uint64_t tick)
{
	ch->gate = 1;
	if (ch->mode == 0 || ch->mode == 4) {
		if (ch->loaded && !ch->running) {
			ch->start = tick - ch->held;
			ch->running = 1;
		}
	} else if (ch->count_valid) {
		schedule_load(ch, tick);
	}
}

static void drop_gate(struct pit_channel *ch, uint64_t tick)
{
	bool was = out_of(ch, tick);

	ch->gate = 0;
	if (triggered(ch) || !ch->loaded)
		return;
	hold(ch, tick);
	note_jump(ch, was, tick);
}

static void set_gate(struct pit_channel *ch, bool level, uint64_t tick)
{
	if ((ch->gate != 0) == level)
		return;
	settle(ch, tick);
	if (level)
		raise_gate(ch, tick);
	else
		drop_gate(ch, tick);
}

void pit_reset(struct pit *pit, uint64_t now)
{
	uint64_t tick = ticks_of(now);

	*pit = (struct pit){0};
	for (unsigned i = 0; i < PIT_CHANNELS; i++) {
		pit->channel[i].access = ACCESS_BOTH;
		pit->channel[i].edges_from = tick;
		pit->channel[i].gate = i < 2;
		pit->channel[i].mode = 2; /* undefined on the chip: one that keeps OUT high */
	}
}

static uint8_t read_latch(struct pit_channel *ch)
{
	uint8_t low = (uint8_t)ch->latch;
	uint8_t high = (uint8_t)(ch->latch >> 8);

	if (ch->latch_bytes == 2) {
		ch->latch_bytes = 1;
		return low;
	}
	ch->latch_bytes = 0;
	return ch->access == ACCESS_LSB ? low : high;
}

static uint8_t read_channel(struct pit_channel *ch, uint64_t tick)
{
	uint16_t value;
	bool msb;

	if (ch->status_latched) {
		ch->status_latched = 0;
		return ch->status;
	}
	if (ch->latch_bytes)
		return read_latch(ch);
	if (load_due(ch, tick))
		settle(ch, tick);
	value = value_of(ch, tick);
	msb = ch->access == ACCESS_MSB || (ch->access == ACCESS_BOTH && ch->read_msb);
	if (ch->access == ACCESS_BOTH)
		ch->read_msb = !ch->read_msb;
	return (uint8_t)(msb ? value >> 8 : value);
}

uint8_t pit_read(struct pit *pit, uint16_t port, uint64_t now)
{
	switch (port) {
	case PIT_CHANNEL0:
		return read_channel(&pit->channel[0], ticks_of(now));
	case PIT_CHANNEL1:
		return read_channel(&pit->channel[1], ticks_of(now));
	case PIT_CHANNEL2:
		return read_channel(&pit->channel[2], ticks_of(now));
	default:
		return 0xff;
	}
}

void pit_write(struct pit *pit, uint16_t port, uint8_t value, uint64_t now)
{
	uint64_t tick = ticks_of(now);

	switch (port) {
	case PIT_CHANNEL0:
		write_count(&pit->channel[0], value, tick);
		break;
	case PIT_CHANNEL1:
		write_count(&pit->channel[1], value, tick);
		break;
	case PIT_CHANNEL2:
		write_count(&pit->channel[2], value, tick);
		break;
	case PIT_CONTROL:
		write_control(pit, value, tick);
		break;
	default:
		break;
	}
}

uint64_t pit_next_irq(const struct pit *pit, uint64_t now)
{
	struct pit_channel ch = pit->channel[0];
	uint64_t rise;

	if (ch.edges)
		return now;
	rise = next_rise(&ch, ch.edges_from);
	if (ch.load_pending && (rise == NEVER || !reached(ch.load_at, rise))) {
		uint64_t from = reached(ch.load_at, ch.edges_from) ? ch.load_at : ch.edges_from;

		load(&ch);
		rise = next_rise(&ch, from);
	}
	return rise == NEVER ? NEVER : ns_of(rise);
}

bool pit_irq_edges(struct pit *pit, uint64_t now, unsigned *missed)
{
	struct pit_channel *ch = &pit->channel[0];
	uint64_t edges;

	settle(ch, ticks_of(now));
	edges = ch->edges;
	ch->edges = 0;
	if (missed)
		*missed = edges > UINT_MAX ? UINT_MAX : edges ? (unsigned)edges - 1 : 0;
	return edges != 0;
}

bool pit_out(const struct pit *pit, unsigned channel, uint64_t now)
{
	uint64_t tick = ticks_of(now);
	struct pit_channel ch;

	if (channel >= PIT_CHANNELS)
		return false;
	ch = channel_at(&pit->channel[channel], tick);
	return out_of(&ch, tick);
}

uint8_t pit_port61_read(const struct pit *pit, uint64_t now)
{
	uint8_t value = pit->speaker & PORT61_KEPT;

	if (ticks_of(now) / REFRESH_TICKS & 1)
		value |= PORT61_REFRESH;
	if (pit_out(pit, 2, now))
		value |= PORT61_OUT2;
	return value;
}

void pit_port61_write(struct pit *pit, uint8_t value, uint64_t now)
{
	pit->speaker = value & PORT61_KEPT;
	set_gate(&pit->channel[2], value & PORT61_GATE2, ticks_of(now));
}
