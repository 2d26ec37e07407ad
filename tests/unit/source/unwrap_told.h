/* What an unwrapping tells, written down, with two databases to wrap. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "pack.h"
#include "source/unwrap.h"

enum { DB_SIZE = 200000, TEXT_MAX = 4096 };

static uint8_t db[DB_SIZE], other[DB_SIZE];

static inline int make_databases(void **state)
{
	uint32_t x = 7;

	(void)state;
	for (size_t i = 0; i < DB_SIZE; i++) {
		x = x * 1664525 + 1013904223;
		db[i] = i % 4096 < 2000 ? (uint8_t)(x >> 24) : 0;
	}
	memcpy(db, "\0\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\xed\xda\x0c\xed", 20);
	memcpy(other, db, DB_SIZE);
	other[DB_SIZE - 1] = 1;
	return 0;
}

/* What came out, a line an entry, warnings between them; databases compared with `db`. */
struct told {
	char text[TEXT_MAX];
	size_t len;
	struct arena arena;
	struct unwrap_settings settings;
	struct listener listener;
	struct err e;
	char passed[128];
};

static inline void tell(struct told *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	const int n = vsnprintf(t->text + t->len, sizeof t->text - t->len, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < sizeof t->text - t->len);
	t->len += (size_t)n;
}

static inline void hear(void *ctx, const struct event *event)
{
	tell(ctx, "! %s\n", event->text);
}

static inline void told_init(struct told *t)
{
	*t = (struct told){ .arena = ARENA(UNWRAP_ARENA) };
	t->listener = (struct listener){ hear, t };
	t->settings = (struct unwrap_settings){
		.name = "thing",
		.arena = &t->arena,
		.listener = &t->listener,
	};
}

static inline int read_db(struct told *t, const struct unwrap_entry *entry)
{
	static uint8_t bytes[2 * DB_SIZE];
	size_t len = 0, got;

	do {
		if (stream_read(&entry->stream, &got, bytes + len,
			    sizeof bytes - len < 5000 ? sizeof bytes - len : 5000, &t->e))
			return t->e.code;
		len += got;
	} while (got);
	tell(t, " %s",
		len != DB_SIZE                   ? "wrong length"
		: !memcmp(bytes, db, DB_SIZE)    ? "db"
		: !memcmp(bytes, other, DB_SIZE) ? "other"
						 : "wrong bytes");
	return 0;
}

static inline int run(struct told *t, struct pack in, size_t step)
{
	static const char *const roles[] = { "end", "DB", "EVENTS", "companion" };
	struct pack_source source;
	struct unwrap_entry entry;
	struct unwrap *u;
	int bad;

	t->len = 0;
	t->text[0] = 0;
	assert_int_equal(unwrap_open(&u, &t->settings, pack_source(&source, in, step), &t->e), 0);
	while (!(bad = unwrap_next(&entry, u, &t->e)) && entry.role != UNWRAP_END) {
		tell(t, "%s %s", roles[entry.role], entry.name);
		if (entry.inside)
			tell(t, " in %s", entry.inside);
		if (entry.node)
			tell(t, " of %s", entry.node);
		tell(t, " [%s]", entry.wrapping);
		if (entry.role == UNWRAP_COMPANION)
			tell(t, " '%.*s'", (int)entry.bytes.len, (const char *)entry.bytes.p);
		else if (read_db(t, &entry))
			assert_int_equal(unwrap_next(&entry, u, &t->e), t->e.code);
		tell(t, "\n");
	}
	if (bad) {
		/* It stays the same error, however often one asks. */
		assert_int_equal(unwrap_next(&entry, u, &t->e), bad);
		assert_int_equal(entry.role, UNWRAP_END);
	} else {
		assert_int_equal(source.at, in.len);
	}
	snprintf(t->passed, sizeof t->passed, "%s", unwrap_passed(u) ? unwrap_passed(u) : "");
	unwrap_close(u);
	arena_free(&t->arena);
	t->arena = ARENA(UNWRAP_ARENA);
	return bad;
}
