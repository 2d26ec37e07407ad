#include "plan/finish_join_files.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/file.h"

#define STATE  "var/lib/etcd-rescue"
#define HELD   STATE "/held/etcd.yaml"
#define PLACE  "etc/kubernetes/manifests/etcd.yaml"
#define LISTED "m1=https://a:2380,m2=https://b:2380"

static struct arena arena = ARENA(64 << 20);
static struct err e;
static struct root root;
static char folder[64];

static void put(const char *path, const char *text, mode_t mode)
{
	CLOSE_FD int fd = -1;

	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		mkdir(arena_print(&arena, "%s/%.*s", folder, (int)(slash - path), path), 0755);
	}
	fd = open(arena_print(&arena, "%s/%s", folder, path), O_WRONLY | O_CREAT | O_TRUNC, mode);
	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, text, strlen(text), &e), 0);
}

static const char *get(const char *path)
{
	CLEAN_BUF struct buf text = BUF(1 << 20);

	e = (struct err){ 0 };
	assert_int_equal(file_read(&text, &root, path, &e), 0);
	return arena_copy(&arena, buf_text(&text));
}

static const char *files[] = { HELD }, *urls[] = { "https://b:2380" };
static struct finish_cluster cluster = {
	.what = "etcd", .listed = LISTED, .files = { files, 1 }, .urls = { urls, 1 }
};
static struct finish_held held[] = { { PLACE, HELD },
	{ "etc/kubernetes/manifests/other.yaml", STATE "/held/other.yaml" } };
static struct finish f = { .arena = &arena,
	.root = &root,
	.state = STATE,
	.record = { .clusters = &cluster, .n_clusters = 1, .held = held, .n_held = 2 } };
static const struct join_files joins = { &f, 0 };

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/join-files-XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(root_open(&root, folder, &e), 0);
	put(HELD, "a: " LISTED "\nb: '" LISTED "'\n", 0640);
	put("etc/kubernetes/manifests/x", "", 0644);
	e = (struct err){ 0 };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	root_close(&root);
	return system(arena_print(&arena, "rm -rf %s", folder));
}

static void every_place_is_filled_in_and_the_mode_stays(void **state)
{
	struct stat st;
	bool changed;

	(void)state;
	assert_int_equal(join_files_fill(&changed, &joins, "m2=https://b:2380", &e), 0);
	assert_true(changed);
	assert_string_equal(get(HELD), "a: m2=https://b:2380\nb: 'm2=https://b:2380'\n");
	assert_int_equal(stat(arena_print(&arena, "%s/" HELD, folder), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	/* Once more: it says so already. */
	assert_int_equal(join_files_fill(&changed, &joins, "m2=https://b:2380", &e), 0);
	assert_false(changed);
}

static void another_list_is_filled_in_from_what_was_there_first(void **state)
{
	bool changed;

	(void)state;
	assert_false(join_files_released(&joins));
	assert_int_equal(join_files_fill(&changed, &joins, "one", &e), 0);
	assert_int_equal(finish_release(&f, &held[0], &e), 0);
	assert_true(join_files_released(&joins));
	assert_int_equal(join_files_fill(&changed, &joins, "two", &e), 0);
	assert_true(changed);
	assert_string_equal(get(PLACE), "a: two\nb: 'two'\n");
	assert_false(root_exists(&root, HELD));
	join_files_forget(&joins);
	assert_int_equal(rmdir(arena_print(&arena, "%s/" STATE "/finish", folder)), 0);
}

/* One that was not finished, rolled back, and done again otherwise. */
static void what_an_earlier_restore_kept_is_not_filled_in(void **state)
{
	struct finish later = f;
	const struct join_files again = { &later, 0 };
	bool changed;

	(void)state;
	assert_int_equal(join_files_fill(&changed, &joins, "one", &e), 0);
	put(HELD, "new: " LISTED "\n", 0640);
	later.record.restored++;
	assert_int_equal(join_files_fill(&changed, &again, "two", &e), 0);
	assert_string_equal(get(HELD), "new: two\n");
	join_files_forget(&again);
	assert_int_equal(rmdir(arena_print(&arena, "%s/" STATE "/finish", folder)), 0);
}

/* The power went after the second name was made, and before the first one was gone. */
static void a_release_that_was_cut_is_ended(void **state)
{
	bool changed;

	(void)state;
	assert_int_equal(join_files_fill(&changed, &joins, "one", &e), 0);
	assert_int_equal(link(arena_print(&arena, "%s/" HELD, folder),
				 arena_print(&arena, "%s/" PLACE, folder)),
		0);
	assert_true(join_files_released(&joins));
	assert_int_equal(join_files_fill(&changed, &joins, "one", &e), 0);
	assert_false(changed);
	assert_int_equal(finish_release(&f, &held[0], &e), 0);
	assert_false(root_exists(&root, HELD));
	assert_string_equal(get(PLACE), "a: one\nb: 'one'\n");
}

static void a_file_without_the_list_is_told_with_what_to_do(void **state)
{
	bool changed;

	(void)state;
	put(HELD, "something else\n", 0600);
	assert_int_equal(join_files_fill(&changed, &joins, "m2=x", &e), ERR_FORMAT);
	assert_non_null(strstr(e.text, "--initial-cluster=m2=x"));
	assert_string_equal(get(HELD), "something else\n");
}

static void only_etcds_own_belongs_to_it(void **state)
{
	static const char *events[] = { STATE "/held/etcd-events.manifest" };
	static const char *in_place[] = { "etc/etcd/etcd.conf" };
	struct finish_cluster two[] = { cluster, cluster };
	struct finish_held waits[] = { held[0], held[1],
		{ "etc/kubernetes/manifests/etcd-events.manifest", events[0] } };
	const struct finish_record r = {
		.clusters = two, .n_clusters = 2, .held = waits, .n_held = 3
	};

	(void)state;
	two[1].files = (struct kube_texts){ events, 1 };
	assert_true(join_files_own(&r, 0, 0) && !join_files_own(&r, 1, 0));
	assert_false(join_files_own(&r, 0, 1) || join_files_own(&r, 1, 1));
	assert_true(join_files_own(&r, 1, 2) && !join_files_own(&r, 0, 2));
	/* Filled in where it lies, so that the name of what waits tells. */
	two[0].files = (struct kube_texts){ in_place, 1 };
	const struct finish_record one = {
		.clusters = two, .n_clusters = 1, .held = waits, .n_held = 2
	};
	assert_true(join_files_own(&one, 0, 0));
	assert_false(join_files_own(&one, 0, 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(every_place_is_filled_in_and_the_mode_stays),
		TEST(another_list_is_filled_in_from_what_was_there_first),
		TEST(what_an_earlier_restore_kept_is_not_filled_in),
		TEST(a_release_that_was_cut_is_ended),
		TEST(a_file_without_the_list_is_told_with_what_to_do),
		TEST(only_etcds_own_belongs_to_it),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
