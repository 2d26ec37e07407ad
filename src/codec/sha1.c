#include "codec/sha1.h"

static uint32_t rotate(uint32_t v, unsigned bits)
{
	return v << bits | v >> (32 - bits);
}

static void block(uint32_t state[5], const uint8_t *p)
{
	uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];

	for (size_t t = 0; t < 16; t++)
		w[t] = be32(p + 4 * t);
	for (size_t t = 16; t < 80; t++)
		w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
	for (size_t t = 0; t < 80; t++) {
		uint32_t f, k;

		if (t < 20) {
			f = (b & c) | (~b & d);
			k = 0x5a827999;
		} else if (t < 40) {
			f = b ^ c ^ d;
			k = 0x6ed9eba1;
		} else if (t < 60) {
			f = (b & c) | (b & d) | (c & d);
			k = 0x8f1bbcdc;
		} else {
			f = b ^ c ^ d;
			k = 0xca62c1d6;
		}
		const uint32_t next = rotate(a, 5) + f + e + k + w[t];

		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
}

void codec_sha1_of(uint8_t digest[CODEC_SHA1_SIZE], struct span bytes)
{
	uint32_t state[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	uint8_t last[128] = { 0 };
	const size_t whole = bytes.len / 64 * 64, rest = bytes.len - whole;
	const size_t last_len = rest < 56 ? 64 : 128;

	for (size_t at = 0; at < whole; at += 64)
		block(state, bytes.p + at);
	if (rest)
		memcpy(last, bytes.p + whole, rest);
	last[rest] = 0x80;
	put_be64(last + last_len - 8, (uint64_t)bytes.len * 8);
	for (size_t at = 0; at < last_len; at += 64)
		block(state, last + at);
	for (size_t i = 0; i < 5; i++)
		put_be32(digest + 4 * i, state[i]);
}
