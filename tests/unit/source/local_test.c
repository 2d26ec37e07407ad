#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/source.h"

static struct arena arena = ARENA(16 << 20);
static char top[64];
static struct root root = NO_ROOT;
static struct source_settings settings;
static struct source *source;
static struct source_objects objects;
static struct err e;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(top, "/tmp/etcd-rescue-test-XXXXXX");
	memset(&e, 0, sizeof e);
	source = NULL;
	settings = (struct source_settings){ .root = &root };
	return !mkdtemp(top) || root_open(&root, top, &e) ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	source_close(source);
	source = NULL;
	root_close(&root);
	nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	arena_free(&arena);
	return 0;
}

static const char *at(const char *path)
{
	return arena_print(&arena, "%s/%s", top, path);
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(at(path), "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static int list(const char *url)
{
	source_close(source);
	source = NULL;
	settings.url = url;
	return source_open(&source, &settings, &e) ? e.code
						   : source_list(source, &objects, &arena, &e);
}

static const struct source_object *named(const char *name)
{
	for (size_t i = 0; i < objects.n; i++) {
		if (!strcmp(objects.v[i].name, name))
			return &objects.v[i];
	}
	return NULL;
}

static void file_lists_one_file_as_itself(void **state)
{
	(void)state;
	put("a%20b.db", "12345");
	assert_int_equal(list("file:/a%20b.db"), 0);
	assert_int_equal(objects.n, 1);
	assert_string_equal(objects.v[0].name, "");
	assert_string_equal(objects.v[0].url, "file:/a%20b.db");
	assert_int_equal(objects.v[0].size, 5);
	assert_true(objects.v[0].modified > 1500000000);
	assert_int_equal(list("file:///a%20b.db"), 0);
	assert_int_equal(list("/a%20b.db"), 0);
	assert_int_equal(list("a%20b.db"), 0);
}

static void file_lists_a_directory_and_what_is_below_it(void **state)
{
	(void)state;
	mkdir(at("b"), 0755);
	mkdir(at("b/node1"), 0755);
	mkdir(at("b/.snapshots"), 0755);
	put("b/one.db", "1");
	put("b/node1/two.db", "22");
	put("b/.one.db.Xy1", "partial");
	put("b/.snapshots/old.db", "old");
	assert_int_equal(list("file:/b"), 0);
	assert_int_equal(objects.n, 2);
	assert_non_null(named("one.db"));
	assert_non_null(named("node1/two.db"));
	assert_string_equal(named("node1/two.db")->url, "file:/b/node1/two.db");
	assert_false(objects.cut);
	assert_int_equal(list("file:/b/"), 0);
	assert_string_equal(named("one.db")->url, "file:/b/one.db");
}

static void file_follows_links_below_the_root_alone(void **state)
{
	(void)state;
	mkdir(at("b"), 0755);
	put("real.db", "real");
	assert_int_equal(symlink("/real.db", at("b/latest.db")), 0);
	assert_int_equal(symlink("../../../../../../etc/passwd", at("b/outside")), 0);
	assert_int_equal(symlink("nowhere", at("b/broken")), 0);
	assert_int_equal(symlink("..", at("b/loop")), 0);
	assert_int_equal(list("file:/b"), 0);
	assert_int_equal(objects.n, 1);
	assert_int_equal(named("latest.db")->size, 4);
}

static void file_opens_nothing_that_is_no_file(void **state)
{
	struct stream stream;

	(void)state;
	mkdir(at("b"), 0755);
	assert_int_equal(mkfifo(at("b/pipe"), 0644), 0);
	assert_int_equal(list("file:/b"), 0);
	assert_int_equal(objects.n, 0);
	assert_int_equal(list("file:/b/pipe"), ERR_FORMAT);
	assert_string_equal(e.text, "/b/pipe: is a device, a pipe or a socket, not a file");
	assert_int_equal(list("file:/b"), 0);
	assert_int_equal(
		source_read(source, &stream, &(struct source_object){ .url = "file:/b/pipe" }, &e),
		ERR_FORMAT);
	assert_int_equal(
		source_read(source, &stream, &(struct source_object){ .url = "file:/b" }, &e),
		ERR_FORMAT);
	assert_int_equal(list("file:/none"), ERR_NOTFOUND);
	assert_non_null(strstr(e.text, "/none"));
}

static void file_reads_what_is_there_to_the_end(void **state)
{
	struct stream stream;
	char text[16] = "";
	size_t got = 0, all = 0;

	(void)state;
	put("a.db", "0123456789");
	assert_int_equal(list("file:/a.db"), 0);
	assert_int_equal(source_read(source, &stream, &objects.v[0], &e), 0);
	assert_int_equal(stream.size, 10);
	do {
		assert_int_equal(stream_read(&stream, &got, text + all, 4, &e), 0);
		all += got;
	} while (got);
	assert_int_equal(all, 10);
	assert_string_equal(text, "0123456789");
	stream_close(&stream);
}

static void file_says_when_it_changes_while_it_is_read(void **state)
{
	static const char *const later[] = { "0123456789more", "0123", "abcdefghij" };

	(void)state;
	for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
		struct stream stream;
		char text[64];
		size_t got;
		put("a.db", "0123456789");
		const struct timespec old[2] = { { 1700000000, 0 }, { 1700000000, 0 } };
		assert_int_equal(utimensat(AT_FDCWD, at("a.db"), old, 0), 0);
		assert_int_equal(list("file:/a.db"), 0);
		assert_int_equal(source_read(source, &stream, &objects.v[0], &e), 0);
		assert_int_equal(stream_read(&stream, &got, text, 4, &e), 0);
		put("a.db", later[i]);
		int result;
		do
			result = stream_read(&stream, &got, text, sizeof text, &e);
		while (!result && got);
		assert_int_equal(result, ERR_MISMATCH);
		assert_non_null(strstr(e.text, "changed while it was read"));
		stream_close(&stream);
	}
}

static void file_refuses_what_is_no_path(void **state)
{
	(void)state;
	assert_int_equal(list("file:"), ERR_USAGE);
	assert_int_equal(list("file://nas/share/a.db"), ERR_USAGE);
	assert_non_null(strstr(e.text, "mount the share"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(file_lists_one_file_as_itself),
		TEST(file_lists_a_directory_and_what_is_below_it),
		TEST(file_follows_links_below_the_root_alone),
		TEST(file_opens_nothing_that_is_no_file),
		TEST(file_reads_what_is_there_to_the_end),
		TEST(file_says_when_it_changes_while_it_is_read),
		TEST(file_refuses_what_is_no_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
