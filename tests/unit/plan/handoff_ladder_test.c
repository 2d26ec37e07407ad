#include "plan/handoff_ladder.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define NOW 1795000000

/* Of each step its first letter; what was tried in brackets; the one to begin with behind '>'. */
static const char *shown(const struct handoff_steps *steps, const struct handoff_begin *begin)
{
	static char text[128];
	size_t n = 0;

	for (size_t i = 0; i < steps->n; i++) {
		const char *word = handoff_rung_word(steps->v[i].rung);
		const char *state = handoff_state_word(steps->v[i].state);
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%s%s%s", i ? " " : "",
			i == begin->step ? ">" : "", word,
			steps->v[i].state == HANDOFF_TRIED    ? "(t)"
			: steps->v[i].state == HANDOFF_CANNOT ? "(c)"
			: !strcmp(state, "left")              ? ""
							      : "?");
	}
	return text;
}

static const struct row {
	enum plan_handoff choice;
	bool uefi;
	struct handoff_past past;
	int64_t now;
	const char *want;
	unsigned round;
} rows[] = {
	/* The first time, whatever the plan says. */
	{ PLAN_HANDOFF_AUTO, true, { 0 }, NOW, ">firmware kexec flag halt", 1 },
	{ PLAN_HANDOFF_AUTO, false, { 0 }, NOW, ">kexec flag halt", 1 },
	{ PLAN_HANDOFF_FIRMWARE, true, { 0 }, NOW, ">firmware flag halt", 1 },
	{ PLAN_HANDOFF_FIRMWARE, false, { 0 }, NOW, ">flag halt", 1 },
	{ PLAN_HANDOFF_KEXEC, true, { 0 }, NOW, ">kexec firmware flag halt", 1 },
	{ PLAN_HANDOFF_KEXEC, false, { 0 }, NOW, ">kexec flag halt", 1 },
	{ PLAN_HANDOFF_POWEROFF, true, { 0 }, NOW, ">poweroff", 0 },
	{ PLAN_HANDOFF_STAY, false, { 0 }, NOW, ">stay", 0 },
	/* Back at once: one down, round after round. */
	{ PLAN_HANDOFF_AUTO, true, { HANDOFF_FIRMWARE, 1, NOW - 300, 0 }, NOW,
		"firmware(t) >kexec flag halt", 2 },
	{ PLAN_HANDOFF_AUTO, true, { HANDOFF_KEXEC, 2, NOW - 300, 0 }, NOW,
		"firmware(t) kexec(t) >flag halt", 3 },
	{ PLAN_HANDOFF_AUTO, true, { HANDOFF_FLAG, 3, NOW - 300, 0 }, NOW,
		"firmware(c) kexec(c) flag(t) >halt", 0 },
	{ PLAN_HANDOFF_AUTO, false, { HANDOFF_KEXEC, 1, NOW - 300, 0 }, NOW, "kexec(t) >flag halt",
		2 },
	{ PLAN_HANDOFF_AUTO, false, { HANDOFF_FLAG, 2, NOW - 300, 0 }, NOW,
		"kexec(t) flag(t) >halt", 3 },
	{ PLAN_HANDOFF_KEXEC, true, { HANDOFF_KEXEC, 1, NOW - 1, 0 }, NOW,
		"kexec(t) >firmware flag halt", 2 },
	/* Half an hour to the second, and a second more. */
	{ PLAN_HANDOFF_AUTO, true, { HANDOFF_FIRMWARE, 1, NOW - 1800, 0 }, NOW,
		"firmware(t) >kexec flag halt", 2 },
	{ PLAN_HANDOFF_AUTO, true, { HANDOFF_FIRMWARE, 1, NOW - 1801, 0 }, NOW,
		">firmware kexec flag halt", 2 },
	/* A slow machine comes back late each time: three rounds all the same. */
	{ PLAN_HANDOFF_AUTO, true, { HANDOFF_FIRMWARE, 2, NOW - 3600, 0 }, NOW,
		">firmware kexec flag halt", 3 },
	{ PLAN_HANDOFF_AUTO, true, { HANDOFF_FIRMWARE, 3, NOW - 3600, 0 }, NOW,
		"firmware(t) kexec(c) flag(c) >halt", 0 },
	/* A day later it is another story. */
	{ PLAN_HANDOFF_AUTO, true, { HANDOFF_FLAG, 3, NOW - 86401, 0 }, NOW,
		">firmware kexec flag halt", 1 },
	/* The disk ran since: what led there is taken again, as often as one likes. */
	{ PLAN_HANDOFF_AUTO, true, { HANDOFF_KEXEC, 2, NOW - 300, NOW - 100 }, NOW,
		"firmware >kexec flag halt", 1 },
	{ PLAN_HANDOFF_AUTO, true, { HANDOFF_FIRMWARE, 3, NOW - 300, NOW - 100 }, NOW,
		">firmware kexec flag halt", 1 },
	{ PLAN_HANDOFF_AUTO, true, { HANDOFF_FIRMWARE, 1, NOW - 300, NOW - 301 }, NOW,
		"firmware(t) >kexec flag halt", 2 },
	/* A clock that is not set, was not set, or went back, proves nothing. */
	{ PLAN_HANDOFF_AUTO, true, { HANDOFF_FIRMWARE, 1, 0, NOW - 100 }, NOW,
		"firmware(t) >kexec flag halt", 2 },
	{ PLAN_HANDOFF_AUTO, true, { HANDOFF_FIRMWARE, 1, NOW - 90000, 0 }, 0,
		"firmware(t) >kexec flag halt", 2 },
	{ PLAN_HANDOFF_AUTO, true, { HANDOFF_FIRMWARE, 1, NOW + 90000, 0 }, NOW,
		"firmware(t) >kexec flag halt", 2 },
	{ PLAN_HANDOFF_AUTO, true, { HANDOFF_KEXEC, 3, 0, 0 }, 0,
		"firmware(c) kexec(t) flag(c) >halt", 0 },
	/* The plan says something else now. */
	{ PLAN_HANDOFF_STAY, true, { HANDOFF_FIRMWARE, 1, NOW - 300, 0 }, NOW, ">stay", 0 },
	{ PLAN_HANDOFF_FIRMWARE, true, { HANDOFF_KEXEC, 1, NOW - 300, 0 }, NOW,
		">firmware flag halt", 2 },
	{ PLAN_HANDOFF_AUTO, false, { HANDOFF_FIRMWARE, 1, NOW - 300, 0 }, NOW, ">kexec flag halt",
		2 },
};

static void the_ladder_begins_where_it_must(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct handoff_steps steps;
		handoff_ladder(&steps, rows[i].choice, rows[i].uefi);
		const struct handoff_begin begin =
			handoff_begin(&steps, &rows[i].past, rows[i].now);
		if (strcmp(shown(&steps, &begin), rows[i].want) != 0 ||
			begin.round != rows[i].round)
			fail_msg("row %zu: %s, round %u", i, shown(&steps, &begin), begin.round);
	}
}

/* Whatever rungs work, whatever the clock says, however long each round takes: a machine whose
 * disk never runs is restarted three times and then stands still. */
static void nothing_loops(void **state)
{
	static const int64_t pauses[] = { 0, 60, 1800, 1801, 7200, 80000, -500 };

	(void)state;
	for (unsigned can = 0; can < 16; can++) {
		for (size_t p = 0; p < sizeof pauses / sizeof *pauses; p++) {
			for (unsigned clock = 0; clock < 2; clock++) {
				struct handoff_past past = { 0 };
				int64_t now = NOW;
				unsigned restarts = 0;
				for (unsigned boot = 0; boot < 20; boot++) {
					struct handoff_steps steps;
					handoff_ladder(
						&steps, (enum plan_handoff)(can % 3), can & 8);
					const struct handoff_begin b =
						handoff_begin(&steps, &past, clock ? now : 0);
					size_t i = b.step;
					while (steps.v[i].rung != HANDOFF_HALT &&
						!(can >> (steps.v[i].rung - HANDOFF_FIRMWARE) & 1))
						i++;
					if (steps.v[i].rung == HANDOFF_HALT)
						break;
					assert_in_range(b.round, 1, HANDOFF_ROUNDS);
					past = (struct handoff_past){ steps.v[i].rung, b.round,
						clock ? now : 0, 0 };
					now += pauses[p];
					restarts++;
				}
				assert_in_range(restarts, 0, HANDOFF_ROUNDS);
			}
		}
	}
}

static void words_go_both_ways(void **state)
{
	(void)state;
	for (enum handoff_rung r = HANDOFF_FIRMWARE; r <= HANDOFF_STAY; r++)
		assert_int_equal(handoff_rung_of(handoff_rung_word(r)), r);
	assert_int_equal(handoff_rung_of("sideways"), HANDOFF_NONE);
	assert_int_equal(handoff_rung_of(NULL), HANDOFF_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ladder_begins_where_it_must),
		cmocka_unit_test(nothing_loops),
		cmocka_unit_test(words_go_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
