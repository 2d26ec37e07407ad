#include "plan/gate_wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/monotonic.h"
#include "plan/settings.h"
#include "source/objects.h"

enum { EVERY_MS = 5000, FRESH_ROUNDS = 12, NAP_MS = 200, TRIES = 3, DEADLINE_MS = 15000 };

struct gate_place {
	struct gate_wait_settings settings;
	struct arena *arena;
	struct gate gate;
	struct plan plan; /* with the gate as its source */
	struct settings source;
	struct objects *objects; /* NULL: no gate is needed */
	bool begun, conditional, confirming;
	char told[512]; /* the last text, which is not told again */
};

bool gate_is_wanted(const struct plan *plan, size_t n_names)
{
	return n_names > 1 && plan->gate && *plan->gate && strcmp(plan->gate, "none") != 0;
}

static int open_place(struct gate_place *p, struct err *e)
{
	const struct gate_wait_settings *s = &p->settings;

	p->plan = *s->plan;
	p->plan.source = s->plan->gate;
	p->plan.snapshot.version = p->plan.s3.sse_key = NULL;
	if (settings_make(&p->source, p->arena, &p->plan, s->root, s->listener, e))
		return e->code;
	if (objects_open(&p->objects, &p->source.source, DEADLINE_MS, e)) {
		settings_free(&p->source);
		return e->code;
	}
	return 0;
}

static int draw(char start[17], struct err *e)
{
	uint64_t dice;

	if (getrandom(&dice, sizeof dice, 0) != sizeof dice)
		return err_sys(e, "no random number");
	snprintf(start, 17, "%016jx", (uintmax_t)dice);
	return 0;
}

int gate_open(struct gate_place **place, struct arena *a, const struct gate_wait_settings *settings,
	struct err *e)
{
	struct gate_place *p = calloc(1, sizeof *p);

	if (!p)
		out_of_memory(sizeof *p);
	p->settings = *settings;
	p->arena = a;
	if (!p->settings.every_ms)
		p->settings.every_ms = EVERY_MS;
	/* Less than some rounds, and whoever is alive would seem dead. */
	const unsigned fresh = FRESH_ROUNDS * p->settings.every_ms;
	if (p->settings.gate.fresh_ms < fresh)
		p->settings.gate.fresh_ms = fresh;
	if (gate_start(&p->gate, &p->settings.gate, e) || draw(p->gate.settings.self.start, e) ||
		(gate_is_wanted(settings->plan, settings->gate.n_names) && open_place(p, e))) {
		free(p);
		return err_wrap(e, "gate");
	}
	*place = p;
	return 0;
}

void gate_close(struct gate_place *p)
{
	if (!p)
		return;
	if (p->objects) {
		objects_close(p->objects);
		settings_free(&p->source);
	}
	explicit_bzero(p, sizeof *p);
	free(p);
}

static void name_of(char *name, size_t size, const char *node)
{
	snprintf(name, size, "ready/%s", node);
}

static int publish(struct gate_place *p, enum gate_phase phase, bool only_new, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(GATE_NOTE_MAX);
	struct gate_note *self = &p->gate.settings.self;
	char name[GATE_NAME_MAX + 16];

	self->phase = phase;
	self->beat++;
	name_of(name, sizeof name, self->node);
	if (gate_note_print(&text, self, e))
		return e->code;
	return objects_put(p->objects, name, buf_span(&text), only_new, e);
}

/* True and a note, or none; what could not be read is an error. */
static int read_note(
	bool *there, struct gate_note *note, struct gate_place *p, const char *node, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(GATE_NOTE_MAX);
	char name[GATE_NAME_MAX + 16];

	name_of(name, sizeof name, node);
	*there = true;
	if (objects_get(&text, p->objects, name, e)) {
		*there = false;
		if (e->code != ERR_NOTFOUND)
			return e->code;
		e->code = ERR_OK;
		return 0;
	}
	return gate_note_parse(note, buf_span(&text), e) ? err_wrap(e, "%s", name) : 0;
}

static int read_all(struct gate_place *p, struct err *e)
{
	struct gate_note note;
	bool there;

	gate_begin(&p->gate);
	for (size_t i = 0; i < p->gate.settings.n_names; i++) {
		if (read_note(&there, &note, p, p->gate.members[i].name, e))
			return e->code;
		if (there)
			gate_hear(&p->gate, i, &note, monotonic_ms());
		else
			gate_hear_nothing(&p->gate, i);
	}
	return 0;
}

/* The first word to the gate: is our name free, and does the place keep it for the first? */
static int begin(struct gate_place *p, struct err *e)
{
	const struct listener *l = p->settings.listener;
	const struct gate_note *self = &p->gate.settings.self;
	char name[GATE_NAME_MAX + 16];
	struct err ignored = { 0 };
	struct gate_note note;
	bool there;

	if (read_note(&there, &note, p, self->node, &ignored)) {
		if (ignored.code != ERR_FORMAT && ignored.code != ERR_UNSUPPORTED) {
			*e = ignored;
			return e->code;
		}
		there = true; /* whatever it is, our name is for us to write */
		event_warning(l, "gate", "%s; overwriting it", ignored.text);
	} else if (there && strcmp(note.hardware, self->hardware) != 0 &&
		   !strcmp(note.plan, self->plan)) {
		event_warning(l, "gate", "another machine (%s) was %s here with this plan",
			note.hardware, self->node);
	}
	snprintf(name, sizeof name, "probe/%s", self->node);
	if (objects_probe_new(&p->conditional, p->objects, name, &ignored))
		p->conditional = false;
	event_debug(l, "gate", "%s %s conditional writes", objects_shown(p->objects),
		p->conditional ? "honours" : "does not honour");
	/* Refused: the read-back of this round shows whose it is. */
	if (publish(p, GATE_READY, p->conditional && !there, e) && e->code != ERR_DECLINED)
		return e->code;
	e->code = ERR_OK;
	p->begun = true;
	return 0;
}

/* Whose is what lies there under our name, before we write it again? */
static int look_for_rival(struct gate_place *p, struct err *e)
{
	struct gate_note note;
	bool there;

	if (read_note(&there, &note, p, p->gate.settings.self.node, e))
		return e->code;
	if (there)
		gate_hear(&p->gate, p->gate.own, &note, monotonic_ms());
	return 0;
}

static int do_round(struct gate_decision *d, struct gate_place *p, struct err *e)
{
	const enum gate_phase phase = p->confirming ? GATE_RELEASED : GATE_READY;

	*d = (struct gate_decision){ .verdict = GATE_HOLD,
		.need = gate_need(p->gate.settings.n_old, p->gate.settings.n_new) };
	e->code = ERR_OK;
	p->confirming = false;
	if (!p->begun) {
		if (begin(p, e))
			return e->code;
	} else if (look_for_rival(p, e) || publish(p, phase, false, e)) {
		return e->code;
	}
	if (read_all(p, e))
		return e->code;
	gate_decide(d, &p->gate, monotonic_ms());
	p->confirming = d->verdict == GATE_CONFIRM;
	return 0;
}

static void tell_once(struct gate_place *p, bool bad, const char *text)
{
	if (!strcmp(p->told, text))
		return;
	snprintf(p->told, sizeof p->told, "%s", text);
	if (bad)
		event_warning(p->settings.listener, "gate",
			"%s; holding, the old state is intact, and trying again", text);
	else
		event_info(p->settings.listener, "gate", "%s", text);
}

/* Our last word before we go, which another master may need. */
static void publish_stop(struct gate_place *p)
{
	struct err why = { 0 };

	for (int i = 0; i < TRIES; i++) {
		if (!publish(p, GATE_STOPPED, false, &why))
			return;
	}
	event_warning(p->settings.listener, "gate",
		"the gate was not told that this master has stopped: %s", why.text);
}

static int nap(struct gate_place *p, int64_t until, struct err *e)
{
	int64_t left;

	while ((left = until - monotonic_ms()) > 0) {
		const long ms = left < NAP_MS ? (long)left : NAP_MS;
		const struct timespec t = { 0, ms * 1000000 };
		if (p->settings.go_on && p->settings.go_on(p->settings.ctx, e))
			return e->code;
		nanosleep(&t, NULL);
	}
	return 0;
}

/* Nothing that time or a repaired network would heal. */
static bool is_for_good(enum err_code code)
{
	return code == ERR_USAGE || code == ERR_UNSUPPORTED || code == ERR_BUG;
}

static const char **committed_of(struct gate_place *p)
{
	const struct gate *g = &p->gate;
	const char **v = arena_array(p->arena, g->settings.n_names + 1, sizeof *v);
	size_t n = 0;

	for (size_t i = 0; i < g->settings.n_names; i++) {
		const struct gate_note *note = &g->members[i].note;
		if (i != g->own && g->members[i].heard == GATE_NOTE &&
			gate_phase_is_committed(note->phase) &&
			!strcmp(note->plan, g->settings.self.plan) &&
			!strcmp(note->ready, g->settings.self.ready))
			v[n++] = g->members[i].name;
	}
	return v;
}

static int stop(struct gate_place *p, const struct gate_decision *d, struct err *e)
{
	struct gate_note *self = &p->gate.settings.self;

	snprintf(self->against, sizeof self->against, "%s", d->against);
	publish_stop(p);
	/* With a rival it has to lie there when he looks, and he writes there too. */
	for (int i = 1; !*d->against && i < TRIES; i++) {
		struct err ignored = { 0 };
		if (nap(p, monotonic_ms() + p->settings.every_ms, &ignored))
			break;
		publish_stop(p);
	}
	return err_set(e, ERR_DECLINED, "%s", d->text);
}

static int wait_for_it(struct gate_outcome *o, struct gate_place *p, struct err *e)
{
	const int64_t end = monotonic_ms() + (int64_t)p->settings.hold_ms;

	for (;;) {
		const int64_t next = monotonic_ms() + p->settings.every_ms;
		if (do_round(&o->last, p, e)) {
			if (is_for_good(e->code))
				return e->code;
			snprintf(o->last.text, sizeof o->last.text, "%s", e->text);
			tell_once(p, true, e->text);
		} else {
			tell_once(p, false, o->last.text);
		}
		e->code = ERR_OK;
		if (o->last.verdict == GATE_STOP)
			return stop(p, &o->last, e);
		if (o->last.verdict == GATE_RELEASE) {
			o->released = true;
			o->committed = committed_of(p);
			return 0;
		}
		if (p->confirming)
			continue;
		/* Whoever waits no longer may be back with the old state soon. */
		if (nap(p, next, e) || (p->settings.hold_ms && monotonic_ms() >= end)) {
			publish_stop(p);
			return e->code;
		}
	}
}

int gate_wait(struct gate_outcome *outcome, struct gate_place *p, struct err *e)
{
	struct gate_outcome o = { 0 };

	e->code = ERR_OK;
	if (!p->objects) {
		o.released = true;
		o.committed = committed_of(p);
		snprintf(o.last.text, sizeof o.last.text, "%s",
			p->gate.settings.n_names > 1 ? "the plan has no gate"
						     : "one master needs no gate");
	} else if (wait_for_it(&o, p, e)) {
		err_wrap(e, "gate");
	}
	*outcome = o;
	return e->code;
}

int gate_tell(struct gate_place *p, enum gate_phase phase, struct err *e)
{
	e->code = ERR_OK;
	if (p->objects && publish(p, phase, false, e))
		return err_wrap(e, "gate");
	return 0;
}

int gate_look(const struct gate **gate, struct gate_place *p, struct err *e)
{
	e->code = ERR_OK;
	if (!p->objects)
		return err_set(e, ERR_USAGE, "this plan has no gate, or one master only");
	if (read_all(p, e))
		return err_wrap(e, "gate");
	*gate = &p->gate;
	return 0;
}
