// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/gdb_packet.h"

#include <string.h>

#define CTRL_C 3
#define ESCAPE '}'
#define FLIP   0x20

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static void add(struct gdb_parser *p, char c)
{
	if (p->n < GDB_PACKET_MAX)
		p->packet[p->n++] = c;
	else
		p->too_long = true;
}

static void begin(struct gdb_parser *p)
{
	p->at = GDB_CONTENT;
	p->n = 0;
	p->sum = 0;
	p->too_long = false;
}

static enum gdb_event finish(struct gdb_parser *p, bool sum_is_right)
{
	p->at = GDB_BETWEEN;
	p->packet[p->n] = 0;
	return sum_is_right && !p->too_long ? GDB_PACKET : GDB_BAD;
}

enum gdb_event gdb_parse(struct gdb_parser *p, uint8_t byte)
{
	char c = (char)byte;

	switch (p->at) {
	case GDB_BETWEEN:
		if (c == '$')
			begin(p);
		return byte == CTRL_C ? GDB_INTERRUPT : c == '-' ? GDB_AGAIN : GDB_NOTHING;
	case GDB_CONTENT:
		if (c == '#') {
			p->at = GDB_SUM1;
			return GDB_NOTHING;
		}
		if (c == '$') { /* the end of the last one was lost */
			begin(p);
			return GDB_NOTHING;
		}
		p->sum += byte;
		if (c == ESCAPE)
			p->at = GDB_ESCAPED;
		else
			add(p, c);
		return GDB_NOTHING;
	case GDB_ESCAPED:
		p->sum += byte;
		add(p, (char)(byte ^ FLIP));
		p->at = GDB_CONTENT;
		return GDB_NOTHING;
	case GDB_SUM1:
		if (digit(c) < 0)
			return finish(p, false);
		p->told = (uint8_t)(digit(c) << 4);
		p->at = GDB_SUM2;
		return GDB_NOTHING;
	default:
		return finish(p, digit(c) >= 0 && (p->told | digit(c)) == p->sum);
	}
}

size_t gdb_frame(char *to, const char *content, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (uint8_t)content[i];
	to[0] = '$';
	memcpy(to + 1, content, n);
	to[n + 1] = '#';
	to[n + 2] = digits[sum >> 4];
	to[n + 3] = digits[sum & 15];
	return n + 4;
}

bool gdb_hex(const char **at, uint32_t *value)
{
	const char *p = *at;

	*value = 0;
	for (; digit(*p) >= 0; p++) {
		if (*value >> 28)
			return false;
		*value = *value << 4 | (uint32_t)digit(*p);
	}
	if (p == *at)
		return false;
	*at = p;
	return true;
}

void gdb_to_hex(char *to, const void *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *from = bytes;

	for (size_t i = 0; i < n; i++) {
		*to++ = digits[from[i] >> 4];
		*to++ = digits[from[i] & 15];
	}
	*to = 0;
}

bool gdb_from_hex(void *to, const char *digits, size_t n)
{
	uint8_t *bytes = to;

	if (strlen(digits) < 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = digit(digits[2 * i]), low = digit(digits[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}
