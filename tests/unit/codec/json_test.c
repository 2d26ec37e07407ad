#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/json.h"

static void json_puts_commas_between_values_only(void **state)
{
	CLEAN_BUF struct buf out = BUF(1000);
	struct json j = JSON(&out);
	struct err e;

	(void)state;
	json_open(&j, '{');
	json_key(&j, "members");
	json_open(&j, '[');
	json_u64(&j, 1);
	json_i64(&j, -2);
	json_close(&j, ']');
	json_key_bool(&j, "ok", true);
	json_key_text(&j, "why", NULL);
	json_close(&j, '}');
	assert_int_equal(json_end(&j, &e), 0);
	assert_true(str_is(buf_text(&out), "{\"members\":[1,-2],\"ok\":true,\"why\":null}"));
}

static void json_escapes_so_that_any_bytes_parse(void **state)
{
	CLEAN_BUF struct buf out = BUF(1000);
	struct json j = JSON(&out);
	struct err e;

	(void)state;
	json_str(&j, STR("\"\\\n\t\1 \xc3\xa4 \xff \xed\xa0\x80 \xf0\x9f\x90\x8d \xe2\x82"));
	assert_int_equal(json_end(&j, &e), 0);
	assert_true(str_is(buf_text(&out),
		"\"\\\"\\\\\\n\\t\\u0001 \xc3\xa4 \\ufffd \\ufffd\\ufffd\\ufffd "
		"\xf0\x9f\x90\x8d \\ufffd\\ufffd\""));
}

static void json_reports_the_first_error_at_its_end(void **state)
{
	CLEAN_BUF struct buf out = BUF(4);
	struct json j = JSON(&out);
	struct err e;

	(void)state;
	json_str(&j, STR("too long for it"));
	json_u64(&j, 1);
	assert_int_equal(json_end(&j, &e), ERR_SPACE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_puts_commas_between_values_only),
		cmocka_unit_test(json_escapes_so_that_any_bytes_parse),
		cmocka_unit_test(json_reports_the_first_error_at_its_end),
	};
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
