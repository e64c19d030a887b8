// SPDX-License-Identifier: GPL-2.0-or-later
#include "devices/pci.h"

#define COMMAND_WRITABLE                                                                           \
	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX)
#define COMMAND_AT_POWER_ON (PCI_COMMAND_IO | PCI_COMMAND_MEMORY)

#define CONFIG_WORDS     64u
#define BAR_IO           1u
#define FIRST_CAPABILITY 0x40u

static uint32_t lanes_of(unsigned reg, unsigned size)
{
	uint32_t lanes = size >= 4 ? UINT32_MAX : (1u << 8 * size) - 1;

	return lanes << 8 * (reg & 3);
}

void pci_plug(struct pci *pci, unsigned index, uint8_t devfn, const struct pci_identity *identity)
{
	struct pci_function *f = &pci->function[index % PCI_FUNCTIONS];

	*f = (struct pci_function){.devfn = devfn, .free = (uint8_t)(FIRST_CAPABILITY / 4)};
	pci->plugged |= 1u << index % PCI_FUNCTIONS;
	f->config[PCI_ID / 4] = identity->vendor | (uint32_t)identity->device << 16;
	f->config[PCI_COMMAND / 4] = COMMAND_AT_POWER_ON;
	f->writable[PCI_COMMAND / 4] = COMMAND_WRITABLE;
	f->config[PCI_CLASS_REVISION / 4] = identity->class_revision;
	f->config[PCI_SUBSYSTEM / 4] = identity->subsystem_vendor | (uint32_t)identity->subsystem
	                                                                << 16;
	f->config[PCI_INTERRUPT / 4] = pci_irq(devfn >> 3, 1) | 1u << 8;
	f->writable[PCI_INTERRUPT / 4] = 0xff;
	for (uint32_t left = pci_plugged(pci, PCI_FUNCTIONS); left; left &= left - 1) {
		struct pci_function *other = &pci->function[__builtin_ctz(left)];

		if (other != f && other->devfn >> 3 == devfn >> 3) {
			other->config[PCI_HEADER / 4] |= PCI_MULTIFUNCTION;
			f->config[PCI_HEADER / 4] |= PCI_MULTIFUNCTION;
		}
	}
}

void pci_set_bar(struct pci_function *f, unsigned bar, bool is_io, uint32_t size, uint32_t address)
{
	unsigned word = PCI_BAR0 / 4 + bar % PCI_BARS;

	f->config[word] = address | (is_io ? BAR_IO : 0);
	f->writable[word] = ~(size - 1);
}

/* A capability goes in front of the list, so that no end has to be looked for. */
unsigned pci_add_capability(struct pci_function *f, uint8_t id, unsigned bytes)
{
	unsigned word = f->free;

	if (word < FIRST_CAPABILITY / 4 || word + bytes / 4 > CONFIG_WORDS)
		return 0;
	f->free = (uint8_t)(word + bytes / 4);
	f->config[word] = id | f->config[PCI_CAPABILITIES / 4] << 8;
	f->config[PCI_CAPABILITIES / 4] = 4 * word;
	f->config[PCI_COMMAND / 4] |= PCI_STATUS_LIST;
	return 4 * word;
}

int pci_find(const struct pci *pci, uint8_t devfn)
{
	for (uint32_t left = pci_plugged(pci, PCI_FUNCTIONS); left; left &= left - 1) {
		if (pci->function[__builtin_ctz(left)].devfn == devfn)
			return __builtin_ctz(left);
	}
	return -1;
}

uint32_t pci_config_read(const struct pci_function *f, unsigned reg, unsigned size)
{
	uint32_t word = f->config[reg / 4 % CONFIG_WORDS];

	if (reg / 4 == PCI_COMMAND / 4 && f->asserted)
		word |= PCI_STATUS_INTERRUPT;
	return (word & lanes_of(reg, size)) >> 8 * (reg & 3);
}

void pci_config_write(struct pci_function *f, unsigned reg, unsigned size, uint32_t value)
{
	unsigned word = reg / 4 % CONFIG_WORDS;
	uint32_t changes = f->writable[word] & lanes_of(reg, size);

	f->config[word] = (f->config[word] & ~changes) | (value << 8 * (reg & 3) & changes);
}

/* Which base address of the function, of this kind, holds the address? */
static bool decode(const struct pci_function *f, uint32_t kind, uint32_t address,
                   struct pci_target *target)
{
	for (unsigned bar = 0; bar < PCI_BARS; bar++) {
		uint32_t base = f->config[PCI_BAR0 / 4 + bar];
		uint32_t mask = f->writable[PCI_BAR0 / 4 + bar];

		if (!mask || (base & BAR_IO) != kind || ((base ^ address) & mask))
			continue;
		target->bar = bar;
		target->offset = address & ~mask;
		return true;
	}
	return false;
}

static bool decode_any(const struct pci *pci, uint32_t enable, uint32_t kind, uint32_t address,
                       struct pci_target *target)
{
	for (uint32_t left = pci_plugged(pci, PCI_FUNCTIONS); left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		const struct pci_function *f = &pci->function[i];

		if (!(f->config[PCI_COMMAND / 4] & enable))
			continue;
		target->function = i;
		if (decode(f, kind, address, target))
			return true;
	}
	return false;
}

bool pci_decode_port(const struct pci *pci, uint16_t port, struct pci_target *target)
{
	return port >= PCI_IO_FIRST && decode_any(pci, PCI_COMMAND_IO, BAR_IO, port, target);
}

bool pci_decode_memory(const struct pci *pci, uint32_t pa, struct pci_target *target)
{
	return pa >= PCI_MEMORY_FIRST && pa <= PCI_MEMORY_LAST &&
	       decode_any(pci, PCI_COMMAND_MEMORY, 0, pa, target);
}

void pci_set_intx(struct pci_function *f, bool level)
{
	f->asserted = level;
}

uint32_t pci_lines(const struct pci *pci)
{
	uint32_t lines = 0;

	for (uint32_t left = pci_plugged(pci, PCI_FUNCTIONS); left; left &= left - 1) {
		const struct pci_function *f = &pci->function[__builtin_ctz(left)];

		if (f->asserted && !(f->config[PCI_COMMAND / 4] & PCI_COMMAND_NO_INTX))
			lines |= 1u << pci_irq(f->devfn >> 3, 1);
	}
	return lines;
}
