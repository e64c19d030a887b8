// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/snapshot.h"

#include "main/pause.h"
#include "main/shared_state.h"

#include "backends/disk.h"
#include "common/lazy_memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define PAUSE_NS    5000000000u
#define SETTLE_NS   60000000000u /* a flush takes as long as the host's disk is busy */
#define STEP_CHUNKS 64u          /* of guest memory that are written in one step: 4 MiB */
#define LOOK_CHUNKS 4096         /* that are looked at */

static struct {
	enum snapshot_state state;
	struct snapshot_writer to;
	uint64_t due; /* CLOCK_MONOTONIC ns at which what is waited for must be so */
	const char *kernel, *version;
	bool stay_paused;
	uint32_t chunk;          /* of guest memory: the next */
	uint64_t data, data_end; /* where guest memory next has something */
	uint16_t *pages;
	uint64_t *hashes;
	unsigned device;  /* whose contents are written */
	uint64_t cluster; /* the next of them */
} taking;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool snapshot_begin(struct vm *vm, int fd, const char *kernel, const char *version,
                    bool stay_paused, bool *busy, const char **why)
{
	*busy = taking.state != SNAPSHOT_NONE;
	if (*busy || vm->debugged) {
		*why = *busy ? "another snapshot is being written"
		             : "a debugger is at work: its breakpoints are in the guest's memory";
		close(fd);
		return false;
	}
	memset(&taking, 0, sizeof taking);
	taking.state = SNAPSHOT_WAITING;
	taking.to.fd = fd;
	taking.kernel = kernel;
	taking.version = version;
	taking.stay_paused = stay_paused;
	taking.due = now_ns() + PAUSE_NS;
	pause_begin(vm, PAUSE_SNAPSHOT);
	return true;
}

enum snapshot_state snapshot_state(void)
{
	return taking.state;
}

static void end(struct vm *vm)
{
	if (taking.state == SNAPSHOT_WRITING)
		snapshot_write_free(&taking.to);
	close(taking.to.fd);
	free(taking.pages);
	free(taking.hashes);
	taking.pages = NULL;
	taking.hashes = NULL;
	taking.state = SNAPSHOT_NONE;
	pause_end(vm, PAUSE_SNAPSHOT);
}

void snapshot_cancel(struct vm *vm)
{
	if (taking.state != SNAPSHOT_NONE)
		end(vm);
}

/* ---- what is written ---- */

static void write_config(const struct vm *vm)
{
	static struct snapshot_config c;
	const struct machine *m = vm->machine;
	struct timespec utc;

	clock_gettime(CLOCK_REALTIME, &utc);
	memset(&c, 0, sizeof c);
	c.guest_ns = vm_clock(vm);
	c.tsc = __rdtsc();
	c.utc_ns = (int64_t)utc.tv_sec * 1000000000 + utc.tv_nsec;
	/* The guest could have changed these; then it is its snapshot that fits nowhere. */
	c.xsave_mask = m->xsave_mask;
	c.xsave_size = m->xsave_size;
	c.tsc_khz = m->tsc_khz;
	c.low_end = m->low.end;
	c.ncpuid = m->ncpuid;
	memcpy(c.cpuid, m->cpuid, sizeof c.cpuid);
	c.have_fsgsbase = (uint8_t)m->have_fsgsbase;
	c.have_apic = (uint8_t)m->have_apic;
	c.traps_only = vm->module_options.traps_only;
	c.count_calls = vm->module_options.count_sites;
	c.deferred = vm->module_options.deferred;
	c.ndevices = vm->devices ? vm->devices->count : 0;
	snprintf(c.ring1, sizeof c.ring1, "%s", RING1_VERSION);
	snprintf(c.kernel, sizeof c.kernel, "%s", taking.kernel);
	snprintf(c.kernel_version, sizeof c.kernel_version, "%s", taking.version);
	snapshot_write(&taking.to, SNAPSHOT_CONFIG, 0, &c, sizeof c);
}

/* From one place to the next of a file in memory that has something; false: there is none. */
static bool next_data(int fd, uint64_t *from, uint64_t *to)
{
	off_t start = lseek(fd, (off_t)*from, SEEK_DATA), stop;

	if (start < 0)
		return false;
	stop = lseek(fd, start, SEEK_HOLE);
	if (stop <= start)
		return false;
	*from = (uint64_t)start;
	*to = (uint64_t)stop;
	return true;
}

static bool write_annotations(const struct vm *vm)
{
	uint32_t *numbers = calloc(ANNOT_FILE_SIZE / PAGE_SIZE, sizeof *numbers);
	const uint8_t *all = (const uint8_t *)vm->annotations;
	size_t n = 0;

	if (!numbers)
		return false;
	for (uint64_t from = 0, to; next_data(vm->annot_fd, &from, &to); from = to)
		for (uint64_t at = from & ~(uint64_t)(PAGE_SIZE - 1);
		     at < to && at < ANNOT_FILE_SIZE; at += PAGE_SIZE)
			numbers[n++] = (uint32_t)(at / PAGE_SIZE);
	snapshot_write(&taking.to, SNAPSHOT_ANNOTATION_PAGES, 0, numbers, n * sizeof *numbers);
	snapshot_section_begin(&taking.to, SNAPSHOT_ANNOTATIONS, 0);
	for (size_t i = 0; i < n; i++)
		snapshot_section_add(&taking.to, all + (size_t)numbers[i] * PAGE_SIZE, PAGE_SIZE);
	snapshot_section_end(&taking.to);
	free(numbers);
	return true;
}

/* Shared memory as it is; its reader believes nothing of it. */
static bool write_state(const struct vm *vm)
{
	struct vcpu *v = malloc(sizeof *v);
	struct machine *m = malloc(sizeof *m);

	_Static_assert(sizeof *v % 8 == 0 && sizeof *m % 8 == 0, "copied in words");
	if (v && m) {
		shared_copy(v, vm->vcpu, sizeof *v);
		shared_copy(m, vm->machine, sizeof *m);
		snapshot_write(&taking.to, SNAPSHOT_VCPU, 0, v, sizeof *v);
		snapshot_write(&taking.to, SNAPSHOT_MACHINE, 0, m, sizeof *m);
	}
	free(v);
	free(m);
	return v && m;
}

void snapshot_describe(const struct device *d, struct snapshot_device *s)
{
	memset(s, 0, sizeof *s);
	s->shown = d->shown;
	snprintf(s->name, sizeof s->name, "%s", d->name);
	if (d->identify)
		d->identify(d, s->identity, sizeof s->identity);
	s->clusters = d->contents_map ? d->clusters : 0;
}

/* Its length is the back end's word: copied once. */
static const char *write_device(const struct device *d, unsigned number)
{
	static struct snapshot_device s;
	uint32_t n = __atomic_load_n(&d->saved->bytes, __ATOMIC_SEQ_CST);

	if (n > sizeof d->saved->data)
		return "a device has more state than can be saved";
	snapshot_describe(d, &s);
	snapshot_write(&taking.to, SNAPSHOT_DEVICE, number, &s, sizeof s);
	snapshot_section_begin(&taking.to, SNAPSHOT_DEVICE_STATE, number);
	for (uint32_t at = 0; at < n; at += SNAPSHOT_CHUNK) {
		static uint8_t copy[SNAPSHOT_CHUNK];
		uint32_t part = n - at < sizeof copy ? n - at : (uint32_t)sizeof copy;

		memcpy(copy, d->saved->data + at, part);
		snapshot_section_add(&taking.to, copy, part);
	}
	snapshot_section_end(&taking.to);
	if (d->contents_map) {
		snapshot_write(&taking.to, SNAPSHOT_CONTENTS_MAP, number, d->contents_map,
		               (d->clusters + 63) / 64 * sizeof *d->contents_map);
	}
	return NULL;
}

/* ---- step by step ---- */

static enum snapshot_state fail(struct vm *vm, const char **why, const char *reason)
{
	*why = reason;
	end(vm);
	return SNAPSHOT_FAILED;
}

static enum snapshot_state fail_writing(struct vm *vm, const char **why)
{
	static char text[120];

	snprintf(text, sizeof text, "cannot write the file: %s",
	         taking.to.error == EINVAL ? "it is no regular file, or not empty"
	                                   : strerror(taking.to.error));
	return fail(vm, why, text);
}

static enum snapshot_state start_settling(struct vm *vm)
{
	if (vm->devices)
		devices_pause(vm->devices, vm);
	taking.due = now_ns() + SETTLE_NS;
	return taking.state = SNAPSHOT_SETTLING;
}

static enum snapshot_state start_writing(struct vm *vm, const char **why)
{
	size_t chunks = (vm->ram_size + SNAPSHOT_CHUNK - 1) / SNAPSHOT_CHUNK;
	int fd = taking.to.fd;

	taking.state = SNAPSHOT_WRITING;
	taking.pages = calloc(chunks, sizeof *taking.pages);
	taking.hashes = calloc(chunks, sizeof *taking.hashes);
	snapshot_write_begin(&taking.to, fd, vm->build, vm->ram_size);
	if (!taking.pages || !taking.hashes)
		return fail(vm, why, "out of memory");
	return taking.to.error ? fail_writing(vm, why) : SNAPSHOT_WRITING;
}

/* Has this chunk anything, in memory or in the file that the machine was restored from? */
static bool chunk_has_data(const struct vm *vm, uint32_t chunk)
{
	uint64_t at = (uint64_t)chunk * SNAPSHOT_CHUNK;

	if (at >= taking.data_end) {
		taking.data = at;
		if (!next_data(vm->ram_fd, &taking.data, &taking.data_end))
			taking.data = taking.data_end = UINT64_MAX;
	}
	return taking.data < at + SNAPSHOT_CHUNK ||
	       (vm->base && __atomic_load_n(&vm->machine->lazy_chunk[chunk], __ATOMIC_SEQ_CST));
}

static void write_memory(struct vm *vm, uint32_t chunks)
{
	/* A copy: what is written and what is hashed must be the same, whatever a cell does. */
	static uint8_t bytes[SNAPSHOT_CHUNK];
	const struct lazy_memory memory = vm_lazy(vm);
	unsigned written = 0;

	for (unsigned looked = 0; taking.chunk < chunks && written < STEP_CHUNKS &&
	                          looked < LOOK_CHUNKS && !taking.to.error;
	     looked++, taking.chunk++) {
		uint64_t at = (uint64_t)taking.chunk * SNAPSHOT_CHUNK, n = vm->ram_size - at;

		if (n > SNAPSHOT_CHUNK)
			n = SNAPSHOT_CHUNK;
		if (!chunk_has_data(vm, taking.chunk))
			continue;
		lazy_memory_view(&memory, at, n, bytes);
		snapshot_write_chunk(&taking.to, taking.chunk, bytes, (uint32_t)(n / PAGE_SIZE),
		                     &taking.pages[taking.chunk], &taking.hashes[taking.chunk]);
		written++;
	}
}

/* What the guest has written to disks with cow. True: that was all. */
static bool write_contents(const struct vm *vm)
{
	static uint8_t bytes[DISK_CLUSTER];

	for (unsigned written = 0; vm->devices && taking.device < vm->devices->count;
	     taking.device++, taking.cluster = 0) {
		const struct device *d = &vm->devices->list[taking.device];

		if (!d->contents_map)
			continue;
		if (!taking.cluster)
			snapshot_section_begin(&taking.to, SNAPSHOT_CONTENTS, taking.device);
		for (; taking.cluster < d->clusters && !taking.to.error; taking.cluster++) {
			uint64_t word = d->contents_map[taking.cluster / 64];

			if (!word) {
				taking.cluster |= 63;
				continue;
			}
			if (!(word >> taking.cluster % 64 & 1))
				continue;
			if (written++ == STEP_CHUNKS * SNAPSHOT_CHUNK_PAGES)
				return false;
			if (pread(d->contents, bytes, sizeof bytes,
			          (off_t)(taking.cluster * DISK_CLUSTER)) != sizeof bytes)
				taking.to.error = EIO;
			snapshot_section_add(&taking.to, bytes, sizeof bytes);
		}
		snapshot_section_end(&taking.to);
	}
	return true;
}

static enum snapshot_state write_rest(struct vm *vm, const char **why, uint32_t chunks)
{
	const char *reason = NULL;

	snapshot_write(&taking.to, SNAPSHOT_PAGES, 0, taking.pages, chunks * sizeof *taking.pages);
	snapshot_write(&taking.to, SNAPSHOT_HASHES, 0, taking.hashes,
	               chunks * sizeof *taking.hashes);
	write_config(vm);
	if (!write_annotations(vm) || !write_state(vm))
		reason = "out of memory";
	for (unsigned i = 0; vm->devices && i < vm->devices->count && !reason; i++)
		reason = write_device(&vm->devices->list[i], i);
	if (reason)
		return fail(vm, why, reason);
	if (snapshot_write_end(&taking.to))
		return fail_writing(vm, why);
	if (taking.stay_paused)
		pause_begin(vm, PAUSE_USER);
	end(vm);
	return SNAPSHOT_DONE;
}

enum snapshot_state snapshot_step(struct vm *vm, const char **why)
{
	uint32_t chunks = (uint32_t)((vm->ram_size + SNAPSHOT_CHUNK - 1) / SNAPSHOT_CHUNK);

	if (taking.state == SNAPSHOT_WAITING) {
		if (vm->debugged)
			return fail(vm, why, "a debugger has come");
		if (!vm->paused)
			return now_ns() > taking.due
			           ? fail(vm, why, "the virtual CPU does not stand still")
			           : SNAPSHOT_WAITING;
		start_settling(vm);
	}
	if (taking.state == SNAPSHOT_SETTLING) {
		if (!vm->devices || devices_paused(vm->devices, vm))
			return start_writing(vm, why);
		return now_ns() > taking.due
		           ? fail(vm, why, "a device does not finish what it has in hand")
		           : SNAPSHOT_SETTLING;
	}
	if (taking.state != SNAPSHOT_WRITING)
		return taking.state;
	if (taking.chunk < chunks)
		write_memory(vm, chunks);
	else if (write_contents(vm) && !taking.to.error)
		return write_rest(vm, why, chunks);
	return taking.to.error ? fail_writing(vm, why) : SNAPSHOT_WRITING;
}
