#include "plan/finish_csr.h"

#include <string.h>
#include <time.h>

#include "codec/json.h"
#include "codec/rfc3339.h"

enum { BODY_MAX = 1 << 20, KEEP_MAX = 16 << 20, TOLD_MAX = 200, SOONEST_MS = 2000 };

static const char step[] = "finish";

struct finish_csr_told {
	const char *uid, *why;
	struct finish_csr_told *next;
};

void finish_csr_free(struct finish_csrs *csrs)
{
	arena_free(&csrs->keep);
	*csrs = (struct finish_csrs){ 0 };
}

static const struct doc_node *meta(const struct doc_node *object)
{
	return doc_get(object, "metadata");
}

/* Once for each reason. */
static void tell(struct finish_clean *c, const struct doc_node *object, const char *why)
{
	struct finish_csrs *s = c->csrs;
	const struct str uid = doc_text(meta(object), "uid");

	for (const struct finish_csr_told *t = s->told; t; t = t->next) {
		if (str_is(uid, t->uid) && !strcmp(why, t->why))
			return;
	}
	if (s->n_told == TOLD_MAX)
		return;
	struct finish_csr_told *t = arena_alloc(&s->keep, sizeof *t);
	*t = (struct finish_csr_told){ arena_copy(&s->keep, uid),
		arena_copy(&s->keep, str_from(why)), s->told };
	s->told = t;
	event_info(c->listener, step, "request %.*s for a certificate is left alone: %s%s",
		STR_ARG(doc_text(meta(object), "name")), why,
		++s->n_told == TOLD_MAX ? "; no others are told" : "");
}

static int verbatim(struct buf *out, const char *key, const struct doc_node *object,
	struct str text, struct err *e)
{
	const struct doc_node *n = doc_get(object, key);

	if (!n)
		return err_set(e, ERR_FORMAT, "a request for a certificate without %s", key);
	return buf_print(out, e, ",\"%s\":", key) ||
			       buf_add(out, text.p + n->start, n->end - n->start, e)
		       ? e->code
		       : 0;
}

/* The object as it is, so that a server that takes all of it loses nothing. */
static int approval(struct buf *out, const struct doc_node *object, struct str text,
	const char *version, struct err *e)
{
	char now[RFC3339_SIZE];
	struct json j = JSON(out);

	rfc3339_format(now, time(NULL));
	if (buf_print(out, e, "{\"apiVersion\":\"%s\",\"kind\":\"CertificateSigningRequest\"",
		    version) ||
		verbatim(out, "metadata", object, text, e) ||
		verbatim(out, "spec", object, text, e) ||
		buf_print(out, e, ",\"status\":{\"conditions\":["))
		return e->code;
	json_open(&j, '{');
	json_key_text(&j, "type", "Approved");
	json_key_text(&j, "status", "True");
	json_key_text(&j, "reason", "EtcdRescue");
	json_key_text(&j, "message", "a node that the restored snapshot knows");
	json_key_text(&j, "lastUpdateTime", now);
	json_close(&j, '}');
	return json_end(&j, e) || buf_add(out, "]}}", sizeof "]}}", e) ? e->code : 0;
}

static int approve(struct finish_clean *c, const struct finish_csr_request *r,
	const struct doc_node *object, struct str text, struct err *e)
{
	CLEAN_BUF struct buf body = BUF(BODY_MAX);
	const struct str name = doc_text(meta(object), "name");
	struct finish_answer answer;

	if (!finish_api_is_name(name)) {
		tell(c, object, "its name is impossible");
		return 0;
	}
	if (approval(&body, object, text, c->csrs->version, e))
		return e->code;
	const char *path =
		arena_print(c->api->arena, "/apis/%s/certificatesigningrequests/%.*s/approval",
			c->csrs->version, STR_ARG(name));
	/* Before, for the answer may be lost. */
	finish_csr_keep_key(c->csrs, r);
	if (finish_api_call(&answer, c->api, "PUT", path, (const char *)body.p, e)) {
		/* It has changed, or is gone: the next look tells. */
		if (answer.status == 404)
			err_forgive(e, ERR_NOTFOUND);
		if (answer.status == 409)
			err_forgive(e, ERR_MISMATCH);
		return e->code;
	}
	c->csrs->approved++;
	c->csrs->changed_ms = monotonic_ms();
	event_warning(c->listener, step,
		"request %.*s is approved: a %s certificate of node %s, asked for by %.*s",
		STR_ARG(name), r->serving ? "server's" : "client's", r->node,
		STR_ARG(doc_text(doc_get(object, "spec"), "username")));
	return 0;
}

/* `*node` NULL: there is none. */
static int find_node(
	const struct doc_node **node, struct finish_api *api, const char *name, struct err *e)
{
	struct finish_answer answer;

	*node = NULL;
	if (!finish_api_is_name(str_from(name)))
		return 0;
	if (finish_api_call(&answer, api, "GET", arena_print(api->arena, "/api/v1/nodes/%s", name),
		    NULL, e))
		return err_forgive(e, ERR_NOTFOUND);
	*node = answer.root;
	return 0;
}

struct others {
	const struct finish_csr_request *request;
	const char *why;
};

static int each_node(void *ctx, const struct doc_node *node, struct str text, struct err *e)
{
	struct others *o = ctx;

	(void)text, (void)e;
	if (!o->why)
		o->why = finish_csr_judge_other(o->request, node);
	return 0;
}

/* `*why` NULL: nobody else has a name or an address that it asks for. */
static int ask_others(
	const char **why, struct finish_clean *c, const struct finish_csr_request *r, struct err *e)
{
	struct others o = { .request = r };

	finish_api_list(c->api, "/api/v1/nodes", each_node, &o, e);
	*why = o.why;
	return e->code;
}

static int each(void *ctx, const struct doc_node *object, struct str text, struct err *e)
{
	struct finish_clean *c = ctx;
	struct finish_csr_request r;
	const struct doc_node *node;
	const char *why;

	if (!finish_csr_waits(object))
		return 0;
	why = finish_csr_read(&r, c->api->arena, c->record, object);
	if (!why) {
		if (find_node(&node, c->api, r.node, e))
			return e->code;
		why = finish_csr_judge(&r, node);
	}
	if (!why)
		why = finish_csr_judge_key(c->csrs, &r);
	if (!why && r.serving && ask_others(&why, c, &r, e))
		return e->code;
	if (!why)
		return approve(c, &r, object, text, e);
	tell(c, object, why);
	return 0;
}

static int find_version(struct finish_clean *c, struct err *e)
{
	static const char *const versions[] = { "certificates.k8s.io/v1",
		"certificates.k8s.io/v1beta1" };
	struct finish_csrs *s = c->csrs;
	struct finish_answer answer;

	for (size_t i = 0; i < 2 && !s->version; i++) {
		*e = (struct err){ 0 };
		if (!finish_api_call(&answer, c->api, "GET",
			    arena_print(c->api->arena,
				    "/apis/%s/certificatesigningrequests?limit=1", versions[i]),
			    NULL, e))
			s->version = versions[i];
		else if (e->code != ERR_NOTFOUND)
			break;
	}
	return e->code;
}

static int look(struct finish_clean *c, struct err *e)
{
	const struct arena_mark mark = arena_mark(c->api->arena);
	struct finish_csrs *s = c->csrs;

	s->keep.limit = KEEP_MAX;
	s->looked_ms = monotonic_ms();
	if (!find_version(c, e))
		finish_api_list(c->api,
			arena_print(
				c->api->arena, "/apis/%s/certificatesigningrequests", s->version),
			each, c, e);
	arena_release(c->api->arena, mark);
	return e->code;
}

void finish_csr_meanwhile(struct finish_clean *c)
{
	struct err why = { 0 };

	if (monotonic_ms() - c->csrs->looked_ms >= SOONEST_MS && look(c, &why))
		event_debug(c->listener, step, "requests for certificates: %s", why.text);
}

int finish_csr(struct finish_clean *c, struct err *e)
{
	const int64_t patience = c->patience_s * 1000;
	struct finish_csrs *s = c->csrs;

	if (!s->changed_ms)
		s->changed_ms = monotonic_ms();
	while (1) {
		const int64_t now = monotonic_ms(), quiet = s->changed_ms + patience;
		if (look(c, e))
			return e->code;
		c->removed = s->approved;
		if (now >= quiet || now >= c->wait->deadline_ms)
			return 0;
		const int64_t until = quiet < c->wait->deadline_ms ? quiet : c->wait->deadline_ms;
		if (finish_clean_rest(c, until - now < SOONEST_MS ? until - now : SOONEST_MS, e))
			return e->code;
	}
}
