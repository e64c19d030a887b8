/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machines that run here: a directory of this user's, with a control socket for each.
 *
 * It is $XDG_RUNTIME_DIR/ring1, else /run/user/UID/ring1, else /tmp/ring1-UID, with mode 0700. A
 * directory of that name that belongs to somebody else, or that others may enter, is not used.
 */
#ifndef MAIN_MACHINES_H
#define MAIN_MACHINES_H

#include <stdbool.h>
#include <stddef.h>

#define MACHINE_NAME_MAX 64

/* A name that this process has taken. */
struct machine_claim {
	int directory;                   /* -1: none */
	int listener;                    /* the control socket, not blocking */
	char name[MACHINE_NAME_MAX + 1]; /* what was asked for, or the process id */
};

/**
 * machines_open - open the directory, and make it if it is not there
 *
 * Returns the descriptor, or -1 with the reason printed.
 */
int machines_open(void);

/**
 * machines_claim - take a name, and listen on the socket that goes with it
 * @name: a valid one, or NULL: the process id is the name
 *
 * Returns 0 or an exit status, with the reason printed: a running machine has the name.
 */
int machines_claim(struct machine_claim *c, const char *name);

/** machines_release - remove the socket, close everything; fine for a claim that failed */
void machines_release(struct machine_claim *c);

/** machine_name_is_valid - 1 to 64 letters, digits, '.', '_', '-'; none of '.', '-' comes first */
bool machine_name_is_valid(const char *name);

/** machine_exists - is there a socket of that name, be it of one that is gone? */
bool machine_exists(const char *name);

/** machines_path - the path of NAME.@kind, to open it or for messages; false: too long */
bool machines_path(char *to, size_t size, int directory, const char *name, const char *kind);

/**
 * machines_list - the names of all sockets, sorted; those of machines that are gone are removed
 * @names: receives an array; each name and the array are the caller's to free()
 *
 * Returns how many, or -1 with the reason printed.
 */
int machines_list(int directory, char ***names);

/**
 * machines_connect - a connection to the machine @name
 * @seconds: each later read and write takes at most as long, 0: any time
 *
 * Returns the descriptor, or -1 with errno: ENOENT (no such machine, or one that is gone), EAGAIN
 * (it does not answer), EACCES, ...
 */
int machines_connect(int directory, const char *name, unsigned seconds);

#endif
