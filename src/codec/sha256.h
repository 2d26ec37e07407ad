/* codec/sha256.h - SHA-256 of a stream: the trailer of a snapshot
 *
 *   struct codec_sha256 sha;
 *   codec_sha256_init(&sha);
 *   codec_sha256_update(&sha, piece);  (any number of pieces)
 *   codec_sha256_final(digest, &sha);
 *
 * A copy of the struct is a copy of the state: take one to look at the digest so far.
 *
 * Source:     FIPS 180-4.
 * Units:      bytes.
 * Ownership:  the struct is the caller's; pieces are not kept.
 * Errors:     none.
 */
#pragma once

#include <stdint.h>

#include "base/span.h"
#include "codec/cpu.h"

enum { CODEC_SHA256_SIZE = 32 };

struct codec_sha256 {
	uint32_t state[8];
	uint64_t length;   /* bytes taken so far */
	uint8_t block[64]; /* the last length % 64 of them */
	void (*blocks)(uint32_t state[8], const uint8_t *p, size_t n_blocks);
};

void codec_sha256_init(struct codec_sha256 *sha);
void codec_sha256_init_by(struct codec_sha256 *sha, enum codec_path path);
void codec_sha256_update(struct codec_sha256 *sha, struct span bytes);
void codec_sha256_final(uint8_t digest[CODEC_SHA256_SIZE], struct codec_sha256 *sha);

/* All at once. */
void codec_sha256_of(uint8_t digest[CODEC_SHA256_SIZE], struct span bytes);

/* Lower case, with a zero at its end. */
enum { CODEC_SHA256_HEX = 2 * CODEC_SHA256_SIZE + 1 };
void codec_sha256_hex(char hex[CODEC_SHA256_HEX], const uint8_t digest[CODEC_SHA256_SIZE]);
