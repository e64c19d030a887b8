// SPDX-License-Identifier: GPL-2.0-or-later
/* TAP on the serial port, and the run of a group's tests. */
#include "conformance.h"

#include <stdarg.h>

#define UART          0x3f8
#define UART_STATUS   (UART + 5)
#define UART_ROOM     0x20
#define KEYBOARD_PORT 0x64
#define PULSE_RESET   0xfe

/* ---- output ---- */

uint8_t inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "d"(port));
	return value;
}

void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "d"(port));
}

uint32_t get_eflags(void)
{
	uint32_t flags;

	__asm__ volatile("pushfl; popl %0" : "=r"(flags));
	return flags;
}

static void put(char c)
{
	while (!(inb(UART_STATUS) & UART_ROOM))
		;
	outb(UART, (uint8_t)c);
}

static void put_text(const char *s)
{
	while (*s)
		put(*s++);
}

static void put_number(uint64_t n, unsigned base)
{
	char digits[24];
	unsigned count = 0;

	/* Division of 64 bits wants libgcc: hexadecimal of all, decimal of 32 bits. */
	do {
		unsigned digit = base == 16 ? (unsigned)n & 15 : (uint32_t)n % 10;

		digits[count++] = "0123456789abcdef"[digit];
		n = base == 16 ? n >> 4 : (uint32_t)n / 10;
	} while (n);
	while (count)
		put(digits[--count]);
}

/* %s, %u, %x (32 bits), %llx, %c */
void print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	for (; *format; format++) {
		if (*format != '%') {
			put(*format);
			continue;
		}
		switch (*++format) {
		case 's':
			put_text(va_arg(args, const char *));
			break;
		case 'u':
			put_number(va_arg(args, unsigned), 10);
			break;
		case 'x':
			put_number(va_arg(args, unsigned), 16);
			break;
		case 'l': /* %llx */
			format += 2;
			put_number(va_arg(args, unsigned long long), 16);
			break;
		default:
			put(*format);
		}
	}
	va_end(args);
}

static _Noreturn void end_guest(void)
{
	for (;;) {
		outb(KEYBOARD_PORT, PULSE_RESET);
		__asm__ volatile("cli; hlt");
	}
}

void bail_out(const char *why)
{
	print("Bail out! %s\n", why);
	end_guest();
}

/* ---- tests ---- */

extern const struct test tests_begin[], tests_end[];

static bool failed;
static const char *skipped;

bool check_(bool ok, const char *what, const char *file, int line)
{
	if (!ok) {
		print("# %s:%u: not so: %s\n", file, (unsigned)line, what);
		failed = true;
	}
	return ok;
}

bool check_equal_(uint64_t is, uint64_t want, const char *what, const char *file, int line)
{
	if (is == want)
		return true;
	print("# %s:%u: %s is 0x%llx, not 0x%llx\n", file, (unsigned)line, what,
	      (unsigned long long)is, (unsigned long long)want);
	failed = true;
	return false;
}

void test_skip(const char *why)
{
	skipped = why;
}

__attribute__((weak)) void group_setup(void)
{
}

bool command_line_has(const char *word)
{
	const uint32_t *info = (const uint32_t *)(boot_info + PAGE_OFFSET);
	const char *line = (const char *)(info[4] + PAGE_OFFSET);

	for (; *line; line++) {
		const char *a = line, *b = word;

		while (*b && *a == *b)
			a++, b++;
		if (!*b && (!*a || *a == ' '))
			return true;
	}
	return false;
}

void traps_setup(void);
void traps_forget(void);
void rom_setup(void);
void memory_setup(void);

void start_c(void);
void start_c(void)
{
	unsigned n = 0;

	if (boot_magic != 0x2badb002)
		bail_out("not loaded by a multiboot loader");
	traps_setup();
	rom_setup();
	memory_setup();
	group_setup();
	for (const struct test *t = tests_begin; t < tests_end; t++) {
		failed = false;
		skipped = NULL;
		traps_forget();
		t->run();
		VMI(DisableInterrupts);
		trap_hook = NULL;
		expecting = false;
		print("%s %u - %s: %s%s%s\n", failed ? "not ok" : "ok", ++n, t->call_name, t->rule,
		      skipped ? " # SKIP " : "", skipped ? skipped : "");
	}
	print("1..%u\n", n);
	end_guest();
}
