#include "plan/finish_etcd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena = ARENA(64 << 20);
static struct err e;

/* As etcd 3.5 answers; the ids are decimal there: cafe, 1, ffffffffffffffff. */
#define HEADER "{\"header\":{\"cluster_id\":\"51966\",\"member_id\":\"1\",\"raft_term\":\"2\"},"
#define M1                                                                                         \
	"{\"ID\":\"1\",\"name\":\"m1\",\"peerURLs\":[\"https://"                                   \
	"a:2380\"],\"clientURLs\":[\"https://a:2379\"]}"
#define M2 "{\"ID\":\"18446744073709551615\",\"peerURLs\":[\"https://b:2380\"]}"

static int judge_of(size_t *started, const char *answer, bool grows)
{
	static const char *a[] = { "https://a:2380" }, *b[] = { "https://b:2380" };
	static struct finish_member members[] = { { "m1", 1, { a, 1 } },
		{ "m2", UINT64_MAX, { b, 1 } } };
	const struct finish_cluster c = {
		.what = "etcd", .id = 0xcafe, .own = 1, .members = members, .n = 2, .grows = grows
	};

	e = (struct err){ 0 };
	return finish_members_judge(started, &arena, &c, str_from(answer), &e);
}

static int judge(size_t *started, const char *answer)
{
	return judge_of(started, answer, false);
}

#define M3 "{\"ID\":\"3\",\"name\":\"m3\",\"clientURLs\":[\"https://c:2379\"]}"

static void others_may_join_where_that_is_expected(void **state)
{
	size_t started = 9;

	(void)state;
	assert_int_equal(
		judge(&started, HEADER "\"members\":[" M1 "," M2 "," M3 "]}"), ERR_MISMATCH);
	assert_int_equal(judge_of(&started, HEADER "\"members\":[" M1 "," M3 "," M2 "]}", true), 0);
	assert_int_equal(started, 1);
	/* Ours have to be there all the same. */
	assert_int_equal(
		judge_of(&started, HEADER "\"members\":[" M1 "," M3 "]}", true), ERR_MISMATCH);
}

static void the_restored_members_are_recognised(void **state)
{
	size_t started = 9;

	(void)state;
	assert_int_equal(judge(&started, HEADER "\"members\":[" M1 "," M2 "]}"), 0);
	assert_int_equal(started, 1);
}

static void whatever_differs_is_named(void **state)
{
	static const struct {
		const char *answer, *says;
		int code;
	} rows[] = {
		{ HEADER "\"members\":[" M1 "]}", "1 members, 2 were restored", ERR_MISMATCH },
		{ "{\"header\":{\"cluster_id\":\"51967\"},\"members\":[]}", "is cluster caff",
			ERR_MISMATCH },
		{ HEADER "\"members\":[{\"ID\":\"3\",\"name\":\"x\"}]}", "member 3 (x)",
			ERR_MISMATCH },
		{ HEADER "\"members\":[{\"ID\":\"1\",\"peerURLs\":[\"https://c:2380\"]}]}",
			"m1 does not have", ERR_MISMATCH },
		{ HEADER "\"members\":[{}]}", "without an id", ERR_FORMAT },
		{ "{}", "does not tell", ERR_FORMAT },
		{ "[]", "does not tell", ERR_FORMAT },
		{ "no JSON", "", ERR_FORMAT },
	};
	size_t started;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(judge(&started, rows[i].answer), rows[i].code);
		if (!strstr(e.text, rows[i].says))
			fail_msg("%s", e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_restored_members_are_recognised),
		cmocka_unit_test(others_may_join_where_that_is_expected),
		cmocka_unit_test(whatever_differs_is_named),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
