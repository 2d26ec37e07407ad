#include "codec/crc32c.h"

#include <threads.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#endif

enum { POLYNOMIAL_BITS = 8, SLICES = 8 };

/* Slicing by eight: table[k][b] is the checksum of byte b followed by k zero bytes. */
static uint32_t table[SLICES][256];
static once_flag table_once = ONCE_FLAG_INIT;

static void table_fill(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t v = b;

		for (int i = 0; i < POLYNOMIAL_BITS; i++)
			v = v >> 1 ^ (v & 1 ? 0x82f63b78 : 0);
		table[0][b] = v;
	}
	for (uint32_t b = 0; b < 256; b++) {
		for (int k = 1; k < SLICES; k++)
			table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 0xff];
	}
}

static uint32_t portable(uint32_t crc, const uint8_t *p, size_t len)
{
	call_once(&table_once, table_fill);
	for (; len >= 8; p += 8, len -= 8) {
		const uint32_t low = crc ^ le32(p), high = le32(p + 4);

		crc = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^
		      table[5][low >> 16 & 0xff] ^ table[4][low >> 24] ^ table[3][high & 0xff] ^
		      table[2][high >> 8 & 0xff] ^ table[1][high >> 16 & 0xff] ^
		      table[0][high >> 24];
	}
	for (; len; p++, len--)
		crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xff];
	return crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t machine(
	uint32_t crc, const uint8_t *p, size_t len)
{
	uint64_t wide = crc;

	for (; len >= 8; p += 8, len -= 8)
		wide = _mm_crc32_u64(wide, le64(p));
	crc = (uint32_t)wide;
	for (; len; p++, len--)
		crc = _mm_crc32_u8(crc, *p);
	return crc;
}

#elif defined(__aarch64__)

__attribute__((target("+crc"))) static uint32_t machine(uint32_t crc, const uint8_t *p, size_t len)
{
	for (; len >= 8; p += 8, len -= 8)
		crc = __crc32cd(crc, le64(p));
	for (; len; p++, len--)
		crc = __crc32cb(crc, *p);
	return crc;
}

#else
#define machine portable
#endif

uint32_t codec_crc32c_by(enum codec_path path, uint32_t crc, struct span bytes)
{
	const bool by_machine =
		path == CODEC_MACHINE || (path == CODEC_BEST && codec_cpu_has_crc32c());

	return ~(by_machine ? machine : portable)(~crc, bytes.p, bytes.len);
}

uint32_t codec_crc32c(uint32_t crc, struct span bytes)
{
	/* Asked once: cpuid leaves a virtual machine, and most pieces are a few bytes. */
	static _Atomic enum codec_path known = CODEC_BEST;
	enum codec_path path = known;

	if (path == CODEC_BEST)
		known = path = codec_cpu_has_crc32c() ? CODEC_MACHINE : CODEC_PORTABLE;
	return codec_crc32c_by(path, crc, bytes);
}
