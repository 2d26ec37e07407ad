/* What our recipe put into mbedTLS: the same bytes as one block at a time gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <mbedtls/chacha20.h>
#include <mbedtls/chachapoly.h>
#include <mbedtls/poly1305.h>
#include <stdio.h>
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

/* Tags that OpenSSL 3.0 made; a tag is over all of the ciphertext. */
static const struct {
	unsigned len;
	const char *tag;
} openssl[] = {
	{ 16, "d899fa0e75c3003c5fa17ddb5590746c" },
	{ 255, "933bd2bb6a1885ab6e3d42f3d2ed053c" },
	{ 256, "38aaf6f13944f7e41762b0ba2efbe55f" },
	{ 257, "04bbb4bc93625fa11da8e15b4bb8ae17" },
	{ 511, "400e114230eeef9989800378602632cc" },
	{ 512, "4eee8bae83430275be145752fbc200de" },
	{ 513, "cf695b63d73b83adeaeed41935934932" },
	{ 1000, "8a05f69a39be3543d1340e95d607b9a3" },
	{ 1500, "718f468e2d49b3d7cddc242e773c9357" },
};

static void count_up(uint8_t *p, size_t n, unsigned step, unsigned first)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * step + first);
}

static void chachapoly_is_the_same_as_others_make_it(void **state)
{
	uint8_t key[32], nonce[12], more[20], tag[MAC];
	mbedtls_chachapoly_context c;
	char hex[2 * MAC + 1];

	(void)state;
	count_up(key, sizeof key, 3, 1);
	count_up(nonce, sizeof nonce, 5, 2);
	count_up(more, sizeof more, 11, 4);
	count_up(in, sizeof in, 7, 3);
	mbedtls_chachapoly_init(&c);
	assert_int_equal(mbedtls_chachapoly_setkey(&c, key), 0);
	for (size_t i = 0; i < sizeof openssl / sizeof *openssl; i++) {
		const size_t len = openssl[i].len;
		assert_int_equal(mbedtls_chachapoly_encrypt_and_tag(
					 &c, len, nonce, more, sizeof more, in, out, tag),
			0);
		for (size_t k = 0; k < MAC; k++)
			snprintf(hex + 2 * k, 3, "%02x", tag[k]);
		assert_string_equal(hex, openssl[i].tag);
		assert_int_equal(mbedtls_chachapoly_auth_decrypt(
					 &c, len, nonce, more, sizeof more, tag, out, want),
			0);
		assert_memory_equal(want, in, len);
		out[len - 1] ^= 1;
		assert_int_equal(mbedtls_chachapoly_auth_decrypt(
					 &c, len, nonce, more, sizeof more, tag, out, want),
			MBEDTLS_ERR_CHACHAPOLY_AUTH_FAILED);
	}
	mbedtls_chachapoly_free(&c);
}

/* In pieces of any length, so that a wide run begins in the middle of a block, and anywhere. */
static void chacha20_is_the_same_in_any_pieces(void **state)
{
	static uint8_t from[LONGEST + 64], to[LONGEST + 64];
	const uint8_t key[32] = { 7 }, nonce[12] = { 8 };

	(void)state;
	srand(20);
	count_up(in, sizeof in, 7, 3);
	mbedtls_chacha20_crypt(key, nonce, 1, LONGEST, in, want);
	for (unsigned round = 0; round < 1000; round++) {
		const size_t a = (size_t)rand() % 64, b = (size_t)rand() % 64;
		mbedtls_chacha20_context c;
		memcpy(from + a, in, LONGEST);
		mbedtls_chacha20_init(&c);
		assert_int_equal(mbedtls_chacha20_setkey(&c, key), 0);
		assert_int_equal(mbedtls_chacha20_starts(&c, nonce, 1), 0);
		for (size_t at = 0, n; at < LONGEST; at += n) {
			n = 1 + (size_t)rand() % 900;
			n = n < LONGEST - at ? n : LONGEST - at;
			assert_int_equal(
				mbedtls_chacha20_update(&c, n, from + a + at, to + b + at), 0);
		}
		assert_memory_equal(to + b, want, LONGEST);
		mbedtls_chacha20_free(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mbedtls_passes_its_own_tests),
		cmocka_unit_test(chacha20_is_the_same_at_any_length),
		cmocka_unit_test(poly1305_is_the_same_in_any_pieces),
		cmocka_unit_test(chachapoly_is_the_same_as_others_make_it),
		cmocka_unit_test(chacha20_is_the_same_in_any_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
