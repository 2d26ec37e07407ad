#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/percent.h"
#include "source/s3_address.h"

static struct arena arena = ARENA(1 << 20);

static void addresses_name_bucket_key_and_version(void **state)
{
	static const struct {
		const char *text, *bucket, *key, *version;
		bool versions;
	} good[] = {
		{ "s3://b", "b", "", NULL, false },
		{ "S3://etcd-backup/", "etcd-backup", "", NULL, false },
		{ "s3://b/bare-metal/", "b", "bare-metal/", NULL, false },
		{ "s3://b/a b+c%2B%23.db", "b", "a b+c+#.db", NULL, false },
		{ "s3://b//lead/100%", "b", "/lead/100%", NULL, false },
		{ "s3://b/100%zz", "b", "100%zz", NULL, false },
		{ "s3://b/\xc3\xbc", "b", "\xc3\xbc", NULL, false },
		{ "s3://b/k?versionId=a%2Fb", "b", "k", "a/b", false },
		{ "s3://my.bucket_1/p/?versions", "my.bucket_1", "p/", NULL, true },
	};
	struct s3_address a;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(s3_address_parse(&a, &arena, str_from(good[i].text), &e), 0);
		assert_string_equal(a.bucket, good[i].bucket);
		assert_string_equal(a.key.p, good[i].key);
		assert_int_equal(a.key.len, strlen(good[i].key));
		assert_int_equal(a.versions, good[i].versions);
		if (good[i].version)
			assert_string_equal(a.version, good[i].version);
		else
			assert_null(a.version);
	}
}

static void addresses_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "s3:b/k", "an address of S3 is s3://BUCKET/PREFIX" },
		{ "s3:///k", "no bucket in the address; it is s3://BUCKET/PREFIX" },
		{ "s3://a!b/", "'a!b' is no name of a bucket: letters, digits, '.', '_' and '-'" },
		{ "s3://id:secret@b/", "take the keys out of the address and say where they are "
				       "with --credentials file:PATH (s3.credentials in a plan)" },
		{ "s3://id:secret/", "take the keys out of the address and say where they are with "
				     "--credentials file:PATH (s3.credentials in a plan)" },
		{ "s3://b/x#y", "write a '#' of the name as %23" },
		{ "s3://b/x\ny", "the address is too long or holds a control byte" },
		{ "s3://b/x%00y", "the address holds a control byte" },
		{ "s3://b/?versionId=1", "?versionId= needs the name of an object" },
		{ "s3://b/k?versionId=1&versions", "?versionId= and ?versions exclude each other" },
		{ "s3://b/k?X-Amz-Signature=secret",
			"a presigned address begins with https://, not with s3://" },
		{ "s3://b/k?secret=1",
			"only ?versionId=ID and ?versions may follow an s3:// address; write a '?' "
			"of the name as %3F" },
	};
	static char long_key[S3_KEY_MAX + 8] = "s3://b/";
	struct s3_address a = { 0 };
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(
			s3_address_parse(&a, &arena, str_from(bad[i].text), &e), ERR_USAGE);
		assert_string_equal(e.text, bad[i].why);
	}
	memset(long_key + 7, 'k', S3_KEY_MAX + 1);
	assert_int_equal(s3_address_parse(&a, &arena, (struct str){ long_key, S3_KEY_MAX + 8 }, &e),
		ERR_USAGE);
	assert_int_equal(
		s3_address_parse(&a, &arena, (struct str){ long_key, S3_KEY_MAX + 7 }, &e), 0);
	assert_string_equal(a.bucket, "b");
}

static const char *url(const char *text, const char *region, enum source_addressing addressing,
	const char *bucket, const char *key, const char *query)
{
	struct s3_endpoint p;
	struct err e;

	assert_int_equal(s3_endpoint_set(&p, &arena, text, region, addressing, bucket, &e), 0);
	return s3_endpoint_url(&arena, &p, bucket, str_from(key), query);
}

static void buckets_go_into_path_or_host(void **state)
{
	const enum source_addressing self = SOURCE_ADDRESSING_AUTO, path = SOURCE_ADDRESSING_PATH,
				     host = SOURCE_ADDRESSING_HOST;

	(void)state;
	assert_string_equal(
		url(NULL, NULL, self, "b", "k", NULL), "https://b.s3.us-east-1.amazonaws.com/k");
	assert_string_equal(url(NULL, "eu-central-1", path, "b", "k", NULL),
		"https://s3.eu-central-1.amazonaws.com/b/k");
	assert_string_equal(url("", "cn-north-1", self, "b", "", "list-type=2"),
		"https://b.s3.cn-north-1.amazonaws.com.cn/?list-type=2");
	/* No certificate for "*.s3..." covers these, or DNS does not know them. */
	assert_string_equal(url(NULL, NULL, self, "my.bucket", "k", NULL),
		"https://s3.us-east-1.amazonaws.com/my.bucket/k");
	assert_string_equal(url(NULL, NULL, self, "Old_Bucket", "k", NULL),
		"https://s3.us-east-1.amazonaws.com/Old_Bucket/k");
	assert_string_equal(url("https://rgw-vip.local", NULL, self, "b", "a b+\xc3\xbc/c", NULL),
		"https://rgw-vip.local/b/a%20b%2B%C3%BC/c");
	assert_string_equal(url("http://rgw.local:8080/", NULL, host, "b", "k", NULL),
		"http://b.rgw.local:8080/k");
	assert_string_equal(url("https://[2001:db8::1]:9000/s3//", NULL, self, "b", "k", NULL),
		"https://[2001:db8::1]:9000/s3/b/k");
}

static void regions_come_from_what_is_known(void **state)
{
	static const struct {
		const char *endpoint, *region, *is;
	} all[] = {
		{ NULL, NULL, "us-east-1" },
		{ NULL, "eu-west-1", "eu-west-1" },
		{ "https://rgw.local", NULL, "us-east-1" },
		{ "https://rgw.local", "default", "default" },
		{ "https://s3.eu-west-3.amazonaws.com", NULL, "eu-west-3" },
		{ "https://bucket.vpce-1.s3.ap-south-1.vpce.amazonaws.com", NULL, "ap-south-1" },
		{ "https://s3.dualstack.us-west-2.amazonaws.com", NULL, "us-west-2" },
		{ "https://s3.amazonaws.com", NULL, "us-east-1" },
	};
	struct s3_endpoint p;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		assert_int_equal(s3_endpoint_set(&p, &arena, all[i].endpoint, all[i].region,
					 SOURCE_ADDRESSING_AUTO, "b", &e),
			0);
		assert_string_equal(p.region, all[i].is);
	}
	/* Only AWS's own host follows the region. */
	s3_endpoint_move(&p, &arena, STR("eu-north-1"));
	assert_string_equal(p.host, "s3.amazonaws.com");
	assert_int_equal(
		s3_endpoint_set(&p, &arena, NULL, NULL, SOURCE_ADDRESSING_AUTO, "b", &e), 0);
	s3_endpoint_move(&p, &arena, STR("eu-north-1"));
	assert_string_equal(s3_endpoint_shown(&arena, &p), "https://s3.eu-north-1.amazonaws.com");
	assert_false(s3_region_is_one(STR("evil.example/x")));
	assert_false(s3_region_is_one(STR("")));
}

static void endpoints_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		const char *endpoint, *region, *why;
	} bad[] = {
		{ "rgw.local:8080", NULL,
			"the endpoint begins with https:// (or with http:// for one in the "
			"clear)" },
		{ "ftp://h", NULL, "the endpoint is of the form https://HOST[:PORT]" },
		{ "https://u:secret@h", NULL, "the endpoint is of the form https://HOST[:PORT]" },
		{ "https://h/?secret", NULL, "the endpoint is of the form https://HOST[:PORT]" },
		{ "https://h:70000", NULL,
			"endpoint: URL: the port is not a number from 1 to 65535" },
		{ "https://h", "a/b", "'a/b' is no name of a region" },
		{ "https://10.0.0.1", NULL,
			"addressing by host needs an endpoint with a name; with the address "
			"10.0.0.1 it can only be by path" },
	};
	struct s3_endpoint p;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(s3_endpoint_set(&p, &arena, bad[i].endpoint, bad[i].region,
					 SOURCE_ADDRESSING_HOST, "b", &e),
			ERR_USAGE);
		assert_string_equal(e.text, bad[i].why);
	}
}

/* What is printed parses to the same, whatever bytes a name has. */
static void printed_addresses_come_back(void **state)
{
	char key[256];
	struct s3_address a;
	struct err e;

	(void)state;
	for (int i = 0; i < 255; i++)
		key[i] = (char)(i + 1);
	key[255] = 0;
	const char *text = s3_address_print(&arena, "b", str_from(key));
	assert_int_equal(s3_address_parse(&a, &arena, str_from(text), &e), 0);
	assert_string_equal(a.key.p, key);
	const char *sent = s3_encode(&arena, str_from(key), false);
	const struct str back = percent_decode(&arena, str_from(sent));
	assert_string_equal(back.p, key);
	for (; *sent; sent++)
		assert_true(*sent > ' ' && *sent <= '~');
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
		cmocka_unit_test(addresses_name_bucket_key_and_version),
		cmocka_unit_test(addresses_that_make_no_sense_are_refused),
		cmocka_unit_test(buckets_go_into_path_or_host),
		cmocka_unit_test(regions_come_from_what_is_known),
		cmocka_unit_test(endpoints_that_make_no_sense_are_refused),
		cmocka_unit_test(printed_addresses_come_back),
	};
	return cmocka_run_group_tests(tests, NULL, end);
}
