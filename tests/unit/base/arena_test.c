#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

static void arena_pieces_are_zeroed_and_aligned(void **state)
{
	struct arena a = ARENA(1 << 20);

	(void)state;
	for (size_t size = 1; size < 300; size++) {
		unsigned char *p = arena_alloc(&a, size);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, size);
	}
	arena_free(&a);
}

static void arena_release_gives_back_what_came_after_the_mark(void **state)
{
	struct arena a = ARENA(1 << 20);

	(void)state;
	char *kept = arena_copy(&a, STR("kept"));
	const struct arena_mark mark = arena_mark(&a);
	for (int i = 0; i < 100; i++) {
		arena_alloc(&a, 300000);
		arena_release(&a, mark);
	}
	assert_string_equal(kept, "kept");
	assert_int_equal(a.used, mark.used);
	arena_free(&a);
}

static void buf_refuses_to_grow_past_its_maximum(void **state)
{
	CLEAN_BUF struct buf b = BUF(10);
	struct err e;

	(void)state;
	assert_int_equal(buf_print(&b, &e, "%s", "12345678"), 0);
	assert_int_equal(buf_add(&b, "abc", 3, &e), ERR_SPACE);
	assert_true(str_is(buf_text(&b), "12345678"));
	assert_int_equal(buf_add(&b, "ab", 2, &e), 0);
	assert_int_equal(buf_add(&b, "", 1, &e), ERR_SPACE);
}

static void cursor_stays_bad_after_the_first_read_past_the_end(void **state)
{
	struct cursor c = { .in = SPAN("\1\2\3\4\5") };

	(void)state;
	assert_int_equal(cursor_le32(&c), 0x04030201);
	assert_int_equal(cursor_le32(&c), 0);
	assert_true(c.bad);
	assert_null(cursor_take(&c, 1).p);
	assert_int_equal(cursor_left(&c), 0);
}

static void span_compare_orders_bytes_as_bbolt_does(void **state)
{
	(void)state;
	assert_true(span_compare(SPAN("a"), SPAN("ab")) < 0);
	assert_true(span_compare(SPAN("\xff"), SPAN("a")) > 0);
	assert_true(span_compare(SPAN(""), SPAN("")) == 0);
	assert_true(span_starts(SPAN("abc"), SPAN("ab")));
	assert_false(span_starts(SPAN("a"), SPAN("ab")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_pieces_are_zeroed_and_aligned),
		cmocka_unit_test(arena_release_gives_back_what_came_after_the_mark),
		cmocka_unit_test(buf_refuses_to_grow_past_its_maximum),
		cmocka_unit_test(cursor_stays_bad_after_the_first_read_past_the_end),
		cmocka_unit_test(span_compare_orders_bytes_as_bbolt_does),
	};
	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
