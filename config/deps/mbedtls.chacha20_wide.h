/* chacha20_wide.h - several ChaCha20 blocks at a time, for mbedTLS, which knows one
 *
 *   lane       0        1        2        3 ...       a vector holds one word of the state
 *   block    count  count+1  count+2  count+3         of that many blocks
 *
 * In plain C with the compiler's vectors: SSE2 and NEON, which every machine we run on has, and
 * AVX2 where the processor has it. The bytes are those of the loop this stands before.
 *
 * Source:     RFC 8439, 2.3.
 * Units:      bytes.
 * Ownership:  none.
 * Errors:     none; 0 when there is too little to be worth it.
 */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

#define ROTATE(v, n) ((v) << (n) | (v) >> (32 - (n)))
#define QUARTER(x, a, b, c, d)                                                                     \
	do {                                                                                       \
		x[a] += x[b], x[d] = ROTATE(x[d] ^ x[a], 16);                                      \
		x[c] += x[d], x[b] = ROTATE(x[b] ^ x[c], 12);                                      \
		x[a] += x[b], x[d] = ROTATE(x[d] ^ x[a], 8);                                       \
		x[c] += x[d], x[b] = ROTATE(x[b] ^ x[c], 7);                                       \
	} while (0)

#define CHACHA20_WIDE(NAME, LANES, ATTRIBUTE)                                                      \
	typedef uint32_t NAME##_vector __attribute__((vector_size(4 * LANES)));                    \
	ATTRIBUTE static size_t NAME(                                                              \
		uint32_t state[16], unsigned char *out, const unsigned char *in, size_t size)      \
	{                                                                                          \
		size_t done = 0;                                                                   \
		for (; size - done >= 64 * LANES; done += 64 * LANES) {                            \
			NAME##_vector x[16], count;                                                \
			uint32_t words[16][LANES];                                                 \
			for (unsigned i = 0; i < LANES; i++)                                       \
				count[i] = i;                                                      \
			for (unsigned i = 0; i < 16; i++)                                          \
				x[i] = state[i] - (NAME##_vector){ 0 };                            \
			x[12] += count;                                                            \
			for (unsigned i = 0; i < 10; i++) {                                        \
				QUARTER(x, 0, 4, 8, 12);                                           \
				QUARTER(x, 1, 5, 9, 13);                                           \
				QUARTER(x, 2, 6, 10, 14);                                          \
				QUARTER(x, 3, 7, 11, 15);                                          \
				QUARTER(x, 0, 5, 10, 15);                                          \
				QUARTER(x, 1, 6, 11, 12);                                          \
				QUARTER(x, 2, 7, 8, 13);                                           \
				QUARTER(x, 3, 4, 9, 14);                                           \
			}                                                                          \
			x[12] += count;                                                            \
			for (unsigned i = 0; i < 16; i++) {                                        \
				x[i] += state[i];                                                  \
				memcpy(words[i], &x[i], sizeof words[i]);                          \
			}                                                                          \
			for (unsigned k = 0; k < LANES; k++) {                                     \
				for (unsigned i = 0; i < 16; i++) {                                \
					uint32_t word;                                             \
					memcpy(&word, in + done + 64 * k + 4 * i, 4);              \
					word ^= words[i][k];                                       \
					memcpy(out + done + 64 * k + 4 * i, &word, 4);             \
				}                                                                  \
			}                                                                          \
			state[12] += LANES;                                                        \
		}                                                                                  \
		return done;                                                                       \
	}

CHACHA20_WIDE(chacha20_wide4, 4, )
#if defined(__x86_64__)
CHACHA20_WIDE(chacha20_wide8, 8, __attribute__((target("avx2"))))
#endif

static size_t chacha20_wide(
	uint32_t state[16], unsigned char *out, const unsigned char *in, size_t size)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		return chacha20_wide8(state, out, in, size);
#endif
	return chacha20_wide4(state, out, in, size);
}

#else
#define chacha20_wide(state, out, in, size) ((size_t)0)
#endif
