// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * inject PID CALL [TEXT]: makes a process do a system call, as code that got control of it would,
 * and prints the result. The process stops for it and goes on afterwards as if nothing was.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT_BYTES 64
#define TRIES      6000
#define TRY_US     10000 /* from one to the next */

static const struct {
	const char *name;
	long number;
	unsigned long a[6]; /* -1: the address of TEXT */
} calls[] = {
    {"getpid", SYS_getpid, {0}},
    {"futex", SYS_futex, {0, 127, 0}}, /* no operation: ENOSYS, where the filter lets it through */
    {"fork", SYS_fork, {0}},
    {"execve", SYS_execve, {-1ul, 0, 0}},
    {"openat", SYS_openat, {-100, -1ul, 0}},
    {"socket", SYS_socket, {1, 1, 0}},
    {"ptrace", SYS_ptrace, {16, 1}},
    {"mmap-exec", SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS}},
    {"mprotect-exec", SYS_mprotect, {0x10000, 4096, PROT_READ | PROT_EXEC}},
    {"process_vm_readv", SYS_process_vm_readv, {1, 0, 0, 0, 0, 0}},
    {"bpf", SYS_bpf, {0, 0, 0}},
    {"setuid", SYS_setuid, {0}},
};

static int fail(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	return 1;
}

/*
 * The address of a SYSCALL instruction of the process: in the vDSO or a library it waits in. 0: it
 * is about something else right now.
 */
static unsigned long find_syscall(pid_t pid, unsigned long rip)
{
	/* It sits behind one, being in a system call. */
	errno = 0;
	if ((ptrace(PTRACE_PEEKTEXT, pid, rip - 2, 0) & 0xffff) == 0x050f && !errno)
		return rip - 2;
	return 0;
}

/* Stopped in a system call, which every process behind a machine comes back to. */
static bool stop_in_call(pid_t pid)
{
	struct user_regs_struct r;
	int status;

	for (unsigned i = 0; i < TRIES; i++) {
		if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) || waitpid(pid, &status, __WALL) != pid ||
		    !WIFSTOPPED(status) || ptrace(PTRACE_GETREGS, pid, 0, &r))
			return false;
		if (find_syscall(pid, r.rip))
			return true;
		ptrace(PTRACE_CONT, pid, 0, 0);
		usleep(TRY_US);
	}
	errno = ETIMEDOUT;
	return false;
}

static int inject(pid_t pid, unsigned which, const char *text)
{
	struct user_regs_struct saved, r;
	unsigned long at, stack, words[TEXT_BYTES / 8] = {0}, kept[TEXT_BYTES / 8];
	int status;

	if (ptrace(PTRACE_GETREGS, pid, 0, &saved))
		return fail("registers");
	if (!(at = find_syscall(pid, saved.rip)))
		return fail("not in a system call");
	stack = (saved.rsp - 1024) & ~15ul;
	strncpy((char *)words, text, TEXT_BYTES - 1);
	for (unsigned i = 0; i < TEXT_BYTES / 8; i++) {
		kept[i] = (unsigned long)ptrace(PTRACE_PEEKDATA, pid, stack + 8 * i, 0);
		ptrace(PTRACE_POKEDATA, pid, stack + 8 * i, words[i]);
	}
	r = saved;
	r.rip = at;
	r.orig_rax = -1ul;
	r.rax = (unsigned long)calls[which].number;
	r.rdi = calls[which].a[0] == -1ul ? stack : calls[which].a[0];
	r.rsi = calls[which].a[1] == -1ul ? stack : calls[which].a[1];
	r.rdx = calls[which].a[2];
	r.r10 = calls[which].a[3];
	r.r8 = calls[which].number == SYS_mmap ? -1ul : calls[which].a[4];
	r.r9 = calls[which].a[5];
	ptrace(PTRACE_SETREGS, pid, 0, &r);
	ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
	waitpid(pid, &status, __WALL);
	ptrace(PTRACE_GETREGS, pid, 0, &r);
	printf("%ld\n", (long)r.rax);
	for (unsigned i = 0; i < TEXT_BYTES / 8; i++)
		ptrace(PTRACE_POKEDATA, pid, stack + 8 * i, kept[i]);
	ptrace(PTRACE_SETREGS, pid, 0, &saved);
	return 0;
}

int main(int argc, char **argv)
{
	pid_t pid = argc > 2 ? atoi(argv[1]) : 0;
	unsigned which = 0;
	int result;

	while (argc > 2 && which < sizeof calls / sizeof *calls &&
	       strcmp(argv[2], calls[which].name))
		which++;
	if (pid <= 0 || which == sizeof calls / sizeof *calls) {
		fprintf(stderr, "usage: inject PID CALL [TEXT]\n");
		return 2;
	}
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) || !stop_in_call(pid))
		return fail("ptrace");
	result = inject(pid, which, argc > 3 ? argv[3] : "");
	ptrace(PTRACE_DETACH, pid, 0, 0);
	return result;
}
