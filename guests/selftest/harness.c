// SPDX-License-Identifier: GPL-2.0-or-later
//
// Runs the checks one after the other and writes TAP.

#include "selftest.h"

#include <inttypes.h>
#include <stdarg.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>

enum { PASSED = 0, FAILED = 1, SKIPPED = 77, TODO = 78 };

// A check that has no end after so long is called a hang. SELFTEST_SECONDS says another number, for
// machines on which all is much slower (ring1.seconds=N on the command line of a guest's kernel).
#define SECONDS_PER_CHECK 60

static unsigned seconds_per_check(void)
{
	const char *text = getenv("SELFTEST_SECONDS");
	int seconds = text ? atoi(text) : 0;

	return seconds > 0 ? (unsigned)seconds : SECONDS_PER_CHECK;
}

static bool failed;
static int reason_fd = -1; // where a check says why it is skipped

static void put_line(int fd, const char *prefix, const char *format, va_list args)
{
	char line[512];
	int length = snprintf(line, sizeof(line), "%s", prefix);

	length += vsnprintf(line + length, sizeof(line) - (size_t)length - 1, format, args);
	if (length > (int)sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	if (write(fd, line, (size_t)length) < 0)
		_exit(FAILED);
}

void diag(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line(STDOUT_FILENO, "# ", format, args);
	va_end(args);
}

void skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line(reason_fd, "", format, args);
	va_end(args);
	_exit(failed ? FAILED : SKIPPED);
}

void todo(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line(reason_fd, "", format, args);
	va_end(args);
	_exit(failed ? FAILED : TODO);
}

void expect_at(bool holds, const char *text, const char *file, int line)
{
	if (holds)
		return;
	failed = true;
	diag("%s:%d: %s (errno %d)", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line, text,
	     errno);
}

void expect_equal_at(uint64_t value, uint64_t wanted, const char *text, const char *file, int line)
{
	if (value == wanted)
		return;
	expect_at(false, text, file, line);
	diag("    got 0x%llx, wanted 0x%llx", (unsigned long long)value,
	     (unsigned long long)wanted);
}

void require_at(bool holds, const char *text, const char *file, int line)
{
	expect_at(holds, text, file, line);
	if (!holds)
		_exit(FAILED);
}

bool failed_so_far(void)
{
	return failed;
}

void finish(void)
{
	_exit(failed ? FAILED : PASSED);
}

void expect_success(pid_t child)
{
	int status = 0;
	pid_t got;

	do
		got = waitpid(child, &status, 0);
	while (got < 0 && errno == EINTR);
	expect(got == child);
	if (got == child && status != 0) {
		failed = true;
		diag("child %d ended with status 0x%x", (int)child, status);
	}
}

pid_t start(void (*body)(int), int argument)
{
	pid_t child = fork();

	require(child >= 0);
	if (child == 0) {
		body(argument);
		finish();
	}
	return child;
}

// ---- faults ----

static sigjmp_buf fault_exit;
static volatile struct fault caught;

static void on_fault(int number, siginfo_t *info, void *context)
{
	const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

	caught.number = number;
	caught.code = info->si_code;
	caught.address = (uintptr_t)info->si_addr;
	caught.eip = (uintptr_t)registers[REG_EIP];
	caught.trap = (unsigned)registers[REG_TRAPNO];
	caught.error = (unsigned)registers[REG_ERR];
	caught.eflags = (unsigned)registers[REG_EFL];
	siglongjmp(fault_exit, 1);
}

static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};

struct fault catch_fault(void (*body)(void *), void *argument)
{
	static uint8_t stack[65536];
	stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	struct sigaction old[COUNT(fault_signals)];

	sigaltstack(&alternate, NULL);
	for (size_t i = 0; i < COUNT(fault_signals); i++)
		sigaction(fault_signals[i], &action, &old[i]);
	memset((void *)&caught, 0, sizeof(caught));
	if (!sigsetjmp(fault_exit, 1))
		body(argument);
	for (size_t i = 0; i < COUNT(fault_signals); i++)
		sigaction(fault_signals[i], &old[i], NULL);
	return caught;
}

void diag_fault(const char *what, const struct fault *fault)
{
	diag("%s: signal %d code %d si_addr %08lx eip %08lx trap %u error %x", what, fault->number,
	     fault->code, (unsigned long)fault->address, (unsigned long)fault->eip, fault->trap,
	     fault->error);
}

// ---- small things ----

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint32_t next_random(uint32_t *state)
{
	uint32_t x = *state;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return *state = x;
}

uintptr_t vsyscall_entry(void)
{
	return getauxval(AT_SYSINFO);
}

// munmap() of nothing succeeds, and refuses what no program can have. Above the stack is nothing,
// until a check maps something there: asked once.
uintptr_t user_end(void)
{
	static uintptr_t outside;
	uintptr_t inside = 0;
	char line[256];
	FILE *file;

	if (outside)
		return outside;
	outside = -(uintptr_t)PAGE;
	file = fopen("/proc/self/maps", "r");
	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, "[stack]"))
			sscanf(line, "%*x-%" SCNxPTR, &inside);
	if (file)
		fclose(file);
	require(inside);
	inside -= PAGE;
	while (outside - inside > PAGE) {
		uintptr_t middle = (inside + (outside - inside) / 2) & -PAGE;

		if (munmap((void *)middle, PAGE))
			outside = middle;
		else
			inside = middle;
	}
	return outside;
}

bool on_i386_kernel(void)
{
	struct utsname name;

	uname(&name);
	return name.machine[0] == 'i';
}

bool kernel_is_at_least(unsigned major, unsigned minor, unsigned patch)
{
	struct utsname name;
	unsigned has[3] = {0};

	uname(&name);
	sscanf(name.release, "%u.%u.%u", &has[0], &has[1], &has[2]);
	return has[0] != major   ? has[0] > major
	       : has[1] != minor ? has[1] > minor
	                         : has[2] >= patch;
}

unsigned meminfo_mib(const char *field)
{
	char line[128];
	unsigned kib = 0;
	FILE *file = fopen("/proc/meminfo", "r");

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, field, strlen(field)) && line[strlen(field)] == ':')
			kib = (unsigned)strtoul(line + strlen(field) + 1, NULL, 10);
	if (file)
		fclose(file);
	return kib / 1024;
}

uint8_t *move_break(intptr_t by)
{
	uintptr_t old = (uintptr_t)syscall(SYS_brk, 0), wanted = old + (uintptr_t)by;

	return (uintptr_t)syscall(SYS_brk, wanted) == wanted ? (uint8_t *)old : NULL;
}

void *guarded_pages(size_t count)
{
	uint8_t *area =
	    mmap(NULL, (count + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	require(area != MAP_FAILED);
	require(mprotect(area + PAGE, count * PAGE, PROT_READ | PROT_WRITE) == 0);
	return area + PAGE;
}

// ---- the run ----

static volatile sig_atomic_t seconds_left;

static void on_alarm(int number)
{
	(void)number;
	if (seconds_left)
		seconds_left--;
}

// Second by second: time in which the machine stood, or its host did, counts as one.
static void watch(unsigned seconds)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval interval = {.it_value.tv_sec = seconds ? 1 : 0,
	                             .it_interval.tv_sec = seconds ? 1 : 0};

	seconds_left = (sig_atomic_t)seconds;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &interval, NULL);
}

static void run_in_child(const struct check *check, int reasons)
{
	setpgid(0, 0);
	signal(SIGALRM, SIG_DFL);
	reason_fd = reasons;
	check->run();
	finish();
}

// Waits for the check's process; a wait status, or -1 when its time was up.
static int wait_for(pid_t child)
{
	int status = -1;

	watch(seconds_per_check());
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR || !seconds_left) {
			status = -1;
			break;
		}
	}
	watch(0);
	// Whatever it left behind must not disturb the next check.
	kill(-child, SIGKILL);
	if (status < 0)
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	return status;
}

static bool report(unsigned number, const struct check *check, int status, const char *reason)
{
	bool exited = status >= 0 && WIFEXITED(status);
	int code = exited ? WEXITSTATUS(status) : FAILED;
	bool good = code == PASSED || code == SKIPPED;

	if (status < 0)
		diag("no end after %u s", seconds_per_check());
	else if (!exited)
		diag("killed by signal %d", WTERMSIG(status));
	printf("%s %u - %s", good ? "ok" : "not ok", number, check->name);
	if (code == SKIPPED || code == TODO)
		printf(" # %s %s", code == TODO ? "TODO" : "SKIP", reason);
	printf("\n");
	fflush(stdout);
	return good || code == TODO;
}

static bool run(unsigned number, const struct check *check)
{
	char reason[512] = "";
	int pipes[2], status;
	ssize_t length;
	pid_t child;

	if (pipe(pipes) < 0 || (child = fork()) < 0) {
		printf("Bail out! %s: %s\n", check->name, strerror(errno));
		exit(99);
	}
	if (child == 0) {
		close(pipes[0]);
		run_in_child(check, pipes[1]);
	}
	setpgid(child, child);
	close(pipes[1]);
	status = wait_for(child);
	length = read(pipes[0], reason, sizeof(reason) - 1);
	close(pipes[0]);
	reason[length > 0 ? length : 0] = 0;
	reason[strcspn(reason, "\n")] = 0;
	return report(number, check, status, reason);
}

static const struct check *const themes[] = {
    syscall_checks, state_checks,   signal_checks, usermode_checks, iopl_checks,    segment_checks,
    memory_checks,  process_checks, thread_checks, ipc_checks,      time_checks,    trace_checks,
    copy_checks,    exact_checks,   debug_checks,  kind_checks,     feature_checks, low_checks,
};

static bool selected(const struct check *check, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strstr(check->name, argv[i]))
			return true;
	return argc == 1;
}

static void say_where(void)
{
	struct utsname name;

	uname(&name);
	printf("# %s %s %s, %u MiB\n", name.sysname, name.release, name.machine,
	       meminfo_mib("MemTotal"));
}

// usage: selftest [PART-OF-A-NAME ...]
int main(int argc, char **argv)
{
	unsigned number = 0, failures = 0, count = 0;

	if (argc > 2 && !strcmp(argv[1], "--helper"))
		return helper_main(argc - 2, argv + 2);
	for (size_t theme = 0; theme < COUNT(themes); theme++)
		for (const struct check *check = themes[theme]; check->name; check++)
			count += selected(check, argc, argv);
	say_where();
	printf("1..%u\n", count);
	fflush(stdout);
	for (size_t theme = 0; theme < COUNT(themes); theme++)
		for (const struct check *check = themes[theme]; check->name; check++)
			if (selected(check, argc, argv))
				failures += !run(++number, check);
	printf("# %u of %u failed\n", failures, count);
	return failures > 99 ? 99 : (int)failures;
}
