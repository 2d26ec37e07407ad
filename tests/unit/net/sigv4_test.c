/* The examples of Amazon's own manuals, and what keys and tokens may hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/sigv4.h"

static const struct http_auth s3 = {
	.kind = HTTP_AUTH_SIGV4,
	.user = "AKIAIOSFODNN7EXAMPLE",
	.secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	.region = "us-east-1",
	.service = "s3",
};

enum { MAY_2013 = 1369353600 };

/* The Authorization line of the request. */
static const char *authorization(struct arena *a, const struct sigv4 *q)
{
	static const char *lines[SIGV4_LINES];
	struct err e = { 0 };
	size_t n = 0;

	assert_int_equal(sigv4_sign(lines, a, q, &e), 0);
	while (lines[n])
		n++;
	assert_true(n < SIGV4_LINES);
	return lines[n - 1];
}

static void expect(const struct sigv4 *q, const char *names, const char *signature)
{
	struct arena a = ARENA(1 << 20);
	const char *line = authorization(&a, q);

	assert_non_null(strstr(line, arena_print(&a, "SignedHeaders=%s,", names)));
	assert_non_null(strstr(line, arena_print(&a, "Signature=%s", signature)));
	arena_free(&a);
}

static void sigv4_signs_as_the_manual_of_s3_does(void **state)
{
	static const char *const range[] = { "Range: bytes=0-9", NULL };
	struct sigv4 q = {
		.auth = &s3,
		.method = "GET",
		.host = "examplebucket.s3.amazonaws.com",
		.path = STR("/test.txt"),
		.headers = range,
		.now = MAY_2013,
	};

	(void)state;
	expect(&q, "host;range;x-amz-content-sha256;x-amz-date",
		"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
	q.headers = NULL;
	q.path = STR("");
	q.query = STR("lifecycle");
	expect(&q, "host;x-amz-content-sha256;x-amz-date",
		"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
	/* In any order. */
	q.query = STR("prefix=J&max-keys=2");
	expect(&q, "host;x-amz-content-sha256;x-amz-date",
		"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void sigv4_signs_other_services(void **state)
{
	static const char *const type[] = {
		"Content-Type:  application/x-www-form-urlencoded; charset=utf-8", NULL
	};
	static const struct http_auth iam = {
		.kind = HTTP_AUTH_SIGV4,
		.user = "AKIDEXAMPLE",
		.secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
		.region = "us-east-1",
		.service = "iam",
	};
	const struct sigv4 q = {
		.auth = &iam,
		.method = "GET",
		.host = "iam.amazonaws.com",
		.path = STR("/"),
		.query = STR("Action=ListUsers&Version=2010-05-08"),
		.headers = type,
		.now = 1440938160,
	};

	(void)state;
	expect(&q, "content-type;host;x-amz-date",
		"5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

static void sigv4_knows_one_way_to_write_a_name(void **state)
{
	/* Each pair says the same to a server, so it has to sign the same. */
	static const struct {
		const char *path, *query, *same_path, *same_query;
	} same[] = {
		{ "/a~b", "", "/a%7Eb", "" },
		{ "/a%2bb", "", "/a+b", "" },
		{ "/\xc3\xa4", "", "/%C3%A4", "" },
		{ "/a", "p=%2B&q=%20", "/a", "q=+&p=%2b" },
		{ "/a", "a-b=1&a=2", "/a", "a=2&a-b=1" },
		{ "/a", "x", "/a", "&x=&" },
	};
	static const char *const differ[] = { "p=%2B", "p=%20", "p=%252B", "p=", "p=/", "p=a&p=b" };
	struct arena a = ARENA(1 << 20);
	struct sigv4 q = { .auth = &s3, .method = "GET", .host = "h", .now = MAY_2013 };

	(void)state;
	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		q.path = str_from(same[i].path);
		q.query = str_from(same[i].query);
		const char *one = authorization(&a, &q);
		q.path = str_from(same[i].same_path);
		q.query = str_from(same[i].same_query);
		assert_string_equal(one, authorization(&a, &q));
	}
	for (size_t i = 0; i < sizeof differ / sizeof *differ; i++) {
		for (size_t k = 0; k < i; k++) {
			q.query = str_from(differ[i]);
			const char *one = authorization(&a, &q);
			q.query = str_from(differ[k]);
			assert_string_not_equal(one, authorization(&a, &q));
		}
	}
	arena_free(&a);
}

static void sigv4_sends_the_token_and_signs_it(void **state)
{
	struct http_auth role = s3;
	const char *lines[SIGV4_LINES];
	struct arena a = ARENA(1 << 20);
	struct err e = { 0 };
	struct sigv4 q = { .auth = &role, .method = "GET", .host = "h", .now = MAY_2013 };

	(void)state;
	role.session = "tok en==";
	assert_int_equal(sigv4_sign(lines, &a, &q, &e), 0);
	assert_string_equal(lines[0], "Host: h");
	assert_string_equal(lines[1], "x-amz-date: 20130524T000000Z");
	assert_string_equal(lines[2], "x-amz-content-sha256: "
				      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852"
				      "b855");
	assert_string_equal(lines[3], "x-amz-security-token: tok en==");
	assert_non_null(strstr(lines[4], "x-amz-date;x-amz-security-token,"));
	assert_null(lines[5]);
	role.secret = NULL;
	assert_int_equal(sigv4_sign(lines, &a, &q, &e), ERR_USAGE);
	arena_free(&a);
}

static void sigv4_refuses_what_is_too_long(void **state)
{
	const char *lines[SIGV4_LINES];
	struct arena a = ARENA(1 << 20);
	struct err e = { 0 };
	struct sigv4 q = { .auth = &s3, .method = "GET", .host = "h", .now = MAY_2013 };
	char query[129 * 2 + 1];

	(void)state;
	for (size_t i = 0; i < sizeof query - 1; i++)
		query[i] = i % 2 ? '&' : 'x';
	query[sizeof query - 1] = 0;
	q.query = str_from(query);
	assert_int_equal(sigv4_sign(lines, &a, &q, &e), ERR_SPACE);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sigv4_signs_as_the_manual_of_s3_does),
		cmocka_unit_test(sigv4_signs_other_services),
		cmocka_unit_test(sigv4_knows_one_way_to_write_a_name),
		cmocka_unit_test(sigv4_sends_the_token_and_signs_it),
		cmocka_unit_test(sigv4_refuses_what_is_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
