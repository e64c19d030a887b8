// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/thread.h"

#include <errno.h>
#include <semaphore.h>

struct beginning {
	void *(*run)(void *);
	void *argument;
	sem_t runs;
};

static void *begin(void *argument)
{
	struct beginning *b = argument;
	void *(*run)(void *) = b->run;

	argument = b->argument;
	/* The last use of @b, which is the starter's. */
	sem_post(&b->runs);
	return run(argument);
}

int thread_start(pthread_t *thread, void *(*run)(void *), void *argument)
{
	struct beginning b = {.run = run, .argument = argument};
	int error;

	if (sem_init(&b.runs, 0, 0))
		return errno;
	error = pthread_create(thread, NULL, begin, &b);
	while (!error && sem_wait(&b.runs) && errno == EINTR)
		;
	sem_destroy(&b.runs);
	return error;
}
