#include "plan/finish_join_lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/file.h"

static struct arena arena = ARENA(64 << 20);
static struct err e;

static void the_answer_says_who_has_it(void **state)
{
	static const struct {
		const char *answer, *held;
		int code;
	} rows[] = {
		{ "{\"header\":{},\"succeeded\":true,\"responses\":[{\"response_put\":{}}]}", NULL,
			0 },
		{ "{\"header\":{},\"responses\":[{\"response_range\":{\"kvs\":[{\"key\":\"YQ==\","
		  "\"value\":\"bTkgeCAxNw==\"}],\"count\":\"1\"}}]}",
			"m9 x 17", 0 },
		/* It went in between. */
		{ "{\"header\":{},\"responses\":[{\"response_range\":{}}]}", "", 0 },
		{ "{}", NULL, ERR_FORMAT },
		{ "[]", NULL, ERR_FORMAT },
		{ "{\"header\":{},\"responses\":[{\"response_range\":{\"kvs\":[{\"value\":\"?\"}]}}"
		  "]}",
			NULL, ERR_FORMAT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *held = NULL;
		e = (struct err){ 0 };
		assert_int_equal(
			join_lock_judge(&held, &arena, str_from(rows[i].answer), &e), rows[i].code);
		if (!rows[i].held)
			assert_null(held);
		else
			assert_string_equal(held, rows[i].held);
	}
}

static void only_of_a_process_of_this_boot_it_is_known_that_it_died(void **state)
{
	CLEAN_ROOT struct root machine = NO_ROOT;
	char boot[64];

	(void)state;
	assert_int_equal(root_open(&machine, "/", &e), 0);
	file_read_line(boot, sizeof boot, &machine, "proc/sys/kernel/random/boot_id");
	assert_true(*boot);
	const pid_t gone = fork();
	if (!gone)
		_exit(0);
	assert_int_equal(waitpid(gone, NULL, 0), gone);
	const char *dead = arena_print(&arena, "m1 %s %d", boot, (int)gone);
	assert_true(join_lock_is_dead(dead, "m1"));
	assert_false(join_lock_is_dead(dead, "m2"));
	assert_false(
		join_lock_is_dead(arena_print(&arena, "m1 %s %d", boot, (int)getppid()), "m1"));
	assert_false(join_lock_is_dead(arena_print(&arena, "m1 another-boot %d", (int)gone), "m1"));
	assert_false(join_lock_is_dead(arena_print(&arena, "m1 %s -5", boot), "m1"));
	assert_false(join_lock_is_dead(arena_print(&arena, "m1 %s", boot), "m1"));
	assert_false(join_lock_is_dead("", "m1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_says_who_has_it),
		cmocka_unit_test(only_of_a_process_of_this_boot_it_is_known_that_it_died),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
