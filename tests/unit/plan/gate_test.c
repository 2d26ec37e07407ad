#include "gate_notes.h"

static struct gate gate;
static struct gate_note notes[7];
static struct gate_decision d;

/* m1 of n looks at the others, who say the same as it. */
static void begin(size_t n, enum plan_missing missing)
{
	struct gate_settings s = { .self = note_of(0, 'd'),
		.names = names,
		.n_names = n,
		.missing = missing,
		.fresh_ms = 1000 };
	struct err e = { 0 };

	assert_int_equal(gate_start(&gate, &s, &e), 0);
	for (size_t i = 0; i < n; i++)
		notes[i] = note_of(i, 'd');
}

/* A round in which the first `n_there` are there. */
static enum gate_verdict look(size_t n_there, int64_t now_ms)
{
	gate.settings.self.beat++;
	notes[0].beat = gate.settings.self.beat;
	gate_begin(&gate);
	for (size_t i = 0; i < gate.settings.n_names; i++) {
		if (i < n_there)
			gate_hear(&gate, i, &notes[i], now_ms);
		else
			gate_hear_nothing(&gate, i);
	}
	gate_decide(&d, &gate, now_ms);
	return d.verdict;
}

/* The same twice, having said so in between. */
static bool opens(size_t n_there, int64_t now_ms)
{
	if (look(n_there, now_ms) != GATE_CONFIRM)
		return false;
	gate.settings.self.phase = notes[0].phase = GATE_RELEASED;
	const bool released = look(n_there, now_ms) == GATE_RELEASE;
	gate.settings.self.phase = notes[0].phase = GATE_READY;
	return released;
}

static void live(size_t n)
{
	for (size_t i = 1; i < n; i++)
		notes[i].beat++;
}

static void need_is_the_rule(void **state)
{
	(void)state;
	assert_int_equal(gate_need(1, 1), 1);
	assert_int_equal(gate_need(2, 2), 2);
	assert_int_equal(gate_need(3, 3), 2);
	assert_int_equal(gate_need(4, 4), 3);
	assert_int_equal(gate_need(5, 5), 3);
	assert_int_equal(gate_need(7, 7), 4);
	assert_int_equal(gate_need(3, 1), 2);
	assert_int_equal(gate_need(1, 3), 2);
	assert_int_equal(gate_need(5, 3), 3);
}

static void gate_opens_by_the_rule_when_told_to_proceed(void **state)
{
	(void)state;
	begin(3, PLAN_MISSING_PROCEED);
	assert_int_equal(look(1, 0), GATE_HOLD);
	assert_int_equal(look(2, 10), GATE_HOLD); /* somebody who may be dead */
	assert_non_null(strstr(d.text, "m2: no sign of life yet, m3: not there yet"));
	live(2);
	assert_true(opens(2, 20));
	assert_int_equal(d.ready, 2);
}

static void gate_waits_for_all_when_told_to_wait(void **state)
{
	(void)state;
	begin(3, PLAN_MISSING_WAIT);
	look(3, 0);
	live(2);
	assert_int_equal(look(3, 10), GATE_HOLD);
	assert_non_null(strstr(d.text, "2 of 3 ready, at least 2 needed; missing m3"));
	live(3);
	assert_true(opens(3, 20));
}

static void gate_does_not_count_whoever_fell_silent(void **state)
{
	(void)state;
	begin(3, PLAN_MISSING_PROCEED);
	gate.settings.missing = PLAN_MISSING_WAIT;
	look(2, 0);
	live(2);
	look(2, 10);
	gate.settings.missing = PLAN_MISSING_PROCEED;
	assert_int_equal(look(2, 1001), GATE_HOLD);
	assert_non_null(strstr(d.text, "m2: has fallen silent"));
	notes[1].beat--; /* older than before: no life */
	assert_int_equal(look(2, 1020), GATE_HOLD);
	notes[1].beat += 2;
	assert_true(opens(2, 1030));
	live(2); /* when? perhaps long ago: we were away ourselves */
	assert_int_equal(look(2, 9000), GATE_HOLD);
	live(2);
	assert_true(opens(2, 9010));
}

static void gate_lets_go_who_is_late(void **state)
{
	(void)state;
	begin(5, PLAN_MISSING_WAIT);
	notes[1].phase = GATE_HANDED_OFF;
	assert_true(opens(2, 0));
	begin(5, PLAN_MISSING_WAIT);
	notes[1].phase = GATE_RELEASED; /* but may die before it commits */
	look(2, 0);
	live(2);
	assert_int_equal(look(2, 10), GATE_HOLD);
}

static void gate_holds_when_a_round_is_not_complete(void **state)
{
	(void)state;
	begin(3, PLAN_MISSING_PROCEED);
	look(3, 0);
	live(3);
	gate_begin(&gate);
	gate_hear(&gate, 0, &notes[0], 10);
	gate_hear(&gate, 1, &notes[1], 10);
	gate_decide(&d, &gate, 10);
	assert_int_equal(d.verdict, GATE_HOLD);
	assert_string_equal(d.text, "what m3 says could not be read");
	/* Our own word does not lie where it should. */
	gate.settings.self.beat++;
	gate_begin(&gate);
	for (size_t i = 0; i < 3; i++)
		gate_hear(&gate, i, &notes[i], 20);
	gate_decide(&d, &gate, 20);
	assert_int_equal(d.verdict, GATE_HOLD);
}

static void gate_looks_again_before_it_opens(void **state)
{
	(void)state;
	begin(3, PLAN_MISSING_PROCEED);
	look(2, 0);
	live(2);
	assert_int_equal(look(2, 10), GATE_CONFIRM);
	gate.settings.self.phase = notes[0].phase = GATE_RELEASED;
	notes[2] = note_of(2, 'e'); /* has come in between, and said the same of its own */
	notes[2].phase = GATE_RELEASED;
	fill(notes[2].plan, 'b');
	assert_int_equal(look(3, 20), GATE_STOP);
}

static void gate_stops_for_other_bytes(void **state)
{
	(void)state;
	begin(3, PLAN_MISSING_PROCEED);
	notes[2] = note_of(2, 'e');
	assert_int_equal(look(3, 0), GATE_STOP);
	assert_non_null(strstr(d.text,
		"m3 differs in the snapshot (eeeeeeeeeeee there, dddddddddddd here), the token "
		"(t-e there, t-d here): nobody commits"));
	assert_string_equal(d.against, notes[2].ready);
	/* Also for what came out alone. */
	notes[2] = note_of(2, 'd');
	notes[2].ready[0] = 'f';
	assert_int_equal(look(3, 0), GATE_STOP);
	assert_non_null(strstr(d.text, "m3 differs in the edits, the members or the database"));
}

static void gate_stops_for_another_plan_that_lives(void **state)
{
	(void)state;
	begin(3, PLAN_MISSING_PROCEED);
	notes[1] = note_of(1, 'e');
	fill(notes[1].plan, 'b');
	assert_int_equal(look(2, 0), GATE_HOLD); /* of an earlier try? */
	assert_non_null(strstr(d.text, "m2: there with an earlier plan only"));
	notes[1].beat++;
	assert_int_equal(look(2, 0), GATE_STOP);

	begin(3, PLAN_MISSING_PROCEED);
	notes[1] = note_of(1, 'e');
	fill(notes[1].plan, 'b');
	notes[1].phase = GATE_STOPPED; /* it was quicker, and lives no more */
	fill(notes[1].against, 'd');
	assert_int_equal(look(2, 0), GATE_STOP);
	notes[1].phase = GATE_COMMITTED;
	*notes[1].against = 0;
	assert_int_equal(look(2, 0), GATE_STOP);
	assert_non_null(strstr(d.text, "m2 has committed another plan of this generation"));
}

static void gate_knows_generations(void **state)
{
	(void)state;
	begin(3, PLAN_MISSING_PROCEED);
	gate.settings.self.generation = notes[0].generation = 2;
	notes[1].phase = GATE_COMMITTED; /* of generation 1 */
	assert_int_equal(look(2, 0), GATE_HOLD);
	live(2);
	assert_int_equal(look(2, 0), GATE_HOLD);
	notes[1].generation = 3;
	assert_int_equal(look(2, 0), GATE_STOP);
	assert_non_null(strstr(d.text, "m2 has a plan of generation 3 and this one is of "
				       "generation 2"));
}

static void gate_does_not_count_who_stopped_or_went_back(void **state)
{
	(void)state;
	begin(3, PLAN_MISSING_PROCEED);
	look(2, 0);
	live(2);
	notes[1].phase = GATE_STOPPED;
	assert_int_equal(look(2, 0), GATE_HOLD);
	live(2);
	notes[1].phase = GATE_ROLLED_BACK;
	assert_int_equal(look(2, 0), GATE_HOLD);
	assert_non_null(strstr(d.text, "m2: was rolled back"));
}

static void gate_counts_those_aside_against_the_old_cluster_only(void **state)
{
	struct gate_settings s = { .self = note_of(0, 'd'),
		.names = names,
		.n_names = 3,
		.n_new = 1,
		.n_old = 3,
		.missing = PLAN_MISSING_PROCEED,
		.fresh_ms = 1000 };
	struct err e = { 0 };

	(void)state;
	begin(3, PLAN_MISSING_PROCEED);
	assert_int_equal(gate_start(&gate, &s, &e), 0);
	assert_int_equal(look(1, 0), GATE_HOLD);
	notes[1].phase = GATE_ASIDE;
	assert_true(opens(2, 0));
	begin(3, PLAN_MISSING_PROCEED);
	notes[1].phase = notes[2].phase = GATE_ASIDE;
	assert_int_equal(look(3, 0), GATE_HOLD); /* who would elect? */
}

static void gate_stops_two_machines_with_one_name(void **state)
{
	(void)state;
	begin(3, PLAN_MISSING_PROCEED);
	for (int i = 0; i < 3; i++) {
		snprintf(notes[0].start, sizeof notes[0].start, "%016x", 77);
		snprintf(notes[0].hardware, sizeof notes[0].hardware, "another board");
		look(1, i);
		assert_int_equal(d.verdict, i < 2 ? GATE_HOLD : GATE_STOP);
	}
	assert_non_null(strstr(d.text, "another machine calls itself m1 (another board, and this "
				       "one is board 0)"));
	assert_string_equal(d.against, "");
}

static void gate_refuses_what_makes_no_sense(void **state)
{
	static const char *const twice[] = { "m1", "m1" };
	struct gate_settings s = { .self = note_of(6, 'd'), .names = names, .n_names = 3 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(gate_start(&gate, &s, &e), ERR_USAGE);
	s.self = note_of(0, 'd');
	s.names = twice;
	s.n_names = 2;
	assert_int_equal(gate_start(&gate, &s, &e), ERR_USAGE);
	s.n_names = 0;
	assert_int_equal(gate_start(&gate, &s, &e), ERR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(need_is_the_rule),
		cmocka_unit_test(gate_opens_by_the_rule_when_told_to_proceed),
		cmocka_unit_test(gate_waits_for_all_when_told_to_wait),
		cmocka_unit_test(gate_does_not_count_whoever_fell_silent),
		cmocka_unit_test(gate_lets_go_who_is_late),
		cmocka_unit_test(gate_holds_when_a_round_is_not_complete),
		cmocka_unit_test(gate_looks_again_before_it_opens),
		cmocka_unit_test(gate_stops_for_other_bytes),
		cmocka_unit_test(gate_stops_for_another_plan_that_lives),
		cmocka_unit_test(gate_knows_generations),
		cmocka_unit_test(gate_does_not_count_who_stopped_or_went_back),
		cmocka_unit_test(gate_counts_those_aside_against_the_old_cluster_only),
		cmocka_unit_test(gate_stops_two_machines_with_one_name),
		cmocka_unit_test(gate_refuses_what_makes_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
