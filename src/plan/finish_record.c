#include "plan/finish_record.h"

#include <string.h>

#include "codec/doc.h"
#include "codec/json.h"
#include "codec/rfc3339.h"
#include "etcd/ident.h"

enum { VERSION_KNOWN = 1 };

static const struct {
	const char *key;
	size_t field;
} texts[] = {
	{ "plan", offsetof(struct finish_record, plan) },
	{ "node", offsetof(struct finish_record, node) },
	{ "layout", offsetof(struct finish_record, layout) },
	{ "role", offsetof(struct finish_record, role) },
	{ "snapshot", offsetof(struct finish_record, snapshot) },
	{ "source", offsetof(struct finish_record, source) },
	{ "report", offsetof(struct finish_record, report) },
	{ "syslog", offsetof(struct finish_record, syslog) },
};

static const struct {
	const char *key;
	size_t field;
} lists[] = {
	{ "lost", offsetof(struct finish_record, lost) },
	{ "known", offsetof(struct finish_record, known) },
	{ "kubeconfigs", offsetof(struct finish_record, kubeconfigs) },
	{ "files", offsetof(struct finish_record, files) },
};

static const struct {
	const char *key;
	size_t field;
} switches[] = {
	{ "cronjobs", offsetof(struct finish_wanted, cronjobs) },
	{ "stuck-pods", offsetof(struct finish_wanted, stuck_pods) },
	{ "nodes", offsetof(struct finish_wanted, nodes) },
	{ "redeploy", offsetof(struct finish_wanted, redeploy) },
	{ "csr", offsetof(struct finish_wanted, csr) },
};

#define N(table) (sizeof(table) / sizeof *(table))

static int bad(struct err *e, const char *what)
{
	return err_set(
		e, ERR_FORMAT, FINISH_RECORD ": %s; it was not written by etcd-rescue", what);
}

static const char *text_of(struct arena *a, const struct doc_node *map, const char *key)
{
	const struct doc_node *n = doc_get(map, key);

	return n && n->kind == DOC_SCALAR && !doc_is_null(n) ? arena_copy(a, n->text) : NULL;
}

static bool is_yes(const struct doc_node *map, const char *key)
{
	return str_is(doc_text(map, key), "true");
}

static struct kube_texts list_of(struct arena *a, const struct doc_node *map, const char *key)
{
	return kube_texts_of(a, doc_get(map, key));
}

/* "etc/x", never out of the tree. */
static bool is_below(const char *path)
{
	struct str rest = str_from(path), part;

	if (!rest.len || rest.p[0] == '/')
		return false;
	while (str_next(&part, &rest, '/')) {
		if (!part.len || str_is(part, ".") || str_is(part, ".."))
			return false;
	}
	return true;
}

static bool are_below(const struct kube_texts *paths)
{
	for (size_t i = 0; i < paths->n; i++) {
		if (!is_below(paths->v[i]))
			return false;
	}
	return true;
}

static bool id_of(uint64_t *id, const struct doc_node *map, const char *key)
{
	return str_u64(id, doc_text(map, key), 16, UINT64_MAX);
}

static int cluster(
	struct finish_cluster *c, struct arena *a, const struct doc_node *n, struct err *e)
{
	const struct doc_node *members = doc_get(n, "members");

	c->what = text_of(a, n, "what");
	c->ca = text_of(a, n, "ca");
	c->cert = text_of(a, n, "cert");
	c->key = text_of(a, n, "key");
	c->clients = list_of(a, n, "clients");
	c->urls = list_of(a, n, "urls");
	c->seeds = list_of(a, n, "seeds");
	c->listed = text_of(a, n, "listed");
	c->files = list_of(a, n, "files");
	if (!c->what || !id_of(&c->id, n, "id") || !id_of(&c->own, n, "own") || !members ||
		members->kind != DOC_LIST || !are_below(&c->files) || (c->ca && !is_below(c->ca)) ||
		(c->cert && (!c->key || !is_below(c->cert) || !is_below(c->key))))
		return bad(e, "a cluster that is none");
	c->members = arena_array(a, members->n + 1, sizeof *c->members);
	for (const struct doc_node *m = members->first; m; m = m->next) {
		struct finish_member *out = &c->members[c->n++];
		out->name = text_of(a, m, "name");
		out->urls = list_of(a, m, "urls");
		if (!out->name || !id_of(&out->id, m, "id"))
			return bad(e, "a member that is none");
	}
	return 0;
}

static int clusters(
	struct finish_record *r, struct arena *a, const struct doc_node *list, struct err *e)
{
	if (!list || list->kind != DOC_LIST)
		return bad(e, "it names no clusters");
	r->clusters = arena_array(a, list->n + 1, sizeof *r->clusters);
	for (const struct doc_node *n = list->first; n; n = n->next) {
		if (cluster(&r->clusters[r->n_clusters++], a, n, e))
			return e->code;
	}
	return 0;
}

static int held(
	struct finish_record *r, struct arena *a, const struct doc_node *list, struct err *e)
{
	if (!list || list->kind != DOC_LIST)
		return 0;
	r->held = arena_array(a, list->n + 1, sizeof *r->held);
	for (const struct doc_node *n = list->first; n; n = n->next) {
		struct finish_held *h = &r->held[r->n_held++];
		h->path = text_of(a, n, "path");
		h->held = text_of(a, n, "held");
		if (!h->path || !h->held || !is_below(h->path) || !is_below(h->held))
			return bad(e, "a file that waits nowhere");
	}
	return 0;
}

int finish_record_parse(struct finish_record *r, struct arena *a, struct str text, struct err *e)
{
	const struct doc_node *root;
	struct doc doc;
	uint64_t version, restored;

	*r = (struct finish_record){ 0 };
	if (doc_parse(&doc, a, text, FINISH_RECORD, DOC_JSON, DOC_LIMITS, e))
		return e->code;
	root = doc.root;
	if (!root || root->kind != DOC_MAP ||
		!str_u64(&version, doc_text(root, "version"), 10, UINT32_MAX))
		return bad(e, "no record");
	if (version != VERSION_KNOWN)
		return err_set(e, ERR_UNSUPPORTED,
			FINISH_RECORD " is of a newer etcd-rescue; take that one");
	for (size_t i = 0; i < N(texts); i++) {
		const char *value = text_of(a, root, texts[i].key);
		memcpy((char *)r + texts[i].field, &value, sizeof value);
	}
	for (size_t i = 0; i < N(lists); i++) {
		const struct kube_texts value = list_of(a, root, lists[i].key);
		memcpy((char *)r + lists[i].field, &value, sizeof value);
	}
	for (size_t i = 0; i < N(switches); i++) {
		const bool value = is_yes(root, switches[i].key);
		memcpy((char *)&r->wanted + switches[i].field, &value, sizeof value);
	}
	if (!r->layout || !str_u64(&restored, doc_text(root, "restored"), 10, INT64_MAX) ||
		!str_u64(&r->deadline_s, doc_text(root, "deadline"), 10, DURATION_MAX))
		return bad(e, "layout, time or deadline are missing");
	if (doc_text(root, "redeploy-deadline").len &&
		!str_u64(&r->redeploy_s, doc_text(root, "redeploy-deadline"), 10, DURATION_MAX))
		return bad(e, "a deadline that is none");
	r->restored = (int64_t)restored;
	if (!are_below(&r->kubeconfigs) || !are_below(&r->files))
		return bad(e, "a path that leads outside");
	return clusters(r, a, doc_get(root, "clusters"), e) || held(r, a, doc_get(root, "held"), e)
		       ? e->code
		       : 0;
}

static void print_list(struct json *j, const char *key, const struct kube_texts *list)
{
	json_key(j, key);
	json_open(j, '[');
	for (size_t i = 0; i < list->n; i++)
		json_text(j, list->v[i]);
	json_close(j, ']');
}

static void print_cluster(struct json *j, const struct finish_cluster *c)
{
	json_open(j, '{');
	json_key_text(j, "what", c->what);
	json_key_text(j, "id", etcd_ident_text(c->id).text);
	json_key_text(j, "own", etcd_ident_text(c->own).text);
	print_list(j, "clients", &c->clients);
	json_key_text(j, "ca", c->ca);
	json_key_text(j, "cert", c->cert);
	json_key_text(j, "key", c->key);
	print_list(j, "urls", &c->urls);
	print_list(j, "seeds", &c->seeds);
	json_key_text(j, "listed", c->listed);
	print_list(j, "files", &c->files);
	json_key(j, "members");
	json_open(j, '[');
	for (size_t i = 0; i < c->n; i++) {
		json_open(j, '{');
		json_key_text(j, "name", c->members[i].name);
		json_key_text(j, "id", etcd_ident_text(c->members[i].id).text);
		print_list(j, "urls", &c->members[i].urls);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

int finish_record_print(struct buf *out, const struct finish_record *r, struct err *e)
{
	struct json j = JSON(out);

	json_open(&j, '{');
	json_key_u64(&j, "version", VERSION_KNOWN);
	for (size_t i = 0; i < N(texts); i++) {
		const char *value;
		memcpy(&value, (const char *)r + texts[i].field, sizeof value);
		json_key_text(&j, texts[i].key, value);
	}
	json_key(&j, "restored");
	json_i64(&j, r->restored);
	json_key_u64(&j, "deadline", r->deadline_s);
	if (r->redeploy_s)
		json_key_u64(&j, "redeploy-deadline", r->redeploy_s);
	for (size_t i = 0; i < N(switches); i++) {
		bool value;
		memcpy(&value, (const char *)&r->wanted + switches[i].field, sizeof value);
		json_key_bool(&j, switches[i].key, value);
	}
	json_key(&j, "clusters");
	json_open(&j, '[');
	for (size_t i = 0; i < r->n_clusters; i++)
		print_cluster(&j, &r->clusters[i]);
	json_close(&j, ']');
	json_key(&j, "held");
	json_open(&j, '[');
	for (size_t i = 0; i < r->n_held; i++) {
		json_open(&j, '{');
		json_key_text(&j, "path", r->held[i].path);
		json_key_text(&j, "held", r->held[i].held);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	for (size_t i = 0; i < N(lists); i++) {
		struct kube_texts value;
		memcpy(&value, (const char *)r + lists[i].field, sizeof value);
		print_list(&j, lists[i].key, &value);
	}
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

static bool is_one(const char *name, const char *const *names)
{
	for (; *names; names++) {
		if (!strcmp(name, *names))
			return true;
	}
	return false;
}

bool finish_holds(const char *layout)
{
	static const char *const ordered[] = { "icp", NULL };

	return is_one(layout, ordered);
}

bool finish_loses(const char *layout)
{
	static const char *const remade[] = { "openshift-4.2", NULL };

	return is_one(layout, remade);
}

bool finish_alone(const struct finish_record *record)
{
	return record->n_clusters == 1 && record->clusters[0].n == 1;
}

void finish_steps(struct finish_step steps[FINISH_ACTIONS], const char *layout,
	const struct finish_wanted *wanted, const struct finish_part *part)
{
	static const char *const with_nodes[] = { "kubeadm", "csm", "openshift-4.2",
		"openshift-4.6", NULL };
	static const char *const with_cronjobs[] = { "csm", NULL };
	static const char *const with_operators[] = { "openshift-4.6", NULL };
	/* Whom a restore has lost is known to those who were restored. */
	const bool lost = part->replaces || (finish_loses(layout) && part->alone && !part->joins);
	const bool nodes = is_one(layout, with_nodes), csm = is_one(layout, with_cronjobs),
		   operators = is_one(layout, with_operators);
	const struct finish_step all[FINISH_ACTIONS] = {
		[FINISH_ETCD] = { "etcd", NULL,
			part->joins ? "adds this node's member to the cluster, starts its etcd, "
				      "and waits until it serves"
				    : "waits until this node's etcd serves",
			true, false },
		[FINISH_MEMBERS] = { "members", NULL,
			part->joins ? "compares the cluster's id with that of who let it in"
				    : "compares cluster id and members with what was restored",
			true, false },
		[FINISH_PODS] = { "pods", NULL,
			"puts the other static pods in place, after the deadline in any case",
			finish_holds(layout) || part->joins, false },
		[FINISH_NODES] = { "nodes", "finish.nodes",
			finish_loses(layout)
				? "deletes Node objects of masters that are not ready: replaced "
				  "by the plan, or no members any more; where no kubeconfig of "
				  "the disk serves, with a certificate for a day from the "
				  "snapshot's kube-control-plane-signer"
				: "deletes Node objects of masters that the plan replaced",
			nodes && lost && wanted->nodes, true },
		[FINISH_STUCK_PODS] = { "stuck-pods", "finish.stuck-pods",
			"deletes pods that have been stuck since before the restore",
			csm && wanted->stuck_pods, true },
		[FINISH_CRONJOBS] = { "cronjobs", "finish.cronjobs",
			"replaces CronJobs that are not scheduled any more",
			csm && wanted->cronjobs, true },
		[FINISH_REDEPLOY] = { "redeploy", "finish.redeploy",
			"has etcd, API server, controller manager and scheduler redeployed on all "
			"masters, one after the other",
			operators && wanted->redeploy, true },
		[FINISH_CSR] = { "csr", "finish.csr",
			"approves certificates of kubelets that the snapshot knows",
			operators && wanted->csr, true },
		[FINISH_REMOVE] = { "remove", NULL,
			"reports, and takes its own program and unit away", true, false },
	};

	memcpy(steps, all, sizeof all);
}
