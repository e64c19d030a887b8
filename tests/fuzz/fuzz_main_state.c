// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hostile cell against main's reading of the shared machine state: the input's bytes are written
 * over it, anywhere, in between of everything that main does with it - the monitor's line and its
 * answers, statistics, traces, stops, the byte rings - and of bytes typed at the line. Nothing may
 * leave its bounds, be undefined or fail to end; what is said must be printable.
 */
#include "main/monitor.h"
#include "main/shared_state.h"
#include "main/stats.h"
#include "main/trace.h"

#include "tests/fuzz/fuzz.h"

#include <sanitizer/common_interface_defs.h>

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CELLS      8
#define MAX_STEPS  64
#define STEP_BYTES 8

static struct vm vm;
static struct monitor line;
static int nowhere;

static void open_vm(void)
{
	pid_t pid;

	if (vm.machine)
		return;
	pid = somebody();
	/* Monitor lines go to standard error, and so does what the sanitizers find. */
	fuzz_errors = dup(STDERR_FILENO);
	nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	__sanitizer_set_report_fd((void *)(intptr_t)fuzz_errors);
	vm.machine = shared_memory(sizeof *vm.machine);
	vm.vcpu = shared_memory(sizeof *vm.vcpu);
	vm.annotations = shared_memory(sizeof *vm.annotations);
	vm.ncells = CELLS;
	for (unsigned i = 0; i < CELLS; i++)
		vm.cell_pid[i] = pid;
	if (trace_open("all:/dev/null"))
		exit(1);
}

/* The places that main looks at, most often where they begin, and all others. */
static void scribble(uint32_t where, uint32_t value)
{
	static const size_t places[] = {
	    offsetof(struct machine, console_out), offsetof(struct machine, console_in),
	    offsetof(struct machine, log),         offsetof(struct machine, stop),
	    offsetof(struct machine, panic),       offsetof(struct machine, cell),
	    offsetof(struct machine, count),       offsetof(struct machine, trace),
	    offsetof(struct machine, inbox),       offsetof(struct machine, delivery_delay),
	    offsetof(struct machine, running),     offsetof(struct machine, halted),
	};
	size_t at = where >> 8;

	if ((where & 0xf) < sizeof places / sizeof *places)
		at = places[where & 0xf] + (where >> 8 & (where >> 31 ? 0x3fff : 0x1c));
	if (where & 0x10)
		memcpy((uint8_t *)vm.vcpu + at % (sizeof *vm.vcpu - 4), &value, 4);
	else
		memcpy((uint8_t *)vm.machine + at % (sizeof *vm.machine - 4), &value, 4);
}

static void look_at_answer(const char *question)
{
	char *text = monitor_answer(&vm, question);

	for (const char *p = text; p && *p; p++)
		must((*p >= ' ' && *p <= '~') || *p == '\n', "an answer is not printable");
	free(text);
}

static void look_at_stop(const struct stop *shared_stop)
{
	struct stop s = stop_copy(shared_stop);

	must(s.reason != STOP_NONE && s.reason <= STOP_INTERNAL, "a stop without a reason");
	must(memchr(s.text, 0, sizeof s.text), "a stop's text does not end");
}

static void move_bytes(struct byte_ring *r, uint32_t n)
{
	static uint8_t bytes[RING_BYTES + 1];
	size_t max = n % sizeof bytes;

	must(ring_fill(r) <= RING_BYTES, "a ring holds more than it can");
	must(ring_take(r, bytes, max) <= max, "more was taken than asked for");
	must(ring_give(r, bytes, max) <= max, "more was given than there was");
	must(ring_fill(r) <= RING_BYTES, "a ring holds more than it can");
}

static void count(void)
{
	FILE *to = fopen("/dev/null", "w");
	json_t *all = stats_json(&vm, NULL);

	if (to) {
		stats_print(to, &vm, NULL);
		stats_write_json(to, &vm, NULL);
		fclose(to);
	}
	json_decref(all);
}

static void step(const uint8_t *s)
{
	static const char *const questions[] = {"info cells", "info stats", "help", "info"};
	uint32_t where, value;

	memcpy(&where, s, 4);
	memcpy(&value, s + 4, 4);
	switch (where >> 5 & 7) {
	case 0:
		monitor_type(&line, &vm, (uint8_t)value);
		break;
	case 1:
		look_at_answer(questions[value % 4]);
		break;
	case 2:
		count();
		break;
	case 3:
		look_at_stop(value & 1 ? &vm.machine->stop : &vm.machine->panic);
		break;
	case 4:
		move_bytes(value & 1   ? &vm.machine->console_out
		           : value & 2 ? &vm.machine->log
		                       : &vm.machine->console_in,
		           value >> 2);
		break;
	case 5:
		trace_drain(&vm);
		break;
	default:
		scribble(where, value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	open_vm();
	memset(vm.machine, 0, sizeof *vm.machine);
	memset(vm.vcpu, 0, sizeof *vm.vcpu);
	memset(&line, 0, sizeof line);
	line.on = true;
	dup2(nowhere, STDERR_FILENO);
	for (unsigned n = 0; size >= STEP_BYTES && n < MAX_STEPS; n++) {
		step(data);
		data += STEP_BYTES;
		size -= STEP_BYTES;
	}
	/* The rest is typed. */
	for (; size; size--)
		monitor_type(&line, &vm, *data++);
	monitor_type(&line, &vm, '\r');
	dup2(fuzz_errors, STDERR_FILENO);
	return 0;
}
