/* Which requests for certificates are approved: those of tests/golden/csr, asked for in many ways.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "codec/text.h"
#include "os/file.h"
#include "plan/finish_csr.h"

static struct arena arena = ARENA(256 << 20);
static struct err e;

static const struct doc_node *parsed(const char *text)
{
	struct doc doc;

	e = (struct err){ 0 };
	if (doc_parse(&doc, &arena, str_from(text), "object", DOC_JSON, DOC_LIMITS, &e))
		fail_msg("%s in %s", e.text, text);
	return doc.root;
}

static const char *request(const char *name)
{
	CLEAN_BUF struct buf pem = BUF(1 << 16), text = BUF(1 << 17);
	CLEAN_ROOT struct root root = NO_ROOT;

	e = (struct err){ 0 };
	if (root_open(&root, "../tests/golden/csr", &e) ||
		file_read(&pem, &root, arena_print(&arena, "%s.csr", name), &e) ||
		codec_text_base64(&text, buf_span(&pem), &e))
		fail_msg("%s", e.text);
	return arena_copy(&arena, buf_text(&text));
}

#define BOOTSTRAP                                                                                  \
	"system:serviceaccount:openshift-machine-config-operator:node-bootstrapper",               \
		"\"system:serviceaccounts\",\"system:authenticated\","                             \
		"\"system:serviceaccounts:openshift-machine-config-operator\""
#define NODE       "system:node:m1", "\"system:nodes\",\"system:authenticated\""
#define CLIENT     "kubernetes.io/kube-apiserver-client-kubelet"
#define SERVING    "kubernetes.io/kubelet-serving"
#define FOR_CLIENT CLIENT, "\"client auth\",\"digital signature\""
#define FOR_SERVER SERVING, "\"digital signature\",\"key encipherment\",\"server auth\""

enum { CREATED = 1795176000 }; /* 2026-11-20 12:00:00 UTC */

struct row {
	const char *csr, *user, *groups, *signer, *usages, *why;
};

static const struct doc_node *object(const struct row *r)
{
	return parsed(arena_print(&arena,
		"{\"metadata\":{\"name\":\"csr-1\",\"creationTimestamp\":\"2026-11-20T12:00:00Z\"},"
		"\"spec\":{%s\"request\":\"%s\",\"username\":"
		"\"%s\",\"groups\":[%s],\"usages\":[%s]},\"status\":{}}",
		r->signer ? arena_print(&arena, "\"signerName\":\"%s\",", r->signer) : "",
		request(r->csr), r->user, r->groups, r->usages));
}

static const char *judge(const struct row *r, const char *node)
{
	static const char *known[] = { "m1", "m2" };
	const struct finish_record record = { .known = { known, 2 }, .restored = CREATED };
	struct finish_csr_request request_of;
	const char *why = finish_csr_read(&request_of, &arena, &record, object(r));

	return why ? why : finish_csr_judge(&request_of, node ? parsed(node) : NULL);
}

static const char there[] =
	"{\"status\":{\"addresses\":[{\"type\":\"Hostname\",\"address\":\"m1\"},{\"type\":"
	"\"InternalIP\",\"address\":\"10.0.0.1\"},{\"type\":\"InternalIP\",\"address\":"
	"\"fd00:0:0::1\"}],\"conditions\":[{\"type\":\"Ready\",\"status\":\"Unknown\"}]}}";
static const char ready[] =
	"{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}";

static void a_kubelet_that_the_snapshot_knows_is_let_in(void **state)
{
	static const struct row rows[] = {
		{ "client", BOOTSTRAP, FOR_CLIENT, NULL },
		{ "client-p384", BOOTSTRAP, FOR_CLIENT, NULL },
		{ "client-rsa", BOOTSTRAP, CLIENT,
			"\"digital signature\",\"key encipherment\",\"client auth\"", NULL },
		{ "client", NODE, FOR_CLIENT, NULL },
		{ "client", BOOTSTRAP, NULL, "\"client auth\",\"digital signature\"", NULL },
		{ "serving", NODE, FOR_SERVER, NULL },
		{ "serving-v6", NODE, FOR_SERVER, NULL },
		{ "serving", NODE, NULL, "\"digital signature\",\"server auth\"", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *why = judge(&rows[i], there);
		if (why)
			fail_msg("%zu: %s", i, why);
	}
	/* Its Node object may be gone, for the first one; and a node renews its own at any time. */
	assert_null(judge(&rows[0], NULL));
	assert_null(judge(&rows[3], ready));
}

static void nobody_else_is(void **state)
{
	static const struct row rows[] = {
		{ "other-node", BOOTSTRAP, FOR_CLIENT, "knows no such node" },
		{ "other-node", "system:node:stranger", "\"system:nodes\",\"system:authenticated\"",
			FOR_SERVER, "knows no such node" },
		{ "no-node", BOOTSTRAP, FOR_CLIENT, "for no node" },
		{ "masters", BOOTSTRAP, FOR_CLIENT, "another organization" },
		{ "two-organizations", BOOTSTRAP, FOR_CLIENT, "more than a common name" },
		{ "bad-signature", BOOTSTRAP, FOR_CLIENT, "not signed with its own key" },
		{ "serving", BOOTSTRAP, FOR_CLIENT, "no other names" },
		{ "serving", BOOTSTRAP, FOR_SERVER, "only the node itself" },
		{ "client", NODE, FOR_SERVER, "at least one name" },
		{ "extra-name", NODE, FOR_SERVER, "a name that its node does not have" },
		{ "extra-address", NODE, FOR_SERVER, "an address that its node does not have" },
		{ "email", NODE, FOR_SERVER, "more than names and addresses" },
		/* who asks */
		{ "client", "system:node:m2", "\"system:nodes\",\"system:authenticated\"",
			FOR_CLIENT, "by somebody else" },
		{ "serving", "system:node:m2", "\"system:nodes\",\"system:authenticated\"",
			FOR_SERVER, "by somebody else" },
		{ "client", "system:admin", "\"system:masters\",\"system:authenticated\"",
			FOR_CLIENT, "by somebody else" },
		{ "client", "system:serviceaccount:default:node-bootstrapper",
			"\"system:serviceaccounts\",\"system:authenticated\","
			"\"system:serviceaccounts:default\"",
			FOR_CLIENT, "by somebody else" },
		{ "client", "system:node:m1", "\"system:authenticated\"", FOR_CLIENT,
			"other groups" },
		{ "client", "system:node:m1",
			"\"system:nodes\",\"system:authenticated\",\"system:masters\"", FOR_CLIENT,
			"other groups" },
		{ "client", "system:node:m1", "\"system:nodes\",\"system:nodes\"", FOR_CLIENT,
			"other groups" },
		/* what for */
		{ "client", NODE, "kubernetes.io/kube-apiserver-client",
			"\"client auth\",\"digital signature\"", "for no kubelet" },
		{ "client", NODE, "", "\"client auth\",\"digital signature\"", "for no kubelet" },
		{ "client", NODE, CLIENT, "\"server auth\",\"digital signature\"", "other usages" },
		{ "client", NODE, CLIENT, "\"client auth\"", "other usages" },
		{ "client", NODE, CLIENT, "\"client auth\",\"digital signature\",\"server auth\"",
			"other usages" },
		{ "client", NODE, CLIENT, "\"client auth\",\"digital signature\",\"cert sign\"",
			"other usages" },
		{ "serving", NODE, NULL, "\"client auth\",\"server auth\",\"digital signature\"",
			"other usages" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *why = judge(&rows[i], there);
		if (!why || !strstr(why, rows[i].why))
			fail_msg("%zu: %s, not: %s", i, why ? why : "approved", rows[i].why);
	}
	/* Who holds the bootstrap's key is no node that works. */
	assert_non_null(strstr(
		judge(&(struct row){ "client", BOOTSTRAP, FOR_CLIENT, NULL }, ready), "is ready"));
	assert_non_null(strstr(
		judge(&(struct row){ "serving", NODE, FOR_SERVER, NULL }, NULL), "not there"));
	assert_non_null(judge(&(struct row){ "serving", NODE, FOR_SERVER, NULL }, "{}"));
}

/* A kubelet writes the addresses of its Node object. */
static void nothing_of_another_node_is_had(void **state)
{
	static const char *known[] = { "m1" };
	const struct finish_record record = { .known = { known, 1 }, .restored = CREATED };
	const struct row row = { "serving", NODE, FOR_SERVER, NULL };
	struct finish_csr_request r;
	static const struct {
		const char *name, *addresses, *why;
	} rows[] = {
		{ "m1", "{\"type\":\"InternalIP\",\"address\":\"10.0.0.1\"}", NULL },
		{ "m2", "{\"type\":\"InternalIP\",\"address\":\"10.0.0.2\"}", NULL },
		{ "m2", "", NULL },
		{ "m2", "{\"type\":\"InternalIP\",\"address\":\"10.0.0.1\"}", "an address of" },
		{ "m2", "{\"type\":\"Hostname\",\"address\":\"m1\"}", "a name of" },
		/* whoever connects sees no difference */
		{ "m2", "{\"type\":\"Hostname\",\"address\":\"M1\"}", "a name of" },
		{ "m2", "{\"type\":\"Alias\",\"address\":\"m1\"}", "a name of" },
		{ "m2", "{\"type\":\"Hostname\",\"address\":\"10.0.0.1\"}", "an address of" },
		{ "m2", "{\"type\":\"InternalIP\",\"address\":\"10.0.0.01\"}", NULL },
	};

	(void)state;
	assert_null(finish_csr_read(&r, &arena, &record, object(&row)));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *why = finish_csr_judge_other(&r,
			parsed(arena_print(&arena,
				"{\"metadata\":{\"name\":\"%s\"},\"status\":{\"addresses\":[%s]}}",
				rows[i].name, rows[i].addresses)));
		if (!why != !rows[i].why || (why && !strstr(why, rows[i].why)))
			fail_msg("%zu: %s", i, why ? why : "nothing");
	}
}

static void a_known_node_keeps_its_name_when_its_object_is_gone(void **state)
{
	static const char *known[] = { "m1", "API.example.org" };
	struct finish_record record = { .known = { known, 1 }, .restored = CREATED };
	const struct row row = { "extra-name", NODE, FOR_SERVER, NULL };
	struct finish_csr_request r;

	(void)state;
	assert_null(finish_csr_read(&r, &arena, &record, object(&row)));
	record.known.n = 2;
	const char *why = finish_csr_read(&r, &arena, &record, object(&row));
	assert_true(why && strstr(why, "name of another node"));
}

/* What was waiting when the snapshot was taken, or is of no known time. */
static void what_is_of_before_is_left_alone(void **state)
{
	static const char *known[] = { "m1" };
	struct finish_record record = { .known = { known, 1 } };
	const struct row row = { "client", BOOTSTRAP, FOR_CLIENT, NULL };
	struct finish_csr_request r;
	const char *why;

	(void)state;
	for (int64_t at = 0; at < 2; at++) {
		record.restored = CREATED + FINISH_CSR_AGE_S + at;
		why = finish_csr_read(&r, &arena, &record, object(&row));
		assert_true(at ? why && strstr(why, "before the restore") : !why);
	}
	why = finish_csr_read(&r, &arena, &record, parsed("{\"metadata\":{\"name\":\"csr-1\"}}"));
	assert_true(why && strstr(why, "before the restore"));
}

static void read_one(struct finish_csr_request *r, const struct row *row)
{
	static const char *known[] = { "m1" };
	const struct finish_record record = { .known = { known, 1 }, .restored = CREATED };

	assert_null(finish_csr_read(r, &arena, &record, object(row)));
}

static void the_bootstrapper_gets_one_key_for_a_node(void **state)
{
	const struct row rows[] = {
		{ "client", BOOTSTRAP, FOR_CLIENT, NULL },
		{ "client-p384", BOOTSTRAP, FOR_CLIENT, NULL },
		{ "client", NODE, FOR_CLIENT, NULL },
		{ "client-p384", NODE, FOR_CLIENT, NULL },
	};
	struct finish_csrs s = { .keep = { .limit = 1 << 20 } };
	struct finish_csr_request one, two, own, other_own, elsewhere;
	const char *why;

	(void)state;
	read_one(&one, &rows[0]);
	read_one(&two, &rows[1]);
	read_one(&own, &rows[2]);
	read_one(&other_own, &rows[3]);
	/* What a node renews says nothing about the bootstrapper. */
	finish_csr_keep_key(&s, &other_own);
	assert_null(finish_csr_judge_key(&s, &one));
	finish_csr_keep_key(&s, &one);
	assert_null(finish_csr_judge_key(&s, &one));
	why = finish_csr_judge_key(&s, &two);
	assert_true(why && strstr(why, "another key"));
	/* The first one stays. */
	finish_csr_keep_key(&s, &two);
	assert_null(finish_csr_judge_key(&s, &one));
	assert_non_null(finish_csr_judge_key(&s, &two));
	assert_null(finish_csr_judge_key(&s, &own));
	assert_null(finish_csr_judge_key(&s, &other_own));
	elsewhere = two;
	elsewhere.node = "m2";
	assert_null(finish_csr_judge_key(&s, &elsewhere));
	finish_csr_free(&s);
}

/* Each is in the Node's status, for its kubelet wrote it there. */
static void what_names_no_node_is_refused(void **state)
{
	static const struct {
		const char *type, *text, *why;
	} rows[] = {
		{ "Hostname", "m1", NULL },
		{ "InternalDNS", "m1.example.org", NULL },
		{ "ExternalDNS", "svc.example.org", NULL },
		{ "Hostname", "kubernetes1.example.org", NULL },
		{ "Hostname", "m1.kubernetes.example.org", NULL },
		{ "InternalIP", "10.0.0.1", NULL },
		{ "ExternalIP", "fd00::1", NULL },
		{ "ExternalIP", "::ffff:10.0.0.1", NULL },
		/* of another type */
		{ "Alias", "m1", "a name that its node" },
		{ "", "m1", "a name that its node" },
		{ "InternalIP", "m1", "a name that its node" },
		{ "HostIP", "10.0.0.1", "an address that its node" },
		{ "Hostname", "10.0.0.1", "an address that its node" },
		/* names of everybody, or of a service */
		{ "Hostname", "localhost", "no node's" },
		{ "Hostname", "LocalHost", "no node's" },
		{ "Hostname", "localhost.", "no node's" },
		{ "InternalDNS", "kubernetes", "no node's" },
		{ "InternalDNS", "kubernetes.default", "no node's" },
		{ "InternalDNS", "Kubernetes.default.svc", "no node's" },
		{ "ExternalDNS", "etcd.openshift-etcd.svc", "no node's" },
		{ "ExternalDNS", "etcd.openshift-etcd.SVC.cluster.local", "no node's" },
		{ "Hostname", "*", "no node's" },
		{ "Hostname", "*.example.org", "no node's" },
		/* addresses of everybody */
		{ "InternalIP", "127.0.0.1", "no node's" },
		{ "InternalIP", "127.9.9.9", "no node's" },
		{ "InternalIP", "0.0.0.0", "no node's" },
		{ "InternalIP", "169.254.169.254", "no node's" },
		{ "InternalIP", "224.0.0.1", "no node's" },
		{ "InternalIP", "239.1.2.3", "no node's" },
		{ "InternalIP", "255.255.255.255", "no node's" },
		{ "ExternalIP", "::", "no node's" },
		{ "ExternalIP", "::1", "no node's" },
		{ "ExternalIP", "::ffff:127.0.0.1", "no node's" },
		{ "ExternalIP", "::127.0.0.1", "no node's" },
		{ "ExternalIP", "fe80::1", "no node's" },
		{ "ExternalIP", "febf::1", "no node's" },
		{ "ExternalIP", "ff02::1", "no node's" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *texts[] = { rows[i].text };
		struct finish_csr_request r = { .serving = true, .node = "m1" };
		const bool ip = strchr(rows[i].text, ':') ||
				strspn(rows[i].text, "0123456789.") == strlen(rows[i].text);
		*(ip ? &r.asked.addresses : &r.asked.names) = (struct kube_texts){ texts, 1 };
		const char *why =
			finish_csr_judge(&r, parsed(arena_print(&arena,
						     "{\"status\":{\"addresses\":[{\"type\":\"%s\","
						     "\"address\":\"%s\"}]}}",
						     rows[i].type, rows[i].text)));
		if (!why != !rows[i].why || (why && !strstr(why, rows[i].why)))
			fail_msg("%zu: %s", i, why ? why : "approved");
		/* Nor as a name that is written like an address. */
		if (ip && rows[i].why && strstr(rows[i].why, "no node's")) {
			r.asked.names = (struct kube_texts){ texts, 1 };
			r.asked.addresses = (struct kube_texts){ 0 };
			why = finish_csr_judge(
				&r, parsed(arena_print(&arena,
					    "{\"status\":{\"addresses\":[{\"type\":\"Hostname\","
					    "\"address\":\"%s\"}]}}",
					    rows[i].text)));
			assert_true(why && strstr(why, "no node's"));
		}
	}
}

static void only_what_waits_is_looked_at(void **state)
{
	(void)state;
	assert_true(finish_csr_waits(parsed("{\"status\":{}}")));
	assert_true(finish_csr_waits(parsed("{\"spec\":{}}")));
	assert_false(
		finish_csr_waits(parsed("{\"status\":{\"conditions\":[{\"type\":\"Denied\"}]}}")));
	assert_false(finish_csr_waits(parsed("{\"status\":{\"certificate\":\"QQ==\"}}")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kubelet_that_the_snapshot_knows_is_let_in),
		cmocka_unit_test(nobody_else_is),
		cmocka_unit_test(nothing_of_another_node_is_had),
		cmocka_unit_test(a_known_node_keeps_its_name_when_its_object_is_gone),
		cmocka_unit_test(what_is_of_before_is_left_alone),
		cmocka_unit_test(the_bootstrapper_gets_one_key_for_a_node),
		cmocka_unit_test(what_names_no_node_is_refused),
		cmocka_unit_test(only_what_waits_is_looked_at),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
