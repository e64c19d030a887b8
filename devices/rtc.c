/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/rtc.h"

#define NS_PER_SECOND   1000000000ll
#define NEVER           UINT64_MAX
#define SECONDS_PER_DAY 86400

/* MC146818A table 6, 32.768 kHz: UIP is up 244 us before an update, which takes 1984 us. */
#define UIP_NS     ((244 + 1984) * 1000)
#define CRYSTAL_HZ 32768

#define A_DIVIDER         0x70
#define A_DIVIDER_RUNNING 0x20 /* 010: the 32.768 kHz time base */
#define A_DIVIDER_RESET   0x60 /* 11x */
#define A_RATE            0x0f
#define A_RATE_1024HZ     0x06
#define C_SOURCES         0x70
#define HOUR_PM           0x80
#define ALARM_ANY         0xc0 /* both top bits set: "don't care" code */

#define CMOS_EQUIPMENT      0x14
#define CMOS_BASE_KB        0x15
#define CMOS_EXTENDED_KB    0x17
#define CMOS_CHECKED_FIRST  0x10
#define CMOS_CHECKED_LAST   0x2d
#define CMOS_CHECKSUM       0x2e
#define CMOS_EXTENDED_KB_2  0x30
#define CMOS_ABOVE_16M_64KB 0x34
#define CMOS_ABOVE_4G_64KB  0x5b

#define MIB      (1ull << 20)
#define LOW_RAM  (3072 * MIB) /* RAM beyond this is mapped above 4 GiB */
#define YEAR_MIN 1970
#define YEAR_MAX 2199

/* A point in UTC, in the fields of the clock. */
struct calendar {
	unsigned second, minute, hour; /* 0..59, 0..59, 0..23 */
	unsigned weekday;              /* 1..7, Sunday is 1 */
	unsigned day, month, year;     /* 1..31, 1..12, 1677..2262 */
};

/* UTC ns since 1970. Wraps, rather than trap, for an offset that the guest scribbled on. */
static int64_t wall(const struct rtc *rtc, uint64_t now)
{
	return (int64_t)((uint64_t)rtc->offset + now);
}

static int64_t floor_div(int64_t value, int64_t divisor)
{
	int64_t quotient = value / divisor;

	return value % divisor < 0 ? quotient - 1 : quotient;
}

/* UTC seconds since 1970, and ns into that second. */
static int64_t wall_seconds(const struct rtc *rtc, uint64_t now)
{
	return floor_div(wall(rtc, now), NS_PER_SECOND);
}

static int64_t wall_fraction(const struct rtc *rtc, uint64_t now)
{
	int64_t ns = wall(rtc, now) % NS_PER_SECOND;

	return ns < 0 ? ns + NS_PER_SECOND : ns;
}

/*
 * Days since 1970-01-01 of a Gregorian date, month 1..12. Counting years from March puts the leap
 * day last, so month lengths are a linear formula (H. Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms", days_from_civil).
 */
static int64_t days_of_date(int64_t year, unsigned month, unsigned day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = floor_div(y, 400);
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + (int64_t)day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

/* The inverse (civil_from_days, same source). */
static void date_of_days(int64_t days, struct calendar *out)
{
	int64_t z = days + 719468;
	int64_t era = floor_div(z, 146097);
	unsigned doe = (unsigned)(z - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned month = (5 * doy + 2) / 153;

	out->day = doy - (153 * month + 2) / 5 + 1;
	out->month = month < 10 ? month + 3 : month - 9;
	out->year = (unsigned)(yoe + era * 400) + (out->month <= 2);
}

static void calendar_of(int64_t seconds, struct calendar *out)
{
	int64_t days = floor_div(seconds, SECONDS_PER_DAY);
	unsigned time = (unsigned)(seconds - days * SECONDS_PER_DAY);

	date_of_days(days, out);
	out->second = time % 60;
	out->minute = time / 60 % 60;
	out->hour = time / 3600;
	out->weekday = (unsigned)(days + 4 - floor_div(days + 4, 7) * 7) + 1;
}

/* Registers hold BCD unless register B says binary. */
static uint8_t encode(const struct rtc *rtc, unsigned value)
{
	if (rtc->ram[RTC_B] & RTC_B_BINARY)
		return (uint8_t)value;
	return (uint8_t)(value / 10 % 10 << 4 | value % 10);
}

static unsigned decode(const struct rtc *rtc, uint8_t value)
{
	if (rtc->ram[RTC_B] & RTC_B_BINARY)
		return value;
	return (value >> 4) * 10u + (value & 15);
}

static uint8_t encode_hour(const struct rtc *rtc, unsigned hour)
{
	unsigned twelve = (hour + 11) % 12 + 1;

	if (rtc->ram[RTC_B] & RTC_B_24H)
		return encode(rtc, hour);
	return encode(rtc, twelve) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned decode_hour(const struct rtc *rtc, uint8_t value)
{
	if (rtc->ram[RTC_B] & RTC_B_24H)
		return decode(rtc, value);
	return decode(rtc, value & 0x7f) % 12 + (value & HOUR_PM ? 12 : 0);
}

static bool divider_runs(const struct rtc *rtc)
{
	return (rtc->ram[RTC_A] & A_DIVIDER) == A_DIVIDER_RUNNING;
}

/* The calendar advances; else its registers are plain memory. */
static bool clock_runs(const struct rtc *rtc)
{
	return divider_runs(rtc) && !(rtc->ram[RTC_B] & RTC_B_SET);
}

static bool is_time_register(unsigned index)
{
	switch (index) {
	case RTC_SECONDS:
	case RTC_MINUTES:
	case RTC_HOURS:
	case RTC_WEEKDAY:
	case RTC_DAY:
	case RTC_MONTH:
	case RTC_YEAR:
	case RTC_CENTURY:
		return true;
	default:
		return false;
	}
}

static void store_time(struct rtc *rtc, uint64_t now)
{
	struct calendar c;

	calendar_of(wall_seconds(rtc, now), &c);
	rtc->ram[RTC_SECONDS] = encode(rtc, c.second);
	rtc->ram[RTC_MINUTES] = encode(rtc, c.minute);
	rtc->ram[RTC_HOURS] = encode_hour(rtc, c.hour);
	rtc->ram[RTC_WEEKDAY] = encode(rtc, c.weekday);
	rtc->ram[RTC_DAY] = encode(rtc, c.day);
	rtc->ram[RTC_MONTH] = encode(rtc, c.month);
	rtc->ram[RTC_YEAR] = encode(rtc, c.year % 100);
	rtc->ram[RTC_CENTURY] = encode(rtc, c.year / 100);
}

/* UTC seconds that the registers spell. Nonsense in them gives some time within the years. */
static int64_t stored_seconds(const struct rtc *rtc)
{
	int64_t year = decode(rtc, rtc->ram[RTC_CENTURY]) * 100 + decode(rtc, rtc->ram[RTC_YEAR]);
	unsigned month = decode(rtc, rtc->ram[RTC_MONTH]);

	if (year < YEAR_MIN)
		year = YEAR_MIN;
	if (year > YEAR_MAX)
		year = YEAR_MAX;
	if (month < 1 || month > 12)
		month = 1;
	return days_of_date(year, month, decode(rtc, rtc->ram[RTC_DAY])) * SECONDS_PER_DAY +
	       (int64_t)decode_hour(rtc, rtc->ram[RTC_HOURS]) * 3600 +
	       (int64_t)decode(rtc, rtc->ram[RTC_MINUTES]) * 60 +
	       (int64_t)decode(rtc, rtc->ram[RTC_SECONDS]);
}

/* Make the calendar what the registers spell, `fraction` ns into that second. */
static void adopt_time(struct rtc *rtc, int64_t fraction, uint64_t now)
{
	uint64_t ns = (uint64_t)stored_seconds(rtc) * (uint64_t)NS_PER_SECOND + (uint64_t)fraction;

	rtc->offset = (int64_t)(ns - now);
}

/* Crystal cycles since 1970, the divider chain's count. */
static int64_t crystal_cycles(const struct rtc *rtc, uint64_t now)
{
	return (int64_t)((uint64_t)wall_seconds(rtc, now) * CRYSTAL_HZ) +
	       wall_fraction(rtc, now) * CRYSTAL_HZ / NS_PER_SECOND;
}

/* Crystal cycles between periodic interrupts as a power of two (table 5); 0: none. */
static unsigned periodic_shift(const struct rtc *rtc)
{
	unsigned rate = rtc->ram[RTC_A] & A_RATE;

	if (rate == 0 || !divider_runs(rtc))
		return 0;
	return rate < 3 ? rate + 6 : rate - 1; /* 1 and 2 mean 256 Hz and 128 Hz */
}

static bool alarm_field(unsigned alarm, unsigned value, uint8_t raw)
{
	return (raw & ALARM_ANY) == ALARM_ANY || alarm == value;
}

/* First value >= `from` that an alarm field accepts; `limit` if none is left in this turn. */
static unsigned alarm_next(unsigned alarm, unsigned from, unsigned limit, uint8_t raw)
{
	if (alarm_field(alarm, from, raw))
		return from;
	return alarm > from && alarm < limit ? alarm : limit;
}

/*
 * First second of the day >= `time` at which the alarm goes off; SECONDS_PER_DAY if there is none
 * left today. A field that moves resets the ones below; one that is exhausted advances the one
 * above, which happens at most once a field.
 */
static unsigned alarm_from(const struct rtc *rtc, unsigned time)
{
	uint8_t rs = rtc->ram[RTC_SECONDS_ALARM];
	uint8_t rm = rtc->ram[RTC_MINUTES_ALARM];
	uint8_t rh = rtc->ram[RTC_HOURS_ALARM];

	for (unsigned turn = 0; turn < 6 && time < SECONDS_PER_DAY; turn++) {
		unsigned hour = time / 3600, minute = time / 60 % 60, second = time % 60;
		unsigned h = alarm_next(decode_hour(rtc, rh), hour, 24, rh);
		unsigned m, s;

		if (h != hour) {
			time = h * 3600;
			continue;
		}
		m = alarm_next(decode(rtc, rm), minute, 60, rm);
		if (m != minute) {
			time = (hour * 60 + m) * 60;
			continue;
		}
		s = alarm_next(decode(rtc, rs), second, 60, rs);
		if (s < 60)
			return time - second + s;
		time += 60 - second;
	}
	return SECONDS_PER_DAY;
}

/* First UTC second > `after` at which the alarm goes off; INT64_MAX if its fields never match. */
static int64_t next_alarm(const struct rtc *rtc, int64_t after)
{
	int64_t first = after + 1;
	int64_t midnight = floor_div(first, SECONDS_PER_DAY) * SECONDS_PER_DAY;
	unsigned time = alarm_from(rtc, (unsigned)(first - midnight));

	if (time < SECONDS_PER_DAY)
		return midnight + time;
	time = alarm_from(rtc, 0);
	return time < SECONDS_PER_DAY ? midnight + SECONDS_PER_DAY + time : INT64_MAX;
}

/* Set register C's flags for what happened since the last call. */
static void settle(struct rtc *rtc, uint64_t now)
{
	uint64_t then = rtc->events;
	int64_t before, after;
	unsigned shift = periodic_shift(rtc);

	if (now <= then)
		return;
	rtc->events = now;
	if (shift && crystal_cycles(rtc, then) >> shift != crystal_cycles(rtc, now) >> shift)
		rtc->ram[RTC_C] |= RTC_B_PERIODIC;
	if (!clock_runs(rtc))
		return;
	before = wall_seconds(rtc, then);
	after = wall_seconds(rtc, now);
	if (after <= before)
		return;
	rtc->ram[RTC_C] |= RTC_B_UPDATE;
	if (next_alarm(rtc, before) <= after)
		rtc->ram[RTC_C] |= RTC_B_ALARM;
}

static bool irq_level(const struct rtc *rtc)
{
	return (rtc->ram[RTC_B] & rtc->ram[RTC_C] & C_SOURCES) != 0;
}

static uint8_t read_c(struct rtc *rtc, uint64_t now)
{
	uint8_t value;

	settle(rtc, now);
	value = (rtc->ram[RTC_C] & C_SOURCES) | (irq_level(rtc) ? RTC_C_IRQ : 0);
	rtc->ram[RTC_C] = 0;
	return value;
}

static uint8_t read_a(const struct rtc *rtc, uint64_t now)
{
	bool updating = clock_runs(rtc) && wall_fraction(rtc, now) >= NS_PER_SECOND - UIP_NS;

	return (rtc->ram[RTC_A] & 0x7f) | (updating ? RTC_A_UIP : 0);
}

uint8_t rtc_read(struct rtc *rtc, uint16_t port, uint64_t now)
{
	unsigned index = rtc->index % RTC_RAM_BYTES;

	if (port != RTC_DATA)
		return 0xff;
	switch (index) {
	case RTC_A:
		return read_a(rtc, now);
	case RTC_C:
		return read_c(rtc, now);
	case RTC_D:
		return RTC_D_VALID;
	default:
		break;
	}
	if (is_time_register(index) && clock_runs(rtc))
		store_time(rtc, now);
	return rtc->ram[index];
}

/* Registers A and B stop and start the clock; what it read, or what was set meanwhile, stays. */
static void write_control(struct rtc *rtc, unsigned index, uint8_t value, uint64_t now)
{
	bool ran = clock_runs(rtc);

	if (ran)
		store_time(rtc, now);
	rtc->ram[index] = value;
	if ((rtc->ram[RTC_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET)
		rtc->divider_was_reset = 1;
	if (ran || !clock_runs(rtc))
		return;
	/* "Divider Stages": the first update comes half a second after the reset ends */
	adopt_time(rtc, rtc->divider_was_reset ? NS_PER_SECOND / 2 : wall_fraction(rtc, now), now);
	rtc->divider_was_reset = 0;
}

static void write_time(struct rtc *rtc, unsigned index, uint8_t value, uint64_t now)
{
	bool runs = clock_runs(rtc);

	if (runs)
		store_time(rtc, now);
	rtc->ram[index] = value;
	if (runs)
		adopt_time(rtc, wall_fraction(rtc, now), now);
}

static void write_data(struct rtc *rtc, uint8_t value, uint64_t now)
{
	unsigned index = rtc->index % RTC_RAM_BYTES;

	settle(rtc, now);
	switch (index) {
	case RTC_A:
		write_control(rtc, index, value & 0x7f, now);
		break;
	case RTC_B:
		/* SET clears the update-ended enable (register B, "UIE") */
		if (value & RTC_B_SET)
			value &= (uint8_t)~RTC_B_UPDATE;
		write_control(rtc, index, value, now);
		break;
	case RTC_C:
	case RTC_D:
		break;
	default:
		if (is_time_register(index))
			write_time(rtc, index, value, now);
		else
			rtc->ram[index] = value;
		break;
	}
}

void rtc_write(struct rtc *rtc, uint16_t port, uint8_t value, uint64_t now)
{
	if (port == RTC_INDEX)
		rtc->index = value;
	else if (port == RTC_DATA)
		write_data(rtc, value, now);
}

/* Guest ns at which the wall clock reaches `seconds` and `fraction` ns. */
static uint64_t guest_time(const struct rtc *rtc, int64_t seconds, int64_t fraction)
{
	return (uint64_t)seconds * (uint64_t)NS_PER_SECOND + (uint64_t)fraction -
	       (uint64_t)rtc->offset;
}

static uint64_t next_periodic(const struct rtc *rtc)
{
	unsigned shift = periodic_shift(rtc);
	int64_t cycle, seconds, rest;

	if (!shift)
		return NEVER;
	cycle = (int64_t)(((uint64_t)(crystal_cycles(rtc, rtc->events) >> shift) + 1) << shift);
	seconds = floor_div(cycle, CRYSTAL_HZ);
	rest = cycle - seconds * CRYSTAL_HZ;
	return guest_time(rtc, seconds, (rest * NS_PER_SECOND + CRYSTAL_HZ - 1) / CRYSTAL_HZ);
}

static uint64_t next_update(const struct rtc *rtc)
{
	return clock_runs(rtc) ? guest_time(rtc, wall_seconds(rtc, rtc->events) + 1, 0) : NEVER;
}

static uint64_t next_alarm_irq(const struct rtc *rtc)
{
	int64_t alarm;

	if (!clock_runs(rtc))
		return NEVER;
	alarm = next_alarm(rtc, wall_seconds(rtc, rtc->events));
	return alarm == INT64_MAX ? NEVER : guest_time(rtc, alarm, 0);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t rtc_next_irq(const struct rtc *rtc, uint64_t now)
{
	uint8_t enabled = rtc->ram[RTC_B];
	uint64_t next = NEVER;

	(void)now;
	if (irq_level(rtc))
		return NEVER;
	if (enabled & RTC_B_PERIODIC)
		next = earlier(next, next_periodic(rtc));
	if (enabled & RTC_B_UPDATE)
		next = earlier(next, next_update(rtc));
	if (enabled & RTC_B_ALARM)
		next = earlier(next, next_alarm_irq(rtc));
	return next;
}

bool rtc_irq(struct rtc *rtc, uint64_t now)
{
	settle(rtc, now);
	return irq_level(rtc);
}

void rtc_reset(struct rtc *rtc, int64_t wall_offset_ns, uint64_t now)
{
	*rtc = (struct rtc){
	    .offset = wall_offset_ns,
	    .events = now,
	    .ram[RTC_A] = A_DIVIDER_RUNNING | A_RATE_1024HZ,
	    .ram[RTC_B] = RTC_B_24H,
	};
}

/* Little-endian, `bytes` long, saturating. */
static void store_saturated(uint8_t *to, unsigned bytes, uint64_t value)
{
	uint64_t max = (1ull << 8 * bytes) - 1;

	if (value > max)
		value = max;
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t beyond(uint64_t value, uint64_t floor)
{
	return value > floor ? value - floor : 0;
}

void rtc_set_equipment(struct rtc *rtc, uint64_t ram_bytes, uint8_t equipment)
{
	uint64_t low = earlier(ram_bytes, LOW_RAM);
	uint64_t extended_kb = beyond(low, MIB) >> 10;
	unsigned sum = 0;

	rtc->ram[CMOS_EQUIPMENT] = equipment;
	store_saturated(&rtc->ram[CMOS_BASE_KB], 2, 640);
	store_saturated(&rtc->ram[CMOS_EXTENDED_KB], 2, extended_kb);
	store_saturated(&rtc->ram[CMOS_EXTENDED_KB_2], 2, extended_kb);
	store_saturated(&rtc->ram[CMOS_ABOVE_16M_64KB], 2, beyond(low, 16 * MIB) >> 16);
	store_saturated(&rtc->ram[CMOS_ABOVE_4G_64KB], 3, beyond(ram_bytes, LOW_RAM) >> 16);
	for (unsigned i = CMOS_CHECKED_FIRST; i <= CMOS_CHECKED_LAST; i++)
		sum += rtc->ram[i];
	rtc->ram[CMOS_CHECKSUM] = (uint8_t)(sum >> 8); /* high byte first, unlike the rest */
	rtc->ram[CMOS_CHECKSUM + 1] = (uint8_t)sum;
}
