// SPDX-License-Identifier: GPL-2.0-or-later
//
// Processes: fork, vfork, exec, many at once; static and dynamic programs.

#include "selftest.h"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/stat.h>

extern char **environ;

static void exec_helper(const char *name, const char *argument)
{
	execl("/proc/self/exe", "selftest", "--helper", name, argument, (char *)NULL);
	_exit(127);
}

static int status_of(pid_t child)
{
	int status = -1;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

// The helpers of `selftest --helper NAME`; see the checks that run them.
int helper_main(int argc, char **argv)
{
	const char *name = argv[0];

	if (!strcmp(name, "exit"))
		return argc > 1 ? atoi(argv[1]) : 0;
	if (!strcmp(name, "fpu-is-fresh")) {
		static struct fpu_image image;
		uint32_t mxcsr;
		uint16_t control;

		fpu_store(&image);
		memcpy(&control, image.bytes, 2);
		memcpy(&mxcsr, image.bytes + 24, 4);
		return !(control == 0x37f && mxcsr == 0x1f80 && image.bytes[4] == 0);
	}
	if (!strcmp(name, "count")) { // sizes of arguments and environment
		size_t total = 0;

		for (int i = 1; i < argc; i++)
			total += strlen(argv[i]);
		printf("%d %zu %s\n", argc - 1, total,
		       getenv("SELFTEST_VARIABLE") ? getenv("SELFTEST_VARIABLE") : "-");
		return 0;
	}
	return 126;
}

static void forks(void)
{
	for (int i = 0; i < 200; i++) {
		pid_t child = fork();

		require(child >= 0);
		if (child == 0)
			_exit(i);
		require(status_of(child) == i << 8);
	}
}

static void storm_job(int who)
{
	for (int i = 0; i < 5; i++) {
		pid_t child = fork();
		char code[16];

		require(child >= 0);
		snprintf(code, sizeof(code), "%d", who + i);
		if (child == 0)
			exec_helper("exit", code);
		require(status_of(child) == (who + i) << 8);
	}
}

static void storm(void)
{
	pid_t children[40];

	for (int i = 0; i < 40; i++)
		children[i] = start(storm_job, i);
	for (int i = 0; i < 40; i++)
		expect_success(children[i]);
}

static void vforks(void)
{
	volatile int shared = 0;

	for (volatile int i = 0; i < 100; i++) {
		pid_t child = vfork();

		if (child == 0) {
			shared++; // the parent's memory
			if (i % 2)
				_exit(3);
			execl("/proc/self/exe", "selftest", "--helper", "exit", "3", (char *)NULL);
			_exit(127);
		}
		require(child > 0);
		require(status_of(child) == 3 << 8);
	}
	expect_equal(shared, 100);
}

static void spawns(void)
{
	pid_t children[40];

	for (int i = 0; i < 40; i++) {
		char *arguments[] = {"selftest", "--helper", "exit", "9", NULL};

		require(posix_spawn(&children[i], "/proc/self/exe", NULL, NULL, arguments,
		                    environ) == 0);
	}
	for (int i = 0; i < 40; i++)
		expect_equal(status_of(children[i]), 9 << 8);
}

static void generation(int left)
{
	if (left > 0)
		expect_success(start(generation, left - 1));
}

static void generations(void)
{
	generation(30);
}

// Runs a program and returns the start of what it writes.
static void output_of(char *const arguments[], char *const environment[], char *output, size_t size)
{
	int pipes[2];
	ssize_t length;
	size_t total = 0;
	pid_t child;

	require(pipe(pipes) == 0);
	child = fork();
	require(child >= 0);
	if (child == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		execve(arguments[0], arguments, environment);
		_exit(127);
	}
	close(pipes[1]);
	while (total < size - 1 && (length = read(pipes[0], output + total, size - 1 - total)) > 0)
		total += (size_t)length;
	output[total] = 0;
	output[strcspn(output, "\n")] = 0;
	close(pipes[0]);
	expect_success(child);
}

static void arguments(void)
{
	static char *list[203] = {"/proc/self/exe", "--helper", "count"};
	static char text[1001], output[64];

	memset(text, 'z', 1000);
	for (int i = 3; i < 202; i++)
		list[i] = text;
	output_of(list, (char *[]){"SELFTEST_VARIABLE=here", NULL}, output, sizeof(output));
	expect(!strcmp(output, "199 199000 here"));
	diag("%s", output);
}

static void failures(void)
{
	char *const none[] = {NULL};

	expect_equal(execve("/nowhere/at/all", none, none), -1);
	expect_equal(errno, ENOENT);
	expect_equal(execve("/proc/self/maps", none, none), -1);
	expect_equal(errno, EACCES);
}

static void orphans(void)
{
	int pipes[2];
	pid_t child, seen[2] = {0};

	require(pipe(pipes) == 0);
	child = fork();
	if (child == 0) {
		pid_t parent = getpid();

		if (fork() == 0) {
			pid_t pids[2];

			while (getppid() == parent)
				sched_yield();
			pids[0] = getpid();
			pids[1] = getppid();
			_exit(write(pipes[1], pids, sizeof(pids)) != sizeof(pids));
		}
		_exit(0);
	}
	expect_success(child);
	require(read(pipes[0], seen, sizeof(seen)) == sizeof(seen));
	expect(seen[0] > 0 && seen[1] != child && seen[1] != getpid());
}

static int clone_body(void *argument)
{
	*(volatile int *)argument = 77;
	return 5;
}

static void clones(void)
{
	static uint8_t stack[65536] __attribute__((aligned(16)));
	volatile int shared = 0;
	pid_t child = clone(clone_body, stack + sizeof(stack), CLONE_VM | SIGCHLD, (void *)&shared);

	require(child > 0);
	expect_equal(status_of(child), 5 << 8);
	expect_equal(shared, 77);
	shared = 1;
	child = clone(clone_body, stack + sizeof(stack), SIGCHLD, (void *)&shared);
	require(child > 0);
	expect_equal(status_of(child), 5 << 8);
	expect_equal(shared, 1);
}

// ---- dynamic programs ----

// In the guest they are where they belong; natively SELFTEST_ROOT names the tree they are unpacked
// in, and its own dynamic loader runs them.
static char *root_path(const char *path)
{
	static char names[8][256];
	static unsigned next;
	char *name = names[next++ % 8];
	const char *root = getenv("SELFTEST_ROOT");

	snprintf(name, sizeof(names[0]), "%s%s", root ? root : "", path);
	return name;
}

static void run_dynamic(const char *program, const char *option, const char *text, char *output,
                        size_t size)
{
	char *loader = root_path("/lib/i386-linux-gnu/ld-linux.so.2");
	char *library_path = root_path("/lib/i386-linux-gnu");
	char *path = root_path(program);
	char *direct[] = {path, (char *)option, (char *)text, NULL};
	char *loaded[] = {loader,         "--library-path", library_path, path,
	                  (char *)option, (char *)text,     NULL};

	if (access(path, X_OK) < 0)
		skip("%s is not here", path);
	output_of(getenv("SELFTEST_ROOT") ? loaded : direct, environ, output, size);
}

static void dynamic_shell(void)
{
	char output[256];

	run_dynamic(
	    "/usr/bin/dash", "-c",
	    "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; echo $i | { read x; echo got $x; }",
	    output, sizeof(output));
	expect(!strcmp(output, "got 3000"));
}

static void dynamic_awk(void)
{
	char output[256];

	run_dynamic("/usr/bin/mawk", "--",
	            "BEGIN { for (i = 1; i <= 100000; i++) s += sqrt(i) * sin(i); printf \"%.6f "
	            "%d\\n\", s, length(s \"\") }",
	            output, sizeof(output));
	if (strcmp(output, "295.493374 7"))
		diag("%s", output);
	expect(!strcmp(output, "295.493374 7"));
}

// Compresses a file and compares what comes back; xz does it with threads.
static void round_trip(const char *program, const char *option)
{
	char input[] = "/tmp/selftest-pack-XXXXXX", command[1024], output[64];
	const char *root = getenv("SELFTEST_ROOT");
	char *loader = root_path("/lib/i386-linux-gnu/ld-linux.so.2"),
	     *libraries = root_path("/lib/i386-linux-gnu");
	int fd = mkstemp(input);
	uint32_t seed = 12345;
	static uint32_t block[16384];

	require(fd >= 0);
	for (int i = 0; i < 32; i++) {
		for (size_t word = 0; word < COUNT(block); word++)
			block[word] = next_random(&seed) & 0x0f0f00ff;
		require(write(fd, block, sizeof(block)) == sizeof(block));
	}
	snprintf(
	    command, sizeof(command),
	    "run() { %s%s%s%s \"$@\"; }; run %s %s <%s | run %s -dc | { cmp - %s && echo same; }",
	    root ? loader : "", root ? " --library-path " : "", root ? libraries : "",
	    root ? "" : "", root_path(program), option, input, root_path(program), input);
	output_of((char *[]){"/bin/sh", "-c", command, NULL}, environ, output, sizeof(output));
	unlink(input);
	expect(!strcmp(output, "same"));
}

static void dynamic_gzip(void)
{
	if (access(root_path("/usr/bin/gzip"), X_OK) < 0)
		skip("gzip is not here");
	round_trip("/usr/bin/gzip", "-c");
}

static void dynamic_xz(void)
{
	if (access(root_path("/usr/bin/xz"), X_OK) < 0)
		skip("xz is not here");
	round_trip("/usr/bin/xz", "-1 -T3 --block-size=300KiB -c");
}

static void script(void)
{
	char name[] = "/tmp/selftest-script-XXXXXX", output[64];
	static const char text[] = "#!/bin/sh\necho script $1\n";
	int fd = mkstemp(name);

	require(fd >= 0);
	require(write(fd, text, sizeof(text) - 1) == sizeof(text) - 1);
	require(fchmod(fd, 0700) == 0);
	close(fd);
	output_of((char *[]){name, "ran", NULL}, environ, output, sizeof(output));
	unlink(name);
	expect(!strcmp(output, "script ran"));
}

const struct check process_checks[] = {
    {"200 forks", forks},
    {"40 parallel jobs fork and exec", storm},
    {"100 vforks, with and without exec", vforks},
    {"40 parallel posix_spawn", spawns},
    {"30 generations", generations},
    {"arguments and environment of 200 KB", arguments},
    {"exec that fails", failures},
    {"orphans get a new parent", orphans},
    {"clone with shared and with copied memory", clones},
    {"a script with an interpreter line", script},
    {"dynamic program: shell", dynamic_shell},
    {"dynamic program: awk, floating point", dynamic_awk},
    {"dynamic program: gzip", dynamic_gzip},
    {"dynamic program with threads: xz", dynamic_xz},
    {0},
};
