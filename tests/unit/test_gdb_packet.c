/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets of gdb's protocol: found in a stream, refused when they are damaged, and made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "main/gdb_packet.h"

static struct gdb_parser parser;

/* The events of a text, a letter each. */
static const char *events(const char *text, size_t n)
{
	static char seen[64];
	size_t count = 0;

	parser = (struct gdb_parser){0};
	for (size_t i = 0; i < n && count < sizeof seen - 1; i++) {
		enum gdb_event e = gdb_parse(&parser, (uint8_t)text[i]);

		if (e != GDB_NOTHING)
			seen[count++] = ".PBIA"[e];
	}
	seen[count] = 0;
	return seen;
}

#define assert_events(text, expected) assert_string_equal(events(text, sizeof(text) - 1), expected)

static void packets_are_found(void **state)
{
	(void)state;
	assert_events("$g#67", "P");
	assert_string_equal(parser.packet, "g");
	assert_events("+$g#67+$?#3f", "PP");
	assert_string_equal(parser.packet, "?");
	assert_events("noise$g#67", "P");
	assert_events("$#00", "P");
	assert_int_equal(parser.n, 0);
	assert_events("$half$g#67", "P");
	assert_string_equal(parser.packet, "g");
}

static void escapes_are_undone(void **state)
{
	(void)state;
	assert_events("$X}\x03}\x04}]#33", "P");
	assert_int_equal(parser.n, 4);
	assert_memory_equal(parser.packet, "X#$}", 4);
}

static void damage_is_seen(void **state)
{
	(void)state;
	assert_events("$g#68", "B");
	assert_events("$g#6x", "B");
	assert_events("$g#x", "B");
	assert_events("$g#68$g#67", "BP");
}

static void other_signs_are_told(void **state)
{
	(void)state;
	assert_events("\x03", "I");
	assert_events("-", "A");
	assert_events("$\x03#03", "P"); /* inside of a packet it is content */
}

static void length_is_bounded(void **state)
{
	static char text[GDB_PACKET_MAX + 8];
	uint8_t sum = 0;

	(void)state;
	text[0] = '$';
	memset(text + 1, 'a', GDB_PACKET_MAX + 1);
	for (int i = 0; i < GDB_PACKET_MAX; i++)
		sum += 'a';
	text[GDB_PACKET_MAX + 1] = '#';
	gdb_to_hex(text + GDB_PACKET_MAX + 2, &sum, 1);
	assert_string_equal(events(text, GDB_PACKET_MAX + 4), "P");
	assert_int_equal(parser.n, GDB_PACKET_MAX);
	text[GDB_PACKET_MAX + 1] = 'a';
	text[GDB_PACKET_MAX + 2] = '#';
	sum += 'a';
	gdb_to_hex(text + GDB_PACKET_MAX + 3, &sum, 1);
	assert_string_equal(events(text, GDB_PACKET_MAX + 5), "B");
}

static void frames_are_packets(void **state)
{
	char frame[32];
	size_t n = gdb_frame(frame, "T05thread:1;", 12);

	(void)state;
	assert_string_equal(events(frame, n), "P");
	assert_string_equal(parser.packet, "T05thread:1;");
}

static void numbers_are_bounded(void **state)
{
	const char *at = "c0de,10";
	uint32_t n;

	(void)state;
	assert_true(gdb_hex(&at, &n) && n == 0xc0de && *at == ',');
	at = "ffffffff";
	assert_true(gdb_hex(&at, &n) && n == 0xffffffff);
	at = "100000000";
	assert_false(gdb_hex(&at, &n));
	at = "";
	assert_false(gdb_hex(&at, &n));
	at = "xyz";
	assert_false(gdb_hex(&at, &n));
}

static void bytes_are_digits(void **state)
{
	uint8_t bytes[3];
	char digits[7];

	(void)state;
	assert_true(gdb_from_hex(bytes, "00fFa5", 3));
	assert_memory_equal(bytes, "\x00\xff\xa5", 3);
	gdb_to_hex(digits, bytes, 3);
	assert_string_equal(digits, "00ffa5");
	assert_false(gdb_from_hex(bytes, "00ff", 3));
	assert_false(gdb_from_hex(bytes, "0g", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(packets_are_found),   cmocka_unit_test(escapes_are_undone),
	    cmocka_unit_test(damage_is_seen),      cmocka_unit_test(other_signs_are_told),
	    cmocka_unit_test(length_is_bounded),   cmocka_unit_test(frames_are_packets),
	    cmocka_unit_test(numbers_are_bounded), cmocka_unit_test(bytes_are_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
