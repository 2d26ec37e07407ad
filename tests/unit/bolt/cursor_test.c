#include "fixture.h"

#include "bolt/cursor.h"

static struct bolt_bucket bucket_of(
	struct bolt_slot *slot, const struct bolt_db *db, const char *name)
{
	struct bolt_bucket bucket;
	struct err e = { 0 };
	bool found;

	assert_int_equal(bolt_bucket_find(&bucket, &found, slot, db,
				 (struct span){ (const uint8_t *)name, strlen(name) }, &e),
		0);
	assert_true(found);
	return bucket;
}

/* Seek to every key, and between and around them, in a tree of several levels. */
static void seek_finds_the_next_key(void **state)
{
	static const unsigned long sizes[] = { 1, 5, 4000 };

	(void)state;
	for (size_t s = 0; s < 3; s++) {
		CLOSE_FD int fd = fixture_empty(1024, false);
		struct bolt_db db = fixture_open(fd);
		CLEAN_SLOT struct bolt_slot slot = { 0 };
		CLEAN_CURSOR struct bolt_cursor c = { 0 };
		struct arena a = ARENA(1 << 22);
		struct err e = { 0 };
		bool there;

		fixture_fill(&db, "b", "k", 0, sizes[s], 30);
		const struct bolt_bucket bucket = bucket_of(&slot, &db, "b");
		bolt_cursor_init(&c, &db, &bucket);
		for (unsigned long i = 0; i < sizes[s]; i++) {
			const struct span key = fixture_text(&a, "k", i);
			assert_int_equal(bolt_cursor_seek(&there, &c, key, &e), 0);
			assert_true(there && span_equal(c.key, key));
			char between[32];
			snprintf(between, sizeof between, "k%08lux", i);
			assert_int_equal(bolt_cursor_seek(&there, &c,
						 (struct span){ (uint8_t *)between, 10 }, &e),
				0);
			assert_int_equal(there, i + 1 < sizes[s]);
			if (there)
				assert_true(span_equal(c.key, fixture_text(&a, "k", i + 1)));
		}
		assert_int_equal(bolt_cursor_seek(&there, &c, SPAN("a"), &e), 0);
		assert_true(there && span_equal(c.key, SPAN("k00000000")));
		assert_int_equal(bolt_cursor_seek(&there, &c, SPAN("z"), &e), 0);
		assert_false(there);
		arena_free(&a);
	}
}

static void forth_and_back_see_the_same(void **state)
{
	CLOSE_FD int fd = fixture_empty(1024, false);
	struct bolt_db db = fixture_open(fd);
	CLEAN_SLOT struct bolt_slot slot = { 0 };
	CLEAN_CURSOR struct bolt_cursor c = { 0 };
	struct arena a = ARENA(1 << 22);
	struct err e = { 0 };
	unsigned long n = 0;
	bool there;

	(void)state;
	fixture_fill(&db, "b", "k", 0, 3000, 30);
	const struct bolt_bucket bucket = bucket_of(&slot, &db, "b");
	bolt_cursor_init(&c, &db, &bucket);
	assert_int_equal(bolt_cursor_first(&there, &c, &e), 0);
	for (; there; n++) {
		assert_true(span_equal(c.key, fixture_text(&a, "k", n)));
		assert_int_equal(bolt_cursor_next(&there, &c, &e), 0);
	}
	assert_int_equal(n, 3000);
	assert_int_equal(bolt_cursor_last(&there, &c, &e), 0);
	while (there) {
		assert_true(span_equal(c.key, fixture_text(&a, "k", --n)));
		assert_int_equal(bolt_cursor_prev(&there, &c, &e), 0);
	}
	assert_int_equal(n, 0);
	/* Past the end stays there. */
	assert_int_equal(bolt_cursor_prev(&there, &c, &e), 0);
	assert_false(there);
	arena_free(&a);
}

static void inline_buckets_and_missing_ones(void **state)
{
	CLOSE_FD int fd = fixture_empty(4096, false);
	struct bolt_db db = fixture_open(fd);
	CLEAN_SLOT struct bolt_slot slot = { 0 };
	CLEAN_BUF struct buf b = BUF(100);
	struct bolt_bucket bucket;
	struct err e = { 0 };
	bool found;

	(void)state;
	fixture_fill(&db, "small", "k", 0, 3, 5);
	assert_int_equal(bucket_of(&slot, &db, "small").root, 0);
	assert_int_equal(bolt_get(&b, &found, &db, SPAN("small"), SPAN("k00000001"), &e), 0);
	assert_true(found && str_is(buf_text(&b), "bbbbb"));
	assert_int_equal(bolt_get(&b, &found, &db, SPAN("small"), SPAN("k1"), &e), 0);
	assert_false(found);
	assert_int_equal(bolt_bucket_find(&bucket, &found, &slot, &db, SPAN("smal"), &e), 0);
	assert_false(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seek_finds_the_next_key),
		cmocka_unit_test(forth_and_back_see_the_same),
		cmocka_unit_test(inline_buckets_and_missing_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
