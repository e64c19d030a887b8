// SPDX-License-Identifier: GPL-2.0-or-later
/* System calls that do next to nothing, by each way into the kernel; clocks; small reads and
 * writes. */
#include "workload.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint8_t buffer[PAGE];
static uintptr_t sysinfo;
static int fd;

static void syscall_int80(unsigned n)
{
	while (n--) {
		long r;

		__asm__ volatile("int $0x80" : "=a"(r) : "0"(SYS_getppid) : "memory");
	}
}

static bool find_sysinfo(void)
{
	sysinfo = getauxval(AT_SYSINFO);
	return sysinfo != 0;
}

static void syscall_vdso_sysinfo(unsigned n)
{
	while (n--) {
		long r;

		__asm__ volatile("call *%2" : "=a"(r) : "0"(SYS_getppid), "m"(sysinfo) : "memory");
	}
}

static void syscall_libc(unsigned n)
{
	while (n--)
		KEEP(getppid());
}

static void sched_yield_alone(unsigned n)
{
	while (n--)
		sched_yield();
}

static void clock_gettime_libc(unsigned n)
{
	struct timespec t;

	while (n--) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		KEEP(t.tv_nsec);
	}
}

/* The call with 32-bit time: what old programs use. Some kernels are built without it. */
static bool have_clock_gettime(void)
{
	long t[2];

	return syscall(SYS_clock_gettime, CLOCK_MONOTONIC, t) == 0;
}

static void clock_gettime_syscall(unsigned n)
{
	long t[2];

	while (n--)
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, t);
}

static bool open_zero(void)
{
	fd = open("/dev/zero", O_RDONLY);
	return fd >= 0;
}

static void read_zero_1(unsigned n)
{
	while (n--)
		need(read(fd, buffer, 1) == 1, "read");
}

static void read_zero_4k(unsigned n)
{
	while (n--)
		need(read(fd, buffer, PAGE) == PAGE, "read");
}

static bool open_null(void)
{
	fd = open("/dev/null", O_WRONLY);
	return fd >= 0;
}

static void write_null_1(unsigned n)
{
	while (n--)
		need(write(fd, buffer, 1) == 1, "write");
}

/* Three components below the current directory, wherever that is. */
static bool make_path(void)
{
	mkdir("one", 0755);
	mkdir("one/two", 0755);
	fd = open("one/two/file", O_CREAT | O_WRONLY, 0644);
	need(fd >= 0, "one/two/file");
	close(fd);
	return true;
}

static void access_path(unsigned n)
{
	while (n--)
		need(access("one/two/file", R_OK) == 0, "access");
}

const struct item system_call_items[] = {
    {"syscall_int80", .run = syscall_int80},
    {"syscall_vdso_sysinfo", .prepare = find_sysinfo, .run = syscall_vdso_sysinfo},
    {"syscall_libc", .run = syscall_libc},
    {"sched_yield_alone", .run = sched_yield_alone},
    {"clock_gettime_libc", .run = clock_gettime_libc},
    {"clock_gettime_syscall", .prepare = have_clock_gettime, .run = clock_gettime_syscall},
    {"read_zero_1", .prepare = open_zero, .run = read_zero_1},
    {"read_zero_4k", .prepare = open_zero, .run = read_zero_4k},
    {"write_null_1", .prepare = open_null, .run = write_null_1},
    {"access_path", .prepare = make_path, .run = access_path},
    {0},
};
