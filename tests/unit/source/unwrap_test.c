/* What comes out of a wrapping, and which of several. */
#include "unwrap_told.h"

static void a_bare_database_comes_through(void **state)
{
	struct told t;
	struct pack p = { db, DB_SIZE };

	(void)state;
	told_init(&t);
	assert_int_equal(run(&t, p, 1000), 0);
	assert_string_equal(t.text, "DB thing [] db\n");
	t.settings.name = "snapshot-events.db";
	assert_int_equal(run(&t, p, 65536), 0);
	assert_string_equal(t.text, "EVENTS snapshot-events.db [] db\n");
}

static void each_compression_and_several_come_off(void **state)
{
	static const enum magic codecs[] = { MAGIC_GZIP, MAGIC_ZLIB, MAGIC_ZSTD, MAGIC_XZ,
		MAGIC_BZIP2, MAGIC_LZ4 };
	struct told t;
	char text[64];

	(void)state;
	told_init(&t);
	for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
		struct pack p = pack(codecs[i], db, DB_SIZE);
		struct pack q = pack(codecs[(i + 1) % 6], p.p, p.len);
		assert_int_equal(run(&t, p, 3000), 0);
		snprintf(text, sizeof text, "DB thing [%s] db\n", magic_name(codecs[i]));
		assert_string_equal(t.text, text);
		assert_int_equal(run(&t, q, 3000), 0);
		snprintf(text, sizeof text, "DB thing [%s, %s] db\n",
			magic_name(codecs[(i + 1) % 6]), magic_name(codecs[i]));
		assert_string_equal(t.text, text);
		p.len -= 5;
		assert_int_equal(run(&t, p, 3000), ERR_FORMAT);
		assert_non_null(strstr(t.e.text, "is cut off behind byte"));
		free(p.p);
		free(q.p);
	}
}

static const struct pack_file nodes[] = {
	{ .name = "m1/", .kind = AE_IFDIR },
	{ .name = "m1/assets/backup/snapshot.db", .bytes = other, .len = DB_SIZE },
	{ .name = "m1/assets/backup/etcd-member.yaml", .bytes = "one", .len = 3 },
	{ .name = "m2/assets/backup/etcd-client.key", .bytes = "two", .len = 3 },
	{ .name = "m2/assets/backup/snapshot.db", .bytes = db, .len = DB_SIZE },
	{ 0 },
};

static void the_node_chooses_among_several(void **state)
{
	static const enum magic kinds[] = { MAGIC_TAR, MAGIC_ZIP };
	struct told t;

	(void)state;
	told_init(&t);
	for (size_t i = 0; i < 2; i++) {
		struct pack p = pack_archive(kinds[i], nodes);
		char text[512];
		t.settings.node = "m2.example.org";
		assert_int_equal(run(&t, p, 3000), 0);
		snprintf(text, sizeof text,
			"companion m2/assets/backup/etcd-client.key of m2 [%1$s] 'two'\n"
			"DB m2/assets/backup/snapshot.db of m2 [%1$s] db\n",
			magic_name(kinds[i]));
		assert_string_equal(t.text, text);

		t.settings.node = NULL;
		assert_int_equal(run(&t, p, 3000), ERR_DECLINED);
		assert_string_equal(t.e.text,
			"thing: several databases: name the node whose it shall be, or "
			"unpack the one you want: m1/assets/backup/snapshot.db, "
			"m2/assets/backup/snapshot.db");

		t.settings.node = "m3";
		assert_int_equal(run(&t, p, 3000), ERR_NOTFOUND);
		assert_string_equal(t.e.text,
			"thing: no database of node m3 in it, but m1/assets/backup/snapshot.db, "
			"m2/assets/backup/snapshot.db");
		assert_string_equal(t.passed, "");

		t.settings.node = NULL;
		t.settings.entry = "m1/assets/backup/snapshot.db";
		assert_int_equal(run(&t, p, 3000), 0);
		assert_non_null(strstr(t.text, "DB m1/assets/backup/snapshot.db of m1"));
		assert_null(strstr(t.text, "DB m2"));
		t.settings.entry = "m1/snapshot.db";
		assert_int_equal(run(&t, p, 3000), ERR_NOTFOUND);
		assert_string_equal(t.e.text, "thing: no database named m1/snapshot.db in it");
		t.settings.entry = NULL;
		free(p.p);
	}
}

static void the_only_one_of_another_node_is_named(void **state)
{
	static const struct pack_file files[] = {
		{ .name = "prod/snapshot.db", .bytes = db, .len = DB_SIZE },
		{ 0 },
	};
	struct pack p = pack_archive(MAGIC_TAR, files);
	struct told t;

	(void)state;
	told_init(&t);
	t.settings.node = "m2";
	assert_int_equal(run(&t, p, 3000), ERR_NOTFOUND);
	assert_string_equal(t.passed, "prod/snapshot.db");
	char entry[sizeof t.passed];
	snprintf(entry, sizeof entry, "%s", t.passed);
	t.settings.entry = entry;
	assert_int_equal(run(&t, p, 3000), 0);
	assert_string_equal(t.text, "DB prod/snapshot.db of prod [tar] db\n");
	free(p.p);
}

static void archives_within_archives_are_opened(void **state)
{
	static const struct pack_file resources[] = {
		{ .name = "static-pod-resources/etcd-pod-7/etcd-pod.yaml", .bytes = "p", .len = 1 },
		{ .name = "static-pod-resources/etcd-pod-7/secrets/tls", .bytes = "", .len = 0 },
		{ 0 },
	};
	struct pack inner = pack_archive(MAGIC_TAR, resources);
	struct pack packed = pack(MAGIC_GZIP, inner.p, inner.len);
	struct pack snapshot = pack(MAGIC_ZSTD, db, DB_SIZE);
	const struct pack_file files[] = {
		{ .name = "b/static_kuberesources_2020-03-18_220218.tar.gz",
			.bytes = packed.p,
			.len = packed.len },
		{ .name = "b/snapshot_2020-03-18_220218.db.zst",
			.bytes = snapshot.p,
			.len = snapshot.len },
		{ .name = "b/notes.txt", .bytes = "n", .len = 1 },
		{ 0 },
	};
	struct pack outer = pack_archive(MAGIC_TAR, files);
	struct pack p = pack(MAGIC_XZ, outer.p, outer.len);
	struct told t;

	(void)state;
	told_init(&t);
	assert_int_equal(run(&t, p, 3000), 0);
	assert_string_equal(t.text,
		"companion static-pod-resources/etcd-pod-7/etcd-pod.yaml in "
		"b/static_kuberesources_2020-03-18_220218.tar.gz [xz, tar, gzip, tar] 'p'\n"
		"companion static-pod-resources/etcd-pod-7/secrets/tls in "
		"b/static_kuberesources_2020-03-18_220218.tar.gz [xz, tar, gzip, tar] ''\n"
		"DB b/snapshot_2020-03-18_220218.db.zst of b [xz, tar, zstd] db\n");

	/* The inner one damaged, the outer one well. */
	packed.p[packed.len - 6] ^= 1;
	struct pack bad = pack_archive(MAGIC_TAR, files);
	assert_int_equal(run(&t, bad, 3000), ERR_FORMAT);
	assert_non_null(strstr(t.e.text, "gzip data is damaged"));

	/* Companions alone are no backup, unless they are asked for. */
	assert_int_equal(run(&t, inner, 3000), ERR_NOTFOUND);
	t.settings.companions = true;
	assert_int_equal(run(&t, inner, 3000), 0);
	free(inner.p);
	free(packed.p);
	free(snapshot.p);
	free(outer.p);
	free(p.p);
	free(bad.p);
}

static void main_and_events_are_a_pair(void **state)
{
	static const struct pack_file files[] = {
		{ .name = "./snapshot-events.db", .bytes = other, .len = DB_SIZE },
		{ .name = "./snapshot.db", .bytes = db, .len = DB_SIZE },
		{ 0 },
	};
	struct pack p = pack_archive(MAGIC_TAR, files);
	struct told t;

	(void)state;
	told_init(&t);
	assert_int_equal(run(&t, p, 3000), 0);
	assert_string_equal(
		t.text, "EVENTS snapshot-events.db [tar] other\nDB snapshot.db [tar] db\n");
	free(p.p);
}

static void zip_as_go_writes_it_is_read(void **state)
{
	static const struct pack_file files[] = {
		{ .name = "etcd-snapshot-m1-1580835600",
			.bytes = db,
			.len = DB_SIZE,
			.unsized = true },
		{ .name = ".metadata/etcd-snapshot-m1-1580835600",
			.bytes = "{}",
			.len = 2,
			.unsized = true },
		{ 0 },
	};
	struct pack p = pack_archive(MAGIC_ZIP, files);
	struct told t;

	(void)state;
	told_init(&t);
	assert_int_equal(run(&t, p, 3000), 0);
	assert_string_equal(t.text, "DB etcd-snapshot-m1-1580835600 [zip] db\n"
				    "companion .metadata/etcd-snapshot-m1-1580835600 [zip] '{}'\n");
	for (size_t cut = 1; cut < p.len; cut += cut < 400 ? 1 : 1999) {
		t.e.code = 0;
		if (!run(&t, (struct pack){ p.p, p.len - cut }, 3000))
			fail_msg("zip cut by %zu bytes", cut);
	}
	p.p[1000] ^= 1;
	assert_int_equal(run(&t, p, 3000), ERR_FORMAT);
	free(p.p);
}

static void a_file_that_only_has_the_name_is_told(void **state)
{
	static const struct pack_file files[] = {
		{ .name = "snapshot.db", .bytes = "<html>no</html>", .len = 15 },
		{ 0 },
	};
	struct pack p = pack_archive(MAGIC_TAR, files);
	struct told t;

	(void)state;
	told_init(&t);
	assert_int_equal(run(&t, p, 3000), ERR_NOTFOUND);
	assert_string_equal(t.e.text,
		"thing: no database in it: snapshot.db is no etcd snapshot, but looks like an HTML "
		"page, as a login or an error gives");
	free(p.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bare_database_comes_through),
		cmocka_unit_test(each_compression_and_several_come_off),
		cmocka_unit_test(the_node_chooses_among_several),
		cmocka_unit_test(the_only_one_of_another_node_is_named),
		cmocka_unit_test(archives_within_archives_are_opened),
		cmocka_unit_test(main_and_events_are_a_pair),
		cmocka_unit_test(zip_as_go_writes_it_is_read),
		cmocka_unit_test(a_file_that_only_has_the_name_is_told),
	};
	return cmocka_run_group_tests(tests, make_databases, NULL);
}
