#include "fixture.h"

#include "base/buf.h"
#include "bolt/cursor.h"

static void expect(const struct bolt_db *db, const char *bucket, const char *key, const char *value)
{
	CLEAN_BUF struct buf b = BUF(1 << 20);
	const struct str s = str_from(bucket), k = str_from(key);
	struct err e = { 0 };
	bool found;

	if (bolt_get(&b, &found, db, (struct span){ (const uint8_t *)s.p, s.len },
		    (struct span){ (const uint8_t *)k.p, k.len }, &e))
		fail_msg("%s", e.text);
	assert_int_equal(found, value != NULL);
	if (value)
		assert_true(str_is(buf_text(&b), value));
}

static uint64_t count(const struct bolt_db *db)
{
	struct bolt_tally tally;
	struct err e = { 0 };

	if (bolt_walk(&tally, db, NULL, &e))
		fail_msg("%s", e.text);
	return tally.entries;
}

static void put_delete_clear_and_the_last_one_wins(void **state)
{
	CLOSE_FD int fd = fixture_empty(4096, true);
	struct bolt_db db = fixture_open(fd);
	struct arena arena = ARENA(1 << 20);
	struct bolt_tx tx = bolt_tx_begin(&db, &arena);
	struct err e = { 0 };

	(void)state;
	bolt_tx_put(&tx, SPAN("m"), SPAN("b"), SPAN("1"));
	bolt_tx_put(&tx, SPAN("m"), SPAN("a"), SPAN("2"));
	bolt_tx_put(&tx, SPAN("m"), SPAN("b"), SPAN("3"));
	bolt_tx_put(&tx, SPAN("m"), SPAN("c"), SPAN("4"));
	bolt_tx_delete(&tx, SPAN("m"), SPAN("c"));
	bolt_tx_create(&tx, SPAN("empty"));
	bolt_tx_delete(&tx, SPAN("never"), SPAN("x"));
	assert_int_equal(bolt_tx_commit(&tx, &e), 0);
	db = fixture_open(fd);
	fixture_check(&db);
	expect(&db, "m", "a", "2");
	expect(&db, "m", "b", "3");
	expect(&db, "m", "c", NULL);
	struct bolt_tally tally;
	assert_int_equal(bolt_walk(&tally, &db, NULL, &e), 0);
	assert_int_equal(tally.buckets, 2);
	assert_true(db.meta.freelist == BOLT_NO_FREELIST);
	assert_int_equal(db.meta.txid, 2);

	tx = bolt_tx_begin(&db, &arena);
	bolt_tx_put(&tx, SPAN("m"), SPAN("d"), SPAN("5"));
	bolt_tx_clear(&tx, SPAN("m"));
	assert_int_equal(bolt_tx_commit(&tx, &e), 0);
	db = fixture_open(fd);
	fixture_check(&db);
	assert_int_equal(count(&db), 1);
	expect(&db, "m", "d", "5");
	arena_free(&arena);
}

static void a_tree_of_three_levels_grows_at_its_end(void **state)
{
	static const uint32_t sizes[] = { 1024, 4096, 65536 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		CLOSE_FD int fd = fixture_empty(sizes[i], false);
		struct bolt_db db = fixture_open(fd);
		fixture_fill(&db, "key", "k", 0, 20000, 40);
		const uint64_t pages = db.meta.pgid;
		for (unsigned long n = 20000; n < 20400; n += 40)
			fixture_fill(&db, "key", "k", n, 40, 40);
		/* Only the right edge is written again. */
		assert_true(db.meta.pgid - pages < 10 * (40 * 70 / sizes[i] + 8));
		db = fixture_open(fd);
		fixture_check(&db);
		assert_int_equal(count(&db), 20400);
		fixture_fill(&db, "key", "k", 10, 1, 3);
		fixture_check(&db);
		assert_int_equal(count(&db), 20400);
		expect(&db, "key", "k00000010", "kkk");
	}
}

static void a_large_bucket_loses_entries(void **state)
{
	CLOSE_FD int fd = fixture_empty(1024, false);
	struct bolt_db db = fixture_open(fd);
	struct arena arena = ARENA(1 << 20);
	struct err e = { 0 };

	(void)state;
	fixture_fill(&db, "key", "k", 0, 3000, 40);
	struct bolt_tx tx = bolt_tx_begin(&db, &arena);
	for (unsigned long n = 0; n < 3000; n += 3)
		bolt_tx_delete(&tx, SPAN("key"), fixture_text(&arena, "k", n));
	assert_int_equal(bolt_tx_commit(&tx, &e), 0);
	fixture_check(&db);
	assert_int_equal(count(&db), 2000);
	expect(&db, "key", "k00000003", NULL);

	tx = bolt_tx_begin(&db, &arena);
	for (unsigned long n = 0; n < 3000; n++)
		bolt_tx_delete(&tx, SPAN("key"), fixture_text(&arena, "k", n));
	assert_int_equal(bolt_tx_commit(&tx, &e), 0);
	db = fixture_open(fd);
	fixture_check(&db);
	assert_int_equal(count(&db), 0);
	arena_free(&arena);
}

static void large_values_overflow(void **state)
{
	CLOSE_FD int fd = fixture_empty(4096, false);
	struct bolt_db db = fixture_open(fd);
	CLEAN_BUF struct buf b = BUF(8 << 20);
	struct err e = { 0 };
	bool found;

	(void)state;
	fixture_fill(&db, "key", "k", 0, 30, 100000);
	fixture_fill(&db, "key", "k", 30, 1, 3000000);
	db = fixture_open(fd);
	fixture_check(&db);
	assert_int_equal(count(&db), 31);
	assert_int_equal(bolt_get(&b, &found, &db, SPAN("key"), SPAN("k00000030"), &e), 0);
	assert_true(found);
	assert_int_equal(b.len, 3000000);
}

static void the_state_before_is_there_until_the_meta_page_is(void **state)
{
	CLOSE_FD int fd = fixture_empty(4096, false);
	struct bolt_db db = fixture_open(fd), before;
	struct err e = { 0 };

	(void)state;
	fixture_fill(&db, "key", "k", 0, 500, 40);
	before = db;
	fixture_fill(&db, "key", "k", 500, 500, 40);
	fixture_check(&before);
	assert_int_equal(count(&before), 500);
	/* A torn write of the new meta page leaves the old one. */
	assert_int_equal(file_write_at(fd, "torn", 4, db.meta.txid % 2 * 4096 + 40, &e), 0);
	db = fixture_open(fd);
	assert_int_equal(count(&db), 500);
	assert_string_equal(db.other_meta.text, "wrong checksum");
}

static void the_same_changes_give_the_same_bytes(void **state)
{
	CLOSE_FD int a = fixture_empty(4096, false), b = fixture_empty(4096, false);
	struct bolt_db first = fixture_open(a), second = fixture_open(b);

	(void)state;
	fixture_fill(&first, "key", "k", 0, 1000, 50);
	fixture_fill(&second, "key", "k", 0, 1000, 50);
	const size_t size = (size_t)lseek(a, 0, SEEK_END);
	assert_int_equal(lseek(b, 0, SEEK_END), size);
	uint8_t *p = malloc(2 * size);
	struct err e;
	assert_int_equal(file_read_at(a, p, size, 0, &e), 0);
	assert_int_equal(file_read_at(b, p + size, size, 0, &e), 0);
	assert_memory_equal(p, p + size, size);
	free(p);
}

static void a_transaction_number_at_its_end_is_refused(void **state)
{
	CLOSE_FD int fd = fixture_empty(4096, true);
	struct bolt_db db = fixture_open(fd);
	struct arena arena = ARENA(1 << 20);
	struct bolt_tx tx = bolt_tx_begin(&db, &arena);
	struct err e = { 0 };

	(void)state;
	db.meta.txid = UINT64_MAX;
	bolt_tx_put(&tx, SPAN("m"), SPAN("a"), SPAN("1"));
	assert_int_equal(bolt_tx_commit(&tx, &e), ERR_FORMAT);
	db = fixture_open(fd);
	expect(&db, "m", "a", NULL);
	arena_free(&arena);
}

/* Whichever of the two it is, and whether the content or the header is wrong. */
static void a_damaged_meta_page_is_replaced(void **state)
{
	static const uint64_t places[] = { 0, 8, 40, 4096, 4096 + 8, 4096 + 40 };

	(void)state;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		CLOSE_FD int fd = fixture_empty(4096, false);
		struct bolt_db db = fixture_open(fd);
		struct err e = { 0 };
		fixture_fill(&db, "key", "k", 0, 100, 40);
		if (i % 2)
			fixture_fill(&db, "key", "k", 100, 10, 40);
		assert_int_equal(file_write_at(fd, "?", 1, places[i], &e), 0);
		db = fixture_open(fd);
		assert_true(db.other_meta.code);
		fixture_fill(&db, "key", "l", 0, 10, 40);
		db = fixture_open(fd);
		assert_int_equal(db.other_meta.code, 0);
		fixture_check(&db);
		/* Either alone gives the same tree. */
		const uint64_t root = db.meta.root;
		file_write_at(fd, "?", 1, db.meta_page * 4096 + 40, &e);
		db = fixture_open(fd);
		assert_int_equal(db.meta.root, root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(put_delete_clear_and_the_last_one_wins),
		cmocka_unit_test(a_tree_of_three_levels_grows_at_its_end),
		cmocka_unit_test(a_large_bucket_loses_entries),
		cmocka_unit_test(large_values_overflow),
		cmocka_unit_test(the_state_before_is_there_until_the_meta_page_is),
		cmocka_unit_test(the_same_changes_give_the_same_bytes),
		cmocka_unit_test(a_transaction_number_at_its_end_is_refused),
		cmocka_unit_test(a_damaged_meta_page_is_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
