/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's memory as a debugger is to see it: with its kernel's own instructions. */
#ifndef MAIN_GDB_MEMORY_H
#define MAIN_GDB_MEMORY_H

#include "main/vm.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * gdb_read_memory - copy guest-virtual memory of the address space that is loaded
 *
 * Where the annotator has put a jump or a trap that is still there, what the kernel had is shown.
 * False: not all of it is there.
 */
bool gdb_read_memory(const struct vm *vm, uint32_t va, uint8_t *to, uint32_t n);

/** gdb_write_memory - write it, whatever its protection, and whatever the annotator put there */
bool gdb_write_memory(const struct vm *vm, uint32_t va, const uint8_t *from, uint32_t n);

#endif
