#include "segments.h"

static void wal_is_what_etcdutl_writes(void **state)
{
	static const struct {
		int n;
		const char *path;
	} cases[] = {
		{ 1, GOLDEN "etcd-3.5/1/member.wal" },
		{ 3, GOLDEN "etcd-3.5/3/member.wal" },
		{ 5, GOLDEN "etcd-3.5/5/member.wal" },
		{ 1, GOLDEN "etcd-3.6/1/member.wal" },
		{ 3, GOLDEN "etcd-3.6/3/member.wal" },
		{ 5, GOLDEN "etcd-3.6/5/member.wal" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct arena a = ARENA(1 << 20);
		CLEAN_BUF struct buf theirs = BUF(1 << 20);
		CLEAN_BUF struct buf ours = BUF(1 << 20);
		const struct etcd_member *own;
		struct etcd_cluster c;
		struct err e;

		cluster_of(&c, &own, &a, cases[i].n);
		golden(&theirs, cases[i].path);
		assert_int_equal(etcd_wal_encode(&ours, &c, own, &e), 0);
		assert_int_equal(ours.len, theirs.len);
		assert_memory_equal(ours.p, theirs.p, ours.len);
		arena_free(&a);
	}
}

static void wal_of_a_server_is_read_to_its_end(void **state)
{
	static const char *const paths[] = { GOLDEN "etcd-3.4/source/wal",
		GOLDEN "etcd-3.5/source/wal", GOLDEN "etcd-3.6/source/wal" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		CLEAN_BUF struct buf bytes = BUF(1 << 20);
		struct err e = { 0 };
		bool torn;
		size_t n;

		golden(&bytes, paths[i]);
		assert_int_equal(read_bytes(&n, &torn, buf_span(&bytes), &e), 0);
		assert_false(torn);
		assert_true(n > 30);
		/* Preallocated space ends the log as well as the end of the file does. */
		uint8_t *zeros;

		assert_int_equal(buf_extend(&zeros, &bytes, 4096, &e), 0);
		memset(zeros, 0, 4096);
		size_t again;

		assert_int_equal(read_bytes(&again, &torn, buf_span(&bytes), &e), 0);
		assert_int_equal(again, n);
		assert_false(torn);
	}
}

static void wal_created_in_a_directory_reads_back(void **state)
{
	struct arena a = ARENA(1 << 20);
	const struct etcd_member *own;
	struct etcd_cluster c;
	struct place p;
	struct stat st;
	struct err e = { 0 };
	bool torn;
	size_t n;

	(void)state;
	cluster_of(&c, &own, &a, 3);
	place_make(&p);
	assert_int_equal(etcd_wal_create(p.fd, &c, own, &e), 0);
	snprintf(p.names[p.n++], ETCD_WAL_NAME, "%s", first);
	assert_int_equal(fstatat(p.fd, first, &st, 0), 0);
	assert_int_equal(st.st_size, ETCD_WAL_SEGMENT_SIZE);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(read_all(&n, &torn, &p, &e), 0);
	assert_int_equal(n, 8);
	assert_int_equal(etcd_wal_create(p.fd, &c, own, &e), ERR_IO);
	place_remove(&p);
	arena_free(&a);
}

static void wal_cut_anywhere_is_a_torn_tail_and_never_an_error(void **state)
{
	CLEAN_BUF struct buf bytes = BUF(1 << 20);
	size_t before = 0, n;
	struct err e = { 0 };
	bool torn;

	(void)state;
	golden(&bytes, GOLDEN "etcd-3.5/3/member.wal");
	for (size_t len = 1; len < bytes.len; len++) {
		assert_int_equal(read_bytes(&n, &torn, (struct span){ bytes.p, len }, &e), 0);
		assert_int_equal(e.code, ERR_OK);
		/* Whole again only where a record ends. */
		assert_true(torn || n == before + 1);
		assert_true(n == before || n == before + 1);
		before = n;
	}
	assert_int_equal(before, 7);
}

static void wal_with_a_sector_never_written_is_a_torn_tail(void **state)
{
	CLEAN_BUF struct buf bytes = BUF(1 << 20);
	struct err e = { 0 };
	bool torn;
	size_t n;

	(void)state;
	golden(&bytes, GOLDEN "etcd-3.5/5/member.wal");
	/* The second sector holds the end of the fifth entry and all that follows. */
	memset(bytes.p + 512, 0, bytes.len - 512);
	assert_int_equal(read_bytes(&n, &torn, buf_span(&bytes), &e), 0);
	assert_true(torn && !e.code);
	assert_int_equal(n, 6);
}

static void wal_with_any_bit_flipped_never_reads_as_whole(void **state)
{
	CLEAN_BUF struct buf bytes = BUF(1 << 20);
	size_t harmless = 0, n;
	bool torn;

	(void)state;
	golden(&bytes, GOLDEN "etcd-3.5/1/member.wal");
	for (size_t at = 0; at < bytes.len * 8; at++) {
		struct err e = { 0 };

		bytes.p[at / 8] ^= (uint8_t)(1U << at % 8);
		const int rc = read_bytes(&n, &torn, buf_span(&bytes), &e);

		if (!rc && !torn && n == 6) {
			harmless++;
		} else if (rc) {
			assert_true(rc == ERR_FORMAT || rc == ERR_MISMATCH);
			assert_non_null(strstr(e.text, "0000000000000000-0000000000000000.wal: "
						       "record at byte "));
		}
		bytes.p[at / 8] ^= (uint8_t)(1U << at % 8);
	}
	/* Padding bytes are not covered by the checksum, nor are unused bits of a length. */
	assert_in_range(harmless, 1, 8 * 8 * 6);
}

static void wal_names_the_record_that_is_wrong(void **state)
{
	CLEAN_BUF struct buf bytes = BUF(1 << 20);
	struct err e = { 0 };
	bool torn;
	size_t n;

	(void)state;
	golden(&bytes, GOLDEN "etcd-3.5/1/member.wal");
	bytes.p[100] ^= 1;
	assert_int_equal(read_bytes(&n, &torn, buf_span(&bytes), &e), ERR_MISMATCH);
	assert_int_equal(n, 3);
	assert_string_equal(e.text,
		"0000000000000000-0000000000000000.wal: record at byte 80: checksum says "
		"dfe6995a, the data gives 16c900d7");
}

static void wal_record_larger_than_any_is_refused(void **state)
{
	struct place p;
	struct err e = { 0 };
	bool torn;
	size_t n;

	(void)state;
	place_make(&p);
	place_add(&p, first, SPAN("\0\0\0\x10\0\0\0\0"));
	CLOSE_FD int fd = openat(p.fd, first, O_WRONLY | O_CLOEXEC);

	/* A file with a hole: there is no such record, but a length that claims it. */
	assert_int_equal(ftruncate(fd, 300 << 20), 0);
	assert_int_equal(read_all(&n, &torn, &p, &e), ERR_UNSUPPORTED);
	assert_string_equal(e.text,
		"0000000000000000-0000000000000000.wal: record at byte 0: it is longer than 128 "
		"MiB");
	place_remove(&p);
}

static void wal_file_is_read_whatever_its_name(void **state)
{
	CLEAN_ROOT struct root golden_dir = NO_ROOT;
	CLEAN_WAL struct etcd_wal_reader wal = NO_WAL;
	CLEAN_WAL struct etcd_wal_reader none = NO_WAL;
	struct arena a = ARENA(1 << 20);
	struct etcd_wal_record r = { .type = ETCD_WAL_CRC };
	const char *words[] = { "crc", "metadata", "snapshot", "entry", "state", "snapshot",
		"end" };
	char longest[300];
	struct err e;

	(void)state;
	assert_int_equal(root_open(&golden_dir, GOLDEN "etcd-3.5/1", &e), 0);
	assert_int_equal(etcd_wal_open_file(&wal, golden_dir.fd, "member.wal", &a, &e), 0);
	for (size_t i = 0; r.type != ETCD_WAL_END; i++) {
		assert_int_equal(etcd_wal_next(&r, &wal, &e), 0);
		assert_string_equal(etcd_wal_type_word(r.type), words[i]);
	}
	assert_int_equal(etcd_wal_open_file(&none, golden_dir.fd, "nothing", &a, &e), 0);
	assert_int_equal(etcd_wal_next(&r, &none, &e), ERR_NOTFOUND);
	memset(longest, 'x', sizeof longest);
	longest[sizeof longest - 1] = 0;
	assert_int_equal(etcd_wal_open_file(&none, golden_dir.fd, longest, &a, &e), ERR_USAGE);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wal_is_what_etcdutl_writes),
		cmocka_unit_test(wal_of_a_server_is_read_to_its_end),
		cmocka_unit_test(wal_created_in_a_directory_reads_back),
		cmocka_unit_test(wal_cut_anywhere_is_a_torn_tail_and_never_an_error),
		cmocka_unit_test(wal_with_a_sector_never_written_is_a_torn_tail),
		cmocka_unit_test(wal_with_any_bit_flipped_never_reads_as_whole),
		cmocka_unit_test(wal_names_the_record_that_is_wrong),
		cmocka_unit_test(wal_record_larger_than_any_is_refused),
		cmocka_unit_test(wal_file_is_read_whatever_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
