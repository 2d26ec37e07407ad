#include "codec/block_sums.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct codec_block_sum of(const void *p, size_t len)
{
	return codec_block_sum((struct span){ p, len });
}

static void zeros_at_the_end_of_a_block_do_not_count(void **state)
{
	static const uint8_t block[CODEC_BLOCK] = { 1, 2, 0, 3 };
	uint8_t want[CODEC_SHA256_SIZE];
	const struct codec_block_sum sum = of(block, sizeof block);

	(void)state;
	codec_sha256_of(want, (struct span){ block, 4 });
	assert_memory_equal(sum.sha256, want, sizeof want);
	assert_false(codec_block_is_empty(&sum));
}

static void nothing_and_zeros_are_empty(void **state)
{
	static const uint8_t zeros[4096];

	(void)state;
	for (size_t len = 0; len <= sizeof zeros; len = len ? 4096 * len : 1) {
		const struct codec_block_sum sum = of(zeros, len);
		assert_true(codec_block_is_empty(&sum));
	}
}

static void what_is_put_again_replaces_what_was_behind(void **state)
{
	CLEAN_BLOCK_SUMS struct codec_block_sums sums = { 0 };
	uint8_t *p = calloc(3, CODEC_BLOCK);

	(void)state;
	for (size_t i = 0; i < 3; i++)
		p[i * CODEC_BLOCK] = (uint8_t)(i + 1);
	codec_block_sums_put(&sums, 0, (struct span){ p, 2 * CODEC_BLOCK + 5 });
	assert_int_equal(sums.n, 3);
	const struct codec_block_sum last = of("\3", 1);
	assert_memory_equal(&sums.v[2], &last, sizeof last);
	codec_block_sums_put(&sums, 1, (struct span){ p, 1 });
	assert_int_equal(sums.n, 2);
	assert_memory_equal(&sums.v[1], &sums.v[0], sizeof last);
	codec_block_sums_put(&sums, 0, (struct span){ 0 });
	assert_int_equal(sums.n, 0);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zeros_at_the_end_of_a_block_do_not_count),
		cmocka_unit_test(nothing_and_zeros_are_empty),
		cmocka_unit_test(what_is_put_again_replaces_what_was_behind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
