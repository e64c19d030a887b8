/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's /etc/resolv.conf for a process that may open no file. It is replaced when the host
 * moves to another network, so one descriptor is not enough; and libslirp opens it by itself.
 *
 * The opener is a process that does nothing else: for each byte it is sent it opens that file and
 * passes the descriptor back. In a back end each call of openat() asks it, whatever was to be
 * opened.
 */
#ifndef BACKENDS_RESOLVER_H
#define BACKENDS_RESOLVER_H

/**
 * resolver_start - start the opener, once
 *
 * In main, before it confines itself. Returns the descriptor that back ends keep, or -1 with errno.
 */
int resolver_start(void);

/** resolver_answers_opens - from now on SIGSYS asks the opener: for a filter that traps openat() */
void resolver_answers_opens(void);

#endif
