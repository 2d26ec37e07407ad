#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cmd/options.h"

struct fields {
	struct option_common common;
	bool skip;
	const char *name;
	uint64_t bump, size;
	struct option_list keys;
};

static const struct option_row rows[] = {
	{ "skip-hash-check", 0, OPTION_FLAG, offsetof(struct fields, skip), NULL, "" },
	{ "name", 'n', OPTION_TEXT, offsetof(struct fields, name), "NAME", "" },
	{ "bump-revision", 0, OPTION_U64, offsetof(struct fields, bump), "N", "" },
	{ "size", 0, OPTION_SIZE, offsetof(struct fields, size), "SIZE", "" },
	{ "drop-key", 0, OPTION_LIST, offsetof(struct fields, keys), "KEY", "" },
	{ 0 },
};

static int parse(struct fields *f, size_t *n, struct err *e, const char *words)
{
	static char copy[256];
	static char *argv[16];
	int argc = 0;

	*f = (struct fields){ 0 };
	snprintf(copy, sizeof copy, "prog %s", words);
	for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	return options_parse(n, f, rows, argc, argv, e);
}

static void options_take_values_behind_a_blank_or_an_equals_sign(void **state)
{
	struct fields f;
	struct err e;
	size_t n;

	(void)state;
	assert_int_equal(parse(&f, &n, &e,
				 "a.db --name=m1 --bump-revision 5 --size 2G --skip-hash-check "
				 "--drop-key a --drop-key b -- --json"),
		0);
	assert_int_equal(n, 2);
	assert_string_equal(f.name, "m1");
	assert_true(f.bump == 5 && f.size == 2ULL << 30 && f.skip && !f.common.json);
	assert_int_equal(f.keys.n, 2);
	assert_string_equal(f.keys.v[1], "b");
}

static void options_take_etcds_boolean_values(void **state)
{
	struct fields f;
	struct err e;
	size_t n;

	(void)state;
	assert_int_equal(parse(&f, &n, &e, "--skip-hash-check=true"), 0);
	assert_true(f.skip);
	assert_int_equal(parse(&f, &n, &e, "--skip-hash-check=false"), 0);
	assert_false(f.skip);
	assert_int_equal(parse(&f, &n, &e, "--skip-hash-check=perhaps"), ERR_USAGE);
}

static void options_name_what_is_wrong(void **state)
{
	static const struct {
		const char *words, *text;
	} cases[] = {
		{ "--nmae x", "unknown option --nmae, did you mean --name?" },
		{ "--nam x", "unknown option --nam, did you mean --name?" },
		{ "-x", "unknown option -x" },
		{ "--name", "--name wants NAME" },
		{ "--bump-revision ten", "--bump-revision: 'ten' is no number" },
		{ "--bump-revision -1", "--bump-revision: '-1' is no number" },
		{ "--size 99999999T", "--size: '99999999T' is no size; say 512M or 2G" },
		{ "--size M", "--size: 'M' is no size; say 512M or 2G" },
		{ "--size 5i", "--size: '5i' is no size; say 512M or 2G" },
	};
	struct fields f;
	struct err e;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(parse(&f, &n, &e, cases[i].words), ERR_USAGE);
		assert_string_equal(e.text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_take_values_behind_a_blank_or_an_equals_sign),
		cmocka_unit_test(options_take_etcds_boolean_values),
		cmocka_unit_test(options_name_what_is_wrong),
	};
	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
