/* What is refused, passed over, cut off or limited while a wrapping is undone. */
#include "unwrap_told.h"

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
		cmocka_unit_test(wrapping_without_end_is_refused),
		cmocka_unit_test(what_is_no_snapshot_is_named),
		cmocka_unit_test(links_and_odd_names_are_passed_over_aloud),
		cmocka_unit_test(a_name_that_leads_out_refuses_the_archive),
		cmocka_unit_test(a_cut_tar_is_an_error_at_every_block),
		cmocka_unit_test(caps_hold),
		cmocka_unit_test(a_companion_that_comes_twice_is_refused),
		cmocka_unit_test(what_is_not_read_is_passed_over_and_checked),
	};
	return cmocka_run_group_tests(tests, make_databases, NULL);
}
