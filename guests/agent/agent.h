/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ring1's program in a guest: the first program of the initial RAM disks that ring1 makes itself.
 * Static, so that it needs nothing of the guest's.
 */
#ifndef GUESTS_AGENT_AGENT_H
#define GUESTS_AGENT_AGENT_H

/** say - a line for the console */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/**
 * load_modules - loads every file in the directory @path, in whatever order they need
 *
 * A module that lacks a symbol of another is tried again as long as any can be loaded; what is in
 * the kernel already is no error.
 *
 * Return: 0, or -1 when some are left (their names and errors are said)
 */
int load_modules(const char *path);

/**
 * follow_orders - does what the file @path says, line by line
 *
 * A line is an order and its words, separated by single blanks; in a word, %XX is the byte with
 * that hexadecimal number. The orders:
 *
 *   modules DIRECTORY                   load_modules()
 *   mkdir PATH                          it may be there already
 *   mount TYPE SOURCE TARGET OPTIONS    as mount(2) does; OPTIONS, between commas: ro, bind, remount,
 *                                       nosuid, nodev, and the file system's own; - for none
 *   root PATH                           what is mounted there becomes /
 *   directory PATH                      the directory in which programs run
 *   environment NAME=VALUE              for all programs that are started later
 *   run PROGRAM ARGUMENT...             and wait; it must succeed
 *   become PROGRAM ARGUMENT...          be this program from now on
 *   power-off                           of the machine, after sync(2)
 *   serve                               serve(); nothing comes behind it
 *   write PATH TEXT                     a file with that in it
 *   network DEVICE ADDRESS MASK ROUTER  by IPv4, and the loopback device
 *
 * Return: -1 when an order failed, which was said, or none ended this program
 */
int follow_orders(const char *path);

/** network_up - one device with a fixed address, and the loopback device; 0, or -1 and errno */
int network_up(const char *device, const char *address, const char *mask, const char *router);

/** serve - runs commands for 'ring1 exec', for ever */
int serve(void);

/**
 * session - runs one command for the host that comes to the port @device
 *
 * In a process of its own. Return: its exit status; 1 when the port could not be used
 */
int session(const char *device);

#endif
