/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MAIN_RESTORE_INTO_H
#define MAIN_RESTORE_INTO_H

/**
 * restore_into - put a running machine back to where a snapshot of it was taken
 * @what: a file and words behind it, as --restore has them
 *
 * The machine's processes end and others take their place, with the same name, devices and options,
 * in the background. Should they not start, it goes on from where it was. Returns 0 or an exit
 * status, with the reason printed.
 */
int restore_into(const char *name, const char *what);

#endif
