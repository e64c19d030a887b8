/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chipset's own ports and PCI configuration space. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/chipset.h"

static struct chipset new_chipset(void)
{
	struct chipset chipset;

	chipset_reset(&chipset);
	return chipset;
}

static uint32_t config(struct chipset *chipset, uint32_t address, unsigned offset, unsigned size)
{
	chipset_write(chipset, CHIPSET_CONFIG_ADDRESS, 0x80000000u | address, 4);
	return chipset_read(chipset, (uint16_t)(CHIPSET_CONFIG_DATA + offset), size);
}

/* arch/x86/pci/direct.c, pci_check_type1() and pci_sanity_check() */
static void linux_finds_mechanism_1(void **state)
{
	struct chipset chipset = new_chipset();

	(void)state;
	chipset_write(&chipset, 0xcfb, 0x01, 1);
	assert_int_equal(chipset_read(&chipset, CHIPSET_CONFIG_ADDRESS, 4), 0);
	chipset_write(&chipset, CHIPSET_CONFIG_ADDRESS, 0x80000000u, 4);
	assert_int_equal(chipset_read(&chipset, CHIPSET_CONFIG_ADDRESS, 4), 0x80000000u);
	assert_int_equal(config(&chipset, 0x08, 2, 2), 0x0600);
}

static void host_bridge_reads_in_every_width(void **state)
{
	struct chipset chipset = new_chipset();

	(void)state;
	assert_int_equal(config(&chipset, 0x00, 0, 4), 0x12378086);
	assert_int_equal(config(&chipset, 0x00, 0, 2), 0x8086);
	assert_int_equal(config(&chipset, 0x00, 2, 2), 0x1237);
	assert_int_equal(config(&chipset, 0x00, 3, 1), 0x12);
	assert_int_equal(config(&chipset, 0x0c, 2, 1), 0x00);       /* header type: one function */
	assert_int_equal(config(&chipset, 0x00, 3, 4), 0xffffff12); /* nothing beyond the word */
}

static void the_bus_is_otherwise_empty(void **state)
{
	struct chipset chipset = new_chipset();

	(void)state;
	for (uint32_t devfn = 1; devfn < 256; devfn++)
		assert_int_equal(config(&chipset, devfn << 8, 0, 4), UINT32_MAX);
	assert_int_equal(config(&chipset, 1 << 16, 0, 2), 0xffff);
	chipset_write(&chipset, CHIPSET_CONFIG_ADDRESS, 0, 4);
	assert_int_equal(chipset_read(&chipset, CHIPSET_CONFIG_DATA, 4), UINT32_MAX);
}

static void host_bridge_is_read_only(void **state)
{
	struct chipset chipset = new_chipset();

	(void)state;
	config(&chipset, 0x10, 0, 4);
	chipset_write(&chipset, CHIPSET_CONFIG_DATA, UINT32_MAX, 4);
	assert_int_equal(chipset_read(&chipset, CHIPSET_CONFIG_DATA, 4), 0); /* no BAR */
}

static void config_target_names_every_field(void **state)
{
	struct chipset chipset = new_chipset();
	struct chipset_target target;

	(void)state;
	assert_false(chipset_config_target(&chipset, CHIPSET_CONFIG_DATA, &target));
	chipset_write(&chipset, CHIPSET_CONFIG_ADDRESS, 0xff12fdffu, 4);
	assert_int_equal(chipset_read(&chipset, CHIPSET_CONFIG_ADDRESS, 4), 0x8012fdfcu);
	assert_true(chipset_config_target(&chipset, 0xcfe, &target));
	assert_int_equal(target.bus, 0x12);
	assert_int_equal(target.device, 0x1f);
	assert_int_equal(target.function, 5);
	assert_int_equal(target.reg, 0xfe);
	assert_false(chipset_config_target(&chipset, 0xd00, &target));
	assert_false(chipset_config_target(&chipset, CHIPSET_CONFIG_ADDRESS, &target));
}

static void reset_registers_act_on_the_rise(void **state)
{
	struct chipset chipset = new_chipset();

	(void)state;
	assert_int_equal(chipset_write(&chipset, CHIPSET_RESET_CONTROL, 0x02, 1), 0);
	assert_int_equal(chipset_read(&chipset, CHIPSET_RESET_CONTROL, 1), 0x02);
	assert_int_equal(chipset_write(&chipset, CHIPSET_RESET_CONTROL, 0x06, 1), CHIPSET_RESET);
	assert_int_equal(chipset_write(&chipset, CHIPSET_RESET_CONTROL, 0x06, 1), 0);
	assert_int_equal(chipset_write(&chipset, CHIPSET_PORT_A, 0x00, 1), 0);
	assert_int_equal(chipset_write(&chipset, CHIPSET_PORT_A, 0x01, 1), CHIPSET_RESET);
	assert_int_equal(chipset_write(&chipset, CHIPSET_PORT_A, 0x01, 1), 0);
	/* the same bytes inside a doubleword are a configuration address */
	assert_int_equal(chipset_write(&chipset, CHIPSET_CONFIG_ADDRESS, 0x80000600u, 4), 0);
}

static void port_92_opens_and_closes_a20(void **state)
{
	struct chipset chipset = new_chipset();

	(void)state;
	assert_true(chipset_a20(&chipset));
	chipset_write(&chipset, CHIPSET_PORT_A, 0x00, 1);
	assert_false(chipset_a20(&chipset));
	assert_int_equal(chipset_read(&chipset, CHIPSET_PORT_A, 1), 0);
}

static void port_80_keeps_its_byte(void **state)
{
	struct chipset chipset = new_chipset();

	(void)state;
	chipset_write(&chipset, CHIPSET_DELAY, 0x5c, 1);
	assert_int_equal(chipset_read(&chipset, CHIPSET_DELAY, 1), 0x5c);
}

static void config_data_writes_leave_the_address_alone(void **state)
{
	struct chipset chipset = new_chipset();

	(void)state;
	assert_int_equal(config(&chipset, 0x04, 0, 4), 0x02800006);
	chipset_write(&chipset, CHIPSET_CONFIG_DATA, 0x80000000u, 4);
	assert_int_equal(chipset_read(&chipset, CHIPSET_CONFIG_ADDRESS, 4), 0x80000004u);
	assert_int_equal(chipset_read(&chipset, CHIPSET_CONFIG_ADDRESS, 2), 0xffff);
	assert_int_equal(chipset_read(&chipset, 0xcfa, 1), 0xff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(linux_finds_mechanism_1),
	    cmocka_unit_test(host_bridge_reads_in_every_width),
	    cmocka_unit_test(the_bus_is_otherwise_empty),
	    cmocka_unit_test(host_bridge_is_read_only),
	    cmocka_unit_test(config_target_names_every_field),
	    cmocka_unit_test(reset_registers_act_on_the_rise),
	    cmocka_unit_test(port_92_opens_and_closes_a20),
	    cmocka_unit_test(port_80_keeps_its_byte),
	    cmocka_unit_test(config_data_writes_leave_the_address_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
