#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"

static void err_wrap_puts_context_in_front(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(err_set(&e, ERR_MISMATCH, "trailer says %d", 7), ERR_MISMATCH);
	assert_int_equal(err_wrap(&e, "%s", "a.db"), ERR_MISMATCH);
	assert_string_equal(e.text, "a.db: trailer says 7");
}

static void err_wrap_cuts_what_does_not_fit(void **state)
{
	struct err e;
	char noun[600];

	(void)state;
	memset(noun, 'x', sizeof noun);
	noun[sizeof noun - 1] = 0;
	err_set(&e, ERR_FORMAT, "%s", noun);
	err_wrap(&e, "%s", noun);
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
}

static void err_sys_picks_the_code_by_errno(void **state)
{
	struct err e;

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_sys(&e, "plan.yaml"), ERR_NOTFOUND);
	assert_string_equal(e.text, "plan.yaml: No such file or directory");
	errno = ENOSPC;
	assert_int_equal(err_sys(&e, "db"), ERR_SPACE);
	errno = EIO;
	assert_int_equal(err_sys(&e, "db"), ERR_IO);
	assert_int_equal(e.errnum, EIO);
}

static void err_status_tells_the_state_of_the_target(void **state)
{
	(void)state;
	assert_int_equal(err_status(ERR_OK), 0);
	assert_int_equal(err_status(ERR_FORMAT), 1);
	assert_int_equal(err_status(ERR_USAGE), 2);
	assert_int_equal(err_status(ERR_DECLINED), 6);
	assert_string_equal(err_word(ERR_NOTFOUND), "not-found");
}

static const char *advice(int errnum)
{
	struct err e;

	errno = errnum;
	err_sys(&e, "db");
	err_wrap(&e, "restore");
	return err_advice(&e);
}

static void err_advice_goes_by_what_the_system_said(void **state)
{
	struct err e;

	(void)state;
	assert_non_null(strstr(advice(EIO), "dmesg"));
	assert_non_null(strstr(advice(EACCES), "owner and mode"));
	assert_non_null(strstr(advice(EPERM), "owner and mode"));
	assert_non_null(strstr(advice(ELOOP), "symbolic links"));
	assert_null(advice(EPIPE));
	assert_null(advice(EBADF));
	assert_null(advice(ENOENT));
	err_set(&e, ERR_IO, "no answer");
	assert_non_null(strstr(err_advice(&e), "dmesg"));
	err_set(&e, ERR_NET, "no answer");
	assert_non_null(strstr(err_advice(&e), "ip route"));
	e.code = ERR_OK;
	assert_null(err_advice(&e));
}

static void err_stays_one_line_that_does_not_talk_to_the_terminal(void **state)
{
	struct err e;

	(void)state;
	err_set(&e, ERR_FORMAT, "key '%s'", "a\nb\033[2J\177");
	err_wrap(&e, "file %s", "c\td");
	assert_string_equal(e.text, "file c?d: key 'a?b?[2J?'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_wrap_puts_context_in_front),
		cmocka_unit_test(err_wrap_cuts_what_does_not_fit),
		cmocka_unit_test(err_sys_picks_the_code_by_errno),
		cmocka_unit_test(err_stays_one_line_that_does_not_talk_to_the_terminal),
		cmocka_unit_test(err_advice_goes_by_what_the_system_said),
		cmocka_unit_test(err_status_tells_the_state_of_the_target),
	};
	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
