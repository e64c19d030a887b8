// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile 9P client: the input is messages, each after two bytes with its length and one with the
 * room for the answer, sent to a session on real files. Whatever is asked for, nothing outside of
 * the directory changes, nothing special is made in it, and what is answered fits.
 *
 * fds leak if a fid does: their number is looked at behind each session.
 */
#include "backends/p9.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIDS 50u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char base[64];
static struct share share;
static struct p9 *p9;
static struct stat secret;

static const char *at(const char *name)
{
	static char path[200];

	snprintf(path, sizeof path, "%s/%s", base, name);
	return path;
}

static void put_file(const char *name)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, "contents", 8) != 8)
		abort();
	close(fd);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static void remove_tree(const char *path)
{
	struct stat st;

	if (!lstat(path, &st) && nftw(path, remove_one, 20, FTW_DEPTH | FTW_PHYS))
		abort();
}

static void make_files(void)
{
	remove_tree(at("share"));
	if (mkdir(at("share"), 0755) || mkdir(at("share/dir"), 0755) ||
	    mkdir(at("share/dir/deep"), 0755))
		abort();
	put_file("share/file");
	put_file("share/dir/inner");
	if (symlink("../secret", at("share/link")) || symlink("..", at("share/dir/up")) ||
	    mkfifo(at("share/fifo"), 0644))
		abort();
}

static void clean(void)
{
	remove_tree(base);
}

static void begin(void)
{
	/* In memory, where it can be: each input makes its files anew. */
	strcpy(base,
	       access("/dev/shm", W_OK) ? "/tmp/ring1-fuzz.XXXXXX" : "/dev/shm/ring1-fuzz.XXXXXX");
	p9 = calloc(1, sizeof *p9);
	if (!p9 || !mkdtemp(base))
		abort();
	atexit(clean);
	put_file("secret");
	chmod(at("secret"), 0600);
	if (stat(at("secret"), &secret))
		abort();
	p9->share = &share;
	p9->fids_max = FIDS;
}

static void send_bytes(const uint8_t *bytes, size_t n, size_t room)
{
	static struct chain chain;
	uint8_t *request = malloc(n), *reply = malloc(room);
	uint32_t written = 0, said;

	memcpy(request, bytes, n);
	chain = (struct chain){
	    .readable = 1, .writable = 1, .readable_bytes = n, .writable_bytes = room};
	chain.part[0] = (struct iovec){request, n};
	chain.part[1] = (struct iovec){reply, room};
	if (!p9_message(p9, &chain, &written)) {
		memcpy(&said, reply, 4);
		if (written > room || written < P9_HEADER || said != written || p9->fids > FIDS)
			abort();
	}
	free(request);
	free(reply);
}

static int open_descriptors(void)
{
	int fd = open("/", O_PATH);

	close(fd);
	return fd;
}

static void check_outside(void)
{
	struct stat st, made;

	if (stat(at("secret"), &st) || st.st_mode != secret.st_mode || st.st_size != 8 ||
	    st.st_mtim.tv_sec != secret.st_mtim.tv_sec || st.st_uid != secret.st_uid ||
	    st.st_nlink != 1)
		abort();
	if (lstat(at("n"), &made) == 0 || lstat(at("share/../../n"), &made) == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t version[] = {21, 0, 0,   0,   P9_TVERSION, 0,   0,   0,   0,   1,  0,
	                                  8,  0, '9', 'P', '2',         '0', '0', '0', '.', 'L'};
	static const uint8_t attach[] = {23,  0,   0,   0, P9_TATTACH, 0, 0, 0, 0, 0, 0, 255,
	                                 255, 255, 255, 0, 0,          0, 0, 0, 0, 0, 0};
	char why[200];
	int before;

	if (!*base)
		begin();
	make_files();
	share = (struct share){.root = -1, .proc = -1, .read_only = size && (data[0] & 1)};
	snprintf(share.path, sizeof share.path, "%s", at("share"));
	if (!share_open(&share, why, sizeof why) || share_begin(&share))
		abort();
	before = open_descriptors();
	send_bytes(version, sizeof version, 100);
	send_bytes(attach, sizeof attach, 100);
	while (size >= 3) {
		size_t n = data[0] | (data[1] & 7u) << 8, room = 11 + data[2] * 8u;

		data += 3;
		size -= 3;
		n = n < size ? n : size;
		send_bytes(data, n, room);
		data += n;
		size -= n;
	}
	p9_forget(p9);
	if (p9->fids || open_descriptors() != before)
		abort();
	close(share.root);
	close(share.proc);
	check_outside();
	return 0;
}
