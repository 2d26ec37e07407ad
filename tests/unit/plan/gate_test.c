#include "plan/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = { "m1", "m2", "m3", "m4", "m5", "m6", "m7" };

static void fill(char hex[65], char c)
{
	memset(hex, c, 64);
	hex[64] = 0;
}

static struct gate_note note_of(size_t i, char digest)
{
	struct gate_note n = { .generation = 1, .phase = GATE_READY, .beat = 1 };

	fill(n.plan, 'a');
	fill(n.ready, digest);
	fill(n.snapshot, digest);
	snprintf(n.token, sizeof n.token, "t-%c", digest);
	snprintf(n.node, sizeof n.node, "%s", names[i]);
	snprintf(n.hardware, sizeof n.hardware, "board %zu", i);
	snprintf(n.start, sizeof n.start, "%016zx", i + 1);
	return n;
}

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

/* Many clusters by dice: nodes that die, come back with other bytes or another plan, read only
 * some of the others, commit or die before; every reader reads one object at a time, while the
 * others go on. */
enum { RUNS = 3000, STEPS = 400, STALE_MS = 40 };

struct node {
	struct gate gate;
	struct gate_note self;
	size_t at; /* what it reads next; n: decide */
	enum { UP, DOWN, GONE_ON, STOPPED } how;
	bool confirming;
};

struct world {
	struct node node[7];
	struct gate_note store[7];
	bool there[7];
	int64_t said_ms[7][3]; /* when it last said that it has these bytes */
	size_t n;
	enum plan_missing missing;
	int64_t now;
	unsigned seed;
	bool other_bytes;
	struct gate_note released[7]; /* what each has released with */
	bool committed[7];
	size_t n_stopped;
};

static unsigned dice(struct world *w, unsigned n)
{
	w->seed = w->seed * 1664525u + 1013904223u;
	return (w->seed >> 8) % n;
}

static void start(struct world *w, size_t i)
{
	struct node *x = &w->node[i];
	const bool other = w->other_bytes && !dice(w, 6);
	struct err e = { 0 };

	x->self = note_of(i, other ? 'e' : 'd');
	if (other && dice(w, 2))
		fill(x->self.plan, 'b');
	snprintf(x->self.start, sizeof x->self.start, "%08x%08x", (unsigned)w->now, (unsigned)i);
	const struct gate_settings s = { .self = x->self,
		.names = names,
		.n_names = w->n,
		.missing = w->missing,
		.fresh_ms = STALE_MS };
	assert_int_equal(gate_start(&x->gate, &s, &e), 0);
	x->how = UP;
	x->at = SIZE_MAX;
	x->confirming = false;
}

static size_t bytes_of(const struct gate_note *note)
{
	return note->ready[0] == 'd' ? 0 : note->plan[0] == 'a' ? 1 : 2;
}

static void put(struct world *w, size_t i, enum gate_phase phase)
{
	struct gate_note *self = &w->node[i].gate.settings.self;

	self->beat++;
	self->phase = phase;
	w->store[i] = *self;
	w->there[i] = true;
	w->said_ms[i][bytes_of(self)] = w->now;
}

/* The promise: enough of the others stood there with the same, not longer ago than a sign of
 * life lasts, or have it for good. */
static void check_release(struct world *w, size_t i)
{
	const struct gate_note *self = &w->node[i].gate.settings.self;
	size_t n = 0;
	bool open = false;

	for (size_t j = 0; j < w->n; j++) {
		const int64_t said = w->said_ms[j][bytes_of(self)];
		const bool same = !strcmp(w->released[j].plan, self->plan) &&
				  !strcmp(w->released[j].ready, self->ready);
		n += j == i || (said && w->now - said <= STALE_MS) || (w->committed[j] && same);
		open |= w->committed[j] && same;
		/* Nobody ever commits anything else. */
		if (w->node[j].how == GONE_ON || w->committed[j])
			assert_string_equal(w->released[j].ready, self->ready);
	}
	assert_true(open || n >= gate_need(w->n, w->n));
	if (!open && w->missing == PLAN_MISSING_WAIT)
		assert_int_equal(n, w->n);
}

static void step(struct world *w, size_t i)
{
	struct node *x = &w->node[i];
	struct gate_decision verdict;

	if (x->how == DOWN) {
		if (!dice(w, 8))
			start(w, i);
	} else if (x->how == UP && !dice(w, 40)) {
		x->how = DOWN;
	} else if (x->how == GONE_ON) {
		/* Commits, or dies before and comes back. */
		if (!dice(w, 12)) {
			x->how = DOWN;
		} else if (!dice(w, 3)) {
			put(w, i, GATE_COMMITTED);
			w->committed[i] = true;
			x->how = STOPPED;
		}
	} else if (x->how == UP && x->at == SIZE_MAX) {
		if (!dice(w, 10)) /* the write does not arrive */
			x->gate.settings.self.beat++, x->gate.settings.self.phase = GATE_READY;
		else
			put(w, i, x->confirming ? GATE_RELEASED : GATE_READY);
		x->confirming = false;
		gate_begin(&x->gate);
		x->at = 0;
	} else if (x->how == UP && x->at < w->n) {
		if (dice(w, 30)) {
			if (w->there[x->at])
				gate_hear(&x->gate, x->at, &w->store[x->at], w->now);
			else
				gate_hear_nothing(&x->gate, x->at);
		}
		x->at++;
	} else if (x->how == UP) {
		gate_decide(&verdict, &x->gate, w->now);
		x->at = SIZE_MAX;
		x->confirming = verdict.verdict == GATE_CONFIRM;
		if (verdict.verdict == GATE_RELEASE) {
			check_release(w, i);
			w->released[i] = x->gate.settings.self;
			x->how = GONE_ON;
		} else if (verdict.verdict == GATE_STOP) {
			snprintf(x->gate.settings.self.against, 65, "%s", verdict.against);
			put(w, i, GATE_STOPPED);
			w->n_stopped++;
			x->how = dice(w, 2) ? DOWN : STOPPED;
		}
	}
}

static void gate_keeps_its_promise_whatever_the_dice_say(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 4, 5, 6, 7 };
	struct world *w = calloc(1, sizeof *w);
	size_t all = 0, none = 0, stopped = 0;

	(void)state;
	assert_non_null(w);
	for (unsigned run = 0; run < RUNS; run++) {
		memset(w, 0, sizeof *w);
		w->seed = run * 2654435761u + 1;
		w->n = sizes[run % 7];
		w->now = 1;
		w->missing = run / 7 % 2 ? PLAN_MISSING_PROCEED : PLAN_MISSING_WAIT;
		w->other_bytes = run % 3 == 0;
		for (size_t i = 0; i < w->n; i++)
			w->node[i].how = DOWN;
		for (unsigned s = 0; s < STEPS * w->n; s++) {
			step(w, dice(w, (unsigned)w->n));
			w->now += !(s % w->n);
		}
		size_t committed = 0;
		for (size_t i = 0; i < w->n; i++)
			committed += w->there[i] && w->store[i].phase == GATE_COMMITTED;
		all += committed == w->n;
		none += !committed;
		stopped += w->n_stopped > 0;
	}
	print_message("%d runs: all committed in %zu, none in %zu, somebody stopped in %zu\n", RUNS,
		all, none, stopped);
	/* It is no gate that never opens, nor one that never stops anybody. */
	assert_true(all > RUNS / 2 && stopped > RUNS / 10);
	free(w);
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
		cmocka_unit_test(gate_keeps_its_promise_whatever_the_dice_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
