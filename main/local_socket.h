/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unix sockets with a name in the file system: made for the user alone, recognised when left
 * behind. */
#ifndef MAIN_LOCAL_SOCKET_H
#define MAIN_LOCAL_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

/**
 * local_address - the address of the socket @path
 *
 * False: the path is longer than such an address can be, LOCAL_PATH_MAX bytes.
 */
bool local_address(struct sockaddr_un *address, const char *path);
#define LOCAL_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/**
 * local_is_stale - was the socket there left behind by a process that is gone?
 *
 * False when it is served, when something else is there, and when nothing is.
 */
bool local_is_stale(const struct sockaddr_un *address);

/**
 * local_listen - a listening socket with mode 0600 from its first moment on, not blocking
 *
 * Something of that name that is there stays. Returns the descriptor, or -1 with errno (EADDRINUSE:
 * there is something).
 */
int local_listen(const struct sockaddr_un *address);

#endif
