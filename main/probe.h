/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking at the host: one function for each thing ring1 needs, or is faster or safer with. */
#ifndef MAIN_PROBE_H
#define MAIN_PROBE_H

#include <stddef.h>

enum verdict {
	PROBE_GOOD,
	PROBE_LESS,    /* ring1 runs, slower or with less around it */
	PROBE_MISSING, /* ring1 cannot run */
	PROBE_FACT,    /* neither good nor bad */
};

struct finding {
	enum verdict verdict;
	char found[200];  /* what was seen, one line */
	char advice[200]; /* what it means and what to do; empty when there is nothing to do */
};

struct probe {
	const char *name;
	void (*look)(struct finding *f);
};

/** probes - everything that is looked at, in the order it is shown in */
extern const struct probe probes[];
extern const size_t probe_count;

#endif
