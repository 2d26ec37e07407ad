/* The vector is test case 14 of "The Galois/Counter Mode of Operation" (McGrew, Viega): key, nonce
 * and text are all zeros. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kube/uploaded.h"

#define NONCE "\0\0\0\0\0\0\0\0\0\0\0\0"
#define TEXT  "\xce\xa7\x40\x3d\x4d\x60\x6b\x6e\x07\x4e\xc5\xd3\xba\xf3\x9d\x18"
#define TAG   "\xd0\xd1\xc8\xa7\x99\x99\x6b\xf0\x26\x5b\x98\xb5\xd4\x8a\xb9\x19"
#define HEAD  "k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret"

static const uint8_t secret[] = HEAD "\x12\x38\x12\x36\x0a\x06"
				     "ca.key"
				     "\x12\x2c" NONCE TEXT TAG;
static const uint8_t zero_key[KUBE_CERTIFICATE_KEY];
static struct arena arena;
static struct err e;

static int set_up(void **state)
{
	(void)state;
	arena = ARENA(1 << 20);
	e = (struct err){ 0 };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static struct span all(void)
{
	return (struct span){ secret, sizeof secret - 1 };
}

static void file_comes_out_under_its_place(void **state)
{
	static const uint8_t plain[16];
	struct kube_uploaded u;

	(void)state;
	assert_int_equal(kube_uploaded(&u, &arena, all(), zero_key, &e), 0);
	assert_int_equal(u.n, 1);
	assert_string_equal(u.v[0].path, "etc/kubernetes/pki/ca.key");
	assert_int_equal(u.v[0].mode, 0600);
	assert_int_equal(u.v[0].bytes.len, 16);
	assert_memory_equal(u.v[0].bytes.p, plain, 16);
	const uint8_t *was = u.v[0].bytes.p;
	kube_uploaded_forget(&u);
	assert_int_equal(u.n, 0);
	assert_memory_equal(was, plain, 16);
}

static void another_key_and_a_damaged_secret_open_nothing(void **state)
{
	uint8_t key[KUBE_CERTIFICATE_KEY] = { 1 }, bad[sizeof secret];
	struct kube_uploaded u;

	(void)state;
	assert_int_equal(kube_uploaded(&u, &arena, all(), key, &e), ERR_AUTH);
	assert_int_equal(u.n, 0);
	memcpy(bad, secret, sizeof bad);
	bad[sizeof secret - 2] ^= 1;
	const struct span damaged = { bad, sizeof secret - 1 };
	assert_int_equal(kube_uploaded(&u, &arena, damaged, zero_key, &e), ERR_AUTH);
	/* Cut anywhere: nothing, or an error, never a file. */
	for (size_t n = 0; n < sizeof secret - 1; n++) {
		const struct span cut = { bad, n };
		assert_int_not_equal(kube_uploaded(&u, &arena, cut, zero_key, &e), 0);
		assert_int_equal(u.n, 0);
	}
}

static void key_is_64_hex_digits(void **state)
{
	uint8_t key[KUBE_CERTIFICATE_KEY];
	char text[80] = " 00ff";

	(void)state;
	memset(text + 5, 'A', 60);
	strcpy(text + 65, "\n");
	assert_int_equal(kube_certificate_key(key, str_from(text), &e), 0);
	assert_int_equal(key[0], 0);
	assert_int_equal(key[1], 0xff);
	assert_int_equal(key[31], 0xaa);
	text[10] = 'g';
	assert_int_equal(kube_certificate_key(key, str_from(text), &e), ERR_USAGE);
	assert_int_equal(kube_certificate_key(key, STR("00ff"), &e), ERR_USAGE);
	assert_int_equal(kube_certificate_key(key, STR(""), &e), ERR_USAGE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(file_comes_out_under_its_place),
		TEST(another_key_and_a_damaged_secret_open_nothing),
		TEST(key_is_64_hex_digits),
	};
	return cmocka_run_group_tests_name("uploaded", tests, NULL, NULL);
}
