// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/console.h"

#include "cell/host.h"

void ring_doorbell(uint32_t bits)
{
	if ((__atomic_fetch_or(&M->doorbell, bits, __ATOMIC_SEQ_CST) & bits) == bits)
		return; /* main has not taken the last one yet and will see this */
	if (__atomic_exchange_n(&M->main_waits, 0, __ATOMIC_SEQ_CST))
		host_futex_wake(&M->main_waits);
}

static uint32_t ring_used(const struct byte_ring *r)
{
	return __atomic_load_n(&r->head, __ATOMIC_ACQUIRE) -
	       __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
}

static bool ring_put(struct byte_ring *r, uint8_t byte)
{
	uint32_t head = r->head;

	if (ring_used(r) >= RING_BYTES)
		return false;
	r->data[head % RING_BYTES] = byte;
	__atomic_store_n(&r->head, head + 1, __ATOMIC_RELEASE);
	return true;
}

static bool ring_get(struct byte_ring *r, uint8_t *byte)
{
	uint32_t tail = r->tail;

	if (!ring_used(r))
		return false;
	*byte = r->data[tail % RING_BYTES];
	__atomic_store_n(&r->tail, tail + 1, __ATOMIC_RELEASE);
	return true;
}

static void transmit(void)
{
	struct uart *uart = &M->platform.uart;
	uint8_t byte;
	bool any = false;

	/* Bytes stay in the port's FIFO while the ring is full: the guest then waits for THRE. */
	while (ring_used(&M->console_out) < RING_BYTES && uart_transmit(uart, &byte)) {
		ring_put(&M->console_out, byte);
		any = true;
	}
	if (any)
		ring_doorbell(DOORBELL_CONSOLE);
}

static void receive(uint64_t now)
{
	struct uart *uart = &M->platform.uart;
	uint8_t byte;

	/* A break comes before what was typed behind it, which is in the ring already. */
	if (__atomic_load_n(&M->inbox, __ATOMIC_ACQUIRE) & INBOX_BREAK) {
		__atomic_fetch_and(&M->inbox, ~INBOX_BREAK, __ATOMIC_SEQ_CST);
		uart_receive_break(uart, now);
	}
	/* What is typed before the guest has opened its port waits until it does. */
	while (uart_listens(uart) && uart_receive_room(uart) && ring_get(&M->console_in, &byte))
		uart_receive(uart, byte, now);
}

void console_service(uint64_t now)
{
	transmit();
	receive(now);
}

void log_text(const char *text)
{
	while (*text)
		ring_put(&M->log, *text++);
	ring_put(&M->log, '\n');
	ring_doorbell(DOORBELL_LOG);
}
