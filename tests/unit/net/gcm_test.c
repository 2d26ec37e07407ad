/* AES-GCM as our recipe made it wide: the same bytes and tags as one block at a time gives. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <mbedtls/gcm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 2000, TAG = 16, ROUNDS = 3000 };

static uint8_t in[LONGEST], wide[LONGEST], narrow[LONGEST], back[LONGEST];

struct turn {
	mbedtls_gcm_context gcm;
	uint8_t iv[60], more[60];
	size_t len, iv_len, more_len;
	unsigned bits;
	bool wraps; /* the counter passes 2^32 on the way */
};

static void fill(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rand();
}

static void begin(struct turn *t, int mode)
{
	assert_int_equal(mbedtls_gcm_starts(&t->gcm, mode, t->iv, t->iv_len), 0);
	if (t->wraps)
		memcpy(t->gcm.y + 12, "\xff\xff\xff\xf9", 4);
	assert_int_equal(mbedtls_gcm_update_ad(&t->gcm, t->more, t->more_len), 0);
}

/* In pieces up to `most`; below 16 none holds a whole block, which is upstream's own way. */
static void crypt_by(
	struct turn *t, int mode, size_t most, const uint8_t *from, uint8_t *to, uint8_t tag[TAG])
{
	size_t got;

	begin(t, mode);
	for (size_t at = 0; at < t->len;) {
		size_t n = 1 + (size_t)rand() % most;
		if (most < 16 && n > 16 - at % 16)
			n = 16 - at % 16;
		n = n > t->len - at ? t->len - at : n;
		assert_int_equal(mbedtls_gcm_update(&t->gcm, from + at, n, to + at, n, &got), 0);
		at += n;
	}
	assert_int_equal(mbedtls_gcm_finish(&t->gcm, NULL, 0, &got, tag, TAG), 0);
}

static void mbedtls_passes_its_own_tests(void **state)
{
	(void)state;
	assert_int_equal(mbedtls_gcm_self_test(0), 0);
}

static void gcm_is_the_same_in_any_pieces(void **state)
{
	(void)state;
	srand(800);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct turn t = { .len = (size_t)rand() % LONGEST,
			.iv_len = round % 3 ? 12 : 1 + (size_t)rand() % 60,
			.more_len = (size_t)rand() % 60,
			.bits = 128 + 64 * (round % 3),
			.wraps = round % 5 == 0 };
		uint8_t key[32], tag[TAG], want[TAG];
		fill(key, sizeof key);
		fill(t.iv, sizeof t.iv);
		fill(t.more, sizeof t.more);
		fill(in, t.len);
		mbedtls_gcm_init(&t.gcm);
		assert_int_equal(mbedtls_gcm_setkey(&t.gcm, MBEDTLS_CIPHER_ID_AES, key, t.bits), 0);
		crypt_by(&t, MBEDTLS_GCM_ENCRYPT, 15, in, narrow, want);
		crypt_by(&t, MBEDTLS_GCM_ENCRYPT, LONGEST, in, wide, tag);
		assert_memory_equal(wide, narrow, t.len);
		assert_memory_equal(tag, want, TAG);
		crypt_by(&t, MBEDTLS_GCM_DECRYPT, 400, wide, back, tag);
		assert_memory_equal(back, in, t.len);
		assert_memory_equal(tag, want, TAG);
		/* In place. */
		memcpy(back, wide, t.len);
		crypt_by(&t, MBEDTLS_GCM_DECRYPT, LONGEST, back, back, tag);
		assert_memory_equal(back, in, t.len);
		assert_memory_equal(tag, want, TAG);
		mbedtls_gcm_free(&t.gcm);
	}
}

/* Tags that OpenSSL 3.0 made; a tag is over all of the ciphertext. */
static const struct {
	unsigned bits, len;
	const char *tag;
} openssl[] = {
	{ 128, 16, "3aa8cb658d5ffa0ae8863e25c3e2f132" },
	{ 128, 127, "2507562ae26ce881688261018676e53e" },
	{ 128, 128, "023f1beb120390fc1116a9a42065b898" },
	{ 128, 129, "b0efba40d00c02eec7326332cf227a4f" },
	{ 128, 255, "7e95fb61912a25b6725dcede974db209" },
	{ 128, 1000, "93cfdc9a00cb5719f4e16dccab01b684" },
	{ 128, 2000, "43afaf583e87e8869898091ab15a7434" },
	{ 192, 16, "fdf233cb38d11ec75245f39c3a6fe703" },
	{ 192, 127, "b803277a38ae321ea17f78141eab9a5d" },
	{ 192, 128, "75c7b66b660bde662d9a9be254ade0cf" },
	{ 192, 129, "f632e0245345325c8fd0ef9ace2a52d1" },
	{ 192, 255, "bcdb9a0740637d9a6c1e9baed8e9578f" },
	{ 192, 1000, "8ffe9d30c1fe3770c276654e9ead4be0" },
	{ 192, 2000, "0d731b550832c2f65dafcb95bba50e46" },
	{ 256, 16, "12c19f025393ed7e39af8d7fe91cd792" },
	{ 256, 127, "cebb74b8d5d0a6a9ee5671c3039b5664" },
	{ 256, 128, "e3f0af5f8d226dec2350c6339a9686f1" },
	{ 256, 129, "2b39f51e24eaa7a402bb5af79da2ee2d" },
	{ 256, 255, "782536fbb8fd221a2bff474fe5ebe324" },
	{ 256, 1000, "b16d0cbae2852d81b96ec3a485005427" },
	{ 256, 2000, "3fd125258bbe9637671aae4a0375a841" },
};

static void count_up(uint8_t *p, size_t n, unsigned step, unsigned first)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * step + first);
}

static void gcm_is_the_same_as_others_make_it(void **state)
{
	uint8_t key[32], iv[12], more[20], tag[TAG];
	char hex[2 * TAG + 1];

	(void)state;
	count_up(key, sizeof key, 3, 1);
	count_up(iv, sizeof iv, 5, 2);
	count_up(more, sizeof more, 11, 4);
	count_up(in, sizeof in, 7, 3);
	for (size_t i = 0; i < sizeof openssl / sizeof *openssl; i++) {
		const size_t len = openssl[i].len;
		mbedtls_gcm_context gcm;
		mbedtls_gcm_init(&gcm);
		assert_int_equal(
			mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, openssl[i].bits), 0);
		assert_int_equal(mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, len, iv,
					 sizeof iv, more, sizeof more, in, wide, TAG, tag),
			0);
		for (size_t k = 0; k < TAG; k++)
			snprintf(hex + 2 * k, 3, "%02x", tag[k]);
		assert_string_equal(hex, openssl[i].tag);
		assert_int_equal(mbedtls_gcm_auth_decrypt(&gcm, len, iv, sizeof iv, more,
					 sizeof more, tag, TAG, wide, back),
			0);
		assert_memory_equal(back, in, len);
		mbedtls_gcm_free(&gcm);
	}
}

/* At every distance from a line of 64 bytes: the pieces of a record lie anywhere. */
static void gcm_is_the_same_anywhere(void **state)
{
	static uint8_t from[LONGEST + 64], to[LONGEST + 64];
	const size_t len = 16 * 8 * 3 + 16 * 3 + 5;
	uint8_t key[32] = { 9 }, iv[12] = { 8 }, want[TAG], tag[TAG];
	mbedtls_gcm_context gcm;

	(void)state;
	fill(in, len);
	mbedtls_gcm_init(&gcm);
	assert_int_equal(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, 256), 0);
	assert_int_equal(mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, len, iv, sizeof iv,
				 NULL, 0, in, wide, TAG, want),
		0);
	for (size_t a = 0; a < 64; a++) {
		const size_t b = a * 5 % 64;
		memcpy(from + a, in, len);
		to[b + len] = 0x5a;
		assert_int_equal(mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, len, iv,
					 sizeof iv, NULL, 0, from + a, to + b, TAG, tag),
			0);
		assert_memory_equal(to + b, wide, len);
		assert_memory_equal(tag, want, TAG);
		assert_int_equal(to[b + len], 0x5a);
	}
	mbedtls_gcm_free(&gcm);
}

static void gcm_refuses_a_single_wrong_bit(void **state)
{
	mbedtls_gcm_context gcm;
	uint8_t tag[TAG];

	(void)state;
	mbedtls_gcm_init(&gcm);
	assert_int_equal(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, in, 128), 0);
	assert_int_equal(mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, 500, in, 12, NULL, 0,
				 in, wide, TAG, tag),
		0);
	for (size_t bit = 0; bit < 500 * 8; bit += 3) {
		wide[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(
			mbedtls_gcm_auth_decrypt(&gcm, 500, in, 12, NULL, 0, tag, TAG, wide, back),
			MBEDTLS_ERR_GCM_AUTH_FAILED);
		wide[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(
		mbedtls_gcm_auth_decrypt(&gcm, 500, in, 12, NULL, 0, tag, TAG, wide, back), 0);
	mbedtls_gcm_free(&gcm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mbedtls_passes_its_own_tests),
		cmocka_unit_test(gcm_is_the_same_in_any_pieces),
		cmocka_unit_test(gcm_is_the_same_as_others_make_it),
		cmocka_unit_test(gcm_is_the_same_anywhere),
		cmocka_unit_test(gcm_refuses_a_single_wrong_bit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
