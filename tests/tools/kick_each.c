// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lets an interrupt come at one instruction after the other of a running guest.
 *
 *     kick_each [-a ARGUMENTS] RING1 GUEST CONTROL SCENARIO ADDRESS...
 *
 * CONTROL is the address of `struct kick` in guests/conformance/kicked.c, SCENARIO what the guest
 * is to do, ARGUMENTS what it finds on its command line. For each ADDRESS the guest does it once,
 * with a breakpoint there, in the cell that runs it. When it stops, its timer is waited for (20
 * ms), and it goes on with the signal that main would send it, which it therefore takes exactly
 * there. One line each: the address, "not reached" or what the guest says of the interrupt: "ok",
 * "lost", "late", "twice", "early", "registers". An address that is only reached when the guest has
 * done it, by the return from a timer's interrupt that came by itself, counts as not reached: on a
 * busy host that may be. ADDRESS,ADDRESS stops at both, one behind the
 * other, with a signal each: the second one is in the way that is only taken when something waits.
 *
 * Exit status: 0 when every address was ok or not reached.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAGIC       0x6b63696bu
#define BREAKPOINT  0xcc
#define KICK        SIGUSR1
#define TIMER_MS    30
#define START_TRIES 60000 /* ms */
#define RUN_TRIES   60000

#define LAST_WORDS_MS 2000

struct kick {
	uint32_t magic, go, done, verdict, scenario, inside;
};

static pid_t ring1;
static int memory = -1; /* of the cell */
static pid_t cell;
static uint64_t control;

static void sleep_ms(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static _Noreturn void give_up(const char *why)
{
	fprintf(stderr, "kick_each: %s (%s)\n", why, strerror(errno));
	if (ring1 > 0)
		kill(ring1, SIGKILL);
	exit(2);
}

static bool peek(uint64_t at, void *to, size_t n)
{
	return pread(memory, to, n, (off_t)at) == (ssize_t)n;
}

static void poke(uint64_t at, const void *from, size_t n)
{
	if (pwrite(memory, from, n, (off_t)at) != (ssize_t)n)
		give_up("cannot write to the cell");
}

static void start(const char *program, const char *guest, const char *arguments)
{
	ring1 = fork();
	if (ring1 < 0)
		give_up("fork");
	if (ring1 == 0) {
		int null = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(null, 0);
		dup2(null, 1);
		execl(program, program, "run", "-k", guest, "-a", arguments, (char *)NULL);
		_exit(127);
	}
}

/* The children of a process, from /proc; at most `most`. */
static unsigned children(pid_t of, pid_t *out, unsigned most)
{
	char path[64];
	unsigned n = 0;
	FILE *f;
	int pid;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", of, of);
	f = fopen(path, "r");
	while (f && n < most && fscanf(f, "%d", &pid) == 1)
		out[n++] = pid;
	if (f)
		fclose(f);
	return n;
}

/* The cell in whose address space the guest's control block is ready. */
static bool find_cell(void)
{
	pid_t nursery[8], cells[256];
	unsigned n = children(ring1, nursery, 8);

	for (unsigned i = 0; i < n; i++) {
		unsigned m = children(nursery[i], cells, 256);

		for (unsigned k = 0; k < m; k++) {
			char path[64];
			uint32_t magic = 0;

			snprintf(path, sizeof path, "/proc/%d/mem", cells[k]);
			memory = open(path, O_RDWR | O_CLOEXEC);
			if (memory >= 0 && peek(control, &magic, 4) && magic == MAGIC) {
				cell = cells[k];
				return true;
			}
			if (memory >= 0)
				close(memory);
		}
	}
	return false;
}

static void go_on(int signal)
{
	if (ptrace(PTRACE_CONT, cell, NULL, (void *)(intptr_t)signal))
		give_up("PTRACE_CONT");
}

/* One event of the cell, if there is one. 0: none; else the signal it stopped for. */
static int event(void)
{
	int status;
	pid_t got = waitpid(cell, &status, WNOHANG | __WALL);

	if (got == 0)
		return 0;
	if (got < 0)
		give_up("waitpid");
	if (!WIFSTOPPED(status)) {
		fprintf(stderr, "kick_each: the cell ended, wait status 0x%x\n", (unsigned)status);
		/* Main knows why, and says so. */
		sleep_ms(LAST_WORDS_MS);
		give_up("the cell ended");
	}
	return WSTOPSIG(status);
}

static void set_breakpoint(uint64_t address, uint8_t *original)
{
	uint8_t trap = BREAKPOINT;

	if (!peek(address, original, 1))
		give_up("cannot read the cell");
	poke(address, &trap, 1);
}

/*
 * Stopped behind the breakpoint: back to its instruction, which has its byte again. Returns whether
 * the guest is at what it was told to do.
 */
static bool at_breakpoint(uint64_t address, uint8_t original)
{
	struct kick now;
	struct user_regs_struct r;

	if (ptrace(PTRACE_GETREGS, cell, NULL, &r))
		give_up("PTRACE_GETREGS");
	if (r.rip != address + 1)
		give_up("a trap elsewhere");
	r.rip = address;
	poke(address, &original, 1);
	if (ptrace(PTRACE_SETREGS, cell, NULL, &r))
		give_up("PTRACE_SETREGS");
	if (!peek(control, &now, sizeof now))
		give_up("cannot read the cell");
	if (now.inside)
		sleep_ms(TIMER_MS);
	return now.inside;
}

/*
 * One run with breakpoints at @n addresses, in this order. Returns whether all were reached; what
 * the guest says in *verdict.
 */
static bool run(uint32_t scenario, const uint64_t *addresses, unsigned n, uint32_t *verdict)
{
	uint32_t one = 1;
	struct kick before, now;
	uint8_t original;
	unsigned reached = 0;
	bool inside = true;

	if (!peek(control, &before, sizeof before))
		give_up("cannot read the cell");
	poke(control + offsetof(struct kick, scenario), &scenario, 4);
	set_breakpoint(addresses[0], &original);
	poke(control + offsetof(struct kick, go), &one, 4);
	for (int tries = 0; tries < RUN_TRIES; tries++) {
		int signal = event();

		if (signal == SIGTRAP && reached < n) {
			inside = at_breakpoint(addresses[reached], original) && inside;
			if (++reached < n)
				set_breakpoint(addresses[reached], &original);
			go_on(inside ? KICK : 0);
		} else if (signal) {
			go_on(signal);
		} else if (peek(control, &now, sizeof now) && now.done != before.done) {
			if (reached < n)
				poke(addresses[reached], &original, 1);
			*verdict = now.verdict;
			return reached == n && inside;
		} else {
			sleep_ms(1);
		}
	}
	give_up("the guest does not come back");
}

static const char *text(uint32_t verdict)
{
	static const char *const names[] = {"lost", "late", "twice", "early", "registers"};
	static char all[64];

	all[0] = '\0';
	for (unsigned i = 0; i < 5; i++)
		if (verdict >> i & 1) {
			strcat(all, all[0] ? " " : "");
			strcat(all, names[i]);
		}
	return all[0] ? all : "ok";
}

int main(int argc, char **argv)
{
	uint32_t scenario, end = 0xffffffff;
	const char *arguments = "";
	bool good = true;

	if (argc > 2 && !strcmp(argv[1], "-a")) {
		arguments = argv[2];
		argv += 2;
		argc -= 2;
	}
	if (argc < 6) {
		fprintf(
		    stderr,
		    "usage: kick_each [-a ARGUMENTS] RING1 GUEST CONTROL SCENARIO ADDRESS...\n");
		return 2;
	}
	control = strtoull(argv[3], NULL, 16);
	scenario = (uint32_t)strtoul(argv[4], NULL, 10);
	start(argv[1], argv[2], arguments);
	for (int tries = 0; !find_cell(); tries++) {
		if (tries == START_TRIES)
			give_up("the guest does not come up");
		sleep_ms(1);
	}
	if (ptrace(PTRACE_SEIZE, cell, NULL, NULL))
		give_up("PTRACE_SEIZE");
	for (int i = 5; i < argc; i++) {
		uint64_t addresses[2];
		char *rest;
		uint32_t verdict = 0;
		unsigned n = 1;
		bool reached;

		addresses[0] = strtoull(argv[i], &rest, 16);
		if (*rest == ',')
			addresses[n++] = strtoull(rest + 1, NULL, 16);
		reached = run(scenario, addresses, n, &verdict);

		printf("%s %s\n", argv[i], reached ? text(verdict) : "not reached");
		fflush(stdout);
		good = good && (!reached || !verdict);
	}
	poke(control + offsetof(struct kick, go), &end, 4);
	ptrace(PTRACE_DETACH, cell, NULL, NULL);
	kill(ring1, SIGKILL);
	return good ? 0 : 1;
}
