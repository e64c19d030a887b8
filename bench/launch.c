// SPDX-License-Identifier: GPL-2.0-or-later
//
// launch [--timeout SECONDS] [--until TEXT] COMMAND [ARGUMENT]... >log
//
// Runs a machine for the benchmark and writes what it prints, each line with the milliseconds since
// its start and a tab before it. Adds lines of its own:
//
//   @host-idle CPU_MS INTERVAL_MS PSS_KB   after the machine said "@idle": how much CPU time all
//   its
//                                    processes took in the 5 s that followed the first second, and
//                                    their memory (shared pages divided among those that share
//                                    them)
//   @host-memory NAME PSS_KB         the same memory, shortly after the machine said "@memory
//                                    NAME"
//   @host-exit STATUS CPU_MS OTHERS_MS   at the end: what the machine took of the CPU, and what
//   others,
//                                    the hypervisor included, took of it (when it may use only one
//                                    CPU)
//
// With --until the machine is ended when it prints a line (or a prompt) with that text, which is a
// success.
// Its standard input stays silent and open. No process of the machine survives; its exit status is
// the command's, or 124 when the time was up.

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	SETTLE_MS = 1000,
	MEMORY_SETTLE_MS = 300,
	IDLE_MS = 5000,
	END_GRACE_MS = 10000,
	MOST_PROCESSES = 4096
};

struct process {
	pid_t pid, parent;
	uint64_t ticks;
	bool ours;
};

static uint64_t start_ms;
static int only_cpu; /* what this process is pinned to, or -1 */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void die(const char *what)
{
	fprintf(stderr, "launch: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the machine's processes: all descendants, wherever their parents went ---- */

static bool read_process(const char *pid, struct process *p)
{
	char path[64], line[1024], *rest;
	unsigned long user, system;
	FILE *file;
	bool ok;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	ok = fgets(line, sizeof(line), file) && (rest = strrchr(line, ')')) &&
	     sscanf(rest + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &p->parent,
	            &user, &system) == 3;
	fclose(file);
	if (!ok)
		return false;
	p->pid = atoi(pid);
	p->ticks = user + system;
	return true;
}

static unsigned descendants(struct process *list)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned count = 0, kept = 0;
	bool more = true;

	if (!proc)
		return 0;
	while (count < MOST_PROCESSES && (entry = readdir(proc))) {
		struct process p = {0};

		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    read_process(entry->d_name, &p))
			list[count++] = p;
	}
	closedir(proc);
	while (more) {
		more = false;
		for (unsigned i = 0; i < count; i++) {
			bool ours = list[i].parent == getpid();

			for (unsigned j = 0; j < count && !ours; j++)
				ours = list[j].ours && list[j].pid == list[i].parent;
			more |= ours && !list[i].ours;
			list[i].ours |= ours;
		}
	}
	for (unsigned i = 0; i < count; i++)
		if (list[i].ours)
			list[kept++] = list[i];
	return kept;
}

static uint64_t cpu_ms(void)
{
	static struct process list[MOST_PROCESSES];
	unsigned count = descendants(list);
	uint64_t ticks = 0;

	for (unsigned i = 0; i < count; i++)
		ticks += list[i].ticks;
	return ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* Processes that share one address space, as UML's helpers do, would count it each. */
static bool shares_memory(const struct process *list, unsigned i)
{
	for (unsigned j = 0; j < i; j++)
		if (syscall(SYS_kcmp, list[i].pid, list[j].pid, KCMP_VM, 0, 0) == 0)
			return true;
	return false;
}

static uint64_t pss_kb(void)
{
	static struct process list[MOST_PROCESSES];
	unsigned count = descendants(list);
	uint64_t total = 0, kb;

	for (unsigned i = 0; i < count; i++) {
		char path[64], line[256];
		FILE *file;

		if (shares_memory(list, i))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", list[i].pid);
		file = fopen(path, "r");
		while (file && fgets(line, sizeof(line), file))
			if (sscanf(line, "Pss: %" SCNu64 " kB", &kb) == 1)
				total += kb;
		if (file)
			fclose(file);
	}
	return total;
}

static void kill_all(void)
{
	static struct process list[MOST_PROCESSES];

	for (unsigned count; (count = descendants(list));) {
		for (unsigned i = 0; i < count; i++)
			kill(list[i].pid, SIGKILL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		usleep(1000);
	}
}

/* ---- the CPU it is pinned to ---- */

static void find_only_cpu(void)
{
	cpu_set_t allowed;

	only_cpu = -1;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) || CPU_COUNT(&allowed) != 1)
		return;
	for (only_cpu = 0; !CPU_ISSET(only_cpu, &allowed);)
		only_cpu++;
}

/* How long that CPU was not idle since the host's start. */
static uint64_t busy_ms(void)
{
	unsigned long long t[8];
	char line[512];
	uint64_t ticks = 0;
	int cpu;
	FILE *file = fopen("/proc/stat", "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "cpu%d %llu %llu %llu %llu %llu %llu %llu %llu", &cpu, &t[0],
		           &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) == 9 &&
		    cpu == only_cpu)
			/* user, nice, system, not idle and waiting, interrupts, stolen */
			ticks = t[0] + t[1] + t[2] + t[5] + t[6] + t[7];
	if (file)
		fclose(file);
	return ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

static uint64_t children_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

/* ---- its output ---- */

static void log_line(const char *line)
{
	printf("%" PRIu64 "\t%s\n", now_ms() - start_ms, line);
	fflush(stdout);
}

/* What the machine's lines ask for. */
struct watch {
	uint64_t idle_from, cpu_before; /* when the idle interval begins; the CPU time then */
	uint64_t memory_from;           /* when to look at its memory */
	char memory_name[32];
	uint64_t deadline;
	const char *until; /* NULL: it ends by itself */
	bool reached;
};

static void heed(struct watch *watch, const char *line)
{
	if (!strcmp(line, "@idle"))
		watch->idle_from = now_ms() + SETTLE_MS;
	if (sscanf(line, "@memory %31s", watch->memory_name) == 1)
		watch->memory_from = now_ms() + MEMORY_SETTLE_MS;
	if (!strncmp(line, "@end", 4) && watch->deadline > now_ms() + END_GRACE_MS)
		watch->deadline = now_ms() + END_GRACE_MS;
}

static void measure_idle(struct watch *watch)
{
	uint64_t begin = now_ms(), end;
	char text[96];

	watch->idle_from = 0;
	watch->cpu_before = cpu_ms();
	usleep(IDLE_MS * 1000);
	end = now_ms();
	snprintf(text, sizeof(text), "@host-idle %" PRIu64 " %" PRIu64 " %" PRIu64,
	         cpu_ms() - watch->cpu_before, end - begin, pss_kb());
	log_line(text);
}

static void measure_memory(struct watch *watch)
{
	char text[96];

	watch->memory_from = 0;
	snprintf(text, sizeof(text), "@host-memory %s %" PRIu64, watch->memory_name, pss_kb());
	log_line(text);
}

/* A prompt is no whole line. */
static void look_for_end(struct watch *watch, const char *line)
{
	if (!watch->until || watch->reached || !strstr(line, watch->until))
		return;
	log_line(line);
	watch->reached = true;
	watch->deadline = 0;
}

/* Serial consoles end lines with CR LF and UML resets the terminal: control characters go. */
static void take(struct watch *watch, const char *bytes, size_t size)
{
	static char line[4096];
	static size_t length;

	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n') {
			line[length] = 0;
			length = 0;
			log_line(line);
			heed(watch, line);
		} else if (length < sizeof(line) - 1 && (bytes[i] == '\t' || bytes[i] >= ' ')) {
			line[length++] = bytes[i];
		}
	}
	line[length] = 0;
	look_for_end(watch, line);
}

static int wait_time(const struct watch *watch)
{
	uint64_t now = now_ms(), until = watch->deadline;

	if (watch->idle_from && watch->idle_from < until)
		until = watch->idle_from;
	if (watch->memory_from && watch->memory_from < until)
		until = watch->memory_from;
	return until > now ? (int)(until - now) : 0;
}

/* Until every process that holds the output has closed it, or the time is up; false then. */
static bool copy_output(int fd, struct watch *watch)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	char bytes[65536];

	while (now_ms() < watch->deadline) {
		int ready = poll(&poll_fd, 1, wait_time(watch));

		if (watch->idle_from && now_ms() >= watch->idle_from)
			measure_idle(watch);
		if (watch->memory_from && now_ms() >= watch->memory_from)
			measure_memory(watch);
		if (ready > 0) {
			ssize_t size = read(fd, bytes, sizeof(bytes));

			if (size <= 0)
				return true;
			take(watch, bytes, (size_t)size);
		}
	}
	return false;
}

static pid_t start(char **command, int *output)
{
	int in[2], out[2];
	pid_t child;

	if (pipe(in) || pipe(out))
		die("pipe");
	start_ms = now_ms();
	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		close(in[0]);
		close(in[1]);
		close(out[0]);
		close(out[1]);
		execvp(command[0], command);
		die(command[0]);
	}
	close(in[0]);
	close(out[1]);
	*output = out[0]; /* in[1] stays open: silence is not the end of file */
	return child;
}

int main(int argc, char **argv)
{
	struct watch watch = {0};
	uint64_t timeout_s = 600, busy, own;
	int status = 0, output;
	bool ended;
	char text[96];
	pid_t child;

	for (; argc > 2; argc -= 2, argv += 2) {
		if (!strcmp(argv[1], "--timeout"))
			timeout_s = strtoul(argv[2], NULL, 10);
		else if (!strcmp(argv[1], "--until"))
			watch.until = argv[2];
		else
			break;
	}
	if (!argv[1]) {
		fputs("usage: launch [--timeout SECONDS] [--until TEXT] COMMAND...\n", stderr);
		return 2;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	find_only_cpu();
	busy = busy_ms();
	child = start(argv + 1, &output);
	watch.deadline = start_ms + timeout_s * 1000;
	ended = copy_output(output, &watch);
	if (!ended)
		kill(child, SIGTERM); /* ring1 restores what it has to */
	for (int tries = 0; waitpid(child, &status, WNOHANG) == 0; tries++) {
		if (tries == 300)
			kill(child, SIGKILL);
		usleep(10000);
	}
	kill_all();
	busy = busy_ms() - busy;
	own = children_ms();
	status = watch.reached       ? 0
	         : !ended            ? 124
	         : WIFEXITED(status) ? WEXITSTATUS(status)
	                             : 128 + WTERMSIG(status);
	snprintf(text, sizeof(text), "@host-exit %d %" PRIu64 " %" PRIu64, status, own,
	         only_cpu >= 0 && busy > own ? busy - own : 0);
	log_line(text);
	return status;
}
