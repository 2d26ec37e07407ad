#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/text.h"

static const struct {
	const char *plain, *hex, *base64;
} samples[] = {
	{ "", "", "" },
	{ "f", "66", "Zg==" },
	{ "fo", "666f", "Zm8=" },
	{ "foo", "666f6f", "Zm9v" },
	{ "foob", "666f6f62", "Zm9vYg==" },
	{ "\xff\xfe\xfd", "fffefd", "//79" },
};

static struct span bytes_of(const char *text)
{
	return (struct span){ (const uint8_t *)text, str_from(text).len };
}

static void text_writes_and_reads_hex(void **state)
{
	CLEAN_BUF struct buf out = BUF(100);
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		buf_clear(&out);
		assert_int_equal(codec_text_hex(&out, bytes_of(samples[i].plain), &e), 0);
		assert_true(str_is(buf_text(&out), samples[i].hex));
		buf_clear(&out);
		assert_int_equal(codec_text_unhex(&out, str_from(samples[i].hex), &e), 0);
		assert_true(span_equal(buf_span(&out), bytes_of(samples[i].plain)));
	}
	buf_clear(&out);
	assert_int_equal(codec_text_unhex(&out, STR("FfA0"), &e), 0);
	assert_memory_equal(out.p, "\xff\xa0", 2);
}

static void text_refuses_what_is_not_hex(void **state)
{
	CLEAN_BUF struct buf out = BUF(100);
	struct err e;

	(void)state;
	assert_int_equal(codec_text_unhex(&out, STR("abc"), &e), ERR_FORMAT);
	assert_int_equal(codec_text_unhex(&out, STR("ab0g"), &e), ERR_FORMAT);
	assert_string_equal(e.text, "character 4 is not a hex digit");
	assert_int_equal(out.len, 0);
}

static void text_writes_and_reads_base64(void **state)
{
	CLEAN_BUF struct buf out = BUF(100);
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		buf_clear(&out);
		assert_int_equal(codec_text_base64(&out, bytes_of(samples[i].plain), &e), 0);
		assert_true(str_is(buf_text(&out), samples[i].base64));
		buf_clear(&out);
		assert_int_equal(codec_text_unbase64(&out, str_from(samples[i].base64), &e), 0);
		assert_true(span_equal(buf_span(&out), bytes_of(samples[i].plain)));
	}
}

static void text_refuses_what_is_not_base64(void **state)
{
	static const char *const wrong[] = { "Zg=", "Zg", "Z===", "Zg=a", "Z g=", "Zm9v\n" };
	CLEAN_BUF struct buf out = BUF(100);
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(codec_text_unbase64(&out, str_from(wrong[i]), &e), ERR_FORMAT);
	assert_int_equal(out.len, 0);
}

static void text_escapes_json_as_go_does(void **state)
{
	CLEAN_BUF struct buf out = BUF(200);
	struct err e;

	(void)state;
	assert_int_equal(codec_text_go_json(&out,
				 STR("a\"\\<>&\x01\b\f\n\r\t\x7f\xc3\xa4\xe2\x80\xa8\xe2\x80\xa9"
				     "\xe2\x80\xaa\xff\xf0\x9f\x90\x8d"),
				 &e),
		0);
	assert_true(str_is(buf_text(&out),
		"\"a\\\"\\\\\\u003c\\u003e\\u0026\\u0001\\b\\f\\n\\r\\t\x7f\xc3\xa4\\u2028\\u2029"
		"\xe2\x80\xaa\\ufffd\xf0\x9f\x90\x8d\""));
}

static void text_stops_at_the_maximum_of_the_buffer(void **state)
{
	struct err e;

	(void)state;
	for (size_t max = 0; max < 6; max++) {
		CLEAN_BUF struct buf out = BUF(max);

		assert_int_equal(codec_text_hex(&out, SPAN("abc"), &e), ERR_SPACE);
		assert_int_equal(codec_text_unhex(&out, STR("616263646566"), &e), ERR_SPACE);
		assert_int_equal(codec_text_base64(&out, SPAN("abcd"), &e), ERR_SPACE);
		assert_int_equal(codec_text_unbase64(&out, STR("YWJjZGVm"), &e), ERR_SPACE);
		assert_int_equal(codec_text_go_json(&out, STR("abcd\n"), &e), ERR_SPACE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_writes_and_reads_hex),
		cmocka_unit_test(text_refuses_what_is_not_hex),
		cmocka_unit_test(text_writes_and_reads_base64),
		cmocka_unit_test(text_refuses_what_is_not_base64),
		cmocka_unit_test(text_escapes_json_as_go_does),
		cmocka_unit_test(text_stops_at_the_maximum_of_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
