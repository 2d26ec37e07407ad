#include "fixture.h"

#include "bolt/freelist.h"

/* A freelist page with the count in the header, or behind it. */
static struct bolt_page make(uint8_t page[256], bool behind, const uint64_t *ids, uint64_t n)
{
	const struct bolt_header h = { 9, BOLT_FREELIST, behind ? 0xFFFF : (uint16_t)n, 0 };
	struct bolt_page parsed;
	struct err e = { 0 };

	memset(page, 0, 256);
	bolt_header_write(page, &h);
	if (behind)
		put_le64(page + 16, n);
	for (uint64_t i = 0; i < n && n < 20; i++)
		put_le64(page + 16 + 8 * (i + behind), ids[i]);
	assert_int_equal(bolt_page_parse(&parsed, (struct span){ page, 256 }, 9, &e), 0);
	return parsed;
}

static void both_encodings_are_read(void **state)
{
	static const uint64_t ids[] = { 2, 5, 77 };
	uint8_t page[256];
	struct bolt_freelist list;
	struct err e = { 0 };

	(void)state;
	for (int behind = 0; behind < 2; behind++) {
		const struct bolt_page parsed = make(page, behind, ids, 3);
		assert_int_equal(bolt_freelist_parse(&list, &parsed, 100, &e), 0);
		assert_int_equal(list.count, 3);
		assert_int_equal(bolt_freelist_id(&list, 2), 77);
		assert_int_equal(bolt_freelist_parse(&list, &parsed, 77, &e), ERR_FORMAT);
	}
}

static void what_does_not_fit_is_refused(void **state)
{
	static const uint64_t twice[] = { 4, 4 }, back[] = { 5, 4 };
	uint8_t page[256];
	struct bolt_freelist list;
	struct err e = { 0 };

	(void)state;
	struct bolt_page parsed = make(page, false, twice, 2);
	assert_int_equal(bolt_freelist_parse(&list, &parsed, 100, &e), ERR_FORMAT);
	parsed = make(page, true, back, 2);
	assert_int_equal(bolt_freelist_parse(&list, &parsed, 100, &e), ERR_FORMAT);
	parsed = make(page, true, twice, UINT64_MAX / 8);
	assert_int_equal(bolt_freelist_parse(&list, &parsed, 100, &e), ERR_FORMAT);
	assert_non_null(strstr(e.text, "does not fit"));
	parsed.flags = BOLT_LEAF;
	assert_int_equal(bolt_freelist_parse(&list, &parsed, 100, &e), ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_encodings_are_read),
		cmocka_unit_test(what_does_not_fit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
