// SPDX-License-Identifier: GPL-2.0-or-later
#include "cell/host.h"
#include "cell/syscall.h"

#include "core/core.h"

#include <asm/ldt.h>
#include <asm/unistd.h>
#include <linux/futex.h>
#include <linux/ioctl.h>
#include <linux/mman.h>
#include <linux/time_types.h>
#include <linux/userfaultfd.h>

static bool map(uint32_t va, uint32_t n, long prot, long fd, uint64_t offset)
{
	COUNT(host_mmap);
	return host_call(__NR_mmap, va, n, prot, MAP_SHARED | MAP_FIXED, fd, (long)offset) == va;
}

static long protection_of(struct host_rights rights)
{
	return PROT_READ | (rights.write ? PROT_WRITE : 0) | (rights.execute ? PROT_EXEC : 0);
}

bool host_map_ram(uint32_t va, uint32_t n, uint64_t pa, struct host_rights rights)
{
	return map(va, n, protection_of(rights), CELL_FD_RAM, pa);
}

bool host_map_void(uint32_t va)
{
	return map(va, PAGE_SIZE, PROT_READ | PROT_WRITE, CELL_FD_STATE,
	           STATE_MACHINE + offsetof(struct machine, void_page));
}

bool host_unmap(uint32_t va, uint32_t n)
{
	COUNT(host_munmap);
	return host_call(__NR_munmap, va, n, 0, 0, 0, 0) == 0;
}

bool host_protect(uint32_t va, uint32_t n, struct host_rights rights)
{
	COUNT(host_mprotect);
	return host_call(__NR_mprotect, va, n, protection_of(rights), 0, 0, 0) == 0;
}

bool host_window(uint32_t va, uint32_t n)
{
	struct uffdio_register r = {.range = {.start = va, .len = n},
	                            .mode =
	                                UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR};

	COUNT(host_ioctl);
	return host_call(__NR_ioctl, CELL_FD_UFFD, UFFDIO_REGISTER, (long)&r, 0, 0, 0) == 0;
}

bool host_window_page(uint32_t va)
{
	struct uffdio_continue c = {.range = {.start = va, .len = PAGE_SIZE}};

	COUNT(host_ioctl);
	return host_call(__NR_ioctl, CELL_FD_UFFD, UFFDIO_CONTINUE, (long)&c, 0, 0, 0) == 0;
}

bool host_hide(uint32_t va, uint32_t n)
{
	COUNT(host_mprotect);
	return host_call(__NR_mprotect, va, n, PROT_NONE, 0, 0, 0) == 0;
}

bool host_write_ldt(uint32_t slot, uint32_t lo, uint32_t hi)
{
	struct user_desc d = {
	    .entry_number = slot,
	    .base_addr = (lo >> 16) | (hi & 0xff) << 16 | (hi & 0xff000000u),
	    .limit = (lo & 0xffff) | (hi & 0xf0000u),
	    .seg_32bit = hi >> 22 & 1,
	    .contents = hi >> 10 & 3,
	    .read_exec_only = !(hi >> 9 & 1),
	    .limit_in_pages = hi >> 23 & 1,
	    .seg_not_present = !(hi >> 15 & 1),
	    .useable = hi >> 20 & 1,
	};

	/* An all-zero descriptor clears the entry only in this form (arch/x86/kernel/ldt.c). */
	if (!lo && !hi) {
		d.read_exec_only = 1;
		d.seg_not_present = 1;
	}
	COUNT(host_modify_ldt);
	return host_call(__NR_modify_ldt, 0x11, (long)&d, sizeof d, 0, 0, 0) == 0;
}

void host_futex_wait(uint32_t *word, uint32_t value, uint64_t deadline)
{
	struct __kernel_timespec t = {.tv_sec = (int64_t)(deadline / 1000000000u),
	                              .tv_nsec = (int64_t)(deadline % 1000000000u)};

	COUNT(host_futex);
	host_call(__NR_futex, (long)word, FUTEX_WAIT_BITSET, value,
	          deadline == UINT64_MAX ? 0 : (long)&t, 0, FUTEX_BITSET_MATCH_ANY);
}

void host_futex_wake(uint32_t *word)
{
	COUNT(host_futex);
	host_call(__NR_futex, (long)word, FUTEX_WAKE, 1, 0, 0, 0);
}

void host_exit(int status)
{
	for (;;)
		host_call(__NR_exit_group, status, 0, 0, 0, 0, 0);
}
