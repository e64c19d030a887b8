// SPDX-License-Identifier: GPL-2.0-or-later
//
// Work that makes a guest's kernel take interrupts and switch them off and on: for the study of
// delivery (bench/delivery). On the kernel's command line:
//   load.items=A,B,...  of: syscall pipe fork udp tcp timer_idle timer_busy (all of them)
//   load.ms=N           do each for about N ms (300)
//   load.ops=N          instead: N operations of each; a timer's are its periods
// Lines, with tabs between:
//   NAME  ns  MEDIAN  LEAST         time of one operation, over 5 batches
//   NAME  late  P50 P90 P99 MAX     how much later than asked for a sleeper ran, in ns
//   NAME  bucket  N  COUNT          of that, between 2^(N/4) and 2^((N+1)/4) ns

#include "../parameter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define BATCHES   5
#define PERIOD_NS 1000000 /* between two wake-ups */
#define BUCKETS   160

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void full_write(int fd, const void *p, size_t n)
{
	if (write(fd, p, n) != (ssize_t)n)
		die("write");
}

/* ---- operations; each has a start that returns the process to end afterwards, or 0 ---- */

static int there[2], back[2];

static pid_t start_nothing(void)
{
	return 0;
}

/* A child that sends back each byte it gets. */
static pid_t start_echo(void)
{
	pid_t child = fork();
	char byte;

	if (child < 0)
		die("fork");
	if (child)
		return child;
	while (read(there[0], &byte, 1) == 1)
		full_write(back[1], &byte, 1);
	_exit(0);
}

static pid_t start_pipe(void)
{
	if (pipe(there) || pipe(back))
		die("pipe");
	return start_echo();
}

static void loopback_up(void)
{
	struct ifreq r = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &r))
		die("loopback");
	r.ifr_flags |= IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &r))
		die("loopback");
	close(fd);
}

static int bound(int type, struct sockaddr_in *a)
{
	socklen_t size = sizeof(*a);
	int fd = socket(AF_INET, type, 0);

	*a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || bind(fd, (struct sockaddr *)a, sizeof(*a)) ||
	    getsockname(fd, (struct sockaddr *)a, &size))
		die("socket");
	return fd;
}

/* A byte through the network stack and back: the receive side runs in the softirq. */
static pid_t start_udp(void)
{
	struct sockaddr_in a, b;
	int mine = bound(SOCK_DGRAM, &a), other = bound(SOCK_DGRAM, &b);

	if (connect(mine, (struct sockaddr *)&b, sizeof(b)) ||
	    connect(other, (struct sockaddr *)&a, sizeof(a)))
		die("connect");
	there[1] = back[0] = mine;
	there[0] = back[1] = other;
	return start_echo();
}

#define TCP_BYTES 65536

/* A child that reads and drops what is sent. */
static pid_t start_tcp(void)
{
	static char buffer[TCP_BYTES];
	struct sockaddr_in a;
	int listener = bound(SOCK_STREAM, &a), fd;
	pid_t child;

	if (listen(listener, 1))
		die("listen");
	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		fd = accept(listener, NULL, NULL);
		while (read(fd, buffer, sizeof(buffer)) > 0)
			;
		_exit(0);
	}
	there[1] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(there[1], (struct sockaddr *)&a, sizeof(a)))
		die("connect");
	close(listener);
	return child;
}

static void do_syscall(void)
{
	if (getppid() < 0)
		die("getppid");
}

static void do_round_trip(void)
{
	char byte = 'x';

	full_write(there[1], &byte, 1);
	if (read(back[0], &byte, 1) != 1)
		die("read");
}

static void do_fork(void)
{
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (!child)
		_exit(0);
	if (waitpid(child, NULL, 0) != child)
		die("waitpid");
}

static void do_tcp(void)
{
	static const char block[TCP_BYTES];

	full_write(there[1], block, sizeof(block));
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void work(const char *name, pid_t (*start)(void), void (*one)(void), long ms, long ops)
{
	pid_t child = start();
	double each[BATCHES];
	long n = 1;

	if (ops) {
		while (ops-- > 0)
			one();
	} else {
		/* As many as take a batch's time; the first ones warm up. */
		for (uint64_t begin = now(); now() - begin < (uint64_t)ms * 100000u; n++)
			one();
		n = n * 2 > 1 ? n * 2 : 1;
		for (int b = 0; b < BATCHES; b++) {
			uint64_t begin = now();

			for (long i = 0; i < n; i++)
				one();
			each[b] = (double)(now() - begin) / (double)n;
		}
		qsort(each, BATCHES, sizeof(each[0]), compare);
		printf("%s\tns\t%.1f\t%.1f\n", name, each[BATCHES / 2], each[0]);
	}
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
}

/* ---- timers ---- */

/* What keeps the kernel busy while others sleep: bytes from process to process, and forks. */
static pid_t start_load(void)
{
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (child)
		return child;
	setpgid(0, 0);
	start_pipe();
	for (;;) {
		for (int i = 0; i < 50; i++)
			do_round_trip();
		do_fork();
	}
}

static void timer(const char *name, bool busy, long periods)
{
	uint64_t next = now(), lateness;
	double *late = calloc((size_t)periods, sizeof(*late));
	unsigned bucket[BUCKETS] = {0};
	pid_t child = busy ? start_load() : 0;

	if (!late)
		die("memory");
	for (long i = 0; i < periods; i++) {
		struct timespec t;

		next += PERIOD_NS;
		if (next < now())
			next = now() + PERIOD_NS;
		t.tv_sec = (time_t)(next / 1000000000u);
		t.tv_nsec = (long)(next % 1000000000u);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		lateness = now() - next;
		late[i] = (double)lateness;
		bucket[lateness < 2 ? 0 : (unsigned)(4 * log2((double)lateness)) % BUCKETS]++;
	}
	if (child > 0) {
		kill(-child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	qsort(late, (size_t)periods, sizeof(late[0]), compare);
	printf("%s\tlate\t%.0f\t%.0f\t%.0f\t%.0f\n", name, late[periods / 2],
	       late[periods * 9 / 10], late[periods * 99 / 100], late[periods - 1]);
	for (unsigned i = 0; i < BUCKETS; i++)
		if (bucket[i])
			printf("%s\tbucket\t%u\t%u\n", name, i, bucket[i]);
	free(late);
}

/* ---- what to do ---- */

static bool wanted(const char *items, const char *name)
{
	size_t n = strlen(name);

	if (!strcmp(items, "all"))
		return true;
	for (const char *p = items; (p = strstr(p, name)); p += n)
		if ((p == items || p[-1] == ',') && (!p[n] || p[n] == ','))
			return true;
	return false;
}

static const struct {
	const char *name;
	pid_t (*start)(void);
	void (*one)(void);
} works[] = {
    {"syscall", start_nothing, do_syscall},
    {"pipe", start_pipe, do_round_trip},
    {"fork", start_nothing, do_fork},
    {"udp", start_udp, do_round_trip},
    {"tcp", start_tcp, do_tcp},
};

int main(void)
{
	char items[256] = "all", ms[16] = "300", ops[16] = "0";
	long periods;

	setvbuf(stdout, NULL, _IOLBF, 0);
	parameter("load.items", items, sizeof(items));
	parameter("load.ms", ms, sizeof(ms));
	parameter("load.ops", ops, sizeof(ops));
	loopback_up();
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
		if (wanted(items, works[i].name))
			work(works[i].name, works[i].start, works[i].one, atol(ms), atol(ops));
	periods = atol(ops) ? atol(ops) : atol(ms) * 4;
	if (wanted(items, "timer_idle"))
		timer("timer_idle", false, periods);
	if (wanted(items, "timer_busy"))
		timer("timer_busy", true, periods);
	printf("load done\n");
	/* Old kernels without ACPI only halt when asked to power off; a reset ends all of them. */
	sync();
	tcdrain(STDOUT_FILENO);
	reboot(RB_AUTOBOOT);
	die("reboot");
}
