// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/disks.h"

#include "backends/blk.h"
#include "backends/nbd.h"
#include "main/option_text.h"
#include "main/report.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Devices refer to them. */
static struct disk disks[VIRTIO_DEVICES];
static unsigned ndisks;

static bool take_serial(struct disk *d, const char *text, const char *option)
{
	size_t n = strlen(text);

	if (n < 1 || n > DISK_SERIAL_BYTES) {
		complain("--disk %s: a serial number has 1 to %u characters", option,
		         DISK_SERIAL_BYTES);
		return false;
	}
	memcpy(d->serial, text, n + 1);
	return true;
}

static bool ends_in(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n > m && !strcmp(text + n - m, end);
}

static bool parse(struct disk *d, const char *option)
{
	const char *rest = option_part(option, d->path, sizeof d->path);
	char part[64];

	if (!*d->path) {
		complain("--disk %s: which file?", option);
		return false;
	}
	if (strlen(d->path) == sizeof d->path - 1) {
		complain("--disk %.40s...: the name is too long", option);
		return false;
	}
	while (rest) {
		rest = option_part(rest, part, sizeof part);
		if (!strcmp(part, "ro"))
			d->read_only = true;
		else if (!strcmp(part, "cow"))
			d->cow = true;
		else if (!strcmp(part, "backing=allow"))
			d->allow_backing = true;
		else if (!strncmp(part, "serial=", 7)) {
			if (!take_serial(d, part + 7, option))
				return false;
		} else {
			complain("--disk %s: '%s' is none of ro, cow, backing=allow, serial=TEXT",
			         option, part);
			return false;
		}
	}
	if (d->read_only && d->cow) {
		complain("--disk %s: ro and cow exclude one another", option);
		return false;
	}
	/* By its name: what a raw image begins with is the guest's to write. */
	d->served = nbd_is_uri(d->path) || ends_in(d->path, ".qcow2");
	if (d->allow_backing && !d->served) {
		complain("--disk %s: only a .qcow2 image has a backing file", option);
		return false;
	}
	return true;
}

void disks_path(const char *option, char *path, size_t size, bool *read_only)
{
	const char *rest = option_part(option, path, size);
	char part[64];

	*read_only = false;
	while (rest) {
		rest = option_part(rest, part, sizeof part);
		if (!strcmp(part, "ro"))
			*read_only = true;
	}
}

/*
 * A machine can be restored with a disk that holds what this one holds now. A file says so by the
 * time at which it was last written.
 */
static void identify(const struct device *device, char *text, size_t size)
{
	const struct disk *d = device->own;
	struct stat st;
	int n = snprintf(text, size, "%llu bytes, serial '%s'", (unsigned long long)d->bytes,
	                 d->serial);

	if (!d->served && !fstat(d->fd, &st) && S_ISREG(st.st_mode))
		snprintf(text + n, size - (size_t)n, ", last written at %lld.%09ld",
		         (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

int disks_add(struct devices *devices, const char *option)
{
	struct disk *d = &disks[ndisks % VIRTIO_DEVICES];
	struct device *device;
	char why[200];

	*d = (struct disk){.fd = -1, .overlay = -1};
	if (!parse(d, option))
		return EXIT_USAGE;
	device = devices_add(devices, "disk", d->path);
	if (!device)
		return EXIT_USAGE;
	if (!disk_open(d, why, sizeof why)) {
		complain("disk %s: %s", d->path, why);
		return EXIT_USAGE;
	}
	ndisks++;
	blk_describe(d, &device->shown, device->config);
	device->ops = d->served ? &blk_nbd_ops : &blk_ops;
	device->own = d;
	device->fds[device->nfds++] = d->served ? nbd_disk_fd(d) : d->fd;
	if (d->cow) {
		device->fds[device->nfds++] = d->overlay;
		device->contents = d->overlay;
		device->contents_map = d->changed;
		device->clusters = (d->bytes + DISK_CLUSTER - 1) / DISK_CLUSTER;
	}
	device->identify = identify;
	return 0;
}

void disks_close(void)
{
	for (unsigned i = 0; i < ndisks; i++)
		disk_close(&disks[i]);
	ndisks = 0;
}
