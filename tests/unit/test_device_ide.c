// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The IDE controller with a disk and a CD-ROM, as drivers reach them: through the platform's ports,
 * with the back end's ide_request() on files behind it. Every protocol (PIO, DMA, packets), every
 * way a command can fail, and tables of regions as a hostile guest would write them.
 */
#include "backends/ide.h"
#include "devices/ata.h"
#include "devices/ports.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define BOOT    1000u
#define MEMORY  (256u * 1024)
#define SECTORS 4096u
#define CDS     40u /* sectors of the CD-ROM */
#define TABLE   0x1000u
#define TARGET  0x4000u

/* Ports: channel 0 has the disk as device 0, channel 1 the CD-ROM */
#define DISK   0x1f0u
#define CD     0x170u
#define STATUS 7u
#define MASTER 0xf000u

#define START 1u

static struct platform *platform;
static struct guest_memory memory;
static struct disk disk, cdrom;
static bool stuck; /* the back end does nothing */
static unsigned flags_seen;
static struct ide_request last;

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at / 512 * 7 + at % 512 + at / 131072);
}

static int file_of(uint64_t bytes)
{
	int fd = memfd_create("disk", 0);
	uint8_t *data = malloc(bytes);

	for (uint64_t i = 0; i < bytes; i++)
		data[i] = pattern(i);
	if (write(fd, data, bytes) != (ssize_t)bytes)
		abort();
	free(data);
	return fd;
}

/* What the process behind each drive does when its bell rings. */
static void serve(void)
{
	struct ide *ide = &platform->ide;

	while (platform->virtio.rung && !stuck) {
		uint32_t rung = platform->virtio.rung;

		platform->virtio.rung = platform->virtio.settling = 0;
		for (unsigned i = 0; i < IDE_UNITS; i++) {
			struct ide_unit *u = &ide->unit[i];
			uint32_t done;

			if (!u->shown.kind || !(rung >> u->shown.mailbox & 1) ||
			    u->result.sequence == u->request.sequence)
				continue;
			last = u->request;
			flags_seen |= last.flags;
			u->result.outcome = ide_request(i ? &cdrom : &disk, &memory, &last,
			                                ide->channel[i / 2].buffer, &done);
			u->result.done = done;
			u->result.sequence = last.sequence;
		}
		platform_update_irqs(platform, BOOT);
	}
}

static void out(unsigned port, unsigned size, uint32_t value)
{
	platform_out(platform, (uint16_t)port, size, value, BOOT);
	serve();
}

static uint32_t in(unsigned port, unsigned size)
{
	uint32_t value = platform_in(platform, (uint16_t)port, size, BOOT);

	serve();
	return value;
}

static void out_config(unsigned reg, unsigned size, uint32_t value)
{
	out(0xcf8, 4, 0x80000000u | 31u << 11 | (reg & 0xfc));
	out(0xcfc + (reg & 3), size, value);
}

static uint32_t in_config(unsigned reg, unsigned size)
{
	out(0xcf8, 4, 0x80000000u | 31u << 11 | (reg & 0xfc));
	return in(0xcfc + (reg & 3), size);
}

static int setup(void **state)
{
	struct ide_shown shown;

	(void)state;
	platform = calloc(1, sizeof *platform);
	memory = (struct guest_memory){.base = calloc(1, MEMORY), .size = MEMORY};
	disk = (struct disk){.fd = file_of(SECTORS * 512),
	                     .overlay = -1,
	                     .bytes = SECTORS * 512,
	                     .logical = 512,
	                     .physical = 4096,
	                     .serial = "ABCDEFGHIJKLMNOPQRST"};
	cdrom = (struct disk){
	    .fd = file_of(CDS * 2048), .overlay = -1, .bytes = CDS * 2048, .read_only = true};
	ide_describe(&disk, false, &shown);
	shown.mailbox = 3;
	ide_plug(&platform->ide, &platform->pci, 0, &shown);
	ide_describe(&cdrom, true, &shown);
	shown.mailbox = 5;
	ide_plug(&platform->ide, &platform->pci, 2, &shown);
	platform_reset(platform, 0, 64u << 20, BOOT);
	stuck = false;
	flags_seen = 0;
	out_config(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(disk.fd);
	close(cdrom.fd);
	free(memory.base);
	free(platform);
	return 0;
}

static bool line(unsigned channel)
{
	platform_update_irqs(platform, BOOT);
	return ide_line(&platform->ide, channel);
}

/* Registers of LBA28, then the command. */
static void command28(unsigned command, uint32_t lba, unsigned count)
{
	out(DISK + ATA_DEVICE, 1, 0x40 | lba >> 24);
	out(DISK + ATA_COUNT, 1, count & 0xff);
	out(DISK + ATA_LBA_LOW, 1, lba & 0xff);
	out(DISK + ATA_LBA_MID, 1, lba >> 8 & 0xff);
	out(DISK + ATA_LBA_HIGH, 1, lba >> 16 & 0xff);
	out(DISK + ATA_COMMAND, 1, command);
}

static void command48(unsigned command, uint64_t lba, unsigned count)
{
	out(DISK + ATA_DEVICE, 1, 0x40);
	out(DISK + ATA_COUNT, 1, count >> 8 & 0xff);
	out(DISK + ATA_COUNT, 1, count & 0xff);
	for (unsigned i = 0; i < 3; i++) {
		out(DISK + ATA_LBA_LOW + i, 1, lba >> (24 + 8 * i) & 0xff);
		out(DISK + ATA_LBA_LOW + i, 1, lba >> 8 * i & 0xff);
	}
	out(DISK + ATA_COMMAND, 1, command);
}

static void simple(unsigned command, unsigned feature, unsigned count)
{
	out(DISK + ATA_FEATURE, 1, feature);
	command28(command, 0, count);
}

static void expect(unsigned port, unsigned status, unsigned error)
{
	assert_int_equal(in(port + STATUS, 1), status);
	assert_int_equal(in(port + ATA_ERROR, 1), error);
}

static void expect_sectors(const uint8_t *data, uint64_t lba, unsigned n)
{
	for (unsigned i = 0; i < n * 512; i++)
		if (data[i] != pattern(lba * 512 + i))
			fail_msg("byte %u is %u", i, data[i]);
}

static void read_data(unsigned port, void *to, unsigned bytes)
{
	uint16_t *words = to;

	for (unsigned i = 0; i < bytes / 2; i++)
		words[i] = (uint16_t)in(port, 2);
}

/* One region of a table; the last has bit 15 of the last word set. */
static void put_region(uint32_t table, unsigned n, uint32_t address, uint32_t bytes, bool end)
{
	uint32_t words[2] = {address, (bytes & 0xffff) | (end ? 0x80000000u : 0)};

	memcpy(memory.base + table + 8 * n, words, 8);
}

static void start(unsigned channel, uint32_t table)
{
	out(MASTER + 8 * channel + 2, 1, 0x06);
	out(MASTER + 8 * channel + 4, 4, table);
	out(MASTER + 8 * channel, 1, START);
}

static unsigned master_status(unsigned channel)
{
	return in(MASTER + 8 * channel + 2, 1) & 7;
}

/* ---- the controller ---- */

static void is_the_ide_function_of_a_piix4(void **state)
{
	(void)state;
	assert_int_equal(in_config(0, 4), 0x71118086);
	assert_int_equal(in_config(8, 4) >> 8, 0x010180);
	assert_int_equal(in_config(0x20, 4), MASTER | 1);
	assert_int_equal(in_config(0x3d, 1), 0);
	assert_int_equal(in_config(0x41, 1) & 0x80, 0x80);
	assert_int_equal(in_config(0x43, 1) & 0x80, 0x80);
	out_config(0x20, 4, 0xffffffff);
	assert_int_equal(in_config(0x20, 4), 0xfffffff1);
	out_config(0x20, 4, 0xe100);
	assert_int_equal(in(0xe102, 1) & 0x20, 0x20);
}

static void channel_that_is_switched_off_does_not_answer(void **state)
{
	(void)state;
	out_config(0x40, 2, 0);
	assert_int_equal(in(DISK + STATUS, 1), 0xff);
	assert_int_equal(in(CD + STATUS, 1), 0);
	out_config(0x40, 2, 0x8000);
	assert_int_equal(in(DISK + STATUS, 1), 0x50);
	out_config(PCI_COMMAND, 2, 0);
	assert_int_equal(in(DISK + STATUS, 1), 0xff);
}

static void unit_that_is_not_there_reads_zeros_and_does_nothing(void **state)
{
	(void)state;
	out(DISK + ATA_DEVICE, 1, 0xb0);
	assert_int_equal(in(DISK + STATUS, 1), 0);
	out(DISK + ATA_COUNT, 1, 0x55);
	assert_int_equal(in(DISK + ATA_COUNT, 1), 0);
	out(DISK + ATA_COMMAND, 1, 0xec);
	assert_int_equal(in(DISK + STATUS, 1), 0);
	assert_false(line(0));
}

static void expect_signature(unsigned port, unsigned mid, unsigned high, unsigned status)
{
	assert_int_equal(in(port + ATA_ERROR, 1), 1);
	assert_int_equal(in(port + ATA_COUNT, 1), 1);
	assert_int_equal(in(port + ATA_LBA_LOW, 1), 1);
	assert_int_equal(in(port + ATA_LBA_MID, 1), mid);
	assert_int_equal(in(port + ATA_LBA_HIGH, 1), high);
	assert_int_equal(in(port + STATUS, 1), status);
}

static void reset_leaves_signatures(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		unsigned port = i ? CD : DISK;

		out(port + ATA_LBA_MID, 1, 0x77);
		out(port + 0x206, 1, 4);
		assert_int_equal(in(port + STATUS, 1), 0x80);
		out(port + 0x206, 1, 0);
		expect_signature(port, i ? 0x14 : 0, i ? 0xeb : 0, i ? 0 : 0x50);
	}
	out(DISK + ATA_COMMAND, 1, 0x90);
	assert_true(line(0));
	expect_signature(DISK, 0, 0, 0x50);
	out(CD + ATA_COMMAND, 1, 0x08);
	assert_false(line(1));
	expect_signature(CD, 0x14, 0xeb, 0);
}

static void interrupt_is_withheld_by_nien_and_cleared_by_status(void **state)
{
	(void)state;
	out(DISK + 0x206, 1, 2);
	simple(0xe1, 0, 0);
	assert_false(line(0));
	assert_int_equal(master_status(0), 0);
	assert_int_equal(in(DISK + 0x206, 1), 0x50);
	out(DISK + 0x206, 1, 0);
	assert_true(line(0));
	assert_int_equal(master_status(0), 4);
	out(MASTER + 2, 1, 4);
	assert_int_equal(master_status(0), 0);
	assert_int_equal(in(DISK + 0x206, 1), 0x50);
	assert_true(line(0));
	in(DISK + STATUS, 1);
	assert_false(line(0));
}

/* ---- what a disk says of itself ---- */

static void disk_is_identified(void **state)
{
	uint16_t w[256];

	(void)state;
	simple(0xec, 0, 0);
	assert_true(line(0));
	assert_int_equal(in(DISK + STATUS, 1), 0x58);
	read_data(DISK, w, 512);
	assert_int_equal(in(DISK + STATUS, 1), 0x50);
	assert_int_equal(w[0], 0x40);
	assert_memory_equal(w + 10, "BADCFEHGJILKNMPORQTS", 20);
	assert_memory_equal(w + 27, "IRGN 1AHDRIDKS", 14);
	assert_int_equal(w[47], 0x8010);
	assert_int_equal(w[59], 0x110);
	assert_int_equal(w[60] | w[61] << 16, SECTORS);
	assert_int_equal(w[100] | w[101] << 16, SECTORS);
	assert_int_equal(w[106], 0x6003);
	assert_int_equal(w[54] * w[55] * w[56], SECTORS / (16 * 63) * 16 * 63);
	assert_int_equal(w[57] | w[58] << 16, w[54] * w[55] * w[56]);
	assert_true(w[85] & 0x20);
	assert_int_equal(w[88], 0x3f);
}

static void settings_show_in_identify(void **state)
{
	uint16_t w[256];

	(void)state;
	simple(0xef, 0x03, 0x42);
	expect(DISK, 0x50, 0);
	simple(0xef, 0x03, 0x0c); /* PIO mode 4 changes nothing of DMA */
	expect(DISK, 0x50, 0);
	simple(0xef, 0x82, 0);
	expect(DISK, 0x50, 0);
	simple(0xc6, 0, 8);
	expect(DISK, 0x50, 0);
	out(DISK + ATA_DEVICE, 1, 0xa3);
	out(DISK + ATA_COUNT, 1, 17);
	out(DISK + ATA_COMMAND, 1, 0x91);
	expect(DISK, 0x50, 0);
	simple(0xec, 0, 0);
	read_data(DISK, w, 512);
	assert_int_equal(w[88], 0x43f);
	assert_int_equal(w[63], 0x07);
	assert_int_equal(w[85] & 0x20, 0);
	assert_int_equal(w[59], 0x108);
	assert_int_equal(w[55], 4);
	assert_int_equal(w[56], 17);
	simple(0xef, 0x03, 0x22);
	simple(0xef, 0x02, 0);
	simple(0xec, 0, 0);
	read_data(DISK, w, 512);
	assert_int_equal(w[63], 0x407);
	assert_int_equal(w[88], 0x3f);
	assert_true(w[85] & 0x20);
}

static void what_there_is_not_is_aborted(void **state)
{
	static const uint8_t commands[] = {0x00, 0x08, 0x22, 0x50, 0x87, 0xa0, 0xa1, 0xb0, 0xf1};

	(void)state;
	for (unsigned i = 0; i < sizeof commands; i++) {
		simple(commands[i], 0, 1);
		assert_true(line(0));
		expect(DISK, 0x51, 4);
	}
	simple(0xef, 0x03, 0x46);
	expect(DISK, 0x51, 4);
	simple(0xef, 0x99, 0);
	expect(DISK, 0x51, 4);
	simple(0xc6, 0, 32);
	expect(DISK, 0x51, 4);
	simple(0xc6, 0, 3);
	expect(DISK, 0x51, 4);
	simple(0xc6, 0, 0);
	expect(DISK, 0x50, 0);
	command28(0xc4, 0, 1);
	expect(DISK, 0x51, 4);
}

static void power_and_native_size(void **state)
{
	(void)state;
	simple(0xe5, 0, 0);
	expect(DISK, 0x50, 0);
	assert_int_equal(in(DISK + ATA_COUNT, 1), 0xff);
	simple(0xe0, 0, 0);
	expect(DISK, 0x50, 0);
	assert_int_equal(last.operation, IDE_OP_FLUSH);
	simple(0xf8, 0, 0);
	expect(DISK, 0x50, 0);
	assert_int_equal(in(DISK + ATA_LBA_LOW, 1) | in(DISK + ATA_LBA_MID, 1) << 8, SECTORS - 1);
	simple(0x27, 0, 0);
	assert_int_equal(in(DISK + ATA_LBA_LOW, 1) | in(DISK + ATA_LBA_MID, 1) << 8, SECTORS - 1);
	out(DISK + 0x206, 1, 0x80);
	assert_int_equal(in(DISK + ATA_LBA_LOW, 1), 0);
}

static void registers_remember_what_was_written_before(void **state)
{
	(void)state;
	out(DISK + ATA_LBA_LOW, 1, 0x12);
	out(DISK + ATA_LBA_LOW, 1, 0x34);
	assert_int_equal(in(DISK + ATA_LBA_LOW, 1), 0x34);
	out(DISK + 0x206, 1, 0x80);
	assert_int_equal(in(DISK + ATA_LBA_LOW, 1), 0x12);
	out(DISK + ATA_COUNT, 1, 1);
	assert_int_equal(in(DISK + ATA_LBA_LOW, 1), 0x34);
}

/* ---- PIO ---- */

static void reads_by_pio_a_sector_at_a_time(void **state)
{
	uint8_t data[3 * 512];

	(void)state;
	command28(0x20, 100, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(line(0));
		assert_int_equal(in(DISK + STATUS, 1), 0x58);
		assert_false(line(0));
		read_data(DISK, data + 512 * i, 512);
	}
	assert_int_equal(in(DISK + STATUS, 1), 0x50);
	assert_false(line(0));
	expect_sectors(data, 100, 3);
	assert_int_equal(in(DISK, 2), 0);
}

static void reads_blocks_by_words_of_four_bytes(void **state)
{
	uint8_t data[20 * 512];
	uint32_t word;

	(void)state;
	command48(0x29, 1000, 20);
	for (unsigned i = 0; i < sizeof data; i += 4) {
		assert_int_equal(line(0), i == 0 || i == 16 * 512);
		if (i % 512 == 0)
			assert_int_equal(in(DISK + STATUS, 1), 0x58);
		word = in(DISK, 4);
		memcpy(data + i, &word, 4);
	}
	assert_int_equal(in(DISK + STATUS, 1), 0x50);
	expect_sectors(data, 1000, 20);
}

static void write_data(const uint8_t *data, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i += 2)
		out(DISK, 2, data[i] | (uint32_t)data[i + 1] << 8);
}

static void writes_by_pio(void **state)
{
	uint8_t data[18 * 512], there[18 * 512];

	(void)state;
	for (unsigned i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 31 + 5);
	command28(0x30, 7, 2);
	assert_false(line(0));
	assert_int_equal(in(DISK + STATUS, 1), 0x58);
	write_data(data, 512);
	assert_true(line(0));
	assert_int_equal(in(DISK + STATUS, 1), 0x58);
	write_data(data + 512, 512);
	assert_true(line(0));
	expect(DISK, 0x50, 0);
	assert_int_equal(pread(disk.fd, there, 1024, 7 * 512), 1024);
	assert_memory_equal(there, data, 1024);

	command48(0x39, 2000, 18);
	write_data(data, 16 * 512);
	assert_int_equal(in(DISK + STATUS, 1), 0x58);
	write_data(data + 16 * 512, 2 * 512);
	expect(DISK, 0x50, 0);
	assert_int_equal(pread(disk.fd, there, sizeof there, 2000 * 512), sizeof there);
	assert_memory_equal(there, data, sizeof there);
	assert_int_equal(flags_seen, 0);
}

static void addresses_by_cylinder_head_and_sector(void **state)
{
	uint8_t data[512];

	(void)state;
	out(DISK + ATA_DEVICE, 1, 0xa5); /* head 5 */
	out(DISK + ATA_COUNT, 1, 1);
	out(DISK + ATA_LBA_LOW, 1, 9);
	out(DISK + ATA_LBA_MID, 1, 2);
	out(DISK + ATA_LBA_HIGH, 1, 0);
	out(DISK + ATA_COMMAND, 1, 0x20);
	read_data(DISK, data, 512);
	expect_sectors(data, (2 * 16 + 5) * 63 + 8, 1);
	out(DISK + ATA_LBA_LOW, 1, 0);
	out(DISK + ATA_COMMAND, 1, 0x20);
	expect(DISK, 0x51, 0x10);
	out(DISK + ATA_LBA_LOW, 1, 64);
	out(DISK + ATA_COMMAND, 1, 0x20);
	expect(DISK, 0x51, 0x10);
}

static void there_is_nothing_behind_the_end(void **state)
{
	uint8_t data[512];

	(void)state;
	command28(0x20, SECTORS - 1, 1);
	read_data(DISK, data, 512);
	expect_sectors(data, SECTORS - 1, 1);
	command28(0x20, SECTORS - 1, 2);
	expect(DISK, 0x51, 0x10);
	command28(0x40, SECTORS, 1);
	expect(DISK, 0x51, 0x10);
	command48(0x25, 1ull << 47, 1);
	expect(DISK, 0x51, 0x10);
	command48(0x24, 0, 0); /* 65536 sectors */
	expect(DISK, 0x51, 0x10);
}

static void verifies(void **state)
{
	(void)state;
	command28(0x40, 0, 0); /* 256 sectors */
	assert_true(line(0));
	expect(DISK, 0x50, 0);
	assert_int_equal(last.operation, IDE_OP_VERIFY);
	assert_int_equal(last.sectors, 256);
}

/* ---- DMA ---- */

/* A table of three regions, one of which ends within a sector. */
static void scatter(uint32_t table)
{
	put_region(table, 0, TARGET, 700, false);
	put_region(table, 1, TARGET + 0x2000, 2, false);
	put_region(table, 2, TARGET + 0x3000, 4 * 512 - 702, true);
}

static void collect(uint8_t *data)
{
	memcpy(data, memory.base + TARGET, 700);
	memcpy(data + 700, memory.base + TARGET + 0x2000, 2);
	memcpy(data + 702, memory.base + TARGET + 0x3000, 4 * 512 - 702);
}

static void reads_by_dma(void **state)
{
	uint8_t data[4 * 512];

	(void)state;
	scatter(TABLE);
	command28(0xc8, 300, 4);
	assert_int_equal(in(DISK + 0x206, 1), 0x80);
	assert_false(line(0));
	start(0, TABLE);
	assert_true(line(0));
	assert_int_equal(master_status(0), 4);
	out(MASTER, 1, 0);
	expect(DISK, 0x50, 0);
	assert_false(line(0));
	collect(data);
	expect_sectors(data, 300, 4);
	assert_int_equal(memory.base[TARGET + 700], 0);
	assert_int_equal(memory.base[TARGET + 0x2002], 0);
	assert_int_equal(memory.base[TARGET + 0x3000 + 4 * 512 - 702], 0);
}

static void writes_by_dma_and_the_master_may_start_first(void **state)
{
	uint8_t data[4 * 512], there[4 * 512];

	(void)state;
	for (unsigned i = 0; i < 0x5000; i++)
		memory.base[TARGET + i] = (uint8_t)(i * 13);
	scatter(TABLE + 4);
	start(0, TABLE + 4);
	assert_int_equal(master_status(0), 1);
	command48(0x35, 4000, 4);
	assert_true(line(0));
	assert_int_equal(master_status(0), 4);
	expect(DISK, 0x50, 0);
	collect(data);
	assert_int_equal(pread(disk.fd, there, sizeof there, 4000 * 512), sizeof there);
	assert_memory_equal(there, data, sizeof there);
	assert_int_equal(flags_seen, IDE_REQUEST_DMA);
}

static void dma_needs_the_right_to_master_the_bus(void **state)
{
	(void)state;
	out_config(PCI_COMMAND, 2, PCI_COMMAND_IO);
	put_region(TABLE, 0, TARGET, 512, true);
	command28(0xc8, 1, 1);
	start(0, TABLE);
	assert_int_equal(in(DISK + 0x206, 1), 0x80);
	out_config(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
	expect(DISK, 0x50, 0);
	expect_sectors(memory.base + TARGET, 1, 1);
}

static void table_that_is_too_long_leaves_the_master_active(void **state)
{
	(void)state;
	put_region(TABLE, 0, TARGET, 0, true); /* 64 KiB */
	command28(0xc8, 1, 1);
	start(0, TABLE);
	assert_int_equal(master_status(0), 5);
	expect(DISK, 0x50, 0);
	out(MASTER, 1, 0);
	assert_int_equal(master_status(0), 4);
}

static void table_that_is_too_short_ends_without_an_interrupt(void **state)
{
	(void)state;
	put_region(TABLE, 0, TARGET, 600, true);
	command28(0xc8, 1, 2);
	start(0, TABLE);
	assert_false(line(0));
	assert_int_equal(master_status(0), 0);
	assert_int_equal(in(DISK + STATUS, 1), 0x50);
	expect_sectors(memory.base + TARGET, 1, 1);
	assert_int_equal(memory.base[TARGET + 512], 0);
}

/* Every one of these ends with an error, and memory outside of what is named stays as it was. */
static void tables_that_lead_nowhere_are_errors(void **state)
{
	static const uint32_t nowhere[] = {MEMORY, MEMORY - 510, 0xfffffffe, 0x80000000};
	static const uint32_t tables[] = {MEMORY, MEMORY + 8, 0xfffffff8, 0x80000000};

	(void)state;
	for (unsigned write = 0; write < 2; write++) {
		for (unsigned i = 0; i < 4; i++) {
			put_region(TABLE, 0, nowhere[i], 512, true);
			command28(write ? 0xca : 0xc8, 1, 1);
			start(0, TABLE);
			assert_int_equal(master_status(0), 6);
			expect(DISK, 0x51, 4);
			out(MASTER, 1, 0);
		}
		for (unsigned i = 0; i < 4; i++) {
			command28(write ? 0xca : 0xc8, 1, 1);
			start(0, tables[i]);
			assert_int_equal(master_status(0), 6);
			expect(DISK, 0x51, 4);
			out(MASTER, 1, 0);
		}
	}
	for (unsigned i = 0; i < MEMORY; i++)
		if (memory.base[i] && (i < TABLE || i >= TABLE + 8))
			fail_msg("memory at %u was written", i);
}

static void table_ends_where_64_kib_do(void **state)
{
	(void)state;
	put_region(0x1fff8, 0, TARGET, 512, false);
	put_region(0x1fff8, 1, TARGET + 512, 512, true);
	command28(0xc8, 1, 2);
	start(0, 0x1fff8);
	assert_int_equal(master_status(0), 0);
	assert_int_equal(memory.base[TARGET + 512], 0);
	/* One that begins at their end has nothing at all. */
	out(MASTER, 1, 0);
	command28(0xc8, 1, 1);
	start(0, 0x1fffc);
	assert_int_equal(master_status(0), 0);
}

static void tables_of_the_smallest_regions(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8192; i++)
		put_region(0x20000, i, TARGET + 2 * i, 2, false);
	command28(0xc8, 50, 32);
	start(0, 0x20000);
	assert_int_equal(master_status(0), 4);
	expect(DISK, 0x50, 0);
	expect_sectors(memory.base + TARGET, 50, 32);
}

static void stopped_transfer_is_lost_until_a_reset(void **state)
{
	(void)state;
	stuck = true;
	put_region(TABLE, 0, TARGET, 512, true);
	command28(0xc8, 1, 1);
	start(0, TABLE);
	assert_int_equal(master_status(0), 1);
	out(MASTER, 1, 0);
	assert_true(platform->virtio.settling >> 3 & 1);
	assert_int_equal(platform->ide.unit[0].request.operation, IDE_OP_NONE);
	stuck = false;
	serve();
	assert_int_equal(in(DISK + 0x206, 1), 0x80);
	assert_int_equal(memory.base[TARGET], 0);
	out(DISK + 0x206, 1, 4);
	out(DISK + 0x206, 1, 0);
	assert_int_equal(in(DISK + STATUS, 1), 0x50);
	command28(0xc8, 1, 1);
	start(0, TABLE);
	expect(DISK, 0x50, 0);
	expect_sectors(memory.base + TARGET, 1, 1);
}

static void reset_has_the_back_end_let_go(void **state)
{
	(void)state;
	stuck = true;
	command28(0x20, 1, 1);
	assert_int_equal(in(DISK + STATUS, 1), 0x80);
	command28(0x20, 2, 1); /* a busy drive takes nothing */
	assert_int_equal(platform->ide.unit[0].request.lba, 1);
	platform->virtio.settling = 0;
	out(DISK + 0x206, 1, 4);
	assert_true(platform->virtio.settling >> 3 & 1);
	stuck = false;
	serve();
	assert_int_equal(last.operation, IDE_OP_NONE);
	out(DISK + 0x206, 1, 0);
	assert_int_equal(in(DISK + STATUS, 1), 0x50);
	assert_false(line(0));
	command28(0x20, 2, 1);
	assert_int_equal(in(DISK + STATUS, 1), 0x58);
}

/* ---- the host's disk ---- */

static void error_in_reading_names_the_sector(void **state)
{
	(void)state;
	assert_int_equal(ftruncate(disk.fd, 305 * 512), 0);
	put_region(TABLE, 0, TARGET, 0x4000, true);
	command28(0xc8, 300, 32);
	start(0, TABLE);
	assert_true(line(0));
	assert_int_equal(master_status(0), 4);
	expect(DISK, 0x51, 0x40);
	assert_int_equal(in(DISK + ATA_LBA_LOW, 1) | in(DISK + ATA_LBA_MID, 1) << 8, 305);
	command28(0x20, 305, 1);
	assert_true(line(0));
	expect(DISK, 0x51, 0x40);
	command48(0x42, 290, 300);
	expect(DISK, 0x51, 0x40);
	assert_int_equal(in(DISK + ATA_LBA_LOW, 1) | in(DISK + ATA_LBA_MID, 1) << 8, 305);
}

static void error_in_writing_is_a_fault(void **state)
{
	uint8_t data[512] = {1};

	(void)state;
	close(disk.fd);
	disk.fd = open("/dev/full", O_RDWR);
	put_region(TABLE, 0, TARGET, 512, true);
	command28(0xca, 9, 1);
	start(0, TABLE);
	expect(DISK, 0x71, 4);
	assert_int_equal(in(DISK + ATA_LBA_LOW, 1), 9);
	command28(0x30, 9, 1);
	write_data(data, 512);
	assert_true(line(0));
	expect(DISK, 0x71, 4);
	simple(0xe7, 0, 0);
	expect(DISK, 0x71, 4);
}

static void without_a_write_cache_writes_are_synchronous(void **state)
{
	uint8_t data[512] = {1};

	(void)state;
	simple(0xef, 0x82, 0);
	assert_int_equal(last.operation, IDE_OP_FLUSH);
	command28(0x30, 9, 1);
	write_data(data, 512);
	assert_int_equal(last.flags, IDE_REQUEST_SYNC);
	simple(0xef, 0x02, 0);
	command28(0x30, 9, 1);
	write_data(data, 512);
	assert_int_equal(last.flags, 0);
	put_region(TABLE, 0, TARGET, 512, true);
	command48(0x3d, 9, 1);
	start(0, TABLE);
	assert_int_equal(last.flags, IDE_REQUEST_SYNC | IDE_REQUEST_DMA);
	simple(0xea, 0, 0);
	assert_int_equal(last.operation, IDE_OP_FLUSH);
	expect(DISK, 0x50, 0);
}

/* A request that no register model makes: what a cell can write into the shared state. */
static void made_up_requests_are_refused(void **state)
{
	static const struct ide_request bad[] = {
	    {.operation = IDE_OP_READ, .sectors = 0},
	    {.operation = IDE_OP_READ, .sectors = 17},
	    {.operation = IDE_OP_READ, .sectors = 1, .lba = SECTORS},
	    {.operation = IDE_OP_READ, .sectors = 2, .lba = UINT64_MAX},
	    {.operation = IDE_OP_WRITE, .sectors = UINT32_MAX, .flags = IDE_REQUEST_DMA},
	    {.operation = IDE_OP_VERIFY, .sectors = SECTORS, .lba = 1},
	    {.operation = IDE_OP_WRITE, .sectors = 1, .lba = SECTORS},
	    {.operation = IDE_OP_WRITE, .sectors = 1, .lba = SECTORS, .flags = IDE_REQUEST_DMA},
	    {.operation = IDE_OP_REPLY, .bytes = IDE_BUFFER + 1},
	    {.operation = 77, .sectors = 1}};
	uint8_t *buffer = calloc(1, IDE_BUFFER);
	uint32_t done;

	(void)state;
	put_region(0, 0, TARGET, 0, true);
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(ide_request(&disk, &memory, &bad[i], buffer, &done),
		                 IDE_OUTCOME_FAILED);
	assert_int_equal(ide_request(&cdrom, &memory,
	                             &(struct ide_request){.operation = IDE_OP_WRITE, .sectors = 1},
	                             buffer, &done),
	                 IDE_OUTCOME_FAILED);
	assert_int_equal(lseek(disk.fd, 0, SEEK_END), SECTORS * 512);
	free(buffer);
}

/* ---- the CD-ROM ---- */

/* PACKET with these bytes; by PIO, in blocks of `limit` bytes at most. */
static void packet(const uint8_t *bytes, unsigned features, unsigned limit)
{
	out(CD + ATA_DEVICE, 1, 0xa0);
	out(CD + ATA_FEATURE, 1, features);
	out(CD + ATA_LBA_MID, 1, limit & 0xff);
	out(CD + ATA_LBA_HIGH, 1, limit >> 8);
	out(CD + ATA_COMMAND, 1, 0xa0);
	assert_int_equal(in(CD + 0x206, 1) & 0x88, 0x08);
	assert_int_equal(in(CD + ATA_COUNT, 1), 1);
	for (unsigned i = 0; i < 12; i += 2)
		out(CD, 2, bytes[i] | (uint32_t)bytes[i + 1] << 8);
}

/* It answers `bytes`, in one block. */
static void expect_reply(uint8_t *to, unsigned bytes)
{
	assert_true(line(1));
	assert_int_equal(in(CD + STATUS, 1), 0x58);
	assert_int_equal(in(CD + ATA_COUNT, 1), 2);
	assert_int_equal(in(CD + ATA_LBA_MID, 1) | in(CD + ATA_LBA_HIGH, 1) << 8, bytes);
	read_data(CD, to, bytes);
	assert_true(line(1));
	assert_int_equal(in(CD + ATA_COUNT, 1), 3);
	expect(CD, 0x50, 0);
}

static void expect_good(void)
{
	assert_true(line(1));
	assert_int_equal(in(CD + ATA_COUNT, 1), 3);
	expect(CD, 0x50, 0);
}

static void expect_bad(unsigned key, unsigned code, unsigned qualifier)
{
	uint8_t sense[18];

	assert_true(line(1));
	assert_int_equal(in(CD + ATA_COUNT, 1), 3);
	expect(CD, 0x51, key << 4 | 4);
	packet((const uint8_t[12]){0x03, 0, 0, 0, 18}, 0, 0xfffe);
	expect_reply(sense, 18);
	assert_int_equal(sense[0], 0x70);
	assert_int_equal(sense[2], key);
	assert_int_equal(sense[7], 10);
	assert_int_equal(sense[12], code);
	assert_int_equal(sense[13], qualifier);
}

static void test_unit(void)
{
	packet((const uint8_t[12]){0}, 0, 0);
}

/* The first command is told that the drive was switched on. */
static void ready_cdrom(void)
{
	test_unit();
	expect_bad(6, 0x29, 0);
	test_unit();
	expect_good();
}

static void cdrom_is_identified(void **state)
{
	uint16_t w[256];

	(void)state;
	out(CD + ATA_COMMAND, 1, 0xec);
	assert_true(line(1));
	assert_int_equal(in(CD + ATA_LBA_MID, 1), 0x14);
	assert_int_equal(in(CD + ATA_LBA_HIGH, 1), 0xeb);
	expect(CD, 0x51, 4);
	out(CD + ATA_COMMAND, 1, 0xa1);
	assert_int_equal(in(CD + STATUS, 1), 0x58);
	read_data(CD, w, 512);
	assert_int_equal(in(CD + STATUS, 1), 0x50);
	assert_int_equal(w[0], 0x85c0);
	assert_memory_equal(w + 27, "IRGN 1DCR-MO", 12);
	out(CD + ATA_FEATURE, 1, 3);
	out(CD + ATA_COUNT, 1, 0x42);
	out(CD + ATA_COMMAND, 1, 0xef);
	expect(CD, 0x50, 0);
	out(CD + ATA_COMMAND, 1, 0x25);
	expect(CD, 0x51, 4);
}

static void attention_is_for_the_first_command_that_is_told(void **state)
{
	uint8_t data[36];

	(void)state;
	packet((const uint8_t[12]){0x12, 0, 0, 0, 36}, 0, 0xfffe);
	expect_reply(data, 36);
	assert_int_equal(data[0], 5);
	assert_memory_equal(data + 8, "RING1   CD-ROM          1.0 ", 28);
	ready_cdrom();
	packet((const uint8_t[12]){0x03, 0, 0, 0, 18}, 0, 0);
	expect_reply(data, 18);
	assert_int_equal(data[2], 0);
}

static void answers_are_as_long_as_they_are_wanted(void **state)
{
	uint8_t data[36];

	(void)state;
	ready_cdrom();
	packet((const uint8_t[12]){0x12, 0, 0, 0, 6}, 0, 0xfffe);
	expect_reply(data, 6);
	packet((const uint8_t[12]){0x12}, 0, 0xfffe);
	expect_good();
	/* Blocks of 10 bytes, of which the last is shorter. */
	packet((const uint8_t[12]){0x12, 0, 0, 0, 36}, 0, 11);
	for (unsigned left = 36, n; left; left -= n) {
		assert_true(line(1));
		assert_int_equal(in(CD + STATUS, 1), 0x58);
		n = in(CD + ATA_LBA_MID, 1);
		assert_int_equal(n, left < 10 ? left : 10);
		read_data(CD, data + 36 - left, n);
	}
	expect_good();
	assert_memory_equal(data + 8, "RING1   ", 8);
	packet((const uint8_t[12]){0x12, 1, 0x80, 0, 36}, 0, 0);
	expect_bad(5, 0x24, 0);
}

static void capacity_and_contents_are_told(void **state)
{
	uint8_t data[64];

	(void)state;
	ready_cdrom();
	packet((const uint8_t[12]){0x25}, 0, 8);
	expect_reply(data, 8);
	assert_memory_equal(data, ((uint8_t[]){0, 0, 0, CDS - 1, 0, 0, 8, 0}), 8);
	packet((const uint8_t[12]){0x43, 0, 0, 0, 0, 0, 0, 0, 64}, 0, 64);
	expect_reply(data, 20);
	assert_memory_equal(data, ((uint8_t[]){0, 18, 1, 1,    0,    0x14, 1, 0, 0, 0,
	                                       0, 0,  0, 0x14, 0xaa, 0,    0, 0, 0, CDS}),
	                    20);
	packet((const uint8_t[12]){0x43, 2, 0, 0, 0, 0, 0xaa, 0, 64}, 0, 64);
	expect_reply(data, 12);
	assert_memory_equal(data + 8, ((uint8_t[]){0, 0, 2, CDS}), 4);
	packet((const uint8_t[12]){0x43, 0, 1, 0, 0, 0, 0, 0, 64}, 0, 64);
	expect_reply(data, 12);
	packet((const uint8_t[12]){0x43, 0, 2, 0, 0, 0, 0, 0, 64}, 0, 64);
	expect_reply(data, 48);
	packet((const uint8_t[12]){0x43, 0, 0, 0, 0, 0, 2, 0, 64}, 0, 64);
	expect_bad(5, 0x24, 0);
	packet((const uint8_t[12]){0x51, 0, 0, 0, 0, 0, 0, 0, 64}, 0, 64);
	expect_reply(data, 34);
}

static void read_10(unsigned lba, unsigned n, unsigned features, unsigned limit)
{
	packet((const uint8_t[12]){0x28, 0, 0, 0, 0, (uint8_t)lba, 0, 0, (uint8_t)n}, features,
	       limit);
}

static void reads_a_cd_by_pio(void **state)
{
	static uint8_t data[9 * 2048];

	(void)state;
	ready_cdrom();
	for (unsigned limit = 2048; limit < 32768; limit *= 4) {
		unsigned at = 0, n;

		read_10(11, 9, 0, limit);
		while (at < sizeof data) {
			assert_true(line(1));
			assert_int_equal(in(CD + STATUS, 1), 0x58);
			n = in(CD + ATA_LBA_MID, 1) | in(CD + ATA_LBA_HIGH, 1) << 8;
			assert_true(n && n % 2048 == 0 && n <= limit && n <= sizeof data - at);
			read_data(CD, data + at, n);
			at += n;
		}
		expect_good();
		expect_sectors(data, 44, 36);
	}
	read_10(0, 0, 0, 2048);
	expect_good();
	packet((const uint8_t[12]){0xbe, 0, 0, 0, 0, 39, 0, 0, 1, 0x10}, 0, 2048);
	expect_reply(data, 2048);
	expect_sectors(data, 39 * 4, 4);
	packet((const uint8_t[12]){0xbe, 0, 0, 0, 0, 39, 0, 0, 1, 0xf8}, 0, 2352);
	expect_bad(5, 0x64, 0);
}

static void reads_a_cd_by_dma(void **state)
{
	(void)state;
	ready_cdrom();
	put_region(TABLE, 0, TARGET, 10 * 2048, true);
	packet((const uint8_t[12]){0xa8, 0, 0, 0, 0, 30, 0, 0, 0, 10}, 1, 0);
	assert_int_equal(in(CD + 0x206, 1), 0x80);
	start(1, TABLE);
	assert_int_equal(master_status(1), 4);
	expect_good();
	expect_sectors(memory.base + TARGET, 120, 40);
	out(MASTER + 8, 1, 0);
	/* What the drive says of itself goes the same way. */
	put_region(TABLE, 0, TARGET, 20, false);
	put_region(TABLE, 1, TARGET + 64, 16, true);
	packet((const uint8_t[12]){0x12, 0, 0, 0, 36}, 1, 0);
	start(1, TABLE);
	assert_int_equal(master_status(1), 4);
	expect_good();
	assert_memory_equal(memory.base + TARGET + 8, "RING1   CD-R", 12);
	assert_memory_equal(memory.base + TARGET + 64, "OM          1.0 ", 16);
}

static void cd_has_an_end_and_errors(void **state)
{
	(void)state;
	ready_cdrom();
	read_10(CDS, 1, 0, 2048);
	expect_bad(5, 0x21, 0);
	read_10(CDS - 1, 2, 0, 2048);
	expect_bad(5, 0x21, 0);
	packet((const uint8_t[12]){0xa8, 0, 0, 0, 0, 0, 0x40, 0, 0, 1}, 0, 2048);
	expect_bad(5, 0x21, 0);
	packet((const uint8_t[12]){0x2a, 0, 0, 0, 0, 0, 0, 0, 1}, 0, 2048);
	expect_bad(5, 0x20, 0);
	assert_int_equal(ftruncate(cdrom.fd, 12 * 2048), 0);
	read_10(11, 1, 0, 2048);
	assert_int_equal(in(CD + STATUS, 1), 0x58);
	out(CD + 0x206, 1, 4);
	out(CD + 0x206, 1, 0);
	read_10(12, 1, 0, 2048);
	expect_bad(3, 0x11, 0);
	put_region(TABLE, 0, MEMORY, 2048, true);
	read_10(1, 1, 1, 0);
	start(1, TABLE);
	assert_int_equal(master_status(1), 6);
	expect_bad(3, 0x11, 0);
}

static void start_stop(unsigned how)
{
	packet((const uint8_t[12]){0x1b, 0, 0, 0, (uint8_t)how}, 0, 0);
}

static void tray_opens_unless_it_is_locked(void **state)
{
	uint8_t data[64];

	(void)state;
	ready_cdrom();
	packet((const uint8_t[12]){0x1e, 0, 0, 0, 1}, 0, 0);
	expect_good();
	start_stop(2);
	expect_bad(5, 0x53, 2);
	packet((const uint8_t[12]){0x1e}, 0, 0);
	expect_good();
	start_stop(2);
	expect_good();
	test_unit();
	expect_bad(2, 0x3a, 2);
	read_10(0, 1, 0, 2048);
	expect_bad(2, 0x3a, 2);
	packet((const uint8_t[12]){0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8}, 0, 8);
	expect_reply(data, 8);
	assert_memory_equal(data, ((uint8_t[]){0, 6, 4, 0x10, 3, 1, 0, 0}), 8);
	start_stop(3);
	expect_good();
	packet((const uint8_t[12]){0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8}, 0, 8);
	expect_reply(data, 8);
	assert_memory_equal(data, ((uint8_t[]){0, 6, 4, 0x10, 2, 2, 0, 0}), 8);
	test_unit();
	expect_bad(6, 0x28, 0);
	test_unit();
	expect_good();
	packet((const uint8_t[12]){0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8}, 0, 8);
	expect_reply(data, 8);
	assert_int_equal(data[4], 0);
	packet((const uint8_t[12]){0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8}, 0, 8);
	expect_bad(5, 0x24, 0);
}

static void modes_and_features_are_told(void **state)
{
	static uint8_t data[256];
	unsigned n;

	(void)state;
	ready_cdrom();
	packet((const uint8_t[12]){0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128}, 0, 128);
	expect_reply(data, 28);
	assert_int_equal(data[1], 26);
	assert_int_equal(data[8], 0x2a);
	assert_int_equal(data[14] & 0x0b, 0x09);
	packet((const uint8_t[12]){0x5a, 0, 0x6a, 0, 0, 0, 0, 0, 128}, 0, 128);
	expect_reply(data, 28);
	assert_int_equal(data[14], 0); /* nothing can be changed */
	packet((const uint8_t[12]){0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 128}, 0, 128);
	expect_reply(data, 36);
	packet((const uint8_t[12]){0x5a, 0, 0xea, 0, 0, 0, 0, 0, 128}, 0, 128);
	expect_bad(5, 0x39, 0);
	packet((const uint8_t[12]){0x5a, 0, 0x05, 0, 0, 0, 0, 0, 128}, 0, 128);
	expect_bad(5, 0x24, 0);
	packet((const uint8_t[12]){0x46, 0, 0, 0, 0, 0, 0, 1, 0}, 0, 256);
	assert_int_equal(in(CD + STATUS, 1), 0x58);
	n = in(CD + ATA_LBA_MID, 1);
	read_data(CD, data, n);
	assert_int_equal(data[3], n - 4);
	assert_int_equal(data[7], 8); /* a CD-ROM is in it */
	for (unsigned i = 8; i < n; i += 4u + data[i + 3])
		assert_true(i + 4u + data[i + 3] <= n);
	expect_good();
	packet((const uint8_t[12]){0x46, 2, 0, 1, 0, 0, 0, 1, 0}, 0, 256);
	expect_reply(data, 16);
	assert_int_equal(data[9], 1);
	packet((const uint8_t[12]){0x46, 3, 0, 1, 0, 0, 0, 1, 0}, 0, 256);
	expect_bad(5, 0x24, 0);
	packet((const uint8_t[12]){0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8}, 0, 256);
	expect_reply(data, 8);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(is_the_ide_function_of_a_piix4),
	    TEST(channel_that_is_switched_off_does_not_answer),
	    TEST(unit_that_is_not_there_reads_zeros_and_does_nothing),
	    TEST(reset_leaves_signatures),
	    TEST(interrupt_is_withheld_by_nien_and_cleared_by_status),
	    TEST(disk_is_identified),
	    TEST(settings_show_in_identify),
	    TEST(what_there_is_not_is_aborted),
	    TEST(power_and_native_size),
	    TEST(registers_remember_what_was_written_before),
	    TEST(reads_by_pio_a_sector_at_a_time),
	    TEST(reads_blocks_by_words_of_four_bytes),
	    TEST(writes_by_pio),
	    TEST(addresses_by_cylinder_head_and_sector),
	    TEST(there_is_nothing_behind_the_end),
	    TEST(verifies),
	    TEST(reads_by_dma),
	    TEST(writes_by_dma_and_the_master_may_start_first),
	    TEST(dma_needs_the_right_to_master_the_bus),
	    TEST(table_that_is_too_long_leaves_the_master_active),
	    TEST(table_that_is_too_short_ends_without_an_interrupt),
	    TEST(tables_that_lead_nowhere_are_errors),
	    TEST(table_ends_where_64_kib_do),
	    TEST(tables_of_the_smallest_regions),
	    TEST(stopped_transfer_is_lost_until_a_reset),
	    TEST(reset_has_the_back_end_let_go),
	    TEST(error_in_reading_names_the_sector),
	    TEST(error_in_writing_is_a_fault),
	    TEST(without_a_write_cache_writes_are_synchronous),
	    TEST(made_up_requests_are_refused),
	    TEST(cdrom_is_identified),
	    TEST(attention_is_for_the_first_command_that_is_told),
	    TEST(answers_are_as_long_as_they_are_wanted),
	    TEST(capacity_and_contents_are_told),
	    TEST(reads_a_cd_by_pio),
	    TEST(reads_a_cd_by_dma),
	    TEST(cd_has_an_end_and_errors),
	    TEST(tray_opens_unless_it_is_locked),
	    TEST(modes_and_features_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
