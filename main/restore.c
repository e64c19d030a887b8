// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/restore.h"

#include "annotate/parts.h"
#include "main/annotation.h"
#include "main/report.h"
#include "main/snapshot.h"

#include "backends/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

/* What two measurements of one TSC may differ by, in thousandths. */
#define TSC_TOLERANCE 1

#define MXCSR_AT     24 /* in an XSAVE area (SDM volume 1, 13.4) */
#define XSAVE_HEADER 512
#define XSAVE_LEGACY 576
#define MXCSR_VALID  0xffffu

/* A disk of 2 TiB: what of a bitmap is read at once. */
#define MAP_BYTES_MAX (64u << 20)

static int refuse(const struct restore *r, const char *why)
{
	complain("%s: %s", r->path, why);
	return EXIT_USAGE;
}

/* ---- the file ---- */

static bool config_is_sound(struct snapshot_config *c)
{
	snapshot_text(c->ring1, sizeof c->ring1);
	snapshot_text(c->kernel, sizeof c->kernel);
	snapshot_text(c->kernel_version, sizeof c->kernel_version);
	return c->ncpuid <= MAX_CPUID && c->ndevices <= VIRTIO_DEVICES && c->have_fsgsbase <= 1 &&
	       c->have_apic <= 1 && c->traps_only <= 1 && c->count_calls <= 1 && c->deferred <= 1 &&
	       c->low_end <= HOLE_LOW_SIZE && c->low_end % PAGE_SIZE == 0 &&
	       c->guest_ns < INT64_MAX;
}

int restore_open(struct restore *r, const char *path, bool verify)
{
	char why[200];
	struct snapshot_config *c;
	size_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	*r = (struct restore){.file = {.fd = -1}, .path = path};
	if (fd < 0)
		return refuse(r, strerror(errno));
	if (!snapshot_open(&r->file, fd, vm_build(), why, sizeof why))
		return refuse(r, why);
	c = snapshot_read(&r->file, SNAPSHOT_CONFIG, 0, sizeof *c, sizeof *c, &n, why, sizeof why);
	if (!c)
		return refuse(r, why);
	r->config = *c;
	free(c);
	if (!config_is_sound(&r->config))
		return refuse(r,
		              "is no sound snapshot: what it says of its machine makes no sense");
	if (verify && !snapshot_verify(&r->file, why, sizeof why))
		return refuse(r, why);
	return 0;
}

void restore_close(struct restore *r)
{
	snapshot_close(&r->file);
}

int restore_verify(const struct restore *r)
{
	char why[200];

	return snapshot_verify_sections(&r->file, why, sizeof why) ? 0 : refuse(r, why);
}

/* ---- does this host do? ---- */

static const struct cpuid_leaf *find_leaf(const struct cpuid_leaf *leaves, uint32_t n,
                                          const struct cpuid_leaf *like)
{
	for (uint32_t i = 0; i < n; i++)
		if (leaves[i].leaf == like->leaf && leaves[i].subleaf == like->subleaf)
			return &leaves[i];
	return NULL;
}

/* Are all features that the guest was shown there? They are bits of these leaves. */
static bool has_features(const struct cpuid_leaf *was, const struct cpuid_leaf *is)
{
	switch (was->leaf) {
	case 1:
	case 0x80000001u:
		return !(was->ecx & ~is->ecx) && !(was->edx & ~is->edx);
	case 7:
		return !(was->ebx & ~is->ebx) && !(was->ecx & ~is->ecx) && !(was->edx & ~is->edx);
	case 0:
		return was->ebx == is->ebx && was->ecx == is->ecx && was->edx == is->edx;
	case 0xd: /* what an XSAVE area looks like */
		return was->eax == is->eax && was->ebx == is->ebx;
	default:
		return true;
	}
}

/* What the fresh machine has been told of this host, against what that of the snapshot was. */
static int check_host(const struct restore *r, const struct machine *host)
{
	const struct snapshot_config *c = &r->config;
	uint32_t difference =
	    host->tsc_khz > c->tsc_khz ? host->tsc_khz - c->tsc_khz : c->tsc_khz - host->tsc_khz;
	char why[160];

	for (uint32_t i = 0; i < c->ncpuid; i++) {
		const struct cpuid_leaf *was = &c->cpuid[i],
		                        *is = find_leaf(host->cpuid, host->ncpuid, was);

		if (is && has_features(was, is))
			continue;
		snprintf(why, sizeof why,
		         "the guest was shown a processor that this host has not (CPUID 0x%" PRIx32
		         ", %" PRIu32 ")",
		         was->leaf, was->subleaf);
		return refuse(r, why);
	}
	if (c->xsave_mask != host->xsave_mask || c->xsave_size != host->xsave_size ||
	    c->have_fsgsbase != host->have_fsgsbase)
		return refuse(r, "the extended state of its processor is not what this host has");
	if (difference > c->tsc_khz / 1000 * TSC_TOLERANCE) {
		snprintf(why, sizeof why,
		         "the guest knows a TSC of %" PRIu32 " kHz, and this host's has %" PRIu32,
		         c->tsc_khz, host->tsc_khz);
		return refuse(r, why);
	}
	if (c->low_end != host->low.end && c->low_end != HOLE_LOW_SIZE)
		return refuse(r, "this host lets processes map memory from another address on "
		                 "(sysctl vm.mmap_min_addr); take the snapshot with "
		                 "--low-memory=moved");
	if (__rdtsc() < c->tsc)
		complain("%s: this host's TSC is behind that of the snapshot: a guest that keeps "
		         "its time by the TSC will stand still; one with clocksource=kvm-clock "
		         "will not",
		         r->path);
	return 0;
}

/* ---- machine state ---- */

/* What XRSTOR would refuse (SDM volume 1, 13.8) would end the machine as an error of ring1's. */
static bool xsave_is_sound(const uint8_t *area, uint64_t mask)
{
	uint64_t present;
	uint32_t mxcsr;

	memcpy(&present, area + XSAVE_HEADER, sizeof present);
	memcpy(&mxcsr, area + MXCSR_AT, sizeof mxcsr);
	for (unsigned i = XSAVE_HEADER + 8; i < XSAVE_LEGACY; i++)
		if (area[i])
			return false;
	return !(present & ~mask) && !(mxcsr & ~MXCSR_VALID);
}

/* What of the machine state is main's to say, or belongs to processes that are no more. */
static void keep_own(struct machine *m, const struct machine *fresh,
                     const struct snapshot_config *c)
{
	memcpy(m->title, fresh->title, sizeof m->title);
	m->ram_size = fresh->ram_size;
	m->ncells = 0;
	m->tsc_mult = fresh->tsc_mult;
	m->tsc_base = fresh->tsc_base;
	m->tsc_khz = fresh->tsc_khz;
	m->have_fsgsbase = fresh->have_fsgsbase;
	m->have_apic = c->have_apic;
	m->wall_offset = fresh->wall_offset;
	m->mono_offset = fresh->mono_offset;
	m->windows = fresh->windows;
	m->xsave_mask = fresh->xsave_mask;
	m->xsave_size = fresh->xsave_size;
	m->ncpuid = c->ncpuid;
	memcpy(m->cpuid, c->cpuid, sizeof m->cpuid);
	m->low.end = c->low_end;
	m->booted = 1;
	m->restored = 1;
	/* Somebody may have pressed a button meanwhile. */
	m->inbox = (m->inbox & (INBOX_BREAK | INBOX_POWER | INBOX_NMI)) | INBOX_CONSOLE |
	           INBOX_TIMER | INBOX_DEVICE;
	m->doorbell = DOORBELL_CONSOLE | DOORBELL_LOG;
	m->halted = m->attentive = m->running = m->next_cell = m->main_waits = 0;
	m->main_wake = m->deadline_rung = 0;
	m->pause = m->paused = m->debugged = 0;
	memset(&m->debugger, 0, sizeof m->debugger);
	m->module_answer = m->module_asked;
	m->use_clock = 0;
	memset(m->cell_hint, 0, sizeof m->cell_hint);
	memset(m->young, 0, sizeof m->young);
	m->young_next = 0;
	memset(m->first_miss, 0, sizeof m->first_miss);
	m->first_miss_next = 0;
	memset(m->cell, 0, sizeof m->cell);
	memset(m->count, 0, sizeof m->count);
	memset(m->count_op, 0, sizeof m->count_op);
	memset(m->count_vmi, 0, sizeof m->count_vmi);
	memset(m->delivery_delay, 0, sizeof m->delivery_delay);
	memset(&m->trace, 0, sizeof m->trace);
	memset(&m->stop, 0, sizeof m->stop);
}

/* The back ends start anew, and find where each queue goes on. */
static void keep_devices(struct machine *m)
{
	for (unsigned i = 0; i < VIRTIO_DEVICES; i++) {
		struct virtio_device *d = &m->platform.virtio.device[i];

		d->bell = VIRTIO_BELL_STATUS;
		d->sleeping = 0;
		d->settled = d->settle;
		d->control = d->answered = VIRTIO_CONTROL_RUN;
	}
	m->platform.virtio.rung = m->platform.virtio.settling = 0;
}

/* Guest memory stays in the file until it is used. */
static void keep_memory(const struct restore *r, struct machine *m)
{
	m->lazy = 1;
	memset(m->lazy_chunk, 0, sizeof m->lazy_chunk);
	for (uint32_t i = 0; i < r->file.chunks; i++)
		m->lazy_chunk[i] = r->file.pages[i];
}

/* Timers go by guest time, which goes on. What the guest reads off clocks of the host does not. */
static void set_clocks(const struct restore *r, struct vm *vm, int64_t wall_before)
{
	struct machine *m = vm->machine;
	uint64_t tsc = __rdtsc();

	vm_set_clock(vm, r->config.guest_ns);
	m->platform.rtc.offset += m->wall_offset - wall_before;
	m->wall_set = 1;
	if (tsc > r->config.tsc && UINT64_MAX - m->platform.vmitimer.stolen > tsc - r->config.tsc)
		m->platform.vmitimer.stolen += tsc - r->config.tsc;
}

/* As its members are aligned, and what malloc() gives is not; the caller's to free(). */
static struct machine *aligned_copy(const void *bytes)
{
	struct machine *m = aligned_alloc(_Alignof(struct machine), sizeof *m);

	return m ? memcpy(m, bytes, sizeof *m) : NULL;
}

static int load_state(const struct restore *r, struct vm *vm)
{
	char why[200];
	size_t n;
	struct vcpu *v =
	    snapshot_read(&r->file, SNAPSHOT_VCPU, 0, sizeof *v, sizeof *v, &n, why, sizeof why);
	void *bytes = v ? snapshot_read(&r->file, SNAPSHOT_MACHINE, 0, sizeof(struct machine),
	                                sizeof(struct machine), &n, why, sizeof why)
	                : NULL;
	struct machine *m = bytes ? aligned_copy(bytes) : NULL;
	int status = m ? 0 : refuse(r, bytes ? strerror(ENOMEM) : why);
	int64_t wall_before;

	if (m && !xsave_is_sound(m->xsave, vm->machine->xsave_mask))
		status = refuse(r, "is no sound snapshot: the extended state makes no sense");
	if (!status) {
		wall_before = m->wall_offset;
		keep_own(m, vm->machine, &r->config);
		keep_devices(m);
		keep_memory(r, m);
		memcpy(vm->machine, m, sizeof *m);
		v->count_syscall_rom = v->count_iret_user_rom = v->count_iret_kernel_rom = 0;
		v->count_segment_rom = 0;
		memcpy(vm->vcpu, v, sizeof *v);
		set_clocks(r, vm, wall_before);
	}
	free(v);
	free(m);
	free(bytes);
	return status;
}

/* ---- annotations ---- */

static int load_annotations(const struct restore *r, struct vm *vm)
{
	size_t max = ANNOT_FILE_SIZE / PAGE_SIZE, bytes, all;
	uint8_t *to = (uint8_t *)vm->annotations, *from = NULL;
	char why[200];
	uint32_t *page = snapshot_read(&r->file, SNAPSHOT_ANNOTATION_PAGES, 0, 0,
	                               max * sizeof *page, &bytes, why, sizeof why);
	size_t n = page ? bytes / sizeof *page : 0;
	int status = 0;

	if (page)
		from = snapshot_read(&r->file, SNAPSHOT_ANNOTATIONS, 0, n * PAGE_SIZE,
		                     n * PAGE_SIZE, &all, why, sizeof why);
	if (!from)
		status = refuse(r, why);
	for (size_t i = 0; i < n && !status; i++) {
		if (page[i] >= max)
			status = refuse(r, "is no sound snapshot: its annotations make no sense");
		else
			memcpy(to + (size_t)page[i] * PAGE_SIZE, from + i * PAGE_SIZE, PAGE_SIZE);
	}
	if (!status && !parts_are_sound(vm->annotations))
		status = refuse(r, "is no sound snapshot: its annotations make no sense");
	free(page);
	free(from);
	return status;
}

int restore_machine(const struct restore *r, struct vm *vm)
{
	int status;

	vm->machine->have_apic = r->config.have_apic;
	if ((status = host_facts_fill(vm)) || (status = check_host(r, vm->machine)) ||
	    (status = load_state(r, vm)))
		return status;
	vm->module_options =
	    annotation_options(r->config.traps_only, r->config.count_calls, r->config.deferred);
	return load_annotations(r, vm);
}

/* ---- devices ---- */

/* The clusters of a disk with cow, as they come out of the file. */
struct contents {
	struct device *d;
	const uint64_t *map;
	uint64_t cluster; /* the next one */
	const char *why;
};

static bool take_contents(void *of, const uint8_t *bytes, size_t n)
{
	struct contents *c = of;

	for (; n >= DISK_CLUSTER; n -= DISK_CLUSTER, bytes += DISK_CLUSTER, c->cluster++) {
		while (c->cluster < c->d->clusters &&
		       !(c->map[c->cluster / 64] >> c->cluster % 64 & 1))
			c->cluster++;
		if (c->cluster >= c->d->clusters) {
			c->why = "is no sound snapshot: a disk has more than fits into it";
			return false;
		}
		if (pwrite(c->d->contents, bytes, DISK_CLUSTER,
		           (off_t)(c->cluster * DISK_CLUSTER)) != DISK_CLUSTER) {
			c->why = "what was written to a disk has no room on this host";
			return false;
		}
	}
	return true;
}

static uint64_t count_clusters(const uint64_t *map, uint64_t words)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < words; i++)
		n += (uint64_t)__builtin_popcountll(map[i]);
	return n;
}

static int load_contents(const struct restore *r, struct device *d, unsigned number)
{
	const struct snapshot_section *section = snapshot_find(&r->file, SNAPSHOT_CONTENTS, number);
	uint64_t words = (d->clusters + 63) / 64;
	struct contents c = {.d = d, .why = NULL};
	char why[200];
	uint64_t *map;
	size_t n;
	int status = 0;

	if (words > MAP_BYTES_MAX / sizeof *map)
		return refuse(r, "a disk with cow is too large to be restored");
	map = snapshot_read(&r->file, SNAPSHOT_CONTENTS_MAP, number, words * sizeof *map,
	                    words * sizeof *map, &n, why, sizeof why);
	if (!map)
		return refuse(r, why);
	if (d->clusters % 64 && map[words - 1] >> d->clusters % 64)
		status = refuse(r, "is no sound snapshot: a disk has more than fits into it");
	else if (!section || section->bytes != count_clusters(map, words) * DISK_CLUSTER)
		status = refuse(r, "is no sound snapshot: a disk has not what it says it has");
	c.map = map;
	if (!status && !snapshot_stream(&r->file, section, take_contents, &c, why, sizeof why))
		status = refuse(r, c.why ? c.why : why);
	if (!status)
		memcpy(d->contents_map, map, words * sizeof *map);
	free(map);
	return status;
}

/* NULL, with the reason printed; the caller's to free(). */
static struct snapshot_device *read_device(const struct restore *r, unsigned number)
{
	char why[200];
	size_t n;
	struct snapshot_device *d = snapshot_read(&r->file, SNAPSHOT_DEVICE, number, sizeof *d,
	                                          sizeof *d, &n, why, sizeof why);

	if (!d) {
		refuse(r, why);
		return NULL;
	}
	snapshot_text(d->name, sizeof d->name);
	snapshot_text(d->identity, sizeof d->identity);
	return d;
}

static int check_device(const struct restore *r, unsigned number, const struct snapshot_device *was,
                        const struct snapshot_device *is, bool changed)
{
	struct virtio_shown shown = was->shown;
	char why[800];

	shown.msix = is->shown.msix;
	if (memcmp(&shown, &is->shown, sizeof shown))
		snprintf(why, sizeof why, "its device %u was '%s', and '%s' is not the same kind",
		         number + 1, was->name, is->name);
	else if (!changed && strcmp(is->identity, was->identity))
		snprintf(why, sizeof why,
		         "%s is not what it was when the snapshot was taken (it was: %s; it is: "
		         "%s)",
		         is->name, was->identity, is->identity);
	else if (was->clusters && was->clusters != is->clusters)
		snprintf(why, sizeof why,
		         "its device %u, '%s', had a copy of its own (cow), and '%s' has not",
		         number + 1, was->name, is->name);
	else
		return 0;
	return refuse(r, why);
}

static int load_device(const struct restore *r, struct device *d, unsigned number, bool changed)
{
	static struct snapshot_device is;
	struct snapshot_device *was = read_device(r, number);
	char why[200];
	uint8_t *state;
	size_t n;
	int status;

	if (!was)
		return EXIT_USAGE;
	snapshot_describe(d, &is);
	snapshot_text(is.identity, sizeof is.identity);
	status = check_device(r, number, was, &is, changed);
	if (!status && was->clusters)
		status = load_contents(r, d, number);
	free(was);
	if (status)
		return status;
	state = snapshot_read(&r->file, SNAPSHOT_DEVICE_STATE, number, 0, BACKEND_SAVED_BYTES, &n,
	                      why, sizeof why);
	if (!state)
		return refuse(r, why);
	if (!device_make_saved(d)) {
		free(state);
		return EXIT_HOST;
	}
	memcpy(d->saved->data, state, n);
	d->saved->bytes = (uint32_t)n;
	free(state);
	return 0;
}

/* What to say on the command line, from what was said when the machine was started. */
static void list_devices(const struct restore *r)
{
	for (uint32_t i = 0; i < r->config.ndevices; i++) {
		struct snapshot_device *was = read_device(r, i);

		if (!was)
			return;
		complain("  device %u: %s", i + 1, was->name);
		free(was);
	}
}

int restore_show(const struct restore *r)
{
	const struct snapshot_config *c = &r->config;
	time_t utc = (time_t)(c->utc_ns / 1000000000);
	char when[40] = "?";
	struct tm tm;

	if (localtime_r(&utc, &tm))
		strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
	printf("taken    %s, by ring1 %s\nkernel   %s%s%s\nmemory   %" PRIu64 " MiB\n"
	       "ran      %" PRIu64 " s\n",
	       when, c->ring1, c->kernel_version, *c->kernel_version ? ", " : "", c->kernel,
	       r->file.header.ram_bytes >> 20, c->guest_ns / 1000000000u);
	for (uint32_t i = 0; i < c->ndevices; i++) {
		struct snapshot_device *d = read_device(r, i);

		if (!d)
			return EXIT_USAGE;
		printf("device   %s%s%s%s\n", d->name, *d->identity ? ": " : "", d->identity,
		       d->clusters ? ", with what was written to it (cow)" : "");
		free(d);
	}
	return 0;
}

int restore_devices(const struct restore *r, struct devices *devices, bool changed)
{
	uint32_t had = r->config.ndevices;
	char why[200];
	int status = 0;

	if (devices->count != had) {
		snprintf(why, sizeof why,
		         "the machine had %" PRIu32 " device%s, and %u %s given; they must be the "
		         "same, in the same order",
		         had, had == 1 ? "" : "s", devices->count,
		         devices->count == 1 ? "is" : "are");
		status = refuse(r, why);
		list_devices(r);
	}
	devices->restored = true;
	for (unsigned i = 0; i < devices->count && !status; i++)
		status = load_device(r, &devices->list[i], i, changed);
	return status;
}

static int fits_device(const struct restore *r, const struct restore *now, unsigned number,
                       bool changed)
{
	struct snapshot_device *was = read_device(r, number), *is = read_device(now, number);
	int status = was && is ? check_device(r, number, was, is, changed) : EXIT_USAGE;

	free(was);
	free(is);
	return status;
}

int restore_fits(const struct restore *r, const struct restore *now, bool changed)
{
	uint64_t had = r->file.header.ram_bytes >> 20, has = now->file.header.ram_bytes >> 20;
	uint32_t n = r->config.ndevices, is = now->config.ndevices;
	char why[200];
	int status = 0;

	if (had != has) {
		snprintf(why, sizeof why,
		         "is another machine's, which had %" PRIu64 " MiB of memory: this one has "
		         "%" PRIu64,
		         had, has);
		return refuse(r, why);
	}
	if (n != is) {
		snprintf(why, sizeof why,
		         "is another machine's, which had %" PRIu32 " device%s: this one has "
		         "%" PRIu32,
		         n, n == 1 ? "" : "s", is);
		status = refuse(r, why);
		list_devices(r);
	}
	for (unsigned i = 0; i < n && !status; i++)
		status = fits_device(r, now, i, changed);
	return status;
}
