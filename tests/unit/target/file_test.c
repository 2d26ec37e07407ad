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
#include <sys/xattr.h>
#include <unistd.h>

#include "os/file.h"
#include "target/file.h"

static struct root root = NO_ROOT;
static char dir[64];

static const char *at(const char *path)
{
	static char whole[256];

	snprintf(whole, sizeof whole, "%s/%s", dir, path);
	return whole;
}

static int begin(void **state)
{
	struct err e = { 0 };

	(void)state;
	/* Below build/, whose file system knows extended attributes. */
	strcpy(dir, "./target_test.XXXXXX");
	return !mkdtemp(dir) || root_open(&root, dir, &e) || mkdir(at("etc"), 0755);
}

static int end(void **state)
{
	char command[128];

	(void)state;
	root_close(&root);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(at(path), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void holds(const char *path, const char *text)
{
	CLEAN_BUF struct buf b = BUF(4096);
	struct err e = { 0 };

	if (file_read(&b, &root, path, &e))
		fail_msg("%s", e.text);
	assert_int_equal(b.len, strlen(text));
	assert_memory_equal(b.p, text, b.len);
}

static void metadata_are_carried_over(void **state)
{
	struct err e = { 0 };
	struct stat st, kept, before;
	char value[16] = "";

	(void)state;
	put("etc/hosts", "old\n");
	assert_int_equal(chmod(at("etc/hosts"), 0640), 0);
	const bool is_root = !chown(at("etc/hosts"), 12, 34);
	const bool has_attributes = !setxattr(at("etc/hosts"), "user.colour", "red", 3, 0);
	assert_int_equal(stat(at("etc/hosts"), &before), 0);
	if (target_replace(&root, "etc/hosts", SPAN("new\n"), &e))
		fail_msg("%s", e.text);
	holds("etc/hosts", "new\n");
	holds("var/lib/etcd-rescue/before/etc/hosts", "old\n");
	assert_int_equal(stat(at("etc/hosts"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	if (is_root) {
		assert_int_equal(st.st_uid, 12);
		assert_int_equal(st.st_gid, 34);
	}
	if (has_attributes) {
		assert_int_equal(getxattr(at("etc/hosts"), "user.colour", value, sizeof value), 3);
		assert_string_equal(value, "red");
	}
	/* The old file itself is kept, and only the first one. */
	assert_int_equal(stat(at("var/lib/etcd-rescue/before/etc/hosts"), &kept), 0);
	assert_int_equal(kept.st_ino, before.st_ino);
	assert_int_equal(target_replace(&root, "/etc/hosts", SPAN("newer\n"), &e), 0);
	holds("etc/hosts", "newer\n");
	holds("var/lib/etcd-rescue/before/etc/hosts", "old\n");
	assert_int_equal(access(at("etc/.hosts.new"), F_OK), -1);
}

static void what_is_no_file_is_refused(void **state)
{
	struct err e = { 0 };

	(void)state;
	put("etc/a", "a");
	assert_int_equal(symlink("a", at("etc/link")), 0);
	assert_int_equal(mkfifo(at("etc/pipe"), 0600), 0);
	assert_int_equal(target_replace(&root, "etc/link", SPAN("b"), &e), ERR_DECLINED);
	assert_int_equal(target_replace(&root, "etc/pipe", SPAN("b"), &e), ERR_DECLINED);
	assert_int_equal(target_replace(&root, "etc", SPAN("b"), &e), ERR_DECLINED);
	assert_int_equal(target_replace(&root, "etc/none", SPAN("b"), &e), ERR_NOTFOUND);
	assert_int_equal(target_replace(&root, "etc/..", SPAN("b"), &e), ERR_DECLINED);
	holds("etc/a", "a");
	assert_int_equal(access(at("var"), F_OK), -1);
}

static void new_files_are_like_their_neighbours(void **state)
{
	struct err e = { 0 };
	struct stat st;

	(void)state;
	put("etc/a", "a");
	assert_int_equal(chmod(at("etc/a"), 0604), 0);
	assert_int_equal(target_create(&root, "x/y/b", "etc/a", 0, SPAN("b"), &e), 0);
	holds("x/y/b", "b");
	assert_int_equal(stat(at("x/y/b"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
	assert_int_equal(target_create(&root, "x/y/c", NULL, 0600, SPAN("c"), &e), 0);
	assert_int_equal(stat(at("x/y/c"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* What is there stays. */
	assert_int_not_equal(target_create(&root, "x/y/c", NULL, 0600, SPAN("d"), &e), 0);
	holds("x/y/c", "c");
	/* No way out of the root. */
	assert_int_equal(symlink("/tmp", at("out")), 0);
	assert_int_not_equal(
		target_create(&root, "out/target_test_escape", NULL, 0600, SPAN("d"), &e), 0);
	assert_int_equal(access("/tmp/target_test_escape", F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(metadata_are_carried_over, begin, end),
		cmocka_unit_test_setup_teardown(what_is_no_file_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(new_files_are_like_their_neighbours, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
