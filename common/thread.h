/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMON_THREAD_H
#define COMMON_THREAD_H

#include <pthread.h>

/**
 * thread_start - as pthread_create(3) without attributes, returning when the thread is in @run
 *
 * The start of a thread makes host calls of the C library's and of sanitizers' runtimes, which a
 * filter put on all threads of the process at that moment (SECCOMP_FILTER_FLAG_TSYNC, seccomp(2))
 * would refuse. Behind this function the thread makes none that @run does not.
 *
 * Returns 0 or an errno value.
 */
int thread_start(pthread_t *thread, void *(*run)(void *), void *argument);

#endif
