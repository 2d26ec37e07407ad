#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kube/stored.h"

static void protobuf_tells_kind_and_creation(void **state)
{
	/* k8s\0, TypeMeta {v1, Pod}, raw { ObjectMeta { name x, creation { 1000 } } } */
	const struct kube_stored s = kube_stored_read(
		SPAN("k8s\0\x0a\x09\x0a\2v1\x12\3Pod\x12\x0a\x0a\x08\x0a\1x\x42\3\x08\xe8\7"));

	(void)state;
	assert_true(str_is(s.api_version, "v1"));
	assert_true(str_is(s.kind, "Pod"));
	assert_int_equal(s.created, 1000);
	assert_false(s.encrypted);
}

static void a_lease_tells_holder_and_renewal(void **state)
{
	const struct kube_stored s = kube_stored_read(SPAN(
		"k8s\0\x0a\7\x12\5Lease\x12\x10\x0a\3\x0a\1l\x12\x09\x0a\2me\x22\3\x08\xe9\7"));

	(void)state;
	assert_true(str_is(s.kind, "Lease"));
	assert_true(str_is(s.holder, "me"));
	assert_int_equal(s.renewed, 1001);
}

static void json_tells_the_same(void **state)
{
	const struct kube_stored s = kube_stored_read(
		SPAN("{\"apiVersion\":\"games.example.com/v1\",\"kind\":\"Snake\",\"metadata\":{"
		     "\"creationTimestamp\":\"1970-01-01T00:16:40Z\",\"name\":\"a\"}}"));

	(void)state;
	assert_true(str_is(s.api_version, "games.example.com/v1"));
	assert_true(str_is(s.kind, "Snake"));
	assert_int_equal(s.created, 1000);
}

static void encryption_tells_provider_and_key(void **state)
{
	struct kube_stored s = kube_stored_read(SPAN("k8s:enc:aescbc:v1:key1:\xff\xfe:x"));

	(void)state;
	assert_true(s.encrypted);
	assert_true(str_is(s.provider, "aescbc:v1"));
	assert_true(str_is(s.key_name, "key1"));
	s = kube_stored_read(SPAN("k8s:enc:kms:v2:vault:rest"));
	assert_true(str_is(s.provider, "kms:v2") && str_is(s.key_name, "vault"));
	s = kube_stored_read(SPAN("k8s:enc:"));
	assert_true(s.encrypted && !s.provider.len);
}

static void what_is_no_object_is_of_no_kind(void **state)
{
	static const struct span junk[] = { { NULL, 0 }, { (const uint8_t *)"k8s", 3 },
		{ (const uint8_t *)"k8s\0\xff\xff\xff\xff", 8 },
		{ (const uint8_t *)"{\"kind\":\"", 9 }, { (const uint8_t *)"plain", 5 } };

	(void)state;
	for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
		const struct kube_stored s = kube_stored_read(junk[i]);
		assert_true(!s.kind.len && !s.encrypted && !s.created);
	}
}

static void keys_tell_the_resource(void **state)
{
	static const struct {
		const char *key, *resource, *name;
	} cases[] = {
		{ "/registry/pods/default/a", "pods", "default/a" },
		{ "/registry/minions/node-1", "minions", "node-1" },
		{ "/registry/services/specs/default/web", "services/specs", "default/web" },
		{ "/registry/games.example.com/snakes/default/s", "games.example.com/snakes",
			"default/s" },
		{ "/kubernetes.io/secrets/kube-system/x", "secrets", "kube-system/x" },
		{ "/openshift.io/routes/a/b", "routes", "a/b" },
		{ "/registry/health", "", "" },
		{ "compact_rev_key", "", "" },
		{ "", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct str key = str_from(cases[i].key);
		struct str name;
		const struct str resource = kube_stored_resource(
			&name, (struct span){ (const uint8_t *)key.p, key.len });
		assert_true(str_is(resource, cases[i].resource));
		if (resource.len)
			assert_true(str_is(name, cases[i].name));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(protobuf_tells_kind_and_creation),
		cmocka_unit_test(a_lease_tells_holder_and_renewal),
		cmocka_unit_test(json_tells_the_same),
		cmocka_unit_test(encryption_tells_provider_and_key),
		cmocka_unit_test(what_is_no_object_is_of_no_kind),
		cmocka_unit_test(keys_tell_the_resource),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
