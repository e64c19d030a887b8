/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stub for gdb's remote protocol (--gdb): one debugger at a time, served by the event loop. The
 * virtual CPU is thread 1. While a debugger is there the machine is what it says: stopped, stepping
 * or running.
 */
#ifndef MAIN_GDB_H
#define MAIN_GDB_H

#include "main/vm.h"

#include <poll.h>

#define GDB_FDS 2

/**
 * gdb_listen - open what --gdb says
 * @where: PORT (of 127.0.0.1) or unix:PATH
 * @fd: receives the listening socket
 *
 * Returns 0 or an exit status, with the reason printed.
 */
int gdb_listen(const char *where, int *fd);

/** gdb_unlisten - close it; a socket's name goes where the rights for that are left */
void gdb_unlisten(const char *where, int fd);

/** gdb_start - serve @listener (-1: none) from now on; @kill: the debugger ends the machine */
void gdb_start(struct vm *vm, int listener, void (*kill)(void *of, const char *why), void *of);

/* gdb_poll, gdb_serve, gdb_paused, gdb_end - as in main/control.h */
void gdb_poll(struct pollfd fds[GDB_FDS]);
void gdb_serve(const struct pollfd fds[GDB_FDS]);
void gdb_paused(void);
void gdb_end(int status);

#endif
