/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PC platform: every register model, the port decoder, and the wires to the interrupt
 * controllers.
 *
 * All times are guest monotonic nanoseconds and must not go backwards between calls (if they do,
 * nothing happens until they have caught up).
 */
#ifndef RING1_DEVICES_PORTS_H
#define RING1_DEVICES_PORTS_H

#include "devices/chipset.h"
#include "devices/i8042.h"
#include "devices/pic.h"
#include "devices/pit.h"
#include "devices/rtc.h"
#include "devices/uart.h"

#include <stdbool.h>
#include <stdint.h>

#define PLATFORM_TIMER_IRQ    0
#define PLATFORM_KEYBOARD_IRQ 1
#define PLATFORM_UART_IRQ     4
#define PLATFORM_RTC_IRQ      8
#define PLATFORM_AUX_IRQ      12

#define PLATFORM_UART_PORT 0x3f8

/* Bits of platform->events. The owner reads and clears them. */
#define PLATFORM_RESET          (1u << 0) /* the guest asked for a machine reset */
#define PLATFORM_TIMER_CHANGED  (1u << 1) /* platform_next_deadline may differ now */
#define PLATFORM_CONSOLE_OUTPUT (1u << 2) /* uart_transmit has bytes */
#define PLATFORM_CONSOLE_ROOM   (1u << 3) /* uart_receive takes bytes again */

/* Any content is safe. */
struct platform {
	struct pic pic;
	struct pit pit;
	struct rtc rtc;
	struct uart uart;
	struct i8042 i8042;
	struct chipset chipset;
	uint32_t events;
	uint32_t timer_ticks_missed; /* edges of OUT0 that collapsed into later ones; wraps */
};

/*
 * Power-on state of everything at `now`. wall_offset_ns: UTC ns since 1970 minus `now`'s clock;
 * ram_bytes: the guest's RAM, for the CMOS.
 */
void platform_reset(struct platform *platform, int64_t wall_offset_ns, uint64_t ram_bytes,
                    uint64_t now);

/*
 * IN of size 1, 2 or 4 (anything else reads as all ones) bytes. Returns the value in the low
 * bytes, zero above. Ports nobody decodes read all ones; a wide access to byte registers is split
 * into consecutive ports. Interrupt lines follow at once; ask pic_intr afterwards.
 */
uint32_t platform_in(struct platform *platform, uint16_t port, unsigned size, uint64_t now);

/* OUT, likewise; value's bytes above size are ignored. May add to platform->events. */
void platform_out(struct platform *platform, uint16_t port, unsigned size, uint32_t value,
                  uint64_t now);

/*
 * Carry the devices' interrupt lines of `now` to the PIC: OUT0 edges to IRQ 0, keyboard IRQ 1,
 * UART IRQ 4, RTC IRQ 8, AUX IRQ 12. Call when a deadline has passed, after uart_receive or
 * uart_transmit, and before deciding that the guest may sleep.
 */
void platform_update_irqs(struct platform *platform, uint64_t now);

/*
 * Absolute ns at which platform_update_irqs has something to do; at or before `now` if it has
 * already, UINT64_MAX if only an outside event could cause it.
 */
uint64_t platform_next_deadline(const struct platform *platform, uint64_t now);

/* The A20 gate: open if the keyboard controller or port 0x92 opens it. */
bool platform_a20(const struct platform *platform);

#endif
