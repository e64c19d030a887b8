// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Virtio devices on the PCI bus, as drivers reach them: configuration space, the legacy and the
 * modern registers, interrupts by INTx and MSI-X; all through the platform's ports and memory.
 */
#include "devices/ports.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BOOT      1000u
#define LEGACY    0xc000u
#define MODERN    0xc100u
#define TABLE     0xfea00000u
#define FEATURE_5 (1ull << 5)

static struct platform *platform;

static void out(uint16_t port, unsigned size, uint32_t value)
{
	platform_out(platform, port, size, value, BOOT);
}

static uint32_t in(uint16_t port, unsigned size)
{
	return platform_in(platform, port, size, BOOT);
}

static uint32_t config(unsigned slot, unsigned reg, unsigned size)
{
	out(0xcf8, 4, 0x80000000u | slot << 11 | (reg & 0xfc));
	return in((uint16_t)(0xcfc + (reg & 3)), size);
}

static void set_config(unsigned slot, unsigned reg, unsigned size, uint32_t value)
{
	out(0xcf8, 4, 0x80000000u | slot << 11 | (reg & 0xfc));
	out((uint16_t)(0xcfc + (reg & 3)), size, value);
}

static int setup(void **state)
{
	const struct virtio_shown blk = {.id = VIRTIO_ID_BLOCK,
	                                 .queues = 2,
	                                 .queue_size = 128,
	                                 .config_bytes = 12,
	                                 .writable_from = 4,
	                                 .writable_bytes = 2,
	                                 .msix = 1,
	                                 .features = FEATURE_5},
	                          rng = {.id = VIRTIO_ID_RNG, .queues = 1, .queue_size = 8};
	(void)state;
	platform = calloc(1, sizeof *platform);
	if (!platform)
		return -1;
	virtio_plug(&platform->virtio, &platform->pci, 0, &blk, "configured!!");
	virtio_plug(&platform->virtio, &platform->pci, 1, &rng, "");
	platform_reset(platform, 0, 64u << 20, BOOT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(platform);
	return 0;
}

static struct virtio_device *device(void)
{
	return &platform->virtio.device[0];
}

/* ---- PCI ---- */

static void identity_is_that_of_transitional_devices(void **state)
{
	(void)state;
	assert_int_equal(config(1, 0x00, 4), 0x10011af4);
	assert_int_equal(config(1, 0x08, 4),
	                 0x01000000); /* storage; revision 0: legacy drivers look */
	assert_int_equal(config(1, 0x2c, 4), 0x00021af4);
	assert_int_equal(config(2, 0x00, 4), 0x10051af4);
	assert_int_equal(config(3, 0x00, 4), 0xffffffff);
	assert_int_equal(config(0, 0x00, 4), 0x12378086);
	assert_int_equal(config(1, 0x0e, 1), 0); /* one function, type 0 */
}

static void bars_tell_their_size_and_move(void **state)
{
	(void)state;
	assert_int_equal(config(1, 0x10, 4), LEGACY | 1);
	assert_int_equal(config(1, 0x18, 4), MODERN | 1);
	assert_int_equal(config(1, 0x14, 4), TABLE);
	set_config(1, 0x10, 4, 0xffffffff);
	assert_int_equal(config(1, 0x10, 4), 0xffffff01);
	set_config(1, 0x14, 4, 0xffffffff);
	assert_int_equal(config(1, 0x14, 4), 0xfffff000);
	set_config(1, 0x1c, 4, 0xffffffff); /* there is none */
	assert_int_equal(config(1, 0x1c, 4), 0);
	assert_int_equal(in(LEGACY + VIRTIO_PCI_QUEUE_NUM, 2), 0xffff);
	set_config(1, 0x10, 4, 0x4200);
	assert_int_equal(in(0x4200 + VIRTIO_PCI_QUEUE_NUM, 2), 128);
	set_config(1, 0x04, 2, 0); /* no decoding */
	assert_int_equal(in(0x4200 + VIRTIO_PCI_QUEUE_NUM, 2), 0xffff);
}

static void capabilities_lead_to_the_structures(void **state)
{
	unsigned at = config(1, 0x34, 1), seen = 0, msix = 0;

	(void)state;
	assert_true(config(1, 0x06, 2) & 0x10);
	for (unsigned n = 0; at; at = config(1, at + 1, 1), n++) {
		assert_true(n < 16 && at >= 0x40 && !(at & 3));
		if (config(1, at, 1) == 0x11) {
			assert_int_equal(config(1, at + 2, 2), 2); /* three vectors */
			msix = at;
			continue;
		}
		assert_int_equal(config(1, at, 1), 0x09);
		seen |= 1u << config(1, at + 3, 1);
		if (config(1, at + 3, 1) != VIRTIO_PCI_CAP_PCI_CFG) {
			assert_int_equal(config(1, at + 4, 1), 2);
			assert_true(config(1, at + 8, 4) + config(1, at + 12, 4) <= 256);
		}
		if (config(1, at + 3, 1) == VIRTIO_PCI_CAP_DEVICE_CFG)
			assert_int_equal(config(1, at + 12, 4), 12);
	}
	assert_int_equal(seen, 0x3e); /* types 1 to 5 */
	assert_int_not_equal(msix, 0);
}

static unsigned capability(uint8_t id, uint8_t type)
{
	for (unsigned at = config(1, 0x34, 1); at; at = config(1, at + 1, 1))
		if (config(1, at, 1) == id && (id == 0x11 || config(1, at + 3, 1) == type))
			return at;
	return 0;
}

static void window_reaches_registers(void **state)
{
	unsigned at = capability(0x09, VIRTIO_PCI_CAP_PCI_CFG);

	(void)state;
	set_config(1, at + 4, 1, 2);
	set_config(1, at + 8, 4, VIRTIO_PCI_COMMON_NUMQ);
	set_config(1, at + 12, 4, 2);
	assert_int_equal(config(1, at + 16, 2), 2);
	set_config(1, at + 8, 4, VIRTIO_PCI_COMMON_Q_SELECT);
	set_config(1, at + 16, 2, 1);
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_Q_SELECT, 2), 1);
	set_config(1, at + 12, 4, 3); /* no access is of three bytes */
	set_config(1, at + 16, 2, 0);
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_Q_SELECT, 2), 1);
}

/* ---- legacy ---- */

static void legacy_driver_places_a_queue(void **state)
{
	struct virtio_queue *q = &device()->queue[0];
	uint32_t generation = q->generation;

	(void)state;
	assert_int_equal(in(LEGACY + VIRTIO_PCI_HOST_FEATURES, 4), FEATURE_5);
	out(LEGACY + VIRTIO_PCI_GUEST_FEATURES, 4, 0xffffffff);
	assert_int_equal(device()->driver_features, FEATURE_5);
	out(LEGACY + VIRTIO_PCI_QUEUE_SEL, 2, 0);
	assert_int_equal(in(LEGACY + VIRTIO_PCI_QUEUE_NUM, 2), 128);
	assert_int_equal(in(LEGACY + VIRTIO_PCI_QUEUE_PFN, 4), 0);
	platform->virtio.rung = 0;
	out(LEGACY + VIRTIO_PCI_QUEUE_PFN, 4, 0x123);
	assert_int_equal(in(LEGACY + VIRTIO_PCI_QUEUE_PFN, 4), 0x123);
	assert_int_equal(q->descriptors, 0x123000);
	assert_int_equal(q->driver, 0x123000 + 16 * 128);
	assert_int_equal(q->device, 0x124000);
	assert_int_equal(q->enabled, 1);
	assert_int_equal(q->generation, generation + 1);
	assert_int_equal(platform->virtio.rung, 1);
	assert_int_equal(platform->virtio.settling, 0);
	/* taken back: the caller has to wait */
	out(LEGACY + VIRTIO_PCI_QUEUE_PFN, 4, 0);
	assert_int_equal(q->enabled, 0);
	assert_int_equal(platform->virtio.settling, 1);
	assert_int_equal(device()->settle, 1);
	out(LEGACY + VIRTIO_PCI_QUEUE_SEL, 2, 2);
	assert_int_equal(in(LEGACY + VIRTIO_PCI_QUEUE_NUM, 2), 0);
}

static void notification_rings_the_bell(void **state)
{
	(void)state;
	out(LEGACY + VIRTIO_PCI_QUEUE_NOTIFY, 2, 1);
	assert_int_equal(device()->bell, 2);
	assert_int_equal(platform->virtio.rung, 1);
	out(LEGACY + VIRTIO_PCI_QUEUE_NOTIFY, 2, 2); /* there are two */
	out(LEGACY + VIRTIO_PCI_QUEUE_NOTIFY, 2, 31);
	assert_int_equal(device()->bell, 2);
	out(0xc344, 2, 0); /* the other device, virtio 1 */
	assert_int_equal(platform->virtio.rung, 3);
	assert_int_equal(platform->virtio.device[1].bell, 1);
}

static void configuration_is_read_and_written_where_it_may(void **state)
{
	(void)state;
	assert_int_equal(in(LEGACY + 20, 4), 0x666e6f63); /* "conf" */
	assert_int_equal(in(MODERN + 0x60, 4), 0x666e6f63);
	assert_int_equal(in(MODERN + 0x60 + 12, 4), 0);
	out(MODERN + 0x60 + 2, 4, 0x5a5a5a5a);
	assert_memory_equal(device()->config, "confZZured!!", 12);
	assert_int_equal(device()->bell, VIRTIO_BELL_CONFIG);
	device()->bell = 0;
	out(LEGACY + 20, 2, 0);
	assert_int_equal(device()->bell, 0);
}

static void reset_forgets_everything_and_settles(void **state)
{
	(void)state;
	out(LEGACY + VIRTIO_PCI_QUEUE_PFN, 4, 0x123);
	out(LEGACY + VIRTIO_PCI_STATUS, 1, 7);
	device()->isr = 3;
	platform->virtio.settling = 0;
	out(LEGACY + VIRTIO_PCI_STATUS, 1, 0);
	assert_int_equal(in(LEGACY + VIRTIO_PCI_STATUS, 1), 0);
	assert_int_equal(in(LEGACY + VIRTIO_PCI_QUEUE_PFN, 4), 0);
	assert_int_equal(in(LEGACY + VIRTIO_PCI_ISR, 1), 0);
	assert_int_equal(device()->driver_features, 0);
	assert_int_equal(platform->virtio.settling, 1);
	assert_true(device()->bell & VIRTIO_BELL_STATUS);
}

/* ---- virtio 1 ---- */

static void features_are_negotiated_in_halves(void **state)
{
	(void)state;
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_DF, 4), FEATURE_5);
	out(MODERN + VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_DF, 4), 1); /* VIRTIO_F_VERSION_1 */
	out(MODERN + VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_DF, 4), 0);
	out(MODERN + VIRTIO_PCI_COMMON_GF, 4, FEATURE_5);
	out(MODERN + VIRTIO_PCI_COMMON_STATUS, 1, 3);
	/* without VERSION_1, and then with a feature that was not offered */
	out(MODERN + VIRTIO_PCI_COMMON_STATUS, 1, 3 | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_STATUS, 1), 3);
	out(MODERN + VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	out(MODERN + VIRTIO_PCI_COMMON_GF, 4, 3);
	out(MODERN + VIRTIO_PCI_COMMON_STATUS, 1, 3 | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_STATUS, 1), 3);
	out(MODERN + VIRTIO_PCI_COMMON_GF, 4, 1);
	out(MODERN + VIRTIO_PCI_COMMON_STATUS, 1, 3 | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_STATUS, 1), 11);
	/* settled */
	out(MODERN + VIRTIO_PCI_COMMON_GF, 4, 0);
	assert_int_equal(device()->driver_features, FEATURE_5 | 1ull << VIRTIO_F_VERSION_1);
}

static void modern_driver_places_a_queue(void **state)
{
	struct virtio_queue *q = &device()->queue[1];

	(void)state;
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_NUMQ, 2), 2);
	out(MODERN + VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_Q_SIZE, 2), 128);
	out(MODERN + VIRTIO_PCI_COMMON_Q_SIZE, 2, 100);
	out(MODERN + VIRTIO_PCI_COMMON_Q_SIZE, 2, 256);
	out(MODERN + VIRTIO_PCI_COMMON_Q_SIZE, 2, 0);
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_Q_SIZE, 2), 128);
	out(MODERN + VIRTIO_PCI_COMMON_Q_SIZE, 2, 64);
	out(MODERN + VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0x1000);
	out(MODERN + VIRTIO_PCI_COMMON_Q_DESCHI, 4, 1);
	out(MODERN + VIRTIO_PCI_COMMON_Q_AVAILLO, 4, 0x2000);
	out(MODERN + VIRTIO_PCI_COMMON_Q_USEDLO, 4, 0x3000);
	out(MODERN + VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	assert_int_equal(q->descriptors, 0x100001000);
	assert_int_equal(q->driver, 0x2000);
	assert_int_equal(q->device, 0x3000);
	assert_int_equal(q->size, 64);
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	/* fixed now; and not switched off */
	out(MODERN + VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0x9000);
	out(MODERN + VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
	assert_int_equal(q->descriptors, 0x100001000);
	assert_int_equal(q->enabled, 1);
	out(MODERN + VIRTIO_PCI_COMMON_Q_SELECT, 2, 2);
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
}

static void broken_device_needs_a_reset(void **state)
{
	(void)state;
	out(MODERN + VIRTIO_PCI_COMMON_STATUS, 1, 3);
	device()->broken = 1;
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_STATUS, 1), 3 | VIRTIO_CONFIG_S_NEEDS_RESET);
	out(MODERN + VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_STATUS, 1), 0);
}

/* ---- interrupts ---- */

/* The 8259A pair as Linux has it, all unmasked: vectors 0x30 and 0x38. */
static void start_pics(void)
{
	const uint8_t master[] = {0x30, 0x04, 0x01, 0x00}, slave[] = {0x38, 0x02, 0x01, 0x00};

	out(0x20, 1, 0x11);
	out(0xa0, 1, 0x11);
	for (unsigned i = 0; i < 4; i++) {
		out(0x21, 1, master[i]);
		out(0xa1, 1, slave[i]);
	}
}

static void completed(uint32_t bits)
{
	device()->completed |= bits;
	platform_update_irqs(platform, BOOT);
}

static void intx_is_level_triggered_and_ended_by_isr(void **state)
{
	uint8_t line = (uint8_t)config(1, 0x3c, 1);

	(void)state;
	assert_int_equal(line, 11);
	assert_int_equal(config(1, 0x3d, 1), 1);
	start_pics();
	assert_false(pic_intr(&platform->pic));
	completed(2);
	assert_true(pic_intr(&platform->pic));
	assert_int_equal(pic_acknowledge(&platform->pic), 0x38 + line - 8);
	assert_true(config(1, 0x06, 2) & 8);
	out(0xa0, 1, 0x20);
	out(0x20, 1, 0x20);
	assert_true(pic_intr(&platform->pic)); /* still asserted: again */
	set_config(1, 0x04, 2, 0x407);
	platform_update_irqs(platform, BOOT);
	assert_false(pic_intr(&platform->pic)); /* INTx disabled */
	set_config(1, 0x04, 2, 7);
	assert_true(pic_intr(&platform->pic));
	assert_int_equal(in(LEGACY + VIRTIO_PCI_ISR, 1), 1);
	assert_false(pic_intr(&platform->pic));
	assert_int_equal(in(LEGACY + VIRTIO_PCI_ISR, 1), 0);
	completed(VIRTIO_CONFIG_CHANGED);
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_CFGGENERATION, 1), 1);
	assert_int_equal(in(MODERN + 0x40, 1), 3);
}

static void memory(uint32_t pa, uint32_t value)
{
	platform_mmio_write(platform, pa, 4, value, BOOT);
}

/* Is this vector in the local APIC's IRR? */
static bool requested(uint8_t vector)
{
	uint32_t irr =
	    platform_mmio_read(platform, PLATFORM_LAPIC_PA + LAPIC_IRR + vector / 32 * 16, 4, BOOT);

	return irr >> vector % 32 & 1;
}

static void start_msix(void)
{
	memory(PLATFORM_LAPIC_PA + LAPIC_SVR, 0x1ff);
	set_config(1, capability(0x11, 0) + 2, 2, 0x8000);
	for (unsigned i = 0; i < 3; i++) {
		memory(TABLE + 16 * i, 0xfee00000);
		memory(TABLE + 16 * i + 8, 0x41 + i);
		memory(TABLE + 16 * i + 12, 0);
	}
}

static void msix_sends_a_message_for_each_queue(void **state)
{
	(void)state;
	assert_true(platform_is_mmio(platform, TABLE));
	assert_false(platform_is_mmio(platform, TABLE + 0x1000));
	start_msix();
	out(MODERN + VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	out(MODERN + VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	out(MODERN + VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	out(MODERN + VIRTIO_PCI_COMMON_Q_MSIX, 2, 3); /* there are three, from 0 */
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xffff);
	out(MODERN + VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	assert_int_equal(in(MODERN + VIRTIO_PCI_COMMON_Q_MSIX, 2), 2);
	completed(2);
	assert_true(requested(0x43));
	assert_false(requested(0x42));
	assert_int_equal(in(MODERN + 0x40, 1), 0); /* ISR is not used */
	completed(1);
	assert_true(requested(0x42));
	completed(VIRTIO_CONFIG_CHANGED); /* no vector */
	assert_false(requested(0x41));
	out(MODERN + VIRTIO_PCI_COMMON_MSIX, 2, 0);
	completed(VIRTIO_CONFIG_CHANGED);
	assert_true(requested(0x41));
}

static void masked_vector_waits(void **state)
{
	(void)state;
	start_msix();
	out(MODERN + VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	memory(TABLE + 16 + 12, 1);
	completed(1);
	assert_false(requested(0x42));
	assert_int_equal(platform_mmio_read(platform, TABLE + 0x800, 4, BOOT), 2);
	memory(TABLE + 16 + 12, 0);
	assert_true(requested(0x42));
	assert_int_equal(platform_mmio_read(platform, TABLE + 0x800, 4, BOOT), 0);
	/* and the whole function */
	set_config(1, capability(0x11, 0) + 2, 2, 0xc000);
	out(MODERN + VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	completed(1);
	assert_false(requested(0x43));
	set_config(1, capability(0x11, 0) + 2, 2, 0x8000);
	assert_true(requested(0x43));
}

static void without_apic_there_is_no_msix(void **state)
{
	(void)state;
	for (unsigned at = config(2, 0x34, 1); at; at = config(2, at + 1, 1))
		assert_int_equal(config(2, at, 1), 0x09);
	assert_int_equal(config(2, 0x14, 4), 0);
	out(0xc300 + VIRTIO_PCI_COMMON_Q_MSIX, 2, 0);
	assert_int_equal(in(0xc300 + VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xffff);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(identity_is_that_of_transitional_devices),
	    TEST(bars_tell_their_size_and_move),
	    TEST(capabilities_lead_to_the_structures),
	    TEST(window_reaches_registers),
	    TEST(legacy_driver_places_a_queue),
	    TEST(notification_rings_the_bell),
	    TEST(configuration_is_read_and_written_where_it_may),
	    TEST(reset_forgets_everything_and_settles),
	    TEST(features_are_negotiated_in_halves),
	    TEST(modern_driver_places_a_queue),
	    TEST(broken_device_needs_a_reset),
	    TEST(intx_is_level_triggered_and_ended_by_isr),
	    TEST(msix_sends_a_message_for_each_queue),
	    TEST(masked_vector_waits),
	    TEST(without_apic_there_is_no_msix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
