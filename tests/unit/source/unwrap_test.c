#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "pack.h"
#include "source/unwrap.h"

enum { DB_SIZE = 200000, TEXT_MAX = 4096 };

static uint8_t db[DB_SIZE], other[DB_SIZE];

static int make_databases(void **state)
{
	uint32_t x = 7;

	(void)state;
	for (size_t i = 0; i < DB_SIZE; i++) {
		x = x * 1664525 + 1013904223;
		db[i] = i % 4096 < 2000 ? (uint8_t)(x >> 24) : 0;
	}
	memcpy(db, "\0\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\xed\xda\x0c\xed", 20);
	memcpy(other, db, DB_SIZE);
	other[DB_SIZE - 1] = 1;
	return 0;
}

/* What came out, a line an entry, warnings between them; databases compared with `db`. */
struct told {
	char text[TEXT_MAX];
	size_t len;
	struct arena arena;
	struct unwrap_settings settings;
	struct listener listener;
	struct err e;
	char passed[128];
};

static void tell(struct told *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	const int n = vsnprintf(t->text + t->len, sizeof t->text - t->len, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < sizeof t->text - t->len);
	t->len += (size_t)n;
}

static void hear(void *ctx, const struct event *event)
{
	tell(ctx, "! %s\n", event->text);
}

static void told_init(struct told *t)
{
	*t = (struct told){ .arena = ARENA(UNWRAP_ARENA) };
	t->listener = (struct listener){ hear, t };
	t->settings = (struct unwrap_settings){
		.name = "thing",
		.arena = &t->arena,
		.listener = &t->listener,
	};
}

static int read_db(struct told *t, const struct unwrap_entry *entry)
{
	static uint8_t bytes[2 * DB_SIZE];
	size_t len = 0, got;

	do {
		if (stream_read(&entry->stream, &got, bytes + len,
			    sizeof bytes - len < 5000 ? sizeof bytes - len : 5000, &t->e))
			return t->e.code;
		len += got;
	} while (got);
	tell(t, " %s",
		len != DB_SIZE                   ? "wrong length"
		: !memcmp(bytes, db, DB_SIZE)    ? "db"
		: !memcmp(bytes, other, DB_SIZE) ? "other"
						 : "wrong bytes");
	return 0;
}

static int run(struct told *t, struct pack in, size_t step)
{
	static const char *const roles[] = { "end", "DB", "EVENTS", "companion" };
	struct pack_source source;
	struct unwrap_entry entry;
	struct unwrap *u;
	int bad;

	t->len = 0;
	t->text[0] = 0;
	assert_int_equal(unwrap_open(&u, &t->settings, pack_source(&source, in, step), &t->e), 0);
	while (!(bad = unwrap_next(&entry, u, &t->e)) && entry.role != UNWRAP_END) {
		tell(t, "%s %s", roles[entry.role], entry.name);
		if (entry.inside)
			tell(t, " in %s", entry.inside);
		if (entry.node)
			tell(t, " of %s", entry.node);
		tell(t, " [%s]", entry.wrapping);
		if (entry.role == UNWRAP_COMPANION)
			tell(t, " '%.*s'", (int)entry.bytes.len, (const char *)entry.bytes.p);
		else if (read_db(t, &entry))
			assert_int_equal(unwrap_next(&entry, u, &t->e), t->e.code);
		tell(t, "\n");
	}
	if (bad) {
		/* It stays the same error, however often one asks. */
		assert_int_equal(unwrap_next(&entry, u, &t->e), bad);
		assert_int_equal(entry.role, UNWRAP_END);
	} else {
		assert_int_equal(source.at, in.len);
	}
	snprintf(t->passed, sizeof t->passed, "%s", unwrap_passed(u) ? unwrap_passed(u) : "");
	unwrap_close(u);
	arena_free(&t->arena);
	t->arena = ARENA(UNWRAP_ARENA);
	return bad;
}

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

static void wrapping_without_end_is_refused(void **state)
{
	struct told t;
	struct pack p = pack(MAGIC_GZIP, db, 1000);

	(void)state;
	told_init(&t);
	for (unsigned i = 0; i < UNWRAP_DEPTH_MAX; i++) {
		struct pack q = pack(MAGIC_GZIP, p.p, p.len);
		free(p.p);
		p = q;
	}
	assert_int_equal(run(&t, p, 3000), ERR_UNSUPPORTED);
	assert_string_equal(t.e.text, "thing: packed more than 8 times over");
	free(p.p);
}

static void what_is_no_snapshot_is_named(void **state)
{
	static const struct {
		struct span in;
		enum err_code code;
		const char *why;
	} known[] = {
		{ SPAN(""), ERR_FORMAT,
			"thing: is no etcd snapshot, but looks like an empty file" },
		{ SPAN("<html><body>502 Bad Gateway"), ERR_FORMAT,
			"thing: is no etcd snapshot, but looks like an HTML page, as a login or an "
			"error gives" },
		{ SPAN("<?xml?><Error><Code>NoSuchKey</Code>"), ERR_FORMAT,
			"thing: is no etcd snapshot, but looks like an XML answer, code "
			"NoSuchKey" },
		{ SPAN("Salted__abcdefgh"), ERR_UNSUPPORTED,
			"thing: is encrypted by openssl enc: decrypt it first, no key is known "
			"here" },
		{ SPAN("7z\xbc\xaf\x27\x1c"), ERR_UNSUPPORTED,
			"thing: is packed with 7-Zip, which is not read here" },
	};
	struct told t;

	(void)state;
	told_init(&t);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		const struct pack p = { (uint8_t *)(uintptr_t)known[i].in.p, known[i].in.len };
		assert_int_equal(run(&t, p, 10), known[i].code);
		assert_string_equal(t.e.text, known[i].why);
		struct pack q = pack(MAGIC_GZIP, p.p, p.len);
		assert_int_equal(run(&t, q, 10), known[i].code);
		assert_string_equal(t.e.text, known[i].why);
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

static void links_and_odd_names_are_passed_over_aloud(void **state)
{
	static const struct pack_file files[] = {
		{ .name = "snapshot.db", .link = "/etc/shadow" },
		{ .name = "static-pod-resources", .link = "/etc" },
		{ .name = "static-pod-resources/pod.yaml", .bytes = "y", .len = 1 },
		{ .name = "hard.yaml", .hard = "static-pod-resources/pod.yaml" },
		{ .name = "etcd.db", .kind = AE_IFBLK },
		{ .name = "pipe.yaml", .kind = AE_IFIFO },
		{ .name = "/root/absolute.yaml", .bytes = "a", .len = 1 },
		{ .name = "what\\ever.yaml", .bytes = "b", .len = 1 },
		{ .name = "etcd-dump.bin", .bytes = db, .len = DB_SIZE },
		{ 0 },
	};
	struct pack p = pack_archive(MAGIC_TAR, files);
	struct told t;

	(void)state;
	told_init(&t);
	assert_int_equal(run(&t, p, 3000), 0);
	assert_string_equal(t.text, "! snapshot.db: a link: passed over\n"
				    "! static-pod-resources: a link: passed over\n"
				    "companion static-pod-resources/pod.yaml [tar] 'y'\n"
				    "! hard.yaml: a link: passed over\n"
				    "! etcd.db: neither file nor directory: passed over\n"
				    "! pipe.yaml: neither file nor directory: passed over\n"
				    "! root/absolute.yaml: an absolute name: passed over\n"
				    "! what?ever.yaml: a name no backup has: passed over\n"
				    "DB etcd-dump.bin [tar] db\n");
	free(p.p);
}

static void a_name_that_leads_out_refuses_the_archive(void **state)
{
	static const enum magic kinds[] = { MAGIC_TAR, MAGIC_ZIP };
	static const struct pack_file files[] = {
		{ .name = "snapshot.db", .bytes = db, .len = DB_SIZE },
		{ .name = "a/../../etc/cron.d/x.yaml", .bytes = "y", .len = 1 },
		{ 0 },
	};
	struct told t;

	(void)state;
	told_init(&t);
	for (size_t i = 0; i < 2; i++) {
		struct pack p = pack_archive(kinds[i], files);
		assert_int_equal(run(&t, p, 3000), ERR_FORMAT);
		assert_string_equal(t.e.text,
			"thing: an entry leads out of the archive (a/../../etc/cron.d/x.yaml): no "
			"backup, but made to harm");
		free(p.p);
	}
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

static void a_cut_tar_is_an_error_at_every_block(void **state)
{
	static const struct pack_file files[] = {
		{ .name = "etcd-dump.bin", .bytes = db, .len = DB_SIZE },
		{ .name = "ca.crt", .bytes = "c", .len = 1 },
		{ 0 },
	};
	struct pack p = pack_archive(MAGIC_TAR, files);
	struct told t;
	size_t used = p.len;

	(void)state;
	told_init(&t);
	while (used && !p.p[used - 1])
		used--;
	used = (used + 511) / 512 * 512;
	assert_int_equal(run(&t, (struct pack){ p.p, used + 1024 }, 3000), 0);
	for (size_t cut = 1; cut < used; cut += cut < 4000 ? 97 : 4999) {
		if (!run(&t, (struct pack){ p.p, used - cut }, 3000))
			fail_msg("tar cut by %zu bytes", cut);
	}
	assert_int_equal(run(&t, (struct pack){ p.p, used }, 3000), ERR_FORMAT);
	assert_string_equal(
		t.e.text, "thing: the tar archive is cut off: no blocks of zeros at its end");
	/* Something behind the end is told, with or without a whole block of it. */
	memcpy(p.p + used + 1024, "more", 4);
	assert_int_equal(run(&t, (struct pack){ p.p, used + 1028 }, 3000), 0);
	assert_non_null(strstr(t.text, "! thing: something follows the end of the archive"));
	free(p.p);
}

static void caps_hold(void **state)
{
	struct told t;
	struct pack p = pack(MAGIC_GZIP, db, DB_SIZE);
	uint8_t *long_one = calloc(1, UNWRAP_COMPANION_MAX + 1);
	const struct pack_file files[] = {
		{ .name = "long.yaml", .bytes = long_one, .len = 1000 },
		{ .name = "snapshot.db", .bytes = db, .len = DB_SIZE },
		{ 0 },
	};

	(void)state;
	told_init(&t);
	t.settings.db_max = DB_SIZE;
	assert_int_equal(run(&t, p, 3000), 0);
	t.settings.db_max--;
	assert_int_equal(run(&t, p, 3000), ERR_SPACE);
	assert_string_equal(t.e.text, "thing: a database longer than the 199999 bytes allowed");
	free(p.p);
	p = pack_archive(MAGIC_TAR, files);
	assert_int_equal(run(&t, p, 3000), ERR_SPACE);
	assert_string_equal(t.e.text,
		"thing: snapshot.db: a database of 200000 bytes, longer than the 199999 allowed");
	free(p.p);
	t.settings.db_max = 0;

	struct pack_file too_long[] = { { .name = "long.yaml",
						.bytes = long_one,
						.len = UNWRAP_COMPANION_MAX + 1,
						.unsized = true },
		files[1], { 0 } };
	p = pack_archive(MAGIC_ZIP, too_long);
	assert_int_equal(run(&t, p, 3000), 0);
	assert_string_equal(
		t.text, "! long.yaml: longer than 4 MiB: passed over\nDB snapshot.db [zip] db\n");
	free(p.p);
	free(long_one);
}

static void a_companion_that_comes_twice_is_refused(void **state)
{
	static const struct pack_file files[] = {
		{ .name = "pki/ca.crt", .bytes = "a", .len = 1 },
		{ .name = "snapshot.db", .bytes = db, .len = DB_SIZE },
		{ .name = "./pki/ca.crt", .bytes = "b", .len = 1 },
		{ 0 },
	};
	struct pack p = pack_archive(MAGIC_TAR, files);
	struct told t;

	(void)state;
	told_init(&t);
	assert_int_equal(run(&t, p, 3000), ERR_FORMAT);
	assert_string_equal(t.e.text, "thing: pki/ca.crt comes twice in it");
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

static void what_is_not_read_is_passed_over_and_checked(void **state)
{
	struct pack p = pack(MAGIC_GZIP, db, DB_SIZE);
	struct pack_source source;
	struct unwrap_entry entry;
	struct unwrap *u;
	struct told t;

	(void)state;
	told_init(&t);
	for (unsigned i = 0; i < 2; i++) {
		unwrap_open(&u, &t.settings, pack_source(&source, p, 500), &t.e);
		assert_int_equal(unwrap_next(&entry, u, &t.e), 0);
		assert_int_equal(entry.role, UNWRAP_DB);
		/* The checksum at the end is wrong the second time. */
		assert_int_equal(unwrap_next(&entry, u, &t.e), i ? ERR_FORMAT : 0);
		assert_int_equal(entry.role, UNWRAP_END);
		unwrap_close(u);
		p.p[p.len - 6] ^= 1;
	}
	free(p.p);
	arena_free(&t.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bare_database_comes_through),
		cmocka_unit_test(each_compression_and_several_come_off),
		cmocka_unit_test(wrapping_without_end_is_refused),
		cmocka_unit_test(what_is_no_snapshot_is_named),
		cmocka_unit_test(the_node_chooses_among_several),
		cmocka_unit_test(the_only_one_of_another_node_is_named),
		cmocka_unit_test(archives_within_archives_are_opened),
		cmocka_unit_test(main_and_events_are_a_pair),
		cmocka_unit_test(links_and_odd_names_are_passed_over_aloud),
		cmocka_unit_test(a_name_that_leads_out_refuses_the_archive),
		cmocka_unit_test(zip_as_go_writes_it_is_read),
		cmocka_unit_test(a_cut_tar_is_an_error_at_every_block),
		cmocka_unit_test(caps_hold),
		cmocka_unit_test(a_companion_that_comes_twice_is_refused),
		cmocka_unit_test(a_file_that_only_has_the_name_is_told),
		cmocka_unit_test(what_is_not_read_is_passed_over_and_checked),
	};
	return cmocka_run_group_tests(tests, make_databases, NULL);
}
