/* What may go, and what stays: no question asked, nothing done. */
#include <string.h>

#include "codec/json.h"
#include "codec/rfc3339.h"
#include "plan/finish_clean.h"
#include "plan/finish_cron.h"

static int64_t time_of(const struct doc_node *map, const char *key)
{
	const struct str text = doc_text(map, key);
	int64_t t;

	return text.len && rfc3339_parse(&t, text) ? t : 0;
}

static bool is_true(const struct doc_node *map, const char *key)
{
	return str_is(doc_text(map, key), "true");
}

static const struct doc_node *ready_of(const struct doc_node *node)
{
	const struct doc_node *all = doc_find(node, "/status/conditions");

	for (const struct doc_node *c = all ? all->first : NULL; c; c = c->next) {
		if (str_is(doc_text(c, "type"), "Ready"))
			return c;
	}
	return NULL;
}

bool finish_node_is_ready(const struct doc_node *node)
{
	return str_is(doc_text(ready_of(node), "status"), "True");
}

static bool is_master(const struct doc_node *node)
{
	const struct doc_node *labels = doc_find(node, "/metadata/labels");

	return doc_get(labels, "node-role.kubernetes.io/control-plane") ||
	       doc_get(labels, "node-role.kubernetes.io/master");
}

static bool is_one_of(struct str name, const struct kube_texts *names)
{
	for (size_t i = 0; i < names->n; i++) {
		if (str_is(name, names->v[i]))
			return true;
	}
	return false;
}

/* OpenShift 4.2 calls the members "etcd-member-" and the node's name. */
static bool is_member(struct str name, const struct finish_record *r)
{
	for (size_t i = 0; i < r->n_clusters; i++) {
		for (size_t m = 0; m < r->clusters[i].n; m++) {
			struct str member = str_from(r->clusters[i].members[m].name);
			const struct str prefix = STR("etcd-member-");
			if (str_equal(name, member))
				return true;
			if (str_starts(member, prefix) &&
				str_equal(name, (struct str){ member.p + prefix.len,
							member.len - prefix.len }))
				return true;
		}
	}
	return false;
}

/* Restored as the only member, and the other masters are to be made anew. */
static bool was_single(const struct finish_record *r)
{
	return r->layout && finish_loses(r->layout) && r->node && finish_alone(r);
}

/* Why it is lost, if it is silent. */
static const char *candidate(
	bool *wants_unknown, const struct doc_node *node, const struct finish_record *r)
{
	const struct doc_node *meta = doc_get(node, "metadata");
	const struct str name = doc_text(meta, "name");
	const int64_t created = time_of(meta, "creationTimestamp");

	*wants_unknown = false;
	if (!is_master(node) || (r->node && str_is(name, r->node)) || is_member(name, r))
		return NULL;
	if (is_one_of(name, &r->lost))
		return "the plan replaced it, and it is not ready";
	*wants_unknown = true;
	return was_single(r) && created && created < r->restored && is_one_of(name, &r->known)
		       ? "it is no member since the restore, and nobody hears of it"
		       : NULL;
}

const char *finish_node_lost(const struct doc_node *node, const struct finish_record *r)
{
	const struct str status = doc_text(ready_of(node), "status");
	bool wants_unknown;
	const char *why = candidate(&wants_unknown, node, r);

	return !why || (wants_unknown ? !str_is(status, "Unknown") : str_is(status, "True")) ? NULL
											     : why;
}

bool finish_node_is_unsure(const struct doc_node *node, const struct finish_record *r)
{
	const int64_t heard = time_of(ready_of(node), "lastHeartbeatTime");
	bool wants_unknown;

	return candidate(&wants_unknown, node, r) && !finish_node_lost(node, r) && heard &&
	       heard < r->restored;
}

static bool has_ready_node(const struct doc_node *pod, const struct finish_nodes *nodes)
{
	const struct str name = doc_text(doc_get(pod, "spec"), "nodeName");

	for (const struct finish_node *n = nodes->first; n; n = n->next) {
		if (str_is(name, n->name))
			return n->ready;
	}
	return false;
}

/* Somebody makes another one; a static pod's mirror belongs to its node. */
static bool has_controller(const struct doc_node *pod)
{
	const struct doc_node *owners = doc_find(pod, "/metadata/ownerReferences");

	for (const struct doc_node *o = owners ? owners->first : NULL; o; o = o->next) {
		if (is_true(o, "controller"))
			return !str_is(doc_text(o, "kind"), "Node");
	}
	return false;
}

const char *finish_pod_stuck(bool *at_once, const struct doc_node *pod,
	const struct finish_nodes *nodes, int64_t restored)
{
	const struct doc_node *meta = doc_get(pod, "metadata");
	const struct str phase = doc_text(doc_get(pod, "status"), "phase");
	const int64_t created = time_of(meta, "creationTimestamp"),
		      leaving = time_of(meta, "deletionTimestamp");
	const bool mirror =
		doc_get(doc_get(meta, "annotations"), "kubernetes.io/config.mirror") != NULL;
	const bool scheduled = doc_text(doc_get(pod, "spec"), "nodeName").len;

	*at_once = true;
	if (!created || created >= restored || !scheduled || mirror)
		return NULL;
	if (leaving && leaving < restored && !has_ready_node(pod, nodes))
		return "it is on its way out since before the restore, and its node is gone";
	if (leaving || !has_controller(pod))
		return NULL;
	if (str_is(phase, "Unknown") && !has_ready_node(pod, nodes))
		return "nobody has known its state since before the restore";
	*at_once = false;
	return str_is(phase, "Pending") ? "it has not started since before the restore" : NULL;
}

void finish_cronjob_read(struct finish_cronjob *job, const struct doc_node *object)
{
	const struct doc_node *spec = doc_get(object, "spec"), *status = doc_get(object, "status");
	const struct doc_node *active = doc_get(status, "active");
	const struct doc_node *deadline = doc_get(spec, "startingDeadlineSeconds");

	*job = (struct finish_cronjob){
		.schedule = doc_text(spec, "schedule"),
		.zone = doc_text(spec, "timeZone"),
		.suspended = is_true(spec, "suspend"),
		.has_deadline = deadline && !doc_is_null(deadline),
		.waits = str_is(doc_text(spec, "concurrencyPolicy"), "Forbid") && active &&
			 active->n,
		.created = time_of(doc_get(object, "metadata"), "creationTimestamp"),
		.last = time_of(status, "lastScheduleTime"),
	};
}

/* The bytes of a value as they are. */
static int verbatim(struct buf *out, const char *key, const struct doc_node *map, struct str text,
	bool *comma, struct err *e)
{
	const struct doc_node *n = doc_get(map, key);

	if (!n)
		return 0;
	if (buf_print(out, e, "%s\"%s\":", *comma ? "," : "", key) ||
		buf_add(out, text.p + n->start, n->end - n->start, e))
		return e->code;
	*comma = true;
	return 0;
}

int finish_object_again(struct buf *out, const struct doc_node *object, struct str text,
	const char *version, const char *kind, struct err *e)
{
	static const char *const kept[] = { "name", "namespace", "labels", "annotations",
		"ownerReferences" };
	const struct doc_node *meta = doc_get(object, "metadata");
	bool comma = false;

	if (buf_print(
		    out, e, "{\"apiVersion\":\"%s\",\"kind\":\"%s\",\"metadata\":{", version, kind))
		return e->code;
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
		if (verbatim(out, kept[i], meta, text, &comma, e))
			return e->code;
	}
	comma = true;
	return buf_print(out, e, "}") || verbatim(out, "spec", object, text, &comma, e) ||
			       buf_print(out, e, "}")
		       ? e->code
		       : 0;
}
