#include "fixture.h"

/* The document's vector: what a real server wrote. */
static const uint8_t vector[80] = { 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0xed, 0xda,
	0x0c, 0xed, 2, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 5, 0, 0, 0, 0, 0, 0, 0, 0x0b, 0, 0, 0,
	0, 0, 0, 0, 0x0e, 0x9d, 0x27, 0x7f, 0x24, 0x07, 0x33, 0xef };

static void a_real_meta_page_reads_and_writes_back(void **state)
{
	uint8_t page[4096];
	struct bolt_meta meta;
	struct err e;

	(void)state;
	assert_int_equal(bolt_meta_parse(&meta, (struct span){ vector, sizeof vector }, &e), 0);
	assert_int_equal(meta.page_size, 4096);
	assert_int_equal(meta.root, 3);
	assert_true(meta.freelist == BOLT_NO_FREELIST);
	assert_int_equal(meta.pgid, 5);
	assert_int_equal(meta.txid, 11);
	bolt_meta_write(page, &meta);
	assert_memory_equal(page + 16, vector + 16, 64);
	assert_int_equal(page[0], 1); /* txid 11 goes to page 1 */
}

static void every_flipped_bit_is_refused(void **state)
{
	(void)state;
	for (size_t bit = 16 * 8; bit < sizeof vector * 8; bit++) {
		uint8_t bytes[sizeof vector];
		struct bolt_meta meta;
		struct err e;
		memcpy(bytes, vector, sizeof bytes);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(bolt_meta_parse(&meta, (struct span){ bytes, sizeof bytes }, &e),
			ERR_FORMAT);
	}
}

static void the_newer_of_two_counts_and_the_other_helps_out(void **state)
{
	static const uint32_t sizes[] = { 1024, 4096, 16384, 65536 };
	struct bolt_meta meta;
	struct err e, other;
	unsigned index;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		CLOSE_FD int fd = fixture_empty(sizes[i], false);
		const uint64_t size = 4 * (uint64_t)sizes[i];
		assert_int_equal(bolt_meta_read(&meta, &index, &other, fd, size, &e), 0);
		assert_int_equal(index, 1);
		assert_int_equal(other.code, 0);

		assert_int_equal(file_write_at(fd, "x", 1, sizes[i] + 60, &e), 0);
		assert_int_equal(bolt_meta_read(&meta, &index, &other, fd, size, &e), 0);
		assert_int_equal(index, 0);
		assert_string_equal(other.text, "wrong checksum");
	}
	for (size_t i = 0; i < 4; i++) {
		CLOSE_FD int fd = fixture_empty(sizes[i], false);
		const uint64_t size = 4 * (uint64_t)sizes[i];
		assert_int_equal(file_write_at(fd, "x", 1, 16, &e), 0);
		assert_int_equal(bolt_meta_read(&meta, &index, &other, fd, size, &e), 0);
		assert_int_equal(index, 1);
		assert_int_equal(meta.page_size, sizes[i]);
		assert_string_equal(other.text, "not a bbolt meta page");

		assert_int_equal(file_write_at(fd, "x", 1, sizes[i] + 16, &e), 0);
		assert_int_equal(bolt_meta_read(&meta, &index, &other, fd, size, &e), ERR_FORMAT);
	}
}

/* bbolt reads such a page when it opens the file, and panics over it when it checks. */
static void an_odd_header_is_told(void **state)
{
	CLOSE_FD int fd = fixture_empty(4096, false);
	struct bolt_meta meta;
	struct err e = { 0 }, other;
	unsigned index;

	(void)state;
	file_write_at(fd, "\x07", 1, 0, &e);
	assert_int_equal(bolt_meta_read(&meta, &index, &other, fd, 4 * 4096, &e), 0);
	assert_int_equal(index, 1);
	assert_string_equal(other.text, "page 0 says it is page 7");
	file_write_at(fd, "\0", 1, 0, &e);
	file_write_at(fd, "\x02", 1, 4096 + 8, &e);
	assert_int_equal(bolt_meta_read(&meta, &index, &other, fd, 4 * 4096, &e), 0);
	assert_int_equal(index, 1);
	assert_string_equal(other.text, "page 1: kind 0x2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_real_meta_page_reads_and_writes_back),
		cmocka_unit_test(every_flipped_bit_is_refused),
		cmocka_unit_test(the_newer_of_two_counts_and_the_other_helps_out),
		cmocka_unit_test(an_odd_header_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
