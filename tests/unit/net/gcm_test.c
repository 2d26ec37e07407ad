/* AES-GCM as our recipe made it wide: the same bytes and tags as one block at a time gives. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <mbedtls/gcm.h>
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
		cmocka_unit_test(gcm_refuses_a_single_wrong_bit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
