#include "plan/gate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { FRESH_MS = 60000, RIVALS = 3, SHOWN = 12 };

static size_t quorum(size_t n)
{
	return n / 2 + 1;
}

/* How many of the old cluster have to be away, so that it has no quorum left. */
static size_t need_away(size_t n_old)
{
	return n_old - quorum(n_old) + 1;
}

size_t gate_need(size_t n_old, size_t n_new)
{
	const size_t away = need_away(n_old), elect = quorum(n_new);

	return away > elect ? away : elect;
}

static bool same(const char *a, const char *b)
{
	return !strcmp(a, b);
}

int gate_start(struct gate *gate, const struct gate_settings *s, struct err *e)
{
	bool found = false;

	if (!s->n_names || s->n_names > GATE_NAMES_MAX)
		return err_set(e, ERR_USAGE, "%zu masters at a gate", s->n_names);
	*gate = (struct gate){ .settings = *s };
	for (size_t i = 0; i < s->n_names; i++) {
		for (size_t j = 0; j < i; j++) {
			if (same(s->names[i], s->names[j]))
				return err_set(
					e, ERR_USAGE, "two masters are named %s", s->names[i]);
		}
		gate->members[i].name = s->names[i];
		if (same(s->names[i], s->self.node)) {
			gate->own = i;
			found = true;
		}
	}
	if (!found)
		return err_set(e, ERR_USAGE, "%s is none of the masters that meet at the gate",
			s->self.node);
	if (!gate->settings.n_new)
		gate->settings.n_new = s->n_names;
	if (!gate->settings.n_old)
		gate->settings.n_old = gate->settings.n_new;
	if (!gate->settings.fresh_ms)
		gate->settings.fresh_ms = FRESH_MS;
	return 0;
}

void gate_begin(struct gate *gate)
{
	for (size_t i = 0; i < gate->settings.n_names; i++)
		gate->members[i].heard = GATE_NOT_HEARD;
}

/* A place that answers with something older than it did before has not shown life. */
static bool is_newer(const struct gate_note *note, const struct gate_note *before)
{
	return !same(note->start, before->start) || note->beat > before->beat;
}

void gate_hear(struct gate *gate, size_t i, const struct gate_note *note, int64_t now_ms)
{
	struct gate_member *m = &gate->members[i];

	m->heard = GATE_NOTE;
	if (m->seen && is_newer(note, &m->note)) {
		/* Written since we looked before, and perhaps just then. */
		m->changed = true;
		m->changed_ms = m->heard_ms;
	}
	m->heard_ms = now_ms;
	m->note = *note;
	m->seen = true;
	if (i == gate->own && !same(note->start, gate->settings.self.start)) {
		gate->rivals += note->phase == GATE_STOPPED ? RIVALS : 1;
		gate->rival_ms = now_ms;
		snprintf(gate->rival, sizeof gate->rival, "%s", note->hardware);
	}
}

void gate_hear_nothing(struct gate *gate, size_t i)
{
	gate->members[i].heard = GATE_NOTHING;
}

static bool lives(const struct gate *gate, const struct gate_member *m, int64_t now_ms)
{
	return m->changed && now_ms - m->changed_ms <= (int64_t)gate->settings.fresh_ms;
}

static void say(struct gate_decision *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void say(struct gate_decision *d, const char *fmt, ...)
{
	const size_t have = strlen(d->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d->text + have, sizeof d->text - have, fmt, ap);
	va_end(ap);
}

static void differ(
	struct gate_decision *d, const char *what, const char *there, const char *here, int *n)
{
	if (same(there, here))
		return;
	say(d, "%s%s (%.*s there, %.*s here)", (*n)++ ? ", " : "", what, SHOWN, there, SHOWN, here);
}

static bool has_begun(enum gate_phase phase)
{
	return phase == GATE_RELEASED || gate_phase_is_committed(phase);
}

/* Who differs, and in what. */
static void stop_for(struct gate_decision *d, const struct gate *gate, const struct gate_member *m)
{
	const struct gate_note *there = &m->note, *here = &gate->settings.self;
	int n = 0;

	d->verdict = GATE_STOP;
	snprintf(d->against, sizeof d->against, "%s", there->ready);
	if (there->generation > here->generation) {
		say(d,
			"%s has a plan of generation %ju and this one is of generation %ju: it is "
			"an older one; give this master the newer plan",
			m->name, (uintmax_t)there->generation, (uintmax_t)here->generation);
		return;
	}
	if (!same(there->plan, here->plan) && has_begun(there->phase)) {
		say(d,
			"%s has %s another plan of this generation: give this master that plan, or "
			"all of them one of a higher generation",
			m->name, there->phase == GATE_RELEASED ? "begun to commit" : "committed");
		return;
	}
	say(d, "%s differs in ", m->name);
	differ(d, "the snapshot", there->snapshot, here->snapshot, &n);
	if (!same(there->token, here->token))
		say(d, "%sthe token (%.80s there, %.80s here)", n++ ? ", " : "", there->token,
			here->token);
	if (!n) /* what they say of themselves is equal, what came of it is not */
		differ(d, "the edits, the members or the database that came out", there->ready,
			here->ready, &n);
	if (!n)
		differ(d, "the plan", there->plan, here->plan, &n);
	say(d,
		": nobody commits; give all masters the same plan with one pinned snapshot and "
		"start %s again, or if it is gone remove ready/%s",
		m->name, m->name);
}

enum part { PART_NONE, PART_IN, PART_COMMITTED, PART_ASIDE, PART_STOPS };

/* What another one's note of this round means for us. */
static enum part part_of(const struct gate *gate, const struct gate_member *m, int64_t now_ms)
{
	const struct gate_note *note = &m->note, *self = &gate->settings.self;
	const bool alive = lives(gate, m, now_ms);

	if (m->heard != GATE_NOTE || !same(note->node, m->name))
		return PART_NONE;
	if (note->generation != self->generation)
		return note->generation > self->generation ? PART_STOPS : PART_NONE;
	if (note->phase == GATE_STOPPED && same(note->against, self->ready))
		return PART_STOPS;
	if (!same(note->plan, self->plan))
		return alive || has_begun(note->phase) ? PART_STOPS : PART_NONE;
	if (note->phase == GATE_ASIDE)
		return PART_ASIDE;
	if (note->phase == GATE_ROLLED_BACK)
		return PART_NONE;
	if (!same(note->ready, self->ready))
		return PART_STOPS;
	if (gate_phase_is_committed(note->phase))
		return PART_COMMITTED;
	return note->phase == GATE_STOPPED || !alive ? PART_NONE : PART_IN;
}

static void say_missing(
	struct gate_decision *d, const struct gate *gate, const struct gate_member *m, int *n)
{
	const struct gate_note *note = &m->note, *self = &gate->settings.self;
	const char *how = ": not there yet";

	if (m->heard == GATE_NOTE) {
		if (!same(note->node, m->name))
			how = ": what lies there is another master's";
		else if (note->generation != self->generation || !same(note->plan, self->plan))
			how = ": there with an earlier plan only";
		else if (note->phase == GATE_STOPPED)
			how = ": has stopped";
		else if (note->phase == GATE_ROLLED_BACK)
			how = ": was rolled back";
		else
			how = m->changed ? ": has fallen silent" : ": no sign of life yet";
	}
	say(d, "%s%s%s", (*n)++ ? ", " : "; missing ", m->name, how);
}

static bool has_rival(struct gate_decision *d, const struct gate *gate, int64_t now_ms)
{
	const char *name = gate->members[gate->own].name;

	if (!gate->rivals || now_ms - gate->rival_ms > (int64_t)gate->settings.fresh_ms)
		return false;
	if (gate->rivals >= RIVALS)
		d->verdict = GATE_STOP;
	say(d,
		"another machine calls itself %s (%.80s, and this one is %.80s): two masters with "
		"one name; give one of them its own",
		name, gate->rival, gate->settings.self.hardware);
	return true;
}

/* The round is complete and our own note lies where it should. */
static bool is_complete(struct gate_decision *d, const struct gate *gate)
{
	const struct gate_member *own = &gate->members[gate->own];

	for (size_t i = 0; i < gate->settings.n_names; i++) {
		if (gate->members[i].heard != GATE_NOT_HEARD)
			continue;
		say(d, "what %s says could not be read", gate->members[i].name);
		return false;
	}
	if (own->heard == GATE_NOTE && same(own->note.start, gate->settings.self.start) &&
		own->note.beat == gate->settings.self.beat)
		return true;
	say(d, "the gate does not give back what this master says of itself");
	return false;
}

void gate_decide(struct gate_decision *d, struct gate *gate, int64_t now_ms)
{
	const struct gate_settings *s = &gate->settings;
	const struct gate_member *open = NULL;
	size_t in = 1, aside = 0;
	int n = 0;

	*d = (struct gate_decision){ .verdict = GATE_HOLD, .need = gate_need(s->n_old, s->n_new) };
	if (has_rival(d, gate, now_ms) || !is_complete(d, gate))
		return;
	for (size_t i = 0; i < s->n_names; i++) {
		const struct gate_member *m = &gate->members[i];
		const enum part part = i == gate->own ? PART_NONE : part_of(gate, m, now_ms);
		if (part == PART_STOPS) {
			stop_for(d, gate, m);
			return;
		}
		in += part == PART_IN || part == PART_COMMITTED;
		aside += part == PART_ASIDE;
		if (part == PART_COMMITTED)
			open = m;
	}
	d->ready = in + aside;
	const enum gate_verdict go = s->self.phase == GATE_RELEASED ? GATE_RELEASE : GATE_CONFIRM;
	if (open) {
		d->verdict = go;
		say(d, "the gate is open: %s has %s the same", open->name,
			gate_phase_is_committed(open->note.phase) ? "committed"
								  : "begun to commit");
		return;
	}
	say(d, "%zu of %zu ready, at least %zu needed", d->ready, s->n_names, d->need);
	if (in >= quorum(s->n_new) && in + aside >= need_away(s->n_old) &&
		(s->missing == PLAN_MISSING_PROCEED || in + aside == s->n_names))
		d->verdict = go;
	for (size_t i = 0; i < s->n_names; i++) {
		if (i != gate->own && part_of(gate, &gate->members[i], now_ms) == PART_NONE)
			say_missing(d, gate, &gate->members[i], &n);
	}
}
