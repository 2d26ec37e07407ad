#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/crc32c.h"
#include "os/file.h"
#include "target/journal.h"

#define SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct arena arena = ARENA(64 << 20);
static struct err e;

static struct journal full(void)
{
	static struct journal_item items[] = {
		{ JOURNAL_DIRECTORY, "UUID=1-2", "etcd/member", "etcd/.etcd-rescue/new/member",
			"etcd/member.before-01234567", true, 12, UINT64_MAX, NULL, NULL, SUM, NULL,
			false, false },
		{ JOURNAL_CONTENTS, "UUID=3", "", ".etcd-rescue/wal", ".before-01234567", true, 2,
			77, NULL, NULL, SUM, NULL, false, false },
		{ .kind = JOURNAL_FILE,
			.device = "",
			.path = "etc/a \"b\"\\c\xc3\xa4",
			.before = SUM,
			.kept = "var/lib/etcd-rescue/before-01234567/etc/a",
			.existed = true },
		{ .kind = JOURNAL_DROPIN,
			.device = "",
			.path = "etc/x.conf",
			.staged = "var/lib/etcd-rescue/stage/3",
			.after = SUM },
		{ .kind = JOURNAL_FILE,
			.device = "",
			.path = "etc/pod.yaml",
			.staged = "var/lib/etcd-rescue/stage/4",
			.after = SUM,
			.held = "var/lib/etcd-rescue/held/pod.yaml" },
		{ .kind = JOURNAL_FENCE,
			.device = "",
			.path = "etc/etcd.yaml",
			.staged = "var/lib/etcd-rescue/stage/5",
			.after = SUM,
			.held = "var/lib/etcd-rescue/held/etcd.yaml",
			.changing = true },
		{ .kind = JOURNAL_DIRECTORY,
			.device = "",
			.path = "var/lib/kubelet/pods",
			.kept = "var/lib/kubelet/pods.before-01234567",
			.existed = true,
			.old_inode = 5 },
		{ .kind = JOURNAL_FILE,
			.device = "",
			.path = "etc/x.service",
			.after = SUM,
			.passing = true },
		{ .kind = JOURNAL_MOVED,
			.device = "",
			.path = "etcd/member",
			.elsewhere = "UUID=4",
			.staged = "spare/.etcd-rescue/new",
			.kept = "spare/member.before-01234567",
			.before = SUM,
			.after = SUM },
	};
	static struct journal_place stages[] = { { "UUID=1-2", "etcd/.etcd-rescue", 0 } };
	static struct journal_place locked[] = { { "", "etc/a", 0x10 } };

	return (struct journal){ .phase = JOURNAL_PREPARED,
		.plan_id = SUM,
		.plan_digest = "said",
		.generation = 7,
		.version = "1.0",
		.layout = "kubeadm",
		.node = "m1",
		.source = "s3://b/p",
		.snapshot_sha256 = SUM,
		.token = "t",
		.cluster_id = "cafe",
		.began = 1700000000,
		.changed = 1700000001,
		.forgotten = true,
		.items = items,
		.n_items = sizeof items / sizeof *items,
		.stages = stages,
		.n_stages = 1,
		.locked = locked,
		.n_locked = 1 };
}

static int parse(struct journal *j, const char *text)
{
	e = (struct err){ 0 };
	return journal_parse(j, &arena, str_from(text), &e);
}

/* An object with the sum it needs. */
static int parse_object(struct journal *j, const char *object)
{
	const uint32_t crc =
		codec_crc32c(0, (struct span){ (const uint8_t *)object, strlen(object) });

	return parse(j, arena_print(&arena, "%scrc32c %08x\n", object, crc));
}

static void what_is_printed_is_read_again(void **state)
{
	CLEAN_BUF struct buf out = BUF(JOURNAL_SIZE_MAX), again = BUF(JOURNAL_SIZE_MAX);
	const struct journal j = full();
	struct journal read;

	(void)state;
	assert_int_equal(journal_print(&out, &j, &e), 0);
	assert_int_equal(journal_parse(&read, &arena, buf_text(&out), &e), 0);
	assert_int_equal(read.phase, JOURNAL_PREPARED);
	assert_string_equal(read.items[2].path, j.items[2].path);
	assert_true(read.items[0].new_inode == UINT64_MAX && read.items[0].existed);
	assert_null(read.machine);
	assert_null(read.items[3].kept);
	assert_int_equal(read.locked[0].flags, 0x10);
	/* Nothing is lost: it prints the same. */
	assert_int_equal(journal_print(&again, &read, &e), 0);
	assert_true(str_equal(buf_text(&out), buf_text(&again)));
}

static void every_torn_or_flipped_journal_is_refused(void **state)
{
	CLEAN_BUF struct buf out = BUF(JOURNAL_SIZE_MAX);
	const struct journal j = full();
	struct journal read;

	(void)state;
	assert_int_equal(journal_print(&out, &j, &e), 0);
	for (size_t n = 0; n < out.len; n++)
		assert_int_equal(
			journal_parse(&read, &arena, (struct str){ (const char *)out.p, n }, &e),
			ERR_MISMATCH);
	for (size_t n = 0; n < out.len - 16; n++) {
		out.p[n] ^= 4;
		assert_int_equal(journal_parse(&read, &arena, buf_text(&out), &e), ERR_MISMATCH);
		out.p[n] ^= 4;
	}
}

static void a_newer_program_is_named(void **state)
{
	struct journal j;

	(void)state;
	assert_int_equal(parse_object(&j, "{\"version\":2,\"program\":\"9.1\",\"new\":{}}\n"),
		ERR_UNSUPPORTED);
	assert_string_equal(
		e.text, "the journal was written by a newer etcd-rescue (9.1); use that one");
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		"{\"version\":0}",
		"{\"version\":1}",
		"{\"version\":1,\"phase\":\"none\"}",
		"{\"version\":1,\"phase\":\"later\"}",
		"{\"version\":1,\"phase\":\"intent\",\"surprise\":1}",
		"{\"version\":1,\"phase\":\"intent\",\"generation\":-1}",
		"{\"version\":1,\"phase\":\"intent\",\"generation\":18446744073709551616}",
		"{\"version\":1,\"phase\":\"intent\",\"began\":9223372036854775808}",
		"{\"version\":1,\"phase\":\"intent\",\"token\":7}",
		"{\"version\":1,\"phase\":\"intent\",\"token\":\"a\\u0000b\"}",
		"{\"version\":1,\"phase\":\"intent\",\"forgotten\":\"true\"}",
		"{\"version\":1,\"phase\":\"intent\",\"items\":{}}",
		"{\"version\":1,\"phase\":\"intent\",\"items\":[1]}",
		"{\"version\":1,\"phase\":\"intent\",\"items\":[{\"device\":\"\",\"path\":\"a\"}]}",
		"{\"version\":1,\"phase\":\"intent\",\"stages\":[{\"device\":\"\",\"path\":\"../"
		"a\","
		"\"flags\":0}]}",
		"{\"version\":1,\"phase\":\"intent\",\"locked\":[{\"device\":\"\",\"path\":\"a\","
		"\"flags\":4294967296}]}",
	};
	struct journal j;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (parse_object(&j, arena_print(&arena, "%s\n", bad[i])) != ERR_FORMAT)
			fail_msg("%s was taken: %s", bad[i], e.text);
	}
}

/* A journal lies on a disk that is not to be trusted: its paths stay below its top. */
static void paths_that_lead_outside_are_refused(void **state)
{
	static const char *const bad[] = { "", "/etc/passwd", "..", "a/../../b", "a//b", "a/", ".",
		"./a", "a/." };
	struct journal j;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		for (int key = 0; key < 4; key++) {
			const char *object = arena_print(&arena,
				"{\"version\":1,\"phase\":\"prepared\",\"items\":[{\"kind\":"
				"\"file\","
				"\"device\":\"\",\"path\":\"%s\",\"staged\":\"%s\",\"kept\":\"%s\","
				"\"held\":\"%s\"}"
				"]}"
				"\n",
				key == 0 ? bad[i] : "ok", key == 1 ? bad[i] : "ok",
				key == 2 ? bad[i] : "ok", key == 3 ? bad[i] : "ok");
			if (parse_object(&j, object) != ERR_FORMAT)
				fail_msg("taken: %s", object);
		}
	}
}

static void a_path_that_is_no_text_is_not_written(void **state)
{
	CLEAN_BUF struct buf out = BUF(JOURNAL_SIZE_MAX);
	struct journal_item item = { .kind = JOURNAL_FILE, .device = "", .path = "etc/\xff" };
	const struct journal j = { .phase = JOURNAL_INTENT, .items = &item, .n_items = 1 };

	(void)state;
	assert_int_equal(journal_print(&out, &j, &e), ERR_UNSUPPORTED);
}

static void a_journal_is_private_and_replaced_whole(void **state)
{
	char dir[] = "./journal_test.XXXXXX";
	CLEAN_ROOT struct root root = NO_ROOT;
	struct journal j = full(), read;
	struct stat st;

	(void)state;
	e = (struct err){ 0 };
	assert_non_null(mkdtemp(dir));
	assert_int_equal(root_open(&root, dir, &e), 0);
	assert_int_equal(journal_read(&read, &arena, &root, JOURNAL_NAME, &e), ERR_NOTFOUND);
	assert_int_equal(journal_write(&j, &root, JOURNAL_NAME, &e), 0);
	j.phase = JOURNAL_COMMITTED;
	assert_int_equal(journal_write(&j, &root, JOURNAL_NAME, &e), 0);
	assert_int_equal(journal_read(&read, &arena, &root, JOURNAL_NAME, &e), 0);
	assert_int_equal(read.phase, JOURNAL_COMMITTED);
	const char *path = arena_print(&arena, "%s/journal", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_printed_is_read_again),
		cmocka_unit_test(every_torn_or_flipped_journal_is_refused),
		cmocka_unit_test(a_newer_program_is_named),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(paths_that_lead_outside_are_refused),
		cmocka_unit_test(a_path_that_is_no_text_is_not_written),
		cmocka_unit_test(a_journal_is_private_and_replaced_whole),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
