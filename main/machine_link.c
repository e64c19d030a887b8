// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/machine_link.h"

#include "main/report.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_LINE 4194304u /* of a reply; statistics are some kilobytes */

int link_open_named(struct machine_link *l, int directory, const char *name)
{
	*l = (struct machine_link){.fd = -1};
	snprintf(l->name, sizeof l->name, "%s", name);
	l->fd = machines_connect(directory, name, LINK_TIMEOUT_S);
	return l->fd < 0 ? errno : 0;
}

void link_close(struct machine_link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	free(l->line);
	*l = (struct machine_link){.fd = -1};
}

/* ---- lines ---- */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* More bytes; 0 or an errno. */
static int fill(struct machine_link *l, int timeout_ms)
{
	struct pollfd p = {.fd = l->fd, .events = POLLIN};
	char *grown;
	ssize_t n;
	int r;

	if (l->size - l->n < 4096) {
		if (l->size >= LONGEST_LINE || !(grown = realloc(l->line, l->size + 65536)))
			return EPROTO;
		l->line = grown;
		l->size += 65536;
	}
	while ((r = poll(&p, 1, timeout_ms)) < 0 && errno == EINTR)
		;
	if (r == 0)
		return ETIMEDOUT;
	n = recv(l->fd, l->line + l->n, l->size - l->n, 0);
	if (n <= 0)
		return ECONNRESET;
	l->n += (size_t)n;
	return 0;
}

json_t *link_read(struct machine_link *l, int timeout_ms)
{
	uint64_t until = now_ms() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms), now;
	json_t *root;
	char *end;
	int error, left = timeout_ms;

	while (!(end = l->n ? memchr(l->line, '\n', l->n) : NULL)) {
		if (timeout_ms >= 0) {
			now = now_ms();
			left = now < until ? (int)(until - now) : 0;
		}
		if ((error = fill(l, left))) {
			errno = error;
			return NULL;
		}
	}
	root = json_loadb(l->line, (size_t)(end - l->line), 0, NULL);
	l->n -= (size_t)(end + 1 - l->line);
	memmove(l->line, end + 1, l->n);
	if (json_is_object(root))
		return root;
	json_decref(root);
	errno = EPROTO;
	return NULL;
}

/* The descriptor goes with the first byte. */
static ssize_t send_some(struct machine_link *l, const char *text, size_t n)
{
	union {
		struct cmsghdr h;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {.iov_base = (void *)text, .iov_len = n};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t w;

	if (l->pass) {
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof control.bytes;
		memset(&control, 0, sizeof control);
		control.h.cmsg_level = SOL_SOCKET;
		control.h.cmsg_type = SCM_RIGHTS;
		control.h.cmsg_len = CMSG_LEN(sizeof l->pass);
		memcpy(CMSG_DATA(&control.h), &l->pass, sizeof l->pass);
	}
	w = sendmsg(l->fd, &m, MSG_NOSIGNAL);
	if (w > 0)
		l->pass = 0;
	return w;
}

static int send_request(struct machine_link *l, const char *command, json_t *arguments)
{
	json_t *root = json_pack("{s:i,s:s,s:o*}", "id", ++l->last_id, "command", command,
	                         "arguments", arguments);
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	int error = text ? 0 : ENOMEM;
	size_t n, done = 0;

	json_decref(root);
	if (!text)
		return error;
	n = strlen(text);
	text[n++] = '\n'; /* in the place of the zero */
	while (done < n && !error) {
		ssize_t w = send_some(l, text + done, n - done);

		if (w >= 0)
			done += (size_t)w;
		else if (errno != EINTR)
			error = errno == EAGAIN ? ETIMEDOUT : ECONNRESET;
	}
	free(text);
	return error;
}

int link_ask(struct machine_link *l, const char *command, json_t *arguments, json_t **reply)
{
	int error = send_request(l, command, arguments);
	const json_t *id;

	/* A request to pause is answered in as much time itself. */
	while (!error) {
		*reply =
		    link_read(l, ((l->patience_s ? l->patience_s : LINK_TIMEOUT_S) + 1) * 1000);
		if (!*reply)
			return errno;
		id = json_object_get(*reply, "id");
		/* Without an id: it could not serve us at all. */
		if (json_integer_value(id) == l->last_id ||
		    (id && json_is_null(id) && json_object_get(*reply, "error")))
			return 0;
		json_decref(*reply);
	}
	return error;
}

/* ---- what is said of failures ---- */

int link_complain(const struct machine_link *l, int error)
{
	struct ucred who = {.pid = 0};
	socklen_t size = sizeof who;

	switch (error) {
	case ENOENT:
		complain("no machine called %s is running; 'ring1 ls' lists them", l->name);
		return EXIT_NO_MACHINE;
	case ECONNRESET:
		complain("%s has ended", l->name);
		return EXIT_NO_MACHINE;
	case EACCES:
	case EPERM:
		complain("%s is not yours to control: %s", l->name, strerror(error));
		return EXIT_DENIED;
	case EAGAIN:
	case ETIMEDOUT:
		if (l->fd >= 0)
			getsockopt(l->fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
		complain("%s does not answer; its process is %d", l->name, (int)who.pid);
		return EXIT_SILENT;
	default:
		complain("%s: %s", l->name, strerror(error));
		return EXIT_SILENT;
	}
}

int link_call(struct machine_link *l, const char *command, json_t *arguments, json_t **result)
{
	json_t *reply, *error;
	int status = link_ask(l, command, arguments, &reply);

	*result = NULL;
	if (status)
		return link_complain(l, status);
	error = json_object_get(reply, "error");
	*result = json_incref(json_object_get(reply, "result"));
	if (error) {
		const char *code = json_string_value(json_object_get(error, "code"));
		const char *message = json_string_value(json_object_get(error, "message"));

		complain("%s: %s", l->name, message ? message : "an error without a word");
		status = code && !strcmp(code, "timeout") ? EXIT_SILENT : EXIT_REFUSED;
	} else if (!*result) {
		status = link_complain(l, EPROTO);
	}
	json_decref(reply);
	return status;
}

/* ---- which machine ---- */

static void free_names(char **names, int n)
{
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

static bool is_number(const char *name)
{
	return *name && strspn(name, "0123456789") == strlen(name);
}

/* The machine whose process has that number; its connection stays open. */
static bool open_by_pid(struct machine_link *l, int directory, const char *pid, char **names, int n)
{
	json_int_t found;
	json_t *reply;

	for (int i = 0; i < n; i++) {
		if (!link_open_named(l, directory, names[i]) &&
		    !link_ask(l, "info", NULL, &reply)) {
			found = json_integer_value(
			    json_object_get(json_object_get(reply, "result"), "pid"));
			json_decref(reply);
			if (found == atoll(pid))
				return true;
		}
		link_close(l);
	}
	return false;
}

static int choose_only(struct machine_link *l, int directory, char **names, int n)
{
	int error;

	if (n == 1) {
		error = link_open_named(l, directory, names[0]);
		return error ? link_complain(l, error) : 0;
	}
	if (n < 0)
		return EXIT_HOST;
	if (!n) {
		complain("no machine is running");
		return EXIT_NO_MACHINE;
	}
	complain("%d machines are running; say which: %s, %s%s", n, names[0], names[1],
	         n > 2 ? ", ..." : "");
	return EXIT_AMBIGUOUS;
}

int link_open(struct machine_link *l, const char *name)
{
	int directory = machines_open(), status = 0, error, n;
	char **names = NULL;

	*l = (struct machine_link){.fd = -1};
	if (directory < 0)
		return EXIT_DENIED;
	error = name ? link_open_named(l, directory, name) : 0;
	if (!name || (error == ENOENT && is_number(name))) {
		n = machines_list(directory, &names);
		if (!name)
			status = choose_only(l, directory, names, n);
		else if (open_by_pid(l, directory, name, names, n))
			error = 0;
		free_names(names, n);
	}
	if (name && error) {
		snprintf(l->name, sizeof l->name, "%s", name);
		status = link_complain(l, error);
	}
	close(directory);
	return status;
}
