// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fuzz/host/native.h"

#include <asm/ldt.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/*
 * The way back: the stack that native_run left, and the thread's base of FS. And what IRETQ pops:
 * to a 16-bit stack it leaves the upper bits of ESP as they are, so they are this frame's.
 */
struct {
	uint64_t rsp, fs_base;
	uint64_t frame[5] __attribute__((aligned(64)));
} native_host;

static struct native *running;

#define SIGNALS 6
static const int signals[SIGNALS] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
static struct sigaction before[SIGNALS];
static uint8_t signal_stack[65536] __attribute__((aligned(65536)));

void native_enter(struct native *n);
void native_handler(int number, siginfo_t *info, void *context);
void native_taken(int number, siginfo_t *info, ucontext_t *c, const uint16_t *data);

#define OFFSET_GPR    0
#define OFFSET_EIP    32
#define OFFSET_EFLAGS 36
#define OFFSET_SEL    40
_Static_assert(offsetof(struct native, eip) == OFFSET_EIP, "known to the assembler");
_Static_assert(offsetof(struct native, eflags) == OFFSET_EFLAGS, "known to the assembler");
_Static_assert(offsetof(struct native, sel) == OFFSET_SEL, "known to the assembler");

/*
 * Into the segments by IRETQ. Selectors first, which need no memory of ours behind them: FS is the
 * thread's, so nothing of C may run from there on. The handler is entered with the selectors of
 * the code that was interrupted; it notes them, and undoes what C minds: FS, DF and AC.
 */
__asm__(".text\n"
        ".globl native_enter\n"
        "native_enter:\n"
        "	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "	mov %rsp, native_host(%rip)\n"
        "	lea native_host+64+40(%rip), %rsp\n"
        "	mov 48(%rdi), %eax; push %rax\n" /* SS */
        "	mov 16(%rdi), %eax; push %rax\n" /* ESP */
        "	mov 36(%rdi), %eax; push %rax\n"
        "	mov 44(%rdi), %eax; push %rax\n" /* CS */
        "	mov 32(%rdi), %eax; push %rax\n"
        "	mov 40(%rdi), %es\n"
        "	mov 52(%rdi), %ds\n"
        "	mov 56(%rdi), %fs\n"
        "	mov 60(%rdi), %gs\n"
        "	mov 0(%rdi), %eax\n"
        "	mov 4(%rdi), %ecx\n"
        "	mov 8(%rdi), %edx\n"
        "	mov 12(%rdi), %ebx\n"
        "	mov 20(%rdi), %ebp\n"
        "	mov 24(%rdi), %esi\n"
        "	mov 28(%rdi), %edi\n"
        "	iretq\n"
        ".globl native_handler\n"
        "native_handler:\n"
        "	pushq $2; popfq\n"
        "	sub $16, %rsp\n"
        "	mov %es, 0(%rsp); mov %ds, 6(%rsp); mov %fs, 8(%rsp); mov %gs, 10(%rsp)\n"
        "	mov %edi, %r12d; mov %rsi, %r13; mov %rdx, %r14\n"
        "	mov $158, %eax; mov $0x1002, %edi; mov native_host+8(%rip), %rsi; syscall\n"
        "	xor %eax, %eax; mov %eax, %ds; mov %eax, %es\n"
        "	mov %r12d, %edi; mov %r13, %rsi; mov %r14, %rdx; mov %rsp, %rcx\n"
        "	and $-16, %rsp\n"
        "	call native_taken\n"
        "	mov native_host(%rip), %rsp\n"
        "	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "	ret\n");

void native_taken(int number, siginfo_t *info, ucontext_t *c, const uint16_t *data)
{
	static const uint8_t order[R_COUNT] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX,
	                                       REG_RSP, REG_RBP, REG_RSI, REG_RDI};
	const greg_t *g = c->uc_mcontext.gregs;
	struct native *n = running;

	if (!n) { /* a fault of the fuzzer itself: libFuzzer reports it */
		for (unsigned i = 0; i < SIGNALS; i++)
			if (signals[i] == number && before[i].sa_flags & SA_SIGINFO)
				before[i].sa_sigaction(number, info, c);
		_exit(1);
	}
	for (unsigned i = 0; i < R_COUNT; i++)
		n->gpr[i] = (uint32_t)g[order[i]];
	n->eip = (uint32_t)g[REG_RIP];
	n->eflags = (uint32_t)g[REG_EFL];
	n->sel[SEG_CS] = g[REG_CSGSFS] & 0xffff;
	n->sel[SEG_SS] = (uint64_t)g[REG_CSGSFS] >> 48;
	n->sel[SEG_ES] = data[0];
	n->sel[SEG_DS] = data[3];
	n->sel[SEG_FS] = data[4];
	n->sel[SEG_GS] = data[5];
	n->signal = (uint32_t)number;
	n->vector = (uint32_t)g[REG_TRAPNO];
	n->error = (uint32_t)g[REG_ERR];
	n->cr2 = (uint32_t)g[REG_CR2];
}

uint32_t native_small_stack(void)
{
	return (uint32_t)(uintptr_t)native_host.frame & 0xffff0000u;
}

void native_run(struct native *n)
{
	n->vector = n->error = n->cr2 = n->signal = 0;
	running = n;
	native_enter(n);
	running = NULL;
}

static void must(bool done, const char *what)
{
	if (done)
		return;
	perror(what);
	exit(1);
}

static void write_ldt(unsigned slot, uint32_t lo, uint32_t hi)
{
	struct user_desc d = {
	    .entry_number = slot,
	    .base_addr = lo >> 16 | (hi & 0xff) << 16 | (hi & 0xff000000u),
	    .limit = (lo & 0xffff) | (hi & 0xf0000u),
	    .seg_32bit = hi >> 22 & 1,
	    .contents = hi >> 10 & 3,
	    .read_exec_only = !(hi >> 9 & 1),
	    .limit_in_pages = hi >> 23 & 1,
	    .seg_not_present = !(hi >> 15 & 1),
	    .useable = hi >> 20 & 1,
	};

	must(!syscall(SYS_modify_ldt, 0x11, &d, sizeof d), "modify_ldt");
}

static void trap_i386_calls(void)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};

	must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	         !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program),
	     "seccomp");
}

void native_open(const uint32_t (*ldt)[2], unsigned entries)
{
	stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
	struct sigaction a = {.sa_sigaction = native_handler,
	                      .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	cpu_set_t here;

	/* One entry of the host's GDT says which CPU this is. */
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	must(!sched_setaffinity(0, sizeof here, &here), "sched_setaffinity");
	must(!syscall(SYS_arch_prctl, 0x1003, &native_host.fs_base), "ARCH_GET_FS");
	must(!sigaltstack(&stack, NULL), "sigaltstack");
	for (unsigned i = 0; i < SIGNALS; i++)
		must(!sigaction(signals[i], &a, &before[i]), "sigaction");
	for (unsigned i = 0; i < entries; i++)
		write_ldt(i, ldt[i][0], ldt[i][1]);
	trap_i386_calls();
}

bool native_descriptor(uint16_t selector, uint32_t *limit, uint32_t *rights)
{
	uint32_t value = 0, access = 0, sel = selector;
	bool visible;

	__asm__("lar %2, %0" : "+r"(access), "=@ccz"(visible) : "r"(sel));
	if (!visible)
		return false;
	__asm__("lsl %1, %0" : "+r"(value) : "r"(sel) : "cc");
	*limit = value;
	*rights = access & 0xf0ff00;
	return true;
}
