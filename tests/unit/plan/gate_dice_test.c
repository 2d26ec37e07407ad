#include "gate_notes.h"

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
		cmocka_unit_test(gate_keeps_its_promise_whatever_the_dice_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
