/* A listing, thing by thing, and what is chosen of it. */
#pragma once

#include "source/catalogue.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/rfc3339.h"

enum { LISTED = 64 };

static const int64_t now = 1795200000; /* 2026-11-20T18:40:00Z */

/* A listing, thing by thing. */
struct listing {
	struct arena arena;
	struct source_object v[LISTED];
	size_t n;
	struct catalogue_wish wish;
	struct catalogue c;
};

static inline void add_dated(struct listing *l, const char *name, uint64_t size, int64_t modified)
{
	assert_true(l->n < LISTED);
	l->v[l->n++] = (struct source_object){ .name = name,
		.url = arena_print(&l->arena, "s3://bucket/%s", name),
		.size = size,
		.modified = modified };
}

static inline void add(struct listing *l, const char *name, uint64_t size)
{
	add_dated(l, name, size, 0);
}

static inline int start(void **state)
{
	static struct listing l;

	l = (struct listing){ .arena = ARENA(1 << 20), .wish = { .now = now } };
	*state = &l;
	return 0;
}

static inline int end(void **state)
{
	struct listing *l = *state;

	arena_free(&l->arena);
	return 0;
}

static inline void make(struct listing *l)
{
	const struct source_objects objects = { l->v, l->n, false };

	catalogue_make(&l->c, &l->arena, &objects, &l->wish);
}

static inline const struct catalogue_item *find(const struct listing *l, const char *name)
{
	for (size_t i = 0; i < l->c.n; i++) {
		if (!strcmp(l->c.v[i].shown, name))
			return &l->c.v[i];
	}
	fail_msg("%s is not in the catalogue", name);
	return NULL;
}

static inline void chosen(struct listing *l, const char *name)
{
	const struct catalogue_item *item = NULL;
	struct err e = { 0 };

	make(l);
	if (catalogue_choose(&item, &l->c, &l->wish, "s3://bucket/", &e))
		fail_msg("%s", e.text);
	if (strcmp(item->shown, name) != 0)
		fail_msg("%s was chosen, not %s", item->shown, name);
}

static inline void refused(struct listing *l, enum err_code code, const char *text)
{
	const struct catalogue_item *item = NULL;
	struct err e = { 0 };

	make(l);
	if (!catalogue_choose(&item, &l->c, &l->wish, "s3://bucket/", &e))
		fail_msg("%s was chosen", item->shown);
	assert_string_equal(e.text, text);
	assert_int_equal(e.code, code);
}

static inline void passed_over(const struct listing *l, const char *name, const char *why)
{
	const struct catalogue_item *item = find(l, name);

	if (!item->why)
		fail_msg("%s is usable", name);
	assert_string_equal(item->why, why);
}
