// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/disks.h"

#include "backends/blk.h"
#include "backends/ide.h"
#include "backends/nbd.h"
#include "main/option_text.h"
#include "main/report.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CD_SECTOR 2048u

/* Devices refer to them. */
static struct disk disks[VIRTIO_DEVICES];
static unsigned ndisks;
static struct ide_drive drives[IDE_UNITS]; /* without a disk: the unit is free */

/* How a disk was asked for, and what may stand behind its name. */
struct kind {
	const char *option, *words;
	bool has_bus, has_modes;
};
static const struct kind disk_kind = {
    "disk", "ro, cow, backing=allow, serial=TEXT, bus=virtio, bus=ide", true, true};
static const struct kind image_kind = {"image", "ro, cow, backing=allow, serial=TEXT", false, true};
static const struct kind cdrom_kind = {"cdrom", "backing=allow, serial=TEXT", false, false};

static bool take_serial(struct disk *d, const char *text, const struct kind *k, const char *option)
{
	size_t n = strlen(text);

	if (n < 1 || n > DISK_SERIAL_BYTES) {
		complain("--%s %s: a serial number has 1 to %u characters", k->option, option,
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

/* One of the words behind the name. */
static bool take_word(struct disk *d, const struct kind *k, const char *word, const char *option,
                      bool *ide)
{
	if (k->has_modes && !strcmp(word, "ro"))
		d->read_only = true;
	else if (k->has_modes && !strcmp(word, "cow"))
		d->cow = true;
	else if (!strcmp(word, "backing=allow"))
		d->allow_backing = true;
	else if (k->has_bus && (!strcmp(word, "bus=ide") || !strcmp(word, "bus=virtio")))
		*ide = !strcmp(word, "bus=ide");
	else if (!strncmp(word, "serial=", 7))
		return take_serial(d, word + 7, k, option);
	else {
		complain("--%s %s: '%s' is none of %s", k->option, option, word, k->words);
		return false;
	}
	return true;
}

static bool check(const struct disk *d, const struct kind *k, const char *option, bool ide)
{
	if (d->read_only && d->cow) {
		complain("--%s %s: ro and cow exclude one another", k->option, option);
		return false;
	}
	if (d->read_only && ide) {
		complain("--%s %s: an IDE disk cannot be read-only; with cow nothing that is "
		         "written reaches the file",
		         k->option, option);
		return false;
	}
	if (d->allow_backing && !d->served) {
		complain("--%s %s: only a .qcow2 image has a backing file", k->option, option);
		return false;
	}
	return true;
}

static bool parse(struct disk *d, const struct kind *k, const char *option, bool *ide)
{
	const char *rest = option_part(option, d->path, sizeof d->path);
	char part[64];

	*ide = false;
	if (!*d->path) {
		complain("--%s %s: which file?", k->option, option);
		return false;
	}
	if (strlen(d->path) == sizeof d->path - 1) {
		complain("--%s %.40s...: the name is too long", k->option, option);
		return false;
	}
	while (rest) {
		rest = option_part(rest, part, sizeof part);
		if (!take_word(d, k, part, option, ide))
			return false;
	}
	/* By its name: what a raw image begins with is the guest's to write. */
	d->served = nbd_is_uri(d->path) || ends_in(d->path, ".qcow2");
	if (!check(d, k, option, *ide))
		return false;
	if (k == &cdrom_kind)
		d->read_only = *ide = true;
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
	const struct disk *d = device->disk;
	struct stat st;
	int n = snprintf(text, size, "%llu bytes, serial '%s'", (unsigned long long)d->bytes,
	                 d->serial);

	if (!d->served && !fstat(d->fd, &st) && S_ISREG(st.st_mode))
		snprintf(text + n, size - (size_t)n, ", last written at %lld.%09ld",
		         (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

/*
 * The unit of the IDE controller that is next: disks as they come, CD-ROMs from the second channel
 * on, as other machines have them. NULL: there is none.
 */
static struct ide_drive *next_drive(bool cdrom)
{
	static const uint8_t order[2][IDE_UNITS] = {{0, 1, 2, 3}, {2, 3, 0, 1}};

	for (unsigned i = 0; i < IDE_UNITS; i++) {
		struct ide_drive *drive = &drives[order[cdrom][i]];

		if (!drive->disk) {
			drive->unit = order[cdrom][i];
			return drive;
		}
	}
	return NULL;
}

/* At the IDE controller. Returns 0 or an exit status, with the reason printed. */
static int attach_drive(struct device *device, struct disk *d, bool cdrom)
{
	struct ide_drive *drive = next_drive(cdrom);

	if (!drive) {
		complain("%s: an IDE controller has %u disks and CD-ROMs at most", device->name,
		         IDE_UNITS);
		return EXIT_USAGE;
	}
	if (cdrom ? d->bytes < CD_SECTOR : d->logical > DISK_SECTOR && d->served) {
		complain(cdrom ? "%s: a CD-ROM has at least one sector of 2048 bytes"
		               : "%s: its server has blocks larger than an IDE disk's 512 bytes",
		         device->name);
		return EXIT_USAGE;
	}
	drive->disk = d;
	ide_describe(d, cdrom, &device->ide);
	device->shown.drive = (uint16_t)(1 + drive->unit + (cdrom ? IDE_UNITS : 0));
	device->ops = d->served ? &ide_nbd_ops : &ide_ops;
	device->own = drive;
	return 0;
}

static int add(struct devices *devices, const char *option, const struct kind *k)
{
	struct disk *d = &disks[ndisks % VIRTIO_DEVICES];
	struct device *device;
	char why[200];
	bool ide, cdrom = k == &cdrom_kind;
	int status = 0;

	*d = (struct disk){.fd = -1, .overlay = -1};
	if (!parse(d, k, option, &ide))
		return EXIT_USAGE;
	device = devices_add(devices, cdrom ? "cdrom" : "disk", d->path);
	if (!device)
		return EXIT_USAGE;
	if (!disk_open(d, why, sizeof why)) {
		complain("%s: %s", device->name, why);
		return EXIT_USAGE;
	}
	ndisks++;
	if (ide) {
		status = attach_drive(device, d, cdrom);
	} else {
		blk_describe(d, &device->shown, device->config);
		device->ops = d->served ? &blk_nbd_ops : &blk_ops;
		device->own = d;
	}
	device->fds[device->nfds++] = d->served ? nbd_disk_fd(d) : d->fd;
	if (d->cow) {
		device->fds[device->nfds++] = d->overlay;
		device->contents = d->overlay;
		device->contents_map = d->changed;
		device->clusters = (d->bytes + DISK_CLUSTER - 1) / DISK_CLUSTER;
	}
	device->disk = d;
	device->identify = identify;
	return status;
}

int disks_add(struct devices *devices, const char *option)
{
	return add(devices, option, &disk_kind);
}

int disks_add_cdrom(struct devices *devices, const char *option)
{
	return add(devices, option, &cdrom_kind);
}

int disks_add_image(struct devices *devices, const char *option)
{
	return add(devices, option, &image_kind);
}

void disks_close(void)
{
	for (unsigned i = 0; i < ndisks; i++)
		disk_close(&disks[i]);
	ndisks = 0;
	memset(drives, 0, sizeof drives);
}
