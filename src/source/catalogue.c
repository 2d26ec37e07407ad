#include "source/catalogue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/catalogue_judge.h"

struct catalogue_span catalogue_span(int64_t seconds)
{
	static const struct {
		int64_t seconds;
		const char *one, *many;
	} units[] = { { 86400, "day", "days" }, { 3600, "hour", "hours" },
		{ 60, "minute", "minutes" }, { 1, "second", "seconds" } };
	struct catalogue_span s;
	size_t i = 0;

	if (seconds < 0)
		seconds = 0;
	/* Two of something rather than one of the next: "90 minutes" tells more than "1 hour". */
	while (i < 3 && seconds < 2 * units[i].seconds)
		i++;
	const int64_t n = seconds / units[i].seconds;
	snprintf(s.text, sizeof s.text, "%" PRId64 " %s", n, n == 1 ? units[i].one : units[i].many);
	return s;
}

/* Of an address that is the object itself the name is its last part. */
static const char *shown_name(struct arena *a, const struct source_object *o)
{
	if (o->name && *o->name)
		return o->name;
	const char *url = o->url ? o->url : "";
	const char *slash = strrchr(url, '/');
	const char *colon = strrchr(url, ':');
	const char *at = slash ? slash + 1 : colon ? colon + 1 : url;
	return arena_copy(a, str_from(*at ? at : url));
}

static void read_item(struct catalogue_item *item, struct arena *a, const struct source_object *o)
{
	const int64_t day = 86400;
	const bool alone = !o->name || !*o->name;

	*item = (struct catalogue_item){ .object = o, .shown = shown_name(a, o) };
	catalogue_name_read(&item->name, str_from(item->shown));
	if (alone || o->place) {
		/* A person, or the place itself, says that it is one. */
		item->name.role = CATALOGUE_DATABASE;
		if (!*item->name.kind)
			item->name.kind = o->place ? "place" : "other";
		item->doubt = o->place ? NULL : item->name.why;
		item->name.why = NULL;
	}
	item->time_in_name = item->name.has_time;
	item->time = item->time_in_name ? item->name.time.seconds : o->modified;
	item->age_time = item->time;
	if (item->time_in_name && !item->name.time.zone && o->modified &&
		llabs(o->modified - item->time) < day)
		item->age_time = o->modified;
	if (item->name.role == CATALOGUE_INCREMENT)
		item->why = "holds only what changed since a Full one";
	if (item->name.role == CATALOGUE_DATABASE)
		item->why = o->unfit ? o->unfit : item->name.why;
	item->suspected = item->why && item->why == item->name.why;
	if (item->name.role == CATALOGUE_DATABASE && !item->why && !o->size)
		item->why = "it is empty: 0 bytes";
}

static int class_of(const struct catalogue_item *i)
{
	if (i->name.role == CATALOGUE_DATABASE || i->name.role == CATALOGUE_INCREMENT)
		return i->why ? 1 : 0;
	return 2;
}

static int by_rank(const void *left, const void *right)
{
	const struct catalogue_item *a = left, *b = right;
	const uint64_t a_size = a->object->size == UINT64_MAX ? 0 : a->object->size;
	const uint64_t b_size = b->object->size == UINT64_MAX ? 0 : b->object->size;

	if (class_of(a) != class_of(b))
		return class_of(a) - class_of(b);
	if (a->time != b->time)
		return a->time > b->time ? -1 : 1;
	if (!a->partner != !b->partner)
		return a->partner ? -1 : 1;
	if (a_size != b_size)
		return a_size > b_size ? -1 : 1;
	return strcmp(a->shown, b->shown);
}

static bool is_node(const struct catalogue_item *i, const char *node)
{
	struct str part, rest = i->name.parent;

	if (str_is(i->name.node, node))
		return true;
	while (str_next(&part, &rest, '/')) {
		if (str_is(part, node))
			return true;
	}
	/* etcd-master1-2026..: the name bounded by what no name goes on with. */
	size_t at;
	const struct str want = str_from(node), base = i->name.base;
	if (!want.len || !str_find(&at, base, want))
		return false;
	const char before = at ? base.p[at - 1] : '-';
	const char after = at + want.len < base.len ? base.p[at + want.len] : '-';
	return strchr("-_.", before) && strchr("-_.", after);
}

static bool is_named(const struct catalogue_item *i, const char *name)
{
	return !strcmp(i->shown, name) || str_is(i->name.base, name) ||
	       (i->object->url && !strcmp(i->object->url, name));
}

/* What was asked for narrows the choice; all else stays in the listing, with the reason. */
static void narrow(struct catalogue *c, const struct catalogue_wish *w)
{
	const bool any_folder = !w->folder || !strcmp(w->folder, "any");
	bool node_known = false;

	for (size_t k = 0; w->node && k < c->n; k++)
		node_known |= class_of(&c->v[k]) == 0 && is_node(&c->v[k], w->node);

	for (size_t k = 0; k < c->n; k++) {
		struct catalogue_item *i = &c->v[k];
		if (w->name && i->suspected && i->object->size && is_named(i, w->name)) {
			i->doubt = i->why;
			i->why = NULL;
		}
		if (class_of(i) != 0)
			continue;
		if (w->name && !is_named(i, w->name))
			i->why = "not the one that was named";
		else if (w->node && !is_node(i, w->node) && (node_known || i->name.node.len))
			i->why = "of another node";
		else if (!any_folder && !str_is(i->name.folder, w->folder) &&
			 !str_is(i->name.parent, w->folder))
			i->why = "in another folder";
		else if (w->before && !i->time)
			i->why = "its time is not known";
		else if (w->before && i->time >= w->before)
			i->why = "not before the time that was asked for";
	}
}

static void count(struct catalogue *c)
{
	c->n_usable = c->n_passed = 0;
	for (size_t i = 0; i < c->n; i++) {
		c->n_usable += class_of(&c->v[i]) == 0;
		c->n_passed += class_of(&c->v[i]) == 1;
	}
}

/* Folders that hold usable ones: "prod, staging"; NULL when it is one. */
static const char *mixed_folders(const struct catalogue *c, struct arena *a)
{
	enum { SHOWN = 6 };
	struct str seen[SHOWN];
	const char *text = "";
	size_t n = 0;

	for (size_t i = 0; i < c->n_usable && n < SHOWN; i++) {
		const struct str folder = c->v[i].name.folder;
		size_t k = 0;
		while (k < n && !str_equal(seen[k], folder))
			k++;
		if (k < n)
			continue;
		seen[n++] = folder;
		text = arena_print(a, "%s%s%.*s", text, *text ? ", " : "",
			STR_ARG(folder.len ? folder : STR("(none)")));
	}
	return n > 1 ? text : NULL;
}

static const char *reason_of(
	const struct catalogue *c, struct arena *a, const struct catalogue_wish *w)
{
	const struct catalogue_item *first = &c->v[0];

	if (w->name)
		return "named";
	if (c->n_usable == 1)
		return "the only usable one";
	const char *newest = arena_print(a, "the newest of %zu", c->n_usable);
	if (!first->time)
		return arena_print(a, "the largest of %zu, none says its time", c->n_usable);
	return arena_print(a, "%s, by the time %s%s", newest,
		first->time_in_name ? "in its name" : "of the file",
		w->before ? ", before the one that was asked for" : "");
}

void catalogue_make(struct catalogue *c, struct arena *a, const struct source_objects *objects,
	const struct catalogue_wish *wish)
{
	*c = (struct catalogue){ .n = objects->n, .cut = objects->cut };
	c->v = arena_array(a, objects->n ? objects->n : 1, sizeof *c->v);
	for (size_t i = 0; i < objects->n; i++)
		read_item(&c->v[i], a, &objects->v[i]);
	catalogue_judge_pairs(c, a, wish);
	qsort(c->v, c->n, sizeof *c->v, by_rank);
	count(c);
	catalogue_judge_times(c, a, wish);
	qsort(c->v, c->n, sizeof *c->v, by_rank);
	count(c);
	catalogue_judge_sizes(c, a, wish);
	catalogue_judge_schedule(c, a, wish);
	narrow(c, wish);
	qsort(c->v, c->n, sizeof *c->v, by_rank);
	count(c);
	if (!wish->folder && !wish->name)
		c->mixed = mixed_folders(c, a);
	if (c->n_usable)
		c->reason = reason_of(c, a, wish);
}

static int nothing(
	struct err *e, const struct catalogue *c, const struct catalogue_wish *w, const char *place)
{
	const struct catalogue_item *newest = c->n_passed ? &c->v[0] : NULL;

	if (!c->n)
		return err_set(e, ERR_NOTFOUND, "%s: nothing is there", place);
	if (!newest)
		return err_set(e, ERR_NOTFOUND,
			"%s: %zu things are there, none has the name of a snapshot; name one in "
			"the "
			"address",
			place, c->n);
	if (w->name)
		return err_set(e, ERR_NOTFOUND, "%s: no '%s' is there; the newest is %s", place,
			w->name, newest->shown);
	return err_set(e, newest->refused ? ERR_DECLINED : ERR_NOTFOUND,
		"%s: none of %zu snapshots can be taken; the newest, %s: %s", place, c->n_passed,
		newest->shown, newest->why);
}

int catalogue_choose(const struct catalogue_item **item, const struct catalogue *c,
	const struct catalogue_wish *wish, const char *place, struct err *e)
{
	/* One that was named is refused for what it is, not for being passed over. */
	for (size_t i = 0; wish->name && i < c->n; i++) {
		if (is_named(&c->v[i], wish->name) && c->v[i].why && !c->n_usable)
			return err_set(e, c->v[i].refused ? ERR_DECLINED : ERR_NOTFOUND, "%s: %s",
				c->v[i].shown, c->v[i].why);
	}
	if (!c->n_usable)
		return nothing(e, c, wish, place);
	if (wish->name && c->n_usable > 1 && strcmp(c->v[0].shown, wish->name) != 0)
		return err_set(e, ERR_USAGE, "%s: there are %s and %s; give the whole name",
			wish->name, c->v[0].shown, c->v[1].shown);
	if (c->mixed)
		return err_set(e, ERR_DECLINED,
			"%s: snapshots lie in several folders, perhaps of different clusters: %s; "
			"add one to the address or say --folder NAME",
			place, c->mixed);
	*item = &c->v[0];
	return 0;
}
