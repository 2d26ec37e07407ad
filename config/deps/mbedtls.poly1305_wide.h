/* poly1305_wide.h - Poly1305 in limbs of 64 bits, for mbedTLS, which has limbs of 32
 *
 * A quarter of the multiplications. The two low bits of r's upper half are zero, so that
 * r1 * 2^128 is r1 / 4 * 5 in this field.
 *
 * Source:     RFC 8439, 2.5.
 * Units:      blocks of 16 bytes.
 * Ownership:  none.
 * Errors:     none.
 */
#if defined(__SIZEOF_INT128__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

static void poly1305_wide(mbedtls_poly1305_context *ctx, size_t n, const unsigned char *in)
{
	typedef unsigned __int128 wide;
	const uint64_t r0 = (uint64_t)ctx->r[1] << 32 | ctx->r[0];
	const uint64_t r1 = (uint64_t)ctx->r[3] << 32 | ctx->r[2], s1 = r1 + (r1 >> 2);
	uint64_t h0 = (uint64_t)ctx->acc[1] << 32 | ctx->acc[0];
	uint64_t h1 = (uint64_t)ctx->acc[3] << 32 | ctx->acc[2], h2 = ctx->acc[4];

	for (; n; n--, in += 16) {
		uint64_t m[2], over;
		wide sum, low, high;

		memcpy(m, in, sizeof m);
		sum = (wide)h0 + m[0];
		h0 = (uint64_t)sum;
		sum = (wide)h1 + m[1] + (uint64_t)(sum >> 64);
		h1 = (uint64_t)sum;
		h2 += (uint64_t)(sum >> 64) + 1;
		low = (wide)h0 * r0 + (wide)h1 * s1;
		high = (wide)h0 * r1 + (wide)h1 * r0 + (wide)h2 * s1 + (uint64_t)(low >> 64);
		h0 = (uint64_t)low;
		h1 = (uint64_t)high;
		h2 = h2 * r0 + (uint64_t)(high >> 64);
		/* What stands above bit 130 comes back times five. */
		over = (h2 >> 2) + (h2 & ~(uint64_t)3);
		h2 &= 3;
		sum = (wide)h0 + over;
		h0 = (uint64_t)sum;
		sum = (wide)h1 + (uint64_t)(sum >> 64);
		h1 = (uint64_t)sum;
		h2 += (uint64_t)(sum >> 64);
	}
	ctx->acc[0] = (uint32_t)h0;
	ctx->acc[1] = (uint32_t)(h0 >> 32);
	ctx->acc[2] = (uint32_t)h1;
	ctx->acc[3] = (uint32_t)(h1 >> 32);
	ctx->acc[4] = (uint32_t)h2;
}

#else
#define poly1305_wide(ctx, n, in) poly1305_process(ctx, n, in, 1U)
#endif
