/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_TEST_DEVICE_PIC_SET_UP_H
#define TESTS_UNIT_TEST_DEVICE_PIC_SET_UP_H

#include "devices/ports.h"

/* The 8259A pair as Linux's init_8259A has it, vectors 0x30 to 0x3f, with nothing masked. */
static inline void set_up_pic(struct platform *platform, uint64_t now)
{
	static const uint8_t master[] = {0x30, 0x04, 0x01, 0x00},
	                     slave[] = {0x38, 0x02, 0x01, 0x00};

	platform_out(platform, 0x20, 1, 0x11, now);
	platform_out(platform, 0xa0, 1, 0x11, now);
	for (unsigned i = 0; i < 4; i++) {
		platform_out(platform, 0x21, 1, master[i], now);
		platform_out(platform, 0xa1, 1, slave[i], now);
	}
}

#endif
