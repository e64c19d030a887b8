/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The functions on PCI bus 0 beside the host bridge: configuration space, base addresses, INTx.
 *
 * Sources: PCI Local Bus Specification 3.0, chapter 6 (configuration space: 6.2.2 command, 6.2.3
 * status, 6.2.5 base addresses, 6.7 capabilities) and 2.2.6 (interrupt pins).
 *
 * A function is two tables of words: what reads, and which bits of it a write changes. A write that
 * has effects of its own is looked at by the function's owner behind it (devices/virtio_pci.c).
 *
 * What is plugged in and where it is at power-on is main's to say, before the machine starts:
 * pci_plug(), pci_set_bar(). As the firmware of a PC would, they assign addresses, interrupt lines
 * and turn decoding on.
 *
 * INTERRUPTS. An INTx pin is level triggered and shared. The pins of a slot are wired to three
 * lines, each of which is an input of the 8259A pair and the pin of the same number of the IO-APIC,
 * so that one number, in the interrupt line register, in ACPI's _PRT and in the MP table, is right
 * for every kernel (pci_irq()).
 */
#ifndef RING1_DEVICES_PCI_H
#define RING1_DEVICES_PCI_H

#include <stdbool.h>
#include <stdint.h>

#define PCI_FUNCTIONS 24
#define PCI_SLOTS     32
#define PCI_BARS      6

/* Byte offsets in configuration space */
#define PCI_ID             0x00
#define PCI_COMMAND        0x04
#define PCI_CLASS_REVISION 0x08
#define PCI_HEADER         0x0c
#define PCI_BAR0           0x10
#define PCI_SUBSYSTEM      0x2c
#define PCI_CAPABILITIES   0x34
#define PCI_INTERRUPT      0x3c

#define PCI_COMMAND_IO       0x0001u
#define PCI_COMMAND_MEMORY   0x0002u
#define PCI_COMMAND_MASTER   0x0004u
#define PCI_COMMAND_NO_INTX  0x0400u
#define PCI_STATUS_INTERRUPT 0x00080000u /* in the word at PCI_COMMAND */
#define PCI_STATUS_LIST      0x00100000u

#define PCI_MULTIFUNCTION 0x00800000u /* in the word at PCI_HEADER */

/* Ports and guest-physical addresses that base addresses may be given. */
#define PCI_IO_FIRST     0x1000u
#define PCI_MEMORY_FIRST 0xe0000000u
#define PCI_MEMORY_LAST  0xfebfffffu

/* Any content is safe: pci_* look at nothing but tables of fixed size. */
struct pci_function {
	uint8_t devfn;    /* slot << 3 | function */
	uint8_t asserted; /* its INTx pin */
	uint8_t free;     /* first word behind the capabilities */
	uint8_t pad;
	uint32_t config[64];
	uint32_t writable[64];
};

struct pci {
	uint32_t plugged; /* a bit for each function that is there; others are not looked at */
	struct pci_function function[PCI_FUNCTIONS];
};

/* Those of the first `to` functions that are there, a bit for each. */
static inline uint32_t pci_plugged(const struct pci *pci, unsigned to)
{
	return pci->plugged & ((1u << to) - 1);
}

/* What pci_plug() is told of a function. */
struct pci_identity {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_revision; /* class, subclass, interface, revision */
};

/* Where an access goes to. */
struct pci_target {
	unsigned function, bar;
	uint32_t offset; /* bytes from the base address */
};

/* The line, and IO-APIC pin, of INTA..INTD (pin 1..4) of a slot. */
static inline unsigned pci_irq(unsigned slot, unsigned pin)
{
	static const uint8_t lines[] = {10, 11, 5};

	return lines[(slot + pin - 1) % 3];
}

/* The lines that pci_irq() names: a bit for each. */
#define PCI_IRQS (1u << 5 | 1u << 10 | 1u << 11)

/*
 * Put function `index` (0..PCI_FUNCTIONS-1) at `devfn`, slot 1..31, with INTA. Its base addresses
 * and capabilities are to follow.
 */
void pci_plug(struct pci *pci, unsigned index, uint8_t devfn, const struct pci_identity *identity);

/*
 * Give a base address register its size (bytes, a power of two from 16, of ports at most 256) and
 * its address at power-on, a multiple of the size. is_io: of ports, else of 32-bit memory.
 */
void pci_set_bar(struct pci_function *f, unsigned bar, bool is_io, uint32_t size, uint32_t address);

/*
 * Add a capability of `bytes` (a multiple of 4, header included) with this ID. Returns its offset,
 * where the owner fills in the rest, or 0 if there is no room behind the others.
 */
unsigned pci_add_capability(struct pci_function *f, uint8_t id, unsigned bytes);

/* The function at `devfn` of bus 0, or -1. */
int pci_find(const struct pci *pci, uint8_t devfn);

/* Read size (1, 2, 4) bytes at byte offset reg (0..255), which do not cross a word. */
uint32_t pci_config_read(const struct pci_function *f, unsigned reg, unsigned size);

/* Write likewise. */
void pci_config_write(struct pci_function *f, unsigned reg, unsigned size, uint32_t value);

/* Which base address decodes this port, or this guest-physical address? False: none. */
bool pci_decode_port(const struct pci *pci, uint16_t port, struct pci_target *target);
bool pci_decode_memory(const struct pci *pci, uint32_t pa, struct pci_target *target);

/* Drive a function's INTx pin. */
void pci_set_intx(struct pci_function *f, bool level);

/* The lines that are asserted by any function: a bit for each IRQ, within PCI_IRQS. */
uint32_t pci_lines(const struct pci *pci);

#endif
