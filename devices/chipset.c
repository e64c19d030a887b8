/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/chipset.h"

#define CONFIG_ENABLE   0x80000000u
#define CONFIG_RESERVED 0x7f000003u /* bits 30..24 and 1..0 read as zero */

#define PORT_A_RESET 0x01
#define PORT_A_A20   0x02

#define RESET_CONTROL_KEPT 0x06
#define RESET_CPU          0x04

static uint32_t all_ones(unsigned size)
{
	return size >= 4 ? UINT32_MAX : (1u << 8 * size) - 1;
}

void chipset_reset(struct chipset *chipset)
{
	*chipset = (struct chipset){.port_a = PORT_A_A20};
}

bool chipset_config_target(const struct chipset *chipset, uint16_t port,
                           struct chipset_target *target)
{
	uint32_t address = chipset->config_address;

	if ((port & 0xfffc) != CHIPSET_CONFIG_DATA || !(address & CONFIG_ENABLE))
		return false;
	target->bus = (uint8_t)(address >> 16);
	target->device = address >> 11 & 31;
	target->function = address >> 8 & 7;
	target->reg = (uint8_t)((address & 0xfc) | (port & 3));
	return true;
}

/* The header of the 82441FX: identity only, nothing in it is writable. */
static uint32_t host_bridge(unsigned reg)
{
	switch (reg & 0xfc) {
	case 0x00:
		return 0x12378086; /* device, vendor */
	case 0x04:
		return 0x02800006; /* status: fast back-to-back, medium DEVSEL; memory, master */
	case 0x08:
		return 0x06000002; /* class 0600: host bridge; revision 2 */
	default:
		return 0;
	}
}

static uint32_t read_config(const struct chipset *chipset, uint16_t port, unsigned size)
{
	struct chipset_target target;
	uint64_t value;

	if (!chipset_config_target(chipset, port, &target))
		return all_ones(size);
	if (target.bus || target.device || target.function)
		return all_ones(size);
	/* bytes beyond the doubleword belong to no register */
	value = 0xffffffff00000000ull | host_bridge(target.reg);
	return (uint32_t)(value >> 8 * (port & 3)) & all_ones(size);
}

uint32_t chipset_read(struct chipset *chipset, uint16_t port, unsigned size)
{
	if (port >= CHIPSET_CONFIG_DATA && port < CHIPSET_CONFIG_DATA + 4)
		return read_config(chipset, port, size);
	if (port == CHIPSET_CONFIG_ADDRESS && size == 4)
		return chipset->config_address;
	if (size != 1)
		return all_ones(size);
	switch (port) {
	case CHIPSET_DELAY:
		return chipset->post;
	case CHIPSET_PORT_A:
		return chipset->port_a;
	case CHIPSET_RESET_CONTROL:
		return chipset->reset_control;
	default:
		return 0xff;
	}
}

/* Store a register and report the rise of its reset bit. */
static unsigned write_reset_register(uint8_t *reg, uint8_t value, uint8_t reset_bit)
{
	bool rises = (value & ~*reg & reset_bit) != 0;

	*reg = value;
	return rises ? CHIPSET_RESET : 0;
}

unsigned chipset_write(struct chipset *chipset, uint16_t port, uint32_t value, unsigned size)
{
	/* only a doubleword reaches the address register: 0xcf9 lies inside it */
	if (port == CHIPSET_CONFIG_ADDRESS && size == 4)
		chipset->config_address = value & ~CONFIG_RESERVED;
	if (size != 1)
		return 0;
	switch (port) {
	case CHIPSET_DELAY:
		chipset->post = (uint8_t)value;
		return 0;
	case CHIPSET_PORT_A:
		return write_reset_register(&chipset->port_a, value & (PORT_A_RESET | PORT_A_A20),
		                            PORT_A_RESET);
	case CHIPSET_RESET_CONTROL:
		return write_reset_register(&chipset->reset_control, value & RESET_CONTROL_KEPT,
		                            RESET_CPU);
	default:
		return 0;
	}
}

bool chipset_a20(const struct chipset *chipset)
{
	return chipset->port_a & PORT_A_A20;
}
