// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The agent's ports: a process for each, which waits for the host, runs one command for it, and
 * ends; then another one opens the port anew (backends/console.h says why).
 */
#include "guests/agent/agent.h"
#include "guests/agent/protocol.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORTS_MAX 16
#define CLASS     "/sys/class/virtio-ports"

struct port {
	char device[64]; /* "/dev/vport0p3" */
	pid_t pid;
};

static struct port ports[PORTS_MAX];
static unsigned nports;

static int is_agents(const char *entry)
{
	char path[300], name[64] = "";
	int fd;

	snprintf(path, sizeof path, CLASS "/%s/name", entry);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, name, sizeof name - 1) < 0)
		*name = 0;
	close(fd);
	return !strncmp(name, AGENT_PORT ".", sizeof AGENT_PORT);
}

/* Ports come when their driver is loaded, which may be later. */
static void find_ports(void)
{
	DIR *directory = opendir(CLASS);
	struct dirent *entry;

	nports = 0;
	while (directory && (entry = readdir(directory)) && nports < PORTS_MAX)
		if (*entry->d_name != '.' && strlen(entry->d_name) < 50 && is_agents(entry->d_name))
			snprintf(ports[nports++].device, sizeof ports->device, "/dev/%s",
			         entry->d_name);
	if (directory)
		closedir(directory);
}

static void start(struct port *p)
{
	p->pid = fork();
	if (p->pid == 0)
		_exit(session(p->device));
	if (p->pid < 0)
		sleep(1);
}

int serve(void)
{
	int status;
	pid_t pid;

	signal(SIGPIPE, SIG_IGN);
	while (find_ports(), !nports)
		sleep(1);
	for (;;) {
		for (unsigned i = 0; i < nports; i++)
			if (ports[i].pid <= 0)
				start(&ports[i]);
		/* The first program of a guest gets others' children as well. */
		pid = wait(&status);
		for (unsigned i = 0; i < nports; i++)
			if (ports[i].pid == pid)
				ports[i].pid = 0;
		/* A port that could not be opened would be tried without end. */
		if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status))
			sleep(1);
	}
}
