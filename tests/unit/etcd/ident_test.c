#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "etcd/ident.h"

static int cluster_of(struct etcd_cluster *cluster, const struct etcd_member **own, struct arena *a,
	const char *name, const char *members, const char *token, const char *advertise,
	struct err *e)
{
	const struct etcd_restore_config config = {
		.name = str_from(name),
		.initial_cluster = str_from(members),
		.token = str_from(token),
		.advertise = advertise ? str_from(advertise) : (struct str){ 0 },
	};

	return etcd_ident_cluster(cluster, own, a, &config, e);
}

static void ident_gives_the_ids_that_etcd_gives(void **state)
{
	static const struct {
		const char *members, *token;
		uint64_t member, cluster;
	} known[] = {
		{ "m=https://etcd-0.ocp.hpecloud.org:2380", "etcd-cluster-1", 0x1c5a549c9f4e67b5,
			0x11eeb64feb9a2071 },
		{ "m=https://etcd-0.ocp.hpecloud.org:2380", "", 0xcb1897706e3a7bd3,
			0x1ad3c157b9c42fc6 },
		{ "m=http://localhost:2380", "etcd-cluster", 0x8e9e05c52164694d,
			0xcdf818194e3a8c32 },
		{ "m=http://127.0.0.1:23901", "etcd-cluster", 0x8425f172696c3d59,
			0xb994b44a5d437979 },
		{ "m=https://b:2380,m=https://a:2380", "tok", 0xe22ae5ec9259c307, 0 },
		{ "m=http://Foo.EXAMPLE:2380", "etcd-cluster", 0x7aa1c56f80ce33e3, 0 },
		{ "m=HTTP://[::1]:2380", "etcd-cluster", 0x9f01c01111e47e74, 0 },
		{ "m= http://10.0.0.4:2380 ,", "t4", 0xce22988f9d2c904, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		struct arena a = ARENA(1 << 20);
		const struct etcd_member *own;
		struct etcd_cluster c;
		struct err e;

		assert_int_equal(
			cluster_of(&c, &own, &a, "m", known[i].members, known[i].token, NULL, &e),
			0);
		assert_true(own->id == known[i].member);
		assert_true(!known[i].cluster || c.id == known[i].cluster);
		arena_free(&a);
	}
}

static void ident_sorts_members_by_id_and_finds_its_own(void **state)
{
	struct arena a = ARENA(1 << 20);
	const struct etcd_member *own;
	struct etcd_cluster c;
	struct err e;

	(void)state;
	assert_int_equal(cluster_of(&c, &own, &a, "m1",
				 "m1=http://127.0.0.1:23901,m2=http://127.0.0.1:23911,"
				 "m3=http://127.0.0.1:23921",
				 "tok", "http://127.0.0.1:23901", &e),
		0);
	assert_int_equal(c.n_members, 3);
	assert_true(c.id == 0xc5b8be4817a47354);
	assert_true(c.members[0].id == 0x38f8b33513e59589 && str_is(c.members[0].name, "m2"));
	assert_true(c.members[1].id == 0xbde49bf9b08296f0 && str_is(c.members[1].name, "m3"));
	assert_true(c.members[2].id == 0xe5e059ccc61ab4b1 && own == &c.members[2]);
	assert_null(etcd_ident_find(&c, STR("m4")));
	arena_free(&a);
}

static void ident_refuses_with_the_words_of_etcd(void **state)
{
	static const struct {
		const char *name, *members, *advertise, *text;
	} wrong[] = {
		{ "m1", "m1=http://a:1", "",
			"--initial-advertise-peer-urls: URL scheme must be http, https, unix, or "
			"unixs: " },
		{ "m1", "m1=http://a:1", "http://a:1,",
			"--initial-advertise-peer-urls: URL scheme must be http, https, unix, or "
			"unixs: " },
		{ "m1", "m1", NULL,
			"--initial-cluster: URL scheme must be http, https, unix, or unixs: " },
		{ "m1", "m1=ftp://a:1", NULL,
			"--initial-cluster: URL scheme must be http, https, unix, or unixs: "
			"ftp://a:1" },
		{ "x", "m1=http://a:1", NULL,
			"couldn't find local name \"x\" in the initial cluster configuration" },
		{ "m1", "", NULL,
			"couldn't find local name \"m1\" in the initial cluster configuration" },
		{ "m1", "m1=http://a:1,m1=http://b:1", "http://a:1",
			"--initial-cluster has m1=http://b:1 but missing from "
			"--initial-advertise-peer-urls=http://a:1" },
		{ "m1", "m1=http://a:1", "http://a:1,http://b:1",
			"--initial-advertise-peer-urls has http://b:1 but missing from "
			"--initial-cluster=m1=http://a:1" },
		{ "m1", "m1=http://a:1", "http://a:1,http://a:1",
			"a URL is given twice for m1 in --initial-cluster or "
			"--initial-advertise-peer-urls" },
		{ "m1", "m1=http://a:1,m2=http://a:1", "http://a:1",
			"initial cluster has duplicate url http://a:1 (m2)" },
		{ "m1", "m1=http://a:1,m1=http://a:1", NULL,
			"initial cluster has duplicate url http://a:1 (m1)" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct arena a = ARENA(1 << 20);
		const struct etcd_member *own = NULL;
		struct etcd_cluster c = { 0 };
		struct err e;

		assert_int_equal(cluster_of(&c, &own, &a, wrong[i].name, wrong[i].members, "t",
					 wrong[i].advertise, &e),
			ERR_USAGE);
		assert_string_equal(e.text, wrong[i].text);
		assert_null(own);
		arena_free(&a);
	}
}

static void ident_stops_at_its_limits(void **state)
{
	CLEAN_BUF struct buf many = BUF(1 << 20);
	struct arena a = ARENA(1 << 24);
	const struct etcd_member *own;
	struct etcd_cluster c;
	struct err e;

	(void)state;
	for (int i = 0; i <= ETCD_MEMBERS_MAX; i++)
		assert_int_equal(buf_print(&many, &e, "m%d=http://h%d:1,", i, i), 0);
	assert_int_equal(buf_add(&many, "", 1, &e), 0);
	assert_int_equal(
		cluster_of(&c, &own, &a, "m1", (const char *)many.p, "t", NULL, &e), ERR_USAGE);
	buf_clear(&many);
	for (int i = 0; i <= ETCD_MEMBER_URLS_MAX; i++)
		assert_int_equal(buf_print(&many, &e, "m=http://h%d:1,", i), 0);
	assert_int_equal(buf_add(&many, "", 1, &e), 0);
	assert_int_equal(
		cluster_of(&c, &own, &a, "m", (const char *)many.p, "t", NULL, &e), ERR_USAGE);
	arena_free(&a);
}

static void ident_writes_a_member_as_etcd_stores_it(void **state)
{
	const struct str urls[] = { STR("http://a:1?x=1&y"), STR("http://b:1") };
	const struct etcd_member member = { UINT64_MAX, STR("m\"1"), urls, 2 };
	const struct etcd_member nameless = { 7, STR(""), urls + 1, 1 };
	CLEAN_BUF struct buf out = BUF(1000);
	struct err e;

	(void)state;
	assert_int_equal(etcd_ident_member_json(&out, &member, &e), 0);
	assert_true(str_is(buf_text(&out),
		"{\"id\":18446744073709551615,\"peerURLs\":[\"http://a:1?x=1\\u0026y\","
		"\"http://b:1\"],\"name\":\"m\\\"1\"}"));
	buf_clear(&out);
	assert_int_equal(etcd_ident_member_json(&out, &nameless, &e), 0);
	assert_true(str_is(buf_text(&out), "{\"id\":7,\"peerURLs\":[\"http://b:1\"]}"));
	buf_clear(&out);
	assert_int_equal(etcd_ident_attributes_json(&out, &nameless, &e), 0);
	assert_true(str_is(buf_text(&out), "{\"peerURLs\":[\"http://b:1\"]}"));
	assert_string_equal(etcd_ident_text(0xce22988f9d2c904).text, "ce22988f9d2c904");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ident_gives_the_ids_that_etcd_gives),
		cmocka_unit_test(ident_sorts_members_by_id_and_finds_its_own),
		cmocka_unit_test(ident_refuses_with_the_words_of_etcd),
		cmocka_unit_test(ident_stops_at_its_limits),
		cmocka_unit_test(ident_writes_a_member_as_etcd_stores_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
