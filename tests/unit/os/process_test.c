#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "os/process.h"

static void process_run_gives_output_and_status(void **state)
{
	const char *argv[] = { "/bin/sh", "-c", "echo out; echo err >&2; read x || exit 3", NULL };
	CLEAN_BUF struct buf out = BUF(100);
	struct err e = { 0 };
	int status = -1;

	(void)state;
	assert_int_equal(process_run(&status, argv, 10000, &out, &e), 0);
	assert_int_equal(status, 3); /* stdin is empty, so read fails */
	assert_true(str_is(buf_text(&out), "out\nerr\n"));
}

static void process_feed_gives_the_input_and_its_end(void **state)
{
	static uint8_t much[PROCESS_INPUT_MAX + 1];
	const char *argv[] = { "/usr/bin/wc", "-c", NULL };
	CLEAN_BUF struct buf out = BUF(100);
	struct err e = { 0 };
	int status = -1;

	(void)state;
	assert_int_equal(process_feed(&status, argv, SPAN("se\0cret"), 10000, &out, &e), 0);
	assert_true(str_is(buf_text(&out), "7\n"));
	buf_clear(&out);
	/* Nobody reads it: that holds nobody up either. */
	argv[0] = "/bin/true";
	const struct span most = { much, PROCESS_INPUT_MAX }, more = { much, sizeof much };
	assert_int_equal(process_feed(&status, argv, most, 10000, &out, &e), 0);
	assert_int_equal(status, 0);
	assert_int_equal(process_feed(&status, argv, more, 10000, &out, &e), ERR_SPACE);
}

static void process_run_keeps_only_what_fits(void **state)
{
	const char *argv[] = { "/bin/sh", "-c",
		"i=0; while [ $i -lt 5000 ]; do echo line; "
		"i=$((i+1)); done",
		NULL };
	CLEAN_BUF struct buf out = BUF(4096);
	struct err e = { 0 };
	int status = -1;

	(void)state;
	assert_int_equal(process_run(&status, argv, 10000, &out, &e), 0);
	assert_int_equal(status, 0);
	assert_true(out.len <= 4096);
}

static void process_run_names_what_is_not_there(void **state)
{
	const char *argv[] = { "/nowhere/modprobe", NULL };
	struct err e = { 0 };
	int status = -1;

	(void)state;
	assert_int_equal(process_run(&status, argv, 1000, NULL, &e), ERR_NOTFOUND);
	assert_string_equal(e.text, "/nowhere/modprobe: No such file or directory");
	assert_int_equal(status, -1);
}

static void process_run_ends_what_takes_too_long(void **state)
{
	const char *argv[] = { "/bin/sleep", "60", NULL };
	struct timespec before, after;
	struct err e = { 0 };
	int status = -1;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(process_run(&status, argv, 1000, NULL, &e), ERR_IO);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_string_equal(e.text, "/bin/sleep: no end after 1 seconds");
	/* It has been ended, and has not ended. */
	assert_true(after.tv_sec - before.tv_sec < 60);
}

static void process_run_tells_the_signal(void **state)
{
	const char *argv[] = { "/bin/sh", "-c", "kill -9 $$", NULL };
	struct err e = { 0 };
	int status = -1;

	(void)state;
	assert_int_equal(process_run(&status, argv, 10000, NULL, &e), 0);
	assert_int_equal(status, 128 + 9);
}

static void process_run_does_not_take_an_unknown_end_for_a_good_one(void **state)
{
	const char *argv[] = { "/bin/sh", "-c", "exit 3", NULL };
	struct err e = { 0 };
	int status = -1;

	(void)state;
	void (*before)(int) = signal(SIGCHLD, SIG_IGN);
	const int code = process_run(&status, argv, 10000, NULL, &e);
	signal(SIGCHLD, before);
	assert_int_equal(code, ERR_IO);
	/* The end is the C library's own: "process" in one, "processes" in the other. */
	assert_int_equal(e.errnum, ECHILD);
	assert_memory_equal(e.text, "/bin/sh: how it ended is not known: ", 36);
	assert_int_equal(status, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(process_run_gives_output_and_status),
		cmocka_unit_test(process_feed_gives_the_input_and_its_end),
		cmocka_unit_test(process_run_keeps_only_what_fits),
		cmocka_unit_test(process_run_names_what_is_not_there),
		cmocka_unit_test(process_run_ends_what_takes_too_long),
		cmocka_unit_test(process_run_tells_the_signal),
		cmocka_unit_test(process_run_does_not_take_an_unknown_end_for_a_good_one),
	};
	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
