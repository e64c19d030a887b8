/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The benchmark's i386 program: what an item is, and what the items share. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096u
#define MIB  (1024u * 1024)

/* Use a value as far as the compiler can tell; and: memory may have changed. */
#define KEEP(value)   __asm__ volatile("" : : "r,m"(value) : "memory")
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/**
 * struct item - one row of the result
 * @name:    its name in baseline order and in every table
 * @prepare: what is not measured; false when this machine cannot run the item (may be NULL)
 * @run:     does @n operations; its whole duration counts
 * @timed:   instead of @run: does @n operations and returns the nanoseconds that count
 * @finish:  puts away what would disturb the next item (may be NULL)
 * @fixed:   operations of one repetition where their number cannot follow from what they cost; else
 * 0
 */
struct item {
	const char *name;
	bool (*prepare)(void);
	void (*run)(unsigned n);
	uint64_t (*timed)(unsigned n);
	void (*finish)(void);
	unsigned fixed;
};

/* One table a theme, ended by an item without a name. */
extern const struct item system_call_items[], memory_items[], process_items[], switch_items[],
    signal_items[], tick_items[], file_items[], compute_items[], copy_items[], disk_items[],
    net_items[];

/** disk_path - what disk_items use; NULL: they are left out */
extern const char *disk_path;

/**
 * synced_disk_path - the same disk as a device of its own, for the item that wants its writes on the
 * host's disk; NULL: a flush of disk_path does that
 */
extern const char *synced_disk_path;

/** net_place - ADDRESS:PORT of a serve_net(), which net_items use; NULL: they are left out */
extern const char *net_place;

/** serve_net - be the other side of net_items, at ADDRESS:PORT; prints the port, does not return */
int serve_net(const char *place);

/** now_ns - the monotonic clock */
uint64_t now_ns(void);

/** fail - end this item's process with a message: a call failed that works on every Linux */
void fail(const char *what) __attribute__((noreturn));

/** need - the same unless the condition holds */
static inline void need(bool condition, const char *what)
{
	if (!condition)
		fail(what);
}

/** map_private - fresh anonymous memory in pages of 4 KiB, never huge ones */
uint8_t *map_private(size_t size);

/** touch - write one byte to each page */
void touch(volatile uint8_t *at, unsigned pages);

/** next_random - the same sequence in every run */
uint32_t next_random(uint32_t *state);

/** total_memory - of this machine, in bytes */
uint64_t total_memory(void);

/** make_text, make_c_source, make_tree - the input files of the macro rows; 0 or an exit status */
int make_text(const char *path, unsigned mib);
int make_c_source(const char *path, unsigned lines);
int make_tree(const char *path, unsigned files);

/** fork_tree - a tree of @count processes, this one its root; 0 or an exit status */
int fork_tree(unsigned count);

/**
 * hold_memory - make @count processes that sleep, touch @mib of memory, say so, and hold both
 * @name:    printed as "@memory NAME" when all is there
 * @ms:      for how long
 * Returns 0 or an exit status.
 */
int hold_memory(const char *name, unsigned count, unsigned mib, unsigned ms);

/** sleep_ms - by the call that every kernel has; 0 or an exit status */
int sleep_ms(unsigned ms);

#endif
