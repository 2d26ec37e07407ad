/* What our recipe put into mbedTLS: the same bytes as one block at a time gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <mbedtls/chacha20.h>
#include <mbedtls/chachapoly.h>
#include <mbedtls/poly1305.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 1500, MAC = 16 };

static uint8_t in[LONGEST], out[LONGEST], want[LONGEST];

static void mbedtls_passes_its_own_tests(void **state)
{
	(void)state;
	assert_int_equal(mbedtls_chacha20_self_test(0), 0);
	assert_int_equal(mbedtls_poly1305_self_test(0), 0);
	assert_int_equal(mbedtls_chachapoly_self_test(0), 0);
}

static void chacha20_is_the_same_at_any_length(void **state)
{
	const uint8_t key[32] = { 1, 2, 3 }, nonce[12] = { 4, 5, 6 };
	const uint32_t count = UINT32_MAX - 8; /* goes round */

	(void)state;
	for (size_t i = 0; i < LONGEST; i++)
		in[i] = (uint8_t)(i * 7);
	for (size_t len = 0; len <= LONGEST; len += len < 1100 ? 1 : 37) {
		for (size_t at = 0; at < len; at += 64)
			mbedtls_chacha20_crypt(key, nonce, count + (uint32_t)(at / 64),
				len - at < 64 ? len - at : 64, in + at, want + at);
		mbedtls_chacha20_crypt(key, nonce, count, len, in, out);
		assert_memory_equal(out, want, len);
		memcpy(out, in, len);
		mbedtls_chacha20_crypt(key, nonce, count, len, out, out);
		assert_memory_equal(out, want, len);
	}
}

static void poly1305_is_the_same_in_any_pieces(void **state)
{
	uint8_t key[32], mac[MAC], piecewise[MAC];

	(void)state;
	srand(1305);
	for (unsigned round = 0; round < 2000; round++) {
		const size_t len = (size_t)rand() % 700;
		/* All ones carry the furthest. */
		for (size_t i = 0; i < sizeof key; i++)
			key[i] = round % 3 ? (uint8_t)rand() : 0xff;
		for (size_t i = 0; i < len; i++)
			in[i] = round % 2 ? (uint8_t)rand() : 0xff;
		mbedtls_poly1305_context c;
		mbedtls_poly1305_init(&c);
		mbedtls_poly1305_starts(&c, key);
		/* Single bytes go through the blocks of upstream's own making. */
		for (size_t i = 0; i < len; i++)
			mbedtls_poly1305_update(&c, in + i, 1);
		mbedtls_poly1305_finish(&c, piecewise);
		mbedtls_poly1305_free(&c);
		assert_int_equal(mbedtls_poly1305_mac(key, in, len, mac), 0);
		assert_memory_equal(mac, piecewise, MAC);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mbedtls_passes_its_own_tests),
		cmocka_unit_test(chacha20_is_the_same_at_any_length),
		cmocka_unit_test(poly1305_is_the_same_in_any_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
