/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ring1 run --detach: the machine becomes a process of its own, without a terminal. Whoever started
 * it waits until it runs, and hears what went wrong if it does not. What it says later goes to
 * NAME.log beside its control socket; the file goes when the machine ends well.
 */
#ifndef MAIN_DETACH_H
#define MAIN_DETACH_H

/**
 * detach_begin - go on in a new process, in a session of its own
 *
 * Returns there with 0; or in neither, for the process that called waits for detach_ready() or the
 * end of the other, and exits. Returns an exit status when there can be no other.
 */
int detach_begin(void);

/** detach_named - the machine has its name, and its log gets it; nothing when not detached */
void detach_named(const char *name);

/** detach_ready - the machine runs: whoever waits prints its name and exits with status 0 */
void detach_ready(void);

/** detach_end - the machine has ended with @status */
void detach_end(int status);

#endif
