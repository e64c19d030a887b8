// SPDX-License-Identifier: GPL-2.0-or-later
//
// Pipes, sockets, polling, futexes between processes.

#include "selftest.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum { TRANSFER = 1 << 20 };

static void fill(uint8_t *bytes, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)next_random(&seed);
}

static int out_fd;

static void send_all(int unused)
{
	static uint8_t bytes[TRANSFER];
	size_t sent = 0;

	(void)unused;
	fill(bytes, sizeof(bytes), 99);
	while (sent < sizeof(bytes)) {
		size_t part = sizeof(bytes) - sent < 10007 ? sizeof(bytes) - sent : 10007;
		ssize_t length = write(out_fd, bytes + sent, part);

		require(length > 0);
		sent += (size_t)length;
	}
}

static void receive_all(int fd)
{
	static uint8_t bytes[TRANSFER], wanted[TRANSFER];
	size_t received = 0;
	ssize_t length;

	while (received < sizeof(bytes) &&
	       (length = read(fd, bytes + received, sizeof(bytes) - received)) > 0)
		received += (size_t)length;
	expect_equal(received, sizeof(bytes));
	fill(wanted, sizeof(wanted), 99);
	expect(!memcmp(bytes, wanted, sizeof(bytes)));
}

static void through_pipe(void)
{
	int pipes[2];
	pid_t child;

	require(pipe(pipes) == 0);
	out_fd = pipes[1];
	child = start(send_all, 0);
	receive_all(pipes[0]);
	expect_success(child);
}

static void through_socket(void)
{
	int sockets[2];
	pid_t child;

	require(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
	out_fd = sockets[1];
	child = start(send_all, 0);
	receive_all(sockets[0]);
	expect_success(child);
}

static int there[2], back[2];

static void echo(int times)
{
	for (int i = 0; i < times; i++) {
		int value;

		require(read(there[0], &value, sizeof(value)) == sizeof(value));
		value++;
		require(write(back[1], &value, sizeof(value)) == sizeof(value));
	}
}

static void round_trips(void)
{
	pid_t child;
	int value = 0;

	require(pipe(there) == 0 && pipe(back) == 0);
	child = start(echo, 3000);
	for (int i = 0; i < 3000; i++) {
		require(write(there[1], &value, sizeof(value)) == sizeof(value));
		require(read(back[0], &value, sizeof(value)) == sizeof(value));
	}
	expect_equal(value, 3000);
	expect_success(child);
}

static void pipe_rules(void)
{
	uint8_t bytes[PAGE];
	int pipes[2];
	size_t total = 0;

	require(pipe2(pipes, O_NONBLOCK) == 0);
	memset(bytes, 1, sizeof(bytes));
	while (write(pipes[1], bytes, sizeof(bytes)) > 0)
		total += sizeof(bytes);
	expect_equal(errno, EAGAIN);
	expect(total >= PAGE);
	while (total && read(pipes[0], bytes, sizeof(bytes)) > 0)
		total -= sizeof(bytes);
	expect_equal(total, 0);
	signal(SIGPIPE, SIG_IGN);
	close(pipes[0]);
	expect_equal(write(pipes[1], bytes, 1), -1);
	expect_equal(errno, EPIPE);
}

static void polling(void)
{
	int pipes[2];
	struct pollfd entry;
	// Before 2.6.28 poll counts ticks, of which the first may be nearly over.
	uint64_t before, tick = kernel_is_at_least(2, 6, 28) ? 0 : 10000000;

	require(pipe(pipes) == 0);
	entry = (struct pollfd){.fd = pipes[0], .events = POLLIN};
	before = now_ns();
	expect_equal(poll(&entry, 1, 30), 0);
	expect(now_ns() - before >= 30000000 - tick);
	expect(now_ns() - before < 10000000000u);
	require(write(pipes[1], "x", 1) == 1);
	expect_equal(poll(&entry, 1, 1000), 1);
	expect_equal(entry.revents, POLLIN);
	close(pipes[1]);
	expect_equal(poll(&entry, 1, 1000), 1);
	expect_equal(entry.revents, POLLIN | POLLHUP);
}

static void event_fds(void)
{
	int events = eventfd(0, EFD_NONBLOCK), set = epoll_create1(0);
	struct epoll_event entry = {.events = EPOLLIN, .data.u32 = 4242}, got = {0};
	uint64_t value = 3;

	// The calls with flags are Linux 2.6.27's.
	if (events < 0 && errno == ENOSYS)
		events = eventfd(0, 0);
	if (set < 0 && errno == ENOSYS)
		set = epoll_create(1);
	require(events >= 0 && set >= 0);
	require(epoll_ctl(set, EPOLL_CTL_ADD, events, &entry) == 0);
	expect_equal(epoll_wait(set, &got, 1, 0), 0);
	require(write(events, &value, 8) == 8);
	require(write(events, &value, 8) == 8);
	expect_equal(epoll_wait(set, &got, 1, 1000), 1);
	expect_equal(got.data.u32, 4242);
	require(read(events, &value, 8) == 8);
	expect_equal(value, 6);
}

static void pass_handle(void)
{
	int sockets[2], pipes[2], received = -1;
	char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 'c';
	struct iovec vector = {&byte, 1};
	struct msghdr message = {.msg_iov = &vector,
	                         .msg_iovlen = 1,
	                         .msg_control = control,
	                         .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	require(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets) == 0 && pipe(pipes) == 0);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &pipes[1], sizeof(int));
	require(sendmsg(sockets[0], &message, 0) == 1);
	memset(control, 0, sizeof(control));
	require(recvmsg(sockets[1], &message, 0) == 1);
	header = CMSG_FIRSTHDR(&message);
	require(header != NULL);
	memcpy(&received, CMSG_DATA(header), sizeof(int));
	expect(received > pipes[1]);
	require(write(received, "z", 1) == 1);
	require(read(pipes[0], &byte, 1) == 1);
	expect_equal(byte, 'z');
}

static int *futex_words;

static void futex_side(int who)
{
	for (int i = 0; i < 2000; i++) {
		while (__atomic_load_n(&futex_words[0], __ATOMIC_SEQ_CST) % 2 != who)
			syscall(SYS_futex, &futex_words[0], FUTEX_WAIT, 2 * i + (who ? 0 : -1),
			        NULL, NULL, 0);
		__atomic_add_fetch(&futex_words[0], 1, __ATOMIC_SEQ_CST);
		syscall(SYS_futex, &futex_words[0], FUTEX_WAKE, 1, NULL, NULL, 0);
	}
}

static void futex_processes(void)
{
	pid_t children[2];

	futex_words = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	require(futex_words != MAP_FAILED);
	for (int i = 0; i < 2; i++)
		children[i] = start(futex_side, i);
	for (int i = 0; i < 2; i++)
		expect_success(children[i]);
	expect_equal(futex_words[0], 4000);
}

// Writes far beyond a page in one call: the kernel copies over page borders at odd offsets.
static void odd_copies(void)
{
	static uint8_t from[70000], to[70000];
	int sockets[2];

	fill(from, sizeof(from), 5);
	require(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets) == 0);
	for (size_t i = 1; i < 60; i++) {
		size_t size = i * i * 17, offset = i * 61;

		memset(to, 0, sizeof(to));
		if (send(sockets[0], from + offset, size, MSG_DONTWAIT) != (ssize_t)size)
			break; // larger than the socket's buffer
		require(recv(sockets[1], to + i, sizeof(to) - i, 0) == (ssize_t)size);
		require(!memcmp(to + i, from + offset, size) && to[i - 1] == 0 &&
		        to[i + size] == 0);
	}
}

const struct check ipc_checks[] = {
    {"1 MiB through a pipe", through_pipe},
    {"1 MiB through a unix socket", through_socket},
    {"3000 round trips between two processes", round_trips},
    {"full, empty and broken pipes", pipe_rules},
    {"poll", polling},
    {"eventfd and epoll", event_fds},
    {"a handle passed through a unix socket", pass_handle},
    {"futex between processes", futex_processes},
    {"datagrams of odd sizes", odd_copies},
    {0},
};
