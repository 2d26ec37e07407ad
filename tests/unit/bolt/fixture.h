/* A bbolt file in memory, empty as bbolt makes it, for tests that fill it with bolt/tx.h. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bolt/check.h"
#include "bolt/tx.h"
#include "os/file.h"

/* Pages 0, 1 meta, 2 freelist, 3 the empty root. */
static inline int fixture_empty(uint32_t page_size, bool with_freelist)
{
	const int fd = memfd_create("bolt", MFD_CLOEXEC);
	uint8_t *page = calloc(1, page_size);
	struct err e = { 0 };

	assert_true(fd >= 0 && page);
	for (uint64_t i = 0; i < 2; i++) {
		const struct bolt_meta meta = { .page_size = page_size,
			.root = 3,
			.freelist = with_freelist ? 2 : BOLT_NO_FREELIST,
			.pgid = 4,
			.txid = i };
		bolt_meta_write(page, &meta);
		assert_int_equal(file_write_at(fd, page, page_size, i * page_size, &e), 0);
	}
	for (uint64_t id = 2; id < 4; id++) {
		const struct bolt_header h = { id, id == 2 ? BOLT_FREELIST : BOLT_LEAF, 0, 0 };
		memset(page, 0, page_size);
		bolt_header_write(page, &h);
		assert_int_equal(file_write_at(fd, page, page_size, id * page_size, &e), 0);
	}
	free(page);
	return fd;
}

static inline struct bolt_db fixture_open(int fd)
{
	struct bolt_db db;
	struct err e = { 0 };

	if (bolt_db_open(&db, fd, (uint64_t)lseek(fd, 0, SEEK_END), &e))
		fail_msg("%s", e.text);
	return db;
}

static inline void fixture_check(const struct bolt_db *db)
{
	struct bolt_tally tally;
	struct err e = { 0 };

	if (bolt_check(&tally, db, NULL, &e))
		fail_msg("%s", e.text);
}

static inline struct span fixture_text(struct arena *a, const char *fmt, unsigned long n)
{
	char text[64];
	const int len = snprintf(text, sizeof text, "%s%08lu", fmt, n);

	return (struct span){ (const uint8_t *)arena_copy(a, (struct str){ text, (size_t)len }),
		(size_t)len };
}

/* `n` keys KEY00000000.. with values of `size` bytes. */
static inline void fixture_fill(struct bolt_db *db, const char *bucket, const char *key,
	unsigned long from, unsigned long n, size_t size)
{
	struct arena arena = ARENA(512u << 20);
	struct bolt_tx tx = bolt_tx_begin(db, &arena);
	struct err e = { 0 };

	for (unsigned long i = from; i < from + n; i++) {
		uint8_t *value = arena_alloc(&arena, size + 1);
		memset(value, 'a' + (int)(i % 26), size);
		bolt_tx_put(&tx, (struct span){ (const uint8_t *)bucket, strlen(bucket) },
			fixture_text(&arena, key, i), (struct span){ value, size });
	}
	if (bolt_tx_commit(&tx, &e))
		fail_msg("%s", e.text);
	arena_free(&arena);
}
