// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A client of a shared directory that says what it likes: the messages' parts, every request on
 * real files, and the ways out that other servers had (CVE-2023-2861 of QEMU, and kvmtool's of
 * 2024: devices and FIFOs opened on the host, symbolic links followed there, names that are paths).
 */
#include "backends/p9.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_9p.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#define ROOT 0u
#define NONE ((uint32_t)-1)

static char base[64];
static struct share share;
static struct p9 *p9;
static uint8_t request[P9_MSIZE], reply[P9_MSIZE];
static struct p9_writer out;
static struct p9_reader in;
static uint8_t answer_type;

static const char *at(const char *name)
{
	static char path[4][4200];
	static unsigned n;
	char *p = path[n++ % 4];

	snprintf(p, sizeof path[0], "%s/%s", base, name);
	return p;
}

static void put_file(const char *name, const char *text)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static const char *file_text(const char *name)
{
	static char text[256];
	int fd = open(at(name), O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = 0;
	return n < 0 ? NULL : text;
}

/* ---- asking ---- */

static void ask(uint8_t type)
{
	out = (struct p9_writer){request, request + sizeof request, false};
	p9_put32(&out, 0);
	p9_put8(&out, type);
	p9_put16(&out, 0x1234);
}

static void put_text(const char *text)
{
	p9_put_string(&out, text, strlen(text));
}

/* In parts of odd sizes, as a guest may. Returns the bytes of the answer. */
static uint32_t send_bytes(uint32_t size, uint32_t bytes, uint32_t room)
{
	static struct chain chain;
	uint32_t written = 0;

	memcpy(request, &size, 4);
	memset(reply, 0xa5, sizeof reply);
	chain = (struct chain){.readable_bytes = bytes, .writable_bytes = room};
	for (uint32_t done = 0, n = 3; done < bytes; done += n, n = 4000) {
		n = n < bytes - done ? n : bytes - done;
		chain.part[chain.readable++] = (struct iovec){request + done, n};
	}
	for (uint32_t done = 0, n = 5; done < room; done += n, n = 4000) {
		n = n < room - done ? n : room - done;
		chain.part[chain.readable + chain.writable++] = (struct iovec){reply + done, n};
	}
	assert_int_equal(p9_message(p9, &chain, &written), 0);
	assert_true(written <= room);
	return written;
}

/* Returns 0, or the errno of an Rlerror; `in` stands behind the header. */
static int finish_asking(uint32_t size, uint32_t bytes, uint32_t room)
{
	uint32_t written = send_bytes(size, bytes, room);

	in = (struct p9_reader){reply, reply + written, false};
	assert_int_equal(p9_get32(&in), written);
	answer_type = p9_get8(&in);
	assert_int_equal(p9_get16(&in), 0x1234);
	if (answer_type == P9_RLERROR)
		return (int)p9_get32(&in);
	assert_int_equal(answer_type, request[4] + 1);
	return 0;
}

static int said(void)
{
	uint32_t n = (uint32_t)(out.at - request);

	return finish_asking(n, n, sizeof reply);
}

static struct p9_qid get_qid(void)
{
	struct p9_qid qid = {.type = p9_get8(&in)};

	qid.version = p9_get32(&in);
	qid.path = p9_get64(&in);
	return qid;
}

static int version(const char *text, uint32_t msize)
{
	ask(P9_TVERSION);
	p9_put32(&out, msize);
	put_text(text);
	return said();
}

static int attach(uint32_t fid, const char *what)
{
	ask(P9_TATTACH);
	p9_put32(&out, fid);
	p9_put32(&out, NONE);
	put_text("root");
	put_text(what);
	p9_put32(&out, 0);
	return said();
}

static int walk_to(uint32_t from, uint32_t to, unsigned n, const char *const *names)
{
	ask(P9_TWALK);
	p9_put32(&out, from);
	p9_put32(&out, to);
	p9_put16(&out, (uint16_t)n);
	for (unsigned i = 0; i < n; i++)
		put_text(names[i]);
	return said();
}

static int walk(uint32_t from, uint32_t to, const char *name)
{
	return walk_to(from, to, 1, &name);
}

static int clunk(uint32_t fid)
{
	ask(P9_TCLUNK);
	p9_put32(&out, fid);
	return said();
}

static int open_fid(uint32_t fid, uint32_t flags)
{
	ask(P9_TLOPEN);
	p9_put32(&out, fid);
	p9_put32(&out, flags);
	return said();
}

static int create(uint32_t fid, const char *name, uint32_t flags, uint32_t mode)
{
	ask(P9_TLCREATE);
	p9_put32(&out, fid);
	put_text(name);
	p9_put32(&out, flags);
	p9_put32(&out, mode);
	p9_put32(&out, 0);
	return said();
}

static int in_place(uint8_t type, uint32_t fid, const char *name)
{
	ask(type);
	p9_put32(&out, fid);
	put_text(name);
	if (type == P9_TMKDIR) {
		p9_put32(&out, 0755);
		p9_put32(&out, 0);
	} else if (type == P9_TSYMLINK) {
		put_text("/etc/passwd");
		p9_put32(&out, 0);
	} else if (type == P9_TMKNOD) {
		p9_put32(&out, S_IFREG | 0644);
		p9_put64(&out, 0);
		p9_put32(&out, 0);
	} else {
		p9_put32(&out, 0);
	}
	return said();
}

static int make_node(const char *name, uint32_t mode)
{
	ask(P9_TMKNOD);
	p9_put32(&out, ROOT);
	put_text(name);
	p9_put32(&out, mode);
	p9_put32(&out, 1);
	p9_put32(&out, 3);
	p9_put32(&out, 0);
	return said();
}

static int rename_entry(uint32_t from, const char *name, uint32_t to, const char *new_name)
{
	ask(P9_TRENAMEAT);
	p9_put32(&out, from);
	put_text(name);
	p9_put32(&out, to);
	put_text(new_name);
	return said();
}

static int link_entry(uint32_t dir, uint32_t fid, const char *name)
{
	ask(P9_TLINK);
	p9_put32(&out, dir);
	p9_put32(&out, fid);
	put_text(name);
	return said();
}

static int read_fid(uint32_t fid, uint64_t offset, uint32_t count)
{
	ask(P9_TREAD);
	p9_put32(&out, fid);
	p9_put64(&out, offset);
	p9_put32(&out, count);
	return said();
}

static int write_fid(uint32_t fid, uint64_t offset, const char *text)
{
	ask(P9_TWRITE);
	p9_put32(&out, fid);
	p9_put64(&out, offset);
	p9_put32(&out, (uint32_t)strlen(text));
	memcpy(out.at, text, strlen(text));
	out.at += strlen(text);
	return said();
}

static int set_attributes(uint32_t fid, uint32_t valid, uint32_t mode, uint32_t uid, uint64_t size,
                          uint64_t mtime)
{
	ask(P9_TSETATTR);
	p9_put32(&out, fid);
	p9_put32(&out, valid);
	p9_put32(&out, mode);
	p9_put32(&out, uid);
	p9_put32(&out, uid);
	p9_put64(&out, size);
	p9_put64(&out, 0);
	p9_put64(&out, 0);
	p9_put64(&out, mtime);
	p9_put64(&out, 5);
	return said();
}

static int lock(uint32_t fid, uint8_t type)
{
	int error;

	ask(P9_TLOCK);
	p9_put32(&out, fid);
	p9_put8(&out, type);
	p9_put32(&out, 0);
	p9_put64(&out, 0);
	p9_put64(&out, 0);
	p9_put32(&out, 77);
	put_text("guest");
	error = said();
	return error ? -error : p9_get8(&in);
}

/* ---- a share with something in it ---- */

static int setup(void **state)
{
	char why[200];

	(void)state;
	strcpy(base, "/tmp/ring1-p9.XXXXXX");
	if (!mkdtemp(base))
		return -1;
	mkdir(at("share"), 0755);
	mkdir(at("share/dir"), 0755);
	put_file("secret", "not for the guest");
	put_file("share/file", "contents");
	put_file("share/dir/inner", "inner");
	if (symlink("../secret", at("share/out")) || symlink("file", at("share/link")) ||
	    symlink("..", at("share/dirlink")) || symlink("/proc/self/root", at("share/magic")) ||
	    mkfifo(at("share/fifo"), 0644))
		return -1;
	share = (struct share){.root = -1, .proc = -1};
	snprintf(share.path, sizeof share.path, "%s/share", base);
	strcpy(share.tag, "tag");
	p9 = calloc(1, sizeof *p9);
	p9->share = &share;
	p9->fids_max = 100;
	if (!share_open(&share, why, sizeof why) || share_begin(&share))
		return -1;
	return version("9P2000.L", 65536) || attach(ROOT, "");
}

static int teardown(void **state)
{
	char command[100];

	(void)state;
	p9_forget(p9);
	free(p9);
	close(share.root);
	close(share.proc);
	snprintf(command, sizeof command, "rm -rf %s", base);
	return system(command);
}

/* ---- messages ---- */

static void takes_messages_apart(void **state)
{
	static const uint8_t bytes[] = {1, 2,    0, 3, 0,   0,   0, 4, 0,   0, 0, 0, 0,
	                                0, 0x80, 2, 0, 'h', 'i', 2, 0, 'a', 0, 9, 0};
	struct p9_reader r = {bytes, bytes + sizeof bytes, false};
	char text[3];

	(void)state;
	assert_int_equal(p9_get8(&r), 1);
	assert_int_equal(p9_get16(&r), 2);
	assert_int_equal(p9_get32(&r), 3);
	assert_true(p9_get64(&r) == 0x8000000000000004);
	assert_true(p9_get_string(&r, text, sizeof text));
	assert_string_equal(text, "hi");
	assert_false(r.bad);
	/* With a NUL in it */
	assert_false(p9_get_string(&r, text, sizeof text));
	assert_true(r.bad);
	assert_string_equal(text, "");
	/* Too long for the room: what is behind it can be read; longer than the message */
	r = (struct p9_reader){bytes + 15, bytes + sizeof bytes, false};
	assert_false(p9_get_string(&r, text, 2));
	assert_false(r.bad);
	assert_ptr_equal(r.at, bytes + 19);
	r.at = bytes + 23;
	assert_false(p9_get_string(&r, text, sizeof text));
	assert_true(r.bad);
	/* All behind that is missing */
	r.at = bytes;
	assert_int_equal(p9_get8(&r), 0);
	r = (struct p9_reader){bytes, bytes + 3, false};
	assert_int_equal(p9_get32(&r), 0);
	assert_true(r.bad);
}

static void puts_messages_together(void **state)
{
	static const uint8_t expected[] = {1, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 'x'};
	uint8_t bytes[sizeof expected + 1];
	struct p9_writer w = {bytes, bytes + sizeof bytes, false};
	struct p9_qid qid = {0};

	(void)state;
	p9_put8(&w, 1);
	p9_put16(&w, 2);
	p9_put32(&w, 3);
	p9_put64(&w, 4);
	p9_put_string(&w, "x", 1);
	assert_memory_equal(bytes, expected, sizeof expected);
	assert_false(w.full);
	p9_put_qid(&w, &qid);
	assert_true(w.full);
	assert_int_equal(w.at - bytes, sizeof bytes);
	p9_put8(&w, 1);
	assert_int_equal(w.at - bytes, sizeof bytes);
}

static void knows_names(void **state)
{
	(void)state;
	assert_true(p9_is_name("a") && p9_is_name("...") && p9_is_name(".a") && p9_is_name(" "));
	assert_false(p9_is_name("") || p9_is_name(".") || p9_is_name("..") || p9_is_name("/") ||
	             p9_is_name("a/b") || p9_is_name("../a"));
}

static void answers_what_is_no_request(void **state)
{
	static struct chain chain = {.readable = 1, .writable = 1, .readable_bytes = 6};
	uint32_t written;

	(void)state;
	/* Sizes that are wrong; unknown types; parts that are missing */
	ask(P9_TCLUNK);
	p9_put32(&out, ROOT);
	assert_int_equal(finish_asking(6, 11, 100), EINVAL);
	assert_int_equal(finish_asking(12, 11, 100), EINVAL);
	assert_int_equal(finish_asking(0xffffffff, 11, 100), EINVAL);
	assert_int_equal(finish_asking(9, 11, 100), EBADF);
	assert_int_equal(finish_asking(9, 9, 100), EBADF);
	ask(P9_TSYMLINK);
	assert_int_equal(finish_asking(P9_MESSAGE + 1, P9_MESSAGE + 1, 100), EMSGSIZE);
	for (unsigned type = 0; type < 256; type++) {
		if (type == P9_TVERSION || type == P9_TFLUSH || type == P9_TXATTRWALK ||
		    type == P9_TXATTRCREATE)
			continue;
		ask((uint8_t)type);
		assert_int_not_equal(finish_asking(7, 7, 11), 0);
	}
	/* An answer that has no room */
	ask(P9_TGETATTR);
	p9_put32(&out, ROOT);
	p9_put64(&out, 0);
	assert_int_equal(finish_asking(19, 19, 100), EMSGSIZE);
	assert_int_equal(finish_asking(19, 19, 200), 0);
	/* No message at all, no room for any answer */
	chain.part[0] = (struct iovec){request, 6};
	chain.part[1] = (struct iovec){reply, 100};
	chain.writable_bytes = 100;
	assert_int_equal(p9_message(p9, &chain, &written), -EINVAL);
	chain.part[0].iov_len = chain.readable_bytes = 11;
	chain.part[1].iov_len = chain.writable_bytes = 10;
	assert_int_equal(p9_message(p9, &chain, &written), -EINVAL);
}

static void settles_version_and_size(void **state)
{
	(void)state;
	assert_int_equal(version("9P2000.L", 8192), 0);
	assert_int_equal(p9_get32(&in), 8192);
	assert_int_equal(p9->fids, 0);
	assert_int_equal(version("9P2000.L", 0xffffffff), 0);
	assert_int_equal(p9_get32(&in), P9_MSIZE);
	assert_int_equal(version("9P2000.L", 100), EINVAL);
	assert_int_equal(version("9P2000.u", 8192), 0);
	p9_get32(&in);
	assert_int_equal(p9_get16(&in), 7);
	assert_memory_equal(in.at, "unknown", 7);
	assert_int_equal(attach(ROOT, ""), EPROTO);
	assert_int_equal(version("9P2000.L", 8192), 0);
	assert_int_equal(attach(ROOT, "/etc"), ENOENT);
	assert_int_equal(attach(ROOT, "/"), 0);
	assert_int_equal(get_qid().type, P9_QID_DIRECTORY);
	assert_int_equal(attach(ROOT, "/"), EBADF);
}

static void shows_its_tag(void **state)
{
	struct virtio_shown shown;
	uint8_t config[VIRTIO_CONFIG_BYTES];

	(void)state;
	p9_describe(&share, &shown, config);
	assert_int_equal(shown.config_bytes, 5);
	assert_memory_equal(config, "\3\0tag", 5);
	assert_true(shown.features & 1ull << VIRTIO_9P_MOUNT_TAG);
}

/* ---- ways out ---- */

static void leads_nowhere_else(void **state)
{
	static const char *const up[] = {"dir", ".."};
	static const char *const twice[] = {"..", ".."};
	static const char *const through[] = {"dirlink", "secret"};
	static const char *const magic[] = {"magic", "etc"};
	static const char *const none[] = {"dir", "none", "x"};
	static const char *const paths[] = {"dir/inner", "/etc/passwd", "../secret", "",
	                                    ".",         "/",           "dir/",      "./file"};
	char big[4096];

	(void)state;
	/* Above the root is the root. */
	assert_int_equal(walk_to(ROOT, 1, 2, twice), 0);
	assert_int_equal(walk(1, 2, "file"), 0);
	assert_int_equal(walk(1, 3, "secret"), ENOENT);
	clunk(1);
	clunk(2);
	/* One step of two: a count, and no new fid */
	assert_int_equal(walk_to(ROOT, 1, 2, up), 0);
	assert_int_equal(p9_get16(&in), 1);
	assert_int_equal(clunk(1), EBADF);
	assert_int_equal(walk_to(ROOT, 1, 3, none), 0);
	assert_int_equal(p9_get16(&in), 1);
	assert_int_equal(clunk(1), EBADF);
	for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
		assert_int_equal(walk(ROOT, 1, paths[i]), ENOENT);
		assert_int_equal(in_place(P9_TMKDIR, ROOT, paths[i]), EINVAL);
		assert_int_equal(in_place(P9_TMKNOD, ROOT, paths[i]), EINVAL);
		assert_int_equal(in_place(P9_TSYMLINK, ROOT, paths[i]), EINVAL);
		assert_int_equal(in_place(P9_TUNLINKAT, ROOT, paths[i]), EINVAL);
		assert_int_equal(create(ROOT, paths[i], O_RDWR, 0644), EINVAL);
		assert_int_equal(rename_entry(ROOT, paths[i], ROOT, "x"), EINVAL);
		assert_int_equal(rename_entry(ROOT, "file", ROOT, paths[i]), EINVAL);
		assert_int_equal(link_entry(ROOT, ROOT, paths[i]), EINVAL);
	}
	memset(big, 'x', sizeof big);
	big[sizeof big - 1] = 0;
	assert_int_equal(walk(ROOT, 1, big), ENAMETOOLONG);
	/* Symbolic links are held, never followed. */
	assert_int_equal(walk_to(ROOT, 1, 2, through), 0);
	assert_int_equal(p9_get16(&in), 1);
	assert_int_equal(get_qid().type, P9_QID_SYMLINK);
	assert_int_equal(walk_to(ROOT, 1, 2, magic), 0);
	assert_int_equal(p9_get16(&in), 1);
	assert_int_equal(walk(ROOT, 1, "out"), 0);
	assert_int_equal(open_fid(1, O_RDONLY), ELOOP);
	assert_int_equal(open_fid(1, O_RDWR), ELOOP);
	assert_int_equal(walk(1, 2, "x"), ENOTDIR);
	assert_int_equal(set_attributes(1, 1, 0777, 0, 0, 0), EOPNOTSUPP);
	assert_int_equal(set_attributes(1, 8, 0, 0, 0, 0), EINVAL);
	assert_int_equal(set_attributes(1, 0x120, 0, 0, 0, 1000), 0);
	assert_string_equal(file_text("secret"), "not for the guest");
	/* A name that a link of the host's took: O_CREAT follows nothing either. */
	assert_int_equal(walk_to(ROOT, 3, 0, NULL), 0);
	assert_int_equal(create(3, "out", O_RDWR | O_TRUNC, 0644), ELOOP);
	assert_int_equal(create(3, "fifo", O_RDWR, 0644), EPERM);
	assert_string_equal(file_text("secret"), "not for the guest");
}

/* The host puts a link where a directory was, while the guest holds it. */
static void holds_what_it_holds(void **state)
{
	(void)state;
	assert_int_equal(walk(ROOT, 1, "dir"), 0);
	assert_int_equal(walk(1, 2, "inner"), 0);
	mkdir(at("outside"), 0755);
	put_file("outside/inner", "outside");
	put_file("outside/other", "outside");
	assert_int_equal(rename(at("share/dir"), at("share/was")), 0);
	assert_int_equal(symlink(at("outside"), at("share/dir")), 0);
	assert_int_equal(open_fid(2, O_RDWR), 0);
	assert_int_equal(write_fid(2, 0, "INNER"), 0);
	assert_string_equal(file_text("outside/inner"), "outside");
	assert_string_equal(file_text("share/was/inner"), "INNER");
	assert_int_equal(walk(1, 3, "other"), ENOENT);
	assert_int_equal(in_place(P9_TUNLINKAT, 1, "other"), ENOENT);
	assert_int_equal(create(1, "new", O_RDWR, 0600), 0);
	assert_non_null(file_text("share/was/new"));
	assert_null(file_text("outside/new"));
	assert_int_equal(walk(ROOT, 4, "dir"), 0);
	assert_int_equal(p9_get16(&in), 1);
	assert_int_equal(get_qid().type, P9_QID_SYMLINK);
	assert_int_equal(walk(4, 5, "other"), ENOTDIR);
}

static void opens_no_special_file(void **state)
{
	(void)state;
	assert_int_equal(walk(ROOT, 1, "fifo"), 0);
	/* It would wait for the other end. */
	assert_int_equal(open_fid(1, O_RDONLY), EPERM);
	assert_int_equal(open_fid(1, O_WRONLY | O_TRUNC), EPERM);
	assert_int_equal(set_attributes(1, 8, 0, 0, 0, 0), EINVAL);
	assert_int_equal(link_entry(ROOT, 1, "linked"), EPERM);
	assert_int_equal(make_node("n", S_IFIFO | 0666), EPERM);
	assert_int_equal(make_node("n", S_IFCHR | 0666), EPERM);
	assert_int_equal(make_node("n", S_IFBLK | 0666), EPERM);
	assert_int_equal(make_node("n", S_IFSOCK | 0666), EPERM);
	assert_int_equal(make_node("n", S_IFREG | 06755), 0);
	assert_int_equal(access(at("share/n"), F_OK), 0);
	if (mknod(at("share/null"), S_IFCHR | 0666, makedev(1, 3)))
		skip();
	assert_int_equal(walk(ROOT, 2, "null"), 0);
	assert_int_equal(open_fid(2, O_RDWR), EPERM);
}

static void gives_nothing_set_user_id(void **state)
{
	struct stat st;

	(void)state;
	walk_to(ROOT, 1, 0, NULL);
	assert_int_equal(create(1, "new", O_RDWR, 07755), 0);
	stat(at("share/new"), &st);
	assert_int_equal(st.st_mode & 07777, 01755);
	assert_int_equal(set_attributes(1, 1, 06711, 0, 0, 0), 0);
	stat(at("share/new"), &st);
	assert_int_equal(st.st_mode & 07777, 0711);
}

static void closes_the_kernels_own(void **state)
{
	struct share proc = {.root = -1, .proc = -1, .path = "/proc"};
	struct share all = {.root = -1, .proc = -1, .path = "/"};
	char why[200];

	(void)state;
	assert_false(share_open(&proc, why, sizeof why));
	assert_true(share_open(&all, why, sizeof why));
	assert_int_equal(share_lookup(&all, all.root, "proc"), -EACCES);
	close(all.root);
	strcpy(all.path, "/nowhere/at all");
	assert_false(share_open(&all, why, sizeof why));
	strcpy(all.path, "/etc/passwd");
	assert_false(share_open(&all, why, sizeof why));
}

static void changes_nothing_read_only(void **state)
{
	(void)state;
	assert_int_equal(walk(ROOT, 1, "file"), 0);
	share.read_only = true;
	assert_int_equal(open_fid(1, O_RDWR), EROFS);
	assert_int_equal(open_fid(1, O_WRONLY), EROFS);
	assert_int_equal(open_fid(1, O_RDONLY | O_TRUNC), EROFS);
	assert_int_equal(open_fid(1, O_RDONLY), 0);
	assert_int_equal(read_fid(1, 0, 100), 0);
	assert_int_equal(write_fid(1, 0, "x"), EROFS);
	assert_int_equal(set_attributes(1, 1, 0777, 0, 0, 0), EROFS);
	assert_int_equal(in_place(P9_TMKDIR, ROOT, "d"), EROFS);
	assert_int_equal(in_place(P9_TMKNOD, ROOT, "d"), EROFS);
	assert_int_equal(in_place(P9_TSYMLINK, ROOT, "d"), EROFS);
	assert_int_equal(in_place(P9_TUNLINKAT, ROOT, "file"), EROFS);
	assert_int_equal(create(ROOT, "d", O_RDONLY, 0644), EROFS);
	assert_int_equal(rename_entry(ROOT, "file", ROOT, "x"), EROFS);
	assert_int_equal(link_entry(ROOT, 1, "x"), EROFS);
	assert_string_equal(file_text("share/file"), "contents");
}

/* ---- what it is for ---- */

static void reads_and_writes(void **state)
{
	(void)state;
	assert_int_equal(walk(ROOT, 1, "file"), 0);
	assert_int_equal(read_fid(1, 0, 8), EBADF);
	assert_int_equal(open_fid(1, O_RDWR), 0);
	assert_int_equal(get_qid().type, P9_QID_FILE);
	assert_int_equal(open_fid(1, O_RDWR), EBADF);
	assert_int_equal(read_fid(1, 3, 100), 0);
	assert_int_equal(p9_get32(&in), 5);
	assert_memory_equal(in.at, "tents", 5);
	assert_int_equal(in.end - in.at, 5);
	assert_int_equal(read_fid(1, 100, 100), 0);
	assert_int_equal(p9_get32(&in), 0);
	assert_int_equal(read_fid(1, -1ull, 100), EINVAL);
	assert_int_equal(write_fid(1, 6, "ment"), 0);
	assert_int_equal(p9_get32(&in), 4);
	assert_string_equal(file_text("share/file"), "contenment");
	/* Says more than it holds */
	ask(P9_TWRITE);
	p9_put32(&out, 1);
	p9_put64(&out, 0);
	p9_put32(&out, 5000);
	assert_int_equal(said(), EINVAL);
	ask(P9_TFSYNC);
	p9_put32(&out, 1);
	assert_int_equal(said(), 0);
	/* Data whose bytes an old driver does not count in the size */
	ask(P9_TWRITE);
	p9_put32(&out, 1);
	p9_put64(&out, 0);
	p9_put32(&out, 4);
	memcpy(out.at, "CONT", 4);
	assert_int_equal(finish_asking(23, 27, 11), 0);
	assert_string_equal(file_text("share/file"), "CONTenment");
	/* More than there is room for in the answer */
	ask(P9_TREAD);
	p9_put32(&out, 1);
	p9_put64(&out, 0);
	p9_put32(&out, 0xffffffff);
	assert_int_equal(finish_asking(23, 23, 14), 0);
	assert_int_equal(p9_get32(&in), 3);
	assert_int_equal(clunk(1), 0);
	assert_int_equal(clunk(1), EBADF);
	assert_int_equal(walk(ROOT, 1, "dir"), 0);
	assert_int_equal(open_fid(1, O_RDWR), EISDIR);
	assert_int_equal(open_fid(1, O_RDONLY), 0);
	assert_int_equal(read_fid(1, 0, 10), EISDIR);
	assert_int_equal(write_fid(1, 0, "x"), EISDIR);
}

static void makes_and_removes(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(in_place(P9_TMKDIR, ROOT, "d"), 0);
	assert_int_equal(get_qid().type, P9_QID_DIRECTORY);
	assert_int_equal(in_place(P9_TMKDIR, ROOT, "d"), EEXIST);
	assert_int_equal(walk(ROOT, 1, "d"), 0);
	assert_int_equal(rename_entry(ROOT, "file", 1, "moved"), 0);
	assert_string_equal(file_text("share/d/moved"), "contents");
	assert_int_equal(rename_entry(ROOT, "file", 1, "moved"), ENOENT);
	assert_int_equal(in_place(P9_TUNLINKAT, ROOT, "d"), EISDIR);
	assert_int_equal(walk(1, 2, "moved"), 0);
	assert_int_equal(link_entry(1, 2, "again"), 0);
	assert_int_equal(in_place(P9_TUNLINKAT, 1, "moved"), 0);
	assert_string_equal(file_text("share/d/again"), "contents");
	assert_int_equal(in_place(P9_TUNLINKAT, 1, "again"), 0);
	/* What is held lives on. */
	assert_int_equal(open_fid(2, O_RDONLY), 0);
	assert_int_equal(read_fid(2, 0, 100), 0);
	assert_int_equal(p9_get32(&in), 8);
	ask(P9_TUNLINKAT);
	p9_put32(&out, ROOT);
	put_text("d");
	p9_put32(&out, 0x200);
	assert_int_equal(said(), 0);
	assert_int_equal(in_place(P9_TSYMLINK, ROOT, "sym"), 0);
	assert_int_equal(get_qid().type, P9_QID_SYMLINK);
	assert_int_equal(walk(ROOT, 3, "sym"), 0);
	ask(P9_TREADLINK);
	p9_put32(&out, 3);
	assert_int_equal(said(), 0);
	assert_int_equal(p9_get16(&in), 11);
	assert_memory_equal(in.at, "/etc/passwd", 11);
	ask(P9_TREADLINK);
	p9_put32(&out, ROOT);
	assert_int_equal(said(), EINVAL);
	walk_to(ROOT, 4, 0, NULL);
	assert_int_equal(create(4, "file", O_RDWR | O_EXCL, 0640), 0);
	assert_int_equal(write_fid(4, 0, "new"), 0);
	stat(at("share/file"), &st);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	walk_to(ROOT, 5, 0, NULL);
	assert_int_equal(create(5, "file", O_RDWR | O_EXCL, 0640), EEXIST);
	assert_int_equal(create(5, "file", O_RDWR | O_TRUNC, 0640), 0);
	assert_string_equal(file_text("share/file"), "");
}

static void sets_attributes(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(walk(ROOT, 1, "file"), 0);
	assert_int_equal(set_attributes(1, 1 | 8 | 0x120, 0600, 0, 3, 1000), 0);
	stat(at("share/file"), &st);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	assert_int_equal(st.st_mtim.tv_nsec, 5);
	assert_int_equal(set_attributes(1, 8, 0, 0, -1ull, 0), EFBIG);
	assert_int_equal(set_attributes(9, 8, 0, 0, 0, 0), EBADF);
	assert_int_equal(set_attributes(ROOT, 8, 0, 0, 0, 0), EISDIR);
	/* To the guest's root, which the user is already */
	assert_int_equal(set_attributes(1, 6, 0, 0, 0, 0), 0);
	stat(at("share/file"), &st);
	assert_int_equal(st.st_uid, geteuid());
	ask(P9_TXATTRWALK);
	assert_int_equal(said(), EOPNOTSUPP);
	ask(P9_TSTATFS);
	p9_put32(&out, ROOT);
	assert_int_equal(said(), 0);
	p9_get32(&in);
	assert_int_not_equal(p9_get32(&in), 0);
}

static uint32_t shown_uid(uint32_t fid)
{
	ask(P9_TGETATTR);
	p9_put32(&out, fid);
	p9_put64(&out, 0x7ff);
	assert_int_equal(said(), 0);
	assert_true(p9_get64(&in) == 0x7ff);
	get_qid();
	p9_get32(&in);
	return p9_get32(&in);
}

static void maps_ids(void **state)
{
	(void)state;
	/* As if somebody else served. */
	share.uid = 4711;
	assert_int_equal(walk(ROOT, 1, "file"), 0);
	if (geteuid() == 0) {
		assert_int_equal(set_attributes(1, 2, 0, 4711, 0, 0), 0);
		assert_int_equal(shown_uid(1), 0);
		share.same_ids = true;
		assert_int_equal(shown_uid(1), 4711);
		share.same_ids = false;
		assert_int_equal(set_attributes(1, 2, 0, 4712, 0, 0), 0);
		assert_int_equal(shown_uid(1), 4712);
	} else {
		assert_int_equal(shown_uid(1), geteuid());
		share.uid = geteuid();
		assert_int_equal(shown_uid(1), 0);
		assert_int_equal(set_attributes(1, 2, 0, 1, 0, 0), EPERM);
	}
}

static int list(uint32_t fid, uint64_t offset, uint32_t count)
{
	ask(P9_TREADDIR);
	p9_put32(&out, fid);
	p9_put64(&out, offset);
	p9_put32(&out, count);
	return said();
}

static void lists_directories(void **state)
{
	unsigned entries = 0;
	uint64_t next = 0, root;
	bool seen[300] = {false};

	(void)state;
	assert_int_equal(mkdir(at("share/many"), 0755), 0);
	for (unsigned i = 0; i < 300; i++) {
		char name[30];

		snprintf(name, sizeof name, "share/many/%u", i);
		put_file(name, "");
	}
	assert_int_equal(walk(ROOT, 1, "many"), 0);
	assert_int_equal(list(1, 0, 1000), EBADF);
	assert_int_equal(open_fid(1, O_RDONLY), 0);
	assert_int_equal(list(1, 0, 10), EINVAL);
	for (;;) {
		const uint8_t *end;

		assert_int_equal(list(1, next, 500), 0);
		end = in.at + 4 + p9_get32(&in);
		assert_true(end == in.end);
		if (in.at == in.end)
			break;
		while (in.at < in.end) {
			char name[256];

			get_qid();
			next = p9_get64(&in);
			p9_get8(&in);
			assert_true(p9_get_string(&in, name, sizeof name));
			if (*name != '.') {
				assert_false(seen[atoi(name)]);
				seen[atoi(name)] = true;
			}
			entries++;
		}
	}
	assert_int_equal(entries, 302);
	assert_int_equal(list(1, 0, 500), 0);
	assert_true(p9_get32(&in) > 100);
	/* ".." of the root is the root: what is above it has no number here. */
	assert_int_equal(walk_to(ROOT, 2, 0, NULL), 0);
	root = 0;
	assert_int_equal(open_fid(2, O_RDONLY), 0);
	root = get_qid().path;
	assert_int_equal(list(2, 0, 4096), 0);
	p9_get32(&in);
	while (in.at < in.end) {
		struct p9_qid qid = get_qid();
		char name[256];

		p9_get64(&in);
		p9_get8(&in);
		p9_get_string(&in, name, sizeof name);
		if (*name == '.')
			assert_true(qid.path == root);
	}
	assert_int_equal(walk(ROOT, 3, "file"), 0);
	assert_int_equal(open_fid(3, O_RDONLY), 0);
	assert_int_equal(list(3, 0, 500), ENOTDIR);
}

static void locks_against_the_host(void **state)
{
	int fd = open(at("share/file"), O_RDWR);
	struct flock l = {.l_type = F_WRLCK};

	(void)state;
	assert_int_equal(walk(ROOT, 1, "file"), 0);
	assert_int_equal(open_fid(1, O_RDWR), 0);
	assert_int_equal(lock(1, 1), 0);
	assert_int_not_equal(fcntl(fd, F_OFD_SETLK, &l), 0);
	assert_int_equal(lock(1, 2), 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &l), 0);
	assert_int_equal(lock(1, 1), 1);
	assert_int_equal(lock(1, 0), 1);
	ask(P9_TGETLOCK);
	p9_put32(&out, 1);
	p9_put8(&out, 0);
	p9_put64(&out, 0);
	p9_put64(&out, 0);
	p9_put32(&out, 5);
	put_text("guest");
	assert_int_equal(said(), 0);
	assert_int_equal(p9_get8(&in), 1);
	close(fd);
	assert_int_equal(lock(1, 0), 0);
	assert_int_equal(lock(1, 3), -EINVAL);
	/* An exclusive lock of what is open for reading: flock() has that. */
	assert_int_equal(lock(1, 2), 0);
	assert_int_equal(walk(ROOT, 2, "file"), 0);
	assert_int_equal(open_fid(2, O_RDONLY), 0);
	assert_int_equal(lock(2, 1), 0);
	fd = open(at("share/file"), O_RDWR);
	assert_int_not_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
	assert_int_equal(lock(2, 2), 0);
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
	close(fd);
}

static void bounds_fids(void **state)
{
	unsigned n = 1;

	(void)state;
	while (n < 1000 && !walk(ROOT, n, "file"))
		n++;
	assert_int_equal(n, 100);
	assert_int_equal(walk(ROOT, n, "file"), ENFILE);
	assert_int_equal(walk(ROOT, 5, "file"), EBADF);
	assert_int_equal(clunk(50), 0);
	assert_int_equal(walk(ROOT, n, "file"), 0);
	assert_int_equal(version("9P2000.L", 8192), 0);
	assert_int_equal(p9->fids, 0);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_messages_apart),
	    cmocka_unit_test(puts_messages_together),
	    cmocka_unit_test(knows_names),
	    WITH(answers_what_is_no_request),
	    WITH(settles_version_and_size),
	    WITH(shows_its_tag),
	    WITH(leads_nowhere_else),
	    WITH(holds_what_it_holds),
	    WITH(opens_no_special_file),
	    WITH(gives_nothing_set_user_id),
	    WITH(closes_the_kernels_own),
	    WITH(changes_nothing_read_only),
	    WITH(reads_and_writes),
	    WITH(makes_and_removes),
	    WITH(sets_attributes),
	    WITH(maps_ids),
	    WITH(lists_directories),
	    WITH(locks_against_the_host),
	    WITH(bounds_fids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
