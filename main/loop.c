// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The event loop of a running machine.
 *
 * Cells reach main by the futex machine.doorbell, which a small thread turns into an eventfd,
 * so that one ppoll() waits for everything. The timeout of the ppoll is the guest's next
 * device deadline: main is the alarm clock of a virtual CPU that computes. (One that sleeps
 * waits with the same deadline by itself, core/alarm.c.)
 */
#include "main/loop.h"

#include "common/thread.h"
#include "main/confine.h"
#include "main/devices.h"
#include "main/modules.h"
#include "main/monitor.h"
#include "main/pause.h"
#include "main/placement.h"
#include "main/shared_state.h"
#include "main/snapshot.h"
#include "main/terminal.h"
#include "main/trace.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_BYTES     65536u
#define INPUT_BYTES      65536u   /* so much may be typed ahead of a guest that does not listen */
#define REKICK_NS        2000000u /* a deadline the core has not moved on from: look again */
#define REKICK_MOST_NS   512000000u
#define HALTED_SLACK_NS  20000000u
#define LONGEST_SLEEP_NS 1000000000u
#define PANIC_GRACE_NS   2000000000u
#define LAST_WORDS_MS    300
#define SETTLING_LOOK_NS 1000000u /* back ends answer in memory */
#define JOIN_RETRY_NS    5000000

enum {
	FD_DOORBELL,
	FD_NURSERY,
	FD_SIGNAL,
	FD_INPUT,
	FD_OUTPUT,
	FD_CLIENT,
	FD_CONTROL,
	FD_GDB = FD_CONTROL + CONTROL_FDS,
	FD_COUNT = FD_GDB + GDB_FDS
};

/* poll() takes no more descriptors than a process may have open. */
_Static_assert(FD_COUNT <= DESCRIPTORS_NEEDED, "said too low");

struct loop {
	struct vm *vm;
	struct outcome *outcome;
	struct pollfd fds[FD_COUNT];
	const struct start *start;
	struct console *console;
	const char *name;
	struct monitor monitor;
	bool keys; /* Ctrl-A means something: the console is this terminal */
	bool escape, done, ready, power_pressed;
	bool output_lost;           /* and it was said */
	uint8_t input[INPUT_BYTES]; /* typed, not yet taken by the guest's ring */
	size_t input_at, input_n;
	uint8_t output[OUTPUT_BYTES];
	size_t output_at, output_n;
	uint64_t kicked_deadline, kicked_at, rekick;
	uint64_t panic_at;
	uint64_t review_at;
};

static void *doorbell_main(void *arg)
{
	struct vm *vm = arg;
	struct machine *m = vm->machine;
	uint64_t one = 1;

	while (!__atomic_load_n(&vm->doorbell_quit, __ATOMIC_SEQ_CST)) {
		uint32_t bits = __atomic_exchange_n(&m->doorbell, 0, __ATOMIC_SEQ_CST);

		/* Soon and often: from here, and not by way of the event loop. */
		if (bits & DOORBELL_DEVICE) {
			vm_kick(vm, INBOX_DEVICE);
			bits &= ~DOORBELL_DEVICE;
		}
		if (bits) {
			__atomic_fetch_or(&vm->doorbell_bits, bits, __ATOMIC_SEQ_CST);
			if (write(vm->doorbell_event, &one, sizeof one) < 0)
				return NULL;
			continue;
		}
		/* On the word that whoever rings clears, as wait_for_bell() does. */
		__atomic_store_n(&m->main_waits, 1, __ATOMIC_SEQ_CST);
		if (!__atomic_load_n(&m->doorbell, __ATOMIC_SEQ_CST))
			syscall(SYS_futex, &m->main_waits, FUTEX_WAIT, 1, NULL, NULL, 0);
	}
	return NULL;
}

static void finish(struct loop *l, enum stop_reason reason, const char *text)
{
	if (l->done)
		return;
	l->done = true;
	l->outcome->reason = reason;
	snprintf(l->outcome->text, sizeof l->outcome->text, "%s", text);
}

/* ---- console ---- */

/* Nobody reads any more, or the disk is full: the guest runs on. */
static void lose_output(struct loop *l, int error)
{
	const struct console *c = l->console;

	l->output_n = 0;
	if (!l->output_lost)
		complain("%s%s: %s: what the guest prints is lost; it goes on",
		         c->kind == CONSOLE_FILE ? "--console file:" : "standard output",
		         c->kind == CONSOLE_FILE ? c->path : "", strerror(error));
	l->output_lost = true;
}

/* As much as goes without waiting: main has a machine to look after. */
static void write_output(struct loop *l)
{
	while (l->output_n) {
		struct pollfd p = {.fd = l->console->out, .events = POLLOUT};
		size_t n = l->output_n < 512 ? l->output_n : 512;
		ssize_t w;

		if (p.fd < 0 || poll(&p, 1, 0) != 1)
			return;
		w = write(p.fd, l->output + l->output_at, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0 && errno == EAGAIN)
			return;
		if (w < 0 && console_lasts(l->console)) {
			console_gone(l->console); /* the next client gets it */
			return;
		}
		if (w < 0) {
			lose_output(l, errno);
			break;
		}
		l->output_at += (size_t)w;
		l->output_n -= (size_t)w;
	}
	l->output_at = 0;
}

static void drain_console(struct loop *l)
{
	struct byte_ring *r = &l->vm->machine->console_out;
	bool was_full = ring_fill(r) == RING_BYTES;
	size_t n;

	/* Who watches by the control socket has it; nobody else waits for it. */
	if (l->console->kind == CONSOLE_SOCKET)
		l->output_n = 0;
	/* With no client the last of it is kept for the next one, and the guest does not wait. */
	if (l->console->out < 0 && l->output_n > OUTPUT_BYTES / 2) {
		l->output_at += l->output_n - OUTPUT_BYTES / 2;
		l->output_n = OUTPUT_BYTES / 2;
	}
	if (l->output_at)
		memmove(l->output, l->output + l->output_at, l->output_n);
	l->output_at = 0;
	n = ring_take(r, l->output + l->output_n, OUTPUT_BYTES - l->output_n);
	control_output(l->output + l->output_n, n);
	l->output_n += n;
	write_output(l);
	if (was_full)
		vm_kick(l->vm, INBOX_CONSOLE);
}

static void drain_log(struct loop *l)
{
	uint8_t text[1024];
	size_t n;

	/* One ring at most: a cell that writes on and on must not keep main from the rest. */
	for (size_t taken = 0; taken < RING_BYTES; taken += n) {
		n = ring_take(&l->vm->machine->log, text, sizeof text - 1);
		if (!n)
			return;
		text[n] = 0;
		for (size_t i = 0; i < n; i++)
			if ((text[i] < ' ' && text[i] != '\n') || text[i] > '~')
				text[i] = '?';
		fprintf(stderr, "%s%s%s", complain_prefix(), text,
		        *complain_line_end() == '\r' ? "\r" : "");
	}
}

static void print_help(void)
{
	static const char text[] = "\r\nring1 keys:  Ctrl-A x  leave, ending the guest\r\n"
	                           "             Ctrl-A b  send a serial break\r\n"
	                           "             Ctrl-A p  press the power button\r\n"
	                           "             Ctrl-A c  ask about the machine, and back\r\n"
	                           "             Ctrl-A h  this help\r\n"
	                           "             Ctrl-A Ctrl-A  send Ctrl-A\r\n";

	monitor_say(text, sizeof text - 1);
}

static void give_input(struct loop *l)
{
	size_t n;

	if (!l->input_n)
		return;
	n = ring_give(&l->vm->machine->console_in, l->input + l->input_at, l->input_n);
	l->input_at += n;
	l->input_n -= n;
	if (n)
		vm_kick(l->vm, INBOX_CONSOLE);
}

static void leave(struct loop *l, const char *how)
{
	l->outcome->asked = true;
	finish(l, STOP_REQUEST, how);
}

/*
 * As with a real one, the guest decides what a press means; a second press does not ask.
 * Whether it listens is the guest's word, and only good for a hint.
 */
static void press_power_button(struct loop *l)
{
	if (l->power_pressed) {
		leave(l, "power cut by a second press of the power button");
		return;
	}
	l->power_pressed = true;
	if (!pm_heeds_power_button(&l->vm->machine->platform.pm))
		complain("the guest does not listen to its power button; a second press cuts its "
		         "power");
	vm_kick(l->vm, INBOX_POWER);
}

/* ---- what clients of the control socket may do ---- */

static void press_for_client(void *of)
{
	struct loop *l = of;

	vm_kick(l->vm, INBOX_POWER);
}

static void power_off_for_client(void *of, const char *why)
{
	leave(of, why);
}

static size_t input_room(void *of)
{
	const struct loop *l = of;

	return sizeof l->input - l->input_n;
}

static void type_for_client(void *of, const uint8_t *bytes, size_t n)
{
	struct loop *l = of;

	memmove(l->input, l->input + l->input_at, l->input_n);
	l->input_at = 0;
	memcpy(l->input + l->input_n, bytes, n);
	l->input_n += n;
	give_input(l);
}

/* A byte typed at the terminal. */
static void take_key(struct loop *l, uint8_t byte)
{
	switch (terminal_key(&l->escape, byte)) {
	case KEY_BYTE:
		if (!l->monitor.on)
			l->input[l->input_n++] = byte;
		else if (monitor_type(&l->monitor, l->vm, byte) == MONITOR_QUIT)
			leave(l, "left by quit");
		break;
	case KEY_QUIT:
		leave(l, "left by Ctrl-A x");
		break;
	case KEY_HELP:
		print_help();
		break;
	case KEY_BREAK:
		vm_kick(l->vm, INBOX_BREAK);
		break;
	case KEY_POWER:
		press_power_button(l);
		break;
	case KEY_MONITOR:
		monitor_toggle(&l->monitor, l->name);
		break;
	case KEY_DETACH: /* nobody would be left to hold the terminal */
	case KEY_NOTHING:
		break;
	}
}

static void read_input(struct loop *l)
{
	uint8_t typed[4096];
	size_t room = sizeof l->input - l->input_n;
	ssize_t n;

	if (l->console->in < 0)
		return;
	n = read(l->console->in, typed, room < sizeof typed ? room : sizeof typed);
	if (n <= 0) {
		if (n == 0 || (errno != EINTR && errno != EAGAIN))
			console_gone(l->console);
		return;
	}
	memmove(l->input, l->input + l->input_at, l->input_n);
	l->input_at = 0;
	for (ssize_t i = 0; i < n && !l->done; i++) {
		if (l->keys)
			take_key(l, typed[i]);
		else
			l->input[l->input_n++] = typed[i];
	}
	give_input(l);
}

/* ---- time ---- */

/*
 * Interrupt a computing guest whose device deadline has passed. Returns ns to sleep. Again, should
 * it not be heard, but more and more rarely: a cell that is held up on its way into the handler, by
 * a tracer for each signal, would enter it anew for each, until its signal stack is full.
 */
static uint64_t serve_deadline(struct loop *l, uint64_t deadline)
{
	uint64_t now = vm_clock(l->vm);

	/* A virtual CPU that sleeps wakes by itself: be there only in case it does not. */
	if (__atomic_load_n(&l->vm->machine->halted, __ATOMIC_SEQ_CST) &&
	    deadline < UINT64_MAX - HALTED_SLACK_NS)
		deadline += HALTED_SLACK_NS;
	if (deadline > now)
		return deadline - now;
	if (deadline != l->kicked_deadline)
		l->rekick = REKICK_NS;
	else if (now - l->kicked_at < l->rekick)
		return l->rekick - (now - l->kicked_at);
	else if (l->rekick < REKICK_MOST_NS)
		l->rekick *= 2;
	l->kicked_deadline = deadline;
	l->kicked_at = now;
	vm_kick(l->vm, INBOX_TIMER);
	return l->rekick;
}

/* A kernel that panicked and neither halts nor resets is given time to print. */
static void watch_panic(struct loop *l)
{
	uint64_t now = vm_clock(l->vm);

	if (!__atomic_load_n(&l->vm->machine->panicked, __ATOMIC_RELAXED))
		return;
	if (!l->panic_at)
		l->panic_at = now;
	if (now - l->panic_at > PANIC_GRACE_NS)
		finish(l, STOP_PANIC, "the guest kernel panicked");
}

static void review_placement(struct loop *l)
{
	uint64_t now = vm_clock(l->vm);

	if (now < l->review_at)
		return;
	l->review_at = now + PLACEMENT_INTERVAL_NS;
	placement_review(l->vm);
}

/* ---- events ---- */

static void take_stop(struct loop *l)
{
	l->outcome->stop = stop_copy(&l->vm->machine->stop);
	finish(l, l->outcome->stop.reason, l->outcome->stop.text);
}

/* However a kernel that panicked ended, the panic is the reason. */
static void take_panic(struct loop *l)
{
	struct outcome *o = l->outcome;

	if (!__atomic_load_n(&l->vm->machine->panicked, __ATOMIC_SEQ_CST) ||
	    (o->reason != STOP_HALT && o->reason != STOP_POWEROFF && o->reason != STOP_RESET &&
	     o->reason != STOP_PANIC && o->reason != STOP_TRIPLE))
		return;
	o->stop = stop_copy(&l->vm->machine->panic);
	o->reason = STOP_PANIC;
	snprintf(o->text, sizeof o->text, "%s", o->stop.text);
}

/* Once: what the user asked for at the start has come true. */
static void be_ready(struct loop *l)
{
	if (!l->ready && l->start->ready)
		l->start->ready();
	l->ready = true;
}

static void serve_doorbell(struct loop *l)
{
	uint64_t count;
	uint32_t bits;

	if (read(l->vm->doorbell_event, &count, sizeof count) < 0)
		return;
	bits = __atomic_exchange_n(&l->vm->doorbell_bits, 0, __ATOMIC_SEQ_CST);
	if (bits & DOORBELL_CONSOLE)
		drain_console(l);
	if (bits & DOORBELL_LOG)
		drain_log(l);
	if (bits & DOORBELL_STOP) {
		drain_console(l);
		take_stop(l);
	}
	if (bits & DOORBELL_CELLS)
		vm_want_cells(l->vm);
	if (bits & DOORBELL_MODULE)
		modules_serve(l->vm);
	if (bits & DOORBELL_TRACE)
		trace_drain(l->vm);
	if (bits & DOORBELL_PAUSED && pause_event(l->vm)) {
		control_paused();
		gdb_paused();
		be_ready(l);
	}
}

/* A back end that ended; the nursery speaks for itself. */
static void check_devices(struct loop *l)
{
	char why[200];
	bool host = false;

	if (l->vm->devices && devices_check(l->vm->devices, why, sizeof why, &host))
		finish(l, host ? STOP_HOST : STOP_INTERNAL, why);
}

static void serve_signal(struct loop *l)
{
	struct signalfd_siginfo info;
	char text[80];

	if (read(l->fds[FD_SIGNAL].fd, &info, sizeof info) != sizeof info)
		return;
	if (info.ssi_signo == SIGCHLD) {
		check_devices(l);
		return;
	}
	if (info.ssi_signo == SIGPWR) {
		press_power_button(l);
		return;
	}
	snprintf(text, sizeof text, "ended by signal %u (%s)", info.ssi_signo,
	         strsignal((int)info.ssi_signo));
	l->outcome->asked = true;
	finish(l, STOP_REQUEST, text);
}

static void serve_nursery(struct loop *l)
{
	char why[200];

	if (!vm_nursery_event(l->vm, why, sizeof why))
		finish(l, l->vm->host_refused ? STOP_HOST : STOP_INTERNAL, why);
	else
		vm_publish_cells(l->vm);
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGPWR);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool enough_descriptors(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= DESCRIPTORS_NEEDED;
}

static bool open_loop(struct loop *l)
{
	struct vm *vm = l->vm;
	char text[200];
	bool confined;
	int error;

	prctl(PR_SET_TIMERSLACK, 1);
	l->fds[FD_SIGNAL] = (struct pollfd){.fd = open_signals(), .events = POLLIN};
	vm->doorbell_event = eventfd(0, EFD_CLOEXEC);
	l->fds[FD_DOORBELL] = (struct pollfd){.fd = vm->doorbell_event, .events = POLLIN};
	l->fds[FD_NURSERY] = (struct pollfd){.fd = vm->nursery_socket, .events = POLLIN};
	confined = confine_files(l->start->directory);
	if (l->fds[FD_SIGNAL].fd < 0 || vm->doorbell_event < 0 || !enough_descriptors()) {
		snprintf(text, sizeof text,
		         "the limit of open files is too low (ulimit -n): main needs %d",
		         DESCRIPTORS_NEEDED);
		finish(l, STOP_HOST, text);
		return false;
	}
	/* Before the cells, which take what a limit of processes leaves, and can do with less. */
	error = thread_start(&vm->doorbell_thread, doorbell_main, vm);
	if (error) {
		snprintf(text, sizeof text,
		         "cannot start a thread (%s): is the limit of processes too low (ulimit "
		         "-u)?",
		         strerror(error));
		finish(l, STOP_HOST, text);
		return false;
	}
	vm->doorbell_started = true;
	if (vm_fork_cells(vm, INITIAL_CELLS, text, sizeof text)) {
		finish(l, STOP_HOST, text);
		return false;
	}
	huge_pages_start(&vm->huge); /* which it can do without */
	error = confine_calls(confined);
	if (error) {
		snprintf(text, sizeof text,
		         "main cannot confine itself by a system-call filter (%s); 'ring1 check' "
		         "tells what the host refuses",
		         strerror(error));
		finish(l, STOP_HOST, text);
		return false;
	}
	return true;
}

/* A cell that still lives may put the thread back to sleep before it looks: wake it again. */
static void stop_doorbell(struct vm *vm)
{
	struct timespec t;

	__atomic_store_n(&vm->doorbell_quit, true, __ATOMIC_SEQ_CST);
	do {
		__atomic_store_n(&vm->machine->main_waits, 0, __ATOMIC_SEQ_CST);
		syscall(SYS_futex, &vm->machine->main_waits, FUTEX_WAKE, 1, NULL, NULL, 0);
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_nsec += JOIN_RETRY_NS;
		t.tv_sec += t.tv_nsec / 1000000000;
		t.tv_nsec %= 1000000000;
	} while (pthread_timedjoin_np(vm->doorbell_thread, NULL, &t) == ETIMEDOUT);
	vm->doorbell_started = false;
}

static void close_loop(struct loop *l)
{
	huge_pages_stop(&l->vm->huge);
	if (l->vm->doorbell_started)
		stop_doorbell(l->vm);
	if (l->vm->doorbell_event >= 0)
		close(l->vm->doorbell_event);
	l->vm->doorbell_event = -1;
	if (l->fds[FD_SIGNAL].fd >= 0)
		close(l->fds[FD_SIGNAL].fd);
}

/*
 * Until the deadline that the core rang for, if it is to come, though the guest sleeps again: one
 * that waits for a disk computes for moments between two ticks, each with the same next tick, and
 * rings only for what main would sleep beyond.
 */
static uint64_t stay_up(struct loop *l, uint64_t now, uint64_t ns)
{
	uint64_t rung = __atomic_load_n(&l->vm->machine->deadline_rung, __ATOMIC_SEQ_CST);

	return rung > now && rung - now < ns ? rung - now : ns;
}

/*
 * How long to sleep, in ns. The core is told until when, so that it rings only for a deadline
 * before that; one that changed while main was deciding is looked at again.
 */
static uint64_t plan_sleep(struct loop *l)
{
	struct machine *m = l->vm->machine;
	uint64_t now, ns, deadline;
	unsigned tries = 0;

	do {
		/* Before the deadline is looked at: what main sleeps until is no later than that.
		 */
		now = vm_clock(l->vm);
		deadline = __atomic_load_n(&m->deadline, __ATOMIC_SEQ_CST);
		ns = l->vm->paused ? LONGEST_SLEEP_NS : serve_deadline(l, deadline);
		if (l->panic_at && ns > REKICK_NS)
			ns = REKICK_NS;
		if (ns > LONGEST_SLEEP_NS)
			ns = LONGEST_SLEEP_NS;
		/* Guest time stands while it is paused, and no deadline comes. */
		if (!l->vm->paused)
			ns = stay_up(l, now, ns);
		if (snapshot_state() == SNAPSHOT_SETTLING && ns > SETTLING_LOOK_NS)
			ns = SETTLING_LOOK_NS;
		if (snapshot_state() == SNAPSHOT_WRITING)
			ns = 0;
		__atomic_store_n(&m->main_wake, now + ns, __ATOMIC_SEQ_CST);
	} while (__atomic_load_n(&m->deadline, __ATOMIC_SEQ_CST) != deadline && ++tries < 4);
	return ns;
}

static void wait_for_events(struct loop *l)
{
	uint64_t ns = plan_sleep(l);
	struct timespec t;

	t = (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
	                      .tv_nsec = (long)(ns % 1000000000u)};
	l->fds[FD_INPUT] =
	    (struct pollfd){.fd = l->input_n < INPUT_BYTES ? l->console->in : -1, .events = POLLIN};
	l->fds[FD_OUTPUT] =
	    (struct pollfd){.fd = l->output_n ? l->console->out : -1, .events = POLLOUT};
	l->fds[FD_CLIENT] = (struct pollfd){.fd = l->console->event, .events = POLLIN};
	control_poll(&l->fds[FD_CONTROL]);
	gdb_poll(&l->fds[FD_GDB]);
	if (ppoll(l->fds, FD_COUNT, &t, NULL) >= 0)
		return;
	for (int i = 0; i < FD_COUNT; i++)
		l->fds[i].revents = 0;
	if (errno != EINTR)
		finish(l, STOP_HOST, "the host refuses to wait for events");
}

/*
 * The guest's last words. A slow reader is waited for, unless it was the user who asked for
 * the end, or asks now: then one that does not read at all must not keep the machine alive.
 */
static void flush_output(struct loop *l)
{
	while (l->output_n) {
		struct pollfd p[] = {{.fd = l->console->out, .events = POLLOUT}, l->fds[FD_SIGNAL]};

		if (p[0].fd < 0 || poll(p, 2, l->outcome->asked ? LAST_WORDS_MS : -1) <= 0 ||
		    !p[0].revents)
			return;
		write_output(l);
	}
}

void run_loop(struct vm *vm, const struct start *start, struct outcome *outcome)
{
	struct console *console = start->console;
	static struct loop l;

	l = (struct loop){.vm = vm,
	                  .start = start,
	                  .outcome = outcome,
	                  .console = console,
	                  .name = start->name,
	                  .keys = console->kind == CONSOLE_STDIO && isatty(STDIN_FILENO),
	                  .kicked_deadline = UINT64_MAX};
	if (!open_loop(&l)) {
		close_loop(&l);
		return;
	}
	check_devices(&l); /* those that ended before there was a signalfd */
	control_start(vm, start->facts,
	              &(struct control_actions){.of = &l,
	                                        .press_power_button = press_for_client,
	                                        .power_off = power_off_for_client,
	                                        .input_room = input_room,
	                                        .type = type_for_client});
	trace_start(vm);
	gdb_start(vm, start->gdb, power_off_for_client, &l);
	if (start->paused)
		pause_begin(vm, PAUSE_USER);
	vm_start(vm);
	if (!start->paused)
		be_ready(&l);
	while (!l.done) {
		wait_for_events(&l);
		vm_keep_clock(vm);
		if (l.fds[FD_DOORBELL].revents)
			serve_doorbell(&l);
		if (l.fds[FD_NURSERY].revents)
			serve_nursery(&l);
		if (l.fds[FD_SIGNAL].revents)
			serve_signal(&l);
		if (l.fds[FD_INPUT].revents)
			read_input(&l);
		if (l.fds[FD_CLIENT].revents)
			console_event(console, l.name);
		if (l.fds[FD_OUTPUT].revents) {
			write_output(&l);
			drain_console(&l);
		}
		/* What the guest has sent is not sent again by who is restored. */
		if (snapshot_state() != SNAPSHOT_NONE)
			drain_console(&l);
		control_serve(&l.fds[FD_CONTROL]);
		gdb_serve(&l.fds[FD_GDB]);
		give_input(&l);
		watch_panic(&l);
		review_placement(&l);
		trace_drain(vm);
		huge_pages_look(&vm->huge);
	}
	drain_console(&l);
	flush_output(&l);
	drain_log(&l);
	take_panic(&l);
	trace_flush(vm);
	control_end(outcome->text);
	gdb_end(0);
	close_loop(&l);
}
