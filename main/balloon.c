// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/balloon.h"

#include "backends/balloon.h"
#include "main/option_text.h"
#include "main/vm.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE      4096u
#define SIZE_MOST (3ull << 30) /* no machine has more */

/* The device refers to it. */
static struct balloon balloon = {.told = -1};
static struct device *device;
static unsigned number; /* the device's */

/* VIRTIO_BALLOON_S_*; those from 10 on are Linux 6.12's. Amounts of memory are bytes. */
static const struct {
	const char *name;
	bool bytes;
} statistics[BALLOON_STATS] = {
    {"swap_in", true},           {"swap_out", true},      {"major_faults", false},
    {"minor_faults", false},     {"free", true},          {"total", true},
    {"available", true},         {"disk_caches", true},   {"hugetlb_allocations", false},
    {"hugetlb_failures", false}, {"oom_kills", false},    {"allocation_stalls", false},
    {"async_scans", false},      {"direct_scans", false}, {"async_reclaims", false},
    {"direct_reclaims", false},
};

/* ---- the option ---- */

static bool is_choice(const char *part, const char *name, bool *on)
{
	size_t n = strlen(name);

	if (strncmp(part, name, n) || part[n] != '=' ||
	    (strcmp(part + n + 1, "on") && strcmp(part + n + 1, "off")))
		return false;
	*on = !strcmp(part + n + 1, "on");
	return true;
}

static bool parse(struct balloon *b, const char *option, uint64_t *bytes)
{
	const char *rest = *option ? option : NULL;
	char part[64];

	for (bool first = true; rest; first = false) {
		rest = option_part(rest, part, sizeof part);
		if (first && option_size(part, bytes)) {
			if (*bytes <= SIZE_MOST)
				continue;
			complain("--balloon %s: no machine has so much memory", option);
			return false;
		}
		if (!is_choice(part, "deflate-on-oom", &b->deflates_on_oom) &&
		    !is_choice(part, "free-page-reporting", &b->reporting)) {
			complain("--balloon %s: '%s' is none of %sdeflate-on-oom=on|off, "
			         "free-page-reporting=on|off",
			         option, part, first ? "SIZE (as 256M), " : "");
			return false;
		}
	}
	return true;
}

int balloon_add(struct devices *devices, const char *option)
{
	struct balloon b = {.told = -1, .reporting = true};
	uint64_t bytes = 0;
	struct balloon_shared *shared;

	if (!parse(&b, option, &bytes))
		return EXIT_USAGE;
	if (device) {
		complain("--balloon: a machine has one");
		return EXIT_USAGE;
	}
	device = devices_add(devices, "balloon", "");
	if (!device)
		return EXIT_USAGE;
	number = devices->count - 1;
	shared =
	    mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	b.told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (shared == MAP_FAILED || b.told < 0) {
		complain("--balloon: %s", strerror(errno));
		return EXIT_HOST;
	}
	shared->target = (uint32_t)(bytes / PAGE);
	b.shared = shared;
	balloon = b;
	balloon_describe(&balloon, &device->shown, device->config);
	device->ops = &balloon_ops;
	device->own = &balloon;
	device->fds[device->nfds++] = balloon.told;
	return 0;
}

static uint32_t target(void)
{
	return __atomic_load_n(&balloon.shared->target, __ATOMIC_SEQ_CST);
}

int balloon_start(struct vm *vm)
{
	uint32_t pages = device ? target() : 0;

	if (!device)
		return 0;
	if (pages > vm->ram_size / PAGE) {
		complain("--balloon: %" PRIu32 " MiB are more than the machine's memory, %" PRIu64
		         " MiB",
		         pages >> 8, vm->ram_size >> 20);
		return EXIT_USAGE;
	}
	/* A life that is not the first is told at once what was asked for in those before. */
	memcpy(device->config + offsetof(struct virtio_balloon_config, num_pages), &pages,
	       sizeof pages);
	memset(balloon.shared->map, 0, sizeof balloon.shared->map);
	vm->huge.left_out = balloon.shared->map;
	return 0;
}

void balloon_close(void)
{
	if (!device)
		return;
	munmap(balloon.shared, sizeof *balloon.shared);
	close(balloon.told);
	device = NULL;
}

/* ---- a machine that runs ---- */

bool balloon_is_there(void)
{
	return device;
}

bool balloon_set(struct vm *vm, uint64_t bytes, const char **why)
{
	if (!device) {
		*why = "the machine has no balloon; 'ring1 run --balloon' gives it one";
		return false;
	}
	if (bytes > vm->ram_size) {
		*why = "that is more than the machine's memory";
		return false;
	}
	__atomic_store_n(&balloon.shared->target, (uint32_t)(bytes / PAGE), __ATOMIC_SEQ_CST);
	device_ring(vm, number, VIRTIO_BELL_CONFIG);
	return true;
}

static const struct virtio_device *registers(const struct vm *vm)
{
	return &vm->machine->platform.virtio.device[number];
}

/* The guest's word. */
static bool driver_is_there(const struct vm *vm)
{
	return __atomic_load_n(&registers(vm)->status, __ATOMIC_RELAXED) &
	       VIRTIO_CONFIG_S_DRIVER_OK;
}

bool balloon_ask(struct vm *vm)
{
	if (!device || !driver_is_there(vm) || vm->pause ||
	    !(__atomic_load_n(&registers(vm)->driver_features, __ATOMIC_RELAXED) >>
	          VIRTIO_BALLOON_F_STATS_VQ &
	      1))
		return false;
	__atomic_fetch_add(&balloon.shared->asked, 1, __ATOMIC_SEQ_CST);
	device_ring(vm, number, VIRTIO_BELL_CONFIG);
	return true;
}

bool balloon_answered(void)
{
	return __atomic_load_n(&balloon.shared->answered, __ATOMIC_SEQ_CST) ==
	       __atomic_load_n(&balloon.shared->asked, __ATOMIC_SEQ_CST);
}

int balloon_event(void)
{
	return balloon.told;
}

void balloon_heard(void)
{
	uint64_t count;

	/* Nothing to read: it was read already. */
	if (balloon.told >= 0 && read(balloon.told, &count, sizeof count) < 0)
		return;
}

uint64_t balloon_actual(const struct vm *vm)
{
	uint32_t pages;

	if (!device)
		return 0;
	memcpy(&pages, registers(vm)->config + offsetof(struct virtio_balloon_config, actual),
	       sizeof pages);
	return pages < vm->ram_size / PAGE ? (uint64_t)pages * PAGE : vm->ram_size;
}

static uint64_t age_ns(void)
{
	uint64_t at = __atomic_load_n(&balloon.shared->at, __ATOMIC_RELAXED), now;
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	return now > at ? now - at : 0;
}

static uint32_t known_statistics(void)
{
	return __atomic_load_n(&balloon.shared->known, __ATOMIC_RELAXED);
}

/* JSON's integers have a sign: a guest may say what it likes. */
static uint64_t statistic(unsigned i)
{
	return __atomic_load_n(&balloon.shared->stat[i], __ATOMIC_RELAXED) & INT64_MAX;
}

static uint64_t reported(void)
{
	return __atomic_load_n(&balloon.shared->reported, __ATOMIC_RELAXED) & INT64_MAX;
}

json_t *balloon_json(const struct vm *vm)
{
	json_t *all =
	    json_pack("{s:I,s:I,s:b,s:b,s:b,s:I}", "target", (json_int_t)target() * PAGE, "actual",
	              (json_int_t)balloon_actual(vm), "driver", driver_is_there(vm),
	              "deflate_on_oom", balloon.deflates_on_oom, "free_page_reporting",
	              balloon.reporting, "reported", (json_int_t)reported());
	json_t *stats = json_object();

	for (unsigned i = 0; i < BALLOON_STATS; i++)
		if (known_statistics() >> i & 1)
			json_object_set_new(stats, statistics[i].name,
			                    json_integer((json_int_t)statistic(i)));
	if (known_statistics())
		json_object_set_new(all, "statistics_age_ns", json_integer((json_int_t)age_ns()));
	json_object_set_new(all, "statistics", stats);
	return all;
}

void balloon_print(FILE *to, const struct vm *vm)
{
	if (!device) {
		fprintf(to, "no balloon\n");
		return;
	}
	fprintf(to,
	        "target               %" PRIu64 " KiB\n"
	        "actual               %" PRIu64 " KiB%s\n"
	        "given back as free   %" PRIu64 " KiB%s\n",
	        (uint64_t)target() * PAGE / 1024, balloon_actual(vm) / 1024,
	        driver_is_there(vm) ? "" : " (the guest has no driver for it)", reported() / 1024,
	        balloon.reporting ? "" : " (off)");
	for (unsigned i = 0; i < BALLOON_STATS; i++) {
		char name[32];

		if (!(known_statistics() >> i & 1))
			continue;
		snprintf(name, sizeof name, "%s", statistics[i].name);
		for (char *p = name; *p; p++)
			*p = *p == '_' ? ' ' : *p;
		fprintf(to, "guest: %-13s %" PRIu64 "%s\n", name,
		        statistics[i].bytes ? statistic(i) / 1024 : statistic(i),
		        statistics[i].bytes ? " KiB" : "");
	}
}
