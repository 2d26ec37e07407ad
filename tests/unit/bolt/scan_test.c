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

static int judge(int fd, size_t piece, struct err *e)
{
	CLEAN_SCAN struct bolt_scan scan = { 0 };
	struct bolt_db db;
	size_t size;

	*e = (struct err){ 0 };
	uint8_t *p = content(fd, &size);
	for (size_t at = 0; at < size; at += piece)
		bolt_scan_feed(
			&scan, (struct span){ p + at, size - at < piece ? size - at : piece });
	free(p);
	if (bolt_db_open(&db, fd, size, e))
		return e->code;
	return bolt_scan_judge(&scan, &db, NULL, e);
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

/* Whatever the check refuses for a single damaged page, the judge refuses too, but for
 * bounds, which it does not compare. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_file_is_sound_in_pieces_of_any_size),
		cmocka_unit_test(a_damaged_page_is_found_though_it_is_not_read_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
