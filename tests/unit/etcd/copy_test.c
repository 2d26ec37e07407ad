#include "../bolt/fixture.h"

#include "etcd/copy.h"

/* A stream that hands out what it likes. */
struct feed {
	const uint8_t *p;
	size_t len, at, step, fail_at;
};

static int read_stream(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	struct feed *s = ctx;
	size_t n = s->len - s->at;

	if (s->fail_at && s->at >= s->fail_at)
		return err_set(e, ERR_NET, "the line is dead");
	n = n < s->step ? n : s->step;
	n = n < room ? n : room;
	memcpy(bytes, s->p + s->at, n);
	s->at += n;
	*got = n;
	return 0;
}

static uint8_t *noise(size_t len)
{
	uint8_t *p = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 2654435761u >> 13);
	return p;
}

static void check_sums(const struct codec_block_sums *sums, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < sums->n; i++) {
		const size_t at = i * CODEC_BLOCK;
		const size_t n = len - at < CODEC_BLOCK ? len - at : CODEC_BLOCK;
		const struct codec_block_sum want = codec_block_sum((struct span){ p + at, n });
		assert_memory_equal(&sums->v[i], &want, sizeof want);
	}
}

/* Cut, changed in front and grown, as an edited database is: all sums are those of the file. */
static void sums_follow_what_was_changed(void **state)
{
	static const struct {
		size_t len, same, size;
	} cases[] = { { 5 << 20, 5 << 20, 5 << 20 }, { (5 << 20) + 32, 5 << 20, 5 << 20 },
		{ 5 << 20, (3 << 20) + 8192, (3 << 20) + 20480 }, { 100, 64, 4 << 20 },
		{ (2 << 20) + 5, 2 << 20, (7 << 20) + 1 }, { 4096, 0, 4096 } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		CLEAN_BLOCK_SUMS struct codec_block_sums sums = { 0 };
		struct etcd_copied copied = { .sums = &sums };
		uint8_t *p = noise(8 << 20);
		struct feed s = { .p = p, .len = cases[i].len, .step = 1 << 20 };
		const struct stream source = { read_stream, NULL, &s, 0 };
		CLOSE_FD int to = memfd_create("copy", MFD_CLOEXEC);
		struct err e = { 0 };

		assert_int_equal(etcd_copy(&copied, to, &source, NULL, "test", &e), 0);
		p[5] ^= 1;
		for (size_t at = cases[i].same; at < cases[i].size; at++)
			p[at] ^= 0x55;
		assert_int_equal(ftruncate(to, (off_t)cases[i].same), 0);
		assert_int_equal(file_write_at(to, p, 10, 0, &e), 0);
		assert_int_equal(file_write_at(to, p + cases[i].same, cases[i].size - cases[i].same,
					 cases[i].same, &e),
			0);
		assert_int_equal(
			etcd_copy_sum_again(&sums, to, cases[i].same, cases[i].size, &e), 0);
		assert_int_equal(sums.n, (cases[i].size + CODEC_BLOCK - 1) / CODEC_BLOCK);
		check_sums(&sums, p, cases[i].size);
		free(p);
	}
}

static void any_length_in_any_steps(void **state)
{
	static const size_t lens[] = { 0, 1, 31, 32, 33, 4096, (1 << 20) - 1, 1 << 20,
		(1 << 20) + 1, (1 << 20) + 31, (3 << 20) + 77, 20 << 20 };
	static const size_t steps[] = { 3001, 1 << 20, 65536 };

	(void)state;
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		struct feed s = { .len = lens[i], .step = steps[i % 3] };
		const struct stream source = { read_stream, NULL, &s, 0 };
		CLEAN_BLOCK_SUMS struct codec_block_sums sums = { 0 };
		struct etcd_copied copied = { .sums = i % 2 ? &sums : NULL };
		uint8_t digest[32], *p = noise(lens[i]), *back = malloc(lens[i] + 1);
		CLOSE_FD int to = memfd_create("copy", MFD_CLOEXEC);
		struct err e = { 0 };

		s.p = p;
		assert_int_equal(etcd_copy(&copied, to, &source, NULL, "test", &e), 0);
		assert_int_equal(copied.size, lens[i]);
		assert_int_equal(lseek(to, 0, SEEK_END), lens[i]);
		assert_int_equal(file_read_at(to, back, lens[i], 0, &e), 0);
		assert_memory_equal(p, back, lens[i]);
		const size_t body = lens[i] >= 32 ? lens[i] - 32 : 0;
		codec_sha256_of(digest, (struct span){ p, body });
		assert_memory_equal(copied.digest, digest, 32);
		assert_int_equal(sums.n, i % 2 ? (lens[i] + CODEC_BLOCK - 1) / CODEC_BLOCK : 0);
		check_sums(&sums, p, lens[i]);
		if (body)
			assert_memory_equal(copied.last, p + body, 32);
		free(p);
		free(back);
	}
}

static void a_failure_of_the_source_is_passed_on(void **state)
{
	uint8_t *p = noise(10 << 20);
	struct feed s = { p, 10 << 20, 0, 1 << 16, 5 << 20 };
	const struct stream source = { read_stream, NULL, &s, 0 };
	struct etcd_copied copied = { 0 };
	CLOSE_FD int to = memfd_create("copy", MFD_CLOEXEC);
	struct err e = { 0 };

	(void)state;
	assert_int_equal(etcd_copy(&copied, to, &source, NULL, "test", &e), ERR_NET);
	assert_string_equal(e.text, "the line is dead");
	free(p);
}

static void a_full_disk_is_passed_on(void **state)
{
	uint8_t *p = noise(30 << 20);
	struct feed s = { p, 30 << 20, 0, 1 << 20, 0 };
	const struct stream source = { read_stream, NULL, &s, 0 };
	struct etcd_copied copied = { 0 };
	CLOSE_FD int to = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct err e = { 0 };

	(void)state;
	assert_true(to >= 0);
	assert_int_equal(etcd_copy(&copied, to, &source, NULL, "test", &e), ERR_SPACE);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_length_in_any_steps),
		cmocka_unit_test(sums_follow_what_was_changed),
		cmocka_unit_test(a_failure_of_the_source_is_passed_on),
		cmocka_unit_test(a_full_disk_is_passed_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
