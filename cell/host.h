/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every host system call a running cell makes, and nothing else does.
 *
 * The lines that begin with "#seccomp" are the cell's filter: scripts/seccomp-filter turns
 * them into BPF at build time (as passt does), so the list and the calls cannot drift apart.
 * Syntax: #seccomp NAME [CONDITION]..., all conditions must hold; aN is argument N:
 *   aN=V       equal            aN&~V      no bit outside of V
 *   aN<4G      below 4 GiB      aN+aM<=4G  the range [aN, aN+aM) ends at or below 4 GiB
 */
#ifndef CELL_HOST_H
#define CELL_HOST_H

#include <stdbool.h>
#include <stdint.h>

/* File descriptors of a cell. There are no others. */
#define CELL_FD_RAM   3
#define CELL_FD_STATE 4
#define CELL_FD_UFFD  5 /* this cell's userfaultfd, if the host has it and main wants it */

/* Readable in any case. */
struct host_rights {
	bool write, execute;
};

/**
 * host_map_ram - map guest RAM at a guest-virtual address
 * @va, @n: page aligned range below HOLE_BASE; what was mapped there goes away
 * @pa: offset in guest RAM, page aligned
 * @rights: i386 pages are executable unless NX is in use
 *
 * Returns false when the host refuses (out of mappings or memory).
 *
 * #seccomp mmap a0<4G a0+a1<=4G a2&~7 a3=17 a4=3
 */
bool host_map_ram(uint32_t va, uint32_t n, uint64_t pa, struct host_rights rights);

/**
 * host_map_void - map the void page, read-write: addresses without memory behind them
 * @va: page aligned, below HOLE_BASE
 *
 * #seccomp mmap a0<4G a0+a1<=4G a2&~3 a3=17 a4=4
 */
bool host_map_void(uint32_t va);

/**
 * host_unmap - remove whatever is mapped in [va, va+n); false when that takes a mapping more
 *
 * #seccomp munmap a0<4G a0+a1<=4G
 */
bool host_unmap(uint32_t va, uint32_t n);

/**
 * host_protect - change the rights of what is mapped in [va, va+n); false when the host refuses
 *
 * #seccomp mprotect a0<4G a0+a1<=4G a2&~7
 */
bool host_protect(uint32_t va, uint32_t n, struct host_rights rights);

/**
 * host_window - make a window of what host_map_ram has just mapped in [va, va+n): nothing of it
 * is accessible but what host_window_page installs
 *
 * #seccomp ioctl a0=5 a1=3223366144
 */
bool host_window(uint32_t va, uint32_t n);

/**
 * host_window_page - install the page at @va of a window; false where there is no window, or the
 * host has no such page of the file yet
 *
 * #seccomp ioctl a0=5 a1=3223366151
 */
bool host_window_page(uint32_t va);

/** host_hide - take all rights from what is mapped in [va, va+n); false when the host refuses */
bool host_hide(uint32_t va, uint32_t n);

/**
 * host_write_ldt - set one entry of this process's LDT
 * @slot: 0..LDT_SLOTS-1
 * @lo, @hi: descriptor as in a GDT; its DPL is forced to 3 by the host, system types refused
 *
 * #seccomp modify_ldt a0=17 a2=16
 */
bool host_write_ldt(uint32_t slot, uint32_t lo, uint32_t hi);

/**
 * host_futex_wait - sleep while *word == value
 * @deadline: CLOCK_MONOTONIC, ns; UINT64_MAX: for ever
 *
 * #seccomp futex a1=9
 */
void host_futex_wait(uint32_t *word, uint32_t value, uint64_t deadline);

/**
 * host_futex_wake - wake one sleeper
 *
 * #seccomp futex a1=1
 */
void host_futex_wake(uint32_t *word);

/**
 * host_exit - end this process
 *
 * #seccomp exit_group
 * #seccomp rt_sigreturn
 */
_Noreturn void host_exit(int status);

#endif
