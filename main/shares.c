// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/shares.h"

#include "backends/p9.h"
#include "main/option_text.h"
#include "main/report.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Devices refer to them. */
static struct share shares[VIRTIO_DEVICES];
static unsigned nshares;

static bool is_tag(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return n > 0 && n <= SHARE_TAG_BYTES;
}

static bool is_taken(const char *tag)
{
	for (unsigned i = 0; i < nshares; i++)
		if (!strcmp(shares[i].tag, tag))
			return true;
	return false;
}

static bool parse(struct share *s, const char *option)
{
	const char *path = strchr(option, '='), *rest;
	char part[64];

	if (!path || !is_tag(option, (size_t)(path - option))) {
		complain("--share %s: say TAG=DIR, TAG being 1 to %u characters without blanks",
		         option, SHARE_TAG_BYTES);
		return false;
	}
	memcpy(s->tag, option, (size_t)(path - option));
	if (is_taken(s->tag)) {
		complain("--share %s: there is another '%s'", option, s->tag);
		return false;
	}
	rest = option_part(path + 1, s->path, sizeof s->path);
	if (!*s->path) {
		complain("--share %s: which directory?", option);
		return false;
	}
	if (strlen(s->path) == sizeof s->path - 1) {
		complain("--share %.40s...: the name is too long", option);
		return false;
	}
	while (rest) {
		rest = option_part(rest, part, sizeof part);
		if (!strcmp(part, "ro")) {
			s->read_only = true;
		} else if (!strcmp(part, "map=none")) {
			s->same_ids = true;
		} else if (strcmp(part, "map=root") != 0) {
			complain("--share %s: '%s' is none of ro, map=root, map=none", option,
			         part);
			return false;
		}
	}
	return true;
}

int shares_add(struct devices *devices, const char *option)
{
	struct share *s = &shares[nshares % VIRTIO_DEVICES];
	struct device *device;
	char why[200];

	*s = (struct share){.root = -1, .proc = -1};
	if (!parse(s, option))
		return EXIT_USAGE;
	device = devices_add(devices, "share", s->tag);
	if (!device)
		return EXIT_USAGE;
	if (!share_open(s, why, sizeof why)) {
		complain("--share %s: %s: %s", s->tag, s->path, why);
		return EXIT_USAGE;
	}
	nshares++;
	p9_describe(s, &device->shown, device->config);
	device->ops = s->read_only ? &p9_read_only_ops : &p9_ops;
	device->own = s;
	device->fds[device->nfds++] = s->root;
	return 0;
}

void shares_close(void)
{
	for (unsigned i = 0; i < nshares; i++)
		close(shares[i].root);
	nshares = 0;
}
