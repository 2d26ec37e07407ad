#include "plan/finish_join_change.h"

#include <inttypes.h>

#include "codec/doc.h"
#include "codec/json.h"
#include "etcd/ident.h"

enum {
	ANSWER_MAX = 1 << 20,
	BODY_MAX = 64 << 10,
	SILENT = 3,
	ALIVE_CONNECT_MS = 3000,
	ALIVE_MS = 6000,
};

static const char step[] = "join";

/* Who was added and has not started, or learns. */
static const char *in_the_way(struct finish_join *j)
{
	for (size_t i = 0; i < j->list.n; i++) {
		const struct join_member *m = &j->list.v[i];
		if (!m->learner && join_member_started(m))
			continue;
		const struct etcd_id_text id = etcd_ident_text(m->id);
		return arena_print(j->scratch,
			" (member %s, %s; when it never will: etcdctl member remove %s)", id.text,
			m->urls.n ? m->urls.v[0] : "without an address", id.text);
	}
	return "";
}

/* What the server refuses, in words, and whether it may grant it later. */
static int refused(struct finish_join *j, const char *what, struct err *e)
{
	struct err why = *e;
	const char *words;

	switch (join_refusal_of(&words, why.text)) {
	case JOIN_REFUSAL_EXISTS:
		return err_wrap(e, "%s, and is looked at again", what);
	case JOIN_REFUSAL_YIELD:
		join_lock_drop(&j->lock, &j->etcd, j->scratch);
		return err_set(e, ERR_MISMATCH, "%s: %s%s", what, words, in_the_way(j));
	case JOIN_REFUSAL_LATER:
		return err_set(e, ERR_MISMATCH, "%s: %s", what, words);
	case JOIN_REFUSAL_LEARNERS:
		err_wrap(e, "%s: these servers know no learners; use a voter", what);
		return join_final(j, e);
	default:
		return err_wrap(e, "%s", what);
	}
}

static bool connects(struct finish_join *j, const char *url)
{
	const struct http_request request = {
		.url = arena_print(j->scratch, "%s/version", url),
		.trust = j->etcd.peer.trust.anchors.len ? &j->etcd.peer.trust : NULL,
		.proxy = "",
		.stay = true,
		.cap = ANSWER_MAX,
		.connect_ms = ALIVE_CONNECT_MS,
		.total_ms = ALIVE_MS,
	};
	struct http_response r;
	struct err none = { 0 };

	return !http_get(&r, &request, &none) || r.connected || r.status;
}

const char *join_answers_at(struct finish_join *j, const struct join_member *m)
{
	const struct kube_texts *const lists[] = { &m->clients, &m->urls };

	for (size_t l = 0; l < 2; l++) {
		for (size_t i = 0; i < lists[l]->n; i++) {
			if (connects(j, lists[l]->v[i]))
				return lists[l]->v[i];
		}
	}
	return NULL;
}

/* member/remove and member/promote: refusals are told as those of `what`. */
static int change(struct finish_join *j, const char *path, const struct join_member *m,
	const char *what, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(ANSWER_MAX);

	return finish_etcd_call(&out, &j->etcd, j->scratch, path,
		       arena_print(j->scratch, "{\"ID\":\"%" PRIu64 "\"}", m->id), e)
		       ? refused(j, what, e)
		       : 0;
}

int join_remove(struct finish_join *j, const struct join_member *m, struct err *e)
{
	const struct etcd_id_text text = etcd_ident_text(m->id);
	const char *id = text.text, *name = *m->name ? m->name : "without a name";
	const char *at = join_answers_at(j, m);

	if (at) {
		err_set(e, ERR_DECLINED,
			"member %s (%s) has our name or address, and somebody answers at %s; stop "
			"it, "
			"or remove it (etcdctl member remove %s), or join under another name and "
			"address",
			id, name, at, id);
		return j->patient ? e->code : join_final(j, e);
	}
	j->n_silent = j->silent == m->id ? j->n_silent + 1 : 1;
	j->silent = m->id;
	if (j->n_silent < SILENT)
		return err_set(e, ERR_NET,
			"member %s (%s) has our name or address, and does not answer", id, name);
	event_warning(j->listener, step,
		"member %s (%s) has our name or address, its data are gone, and it does not "
		"answer: it is removed",
		id, name);
	if (change(j, "/cluster/member/remove", m,
		    arena_print(j->scratch, "removing member %s", id), e))
		return e->code;
	j->removed++;
	return 0;
}

int join_wants_learner(bool *learner, struct finish_join *j, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(ANSWER_MAX);
	const struct finish_question q = { .url = arena_print(
						   j->scratch, "%s/version", j->etcd.url) };
	unsigned status, major, minor;
	struct doc doc;

	*learner = j->learner == JOIN_LEARNER_YES;
	if (j->learner != JOIN_LEARNER_AUTO)
		return 0;
	if (finish_ask(&out, &status, &j->etcd.peer, &q, e) ||
		doc_parse(&doc, j->scratch, buf_text(&out), "version", DOC_JSON, DOC_LIMITS, e))
		return e->code;
	if (!join_version(&major, &minor, doc_text(doc.root, "etcdcluster")))
		return err_set(e, ERR_NET, "the cluster has not agreed on its version yet");
	*learner = major > 3 || (major == 3 && minor >= 4);
	return 0;
}

static int add_body(struct buf *body, struct finish_join *j, bool learner, struct err *e)
{
	struct json out = JSON(body);

	json_open(&out, '{');
	json_key(&out, "peerURLs");
	json_open(&out, '[');
	for (size_t i = 0; i < j->urls.n; i++)
		json_text(&out, j->urls.v[i]);
	json_close(&out, ']');
	if (learner)
		json_key_bool(&out, "isLearner", true);
	json_close(&out, '}');
	return json_end(&out, e) ? e->code : buf_add(body, "", 1, e);
}

int join_add(struct finish_join *j, struct err *e)
{
	CLEAN_BUF struct buf body = BUF(BODY_MAX), out = BUF(ANSWER_MAX);
	bool learner;

	if (join_wants_learner(&learner, j, e) || add_body(&body, j, learner, e))
		return e->code;
	event_step(j->listener, step,
		arena_print(
			j->scratch, "adding %s as a %s", j->name, learner ? "learner" : "voter"));
	j->asked_add = true;
	if (finish_etcd_call(
		    &out, &j->etcd, j->scratch, "/cluster/member/add", (const char *)body.p, e))
		return refused(j, arena_print(j->scratch, "%s is not added", j->name), e);
	j->added = true;
	return 0;
}

int join_promote(struct finish_join *j, const struct join_member *m, struct err *e)
{
	if (!j->learns)
		event_step(j->listener, step,
			arena_print(
				j->scratch, "%s has started, and learns; promoting it", j->name));
	j->learns = j->asked_promote = true;
	if (change(j, "/cluster/member/promote", m,
		    arena_print(j->scratch, "%s is not promoted", j->name), e))
		return e->code;
	j->promoted = true;
	return 0;
}
