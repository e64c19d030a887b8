// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the host offers. Each probe does what ring1 itself would do, in a child where it leaves
 * traces, so that the answer holds also where a container or a security module decides.
 */
#include "main/probe.h"

#include "backends/disk.h"

#include "main/huge_pages.h"
#include "main/loop.h"
#include "main/vm.h"

#include <asm/ldt.h>
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_MAP_COUNT    65530
#define PROCESSES_NEEDED     4 /* main and its thread, the nursery, a cell */
#define DEFAULT_MEMORY_MIB   512
/*
 * A cell maps guest memory as a whole, and again what the guest's kernel and programs map of it, up
 * to 4 GiB; its state and main's are some 100 MiB.
 */
#define ADDRESS_SPACE_NEEDED ((rlim_t)(2 * DEFAULT_MEMORY_MIB + 512) << 20)
#define ADDRESS_SPACE_WANTED ((rlim_t)(4096 + DEFAULT_MEMORY_MIB + 512) << 20)
#define TIMED_ROUNDS         200
#define LONGEST_STATUS       127 /* an exit status can carry */

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#define LANDLOCK_VERSION_FLAG 1u

static void say(struct finding *f, enum verdict v, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct finding *f, enum verdict v, const char *format, ...)
{
	va_list args;

	f->verdict = v;
	va_start(args, format);
	vsnprintf(f->found, sizeof f->found, format, args);
	va_end(args);
}

static void advise(struct finding *f, const char *text)
{
	snprintf(f->advice, sizeof f->advice, "%s", text);
}

/* First line of a small file, without its end; false: it cannot be read. */
static bool first_line(const char *path, char *to, size_t size)
{
	FILE *file = fopen(path, "re");
	bool read = file && fgets(to, (int)size, file);

	if (file)
		fclose(file);
	if (read)
		to[strcspn(to, "\n")] = 0;
	return read;
}

/* How a child that does @work ended: its exit status, 128 + a signal, or -1. */
static int in_child(int (*work)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(work());
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- the processor ---- */

static void look_processor(struct finding *f)
{
	char brand[49] = "";

	for (unsigned i = 0; i < 3; i++) {
		unsigned *r = (unsigned *)(brand + 16 * i);

		__get_cpuid(0x80000002 + i, r, r + 1, r + 2, r + 3);
	}
	say(f, PROBE_FACT, "%.48s", brand + strspn(brand, " "));
}

static void look_xsave(struct finding *f)
{
	unsigned eax, ebx, ecx, edx;
	struct machine *none = NULL;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE)) {
		say(f, PROBE_MISSING, "no");
		advise(f,
		       "ring1 keeps the guest's FPU state by XSAVE: it needs a processor of 2011 "
		       "or later and a kernel that has not switched it off (noxsave)");
		return;
	}
	__cpuid_count(0xd, 0, eax, ebx, ecx, edx);
	if (ebx > sizeof none->xsave) {
		say(f, PROBE_MISSING, "%u bytes, ring1 has room for %zu", ebx, sizeof none->xsave);
		return;
	}
	say(f, PROBE_GOOD, "%u bytes of state", ebx);
}

static void look_fsgsbase(struct finding *f)
{
	if (host_has_fsgsbase()) {
		say(f, PROBE_GOOD, "yes");
		return;
	}
	say(f, PROBE_LESS, "no");
	advise(f, "a guest's thread switch costs a host call more (needs Linux 5.9 and a "
	          "processor with FSGSBASE)");
}

static void look_tsc(struct finding *f)
{
	unsigned eax, ebx, ecx, edx;
	char source[40] = "unknown";

	first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", source,
	           sizeof source);
	if (__get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) && (edx & 1u << 8)) {
		say(f, PROBE_GOOD, "invariant; the host's clock is %s", source);
		return;
	}
	say(f, PROBE_LESS, "rate not promised to be constant; the host's clock is %s", source);
	advise(f, "the guest's clock is the TSC: it may drift when the processor changes speed");
}

static void look_cpus(struct finding *f)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);

	say(f, n > 1 ? PROBE_GOOD : PROBE_LESS, "%d", n);
	if (n < 2)
		advise(f, "the guest and its console, timers and devices share one CPU");
}

/* ---- what cells are made of ---- */

static void look_kernel(struct finding *f)
{
	struct utsname u;

	uname(&u);
	say(f, PROBE_FACT, "%s %s", u.sysname, u.release);
}

static int write_ldt_entry(void)
{
	struct user_desc d = {.entry_number = 510,
	                      .limit = 0xfffff,
	                      .seg_32bit = 1,
	                      .contents = MODIFY_LDT_CONTENTS_CODE,
	                      .limit_in_pages = 1};

	return syscall(SYS_modify_ldt, 0x11, &d, sizeof d) ? errno : 0;
}

static void look_ldt(struct finding *f)
{
	int e = in_child(write_ldt_entry);

	if (!e) {
		say(f, PROBE_GOOD, "32-bit segments can be made");
		return;
	}
	say(f, PROBE_MISSING, "refused: %s", e < 0 ? "no process" : strerror(e));
	advise(f, "modify_ldt is needed: a kernel with CONFIG_MODIFY_LDT_SYSCALL, and a container "
	          "that does not filter it");
}

/* What the jail asks of seccomp; i386 calls must be answered with SIGSYS. */
static int filter_i386_calls(void)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return errno;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) ? errno : 0;
}

static void look_seccomp(struct finding *f)
{
	int e = in_child(filter_i386_calls);

	if (!e) {
		say(f, PROBE_GOOD, "a filter can be set");
		return;
	}
	say(f, PROBE_MISSING, "refused: %s", e < 0 ? "no process" : strerror(e));
	advise(f, "a guest cannot be confined: the kernel needs CONFIG_SECCOMP_FILTER");
}

static void end_good(int number)
{
	(void)number;
	_exit(0);
}

static int call_i386(void)
{
	long result;

	signal(SIGSYS, end_good);
	filter_i386_calls();
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
	return 1;
}

static void look_ia32(struct finding *f)
{
	int status = in_child(call_i386);

	if (!status) {
		say(f, PROBE_GOOD, "int $0x80 reaches the filter");
	} else if (status == 128 + SIGSEGV) {
		say(f, PROBE_LESS, "int $0x80 is a protection fault");
		advise(f, "the host's kernel has 32-bit emulation switched off "
		          "(ia32_emulation=0); a raw int $0x80 of the guest then takes that way");
	} else {
		say(f, PROBE_MISSING,
		    status == 128 + SIGSYS ? "int $0x80 kills the process"
		                           : "int $0x80 is answered by others");
		advise(f, "a filter around ring1 decides about i386 calls before ring1's own "
		          "(systemd: SystemCallArchitectures=); it has to let them pass");
	}
}

static void look_memfd(struct finding *f)
{
	int fd = memfd_create("ring1-check", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *p;

	if (fd < 0 || ftruncate(fd, 4096)) {
		say(f, PROBE_MISSING, "refused: %s", strerror(errno));
		advise(f, "guest memory is a memfd; a container must not filter memfd_create");
		if (fd >= 0)
			close(fd);
		return;
	}
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		say(f, PROBE_MISSING, "cannot be mapped executable: %s", strerror(errno));
		advise(f, "a security module forbids writable and executable shared memory, which "
		          "is what a guest's RAM is");
	} else {
		say(f, PROBE_GOOD, "yes, executable");
		munmap(p, 4096);
	}
	close(fd);
}

static void look_userfaultfd(struct finding *f)
{
	struct uffdio_api api = {.api = UFFD_API};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd >= 0 && !ioctl(fd, UFFDIO_API, &api)) {
		say(f, PROBE_GOOD, "yes, features %#llx", (unsigned long long)api.features);
	} else {
		say(f, PROBE_LESS, "refused: %s", strerror(errno));
		advise(f, "mappings are changed by mmap and munmap alone, which is slower");
	}
	if (fd >= 0)
		close(fd);
}

/* Both are tried: a kernel may know how, and have no 2 MiB in a piece. */
static void look_huge_pages(struct finding *f)
{
	int fd = memfd_create("ring1-check", MFD_CLOEXEC);
	uint8_t *p = MAP_FAILED, *page;
	bool huge = false;

	if (fd >= 0 && !ftruncate(fd, HUGE_PAGE_SIZE))
		p = mmap(NULL, 2 * HUGE_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p != MAP_FAILED) {
		page = p + (-(uintptr_t)p & (HUGE_PAGE_SIZE - 1));
		huge = mmap(page, HUGE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		            fd, 0) == page &&
		       huge_page_make(page);
		munmap(p, 2 * HUGE_PAGE_SIZE);
	}
	if (huge) {
		say(f, PROBE_GOOD, "yes, of 2 MiB");
	} else {
		say(f, PROBE_LESS, "no: %s", strerror(errno));
		advise(f, "many processes in a guest cost more time and memory (needs Linux 6.1 "
		          "with CONFIG_TRANSPARENT_HUGEPAGE)");
	}
	if (fd >= 0)
		close(fd);
}

static void look_landlock(struct finding *f)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);

	if (version > 0) {
		say(f, PROBE_GOOD, "version %ld", version);
		return;
	}
	say(f, PROBE_LESS, "no: %s", strerror(errno));
	advise(f, "main is confined by its system-call filter alone");
}

/* ---- limits ---- */

/* For --disk: a place for what cow writes, and the server of other formats. */
static void look_disks(struct finding *f)
{
	bool server =
	    !access("/usr/bin/qemu-nbd", X_OK) || !access("/usr/local/bin/qemu-nbd", X_OK);
	char why[120];

	if (disk_can_overlay(why, sizeof why)) {
		say(f, server ? PROBE_GOOD : PROBE_LESS, "raw images, cow%s",
		    server ? ", qcow2 by qemu-nbd" : "; no qemu-nbd");
		if (!server)
			advise(f, "install qemu-utils for disks in .qcow2 images");
		return;
	}
	say(f, PROBE_LESS, "no place for --disk FILE,cow: %s", why);
	advise(f, "say by TMPDIR where a large temporary file can be");
}

static void look_map_count(struct finding *f)
{
	char text[40];
	long n;

	if (!first_line("/proc/sys/vm/max_map_count", text, sizeof text)) {
		say(f, PROBE_LESS, "unknown: /proc/sys cannot be read");
		return;
	}
	n = strtol(text, NULL, 10);
	say(f, n >= DEFAULT_MAP_COUNT ? PROBE_GOOD : PROBE_LESS, "%ld", n);
	if (n < DEFAULT_MAP_COUNT)
		advise(f, "guest programs with many mappings are mapped again and again; "
		          "sysctl vm.max_map_count=65530 is Linux's own default");
}

static void look_min_addr(struct finding *f)
{
	char text[40] = "unknown";

	first_line("/proc/sys/vm/mmap_min_addr", text, sizeof text);
	say(f, PROBE_FACT, "%s", text);
}

static void look_limits(struct finding *f)
{
	/* needed: for a small guest; wanted: however much a guest maps */
	static const struct {
		int resource;
		const char *name;
		rlim_t needed, wanted;
		const char *less;
	} limits[] = {
	    {RLIMIT_NPROC, "processes (ulimit -u)", PROCESSES_NEEDED,
	     PROCESSES_NEEDED - 1 + INITIAL_CELLS,
	     "fewer cells than address spaces: they are filled again and again"},
	    {RLIMIT_NOFILE, "open files (ulimit -n)", DESCRIPTORS_NEEDED, DESCRIPTORS_NEEDED, ""},
	    {RLIMIT_AS, "address space (ulimit -v)", ADDRESS_SPACE_NEEDED, ADDRESS_SPACE_WANTED,
	     "a guest that maps more ends; one with little memory (-m) may do"},
	    {RLIMIT_FSIZE, "file size (ulimit -f)", STATE_SIZE, STATE_SIZE, ""},
	};
	struct rlimit r;

	say(f, PROBE_GOOD, "high enough");
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		if (getrlimit(limits[i].resource, &r) || r.rlim_cur == RLIM_INFINITY ||
		    r.rlim_cur >= limits[i].wanted)
			continue;
		if (r.rlim_cur >= limits[i].needed) {
			say(f, PROBE_LESS, "%s: %llu, %llu are enough for any guest",
			    limits[i].name, (unsigned long long)r.rlim_cur,
			    (unsigned long long)limits[i].wanted);
			advise(f, limits[i].less);
			continue;
		}
		say(f, PROBE_MISSING, "%s: %llu, at least %llu needed", limits[i].name,
		    (unsigned long long)r.rlim_cur, (unsigned long long)limits[i].needed);
		advise(f, "raise it, in the shell or for the container");
		return;
	}
}

/* MemAvailable, or what is left of the control group's allowance. MiB; -1: unknown. */
static long memory_mib(void)
{
	char line[200];
	long mib = -1;
	FILE *file = fopen("/proc/meminfo", "re");

	while (file && fgets(line, sizeof line, file))
		if (sscanf(line, "MemAvailable: %ld kB", &mib) == 1)
			mib /= 1024;
	if (file)
		fclose(file);
	if (first_line("/sys/fs/cgroup/memory.max", line, sizeof line) && *line != 'm') {
		long long max = strtoll(line, NULL, 10) >> 20;

		if (mib < 0 || max < mib)
			mib = (long)max;
	}
	return mib;
}

static void look_memory(struct finding *f)
{
	long mib = memory_mib();

	if (mib < 0) {
		say(f, PROBE_LESS, "unknown: neither /proc nor a control group says");
		return;
	}
	say(f, mib < DEFAULT_MEMORY_MIB ? PROBE_LESS : PROBE_GOOD, "%ld MiB available", mib);
	if (mib < DEFAULT_MEMORY_MIB)
		advise(f, "less than a guest's default of 512M; say -m with less");
}

/* ---- all of it together, and what it costs ---- */

static void *wait_for_end(void *end)
{
	sem_wait(end);
	return NULL;
}

static void look_cells(struct finding *f)
{
	static struct vm vm;
	uint64_t start = now_ns();
	pthread_t thread;
	char why[200];
	sem_t end;
	int error;

	sem_init(&end, 0, 0);

	/* As main's own does, it counts against the limit of processes. */
	error = pthread_create(&thread, NULL, wait_for_end, &end);
	if (error)
		say(f, PROBE_MISSING, "cannot start a thread: %s", strerror(error));
	else if (vm_create(&vm, 64u << 20, -1, NULL))
		say(f, PROBE_MISSING, "cannot be started (the reason is above)");
	else if (vm_fork_cells(&vm, INITIAL_CELLS, why, sizeof why))
		say(f, PROBE_MISSING, "%s", why);
	else if (vm.ncells < INITIAL_CELLS)
		say(f, PROBE_LESS, "only %u of %u", vm.ncells, INITIAL_CELLS);
	else
		say(f, PROBE_GOOD, "%u confined processes in %.1f ms", vm.ncells,
		    (double)(now_ns() - start) / 1e6);
	vm_destroy(&vm);
	sem_post(&end);
	if (!error)
		pthread_join(thread, NULL);
}

static void skip_byte(int number, siginfo_t *info, void *context)
{
	ucontext_t *c = context;

	(void)number;
	(void)info;
	c->uc_mcontext.gregs[REG_RIP]++;
}

/* HLT is a byte that faults at CPL 3, as a trap of the annotator does. */
static int time_signals(void)
{
	struct sigaction action = {.sa_sigaction = skip_byte, .sa_flags = SA_SIGINFO};
	uint64_t start, tenths;

	sigaction(SIGSEGV, &action, NULL);
	start = now_ns();
	for (int i = 0; i < TIMED_ROUNDS; i++)
		__asm__ volatile("hlt" ::: "memory");
	tenths = (now_ns() - start) / TIMED_ROUNDS / 100;
	return tenths < LONGEST_STATUS ? (int)tenths : LONGEST_STATUS;
}

static void look_signal_cost(struct finding *f)
{
	int tenths = in_child(time_signals);

	say(f, PROBE_FACT, "%s%.1f us", tenths == LONGEST_STATUS ? "at least " : "", tenths / 10.0);
}

static void look_mapping_cost(struct finding *f)
{
	int fd = memfd_create("ring1-check", MFD_CLOEXEC);
	uint64_t start;
	uint8_t *p;

	if (fd < 0 || ftruncate(fd, 4096 * TIMED_ROUNDS)) {
		say(f, PROBE_FACT, "unknown");
		return;
	}
	start = now_ns();
	for (int i = 0; i < TIMED_ROUNDS; i++) {
		p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
		         4096l * i);
		if (p == MAP_FAILED)
			break;
		munmap(p, 4096);
	}
	say(f, PROBE_FACT, "%.1f us", (double)(now_ns() - start) / TIMED_ROUNDS / 1e3);
	close(fd);
}

const struct probe probes[] = {
    {"host kernel", look_kernel},
    {"processor", look_processor},
    {"XSAVE", look_xsave},
    {"FSGSBASE", look_fsgsbase},
    {"time stamp counter", look_tsc},
    {"CPUs", look_cpus},
    {"memory", look_memory},
    {"resource limits", look_limits},
    {"vm.max_map_count", look_map_count},
    {"vm.mmap_min_addr", look_min_addr},
    {"modify_ldt", look_ldt},
    {"memfd", look_memfd},
    {"seccomp", look_seccomp},
    {"i386 system calls", look_ia32},
    {"userfaultfd", look_userfaultfd},
    {"huge pages", look_huge_pages},
    {"Landlock", look_landlock},
    {"disks", look_disks},
    {"cells", look_cells},
    {"a signal and back", look_signal_cost},
    {"mapping a page", look_mapping_cost},
};
const size_t probe_count = sizeof probes / sizeof *probes;
