#include "plan/finish_etcd.h"

#include <inttypes.h>
#include <string.h>

#include "codec/doc.h"
#include "etcd/ident.h"
#include "os/file.h"

enum { PEM_MAX = 1 << 20, ANSWER_MAX = 1 << 20 };

void finish_etcd_close(struct finish_etcd *s)
{
	http_session_close(s->peer.session);
	if (s->key.p)
		explicit_bzero(s->key.p, s->key.len);
	buf_free(&s->ca);
	buf_free(&s->cert);
	buf_free(&s->key);
	*s = (struct finish_etcd){ 0 };
}

int finish_etcd_open(struct finish_etcd *s, const struct root *root, const struct finish_cluster *c,
	struct err *e)
{
	*s = (struct finish_etcd){
		.cluster = c, .ca = BUF(PEM_MAX), .cert = BUF(PEM_MAX), .key = BUF(PEM_MAX)
	};
	if ((c->ca && file_read(&s->ca, root, c->ca, e)) ||
		(c->cert && (file_read(&s->cert, root, c->cert, e) ||
				    file_read(&s->key, root, c->key, e)))) {
		finish_etcd_close(s);
		return e->code;
	}
	s->peer = (struct finish_peer){
		.trust = { .anchors = buf_span(&s->ca),
			.cert = buf_span(&s->cert),
			.key = buf_span(&s->key) },
		.session = http_session_open(),
	};
	return 0;
}

static int call(struct buf *out, struct finish_etcd *s, struct arena *a, const char *url,
	const char *prefix, const char *path, const char *body, struct err *e)
{
	const struct finish_question q = {
		.url = arena_print(a, "%s%s%s", url, prefix, path),
		.method = "POST",
		.body = str_from(body),
	};
	unsigned status;

	return finish_ask(out, &status, &s->peer, &q, e);
}

/* The first prefix and address that answer are kept. */
static int probe(struct buf *out, struct finish_etcd *s, struct arena *a, const char *path,
	const char *body, struct err *e)
{
	static const char *const prefixes[] = { "/v3", "/v3beta", "/v3alpha" };
	struct err last = { 0 };

	err_set(&last, ERR_NOTFOUND, "%s has no address for its clients", s->cluster->what);
	for (size_t u = 0; u < s->cluster->clients.n; u++) {
		const char *url = s->cluster->clients.v[u];
		for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
			last = (struct err){ 0 };
			if (!call(out, s, a, url, prefixes[p], path, body, &last)) {
				s->url = url;
				s->prefix = prefixes[p];
				return 0;
			}
			if (last.code != ERR_NOTFOUND)
				break;
		}
	}
	*e = last;
	return e->code;
}

int finish_etcd_call(struct buf *out, struct finish_etcd *s, struct arena *a, const char *path,
	const char *body, struct err *e)
{
	return s->url ? call(out, s, a, s->url, s->prefix, path, body, e)
		      : probe(out, s, a, path, body, e);
}

/* A refusal is not another cluster: a member that learns, or has not caught up, refuses, too. */
static int not_yet(struct err *e)
{
	if (e->code == ERR_MISMATCH)
		e->code = ERR_NET;
	return e->code;
}

/* What etcdctl endpoint health asks, too: base64 of "health". */
int finish_etcd_serves(struct finish_etcd *s, struct arena *a, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(ANSWER_MAX);

	return finish_etcd_call(&out, s, a, "/kv/range", "{\"key\":\"aGVhbHRo\"}", e) ? not_yet(e)
										      : 0;
}

static bool number(uint64_t *v, const struct doc_node *map, const char *key)
{
	return str_u64(v, doc_text(map, key), 10, UINT64_MAX);
}

static const struct finish_member *known(const struct finish_cluster *c, uint64_t id)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->members[i].id == id)
			return &c->members[i];
	}
	return NULL;
}

static bool has_url(const struct doc_node *urls, const char *url)
{
	for (const struct doc_node *u = urls ? urls->first : NULL; u; u = u->next) {
		if (str_is(u->text, url))
			return true;
	}
	return false;
}

static int judge_member(size_t *started, size_t *found, const struct finish_cluster *c,
	const struct doc_node *m, struct err *e)
{
	const struct doc_node *urls = doc_get(m, "peerURLs");
	uint64_t id;

	if (!number(&id, m, "ID"))
		return err_set(e, ERR_FORMAT, "%s: a member without an id", c->what);
	const struct finish_member *want = known(c, id);
	const struct str name = doc_text(m, "name");
	if (!want && c->grows)
		return 0;
	if (!want)
		return err_set(e, ERR_MISMATCH, "%s has a member %s (%.*s) that was not restored",
			c->what, etcd_ident_text(id).text, STR_ARG(name));
	for (size_t i = 0; i < want->urls.n; i++) {
		if (!has_url(urls, want->urls.v[i]))
			return err_set(e, ERR_MISMATCH,
				"%s: member %s does not have the peer address %s", c->what,
				want->name, want->urls.v[i]);
	}
	*started += doc_get(m, "clientURLs") && doc_get(m, "clientURLs")->n;
	++*found;
	return 0;
}

int finish_members_judge(size_t *started, struct arena *a, const struct finish_cluster *c,
	struct str answer, struct err *e)
{
	struct doc doc;
	uint64_t id;
	size_t n = 0, found = 0;

	*started = 0;
	if (doc_parse(&doc, a, answer, "member list", DOC_JSON, DOC_LIMITS, e))
		return e->code;
	const struct doc_node *members = doc_get(doc.root, "members");
	if (!number(&id, doc_get(doc.root, "header"), "cluster_id") || !members ||
		members->kind != DOC_LIST)
		return err_set(e, ERR_FORMAT, "%s does not tell its members", c->what);
	if (id != c->id)
		return err_set(e, ERR_MISMATCH,
			"%s is cluster %s, and cluster %s was restored: etcd runs on other data",
			c->what, etcd_ident_text(id).text,
			arena_copy(a, str_from(etcd_ident_text(c->id).text)));
	for (const struct doc_node *m = members->first; m; m = m->next, n++) {
		if (judge_member(started, &found, c, m, e))
			return e->code;
	}
	if (c->grows && found < c->n)
		return err_set(e, ERR_MISMATCH, "%s has but %zu of the %zu members it had", c->what,
			found, c->n);
	if (!c->grows && n != c->n)
		return err_set(
			e, ERR_MISMATCH, "%s has %zu members, %zu were restored", c->what, n, c->n);
	return 0;
}

int finish_etcd_members(size_t *started, struct finish_etcd *s, struct arena *a, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(ANSWER_MAX);

	if (finish_etcd_call(&out, s, a, "/cluster/member/list", "{}", e))
		return not_yet(e);
	return finish_members_judge(started, a, s->cluster, buf_text(&out), e);
}
