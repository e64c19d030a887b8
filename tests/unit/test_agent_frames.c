// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames of a guest's agent: whole, in pieces, and what is none. */
#include "main/agent_frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct agent_frames frames;

static void put(const void *bytes, size_t n)
{
	size_t room;
	uint8_t *to = agent_frames_room(&frames, &room);

	assert_true(n <= room);
	memcpy(to, bytes, n);
	agent_frames_put(&frames, n);
}

static void put_frame(uint16_t type, const void *bytes, uint32_t n)
{
	struct agent_header h = {.size = n, .type = type};

	put(&h, sizeof h);
	put(bytes, n);
}

static int setup(void **state)
{
	(void)state;
	memset(&frames, 0, sizeof frames);
	return 0;
}

static void takes_frames(void **state)
{
	static const uint32_t seven = 7;
	static uint8_t most[AGENT_PAYLOAD_MAX];
	struct agent_frame f;
	size_t room;

	(void)state;
	assert_false(agent_frames_take(&frames, &f));
	put_frame(AGENT_EXITED, &seven, 4);
	put_frame(AGENT_OUTPUT, "hello", 5);
	assert_true(agent_frames_take(&frames, &f));
	assert_int_equal(f.type, AGENT_EXITED);
	assert_int_equal(f.number, 7);
	assert_true(agent_frames_take(&frames, &f));
	assert_int_equal(f.type, AGENT_OUTPUT);
	assert_int_equal(f.size, 5);
	assert_memory_equal(f.data, "hello", 5);
	assert_false(agent_frames_take(&frames, &f));
	most[sizeof most - 1] = 1;
	put_frame(AGENT_ERROR, most, sizeof most);
	assert_true(agent_frames_take(&frames, &f));
	assert_int_equal(f.size, sizeof most);
	assert_int_equal(f.data[sizeof most - 1], 1);
	agent_frames_room(&frames, &room);
	assert_int_equal(room, sizeof frames.bytes);
	assert_false(frames.broken);
}

static void waits_for_the_rest(void **state)
{
	static const struct agent_header h = {.size = 3, .type = AGENT_OUTPUT};
	struct agent_frame f;

	(void)state;
	for (size_t i = 0; i < sizeof h; i++) {
		put((const uint8_t *)&h + i, 1);
		assert_false(agent_frames_take(&frames, &f));
	}
	put("ab", 2);
	assert_false(agent_frames_take(&frames, &f));
	put("c", 1);
	assert_true(agent_frames_take(&frames, &f));
	assert_memory_equal(f.data, "abc", 3);
}

static void refuses_nonsense(void **state)
{
	static const struct agent_header bad[] = {
	    {.size = AGENT_PAYLOAD_MAX + 1, .type = AGENT_OUTPUT},
	    {.size = UINT32_MAX, .type = AGENT_ERROR},
	    {.size = 3, .type = AGENT_EXITED},
	    {.size = 5, .type = AGENT_CREDIT_OF},
	    {.size = 1, .type = AGENT_STARTED},
	    {.size = 0, .type = 0},
	    {.size = 0, .type = AGENT_SIGNALLED + 1},
	    {.size = 4, .type = AGENT_EXEC},
	    {.size = 4, .type = 0xffff},
	};
	struct agent_frame f;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		setup(state);
		put(&bad[i], sizeof bad[i]);
		assert_false(agent_frames_take(&frames, &f));
		assert_true(frames.broken);
		put_frame(AGENT_STARTED, "", 0);
		assert_false(agent_frames_take(&frames, &f));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(takes_frames, setup),
	    cmocka_unit_test_setup(waits_for_the_rest, setup),
	    cmocka_unit_test_setup(refuses_nonsense, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
