#include "plan/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint8_t snapshot[32], database[32];

static int set_up(void **state)
{
	(void)state;
	for (uint8_t i = 0; i < 32; i++) {
		snapshot[i] = i;
		database[i] = (uint8_t)(100 + i);
	}
	return 0;
}

/* Vectors made with Python's hashlib from the text that the header describes. */
static void token_is_of_snapshot_and_edits(void **state)
{
	static const char *const keys[] = { "/a\"", "/a", "/a" };
	static const char *const prefixes[] = { "/reg/" };
	const struct etcd_edits none = { 0 };
	const struct etcd_edits all = { NULL, 1000000000, true, true, true, true, keys, 3, prefixes,
		1 };
	struct arena a = ARENA(1 << 20);

	(void)state;
	assert_string_equal(plan_token(&a, "tkn", snapshot, &none, 1), "tkn-2e0ea3cbcd97");
	assert_string_equal(
		plan_token(&a, "etcd-cluster", snapshot, &all, 1), "etcd-cluster-c273a16e21cb");
	arena_free(&a);
}

static void token_does_not_know_the_members(void **state)
{
	const struct etcd_restore_config config = { STR("a"), STR("a=http://10.0.0.1:2380"),
		STR("t"), STR("http://10.0.0.1:2380") };
	const struct etcd_member *own;
	struct arena a = ARENA(1 << 20);
	struct etcd_cluster cluster;
	struct etcd_edits edits = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(etcd_ident_cluster(&cluster, &own, &a, &config, &e), 0);
	const char *without = plan_token(&a, "t", snapshot, &edits, 1);
	assert_string_not_equal(plan_token(&a, "t", snapshot, &edits, 2), without);
	edits.cluster = &cluster;
	assert_string_equal(plan_token(&a, "t", snapshot, &edits, 1), without);
	arena_free(&a);
}

static void token_is_another_one_for_each_edit(void **state)
{
	static const char *const keys[] = { "/a" }, *const others[] = { "/b" };
	struct etcd_edits v[12] = { 0 };
	const char *token[12];
	struct arena a = ARENA(1 << 20);

	(void)state;
	v[1].bump = 1;
	v[2].bump = 2;
	v[3].mark_compacted = true;
	v[4].fix_markers = true;
	v[5].clear_alarms = true;
	v[6].drop_leases = true;
	v[7].drop_keys = keys;
	v[8].drop_keys = others;
	v[9].drop_prefixes = keys;
	v[7].n_drop_keys = v[8].n_drop_keys = v[9].n_drop_prefixes = 1;
	for (size_t i = 0; i < 12; i++) {
		if (i >= 10)
			snapshot[31 * (i - 10)] ^= 1;
		token[i] = plan_token(&a, "t", snapshot, &v[i], 1);
		if (i >= 10)
			snapshot[31 * (i - 10)] ^= 1;
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(token[i], token[j]);
	}
	arena_free(&a);
}

static void ready_is_of_database_token_members_and_bump(void **state)
{
	static const char urls[] = "b=http://10.0.0.2:2380,a=http://10.0.0.9:2380,"
				   "b=http://10.0.0.1:2380";
	const struct etcd_restore_config config = { STR("a"), str_from(urls), STR("tkn-x"),
		STR("http://10.0.0.9:2380") };
	const struct etcd_member *own;
	struct arena a = ARENA(1 << 20);
	struct etcd_cluster cluster;
	struct err e = { 0 };
	char hex[65], other[65];

	(void)state;
	assert_int_equal(etcd_ident_cluster(&cluster, &own, &a, &config, &e), 0);
	struct plan_ready ready[2] = { { database, &cluster, 7 }, { database, &cluster, 7 } };
	plan_ready_digest(hex, ready, 1);
	assert_string_equal(
		hex, "66b521c7285b08f9d7cf055abaddd2bb881893da28e9d15c2bcd27f0b764409b");
	plan_ready_digest(hex, ready, 2);
	assert_string_equal(
		hex, "68146911142559452baa4e814a00d8a97ee04976647d87a2fc9b5baaaa15d6e5");
	ready[1].bump = 8;
	plan_ready_digest(other, ready, 2);
	assert_string_not_equal(hex, other);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_is_of_snapshot_and_edits),
		cmocka_unit_test(token_does_not_know_the_members),
		cmocka_unit_test(token_is_another_one_for_each_edit),
		cmocka_unit_test(ready_is_of_database_token_members_and_bump),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
