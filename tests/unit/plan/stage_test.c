#include "plan/stage.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/file.h"

struct place {
	struct arena arena;
	char dir[64];
};

static int start(void **state)
{
	static struct place p;

	p = (struct place){ .arena = ARENA(4 << 20) };
	snprintf(p.dir, sizeof p.dir, "/tmp/stage-test-XXXXXX");
	*state = &p;
	return mkdtemp(p.dir) ? 0 : -1;
}

static int end(void **state)
{
	struct place *p = *state;
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", p->dir);
	arena_free(&p->arena);
	return system(command); /* NOLINT: a name of our own */
}

static size_t entries(const char *path)
{
	DIR *d = opendir(path);
	size_t n = 0;

	assert_non_null(d);
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

static const char *content(struct place *p, const char *name)
{
	CLEAN_BUF struct buf b = BUF(4096);
	CLOSE_FD int fd = open(arena_print(&p->arena, "%s/%s", p->dir, name), O_RDONLY | O_CLOEXEC);
	struct err e = { 0 };

	if (fd < 0)
		return NULL;
	assert_int_equal(file_read_fd(&b, fd, &e), 0);
	return arena_copy(&p->arena, buf_text(&b));
}

static void open_in(struct stage *s, struct place *p, bool named)
{
	struct err e = { 0 };

	assert_int_equal(stage_open(s, &p->arena, p->dir, false, &e), 0);
	s->named = named;
}

static int put(struct stage *s, const char *name, const char *text, struct err *e)
{
	struct stage_file *f;

	*e = (struct err){ 0 };
	return stage_begin(&f, s, name, 0, e) ? e->code : file_write(f->fd, text, strlen(text), e);
}

static void all_of_them_or_none(struct place *p, bool named)
{
	struct stage s;
	struct err e;

	open_in(&s, p, named);
	assert_int_equal(put(&s, "a", "one", &e), 0);
	assert_int_equal(put(&s, "sub/deep/b", "two", &e), 0);
	assert_null(content(p, "a"));
	stage_close(&s);
	assert_int_equal(entries(p->dir), 0);

	open_in(&s, p, named);
	assert_int_equal(put(&s, "a", "one", &e), 0);
	assert_int_equal(put(&s, "sub/deep/b", "two", &e), 0);
	assert_int_equal(stage_publish(&s, &e), 0);
	stage_close(&s);
	assert_string_equal(content(p, "a"), "one");
	assert_string_equal(content(p, "sub/deep/b"), "two");
	assert_int_equal(entries(p->dir), 2);
}

static void nameless_files_appear_together(void **state)
{
	all_of_them_or_none(*state, false);
}

static void files_with_names_appear_together(void **state)
{
	all_of_them_or_none(*state, true);
}

static void when_one_cannot_have_its_name(struct place *p, bool named)
{
	struct stage s;
	struct err e;

	open_in(&s, p, named);
	assert_int_equal(put(&s, "a", "one", &e), 0);
	assert_int_equal(put(&s, "b", "two", &e), 0);
	/* Somebody takes the name while the bytes come. */
	CLOSE_FD int fd =
		open(arena_print(&p->arena, "%s/b", p->dir), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "mine", 4), 4);
	assert_int_not_equal(stage_publish(&s, &e), 0);
	stage_close(&s);
	assert_int_equal(entries(p->dir), 1);
	assert_string_equal(content(p, "b"), "mine");
}

static void a_name_taken_meanwhile_is_left_alone(void **state)
{
	when_one_cannot_have_its_name(*state, false);
}

static void a_name_taken_meanwhile_is_left_alone_by_files_with_names(void **state)
{
	when_one_cannot_have_its_name(*state, true);
}

static void what_is_there_is_replaced_only_when_told(void **state)
{
	struct place *p = *state;
	struct stage s;
	struct err e;

	for (int named = 0; named < 2; named++) {
		open_in(&s, p, named);
		s.replace = true;
		assert_int_equal(put(&s, "a", named ? "new" : "old", &e), 0);
		assert_int_equal(stage_publish(&s, &e), 0);
		stage_close(&s);
		open_in(&s, p, named);
		assert_int_equal(put(&s, "a", "bad", &e), ERR_DECLINED);
		assert_non_null(strstr(e.text, "is there already; --force replaces it"));
		stage_close(&s);
		assert_string_equal(content(p, "a"), named ? "new" : "old");
		assert_int_equal(entries(p->dir), 1);
	}
}

static void a_second_writer_is_noticed(void **state)
{
	struct place *p = *state;
	struct stage first, second;
	struct err e;

	open_in(&first, p, true);
	open_in(&second, p, true);
	assert_int_equal(put(&first, "a", "one", &e), 0);
	assert_int_equal(put(&second, "a", "two", &e), ERR_DECLINED);
	assert_non_null(strstr(e.text, "somebody else is writing it"));
	stage_close(&second);
	assert_int_equal(stage_publish(&first, &e), 0);
	stage_close(&first);
	assert_string_equal(content(p, "a"), "one");
	assert_int_equal(entries(p->dir), 1);
}

static void nothing_leads_outside(void **state)
{
	static const char *const names[] = { "../x", "a/../../x", "./x", "/x", "a//b", "link/x" };
	struct place *p = *state;
	struct stage s;
	struct err e;

	assert_int_equal(symlink("/tmp", arena_print(&p->arena, "%s/link", p->dir)), 0);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		open_in(&s, p, false);
		if (!put(&s, names[i], "x", &e))
			fail_msg("%s was taken", names[i]);
		stage_close(&s);
		assert_int_equal(entries(p->dir), 1);
	}
}

static void too_little_room_is_told_at_once(void **state)
{
	struct place *p = *state;
	struct stage_file *f;
	struct err e = { 0 };
	struct stage s;

	open_in(&s, p, false);
	assert_int_equal(stage_begin(&f, &s, "a", UINT64_C(1) << 60, &e), ERR_SPACE);
	stage_close(&s);
	assert_int_equal(entries(p->dir), 0);
}

static void a_directory_of_its_own_goes_again(void **state)
{
	struct place *p = *state;
	const char *dir = arena_print(&p->arena, "%s/own", p->dir);
	struct err e = { 0 };
	struct stage s;

	assert_int_equal(stage_open(&s, &p->arena, dir, true, &e), 0);
	assert_int_equal(put(&s, "x/y", "1", &e), 0);
	stage_drop(&s, 0);
	assert_int_equal(entries(dir), 0);
	stage_close(&s);
	assert_int_equal(entries(p->dir), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, end)
	const struct CMUnitTest tests[] = {
		T(nameless_files_appear_together),
		T(files_with_names_appear_together),
		T(a_name_taken_meanwhile_is_left_alone),
		T(a_name_taken_meanwhile_is_left_alone_by_files_with_names),
		T(what_is_there_is_replaced_only_when_told),
		T(a_second_writer_is_noticed),
		T(nothing_leads_outside),
		T(too_little_room_is_told_at_once),
		T(a_directory_of_its_own_goes_again),
	};
#undef T

	return cmocka_run_group_tests_name("stage", tests, NULL, NULL);
}
