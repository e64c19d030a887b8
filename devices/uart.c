/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/uart.h"

#define NEVER UINT64_MAX

#define IER_RDA 0x01
#define IER_THR 0x02
#define IER_RLS 0x04
#define IER_MSI 0x08
#define IER_ALL 0x0f

/* Interrupt identification codes in order of priority (data sheet table IV) */
#define IIR_RLS   0x06
#define IIR_RDA   0x04
#define IIR_CTI   0x0c
#define IIR_THR   0x02
#define IIR_MSI   0x00
#define IIR_NONE  0x01
#define IIR_FIFOS 0xc0

#define FCR_ENABLE   0x01
#define FCR_CLEAR_RX 0x02
#define FCR_CLEAR_TX 0x04
#define FCR_TRIGGER  0xc0

#define LCR_DLAB 0x80

#define MCR_DTR  0x01
#define MCR_RTS  0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define MCR_ALL  0x1f

#define LSR_DR         0x01
#define LSR_OE         0x02
#define LSR_FE         0x08
#define LSR_BI         0x10
#define LSR_THRE       0x20
#define LSR_TEMT       0x40
#define LSR_FIFO_ERROR 0x80

#define MSR_CTS     0x10
#define MSR_DSR     0x20
#define MSR_RI      0x40
#define MSR_DCD     0x80
#define MSR_LINES   0xf0
#define MSR_CHANGES 0x0f

#define BAUD_BASE_HZ  115200ull /* 1.8432 MHz / 16 */
#define TIMEOUT_CHARS 4         /* "FIFO Interrupt Mode Operation": four character times */

static unsigned slot(unsigned position)
{
	return position % UART_FIFO;
}

static bool fifos_on(const struct uart *uart)
{
	return uart->fcr & FCR_ENABLE;
}

static unsigned capacity(const struct uart *uart)
{
	return fifos_on(uart) ? UART_FIFO : 1;
}

static bool looped(const struct uart *uart)
{
	return uart->mcr & MCR_LOOP;
}

static unsigned trigger_level(const struct uart *uart)
{
	switch (uart->fcr & (FCR_TRIGGER | FCR_ENABLE)) {
	case 0x41:
		return 4;
	case 0x81:
		return 8;
	case 0xc1:
		return 14;
	default: /* 0x01, and without FIFOs any byte counts */
		return 1;
	}
}

/* ns of one character: start bit, data, parity and stop bits at the programmed speed. */
static uint64_t character_ns(const struct uart *uart)
{
	unsigned lcr = uart->lcr;
	uint64_t bits = 1 + 5 + (lcr & 3) + (lcr >> 3 & 1) + (lcr & 4 ? 2 : 1);
	uint64_t divisor = uart->divisor ? uart->divisor : 1;

	return bits * divisor * 1000000000ull / BAUD_BASE_HZ;
}

/* The receiver was served or got a byte: the timeout starts over if something is left. */
static void restart_timeout(struct uart *uart, uint64_t now)
{
	bool waits = fifos_on(uart) && uart->rx_count;

	uart->timeout_at = waits ? now + TIMEOUT_CHARS * character_ns(uart) : NEVER;
	uart->timed_out = 0;
}

static void clear_rx(struct uart *uart)
{
	uart->rx_count = 0;
	uart->rx_breaks = 0;
	uart->timed_out = 0;
	uart->timeout_at = NEVER;
}

static void clear_tx(struct uart *uart)
{
	if (uart->tx_count)
		uart->thre_pending = 1;
	uart->tx_count = 0;
}

static bool head_is_break(const struct uart *uart)
{
	return uart->rx_count && (uart->rx_breaks >> slot(uart->rx_head) & 1);
}

static uint8_t line_status(const struct uart *uart)
{
	uint8_t status = uart->tx_count ? 0 : LSR_THRE | LSR_TEMT;

	if (uart->rx_count)
		status |= LSR_DR;
	if (uart->overrun)
		status |= LSR_OE;
	if (head_is_break(uart))
		status |= LSR_BI | LSR_FE;
	if (uart->rx_breaks && fifos_on(uart))
		status |= LSR_FIFO_ERROR;
	return status;
}

static uint8_t identify(const struct uart *uart)
{
	uint8_t ier = uart->ier;

	if ((ier & IER_RLS) && (uart->overrun || head_is_break(uart)))
		return IIR_RLS;
	if (ier & IER_RDA) {
		if (uart->rx_count >= trigger_level(uart))
			return IIR_RDA;
		if (uart->timed_out && uart->rx_count)
			return IIR_CTI;
	}
	if ((ier & IER_THR) && uart->thre_pending)
		return IIR_THR;
	if ((ier & IER_MSI) && (uart->msr & MSR_CHANGES))
		return IIR_MSI;
	return IIR_NONE;
}

bool uart_intr(const struct uart *uart)
{
	if ((uart->mcr & (MCR_OUT2 | MCR_LOOP)) != MCR_OUT2)
		return false;
	return identify(uart) != IIR_NONE;
}

void uart_update(struct uart *uart, uint64_t now)
{
	if (now < uart->timeout_at)
		return;
	uart->timeout_at = NEVER;
	if (uart->rx_count && fifos_on(uart))
		uart->timed_out = 1;
}

uint64_t uart_next_deadline(const struct uart *uart)
{
	bool counts = (uart->ier & IER_RDA) && fifos_on(uart) && uart->rx_count &&
	              uart->rx_count < trigger_level(uart);

	return counts ? uart->timeout_at : NEVER;
}

static uint8_t read_rbr(struct uart *uart, uint64_t now)
{
	unsigned head = slot(uart->rx_head);
	uint8_t byte = uart->rx[head];

	if (!uart->rx_count)
		return byte;
	uart->rx_breaks &= (uint16_t) ~(1u << head);
	uart->rx_head = (uint8_t)slot(head + 1);
	uart->rx_count--;
	restart_timeout(uart, now);
	return byte;
}

static uint8_t read_iir(struct uart *uart, uint64_t now)
{
	uint8_t id;

	uart_update(uart, now);
	id = identify(uart);
	if (id == IIR_THR)
		uart->thre_pending = 0;
	return id | (fifos_on(uart) ? IIR_FIFOS : 0);
}

static uint8_t read_lsr(struct uart *uart)
{
	uint8_t status = line_status(uart);

	if (uart->polls < UART_POLLS)
		uart->polls++;
	uart->overrun = 0;
	if (head_is_break(uart))
		uart->rx_breaks &= (uint16_t) ~(1u << slot(uart->rx_head));
	return status;
}

static uint8_t read_msr(struct uart *uart)
{
	uint8_t status = uart->msr;

	uart->msr &= MSR_LINES;
	return status;
}

uint8_t uart_read(struct uart *uart, unsigned reg, uint64_t now)
{
	bool dlab = uart->lcr & LCR_DLAB;

	switch (reg & 7) {
	case UART_LSR:
		return read_lsr(uart);
	case UART_RBR:
		return dlab ? (uint8_t)uart->divisor : read_rbr(uart, now);
	case UART_IER:
		return dlab ? (uint8_t)(uart->divisor >> 8) : uart->ier;
	case UART_IIR:
		return read_iir(uart, now);
	case UART_LCR:
		return uart->lcr;
	case UART_MCR:
		return uart->mcr;
	case UART_MSR:
		return read_msr(uart);
	default:
		return uart->scr;
	}
}

static void push_rx(struct uart *uart, uint8_t byte, bool is_break, uint64_t now)
{
	unsigned at = slot(uart->rx_head + uart->rx_count);

	uart->rx[at] = byte;
	uart->rx_breaks &= (uint16_t) ~(1u << at);
	uart->rx_breaks |= (uint16_t)((unsigned)is_break << at);
	uart->rx_count++;
	restart_timeout(uart, now);
}

/* Loopback has no owner to hold bytes back: the receiver overruns as on a real line. */
static void loop_byte(struct uart *uart, uint8_t byte, uint64_t now)
{
	uart->thre_pending = 1;
	if (uart->rx_count < capacity(uart)) {
		push_rx(uart, byte, false, now);
		return;
	}
	uart->overrun = 1;
	/* without FIFOs the new byte replaces the old one; a full FIFO keeps what it has */
	if (!fifos_on(uart))
		uart->rx[slot(uart->rx_head)] = byte;
}

static void write_thr(struct uart *uart, uint8_t byte, uint64_t now)
{
	uart->thre_pending = 0;
	if (looped(uart)) {
		loop_byte(uart, byte, now);
		return;
	}
	if (uart->tx_count < capacity(uart)) {
		uart->tx[slot(uart->tx_head + uart->tx_count)] = byte;
		uart->tx_count++;
	} else if (!fifos_on(uart)) {
		uart->tx[slot(uart->tx_head)] = byte;
	}
}

static void write_ier(struct uart *uart, uint8_t value)
{
	uint8_t enabled = value & IER_ALL & (uint8_t)~uart->ier;

	uart->ier = value & IER_ALL;
	/* enabling the interrupt with THR empty raises it: Linux's UART_BUG_THRE tests for this */
	if ((enabled & IER_THR) && !uart->tx_count)
		uart->thre_pending = 1;
}

static void write_fcr(struct uart *uart, uint8_t value)
{
	bool toggled = (value ^ uart->fcr) & FCR_ENABLE;

	if (toggled || ((value & FCR_ENABLE) && (value & FCR_CLEAR_RX)))
		clear_rx(uart);
	if (toggled || ((value & FCR_ENABLE) && (value & FCR_CLEAR_TX)))
		clear_tx(uart);
	uart->fcr = value & FCR_ENABLE ? value & (FCR_TRIGGER | FCR_ENABLE) : 0;
}

/* Loopback ties the modem outputs to the inputs; else the far end is always ready. */
static uint8_t modem_lines(const struct uart *uart)
{
	uint8_t mcr = uart->mcr;

	if (!looped(uart))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (uint8_t)((mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
	                 (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0));
}

static void write_mcr(struct uart *uart, uint8_t value)
{
	uint8_t before = uart->msr & MSR_LINES;
	uint8_t after, changed;

	uart->mcr = value & MCR_ALL;
	after = modem_lines(uart);
	changed = before ^ after;
	/* TERI reports only the end of a ring */
	changed &= (uint8_t) ~(after & MSR_RI);
	uart->msr = (uint8_t)(after | (uart->msr & MSR_CHANGES) | changed >> 4);
}

static void write_divisor(struct uart *uart, unsigned shift, uint8_t value)
{
	uart->divisor = (uint16_t)((uart->divisor & ~(0xffu << shift)) | (unsigned)value << shift);
}

void uart_write(struct uart *uart, unsigned reg, uint8_t value, uint64_t now)
{
	bool dlab = uart->lcr & LCR_DLAB;

	uart->polls = 0;
	switch (reg & 7) {
	case UART_THR:
		if (dlab)
			write_divisor(uart, 0, value);
		else
			write_thr(uart, value, now);
		break;
	case UART_IER:
		if (dlab)
			write_divisor(uart, 8, value);
		else
			write_ier(uart, value);
		break;
	case UART_FCR:
		write_fcr(uart, value);
		break;
	case UART_LCR:
		uart->lcr = value;
		break;
	case UART_MCR:
		write_mcr(uart, value);
		break;
	case UART_SCR:
		uart->scr = value;
		break;
	default: /* LSR and MSR are read-only outside factory tests */
		break;
	}
}

bool uart_listens(const struct uart *uart)
{
	return uart->ier & IER_RDA || uart->polls >= UART_POLLS;
}

bool uart_transmit(struct uart *uart, uint8_t *byte)
{
	unsigned head = slot(uart->tx_head);

	if (!uart->tx_count)
		return false;
	*byte = uart->tx[head];
	uart->tx_head = (uint8_t)slot(head + 1);
	uart->tx_count--;
	if (!uart->tx_count)
		uart->thre_pending = 1;
	return true;
}

unsigned uart_receive_room(const struct uart *uart)
{
	unsigned count = uart->rx_count;

	if (looped(uart) || count >= capacity(uart))
		return 0;
	return capacity(uart) - count;
}

static bool receive(struct uart *uart, uint8_t byte, bool is_break, uint64_t now)
{
	if (!uart_receive_room(uart))
		return false;
	push_rx(uart, byte, is_break, now);
	return true;
}

bool uart_receive(struct uart *uart, uint8_t byte, uint64_t now)
{
	return receive(uart, byte, false, now);
}

bool uart_receive_break(struct uart *uart, uint64_t now)
{
	return receive(uart, 0, true, now);
}

void uart_reset(struct uart *uart)
{
	*uart = (struct uart){.timeout_at = NEVER, .divisor = 1};
	uart->msr = modem_lines(uart);
}
