#include "golden.h"

#include "etcd/snapfile.h"

static void snapfile_is_what_etcdutl_writes(void **state)
{
	static const struct {
		int n;
		const char *path;
	} cases[] = {
		{ 1, GOLDEN "etcd-3.4/1/member.snap" },
		{ 3, GOLDEN "etcd-3.4/3/member.snap" },
		{ 5, GOLDEN "etcd-3.4/5/member.snap" },
		{ 1, GOLDEN "etcd-3.5/1/member.snap" },
		{ 3, GOLDEN "etcd-3.5/3/member.snap" },
		{ 5, GOLDEN "etcd-3.5/5/member.snap" },
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
		assert_int_equal(etcd_snapfile_encode(&ours, &c, &e), 0);
		assert_int_equal(ours.len, theirs.len);
		assert_memory_equal(ours.p, theirs.p, ours.len);
		arena_free(&a);
	}
}

static void snapfile_of_a_server_is_read(void **state)
{
	static const struct {
		const char *path;
		uint64_t index;
	} cases[] = {
		{ GOLDEN "etcd-3.4/source/0000000000000002-0000000000000010.snap", 0x10 },
		{ GOLDEN "etcd-3.5/source/0000000000000002-0000000000000020.snap", 0x20 },
		{ GOLDEN "etcd-3.6/source/0000000000000002-0000000000000020.snap", 0x20 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		CLEAN_BUF struct buf bytes = BUF(1 << 20);
		struct etcd_snapfile f;
		struct err e;

		assert_int_equal(etcd_snapfile_read(&f, &bytes, AT_FDCWD, cases[i].path, &e), 0);
		assert_true(f.snapshot.term == 2 && f.snapshot.index == cases[i].index);
		assert_true(f.snapshot.conf_state.n_voters == 1);
		assert_true(f.snapshot.conf_state.voters[0] == 0x8425f172696c3d59);
		assert_true(f.snapshot.data.p[0] == '{');
	}
}

static void snapfile_with_any_bit_flipped_is_refused(void **state)
{
	CLEAN_BUF struct buf bytes = BUF(1 << 20);
	struct etcd_snapfile f;
	struct err e;

	(void)state;
	golden(&bytes, GOLDEN "etcd-3.5/1/member.snap");
	for (size_t at = 0; at < bytes.len * 8; at++) {
		bytes.p[at / 8] ^= (uint8_t)(1U << at % 8);
		assert_true(etcd_snapfile_parse(&f, buf_span(&bytes), &e) < 0);
		bytes.p[at / 8] ^= (uint8_t)(1U << at % 8);
	}
	assert_int_equal(etcd_snapfile_parse(&f, buf_span(&bytes), &e), 0);
}

static void snapfile_cut_anywhere_is_refused(void **state)
{
	CLEAN_BUF struct buf bytes = BUF(1 << 20);
	struct etcd_snapfile f;
	struct err e;

	(void)state;
	golden(&bytes, GOLDEN "etcd-3.5/1/member.snap");
	for (size_t len = 0; len < bytes.len; len++)
		assert_true(etcd_snapfile_parse(&f, (struct span){ bytes.p, len }, &e) < 0);
	assert_int_equal(etcd_snapfile_parse(&f, SPAN(""), &e), ERR_FORMAT);
	assert_string_equal(e.text, "the file is empty");
	assert_int_equal(etcd_snapfile_parse(&f, SPAN("\x08\1"), &e), ERR_FORMAT);
	assert_string_equal(e.text, "no data in it");
	assert_int_equal(etcd_snapfile_parse(&f, SPAN("\x12\1x"), &e), ERR_FORMAT);
	assert_string_equal(e.text, "no checksum in it");
}

static void snapfile_knows_its_name(void **state)
{
	uint64_t term, index;

	(void)state;
	assert_true(etcd_snapfile_name(&term, &index, "000000000000000a-0000000000000010.snap"));
	assert_true(term == 10 && index == 16);
	assert_false(etcd_snapfile_name(&term, &index, "000000000000000a-000000000000010.snap"));
	assert_false(
		etcd_snapfile_name(&term, &index, "000000000000000a-0000000000000010.snap.db"));
	assert_false(etcd_snapfile_name(&term, &index, "0000000000000010.snap.db"));
	assert_false(etcd_snapfile_name(&term, &index, "000000000000000x-0000000000000010.snap"));
}

static void snapfile_created_in_a_directory_reads_back(void **state)
{
	static const char name[] = "0000000000000001-0000000000000003.snap";
	static const char other[] = "0000000000000001-0000000000000004.snap";
	char path[] = "../build/snapfile_test.XXXXXX";
	struct arena a = ARENA(1 << 20);
	CLEAN_BUF struct buf bytes = BUF(1 << 20);
	const struct etcd_member *own;
	struct etcd_snapfile f;
	struct etcd_cluster c;
	struct stat st;
	struct err e;

	(void)state;
	cluster_of(&c, &own, &a, 3);
	assert_non_null(mkdtemp(path));
	CLOSE_FD int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(etcd_snapfile_create(dir, &c, &e), 0);
	assert_int_equal(fstatat(dir, name, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(etcd_snapfile_read(&f, &bytes, dir, name, &e), 0);
	assert_true(f.snapshot.index == 3 && f.snapshot.conf_state.n_voters == 3);
	assert_int_equal(etcd_snapfile_create(dir, &c, &e), ERR_IO);
	assert_int_equal(renameat(dir, name, dir, other), 0);
	assert_int_equal(etcd_snapfile_read(&f, &bytes, dir, other, &e), ERR_MISMATCH);
	assert_string_equal(e.text,
		"0000000000000001-0000000000000004.snap: the name says term 1 and index 4, the "
		"content term 1 and index 3");
	assert_int_equal(etcd_snapfile_read(&f, &bytes, dir, name, &e), ERR_NOTFOUND);
	unlinkat(dir, other, 0);
	rmdir(path);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snapfile_is_what_etcdutl_writes),
		cmocka_unit_test(snapfile_of_a_server_is_read),
		cmocka_unit_test(snapfile_with_any_bit_flipped_is_refused),
		cmocka_unit_test(snapfile_cut_anywhere_is_refused),
		cmocka_unit_test(snapfile_knows_its_name),
		cmocka_unit_test(snapfile_created_in_a_directory_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
