// SPDX-License-Identifier: GPL-2.0-or-later
#include "backends/p9_message.h"

#include <string.h>

static uint64_t get(struct p9_reader *r, unsigned bytes)
{
	uint64_t value = 0;

	if (r->bad || (size_t)(r->end - r->at) < bytes) {
		r->bad = true;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)r->at[i] << 8 * i;
	r->at += bytes;
	return value;
}

uint8_t p9_get8(struct p9_reader *r)
{
	return (uint8_t)get(r, 1);
}

uint16_t p9_get16(struct p9_reader *r)
{
	return (uint16_t)get(r, 2);
}

uint32_t p9_get32(struct p9_reader *r)
{
	return (uint32_t)get(r, 4);
}

uint64_t p9_get64(struct p9_reader *r)
{
	return get(r, 8);
}

bool p9_get_string(struct p9_reader *r, char *to, size_t room)
{
	size_t n = p9_get16(r);

	*to = 0;
	if (r->bad || (size_t)(r->end - r->at) < n || memchr(r->at, 0, n)) {
		r->bad = true;
		return false;
	}
	r->at += n;
	if (n >= room)
		return false;
	memcpy(to, r->at - n, n);
	to[n] = 0;
	return true;
}

static void put(struct p9_writer *w, uint64_t value, unsigned bytes)
{
	if (w->full || (size_t)(w->end - w->at) < bytes) {
		w->full = true;
		return;
	}
	for (unsigned i = 0; i < bytes; i++)
		*w->at++ = (uint8_t)(value >> 8 * i);
}

void p9_put8(struct p9_writer *w, uint8_t value)
{
	put(w, value, 1);
}

void p9_put16(struct p9_writer *w, uint16_t value)
{
	put(w, value, 2);
}

void p9_put32(struct p9_writer *w, uint32_t value)
{
	put(w, value, 4);
}

void p9_put64(struct p9_writer *w, uint64_t value)
{
	put(w, value, 8);
}

void p9_put_string(struct p9_writer *w, const char *text, size_t n)
{
	if (w->full || n > UINT16_MAX || (size_t)(w->end - w->at) < n + 2) {
		w->full = true;
		return;
	}
	p9_put16(w, (uint16_t)n);
	memcpy(w->at, text, n);
	w->at += n;
}

void p9_put_qid(struct p9_writer *w, const struct p9_qid *qid)
{
	p9_put8(w, qid->type);
	p9_put32(w, qid->version);
	p9_put64(w, qid->path);
}

bool p9_is_name(const char *text)
{
	return *text && strcmp(text, ".") && strcmp(text, "..") && !strchr(text, '/');
}
