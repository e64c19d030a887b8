// SPDX-License-Identifier: GPL-2.0-or-later
/* ring1 image: disk images with a Debian in them. */
#include "image/create.h"
#include "main/command.h"
#include "main/report.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MIN  (1ull << 30)
#define SIZE_MAX_ (1ull << 40)

static void usage(FILE *to)
{
	fputs("usage: ring1 image create FILE [OPTION]...\n\n"
	      "Make a disk image with an i386 Debian that 'ring1 run --image FILE' boots.\n"
	      "Needs no root; gets packages from the mirror this machine uses.\n\n"
	      "      --suite NAME      which Debian (bookworm)\n"
	      "      --size SIZE       of the disk, 1G to 1T; what is not used takes no room (4G)\n"
	      "      --packages A,B    more packages\n"
	      "      --kernel PACKAGE  its kernel (linux-image-686)\n"
	      "      --hostname NAME   the guest's name (debian)\n"
	      "      --mirror URL      where packages come from\n"
	      "      --force           replace FILE\n"
	      "  -h, --help            this text\n",
	      to);
}

/* They stand in scripts and in a guest's files: nothing that means anything there. */
static bool is_plain(const char *text, const char *more)
{
	if (!isalnum((unsigned char)*text))
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr(more, *text))
			return false;
	return true;
}

#define NAME_MOST 63 /* characters of a suite's or a host's name (RFC 1123, 2.1) */
#define TEXT_MOST 2047

static bool check_word(const char *option, const char *text, const char *more, size_t most)
{
	if (is_plain(text, more) && strlen(text) <= most)
		return true;
	complain("%s %.100s: letters, digits and %s only, a letter or digit first, and at most %zu "
	         "characters",
	         option, text, more, most);
	return false;
}

static bool parse_size(const char *text, uint64_t *bytes)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (end != text && !errno && n <= 1ull << 40) {
		unsigned shift = *end == 'T' ? 40 : *end == 'G' ? 30 : *end == 'M' ? 20 : 0;

		if ((!*end || (shift && !end[1])) && n <= SIZE_MAX_ >> shift) {
			*bytes = n << shift & ~4095ull;
			if (*bytes >= SIZE_MIN)
				return true;
		}
	}
	complain("--size %s: a size from 1G to 1T, for example 4G or 2500M", text);
	return false;
}

static int create(int argc, char **argv)
{
	static const struct option options[] = {{"suite", required_argument, NULL, 's'},
	                                        {"size", required_argument, NULL, 'S'},
	                                        {"packages", required_argument, NULL, 'p'},
	                                        {"kernel", required_argument, NULL, 'k'},
	                                        {"hostname", required_argument, NULL, 'n'},
	                                        {"mirror", required_argument, NULL, 'm'},
	                                        {"force", no_argument, NULL, 'f'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {NULL, 0, NULL, 0}};
	struct image_request r = {.suite = "bookworm",
	                          .size = 4ull << 30,
	                          .packages = "",
	                          .kernel = "linux-image-686",
	                          .host_name = "debian"};
	bool ok = true;
	int c;

	while (ok && (c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 's':
			ok = check_word("--suite", r.suite = optarg, "-", NAME_MOST);
			break;
		case 'S':
			ok = parse_size(optarg, &r.size);
			break;
		case 'p':
			ok = check_word("--packages", r.packages = optarg, "+-.,", TEXT_MOST);
			break;
		case 'k':
			ok = check_word("--kernel", r.kernel = optarg, "+-.", TEXT_MOST);
			break;
		case 'n':
			ok = check_word("--hostname", r.host_name = optarg, "-", NAME_MOST);
			break;
		case 'm':
			ok = check_word("--mirror", r.mirror = optarg, ":/.-_~+@", TEXT_MOST);
			break;
		case 'f':
			r.replace = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_OK;
		default:
			return usage_error("image", NULL);
		}
	}
	if (!ok)
		return EXIT_USAGE;
	if (optind + 1 != argc)
		return usage_error("image", "create: say which FILE to make, one");
	r.path = argv[optind];
	return image_create(&r);
}

int command_image(int argc, char **argv)
{
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		usage(stdout);
		return EXIT_OK;
	}
	if (argc > 1 && !strcmp(argv[1], "create")) {
		argv[1] = argv[0]; /* under which getopt_long() complains */
		return create(argc - 1, argv + 1);
	}
	complain("image: say what to do; 'ring1 image --help' tells more");
	return EXIT_USAGE;
}
