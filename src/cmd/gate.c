/* `gate`: who is ready to commit; or stand at the gate as one of the masters. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cmd/applets.h"
#include "cmd/output.h"
#include "cmd/signals.h"
#include "codec/json.h"
#include "node/dmi.h"
#include "plan/gate_wait.h"
#include "plan/search.h"

enum { OUTPUT_MAX = 1 << 20, COLUMNS = 7, SHOWN = 12, HOLDING = 5, SHORTEST_MS = 50 };

struct options {
	struct option_common common;
	const char *file, *name, *digest, *plan, *snapshot, *token, *hardware, *tell;
	struct option_list members;
	uint64_t old, wait, every;
};

static const struct option_row rows[] = {
	{ "file", 'f', OPTION_TEXT, offsetof(struct options, file), "PLAN",
		"the plan, which names the gate and the masters" },
	{ "member", 0, OPTION_LIST, offsetof(struct options, members), "NAME",
		"one of the masters, where the plan names none; may be repeated" },
	{ "name", 0, OPTION_TEXT, offsetof(struct options, name), "NAME",
		"wait as this master; without it only look" },
	{ "digest", 0, OPTION_TEXT, offsetof(struct options, digest), "HEX",
		"of what this master is about to commit: it has to be equal everywhere" },
	{ "plan-id", 0, OPTION_TEXT, offsetof(struct options, plan), "HEX",
		"digest of the resolved plan (that of --digest)" },
	{ "snapshot", 0, OPTION_TEXT, offsetof(struct options, snapshot), "HEX",
		"SHA-256 of the snapshot, for people (that of --digest)" },
	{ "token", 0, OPTION_TEXT, offsetof(struct options, token), "TEXT",
		"token of the new cluster, for people (that of the plan)" },
	{ "hardware", 0, OPTION_TEXT, offsetof(struct options, hardware), "TEXT",
		"what tells this machine from others (UUID of its board)" },
	{ "old-members", 0, OPTION_U64, offsetof(struct options, old), "N",
		"how many members the old cluster had (as many as the new one)" },
	{ "wait", 0, OPTION_U64, offsetof(struct options, wait), "SECONDS",
		"how long to hold; 0: for ever (0)" },
	{ "every", 0, OPTION_U64, offsetof(struct options, every), "MS",
		"time between two rounds in milliseconds (5000)" },
	{ "tell", 0, OPTION_TEXT, offsetof(struct options, tell), "PHASE",
		"do not wait, say this: committed, handed-off, healthy, aside or rolled-back" },
	{ 0 },
};

static int set_hex(char hex[65], const char *text, const char *option, struct err *e)
{
	const struct str s = str_from(text);

	for (size_t i = 0; i < s.len; i++) {
		if (!memchr("0123456789abcdef", s.p[i], 16))
			return err_set(e, ERR_USAGE, "%s: lower-case hex is wanted", option);
	}
	if (s.len != 64)
		return err_set(e, ERR_USAGE, "%s: a SHA-256 has 64 hex digits", option);
	memcpy(hex, s.p, 65);
	return 0;
}

static int set_text(char *to, size_t size, const char *text, const char *option, struct err *e)
{
	const struct str s = str_from(text);

	if (s.len >= size)
		return err_set(e, ERR_USAGE, "%s is longer than %zu bytes", option, size - 1);
	memcpy(to, s.p, s.len + 1);
	return 0;
}

static const char *own_hardware(struct app *app)
{
	struct dmi dmi;

	dmi_read(&dmi, app->arena, &app->root);
	return dmi.uuid ? dmi.uuid : dmi.serial ? dmi.serial : "unknown";
}

static int set_self(struct gate_note *self, struct app *app, const struct plan *plan, struct err *e)
{
	const struct options *o = app->options;
	const char *token = o->token ? o->token : plan->cluster.token ? plan->cluster.token : "";

	if (!o->digest)
		return err_set(e, ERR_USAGE, "--name needs --digest, which others compare");
	self->generation = plan->generation;
	if (set_hex(self->ready, o->digest, "--digest", e) ||
		set_hex(self->plan, o->plan ? o->plan : o->digest, "--plan-id", e) ||
		set_hex(self->snapshot, o->snapshot ? o->snapshot : o->digest, "--snapshot", e) ||
		set_text(self->token, sizeof self->token, token, "--token", e) ||
		set_text(self->node, sizeof self->node, o->name, "--name", e))
		return e->code;
	return set_text(self->hardware, sizeof self->hardware,
		o->hardware ? o->hardware : own_hardware(app), "--hardware", e);
}

static const char *const *names_of(
	size_t *n, struct app *app, const struct plan *plan, const struct options *o)
{
	const char **names =
		arena_array(app->arena, plan->cluster.members.n + o->members.n + 1, sizeof *names);

	*n = 0;
	for (size_t i = 0; !o->members.n && i < plan->cluster.members.n; i++)
		names[(*n)++] = plan->cluster.members.v[i].name;
	for (size_t i = 0; i < o->members.n; i++)
		names[(*n)++] = o->members.v[i];
	return names;
}

static int read_plan(struct delivery *d, struct app *app, const char *name, struct err *e)
{
	const struct search_machine machine = { .root = &app->root };
	char here[4096];

	if (!name)
		return err_set(e, ERR_USAGE, "which plan? name it with --file");
	if (name[0] != '/' && !getcwd(here, sizeof here))
		return err_sys(e, "this directory");
	return search_file(d, app->arena, &machine,
		name[0] == '/' ? name : arena_print(app->arena, "%s/%s", here, name), e);
}

static int print_decision(
	struct buf *out, const struct gate_outcome *o, bool as_json, struct err *e)
{
	struct json j = JSON(out);

	if (!as_json)
		return o->released ? buf_print(out, e, "released: %s\n", o->last.text) : 0;
	json_open(&j, '{');
	json_key_text(&j, "event", "gate");
	json_key_bool(&j, "released", o->released);
	json_key_bool(&j, "stopped", o->last.verdict == GATE_STOP);
	json_key_u64(&j, "ready", o->last.ready);
	json_key_u64(&j, "need", o->last.need);
	json_key_text(&j, "text", o->last.text);
	json_key(&j, "committed");
	json_open(&j, '[');
	for (const char **name = o->committed; name && *name; name++)
		json_text(&j, *name);
	json_close(&j, ']');
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int wait_there(struct app *app, struct gate_place *place, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_BUF struct buf out = BUF(OUTPUT_MAX);
	struct gate_outcome outcome;
	struct err why = { 0 };

	const int bad = gate_wait(&outcome, place, e);
	if (print_decision(&out, &outcome, o->common.json, &why) || app_print(&out, &why)) {
		*e = why;
		return e->code;
	}
	if (bad || outcome.released)
		return bad;
	app->status = HOLDING;
	return err_set(e, ERR_DECLINED, "gate: still holding after %" PRIu64 " s: %s", o->wait,
		outcome.last.text);
}

static const char *const *row_of(struct arena *a, const struct gate_member *m)
{
	const char **v = arena_array(a, COLUMNS, sizeof *v);
	const struct gate_note *n = &m->note;

	v[0] = m->name;
	for (size_t i = 1; i < COLUMNS; i++)
		v[i] = "-";
	if (m->heard != GATE_NOTE)
		return v;
	v[1] = gate_phase_word(n->phase);
	v[2] = arena_print(a, "%" PRIu64, n->generation);
	v[3] = arena_print(a, "%.*s", SHOWN, n->ready);
	v[4] = arena_print(a, "%.*s", SHOWN, n->snapshot);
	v[5] = arena_copy(a, str_from(n->token));
	v[6] = arena_copy(a, str_from(n->hardware));
	return v;
}

static int print_table(struct buf *out, struct arena *a, const struct gate *g, struct err *e)
{
	static const char *const heads[COLUMNS] = { "NAME", "PHASE", "GENERATION", "DIGEST",
		"SNAPSHOT", "TOKEN", "HARDWARE" };
	const size_t n = g->settings.n_names;
	const char **cells = arena_array(a, (n + 1) * COLUMNS, sizeof *cells);

	memcpy(cells, heads, sizeof heads);
	for (size_t i = 0; i < n; i++)
		memcpy(cells + (i + 1) * COLUMNS, row_of(a, &g->members[i]),
			COLUMNS * sizeof *cells);
	if (output_table(out, COLUMNS, n + 1, cells, e))
		return e->code;
	output_tame(out);
	return 0;
}

static int print_members(struct buf *out, const struct gate *g, struct err *e)
{
	for (size_t i = 0; i < g->settings.n_names; i++) {
		const struct gate_member *m = &g->members[i];
		struct json j = JSON(out);
		json_open(&j, '{');
		json_key_text(&j, "event", "member");
		json_key_text(&j, "name", m->name);
		json_key_bool(&j, "there", m->heard == GATE_NOTE);
		if (m->heard == GATE_NOTE) {
			json_key_text(&j, "phase", gate_phase_word(m->note.phase));
			json_key_u64(&j, "generation", m->note.generation);
			json_key_text(&j, "plan", m->note.plan);
			json_key_text(&j, "ready", m->note.ready);
			json_key_text(&j, "snapshot", m->note.snapshot);
			json_key_text(&j, "token", m->note.token);
			json_key_text(&j, "hardware", m->note.hardware);
			json_key_text(&j, "against", *m->note.against ? m->note.against : NULL);
		}
		json_close(&j, '}');
		if (json_end(&j, e) || buf_add(out, "\n", 1, e))
			return e->code;
	}
	return 0;
}

static int look(struct app *app, struct gate_place *place, struct err *e)
{
	const struct options *o = app->options;
	CLEAN_BUF struct buf out = BUF(OUTPUT_MAX);
	const struct gate *gate;

	if (gate_look(&gate, place, e))
		return e->code;
	if (o->common.json ? print_members(&out, gate, e) : print_table(&out, app->arena, gate, e))
		return e->code;
	return app_print(&out, e);
}

static int tell(struct gate_place *place, const char *word, struct err *e)
{
	static const enum gate_phase phases[] = { GATE_COMMITTED, GATE_HANDED_OFF, GATE_HEALTHY,
		GATE_ASIDE, GATE_ROLLED_BACK };

	for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
		if (!strcmp(word, gate_phase_word(phases[i])))
			return gate_tell(place, phases[i], e);
	}
	return err_set(e, ERR_USAGE,
		"--tell %s: there are committed, handed-off, healthy, aside and rolled-back", word);
}

static int gate_run(struct app *app, struct err *e)
{
	const struct options *o = app->options;
	struct delivery d = { 0 };
	struct gate_place *place;
	size_t n;

	if (read_plan(&d, app, o->file, e))
		return e->code;
	struct gate_wait_settings s = { .plan = &d.plan,
		.root = &app->root,
		.listener = app->listener,
		.every_ms = (unsigned)o->every,
		.hold_ms = o->wait * 1000,
		.go_on = signals_go_on,
		.gate = { .missing = d.plan.missing, .n_old = (size_t)o->old } };
	s.gate.names = names_of(&n, app, &d.plan, o);
	s.gate.n_names = n;
	if (!n)
		return err_set(e, ERR_USAGE,
			"the plan names no masters (cluster.members): name them with --member");
	if (o->wait > 10000000 || o->every > 600000 || o->old > GATE_NAMES_MAX ||
		(o->every && o->every < SHORTEST_MS))
		return err_set(e, ERR_USAGE, "--wait, --every or --old-members makes no sense");
	if (o->tell && !o->name)
		return err_set(e, ERR_USAGE, "--tell needs --name: who says so?");
	if (o->name ? set_self(&s.gate.self, app, &d.plan, e)
		    : set_text(s.gate.self.node, sizeof s.gate.self.node, s.gate.names[0],
			      "cluster.members", e))
		return e->code;
	signals_notice();
	if (gate_open(&place, app->arena, &s, e))
		return e->code;
	const int bad = !o->name  ? look(app, place, e)
			: o->tell ? tell(place, o->tell, e)
				  : wait_there(app, place, e);
	gate_close(place);
	return bad;
}

const struct applet applet_gate = {
	.name = "gate",
	.purpose = "show which masters are ready to commit, or wait for them as one",
	.about = "Masters that restore at the same time compare what they are about to commit at\n"
		 "the place that the plan names as gate. run does that by itself; this is for a\n"
		 "person who wants to see who is there. Status 5: holding, 6: refused.",
	.options = rows,
	.options_size = sizeof(struct options),
	.run = gate_run,
};
