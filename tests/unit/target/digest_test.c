#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "target/digest.h"

static char dir[64];
static struct root root = NO_ROOT;
static struct err e;
static const struct digest_way plain;

static const char *at(const char *path)
{
	static char whole[256];

	snprintf(whole, sizeof whole, "%s/%s", dir, path);
	return whole;
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(at(path), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int begin(void **state)
{
	(void)state;
	strcpy(dir, "./digest_test.XXXXXX");
	if (!mkdtemp(dir) || root_open(&root, dir, &e))
		return 1;
	mkdir(at("m"), 0700);
	mkdir(at("m/snap"), 0700);
	mkdir(at("m/wal"), 0700);
	put("m/snap/db", "pages");
	put("m/wal/0.wal", "records");
	return symlink("wal/0.wal", at("m/z"));
}

static int end(void **state)
{
	char command[128];

	(void)state;
	root_close(&root);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static const char *sum(void)
{
	static char hex[2][DIGEST_HEX];
	static int turn;

	turn = !turn;
	assert_int_equal(digest_directory(hex[turn], NULL, &root, "m", &plain, &e), 0);
	return hex[turn];
}

static void add(struct codec_sha256 *sha, const void *bytes, size_t len)
{
	codec_sha256_update(sha, (struct span){ bytes, len });
}

#define ADD(sha, text) add(sha, text, sizeof(text) - 1)

static void add_block(struct codec_sha256 *sha, const char *text)
{
	uint8_t sum[CODEC_SHA256_SIZE];

	codec_sha256_of(sum, (struct span){ (const uint8_t *)text, strlen(text) });
	add(sha, sum, sizeof sum);
}

/* As the header has it, written down by hand: journals on disks hold such sums.  `log` is the
 * record of the log's name and size, `behind` what its second and third block hold. */
static const char *documented(const char *log, size_t len, const char *const behind[2])
{
	static char hex[DIGEST_HEX];
	uint8_t raw[CODEC_SHA256_SIZE];
	struct codec_sha256 sha;

	codec_sha256_init(&sha);
	ADD(&sha, "dsnap\0fdb\0\5\0\0\0\0\0\0\0");
	add_block(&sha, "pages");
	ADD(&sha, "u\0dwal\0");
	add(&sha, log, len);
	add_block(&sha, "records");
	for (size_t i = 0; behind && i < 2; i++)
		add_block(&sha, behind[i]);
	ADD(&sha, "u\0lz\0wal/0.wal\0");
	codec_sha256_final(raw, &sha);
	codec_sha256_hex(hex, raw);
	return hex;
}

static void the_sum_is_the_one_that_is_documented(void **state)
{
	static const char log[] = "f0.wal\0\7\0\0\0\0\0\0";

	(void)state;
	assert_string_equal(sum(), documented(log, sizeof log, NULL));
}

static void each_change_of_content_changes_it_and_none_of_metadata(void **state)
{
	char was[DIGEST_HEX];

	(void)state;
	strcpy(was, sum());
	assert_int_equal(chmod(at("m/snap/db"), 0640), 0);
	assert_string_equal(sum(), was);
	put("m/snap/db", "pageS");
	assert_string_not_equal(sum(), was);
	put("m/snap/db", "pages");
	assert_string_equal(sum(), was);
	put("m/more", "");
	assert_string_not_equal(sum(), was);
	assert_int_equal(unlink(at("m/more")), 0);
	assert_int_equal(mkdir(at("m/more"), 0700), 0);
	assert_string_not_equal(sum(), was);
	assert_int_equal(rmdir(at("m/more")), 0);
	char from[256];
	strcpy(from, at("m/wal/0.wal"));
	assert_int_equal(rename(from, at("m/wal/1.wal")), 0);
	assert_string_not_equal(sum(), was);
}

static void dropping_what_memory_holds_gives_the_same(void **state)
{
	const struct digest_way way = { .drop = true };
	char hex[DIGEST_HEX];
	uint64_t bytes;

	(void)state;
	sync();
	assert_int_equal(digest_directory(hex, &bytes, &root, "m", &way, &e), 0);
	assert_string_equal(hex, sum());
	assert_int_equal(bytes, 12);
}

/* A log is allocated long before it is written; a copy of it has written zeros there. */
static void zeros_at_the_end_count_by_their_number_alone(void **state)
{
	enum { SIZE = 3 << 20 };
	static char zeros[SIZE - 7];
	static const char log[] = "f0.wal\0\0\0\x30\0\0\0\0";
	char hole[DIGEST_HEX];

	(void)state;
	assert_int_equal(truncate(at("m/wal/0.wal"), SIZE), 0);
	strcpy(hole, sum());
	assert_string_equal(hole, documented(log, sizeof log, NULL));
	FILE *f = fopen(at("m/wal/0.wal"), "r+");
	fseek(f, 7, SEEK_SET);
	assert_int_equal(fwrite(zeros, 1, sizeof zeros, f), sizeof zeros);
	fclose(f);
	assert_string_equal(sum(), hole);
	f = fopen(at("m/wal/0.wal"), "r+");
	fseek(f, 2 << 20, SEEK_SET);
	fputc(1, f);
	fclose(f);
	assert_string_equal(sum(), documented(log, sizeof log, (const char *const[]){ "", "\1" }));
	assert_int_equal(truncate(at("m/wal/0.wal"), SIZE - 1), 0);
	assert_string_not_equal(sum(), hole);
}

/* What was known of it counts, whatever is there; what is of another size is read. */
static void a_file_whose_sums_are_known_is_not_read_for_them(void **state)
{
	CLEAN_BLOCK_SUMS struct codec_block_sums sums = { 0 };
	struct digest_known known = { .size = 5, .sums = &sums };
	const struct digest_way way = { .known = &known, .n_known = 1 };
	char was[DIGEST_HEX], hex[DIGEST_HEX];
	struct stat st;

	(void)state;
	strcpy(was, sum());
	codec_block_sums_put(&sums, 0, SPAN("pages"));
	assert_int_equal(stat(at("m/snap/db"), &st), 0);
	known.inode = st.st_ino;
	known.device = st.st_dev;
	assert_int_equal(digest_directory(hex, NULL, &root, "m", &way, &e), 0);
	assert_string_equal(hex, was);
	put("m/snap/db", "pageS");
	assert_int_equal(digest_directory(hex, NULL, &root, "m", &way, &e), 0);
	assert_string_equal(hex, was);
	assert_string_not_equal(sum(), was);
	/* Another file system has files of the same number. */
	known.device++;
	assert_int_equal(digest_directory(hex, NULL, &root, "m", &way, &e), 0);
	assert_string_equal(hex, sum());
	known.device--;
	put("m/snap/db", "pages and more");
	assert_int_equal(digest_directory(hex, NULL, &root, "m", &way, &e), 0);
	assert_string_equal(hex, sum());
}

static void what_is_no_file_is_refused(void **state)
{
	char hex[DIGEST_HEX];

	(void)state;
	assert_int_equal(mkfifo(at("m/wal/pipe"), 0600), 0);
	assert_int_equal(digest_directory(hex, NULL, &root, "m", &plain, &e), ERR_FORMAT);
	assert_non_null(strstr(e.text, "pipe"));
	assert_int_equal(digest_file(hex, NULL, &root, "m/wal/pipe", &plain, &e), ERR_FORMAT);
	assert_int_equal(digest_file(hex, NULL, &root, "m/z", &plain, &e), ERR_IO);
	assert_int_equal(digest_directory(hex, NULL, &root, "gone", &plain, &e), ERR_NOTFOUND);
}

static void too_deep_is_refused(void **state)
{
	char path[256] = "m", hex[DIGEST_HEX];

	(void)state;
	for (int i = 0; i < DIGEST_DEPTH_MAX + 1; i++) {
		strcat(path, "/d");
		assert_int_equal(mkdir(at(path), 0700), 0);
	}
	assert_int_equal(digest_directory(hex, NULL, &root, "m", &plain, &e), ERR_FORMAT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(the_sum_is_the_one_that_is_documented),
		TEST(each_change_of_content_changes_it_and_none_of_metadata),
		TEST(dropping_what_memory_holds_gives_the_same),
		TEST(zeros_at_the_end_count_by_their_number_alone),
		TEST(a_file_whose_sums_are_known_is_not_read_for_them),
		TEST(what_is_no_file_is_refused),
		TEST(too_deep_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
