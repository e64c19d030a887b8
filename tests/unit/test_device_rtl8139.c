// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The registers of an RTL8139, as drivers reach them: through the platform's ports and memory. What
 * its back end would do is done by hand.
 */
#include "devices/ports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BOOT   1000u
#define PORTS  0xc000u
#define MEMORY 0xfea00000u

static struct platform *platform;
static uint64_t now;

static void out(unsigned reg, unsigned size, uint32_t value)
{
	platform_out(platform, (uint16_t)(PORTS + reg), size, value, now);
}

static uint32_t in(unsigned reg, unsigned size)
{
	return platform_in(platform, (uint16_t)(PORTS + reg), size, now);
}

static uint32_t config(unsigned reg, unsigned size)
{
	platform_out(platform, 0xcf8, 4, 0x80000000u | 1 << 11 | (reg & 0xfc), now);
	return platform_in(platform, (uint16_t)(0xcfc + (reg & 3)), size, now);
}

static struct rtl8139 *nic(void)
{
	return &platform->rtl8139[0];
}

static struct virtio_device *mailbox(void)
{
	return &platform->virtio.device[0];
}

static bool line(void)
{
	return pci_lines(&platform->pci) & 1u << pci_irq(1, 1);
}

/* The back end sets a bit; the cell looks. */
static void complete(uint32_t bits)
{
	mailbox()->completed |= bits;
	platform_update_irqs(platform, now);
}

/* The back end has put frames into the ring, up to here. */
static void wrote(uint32_t to)
{
	nic()->written_to = nic()->receive_epoch << 16 | to;
}

static int setup(void **state)
{
	static const struct virtio_shown shown = {.id = RTL8139_ID};
	static const uint8_t mac[] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

	(void)state;
	now = BOOT;
	platform = calloc(1, sizeof *platform);
	if (!platform)
		return -1;
	rtl8139_plug(&platform->virtio, &platform->pci, nic(), 0, &shown, mac);
	platform_reset(platform, 0, 64u << 20, BOOT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(platform);
	return 0;
}

/* ---- identity ---- */

static void it_is_an_rtl8139c(void **state)
{
	(void)state;
	assert_int_equal(config(0x00, 4), 0x813910ec);
	assert_int_equal(config(0x08, 4), 0x02000010); /* a revision below that of C+ */
	assert_int_equal(config(0x2c, 4), 0x813910ec);
	assert_int_equal(config(0x10, 4), PORTS | 1);
	assert_int_equal(config(0x14, 4), MEMORY);
	assert_int_equal(config(0x34, 1), 0);
	assert_int_equal(in(0x40, 4) & 0x7cc00000, 0x74000000);
	assert_int_equal(in(0x5e, 1), 0x10);
	assert_int_equal(in(0x00, 4), 0x12005452);
	assert_int_equal(in(0x04, 2), 0x5634);
}

static void its_registers_are_in_ports_and_in_memory(void **state)
{
	(void)state;
	out(0x30, 4, 0x12345678);
	assert_int_equal(platform_mmio_read(platform, MEMORY + 0x30, 4, now), 0x12345678);
	assert_int_equal(platform_mmio_read(platform, MEMORY + 0x31, 1, now), 0x56);
	assert_int_equal(platform_mmio_read(platform, MEMORY + 0x32, 2, now), 0x1234);
	platform_mmio_write(platform, MEMORY + 0x32, 2, 0xabcd, now);
	platform_mmio_write(platform, MEMORY + 0x30, 1, 0xef, now);
	assert_int_equal(in(0x30, 4), 0xabcd56ef);
	/* An access that no instruction of one word makes is none. */
	platform_mmio_write(platform, MEMORY + 0x31, 4, 0, now);
	platform_mmio_write(platform, MEMORY + 0x33, 2, 0, now);
	assert_int_equal(in(0x30, 4), 0xabcd56ef);
	/* Ports take any: two words are written. */
	out(0x0a, 4, 0x44332211);
	assert_int_equal(in(0x08, 4), 0x22110000);
	assert_int_equal(in(0x0c, 4), 0x4433);
	assert_int_equal(in(0x0a, 4), 0x44332211);
	assert_int_equal(in(0xfe, 4), 0xffff0000);
	out(0xff, 4, UINT32_MAX);
}

/* ---- the EEPROM, by its wires ---- */

#define EEPROM (0x80u | 0x08u)

static bool clock_bit(bool bit)
{
	out(0x50, 1, EEPROM | (bit ? 2 : 0));
	out(0x50, 1, EEPROM | (bit ? 2 : 0) | 4);
	return in(0x50, 1) & 1;
}

static void begin(unsigned bits, uint32_t command)
{
	out(0x50, 1, 0x80);
	out(0x50, 1, EEPROM);
	while (bits--)
		clock_bit(command >> bits & 1);
}

/* As drivers do it: zeros first, a start bit, two of operation, the address. */
static uint32_t read_word(unsigned address, unsigned address_bits)
{
	uint32_t value = 0;

	begin(5 + address_bits, 6u << address_bits | address);
	for (unsigned i = 0; i < 16; i++)
		value = value << 1 | clock_bit(false);
	out(0x50, 1, 0);
	return value;
}

static void write_word(unsigned address, uint32_t value)
{
	begin(9, 5u << 6 | address);
	for (unsigned i = 16; i--;)
		clock_bit(value >> i & 1);
	out(0x50, 1, 0);
}

static void the_eeprom_has_the_address(void **state)
{
	(void)state;
	assert_int_equal(read_word(0, 6), 0x8129);
	assert_int_equal(read_word(1, 6), 0x10ec);
	assert_int_equal(read_word(7, 6), 0x5452);
	assert_int_equal(read_word(8, 6), 0x1200);
	assert_int_equal(read_word(9, 6), 0x5634);
	/* By this drivers tell a 93C46 from a 93C56. */
	assert_int_not_equal(read_word(0, 8), 0x8129);
}

static void the_eeprom_reads_on(void **state)
{
	uint32_t value = 0;

	(void)state;
	begin(9, 6u << 6 | 63);
	for (unsigned i = 0; i < 32; i++)
		value = value << 1 | clock_bit(false);
	assert_int_equal(value, 0x00008129);
}

static void the_eeprom_is_written_when_enabled(void **state)
{
	(void)state;
	write_word(20, 0x1234);
	assert_int_equal(read_word(20, 6), 0);
	begin(9, 4u << 6 | 0x30); /* EWEN */
	write_word(20, 0x1234);
	write_word(7, 0x0002);
	assert_int_equal(read_word(20, 6), 0x1234);
	begin(9, 7u << 6 | 20); /* ERASE */
	assert_int_equal(read_word(20, 6), 0xffff);
	begin(9, 4u << 6 | 0x00); /* EWDS */
	write_word(20, 0x1234);
	assert_int_equal(read_word(20, 6), 0xffff);
	/* Loaded anew: the address is the one of now. */
	assert_int_equal(in(0x00, 4), 0x12005452);
	out(0x50, 1, 0x40);
	assert_int_equal(in(0x00, 4), 0x12000002);
	assert_int_equal(in(0x50, 1), 0);
}

/* ---- configuration ---- */

static void configuration_is_locked(void **state)
{
	(void)state;
	assert_int_equal(in(0x52, 1), 0x0c);
	out(0x52, 1, 0xff);
	out(0x59, 1, 0xff);
	out(0xd8, 1, 0xff);
	out(0x62, 2, 0);
	assert_int_equal(in(0x52, 1), 0x0c);
	assert_int_equal(in(0x59, 1), 0);
	assert_int_equal(in(0xd8, 1), 0);
	assert_int_equal(in(0x62, 2), 0x3100);
	out(0x50, 1, 0xc0);
	out(0x52, 1, 0x01);
	out(0x59, 1, 0x20);
	out(0x5a, 1, 0x04);
	out(0xd8, 1, 0x70);
	out(0x62, 2, 0x2000);
	assert_int_equal(in(0x52, 1), 0x0d);
	assert_int_equal(in(0x58, 4), 0x00042000);
	assert_int_equal(in(0xd8, 1), 0x70);
	assert_int_equal(in(0x62, 2), 0x2000);
	out(0x50, 1, 0);
	out(0x62, 2, 0x8000); /* a reset of the transceiver, over at once */
	assert_int_equal(in(0x62, 2), 0x3100);
	out(0x66, 2, 0x0061);
	assert_int_equal(in(0x66, 2), 0x0061);
}

static void the_cable_shows_everywhere(void **state)
{
	(void)state;
	assert_int_equal(in(0x58, 1) & 4, 0);
	assert_int_equal(in(0x64, 2) & 0x24, 0x24);
	assert_int_equal(in(0x68, 2), 0x45e1);
	out(0x3c, 2, 0x20);
	nic()->link = 0;
	complete(0x20);
	assert_true(line());
	assert_int_equal(in(0x3e, 2), 0x20);
	assert_int_equal(in(0x74, 2) & 0x0c00, 0x0800); /* changed: told once */
	assert_int_equal(in(0x74, 2) & 0x0c00, 0);
	assert_int_equal(in(0x58, 1) & 4, 4);
	assert_int_equal(in(0x64, 2) & 0x24, 0);
	assert_int_equal(in(0x68, 4), 0);
	out(0x3e, 2, 0x20);
	assert_false(line());
}

/* ---- interrupts ---- */

static void the_line_follows_mask_and_status(void **state)
{
	(void)state;
	complete(0x0005);
	assert_int_equal(in(0x3e, 2), 5);
	assert_false(line());
	out(0x3c, 2, 0x0004);
	assert_true(line());
	assert_int_equal(config(0x06, 2) & 8, 8);
	out(0x3e, 2, 0x0004);
	assert_false(line());
	assert_int_equal(in(0x3e, 2), 1);
	out(0x3c, 2, 0xffff);
	assert_true(line());
	assert_int_equal(in(0x3c, 2), 0xe07f);
	/* What came before it was read is read; it did not need platform_update_irqs(). */
	mailbox()->completed |= 0x8040;
	assert_int_equal(in(0x3e, 2), 0x8041);
	out(0x3c, 4, 0xffff0000);
	assert_int_equal(in(0x3c, 4), 0);
	assert_false(line());
}

static void the_timer_counts_and_interrupts(void **state)
{
	(void)state;
	out(0x48, 4, 0x1234);
	assert_int_equal(in(0x48, 4), 0);
	now += 1000000;
	assert_int_equal(in(0x48, 4), 33000);
	out(0x3c, 2, 0x4000);
	platform->events = 0;
	out(0x54, 4, 66000);
	assert_int_equal(platform->events & PLATFORM_TIMER_CHANGED, PLATFORM_TIMER_CHANGED);
	assert_int_equal(rtl8139_next_deadline(nic()), BOOT + 2000001);
	assert_true(platform_next_deadline(platform, now) <= BOOT + 2000001);
	now = BOOT + 2000000;
	platform_update_irqs(platform, now);
	assert_false(line());
	now = rtl8139_next_deadline(nic());
	platform_update_irqs(platform, now);
	assert_true(line());
	assert_int_equal(in(0x3e, 2), 0x4000);
	/* Next when the count has wrapped round. */
	assert_true(rtl8139_next_deadline(nic()) > now + 130000000000ull);
	out(0x54, 4, 0);
	assert_true(rtl8139_next_deadline(nic()) == UINT64_MAX);
}

/* ---- the receiver ---- */

static void an_empty_ring_is_empty(void **state)
{
	(void)state;
	out(0x44, 4, 2 << 11 | 0x8a); /* 32 KiB */
	assert_int_equal(in(0x44, 4), 2 << 11 | 0x8a);
	out(0x37, 1, 0x0c);
	assert_int_equal(in(0x37, 1), 0x0d);
	assert_int_equal(in(0x38, 2), 0xfff0);
	wrote(100);
	assert_int_equal(in(0x37, 1), 0x0c);
	assert_int_equal(in(0x3a, 2), 100);
	out(0x38, 2, 100 - 16);
	assert_int_equal(in(0x37, 1), 0x0d);
	/* The driver counts on behind the end of the ring. */
	wrote(4);
	out(0x38, 2, 32768 + 4 - 16);
	assert_int_equal(in(0x37, 1), 0x0d);
}

/* By whichever register the guest looks. */
static void a_frame_and_its_interrupt_show_at_once(void **state)
{
	(void)state;
	out(0x37, 1, 0x0c);
	out(0x3c, 2, 0x0001);
	wrote(100);
	assert_int_equal(in(0x37, 1) & 1, 0);
	assert_int_equal(nic()->status, 1);
	assert_true(line());
	/* It stays while there is a frame, also one that came meanwhile. */
	out(0x3e, 2, 1);
	assert_int_equal(nic()->status, 1);
	wrote(200);
	out(0x38, 2, 100 - 16);
	out(0x3e, 2, 1);
	assert_int_equal(nic()->status, 1);
	assert_int_equal(in(0x3a, 2), 200);
	out(0x38, 2, 200 - 16);
	assert_int_equal(in(0x3e, 2), 1);
	out(0x3e, 2, 1);
	assert_int_equal(in(0x3e, 2), 0);
	assert_false(line());
	complete(0x0004);
	assert_int_equal(in(0x3c, 4), 0x00040001);
	assert_int_equal(in(0x37, 1) & 1, 1);
	/* What was written to the ring of before is nowhere. */
	wrote(300);
	nic()->receive_epoch--;
	wrote(300);
	nic()->receive_epoch++;
	assert_int_equal(in(0x37, 1) & 1, 1);
	assert_int_equal(in(0x3e, 2), 4);
	platform_update_irqs(platform, now);
	wrote(304);
	platform_update_irqs(platform, now);
	assert_true(line());
}

static void who_waits_for_room_is_rung(void **state)
{
	(void)state;
	out(0x37, 1, 0x0c);
	mailbox()->bell = 0;
	platform->virtio.rung = 0;
	out(0x38, 2, 84);
	assert_int_equal(mailbox()->bell, 0);
	nic()->wants_room = 1;
	out(0x38, 2, 88);
	assert_int_equal(mailbox()->bell, RTL8139_BELL_ROOM);
	assert_int_equal(platform->virtio.rung, 1);
	assert_int_equal(nic()->wants_room, 0);
}

static void missed_frames_are_counted_until_that_is_written(void **state)
{
	(void)state;
	nic()->missed = 0x01000003;
	assert_int_equal(in(0x4c, 4), 3);
	out(0x4c, 4, 0);
	assert_int_equal(in(0x4c, 4), 0);
}

/* ---- the transmitter ---- */

static void a_descriptor_rings(void **state)
{
	(void)state;
	assert_int_equal(in(0x10, 4), 0x2000);
	assert_int_equal(in(0x60, 2), 0x000f);
	out(0x10, 4, 100);
	assert_int_equal(mailbox()->bell & RTL8139_BELL_TRANSMIT, 0); /* it is off */
	out(0x37, 1, 0x0c);
	assert_int_equal(in(0x10, 4), 0x2000);
	mailbox()->bell = 0;
	platform->virtio.rung = 0;
	out(0x24, 4, 0x123456);
	out(0x14, 4, 0xc0080000 | 100);
	assert_int_equal(in(0x24, 4), 0x123456);
	assert_int_equal(in(0x14, 4), 0x00080000 | 100);
	assert_int_equal(mailbox()->bell, RTL8139_BELL_TRANSMIT);
	assert_int_equal(platform->virtio.rung, 1);
	assert_int_equal(in(0x60, 2), 0x000d);
	nic()->transmit_status[1] |= RTL8139_TSD_OWN | RTL8139_TSD_OK;
	nic()->transmit_status[3] |= RTL8139_TSD_ABORTED;
	assert_int_equal(in(0x60, 2), 0x208f);
	mailbox()->bell = 0;
	out(0x18, 4, 0x2000 | 100); /* the card's already */
	assert_int_equal(mailbox()->bell, 0);
}

/* ---- starting and stopping ---- */

static void starting_and_stopping_settles(void **state)
{
	uint32_t receive, transmit;

	(void)state;
	out(0x37, 1, 0x0c);
	assert_int_equal(platform->virtio.settling, 1);
	assert_int_equal(mailbox()->settle, 1);
	receive = nic()->receive_epoch;
	transmit = nic()->transmit_epoch;
	out(0x37, 1, 0x0c); /* as before */
	assert_int_equal(mailbox()->settle, 1);
	out(0x37, 1, 0x04);
	assert_int_equal(mailbox()->settle, 2);
	assert_int_equal(nic()->receive_epoch, receive);
	out(0x38, 2, 500);
	out(0x37, 1, 0x0c);
	assert_int_equal(mailbox()->settle, 3);
	assert_int_equal(nic()->receive_epoch, receive + 1);
	assert_int_equal(nic()->transmit_epoch, transmit);
	assert_int_equal(in(0x38, 2), 0xfff0);
}

static void a_reset_keeps_the_addresses(void **state)
{
	(void)state;
	out(0x00, 4, 0x11223344);
	out(0x08, 4, 0x55667788);
	out(0x37, 1, 0x0c);
	out(0x10, 4, 60);
	out(0x3c, 2, 0xffff);
	out(0x54, 4, 1000);
	out(0x44, 4, 0xf);
	complete(0x8005);
	out(0x37, 1, 0x10);
	assert_int_equal(mailbox()->settle, 2);
	assert_int_equal(in(0x37, 1) & 0x1c, 0);
	assert_int_equal(in(0x3c, 4), 0);
	assert_int_equal(in(0x10, 4), 0x2000);
	assert_int_equal(in(0x44, 4), 0);
	assert_int_equal(in(0x54, 4), 0);
	assert_int_equal(in(0x00, 4), 0x11223344);
	assert_int_equal(in(0x08, 4), 0x55667788);
	assert_false(line());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    TEST(it_is_an_rtl8139c),
	    TEST(its_registers_are_in_ports_and_in_memory),
	    TEST(the_eeprom_has_the_address),
	    TEST(the_eeprom_reads_on),
	    TEST(the_eeprom_is_written_when_enabled),
	    TEST(configuration_is_locked),
	    TEST(the_cable_shows_everywhere),
	    TEST(the_line_follows_mask_and_status),
	    TEST(the_timer_counts_and_interrupts),
	    TEST(an_empty_ring_is_empty),
	    TEST(a_frame_and_its_interrupt_show_at_once),
	    TEST(who_waits_for_room_is_rung),
	    TEST(missed_frames_are_counted_until_that_is_written),
	    TEST(a_descriptor_rings),
	    TEST(starting_and_stopping_settles),
	    TEST(a_reset_keeps_the_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
