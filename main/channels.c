// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/channels.h"

#include "backends/console.h"
#include "main/local_socket.h"
#include "main/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TERMINAL "hvc"

/* Port 0 is the console's; the others follow. The device refers to them. */
static struct console_ports ports;
static struct sockaddr_un address[CONSOLE_PORTS];
static unsigned used = 1;
static struct device *device;
static bool agent;

static bool have_device(struct devices *devices)
{
	if (!device) {
		device = devices_add(devices, "console", "");
		if (!device)
			return false;
		console_describe(&device->shown, device->config);
		device->ops = &console_ops;
		device->own = &ports;
	}
	return true;
}

static bool is_port_name(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '/')
			return false;
	return n > 0 && n < CONSOLE_NAME && strncmp(text, AGENT_PORT, strlen(AGENT_PORT)) != 0;
}

static bool is_taken(const char *name)
{
	for (unsigned i = 0; i < used; i++)
		if (!strcmp(ports.port[i].name, name))
			return true;
	return false;
}

int channels_add(struct devices *devices, const char *option)
{
	const char *path = strchr(option, '=');
	char name[CONSOLE_NAME] = "";
	bool terminal;
	unsigned n;

	if (!path || strncmp(path + 1, "unix:", 5) || !path[6] ||
	    !is_port_name(option, (size_t)(path - option))) {
		complain("--port %s: say NAME=unix:PATH, NAME having up to %d characters, without "
		         "blanks and '/'",
		         option, CONSOLE_NAME - 1);
		return EXIT_USAGE;
	}
	memcpy(name, option, (size_t)(path - option));
	terminal = !strcmp(name, TERMINAL);
	n = terminal ? 0 : used;
	if (is_taken(name)) {
		complain("--port %s: there is another '%s'", option, name);
		return EXIT_USAGE;
	}
	/* One descriptor is the agent's. */
	if (n == CONSOLE_PORTS || (device && device->nfds == DEVICE_FDS - 1)) {
		complain("--port %s: a machine has at most %d", option, DEVICE_FDS - 1);
		return EXIT_USAGE;
	}
	if (!have_device(devices))
		return EXIT_USAGE;
	if (!local_address(&address[n], path + 6)) {
		complain("--port %s: the path is longer than a socket's can be", option);
		return EXIT_USAGE;
	}
	if (local_is_stale(&address[n]))
		unlink(address[n].sun_path);
	ports.port[n].listener = local_listen(&address[n]);
	if (ports.port[n].listener < 0) {
		complain("--port %s: %s", option,
		         errno == EADDRINUSE ? "there is something of that name" : strerror(errno));
		return EXIT_USAGE;
	}
	memcpy(ports.port[n].name, name, sizeof name);
	ports.port[n].terminal = terminal;
	device->fds[device->nfds++] = ports.port[n].listener;
	used += !terminal;
	return 0;
}

int channels_add_agent(struct devices *devices, const struct machine_claim *claim)
{
	char path[LOCAL_PATH_MAX + 1];
	struct sockaddr_un a;
	int listener = -1;

	if (!have_device(devices))
		return EXIT_USAGE;
	if (used + AGENT_SESSIONS > CONSOLE_PORTS) {
		complain("--port: with the guest's agent a machine has at most %d named ports",
		         (int)(CONSOLE_PORTS - 1 - AGENT_SESSIONS));
		return EXIT_USAGE;
	}
	errno = ENAMETOOLONG;
	/* The name is this machine's: what is there was left behind. */
	if (machines_path(path, sizeof path, claim->directory, claim->name, AGENT_KIND) &&
	    local_address(&a, path)) {
		unlink(path);
		listener = local_listen(&a);
	}
	if (listener < 0) {
		complain("cannot make the socket for the guest's agent: %s", strerror(errno));
		return EXIT_HOST;
	}
	for (unsigned i = 0; i < AGENT_SESSIONS; i++) {
		struct console_port *p = &ports.port[used++];

		*p = (struct console_port){.listener = listener, .agent = true};
		snprintf(p->name, sizeof p->name, "%s.%u", AGENT_PORT, i);
	}
	device->fds[device->nfds++] = listener;
	agent = true;
	return 0;
}

bool channels_leave_names(void)
{
	for (unsigned i = 0; i < CONSOLE_PORTS; i++)
		if (*address[i].sun_path)
			return true;
	return false;
}

void channels_close(const struct machine_claim *claim)
{
	char file[MACHINE_NAME_MAX + 8];

	for (unsigned i = 0; i < CONSOLE_PORTS; i++) {
		if (*ports.port[i].name && !ports.port[i].agent) {
			close(ports.port[i].listener);
			unlink(address[i].sun_path);
		}
	}
	if (agent) {
		close(ports.port[used - 1].listener);
		snprintf(file, sizeof file, "%s.%s", claim->name, AGENT_KIND);
		unlinkat(claim->directory, file, 0);
	}
}
