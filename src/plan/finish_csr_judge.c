/* Who may have a certificate: no question asked, nothing done. */
#include <string.h>

#include "codec/address.h"
#include "codec/rfc3339.h"
#include "codec/text.h"
#include "plan/finish_csr.h"

#define NODE       "system:node:"
#define NODES      "system:nodes"
#define EVERYBODY  "system:authenticated"
#define ACCOUNTS   "system:serviceaccounts"
#define MACHINES   "openshift-machine-config-operator"
#define BOOTSTRAP  "system:serviceaccount:" MACHINES ":node-bootstrapper"
#define FOR_CLIENT "kubernetes.io/kube-apiserver-client-kubelet"
#define FOR_SERVER "kubernetes.io/kubelet-serving"

static bool holds(const struct doc_node *list, const char *text)
{
	for (const struct doc_node *n = list ? list->first : NULL; n; n = n->next) {
		if (n->kind == DOC_SCALAR && str_is(n->text, text))
			return true;
	}
	return false;
}

/* Each of them once, and nothing else. */
static bool is_exactly(const struct doc_node *list, const char *const *texts)
{
	size_t n = 0;

	for (; texts[n]; n++) {
		if (!holds(list, texts[n]))
			return false;
	}
	return list && list->n == n;
}

bool finish_csr_waits(const struct doc_node *object)
{
	const struct doc_node *status = doc_get(object, "status");
	const struct doc_node *conditions = doc_get(status, "conditions");

	return !(conditions && conditions->n) && !doc_text(status, "certificate").len;
}

/* The same usages of a client or a server; the key's kind tells whether a key may be enciphered. */
static bool has_usages(const struct doc_node *usages, const char *kind)
{
	const char *const rsa[] = { "digital signature", "key encipherment", kind, NULL };
	const char *const ec[] = { "digital signature", kind, NULL };

	return is_exactly(usages, rsa) || is_exactly(usages, ec);
}

/* Which kind of certificate; false: none of ours. */
static bool kind_of(bool *serving, const struct doc_node *spec)
{
	const struct doc_node *usages = doc_get(spec, "usages");
	const struct str signer = doc_text(spec, "signerName");

	if (str_is(signer, FOR_CLIENT) || str_is(signer, FOR_SERVER))
		*serving = str_is(signer, FOR_SERVER);
	else if (!signer.len && !doc_get(spec, "signerName"))
		*serving = holds(usages, "server auth");
	else
		return false;
	return true;
}

static const char *known_node(struct arena *a, const struct finish_record *record, struct str name)
{
	for (size_t i = 0; i < record->known.n; i++) {
		if (str_is(name, record->known.v[i]))
			return arena_copy(a, name);
	}
	return NULL;
}

static bool is_of_before(const struct doc_node *object, const struct finish_record *record)
{
	const struct str created = doc_text(doc_get(object, "metadata"), "creationTimestamp");
	int64_t t;

	return !rfc3339_parse(&t, created) || t < record->restored - FINISH_CSR_AGE_S;
}

static int pem_of(struct buf *pem, const struct doc_node *spec, struct err *e)
{
	return codec_text_unbase64(pem, doc_text(spec, "request"), e);
}

static const char *judge_requester(struct finish_csr_request *r, const struct doc_node *spec)
{
	static const char *const of_bootstrap[] = { ACCOUNTS, ACCOUNTS ":" MACHINES, EVERYBODY,
		NULL };
	static const char *const of_node[] = { NODES, EVERYBODY, NULL };
	const struct str user = doc_text(spec, "username");
	const struct doc_node *groups = doc_get(spec, "groups");

	r->bootstrap = str_is(user, BOOTSTRAP);
	if (r->bootstrap && r->serving)
		return "only the node itself may ask for this";
	if (!r->bootstrap && !str_is(user, r->asked.common_name))
		return "it is asked for by somebody else";
	return is_exactly(groups, r->bootstrap ? of_bootstrap : of_node)
		       ? NULL
		       : "who asks for it has other groups than a kubelet";
}

/* Also of one whose Node object is gone. */
static bool is_of_another(const struct finish_csr_request *r, const struct finish_record *record)
{
	for (size_t i = 0; i < record->known.n; i++) {
		const char *node = record->known.v[i];
		for (size_t n = 0; n < r->asked.names.n && strcmp(node, r->node); n++) {
			if (address_same(str_from(r->asked.names.v[n]), str_from(node)))
				return true;
		}
	}
	return false;
}

const char *finish_csr_read(struct finish_csr_request *r, struct arena *a,
	const struct finish_record *record, const struct doc_node *object)
{
	CLEAN_BUF struct buf pem = BUF(KUBE_CSR_MAX);
	const struct doc_node *spec = doc_get(object, "spec");
	struct err why = { 0 };
	const char *reason;

	*r = (struct finish_csr_request){ 0 };
	if (is_of_before(object, record))
		return "it was made before the restore";
	if (!kind_of(&r->serving, spec))
		return "it is for no kubelet";
	if (!has_usages(doc_get(spec, "usages"), r->serving ? "server auth" : "client auth"))
		return "it has other usages than a kubelet's";
	if (pem_of(&pem, spec, &why) || kube_csr_read(&r->asked, a, buf_text(&pem), &why))
		return arena_copy(a, str_from(why.text));
	const struct str name = str_from(r->asked.common_name);
	if (!str_starts(name, STR(NODE)))
		return "it is for no node";
	r->node = known_node(
		a, record, (struct str){ name.p + strlen(NODE), name.len - strlen(NODE) });
	if (!r->node)
		return "the snapshot knows no such node";
	if (strcmp(r->asked.organization, NODES))
		return "it is for another organization";
	if ((reason = judge_requester(r, spec)))
		return reason;
	if (!r->serving && (r->asked.names.n || r->asked.addresses.n))
		return "a client's has no other names";
	if (r->serving && !r->asked.names.n && !r->asked.addresses.n)
		return "a server's has at least one name";
	return is_of_another(r, record) ? "it asks for a name of another node" : NULL;
}

static bool is_any(struct str text, const char *const *texts)
{
	for (; *texts; texts++) {
		if (str_is(text, *texts))
			return true;
	}
	return false;
}

/* Does the Node object have this name, or this address? */
static bool has_address(const struct doc_node *node, struct str wanted, bool is_name)
{
	static const char *const names[] = { "Hostname", "InternalDNS", "ExternalDNS", NULL };
	static const char *const ips[] = { "InternalIP", "ExternalIP", NULL };
	const struct doc_node *list = doc_find(node, "/status/addresses");

	for (const struct doc_node *n = list ? list->first : NULL; n; n = n->next) {
		const struct str text = doc_text(n, "address");
		if (!is_any(doc_text(n, "type"), is_name ? names : ips))
			continue;
		if (is_name ? str_equal(text, wanted)
			    : address_read(text).len && address_same(text, wanted))
			return true;
	}
	return false;
}

/* Of whatever type, and as whoever connects compares: capitals are no other name. */
static bool goes_by(const struct doc_node *other, struct str wanted)
{
	const struct doc_node *list = doc_find(other, "/status/addresses");

	for (const struct doc_node *n = list ? list->first : NULL; n; n = n->next) {
		if (address_same(doc_text(n, "address"), wanted))
			return true;
	}
	return address_same(doc_text(doc_get(other, "metadata"), "name"), wanted);
}

const char *finish_csr_judge(const struct finish_csr_request *r, const struct doc_node *node)
{
	if (r->bootstrap && finish_node_is_ready(node))
		return "its node is ready, and needs none";
	if (r->serving && !node)
		return "its node is not there yet";
	for (size_t i = 0; i < r->asked.names.n; i++) {
		const struct str name = str_from(r->asked.names.v[i]);
		if (finish_csr_is_nobodys(name))
			return "it asks for a name that is no node's";
		if (!has_address(node, name, true))
			return "it asks for a name that its node does not have";
	}
	for (size_t i = 0; i < r->asked.addresses.n; i++) {
		const struct str address = str_from(r->asked.addresses.v[i]);
		if (finish_csr_is_nobodys(address))
			return "it asks for an address that is no node's";
		if (!has_address(node, address, false))
			return "it asks for an address that its node does not have";
	}
	return NULL;
}

struct finish_csr_key {
	const char *node;
	uint8_t digest[CODEC_SHA256_SIZE];
	struct finish_csr_key *next;
};

const char *finish_csr_judge_key(const struct finish_csrs *s, const struct finish_csr_request *r)
{
	for (const struct finish_csr_key *k = r->bootstrap ? s->keys : NULL; k; k = k->next) {
		if (!strcmp(k->node, r->node) &&
			memcmp(k->digest, r->asked.key, sizeof k->digest) != 0)
			return "its node has got a certificate for another key just now";
	}
	return NULL;
}

void finish_csr_keep_key(struct finish_csrs *s, const struct finish_csr_request *r)
{
	if (!r->bootstrap)
		return;
	for (const struct finish_csr_key *k = s->keys; k; k = k->next) {
		if (!strcmp(k->node, r->node))
			return;
	}
	struct finish_csr_key *k = arena_alloc(&s->keep, sizeof *k);
	*k = (struct finish_csr_key){ arena_copy(&s->keep, str_from(r->node)), { 0 }, s->keys };
	memcpy(k->digest, r->asked.key, sizeof k->digest);
	s->keys = k;
}

const char *finish_csr_judge_other(const struct finish_csr_request *r, const struct doc_node *other)
{
	const struct str name = doc_text(doc_get(other, "metadata"), "name");

	if (str_is(name, r->node))
		return NULL;
	for (size_t i = 0; i < r->asked.names.n; i++) {
		if (goes_by(other, str_from(r->asked.names.v[i])))
			return "it asks for a name of another node";
	}
	for (size_t i = 0; i < r->asked.addresses.n; i++) {
		if (goes_by(other, str_from(r->asked.addresses.v[i])))
			return "it asks for an address of another node";
	}
	return NULL;
}
