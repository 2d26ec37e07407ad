#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bolt/page.h"

enum { SIZE = 256 };

/* A leaf with the keys "a" -> "one" and "b" -> "two". */
static void make_leaf(uint8_t page[SIZE])
{
	const struct bolt_header h = { 7, BOLT_LEAF, 2, 0 };

	memset(page, 0, SIZE);
	bolt_header_write(page, &h);
	put_le32(page + 20, 32); /* 48 - 16 */
	put_le32(page + 24, 1);
	put_le32(page + 28, 3);
	put_le32(page + 36, 20); /* 52 - 32 */
	put_le32(page + 40, 1);
	put_le32(page + 44, 3);
	memcpy(page + 48, "aonebtwo", 8);
}

static int parse(struct bolt_page *page, const uint8_t bytes[SIZE], struct err *e)
{
	return bolt_page_parse(page, (struct span){ bytes, SIZE }, 7, e);
}

static void a_leaf_gives_its_items(void **state)
{
	uint8_t bytes[SIZE];
	struct bolt_page page;
	struct err e;

	(void)state;
	make_leaf(bytes);
	assert_int_equal(parse(&page, bytes, &e), 0);
	assert_int_equal(page.count, 2);
	assert_true(span_equal(bolt_page_item(&page, 0).key, SPAN("a")));
	assert_true(span_equal(bolt_page_item(&page, 0).value, SPAN("one")));
	assert_true(span_equal(bolt_page_item(&page, 1).value, SPAN("two")));
	assert_int_equal(bolt_page_find(&page, SPAN("a")), 0);
	assert_int_equal(bolt_page_find(&page, SPAN("aa")), 1);
	assert_int_equal(bolt_page_find(&page, SPAN("b")), 1);
	assert_int_equal(bolt_page_find(&page, SPAN("c")), 2);
}

static void a_defect_is_named(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
		const char *text;
	} defects[] = {
		{ 0, 8, "page 7: says it is page 8" },
		{ 8, 3, "page 7: unknown kind 0x3" },
		{ 11, 0x10, "page 7: 4098 elements do not fit in it" },
		{ 16, 2, "page 7: element 0 has unknown flags 0x2" },
		{ 20, 250, "page 7: element 0 points outside the page" },
		{ 20, 1, "page 7: element 0 points outside the page" },
		{ 47, 1, "page 7: element 1 points outside the page" },
		{ 40, 0, "page 7: element 1 has no key" },
		{ 48, 'c', "page 7: element 1 is not behind element 0 in key order" },
		{ 48, 'b', "page 7: element 1 is not behind element 0 in key order" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof defects / sizeof *defects; i++) {
		uint8_t bytes[SIZE];
		struct bolt_page page;
		struct err e;
		make_leaf(bytes);
		bytes[defects[i].at] = defects[i].byte;
		assert_int_equal(parse(&page, bytes, &e), ERR_FORMAT);
		assert_string_equal(e.text, defects[i].text);
	}
}

static void an_inline_page_must_be_a_leaf(void **state)
{
	uint8_t bytes[SIZE];
	struct bolt_page page;
	struct err e;

	(void)state;
	make_leaf(bytes);
	assert_int_equal(
		bolt_page_parse_inline(&page, (struct span){ bytes, SIZE }, SPAN("meta"), &e), 0);
	assert_int_equal(page.count, 2);
	bytes[8] = BOLT_BRANCH;
	assert_int_equal(
		bolt_page_parse_inline(&page, (struct span){ bytes, SIZE }, SPAN("meta"), &e),
		ERR_FORMAT);
	assert_string_equal(e.text, "bucket 'meta': its page is no leaf but 0x1");
	assert_int_equal(
		bolt_page_parse_inline(&page, (struct span){ bytes, 15 }, SPAN("meta"), &e),
		ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leaf_gives_its_items),
		cmocka_unit_test(a_defect_is_named),
		cmocka_unit_test(an_inline_page_must_be_a_leaf),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
