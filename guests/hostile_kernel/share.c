// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A client of 9P2000.L that speaks to the device itself (virtio's legacy registers, one queue), so
 * that nothing of a kernel's file system is between what it asks for and what the host does: ways
 * out of a shared directory, and files that must not be opened (CVE-2023-2861). Each line it prints
 * is "share: ok WHAT" or "share: bad WHAT: answer TYPE error NUMBER".
 * tests/system/test_share_raw.sh has made what is asked for here.
 */
#include "hostile_kernel.h"

#include <stdbool.h>
#include <stddef.h>

#define PORTS   0xc000 /* of the first device, as ring1 places it */
#define ENTRIES 128u   /* of the queue */
#define ROOM    8192u  /* of a message */

#define RING    (PAGE_OFFSET + RINGS)
#define REQUEST (RINGS + 0x4000)
#define REPLY   (RINGS + 0x8000)

enum {
	RLERROR = 7,
	TLOPEN = 12,
	TLCREATE = 14,
	TSYMLINK = 16,
	TMKNOD = 18,
	TRENAME = 20,
	TREADLINK = 22,
	TGETATTR = 24,
	TSETATTR = 26,
	TXATTRWALK = 30,
	TREADDIR = 40,
	TLINK = 70,
	TMKDIR = 72,
	TRENAMEAT = 74,
	TUNLINKAT = 76,
	TVERSION = 100,
	TAUTH = 102,
	TATTACH = 104,
	TWALK = 110,
	TREAD = 116,
	TWRITE = 118,
	TCLUNK = 120,
};

/* Linux' numbers */
enum { ENOENT = 2, EBADF = 9, EPERM = 1, EACCES = 13, ENOTDIR = 20, EINVAL = 22, ELOOP = 40 };
enum { EOPNOTSUPP = 95 };
enum {
	O_RDONLY = 0,
	O_WRONLY = 1,
	O_RDWR = 2,
	O_CREAT = 0100,
	O_TRUNC = 01000,
	O_PATH = 010000000
};
enum {
	S_IFIFO = 0010000,
	S_IFCHR = 0020000,
	S_IFBLK = 0060000,
	S_IFREG = 0100000,
	S_IFSOCK = 0140000
};

#define ROOT   0u /* fids */
#define FILE   1u
#define OTHER  2u
#define NOBODY 0xffffffffu

static volatile uint8_t *const message = (volatile uint8_t *)(PAGE_OFFSET + REQUEST);
static volatile const uint8_t *const reply = (volatile const uint8_t *)(PAGE_OFFSET + REPLY);
static uint32_t length;
static uint16_t asked;

/* ---- the queue ---- */

static volatile uint16_t *available(void)
{
	return (volatile uint16_t *)(RING + 16 * ENTRIES);
}

static volatile uint16_t *used(void)
{
	return (volatile uint16_t *)(RING + 4096);
}

static void describe(unsigned n, uint32_t pa, uint32_t bytes, uint32_t flags, uint32_t next)
{
	volatile uint32_t *d = (volatile uint32_t *)(RING + 16 * n);

	d[0] = pa;
	d[1] = 0;
	d[2] = bytes;
	d[3] = flags | next << 16;
}

static void begin_queue(void)
{
	outb(PORTS + 18, 0);
	for (uint32_t i = 0; i < 8192; i++)
		*(volatile uint8_t *)(RING + i) = 0;
	available()[0] = 1; /* no interrupts */
	asked = 0;
	outb(PORTS + 18, 3); /* ACKNOWLEDGE, DRIVER */
	outl(PORTS + 4, 0);
	outw(PORTS + 14, 0);
	outl(PORTS + 8, RINGS >> 12);
	outb(PORTS + 18, 7);
}

/* Waits for the answer as long as it takes: who started this guest has a limit. */
static void send(void)
{
	describe(0, REQUEST, length, 1, 1);
	describe(1, REPLY, ROOM, 2, 0);
	available()[2 + asked % ENTRIES] = 0;
	available()[1] = ++asked;
	outw(PORTS + 16, 0);
	while (used()[1] != asked)
		inb(PORTS + 19);
}

/* ---- messages ---- */

static void put(uint32_t v, unsigned bytes)
{
	for (; bytes; bytes--, v >>= 8)
		message[length++] = (uint8_t)v;
}

static void put64(uint64_t v)
{
	put((uint32_t)v, 4);
	put((uint32_t)(v >> 32), 4);
}

static void put_text(const char *s)
{
	uint32_t n = 0;

	while (s[n])
		n++;
	put(n, 2);
	for (uint32_t i = 0; i < n; i++)
		put((uint8_t)s[i], 1);
}

static void begin(uint8_t type)
{
	length = 4;
	put(type, 1);
	put(1, 2);
}

static void finish(void)
{
	uint32_t n = length;

	length = 0;
	put(n, 4);
	length = n;
}

static uint32_t got(unsigned at, unsigned bytes)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (uint32_t)reply[at + i] << 8 * i;
	return v;
}

/* The error's number, or 0. */
static uint32_t ask(void)
{
	finish();
	send();
	return reply[4] == RLERROR ? got(7, 4) : 0;
}

/* ---- saying so ---- */

static void print_number(uint32_t v)
{
	char digits[11], *p = digits + sizeof digits - 1;

	*p = 0;
	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	print(p);
}

static void say(bool good, const char *what)
{
	print(good ? "share: ok " : "share: bad ");
	print(what);
	if (!good) {
		print(": answer ");
		print_number(reply[4]);
		print(" error ");
		print_number(reply[4] == RLERROR ? got(7, 4) : 0);
	}
	print("\n");
}

/* The message that was put together must be answered with this error. */
static void refused(const char *what, uint32_t error)
{
	say(ask() == error, what);
}

/* ---- requests ---- */

static uint32_t clunk(uint32_t fid)
{
	begin(TCLUNK);
	put(fid, 4);
	return ask();
}

/* Names are separated by blanks; "_" stands for an empty one. */
static void begin_walk(uint32_t from, uint32_t to, const char *names)
{
	uint32_t count_at, end, n = 0;

	begin(TWALK);
	put(from, 4);
	put(to, 4);
	count_at = length;
	put(0, 2);
	while (*names) {
		char name[64];
		unsigned i = 0;

		for (; *names && *names != ' '; names++)
			if (*names != '_' && i < sizeof name - 1)
				name[i++] = *names;
		name[i] = 0;
		put_text(name);
		n++;
		if (*names)
			names++;
	}
	end = length;
	length = count_at;
	put(n, 2);
	length = end;
}

/* How many of the names led somewhere; -1: an error. */
static int walk(uint32_t from, uint32_t to, const char *names)
{
	begin_walk(from, to, names);
	return ask() ? -1 : (int)got(7, 2);
}

static uint32_t open(uint32_t fid, uint32_t flags)
{
	begin(TLOPEN);
	put(fid, 4);
	put(flags, 4);
	return ask();
}

/* No fid is left of it. */
static void cannot_open(const char *what, const char *name, uint32_t flags, uint32_t error)
{
	int walked = walk(ROOT, FILE, name);
	uint32_t answer = walked == 1 ? open(FILE, flags) : 0;

	say(walked == 1 && answer == error, what);
	clunk(FILE);
}

static void cannot_create(const char *what, const char *name, uint32_t error)
{
	walk(ROOT, FILE, "");
	begin(TLCREATE);
	put(FILE, 4);
	put_text(name);
	put(O_RDWR | O_CREAT | O_TRUNC, 4);
	put(0644, 4);
	put(0, 4);
	refused(what, error);
	clunk(FILE);
}

static void cannot_mknod(const char *what, uint32_t mode, uint32_t error)
{
	begin(TMKNOD);
	put(ROOT, 4);
	put_text("made");
	put(mode | 0666, 4);
	put(1, 4);
	put(3, 4);
	put(0, 4);
	refused(what, error);
}

static void begin_name(uint8_t type, const char *name)
{
	begin(type);
	put(ROOT, 4);
	put_text(name);
}

static void begin_setattr(uint32_t fid, uint32_t valid, uint32_t mode)
{
	begin(TSETATTR);
	put(fid, 4);
	put(valid, 4);
	put(mode, 4);
	put(4711, 4);
	put(4711, 4);
	put64(0);
	for (unsigned i = 0; i < 4; i++)
		put64(0);
}

static void begin_rename(const char *from, const char *to)
{
	begin_name(TRENAMEAT, from);
	put(ROOT, 4);
	put_text(to);
}

/* ---- what is tried ---- */

static bool begin_session(void)
{
	begin_queue();
	begin(TVERSION);
	put(ROOM, 4);
	put_text("9P2000.L");
	if (ask())
		return false;
	begin(TATTACH);
	put(ROOT, 4);
	put(NOBODY, 4);
	put_text("");
	put_text("");
	put(0, 4);
	return !ask();
}

static void other_roots(void)
{
	static const char *const names[] = {"/etc", "..", "../outside", "dir"};

	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		begin(TATTACH);
		put(FILE, 4);
		put(NOBODY, 4);
		put_text("");
		put_text(names[i]);
		put(0, 4);
		refused("another root", ENOENT);
	}
	begin(TAUTH);
	put(FILE, 4);
	put_text("");
	put_text("");
	put(0, 4);
	refused("authentication", EOPNOTSUPP);
}

static uint64_t qid_path(unsigned at)
{
	return got(at + 5, 4) | (uint64_t)got(at + 9, 4) << 32;
}

static void walks(void)
{
	uint64_t root;

	begin(TATTACH);
	put(OTHER, 4);
	put(NOBODY, 4);
	put_text("");
	put_text("/");
	put(0, 4);
	say(!ask(), "the root");
	root = qid_path(7);
	clunk(OTHER);
	say(walk(ROOT, FILE, "..") == 1 && qid_path(9) == root, "above the root is the root");
	clunk(FILE);
	say(walk(ROOT, FILE, ".. .. outside file") == 2, "nothing beside the root");
	say(walk(ROOT, FILE, "dir .. .. outside") == 1, "nothing above a directory");
	say(walk(ROOT, FILE, "up outside") == 1, "a link is no directory");
	say(walk(ROOT, FILE, "away file") == 1, "nor is an absolute one");
	begin_walk(ROOT, FILE, "../outside");
	refused("a name with a slash", ENOENT);
	begin_walk(ROOT, FILE, "dir/inner");
	refused("a path", ENOENT);
	begin_walk(ROOT, FILE, "/etc/passwd");
	refused("an absolute path", ENOENT);
	begin_walk(ROOT, FILE, ".");
	refused("a dot", ENOENT);
	begin_walk(ROOT, FILE, "_");
	refused("an empty name", ENOENT);
	begin(TREADDIR);
	put(FILE, 4);
	put64(0);
	put(4096, 4);
	refused("no fid was left of any", EBADF);
}

static void opens(void)
{
	cannot_open("a FIFO for reading", "fifo", O_RDONLY, EPERM);
	cannot_open("a FIFO for writing", "fifo", O_WRONLY, EPERM);
	cannot_open("a FIFO for both", "fifo", O_RDWR | O_TRUNC, EPERM);
	cannot_open("a socket", "socket", O_RDWR, EPERM);
	cannot_open("a device", "device", O_RDWR, EPERM);
	cannot_open("a link to a file", "link", O_RDONLY, ELOOP);
	cannot_open("... with O_PATH", "link", O_PATH, ELOOP);
	cannot_open("a link to a directory", "up", O_RDONLY, ELOOP);
	cannot_create("a file where a FIFO is", "fifo", EPERM);
	cannot_create("a file where a device is", "device", EPERM);
	cannot_create("a file where a link is", "link", ELOOP);
	cannot_create("a file where a link to nothing is", "nothing", ELOOP);
	cannot_create("a file beside the root", "../escape", EINVAL);
	cannot_create("a file by a path", "dir/escape", EINVAL);
	cannot_create("a file named ..", "..", EINVAL);
	cannot_create("a file named .", ".", EINVAL);
	cannot_create("a file without a name", "", EINVAL);
}

static void makes(void)
{
	cannot_mknod("a block device", S_IFBLK, EPERM);
	cannot_mknod("a character device", S_IFCHR, EPERM);
	cannot_mknod("a new FIFO", S_IFIFO, EPERM);
	cannot_mknod("a new socket", S_IFSOCK, EPERM);
	begin_name(TMKDIR, "../escape");
	put(0777, 4);
	put(0, 4);
	refused("a directory beside the root", EINVAL);
	begin_name(TSYMLINK, "../escape");
	put_text("/etc");
	put(0, 4);
	refused("a link beside the root", EINVAL);
	begin_name(TSYMLINK, "mine");
	put_text("../outside/file");
	put(0, 4);
	say(!ask(), "a link to anywhere");
	cannot_open("... is not followed", "mine", O_RDWR, ELOOP);
	cannot_create("... nor written through", "mine", ELOOP);
	walk(ROOT, FILE, "fifo");
	begin(TLINK);
	put(ROOT, 4);
	put(FILE, 4);
	put_text("linked");
	refused("another name of a FIFO", EPERM);
	clunk(FILE);
	walk(ROOT, FILE, "file");
	begin(TLINK);
	put(ROOT, 4);
	put(FILE, 4);
	put_text("../escape");
	refused("another name beside the root", EINVAL);
	clunk(FILE);
}

static void changes(void)
{
	begin_rename("file", "../escape");
	refused("a file is moved out", EINVAL);
	begin_rename("../outside/file", "here");
	refused("a file is moved in", EINVAL);
	begin_rename("..", "here");
	refused("what is above is moved", EINVAL);
	begin_name(TUNLINKAT, "../outside/file");
	put(0, 4);
	refused("a file outside is removed", EINVAL);
	begin_name(TUNLINKAT, "..");
	put(0x200, 4);
	refused("what is above is removed", EINVAL);
	begin(TRENAME);
	put(ROOT, 4);
	put(ROOT, 4);
	put_text("../escape");
	refused("the old kind of renaming", EOPNOTSUPP);
	walk(ROOT, FILE, "link");
	begin_setattr(FILE, 0x001, 0777);
	refused("permissions through a link", EOPNOTSUPP);
	begin_setattr(FILE, 0x008, 0);
	refused("a length through a link", EINVAL);
	begin_setattr(FILE, 0x006, 0);
	ask(); /* of the link itself, if at all: the host looks at the file */
	begin_setattr(FILE, 0x1b0, 0);
	ask();
	begin(TREAD);
	put(FILE, 4);
	put64(0);
	put(100, 4);
	refused("a read of what is not open", EBADF);
	begin(TXATTRWALK);
	put(FILE, 4);
	put(OTHER, 4);
	put_text("security.capability");
	refused("extended attributes", EOPNOTSUPP);
	clunk(FILE);
	walk(ROOT, FILE, "file");
	begin_setattr(FILE, 0x001, 06777);
	say(!ask(), "permissions"); /* the host looks for those that were not given */
	clunk(FILE);
}

static void sessions(void)
{
	say(walk(ROOT, FILE, "dir") == 1 && !open(FILE, O_RDONLY), "a directory is open");
	begin_walk(FILE, FILE, "inner");
	refused("a walk of what is open, to itself", EINVAL);
	say(open(FILE, O_RDONLY) != 0, "to open it twice");
	begin_walk(ROOT, FILE, "file");
	refused("a fid that is taken", EBADF);
	clunk(FILE);
	say(clunk(FILE) == EBADF, "a fid that is gone");
	begin(TREADDIR);
	put(FILE, 4);
	put64(0);
	put(4096, 4);
	refused("... to list", EBADF);
	say(walk(ROOT, FILE, "file") == 1 && !open(FILE, O_RDWR), "a file is open");
	begin(TWRITE);
	put(FILE, 4);
	put64(0);
	put(0x7fffffff, 4);
	refused("more to write than there is", EINVAL);
	begin(TREAD);
	put(FILE, 4);
	put64(0);
	put(0xffffffff, 4);
	say(!ask() && got(7, 4) < ROOM, "as much to read as there can be");
	clunk(FILE);
	begin(TGETATTR);
	put(ROOT, 4);
	put64(0);
	finish();
	length = 0;
	put(0x7fffffff, 4); /* says it is longer than it is */
	length = 19;
	send();
	say(reply[4] == RLERROR, "a message that is too long");
	say(walk(ROOT, FILE, "") == 0 && !clunk(FILE), "it all goes on");
}

/*
 * The host has a link to somewhere else where the directory "swapped" is, and back, all the time.
 * Until both have been met often.
 */
static void swapped(void)
{
	unsigned inside = 0, refusals = 0, outside = 0;

	while (inside < 50 || refusals < 50) {
		if (walk(ROOT, FILE, "swapped file") != 2 || open(FILE, O_RDONLY)) {
			refusals++;
			clunk(FILE);
			continue;
		}
		begin(TREAD);
		put(FILE, 4);
		put64(0);
		put(7, 4);
		if (!ask() && reply[11] == 'o')
			outside++;
		inside++;
		clunk(FILE);
		if (walk(ROOT, FILE, "swapped") == 1) {
			begin(TLCREATE);
			put(FILE, 4);
			put_text("file");
			put(O_RDWR, 4);
			put(0644, 4);
			put(0, 4);
			ask();
		}
		clunk(FILE);
	}
	say(!outside, "links put in place of directories lead nowhere");
}

void share_checks(void)
{
	say(begin_session(), "a session");
	other_roots();
	walks();
	opens();
	makes();
	changes();
	sessions();
	swapped();
}

/* ---- at random ---- */

static const char *random_name(void)
{
	static const char *const names[] = {
	    "file", "dir", "inner",      "fifo", "link",      "up", "..",   ".",
	    "",     "a",   "../outside", "b",    "dir/inner", "c",  "away", "device"};

	return names[random32() % (sizeof names / sizeof *names)];
}

/* A field of any request: a fid or a number, a name, a number of eight bytes. */
static void put_random(void)
{
	switch (random32() % 4) {
	case 0:
		put_text(random_name());
		break;
	case 1:
		put64(random32() % 2 ? random32() % 16384 : random32());
		break;
	default:
		put(random32() % 8 ? random32() % 6 : random32(), 4);
	}
}

/* As its fields are, for those with which a client gets somewhere. */
static void put_fields(uint8_t type)
{
	uint32_t fid = random32() % 6;

	put(fid, 4);
	switch (type) {
	case TWALK:
		put(random32() % 6, 4);
		put(1, 2);
		put_text(random_name());
		break;
	case TLOPEN:
		put(random32() % 4, 4);
		break;
	case TLCREATE:
		put_text(random_name());
		put(random32() % 2 ? O_RDWR : random32(), 4);
		put(random32(), 4);
		put(0, 4);
		break;
	case TSYMLINK:
		put_text(random_name());
		put_text(random_name());
		put(0, 4);
		break;
	case TMKDIR:
	case TUNLINKAT:
		put_text(random_name());
		put(random32() % 2 ? 0x200 : 0777, 4);
		put(0, 4);
		break;
	case TRENAMEAT:
		put_text(random_name());
		put(random32() % 6, 4);
		put_text(random_name());
		break;
	case TLINK:
		put(random32() % 6, 4);
		put_text(random_name());
		break;
	case TREAD:
	case TWRITE:
	case TREADDIR:
		put64(random32() % 4096);
		put(random32() % 4096, 4);
		break;
	default:
		for (unsigned n = random32() % 8; n; n--)
			put_random();
	}
}

void try_share(void)
{
	static const uint8_t likely[] = {TWALK,  TWALK,  TWALK,     TLOPEN,    TLCREATE, TSYMLINK,
	                                 TMKDIR, TLINK,  TRENAMEAT, TUNLINKAT, TREAD,    TWRITE,
	                                 TCLUNK, TCLUNK, TREADDIR,  TSETATTR};
	uint8_t type =
	    random32() % 4 ? likely[random32() % sizeof likely] : (uint8_t)(random32() % 128);

	if (!asked || !(random32() % 256)) {
		begin_session();
		return;
	}
	begin(type);
	put_fields(type);
	finish();
	if (!(random32() % 16)) { /* its length, a byte of it, or what there is of it */
		uint32_t n = length;

		length = random32() % 2 ? 0 : random32() % n;
		put(random32(), 1 + random32() % 4);
		length = random32() % 2 ? n : 7 + random32() % ROOM;
	}
	send();
}
