#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "os/file.h"

struct place {
	char path[64];
	struct root root;
	int fd;
};

static int make_place(void **state)
{
	static struct place place;
	struct err e;

	strcpy(place.path, "/tmp/etcd-rescue-test-XXXXXX");
	if (!mkdtemp(place.path) || root_open(&place.root, place.path, &e))
		return -1;
	place.fd = open(place.path, O_RDONLY | O_DIRECTORY);
	*state = &place;
	return place.fd < 0;
}

static int drop_place(void **state)
{
	struct place *p = *state;
	static const char *const names[] = { "file", "link", "inside", "fifo", ".file.new" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unlinkat(p->fd, names[i], 0);
	close(p->fd);
	root_close(&p->root);
	return rmdir(p->path);
}

static void file_replace_leaves_the_new_content_and_no_sibling(void **state)
{
	struct place *p = *state;
	CLEAN_BUF struct buf b = BUF(100);
	struct err e;
	struct stat st;

	assert_int_equal(file_replace(p->fd, "file", SPAN("one"), 0600, &e), 0);
	assert_int_equal(file_replace(p->fd, "file", SPAN("two"), 0640, &e), 0);
	assert_int_equal(file_read(&b, &p->root, "/file", &e), 0);
	assert_true(str_is(buf_text(&b), "two"));
	assert_int_equal(fstatat(p->fd, "file", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_not_equal(faccessat(p->fd, ".file.new", F_OK, 0), 0);
}

static void file_replace_does_not_write_through_a_planted_link(void **state)
{
	struct place *p = *state;
	CLEAN_BUF struct buf b = BUF(100);
	struct err e;

	assert_int_equal(file_replace(p->fd, "inside", SPAN("kept"), 0600, &e), 0);
	assert_int_equal(symlinkat("inside", p->fd, ".file.new"), 0);
	assert_int_equal(file_replace(p->fd, "file", SPAN("new"), 0600, &e), 0);
	assert_int_equal(file_read(&b, &p->root, "inside", &e), 0);
	assert_true(str_is(buf_text(&b), "kept"));
}

static void root_keeps_absolute_links_and_dots_inside(void **state)
{
	struct place *p = *state;
	CLEAN_BUF struct buf b = BUF(100);
	struct err e;

	assert_int_equal(file_replace(p->fd, "inside", SPAN("inside"), 0600, &e), 0);
	assert_int_equal(symlinkat("/../../inside", p->fd, "link"), 0);
	assert_int_equal(file_read(&b, &p->root, "/link", &e), 0);
	assert_true(str_is(buf_text(&b), "inside"));
	assert_int_equal(file_read(&b, &p->root, "../../etc/passwd", &e), ERR_NOTFOUND);
	assert_string_equal(e.text, "../../etc/passwd: No such file or directory");
}

static void file_read_at_says_where_a_short_file_ends(void **state)
{
	struct place *p = *state;
	struct err e;
	char bytes[8];

	assert_int_equal(file_replace(p->fd, "file", SPAN("12345"), 0600, &e), 0);
	CLOSE_FD int fd = openat(p->fd, "file", O_RDONLY);
	assert_int_equal(file_read_at(fd, bytes, 2, 3, &e), 0);
	assert_memory_equal(bytes, "45", 2);
	assert_int_equal(file_read_at(fd, bytes, 8, 3, &e), ERR_FORMAT);
	assert_string_equal(e.text, "ends at byte 5, 11 expected");
}

static void file_read_line_trims_and_does_not_block(void **state)
{
	struct place *p = *state;
	struct err e;
	char line[4];

	assert_int_equal(file_replace(p->fd, "file", SPAN(" ab cd\n"), 0600, &e), 0);
	file_read_line(line, sizeof line, &p->root, "file");
	assert_string_equal(line, "ab");
	assert_int_equal(mkfifoat(p->fd, "fifo", 0600), 0);
	file_read_line(line, sizeof line, &p->root, "fifo");
	assert_string_equal(line, "");
	file_read_line(line, sizeof line, &p->root, "absent");
	assert_string_equal(line, "");
}

static void file_read_does_not_wait_for_a_pipe(void **state)
{
	struct place *p = *state;
	CLEAN_BUF struct buf b = BUF(100);
	struct err e;

	assert_int_equal(mkfifoat(p->fd, "fifo", 0600), 0);
	assert_int_equal(file_read(&b, &p->root, "fifo", &e), ERR_FORMAT);
	assert_string_equal(e.text, "fifo: is a device or a pipe, not a file");
	assert_int_equal(file_read(&b, &p->root, "/", &e), ERR_FORMAT);
	assert_string_equal(e.text, "/: is a directory, not a file");
	assert_int_equal(b.len, 0);
}

/* Larger than two windows, read in pieces that end at none of their borders. */
static void what_is_read_once_is_whole_and_leaves_memory(void **state)
{
	struct place *p = *state;
	enum { PIECE = 3 << 20, PIECES = 7 };
	uint8_t *block = malloc(PIECE);
	const int fd = openat(p->fd, "file", O_RDWR | O_CREAT | O_EXCL, 0600);
	struct statfs fs;
	size_t got;
	struct err e;

	assert_non_null(block);
	for (unsigned i = 0; i < PIECES; i++) {
		memset(block, (int)i + 1, PIECE);
		assert_int_equal(file_write(fd, block, PIECE, &e), 0);
	}
	assert_int_equal(fsync(fd), 0);
	/* An emulator of another processor may not know the system call. */
	const struct iovec byte = { block, 1 };
	const bool tells = preadv2(fd, &byte, 1, 0, RWF_NOWAIT) == 1 || errno != ENOSYS;
	assert_int_equal(file_is_cached(fd, (uint64_t)PIECE * PIECES), tells);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	for (unsigned i = 0; i < PIECES; i++) {
		assert_int_equal(file_read_once(&got, fd, block, PIECE, &e), 0);
		assert_int_equal(got, PIECE);
		assert_int_equal(block[0], i + 1);
		assert_int_equal(block[PIECE - 1], i + 1);
	}
	assert_int_equal(file_read_once(&got, fd, block, PIECE, &e), 0);
	assert_int_equal(got, 0);
	/* A file system in memory has nowhere else to keep it. */
	assert_int_equal(fstatfs(fd, &fs), 0);
	assert_int_equal(
		file_is_cached(fd, (uint64_t)PIECE * PIECES), tells && fs.f_type == TMPFS_MAGIC);
	close(fd);
	free(block);
}

int main(void)
{
#define AT_A_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, drop_place)
	const struct CMUnitTest tests[] = {
		AT_A_PLACE(file_replace_leaves_the_new_content_and_no_sibling),
		AT_A_PLACE(file_replace_does_not_write_through_a_planted_link),
		AT_A_PLACE(root_keeps_absolute_links_and_dots_inside),
		AT_A_PLACE(file_read_at_says_where_a_short_file_ends),
		AT_A_PLACE(file_read_line_trims_and_does_not_block),
		AT_A_PLACE(file_read_does_not_wait_for_a_pipe),
		AT_A_PLACE(what_is_read_once_is_whole_and_leaves_memory),
	};
	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
