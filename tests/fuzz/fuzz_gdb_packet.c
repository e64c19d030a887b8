/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A peer of the debugger's socket that sends anything: packets that are found have the right
 * checksum and fit, and what is framed is found again.
 */
#include "main/gdb_packet.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void promise(bool kept)
{
	if (!kept)
		__builtin_trap();
}

static void check_numbers(const char *text)
{
	uint8_t bytes[64];
	char digits[2 * sizeof bytes + 1];
	const char *at = text;
	uint32_t value;
	size_t n = strlen(text) / 2;

	if (gdb_hex(&at, &value))
		promise(at > text && at <= text + strlen(text));
	else
		promise(at == text);
	if (n > sizeof bytes)
		n = sizeof bytes;
	if (!gdb_from_hex(bytes, text, n))
		return;
	gdb_to_hex(digits, bytes, n);
	promise(!strncasecmp(digits, text, 2 * n));
}

/* What gdb_frame() makes of it, when it needs no escapes, comes out again. */
static void check_round(const struct gdb_parser *found)
{
	static char frame[GDB_PACKET_MAX + 4];
	static struct gdb_parser again;
	size_t n;

	for (size_t i = 0; i < found->n; i++)
		if (strchr("#$}", found->packet[i]))
			return;
	again = (struct gdb_parser){0};
	n = gdb_frame(frame, found->packet, found->n);
	for (size_t i = 0; i < n; i++)
		promise(gdb_parse(&again, (uint8_t)frame[i]) ==
		        (i == n - 1 ? GDB_PACKET : GDB_NOTHING));
	promise(again.n == found->n && !memcmp(again.packet, found->packet, found->n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gdb_parser *p = calloc(1, sizeof *p);

	for (size_t i = 0; i < size; i++) {
		if (gdb_parse(p, data[i]) != GDB_PACKET)
			continue;
		promise(p->n <= GDB_PACKET_MAX && !p->packet[p->n]);
		check_numbers(p->packet);
		check_round(p);
	}
	free(p);
	return 0;
}
