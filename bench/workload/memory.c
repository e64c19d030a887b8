// SPDX-License-Identifier: GPL-2.0-or-later
/* Page faults and changes of mappings. */
#include "workload.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REGION_PAGES = 1024, RANDOM_PAGES = 4096 };

static volatile uint8_t *page;
static uint16_t order[RANDOM_PAGES];

/* One operation: the first write to a page; the mmap and munmap around 1024 of them are spread. */
static void fault_anon_page(unsigned n)
{
	while (n) {
		unsigned pages = n < REGION_PAGES ? n : REGION_PAGES;
		uint8_t *region = map_private(REGION_PAGES * PAGE);

		touch(region, pages);
		munmap(region, REGION_PAGES * PAGE);
		n -= pages;
	}
}

static bool make_order(void)
{
	uint32_t state = 1;

	for (unsigned i = 0; i < RANDOM_PAGES; i++)
		order[i] = (uint16_t)i;
	for (unsigned i = RANDOM_PAGES - 1; i; i--) {
		unsigned j = next_random(&state) % (i + 1);
		uint16_t t = order[i];

		order[i] = order[j];
		order[j] = t;
	}
	return true;
}

/* The same in random order over 16 MiB: nothing is gained by mapping neighbours. */
static void fault_anon_random(unsigned n)
{
	while (n) {
		unsigned pages = n < RANDOM_PAGES ? n : RANDOM_PAGES;
		volatile uint8_t *region = map_private(RANDOM_PAGES * PAGE);

		for (unsigned i = 0; i < pages; i++)
			region[order[i] * PAGE] = 1;
		munmap((void *)region, RANDOM_PAGES * PAGE);
		n -= pages;
	}
}

static void mmap_touch_munmap_1p(unsigned n)
{
	while (n--) {
		uint8_t *one =
		    mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		need(one != MAP_FAILED, "mmap");
		*(volatile uint8_t *)one = 1;
		munmap(one, PAGE);
	}
}

/* Sixteen mappings are there at a time; every second one goes first, so that the kernel can treat
 * neither what comes nor what goes as one. One operation: a mapping, a write to each of its pages,
 * and its end. */
static void map_storm(unsigned n, unsigned pages)
{
	enum { LIVE = 16 };
	uint8_t *mapped[LIVE];

	while (n) {
		unsigned live = n < LIVE ? n : LIVE;

		for (unsigned i = 0; i < live; i++) {
			mapped[i] = map_private(pages * PAGE);
			touch(mapped[i], pages);
		}
		for (unsigned first = 0; first < 2; first++)
			for (unsigned i = first; i < live; i += 2)
				need(!munmap(mapped[i], pages * PAGE), "munmap");
		n -= live;
	}
}

static void mmap_storm_1p(unsigned n)
{
	map_storm(n, 1);
}

static void mmap_storm_16p(unsigned n)
{
	map_storm(n, 16);
}

static void mmap_storm_256p(unsigned n)
{
	map_storm(n, 256);
}

static bool one_page(void)
{
	page = map_private(PAGE);
	*page = 1;
	return true;
}

static void mprotect_ro_rw_touch(unsigned n)
{
	while (n--) {
		mprotect((void *)page, PAGE, PROT_READ);
		mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE);
		*page = 1;
	}
}

static void make_writable(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	need(info->si_addr == page, "si_addr");
	mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE);
}

static bool catch_writes(void)
{
	struct sigaction action = {.sa_sigaction = make_writable, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &action, NULL);
	return one_page();
}

/* What a garbage collector's write barrier does: protect, write, SIGSEGV, unprotect in the handler.
 */
static void segv_handler_mprotect(unsigned n)
{
	while (n--) {
		mprotect((void *)page, PAGE, PROT_READ);
		*page = 1;
	}
}

static uint8_t *shared_region;
static volatile uint64_t *child_ns;

static bool make_shared_region(void)
{
	shared_region = map_private(REGION_PAGES * PAGE);
	child_ns = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return child_ns != MAP_FAILED;
}

/* One operation: a write to a page that parent and child share since the fork. Only the child's
 * writes count. */
static uint64_t cow_fault_page(unsigned n)
{
	uint64_t total = 0;

	while (n) {
		unsigned pages = n < REGION_PAGES ? n : REGION_PAGES;
		pid_t child;

		touch(shared_region, REGION_PAGES);
		*child_ns = 0;
		child = fork();
		need(child >= 0, "fork");
		if (!child) {
			uint64_t start = now_ns();

			touch(shared_region, pages);
			*child_ns = now_ns() - start;
			_exit(0);
		}
		waitpid(child, NULL, 0);
		total += *child_ns;
		n -= pages;
	}
	return total;
}

const struct item memory_items[] = {
    {"fault_anon_page", .run = fault_anon_page},
    {"fault_anon_random", .prepare = make_order, .run = fault_anon_random},
    {"mmap_touch_munmap_1p", .run = mmap_touch_munmap_1p},
    {"mmap_storm_1p", .run = mmap_storm_1p},
    {"mmap_storm_16p", .run = mmap_storm_16p},
    {"mmap_storm_256p", .run = mmap_storm_256p},
    {"mprotect_ro_rw_touch", .prepare = one_page, .run = mprotect_ro_rw_touch},
    {"segv_handler_mprotect", .prepare = catch_writes, .run = segv_handler_mprotect},
    {"cow_fault_page", .prepare = make_shared_region, .timed = cow_fault_page},
    {0},
};
