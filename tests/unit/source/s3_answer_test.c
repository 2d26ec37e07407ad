#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "source/s3_answer.h"

static struct arena arena = ARENA(64 << 20);

static struct span bytes(const char *text)
{
	return (struct span){ (const uint8_t *)text, strlen(text) };
}

static void pages_of_the_second_version(void **state)
{
	struct s3_page p;
	struct err e;

	(void)state;
	assert_int_equal(s3_page_parse(&p, &arena,
				 bytes("<ListBucketResult><EncodingType>url</EncodingType>"
				       "<IsTruncated>true</IsTruncated>"
				       "<NextContinuationToken>1a+/=</NextContinuationToken>"
				       "<Contents><Key>a+b%2B%C3%BC.db</Key><Size>7</Size>"
				       "<LastModified>2026-11-20T18:00:07.123Z</LastModified>"
				       "<ETag>&quot;e1&quot;</ETag>"
				       "<StorageClass>STANDARD</StorageClass></Contents>"
				       "<Contents><Key>c</Key><Size>8</Size><ETag>e2</ETag>"
				       "<StorageClass>GLACIER</StorageClass></Contents>"
				       "<CommonPrefixes><Prefix>d+e/</Prefix></CommonPrefixes>"
				       "</ListBucketResult>"),
				 &e),
		0);
	assert_int_equal(p.n, 2);
	assert_true(str_is(p.v[0].key, "a b+\xc3\xbc.db"));
	assert_int_equal(p.v[0].size, 7);
	assert_int_equal(p.v[0].modified, 1795197607);
	assert_string_equal(p.v[0].etag, "\"e1\"");
	assert_null(p.v[0].storage);
	assert_string_equal(p.v[1].etag, "\"e2\"");
	assert_string_equal(p.v[1].storage, "GLACIER");
	assert_true(p.more);
	assert_string_equal(p.token, "1a+/=");
	assert_int_equal(p.n_below, 1);
	assert_string_equal(p.below[0], "d e/");
	assert_true(str_is(p.last, "c"));
}

static void pages_of_the_first_version_and_of_versions(void **state)
{
	struct s3_page p;
	struct err e;

	(void)state;
	assert_int_equal(s3_page_parse(&p, &arena,
				 bytes("<ListBucketResult><IsTruncated>true</IsTruncated>"
				       "<NextMarker>a+b</NextMarker><Contents><Key>a+b</Key>"
				       "</Contents></ListBucketResult>"),
				 &e),
		0);
	assert_string_equal(p.marker, "a+b");
	assert_null(p.token);
	assert_true(p.v[0].size == UINT64_MAX);
	assert_int_equal(s3_page_parse(&p, &arena,
				 bytes("<ListVersionsResult><IsTruncated>true</IsTruncated>"
				       "<NextKeyMarker>k</NextKeyMarker>"
				       "<NextVersionIdMarker>v2</NextVersionIdMarker>"
				       "<Version><Key>k</Key><VersionId>v3</VersionId>"
				       "<IsLatest>true</IsLatest></Version>"
				       "<DeleteMarker><Key>gone</Key></DeleteMarker>"
				       "<Version><Key>k</Key><VersionId>v2</VersionId>"
				       "<IsLatest>false</IsLatest></Version></ListVersionsResult>"),
				 &e),
		0);
	assert_int_equal(p.n, 2);
	assert_string_equal(p.marker, "k");
	assert_string_equal(p.marker_version, "v2");
	assert_string_equal(p.v[0].version, "v3");
	assert_false(p.v[0].old);
	assert_true(p.v[1].old);
}

static void pages_that_are_none(void **state)
{
	static char many[200000] = "<ListBucketResult>", token[8000];
	struct s3_page p;
	struct err e;
	size_t n = strlen(many);

	(void)state;
	assert_int_equal(s3_page_parse(&p, &arena, bytes("<Error/>"), &e), ERR_FORMAT);
	assert_string_equal(e.text, "the answer is a Error, not a listing");
	assert_int_equal(s3_page_parse(&p, &arena, bytes("{}"), &e), ERR_FORMAT);
	for (int i = 0; i < 1101; i++)
		n += (size_t)snprintf(
			many + n, sizeof many - n, "<Contents><Key>%d</Key></Contents>", i);
	snprintf(many + n, sizeof many - n, "</ListBucketResult>");
	assert_int_equal(s3_page_parse(&p, &arena, bytes(many), &e), ERR_SPACE);
	memset(many, 'k', sizeof many - 1);
	snprintf(token, sizeof token,
		"<ListBucketResult><NextContinuationToken>%.5000s</NextContinuationToken>"
		"</ListBucketResult>",
		many);
	assert_int_equal(s3_page_parse(&p, &arena, bytes(token), &e), ERR_FORMAT);
	snprintf(token, sizeof token,
		"<ListBucketResult><Contents><Key>%.1025s</Key></Contents></ListBucketResult>",
		many);
	assert_int_equal(s3_page_parse(&p, &arena, bytes(token), &e), ERR_FORMAT);
}

static void refusals_are_read_also_when_cut(void **state)
{
	struct http_response r = { .status = 400 };
	struct s3_refusal f;

	(void)state;
	snprintf(r.refusal, sizeof r.refusal,
		"<?xml version=\"1.0\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code>"
		"<Message>expecting 'eu-west-1'</Message><Region>eu-west-1</Region><StringToS");
	s3_refusal_parse(&f, &r);
	assert_string_equal(f.code, "AuthorizationHeaderMalformed");
	assert_string_equal(f.message, "expecting 'eu-west-1'");
	assert_string_equal(f.region, "eu-west-1");
	/* The header is what AWS means. */
	snprintf(r.region, sizeof r.region, "eu-west-2");
	s3_refusal_parse(&f, &r);
	assert_string_equal(f.region, "eu-west-2");
	snprintf(r.refusal, sizeof r.refusal,
		"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>");
	s3_refusal_parse(&f, &r);
	assert_string_equal(f.code, "AccessDenied");
	assert_false(f.web_page);
	snprintf(r.refusal, sizeof r.refusal, "\n<!DOCTYPE HTML>\n<html><body>403</body></html>");
	s3_refusal_parse(&f, &r);
	assert_true(f.web_page);
	assert_string_equal(f.code, "");
	*r.refusal = 0;
	s3_refusal_parse(&f, &r);
	assert_false(f.web_page);
}

static int end(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_of_the_second_version),
		cmocka_unit_test(pages_of_the_first_version_and_of_versions),
		cmocka_unit_test(pages_that_are_none),
		cmocka_unit_test(refusals_are_read_also_when_cut),
	};
	return cmocka_run_group_tests(tests, NULL, end);
}
