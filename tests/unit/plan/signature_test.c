#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "plan/signature.h"

/* Made by openssl: tests/golden/signature/make.sh. */
static const char golden[] = "../tests/golden/signature";

static struct arena arena = ARENA(4 << 20);
static struct root here = NO_ROOT;

static int start(void **state)
{
	struct err e;

	(void)state;
	return root_open(&here, golden, &e);
}

static int finish(void **state)
{
	(void)state;
	root_close(&here);
	arena_free(&arena);
	return 0;
}

static struct span load(const char *name)
{
	CLEAN_BUF struct buf b = BUF(1 << 20);
	struct err e = { 0 };

	if (file_read(&b, &here, name, &e))
		fail_msg("%s", e.text);
	return (struct span){ (const uint8_t *)arena_copy(&arena, buf_text(&b)), b.len };
}

/* A set of keys of the golden files. */
static struct signature_keys keys_of(const char *first, const char *second)
{
	struct signature_keys keys = { arena_array(&arena, 2, sizeof *keys.v), 0 };
	const char *names[] = { first, second };

	for (size_t i = 0; i < 2 && names[i]; i++) {
		struct span pem = load(names[i]);
		pem.len++; /* the zero byte that load leaves behind the text */
		keys.v[keys.n++] = (struct signature_key){ names[i], pem };
	}
	return keys;
}

static int verify(const char **signer, struct signature_keys keys, struct span text, struct span s,
	struct err *e)
{
	const struct signature_key *key = NULL;
	const int status = signature_verify(&key, &keys, text, s, e);

	*signer = status ? NULL : key->name;
	return status;
}

static void signature_of_openssl_is_taken_and_names_its_key(void **state)
{
	const struct signature_keys both = keys_of("first.pem", "second.pem");
	const struct span plan = load("plan.yaml");
	struct err e = { 0 };
	const char *signer;

	(void)state;
	assert_int_equal(verify(&signer, both, plan, load("first.sig"), &e), 0);
	assert_string_equal(signer, "first.pem");
	assert_int_equal(verify(&signer, both, plan, load("second.sig"), &e), 0);
	assert_string_equal(signer, "second.pem");
	assert_int_equal(verify(&signer, both, plan, load("first.b64"), &e), 0);
	assert_int_equal(verify(&signer, both, plan, load("first.line"), &e), 0);
	assert_string_equal(signer, "first.pem");
}

static void signature_of_another_key_is_refused(void **state)
{
	struct err e = { 0 };
	const char *signer;

	(void)state;
	assert_int_equal(verify(&signer, keys_of("first.pem", NULL), load("plan.yaml"),
				 load("second.sig"), &e),
		ERR_AUTH);
	assert_string_equal(e.text, "the signature is by none of the 1 keys in the image, or the "
				    "plan was changed after "
				    "it was signed");
	assert_int_equal(verify(&signer, (struct signature_keys){ 0 }, load("plan.yaml"),
				 load("first.sig"), &e),
		ERR_AUTH);
	/* Right key, another hash. */
	assert_int_equal(verify(&signer, keys_of("first.pem", NULL), load("plan.yaml"),
				 load("sha384.sig"), &e),
		ERR_AUTH);
}

static void signature_does_not_survive_one_changed_bit_of_the_plan(void **state)
{
	const struct signature_keys keys = keys_of("first.pem", NULL);
	const struct span plan = load("plan.yaml"), sig = load("first.sig");
	uint8_t *changed = arena_alloc(&arena, plan.len);
	struct err e = { 0 };
	const char *signer;

	(void)state;
	memcpy(changed, plan.p, plan.len);
	for (size_t i = 0; i < plan.len; i += 211) {
		changed[i] ^= 1;
		assert_int_equal(verify(&signer, keys, (struct span){ changed, plan.len }, sig, &e),
			ERR_AUTH);
		changed[i] ^= 1;
	}
	assert_int_equal(
		verify(&signer, keys, (struct span){ plan.p, plan.len - 1 }, sig, &e), ERR_AUTH);
	assert_int_equal(verify(&signer, keys, (struct span){ NULL, 0 }, sig, &e), ERR_AUTH);
}

static void signature_that_is_damaged_is_refused_in_every_byte(void **state)
{
	const struct signature_keys keys = keys_of("first.pem", "second.pem");
	const struct span plan = load("plan.yaml"), sig = load("first.sig");
	uint8_t bytes[SIGNATURE_MAX];
	struct err e = { 0 };
	const char *signer;

	(void)state;
	for (size_t i = 0; i < sig.len; i++) {
		memcpy(bytes, sig.p, sig.len);
		bytes[i] ^= 0x40;
		const int status = verify(&signer, keys, plan, (struct span){ bytes, sig.len }, &e);
		assert_true(status == ERR_AUTH || status == ERR_FORMAT);
		assert_int_equal(status, e.code);
	}
	for (size_t len = 0; len < sig.len; len++)
		assert_int_not_equal(
			verify(&signer, keys, plan, (struct span){ sig.p, len }, &e), 0);
	memcpy(bytes, sig.p, sig.len);
	bytes[sig.len] = 0;
	assert_int_equal(
		verify(&signer, keys, plan, (struct span){ bytes, sig.len + 1 }, &e), ERR_FORMAT);
}

static void signature_of_another_kind_is_refused_as_such(void **state)
{
	const struct signature_keys keys = keys_of("first.pem", NULL);
	const char *signer;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(verify(&signer, keys, load("plan.yaml"), load("rsa.sig"), &e), ERR_FORMAT);
	assert_string_equal(e.text,
		"the signature is damaged: neither DER nor base64 of it; openssl dgst -sha256 "
		"-sign KEY makes one");
	assert_int_equal(
		verify(&signer, keys, load("plan.yaml"), (struct span){ 0 }, &e), ERR_FORMAT);
	assert_string_equal(e.text, "a signature of 0 bytes is none");
}

static void key_that_is_not_ecdsa_on_p256_is_refused(void **state)
{
	static const struct {
		const char *name, *text;
	} bad[] = {
		{ "rsa.pem", "rsa.pem: is no ECDSA key on P-256; openssl ecparam -name prime256v1 "
			     "-genkey makes one" },
		{ "p384.pem",
			"p384.pem: is no ECDSA key on P-256; openssl ecparam -name prime256v1 "
			"-genkey makes one" },
		{ "certificate.pem", "certificate.pem: is no public key in PEM form; openssl ec "
				     "-pubout writes one" },
		{ "plan.yaml", "plan.yaml: is no public key in PEM form; openssl ec -pubout writes "
			       "one" },
	};
	const char *signer;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err e = { 0 };
		assert_int_equal(verify(&signer, keys_of(bad[i].name, NULL), load("plan.yaml"),
					 load("first.sig"), &e),
			ERR_FORMAT);
		assert_string_equal(e.text, bad[i].text);
	}
}

static void keys_are_all_pem_files_of_the_directory_and_none_may_be_broken(void **state)
{
	struct signature_keys keys;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(signature_keys_read(&keys, &arena, &here, "/no/such/directory", &e), 0);
	assert_int_equal(keys.n, 0);
	/* The golden directory itself holds a certificate, an RSA and a P-384 key too. */
	assert_int_equal(signature_keys_read(&keys, &arena, &here, "/", &e), ERR_FORMAT);
	assert_int_equal(keys.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signature_of_openssl_is_taken_and_names_its_key),
		cmocka_unit_test(signature_of_another_key_is_refused),
		cmocka_unit_test(signature_does_not_survive_one_changed_bit_of_the_plan),
		cmocka_unit_test(signature_that_is_damaged_is_refused_in_every_byte),
		cmocka_unit_test(signature_of_another_kind_is_refused_as_such),
		cmocka_unit_test(key_that_is_not_ecdsa_on_p256_is_refused),
		cmocka_unit_test(keys_are_all_pem_files_of_the_directory_and_none_may_be_broken),
	};

	return cmocka_run_group_tests_name("signature", tests, start, finish);
}
