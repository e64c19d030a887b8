/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets of gdb's remote serial protocol (gdb manual, appendix "Remote Protocol", Overview):
 * finding them in a stream of bytes that anybody may have sent, and making them.
 */
#ifndef MAIN_GDB_PACKET_H
#define MAIN_GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GDB_PACKET_MAX 16384 /* bytes of a packet's content, either way */

enum gdb_event {
	GDB_NOTHING,   /* more bytes are needed */
	GDB_PACKET,    /* content is in packet[0, n), escapes undone, with a zero behind it */
	GDB_BAD,       /* a packet whose checksum is wrong, or that is too long: ask for it again */
	GDB_INTERRUPT, /* Ctrl-C */
	GDB_AGAIN,     /* the other side wants the last packet again */
};

struct gdb_parser {
	enum { GDB_BETWEEN, GDB_CONTENT, GDB_ESCAPED, GDB_SUM1, GDB_SUM2 } at;
	uint8_t sum, told;
	bool too_long;
	size_t n;
	char packet[GDB_PACKET_MAX + 1];
};

/** gdb_parse - take one byte; the parser starts all zero */
enum gdb_event gdb_parse(struct gdb_parser *p, uint8_t byte);

/** gdb_frame - "$content#sum": @to has room for n + 4 bytes, content needs no escapes */
size_t gdb_frame(char *to, const char *content, size_t n);

/**
 * gdb_hex - a hexadecimal number
 * @at: moved behind it
 *
 * False: there is no digit, or the number needs more than 32 bits.
 */
bool gdb_hex(const char **at, uint32_t *value);

/* gdb_to_hex, gdb_from_hex - bytes and pairs of digits; from_hex: false for what is none, or has
 * not 2 * n digits */
void gdb_to_hex(char *to, const void *bytes, size_t n);
bool gdb_from_hex(void *to, const char *digits, size_t n);

#endif
