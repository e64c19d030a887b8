/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PC platform: every register model, the decoders of ports and of the APICs' memory, and the
 * wires between the interrupt controllers.
 *
 * The devices' lines go to the 8259A pair and to the IO-APIC alike: IRQ 0 to pin 2, the others to
 * the pin of their number. The 8259A pair's INTR goes to LINT0 of the local APIC and to pin 0 of
 * the IO-APIC.
 *
 * All times are guest monotonic nanoseconds and must not go backwards between calls (if they do,
 * nothing happens until they have caught up).
 */
#ifndef RING1_DEVICES_PORTS_H
#define RING1_DEVICES_PORTS_H

#include "devices/chipset.h"
#include "devices/i8042.h"
#include "devices/ide.h"
#include "devices/ioapic.h"
#include "devices/lapic.h"
#include "devices/pci.h"
#include "devices/pic.h"
#include "devices/pit.h"
#include "devices/pm.h"
#include "devices/rtc.h"
#include "devices/rtl8139.h"
#include "devices/uart.h"
#include "devices/virtio_pci.h"
#include "devices/vmitimer.h"

#include <stdbool.h>
#include <stdint.h>

#define PLATFORM_TIMER_IRQ    0
#define PLATFORM_KEYBOARD_IRQ 1
#define PLATFORM_UART_IRQ     4
#define PLATFORM_RTC_IRQ      8
#define PLATFORM_SCI_IRQ      9
#define PLATFORM_AUX_IRQ      12

/* The IO-APIC's pin of the timer, as the interrupt overrides of PCs have it. */
#define PLATFORM_TIMER_PIN 2

#define PLATFORM_UART_PORT 0x3f8
#define PLATFORM_PM_PORT   0x600

/* APIC IDs: of the only processor's local APIC (after reset), and what a BIOS gives the IO-APIC. */
#define PLATFORM_LAPIC_ID  0
#define PLATFORM_IOAPIC_ID 1

/* Guest-physical pages that platform_mmio_read and platform_mmio_write decode. */
#define PLATFORM_LAPIC_PA  0xfee00000u
#define PLATFORM_IOAPIC_PA 0xfec00000u

/* Bits of platform->events. The owner reads and clears them. */
#define PLATFORM_RESET          (1u << 0) /* the guest asked for a machine reset */
#define PLATFORM_TIMER_CHANGED  (1u << 1) /* platform_next_deadline may differ now */
#define PLATFORM_CONSOLE_OUTPUT (1u << 2) /* uart_transmit has bytes */
#define PLATFORM_CONSOLE_ROOM   (1u << 3) /* uart_receive takes bytes again */
#define PLATFORM_POWER_OFF      (1u << 4) /* the guest switched the machine off */

/* Any content is safe. */
struct platform {
	struct pic pic;
	struct pit pit;
	struct rtc rtc;
	struct uart uart;
	struct i8042 i8042;
	struct chipset chipset;
	struct lapic lapic;
	struct ioapic ioapic;
	struct vmitimer vmitimer;
	struct pm pm;
	struct pci pci; /* what is plugged in is the owner's to say, before platform_reset */
	struct virtio_bus virtio; /* rung and settling: bits for the owner, which clears them */
	struct ide ide;           /* likewise plugged in before */
	uint32_t events;
	uint32_t timer_ticks_missed; /* edges of OUT0 that collapsed into later ones; wraps */
	struct rtl8139 rtl8139[VIRTIO_DEVICES]; /* of the slots that have one */
};

/*
 * Power-on state of everything at `now`, but for the PCI functions: those are as they were plugged
 * in. wall_offset_ns: UTC ns since 1970 minus `now`'s clock;
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

/* Is this guest-physical address in one of the APICs' pages, or in memory of a PCI function? */
static inline bool platform_is_mmio(const struct platform *platform, uint32_t pa)
{
	uint32_t page = pa & ~0xfffu;
	struct pci_target target;

	return page == PLATFORM_LAPIC_PA || page == PLATFORM_IOAPIC_PA ||
	       pci_decode_memory(&platform->pci, pa, &target);
}

/*
 * Read size bytes (1, 2 or 4, within one aligned word) at a guest-physical address: a part of the
 * register there, in the low bytes. All ones where platform_is_mmio is false, and for sizes and
 * alignments that no register answers to.
 */
uint32_t platform_mmio_read(struct platform *platform, uint32_t pa, unsigned size, uint64_t now);

/*
 * Write likewise. The APICs' registers and MSI-X tables take aligned words only; anything else is
 * ignored there. May add
 * PLATFORM_TIMER_CHANGED to platform->events. An end of interrupt at the local APIC reaches the
 * IO-APIC, an unmasked pin the local APIC, at once: ask platform_intr afterwards.
 */
void platform_mmio_write(struct platform *platform, uint32_t pa, unsigned size, uint32_t value,
                         uint64_t now);

/* Is there a way from the 8259A pair to the processor? */
static inline bool platform_accepts_extint(const struct platform *platform)
{
	return lapic_accepts_extint(&platform->lapic) || ioapic_extint(&platform->ioapic);
}

/* INTR to the processor, from either kind of controller. Cheap enough to ask at every exit. */
static inline bool platform_intr(const struct platform *platform)
{
	return lapic_intr(&platform->lapic) ||
	       (pic_intr(&platform->pic) && platform_accepts_extint(platform));
}

/* Is a non-maskable interrupt on its way to the processor? One at most is (SDM volume 3, 6.7.1). */
static inline bool platform_nmi(const struct platform *platform)
{
	return platform->lapic.nmi != 0;
}

/* The processor takes it. */
static inline void platform_acknowledge_nmi(struct platform *platform)
{
	platform->lapic.nmi = 0;
}

/*
 * The button that front panels have for it. No status bit of port 0x61 tells of it, as those are of
 * parity and channel errors; nor does bit 7 of port 0x70 keep it out.
 */
void platform_press_nmi_button(struct platform *platform);

/*
 * The processor takes an interrupt: the local APIC's, else the 8259A pair's. Returns the vector,
 * 0..255; a spurious one if there is nothing to take.
 */
int platform_acknowledge(struct platform *platform);

/*
 * Fire the VMI timer's alarms that are due at `cycles` (of the TSC; see vmitimer.h): a rise of the
 * timer's line, or the local APIC's timer vector.
 */
void platform_update_vmitimer(struct platform *platform, uint64_t cycles);

/*
 * Carry the devices' interrupt lines of `now` to the controllers: OUT0 edges to IRQ 0, keyboard
 * IRQ 1, UART IRQ 4, RTC IRQ 8, ACPI's SCI IRQ 9, AUX IRQ 12; what back ends have done to
 * the lines of pci_irq() or, as messages, to the local APIC; IRQ 14 and 15 of IDE; and the local
 * APIC's timer to its expiry. Call when a deadline has passed, after uart_receive or uart_transmit,
 * and before deciding that the guest may sleep.
 */
void platform_update_irqs(struct platform *platform, uint64_t now);

/*
 * Absolute ns at which platform_update_irqs has something to do; at or before `now` if it has
 * already, UINT64_MAX if only an outside event could cause it. The VMI timer has its own time:
 * vmitimer_next_deadline.
 */
uint64_t platform_next_deadline(const struct platform *platform, uint64_t now);

/* The A20 gate: open if the keyboard controller or port 0x92 opens it. */
bool platform_a20(const struct platform *platform);

#endif
