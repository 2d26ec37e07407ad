#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/pb.h"

static void pb_reads_back_what_it_wrote(void **state)
{
	CLEAN_BUF struct buf out = BUF(1000);
	struct codec_pb pb = CODEC_PB(&out);
	struct codec_pb_field f;
	struct err e = { 0 };

	(void)state;
	codec_pb_put_u64(&pb, 1, 0);
	codec_pb_put_u64(&pb, 2, 300);
	codec_pb_put_u64(&pb, 500, UINT64_MAX);
	codec_pb_put_bytes(&pb, 3, SPAN("value"));
	codec_pb_put_bytes(&pb, 4, SPAN(""));
	assert_int_equal(codec_pb_end(&pb, &e), 0);

	struct cursor in = { .in = buf_span(&out) };

	assert_int_equal(codec_pb_next(&f, &in, &e), 0);
	assert_true(f.number == 1 && f.wire == CODEC_PB_VARINT && f.value == 0);
	assert_int_equal(codec_pb_next(&f, &in, &e), 0);
	assert_true(f.number == 2 && f.value == 300);
	assert_int_equal(codec_pb_next(&f, &in, &e), 0);
	assert_true(f.number == 500 && f.value == UINT64_MAX);
	assert_int_equal(codec_pb_next(&f, &in, &e), 0);
	assert_true(f.number == 3 && f.wire == CODEC_PB_BYTES);
	assert_true(span_equal(f.bytes, SPAN("value")));
	assert_int_equal(codec_pb_next(&f, &in, &e), 0);
	assert_true(f.number == 4 && f.bytes.len == 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(codec_pb_next(&f, &in, &e), 0);
		assert_int_equal(f.number, 0);
	}
}

static void pb_reads_fixed_fields_little_endian(void **state)
{
	struct cursor in = { .in = SPAN("\x0d\1\2\3\4\x11\1\0\0\0\0\0\0\x80") };
	struct codec_pb_field f;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(codec_pb_next(&f, &in, &e), 0);
	assert_true(f.wire == CODEC_PB_FIXED32 && f.value == 0x04030201);
	assert_int_equal(codec_pb_next(&f, &in, &e), 0);
	assert_true(f.wire == CODEC_PB_FIXED64 && f.value == 0x8000000000000001);
}

static void pb_refuses_damage_and_says_where(void **state)
{
	static const struct {
		struct span in;
		const char *text;
	} wrong[] = {
		{ SPAN("\x08"), "protobuf message: number cut short at byte 1" },
		{ SPAN("\x08\x80"), "protobuf message: number cut short at byte 2" },
		{ SPAN("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02"),
			"protobuf message: number above 64 bits at byte 11" },
		{ SPAN("\x00\x01"), "protobuf message: field number out of range at byte 1" },
		{ SPAN("\x0b"), "protobuf message: unknown wire type at byte 1" },
		{ SPAN("\x0a\x05value"), NULL },
		{ SPAN("\x0a\x06value"), "protobuf message: field runs past the end at byte 2" },
		{ SPAN("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
			"protobuf message: field runs past the end at byte 11" },
		{ SPAN("\x09\1\2\3"), "protobuf message: field runs past the end at byte 1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct cursor in = { .in = wrong[i].in };
		struct codec_pb_field f;
		struct err e = { 0 };
		const int rc = codec_pb_next(&f, &in, &e);

		assert_int_equal(rc, wrong[i].text ? ERR_FORMAT : 0);
		if (wrong[i].text) {
			assert_string_equal(e.text, wrong[i].text);
			assert_int_equal(f.number, 0);
		}
	}
}

static void pb_reports_the_first_error_of_writing_at_its_end(void **state)
{
	CLEAN_BUF struct buf out = BUF(3);
	struct codec_pb pb = CODEC_PB(&out);
	struct err e;

	(void)state;
	codec_pb_put_bytes(&pb, 1, SPAN("four"));
	codec_pb_put_u64(&pb, 1, 1);
	assert_int_equal(codec_pb_end(&pb, &e), ERR_SPACE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pb_reads_back_what_it_wrote),
		cmocka_unit_test(pb_reads_fixed_fields_little_endian),
		cmocka_unit_test(pb_refuses_damage_and_says_where),
		cmocka_unit_test(pb_reports_the_first_error_of_writing_at_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
