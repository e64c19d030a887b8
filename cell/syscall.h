/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bare system call of x86-64 (System V ABI, A.2.1). */
#ifndef CELL_SYSCALL_H
#define CELL_SYSCALL_H

static inline long host_call(long nr, long a0, long a1, long a2, long a3, long a4, long a5)
{
	register long r10 __asm__("r10") = a3;
	register long r8 __asm__("r8") = a4;
	register long r9 __asm__("r9") = a5;
	long result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "0"(nr), "D"(a0), "S"(a1), "d"(a2), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return result;
}

#endif
