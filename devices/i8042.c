/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/i8042.h"

#define CTR_KEYBOARD_IRQ 0x01
#define CTR_AUX_IRQ      0x02
#define CTR_SYSTEM       0x04
#define CTR_KEYBOARD_OFF 0x10
#define CTR_AUX_OFF      0x20

#define OUTPUT_NOT_RESET 0x01
#define OUTPUT_A20       0x02
#define OUTPUT_POWER_ON  0xcf

#define INPUT_PORT_UNLOCKED 0x80

#define ANSWER_SELF_TEST_OK 0x55
#define ANSWER_TEST_OK      0x00
#define ANSWER_CLOCK_LOW    0x01
#define ANSWER_RESEND       0xfe

/* Controller commands (port 0x64) */
#define READ_RAM_FIRST     0x20
#define READ_RAM_LAST      0x3f
#define WRITE_RAM_FIRST    0x60
#define WRITE_RAM_LAST     0x7f
#define AUX_DISABLE        0xa7
#define AUX_ENABLE         0xa8
#define AUX_TEST           0xa9
#define SELF_TEST          0xaa
#define KEYBOARD_TEST      0xab
#define KEYBOARD_DISABLE   0xad
#define KEYBOARD_ENABLE    0xae
#define READ_INPUT_PORT    0xc0
#define READ_OUTPUT_PORT   0xd0
#define WRITE_OUTPUT_PORT  0xd1
#define KEYBOARD_LOOPBACK  0xd2
#define AUX_LOOPBACK       0xd3
#define WRITE_AUX          0xd4
#define A20_CLOSE          0xdd
#define A20_OPEN           0xdf
#define READ_TEST_INPUTS   0xe0
#define PULSE_OUTPUT_FIRST 0xf0

static uint8_t *ctr(struct i8042 *kbc)
{
	return &kbc->ram[0];
}

/* Put a byte in the output buffer; `flags`: the status bits that say where it came from. */
static void answer(struct i8042 *kbc, uint8_t byte, uint8_t flags)
{
	kbc->output = byte;
	kbc->status &= (uint8_t) ~(I8042_STATUS_AUX | I8042_STATUS_TIMEOUT);
	kbc->status |= I8042_STATUS_OBF | flags;
}

void i8042_reset(struct i8042 *kbc)
{
	*kbc = (struct i8042){
	    .status = I8042_STATUS_KEYLOCK,
	    .output_port = OUTPUT_POWER_ON,
	    .ram[0] = CTR_KEYBOARD_OFF | CTR_AUX_OFF,
	};
}

uint8_t i8042_read(struct i8042 *kbc, uint16_t port)
{
	if (port == I8042_COMMAND)
		return kbc->status;
	if (port != I8042_DATA)
		return 0xff;
	kbc->status &= (uint8_t) ~(I8042_STATUS_OBF | I8042_STATUS_AUX | I8042_STATUS_TIMEOUT);
	return kbc->output;
}

static unsigned set_output_port(struct i8042 *kbc, uint8_t value)
{
	kbc->output_port = value | OUTPUT_NOT_RESET;
	return value & OUTPUT_NOT_RESET ? 0 : I8042_RESET;
}

static void self_test(struct i8042 *kbc)
{
	kbc->status |= I8042_STATUS_SYSTEM;
	*ctr(kbc) = CTR_KEYBOARD_OFF | CTR_AUX_OFF | CTR_SYSTEM;
	answer(kbc, ANSWER_SELF_TEST_OK, 0);
}

/* Commands that a parameter at port 0x60 completes. */
static bool wants_parameter(uint8_t command)
{
	switch (command) {
	case WRITE_OUTPUT_PORT:
	case KEYBOARD_LOOPBACK:
	case AUX_LOOPBACK:
	case WRITE_AUX:
		return true;
	default:
		return command >= WRITE_RAM_FIRST && command <= WRITE_RAM_LAST;
	}
}

/* Commands that switch something and give no answer. */
static void control(struct i8042 *kbc, uint8_t command)
{
	switch (command) {
	case AUX_DISABLE:
		*ctr(kbc) |= CTR_AUX_OFF;
		break;
	case AUX_ENABLE:
		*ctr(kbc) &= (uint8_t)~CTR_AUX_OFF;
		break;
	case KEYBOARD_DISABLE:
		*ctr(kbc) |= CTR_KEYBOARD_OFF;
		break;
	case KEYBOARD_ENABLE:
		*ctr(kbc) &= (uint8_t)~CTR_KEYBOARD_OFF;
		break;
	case A20_CLOSE:
		kbc->output_port &= (uint8_t)~OUTPUT_A20;
		break;
	case A20_OPEN:
		kbc->output_port |= OUTPUT_A20;
		break;
	default:
		break;
	}
}

static void run_command(struct i8042 *kbc, uint8_t command)
{
	switch (command) {
	case SELF_TEST:
		self_test(kbc);
		break;
	case KEYBOARD_TEST:
		answer(kbc, ANSWER_TEST_OK, 0);
		break;
	case AUX_TEST:
		answer(kbc, ANSWER_CLOCK_LOW, 0);
		break;
	case READ_INPUT_PORT:
		answer(kbc, INPUT_PORT_UNLOCKED, 0);
		break;
	case READ_OUTPUT_PORT:
		answer(kbc, kbc->output_port, 0);
		break;
	case READ_TEST_INPUTS:
		answer(kbc, 0, 0);
		break;
	default:
		if (command >= READ_RAM_FIRST && command <= READ_RAM_LAST)
			answer(kbc, kbc->ram[command % I8042_RAM_BYTES], 0);
		else
			control(kbc, command);
		break;
	}
}

static unsigned write_command(struct i8042 *kbc, uint8_t command)
{
	kbc->status |= I8042_STATUS_COMMAND;
	kbc->command = wants_parameter(command) ? command : 0;
	/* each clear bit pulses an output line low for 6 us; bit 0 is the CPU's reset */
	if (command >= PULSE_OUTPUT_FIRST)
		return command & OUTPUT_NOT_RESET ? 0 : I8042_RESET;
	run_command(kbc, command);
	return 0;
}

/* Nobody clocks the byte out: the controller gives up, which Linux takes for a NAK. */
static void write_absent_device(struct i8042 *kbc, uint8_t flags)
{
	answer(kbc, ANSWER_RESEND, I8042_STATUS_TIMEOUT | flags);
}

static unsigned write_parameter(struct i8042 *kbc, uint8_t command, uint8_t value)
{
	switch (command) {
	case WRITE_OUTPUT_PORT:
		return set_output_port(kbc, value);
	case KEYBOARD_LOOPBACK:
	case AUX_LOOPBACK: /* without the AUX bit: Linux then concludes there is no AUX port */
		answer(kbc, value, 0);
		return 0;
	case WRITE_AUX:
		write_absent_device(kbc, I8042_STATUS_AUX);
		return 0;
	default:
		kbc->ram[command % I8042_RAM_BYTES] = value;
		return 0;
	}
}

static unsigned write_data(struct i8042 *kbc, uint8_t value)
{
	uint8_t command = kbc->command;

	kbc->status &= (uint8_t)~I8042_STATUS_COMMAND;
	kbc->command = 0;
	if (wants_parameter(command))
		return write_parameter(kbc, command, value);
	/* a byte to the keyboard also enables its interface */
	*ctr(kbc) &= (uint8_t)~CTR_KEYBOARD_OFF;
	write_absent_device(kbc, 0);
	return 0;
}

unsigned i8042_write(struct i8042 *kbc, uint16_t port, uint8_t value)
{
	if (port == I8042_COMMAND)
		return write_command(kbc, value);
	if (port == I8042_DATA)
		return write_data(kbc, value);
	return 0;
}

static bool waits(const struct i8042 *kbc, uint8_t source)
{
	return (kbc->status & (I8042_STATUS_OBF | I8042_STATUS_AUX)) == (I8042_STATUS_OBF | source);
}

bool i8042_irq1(const struct i8042 *kbc)
{
	return (kbc->ram[0] & CTR_KEYBOARD_IRQ) && waits(kbc, 0);
}

bool i8042_irq12(const struct i8042 *kbc)
{
	return (kbc->ram[0] & CTR_AUX_IRQ) && waits(kbc, I8042_STATUS_AUX);
}

bool i8042_a20(const struct i8042 *kbc)
{
	return kbc->output_port & OUTPUT_A20;
}
