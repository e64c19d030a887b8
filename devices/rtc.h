/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MC146818 real-time clock with 128 bytes of CMOS RAM (ports 0x70 and 0x71).
 *
 * Sources: Motorola MC146818A data sheet, sections "Time, Calendar, and Alarm Locations",
 * "Interrupts", "Divider Stages", "Update Cycle", "Registers"; CMOS bytes as IBM's PC AT Technical
 * Reference and Ralf Brown's CMOS.LST list them (century at 0x32).
 *
 * Time is the host's: UTC = now + offset. The guest may set the clock, which moves the offset.
 * Departure: the day of the week follows the date, whatever was written to register 6.
 */
#ifndef RING1_DEVICES_RTC_H
#define RING1_DEVICES_RTC_H

#include <stdbool.h>
#include <stdint.h>

#define RTC_INDEX 0x70
#define RTC_DATA  0x71

#define RTC_RAM_BYTES 128

#define RTC_SECONDS       0x00
#define RTC_SECONDS_ALARM 0x01
#define RTC_MINUTES       0x02
#define RTC_MINUTES_ALARM 0x03
#define RTC_HOURS         0x04
#define RTC_HOURS_ALARM   0x05
#define RTC_WEEKDAY       0x06
#define RTC_DAY           0x07
#define RTC_MONTH         0x08
#define RTC_YEAR          0x09
#define RTC_A             0x0a
#define RTC_B             0x0b
#define RTC_C             0x0c
#define RTC_D             0x0d
#define RTC_CENTURY       0x32

#define RTC_A_UIP      0x80
#define RTC_B_SET      0x80
#define RTC_B_PERIODIC 0x40
#define RTC_B_ALARM    0x20
#define RTC_B_UPDATE   0x10
#define RTC_B_BINARY   0x04
#define RTC_B_24H      0x02
#define RTC_C_IRQ      0x80
#define RTC_D_VALID    0x80

/* CMOS 0x14, equipment: an FPU, no floppy drive, EGA or VGA display */
#define RTC_EQUIPMENT_DEFAULT 0x02

/* Any content is safe. */
struct rtc {
	int64_t offset;            /* ns: UTC since 1970 minus guest monotonic time */
	uint64_t events;           /* guest ns up to which register C's flags are accounted for */
	uint8_t index;             /* port 0x70 as written; bit 7 is the NMI mask */
	uint8_t divider_was_reset; /* while the clock stands: its fraction restarts at half */
	uint8_t ram[RTC_RAM_BYTES];
};

/*
 * Power-on state at `now` (guest monotonic ns): running, BCD, 24 hours, 1024 Hz, all interrupts
 * off, RAM zero. wall_offset_ns: what to add to `now` to get UTC ns since 1970.
 */
void rtc_reset(struct rtc *rtc, int64_t wall_offset_ns, uint64_t now);

/*
 * Fill in the CMOS bytes that describe the machine: base and extended memory, the equipment byte
 * (0x14) and the checksum of 0x10..0x2d. Of ram_bytes, the first 3 GiB are reported as memory
 * below 4 GiB and the rest as memory above it.
 */
void rtc_set_equipment(struct rtc *rtc, uint64_t ram_bytes, uint8_t equipment);

/* Read 0x71 at `now` (ns). Register C clears on read. The write-only 0x70 gives 0xff. */
uint8_t rtc_read(struct rtc *rtc, uint16_t port, uint64_t now);

/* Write 0x70 or 0x71 at `now` (ns). Years the guest sets are clamped to 1970..2199. */
void rtc_write(struct rtc *rtc, uint16_t port, uint8_t value, uint64_t now);

/*
 * Absolute ns (guest monotonic) at which IRQ 8 rises next; UINT64_MAX when no enabled source will,
 * or when it is high already and waits for a read of register C. May be at or before `now` if
 * rtc_irq has not been called since.
 */
uint64_t rtc_next_irq(const struct rtc *rtc, uint64_t now);

/* Account for everything up to `now` (ns) and return the level of IRQ 8 (register C's IRQF). */
bool rtc_irq(struct rtc *rtc, uint64_t now);

#endif
