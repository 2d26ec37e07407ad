#include "codec/sha256.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* FIPS 180-4, 4.2.2 */
static const uint32_t k[64] = { 0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b,
	0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6,
	0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d,
	0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
	0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585,
	0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa,
	0xa4506ceb, 0xbef9a3f7, 0xc67178f2 };

static uint32_t rotate(uint32_t v, unsigned bits)
{
	return v >> bits | v << (32 - bits);
}

/* One round with the working variables renamed instead of moved; `wk` is the word of the
 * message schedule plus its constant. */
#define ROUND(a, b, c, d, e, f, g, h, wk)                                                          \
	do {                                                                                       \
		h += (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (g ^ (e & (f ^ g))) + (wk);  \
		d += h;                                                                            \
		h += (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) | (c & (a | b)));   \
	} while (0)

#define FOUR_ROUNDS(a, b, c, d, e, f, g, h, wk, i)                                                 \
	do {                                                                                       \
		ROUND(a, b, c, d, e, f, g, h, wk(i));                                              \
		ROUND(h, a, b, c, d, e, f, g, wk(i + 1));                                          \
		ROUND(g, h, a, b, c, d, e, f, wk(i + 2));                                          \
		ROUND(f, g, h, a, b, c, d, e, wk(i + 3));                                          \
	} while (0)

static void expand(uint32_t w[16])
{
#pragma GCC unroll 16
	for (size_t t = 0; t < 16; t++) {
		const uint32_t w15 = w[(t + 1) % 16], w2 = w[(t + 14) % 16];

		w[t] += (rotate(w15, 7) ^ rotate(w15, 18) ^ w15 >> 3) + w[(t + 9) % 16] +
			(rotate(w2, 17) ^ rotate(w2, 19) ^ w2 >> 10);
	}
}

static void portable(uint32_t state[8], const uint8_t *p, size_t n_blocks)
{
	for (; n_blocks; n_blocks--, p += 64) {
		uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
		uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
		uint32_t w[16];

		for (size_t t = 0; t < 16; t++)
			w[t] = be32(p + 4 * t);
		for (size_t t = 0; t < 64; t += 16) {
			if (t)
				expand(w);
#define WK(i) (k[t + i] + w[i])
			FOUR_ROUNDS(a, b, c, d, e, f, g, h, WK, 0);
			FOUR_ROUNDS(e, f, g, h, a, b, c, d, WK, 4);
			FOUR_ROUNDS(a, b, c, d, e, f, g, h, WK, 8);
			FOUR_ROUNDS(e, f, g, h, a, b, c, d, WK, 12);
		}
		state[0] += a;
		state[1] += b;
		state[2] += c;
		state[3] += d;
		state[4] += e;
		state[5] += f;
		state[6] += g;
		state[7] += h;
	}
}

#if defined(__x86_64__)

#define VECTOR __attribute__((target("ssse3")))

VECTOR static inline __m128i rotate4(__m128i v, int bits)
{
	return _mm_or_si128(_mm_srli_epi32(v, bits), _mm_slli_epi32(v, 32 - bits));
}

/* sigma 1 of two words, each of which fills a half twice, so that a shift of 64 bits rotates. */
VECTOR static inline __m128i sigma1(__m128i twice)
{
	return _mm_xor_si128(_mm_xor_si128(_mm_srli_epi64(twice, 17), _mm_srli_epi64(twice, 19)),
		_mm_srli_epi32(twice, 10));
}

/* The next four words of the schedule from the sixteen before.  The last two of them need
 * the first two. */
VECTOR static inline __m128i expand4(__m128i w0, __m128i w1, __m128i w2, __m128i w3)
{
	const __m128i to_low = _mm_set_epi64x(-1, 0x0b0a090803020100);
	const __m128i to_high = _mm_set_epi64x(0x0b0a090803020100, -1);
	const __m128i w15 = _mm_alignr_epi8(w1, w0, 4), w7 = _mm_alignr_epi8(w3, w2, 4);
	const __m128i sigma0 = _mm_xor_si128(
		_mm_xor_si128(rotate4(w15, 7), rotate4(w15, 18)), _mm_srli_epi32(w15, 3));
	const __m128i sum = _mm_add_epi32(_mm_add_epi32(w0, sigma0), w7);
	const __m128i half =
		_mm_add_epi32(sum, _mm_shuffle_epi8(sigma1(_mm_shuffle_epi32(w3, 0xfa)), to_low));

	return _mm_add_epi32(
		half, _mm_shuffle_epi8(sigma1(_mm_shuffle_epi32(half, 0x50)), to_high));
}

/* For the many servers without SHA-NI: the rounds as above, the schedule four words at a
 * time, a third faster. */
VECTOR static void vector(uint32_t state[8], const uint8_t *p, size_t n_blocks)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);

	for (; n_blocks; n_blocks--, p += 64) {
		uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
		uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
		_Alignas(16) uint32_t wk[16];
		__m128i w[4];

		for (size_t i = 0; i < 4; i++) {
			w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const void *)(p + 16 * i)), swap);
			_mm_store_si128((void *)(wk + 4 * i),
				_mm_add_epi32(w[i], _mm_loadu_si128((const void *)(k + 4 * i))));
		}
		for (size_t t = 16; t <= 64; t += 16) {
/* Four rounds, and behind them, while they are on their way, the words for t + 4i. */
#define AHEAD(i)                                                                                   \
	if (t < 64) {                                                                              \
		w[i] = expand4(w[i], w[(i + 1) % 4], w[(i + 2) % 4], w[(i + 3) % 4]);              \
		_mm_store_si128((void *)(wk + 4 * i),                                              \
			_mm_add_epi32(w[i], _mm_loadu_si128((const void *)(k + t + 4 * i))));      \
	}
#define READY(i) wk[i]
			FOUR_ROUNDS(a, b, c, d, e, f, g, h, READY, 0);
			AHEAD(0)
			FOUR_ROUNDS(e, f, g, h, a, b, c, d, READY, 4);
			AHEAD(1)
			FOUR_ROUNDS(a, b, c, d, e, f, g, h, READY, 8);
			AHEAD(2)
			FOUR_ROUNDS(e, f, g, h, a, b, c, d, READY, 12);
			AHEAD(3)
		}
		state[0] += a;
		state[1] += b;
		state[2] += c;
		state[3] += d;
		state[4] += e;
		state[5] += f;
		state[6] += g;
		state[7] += h;
	}
}

/* SHA-NI keeps the state as the pairs ABEF and CDGH; see Intel's "SHA Extensions" paper. */
__attribute__((target("sha,sse4.1,ssse3"))) static void machine(
	uint32_t state[8], const uint8_t *p, size_t n_blocks)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	const __m128i dcba = _mm_shuffle_epi32(_mm_loadu_si128((const void *)state), 0xb1);
	const __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const void *)(state + 4)), 0x1b);
	__m128i abef = _mm_alignr_epi8(dcba, hgfe, 8);
	__m128i cdgh = _mm_blend_epi16(hgfe, dcba, 0xf0);

	for (; n_blocks; n_blocks--, p += 64) {
		const __m128i abef_before = abef, cdgh_before = cdgh;
		__m128i w[4];

		for (size_t i = 0; i < 4; i++)
			w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const void *)(p + 16 * i)), swap);
#pragma GCC unroll 16
		for (size_t i = 0; i < 16; i++) {
			if (i >= 4) {
				const __m128i older =
					_mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4);
				const __m128i sum = _mm_add_epi32(
					_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]), older);

				w[i % 4] = _mm_sha256msg2_epu32(sum, w[(i + 3) % 4]);
			}
			const __m128i wk =
				_mm_add_epi32(w[i % 4], _mm_loadu_si128((const void *)(k + 4 * i)));

			cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
			abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0e));
		}
		abef = _mm_add_epi32(abef, abef_before);
		cdgh = _mm_add_epi32(cdgh, cdgh_before);
	}
	const __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
	const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);

	_mm_storeu_si128((void *)state, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

#elif defined(__aarch64__)

__attribute__((target("+crypto"))) static void machine(
	uint32_t state[8], const uint8_t *p, size_t n_blocks)
{
	uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);

	for (; n_blocks; n_blocks--, p += 64) {
		const uint32x4_t abcd_before = abcd, efgh_before = efgh;
		uint32x4_t w[4];

		for (size_t i = 0; i < 4; i++)
			w[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(p + 16 * i)));
#pragma GCC unroll 16
		for (size_t i = 0; i < 16; i++) {
			if (i >= 4)
				w[i % 4] =
					vsha256su1q_u32(vsha256su0q_u32(w[i % 4], w[(i + 1) % 4]),
						w[(i + 2) % 4], w[(i + 3) % 4]);
			const uint32x4_t wk = vaddq_u32(w[i % 4], vld1q_u32(k + 4 * i));
			const uint32x4_t abcd_now = abcd;

			abcd = vsha256hq_u32(abcd, efgh, wk);
			efgh = vsha256h2q_u32(efgh, abcd_now, wk);
		}
		abcd = vaddq_u32(abcd, abcd_before);
		efgh = vaddq_u32(efgh, efgh_before);
	}
	vst1q_u32(state, abcd);
	vst1q_u32(state + 4, efgh);
}

#else
#define machine portable
#endif

#if !defined(__x86_64__)
#define vector portable
#endif

void codec_sha256_init_by(struct codec_sha256 *sha, enum codec_path path)
{
	/* Asked once: cpuid leaves a virtual machine, and many sums are of a few bytes. */
	static _Atomic enum codec_path known = CODEC_BEST;

	if (path == CODEC_BEST && (path = known) == CODEC_BEST)
		known = path = codec_cpu_has_sha256()  ? CODEC_MACHINE
			       : codec_cpu_has_ssse3() ? CODEC_VECTOR
						       : CODEC_PORTABLE;
	*sha = (struct codec_sha256){
		.state = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
			0x1f83d9ab, 0x5be0cd19 },
		.blocks = path == CODEC_MACHINE  ? machine
			  : path == CODEC_VECTOR ? vector
						 : portable,
	};
}

void codec_sha256_init(struct codec_sha256 *sha)
{
	codec_sha256_init_by(sha, CODEC_BEST);
}

void codec_sha256_update(struct codec_sha256 *sha, struct span bytes)
{
	const size_t held = sha->length % 64;

	sha->length += bytes.len;
	if (held) {
		const size_t n = bytes.len < 64 - held ? bytes.len : 64 - held;

		if (n)
			memcpy(sha->block + held, bytes.p, n);
		if (held + n < 64)
			return;
		sha->blocks(sha->state, sha->block, 1);
		bytes.p += n;
		bytes.len -= n;
	}
	if (bytes.len >= 64)
		sha->blocks(sha->state, bytes.p, bytes.len / 64);
	if (bytes.len % 64)
		memcpy(sha->block, bytes.p + bytes.len / 64 * 64, bytes.len % 64);
}

void codec_sha256_final(uint8_t digest[CODEC_SHA256_SIZE], struct codec_sha256 *sha)
{
	const size_t held = sha->length % 64;
	uint8_t last[128] = { 0 };
	const size_t last_len = held < 56 ? 64 : 128;

	memcpy(last, sha->block, held);
	last[held] = 0x80;
	put_be64(last + last_len - 8, sha->length * 8);
	sha->blocks(sha->state, last, last_len / 64);
	for (size_t i = 0; i < 8; i++)
		put_be32(digest + 4 * i, sha->state[i]);
}

void codec_sha256_of(uint8_t digest[CODEC_SHA256_SIZE], struct span bytes)
{
	struct codec_sha256 sha;

	codec_sha256_init(&sha);
	codec_sha256_update(&sha, bytes);
	codec_sha256_final(digest, &sha);
}

void codec_sha256_hex(char hex[CODEC_SHA256_HEX], const uint8_t digest[CODEC_SHA256_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < CODEC_SHA256_SIZE; i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[CODEC_SHA256_HEX - 1] = '\0';
}
