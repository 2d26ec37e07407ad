#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "kube/encryption.h"
#include "kube/stored.h"

static struct arena arena;

static int begin(void **state)
{
	(void)state;
	arena = ARENA(4 << 20);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void kinds_and_names_are_kept_and_nothing_else(void **state)
{
	struct kube_encryption c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(
		kube_encryption_parse(&c, &arena,
			STR("apiVersion: apiserver.config.k8s.io/v1\n"
			    "kind: EncryptionConfiguration\n"
			    "resources:\n"
			    "- resources: [secrets]\n"
			    "  providers:\n"
			    "  - aescbc:\n"
			    "      keys:\n"
			    "      - {name: key2, secret: c2VjcmV0}\n"
			    "      - {name: key1, secret: c2VjcmV0}\n"
			    "  - kms: {apiVersion: v2, name: vault, endpoint: 'unix:///x'}\n"
			    "- resources: [configmaps]\n"
			    "  providers: [{secretbox: {keys: [{name: key1, secret: c2Vj}]}}]\n"),
			"e.yaml", &e),
		0);
	assert_int_equal(c.n, 4);
	assert_true(kube_encryption_reads(&c, STR("aescbc:v1"), STR("key1")));
	assert_true(kube_encryption_reads(&c, STR("aescbc:v1"), STR("key2")));
	assert_true(kube_encryption_reads(&c, STR("kms:v2"), STR("vault")));
	assert_true(kube_encryption_reads(&c, STR("secretbox:v1"), STR("key1")));
	assert_false(kube_encryption_reads(&c, STR("secretbox:v1"), STR("key2")));
	assert_false(kube_encryption_reads(&c, STR("aesgcm:v1"), STR("key1")));
	assert_false(kube_encryption_reads(&c, STR(""), STR("")));
	for (size_t i = 0; i < c.n; i++)
		assert_null(strstr(c.keys[i].name, "c2V"));
}

static void what_is_not_understood_is_refused_with_its_place(void **state)
{
	static const char *const wrong[] = { "", "a: b\n", "resources: [{resources: [secrets]}]\n",
		"resources: [{providers: [{aescbc: {}}]}]\n",
		"resources: [{providers: [{aescbc: {keys: [{secret: c2VjcmV0}]}}]}]\n",
		"resources: [{providers: [{kms: {}}]}]\n",
		"resources: [{providers: [{identity: {}, kms: {name: a}}]}]\n",
		"resources: [{providers: [text]}]\n", "resources: [\n" };
	struct kube_encryption c;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct err e = { 0 };
		assert_int_equal(
			kube_encryption_parse(&c, &arena, str_from(wrong[i]), "e.yaml", &e),
			ERR_FORMAT);
		assert_non_null(strstr(e.text, "e.yaml:"));
		assert_null(strstr(e.text, "c2V"));
	}
}

static void an_entry_of_a_configmap(void **state)
{
	/* TypeMeta {v1, ConfigMap}, raw { ObjectMeta { name x }, data { a: b }, data { c: dd } } */
	const struct span value = SPAN("k8s\0\x0a\x0f\x0a\2v1\x12\x09"
				       "ConfigMap\x12\x15\x0a\3\x0a\1x\x12\6\x0a\1a\x12\1b"
				       "\x12\6\x0a\1c\x12\1d");

	(void)state;
	assert_true(str_is(kube_stored_data(value, "a"), "b"));
	assert_true(str_is(kube_stored_data(value, "c"), "d"));
	assert_int_equal(kube_stored_data(value, "e").len, 0);
	assert_int_equal(kube_stored_data(SPAN("k8s:enc:aescbc:v1:k:x"), "a").len, 0);
	for (size_t len = 0; len < value.len; len++)
		kube_stored_data((struct span){ value.p, len }, "c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_and_names_are_kept_and_nothing_else),
		cmocka_unit_test(what_is_not_understood_is_refused_with_its_place),
		cmocka_unit_test(an_entry_of_a_configmap),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
