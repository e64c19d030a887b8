// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile cell and a hostile debugger at once: packets and bytes on the debugger's socket, and in
 * between of them anything written over what main shares with the core - the mailbox, the registers
 * in it, the numbers by which the virtual CPU stands still. A thread plays the core, so that main
 * does not wait: it answers each request, and with what the input says.
 *
 * What the debugger is sent are packets; when it has left, nothing of its remains.
 */
#include "main/gdb.h"
#include "main/gdb_packet.h"
#include "main/pause.h"

#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define RAM       0x20000u
#define MAX_STEPS 64
#define CELLS     4

static struct vm vm;
static int listener, client = -1, killed;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_length;

/* What the core writes into the mailbox at its next answers, 8 bytes each. */
static uint8_t answers[256];
static uint32_t nanswers;

/* Over the mailbox, but for what tells main that it was answered. */
static void scribble_mailbox(uint32_t where, uint32_t value)
{
	memcpy((uint8_t *)&vm.machine->debugger + where % (sizeof vm.machine->debugger - 3), &value,
	       4);
}

static void *play_core(void *unused)
{
	struct machine *m = vm.machine;

	(void)unused;
	for (;;) {
		uint32_t asked = __atomic_load_n(&m->pause, __ATOMIC_SEQ_CST);

		if (asked && __atomic_load_n(&m->paused, __ATOMIC_SEQ_CST) != asked) {
			uint32_t n = __atomic_load_n(&nanswers, __ATOMIC_SEQ_CST);

			if (n >= 8) {
				scribble_mailbox(u32(answers + n - 8), u32(answers + n - 4));
				__atomic_store_n(&nanswers, n - 8, __ATOMIC_SEQ_CST);
			}
			__atomic_store_n(&m->paused, asked, __ATOMIC_SEQ_CST);
			vm_wake(&m->paused);
		}
		syscall(SYS_futex, &m->pause, FUTEX_WAIT, asked, NULL, NULL, 0);
	}
	return NULL;
}

static void kill_machine(void *of, const char *why)
{
	(void)of;
	(void)why;
	killed++;
}

static void open_vm(void)
{
	pthread_t core;
	pid_t pid;

	if (vm.machine)
		return;
	pid = somebody();
	vm.machine = shared_memory(sizeof *vm.machine);
	vm.vcpu = shared_memory(sizeof *vm.vcpu);
	vm.annotations = calloc(1, sizeof *vm.annotations);
	vm.ram = calloc(1, RAM);
	vm.ram_size = RAM;
	must(vm.annotations && vm.ram, "no memory");
	vm.annotations->nsites = 1;
	vm.annotations->sites[0] =
	    (struct annot_site){.va = 0x1010, .length = 1, .bytes = {0xfa}, .flags = 1};
	vm.annotations->nwindows = 1;
	vm.annotations->windows[0] = (struct annot_window){.va = 0x1ffe, .length = 5};
	vm.ncells = CELLS;
	for (unsigned i = 0; i < CELLS; i++)
		vm.cell_pid[i] = pid;
	snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "ring1-fuzz-gdb-%d", getpid());
	address_length =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address.sun_path + 1));
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	must(listener >= 0 && !bind(listener, (struct sockaddr *)&address, address_length) &&
	         !listen(listener, 4),
	     "no socket");
	gdb_start(&vm, listener, kill_machine, NULL);
	must(!pthread_create(&core, NULL, play_core, NULL), "no thread");
}

/* ---- the debugger's side ---- */

/* Packets, '+' and '-' are what may come; a packet may come in pieces. */
static struct {
	enum { BETWEEN, CONTENT, SUM1, SUM2 } at;
	uint8_t sum;
	unsigned told;
} in;

static unsigned digit(uint8_t c)
{
	must((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'), "a checksum has no digit");
	return c <= '9' ? c - '0' : c - 'a' + 10u;
}

static void look_at_byte(uint8_t c)
{
	switch (in.at) {
	case BETWEEN:
		must(c == '+' || c == '-' || c == '$', "something between packets");
		if (c == '$') {
			in.at = CONTENT;
			in.sum = 0;
		}
		return;
	case CONTENT:
		if (c == '#') {
			in.at = SUM1;
			return;
		}
		must(c != '$' && c != '}', "a packet needs escapes");
		must((c >= ' ' && c <= '~') || c == '\n', "a packet is not printable");
		in.sum = (uint8_t)(in.sum + c);
		return;
	case SUM1:
		in.told = digit(c);
		in.at = SUM2;
		return;
	case SUM2:
		must(in.told * 16 + digit(c) == in.sum, "a packet's checksum is wrong");
		in.at = BETWEEN;
	}
}

static void drain(void)
{
	static uint8_t bytes[65536];
	ssize_t n;

	while (client >= 0 && (n = recv(client, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
		for (ssize_t i = 0; i < n; i++)
			look_at_byte(bytes[i]);
}

static void serve(void)
{
	struct pollfd fds[GDB_FDS];

	/* In pieces of what it reads at once; it stops when it has nothing more to do. */
	for (unsigned i = 0; i < 8; i++) {
		gdb_poll(fds);
		if (poll(fds, GDB_FDS, 0) <= 0)
			break;
		gdb_serve(fds);
		drain();
	}
	gdb_poll(fds);
	poll(fds, GDB_FDS, 0);
	gdb_serve(fds);
	drain();
}

static void connect_debugger(void)
{
	if (client >= 0)
		return;
	in.at = BETWEEN;
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(client >= 0 && !connect(client, (struct sockaddr *)&address, address_length),
	     "no connection");
	serve();
}

static void disconnect(void)
{
	if (client >= 0)
		close(client);
	client = -1;
	serve();
}

static void send_bytes(const void *bytes, size_t n)
{
	if (client < 0 || !n)
		return;
	if (send(client, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
		disconnect(); /* it was hung up on */
	serve();
}

static void send_packet(const uint8_t *content, size_t n)
{
	char packet[300];
	size_t length = gdb_frame(packet, (const char *)content, n);

	send_bytes(packet, length);
}

/* ---- the core's side ---- */

static void stand_still(uint32_t number)
{
	__atomic_store_n(&vm.machine->paused, number, __ATOMIC_SEQ_CST);
	if (pause_event(&vm))
		gdb_paused();
	serve();
}

static void hit_breakpoint(void)
{
	__atomic_store_n(&vm.machine->paused, PAUSE_BY_CORE, __ATOMIC_SEQ_CST);
	__atomic_store_n(&vm.machine->pause, PAUSE_BY_CORE, __ATOMIC_SEQ_CST);
	if (pause_event(&vm))
		gdb_paused();
	serve();
}

/* One step; returns how much of the input it was. */
static size_t step(const uint8_t *s, size_t size)
{
	size_t n = size > 1 && s[1] < size - 2 ? s[1] : size - 2;

	switch (s[0] & 15) {
	case 0:
		connect_debugger();
		return 2;
	case 1:
		disconnect();
		return 2;
	case 2: /* as asked, if nothing was written over the question */
		stand_still(__atomic_load_n(&vm.machine->pause, __ATOMIC_SEQ_CST));
		return 2;
	case 3:
		hit_breakpoint();
		return 2;
	case 4:
		send_bytes(s + 2, n);
		return 2 + n;
	case 5:
		send_bytes("\3", 1);
		return 2;
	case 6: /* anywhere in what is shared */
		if (size < 10)
			return size;
		memcpy((uint8_t *)vm.machine + u32(s + 2) % (sizeof *vm.machine - 3), s + 6, 4);
		return 10;
	case 7:
		if (size < 10)
			return size;
		memcpy((uint8_t *)vm.vcpu + u32(s + 2) % (sizeof *vm.vcpu - 3), s + 6, 4);
		return 10;
	case 8:
	case 9:
		if (size < 10)
			return size;
		scribble_mailbox(u32(s + 2), u32(s + 6));
		return 10;
	case 10:
		n = (n < sizeof answers ? n : sizeof answers) & ~(size_t)7;
		memcpy(answers, s + 2, n);
		__atomic_store_n(&nanswers, (uint32_t)n, __ATOMIC_SEQ_CST);
		return 2 + n;
	default:
		send_packet(s + 2, n);
		return 2 + n;
	}
}

static void begin(void)
{
	memset(vm.vcpu, 0, sizeof *vm.vcpu);
	memset(&vm.machine->debugger, 0, sizeof vm.machine->debugger);
	memset(vm.machine, 0, offsetof(struct machine, console_out));
	memset(vm.ram, 0, RAM);
	vm.pause = vm.pause_number = 0;
	vm.debugged = vm.paused = false;
	vm_start_clock(&vm, 1ull << 31);
	nanswers = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	open_vm();
	begin();
	connect_debugger();
	stand_still(vm.pause_number);
	for (unsigned i = 0; size >= 2 && i < MAX_STEPS; i++) {
		size_t n = step(data, size);

		data += n;
		size -= n < size ? n : size;
	}
	/*
	 * It leaves, and another comes and goes: what was written while nobody was there is not
	 * main's. The virtual CPU stands still for each, if it did not already.
	 */
	__atomic_store_n(&nanswers, 0, __ATOMIC_SEQ_CST);
	disconnect();
	stand_still(vm.pause_number);
	connect_debugger();
	stand_still(vm.pause_number);
	disconnect();
	stand_still(vm.pause_number);
	must(!vm.debugged && !vm.pause && !vm.paused, "the machine stands still for nobody");
	must(!vm.machine->debugged && !vm.machine->debugger.stepping,
	     "a debugger that has left is served on");
	return 0;
}
