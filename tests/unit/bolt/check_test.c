#include "fixture.h"

#include "bolt/cursor.h"

/* Change a few bytes of a page, or see what they are. */
static void poke(int fd, uint64_t page, size_t at, const void *bytes, size_t len)
{
	struct err e = { 0 };

	assert_int_equal(file_write_at(fd, bytes, len, page * 1024 + at, &e), 0);
}

static int make(struct bolt_db *db)
{
	const int fd = fixture_empty(1024, false);

	*db = fixture_open(fd);
	fixture_fill(db, "key", "k", 0, 2000, 40);
	return fd;
}

/* The pages from the root of bucket `key` down to its first leaf; returns how many. */
static unsigned first_path(uint64_t path[8], const struct bolt_db *db)
{
	CLEAN_SLOT struct bolt_slot slot = { 0 };
	CLEAN_CURSOR struct bolt_cursor c = { 0 };
	struct bolt_bucket bucket;
	struct err e = { 0 };
	bool there;

	assert_int_equal(bolt_bucket_find(&bucket, &there, &slot, db, SPAN("key"), &e), 0);
	bolt_cursor_init(&c, db, &bucket);
	assert_int_equal(bolt_cursor_first(&there, &c, &e), 0);
	for (unsigned i = 0; i < c.depth; i++)
		path[i] = c.frame[i].page->id;
	return c.depth;
}

static void expect_defect(const struct bolt_db *db, const char *text)
{
	struct bolt_tally tally;
	struct err e = { 0 };

	assert_int_equal(bolt_check(&tally, db, NULL, &e), ERR_FORMAT);
	if (!strstr(e.text, text))
		fail_msg("'%s' is not in '%s'", text, e.text);
}

static void what_is_sound_is_counted(void **state)
{
	struct bolt_db db;
	CLOSE_FD int fd = make(&db);
	struct bolt_tally tally;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(bolt_check(&tally, &db, NULL, &e), 0);
	assert_int_equal(tally.buckets, 1);
	assert_int_equal(tally.entries, 2000);
	assert_int_equal(tally.pages_used + tally.pages_free, db.meta.pgid - 2);
	assert_int_equal(tally.pages_free, 2);
}

static void a_page_that_is_used_twice_is_named(void **state)
{
	struct bolt_db db;
	CLOSE_FD int fd = make(&db);
	uint64_t path[8];
	uint8_t child[8];

	(void)state;
	const unsigned depth = first_path(path, &db);
	assert_true(depth > 2);
	/* The second child becomes the first once more; its keys would be out of bounds too,
	 * but the double use is what is found first. */
	put_le64(child, path[depth - 1]);
	poke(fd, path[depth - 2], 16 + 16 + 8, child, 8);
	char text[64];
	snprintf(text, sizeof text, "page %lu: used twice", (unsigned long)path[depth - 1]);
	expect_defect(&db, text);
}

static void keys_outside_the_parents_bounds_are_named(void **state)
{
	struct bolt_db db;
	CLOSE_FD int fd = make(&db);
	uint64_t path[8];
	struct err e = { 0 };
	uint8_t page[1024];

	(void)state;
	const unsigned depth = first_path(path, &db);
	assert_int_equal(file_read_at(fd, page, 1024, path[depth - 1] * 1024, &e), 0);
	const unsigned count = le16(page + 10);
	/* The last key of the first leaf: "k0..." becomes "z0...". */
	const size_t at = 16 + 16 * (count - 1u);
	poke(fd, path[depth - 1], at + le32(page + at + 4), "z", 1);
	expect_defect(&db, "its last key belongs to the next page");
}

static void a_loop_ends(void **state)
{
	struct bolt_db db;
	CLOSE_FD int fd = make(&db);
	uint64_t path[8];
	uint8_t child[8];

	(void)state;
	first_path(path, &db);
	put_le64(child, path[0]);
	poke(fd, path[0], 16 + 8, child, 8);
	struct bolt_tally tally;
	struct err e = { 0 };
	assert_int_equal(bolt_walk(&tally, &db, NULL, &e), ERR_FORMAT);
	/* Its own bounds tell, before the depth would. */
	assert_non_null(strstr(e.text, "belongs to the next page"));
	expect_defect(&db, "used twice");
}

static void a_stored_freelist_has_to_tell_the_truth(void **state)
{
	CLOSE_FD int fd = fixture_empty(1024, true);
	struct bolt_db db = fixture_open(fd);
	uint8_t list[16 + 8];

	(void)state;
	fixture_check(&db); /* root and freelist page are in use, none is free */
	const struct bolt_header h = { 2, BOLT_FREELIST, 1, 0 };
	bolt_header_write(list, &h);
	put_le64(list + 16, 3);
	poke(fd, 2, 0, list, sizeof list);
	expect_defect(&db, "page 3: in use, but the freelist names it");
	put_le64(list + 16, 4);
	poke(fd, 2, 0, list, sizeof list);
	expect_defect(&db, "the freelist names page 4, the file has 2 to 3");
}

static void a_file_that_is_cut_short_is_refused(void **state)
{
	struct bolt_db db, cut;
	CLOSE_FD int fd = make(&db);
	struct err e = { 0 };

	(void)state;
	assert_int_equal(bolt_db_open(&cut, fd, db.meta.pgid * 1024 - 1, &e), ERR_FORMAT);
	assert_non_null(strstr(e.text, "cut short"));
	assert_int_equal(bolt_db_open(&cut, fd, 0, &e), ERR_FORMAT);
	/* Someone cuts it while we read. */
	assert_int_equal(ftruncate(fd, 8 * 1024), 0);
	struct bolt_tally tally;
	struct err e2 = { 0 };
	assert_int_not_equal(bolt_walk(&tally, &db, NULL, &e2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sound_is_counted),
		cmocka_unit_test(a_page_that_is_used_twice_is_named),
		cmocka_unit_test(keys_outside_the_parents_bounds_are_named),
		cmocka_unit_test(a_loop_ends),
		cmocka_unit_test(a_stored_freelist_has_to_tell_the_truth),
		cmocka_unit_test(a_file_that_is_cut_short_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
