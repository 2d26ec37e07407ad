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

#include "etcd/datadir.h"
#include "os/file.h"

static const char wal_name[] = "0000000000000000-0000000000000000.wal";
static const char snap_name[] = "0000000000000001-0000000000000001.snap";

struct place {
	char path[64];
	int fd;
	struct arena arena;
	struct etcd_cluster cluster;
	const struct etcd_member *own;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof *p);
	const struct etcd_restore_config config = { STR("m1"), STR("m1=http://127.0.0.1:23901"),
		STR("tok"), STR("http://127.0.0.1:23901") };
	struct err e;

	snprintf(p->path, sizeof p->path, "../build/datadir_test.XXXXXX");
	if (!mkdtemp(p->path))
		return -1;
	p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->arena = ARENA(1 << 20);
	*state = p;
	return etcd_ident_cluster(&p->cluster, &p->own, &p->arena, &config, &e);
}

static int teardown(void **state)
{
	struct place *p = *state;
	char command[128];

	snprintf(command, sizeof command, "rm -rf '%s'", p->path);
	const int rc = system(command);

	close(p->fd);
	arena_free(&p->arena);
	free(p);
	return rc;
}

/* Mode of a path below the place, or 0 when there is none. */
static unsigned mode_of(const struct place *p, const char *path)
{
	struct stat st;

	return fstatat(p->fd, path, &st, AT_SYMLINK_NOFOLLOW) ? 0 : st.st_mode & 07777;
}

/* Everything below the place, as `find` prints it. */
static void assert_tree(const struct place *p, const char *wanted)
{
	char command[128], found[1000] = "";

	snprintf(command, sizeof command,
		"cd '%s' && find . -mindepth 1 | LC_ALL=C sort | tr '\\n' ' '", p->path);
	FILE *f = popen(command, "r");

	assert_non_null(f);
	found[fread(found, 1, sizeof found - 1, f)] = 0;
	pclose(f);
	assert_string_equal(found, wanted);
}

static struct etcd_datadir_config config_of(
	const struct place *p, const char *data_dir, const char *wal_dir)
{
	return (struct etcd_datadir_config){
		.parent = p->fd, .data_dir = data_dir, .wal_dir = wal_dir
	};
}

static int lay_down(struct place *p, const char *data_dir, const char *wal_dir, struct err *e)
{
	CLEAN_DATADIR struct etcd_datadir d = NO_DATADIR;
	const struct etcd_datadir_config config = config_of(p, data_dir, wal_dir);
	struct err unused = { 0 };

	/* What the check says and what begin does must be the same. */
	const int check = etcd_datadir_check(&config, &unused);
	const int begin = etcd_datadir_begin(&d, &config, e);

	assert_int_equal(check, begin);
	if (begin || file_write(d.db, "database", 8, e))
		return e->code;
	return etcd_datadir_finish(&d, &p->cluster, p->own, e);
}

#define MEMBER(dir)                                                                                \
	dir "/member " dir "/member/snap " dir                                                     \
	    "/member/snap/0000000000000001-0000000000000001.snap " dir "/member/snap/db "

static void datadir_is_there_whole(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };

	assert_int_equal(lay_down(p, "data", NULL, &e), 0);
	assert_tree(p,
		"./data " MEMBER(
			"./data") "./data/member/wal "
				  "./data/member/wal/0000000000000000-0000000000000000.wal ");
	assert_int_equal(mode_of(p, "data"), 0700);
	assert_int_equal(mode_of(p, "data/member"), 0700);
	assert_int_equal(mode_of(p, "data/member/snap"), 0700);
	assert_int_equal(mode_of(p, "data/member/wal"), 0700);
	assert_int_equal(mode_of(p, "data/member/snap/db"), 0600);
	char path[128];

	snprintf(path, sizeof path, "data/member/snap/%s", snap_name);
	assert_int_equal(mode_of(p, path), 0600);
	snprintf(path, sizeof path, "data/member/wal/%s", wal_name);
	assert_int_equal(mode_of(p, path), 0600);
}

static void datadir_goes_into_an_empty_directory_or_a_volume(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };

	assert_int_equal(mkdirat(p->fd, "volume", 0755), 0);
	assert_int_equal(mkdirat(p->fd, "volume/lost+found", 0700), 0);
	assert_int_equal(lay_down(p, "volume//", NULL, &e), 0);
	assert_tree(p,
		"./volume ./volume/lost+found " MEMBER(
			"./volume") "./volume/member/wal "
				    "./volume/member/wal/0000000000000000-0000000000000000.wal ");
	assert_int_equal(mode_of(p, "volume"), 0755);
	assert_int_equal(mode_of(p, "volume/member"), 0700);
}

static void datadir_is_refused_where_something_is(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };

	assert_int_equal(mkdirat(p->fd, "full", 0700), 0);
	assert_int_equal(mkdirat(p->fd, "full/member", 0700), 0);
	assert_int_equal(lay_down(p, "full", NULL, &e), ERR_USAGE);
	assert_string_equal(
		e.text, "data-dir \"full\" not empty or could not be read: it has member");
	assert_int_equal(mkdirat(p->fd, "left", 0700), 0);
	assert_int_equal(mkdirat(p->fd, "left/.etcd-rescue-00000001", 0700), 0);
	assert_int_equal(lay_down(p, "left", NULL, &e), ERR_USAGE);
	assert_string_equal(e.text,
		"data-dir \"left\" not empty or could not be read: it has "
		".etcd-rescue-00000001, which an interrupted restore left; remove that first");
	assert_int_equal(symlinkat("nowhere", p->fd, "link"), 0);
	assert_int_equal(lay_down(p, "link", NULL, &e), ERR_USAGE);
	assert_string_equal(e.text, "data-dir \"link\" exists and is a link to nothing");
	CLOSE_FD int fd = openat(p->fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(lay_down(p, "file", NULL, &e), ERR_USAGE);
	assert_string_equal(e.text, "data-dir \"file\" exists and is not a directory");
	assert_int_equal(lay_down(p, "", NULL, &e), ERR_USAGE);
	assert_int_equal(lay_down(p, "new", "full", &e), ERR_USAGE);
	assert_string_equal(e.text, "wal-dir \"full\" exists");
	assert_tree(p, "./file ./full ./full/member ./left ./left/.etcd-rescue-00000001 ./link ");
}

static void datadir_makes_missing_parents_and_takes_them_back(void **state)
{
	struct place *p = *state;
	struct etcd_datadir d;
	struct err e = { 0 };
	const struct etcd_datadir_config config = config_of(p, "a/b/../b/data", "w/x/wal");

	assert_int_equal(mkdirat(p->fd, "a", 0755), 0);
	assert_int_equal(etcd_datadir_begin(&d, &config, &e), 0);
	etcd_datadir_abort(&d);
	etcd_datadir_abort(&d);
	assert_tree(p, "./a ");
	assert_int_equal(lay_down(p, "a/b/c/data", NULL, &e), 0);
	assert_int_equal(mode_of(p, "a/b"), 0700);
	assert_int_equal(mode_of(p, "a/b/c/data/member/snap/db"), 0600);
}

static void datadir_leaves_nothing_when_taken_back(void **state)
{
	struct place *p = *state;
	struct etcd_datadir d;
	struct err e = { 0 };
	struct etcd_datadir_config config = config_of(p, "data", NULL);

	assert_int_equal(etcd_datadir_begin(&d, &config, &e), 0);
	assert_int_equal(etcd_datadir_prepare(&d, &p->cluster, p->own, &e), 0);
	etcd_datadir_abort(&d);
	assert_tree(p, "");
	assert_int_equal(etcd_datadir_begin(&d, &config, &e), 0);
	assert_int_equal(etcd_datadir_prepare(&d, &p->cluster, p->own, &e), 0);
	assert_int_equal(etcd_datadir_publish(&d, &e), 0);
	assert_int_equal(mode_of(p, "data/member"), 0700);
	etcd_datadir_abort(&d);
	assert_tree(p, "");
	assert_int_equal(mkdirat(p->fd, "volume", 0755), 0);
	config.data_dir = "volume";
	assert_int_equal(etcd_datadir_begin(&d, &config, &e), 0);
	etcd_datadir_abort(&d);
	assert_tree(p, "./volume ");
}

static void datadir_never_replaces_what_appeared_meanwhile(void **state)
{
	struct place *p = *state;
	struct etcd_datadir d;
	struct err e = { 0 };
	const struct etcd_datadir_config config = config_of(p, "data", "wal");

	assert_int_equal(etcd_datadir_begin(&d, &config, &e), 0);
	assert_int_equal(mkdirat(p->fd, "data", 0700), 0);
	assert_int_equal(etcd_datadir_finish(&d, &p->cluster, p->own, &e), ERR_USAGE);
	assert_string_equal(
		e.text, "data-dir \"data\": data has appeared meanwhile; nothing was replaced");
	/* The WAL directory was in place already. */
	assert_int_equal(mode_of(p, "wal"), 0700);
	etcd_datadir_abort(&d);
	assert_tree(p, "./data ");
}

static void datadir_keeps_the_wal_where_it_is_told_to(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };

	assert_int_equal(lay_down(p, "one", "logs/one", &e), 0);
	assert_tree(p, "./logs ./logs/one ./logs/one/0000000000000000-0000000000000000.wal "
		       "./one " MEMBER("./one"));
	assert_int_equal(mode_of(p, "logs/one"), 0700);
	/* Named, but where it would be anyway; and inside a directory that is not there yet. */
	assert_int_equal(lay_down(p, "two", "two/member/wal", &e), 0);
	assert_int_equal(mode_of(p, "two/member/wal"), 0700);
	assert_int_equal(lay_down(p, "three", "three/wal", &e), 0);
	assert_int_equal(mode_of(p, "three/wal"), 0700);
	assert_int_equal(mkdirat(p->fd, "four", 0700), 0);
	assert_int_equal(lay_down(p, "four", "four/wal", &e), 0);
	assert_int_equal(mode_of(p, "four/wal"), 0700);
	assert_int_equal(mode_of(p, "four/member/snap/db"), 0600);
	assert_int_equal(lay_down(p, "five", "five/a/b", &e), ERR_USAGE);
	assert_int_equal(lay_down(p, "six", "six/member", &e), ERR_USAGE);
	assert_int_equal(lay_down(p, "seven", "seven/", &e), ERR_USAGE);
	assert_int_equal(mode_of(p, "five"), 0);
}

static void datadir_copies_a_database_for_another_member(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };
	const struct etcd_datadir_config one = config_of(p, "one", NULL);
	const struct etcd_datadir_config two = config_of(p, "two", NULL);
	CLEAN_DATADIR struct etcd_datadir a = NO_DATADIR;
	CLEAN_DATADIR struct etcd_datadir b = NO_DATADIR;
	static uint8_t bytes[3000000], back[sizeof bytes];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i % 251);
	assert_int_equal(etcd_datadir_begin(&a, &one, &e), 0);
	assert_int_equal(etcd_datadir_begin(&b, &two, &e), 0);
	assert_int_equal(file_write(a.db, bytes, sizeof bytes, &e), 0);
	assert_int_equal(etcd_datadir_clone_db(&b, &a, &(struct etcd_permit){ 0 }, &e), 0);
	struct stat st;

	assert_int_equal(fstat(b.db, &st), 0);
	assert_int_equal(st.st_size, sizeof bytes);
	assert_int_equal(file_read_at(b.db, back, sizeof back, 0, &e), 0);
	assert_memory_equal(back, bytes, sizeof bytes);
}

static void datadir_is_given_to_the_owner_asked_for(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };
	struct etcd_datadir d;
	struct etcd_datadir_config config = config_of(p, "a/data", "b/wal");
	static const char *const paths[] = { "a", "a/data", "a/data/member", "a/data/member/snap",
		"a/data/member/snap/db",
		"a/data/member/snap/0000000000000001-0000000000000001.snap", "b", "b/wal",
		"b/wal/0000000000000000-0000000000000000.wal" };

	/* Only root can give a file away; anybody can give it to himself. */
	config.owned = true;
	config.uid = geteuid() ? geteuid() : 12345;
	config.gid = geteuid() ? getegid() : 23456;
	assert_int_equal(etcd_datadir_begin(&d, &config, &e), 0);
	assert_int_equal(etcd_datadir_finish(&d, &p->cluster, p->own, &e), 0);
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		struct stat st;

		assert_int_equal(fstatat(p->fd, paths[i], &st, 0), 0);
		assert_true(st.st_uid == config.uid && st.st_gid == config.gid);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(datadir_is_there_whole),
		TEST(datadir_goes_into_an_empty_directory_or_a_volume),
		TEST(datadir_is_refused_where_something_is),
		TEST(datadir_makes_missing_parents_and_takes_them_back),
		TEST(datadir_leaves_nothing_when_taken_back),
		TEST(datadir_never_replaces_what_appeared_meanwhile),
		TEST(datadir_keeps_the_wal_where_it_is_told_to),
		TEST(datadir_copies_a_database_for_another_member),
		TEST(datadir_is_given_to_the_owner_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
