#include "segments.h"

/* Cut a log in two where its fifth record begins, as etcd does when a segment is full. */
static void two_segments(struct place *p, struct buf *bytes, uint32_t crc)
{
	CLEAN_BUF struct buf tail = BUF(1 << 20);
	uint8_t frame[16] = { [0] = 8, [8] = 8, [9] = 4, [10] = 0x10 };
	struct err e;

	golden(bytes, GOLDEN "etcd-3.5/1/member.wal");
	/* A CRC record of eight bytes: the last five are its checksum. */
	for (int i = 0; i < 5; i++)
		frame[11 + i] = (uint8_t)(crc >> 7 * i | (i < 4 ? 0x80 : 0));
	assert_int_equal(buf_add(&tail, frame, sizeof frame, &e), 0);
	assert_int_equal(buf_add(&tail, bytes->p + 200, bytes->len - 200, &e), 0);
	place_make(p);
	place_add(p, first, (struct span){ bytes->p, 200 });
	place_add(p, second, buf_span(&tail));
}

static void wal_chains_its_checksum_through_segments(void **state)
{
	CLEAN_BUF struct buf bytes = BUF(1 << 20);
	struct place p;
	struct err e = { 0 };
	bool torn;
	size_t n;

	(void)state;
	/* 0xdfe6995a is the value of the entry, the last record before the cut. */
	two_segments(&p, &bytes, 0xdfe6995a);
	assert_int_equal(read_all(&n, &torn, &p, &e), 0);
	assert_int_equal(n, 7);
	assert_false(torn);
	place_remove(&p);

	buf_clear(&bytes);
	two_segments(&p, &bytes, 0xdfe6995b);
	assert_int_equal(read_all(&n, &torn, &p, &e), ERR_MISMATCH);
	assert_string_equal(e.text,
		"0000000000000001-0000000000000006.wal: record at byte 0: it continues "
		"checksum dfe6995b, reached was dfe6995a");
	place_remove(&p);
}

static void wal_torn_before_its_last_segment_is_an_error(void **state)
{
	CLEAN_BUF struct buf bytes = BUF(1 << 20);
	struct place p;
	struct err e = { 0 };
	bool torn;
	size_t n;

	(void)state;
	two_segments(&p, &bytes, 0xdfe6995a);
	CLOSE_FD int fd = openat(p.fd, first, O_WRONLY | O_CLOEXEC);

	assert_int_equal(ftruncate(fd, 190), 0);
	assert_int_equal(read_all(&n, &torn, &p, &e), ERR_FORMAT);
	assert_string_equal(e.text,
		"0000000000000000-0000000000000000.wal: record at byte 80: it is longer than the "
		"file");
	place_remove(&p);
}

static void wal_with_a_segment_missing_is_refused(void **state)
{
	struct place p;
	struct err e = { 0 };
	bool torn;
	size_t n;

	(void)state;
	place_make(&p);
	assert_int_equal(read_all(&n, &torn, &p, &e), ERR_NOTFOUND);
	place_add(&p, "0.tmp", SPAN("x"));
	place_add(&p, first, SPAN("x"));
	place_add(&p, "0000000000000002-0000000000000009.wal", SPAN("x"));
	assert_int_equal(read_all(&n, &torn, &p, &e), ERR_FORMAT);
	assert_string_equal(e.text,
		"a segment is missing between 0000000000000000-0000000000000000.wal and "
		"0000000000000002-0000000000000009.wal");
	place_remove(&p);
}

static void wal_of_segments_that_cannot_follow_each_other_is_refused(void **state)
{
	static const char *const later[] = { second, "0000000000000002-0000000000000005.wal" };
	CLEAN_BUF struct buf bytes = BUF(1 << 20);
	struct place p;
	struct err e = { 0 };
	bool torn;
	size_t n;

	(void)state;
	golden(&bytes, GOLDEN "etcd-3.5/1/member.wal");
	place_make(&p);
	place_add(&p, later[0], buf_span(&bytes));
	place_add(&p, later[1], buf_span(&bytes));
	assert_int_equal(read_all(&n, &torn, &p, &e), ERR_FORMAT);
	assert_string_equal(e.text, "0000000000000002-0000000000000005.wal begins before "
				    "0000000000000001-0000000000000006.wal");
	place_remove(&p);
	place_make(&p);
	place_add(&p, first, SPAN(""));
	place_add(&p, second, buf_span(&bytes));
	assert_int_equal(read_all(&n, &torn, &p, &e), ERR_FORMAT);
	assert_string_equal(e.text, "0000000000000000-0000000000000000.wal is empty");
	place_remove(&p);
	place_make(&p);
	assert_int_equal(mkdirat(p.fd, first, 0700), 0);
	assert_int_equal(read_all(&n, &torn, &p, &e), ERR_FORMAT);
	assert_string_equal(e.text, "0000000000000000-0000000000000000.wal is not a file");
	unlinkat(p.fd, first, AT_REMOVEDIR);
	place_remove(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wal_chains_its_checksum_through_segments),
		cmocka_unit_test(wal_torn_before_its_last_segment_is_an_error),
		cmocka_unit_test(wal_with_a_segment_missing_is_refused),
		cmocka_unit_test(wal_of_segments_that_cannot_follow_each_other_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
