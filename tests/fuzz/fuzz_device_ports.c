/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hostile guest against the register models: the state is filled with the input's bytes, then
 * the rest of the input is port accesses, line events and leaps of time, and rewrites of the
 * state in between. Nothing may leave struct platform (ASan: it is a heap block of its exact
 * size), be undefined (UBSan) or fail to end.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "devices/ports.h"

#define STEP_BYTES 8
#define MAX_STEPS  4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint16_t ports[] = {
    0x20,  0x21,  0xa0,  0xa1,  0x4d0, 0x4d1, 0x40,  0x41,  0x42,  0x43,   0x61,
    0x60,  0x64,  0x70,  0x71,  0x80,  0x92,  0x3f8, 0x3f9, 0x3fa, 0x3fb,  0x3fc,
    0x3fd, 0x3fe, 0x3ff, 0xcf8, 0xcf9, 0xcfb, 0xcfc, 0xcfd, 0xcff, 0xffff,
};

static uint64_t load(const uint8_t *from, size_t bytes)
{
	uint64_t value = 0;

	memcpy(&value, from, bytes);
	return value;
}

/* What main and the core do besides port accesses. */
static void service(struct platform *platform, uint8_t what, uint8_t byte, uint64_t now)
{
	switch (what & 7) {
	case 0:
		platform_update_irqs(platform, now);
		break;
	case 1:
		(void)platform_next_deadline(platform, now);
		break;
	case 2:
		(void)pic_acknowledge(&platform->pic);
		break;
	case 3:
		(void)uart_transmit(&platform->uart, &byte);
		break;
	case 4:
		(void)uart_receive(&platform->uart, byte, now);
		break;
	case 5:
		(void)uart_receive_break(&platform->uart, now);
		break;
	case 6:
		pic_set_irq(&platform->pic, byte & 31, byte & 32);
		break;
	default:
		((uint8_t *)platform)[(byte * 257u + what) % sizeof(*platform)] = byte;
		break;
	}
}

/* Steps: kind and size, port, leap of time (as a power of two), two spare bytes, value. */
static uint64_t step(struct platform *platform, const uint8_t *s, uint64_t now)
{
	static const uint8_t sizes[] = {1, 2, 4, 3};
	uint16_t port = ports[s[1] % (sizeof(ports) / sizeof(ports[0]))];
	unsigned size = sizes[s[0] >> 6];

	now += (uint64_t)s[3] << (s[2] & 63);
	switch (s[0] & 3) {
	case 0:
		(void)platform_in(platform, port, size, now);
		break;
	case 3:
		service(platform, s[0] >> 2, s[4], now);
		break;
	default:
		platform_out(platform, port, size, (uint32_t)load(s + 4, 4), now);
		break;
	}
	return now;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct platform *platform = calloc(1, sizeof(*platform));
	size_t filled = size < sizeof(*platform) ? size : sizeof(*platform);
	uint64_t now = size >= 8 ? load(data, 8) : 0;

	if (!platform)
		return 0;
	/* half of the inputs start from a sane machine, so that deep states are reached too */
	platform_reset(platform, (int64_t)(now << 1), now, now >> 1);
	if (size && (data[size - 1] & 1)) {
		memcpy(platform, data, filled);
		data += filled;
		size -= filled;
	}
	for (unsigned n = 0; n < MAX_STEPS && size >= STEP_BYTES; n++) {
		now = step(platform, data, now);
		data += STEP_BYTES;
		size -= STEP_BYTES;
	}
	platform_update_irqs(platform, now);
	(void)platform_next_deadline(platform, now);
	free(platform);
	return 0;
}
