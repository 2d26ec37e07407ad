#include "fixture.h"

#include "bolt/scan.h"

static uint8_t *content(int fd, size_t *size)
{
	struct err e = { 0 };

	*size = (size_t)lseek(fd, 0, SEEK_END);
	uint8_t *p = malloc(*size);
	assert_int_equal(file_read_at(fd, p, *size, 0, &e), 0);
	return p;
}

static int count(void *ctx, struct span bucket, struct span key, struct span value, struct err *e)
{
	(void)bucket;
	(void)key;
	(void)value;
	(void)e;
	++*(unsigned *)ctx;
	return 0;
}

/* `n_again`: entries of leaves that had to be read again. */
static int judge_and_count(unsigned *n_again, int fd, size_t piece, struct err *e)
{
	const struct bolt_visitor visitor = { NULL, count, n_again };
	CLEAN_SCAN struct bolt_scan scan = { 0 };
	struct bolt_db db;
	size_t size;

	*n_again = 0;
	*e = (struct err){ 0 };
	uint8_t *p = content(fd, &size);
	for (size_t at = 0; at < size; at += piece)
		bolt_scan_feed(
			&scan, (struct span){ p + at, size - at < piece ? size - at : piece });
	free(p);
	if (bolt_db_open(&db, fd, size, e))
		return e->code;
	return bolt_scan_judge(&scan, &db, &visitor, e);
}

static int judge(int fd, size_t piece, struct err *e)
{
	unsigned ignored;

	return judge_and_count(&ignored, fd, piece, e);
}

static void a_sound_file_is_sound_in_pieces_of_any_size(void **state)
{
	static const size_t pieces[] = { 1024, 4096, 65536, 1 << 20 };
	CLOSE_FD int fd = fixture_empty(1024, false);
	struct bolt_db db = fixture_open(fd);
	struct err e;

	(void)state;
	fixture_fill(&db, "key", "k", 0, 2000, 40);
	fixture_fill(&db, "large", "k", 0, 20, 9000);
	fixture_fill(&db, "small", "k", 0, 3, 9);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(judge(fd, pieces[i], &e), 0);
}

/* Whatever the check refuses for a single damaged page, the judge refuses too. */
static void a_damaged_page_is_found_though_it_is_not_read_again(void **state)
{
	CLOSE_FD int fd = fixture_empty(1024, false);
	struct bolt_db db = fixture_open(fd);
	struct bolt_tally tally;
	unsigned refused = 0;

	(void)state;
	fixture_fill(&db, "key", "k", 0, 400, 40);
	for (uint64_t id = 2; id < db.meta.pgid; id++) {
		/* Kind, count, own number; a free page may say what it likes. */
		static const size_t places[] = { 0, 8, 11, 13, 12 };
		for (size_t i = 0; i < 5; i++) {
			struct err e = { 0 }, e2 = { 0 };
			uint8_t byte, other;
			assert_int_equal(file_read_at(fd, &byte, 1, id * 1024 + places[i], &e), 0);
			/* The last: one page more, which mostly is the next one's. */
			other = byte ^ (places[i] == 12 ? 0x01 : 0x40);
			file_write_at(fd, &other, 1, id * 1024 + places[i], &e);
			const int check = bolt_check(&tally, &db, NULL, &e);
			assert_int_equal(judge(fd, 65536, &e2) != 0, check != 0);
			refused += check != 0;
			file_write_at(fd, &byte, 1, id * 1024 + places[i], &e2);
		}
	}
	assert_true(refused > 50);
}

static uint8_t *revision(struct arena *a, uint64_t main, uint64_t sub)
{
	uint8_t *p = arena_alloc(a, 17);

	put_be64(p, main);
	p[8] = '_';
	put_be64(p + 9, sub);
	return p;
}

/* `n` keys as etcd's: `step` apart, `subs` of each. */
static void fill_revisions(
	struct bolt_db *db, uint64_t from, uint64_t n, uint64_t step, uint64_t subs)
{
	struct arena arena = ARENA(512u << 20);
	struct bolt_tx tx = bolt_tx_begin(db, &arena);
	struct err e = { 0 };

	for (uint64_t i = 0; i < n; i++) {
		const uint8_t *key = revision(&arena, from + i / subs * step, i % subs);
		bolt_tx_put(&tx, SPAN("key"), (struct span){ key, 17 }, SPAN("some value of it"));
	}
	if (bolt_tx_commit(&tx, &e))
		fail_msg("%s", e.text);
	arena_free(&arena);
}

/* Each with a tree of several leaves, whose last keys are near, far or very far from the
 * first ones. */
static void leaves_of_revisions_are_not_read_again(void **state)
{
	static const struct {
		uint64_t step, subs;
		bool few; /* are read again */
	} cases[] = {
		{ 1, 1, true }, { 1, 7, true }, { 40, 1, true },
		{ 40, 3, false },      /* a transaction over two leaves, all far */
		{ 1000000, 1, false }, /* too far to be noted */
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		CLOSE_FD int fd = fixture_empty(1024, false);
		struct bolt_db db = fixture_open(fd);
		struct err e;
		unsigned n_again;

		fixture_fill(&db, "a", "k", 0, 2, 40);
		fill_revisions(&db, 5, 4000, cases[i].step, cases[i].subs);
		if (judge_and_count(&n_again, fd, 65536, &e))
			fail_msg("%zu: %s", i, e.text);
		if (cases[i].few ? n_again > 200 : n_again <= 200)
			fail_msg("%zu: %u entries were read again", i, n_again);
	}
}

static void swap_pages(int fd, uint64_t a, uint64_t b)
{
	uint8_t one[1024], two[1024];
	struct err e = { 0 };

	assert_int_equal(file_read_at(fd, one, sizeof one, a * sizeof one, &e), 0);
	assert_int_equal(file_read_at(fd, two, sizeof two, b * sizeof two, &e), 0);
	put_le64(one, b);
	put_le64(two, a);
	assert_int_equal(file_write_at(fd, one, sizeof one, b * sizeof one, &e), 0);
	assert_int_equal(file_write_at(fd, two, sizeof two, a * sizeof two, &e), 0);
}

static bool is_leaf(int fd, uint64_t id)
{
	uint8_t page[1024];
	struct err e = { 0 };

	assert_int_equal(file_read_at(fd, page, sizeof page, id * sizeof page, &e), 0);
	const struct bolt_header h = bolt_header_read(page);
	return h.id == id && h.flags == BOLT_LEAF && !h.overflow && h.count;
}

/* Leaves that parse, with the right number, under a wrong parent. */
static void swapped_leaves_are_refused(void **state)
{
	CLOSE_FD int fd = fixture_empty(1024, false);
	struct bolt_db db = fixture_open(fd);
	struct bolt_tally tally;
	unsigned refused = 0;

	(void)state;
	fill_revisions(&db, 5, 2000, 3, 1);
	db = fixture_open(fd);
	for (uint64_t id = 3; id + 1 < db.meta.pgid; id++) {
		if (!is_leaf(fd, id) || !is_leaf(fd, id + 1))
			continue;
		struct err e = { 0 }, e2 = { 0 };
		swap_pages(fd, id, id + 1);
		const int check = bolt_check(&tally, &db, NULL, &e);
		assert_int_equal(judge(fd, 65536, &e2) != 0, check != 0);
		refused += check != 0;
		swap_pages(fd, id, id + 1);
	}
	assert_true(refused > 20);
}

/* The last key alone leaves the bounds, or the first one: any byte of any key. */
static void a_key_beyond_its_parents_bounds_is_refused(void **state)
{
	CLOSE_FD int fd = fixture_empty(1024, false);
	struct bolt_db db = fixture_open(fd);
	struct bolt_tally tally;
	unsigned refused = 0;

	(void)state;
	fill_revisions(&db, 5, 300, 3, 1);
	db = fixture_open(fd);
	for (uint64_t at = 3 * 1024; at < db.meta.pgid * 1024; at++) {
		struct err e = { 0 }, e2 = { 0 };
		uint8_t byte;
		assert_int_equal(file_read_at(fd, &byte, 1, at, &e), 0);
		const uint8_t other = byte ^ 0x04;
		file_write_at(fd, &other, 1, at, &e);
		const int check = bolt_check(&tally, &db, NULL, &e);
		if ((judge(fd, 65536, &e2) != 0) != (check != 0))
			fail_msg("byte %lu: %s / %s", (unsigned long)at, e.text, e2.text);
		refused += strstr(e.text, "parent says") != NULL;
		file_write_at(fd, &byte, 1, at, &e2);
	}
	assert_true(refused > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_file_is_sound_in_pieces_of_any_size),
		cmocka_unit_test(a_damaged_page_is_found_though_it_is_not_read_again),
		cmocka_unit_test(leaves_of_revisions_are_not_read_again),
		cmocka_unit_test(swapped_leaves_are_refused),
		cmocka_unit_test(a_key_beyond_its_parents_bounds_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
