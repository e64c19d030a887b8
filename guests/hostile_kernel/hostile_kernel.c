// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A bare kernel that does what kernels must not: "do=MODE seed=N rounds=N" on its command line
 * choose what. Each mode tries a thing many times with random values; an exception or interrupt
 * ends the attempt, not the guest. It says "hostile: MODE begins" and, if it gets there,
 * "hostile: MODE ends", and resets the machine.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hostile_kernel.h"
#include "vmi/vmi.h"

#define COM1         0x3f8
#define USER_CS      0x1b
#define USER_DS      0x23
#define KERNEL_CS    0x08
#define TSS_SELECTOR 0x28
#define CODE_BYTES   64
#define MEMORY       (32u << 20) /* bytes mapped at 0 and at PAGE_OFFSET */
#define HOLE         0xff000000u
#define PIT_HZ       1193182
#define TICKS        1000

extern uint32_t boot_info;
extern uint64_t tss_descriptor;
extern uint8_t vector_entries[][16], stack_top[];
extern const uint8_t start[];
void hostile_main(void);
void caught(uint32_t vector);
void run_user(const uint32_t frame[5]);
void call_rom(uint32_t entry, const uint32_t r[8]);

uint32_t answers;

static uint32_t state, seed = 1, rounds = 1000;
static char mode[16];
static uint32_t tss[26];
static uint8_t code[4096] __attribute__((aligned(4096)));
static void *attempt_return[5];

/* ---- little things ---- */

uint32_t random32(void) /* xorshift, Marsaglia 2003 */
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

void print(const char *s)
{
	/* A hostile mode may have programmed the port: never wait for it. */
	for (; *s; s++) {
		for (int i = 0; i < 1000 && !(inb(COM1 + 5) & 0x20); i++)
			;
		outb(COM1, (uint8_t)*s);
	}
}

/* The value of NAME= on the command line, up to a blank. */
static const char *argument(const char *name)
{
	const uint32_t *info = (const uint32_t *)(boot_info + PAGE_OFFSET);
	const char *p = (const char *)(info[4] + PAGE_OFFSET);

	if (!(info[0] & 4))
		return "";
	for (; *p; p++) {
		size_t n = 0;

		while (name[n] && p[n] == name[n])
			n++;
		if (!name[n] && p[n] == '=')
			return p + n + 1;
	}
	return "";
}

static uint32_t number(const char *p, uint32_t otherwise)
{
	uint32_t v = 0;

	if (*p < '0' || *p > '9')
		return otherwise;
	while (*p >= '0' && *p <= '9')
		v = v * 10 + (uint32_t)(*p++ - '0');
	return v;
}

static bool is(const char *what)
{
	size_t i = 0;

	while (what[i] && mode[i] == what[i])
		i++;
	return !what[i] && !mode[i];
}

/* ---- attempts ---- */

static void load_tables(void)
{
	uint32_t base = (uint32_t)tss;

	for (unsigned i = 0; i < 256; i++) {
		uint32_t entry = (uint32_t)vector_entries[i];

		idt[i] = (struct gate){(uint16_t)entry, KERNEL_CS, 0xee00, (uint16_t)(entry >> 16)};
	}
	tss[1] = (uint32_t)stack_top;
	tss[2] = 0x10;
	tss_descriptor = 0x0000890000000067ull | (uint64_t)(base & 0xffffff) << 16 |
	                 (uint64_t)(base >> 24) << 56;
	__asm__ volatile("lgdt %0; lidt %1; ltr %w2"
	                 :
	                 : "m"(gdt_register), "m"(idt_register), "r"(TSS_SELECTOR));
}

/* The PIT interrupts what does not end by itself. */
static void start_timer(void)
{
	outb(0x20, 0x11);
	outb(0x21, 0x20);
	outb(0x21, 4);
	outb(0x21, 1);
	outb(0x21, 0xfe);
	outb(0xa1, 0xff);
	outb(0x43, 0x34);
	outb(0x40, (PIT_HZ / TICKS) & 0xff);
	outb(0x40, (PIT_HZ / TICKS) >> 8);
}

void caught(uint32_t vector)
{
	if (vector == 0x20)
		outb(0x20, 0x20);
	__builtin_longjmp(attempt_return, 1);
}

static void random_code(void)
{
	for (unsigned i = 0; i < CODE_BYTES; i++)
		code[i] = (uint8_t)random32();
	/* Now and then an operand-size or two-byte opcode in front: there is the interesting part.
	 */
	if (random32() % 4 == 0)
		code[0] = 0x0f;
	code[CODE_BYTES] = 0xcd;
	code[CODE_BYTES + 1] = 0x81;
}

static void try_code(void)
{
	random_code();
	__asm__ volatile("sti; call *%0" : : "r"((uint32_t)code) : "memory", "cc");
}

static void try_user_code(void)
{
	uint32_t frame[5] = {(uint32_t)code - PAGE_OFFSET, USER_CS, 0x202 | (random32() & 0xdd5),
	                     MEMORY / 2, USER_DS};

	if (random32() % 2)
		frame[2] |= 0x3000; /* with ports */
	random_code();
	run_user(frame);
}

static void try_ports(void)
{
	uint16_t port = (uint16_t)(random32() % 3 ? random32() % 0x1000 : random32());
	uint32_t v = random32();

	/* The ways to end the machine are known to end it. */
	if (port == 0x64 || port == 0x92 || (port >= 0xcf0 && port < 0xd00))
		return;
	switch (random32() % 6) {
	case 0:
		outb(port, (uint8_t)v);
		break;
	case 1:
		__asm__ volatile("outw %w0, %w1" : : "a"(v), "d"(port));
		break;
	case 2:
		__asm__ volatile("outl %0, %w1" : : "a"(v), "d"(port));
		break;
	case 3:
		inb(port);
		break;
	case 4:
		__asm__ volatile("inw %w1, %w0" : "=a"(v) : "d"(port));
		break;
	case 5:
		__asm__ volatile("inl %w1, %0" : "=a"(v) : "d"(port));
		break;
	}
}

/*
 * Virtio devices in slots 1 to 4 (ports 0xc000, 0xc200, ...: legacy registers): a queue that
 * often is nearly right, with descriptors of random kinds, requests with random headers; and
 * resets, vectors, configuration, base addresses.
 */
#define QUEUE_SIZE_PORT 12 /* the legacy register: entries of the queue that is selected */

#define ENTRIES_MAX 1024u

static uint32_t entries = 1; /* of that queue; the available ring lies behind so many descriptors */

static uint32_t somewhere(void)
{
	uint32_t pa = RINGS + (random32() & 0xfffff);

	return random32() % 16 ? pa : random32();
}

static void describe(uint32_t n, uint32_t pa, uint32_t bytes, uint32_t flags, uint32_t next)
{
	volatile uint32_t *d = (volatile uint32_t *)(PAGE_OFFSET + RINGS + 16 * (n % entries));

	d[0] = pa;
	d[1] = random32() % 64 ? 0 : random32();
	d[2] = bytes;
	d[3] = flags | next << 16;
}

/* One more chain: a request as a disk's driver makes it, or of parts that are random. */
static void offer_chain(void)
{
	volatile uint16_t *available = (volatile uint16_t *)(PAGE_OFFSET + RINGS + 16 * entries);
	uint32_t n = random32() % entries, pa = RINGS + (random32() & 0xffff0);
	volatile uint32_t *header = (volatile uint32_t *)(PAGE_OFFSET + pa);

	header[0] = random32() % 4 ? random32() % 2 : random32() % 16;
	header[2] = random32() % 8192;
	header[3] = random32() % 16 ? 0 : random32();
	if (random32() % 4) {
		describe(n, pa, 16, 1, (n + 1) % entries);
		describe(n + 1, somewhere(), 512 * (random32() % 16 + 1), 1 | (random32() & 2),
		         (n + 2) % entries);
		describe(n + 2, somewhere(), 1, 2, 0);
	} else {
		for (unsigned i = 0; i < 3; i++)
			describe(n + i, somewhere(),
			         random32() % 4 ? random32() % 8192 : random32(), random32() % 8,
			         random32() % (entries + 1));
	}
	available[2 + available[1] % entries] = (uint16_t)n;
	available[1]++;
	if (!(random32() % 64))
		available[random32() % 2] = (uint16_t)random32();
}

static void try_devices(void)
{
	uint32_t number = random32() % 2 ? 0 : 1 + random32() % 3;
	uint32_t slot = 0x80000800u + (number << 11);
	uint16_t ports = (uint16_t)(0xc000 + number * 0x200);

	entries = inw(ports + QUEUE_SIZE_PORT);
	if (!entries || entries > ENTRIES_MAX) /* no queue, or no device there any more */
		entries = ENTRIES_MAX;
	offer_chain();
	switch (random32() % 12) {
	case 0: /* status; most often a reset, and then the rings are new as well */
		outb(ports + 18, random32() % 3 ? 0 : (uint8_t)random32());
		((volatile uint32_t *)(PAGE_OFFSET + RINGS))[4 * entries] = 0;
		break;
	case 1: /* place a queue */
	case 2:
		outl(ports + 4, random32());
		outw(ports + 14, random32() % 8 ? 0 : (uint16_t)random32());
		outl(ports + 8, random32() % 8 ? RINGS >> 12 : somewhere() >> 12);
		break;
	case 3: /* any legacy or modern register */
		outl((uint16_t)(ports + random32() % 0x200), random32());
		break;
	case 4: /* configuration space */
		outl(0xcf8, slot + (random32() & 0xfc));
		outl(0xcfc, random32());
		break;
	case 5: /* as it was, so that the rest is heard */
		outl(0xcf8, slot + 0x10);
		outl(0xcfc, ports);
		outl(0xcf8, slot + 0x04);
		outl(0xcfc, 7);
		break;
	default:
		outw(ports + 16, random32() % 8 ? 0 : (uint16_t)random32());
		break;
	}
	inb(ports + 19);
}

/* Not at the same pace always: whom it rings for is awake, asleep, or about to be. */
static void dawdle(void)
{
	for (volatile uint32_t n = random32() % 16384 >> random32() % 8; n; n--)
		;
}

/* A queue placed, notified of and taken back, as any driver may: the back end must follow each
 * time. */
static void try_resets(void)
{
	outl(0xc000 + 8, RINGS >> 12);
	for (unsigned i = 0; i < 8; i++) {
		outw(0xc000 + 16, 0);
		dawdle();
	}
	outl(0xc000 + 8, 0);
}

/*
 * IDE: a disk is device 0 of the first channel, another device 1, a CD-ROM device 0 of the second.
 * The bus master is at 0xf000, if this kernel has left it there.
 */
#define MASTER       0xf000
#define IDE_CONTROL  0x206 /* from a channel's first port */
#define IDE_STATUS   7
#define IDE_FUNCTION 0x8000f800u

/* A table of regions that often is right. */
static void put_regions(uint16_t channel)
{
	volatile uint32_t *table = (volatile uint32_t *)(PAGE_OFFSET + RINGS);
	uint32_t n = random32() % 8;

	for (uint32_t i = 0; i <= n; i++) {
		table[2 * i] = somewhere();
		table[2 * i + 1] = random32() % 4 ? 512 * (random32() % 32) : random32() & 0xffff;
	}
	if (random32() % 16)
		table[2 * n + 1] |= 0x80000000u;
	outl((uint16_t)(MASTER + 8 * channel + 4), random32() % 16 ? RINGS : somewhere());
}

static void put_command(uint16_t ports, uint8_t command)
{
	for (uint16_t i = 1; i < 6; i++)
		outb(ports + i, (uint8_t)(i == 5 && random32() % 8 ? 0 : random32()));
	outb(ports + 6, (uint8_t)(0xe0 | (random32() % 8 ? 0 : random32())));
	outb(ports + IDE_STATUS, command);
}

static void put_packet(uint16_t ports)
{
	static const uint8_t commands[] = {0x00, 0x03, 0x12, 0x1b, 0x1e, 0x25, 0x28, 0x28,
	                                   0x28, 0x43, 0x46, 0x4a, 0x5a, 0xa8, 0xbe};

	put_command(ports, 0xa0);
	outl(ports, commands[random32() % sizeof commands] | (random32() % 16 << 24));
	outl(ports, random32() % 4 ? random32() % 4 << 8 : random32());
	outl(ports, random32() % 4 ? random32() % 16 << 8 : random32());
}

static void try_drives(void)
{
	static const uint8_t commands[] = {0x20, 0x24, 0x25, 0x30, 0x35, 0x40, 0xc4, 0xc5, 0xc6,
	                                   0xc8, 0xc8, 0xc8, 0xca, 0xca, 0xe7, 0xec, 0xa1, 0xef};
	uint16_t channel = random32() % 3 == 0, ports = channel ? 0x170 : 0x1f0;
	uint16_t master = MASTER + 8 * channel;

	switch (random32() % 16) {
	case 0: /* reset, perhaps for longer */
		outb(ports + IDE_CONTROL, 4);
		if (random32() % 4)
			outb(ports + IDE_CONTROL, 0);
		break;
	case 1:
		outb(ports + (uint16_t)(random32() % 8), (uint8_t)random32());
		break;
	case 2:
		outl((uint16_t)(master + random32() % 8), random32());
		break;
	case 3:
		outl(0xcf8, IDE_FUNCTION + (random32() & 0xfc));
		outl(0xcfc, random32());
		break;
	case 4: /* as it was, so that the rest is heard */
		outl(0xcf8, IDE_FUNCTION + 0x20);
		outl(0xcfc, MASTER);
		outl(0xcf8, IDE_FUNCTION + 0x40);
		outl(0xcfc, 0x80008000);
		outl(0xcf8, IDE_FUNCTION + 0x04);
		outl(0xcfc, 7);
		outb(ports + IDE_CONTROL, 0);
		break;
	case 5:
	case 6: /* data, of whatever there is */
		for (uint32_t n = random32() % 256; n; n--)
			if (random32() % 2)
				outl(ports, random32());
			else
				inb(ports);
		break;
	case 7:
		outb(master, 0);
		break;
	case 8:
	case 9:
		outb(master, 0);
		put_regions(channel);
		outb(master, 1);
		break;
	case 10:
	case 11:
		put_packet(ports);
		break;
	default:
		put_command(ports, commands[random32() % sizeof commands]);
		break;
	}
	inb(ports + (uint16_t)(random32() % 8));
}

/*
 * Reads by DMA, each of which a reset, a stop of the bus master, or nothing ends: a drive that is
 * let alone has to answer.
 */
static void try_drive_resets(void)
{
	volatile uint32_t *table = (volatile uint32_t *)(PAGE_OFFSET + RINGS);
	uint32_t how = random32() % 4;

	table[0] = RINGS + 65536;
	table[1] = 0x80000000u;
	outl(0xcf8, IDE_FUNCTION + 0x04);
	outl(0xcfc, 5);
	outb(MASTER, 0);
	outb(MASTER + 2, 6);
	outl(MASTER + 4, RINGS);
	outb(0x1f6, 0xe0);
	outb(0x1f2, 128);
	outb(0x1f3, (uint8_t)random32());
	outb(0x1f7, 0xc8);
	outb(MASTER, 1);
	if (how)
		dawdle();
	if (how == 1) {
		outb(MASTER, 0);
		dawdle();
	}
	if (how < 3) {
		outb(0x3f6, 4);
		outb(0x3f6, 0);
	}
	while (inb(0x3f6) & 0x80)
		;
	inb(0x1f7);
}

/* A byte to a main that sleeps, or is about to. */
static void try_console(void)
{
	outb(COM1, '.');
	dawdle();
}

static void try_registers(void)
{
	static const uint32_t msrs[] = {0x10,  0x1b,       0x174,      0x175,      0x176,
	                                0x277, 0xc0000080, 0xc0000100, 0x4b564d00, 0x4b564d01,
	                                0x11,  0x12,       0x6e0};
	uint32_t v = random32();
	struct table_register t = {(uint16_t)random32(), random32()};

	switch (random32() % 12) {
	case 0:
		__asm__ volatile("mov %0, %%cr4" : : "r"(v & 0x7ff));
		break;
	case 1:
		__asm__ volatile("mov %0, %%cr0" : : "r"(v | 0x80000001));
		break;
	case 2:
		__asm__ volatile("wrmsr"
		                 :
		                 : "c"(msrs[v % (sizeof msrs / sizeof *msrs)]), "a"(random32()),
		                   "d"(random32()));
		break;
	case 3:
		__asm__ volatile("wrmsr" : : "c"(v), "a"(random32()), "d"(random32()));
		break;
	case 4:
		__asm__ volatile("rdmsr" : "=a"(v) : "c"(v) : "edx");
		break;
	case 5:
		__asm__ volatile("lldt %w0" : : "r"(v));
		break;
	case 6:
		__asm__ volatile("ltr %w0" : : "r"(v));
		break;
	case 7:
		__asm__ volatile("lgdt %0; mov %1, %%es; mov %2, %%fs"
		                 :
		                 : "m"(t), "r"(v), "r"(0x10));
		break;
	case 8:
		__asm__ volatile("lidt %0; int $0x83" : : "m"(t));
		break;
	case 9:
		__asm__ volatile("mov %0, %%dr7; mov %0, %%dr0" : : "r"(v));
		break;
	case 10:
		__asm__ volatile("invlpg (%0)" : : "r"(v));
		break;
	case 11:
		__asm__ volatile("mov %0, %%gs" : : "r"(v & 0xffff));
		break;
	}
}

static void try_cr3(void)
{
	__asm__ volatile("mov %0, %%cr3"
	                 :
	                 : "r"(random32() % 2 ? random32() : random32() % MEMORY));
}

static void try_page_tables(void)
{
	uint32_t entry = random32() % 1024, va = entry << 22 | (random32() & 0x3ffffc);

	/* Its own 4 MiB stay mostly: the attempt is to go on. */
	if (entry == 0 || entry == PAGE_OFFSET >> 22)
		return;
	page_root[entry] = random32();
	__asm__ volatile("mov %%cr3, %%eax; mov %%eax, %%cr3; movl (%0), %%eax; movl %%eax, (%0)"
	                 :
	                 : "r"(va)
	                 : "eax", "memory");
}

static void try_memory(void)
{
	volatile uint32_t *p = (volatile uint32_t *)(PAGE_OFFSET + (random32() % MEMORY & ~3u));

	*p = random32();
}

/* Everything below the kernel's text: descriptor tables of a Linux, the ROM, the BIOS area. */
static void try_hole(void)
{
	volatile uint32_t *p = (volatile uint32_t *)(HOLE + (random32() & 0xfffffc));

	if (random32() % 2)
		*p = random32();
	else
		__asm__ volatile("call *%0" : : "r"(p) : "memory", "cc");
}

static void try_tables(void)
{
	((volatile uint8_t *)gdt)[random32() % sizeof gdt] = (uint8_t)random32();
	((volatile uint8_t *)idt)[random32() % sizeof idt] = (uint8_t)random32();
	((volatile uint8_t *)tss)[random32() % sizeof tss] = (uint8_t)random32();
	__asm__ volatile("mov %0, %%es; int $0x82" : : "r"(random32() & 0x7f));
}

static void try_rom(void)
{
	static bool initialized;
	const uint8_t *rom = (const uint8_t *)(PAGE_OFFSET + 0xc0000);
	uint32_t r[8], call = random32() % (VMI_NR_CALLS + 4);
	uint64_t relocation; /* EAX: address, EDX: kind */

	if (rom[0] != 0x55 || rom[1] != 0xaa)
		return;
	if (!initialized) {
		call_rom((uint32_t)rom + 0x80, (const uint32_t[8]){0});
		initialized = true;
	}
	/* The ways to end the machine are known to end it. */
	if (call == VMI_CALL_Shutdown || call == VMI_CALL_Reboot)
		return;
	__asm__ volatile("call *%1"
	                 : "=A"(relocation)
	                 : "r"((uint32_t)rom + 0x88), "a"(call)
	                 : "ecx", "memory", "cc");
	for (unsigned i = 0; i < 8; i++)
		r[i] = random32() % 2 ? random32() : random32() % 256;
	if ((relocation >> 32 & 0xff) == 1)
		call_rom((uint32_t)relocation, r);
}

/* ---- modes ---- */

static const struct {
	const char *name;
	void (*attempt)(void);
} modes[] = {
    {"code", try_code},       {"user", try_user_code},
    {"ports", try_ports},     {"registers", try_registers},
    {"cr3", try_cr3},         {"pages", try_page_tables},
    {"memory", try_memory},   {"hole", try_hole},
    {"tables", try_tables},   {"rom", try_rom},
    {"devices", try_devices}, {"resets", try_resets},
    {"console", try_console}, {"messages", try_share},
    {"drives", try_drives},   {"drive-resets", try_drive_resets},
    {"balloon", try_balloon}, {"nic", try_nic},
};

static _Noreturn void end(void)
{
	print("hostile: ");
	print(mode);
	print(answers ? " ends, having been answered\n" : " ends\n");
	for (;;)
		outb(0x64, 0xfe);
}

static void repeat(void (*attempt)(void))
{
	/* Not in registers: an attempt ends by __builtin_longjmp. */
	static volatile uint32_t n;

	for (n = 0; n < rounds; n++) {
		if (!__builtin_setjmp(attempt_return)) {
			load_tables();
			attempt();
		}
		__asm__ volatile("cli");
	}
}

static _Noreturn void at_once(void)
{
	struct table_register none = {0, 0};

	if (is("share")) {
		share_checks();
		end();
	}
	if (is("lost-stack")) {
		stack_checks();
		end();
	}
	if (is("nowhere"))
		__asm__ volatile("lidt %0; jmp *%1" : : "m"(none), "r"(0xdeadbeefu));
	if (is("triple"))
		__asm__ volatile("lidt %0; int3" : : "m"(none));
	if (is("stack"))
		__asm__ volatile("mov $0x80000000, %esp; push %eax");
	if (is("spin"))
		for (;;)
			__asm__ volatile("cli; 1: jmp 1b");
	if (is("sleep"))
		for (;;)
			__asm__ volatile("sti; hlt; cli");
	if (is("bell")) /* keep main busy: the divisor latch back and forth, and bytes */
		for (;;) {
			outb(COM1, 'x');
			outb(0x43, 0x34);
			outb(0x40, 0);
			outb(0x40, (uint8_t)random32());
		}
	print("hostile: unknown mode\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}

void hostile_main(void)
{
	const char *p = argument("do");

	for (unsigned i = 0; i < sizeof mode - 1 && p[i] > ' '; i++)
		mode[i] = p[i];
	seed = number(argument("seed"), seed);
	rounds = number(argument("rounds"), rounds);
	state = seed * 2654435761u | 1;
	print("hostile: ");
	print(mode);
	print(" begins\n");
	for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++)
		if (is(modes[i].name)) {
			tss_descriptor = 0;
			start_timer();
			repeat(modes[i].attempt);
			end();
		}
	at_once();
}
