// SPDX-License-Identifier: GPL-2.0-or-later
//
// mkinitramfs LIST >archive
//
// Writes a cpio archive ("newc", what Linux unpacks as its initramfs) from a list of entries, one a
// line:
//
//     dir   PATH MODE
//     node  PATH MODE MAJOR MINOR       (a character device)
//     link  PATH TARGET
//     file  PATH MODE SOURCE
//
// PATH is without a leading slash, MODE octal; '#' starts a comment line. cpio itself would need
// root for the device nodes. The same list and files give the same bytes: entries are sorted, owned
// by root and dated 1970.

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct entry {
	char *path;
	char *source; // file: where its bytes come from; link: its target
	unsigned mode;
	unsigned major, minor;
};

struct list {
	struct entry *entries;
	size_t count, room;
};

static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("mkinitramfs: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static char *copy(const char *text)
{
	char *result = strdup(text);

	if (!result)
		die("out of memory");
	return result;
}

static void append(struct list *list, struct entry entry)
{
	if (list->count == list->room) {
		list->room = list->room ? 2 * list->room : 256;
		list->entries = realloc(list->entries, list->room * sizeof(entry));
		if (!list->entries)
			die("out of memory");
	}
	list->entries[list->count++] = entry;
}

static struct entry parse(const char *line)
{
	char path[512], text[1024];
	struct entry entry = {0};

	if (sscanf(line, "dir %511s %o", path, &entry.mode) == 2) {
		entry.mode |= S_IFDIR;
	} else if (sscanf(line, "node %511s %o %u %u", path, &entry.mode, &entry.major,
	                  &entry.minor) == 4) {
		entry.mode |= S_IFCHR;
	} else if (sscanf(line, "link %511s %1023s", path, text) == 2) {
		entry.mode = S_IFLNK | 0777;
		entry.source = copy(text);
	} else if (sscanf(line, "file %511s %o %1023s", path, &entry.mode, text) == 3) {
		entry.mode |= S_IFREG;
		entry.source = copy(text);
	} else {
		die("not understood: %s", line);
	}
	entry.path = copy(path);
	return entry;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

// A directory sorts before what is in it, which is the order the kernel needs.
static void sort(struct list *list)
{
	qsort(list->entries, list->count, sizeof(*list->entries), by_path);
	for (size_t i = 1; i < list->count; i++)
		if (!strcmp(list->entries[i - 1].path, list->entries[i].path))
			die("%s is listed twice", list->entries[i].path);
}

static struct list read_list(const char *name)
{
	struct list list = {0};
	char line[2048];
	FILE *file = fopen(name, "r");

	if (!file)
		die("%s: %s", name, strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		if (*line && *line != '#')
			append(&list, parse(line));
	}
	if (ferror(file))
		die("%s: %s", name, strerror(errno));
	fclose(file);
	sort(&list);
	return list;
}

static void put(const void *bytes, size_t size)
{
	if (size && fwrite(bytes, size, 1, stdout) != 1)
		die("writing: %s", strerror(errno));
}

// newc pads names and contents to four bytes, counted from the start of the archive; headers keep
// that alignment.
static void put_padded(const void *bytes, size_t size, size_t before)
{
	put(bytes, size);
	put("\0\0\0", -(before + size) % 4);
}

static void put_entry(const struct entry *entry, const void *data, size_t size)
{
	static unsigned inode;
	char header[111];
	size_t name_size = strlen(entry->path) + 1;
	unsigned links = S_ISDIR(entry->mode) ? 2 : 1;

	snprintf(header, sizeof(header),
	         "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", ++inode, entry->mode,
	         0, 0, links, 0, (unsigned)size, 0, 0, entry->major, entry->minor,
	         (unsigned)name_size, 0);
	put(header, 110);
	put_padded(entry->path, name_size, 110);
	put_padded(data, size, 0);
}

static void put_file(const struct entry *entry)
{
	struct stat status;
	FILE *file = fopen(entry->source, "rb");
	char *data;

	if (!file || fstat(fileno(file), &status))
		die("%s: %s", entry->source, strerror(errno));
	data = malloc((size_t)status.st_size + 1);
	if (!data)
		die("out of memory");
	if (fread(data, 1, (size_t)status.st_size, file) != (size_t)status.st_size)
		die("%s: cannot be read whole", entry->source);
	put_entry(entry, data, (size_t)status.st_size);
	free(data);
	fclose(file);
}

static void put_any(const struct entry *entry)
{
	if (S_ISREG(entry->mode))
		put_file(entry);
	else if (S_ISLNK(entry->mode))
		put_entry(entry, entry->source, strlen(entry->source));
	else
		put_entry(entry, NULL, 0);
}

int main(int argc, char **argv)
{
	struct list list;

	if (argc != 2)
		die("usage: mkinitramfs LIST >archive");
	list = read_list(argv[1]);
	for (size_t i = 0; i < list.count; i++)
		put_any(&list.entries[i]);
	put_entry(&(struct entry){.path = (char[]){"TRAILER!!!"}}, NULL, 0);
	if (fflush(stdout))
		die("writing: %s", strerror(errno));
	return 0;
}
