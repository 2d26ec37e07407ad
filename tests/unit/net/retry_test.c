#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/retry.h"

static void retry_asks_again_when_the_network_or_a_busy_server_failed(void **state)
{
	(void)state;
	assert_true(retry_worth(ERR_NET, 0));
	assert_true(retry_worth(ERR_NET, 503));
	assert_true(retry_worth(ERR_MISMATCH, 429));
}

static void retry_takes_a_clear_answer_as_one(void **state)
{
	(void)state;
	assert_false(retry_worth(ERR_NOTFOUND, 404));
	assert_false(retry_worth(ERR_AUTH, 403));
	assert_false(retry_worth(ERR_AUTH, 0)); /* a certificate does not get better */
	assert_false(retry_worth(ERR_SPACE, 200));
	assert_false(retry_worth(ERR_FORMAT, 0));
}

static void retry_waits_longer_each_time_up_to_a_limit(void **state)
{
	(void)state;
	assert_int_equal(retry_wait_ms(1, 0, 0), 500);
	assert_int_equal(retry_wait_ms(2, 0, 0), 1000);
	assert_int_equal(retry_wait_ms(6, 0, 0), 15000);
	assert_int_equal(retry_wait_ms(4000000000u, 0, 0), 15000);
	for (unsigned dice = 0; dice < 1000; dice++)
		assert_in_range(retry_wait_ms(3, 0, dice * 7919), 2000, 2499);
}

static void retry_heeds_the_server_up_to_a_minute(void **state)
{
	(void)state;
	assert_int_equal(retry_wait_ms(1, 7000, 5), 7000);
	assert_int_equal(retry_wait_ms(1, 86400000, 5), 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retry_asks_again_when_the_network_or_a_busy_server_failed),
		cmocka_unit_test(retry_takes_a_clear_answer_as_one),
		cmocka_unit_test(retry_waits_longer_each_time_up_to_a_limit),
		cmocka_unit_test(retry_heeds_the_server_up_to_a_minute),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
