/* codec/block_sums.h - the SHA-256 of each MiB of a file
 *
 *   block 0, block 1, ..     each without the zero bytes at its end, so that what a file system
 *                            never wrote costs nothing to sum
 *
 * Made while the file is written, they are what a later reading is compared with.
 *
 * Source:     none; ours.
 * Units:      bytes; blocks of CODEC_BLOCK, the last one shorter.
 * Ownership:  codec_block_sums_free, or CLEAN_BLOCK_SUMS.
 * Errors:     none; running out of memory ends the program.
 */
#pragma once

#include "codec/sha256.h"

enum { CODEC_BLOCK = 1 << 20 };

struct codec_block_sum {
	uint8_t sha256[CODEC_SHA256_SIZE];
};

struct codec_block_sums {
	struct codec_block_sum *v;
	size_t n, room;
};

struct codec_block_sum codec_block_sum(struct span block);

/* Of a block of nothing but zeros. */
bool codec_block_is_empty(const struct codec_block_sum *sum);

/* The bytes from block `first` on; what was known of it and all behind it is forgotten. */
void codec_block_sums_put(struct codec_block_sums *sums, size_t first, struct span bytes);

void codec_block_sums_free(struct codec_block_sums *sums);
#define CLEAN_BLOCK_SUMS __attribute__((cleanup(codec_block_sums_free)))
