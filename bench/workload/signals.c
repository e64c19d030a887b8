// SPDX-License-Identifier: GPL-2.0-or-later
/* Signals: installed, sent, and caused by instructions that trap. */
#include "workload.h"

#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

static volatile unsigned caught;
static unsigned skip; /* bytes of the instruction that traps */

static void count(int number)
{
	(void)number;
	caught++;
}

static void count_and_skip(int number, siginfo_t *info, void *context)
{
	ucontext_t *user = context;

	(void)number, (void)info;
	user->uc_mcontext.gregs[REG_EIP] += (int)skip;
	caught++;
}

static void sigaction_usr1(unsigned n)
{
	struct sigaction action = {.sa_handler = count};

	while (n--)
		sigaction(SIGUSR1, &action, NULL);
}

static bool catch_usr1(void)
{
	struct sigaction action = {.sa_handler = count};

	return !sigaction(SIGUSR1, &action, NULL);
}

/* kill, handler, sigreturn */
static void signal_deliver(unsigned n)
{
	pid_t self = getpid();
	unsigned before = caught;

	for (unsigned i = 0; i < n; i++)
		kill(self, SIGUSR1);
	need(caught - before == n, "signals were lost");
}

static bool catch_trap(int number, unsigned length)
{
	struct sigaction action = {.sa_sigaction = count_and_skip, .sa_flags = SA_SIGINFO};

	skip = length;
	return !sigaction(number, &action, NULL);
}

/* An instruction that traps, and the signal the kernel makes of it: the handler steps over it. */
#define TRAP(name, text, number, length)                                                           \
	static bool catch_##name(void)                                                             \
	{                                                                                          \
		return catch_trap(number, length);                                                 \
	}                                                                                          \
	static void name(unsigned n)                                                               \
	{                                                                                          \
		unsigned before = caught;                                                          \
		for (unsigned i = 0; i < n; i++)                                                   \
			__asm__ volatile(text : : : "memory");                                     \
		need(caught - before == n, "signals were lost");                                   \
	}

TRAP(trap_ud2_sigill, "ud2", SIGILL, 2)
TRAP(trap_hlt_sigsegv, "hlt", SIGSEGV, 1)
TRAP(trap_int81_sigsegv, "int $0x81", SIGSEGV, 2)
TRAP(trap_int3_sigtrap, "int3", SIGTRAP, 0)

const struct item signal_items[] = {
    {"sigaction", .run = sigaction_usr1},
    {"signal_deliver", .prepare = catch_usr1, .run = signal_deliver},
    {"trap_ud2_sigill", .prepare = catch_trap_ud2_sigill, .run = trap_ud2_sigill},
    {"trap_hlt_sigsegv", .prepare = catch_trap_hlt_sigsegv, .run = trap_hlt_sigsegv},
    {"trap_int81_sigsegv", .prepare = catch_trap_int81_sigsegv, .run = trap_int81_sigsegv},
    {"trap_int3_sigtrap", .prepare = catch_trap_int3_sigtrap, .run = trap_int3_sigtrap},
    {0},
};
