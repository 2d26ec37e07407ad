/* What the metadata service answers, read; the talk with it is tested in tests/sources. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/monotonic.h"
#include "net/imds.h"

static void identity_is_read(void **state)
{
	struct imds_identity id;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(imds_read_identity(&id,
				 STR("{\"accountId\":\"123456789012\",\"availabilityZone\":\"eu-"
				     "central-1a\","
				     "\"instanceId\":\"i-0abc\",\"region\":\"eu-central-1\","
				     "\"instanceType\":\"m5.2xlarge\",\"kernelId\":null}"),
				 &e),
		0);
	assert_string_equal(id.instance, "i-0abc");
	assert_string_equal(id.zone, "eu-central-1a");
	assert_string_equal(id.region, "eu-central-1");
	assert_string_equal(id.account, "123456789012");
	assert_string_equal(id.type, "m5.2xlarge");
}

static void identity_that_would_become_part_of_a_host_name_is_looked_at(void **state)
{
	struct imds_identity id = { .region = "before" };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(imds_read_identity(&id,
				 STR("{\"availabilityZone\":\"a\",\"instanceId\":\"i-0abc\","
				     "\"region\":\"evil.example/\"}"),
				 &e),
		ERR_FORMAT);
	assert_string_equal(
		e.text, "the instance identity document does not name instance, region and zone");
	assert_string_equal(id.region, "before");
	assert_int_equal(imds_read_identity(&id, STR("[]"), &e), ERR_FORMAT);
	assert_string_equal(e.text, "the instance identity document is no JSON object");
	assert_int_equal(imds_read_identity(&id, STR("<html>"), &e), ERR_FORMAT);
	assert_int_equal(imds_read_identity(&id, STR(""), &e), ERR_FORMAT);
}

#define KEYS                                                                                       \
	"\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"s/+=\",\"Token\":\"t==\","                \
	"\"Expiration\":\"2026-11-21T20:00:00Z\"}"

static void credentials_are_read(void **state)
{
	struct imds_credentials c = { .role = "etcd" };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(imds_read_credentials(&c, STR("{\"Code\":\"Success\"," KEYS), &e), 0);
	assert_string_equal(c.role, "etcd");
	assert_string_equal(c.access, "ASIA1");
	assert_string_equal(c.secret, "s/+=");
	assert_string_equal(c.session, "t==");
	assert_int_equal(c.expires, 1795291200);
	/* Container endpoints answer without a Code. */
	assert_int_equal(imds_read_credentials(&c, STR("{" KEYS), &e), 0);
}

static void a_role_without_credentials_is_said(void **state)
{
	struct imds_credentials c = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(
		imds_read_credentials(&c, STR("{\"Code\":\"AssumeRoleUnauthorizedAccess\"}"), &e),
		ERR_AUTH);
	assert_string_equal(e.text,
		"the role of this instance has no credentials: AssumeRoleUnauthorizedAccess; look "
		"at "
		"its trust policy");
	assert_int_equal(imds_read_credentials(&c, STR("{\"Code\":\"Success\"}"), &e), ERR_FORMAT);
	/* A line end in a key would end a header and begin another. */
	assert_int_equal(
		imds_read_credentials(&c,
			STR("{\"AccessKeyId\":\"A\\nX\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
			    "\"Expiration\":\"2026-11-21T20:00:00Z\"}"),
			&e),
		ERR_FORMAT);
	assert_null(strstr(e.text, "AX"));
}

static void a_machine_without_the_service_loses_two_seconds_at_most(void **state)
{
	struct imds imds;
	struct err e = { 0 };
	int64_t took = INT64_MAX;

	(void)state;
	setenv("http_proxy", "http://127.0.0.1:9", 1);
	/* Once is a machine that was busy, and each time would be the program. */
	for (int i = 0; i < 5 && took > 2500; i++) {
		const int64_t begin = monotonic_ms();
		assert_int_equal(imds_open(&imds, "http://127.0.0.1:1", &e), ERR_NOTFOUND);
		took = monotonic_ms() - begin;
	}
	assert_in_range(took, 0, 2500);
	assert_non_null(strstr(e.text, "this is no EC2 instance"));
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	assert_int_equal(imds_open(&imds, NULL, &e), ERR_NOTFOUND);
	unsetenv("AWS_EC2_METADATA_DISABLED");
	assert_int_equal(imds_open(&imds, "file:///etc/passwd", &e), ERR_USAGE);
	unsetenv("http_proxy");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identity_is_read),
		cmocka_unit_test(identity_that_would_become_part_of_a_host_name_is_looked_at),
		cmocka_unit_test(credentials_are_read),
		cmocka_unit_test(a_role_without_credentials_is_said),
		cmocka_unit_test(a_machine_without_the_service_loses_two_seconds_at_most),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
