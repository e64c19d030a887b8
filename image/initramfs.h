/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Initial RAM disks of ring1's own: the agent as first program (guests/agent), what it is to do,
 * and the kernel modules it needs for that.
 */
#ifndef IMAGE_INITRAMFS_H
#define IMAGE_INITRAMFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

extern const char agent_program[], agent_program_end[]; /* a static i386 ELF file */

struct initramfs {
	const char *modules_below;  /* directory in which modules are looked for, at any depth */
	const char *const *modules; /* names without ".ko", NULL behind the last; those not found
	                               are left out: the kernel may have them built in */
	const char *orders;         /* see guests/agent/agent.h */
};

/**
 * initramfs_write - writes it to @to
 * @source: receives the name of the module's file that could not be read; empty: it was a write
 *          that failed
 *
 * Return: 0, or an errno
 */
int initramfs_write(const struct initramfs *i, FILE *to, char source[512]);

#endif
