// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/monitor.h"

#include "main/balloon.h"
#include "main/nets.h"
#include "main/option_text.h"
#include "main/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROMPT       "(ring1) "
#define LAST_EXIT_NS 3000000 /* in which a kicked cell stores the registers */
#define CTRL_C       3
#define CTRL_U       21
#define BACKSPACE    8
#define DELETE       127

/* All of it, however slowly: a few kilobytes that the user asked for, to his own terminal. */
void monitor_say(const char *text, size_t n)
{
	int fd = isatty(STDOUT_FILENO) ? STDOUT_FILENO : STDERR_FILENO;

	while (n) {
		ssize_t w = write(fd, text, n);

		if (w <= 0)
			return;
		text += w;
		n -= (size_t)w;
	}
}

static void say(const char *text)
{
	monitor_say(text, strlen(text));
}

/* Text with line feeds, to a raw terminal. */
static void say_lines(const char *text)
{
	for (const char *end; *text; text = end) {
		end = strchr(text, '\n');
		if (!end) {
			say(text);
			return;
		}
		monitor_say(text, (size_t)(end - text));
		say("\r\n");
		end++;
	}
}

/* ---- what can be asked ---- */

static void print_help(FILE *to, struct vm *vm)
{
	(void)vm;
	fprintf(to, "help            this list\n"
	            "info registers  the virtual CPU's registers, at its last exit to ring1\n"
	            "info cells      the processes that hold the guest's address spaces\n"
	            "info stats      what was counted so far\n"
	            "info net        the network devices\n"
	            "info balloon    how large the balloon should be and is\n"
	            "balloon SIZE    so much of its memory the guest is to give back (as 256M)\n"
	            "link NAME on|off  put a network device's cable in, or take it out\n"
	            "nmi             send the virtual CPU a non-maskable interrupt\n"
	            "quit            end the guest, as Ctrl-A x\n"
	            "Ctrl-A c goes back to the guest.\n");
}

static void print_registers(FILE *to, struct vm *vm)
{
	const struct timespec wait = {.tv_nsec = LAST_EXIT_NS};
	struct vcpu v;

	/* Registers are known when the guest has left its code: make it. */
	vm_kick(vm, INBOX_TIMER);
	nanosleep(&wait, NULL);
	v = *(const volatile struct vcpu *)vm->vcpu;
	fprintf(to,
	        "eax %08x ebx %08x ecx %08x edx %08x\n"
	        "esi %08x edi %08x ebp %08x esp %08x\n"
	        "eip %08x eflags %08x, virtual IF %d, IOPL %u%s\n"
	        "cs %04x ss %04x ds %04x es %04x fs %04x gs %04x\n"
	        "cr0 %08x cr2 %08x cr3 %08x cr4 %08x\n"
	        "%s\n",
	        v.gpr[R_EAX], v.gpr[R_EBX], v.gpr[R_ECX], v.gpr[R_EDX], v.gpr[R_ESI], v.gpr[R_EDI],
	        v.gpr[R_EBP], v.gpr[R_ESP], v.eip, v.eflags, !!(v.iflag & IF_BIT), v.iopl >> 12 & 3,
	        v.iflag & IF_PENDING ? ", an interrupt waits" : "", v.vsel[SEG_CS] & 0xffff,
	        v.vsel[SEG_SS] & 0xffff, v.vsel[SEG_DS] & 0xffff, v.vsel[SEG_ES] & 0xffff,
	        v.vsel[SEG_FS] & 0xffff, v.vsel[SEG_GS] & 0xffff, v.cr0, v.cr2, v.cr3, v.cr4,
	        __atomic_load_n(&vm->machine->halted, __ATOMIC_RELAXED) ? "the virtual CPU sleeps"
	                                                                : "the virtual CPU runs");
}

static void print_cells(FILE *to, struct vm *vm)
{
	uint32_t running = __atomic_load_n(&vm->machine->running, __ATOMIC_RELAXED);

	fprintf(to, "%4s  %8s  %8s  %12s\n", "cell", "process", "CR3", "activations");
	for (uint32_t i = 0; i < vm->ncells; i++) {
		struct cell_slot slot = *(const volatile struct cell_slot *)&vm->machine->cell[i];

		if (slot.tag == CELL_NO_TAG && i != running)
			continue;
		fprintf(to, "%4u  %8d  %08x  %12llu%s\n", i, (int)vm->cell_pid[i], slot.tag,
		        (unsigned long long)slot.activations, i == running ? "  runs" : "");
	}
	fprintf(to, "%u cells in all\n", vm->ncells);
}

static void print_counts(FILE *to, struct vm *vm)
{
	stats_print(to, vm, NULL);
}

static void print_nets(FILE *to, struct vm *vm)
{
	(void)vm;
	nets_print(to);
}

/* "NAME on" or "NAME off" */
static void plug(FILE *to, struct vm *vm, const char *what)
{
	const char *word = strchr(what, ' ');
	char name[MONITOR_LINE];
	bool on = word && !strcmp(word, " on");

	if (!on && (!word || strcmp(word, " off"))) {
		fprintf(to, "say for example 'link net0 off'\n");
		return;
	}
	(void)vm;
	snprintf(name, sizeof name, "%.*s", (int)(word - what), what);
	if (nets_plug(name, on))
		nets_print(to);
	else
		fprintf(to, "there is no network device %s\n", name);
}

static void print_balloon(FILE *to, struct vm *vm)
{
	balloon_print(to, vm);
}

static void set_balloon(FILE *to, struct vm *vm, const char *what)
{
	const char *why = "say for example 'balloon 256M', or 'balloon 0'";
	uint64_t bytes;

	if (!option_size(what, &bytes) || !balloon_set(vm, bytes, &why))
		fprintf(to, "%s\n", why);
}

static void send_nmi(FILE *to, struct vm *vm)
{
	(void)to;
	vm_kick(vm, INBOX_NMI);
}

static const struct {
	const char *name;
	void (*carry_out)(FILE *to, struct vm *vm); /* prints what there is to say */
} commands[] = {
    {"help", print_help},
    {"?", print_help},
    {"info registers", print_registers},
    {"info cells", print_cells},
    {"info stats", print_counts},
    {"info net", print_nets},
    {"info balloon", print_balloon},
    {"nmi", send_nmi},
};

static const struct {
	const char *name; /* and a blank */
	void (*carry_out)(FILE *to, struct vm *vm, const char *what);
} commands_with_words[] = {
    {"link ", plug},
    {"balloon ", set_balloon},
};

/* What the line asks for; false: it is not understood. */
static bool carry_out_line(FILE *to, struct vm *vm, const char *line)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(line, commands[i].name)) {
			commands[i].carry_out(to, vm);
			return true;
		}
	for (size_t i = 0; i < sizeof commands_with_words / sizeof *commands_with_words; i++) {
		size_t n = strlen(commands_with_words[i].name);

		if (strncmp(line, commands_with_words[i].name, n))
			continue;
		commands_with_words[i].carry_out(to, vm, line + n);
		return true;
	}
	return false;
}

static char *text_of(struct vm *vm, const char *line)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	bool understood;

	if (!to)
		return NULL;
	understood = carry_out_line(to, vm, line);
	if (!fclose(to) && understood)
		return text;
	free(text);
	return NULL;
}

/* ---- the line ---- */

/* Words with one space between them. */
static void tidy(char *line)
{
	char *to = line;

	for (const char *p = line; *p; p++)
		if (*p != ' ' || (to != line && to[-1] != ' '))
			*to++ = *p;
	while (to != line && to[-1] == ' ')
		to--;
	*to = 0;
}

char *monitor_answer(struct vm *vm, const char *line)
{
	char tidied[MONITOR_LINE], *text = NULL;

	if (strlen(line) >= sizeof tidied)
		return NULL;
	strcpy(tidied, line);
	tidy(tidied);
	text = text_of(vm, tidied);
	for (char *p = text; p && *p; p++)
		if ((*p < ' ' && *p != '\n') || *p > '~')
			*p = '?';
	return text;
}

static enum monitor_result carry_out(struct monitor *m, struct vm *vm)
{
	char *text;

	m->line[m->n] = 0;
	m->n = 0;
	tidy(m->line);
	if (!strcmp(m->line, "quit") || !strcmp(m->line, "q"))
		return MONITOR_QUIT;
	text = monitor_answer(vm, m->line);
	if (text) {
		say_lines(text);
		free(text);
	} else if (*m->line) {
		say("'");
		say(m->line);
		say("' is not understood; 'help' lists what is\r\n");
	}
	say(PROMPT);
	return MONITOR_GOES_ON;
}

void monitor_toggle(struct monitor *m, const char *name)
{
	m->on = !m->on;
	m->n = 0;
	if (!m->on) {
		say("\r\n");
		return;
	}
	say("\r\nring1: questions about ");
	say(name);
	say(", 'help' lists them; Ctrl-A c goes back to the guest\r\n" PROMPT);
}

enum monitor_result monitor_type(struct monitor *m, struct vm *vm, uint8_t byte)
{
	switch (byte) {
	case '\r':
	case '\n':
		say("\r\n");
		return carry_out(m, vm);
	case BACKSPACE:
	case DELETE:
		if (m->n) {
			m->n--;
			say("\b \b");
		}
		break;
	case CTRL_U:
		for (; m->n; m->n--)
			say("\b \b");
		break;
	case CTRL_C:
		m->n = 0;
		say("^C\r\n" PROMPT);
		break;
	default:
		if (byte < ' ' || byte > '~' || m->n == MONITOR_LINE - 1)
			break;
		m->line[m->n++] = (char)byte;
		monitor_say(m->line + m->n - 1, 1);
		break;
	}
	return MONITOR_GOES_ON;
}
