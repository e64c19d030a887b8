/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages of 9P2000.L, taken apart and put together: numbers are little-endian, a string is its
 * length in two bytes and as many bytes (Plan 9 manual, section 5, intro; the Linux dialect:
 * include/net/9p/9p.h).
 *
 * A message is hostile. It is in memory of this process; a reader never looks behind its end, and
 * once something was missing everything behind it is zero and `bad` says so.
 */
#ifndef BACKENDS_P9_MESSAGE_H
#define BACKENDS_P9_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	P9_RLERROR = 7,
	P9_TSTATFS = 8,
	P9_TLOPEN = 12,
	P9_TLCREATE = 14,
	P9_TSYMLINK = 16,
	P9_TMKNOD = 18,
	P9_TRENAME = 20,
	P9_TREADLINK = 22,
	P9_TGETATTR = 24,
	P9_TSETATTR = 26,
	P9_TXATTRWALK = 30,
	P9_TXATTRCREATE = 32,
	P9_TREADDIR = 40,
	P9_TFSYNC = 50,
	P9_TLOCK = 52,
	P9_TGETLOCK = 54,
	P9_TLINK = 70,
	P9_TMKDIR = 72,
	P9_TRENAMEAT = 74,
	P9_TUNLINKAT = 76,
	P9_TVERSION = 100,
	P9_TAUTH = 102,
	P9_TATTACH = 104,
	P9_TFLUSH = 108,
	P9_TWALK = 110,
	P9_TREAD = 116,
	P9_TWRITE = 118,
	P9_TCLUNK = 120,
	P9_TREMOVE = 122,
};

#define P9_HEADER 7u /* bytes: size[4] type[1] tag[2] */

#define P9_QID_DIRECTORY 0x80u
#define P9_QID_SYMLINK   0x02u
#define P9_QID_FILE      0x00u

struct p9_qid {
	uint8_t type;
	uint32_t version;
	uint64_t path;
};

struct p9_reader {
	const uint8_t *at, *end;
	bool bad; /* the message ended too early, or a string was no string */
};

uint8_t p9_get8(struct p9_reader *r);
uint16_t p9_get16(struct p9_reader *r);
uint32_t p9_get32(struct p9_reader *r);
uint64_t p9_get64(struct p9_reader *r);

/**
 * p9_get_string - a string, with a NUL behind it
 * @room: bytes at @to
 *
 * False: it is longer; then @to is empty, and the reader behind it. One with a NUL in it is bad.
 */
bool p9_get_string(struct p9_reader *r, char *to, size_t room);

struct p9_writer {
	uint8_t *at, *end;
	bool full; /* something had no room, and was left out */
};

void p9_put8(struct p9_writer *w, uint8_t value);
void p9_put16(struct p9_writer *w, uint16_t value);
void p9_put32(struct p9_writer *w, uint32_t value);
void p9_put64(struct p9_writer *w, uint64_t value);
void p9_put_string(struct p9_writer *w, const char *text, size_t n);
void p9_put_qid(struct p9_writer *w, const struct p9_qid *qid);

/** p9_is_name - is it the name of an entry of a directory: no path, not "." or ".."? */
bool p9_is_name(const char *text);

#endif
