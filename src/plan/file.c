#include "plan/file.h"

#include <assert.h>
#include <string.h>

#include "codec/doc.h"
#include "plan/value.h"

enum { KEY_MAX = 128, MAX_SHOWN_KEY = 60, MAX_ITEMS = 64 };

static const struct doc_limits limits = { PLAN_FILE_MAX, 5000, 50, 16 };

struct reader {
	struct plan *plan;
	struct arena *arena;
	const char *name;
	struct err *e;
};

/* "FILE:LINE:COLUMN: KEY: " in front of what is in `e`. */
static int at(struct reader *r, const struct doc_node *node, const char *key)
{
	return err_wrap(r->e, "%s:%u:%u: %s", r->name, node->line, node->column, key);
}

static int bad(struct reader *r, const struct doc_node *node, const char *key, const char *what)
{
	err_set(r->e, ERR_FORMAT, "%s", what);
	return at(r, node, key);
}

static void say(struct plan *plan, const struct schema_row *row, struct plan_place where)
{
	plan->said[row - schema] = where;
}

static int unknown_key(struct reader *r, const struct doc_node *name, struct str group)
{
	const int len = name->text.len > MAX_SHOWN_KEY ? MAX_SHOWN_KEY : (int)name->text.len;
	const char *nearest = schema_nearest(
		str_from(arena_print(r->arena, "%.*s%.*s", STR_ARG(group), STR_ARG(name->text))));

	if (value_key_is_secret(name->text))
		err_set(r->e, ERR_FORMAT,
			"a plan holds no secrets: put them into a file and say where it is with "
			"credentials: file:PATH");
	else if (memchr(name->text.p, '.', name->text.len))
		err_set(r->e, ERR_FORMAT,
			"unknown key; a key of a group stands below it: 's3: {endpoint: ...}'");
	else if (nearest)
		err_set(r->e, ERR_FORMAT, "unknown key, did you mean '%s'?", nearest);
	else
		err_set(r->e, ERR_FORMAT, "unknown key; all keys: etcd-rescue plan --keys");
	return err_wrap(r->e, "%s:%u:%u: %.*s%.*s", r->name, name->line, name->column,
		STR_ARG(group), len, name->text.p);
}

static int read_group(struct reader *r, const struct doc_node *map, struct str group, char *base);

static int read_list(struct reader *r, const struct doc_node *node, const struct schema_row *row,
	struct plan_list *field)
{
	struct plan_list list = { arena_array(r->arena, node->n + 1, sizeof *list.v), 0 };

	if (node->kind != DOC_LIST)
		return bad(r, node, row->key, "wants a list: [a, b]");
	if (node->n > MAX_ITEMS)
		return bad(r, node, row->key, "holds more than 64 items");
	for (const struct doc_node *c = node->first; c; c = c->next) {
		if (c->kind != DOC_SCALAR)
			return bad(r, c, row->key, "each item of this list is one text");
		if (value_text(&list.v[list.n++], row, r->arena, c->text, r->e))
			return at(r, c, row->key);
	}
	*field = list;
	return 0;
}

static int read_tags(struct reader *r, const struct doc_node *node, const struct schema_row *row,
	struct plan_pairs *field)
{
	struct plan_pairs tags = { arena_array(r->arena, node->n + 1, sizeof *tags.v), 0 };

	if (node->kind != DOC_MAP)
		return bad(r, node, row->key, "wants names with values: {name: value}");
	if (node->n > MAX_ITEMS)
		return bad(r, node, row->key, "holds more than 64 items");
	for (const struct doc_node *c = node->first; c; c = c->next) {
		if (c->kind != DOC_SCALAR)
			return bad(r, c, row->key, "the value of a tag is one text");
		struct plan_pair *tag = &tags.v[tags.n++];
		if (value_text(&tag->name, row, r->arena, c->key->text, r->e))
			return at(r, c->key, row->key);
		if (value_text(&tag->value, row, r->arena, c->text, r->e))
			return at(r, c, row->key);
	}
	*field = tags;
	return 0;
}

/* A list of groups: its items all have the size and the keys of one struct. */
static int read_items(struct reader *r, const struct doc_node *node, const struct schema_row *row)
{
	const bool is_member = !strcmp(row->key, "cluster.members");
	const size_t size = is_member ? sizeof(struct plan_member) : sizeof(struct plan_replace);
	char *items = arena_array(r->arena, node->n + 1, size);
	const struct str group = str_from(arena_print(r->arena, "%s[].", row->key));
	size_t n = 0;

	assert(is_member || !strcmp(row->key, "replace"));
	if (node->kind != DOC_LIST)
		return bad(r, node, row->key, "wants a list, each item on a line with '- '");
	if (node->n > MAX_ITEMS)
		return bad(r, node, row->key, "holds more than 64 items");
	for (const struct doc_node *c = node->first; c; c = c->next) {
		if (c->kind != DOC_MAP)
			return bad(r, c, row->key, "each item of this list has keys of its own");
		*(struct plan_place *)(void *)(items + n * size) =
			(struct plan_place){ c->line, c->column };
		if (read_group(r, c, group, items + n * size))
			return r->e->code;
		/* Every key of an item but `match` is needed. */
		for (const struct schema_row *k = schema; k < schema + schema_n; k++) {
			if (k->shape == SCHEMA_ONE && schema_below(k->key, group) &&
				!*(const char **)(void *)(items + n * size + k->field)) {
				err_set(r->e, ERR_FORMAT, "an item without '%s'",
					k->key + group.len);
				return at(r, c, row->key);
			}
		}
		n++;
	}
	if (is_member)
		r->plan->cluster.members = (struct plan_members){ (void *)items, n };
	else
		r->plan->replace = (struct plan_replaces){ (void *)items, n };
	return 0;
}

static bool says_something(const struct doc_node *map)
{
	const struct doc_node *c = map->first;

	while (c && doc_is_null(c))
		c = c->next;
	return c;
}

static int read_one(
	struct reader *r, const struct doc_node *node, const struct schema_row *row, char *base)
{
	if (node->kind == DOC_MAP && schema_has_keys(row)) {
		if (!says_something(node))
			return bad(r, node, row->key, "is empty");
		/* The keys below say it instead. */
		*(const char **)(void *)(base + row->field) = NULL;
		return read_group(r, node, str_from(arena_print(r->arena, "%s.", row->key)), base);
	}
	if (node->kind != DOC_SCALAR)
		return bad(r, node, row->key,
			node->kind == DOC_MAP ? "takes one value, no keys of its own"
					      : "takes one value, no list");
	if (value_set(base + row->field, row, r->arena, node->text, r->e))
		return at(r, node, row->key);
	return 0;
}

static int read_row(
	struct reader *r, const struct doc_node *node, const struct schema_row *row, char *base)
{
	switch (row->shape) {
	case SCHEMA_ONE:
		return read_one(r, node, row, base);
	case SCHEMA_LIST:
		return read_list(r, node, row, (void *)(base + row->field));
	case SCHEMA_TAGS:
		return read_tags(r, node, row, (void *)(base + row->field));
	case SCHEMA_ITEMS:
		return read_items(r, node, row);
	case SCHEMA_GROUP:
		if (node->kind != DOC_MAP)
			return bad(r, node, row->key, "wants its keys below it, or in { }");
		return read_group(r, node, str_from(arena_print(r->arena, "%s.", row->key)), base);
	}
	return err_set(r->e, ERR_BUG, "key %s has no shape", row->key);
}

/* The keys of `map` as those of `group`, which is "" or ends with a dot. */
static int read_group(struct reader *r, const struct doc_node *map, struct str group, char *base)
{
	for (const struct doc_node *c = map->first; c; c = c->next) {
		const struct schema_row *row = NULL;
		char key[KEY_MAX];

		/* A dot inside a name must not reach into a group. */
		if (group.len + c->key->text.len < sizeof key &&
			!memchr(c->key->text.p, '.', c->key->text.len)) {
			memcpy(key, group.p, group.len);
			memcpy(key + group.len, c->key->text.p, c->key->text.len);
			row = schema_row((struct str){ key, group.len + c->key->text.len });
		}
		if (!row)
			return unknown_key(r, c->key, group);
		if (doc_is_null(c))
			continue; /* as if it were not there */
		if (read_row(r, c, row, base))
			return r->e->code;
		say(r->plan, row, (struct plan_place){ c->line, c->column });
	}
	return 0;
}

void plan_defaults(struct plan *plan, struct arena *a)
{
	struct err e = { 0 };

	*plan = (struct plan){ .said = arena_array(a, schema_n, sizeof *plan->said) };
	for (const struct schema_row *row = schema; row < schema + schema_n; row++) {
		char *field = (char *)plan + row->field;
		if (!row->initial)
			continue;
		assert(row->shape == SCHEMA_ONE);
		value_set(field, row, a, str_from(row->initial), &e);
		assert(!e.code);
	}
}

int plan_read(
	struct plan *plan, struct arena *a, struct str source, const char *name, struct err *e)
{
	struct reader r = { plan, a, name, e };
	struct doc doc;

	if (source.len > PLAN_FILE_MAX)
		return err_set(
			e, ERR_FORMAT, "%s: is no plan, it holds %zu bytes", name, source.len);
	if (doc_parse(&doc, a, source, name, DOC_YAML, limits, e))
		return e->code;
	plan_defaults(plan, a);
	if (!doc.root || doc_is_null(doc.root))
		return 0;
	if (doc.n_documents > 1)
		return err_set(e, ERR_FORMAT, "%s:%u:%u: a second document; a plan is one", name,
			doc.root->next->line, doc.root->next->column);
	if (doc.root->kind != DOC_MAP)
		return err_set(e, ERR_FORMAT, "%s:%u:%u: is no plan: wants lines of 'key: value'",
			name, doc.root->line, doc.root->column);
	return read_group(&r, doc.root, STR(""), (char *)plan);
}

int plan_override(struct plan *plan, struct arena *a, const char *key, const char *text,
	const char *word, struct err *e)
{
	const struct schema_row *row = schema_row(str_from(key));

	assert(row && row->shape == SCHEMA_ONE);
	if (value_set((char *)plan + row->field, row, a, str_from(text), e))
		return err_wrap(e, "kernel line: %s", word);
	/* A value replaces the keys that may stand in its place. */
	if (!strcmp(key, "snapshot")) {
		plan->snapshot.before = 0;
		plan->snapshot.sha256 = plan->snapshot.version = NULL;
	}
	say(plan, row, PLAN_KERNEL_LINE);
	return 0;
}

struct check {
	const struct plan *plan;
	const char *name;
	struct err *e;
};

/* Says where it is in front of what is in `e`. */
static int wrong(const struct check *c, struct plan_place place, const char *key)
{
	if (place.line == PLAN_KERNEL_LINE.line)
		return err_wrap(c->e, "kernel line: %s", key);
	if (!place.line)
		return err_wrap(c->e, "%s: %s", c->name, key);
	return err_wrap(c->e, "%s:%u:%u: %s", c->name, place.line, place.column, key);
}

static int check_member(const struct check *c, const struct plan_member *m)
{
	for (const struct plan_member *o = c->plan->cluster.members.v; o < m; o++) {
		const char *same = NULL;
		if (!strcmp(m->name, o->name)) {
			err_set(c->e, ERR_FORMAT, "'%s' stands here again, it is in line %u",
				m->name, o->place.line);
			return wrong(c, m->place, "cluster.members");
		}
		if (!strcmp(m->peer, o->peer))
			same = "peer URL";
		else if (m->match.mac && o->match.mac && !strcmp(m->match.mac, o->match.mac))
			same = "MAC address";
		if (same) {
			err_set(c->e, ERR_FORMAT, "'%s' has the %s of '%s' in line %u", m->name,
				same, o->name, o->place.line);
			return wrong(c, m->place, "cluster.members");
		}
	}
	return 0;
}

static int check_members(const struct check *c)
{
	const struct plan_members *members = &c->plan->cluster.members;
	const char *host = c->plan->recovery_host;
	bool found = !host || !members->n;

	for (size_t i = 0; i < members->n; i++) {
		if (check_member(c, &members->v[i]))
			return c->e->code;
		found = found || !strcmp(host, members->v[i].name);
	}
	if (found)
		return 0;
	err_set(c->e, ERR_FORMAT, "'%s' is not among cluster.members", host);
	return wrong(c, plan_said(c->plan, "recovery-host"), "recovery-host");
}

static int check_replace(const struct check *c)
{
	for (size_t i = 0; i < c->plan->replace.n; i++) {
		const struct plan_replace *x = &c->plan->replace.v[i];
		if (!strcmp(x->from, x->to)) {
			err_set(c->e, ERR_FORMAT, "'%s' is replaced by itself", x->from);
			return wrong(c, x->place, "replace");
		}
		for (size_t k = 0; k < i; k++) {
			const struct plan_replace *o = &c->plan->replace.v[k];
			if (strcmp(x->from, o->from))
				continue;
			err_set(c->e, ERR_FORMAT, "'%s' is replaced in line %u already", x->from,
				o->place.line);
			return wrong(c, x->place, "replace");
		}
	}
	return 0;
}

static int check_https(const struct check *c)
{
	const bool has_key = c->plan->https.client_key;

	if (has_key == !!c->plan->https.client_cert)
		return 0;
	err_set(c->e, ERR_FORMAT, "client-cert and client-key go together, '%s' is missing",
		has_key ? "client-cert" : "client-key");
	return wrong(c, plan_said(c->plan, "https"), "https");
}

int plan_check(const struct plan *plan, const char *name, struct err *e)
{
	const struct check c = { plan, name, e };
	const bool is_pinned = plan->snapshot.sha256 || plan->snapshot.version;

	if (!plan->source)
		return err_set(e, ERR_FORMAT,
			"%s:1:1: source is missing: say where the snapshots are, such as "
			"source: s3://BUCKET/PREFIX/",
			name);
	if (plan->snapshot.before && is_pinned) {
		err_set(e, ERR_FORMAT,
			"'before' does not go with 'sha256' or 'version', which name one snapshot");
		return wrong(&c, plan_said(plan, "snapshot"), "snapshot");
	}
	if (check_https(&c) || check_members(&c) || check_replace(&c))
		return e->code;
	/* With a fixed token, masters that restored different snapshots could join each other. */
	if (plan->automatic && plan->cluster.token && plan->cluster.members.n > 1 && !is_pinned &&
		!strcmp(plan->gate, "none")) {
		err_set(e, ERR_FORMAT,
			"with cluster.token and several members it also needs a gate, or "
			"snapshot: {sha256: ...}");
		return wrong(&c, plan_said(plan, "auto"), "auto");
	}
	return 0;
}
