/* gcm_wide.h - eight blocks of AES-GCM at a time, for mbedTLS, which does one
 *
 *   counter    y + 1 .. y + 8 are encrypted side by side
 *   hash       (hash ^ block 1) H^8 ^ block 2 H^7 ^ ... ^ block 8 H, then one reduction
 *
 * By the AES and carry-less multiplication of x86 processors; where there are none, or on another
 * architecture, mbedTLS's own loop goes on alone. GHASH is computed as POLYVAL: the bytes of a
 * block reversed, H multiplied by x once, the product reduced from below. The state of a context
 * before and after is what that loop would have made of it.
 *
 * Source:     NIST SP 800-38D; RFC 8452, appendix A, for POLYVAL and GHASH.
 * Units:      bytes.
 * Ownership:  none.
 * Errors:     none; 0 when there is nothing it can do.
 */
#if defined(MBEDTLS_AESNI_HAVE_CODE) && defined(__x86_64__) && !defined(MBEDTLS_BLOCK_CIPHER_C)

#include <immintrin.h>

#define WIDE_TARGET __attribute__((target("aes,pclmul,ssse3,sse4.1")))
#define WIDE_INLINE WIDE_TARGET static inline __attribute__((always_inline))
#define WIDE_BLOCKS 8

struct wide_product {
	__m128i low, middle, high;
};

WIDE_INLINE __m128i wide_load(const void *p)
{
	return _mm_loadu_si128((const __m128i *)p);
}

WIDE_INLINE void wide_store(void *p, __m128i v)
{
	_mm_storeu_si128((__m128i *)p, v);
}

WIDE_INLINE __m128i wide_reversed(__m128i v)
{
	return _mm_shuffle_epi8(
		v, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

/* a * b is added to the product; nothing is reduced yet. */
WIDE_INLINE void wide_multiply(struct wide_product *p, __m128i a, __m128i b)
{
	p->low = _mm_xor_si128(p->low, _mm_clmulepi64_si128(a, b, 0x00));
	p->high = _mm_xor_si128(p->high, _mm_clmulepi64_si128(a, b, 0x11));
	p->middle = _mm_xor_si128(p->middle,
		_mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01), _mm_clmulepi64_si128(a, b, 0x10)));
}

/* The product times x^-128, modulo x^128 + x^127 + x^126 + x^121 + 1. */
WIDE_INLINE __m128i wide_reduced(struct wide_product p)
{
	const __m128i poly = _mm_set_epi64x(0, (long long)0xc200000000000000ull);
	__m128i low = _mm_xor_si128(p.low, _mm_slli_si128(p.middle, 8));
	const __m128i high = _mm_xor_si128(p.high, _mm_srli_si128(p.middle, 8));

	for (int half = 0; half < 2; half++)
		low = _mm_xor_si128(
			_mm_shuffle_epi32(low, 0x4e), _mm_clmulepi64_si128(low, poly, 0x00));
	return _mm_xor_si128(low, high);
}

WIDE_INLINE __m128i wide_times_x(__m128i h)
{
	const __m128i carry = _mm_srli_epi64(h, 63);
	const __m128i shifted = _mm_or_si128(_mm_slli_epi64(h, 1), _mm_slli_si128(carry, 8));
	const __m128i poly = _mm_set_epi64x((long long)0xc200000000000000ull, 1);
	/* All ones when the top bit fell out. */
	const __m128i over = _mm_sub_epi64(_mm_setzero_si128(), _mm_srli_si128(carry, 8));

	return _mm_xor_si128(shifted, _mm_and_si128(_mm_shuffle_epi32(over, 0x44), poly));
}

/* GCM counts in the last 32 bits alone, and wraps there. */
WIDE_INLINE __m128i wide_next(__m128i y, uint32_t *counter)
{
	return _mm_insert_epi32(y, (int)__builtin_bswap32(++*counter), 3);
}

struct wide_state {
	__m128i key[15], power[WIDE_BLOCKS]; /* power[i] is H^(i + 1) */
	__m128i y, hash;
	uint32_t counter;
	int rounds, decrypt;
};

/* `n` is a constant where this is used: its loops are unrolled. */
WIDE_INLINE void wide_step(
	struct wide_state *w, const unsigned char *in, unsigned char *out, const int n)
{
	struct wide_product p = { _mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128() };
	__m128i s[WIDE_BLOCKS];

	for (int i = 0; i < n; i++) {
		w->y = wide_next(w->y, &w->counter);
		s[i] = _mm_xor_si128(w->y, w->key[0]);
	}
	for (int r = 1; r < w->rounds; r++)
		for (int i = 0; i < n; i++)
			s[i] = _mm_aesenc_si128(s[i], w->key[r]);
	for (int i = 0; i < n; i++) {
		const __m128i from = wide_load(in + 16 * i);
		const __m128i to =
			_mm_xor_si128(_mm_aesenclast_si128(s[i], w->key[w->rounds]), from);
		const __m128i text = wide_reversed(w->decrypt ? from : to);
		wide_store(out + 16 * i, to);
		wide_multiply(&p, i ? text : _mm_xor_si128(w->hash, text), w->power[n - 1 - i]);
	}
	w->hash = wide_reduced(p);
}

WIDE_TARGET static void wide_blocks(mbedtls_gcm_context *ctx, const mbedtls_aes_context *aes,
	const unsigned char *in, unsigned char *out, size_t blocks)
{
	struct wide_state w = { .rounds = aes->nr, .decrypt = ctx->mode == MBEDTLS_GCM_DECRYPT };

	for (int r = 0; r <= w.rounds; r++)
		w.key[r] = wide_load(aes->buf + aes->rk_offset + 4 * r);
	w.y = wide_load(ctx->y);
	w.counter = MBEDTLS_GET_UINT32_BE(ctx->y, 12);
	w.hash = wide_reversed(wide_load(ctx->buf));
	w.power[0] = wide_times_x(wide_reversed(wide_load(ctx->H[MBEDTLS_GCM_HTABLE_SIZE / 2])));
	for (int i = 1; i < WIDE_BLOCKS; i++) {
		struct wide_product p = { _mm_setzero_si128(), _mm_setzero_si128(),
			_mm_setzero_si128() };
		wide_multiply(&p, w.power[i - 1], w.power[0]);
		w.power[i] = wide_reduced(p);
	}
	for (; blocks >= WIDE_BLOCKS; blocks -= WIDE_BLOCKS) {
		wide_step(&w, in, out, WIDE_BLOCKS);
		in += 16 * WIDE_BLOCKS;
		out += 16 * WIDE_BLOCKS;
	}
	for (; blocks; blocks--) {
		wide_step(&w, in, out, 1);
		in += 16;
		out += 16;
	}
	wide_store(ctx->y, w.y);
	wide_store(ctx->buf, wide_reversed(w.hash));
	mbedtls_platform_zeroize(&w, sizeof w);
}

/* The whole blocks of a piece; how many bytes that were. */
static size_t gcm_wide(
	mbedtls_gcm_context *ctx, unsigned char *out, const unsigned char *in, size_t len)
{
	const mbedtls_cipher_type_t type =
		mbedtls_cipher_info_get_type(ctx->cipher_ctx.cipher_info);

	if (ctx->acceleration != MBEDTLS_GCM_ACC_AESNI ||
		!mbedtls_aesni_has_support(MBEDTLS_AESNI_AES) || !__builtin_cpu_supports("ssse3") ||
		!__builtin_cpu_supports("sse4.1") ||
		(type != MBEDTLS_CIPHER_AES_128_ECB && type != MBEDTLS_CIPHER_AES_192_ECB &&
			type != MBEDTLS_CIPHER_AES_256_ECB))
		return 0;
	wide_blocks(ctx, ctx->cipher_ctx.cipher_ctx, in, out, len / 16);
	return len / 16 * 16;
}

#else

static size_t gcm_wide(
	mbedtls_gcm_context *ctx, unsigned char *out, const unsigned char *in, size_t len)
{
	(void)ctx;
	(void)out;
	(void)in;
	(void)len;
	return 0;
}

#endif
