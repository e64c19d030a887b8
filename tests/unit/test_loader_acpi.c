/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ACPI tables and the MP table, read as a kernel reads them: by their bytes, with offsets from
 * the specifications and not from the writer's structures. The AML is decoded by a small reader
 * that knows the terms in use and accepts nothing else; where Debian's iasl is installed, it has to
 * agree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/ports.h"
#include "loader/acpi.h"
#include "loader/mptable.h"

#define MIB 0x100000u

static uint8_t *ram;

static uint32_t get(uint32_t pa, unsigned bytes)
{
	uint32_t v = 0;

	assert_true(pa < MIB - 4);
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint32_t)ram[pa + i] << 8 * i;
	return v;
}

static uint8_t sum(uint32_t pa, uint32_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + ram[pa++]);
	return s;
}

static int setup(void **state)
{
	(void)state;
	ram = calloc(1, MIB);
	return ram == NULL;
}

static int teardown(void **state)
{
	(void)state;
	free(ram);
	return 0;
}

static void check_table(uint32_t pa, const char *signature)
{
	assert_memory_equal(ram + pa, signature, 4);
	assert_in_range(pa, ACPI_PA, ACPI_PA + ACPI_BYTES - 1);
	assert_in_range(pa + get(pa + 4, 4), ACPI_PA, ACPI_PA + ACPI_BYTES);
	assert_int_equal(sum(pa, get(pa + 4, 4)), 0);
}

/* The search of 5.2.5.1: the first paragraph of the BIOS area that is one. */
static uint32_t find_root(void)
{
	for (uint32_t pa = 0xe0000; pa < MIB; pa += 16)
		if (!memcmp(ram + pa, "RSD PTR ", 8) && sum(pa, 20) == 0)
			return pa;
	fail_msg("no root pointer");
	return 0;
}

/* By the XSDT, as kernels since 2.4 do, and the RSDT has to say the same. */
static uint32_t find_table(const char *signature)
{
	uint32_t root = find_root(), rsdt = get(root + 16, 4), xsdt = get(root + 24, 4);
	uint32_t n = (get(xsdt + 4, 4) - 36) / 8, found = 0;

	assert_int_equal(ram[root + 15], 2);
	assert_int_equal(get(root + 20, 4), 36);
	assert_int_equal(sum(root, 36), 0);
	assert_int_equal(get(root + 28, 4), 0);
	check_table(rsdt, "RSDT");
	check_table(xsdt, "XSDT");
	assert_int_equal((get(rsdt + 4, 4) - 36) / 4, n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t pa = get(xsdt + 36 + 8 * i, 4);

		assert_int_equal(get(xsdt + 40 + 8 * i, 4), 0);
		assert_int_equal(get(rsdt + 36 + 4 * i, 4), pa);
		if (!memcmp(ram + pa, signature, 4))
			found = pa;
	}
	if (found)
		check_table(found, signature);
	return found;
}

static void check_address(uint32_t pa, uint32_t port, unsigned bits)
{
	assert_int_equal(ram[pa], 1); /* system I/O */
	assert_int_equal(ram[pa + 1], bits);
	assert_int_equal(ram[pa + 2], 0);
	assert_int_equal(get(pa + 4, 4), port);
	assert_int_equal(get(pa + 8, 4), 0);
}

static void fadt_describes_the_fixed_hardware(void **state)
{
	uint32_t f, facs, flags;

	(void)state;
	acpi_write(ram, true);
	f = find_table("FACP");
	assert_int_equal(ram[f + 8], 3);
	assert_int_equal(get(f + 4, 4), 244);
	assert_int_equal(get(f + 46, 2), 9);     /* SCI */
	assert_int_equal(get(f + 48, 4), 0);     /* no SMI command port: ACPI mode always */
	assert_int_equal(get(f + 56, 4), 0x600); /* PM1a event */
	assert_int_equal(get(f + 64, 4), 0x604); /* PM1a control */
	assert_int_equal(get(f + 76, 4), 0x608); /* timer */
	assert_int_equal(ram[f + 88], 4);
	assert_int_equal(ram[f + 89], 2);
	assert_int_equal(ram[f + 91], 4);
	for (uint32_t at = 60; at <= 84; at += at == 60 ? 8 : at == 68 ? 4 : at == 72 ? 8 : 4)
		assert_int_equal(get(f + at, 4), 0);                /* PM1b, PM2, GPE */
	assert_true(get(f + 96, 2) > 100 && get(f + 98, 2) > 1000); /* neither C2 nor C3 */
	assert_int_equal(ram[f + 108], RTC_CENTURY);
	assert_int_equal(get(f + 109, 2) & 3, 3); /* legacy devices, 8042 */
	flags = get(f + 112, 4);
	assert_false(flags & 1u << 4); /* power button: fixed hardware */
	assert_true(flags & 1u << 5);  /* no sleep button there */
	assert_true(flags & 1u << 8);  /* 32-bit timer */
	assert_true(flags & 1u << 10); /* reset register */
	check_address(f + 116, 0xcf9, 8);
	assert_int_equal(ram[f + 128], 6);
	check_address(f + 148, 0x600, 32);
	check_address(f + 172, 0x604, 16);
	check_address(f + 208, 0x608, 32);
	check_table(get(f + 40, 4), "DSDT");
	assert_int_equal(get(f + 140, 4), get(f + 40, 4));
	facs = get(f + 36, 4);
	assert_memory_equal(ram + facs, "FACS", 4);
	assert_int_equal(facs % 64, 0);
	assert_int_equal(get(facs + 4, 4), 64);
}

/* The reset register's value, written where the FADT says, resets the machine. */
static void reset_register_resets(void **state)
{
	struct platform p = {0};
	uint32_t f;

	(void)state;
	acpi_write(ram, false);
	f = find_table("FACP");
	platform_reset(&p, 0, 64ull << 20, 0);
	platform_out(&p, (uint16_t)get(f + 120, 4), 1, ram[f + 128], 0);
	assert_int_equal(p.events, PLATFORM_RESET);
}

static void madt_has_one_processor_one_ioapic_and_the_overrides(void **state)
{
	unsigned seen[5] = {0};
	uint32_t m, end;

	(void)state;
	acpi_write(ram, true);
	m = find_table("APIC");
	assert_int_not_equal(m, 0);
	assert_int_equal(get(m + 36, 4), 0xfee00000);
	assert_int_equal(get(m + 40, 4), 1);
	end = m + get(m + 4, 4);
	for (uint32_t e = m + 44; e < end; e += ram[e + 1]) {
		static const uint8_t lengths[] = {8, 12, 10, 0, 6};

		assert_true(ram[e] < 5 && ram[e + 1] == lengths[ram[e]]);
		assert_true(e + ram[e + 1] <= end);
		seen[ram[e]]++;
		if (ram[e] == 0) {
			assert_int_equal(ram[e + 3], PLATFORM_LAPIC_ID);
			assert_int_equal(get(e + 4, 4), 1);
		} else if (ram[e] == 1) {
			assert_int_equal(ram[e + 2], PLATFORM_IOAPIC_ID);
			assert_int_equal(get(e + 4, 4), 0xfec00000);
			assert_int_equal(get(e + 8, 4), 0);
		} else if (ram[e] == 2) {
			assert_int_equal(get(e + 4, 4), ram[e + 3] ? ram[e + 3] : 2u);
			assert_int_equal(get(e + 8, 2), ram[e + 3] ? 0xd : 0);
			assert_true(ram[e + 3] == 0 || ram[e + 3] == 9);
		} else {
			assert_int_equal(ram[e + 5], 1);
		}
	}
	assert_int_equal(seen[0], 1);
	assert_int_equal(seen[1], 1);
	assert_int_equal(seen[2], 2);
	assert_int_equal(seen[4], 1);
}

static void without_apics_there_is_no_madt(void **state)
{
	(void)state;
	acpi_write(ram, false);
	assert_int_equal(find_table("APIC"), 0);
	assert_int_not_equal(find_table("FACP"), 0);
}

static void nothing_outside_of_the_place_is_written(void **state)
{
	(void)state;
	memset(ram, 0xa5, MIB);
	acpi_write(ram, true);
	for (uint32_t pa = 0; pa < MIB; pa++)
		if (pa < ACPI_PA || pa >= ACPI_PA + ACPI_BYTES)
			assert_int_equal(ram[pa], 0xa5);
}

/* ---- AML ---- */

struct aml {
	uint32_t at, end;
};

static uint8_t next(struct aml *a)
{
	assert_true(a->at < a->end);
	return ram[a->at++];
}

static void want(struct aml *a, uint8_t byte)
{
	assert_int_equal(next(a), byte);
}

/* 20.2.4: the length counts itself. */
static struct aml package(struct aml *a)
{
	uint32_t start = a->at;
	uint8_t lead = next(a);
	uint32_t n = lead >> 6 ? lead & 15u : lead & 63u;

	for (unsigned i = 0; i < lead >> 6; i++)
		n |= (uint32_t)next(a) << (4 + 8 * i);
	assert_true(start + n <= a->end);
	a->at = start + n;
	return (struct aml){.at = start + 1 + (lead >> 6), .end = start + n};
}

static bool is_name(struct aml *a, const char *name)
{
	if (a->end - a->at < 4 || memcmp(ram + a->at, name, 4))
		return false;
	a->at += 4;
	return true;
}

static uint32_t integer(struct aml *a)
{
	uint8_t op = next(a);
	uint32_t v;

	if (op <= 1)
		return op;
	if (op == 0x0a)
		return next(a);
	assert_int_equal(op, 0x0c);
	v = get(a->at, 4);
	a->at += 4;
	return v;
}

static void s5_is_the_type_the_hardware_takes(struct aml *a)
{
	struct aml p;

	want(a, 0x12);
	p = package(a);
	assert_int_equal(next(&p), 4);
	assert_int_equal(integer(&p), PM_S5_TYPE);
	assert_int_equal(integer(&p), PM_S5_TYPE);
	assert_int_equal(integer(&p), 0);
	assert_int_equal(integer(&p), 0);
	assert_int_equal(p.at, p.end);
}

struct device {
	char name[5];
	uint32_t hid;
	uint32_t ports[4][2], nports;
	uint32_t irq, nirqs, ranges;
};

static void resources(struct aml *a, struct device *d)
{
	struct aml b;
	uint32_t size;

	want(a, 0x11);
	b = package(a);
	size = integer(&b);
	assert_int_equal(size, b.end - b.at);
	while (b.end - b.at > 2) {
		uint32_t at = b.at;
		uint8_t tag = next(&b);

		switch (tag) {
		case 0x47: /* ports: one place only */
			assert_int_equal(get(at + 2, 2), get(at + 4, 2));
			assert_true(d->nports < 4);
			d->ports[d->nports][0] = get(at + 2, 2);
			d->ports[d->nports++][1] = ram[at + 7];
			b.at = at + 8;
			break;
		case 0x22:
			d->irq = (uint32_t)__builtin_ctz(get(at + 1, 2));
			assert_int_equal(get(at + 1, 2), 1u << d->irq);
			d->nirqs++;
			b.at = at + 3;
			break;
		case 0x88: /* 16-bit range: first + length = last + 1 */
			assert_int_equal(get(at + 1, 2), 13);
			assert_int_equal(get(at + 8, 2) + get(at + 14, 2), get(at + 10, 2) + 1);
			d->ranges++;
			b.at = at + 16;
			break;
		case 0x87:
			assert_int_equal(get(at + 1, 2), 23);
			assert_int_equal(get(at + 10, 4) + get(at + 22, 4), get(at + 14, 4) + 1);
			assert_true(get(at + 10, 4) >= 3u << 30);          /* behind all memory */
			assert_true(get(at + 14, 4) < PLATFORM_IOAPIC_PA); /* below the APICs */
			d->ranges++;
			b.at = at + 26;
			break;
		default:
			fail_msg("resource descriptor %02x", tag);
		}
	}
	want(&b, 0x79);
	want(&b, 0x00);
}

static struct device device(struct aml *a)
{
	struct device d = {.nports = 0};
	struct aml body;

	want(a, 0x5b);
	want(a, 0x82);
	body = package(a);
	memcpy(d.name, ram + body.at, 4);
	body.at += 4;
	while (body.at < body.end) {
		want(&body, 0x08);
		if (is_name(&body, "_HID"))
			d.hid = integer(&body);
		else if (is_name(&body, "_CRS"))
			resources(&body, &d);
		else if (is_name(&body, "_ADR") || is_name(&body, "_BBN") || is_name(&body, "_UID"))
			(void)integer(&body);
		else
			fail_msg("a name that is not expected");
	}
	return d;
}

/* An EISA identifier in AML: "PNP" and four digits */
static uint32_t pnp(uint32_t number)
{
	return 0x41u | 0xd0u << 8 | (number >> 8) << 16 | (number & 0xff) << 24;
}

static void dsdt_names_the_machines_devices(void **state)
{
	static const struct {
		uint32_t number, irq, nirqs;
		uint32_t ports[4];
	} expected[] = {
	    {0x0a03, 0, 0, {0xcf8}}, {0x0501, 4, 1, {0x3f8}},
	    {0x0b00, 8, 1, {0x70}},  {0x0303, 1, 1, {0x60, 0x64}},
	    {0x0100, 0, 1, {0x40}},  {0x0000, 2, 1, {0x20, 0xa0, 0x4d0}},
	};
	unsigned found = 0, s5 = 0;
	struct aml a, sb;
	uint32_t dsdt;

	(void)state;
	acpi_write(ram, true);
	dsdt = get(find_table("FACP") + 40, 4);
	a = (struct aml){dsdt + 36, dsdt + get(dsdt + 4, 4)};
	want(&a, 0x08);
	assert_true(is_name(&a, "_S5_"));
	s5_is_the_type_the_hardware_takes(&a);
	s5++;
	want(&a, 0x10);
	sb = package(&a);
	assert_int_equal(a.at, a.end);
	assert_true(is_name(&sb, "_SB_"));
	while (sb.at < sb.end) {
		struct device d = device(&sb);
		unsigned i = 0;

		while (i < 6 && d.hid != pnp(expected[i].number))
			i++;
		assert_true(i < 6);
		found |= 1u << i;
		assert_int_equal(d.nirqs, expected[i].nirqs);
		assert_int_equal(d.irq, expected[i].irq);
		assert_int_equal(d.ranges, i == 0 ? 4 : 0);
		for (unsigned n = 0; n < 4; n++)
			assert_int_equal(d.ports[n][0], expected[i].ports[n]);
	}
	assert_int_equal(found, 0x3f);
	assert_int_equal(s5, 1);
}

/* An independent reader: it must understand the DSDT whole, and find in it what is there. */
static void iasl_disassembles_the_dsdt(void **state)
{
	static const char *const wanted[] = {"Name (_S5", "EisaId (\"PNP0A03\")", "WordBusNumber (",
	                                     "IRQNoFlags ()"};
	char directory[] = "/tmp/ring1-acpi.XXXXXX", path[64], command[200], text[65536];
	uint32_t dsdt;
	size_t n;
	FILE *f;

	(void)state;
	if (system("command -v iasl >/dev/null 2>&1") != 0)
		skip();
	acpi_write(ram, true);
	dsdt = get(find_table("FACP") + 40, 4);
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/dsdt.aml", directory);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(ram + dsdt, 1, get(dsdt + 4, 4), f), get(dsdt + 4, 4));
	fclose(f);
	snprintf(command, sizeof command, "cd %s && iasl -d dsdt.aml >log 2>&1 && cat log dsdt.dsl",
	         directory);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof text - 1, f);
	text[n] = 0;
	assert_int_equal(pclose(f), 0);
	snprintf(command, sizeof command, "rm -r %s", directory);
	assert_int_equal(system(command), 0);
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		assert_non_null(strstr(text, wanted[i]));
	assert_null(strstr(text, "Error"));
	assert_null(strstr(text, "Warning"));
}

/* ---- the MP table ---- */

static uint32_t mp_table(bool apic)
{
	memset(ram, 0, MIB);
	mptable_write(ram, apic);
	assert_memory_equal(ram + MPTABLE_PA, "_MP_", 4);
	assert_int_equal(sum(MPTABLE_PA, 16), 0);
	assert_int_equal(get(MPTABLE_PA + 4, 4), MPTABLE_PA + 16);
	assert_memory_equal(ram + MPTABLE_PA + 16, "PCMP", 4);
	assert_int_equal(sum(MPTABLE_PA + 16, get(MPTABLE_PA + 20, 2)), 0);
	assert_in_range(MPTABLE_PA + 16 + get(MPTABLE_PA + 20, 2), 0, 0x400);
	return MPTABLE_PA + 16;
}

static void mp_table_routes_every_interrupt(void **state)
{
	uint32_t t = mp_table(true), e = t + 44, routed = 0, local = 0, slots = 0, ids = 0;
	unsigned isa = 99, pci = 99;
	unsigned counts[5] = {0};

	(void)state;
	for (uint32_t i = 0; i < get(t + 34, 2); i++) {
		uint8_t type = ram[e];

		assert_true(type < 5);
		counts[type]++;
		if (type == 2) {
			assert_int_equal(ram[e + 1], PLATFORM_IOAPIC_ID);
			assert_int_equal(get(e + 4, 4), PLATFORM_IOAPIC_PA);
		} else if (type == 1) {
			ids |= 1u << ram[e + 1];
			if (!memcmp(ram + e + 2, "PCI   ", 6))
				pci = ram[e + 1];
			if (!memcmp(ram + e + 2, "ISA   ", 6))
				isa = ram[e + 1];
		} else if (type == 3 && ram[e + 4] == isa) {
			assert_int_equal(ram[e + 1], 0);
			assert_int_equal(ram[e + 6], PLATFORM_IOAPIC_ID);
			assert_int_equal(ram[e + 7], ram[e + 5] ? ram[e + 5] : 2);
			routed |= 1u << ram[e + 5];
		} else if (type == 3) {
			unsigned slot = ram[e + 5] >> 2;

			assert_int_equal(ram[e + 4], pci);
			assert_int_equal(ram[e + 1], 0);
			assert_int_equal(get(e + 2, 2), 0); /* as the bus has it: level */
			assert_int_equal(ram[e + 5] & 3, 0);
			assert_int_equal(ram[e + 7], pci_irq(slot, 1));
			slots |= 1u << slot;
		} else if (type == 4) {
			local |= (ram[e + 1] == 3 && ram[e + 7] == 0) ? 1 : 0;
			local |= (ram[e + 1] == 1 && ram[e + 7] == 1) ? 2 : 0;
		}
		e += type == 0 ? 20 : 8;
	}
	assert_int_equal(e, t + get(t + 4, 2));
	assert_int_equal(counts[0], 1);
	assert_int_equal(counts[1], 2);
	assert_int_equal(pci, 0); /* the number in configuration addresses */
	assert_int_equal(ids, 3);
	assert_int_equal(counts[2], 1);
	assert_int_equal(routed, 0xfffb & ~PCI_IRQS); /* but the cascade */
	assert_int_equal(slots, 0xfffffffe);
	assert_int_equal(local, 3); /* LINT0: ExtINT, LINT1: NMI */
}

static void mp_table_without_apics_has_no_ioapic(void **state)
{
	uint32_t t = mp_table(false);

	(void)state;
	assert_int_equal(get(t + 34, 2), 4);
	assert_int_equal(ram[t + 44], 0);
	assert_int_equal(ram[t + 64], 1);
	assert_int_equal(ram[t + 72], 1);
	assert_int_equal(ram[t + 80], 3);
	assert_int_equal(ram[t + 81], 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(fadt_describes_the_fixed_hardware),
	    TEST(reset_register_resets),
	    TEST(madt_has_one_processor_one_ioapic_and_the_overrides),
	    TEST(without_apics_there_is_no_madt),
	    TEST(nothing_outside_of_the_place_is_written),
	    TEST(dsdt_names_the_machines_devices),
	    TEST(iasl_disassembles_the_dsdt),
	    TEST(mp_table_routes_every_interrupt),
	    TEST(mp_table_without_apics_has_no_ioapic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
