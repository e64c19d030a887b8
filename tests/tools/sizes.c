// SPDX-License-Identifier: GPL-2.0-or-later
/* Prints a header with the places in a cell's memory that the hostile guest program aims at. */
#include "ring1/machine.h"

#include <stddef.h>
#include <stdio.h>

#define PRINT(name, value) printf("#define %s 0x%llxull\n", name, (unsigned long long)(value))

int main(void)
{
	PRINT("MACHINE_SIZE", ROUND_PAGE(sizeof(struct machine)));
	PRINT("CELL_SIZE", ROUND_PAGE(sizeof(struct cell)));
	PRINT("TALK_START", offsetof(struct machine, inbox));
	PRINT("TALK_END", offsetof(struct machine, panicked));
	PRINT("RINGS_START", offsetof(struct machine, console_out));
	PRINT("LOG_RING", offsetof(struct machine, log));
	PRINT("DOORBELL", offsetof(struct machine, doorbell));
	PRINT("MAIN_WAITS", offsetof(struct machine, main_waits));
	PRINT("STOP", offsetof(struct machine, stop));
	PRINT("STOP_SIZE", sizeof(struct stop));
	PRINT("SLOTS_START", offsetof(struct machine, cell));
	PRINT("SLOTS_END", offsetof(struct machine, platform));
	return 0;
}
