// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/gdb.h"

#include "main/gdb_memory.h"
#include "main/gdb_packet.h"
#include "main/gdb_registers.h"
#include "main/local_socket.h"
#include "main/monitor.h"
#include "main/pause.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MEMORY_MAX  (GDB_PACKET_MAX / 2)
#define OUTPUT_MAX  (4 * GDB_PACKET_MAX)
#define MONITOR_MAX 80
#define PAGE        4096u

#define SIGNAL_INT  2
#define SIGNAL_TRAP 5

enum gdb_state {
	GDB_ALONE,
	GDB_STOPPING, /* the virtual CPU was asked to stand still; what was sent waits */
	GDB_STOPPED,
	GDB_RUNNING,
	GDB_LEAVING, /* as GDB_STOPPING; then everything is put back */
};

static struct {
	struct vm *vm;
	void (*kill)(void *of, const char *why);
	void *of;
	int listener, fd;
	enum gdb_state state;
	bool no_acks, tells_breaks;
	int signal; /* of the stop that is to be told; 0: none is */
	struct gdb_parser parser;
	struct gdb_registers registers;
	size_t in_at, in_n, out_at, out_n, last_n;
	uint8_t in[GDB_PACKET_MAX];
	char out[OUTPUT_MAX], last[GDB_PACKET_MAX + 4];
} gdb = {.listener = -1, .fd = -1};

/* ---- opening ---- */

static int listen_unix(const char *path, int *fd)
{
	struct sockaddr_un address;

	if (!local_address(&address, path)) {
		complain("--gdb unix:%s: the name of a socket has at most %zu bytes", path,
		         LOCAL_PATH_MAX);
		return EXIT_USAGE;
	}
	if (local_is_stale(&address))
		unlink(path);
	*fd = local_listen(&address);
	if (*fd >= 0)
		return 0;
	complain("--gdb unix:%s: %s", path,
	         errno == EADDRINUSE ? "there is something of that name" : strerror(errno));
	return EXIT_USAGE;
}

/* Of this host only: whoever connects has all of the guest. */
static int listen_tcp(const char *port, int *fd)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int one = 1;
	char *end;
	unsigned long n = strtoul(port, &end, 10);

	if (end == port || *end || *port == '-' || !n || n > 65535) {
		complain("--gdb %s: say a port of this host, 1 to 65535, or unix:PATH", port);
		return EXIT_USAGE;
	}
	address.sin_port = htons((uint16_t)n);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd >= 0 && !setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) &&
	    !setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) &&
	    !bind(*fd, (struct sockaddr *)&address, sizeof address) && !listen(*fd, 1))
		return 0;
	complain("--gdb %s: %s", port, strerror(errno));
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return EXIT_USAGE;
}

int gdb_listen(const char *where, int *fd)
{
	*fd = -1;
	return strncmp(where, "unix:", 5) ? listen_tcp(where, fd) : listen_unix(where + 5, fd);
}

void gdb_unlisten(const char *where, int fd)
{
	if (fd < 0)
		return;
	if (!strncmp(where, "unix:", 5))
		unlink(where + 5);
	close(fd);
}

/* ---- out ---- */

static void hang_up(void)
{
	if (gdb.fd >= 0)
		close(gdb.fd);
	gdb.fd = -1;
	gdb.in_n = gdb.out_n = 0;
}

static void flush(void)
{
	while (gdb.fd >= 0 && gdb.out_n) {
		ssize_t n =
		    send(gdb.fd, gdb.out + gdb.out_at, gdb.out_n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			hang_up();
			return;
		}
		gdb.out_at += (size_t)n;
		gdb.out_n -= (size_t)n;
	}
	gdb.out_at = 0;
}

static void put(const char *bytes, size_t n)
{
	if (gdb.fd < 0)
		return;
	if (gdb.out_at)
		memmove(gdb.out, gdb.out + gdb.out_at, gdb.out_n);
	gdb.out_at = 0;
	if (sizeof gdb.out - gdb.out_n < n) {
		hang_up(); /* it asks and does not read */
		return;
	}
	memcpy(gdb.out + gdb.out_n, bytes, n);
	gdb.out_n += n;
	flush();
}

static void reply(const char *text)
{
	size_t n = strlen(text);

	gdb.last_n = gdb_frame(gdb.last, text, n < GDB_PACKET_MAX ? n : GDB_PACKET_MAX);
	put(gdb.last, gdb.last_n);
}

static void reply_error(unsigned number)
{
	char text[8];

	snprintf(text, sizeof text, "E%02x", number & 0xff);
	reply(text);
}

#define BAD_PACKET 1u
#define BAD_MEMORY 14u
#define NO_ROOM    28u

/* ---- stops ---- */

static const char *watch_word(uint32_t where)
{
	const struct debugger *d = &gdb.registers.state;

	for (unsigned i = 0; i < DEBUGGER_WATCHES; i++)
		if (d->watch[i].length && d->watch[i].va == where)
			return d->watch[i].type == 1 ? "watch" : "awatch";
	return "awatch";
}

static void tell_stop(void)
{
	const struct debugger *d = &gdb.registers.state;
	char text[64], why[32] = "";

	if (d->why == DEBUGGER_WATCH)
		snprintf(why, sizeof why, "%s:%x;", watch_word(d->where), d->where);
	else if (d->why == DEBUGGER_BREAK && gdb.tells_breaks)
		snprintf(why, sizeof why, "swbreak:;");
	snprintf(text, sizeof text, "T%02xthread:1;%s", gdb.signal, why);
	reply(text);
}

static void run(bool step)
{
	__atomic_store_n(&gdb.vm->machine->debugger.stepping, step, __ATOMIC_SEQ_CST);
	gdb.state = GDB_RUNNING;
	/* As with QEMU: a debugger that lets the machine go means it. */
	pause_end(gdb.vm, PAUSE_USER);
	pause_end(gdb.vm, PAUSE_DEBUGGER);
}

static bool ask_core(enum debugger_request what, uint32_t va)
{
	struct debugger *d = &gdb.vm->machine->debugger;

	d->request_va = va;
	__atomic_store_n(&d->request, what, __ATOMIC_SEQ_CST);
	return pause_again(gdb.vm) && !__atomic_load_n(&d->refused, __ATOMIC_SEQ_CST);
}

/* ---- leaving ---- */

/* Nothing of the debugger's stays in the guest. */
static void put_back(void)
{
	ask_core(DEBUGGER_FORGET, 0);
	__atomic_store_n(&gdb.vm->machine->debugger.stepping, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&gdb.vm->machine->debugged, 0, __ATOMIC_SEQ_CST);
	gdb.vm->debugged = false;
	gdb.state = GDB_ALONE;
	pause_end(gdb.vm, PAUSE_DEBUGGER);
}

static void leave(void)
{
	hang_up();
	if (gdb.state == GDB_ALONE || gdb.state == GDB_LEAVING)
		return;
	if (gdb.vm->paused) {
		put_back();
		return;
	}
	gdb.state = GDB_LEAVING;
	pause_begin(gdb.vm, PAUSE_DEBUGGER);
}

/* ---- registers and memory ---- */

static void read_registers(void)
{
	char text[GDB_PACKET_MAX], *to = text;
	uint8_t bytes[GDB_REGISTER_BYTES_MAX];

	for (unsigned n = 0; n < gdb_register_general(); n++) {
		gdb_register_get(&gdb.registers, n, bytes);
		gdb_to_hex(to, bytes, gdb_register_size(n));
		to += 2 * gdb_register_size(n);
	}
	reply(text);
}

static bool give_registers(void)
{
	bool done;

	gdb_registers_give(&gdb.registers, gdb.vm);
	done = ask_core(DEBUGGER_REGISTERS, 0);
	gdb_registers_take(&gdb.registers, gdb.vm);
	return done;
}

static void write_registers(const char *digits)
{
	uint8_t bytes[GDB_REGISTER_BYTES_MAX];
	bool done = true;

	for (unsigned n = 0; n < gdb_register_general() && *digits && done; n++) {
		done = gdb_from_hex(bytes, digits, gdb_register_size(n)) &&
		       gdb_register_set(&gdb.registers, n, bytes);
		if (done)
			digits += 2 * gdb_register_size(n);
	}
	if (done && give_registers())
		reply("OK");
	else
		reply_error(BAD_PACKET);
}

static void read_register(const char *p)
{
	uint8_t bytes[GDB_REGISTER_BYTES_MAX];
	char text[2 * GDB_REGISTER_BYTES_MAX + 1];
	uint32_t n;

	if (!gdb_hex(&p, &n) || n >= gdb_register_count()) {
		reply_error(BAD_PACKET);
		return;
	}
	gdb_register_get(&gdb.registers, n, bytes);
	gdb_to_hex(text, bytes, gdb_register_size(n));
	reply(text);
}

static void write_register(const char *p)
{
	uint8_t bytes[GDB_REGISTER_BYTES_MAX];
	uint32_t n;

	if (gdb_hex(&p, &n) && n < gdb_register_count() && *p++ == '=' &&
	    gdb_from_hex(bytes, p, gdb_register_size(n)) &&
	    gdb_register_set(&gdb.registers, n, bytes) && give_registers())
		reply("OK");
	else
		reply_error(BAD_PACKET);
}

static bool parse_range(const char **p, uint32_t *va, uint32_t *n)
{
	return gdb_hex(p, va) && *(*p)++ == ',' && gdb_hex(p, n);
}

static void read_memory(const char *p)
{
	static uint8_t bytes[MEMORY_MAX];
	static char text[2 * MEMORY_MAX + 1];
	uint32_t va, n;

	if (!parse_range(&p, &va, &n) || *p) {
		reply_error(BAD_PACKET);
		return;
	}
	if (n > MEMORY_MAX)
		n = MEMORY_MAX;
	/* As much as is there, up to the end of a page: less than was asked for is an answer. */
	while (n && !gdb_read_memory(gdb.vm, va, bytes, n))
		n = n > PAGE - va % PAGE ? PAGE - va % PAGE : 0;
	if (!n) {
		reply_error(BAD_MEMORY);
		return;
	}
	gdb_to_hex(text, bytes, n);
	reply(text);
}

static void write_memory(const char *p, size_t size, bool binary)
{
	static uint8_t bytes[GDB_PACKET_MAX];
	const char *start = p;
	uint32_t va, n;

	if (!parse_range(&p, &va, &n) || *p++ != ':' || n > sizeof bytes ||
	    (binary ? size - (size_t)(p - start) != n : !gdb_from_hex(bytes, p, n))) {
		reply_error(BAD_PACKET);
		return;
	}
	if (binary)
		memcpy(bytes, p, n);
	if (!n || gdb_write_memory(gdb.vm, va, bytes, n))
		reply("OK");
	else
		reply_error(BAD_MEMORY);
}

/* ---- breakpoints and watchpoints ---- */

/* gdb's Z1 to Z4 as DR7 has them. A processor has none for reading alone. */
static const uint8_t watch_type[] = {0, 0, 1, 3, 3};

static bool set_watch(unsigned kind, uint32_t va, uint32_t length, bool on)
{
	struct debugger *d = &gdb.vm->machine->debugger;
	unsigned slot = DEBUGGER_WATCHES;

	if (kind == 1)
		length = 1;
	for (unsigned i = 0; i < DEBUGGER_WATCHES; i++) {
		const bool same = d->watch[i].length == length && d->watch[i].va == va &&
		                  d->watch[i].type == watch_type[kind];

		if (on ? !d->watch[i].length : same)
			slot = i;
	}
	if (slot == DEBUGGER_WATCHES || !length || length > PAGE - va % PAGE)
		return false;
	d->watch[slot].va = va;
	d->watch[slot].type = watch_type[kind];
	d->watch[slot].length = on ? length : 0;
	return ask_core(DEBUGGER_WATCHING, 0);
}

static void set_breakpoint(const char *p, bool on)
{
	uint32_t kind, va, length;
	bool done;

	if (!gdb_hex(&p, &kind) || kind > 4 || *p++ != ',' || !parse_range(&p, &va, &length)) {
		reply("");
		return;
	}
	if (kind)
		done = set_watch(kind, va, length, on);
	else
		done = ask_core(on ? DEBUGGER_INSERT : DEBUGGER_REMOVE, va);
	gdb_registers_take(&gdb.registers, gdb.vm);
	if (done)
		reply("OK");
	else
		reply_error(kind ? NO_ROOM : BAD_MEMORY);
}

/* ---- queries ---- */

static void send_part(const char *whole, const char *p)
{
	static char text[GDB_PACKET_MAX];
	uint32_t offset, length;
	size_t n = strlen(whole);

	if (!parse_range(&p, &offset, &length)) {
		reply_error(BAD_PACKET);
		return;
	}
	if (length > sizeof text - 2)
		length = sizeof text - 2;
	if (offset > n)
		offset = (uint32_t)n;
	snprintf(text, sizeof text, "%c%.*s", n - offset > length ? 'm' : 'l', (int)length,
	         whole + offset);
	reply(text);
}

static void say_to_user(const char *text, size_t n)
{
	static char packet[GDB_PACKET_MAX];

	packet[0] = 'O';
	gdb_to_hex(packet + 1, text, n);
	reply(packet);
}

static void monitor(const char *digits)
{
	char line[MONITOR_MAX] = "";
	size_t n = strlen(digits) / 2, step;
	char *text = NULL;

	if (n < sizeof line && gdb_from_hex(line, digits, n))
		text = monitor_answer(gdb.vm, line);
	if (!text)
		text = strdup("not understood; 'monitor help' lists what is\n");
	for (const char *p = text; p && *p; p += step) {
		step = strlen(p) < 1000 ? strlen(p) : 1000;
		say_to_user(p, step);
	}
	free(text);
	reply("OK");
}

static bool begins(const char **p, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*p, word, n))
		return false;
	*p += n;
	return true;
}

static void query(const char *p)
{
	char text[160];

	if (begins(&p, "qSupported")) {
		gdb.tells_breaks = strstr(p, "swbreak+");
		snprintf(
		    text, sizeof text,
		    "PacketSize=%x;qXfer:features:read+;QStartNoAckMode+;swbreak+;vContSupported+",
		    GDB_PACKET_MAX);
		reply(text);
	} else if (begins(&p, "qXfer:features:read:target.xml:")) {
		send_part(gdb_target_xml(), p);
	} else if (begins(&p, "qRcmd,")) {
		monitor(p);
	} else if (begins(&p, "QStartNoAckMode")) {
		reply("OK");
		gdb.no_acks = true;
	} else if (begins(&p, "qfThreadInfo")) {
		reply("m1");
	} else if (begins(&p, "qsThreadInfo")) {
		reply("l");
	} else if (begins(&p, "qThreadExtraInfo,")) {
		reply("7669727475616c20435055"); /* "virtual CPU" */
	} else if (begins(&p, "qAttached")) {
		reply("1");
	} else if (!strcmp(p, "qC")) {
		reply("QC1");
	} else {
		reply("");
	}
}

/* ---- going on ---- */

/* "vCont;ACTION[:THREAD][;...]": the first that is for the only thread there is. */
static void go_on_as_told(const char *p)
{
	if (!strcmp(p, "vCont?")) {
		reply("vCont;c;C;s;S");
		return;
	}
	if (!begins(&p, "vCont;") || !strchr("cCsS", *p) || !*p) {
		reply("");
		return;
	}
	run(*p == 's' || *p == 'S');
}

/* "c", "s", "C sig", "S sig", the first two with an address to go on at. */
static void go_on(const char *p)
{
	bool step = *p == 's' || *p == 'S';
	uint32_t eip;

	if ((*p == 'c' || *p == 's') && p[1]) {
		p++;
		if (!gdb_hex(&p, &eip)) {
			reply_error(BAD_PACKET);
			return;
		}
		gdb.registers.state.registers.eip = eip;
		give_registers();
	}
	run(step);
}

static void take_packet(const char *p, size_t n)
{
	switch (*p) {
	case '?':
		tell_stop();
		return;
	case 'g':
		read_registers();
		return;
	case 'G':
		write_registers(p + 1);
		return;
	case 'p':
		read_register(p + 1);
		return;
	case 'P':
		write_register(p + 1);
		return;
	case 'm':
		read_memory(p + 1);
		return;
	case 'M':
		write_memory(p + 1, n - 1, false);
		return;
	case 'X':
		write_memory(p + 1, n - 1, true);
		return;
	case 'Z':
	case 'z':
		set_breakpoint(p + 1, *p == 'Z');
		return;
	case 'c':
	case 's':
	case 'C':
	case 'S':
		go_on(p);
		return;
	case 'H':
	case 'T':
		reply("OK");
		return;
	case 'q':
	case 'Q':
		query(p);
		return;
	case 'D':
		reply("OK");
		leave();
		return;
	case 'k':
		gdb.kill(gdb.of, "ended by the debugger");
		hang_up();
		return;
	}
	if (!strncmp(p, "vKill", 5)) {
		reply("OK");
		gdb.kill(gdb.of, "ended by the debugger");
	} else if (!strncmp(p, "vCont", 5)) {
		go_on_as_told(p);
	} else {
		reply("");
	}
}

/* ---- in ---- */

static void take_byte(uint8_t byte)
{
	switch (gdb_parse(&gdb.parser, byte)) {
	case GDB_PACKET:
		if (!gdb.no_acks)
			put("+", 1);
		if (gdb.state == GDB_STOPPED)
			take_packet(gdb.parser.packet, gdb.parser.n);
		break;
	case GDB_BAD:
		if (!gdb.no_acks)
			put("-", 1);
		break;
	case GDB_AGAIN:
		if (!gdb.no_acks)
			put(gdb.last, gdb.last_n);
		break;
	case GDB_INTERRUPT:
		if (gdb.state != GDB_RUNNING)
			break;
		gdb.state = GDB_STOPPING;
		gdb.signal = SIGNAL_INT;
		pause_begin(gdb.vm, PAUSE_DEBUGGER);
		break;
	case GDB_NOTHING:
		break;
	}
}

/* Packets wait while the virtual CPU is on its way to a stop; while it runs, Ctrl-C is heard. */
static void take_bytes(void)
{
	while (gdb.fd >= 0 && gdb.in_n && (gdb.state == GDB_STOPPED || gdb.state == GDB_RUNNING)) {
		gdb.in_n--;
		take_byte(gdb.in[gdb.in_at++]);
	}
}

static void read_bytes(void)
{
	ssize_t n;

	if (gdb.in_n)
		return;
	gdb.in_at = 0;
	n = recv(gdb.fd, gdb.in, sizeof gdb.in, MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		leave();
		return;
	}
	gdb.in_n = (size_t)n;
}

static void begin_stopped(void)
{
	gdb.state = GDB_STOPPED;
	gdb_registers_take(&gdb.registers, gdb.vm);
}

static void attach(int fd)
{
	gdb.fd = fd;
	gdb.parser = (struct gdb_parser){0};
	gdb.no_acks = gdb.tells_breaks = false;
	gdb.in_at = gdb.in_n = gdb.out_at = gdb.out_n = gdb.last_n = 0;
	gdb.signal = SIGNAL_TRAP;
	gdb.vm->debugged = true;
	__atomic_store_n(&gdb.vm->machine->debugged, 1, __ATOMIC_SEQ_CST);
	gdb.state = GDB_STOPPING;
	pause_begin(gdb.vm, PAUSE_DEBUGGER);
	/* Somebody else has paused it already, and the core has told nobody the registers. */
	if (gdb.vm->paused) {
		ask_core(DEBUGGER_NOTHING, 0);
		begin_stopped();
	}
}

static void accept_debugger(void)
{
	int fd = accept4(gdb.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (gdb.state == GDB_ALONE)
		attach(fd);
	else
		close(fd); /* one is enough */
}

/* ---- for the loop ---- */

void gdb_start(struct vm *vm, int listener, void (*kill)(void *of, const char *why), void *of)
{
	gdb.vm = vm;
	gdb.listener = listener;
	gdb.kill = kill;
	gdb.of = of;
}

void gdb_poll(struct pollfd fds[GDB_FDS])
{
	short in = gdb.in_n ? 0 : POLLIN;

	fds[0] = (struct pollfd){.fd = gdb.listener, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = gdb.fd, .events = (short)(in | (gdb.out_n ? POLLOUT : 0))};
}

void gdb_serve(const struct pollfd fds[GDB_FDS])
{
	if (gdb.listener < 0)
		return;
	if (gdb.fd >= 0 && fds[1].fd == gdb.fd) {
		if (fds[1].revents & POLLOUT)
			flush();
		if (gdb.fd >= 0 && fds[1].revents & POLLIN)
			read_bytes();
		else if (gdb.fd >= 0 && fds[1].revents & (POLLHUP | POLLERR))
			leave();
	}
	take_bytes();
	/* What was sent could not be told to a peer that is gone. */
	if (gdb.fd < 0)
		leave();
	if (fds[0].revents)
		accept_debugger();
}

void gdb_paused(void)
{
	bool told =
	    gdb.state == GDB_RUNNING || (gdb.state == GDB_STOPPING && gdb.signal == SIGNAL_INT);

	switch (gdb.state) {
	case GDB_LEAVING:
		put_back();
		return;
	case GDB_RUNNING: /* a breakpoint, or ring1 pause */
		gdb.signal = SIGNAL_TRAP;
		pause_begin(gdb.vm, PAUSE_DEBUGGER);
		break;
	case GDB_STOPPING:
		break;
	default:
		return;
	}
	begin_stopped();
	if (told)
		tell_stop();
	gdb.signal = SIGNAL_TRAP;
	take_bytes();
}

void gdb_end(int status)
{
	char text[8];

	if (gdb.fd < 0)
		return;
	snprintf(text, sizeof text, "W%02x", status & 0xff);
	reply(text);
	hang_up();
}
