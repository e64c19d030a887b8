/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network card with Realtek's RTL8139C: registers only, for guests without virtio. What it does
 * with frames is a back end's business (backends/net_rtl8139.c).
 *
 * Sources: Realtek RTL8139C(L) data sheet 1.4, chapters 5 (registers), 6 (EEPROM); RTL8139(A/B)
 * programming guide 0.1. Bits without a name there: Linux, drivers/net/ethernet/realtek/8139too.c.
 *
 * WHY THIS ONE. Its registers can be had by ports (BAR 0), where an access is a far call here; with
 * an e1000 each would be a host signal, and with an NE2000 every word of a frame would go through a
 * port. And there is a driver for it in whatever knows PCI at all.
 *
 * BAR 0 has the registers in ports, BAR 1 the same in memory. PCI revision 0x10 and the version in
 * TCR say RTL8139C, which has no C+ mode, and drivers look for none.
 *
 * WHO WRITES WHAT. The card is in a slot of the virtio bus, and uses what that has for cell and
 * back end to talk (bell, completed, settling: devices/virtio_pci.h). Bits of `completed` are those
 * of ISR. The registers are the cell's (these functions), but for those that say so below. As
 * there, any content is safe here, and nobody may believe a word of it.
 *
 * ROK STAYS while there are frames in the ring, and a frame shows together with it: the cell takes
 * note of where the back end has written to, and sets ROK, in one step. Linux's driver clears ROK
 * behind each frame, and looks for more only while it is set: in the hardware the next frame that
 * comes, or does not fit, sets it again. Here a frame that does not fit waits, and none would come
 * behind it.
 *
 * STARTING AFRESH. The receiver, or the transmitter, begins at the start of its ring when it is
 * enabled or the chip reset: `receive_epoch` or `transmit_epoch` counts up, and the guest waits
 * until the back end has settled. Likewise when one is disabled: the driver may free its memory
 * then.
 */
#ifndef RING1_DEVICES_RTL8139_H
#define RING1_DEVICES_RTL8139_H

#include "devices/eeprom.h"
#include "devices/virtio_pci.h"

/* In struct virtio_shown: what is in the slot, no virtio device. */
#define RTL8139_ID 0x8139u

#define RTL8139_BAR_BYTES    256u
#define RTL8139_MAC_BYTES    6u
#define RTL8139_DESCRIPTORS  4u
#define RTL8139_RING_LEAST   8192u
#define RTL8139_FRAME_MOST   1792u /* bytes that a descriptor may say */
#define RTL8139_PCI_CLOCK_HZ 33000000u

/* Bits of the bell. */
#define RTL8139_BELL_ROOM     1u /* the driver took something out of the ring */
#define RTL8139_BELL_TRANSMIT 2u

/* Registers: byte offsets */
#define RTL8139_IDR0     0x00
#define RTL8139_MAR0     0x08
#define RTL8139_TSD0     0x10
#define RTL8139_TSAD0    0x20
#define RTL8139_RBSTART  0x30
#define RTL8139_CR       0x37
#define RTL8139_CAPR     0x38
#define RTL8139_CBR      0x3a
#define RTL8139_IMR      0x3c
#define RTL8139_ISR      0x3e
#define RTL8139_TCR      0x40
#define RTL8139_RCR      0x44
#define RTL8139_TCTR     0x48
#define RTL8139_MPC      0x4c
#define RTL8139_9346CR   0x50
#define RTL8139_CONFIG0  0x51
#define RTL8139_CONFIG1  0x52
#define RTL8139_TIMERINT 0x54
#define RTL8139_MSR      0x58
#define RTL8139_CONFIG3  0x59
#define RTL8139_CONFIG4  0x5a
#define RTL8139_MULINT   0x5c
#define RTL8139_TSAD     0x60
#define RTL8139_BMCR     0x62
#define RTL8139_BMSR     0x64
#define RTL8139_ANAR     0x66
#define RTL8139_ANLPAR   0x68
#define RTL8139_ANER     0x6a
#define RTL8139_CSCR     0x74
#define RTL8139_CONFIG5  0xd8

/* CR */
#define RTL8139_CR_EMPTY    0x01u
#define RTL8139_CR_TRANSMIT 0x04u
#define RTL8139_CR_RECEIVE  0x08u
#define RTL8139_CR_RESET    0x10u

/* ISR and IMR */
#define RTL8139_INT_RECEIVED     0x0001u
#define RTL8139_INT_TRANSMITTED  0x0004u
#define RTL8139_INT_NOT_SENT     0x0008u
#define RTL8139_INT_OVERFLOW     0x0010u /* no room in the ring */
#define RTL8139_INT_LINK         0x0020u /* the cable; also: underrun */
#define RTL8139_INT_TIMER        0x4000u
#define RTL8139_INT_SYSTEM_ERROR 0x8000u /* an address of the driver's leads nowhere */

/* TSD */
#define RTL8139_TSD_SIZE    0x00001fffu
#define RTL8139_TSD_OWN     0x00002000u /* the card is done with it */
#define RTL8139_TSD_OK      0x00008000u
#define RTL8139_TSD_ABORTED 0x40000000u

/* TCR, RCR */
#define RTL8139_TCR_LOOPBACK   0x00060000u
#define RTL8139_RCR_ALL        0x01u /* any single station's frames */
#define RTL8139_RCR_MINE       0x02u
#define RTL8139_RCR_MULTICAST  0x04u /* by MAR */
#define RTL8139_RCR_BROADCAST  0x08u
#define RTL8139_RCR_NO_WRAP    0x80u /* a frame goes on behind the end of the ring */
#define RTL8139_RCR_SIZE_SHIFT 11    /* two bits: 8 KiB, 16, 32, 64 */

struct rtl8139 {
	/* The cell's; the back end reads them. */
	uint32_t address[2]; /* IDR0 to IDR5 */
	uint32_t group[2];   /* MAR0 to MAR7 */
	/* Both write: the cell starts a descriptor, the back end says that it is done. */
	uint32_t transmit_status[RTL8139_DESCRIPTORS];
	uint32_t transmit_address[RTL8139_DESCRIPTORS]; /* guest-physical */
	uint32_t ring;                                  /* RBSTART: guest-physical */
	uint32_t command;                               /* of CR: RECEIVE, TRANSMIT */
	uint32_t read_at;                               /* CAPR: 16 less than it means */
	uint32_t mask, status;                          /* IMR, ISR */
	uint32_t transmit_config, receive_config;
	uint32_t receive_epoch, transmit_epoch;

	/* The back end's. */
	uint32_t written_to;    /* where in the ring; the upper half: of which receive_epoch */
	uint32_t transmit_next; /* the descriptor that it is at */
	uint32_t missed;        /* MPC: frames lost for want of room; the cell clears it */
	uint32_t wants_room;    /* ring when CAPR moves; the cell clears it */
	uint32_t link;          /* the cable is in */

	/* The cell's alone. */
	uint64_t timer_zero; /* guest ns at which TCTR was 0 */
	uint64_t timer_due;  /* guest ns at which it reaches TimerInt; 0: no such time */
	uint32_t timer_interrupt;
	uint32_t shown_to;                   /* CBR: what the guest knows of written_to */
	uint16_t early, control, advertised; /* MULINT, BMCR, ANAR */
	uint8_t eeprom_control, link_changed;
	uint8_t config1, config3, config4, config5, flow; /* flow: of MSR */
	uint8_t pad[3];
	struct eeprom eeprom;
};

/**
 * rtl8139_plug - put a card into slot number + 1 (number: 0..VIRTIO_DEVICES-1), its cable in
 * @mac: the address in its EEPROM
 */
void rtl8139_plug(struct virtio_bus *bus, struct pci *pci, struct rtl8139 *nic, unsigned number,
                  const struct virtio_shown *shown, const uint8_t *mac);

/**
 * rtl8139_read, rtl8139_write - an access to the registers, by ports or in memory
 * @offset: 0..255; what goes beyond reads all ones, and is lost
 * @size: bytes, 1, 2 or 4, at any offset
 * @now: guest ns
 *
 * Ask bus->rung and bus->settling behind a write. Returns in rtl8139_write() whether
 * rtl8139_next_deadline() may be another.
 */
uint32_t rtl8139_read(struct rtl8139 *nic, uint32_t offset, unsigned size, uint64_t now);
bool rtl8139_write(struct virtio_bus *bus, struct rtl8139 *nic, unsigned number, uint32_t offset,
                   unsigned size, uint32_t value, uint64_t now);

/** rtl8139_collect - take what the back end and the timer have done to ISR, and drive the pin */
void rtl8139_collect(struct virtio_bus *bus, struct pci *pci, struct rtl8139 *nic, unsigned number,
                     uint64_t now);

/** rtl8139_next_deadline - guest ns at which the timer wants rtl8139_collect(); UINT64_MAX: never
 */
static inline uint64_t rtl8139_next_deadline(const struct rtl8139 *nic)
{
	return nic->timer_due ? nic->timer_due : UINT64_MAX;
}

#endif
