/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/ports.h"

/* RTC registers whose value decides when IRQ 8 comes next all lie below the plain RAM. */
#define RTC_CLOCK_REGISTERS 0x0e

/* Carry a message of the IO-APIC over the APIC bus. */
static void send(struct platform *platform, struct ioapic_message message)
{
	if (message.send && message.mode == IOAPIC_NMI)
		lapic_receive_nmi(&platform->lapic);
	if (!message.send || message.mode > IOAPIC_LOWEST)
		return;
	if (!lapic_receive(&platform->lapic, message.vector, message.level) && message.level)
		ioapic_refused(&platform->ioapic, message.vector);
}

/* Drive one of the interrupt lines. */
static void set_irq(struct platform *platform, unsigned irq, bool level)
{
	unsigned pin = irq == PLATFORM_TIMER_IRQ ? PLATFORM_TIMER_PIN : irq;

	pic_set_irq(&platform->pic, irq, level);
	send(platform, ioapic_set_irq(&platform->ioapic, pin, level));
}

/* An edge, whatever the level was left at. */
static void pulse_timer_line(struct platform *platform)
{
	set_irq(platform, PLATFORM_TIMER_IRQ, false);
	set_irq(platform, PLATFORM_TIMER_IRQ, true);
}

/* Each period of OUT0 is an edge. */
static void update_timer(struct platform *platform, uint64_t now)
{
	unsigned missed;

	if (!pit_irq_edges(&platform->pit, now, &missed))
		return;
	platform->timer_ticks_missed += missed;
	pulse_timer_line(platform);
	if (pic_intr(&platform->pic))
		lapic_edge_lint0(&platform->lapic);
}

void platform_press_nmi_button(struct platform *platform)
{
	lapic_drive_lint1(&platform->lapic);
}

void platform_update_vmitimer(struct platform *platform, uint64_t cycles)
{
	unsigned raise = vmitimer_expired(&platform->vmitimer, cycles);

	if (raise & VMITIMER_RAISE_IRQ0)
		pulse_timer_line(platform);
	if (raise & VMITIMER_RAISE_LVTT)
		lapic_raise_timer(&platform->lapic);
}

static void update_uart_line(struct platform *platform)
{
	set_irq(platform, PLATFORM_UART_IRQ, uart_intr(&platform->uart));
}

static void update_rtc_line(struct platform *platform, uint64_t now)
{
	set_irq(platform, PLATFORM_RTC_IRQ, rtc_irq(&platform->rtc, now));
}

static void update_keyboard_lines(struct platform *platform)
{
	set_irq(platform, PLATFORM_KEYBOARD_IRQ, i8042_irq1(&platform->i8042));
	set_irq(platform, PLATFORM_AUX_IRQ, i8042_irq12(&platform->i8042));
}

static void update_sci_line(struct platform *platform, uint64_t now)
{
	set_irq(platform, PLATFORM_SCI_IRQ, pm_sci(&platform->pm, now));
}

/*
 * A write to the local APIC's message window (SDM volume 3, 11.11: address, data). Whatever its
 * destination it reaches the one processor, and a level triggered one has no pin that could be
 * ended.
 */
static void send_message(struct platform *platform, struct virtio_message message)
{
	if (message.address >> 20 == PLATFORM_LAPIC_PA >> 20)
		send(platform, (struct ioapic_message){.send = true,
		                                       .vector = (uint8_t)message.data,
		                                       .mode = message.data >> 8 & 7});
}

static void update_pci_lines(struct platform *platform)
{
	uint32_t lines = pci_lines(&platform->pci);

	for (unsigned irq = 0; irq < PIC_IRQS; irq++)
		if (PCI_IRQS >> irq & 1)
			set_irq(platform, irq, lines >> irq & 1);
}

/* ---- the slots of the virtio bus ---- */

static bool is_rtl8139(const struct platform *platform, unsigned number)
{
	return platform->virtio.device[number].shown.id == RTL8139_ID;
}

static void collect_rtl8139(struct platform *platform, unsigned number, uint64_t now)
{
	struct rtl8139 *nic = &platform->rtl8139[number];
	uint64_t deadline = rtl8139_next_deadline(nic);

	rtl8139_collect(&platform->virtio, &platform->pci, nic, number, now);
	if (rtl8139_next_deadline(nic) != deadline)
		platform->events |= PLATFORM_TIMER_CHANGED;
}

/* What back ends have completed, and what became deliverable by a register. */
static void update_slots(struct platform *platform, uint64_t now)
{
	uint32_t plugged = pci_plugged(&platform->pci, VIRTIO_DEVICES);

	for (uint32_t left = plugged; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		struct virtio_message message;

		if (is_rtl8139(platform, i)) {
			collect_rtl8139(platform, i, now);
			continue;
		}
		virtio_collect(&platform->virtio, &platform->pci, i);
		while (virtio_next_message(&platform->virtio, &platform->pci, i, &message))
			send_message(platform, message);
	}
	if (plugged)
		update_pci_lines(platform);
}

/* What back ends have answered; the bells of those that are asked; the lines. */
static void update_ide(struct platform *platform)
{
	struct ide *ide = &platform->ide;

	if (!ide_plugged(&platform->pci))
		return;
	ide_update(ide, &platform->pci);
	for (unsigned i = 0; i < IDE_UNITS; i++) {
		unsigned mailbox = ide->unit[i].shown.mailbox % VIRTIO_DEVICES;

		if (ide->settling >> i & 1)
			virtio_settle(&platform->virtio, mailbox);
		if (ide->rung >> i & 1)
			virtio_ring(&platform->virtio, mailbox, 1);
	}
	ide->settling = ide->rung = 0;
	for (unsigned i = 0; i < IDE_CHANNELS; i++)
		set_irq(platform, IDE_IRQ(i), ide_line(ide, i));
}

void platform_update_irqs(struct platform *platform, uint64_t now)
{
	update_timer(platform, now);
	uart_update(&platform->uart, now);
	update_uart_line(platform);
	update_rtc_line(platform, now);
	update_keyboard_lines(platform);
	update_sci_line(platform, now);
	update_slots(platform, now);
	update_ide(platform);
	lapic_update(&platform->lapic, now);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t platform_next_deadline(const struct platform *platform, uint64_t now)
{
	uint64_t timer = pit_next_irq(&platform->pit, now);
	uint64_t clock = rtc_next_irq(&platform->rtc, now);
	uint64_t uart = uart_next_deadline(&platform->uart);
	uint64_t local = lapic_next_deadline(&platform->lapic);

	uint64_t power = pm_next_deadline(&platform->pm);
	uint64_t cards = UINT64_MAX;

	for (uint32_t left = pci_plugged(&platform->pci, VIRTIO_DEVICES); left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		if (is_rtl8139(platform, i))
			cards = earlier(cards, rtl8139_next_deadline(&platform->rtl8139[i]));
	}
	return earlier(earlier(earlier(timer, clock), earlier(uart, local)), earlier(power, cards));
}

/* After an access that may have moved the receiver: tell the owner what it has to look at. */
static void note_uart(struct platform *platform, unsigned reg, unsigned room, uint64_t deadline)
{
	unsigned room_now = uart_receive_room(&platform->uart);

	/* an empty receiver is worth a wake-up; each single byte that was read is not */
	if (room_now > room && (platform->uart.rx_count == 0 || reg == UART_MCR))
		platform->events |= PLATFORM_CONSOLE_ROOM;
	if (uart_next_deadline(&platform->uart) != deadline)
		platform->events |= PLATFORM_TIMER_CHANGED;
	update_uart_line(platform);
}

static uint8_t read_uart(struct platform *platform, unsigned reg, uint64_t now)
{
	struct uart *uart = &platform->uart;
	unsigned room;
	uint64_t deadline;
	uint8_t value;

	if (reg >= UART_LSR) {
		value = uart_read(uart, reg, now);
		update_uart_line(platform);
		return value;
	}
	room = uart_receive_room(uart);
	deadline = uart_next_deadline(uart);
	value = uart_read(uart, reg, now);
	note_uart(platform, reg, room, deadline);
	return value;
}

static void write_uart(struct platform *platform, unsigned reg, uint8_t value, uint64_t now)
{
	struct uart *uart = &platform->uart;
	unsigned room = uart_receive_room(uart);
	uint64_t deadline = uart_next_deadline(uart);

	uart_write(uart, reg, value, now);
	if (uart_transmit_ready(uart))
		platform->events |= PLATFORM_CONSOLE_OUTPUT;
	note_uart(platform, reg, room, deadline);
}

/* IRR must show what the devices ask for at this moment, not at the last exit. */
static uint8_t read_pic_command(struct platform *platform, uint16_t port, uint64_t now)
{
	platform_update_irqs(platform, now);
	return pic_read(&platform->pic, port);
}

static bool concerns_channel0(uint16_t port, uint8_t value)
{
	if (port == PIT_CONTROL) /* a control word for counter 0 that is no latch command */
		return (value & 0xc0) == 0 && (value & 0x30) != 0;
	return port == PIT_CHANNEL0;
}

static void write_pit(struct platform *platform, uint16_t port, uint8_t value, uint64_t now)
{
	if (!concerns_channel0(port, value)) {
		pit_write(&platform->pit, port, value, now);
		return;
	}
	update_timer(platform, now); /* what was due under the old programming */
	pit_write(&platform->pit, port, value, now);
	update_timer(platform, now);
	/* lowering OUT0 withdraws a tick that was not acknowledged yet */
	if (!pit_out(&platform->pit, 0, now))
		set_irq(platform, PLATFORM_TIMER_IRQ, false);
	platform->events |= PLATFORM_TIMER_CHANGED;
}

static uint8_t read_rtc(struct platform *platform, uint16_t port, uint64_t now)
{
	uint8_t value = rtc_read(&platform->rtc, port, now);

	if (platform->rtc.index % RTC_RAM_BYTES == RTC_C && port == RTC_DATA) {
		update_rtc_line(platform, now);
		/* IRQ 8 can rise again, if anything is enabled at all */
		if (platform->rtc.ram[RTC_B] & (RTC_B_PERIODIC | RTC_B_ALARM | RTC_B_UPDATE))
			platform->events |= PLATFORM_TIMER_CHANGED;
	}
	return value;
}

static void write_rtc(struct platform *platform, uint16_t port, uint8_t value, uint64_t now)
{
	unsigned index = platform->rtc.index % RTC_RAM_BYTES;

	rtc_write(&platform->rtc, port, value, now);
	if (port != RTC_DATA)
		return;
	if (index < RTC_CLOCK_REGISTERS || index == RTC_CENTURY)
		platform->events |= PLATFORM_TIMER_CHANGED;
	update_rtc_line(platform, now);
}

static uint8_t read_keyboard(struct platform *platform, uint16_t port)
{
	uint8_t value = i8042_read(&platform->i8042, port);

	update_keyboard_lines(platform);
	return value;
}

static void write_keyboard(struct platform *platform, uint16_t port, uint8_t value)
{
	if (i8042_write(&platform->i8042, port, value) & I8042_RESET)
		platform->events |= PLATFORM_RESET;
	update_keyboard_lines(platform);
}

static uint8_t read_pm(struct platform *platform, unsigned offset, uint64_t now)
{
	uint8_t value = pm_read(&platform->pm, offset, now);

	update_sci_line(platform, now);
	return value;
}

static void write_pm(struct platform *platform, unsigned offset, uint8_t value, uint64_t now)
{
	uint64_t deadline = pm_next_deadline(&platform->pm);

	if (pm_write(&platform->pm, offset, value, now))
		platform->events |= PLATFORM_POWER_OFF;
	if (pm_next_deadline(&platform->pm) != deadline)
		platform->events |= PLATFORM_TIMER_CHANGED;
	update_sci_line(platform, now);
}

/* ---- PCI: configuration space beside the host bridge, and ports of base addresses ---- */

/* The function that an access to the configuration data window selects, -1: none, the chipset's. */
static int config_target(const struct platform *platform, uint16_t port,
                         struct chipset_target *target)
{
	if (!chipset_config_target(&platform->chipset, port, target) || target->bus)
		return -1;
	return pci_find(&platform->pci, (uint8_t)(target->device << 3 | target->function));
}

/* Bytes beyond the word belong to no register. */
static unsigned within_word(unsigned reg, unsigned size)
{
	return (reg & 3) + size > 4 ? 4 - (reg & 3) : size;
}

static bool read_pci_config(struct platform *platform, uint16_t port, unsigned size,
                            uint32_t *value)
{
	struct chipset_target target;
	int n = config_target(platform, port, &target);
	unsigned bytes;

	if (n < 0)
		return false;
	if (n < VIRTIO_DEVICES)
		virtio_config_before_read(&platform->virtio, &platform->pci, (unsigned)n,
		                          target.reg);
	bytes = within_word(target.reg, size);
	*value = pci_config_read(&platform->pci.function[n], target.reg, bytes);
	if (bytes < size)
		*value |= ~((1u << 8 * bytes) - 1);
	if (size < 4)
		*value &= (1u << 8 * size) - 1;
	return true;
}

static bool write_pci_config(struct platform *platform, uint16_t port, unsigned size,
                             uint32_t value, uint64_t now)
{
	struct chipset_target target;
	int n = config_target(platform, port, &target);

	if (n < 0)
		return false;
	pci_config_write(&platform->pci.function[n], target.reg, within_word(target.reg, size),
	                 value);
	if (n < VIRTIO_DEVICES)
		virtio_config_written(&platform->virtio, &platform->pci, (unsigned)n, target.reg);
	update_slots(platform, now);
	update_ide(platform);
	return true;
}

static uint32_t read_ide_master(struct platform *platform, uint32_t offset, unsigned size)
{
	uint32_t value = 0;

	update_ide(platform);
	for (unsigned i = 0; i < size; i++)
		value |= (uint32_t)ide_master_in(&platform->ide, offset + i) << 8 * i;
	return value;
}

static void write_ide_master(struct platform *platform, uint32_t offset, unsigned size,
                             uint32_t value)
{
	for (unsigned i = 0; i < size; i++)
		ide_master_out(&platform->ide, offset + i, (uint8_t)(value >> 8 * i));
	update_ide(platform);
}

static uint32_t read_ide(struct platform *platform, uint16_t port, unsigned size)
{
	uint32_t value = ide_in(&platform->ide, &platform->pci, port, size);

	update_ide(platform);
	return value;
}

static void write_ide(struct platform *platform, uint16_t port, unsigned size, uint32_t value)
{
	ide_out(&platform->ide, &platform->pci, port, size, value);
	update_ide(platform);
}

static bool is_ide(const struct platform *platform, uint16_t port)
{
	return ide_decodes(port) && ide_plugged(&platform->pci);
}

/* The registers of a card: what its back end did shows at once, and what it is asked for reaches
 * it. */
static uint32_t read_rtl8139(struct platform *platform, unsigned number, uint32_t offset,
                             unsigned size, uint64_t now)
{
	update_slots(platform, now);
	return rtl8139_read(&platform->rtl8139[number], offset, size, now);
}

static void write_rtl8139(struct platform *platform, unsigned number, uint32_t offset,
                          unsigned size, uint32_t value, uint64_t now)
{
	if (rtl8139_write(&platform->virtio, &platform->rtl8139[number], number, offset, size,
	                  value, now))
		platform->events |= PLATFORM_TIMER_CHANGED;
	update_slots(platform, now);
}

static uint32_t read_bar(struct platform *platform, uint16_t port, unsigned size, uint64_t now)
{
	struct pci_target t;
	uint32_t value = UINT32_MAX;

	if (!pci_decode_port(&platform->pci, port, &t)) {
		/* nobody's */
	} else if (t.function == IDE_FUNCTION) {
		value = read_ide_master(platform, t.offset, size);
	} else if (t.function < VIRTIO_DEVICES) {
		if (is_rtl8139(platform, t.function))
			return read_rtl8139(platform, t.function, t.offset, size, now);
		value =
		    virtio_in(&platform->virtio, &platform->pci, t.function, t.bar, t.offset, size);
		update_slots(platform, now);
	}
	return size < 4 ? value & ((1u << 8 * size) - 1) : value;
}

static void write_bar(struct platform *platform, uint16_t port, unsigned size, uint32_t value,
                      uint64_t now)
{
	struct pci_target t;

	if (!pci_decode_port(&platform->pci, port, &t))
		return;
	if (t.function == IDE_FUNCTION)
		write_ide_master(platform, t.offset, size, value);
	if (t.function >= VIRTIO_DEVICES)
		return;
	if (is_rtl8139(platform, t.function)) {
		write_rtl8139(platform, t.function, t.offset, size, value, now);
		return;
	}
	virtio_out(&platform->virtio, &platform->pci, t.function, t.bar, t.offset, size, value);
	update_slots(platform, now);
}

static uint8_t in_byte(struct platform *platform, uint16_t port, uint64_t now)
{
	switch (port) {
	case PIC_MASTER_COMMAND:
	case PIC_SLAVE_COMMAND:
		return read_pic_command(platform, port, now);
	case PIC_MASTER_DATA:
	case PIC_SLAVE_DATA:
	case PIC_MASTER_ELCR:
	case PIC_SLAVE_ELCR:
		return pic_read(&platform->pic, port);
	case PIT_CHANNEL0:
	case PIT_CHANNEL1:
	case PIT_CHANNEL2:
		return pit_read(&platform->pit, port, now);
	case PIT_PORT61:
		return pit_port61_read(&platform->pit, now);
	case I8042_DATA:
	case I8042_COMMAND:
		return read_keyboard(platform, port);
	case RTC_DATA:
		return read_rtc(platform, port, now);
	case PLATFORM_UART_PORT + UART_RBR... PLATFORM_UART_PORT + UART_SCR:
		return read_uart(platform, port - PLATFORM_UART_PORT, now);
	case CHIPSET_DELAY:
	case CHIPSET_PORT_A:
	case CHIPSET_CONFIG_ADDRESS ... CHIPSET_CONFIG_DATA + 3:
		return (uint8_t)chipset_read(&platform->chipset, port, 1);
	case PLATFORM_PM_PORT ... PLATFORM_PM_PORT + PM_PORTS - 1:
		return read_pm(platform, port - PLATFORM_PM_PORT, now);
	default:
		return is_ide(platform, port) ? (uint8_t)read_ide(platform, port, 1) : 0xff;
	}
}

static void write_chipset(struct platform *platform, uint16_t port, unsigned size, uint32_t value)
{
	if (chipset_write(&platform->chipset, port, value, size) & CHIPSET_RESET)
		platform->events |= PLATFORM_RESET;
}

static void out_byte(struct platform *platform, uint16_t port, uint8_t value, uint64_t now)
{
	switch (port) {
	case PIC_MASTER_COMMAND:
	case PIC_MASTER_DATA:
	case PIC_SLAVE_COMMAND:
	case PIC_SLAVE_DATA:
	case PIC_MASTER_ELCR:
	case PIC_SLAVE_ELCR:
		pic_write(&platform->pic, port, value);
		break;
	case PIT_CHANNEL0:
	case PIT_CHANNEL1:
	case PIT_CHANNEL2:
	case PIT_CONTROL:
		write_pit(platform, port, value, now);
		break;
	case PIT_PORT61:
		pit_port61_write(&platform->pit, value, now);
		break;
	case I8042_DATA:
	case I8042_COMMAND:
		write_keyboard(platform, port, value);
		break;
	case RTC_INDEX:
	case RTC_DATA:
		write_rtc(platform, port, value, now);
		break;
	case PLATFORM_UART_PORT + UART_RBR... PLATFORM_UART_PORT + UART_SCR:
		write_uart(platform, port - PLATFORM_UART_PORT, value, now);
		break;
	case CHIPSET_DELAY:
	case CHIPSET_PORT_A:
	case CHIPSET_CONFIG_ADDRESS ... CHIPSET_CONFIG_DATA + 3:
		write_chipset(platform, port, 1, value);
		break;
	case PLATFORM_PM_PORT ... PLATFORM_PM_PORT + PM_PORTS - 1:
		write_pm(platform, port - PLATFORM_PM_PORT, value, now);
		break;
	default:
		if (is_ide(platform, port))
			write_ide(platform, port, 1, value);
		break;
	}
}

static bool is_config_port(uint16_t port)
{
	return port >= CHIPSET_CONFIG_ADDRESS && port < CHIPSET_CONFIG_DATA + 4;
}

static bool is_size(unsigned size)
{
	return size == 1 || size == 2 || size == 4;
}

static uint32_t in_wide(struct platform *platform, uint16_t port, unsigned size, uint64_t now)
{
	uint32_t value = 0;

	if (is_config_port(port))
		return chipset_read(&platform->chipset, port, size);
	for (unsigned i = 0; i < size; i++)
		value |= (uint32_t)in_byte(platform, (uint16_t)(port + i), now) << 8 * i;
	return value;
}

uint32_t platform_in(struct platform *platform, uint16_t port, unsigned size, uint64_t now)
{
	uint32_t value;

	if (!is_size(size))
		return UINT32_MAX;
	if (port >= PCI_IO_FIRST)
		return read_bar(platform, port, size, now);
	if (is_config_port(port) && read_pci_config(platform, port, size, &value))
		return value;
	if (size == 1)
		return in_byte(platform, port, now);
	if (ide_is_data(port) && ide_plugged(&platform->pci))
		return read_ide(platform, port, size);
	return in_wide(platform, port, size, now);
}

static void out_wide(struct platform *platform, uint16_t port, unsigned size, uint32_t value,
                     uint64_t now)
{
	if (is_config_port(port)) {
		write_chipset(platform, port, size, value);
		return;
	}
	for (unsigned i = 0; i < size; i++)
		out_byte(platform, (uint16_t)(port + i), (uint8_t)(value >> 8 * i), now);
}

void platform_out(struct platform *platform, uint16_t port, unsigned size, uint32_t value,
                  uint64_t now)
{
	if (!is_size(size))
		return;
	if (port >= PCI_IO_FIRST)
		write_bar(platform, port, size, value, now);
	else if (is_config_port(port) && write_pci_config(platform, port, size, value, now))
		return;
	else if (size == 1)
		out_byte(platform, port, (uint8_t)value, now);
	else if (ide_is_data(port) && ide_plugged(&platform->pci))
		write_ide(platform, port, size, value);
	else
		out_wide(platform, port, size, value, now);
}

int platform_acknowledge(struct platform *platform)
{
	if (!lapic_intr(&platform->lapic) && platform_accepts_extint(platform))
		return pic_acknowledge(&platform->pic);
	return lapic_acknowledge(&platform->lapic);
}

/* As with the 8259A: IRR, and remote IRR, must show what the devices ask for at this moment. */
static uint32_t read_lapic(struct platform *platform, uint32_t offset, uint64_t now)
{
	if (offset >= LAPIC_IRR && offset < LAPIC_ESR)
		platform_update_irqs(platform, now);
	return lapic_read(&platform->lapic, offset, now);
}

static uint32_t read_ioapic(struct platform *platform, uint32_t offset, uint64_t now)
{
	if (offset == IOAPIC_WINDOW)
		platform_update_irqs(platform, now);
	return ioapic_read(&platform->ioapic, offset);
}

/* A word of a function's memory: an MSI-X table, or the registers of a card. */
static uint32_t read_memory(struct platform *platform, uint32_t pa, uint64_t now)
{
	struct pci_target t;

	if (!pci_decode_memory(&platform->pci, pa, &t) || t.function >= VIRTIO_DEVICES)
		return UINT32_MAX;
	if (is_rtl8139(platform, t.function))
		return read_rtl8139(platform, t.function, t.offset & ~3u, 4, now);
	return virtio_memory_read(&platform->virtio, t.function, t.offset & ~3u);
}

static void write_memory(struct platform *platform, uint32_t pa, unsigned size, uint32_t value,
                         uint64_t now)
{
	struct pci_target t;

	if (!pci_decode_memory(&platform->pci, pa, &t) || t.function >= VIRTIO_DEVICES)
		return;
	if (is_rtl8139(platform, t.function)) {
		write_rtl8139(platform, t.function, t.offset, size, value, now);
	} else if (size == 4 && !(pa & 3)) {
		virtio_memory_write(&platform->virtio, t.function, t.offset, value);
		update_slots(platform, now);
	}
}

static uint32_t read_device_word(struct platform *platform, uint32_t pa, uint64_t now)
{
	switch (pa & ~0xfffu) {
	case PLATFORM_LAPIC_PA:
		return read_lapic(platform, pa & 0xffc, now);
	case PLATFORM_IOAPIC_PA:
		return read_ioapic(platform, pa & 0xffc, now);
	default:
		return read_memory(platform, pa, now);
	}
}

uint32_t platform_mmio_read(struct platform *platform, uint32_t pa, unsigned size, uint64_t now)
{
	unsigned byte = pa & 3;

	if (size == 4 && byte == 0)
		return read_device_word(platform, pa, now);
	if ((size != 1 && size != 2) || byte + size > 4)
		return UINT32_MAX;
	return read_device_word(platform, pa, now) >> 8 * byte & ((1u << 8 * size) - 1);
}

static void write_lapic(struct platform *platform, uint32_t offset, uint32_t value, uint64_t now)
{
	uint64_t deadline = lapic_next_deadline(&platform->lapic);
	int ended = lapic_write(&platform->lapic, offset, value, now);

	if (ended != LAPIC_NO_EOI)
		send(platform, ioapic_eoi(&platform->ioapic, (uint8_t)ended));
	if (lapic_next_deadline(&platform->lapic) != deadline)
		platform->events |= PLATFORM_TIMER_CHANGED;
}

void platform_mmio_write(struct platform *platform, uint32_t pa, unsigned size, uint32_t value,
                         uint64_t now)
{
	uint32_t page = pa & ~0xfffu;
	bool apic = page == PLATFORM_LAPIC_PA || page == PLATFORM_IOAPIC_PA;

	if (!is_size(size) || (pa & 3) + size > 4 || (apic && size != 4))
		return;
	if (page == PLATFORM_LAPIC_PA)
		write_lapic(platform, pa & 0xfff, value, now);
	else if (apic)
		send(platform, ioapic_write(&platform->ioapic, pa & 0xfff, value));
	else
		write_memory(platform, pa, size, value, now);
}

bool platform_a20(const struct platform *platform)
{
	return i8042_a20(&platform->i8042) || chipset_a20(&platform->chipset);
}

/* As a PC's firmware leaves it: the lines of PCI are level triggered. */
static void prepare_pci(struct platform *platform)
{
	if (!pci_plugged(&platform->pci, PCI_FUNCTIONS))
		return;
	pic_write(&platform->pic, PIC_MASTER_ELCR, PCI_IRQS & 0xff);
	pic_write(&platform->pic, PIC_SLAVE_ELCR, PCI_IRQS >> 8);
}

void platform_reset(struct platform *platform, int64_t wall_offset_ns, uint64_t ram_bytes,
                    uint64_t now)
{
	pic_reset(&platform->pic);
	pit_reset(&platform->pit, now);
	rtc_reset(&platform->rtc, wall_offset_ns, now);
	rtc_set_equipment(&platform->rtc, ram_bytes, RTC_EQUIPMENT_DEFAULT);
	uart_reset(&platform->uart);
	i8042_reset(&platform->i8042);
	chipset_reset(&platform->chipset);
	lapic_reset(&platform->lapic);
	ioapic_reset(&platform->ioapic);
	platform->ioapic.id = (uint32_t)PLATFORM_IOAPIC_ID << 24;
	vmitimer_reset(&platform->vmitimer);
	pm_reset(&platform->pm, now);
	prepare_pci(platform);
	platform->events = 0;
	platform->timer_ticks_missed = 0;
}
