/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What several fuzzers share. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where must() says what is wrong; another descriptor where standard error is the program's. */
static int fuzz_errors = STDERR_FILENO;

/* A finding, unless @so. */
static inline void must(bool so, const char *what)
{
	if (so)
		return;
	dprintf(fuzz_errors, "fuzzer: %s\n", what);
	abort();
}

#define require(condition) must(condition, "not so: " #condition)

/* A word of the input, little-endian. */
static inline uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

/* Zeros that other processes and threads see too; only pages that are touched cost memory. */
static inline void *shared_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	               MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(p != MAP_FAILED, "no memory");
	return p;
}

/* What is kicked: a process that does not mind, and ends with this one. */
static inline pid_t somebody(void)
{
	pid_t pid = fork();

	must(pid >= 0, "no process");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGUSR1, SIG_IGN);
	for (;;)
		pause();
}

#endif
