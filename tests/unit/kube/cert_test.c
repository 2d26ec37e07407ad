#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <string.h>

#include "kube/cert.h"

enum { NOW = 1800000000, DAY = 24 * 3600, PEM = 4096 }; /* 2027-01-15 */

static struct arena arena;
static struct kube_ca *ca;
static char ca_cert[PEM], ca_key[PEM];

/* Of a key made here, valid from 2020 to 2040. */
static void make_cert(char cert[PEM], char key_text[PEM], const char *name, int is_ca)
{
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	mbedtls_x509write_cert w;
	mbedtls_pk_context key;

	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&random);
	mbedtls_x509write_crt_init(&w);
	mbedtls_pk_init(&key);
	assert_int_equal(
		mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0), 0);
	assert_int_equal(mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
	assert_int_equal(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key),
				 mbedtls_ctr_drbg_random, &random),
		0);
	mbedtls_x509write_crt_set_version(&w, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(&w, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(&w, &key);
	mbedtls_x509write_crt_set_issuer_key(&w, &key);
	assert_int_equal(mbedtls_x509write_crt_set_serial_raw(&w, (unsigned char[]){ 1 }, 1) ||
				 mbedtls_x509write_crt_set_subject_name(&w, name) ||
				 mbedtls_x509write_crt_set_issuer_name(&w, name) ||
				 mbedtls_x509write_crt_set_validity(
					 &w, "20200101000000", "20400101000000") ||
				 mbedtls_x509write_crt_set_basic_constraints(&w, is_ca, -1) ||
				 mbedtls_x509write_crt_set_subject_key_identifier(&w) ||
				 mbedtls_x509write_crt_pem(
					 &w, (void *)cert, PEM, mbedtls_ctr_drbg_random, &random) ||
				 mbedtls_pk_write_key_pem(&key, (void *)key_text, PEM),
		0);
	mbedtls_pk_free(&key);
	mbedtls_x509write_crt_free(&w);
	mbedtls_ctr_drbg_free(&random);
	mbedtls_entropy_free(&entropy);
}

static struct span bytes(const char *text)
{
	return (struct span){ (const uint8_t *)text, strlen(text) };
}

static int begin(void **state)
{
	struct err e = { 0 };

	(void)state;
	arena = ARENA(16 << 20);
	make_cert(ca_cert, ca_key, "O=a firm,CN=etcd-ca", 1);
	return kube_ca_open(&ca, bytes(ca_cert), bytes(ca_key), "ca.crt", &e);
}

static int end(void **state)
{
	(void)state;
	kube_ca_close(ca);
	arena_free(&arena);
	return 0;
}

static const char *const sans[] = { "node_1.example.org", "10.0.0.1", "localhost", "::1",
	"0:0:0:0:0:0:0:1", "::ffff:10.0.0.1", "localhost", NULL };
static const struct kube_leaf leaf = { .common_name = "node, with = and #",
	.organization = "system:masters",
	.sans = sans,
	.server = true,
	.client = true,
	.now = NOW };

static void issue(const char **cert, char **key, const struct kube_leaf *what)
{
	struct err e = { 0 };

	assert_int_equal(kube_leaf_issue(cert, key, &arena, ca, what, &e), 0);
}

static const char *fault_of(const char *cert, const char *key, const struct kube_leaf *what)
{
	const char *why = NULL;

	kube_leaf_is_good(&why, &arena, ca, bytes(cert), bytes(key), what);
	return why ? why : "";
}

static void what_is_issued_is_good_until_it_is_asked_for_more(void **state)
{
	static const char *const more[] = { "10.0.0.2", NULL };
	struct kube_leaf other = leaf;
	const char *cert, *cert2;
	char *key, *key2;

	(void)state;
	issue(&cert, &key, &leaf);
	assert_string_equal(fault_of(cert, key, &leaf), "");
	issue(&cert2, &key2, &leaf);
	assert_non_null(strstr(fault_of(cert, key2, &leaf), "another certificate's"));
	other.sans = more;
	assert_non_null(strstr(fault_of(cert, key, &other), "does not name 10.0.0.2"));
	other = leaf;
	other.common_name = "node";
	assert_non_null(strstr(fault_of(cert, key, &other), "common name"));
	other = leaf;
	other.organization = "nobody";
	assert_non_null(strstr(fault_of(cert, key, &other), "organization"));
	other = leaf;
	other.now = NOW + CERT_YEAR - DAY / 2;
	assert_non_null(strstr(fault_of(cert, key, &other), "run out"));
	other.now = NOW - DAY;
	assert_non_null(strstr(fault_of(cert, key, &other), "not valid yet"));
	other = leaf;
	other.server = false;
	issue(&cert, &key, &other);
	assert_non_null(strstr(fault_of(cert, key, &leaf), "no server"));
}

static void names_come_once_and_in_kubeadms_order(void **state)
{
	static const char *const wanted[] = { "localhost", "node_1.example.org" };
	mbedtls_x509_crt cert;
	const char *text;
	char *key;
	int n = 0;

	(void)state;
	issue(&text, &key, &leaf);
	mbedtls_x509_crt_init(&cert);
	assert_int_equal(mbedtls_x509_crt_parse(&cert, (const void *)text, strlen(text) + 1), 0);
	for (const mbedtls_x509_sequence *s = &cert.subject_alt_names; s; s = s->next, n++) {
		const size_t lengths[] = { 9, 18, 4, 16 };
		assert_true(n < 4);
		assert_int_equal(s->buf.len, lengths[n]);
		if (n < 2)
			assert_memory_equal(s->buf.p, wanted[n], lengths[n]);
	}
	assert_int_equal(n, 4);
	assert_int_equal(cert.serial.len <= 8, 1);
	mbedtls_x509_crt_free(&cert);
}

static void never_longer_than_the_ca_and_not_by_a_wrong_clock(void **state)
{
	struct kube_leaf other = leaf;
	struct err e = { 0 };
	const char *cert;
	char *key;

	(void)state;
	other.now = 2208988800 - 10; /* ten seconds before 2040 */
	issue(&cert, &key, &other);
	assert_non_null(strstr(fault_of(cert, key, &other), "run out"));
	other.now = 2208988800;
	assert_int_not_equal(kube_leaf_issue(&cert, &key, &arena, ca, &other, &e), 0);
	assert_non_null(strstr(e.text, "run out"));
	other.now = 0;
	assert_int_not_equal(kube_leaf_issue(&cert, &key, &arena, ca, &other, &e), 0);
	assert_non_null(strstr(e.text, "clock"));
}

static void what_cannot_be_issued_is_refused(void **state)
{
	static const char *many[CERT_SANS + 2];
	struct kube_leaf other = leaf;
	struct err e = { 0 };
	const char *cert;
	char *key;

	(void)state;
	other.common_name = "";
	assert_int_equal(kube_leaf_issue(&cert, &key, &arena, ca, &other, &e), ERR_FORMAT);
	other = leaf;
	other.algorithm = "DSA-512";
	assert_int_not_equal(kube_leaf_issue(&cert, &key, &arena, ca, &other, &e), 0);
	other = leaf;
	for (int i = 0; i <= CERT_SANS; i++)
		many[i] = arena_print(&arena, "n%d", i);
	other.sans = many;
	assert_int_equal(kube_leaf_issue(&cert, &key, &arena, ca, &other, &e), ERR_FORMAT);
	assert_non_null(strstr(e.text, "more than"));
}

static void no_ca_is_told_from_a_ca(void **state)
{
	static const char locked[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"
				     "-----END ENCRYPTED PRIVATE KEY-----\n";
	char cert[PEM], key[PEM];
	struct kube_ca *other;
	struct err e = { 0 };

	(void)state;
	make_cert(cert, key, "CN=leaf", 0);
	assert_int_equal(kube_ca_open(&other, bytes(cert), bytes(key), "x", &e), ERR_MISMATCH);
	assert_non_null(strstr(e.text, "no CA"));
	assert_int_equal(kube_ca_open(&other, bytes(ca_cert), bytes(key), "x", &e), ERR_MISMATCH);
	assert_non_null(strstr(e.text, "another certificate's"));
	assert_int_equal(kube_ca_open(&other, bytes("no"), bytes(key), "x", &e), ERR_FORMAT);
	assert_int_equal(kube_ca_open(&other, bytes(ca_cert), bytes("no"), "x", &e), ERR_FORMAT);
	assert_int_equal(
		kube_ca_open(&other, bytes(ca_cert), bytes(locked), "x", &e), ERR_UNSUPPORTED);
	assert_null(other);
	/* Without its key a CA can still check. */
	const char *leaf_cert, *why;
	char *leaf_key;
	issue(&leaf_cert, &leaf_key, &leaf);
	assert_int_equal(kube_ca_open(&other, bytes(ca_cert), bytes(""), "x", &e), 0);
	assert_true(
		kube_leaf_is_good(&why, &arena, other, bytes(leaf_cert), bytes(leaf_key), &leaf));
	assert_int_equal(
		kube_leaf_issue(&leaf_cert, &leaf_key, &arena, other, &leaf, &e), ERR_NOTFOUND);
	kube_ca_close(other);
}

static void of_two_cas_the_keys_own_signs_and_both_are_believed(void **state)
{
	char cert[PEM], key[PEM], both[2 * PEM];
	const char *old_cert, *new_cert, *why;
	char *old_key, *new_key;
	struct kube_ca *two;
	struct err e = { 0 };

	(void)state;
	issue(&old_cert, &old_key, &leaf);
	make_cert(cert, key, "O=a firm,CN=etcd-ca", 1);
	snprintf(both, sizeof both, "%s%s", ca_cert, cert);
	assert_int_equal(kube_ca_open(&two, bytes(both), bytes(key), "x", &e), 0);
	assert_int_equal(kube_leaf_issue(&new_cert, &new_key, &arena, two, &leaf, &e), 0);
	assert_true(kube_leaf_is_good(&why, &arena, two, bytes(old_cert), bytes(old_key), &leaf));
	assert_true(kube_leaf_is_good(&why, &arena, two, bytes(new_cert), bytes(new_key), &leaf));
	assert_false(kube_leaf_is_good(&why, &arena, ca, bytes(new_cert), bytes(new_key), &leaf));
	kube_ca_close(two);
}

static void serial_numbers_have_no_zero_bytes_in_front(void **state)
{
	static const struct {
		uint8_t random[8], serial[8];
		size_t len;
	} numbers[] = {
		{ { 1, 2, 3, 4, 5, 6, 7, 9 }, { 1, 2, 3, 4, 5, 6, 7, 9 }, 8 },
		{ { 0xff, 2, 3, 4, 5, 6, 7, 8 }, { 0x7f, 2, 3, 4, 5, 6, 7, 9 }, 8 },
		{ { 0x80, 2, 3, 4, 5, 6, 7, 9 }, { 2, 3, 4, 5, 6, 7, 9 }, 7 },
		{ { 0, 0, 0xff, 4, 5, 6, 7, 9 }, { 0xff, 4, 5, 6, 7, 9 }, 6 },
		{ { 0 }, { 1 }, 1 },
	};
	uint8_t serial[8];

	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		assert_int_equal(kube_leaf_serial(serial, numbers[i].random), numbers[i].len);
		assert_memory_equal(serial, numbers[i].serial, numbers[i].len);
	}
}

static bool serves(const char *cert, const char *organization, int64_t now)
{
	return kube_leaf_serves(bytes(cert), organization, now);
}

static void a_client_is_who_it_says_for_more_than_a_day(void **state)
{
	struct kube_leaf what = leaf;
	const char *cert;
	char *key;

	(void)state;
	what.lifetime = 3 * DAY;
	issue(&cert, &key, &what);
	assert_true(serves(cert, "system:masters", NOW));
	assert_true(serves(cert, "system:masters", NOW + 2 * DAY - 1));
	assert_false(serves(cert, "system:masters", NOW + 2 * DAY));
	assert_false(serves(cert, "system:masters", NOW - DAY));
	assert_false(serves(cert, "system:master", NOW));
	assert_false(serves(cert, "node, with = and #", NOW));
	assert_false(serves(key, "system:masters", NOW));
	assert_false(serves("", "system:masters", NOW));
	what.client = false;
	issue(&cert, &key, &what);
	assert_false(serves(cert, "system:masters", NOW));
	what = leaf;
	what.organization = NULL;
	issue(&cert, &key, &what);
	assert_false(serves(cert, "system:masters", NOW));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_issued_is_good_until_it_is_asked_for_more),
		cmocka_unit_test(names_come_once_and_in_kubeadms_order),
		cmocka_unit_test(never_longer_than_the_ca_and_not_by_a_wrong_clock),
		cmocka_unit_test(what_cannot_be_issued_is_refused),
		cmocka_unit_test(serial_numbers_have_no_zero_bytes_in_front),
		cmocka_unit_test(no_ca_is_told_from_a_ca),
		cmocka_unit_test(of_two_cas_the_keys_own_signs_and_both_are_believed),
		cmocka_unit_test(a_client_is_who_it_says_for_more_than_a_day),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
