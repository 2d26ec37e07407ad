#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "etcd/v2store.h"

/* Ids whose order as numbers and as text differ: 9 < 0xa0, but "a0" > "9". */
static const struct str urls[] = { STR("http://a:1"), STR("http://b:1?x&y") };
static const struct etcd_member members[] = {
	{ 0x9, STR("m1"), urls, 1 },
	{ 0xa0, STR("m2"), urls, 2 },
	{ 0x100, STR("m3"), urls + 1, 1 },
};

static bool holds(const struct buf *b, const char *what)
{
	size_t at;

	return str_find(&at, buf_text(b), str_from(what));
}

static void v2store_sorts_members_as_text_and_numbers_them_by_id(void **state)
{
	const struct etcd_cluster cluster = { 1, STR(""), members, 3 };
	CLEAN_BUF struct buf out = BUF(1 << 20);
	struct err e;
	size_t at9, at100, ata0;

	(void)state;
	assert_int_equal(etcd_v2store_dump(&out, &cluster, &e), 0);
	assert_true(str_find(&at100, buf_text(&out),
		STR("\"100\":{\"Path\":\"/0/members/100\","
		    "\"CreatedIndex\":3,")));
	assert_true(str_find(&at9, buf_text(&out),
		STR("\"9\":{\"Path\":\"/0/members/9\","
		    "\"CreatedIndex\":1,")));
	assert_true(str_find(&ata0, buf_text(&out),
		STR("\"a0\":{\"Path\":\"/0/members/a0\","
		    "\"CreatedIndex\":2,")));
	assert_true(at100 < at9 && at9 < ata0);
}

static void v2store_escapes_a_value_twice(void **state)
{
	const struct etcd_cluster cluster = { 1, STR(""), members, 2 };
	CLEAN_BUF struct buf out = BUF(1 << 20);
	struct err e;

	(void)state;
	assert_int_equal(etcd_v2store_dump(&out, &cluster, &e), 0);
	assert_true(holds(&out, "\"Value\":\"{\\\"peerURLs\\\":[\\\"http://a:1\\\","
				"\\\"http://b:1?x\\\\u0026y\\\"]}\",\"Children\":null"));
}

static void v2store_counts_what_happened(void **state)
{
	const struct etcd_cluster cluster = { 1, STR(""), members, 2 };
	CLEAN_BUF struct buf out = BUF(1 << 20);
	size_t nulls = 0;
	struct err e;

	(void)state;
	assert_int_equal(etcd_v2store_dump(&out, &cluster, &e), 0);
	assert_true(holds(&out, "\"modifiedIndex\":2,\"createdIndex\":2}},null,null,"));
	assert_true(holds(&out, ",null],\"Size\":2,\"Front\":0,\"Back\":2,\"Capacity\":1000},"
				"\"StartIndex\":1,\"LastIndex\":2}}"));
	assert_true(holds(&out, "\"CurrentIndex\":2,"));
	assert_true(holds(&out, "\"createSuccess\":2,"));

	struct str rest = buf_text(&out);
	size_t at;

	while (str_find(&at, rest, STR("null"))) {
		nulls++;
		rest = (struct str){ rest.p + at + 4, rest.len - at - 4 };
	}
	/* 998 free places of the history, and the children of two values. */
	assert_int_equal(nulls, 1000);
}

static void v2store_stops_at_the_maximum_of_the_buffer(void **state)
{
	const struct etcd_cluster cluster = { 1, STR(""), members, 1 };
	CLEAN_BUF struct buf out = BUF(1 << 20);
	struct err e;

	(void)state;
	assert_int_equal(etcd_v2store_dump(&out, &cluster, &e), 0);
	for (size_t max = 0; max < out.len; max += 7) {
		CLEAN_BUF struct buf small = BUF(max);

		assert_int_equal(etcd_v2store_dump(&small, &cluster, &e), ERR_SPACE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v2store_sorts_members_as_text_and_numbers_them_by_id),
		cmocka_unit_test(v2store_escapes_a_value_twice),
		cmocka_unit_test(v2store_counts_what_happened),
		cmocka_unit_test(v2store_stops_at_the_maximum_of_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
