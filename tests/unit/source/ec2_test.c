#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "source/ec2.h"

#define XML(text) SPAN("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" text)

static void snapshots_are_read(void **state)
{
	struct arena a = ARENA(64 << 20);
	struct ec2_snapshot *v;
	const char *more;
	struct err e = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(
		ec2_read_snapshots(&v, &n, &more, &a,
			XML("<DescribeSnapshotsResponse "
			    "xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">"
			    "<requestId>59dbff89</requestId><snapshotSet><item>"
			    "<snapshotId>snap-0a</snapshotId><volumeId>vol-0b</volumeId>"
			    "<status>completed</status><startTime>2026-11-20T18:00:30.000Z</"
			    "startTime>"
			    "<progress>100%</progress><volumeSize>20</volumeSize><tagSet>"
			    "<item><key>a</key><value>b &amp; c</value></item></tagSet></item>"
			    "<item><snapshotId>snap-0c</snapshotId><volumeId>vol-ffffffff</"
			    "volumeId>"
			    "<status>pending</status><progress>45%</progress></item>"
			    "</snapshotSet><nextToken>more==</nextToken></"
			    "DescribeSnapshotsResponse>"),
			&e),
		0);
	assert_int_equal(n, 2);
	assert_string_equal(v[0].id, "snap-0a");
	assert_string_equal(v[0].volume, "vol-0b");
	assert_int_equal(v[0].size, (uint64_t)20 << 30);
	assert_int_equal(v[0].started, 1795197630);
	assert_string_equal(ec2_tag(v[0].tags, v[0].n_tags, "a"), "b & c");
	assert_null(ec2_tag(v[0].tags, v[0].n_tags, "b"));
	assert_string_equal(v[1].state, "pending");
	assert_int_equal(v[1].n_tags, 0);
	assert_string_equal(more, "more==");
	arena_free(&a);
}

static void volumes_are_read(void **state)
{
	struct arena a = ARENA(64 << 20);
	struct ec2_volume *v;
	const char *more = "x";
	struct err e = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(
		ec2_read_volumes(&v, &n, &more, &a,
			XML("<DescribeVolumesResponse><volumeSet><item><volumeId>vol-01</volumeId>"
			    "<size>8</size><snapshotId/><availabilityZone>z</availabilityZone>"
			    "<status>in-use</status><attachmentSet><item><volumeId>vol-01</"
			    "volumeId>"
			    "<instanceId>i-1</instanceId><device>/dev/sdf</device>"
			    "<status>attaching</status></item></attachmentSet></item></volumeSet>"
			    "</DescribeVolumesResponse>"),
			&e),
		0);
	assert_int_equal(n, 1);
	assert_int_equal(v->n_attached, 1);
	assert_string_equal(v->attached->device, "/dev/sdf");
	assert_string_equal(v->attached->state, "attaching");
	assert_string_equal(v->snapshot, "");
	assert_null(more);
	arena_free(&a);
}

static void what_is_no_id_is_refused(void **state)
{
	struct arena a = ARENA(64 << 20);
	struct ec2_volume *v;
	const char *more;
	char id[EC2_ID] = "";
	struct err e = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(ec2_read_volumes(&v, &n, &more, &a,
				 XML("<DescribeVolumesResponse><volumeSet><item><volumeId>vol-0 "
				     "1</volumeId></item></volumeSet></DescribeVolumesResponse>"),
				 &e),
		ERR_FORMAT);
	assert_string_equal(e.text, "EC2's answer has a volume without an id");
	assert_int_equal(ec2_read_created(id, XML("<Response/>"), &e), ERR_FORMAT);
	assert_string_equal(e.text, "EC2's answer is no CreateVolumeResponse");
	assert_int_equal(ec2_read_created(id,
				 XML("<CreateVolumeResponse><volumeId>../x</volumeId></"
				     "CreateVolumeResponse>"),
				 &e),
		ERR_FORMAT);
	assert_string_equal(id, "");
	assert_int_equal(ec2_read_created(id,
				 XML("<CreateVolumeResponse><volumeId>vol-7</volumeId></"
				     "CreateVolumeResponse>"),
				 &e),
		0);
	assert_string_equal(id, "vol-7");
	arena_free(&a);
}

static void refusals_are_read_also_when_cut_off(void **state)
{
	char code[64], message[256];

	(void)state;
	ec2_read_refusal(code, message,
		SPAN("<?xml?><Response><Errors><Error><Code>UnauthorizedOperation</"
		     "Code><Message>You "
		     "are not authorized to perform this operation. Encoded authorization failure "
		     "message: abcdef"));
	assert_string_equal(code, "UnauthorizedOperation");
	assert_string_equal(message, "You are not authorized to perform this operation");
	ec2_read_refusal(code, message,
		SPAN("<Code>SignatureDoesNotMatch</Code><Message>It does not match.\n\nThe "
		     "Canonical "
		     "String should have been\nx-amz-security-token:hunter2</Message>"));
	assert_string_equal(message, "It does not match");
	ec2_read_refusal(code, message, SPAN("<Response><Errors><Error><Co"));
	assert_string_equal(code, "");
	assert_string_equal(message, "");
	ec2_read_refusal(code, message, SPAN("<Code>A\x1b[2J</Code>"));
	assert_string_equal(code, "A?[2J");
}

static void device_names_are_those_ebs_may_have(void **state)
{
	char name[16];
	unsigned n = 0;

	(void)state;
	assert_string_equal(ec2_device_name(name, 0), "/dev/sdf");
	assert_string_equal(ec2_device_name(name, 10), "/dev/sdp");
	assert_string_equal(ec2_device_name(name, 11), "/dev/xvdba");
	assert_string_equal(ec2_device_name(name, 37), "/dev/xvdca");
	while (ec2_device_name(name, n))
		n++;
	assert_int_equal(n, 63);
	assert_string_equal(name, "/dev/xvdcz");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snapshots_are_read),
		cmocka_unit_test(volumes_are_read),
		cmocka_unit_test(what_is_no_id_is_refused),
		cmocka_unit_test(refusals_are_read_also_when_cut_off),
		cmocka_unit_test(device_names_are_those_ebs_may_have),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
