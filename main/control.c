// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/control.h"

#include "main/balloon.h"
#include "main/control_client.h"
#include "main/monitor.h"
#include "main/nets.h"
#include "main/pause.h"
#include "main/snapshot.h"
#include "main/stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HISTORY_BYTES    65536u
#define PAUSE_TIMEOUT_NS 5000000000u
#define BALLOON_WAIT_NS  1000000000u /* for the guest to say what memory it has */
#define ENDED_GRACE_MS   100

static struct {
	struct vm *vm;
	struct control_facts facts;
	struct control_actions actions;
	struct control_client client[CONTROL_CLIENTS_MAX];
	/* The last of the console, for who comes later. */
	uint8_t history[HISTORY_BYTES];
	size_t history_n, history_at;
	uint64_t console_bytes, typed_bytes;
	uint64_t snapshot_from; /* CLOCK_MONOTONIC ns at which it was asked for */
} control = {.facts.listener = -1};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t since_start_ns(void)
{
	const struct timespec *s = &control.vm->started;

	return now_ns() - ((uint64_t)s->tv_sec * 1000000000u + (uint64_t)s->tv_nsec);
}

/* ---- replies and events ---- */

static void send_line(struct control_client *c, char *line)
{
	if (line)
		client_send(c, line, strlen(line));
	else
		client_close(c);
	free(line);
}

static void reply(struct control_client *c, const struct control_request *r, json_t *result)
{
	send_line(c, control_result(r->id, result));
}

static void refuse(struct control_client *c, const struct control_request *r, const char *code,
                   const char *message)
{
	send_line(c, control_error(r->id, code, message));
}

static const char *state(void)
{
	if (control.vm->paused)
		return control.vm->pause & PAUSE_USER       ? "paused"
		       : control.vm->pause & PAUSE_DEBUGGER ? "debugger"
		                                            : "snapshot";
	return control.vm->pause ? "pausing" : "running";
}

static void tell_all(const char *event, const char *reason)
{
	json_t *e = json_pack("{s:s,s:s*}", "event", event, "reason", reason);
	char *text = e ? json_dumps(e, JSON_COMPACT) : NULL;
	char line[512];
	int n;

	json_decref(e);
	if (!text)
		return;
	n = snprintf(line, sizeof line, "%s\n", text);
	free(text);
	for (int i = 0; i < CONTROL_CLIENTS_MAX && n > 0 && (size_t)n < sizeof line; i++)
		if (control.client[i].kind == CLIENT_COMMANDS && control.client[i].events)
			client_send(&control.client[i], line, (size_t)n);
}

/* ---- commands ---- */

/* Bytes of guest memory that the host has given so far. */
static json_int_t resident(void)
{
	struct stat st;

	return fstat(control.vm->ram_fd, &st) ? 0 : (json_int_t)st.st_blocks * 512;
}

static json_t *memory(void)
{
	json_t *m = json_pack("{s:I,s:I}", "size", (json_int_t)control.vm->ram_size, "resident",
	                      resident());

	if (balloon_is_there())
		json_object_set_new(m, "balloon",
		                    json_integer((json_int_t)balloon_actual(control.vm)));
	return m;
}

/* A path may be any bytes; JSON is UTF-8. */
static json_t *text(const char *bytes)
{
	json_t *t = json_string(bytes);
	char copy[512];

	if (t)
		return t;
	snprintf(copy, sizeof copy, "%s", bytes);
	for (char *p = copy; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	return json_string(copy);
}

/*
 * With which options, and from which directory, it would be restored: "options" and "directory".
 * Words that are no UTF-8 cannot be told: then neither is.
 */
static void tell_options(json_t *info)
{
	const struct control_facts *f = &control.facts;
	json_t *options = json_array(),
	       *directory = f->directory ? json_string(f->directory) : NULL;
	bool whole = directory;

	for (unsigned i = 0; i < f->nagain && whole; i++)
		whole = !json_array_append_new(options, json_string(f->again[i]));
	if (whole) {
		json_object_set(info, "options", options);
		json_object_set(info, "directory", directory);
	}
	json_decref(options);
	json_decref(directory);
}

static void do_info(struct control_client *c, const struct control_request *r)
{
	const struct control_facts *f = &control.facts;

	json_t *info = json_pack(
	    "{s:i,s:s,s:s,s:i,s:s,s:o,s:I,s:I,s:o,s:o,s:s,s:i}", "protocol", CONTROL_PROTOCOL,
	    "version", RING1_VERSION, "name", f->name, "pid", (int)f->pid, "state", state(),
	    "memory", memory(), "uptime_ns", (json_int_t)since_start_ns(), "guest_ns",
	    (json_int_t)vm_clock(control.vm), "kernel", text(f->kernel), "kernel_version",
	    text(f->version), "console", f->console, "cells", (int)control.vm->ncells);

	if (info)
		tell_options(info);
	reply(c, r, info);
}

static void do_stats(struct control_client *c, const struct control_request *r)
{
	json_t *all = stats_json(control.vm, NULL);

	json_object_set_new(all, "memory", memory());
	json_object_set_new(all, "uptime_ns", json_integer((json_int_t)since_start_ns()));
	json_object_set_new(all, "state", json_string(state()));
	json_object_set_new(all, "console",
	                    json_pack("{s:I,s:I}", "out", (json_int_t)control.console_bytes, "in",
	                              (json_int_t)control.typed_bytes));
	reply(c, r, all);
}

static void do_stop(struct control_client *c, const struct control_request *r)
{
	const char *how;

	if (!control_string(r, "how", "button", &how) ||
	    (strcmp(how, "button") && strcmp(how, "off"))) {
		refuse(c, r, CONTROL_BAD_VALUE, "'how' is \"button\" or \"off\"");
		return;
	}
	/* Whether it listens is the guest's word: good for a hint. */
	reply(c, r,
	      json_pack("{s:b,s:s}", "listens",
	                pm_heeds_power_button(&control.vm->machine->platform.pm), "state",
	                state()));
	if (!strcmp(how, "off"))
		control.actions.power_off(control.actions.of, "stopped by ring1 stop");
	else
		control.actions.press_power_button(control.actions.of);
}

static void do_pause(struct control_client *c, const struct control_request *r)
{
	if (c->pausing) {
		refuse(c, r, CONTROL_BUSY, "an earlier request to pause is not answered yet");
		return;
	}
	pause_begin(control.vm, PAUSE_USER);
	if (control.vm->paused) {
		reply(c, r, json_pack("{s:s}", "state", state()));
		return;
	}
	c->pausing = true;
	c->pause_id = json_incref(r->id);
	c->pause_due = now_ns() + PAUSE_TIMEOUT_NS;
}

static void answer_pause(struct control_client *c, const char *code, const char *message)
{
	c->pausing = false;
	if (code)
		send_line(c, control_error(c->pause_id, code, message));
	else
		send_line(c, control_result(c->pause_id, json_pack("{s:s}", "state", state())));
	json_decref(c->pause_id);
	c->pause_id = NULL;
	client_flush(c);
}

static void do_resume(struct control_client *c, const struct control_request *r)
{
	bool was = control.vm->pause & PAUSE_USER;

	pause_end(control.vm, PAUSE_USER);
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control.client[i].kind != CLIENT_NONE && control.client[i].pausing)
			answer_pause(&control.client[i], CONTROL_STATE,
			             "somebody resumed the machine before it stood still");
	reply(c, r, json_pack("{s:s}", "state", state()));
	if (was)
		tell_all("resumed", NULL);
}

static void do_snapshot(struct control_client *c, const struct control_request *r)
{
	int fd = c->passed;
	const char *then, *why;
	bool busy;

	c->passed = -1;
	if (!control_string(r, "then", "resume", &then) ||
	    (strcmp(then, "resume") && strcmp(then, "pause"))) {
		refuse(c, r, CONTROL_BAD_VALUE, "'then' is \"resume\" or \"pause\"");
		if (fd >= 0)
			close(fd);
		return;
	}
	if (fd < 0) {
		refuse(c, r, CONTROL_BAD_VALUE,
		       "the file to write must come with the request, as a descriptor "
		       "(SCM_RIGHTS)");
		return;
	}
	if (!snapshot_begin(control.vm, fd, control.facts.kernel, control.facts.version,
	                    !strcmp(then, "pause"), &busy, &why)) {
		refuse(c, r, busy ? CONTROL_BUSY : CONTROL_STATE, why);
		return;
	}
	c->snapshotting = true;
	c->snapshot_id = json_incref(r->id);
	control.snapshot_from = now_ns();
}

static struct control_client *who_wants_snapshot(void)
{
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control.client[i].kind != CLIENT_NONE && control.client[i].snapshotting)
			return &control.client[i];
	return NULL;
}

static void answer_snapshot(struct control_client *c, const char *why)
{
	c->snapshotting = false;
	if (why)
		send_line(c, control_error(c->snapshot_id, CONTROL_FAILED, why));
	else
		send_line(
		    c, control_result(c->snapshot_id,
		                      json_pack("{s:s,s:I}", "state", state(), "stood_ns",
		                                (json_int_t)(now_ns() - control.snapshot_from))));
	json_decref(c->snapshot_id);
	c->snapshot_id = NULL;
	client_flush(c);
}

/* One that nobody waits for any more is not finished: its file is for nobody. */
static void go_on_with_snapshot(void)
{
	struct control_client *c = who_wants_snapshot();
	enum snapshot_state state;
	const char *why = NULL;

	if (snapshot_state() == SNAPSHOT_NONE)
		return;
	if (!c) {
		snapshot_cancel(control.vm);
		tell_all("resumed", NULL);
		return;
	}
	state = snapshot_step(control.vm, &why);
	if (state != SNAPSHOT_FAILED && state != SNAPSHOT_DONE)
		return;
	answer_snapshot(c, why);
	if (!control.vm->pause)
		tell_all("resumed", NULL);
}

static void do_events(struct control_client *c, const struct control_request *r)
{
	bool on;

	if (!control_bool(r, "on", true, &on)) {
		refuse(c, r, CONTROL_BAD_VALUE, "'on' is true or false");
		return;
	}
	c->events = on;
	reply(c, r, json_pack("{s:b}", "on", on));
}

static void do_break(struct control_client *c, const struct control_request *r)
{
	vm_kick(control.vm, INBOX_BREAK);
	reply(c, r, json_object());
}

static void do_link(struct control_client *c, const struct control_request *r)
{
	const char *name;
	bool on;

	if (!control_string(r, "name", "net0", &name) || !control_bool(r, "on", true, &on)) {
		refuse(c, r, CONTROL_BAD_VALUE, "'name' is a string, 'on' is true or false");
		return;
	}
	if (nets_plug(name, on))
		reply(c, r, json_pack("{s:b}", "on", on));
	else
		refuse(c, r, CONTROL_BAD_VALUE, "no network device of that name");
}

/* ---- the balloon ---- */

static void answer_balloon(struct control_client *c)
{
	c->ballooning = false;
	send_line(c, control_result(c->balloon_id, balloon_json(control.vm)));
	json_decref(c->balloon_id);
	c->balloon_id = NULL;
	client_flush(c);
}

/* With a size the answer is what was there before; without, it waits for the guest's. */
static void do_balloon(struct control_client *c, const struct control_request *r)
{
	const char *why = "the machine has no balloon; 'ring1 run --balloon' gives it one";
	json_int_t size;

	if (!control_integer(r, "size", -1, &size) || size < -1) {
		refuse(c, r, CONTROL_BAD_VALUE, "'size' is a number of bytes");
		return;
	}
	if (c->ballooning) {
		refuse(c, r, CONTROL_BUSY, "an earlier question is not answered yet");
		return;
	}
	if (!balloon_is_there()) {
		refuse(c, r, CONTROL_STATE, why);
		return;
	}
	if (size >= 0 && !balloon_set(control.vm, (uint64_t)size, &why)) {
		refuse(c, r, CONTROL_BAD_VALUE, why);
		return;
	}
	if (size >= 0 || !balloon_ask(control.vm)) {
		reply(c, r, balloon_json(control.vm));
		return;
	}
	c->ballooning = true;
	c->balloon_id = json_incref(r->id);
	c->balloon_due = now_ns() + BALLOON_WAIT_NS;
}

static void answer_about_balloon(void)
{
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct control_client *c = &control.client[i];

		if (c->kind != CLIENT_NONE && c->ballooning &&
		    (balloon_answered() || now_ns() > c->balloon_due))
			answer_balloon(c);
	}
}

static void do_monitor(struct control_client *c, const struct control_request *r)
{
	const char *line;
	char *text;

	if (!control_string(r, "line", "help", &line)) {
		refuse(c, r, CONTROL_BAD_VALUE, "'line' is a string");
		return;
	}
	text = monitor_answer(control.vm, line);
	if (text)
		reply(c, r, json_pack("{s:s}", "text", text));
	else
		refuse(c, r, CONTROL_BAD_VALUE, "not understood; \"help\" lists what is");
	free(text);
}

/* ---- the console ---- */

static struct control_client *typist(void)
{
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control.client[i].kind == CLIENT_TYPIST)
			return &control.client[i];
	return NULL;
}

static void show_history(struct control_client *c)
{
	size_t first = HISTORY_BYTES - control.history_at;

	if (control.history_n < HISTORY_BYTES) {
		client_show(c, control.history, control.history_n);
		return;
	}
	client_show(c, control.history + control.history_at, first);
	if (c->kind != CLIENT_NONE)
		client_show(c, control.history, control.history_at);
}

/* From here on the connection carries the console's bytes both ways, and no lines. */
static void do_console(struct control_client *c, const struct control_request *r)
{
	static const char taken[] = "\r\n[somebody else types now; you watch]\r\n";
	struct control_client *other = typist();
	bool watch, force, history;

	if (!control_bool(r, "watch", false, &watch) || !control_bool(r, "force", false, &force) ||
	    !control_bool(r, "history", true, &history)) {
		refuse(c, r, CONTROL_BAD_VALUE, "'watch', 'force', 'history' are true or false");
		return;
	}
	if (c->pausing || c->snapshotting || c->ballooning) {
		refuse(c, r, CONTROL_BUSY, "an earlier request is not answered yet");
		return;
	}
	if (!watch && other && force) {
		other->kind = CLIENT_WATCHER;
		client_show(other, (const uint8_t *)taken, sizeof taken - 1);
		other = NULL;
	}
	reply(c, r, json_pack("{s:b}", "typing", !watch && !other));
	if (c->kind == CLIENT_NONE)
		return;
	c->kind = watch || other ? CLIENT_WATCHER : CLIENT_TYPIST;
	c->in_n = 0;
	if (history)
		show_history(c);
}

static void remember(const uint8_t *bytes, size_t n)
{
	size_t step;

	for (; n; bytes += step, n -= step) {
		step = HISTORY_BYTES - control.history_at;
		step = step < n ? step : n;
		memcpy(control.history + control.history_at, bytes, step);
		control.history_at = (control.history_at + step) % HISTORY_BYTES;
		control.history_n += step;
	}
	if (control.history_n > HISTORY_BYTES)
		control.history_n = HISTORY_BYTES;
}

void control_output(const uint8_t *bytes, size_t n)
{
	if (control.facts.listener < 0 || !n)
		return;
	control.console_bytes += n;
	remember(bytes, n);
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control.client[i].kind >= CLIENT_WATCHER)
			client_show(&control.client[i], bytes, n);
}

static void take_typed(struct control_client *c)
{
	size_t room = control.actions.input_room(control.actions.of);
	uint8_t bytes[4096];
	ssize_t n;

	if (room > sizeof bytes)
		room = sizeof bytes;
	if (c->kind == CLIENT_TYPIST && !room)
		return;
	n = recv(c->fd, bytes, c->kind == CLIENT_TYPIST ? room : sizeof bytes, MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		client_close(c);
		return;
	}
	if (c->kind != CLIENT_TYPIST)
		return; /* who watches may press keys; nobody hears them */
	control.typed_bytes += (uint64_t)n;
	control.actions.type(control.actions.of, bytes, (size_t)n);
}

/* ---- lines ---- */

static const struct {
	const char *name;
	void (*carry_out)(struct control_client *c, const struct control_request *r);
} commands[] = {
    {"info", do_info},         {"stats", do_stats},   {"stop", do_stop},
    {"pause", do_pause},       {"resume", do_resume}, {"console", do_console},
    {"break", do_break},       {"events", do_events}, {"monitor", do_monitor},
    {"snapshot", do_snapshot}, {"link", do_link},     {"balloon", do_balloon},
};

static void carry_out(struct control_client *c, const struct control_request *r)
{
	char message[160];

	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(r->command, commands[i].name)) {
			commands[i].carry_out(c, r);
			return;
		}
	snprintf(message, sizeof message, "no command '%.64s'", r->command);
	/* The first 64 bytes may end inside of a character. */
	for (char *p = message; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	refuse(c, r, CONTROL_UNKNOWN, message);
}

static void take_lines(struct control_client *c)
{
	static char line[CONTROL_LINE_MAX];
	struct control_request r;
	const char *why;
	bool too_long = false;
	long n;

	while (c->kind == CLIENT_COMMANDS && (n = client_line(c, line, &too_long)) >= 0) {
		if (control_parse(&r, line, (size_t)n, &why))
			carry_out(c, &r);
		else
			refuse(c, &r, CONTROL_BAD_REQUEST, why);
		control_request_free(&r);
	}
	if (c->kind != CLIENT_COMMANDS || !too_long)
		return;
	send_line(c, control_error(NULL, CONTROL_TOO_LONG, "a line has at most 16384 bytes"));
	c->ended = true;
	c->in_n = 0;
	client_flush(c);
}

static void accept_client(void)
{
	int fd = accept4(control.facts.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	char *line;

	if (fd < 0)
		return;
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control.client[i].kind == CLIENT_NONE) {
			client_open(&control.client[i], fd);
			return;
		}
	line = control_error(NULL, CONTROL_BUSY, "too many clients");
	if (line && send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		complain("a client too many could not be told so");
	free(line);
	close(fd);
}

/* ---- for the loop ---- */

void control_start(struct vm *vm, const struct control_facts *facts,
                   const struct control_actions *actions)
{
	control.vm = vm;
	control.facts = *facts;
	control.actions = *actions;
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		control.client[i].fd = -1;
}

void control_poll(struct pollfd fds[CONTROL_FDS])
{
	fds[0] = (struct pollfd){.fd = control.facts.listener, .events = POLLIN};
	fds[1 + CONTROL_CLIENTS_MAX] = (struct pollfd){
	    .fd = control.facts.listener < 0 ? -1 : balloon_event(), .events = POLLIN};
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		const struct control_client *c = &control.client[i];
		bool full =
		    c->kind == CLIENT_TYPIST && !control.actions.input_room(control.actions.of);
		short in = c->ended || full ? 0 : POLLIN;

		fds[1 + i] = (struct pollfd){.fd = c->kind == CLIENT_NONE ? -1 : c->fd,
		                             .events = (short)(in | (c->out_n ? POLLOUT : 0))};
	}
}

static void serve_client(struct control_client *c, short events)
{
	if (events & POLLOUT)
		client_flush(c);
	if (c->kind >= CLIENT_WATCHER) {
		if (events & (POLLIN | POLLHUP | POLLERR))
			take_typed(c);
		return;
	}
	if (c->kind == CLIENT_COMMANDS && events & (POLLHUP | POLLERR) && c->ended)
		client_close(c);
	else if (c->kind == CLIENT_COMMANDS && events & (POLLIN | POLLHUP | POLLERR))
		client_fill(c);
	take_lines(c);
	client_flush(c);
	if (c->kind != CLIENT_NONE && c->pausing && now_ns() > c->pause_due)
		answer_pause(c, CONTROL_TIMEOUT,
		             "the virtual CPU does not stand still; it will when it can");
}

void control_serve(const struct pollfd fds[CONTROL_FDS])
{
	if (control.facts.listener < 0)
		return;
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control.client[i].kind != CLIENT_NONE)
			serve_client(&control.client[i], fds[1 + i].revents);
	go_on_with_snapshot();
	if (fds[1 + CONTROL_CLIENTS_MAX].revents)
		balloon_heard();
	answer_about_balloon();
	if (fds[0].revents)
		accept_client();
}

void control_paused(void)
{
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control.client[i].kind != CLIENT_NONE && control.client[i].pausing)
			answer_pause(&control.client[i], NULL, NULL);
	tell_all("paused", NULL);
}

/* The last bytes of the console, for readers that are there and read. */
static void flush_all(void)
{
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct control_client *c = &control.client[i];
		struct pollfd p = {.fd = c->fd, .events = POLLOUT};

		client_flush(c);
		while (c->kind != CLIENT_NONE && c->out_n && poll(&p, 1, ENDED_GRACE_MS) == 1)
			client_flush(c);
	}
}

void control_end(const char *why)
{
	static const char end[] = "\r\n[the machine has ended]\r\n";

	if (control.facts.listener < 0)
		return;
	tell_all("ended", why);
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control.client[i].kind >= CLIENT_WATCHER)
			client_show(&control.client[i], (const uint8_t *)end, sizeof end - 1);
	flush_all();
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		client_close(&control.client[i]);
}
