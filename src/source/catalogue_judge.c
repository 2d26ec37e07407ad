#include "source/catalogue_judge.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	LOOK_BACK = 5,  /* how many earlier ones say what size is usual */
	LEAST_BACK = 2, /* and how many it takes to say anything */
	GAPS = 20,      /* how many gaps say how often backups come */
	LEAST_GAPS = 3,
	HOUR = 3600,
	ZONES = 15 * HOUR, /* how far a time without a zone may be off */
};

static bool is_database(const struct catalogue_item *i)
{
	return i->name.role == CATALOGUE_DATABASE;
}

/* Together: what lies in one directory and has the same time in its name. */
static int by_place_and_time(const void *left, const void *right)
{
	const struct catalogue_item *a = *(struct catalogue_item *const *)left;
	const struct catalogue_item *b = *(struct catalogue_item *const *)right;
	const int place = str_compare(a->name.parent, b->name.parent);
	const struct str a_time = a->name.has_time ? a->name.time.text : (struct str){ "", 0 };
	const struct str b_time = b->name.has_time ? b->name.time.text : (struct str){ "", 0 };

	return place ? place : str_compare(a_time, b_time);
}

static bool is_same_set(struct catalogue_item *const *left, struct catalogue_item *const *right)
{
	return !by_place_and_time(left, right);
}

static void join(struct catalogue_item *database, const struct catalogue_item *other)
{
	if (other->name.role == CATALOGUE_EVENTS)
		database->events = other->object;
	else if (other->name.role == CATALOGUE_COMPANION &&
		 !strcmp(other->name.kind, database->name.kind) &&
		 other->name.dirty == database->name.dirty)
		database->partner = other->object;
	else if (other->name.role == CATALOGUE_SIDECAR &&
		 str_starts(other->name.base, database->name.base) &&
		 other->name.base.p[database->name.base.len] == '.' &&
		 !memchr(other->name.base.p + database->name.base.len + 1, '.',
			 other->name.base.len - database->name.base.len - 1))
		database->sidecar = other->object;
}

/* Companions of this kind whose own database is not there: the other half of a mixed pair. */
static const struct catalogue_item *orphan_of(
	const struct catalogue_item *database, struct catalogue_item *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i]->name.role != CATALOGUE_COMPANION ||
			strcmp(v[i]->name.kind, database->name.kind) != 0)
			continue;
		bool owned = false;
		for (size_t k = i; k-- > 0 && is_same_set(&v[k], &v[i]);)
			owned |= is_database(v[k]) && v[k]->partner == v[i]->object;
		for (size_t k = i + 1; k < n && is_same_set(&v[k], &v[i]); k++)
			owned |= is_database(v[k]) && v[k]->partner == v[i]->object;
		if (!owned)
			return v[i];
	}
	return NULL;
}

static void refuse(struct catalogue_item *i, const char *text, const struct catalogue_wish *w)
{
	if (i->why)
		return;
	if (w->allow_dirty) {
		i->doubt = text;
		return;
	}
	i->why = text;
	i->refused = true;
}

static void judge_half(struct catalogue_item *i, const char *partner, bool others_have,
	struct catalogue_item *const *v, size_t n, struct arena *a, const struct catalogue_wish *w)
{
	const struct catalogue_item *orphan = orphan_of(i, v, n);

	if (orphan)
		refuse(i,
			arena_print(a,
				"a mixed pair: its %s is not there, but %.*s of another backup is; "
				"--allow-dirty takes it all the same",
				partner, STR_ARG(orphan->name.base)),
			w);
	else if (others_have)
		refuse(i,
			arena_print(a,
				"incomplete or still being written: its %s is missing; "
				"--allow-dirty takes it all the same",
				partner),
			w);
	else
		i->doubt = arena_print(a, "its %s is not beside it", partner);
}

/* One directory: `v` is sorted by time. */
static void judge_directory(struct catalogue_item *const *v, size_t n, const char *const *having,
	struct arena *a, const struct catalogue_wish *w)
{
	for (size_t i = 0; i < n; i++) {
		const char *partner = catalogue_partner(v[i]->name.kind);
		bool others_have = false;
		if (!is_database(v[i]) || v[i]->why)
			continue;
		if (v[i]->name.dirty)
			refuse(v[i],
				"made with --force while operators were at work "
				"(__POSSIBLY_DIRTY__); --allow-dirty takes it all the same",
				w);
		if (!partner || v[i]->partner || v[i]->object->place || !v[i]->object->name ||
			!*v[i]->object->name)
			continue;
		for (const char *const *k = having; *k; k++)
			others_have |= !strcmp(*k, v[i]->name.kind);
		judge_half(v[i], partner, others_have, v, n, a, w);
	}
}

void catalogue_judge_pairs(struct catalogue *c, struct arena *a, const struct catalogue_wish *wish)
{
	struct catalogue_item **v = arena_array(a, c->n ? c->n : 1, sizeof *v);
	const char *having[8] = { NULL };
	size_t n_having = 0;

	for (size_t i = 0; i < c->n; i++)
		v[i] = &c->v[i];
	qsort(v, c->n, sizeof(struct catalogue_item *), by_place_and_time);
	for (size_t from = 0, to; from < c->n; from = to) {
		for (to = from + 1; to < c->n && is_same_set(&v[from], &v[to]); to++)
			;
		/* A crowd without times is no set of a few things. */
		for (size_t i = from; to - from <= 64 && i < to; i++) {
			for (size_t k = from; is_database(v[i]) && k < to; k++)
				join(v[i], v[k]);
			size_t h = 0;
			while (h < n_having && strcmp(having[h], v[i]->name.kind) != 0)
				h++;
			if (v[i]->partner && h == n_having &&
				h + 1 < sizeof having / sizeof *having)
				having[n_having++] = v[i]->name.kind;
		}
	}
	for (size_t from = 0, to; from < c->n; from = to) {
		for (to = from + 1;
			to < c->n && str_equal(v[from]->name.parent, v[to]->name.parent); to++)
			;
		judge_directory(v + from, to - from, having, a, wish);
	}
}

static bool is_future(const struct catalogue_item *i, int64_t now)
{
	const bool vague = i->time_in_name && !i->name.time.zone && i->age_time == i->time;

	return i->age_time > now + (vague ? ZONES : HOUR);
}

/* When all are from the future it is the clock of this machine. */
void catalogue_judge_times(struct catalogue *c, struct arena *a, const struct catalogue_wish *wish)
{
	size_t n_future = 0, n_dated = 0;

	for (size_t i = 0; i < c->n_usable; i++) {
		n_dated += c->v[i].age_time != 0;
		n_future += is_future(&c->v[i], wish->now);
	}
	if (n_future && n_future == n_dated && n_dated == c->n_usable) {
		c->doubt = arena_print(a,
			"all of them are dated in the future: the clock of this machine is wrong, "
			"or %s behind",
			catalogue_span(c->v[0].age_time - wish->now).text);
		return;
	}
	for (size_t i = 0; i < c->n_usable && n_future; i++) {
		if (!is_future(&c->v[i], wish->now))
			continue;
		c->v[i].suspected = true;
		c->v[i].why = arena_print(a, "dated %s in the future",
			catalogue_span(c->v[i].age_time - wish->now).text);
	}
}

static bool is_same_series(const struct catalogue_item *a, const struct catalogue_item *b)
{
	return !strcmp(a->name.kind, b->name.kind) && str_equal(a->name.folder, b->name.folder) &&
	       str_equal(a->name.ending, b->name.ending);
}

static int by_number(const void *left, const void *right)
{
	const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static uint64_t median(uint64_t *v, size_t n)
{
	qsort(v, n, sizeof *v, by_number);
	return v[n / 2];
}

void catalogue_judge_sizes(struct catalogue *c, struct arena *a, const struct catalogue_wish *wish)
{
	enum { FAR = 256 }; /* how far back to look for those of the same series */

	(void)wish;
	for (size_t i = 0; i < c->n_usable; i++) {
		struct catalogue_item *item = &c->v[i];
		uint64_t before[LOOK_BACK];
		size_t n = 0;
		if (item->object->size == UINT64_MAX || !item->time || item->object->place)
			continue;
		for (size_t k = i + 1; k < c->n_usable && k - i < FAR && n < LOOK_BACK; k++) {
			if (is_same_series(item, &c->v[k]) && c->v[k].object->size != UINT64_MAX &&
				c->v[k].time && c->v[k].time < item->time)
				before[n++] = c->v[k].object->size;
		}
		if (n < LEAST_BACK)
			continue;
		const uint64_t usual = median(before, n);
		if (item->object->size >= usual / 2)
			continue;
		item->suspected = true;
		item->why = arena_print(a,
			"much smaller than those before it: %" PRIu64
			" bytes instead of about %" PRIu64,
			item->object->size, usual);
	}
}

void catalogue_judge_schedule(
	struct catalogue *c, struct arena *a, const struct catalogue_wish *wish)
{
	const struct catalogue_item *newest = NULL, *last = NULL;
	uint64_t gaps[GAPS];
	size_t n = 0;

	if (c->doubt || wish->name || wish->before)
		return;
	for (size_t i = 0; i < c->n_usable && n < GAPS; i++) {
		const struct catalogue_item *item = &c->v[i];
		if (item->why || !item->age_time)
			continue;
		if (!newest)
			newest = item;
		else if (!is_same_series(newest, item))
			continue;
		if (last && last->time > item->time)
			gaps[n++] = (uint64_t)(last->time - item->time);
		last = item;
	}
	if (n < LEAST_GAPS)
		return;
	const int64_t usual = (int64_t)median(gaps, n);
	const bool vague =
		newest->time_in_name && !newest->name.time.zone && newest->age_time == newest->time;
	const int64_t age = wish->now - newest->age_time - (vague ? ZONES : 0);
	if (age > 3 * usual && age > HOUR)
		c->doubt = arena_print(a,
			"backups seem to have stopped: they came every %s, the newest is %s old",
			catalogue_span(usual).text,
			catalogue_span(wish->now - newest->age_time).text);
}
