#include "plan/finish_api.h"

#include <string.h>
#include <time.h>

#include "base/ascii.h"
#include "base/monotonic.h"
#include "codec/json.h"
#include "codec/rfc3339.h"
#include "kube/kubeconfig.h"
#include "os/file.h"

enum { PAGES_MAX = 10000, PAGE = 50, NODES = 2000000, BODY_MAX = 1 << 20, PEM_MAX = 1 << 18 };

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
#define LEASE  LEASES "/etcd-rescue"

void finish_api_close(struct finish_api *api)
{
	http_session_close(api->peer.session);
	*api = (struct finish_api){ 0 };
}

/* A path of a kubeconfig, as the running system has it. */
static int pem_file(
	struct str *pem, struct arena *a, const struct root *root, const char *path, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(PEM_MAX);

	if (file_read(&text, root, path, e))
		return e->code;
	*pem = (struct str){ arena_copy(a, buf_text(&text)), text.len };
	explicit_bzero(text.p, text.len);
	return 0;
}

static int enter(struct finish_api *api, const struct root *root, const char *path, struct err *e)
{
	struct kube_files files = kube_files(api->arena, root);
	struct kube_kubeconfig c;
	struct kube_file *file;
	struct finish_answer answer;

	if (kube_file(&file, &files, path, e) || kube_kubeconfig_read(&c, file, e) ||
		(c.cert_file && !c.cert.len &&
			pem_file(&c.cert, api->arena, root, c.cert_file, e)) ||
		(c.key_file && !c.key.len && pem_file(&c.key, api->arena, root, c.key_file, e)))
		return e->code;
	if (!c.ca.len)
		return err_set(e, ERR_UNSUPPORTED, "%s holds no CA of its server", path);
	api->server = c.server;
	while (str_ends(str_from(api->server), STR("/")))
		api->server =
			arena_print(api->arena, "%.*s", (int)strlen(api->server) - 1, api->server);
	api->peer.trust = (struct trust){
		.anchors = { (const uint8_t *)c.ca.p, c.ca.len },
		.cert = { (const uint8_t *)c.cert.p, c.cert.len },
		.key = { (const uint8_t *)c.key.p, c.key.len },
	};
	http_session_close(api->peer.session);
	api->peer.session = http_session_open();
	return finish_api_call(&answer, api, "GET", LEASES "?limit=1", NULL, e);
}

int finish_api_open(struct finish_api *api, const struct root *root,
	const struct finish_record *record, struct err *e)
{
	struct err first = { 0 };

	err_set(&first, ERR_NOTFOUND, "there is no kubeconfig to ask the API server with");
	for (size_t i = 0; i < record->kubeconfigs.n; i++) {
		const char *path = record->kubeconfigs.v[i];
		struct err why = { 0 };
		if (!enter(api, root, path, &why)) {
			api->config = path;
			return 0;
		}
		err_wrap(&why, "%s", path);
		if (why.code != ERR_NOTFOUND || first.code == ERR_NOTFOUND)
			first = why;
	}
	*e = first;
	return e->code;
}

int finish_api_call(struct finish_answer *answer, struct finish_api *api, const char *method,
	const char *path, const char *body, struct err *e)
{
	static const struct doc_limits limits = { FINISH_ANSWER_MAX, NODES, 0, 100 };
	CLEAN_BUF struct buf out = BUF(FINISH_ANSWER_MAX);
	const struct finish_question q = {
		.url = arena_print(api->arena, "%s%s", api->server, path),
		.method = method,
		.type = !strcmp(method, "PATCH") ? "application/merge-patch+json" : NULL,
		.body = str_from(body),
	};
	struct doc doc = { 0 };

	*answer = (struct finish_answer){ 0 };
	if (finish_ask(&out, &answer->status, &api->peer, &q, e))
		return e->code;
	answer->text = (struct str){ arena_copy(api->arena, buf_text(&out)), out.len };
	if (out.len && doc_parse(&doc, api->arena, answer->text, path, DOC_JSON, limits, e))
		return e->code;
	answer->root = doc.root;
	return 0;
}

int finish_api_list(struct finish_api *api, const char *path,
	int (*each)(void *ctx, const struct doc_node *object, struct str text, struct err *e),
	void *ctx, struct err *e)
{
	char more[4096] = "";

	for (int page = 0; page < PAGES_MAX; page++) {
		const struct arena_mark mark = arena_mark(api->arena);
		struct finish_answer answer;
		if (finish_lease_keep(api, e) ||
			finish_api_call(&answer, api, "GET",
				arena_print(api->arena, "%s?limit=%d%s%s", path, PAGE,
					*more ? "&continue=" : "", more),
				NULL, e))
			return e->code;
		const struct doc_node *items = doc_get(answer.root, "items");
		for (const struct doc_node *n = items ? items->first : NULL; n; n = n->next) {
			if (each(ctx, n, answer.text, e))
				return e->code;
		}
		const struct str next = doc_text(doc_get(answer.root, "metadata"), "continue");
		if (next.len >= sizeof more)
			return err_set(e, ERR_FORMAT, "%s: a page that cannot be asked for", path);
		memcpy(more, next.p, next.len);
		more[next.len] = '\0';
		arena_release(api->arena, mark);
		if (!*more)
			return 0;
	}
	return err_set(e, ERR_FORMAT, "%s does not end", path);
}

bool finish_api_is_name(struct str name)
{
	if (!name.len || name.len > 253 || name.p[0] == '.')
		return false;
	for (size_t i = 0; i < name.len; i++) {
		const char c = name.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
			return false;
	}
	return true;
}

int finish_api_delete(struct finish_api *api, const char *path, struct str uid, struct str version,
	bool at_once, struct err *e)
{
	CLEAN_BUF struct buf body = BUF(BODY_MAX);
	struct json j = JSON(&body);
	struct finish_answer answer;
	struct err why = { 0 };

	json_open(&j, '{');
	json_key_text(&j, "kind", "DeleteOptions");
	json_key_text(&j, "apiVersion", "v1");
	json_key_text(&j, "propagationPolicy", "Background");
	if (at_once)
		json_key_u64(&j, "gracePeriodSeconds", 0);
	json_key(&j, "preconditions");
	json_open(&j, '{');
	json_key_str(&j, "uid", uid);
	if (version.len)
		json_key_str(&j, "resourceVersion", version);
	json_close(&j, '}');
	json_close(&j, '}');
	if (json_end(&j, e) || buf_add(&body, "", 1, e))
		return e->code;
	if (finish_api_call(&answer, api, "DELETE", path, (const char *)body.p, &why) &&
		why.code != ERR_NOTFOUND) {
		*e = why;
		return e->code;
	}
	return 0;
}

static const char *lease_body(struct arena *a, const char *holder, struct str version,
	const char *acquired, const char *now, uint64_t turns)
{
	CLEAN_BUF struct buf body = BUF(BODY_MAX);
	struct json j = JSON(&body);
	struct err ignored = { 0 };

	json_open(&j, '{');
	json_key_text(&j, "apiVersion", "coordination.k8s.io/v1");
	json_key_text(&j, "kind", "Lease");
	json_key(&j, "metadata");
	json_open(&j, '{');
	json_key_text(&j, "name", "etcd-rescue");
	json_key_text(&j, "namespace", "kube-system");
	if (version.len)
		json_key_str(&j, "resourceVersion", version);
	json_close(&j, '}');
	json_key(&j, "spec");
	json_open(&j, '{');
	json_key_text(&j, "holderIdentity", holder);
	json_key_u64(&j, "leaseDurationSeconds", FINISH_LEASE_S);
	json_key_text(&j, "acquireTime", acquired);
	json_key_text(&j, "renewTime", now);
	json_key_u64(&j, "leaseTransitions", turns);
	json_close(&j, '}');
	json_close(&j, '}');
	return json_end(&j, &ignored) ? NULL : arena_copy(a, buf_text(&body));
}

static const char *now_text(struct arena *a)
{
	char text[RFC3339_SIZE];

	rfc3339_format(text, time(NULL));
	return arena_print(a, "%.*s.000000Z", (int)strlen(text) - 1, text);
}

bool finish_lease_is_free(const struct doc_node *spec, const char *holder, int64_t since_ms)
{
	const struct str who = doc_text(spec, "holderIdentity");
	uint64_t seconds = FINISH_LEASE_S;

	str_u64(&seconds, doc_text(spec, "leaseDurationSeconds"), 10, INT32_MAX);
	return !who.len || str_is(who, holder) || since_ms > (int64_t)seconds * 1000;
}

/* Somebody else's: for how long has it said the same? */
static int64_t unchanged(struct finish_api *api, const struct doc_node *root)
{
	const struct str version = doc_text(doc_get(root, "metadata"), "resourceVersion");
	const int64_t now = monotonic_ms();

	if (!api->seen || !str_is(version, api->seen)) {
		api->seen = arena_copy(api->arena, version);
		api->seen_ms = now;
	}
	return now - api->seen_ms;
}

int finish_lease_take(struct finish_api *api, struct err *e)
{
	const char *now = now_text(api->arena);
	struct finish_answer answer;
	struct err why = { 0 };
	uint64_t turns = 0;

	if (finish_api_call(&answer, api, "GET", LEASE, NULL, &why)) {
		if (why.code != ERR_NOTFOUND) {
			*e = why;
			return e->code;
		}
		if (finish_api_call(&answer, api, "POST", LEASES,
			    lease_body(api->arena, api->holder, STR(""), now, now, 0), e))
			return e->code;
	} else {
		const struct doc_node *spec = doc_get(answer.root, "spec");
		const struct str who = doc_text(spec, "holderIdentity");
		if (!finish_lease_is_free(spec, api->holder, unchanged(api, answer.root)))
			return err_set(e, ERR_DECLINED, "%.*s is at it", STR_ARG(who));
		str_u64(&turns, doc_text(spec, "leaseTransitions"), 10, INT32_MAX - 1);
		const char *acquired =
			str_is(who, api->holder) && api->held
				? arena_copy(api->arena, doc_text(spec, "acquireTime"))
				: now;
		const char *body = lease_body(api->arena, api->holder,
			doc_text(doc_get(answer.root, "metadata"), "resourceVersion"),
			*acquired ? acquired : now, now, turns + !str_is(who, api->holder));
		if (finish_api_call(&answer, api, "PUT", LEASE, body, e))
			return e->code;
	}
	api->held = true;
	api->renewed_ms = monotonic_ms();
	return 0;
}

int finish_lease_keep(struct finish_api *api, struct err *e)
{
	if (!api->held || monotonic_ms() - api->renewed_ms < FINISH_LEASE_S * 1000 / 3)
		return 0;
	return finish_lease_take(api, e) ? err_wrap(e, "the Lease kube-system/etcd-rescue") : 0;
}

void finish_lease_drop(struct finish_api *api)
{
	struct finish_answer answer;
	struct err ignored = { 0 };
	uint64_t turns = 0;

	if (!api->held)
		return;
	api->held = false;
	if (finish_api_call(&answer, api, "GET", LEASE, NULL, &ignored))
		return;
	const struct doc_node *spec = doc_get(answer.root, "spec");
	if (!str_is(doc_text(spec, "holderIdentity"), api->holder))
		return;
	str_u64(&turns, doc_text(spec, "leaseTransitions"), 10, INT32_MAX - 1);
	const char *now = now_text(api->arena);
	finish_api_call(&answer, api, "PUT", LEASE,
		lease_body(api->arena, "",
			doc_text(doc_get(answer.root, "metadata"), "resourceVersion"), now, now,
			turns),
		&ignored);
}
