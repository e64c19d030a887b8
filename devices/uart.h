/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 16550A UART.
 *
 * Source: National Semiconductor PC16550D data sheet (TL/C/8652), section 8 "Registers", 8.4 "FIFO
 * Control Register", 8.5 "Line Status Register", 8.6 "Interrupt Identification Register", 8.9
 * "MODEM Control Register" (loopback), 8.11 "FIFO Interrupt Mode Operation".
 *
 * The line is as fast as the owner: a byte leaves when uart_transmit takes it and arrives when
 * uart_receive brings it. Only the receiver's character timeout depends on the divisor. The far
 * end asserts CTS, DSR and DCD. Departure: the transmitter has no shift register of its own, so
 * TEMT equals THRE; a break sent by the guest (LCR bit 6) goes nowhere.
 */
#ifndef RING1_DEVICES_UART_H
#define RING1_DEVICES_UART_H

#include <stdbool.h>
#include <stdint.h>

#define UART_FIFO  16
#define UART_POLLS 64

#define UART_RBR 0 /* read; with DLAB the divisor's low byte */
#define UART_THR 0 /* write; likewise */
#define UART_IER 1 /* with DLAB the divisor's high byte */
#define UART_IIR 2 /* read */
#define UART_FCR 2 /* write */
#define UART_LCR 3
#define UART_MCR 4
#define UART_LSR 5
#define UART_MSR 6
#define UART_SCR 7

/* Any content is safe; positions count modulo UART_FIFO. */
struct uart {
	uint64_t timeout_at; /* guest ns of the character timeout; UINT64_MAX: none is running */
	uint16_t rx_breaks;  /* bit n: slot n of rx holds a break not yet reported by LSR */
	uint16_t divisor;
	uint8_t rx[UART_FIFO];
	uint8_t tx[UART_FIFO];
	uint8_t rx_head; /* slot of the oldest byte */
	uint8_t rx_count;
	uint8_t tx_head;
	uint8_t tx_count;
	uint8_t ier;
	uint8_t fcr; /* bit 0 and the trigger level, bits 6 and 7 */
	uint8_t lcr;
	uint8_t mcr;
	uint8_t msr; /* as read: lines in 4..7, changes in 0..3 */
	uint8_t scr;
	uint8_t overrun;      /* LSR bit 1 */
	uint8_t thre_pending; /* the THRE interrupt waits for an IIR read or a THR write */
	uint8_t timed_out;    /* character timeout indication */
	uint8_t polls;        /* reads of LSR since a register was written, up to UART_POLLS */
};

/* Master reset (data sheet table III): FIFOs off and empty, interrupts off, divisor 1. */
void uart_reset(struct uart *uart);

/* Read register reg (0..7, taken modulo 8) at `now` (guest monotonic ns). */
uint8_t uart_read(struct uart *uart, unsigned reg, uint64_t now);

/*
 * Write register reg (0..7, taken modulo 8) at `now` (ns). A byte written to a full transmit FIFO
 * is lost, as on the chip; without FIFOs it replaces the one that waits.
 */
void uart_write(struct uart *uart, unsigned reg, uint8_t value, uint64_t now);

/*
 * Take the oldest byte that the guest sent. Returns false, and leaves *byte alone, if there is
 * none. Taking the last one sets THRE and raises its interrupt.
 */
bool uart_transmit(struct uart *uart, uint8_t *byte);

/* Whether uart_transmit has something to take. */
static inline bool uart_transmit_ready(const struct uart *uart)
{
	return uart->tx_count != 0;
}

/*
 * A byte arrives from the line at `now` (ns). Returns false, with nothing changed, if there is no
 * room (then try again later) or while the guest has the UART in loopback.
 */
bool uart_receive(struct uart *uart, uint8_t byte, uint64_t now);

/* A break arrives: a zero byte with LSR.BI (and FE) set. Returns as uart_receive does. */
bool uart_receive_break(struct uart *uart, uint64_t now);

/* How many bytes uart_receive will accept now: 0..16. */
unsigned uart_receive_room(const struct uart *uart);

/* Let the character timeout of `now` (ns) take effect. Call before asking uart_intr. */
void uart_update(struct uart *uart, uint64_t now);

/* Absolute ns of the pending character timeout; UINT64_MAX if none would interrupt. */
uint64_t uart_next_deadline(const struct uart *uart);

/*
 * Whether anybody will take a byte that arrives now: the guest has the receive interrupt on, or
 * polls, that is, has read LSR UART_POLLS times and done nothing else. A driver that opens the
 * port clears what came before (Linux, serial8250_startup), so whoever can wait should.
 */
bool uart_listens(const struct uart *uart);

/* Level of the interrupt line as the PC wires it: gated by MCR.OUT2, which loopback forces off. */
bool uart_intr(const struct uart *uart);

#endif
