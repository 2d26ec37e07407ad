#include "plan/finish_join_judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena = ARENA(64 << 20);
static struct err e;

#define HEADER "{\"header\":{\"cluster_id\":\"51966\",\"member_id\":\"1\"},\"members\":["
#define MEMBER(id, name, peer, client)                                                             \
	"{\"ID\":\"" id "\",\"name\":\"" name "\",\"peerURLs\":[\"https://" peer                   \
	":2380\"],\"clientURLs\":[" client "]}"
#define RUNS "\"https://x:2379\""
#define A    MEMBER("10", "a", "a", RUNS)

static struct join_list list_of(const char *members)
{
	struct join_list list;

	e = (struct err){ 0 };
	assert_int_equal(join_list_parse(&list, &arena,
				 str_from(arena_print(&arena, HEADER "%s]}", members)), "etcd", &e),
		0);
	return list;
}

static const char *b_urls[] = { "https://b:2380" };
static const struct kube_texts b = { b_urls, 1 };

static void a_list_is_read_as_etcd_writes_it(void **state)
{
	const struct join_list list =
		list_of(A ",{\"ID\":\"18446744073709551615\",\"peerURLs\":[\"https://"
			  "b:2380\",\"https://b2:2380\"],\"isLearner\":true}");

	(void)state;
	assert_int_equal(list.cluster, 0xcafe);
	assert_int_equal(list.n, 2);
	assert_string_equal(list.v[0].name, "a");
	assert_true(join_member_started(&list.v[0]) && !list.v[0].learner);
	assert_true(list.v[1].id == UINT64_MAX && list.v[1].learner);
	assert_string_equal(list.v[1].name, "");
	assert_int_equal(list.v[1].urls.n, 2);
	assert_false(join_member_started(&list.v[1]));
}

static void what_is_no_list_is_refused(void **state)
{
	static const char *const texts[] = { "", "[]", "{}", "{\"members\":[]}",
		"{\"header\":{\"cluster_id\":\"1\"},\"members\":{}}", HEADER "{\"name\":\"a\"}]}",
		HEADER "{\"ID\":\"0\"}]}", HEADER "{\"ID\":\"-1\"}]}" };
	struct join_list list;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		e = (struct err){ 0 };
		assert_int_equal(
			join_list_parse(&list, &arena, str_from(texts[i]), "etcd", &e), ERR_FORMAT);
	}
}

static void what_is_to_be_done_follows_from_the_list(void **state)
{
	static const struct {
		const char *members;
		enum join_data data;
		enum join_case what;
		uint64_t id;
	} rows[] = {
		{ A, JOIN_DATA_GONE, JOIN_ADD, 0 },
		{ A, JOIN_DATA_THERE, JOIN_ADD, 0 },
		/* Ours of an earlier try: it never ran, whatever lies there. */
		{ A "," MEMBER("11", "", "b", ""), JOIN_DATA_GONE, JOIN_ADDED, 11 },
		{ A "," MEMBER("11", "", "b", ""), JOIN_DATA_THERE, JOIN_ADDED, 11 },
		/* As 3.6 lists whom a restore has named. */
		{ A "," MEMBER("11", "b", "b", ""), JOIN_DATA_GONE, JOIN_ADDED, 11 },
		{ A "," MEMBER("11", "b", "b", RUNS), JOIN_DATA_THERE, JOIN_STARTED, 11 },
		{ A "," MEMBER("11", "b", "b", RUNS), JOIN_DATA_UNKNOWN, JOIN_STARTED, 11 },
		{ A "," MEMBER("11", "b", "b", RUNS), JOIN_DATA_GONE, JOIN_STALE, 11 },
		{ A "," MEMBER("11", "other", "b", RUNS), JOIN_DATA_GONE, JOIN_STALE, 11 },
		{ A "," MEMBER("11", "b", "old-b", RUNS), JOIN_DATA_GONE, JOIN_STALE, 11 },
		{ A "," MEMBER("11", "b", "old-b", RUNS), JOIN_DATA_THERE, JOIN_STALE, 11 },
		/* Beside ours, one more of our name: it goes first, in either order. */
		{ MEMBER("11", "", "b", "") "," MEMBER("12", "b", "old-b", RUNS), JOIN_DATA_GONE,
			JOIN_STALE, 12 },
		{ MEMBER("12", "b", "old-b", RUNS) "," MEMBER("11", "", "b", ""), JOIN_DATA_GONE,
			JOIN_STALE, 12 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct join_list list = list_of(rows[i].members);
		const struct join_verdict v = join_judge(&list, "b", &b, rows[i].data);
		if (v.what != rows[i].what || (v.member ? v.member->id : 0) != rows[i].id)
			fail_msg("row %zu: %d", i, v.what);
	}
}

static void one_that_shares_some_of_our_addresses_is_another(void **state)
{
	static const char *two[] = { "https://b:2380", "https://b2:2380" };
	const struct kube_texts urls = { two, 2 };
	const struct join_list list = list_of(A "," MEMBER("11", "", "b", ""));

	(void)state;
	assert_int_equal(join_judge(&list, "b", &urls, JOIN_DATA_GONE).what, JOIN_STALE);
}

static void initial_cluster_names_everybody_once(void **state)
{
	const struct join_list list = list_of(A "," MEMBER("11", "", "b", "") "," MEMBER(
		"255", "", "c", "") "," MEMBER("256", "a", "d", RUNS) "," MEMBER("257", "b", "e",
		RUNS) "," MEMBER("258", "it's", "f", RUNS));
	const char *text;

	(void)state;
	assert_int_equal(join_initial_cluster(&text, &arena, &list, "b", 11, &e), 0);
	assert_string_equal(text,
		"member-a=https://a:2380,b=https://b:2380,member-ff=https://c:2380,"
		"member-100=https://d:2380,member-101=https://e:2380,member-102=https://f:2380");
	const struct join_list few = list_of(A "," MEMBER("11", "b", "b", ""));
	assert_int_equal(join_initial_cluster(&text, &arena, &few, "b", 11, &e), 0);
	assert_string_equal(text, "a=https://a:2380,b=https://b:2380");
}

static void what_cannot_stand_in_initial_cluster_is_refused(void **state)
{
	const char *text;
	const struct join_list odd =
		list_of(MEMBER("11", "", "b", "") "," MEMBER("12", "", "'$x", ""));
	const struct join_list bare = list_of("{\"ID\":\"11\"}");
	const struct join_list fine = list_of(MEMBER("11", "", "b", ""));

	(void)state;
	assert_int_equal(join_initial_cluster(&text, &arena, &odd, "b", 11, &e), ERR_FORMAT);
	assert_int_equal(join_initial_cluster(&text, &arena, &bare, "b", 11, &e), ERR_FORMAT);
	assert_int_equal(join_initial_cluster(&text, &arena, &fine, "b", 13, &e), ERR_FORMAT);
	assert_int_equal(join_initial_cluster(&text, &arena, &fine, "b c", 11, &e), ERR_FORMAT);
	assert_int_equal(join_initial_cluster(&text, &arena, &fine, "", 11, &e), ERR_FORMAT);
}

static void refusals_are_told_apart(void **state)
{
	static const struct {
		const char *text;
		enum join_refusal refusal;
	} rows[] = {
		{ "etcdserver: too many learner members in cluster", JOIN_REFUSAL_YIELD },
		{ "etcdserver: re-configuration failed due to not enough started members",
			JOIN_REFUSAL_YIELD },
		{ "etcdserver: unhealthy cluster", JOIN_REFUSAL_LATER },
		{ "etcdserver: can only promote a learner member which is in sync with leader",
			JOIN_REFUSAL_LATER },
		{ "etcdserver: can only promote a learner member", JOIN_REFUSAL_EXISTS },
		{ "etcdserver: Peer URLs already exists", JOIN_REFUSAL_EXISTS },
		{ "etcdserver: member not found", JOIN_REFUSAL_EXISTS },
		{ "etcdserver: request timed out", JOIN_REFUSAL_LATER },
		{ "etcdserver: request timed out, possibly due to previous leader failure",
			JOIN_REFUSAL_LATER },
		{ "etcdserver: no leader", JOIN_REFUSAL_LATER },
		{ "etcdserver: user name is empty", JOIN_REFUSAL_NEVER },
		{ "CommonName of client sending a request against gateway will be ignored and not "
		  "used as expected",
			JOIN_REFUSAL_NEVER },
		{ "etcdserver: permission denied", JOIN_REFUSAL_NEVER },
		{ "etcdserver: given member URLs are invalid", JOIN_REFUSAL_NEVER },
		{ "the server answers with status 502", JOIN_REFUSAL_UNKNOWN },
	};
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (join_refusal_of(&why, rows[i].text) != rows[i].refusal)
			fail_msg("%s", rows[i].text);
	}
}

static void a_version_is_two_numbers(void **state)
{
	unsigned major, minor;

	(void)state;
	assert_true(join_version(&major, &minor, STR("3.4.23")) && major == 3 && minor == 4);
	assert_true(join_version(&major, &minor, STR("3.10.0")) && minor == 10);
	assert_true(join_version(&major, &minor, STR("3.5")) && minor == 5);
	assert_false(join_version(&major, &minor, STR("not_decided")));
	assert_false(join_version(&major, &minor, STR("3.x.0")));
	assert_false(join_version(&major, &minor, STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_read_as_etcd_writes_it),
		cmocka_unit_test(what_is_no_list_is_refused),
		cmocka_unit_test(what_is_to_be_done_follows_from_the_list),
		cmocka_unit_test(one_that_shares_some_of_our_addresses_is_another),
		cmocka_unit_test(initial_cluster_names_everybody_once),
		cmocka_unit_test(what_cannot_stand_in_initial_cluster_is_refused),
		cmocka_unit_test(refusals_are_told_apart),
		cmocka_unit_test(a_version_is_two_numbers),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
