#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/root.h"
#include "os/root_walk.h"

/* outside: secret; top: a/b/file with links that try to get out. */
static char place[] = "/tmp/etcd-rescue-test-XXXXXX";
static int outside = -1, top = -1;

static void write_to(int dir, const char *name, const char *text)
{
	const int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static int make(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(place));
	outside = open(place, O_RDONLY | O_DIRECTORY);
	mkdirat(outside, "top", 0700);
	top = openat(outside, "top", O_RDONLY | O_DIRECTORY);
	mkdirat(top, "a", 0700);
	mkdirat(top, "a/b", 0700);
	write_to(outside, "secret", "secret");
	write_to(top, "file", "inside");
	write_to(top, "a/b/file", "deep");
	symlinkat("/file", top, "a/absolute");
	symlinkat("../../../../file", top, "a/climber");
	symlinkat("../../secret", top, "a/thief");
	symlinkat("b", top, "a/dir");
	symlinkat("/", top, "a/b/home");
	symlinkat("two", top, "one");
	symlinkat("one", top, "two");
	symlinkat("nowhere", top, "dangling");
	return 0;
}

static int drop(void **state)
{
	static const char *const files[] = { "file", "a/b/file", "a/absolute", "a/climber",
		"a/thief", "a/dir", "a/b/home", "one", "two", "dangling" };

	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		unlinkat(top, files[i], 0);
	unlinkat(top, "a/b", AT_REMOVEDIR);
	unlinkat(top, "a", AT_REMOVEDIR);
	unlinkat(outside, "secret", 0);
	unlinkat(outside, "top", AT_REMOVEDIR);
	close(top);
	close(outside);
	return rmdir(place);
}

/* What is read at `path`, or the words of errno; by the kernel's way, and by our own. */
static const char *read_at(bool by_walk, const char *path, int flags)
{
	static char text[64];
	const struct root root = { top };
	struct err e = { 0 };
	int fd = -1;

	if (by_walk)
		fd = root_walk(top, path, flags);
	else if (root_open_at(&fd, &root, path, flags, &e))
		errno = e.errnum;
	if (fd < 0)
		return strerror(errno);
	const ssize_t len = read(fd, text, sizeof text - 1);
	const int failed = errno;
	close(fd);
	if (len < 0)
		return strerror(failed);
	text[len] = 0;
	return text;
}

static void both_give(const char *path, int flags, const char *wanted)
{
	assert_string_equal(read_at(false, path, flags), wanted);
	assert_string_equal(read_at(true, path, flags), wanted);
}

static void root_open_reads_below_the_root(void **state)
{
	(void)state;
	both_give("file", O_RDONLY, "inside");
	both_give("/file", O_RDONLY, "inside");
	both_give("//a/./b//file", O_RDONLY, "deep");
	both_give("a/b/../b/file", O_RDONLY, "deep");
	both_give("a/dir/file", O_RDONLY, "deep");
}

static void root_open_keeps_links_and_dots_inside(void **state)
{
	(void)state;
	both_give("../secret", O_RDONLY, strerror(ENOENT));
	both_give("../../../../file", O_RDONLY, "inside");
	both_give("a/absolute", O_RDONLY, "inside");
	both_give("a/climber", O_RDONLY, "inside");
	both_give("a/thief", O_RDONLY, strerror(ENOENT));
	both_give("a/b/home/../../a/b/file", O_RDONLY, "deep");
	both_give("a/b/home/file", O_RDONLY, "inside");
}

static void root_open_says_what_is_wrong(void **state)
{
	(void)state;
	both_give("one", O_RDONLY, strerror(ELOOP));
	both_give("one/file", O_RDONLY, strerror(ELOOP));
	both_give("dangling", O_RDONLY, strerror(ENOENT));
	both_give("a/absolute", O_RDONLY | O_NOFOLLOW, strerror(ELOOP));
	both_give("file/x", O_RDONLY, strerror(ENOTDIR));
	both_give("file", O_RDONLY | O_DIRECTORY, strerror(ENOTDIR));
	both_give("a", O_RDONLY | O_DIRECTORY, strerror(EISDIR));
	both_give("/", O_RDONLY | O_DIRECTORY, strerror(EISDIR));
	both_give("a/b/home", O_RDONLY | O_DIRECTORY, strerror(EISDIR));
}

static void root_walk_opens_a_link_itself_when_asked(void **state)
{
	struct stat st;
	char target[64];

	(void)state;
	const int fd = root_walk(top, "a/absolute", O_PATH | O_NOFOLLOW);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(readlinkat(fd, "", target, sizeof target), 5);
	close(fd);
}

static void root_walk_refuses_names_and_paths_that_are_too_long(void **state)
{
	char path[5000];

	(void)state;
	memset(path, 'x', 300);
	path[300] = 0;
	assert_string_equal(read_at(true, path, O_RDONLY), strerror(ENAMETOOLONG));
	for (size_t i = 0; i < sizeof path - 1; i++)
		path[i] = i % 2 ? '/' : '.';
	path[sizeof path - 1] = 0;
	assert_string_equal(read_at(true, path, O_RDONLY), strerror(ENAMETOOLONG));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_open_reads_below_the_root),
		cmocka_unit_test(root_open_keeps_links_and_dots_inside),
		cmocka_unit_test(root_open_says_what_is_wrong),
		cmocka_unit_test(root_walk_opens_a_link_itself_when_asked),
		cmocka_unit_test(root_walk_refuses_names_and_paths_that_are_too_long),
	};
	return cmocka_run_group_tests_name("root", tests, make, drop);
}
