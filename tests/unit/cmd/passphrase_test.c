/* Passphrases at a terminal and from what was typed at the menu before. */
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/entered.h"
#include "cmd/passphrase.h"
#include "ui/prompt.h"

static const struct target_question question = {
	.name = "vda2", .label = "etcd", .uuid = "5f0c-1", .memory = 32 << 20
};

struct terminal {
	int person;
	struct prompt prompt;
	struct arena arena;
};

static void sit_down(struct terminal *t)
{
	int program;

	assert_int_equal(openpty(&t->person, &program, NULL, NULL, NULL), 0);
	prompt_start(&t->prompt, program, program);
	t->arena = ARENA(1 << 20);
}

static void get_up(struct terminal *t)
{
	prompt_end(&t->prompt);
	close(t->prompt.in);
	close(t->person);
	arena_free(&t->arena);
}

/* Hiding drops what was typed before, so it is typed by a process that waits for the question. */
static void type_after(const struct terminal *t, const char *pattern, const char *text)
{
	char seen[4096] = "";

	for (size_t n = 0; !strstr(seen, pattern);) {
		const ssize_t got = read(t->person, seen + n, sizeof seen - 1 - n);
		if (got <= 0)
			_exit(1);
		n += (size_t)got;
	}
	if (write(t->person, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(1);
}

static pid_t person(const struct terminal *t, const char *text)
{
	const pid_t pid = fork();

	if (!pid) {
		type_after(t, "(not shown): ", text);
		_exit(0);
	}
	return pid;
}

static void what_is_typed_is_the_passphrase_and_not_shown(void **state)
{
	struct terminal t;
	struct buf secret = BUF(4096);
	struct err e = { 0 };
	char shown[4096] = "";

	(void)state;
	sit_down(&t);
	struct passphrase p = { .arena = &t.arena, .prompt = &t.prompt };
	person(&t, "two words \n");
	assert_int_equal(passphrase_ask(&p, &secret, &question, &e), 0);
	assert_int_equal(secret.len, 10);
	assert_memory_equal(secret.p, "two words ", 10);
	/* The rest of what the terminal said: the end of the line, no letter. */
	fcntl(t.person, F_SETFL, O_NONBLOCK);
	const ssize_t n = read(t.person, shown, sizeof shown - 1);
	assert_true(n >= 0);
	assert_null(strstr(shown, "words"));
	buf_free(&secret);
	get_up(&t);
}

static void only_enter_leaves_it_locked(void **state)
{
	struct terminal t;
	struct buf secret = BUF(4096);
	struct err e = { 0 };

	(void)state;
	sit_down(&t);
	struct passphrase p = { .arena = &t.arena, .prompt = &t.prompt };
	person(&t, "\n");
	assert_int_equal(passphrase_ask(&p, &secret, &question, &e), ERR_NOTFOUND);
	assert_int_equal(secret.len, 0);
	get_up(&t);
}

static void ctrl_c_gives_up(void **state)
{
	struct terminal t;
	struct buf secret = BUF(4096);
	struct err e = { 0 };

	(void)state;
	sit_down(&t);
	struct passphrase p = { .arena = &t.arena, .prompt = &t.prompt };
	person(&t, "half\003\n");
	assert_int_equal(passphrase_ask(&p, &secret, &question, &e), ERR_DECLINED);
	assert_int_equal(secret.len, 0);
	get_up(&t);
}

static void it_says_which_disk_how_much_memory_and_that_the_last_was_wrong(void **state)
{
	struct arena a = ARENA(1 << 20);
	struct buf secret = BUF(4096);
	struct target_question again = question;
	struct err e = { 0 };
	char said[4096] = "";
	int out[2], in[2];

	(void)state;
	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(in), 0);
	struct prompt prompt;
	prompt_start(&prompt, in[0], out[1]);
	struct passphrase p = { .arena = &a, .prompt = &prompt };
	assert_int_equal(write(in[1], "one\ntwo\n", 8), 8);
	assert_int_equal(passphrase_ask(&p, &secret, &question, &e), 0);
	buf_clear(&secret);
	again.again = 1;
	assert_int_equal(passphrase_ask(&p, &secret, &again, &e), 0);
	assert_memory_equal(secret.p, "two", 3);
	assert_true(read(out[0], said, sizeof said - 1) > 0);
	assert_non_null(strstr(said, "vda2 (etcd) is an encrypted disk"));
	assert_non_null(strstr(said, "32 MiB of memory"));
	assert_non_null(strstr(said, "does not open it, try 2 of 3"));
	buf_free(&secret);
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		close(out[i]);
	}
	arena_free(&a);
}

/* What a console kept is taken once; another container's is not taken. */
static void what_was_typed_at_the_menu_is_used_by_who_has_no_terminal(void **state)
{
	char dir[] = "/tmp/passphrase_test.XXXXXX";
	struct arena a = ARENA(1 << 20);
	struct buf secret = BUF(4096);
	struct err e = { 0 };
	struct stat st;
	const char *path;

	(void)state;
	assert_non_null(mkdtemp(dir));
	struct target_layer layers[] = {
		{ .kind = TARGET_LUKS, .uuid = "5f0c-1", .typed = true, .key = BUF(64) },
		{ .kind = TARGET_LUKS, .uuid = "5f0c-2", .typed = false, .key = BUF(64) },
	};
	for (int i = 0; i < 2; i++)
		assert_int_equal(buf_print(&layers[i].key, &e, "secret %d", i), 0);
	const struct target_assembly as = { .v = layers, .n = 2 };
	assert_int_equal(passphrase_keep(&a, dir, "ttyS0", &as, &e), 0);
	path = arena_print(&a, "%s/ttyS0-luks-5f0c-1", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_not_equal(stat(arena_print(&a, "%s/ttyS0-luks-5f0c-2", dir), &st), 0);

	struct passphrase p = { .arena = &a, .dir = dir };
	assert_int_equal(passphrase_ask(&p, &secret, &question, &e), 0);
	assert_int_equal(secret.len, 8);
	assert_memory_equal(secret.p, "secret 0", 8);
	struct target_question q = question;
	q.again = 1;
	buf_clear(&secret);
	assert_int_equal(passphrase_ask(&p, &secret, &q, &e), ERR_NOTFOUND);
	q = (struct target_question){ .name = "vdb", .label = "", .uuid = "5f0c-2" };
	assert_int_equal(passphrase_ask(&p, &secret, &q, &e), ERR_NOTFOUND);
	/* The hand-off opens the disk again. */
	assert_int_equal(passphrase_ask(&p, &secret, &question, &e), 0);

	entered_wipe(dir, NULL);
	assert_int_not_equal(stat(dir, &st), 0);
	for (int i = 0; i < 2; i++)
		buf_free(&layers[i].key);
	buf_free(&secret);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_typed_is_the_passphrase_and_not_shown),
		cmocka_unit_test(only_enter_leaves_it_locked),
		cmocka_unit_test(ctrl_c_gives_up),
		cmocka_unit_test(it_says_which_disk_how_much_memory_and_that_the_last_was_wrong),
		cmocka_unit_test(what_was_typed_at_the_menu_is_used_by_who_has_no_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
