/* Requests that openssl made: tests/golden/csr/make.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kube/csr.h"
#include "os/file.h"

static struct arena arena = ARENA(64 << 20);
static struct err e;

static struct str load(const char *name)
{
	CLEAN_BUF struct buf b = BUF(1 << 16);
	CLEAN_ROOT struct root root = NO_ROOT;

	e = (struct err){ 0 };
	if (root_open(&root, "../tests/golden/csr", &e) ||
		file_read(&b, &root, arena_print(&arena, "%s.csr", name), &e))
		fail_msg("%s", e.text);
	return (struct str){ arena_copy(&arena, buf_text(&b)), b.len };
}

static void what_a_kubelet_asks_for_is_read(void **state)
{
	static const char *const names[] = { "client", "client-p384", "client-rsa" };
	struct kube_csr csr;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (kube_csr_read(&csr, &arena, load(names[i]), &e))
			fail_msg("%s: %s", names[i], e.text);
		assert_string_equal(csr.common_name, "system:node:m1");
		assert_string_equal(csr.organization, "system:nodes");
		assert_true(!csr.names.n && !csr.addresses.n);
	}
	assert_int_equal(kube_csr_read(&csr, &arena, load("serving"), &e), 0);
	assert_true(csr.names.n == 1 && csr.addresses.n == 1);
	assert_string_equal(csr.names.v[0], "m1");
	assert_string_equal(csr.addresses.v[0], "10.0.0.1");
	assert_int_equal(kube_csr_read(&csr, &arena, load("serving-v6"), &e), 0);
	assert_string_equal(csr.addresses.v[0], "fd00::1");
	assert_int_equal(kube_csr_read(&csr, &arena, load("masters"), &e), 0);
	assert_string_equal(csr.organization, "system:masters");
}

static void a_key_is_known_again(void **state)
{
	struct kube_csr one, same, other;

	(void)state;
	assert_int_equal(kube_csr_read(&one, &arena, load("client"), &e), 0);
	assert_int_equal(kube_csr_read(&same, &arena, load("serving"), &e), 0);
	assert_memory_equal(one.key, same.key, sizeof one.key);
	assert_int_equal(kube_csr_read(&other, &arena, load("client-p384"), &e), 0);
	assert_memory_not_equal(one.key, other.key, sizeof one.key);
	assert_int_equal(kube_csr_read(&other, &arena, load("client-rsa"), &e), 0);
	assert_memory_not_equal(one.key, other.key, sizeof one.key);
}

static void what_has_two_meanings_is_refused(void **state)
{
	static const struct {
		const char *name, *why;
	} rows[] = {
		{ "two-organizations", "more than a common name" },
		{ "two-names", "more than a common name" },
		{ "unit", "more than a common name" },
		{ "no-organization", "lacks" },
		{ "email", "more than names and addresses" },
		{ "uri", "more than names and addresses" },
		{ "ca", "no kubelet asks for" },
		{ "quiet-ca", "no kubelet asks for" },
		{ "unknown-extension", "no kubelet asks for" },
		{ "usage", "no kubelet asks for" },
		{ "bad-signature", "not signed with its own key" },
		{ "two", "not one request" },
	};
	struct kube_csr csr;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct str pem = load(rows[i].name);
		if (kube_csr_read(&csr, &arena, pem, &e) != ERR_FORMAT ||
			!strstr(e.text, rows[i].why))
			fail_msg("%s: %s", rows[i].name, e.text);
	}
}

static void what_stands_around_it_is_refused(void **state)
{
	const struct str pem = load("client");
	struct kube_csr csr;

	(void)state;
	const char *texts[] = { "", "x", "-----BEGIN CERTIFICATE REQUEST-----\n",
		"-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----",
		"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
		arena_print(&arena, "before\n%s", pem.p), arena_print(&arena, "%safter", pem.p) };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		e = (struct err){ 0 };
		if (kube_csr_read(&csr, &arena, str_from(texts[i]), &e) != ERR_FORMAT)
			fail_msg("%zu is taken", i);
	}
	/* Any single byte that is changed: refused, or not the same request any more. */
	for (size_t i = 40; i < pem.len; i += 7) {
		char *other = arena_copy(&arena, pem);
		other[i] = other[i] == 'A' ? 'B' : 'A';
		e = (struct err){ 0 };
		assert_int_not_equal(
			kube_csr_read(&csr, &arena, (struct str){ other, pem.len }, &e), 0);
	}
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(what_a_kubelet_asks_for_is_read),
		cmocka_unit_test(a_key_is_known_again),
		cmocka_unit_test(what_has_two_meanings_is_refused),
		cmocka_unit_test(what_stands_around_it_is_refused),
	};

	const int failed = cmocka_run_group_tests(all, NULL, NULL);
	arena_free(&arena);
	return failed;
}
