#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/output.h"

/* What go-humanize's Bytes prints. */
static void sizes_are_written_as_etcdutl_does(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },
		{ 9, "9 B" },
		{ 999, "999 B" },
		{ 1000, "1.0 kB" },
		{ 20480, "20 kB" },
		{ 24576, "25 kB" },
		{ 344064, "344 kB" },
		{ 6082560, "6.1 MB" },
		{ 9949999, "9.9 MB" },
		{ 9950000, "10 MB" },
		{ 739647488, "740 MB" },
		{ 2650218496, "2.7 GB" },
		{ UINT64_MAX, "18 EB" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(output_size(cases[i].bytes).text, cases[i].text);
}

static void a_table_has_a_frame(void **state)
{
	static const char *const cells[] = { "HASH", "TOTAL SIZE", "ab12", "6.1 MB" };
	CLEAN_BUF struct buf out = BUF(1000);
	struct err e;

	(void)state;
	assert_int_equal(output_table(&out, 2, 1, cells, &e), 0);
	assert_true(str_is(buf_text(&out), "+------+------------+\n"
					   "| HASH | TOTAL SIZE |\n"
					   "+------+------------+\n"
					   "| ab12 |     6.1 MB |\n"
					   "+------+------------+\n"));
}

static void wrong_arguments_give_etcdutls_status(void **state)
{
	struct option_common common = { 0 };
	struct app app = { .options = &common };
	enum output_format format;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(output_parse(&format, &app, "table", &e), 0);
	assert_int_equal(format, OUTPUT_TABLE);
	common.json = true;
	assert_int_equal(output_parse(&format, &app, NULL, &e), 0);
	assert_int_equal(format, OUTPUT_JSON);
	assert_int_equal(output_parse(&format, &app, "xml", &e), ERR_USAGE);
	assert_int_equal(output_bad_format(&app, &e), ERR_USAGE);
	assert_int_equal(app.status, 4);
	app.status = 0;
	assert_int_equal(output_one_operand(&app, "snapshot status", &e), ERR_USAGE);
	assert_string_equal(e.text, "snapshot status requires exactly one argument");
	assert_int_equal(app.status, 128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_written_as_etcdutl_does),
		cmocka_unit_test(a_table_has_a_frame),
		cmocka_unit_test(wrong_arguments_give_etcdutls_status),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
