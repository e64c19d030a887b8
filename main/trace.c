// SPDX-License-Identifier: GPL-2.0-or-later
#include "main/trace.h"

#include "cell/gate.h"
#include "vmi/vmi.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct {
	FILE *to;
	const char *path;
	uint32_t mask;
	bool json, failed;
} trace;

static const char *const groups[TRACE_NGROUPS] = {
#define X(name, text) #name,
    TRACE_GROUPS(X)
#undef X
};

static const char *const vmi_names[VMI_NR_CALLS] = {
#define X(number, name, text) [number] = #name,
    VMI_CALLS(X)
#undef X
};

static const char *const gate_names[GATE_VMI] = {
    [GATE_SITE] = "site",         [GATE_DELIVER] = "deliver",   [GATE_IRET] = "iret",
    [GATE_POPF] = "popf",         [GATE_SYSCALL] = "syscall",   [GATE_LOAD_ES] = "load es",
    [GATE_LOAD_DS] = "load ds",   [GATE_LOAD_FS] = "load fs",   [GATE_LOAD_GS] = "load gs",
    [GATE_STORE_ES] = "store es", [GATE_STORE_DS] = "store ds", [GATE_STORE_FS] = "store fs",
    [GATE_STORE_GS] = "store gs", [GATE_PROMISE] = "promise",   [GATE_VMI_INIT] = "vmi init",
};

/* ---- what is asked for ---- */

static bool add_group(const char *name, size_t n)
{
	for (unsigned i = 0; i < TRACE_NGROUPS; i++)
		if (strlen(groups[i]) == n && !memcmp(groups[i], name, n)) {
			trace.mask |= 1u << i;
			return true;
		}
	if (n == 3 && !memcmp(name, "all", 3))
		trace.mask = (1u << TRACE_NGROUPS) - 1;
	return n == 3 && !memcmp(name, "all", 3);
}

static bool ends_in(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

int trace_open(const char *spec)
{
	const char *colon = strchr(spec, ':'), *p = spec;
	const char *end = colon ? colon : spec + strlen(spec);
	size_t n;

	for (;; p += n + 1) {
		n = strcspn(p, ",:");
		if (!add_group(p, n)) {
			complain(
			    "--trace %s: '%.*s' is none of all, exits, interrupts, vmi, faults, "
			    "switches and io",
			    spec, (int)n, p);
			return EXIT_USAGE;
		}
		if (p + n == end)
			break;
	}
	trace.path = colon && colon[1] ? colon + 1 : NULL;
	trace.to = trace.path ? fopen(trace.path, "we") : stderr;
	if (!trace.to) {
		complain("--trace %s: cannot write %s: %s", spec, trace.path, strerror(errno));
		return EXIT_USAGE;
	}
	trace.json = trace.path && ends_in(trace.path, ".json");
	if (trace.json)
		fputs("[{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"tid\":1,"
		      "\"args\":{\"name\":\"ring1\"}}",
		      trace.to);
	return fflush(trace.to) ? EXIT_USAGE : 0;
}

void trace_start(struct vm *vm)
{
	__atomic_store_n(&vm->machine->trace.mask, trace.mask, __ATOMIC_SEQ_CST);
}

/* ---- one event ---- */

static void name_exit(char *to, size_t size, uint32_t detail)
{
	if (detail < GATE_VMI)
		snprintf(to, size, "%s", gate_names[detail]);
	else if (detail - GATE_VMI < VMI_NR_CALLS)
		snprintf(to, size, "vmi %s", vmi_names[detail - GATE_VMI]);
	else if (detail - TRACE_EXIT_FAULT < 32)
		snprintf(to, size, "fault %u", detail - TRACE_EXIT_FAULT);
	else if (detail == TRACE_EXIT_KICK)
		snprintf(to, size, "kick");
	else if (detail == TRACE_EXIT_CALL)
		snprintf(to, size, "system call");
	else if (detail == TRACE_EXIT_AGAIN)
		snprintf(to, size, "again");
	else
		snprintf(to, size, "exit %u", detail);
}

/* What it is called, and its arguments: "name":number pairs. */
static void describe(const struct trace_event *e, char *name, char *args, size_t size)
{
	*args = 0;
	switch (e->group) {
	case TRACE_exits:
		name_exit(name, size, e->detail);
		break;
	case TRACE_interrupts:
		snprintf(name, size, "interrupt %u", e->detail & 0xff);
		break;
	case TRACE_vmi:
		snprintf(name, size, "%s",
		         e->detail < VMI_NR_CALLS ? vmi_names[e->detail] : "unknown");
		break;
	case TRACE_faults:
		snprintf(name, size, "exception %u", e->detail & 0xff);
		snprintf(args, size, ",\"cr2\":%u,\"error\":%u", e->a, e->b);
		break;
	case TRACE_switches:
		snprintf(name, size, "load cr3");
		snprintf(args, size, ",\"cr3\":%u", e->a);
		break;
	default:
		if (e->detail & TRACE_IO_MMIO)
			snprintf(name, size, "mmio");
		else
			snprintf(name, size, "%s%u", e->detail & TRACE_IO_OUT ? "out" : "in",
			         (e->detail & 7) * 8);
		snprintf(args, size, ",\"port\":%u,\"value\":%u", e->a, e->b);
	}
}

static double microseconds(const struct vm *vm, uint64_t tsc)
{
	return (double)guest_clock_at(&vm->clock, tsc) / 1e3;
}

static double ticks_to_microseconds(const struct vm *vm, uint32_t ticks)
{
	return (double)((uint64_t)(((unsigned __int128)ticks * vm->clock.tsc_mult) >> 32)) / 1e3;
}

static void write_event(const struct vm *vm, const struct trace_event *e)
{
	char name[80], args[80];
	double at = microseconds(vm, e->tsc);

	describe(e, name, args, sizeof name);
	if (!trace.json) {
		fprintf(trace.to, "%14.3f %-10s %08x  %s", at, groups[e->group], e->eip, name);
		if (e->group == TRACE_exits)
			fprintf(trace.to, " %.3f us", ticks_to_microseconds(vm, e->a));
		else if (*args)
			fprintf(trace.to, " %08x %08x", e->a, e->b);
		fputc('\n', trace.to);
		return;
	}
	fprintf(trace.to, ",\n{\"name\":\"%s\",\"cat\":\"%s\",\"pid\":1,\"tid\":1,\"ts\":%.3f",
	        name, groups[e->group], at);
	if (e->group == TRACE_exits)
		fprintf(trace.to, ",\"ph\":\"X\",\"dur\":%.3f", ticks_to_microseconds(vm, e->a));
	else
		fputs(",\"ph\":\"i\",\"s\":\"t\"", trace.to);
	fprintf(trace.to, ",\"args\":{\"eip\":%u%s}}", e->eip, args);
}

void trace_drain(struct vm *vm)
{
	struct trace_ring *r = &vm->machine->trace;
	uint32_t head, tail;
	struct trace_event e;

	if (!trace.mask)
		return;
	head = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
	tail = r->tail;
	/* The other side may have written anything there: one ring at most. */
	if (head - tail > TRACE_EVENTS)
		tail = head - TRACE_EVENTS;
	for (; tail != head; tail++) {
		memcpy(&e, &r->event[tail % TRACE_EVENTS], sizeof e);
		if (e.group < TRACE_NGROUPS && !trace.failed)
			write_event(vm, &e);
	}
	__atomic_store_n(&r->tail, tail, __ATOMIC_RELEASE);
	if (!trace.failed && ferror(trace.to)) {
		trace.failed = true;
		complain("--trace: cannot write %s: %s; nothing more is written",
		         trace.path ? trace.path : "it", strerror(errno));
	}
}

void trace_flush(struct vm *vm)
{
	uint32_t lost;

	if (!trace.mask)
		return;
	trace_drain(vm);
	lost = __atomic_load_n(&vm->machine->trace.lost, __ATOMIC_RELAXED);
	if (lost)
		complain("--trace: events came faster than they could be written; missing: %u",
		         lost);
	fflush(trace.to);
}

void trace_close(void)
{
	if (!trace.to)
		return;
	if (trace.json)
		fputs("\n]\n", trace.to);
	if (fflush(trace.to) && !trace.failed)
		complain("--trace: cannot write %s: %s", trace.path, strerror(errno));
	if (trace.path)
		fclose(trace.to);
	trace.to = NULL;
	trace.mask = 0;
}
