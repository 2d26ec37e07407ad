#include "plan/finish_join.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/monotonic.h"
#include "codec/doc.h"
#include "codec/json.h"
#include "etcd/ident.h"
#include "etcd/peerurl.h"

enum {
	PAUSE_MS = 2000,
	SLICE_MS = 200,
	TELL_MS = 30000,
	SCRATCH = 64 << 20,
	ANSWER_MAX = 1 << 20,
	BODY_MAX = 64 << 10,
	SILENT = 3,
	ALIVE_CONNECT_MS = 3000,
	ALIVE_MS = 6000,
};

static const char step[] = "join";

/* What one try came to, where it failed at nothing. */
enum outcome { DONE, AT_ONCE, WAIT };

static const char *id_text(struct finish_join *j, uint64_t id)
{
	return arena_copy(j->scratch, str_from(etcd_ident_text(id).text));
}

static int final(struct finish_join *j, struct err *e)
{
	j->final = true;
	return e->code;
}

static bool is_hopeless(const struct err *e)
{
	const char *words;

	return join_refusal_of(&words, e->text) == JOIN_REFUSAL_NEVER;
}

static void disconnect(struct finish_join *j)
{
	finish_etcd_close(&j->etcd);
}

/* Someone with a quorum behind him, or else someone who answers at all. */
static int connect_seed(bool *quorum, struct finish_join *j, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(ANSWER_MAX);
	struct err why = { 0 };

	if (!j->etcd.peer.session && finish_etcd_open(&j->etcd, j->root, &j->seeds, e))
		return j->patient ? e->code : final(j, e);
	*quorum = j->etcd.url && !finish_etcd_serves(&j->etcd, j->scratch, &why);
	if (*quorum)
		return 0;
	j->etcd.url = NULL;
	why = (struct err){ 0 };
	*quorum = !finish_etcd_serves(&j->etcd, j->scratch, &why);
	if (*quorum)
		return 0;
	j->etcd.url = NULL;
	const bool answered = !is_hopeless(&why) && !finish_etcd_call(&out, &j->etcd, j->scratch,
							    "/cluster/member/list", "{}", e);
	if (answered) {
		event_debug(j->listener, step, "no quorum at %s: %s", j->etcd.url, why.text);
		return 0;
	}
	/* What the read met is nearer to the cause. */
	*e = why;
	disconnect(j);
	if (!j->patient && !j->looked && (e->code == ERR_AUTH || e->code == ERR_NOTFOUND))
		j->final = true;
	return e->code;
}

static int list(struct finish_join *j, struct arena *a, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(ANSWER_MAX);

	if (finish_etcd_call(&out, &j->etcd, j->scratch, "/cluster/member/list", "{}", e))
		return e->code;
	return join_list_parse(&j->list, a, buf_text(&out), j->cluster->what, e);
}

static struct join_verdict judge(struct finish_join *j)
{
	const enum join_data data = j->data ? j->data(j->ctx) : JOIN_DATA_UNKNOWN;

	return join_judge(&j->list, j->name, &j->urls, data);
}

/* Who was added and has not started, or learns. */
static const char *in_the_way(struct finish_join *j)
{
	for (size_t i = 0; i < j->list.n; i++) {
		const struct join_member *m = &j->list.v[i];
		if (!m->learner && join_member_started(m))
			continue;
		const char *id = id_text(j, m->id);
		return arena_print(j->scratch,
			" (member %s, %s; when it never will: etcdctl member remove %s)", id,
			m->urls.n ? m->urls.v[0] : "without an address", id);
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
		return final(j, e);
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

/* Whoever takes a connection at any of its addresses. */
static const char *answers_at(struct finish_join *j, const struct join_member *m)
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

static int remove_stale(
	enum outcome *outcome, struct finish_join *j, const struct join_member *m, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(ANSWER_MAX);
	const char *id = id_text(j, m->id), *name = *m->name ? m->name : "without a name";
	const char *at = answers_at(j, m);

	if (at) {
		err_set(e, ERR_DECLINED,
			"member %s (%s) has our name or address, and somebody answers at %s; stop "
			"it, "
			"or remove it (etcdctl member remove %s), or join under another name and "
			"address",
			id, name, at, id);
		return j->patient ? e->code : final(j, e);
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
	if (finish_etcd_call(&out, &j->etcd, j->scratch, "/cluster/member/remove",
		    arena_print(j->scratch, "{\"ID\":\"%" PRIu64 "\"}", m->id), e))
		return refused(j, arena_print(j->scratch, "removing member %s", id), e);
	j->removed++;
	*outcome = AT_ONCE;
	return 0;
}

/* What all of the cluster speak decides: 3.4 knows learners. */
static int wants_learner(bool *learner, struct finish_join *j, struct err *e)
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

static int add(enum outcome *outcome, struct finish_join *j, struct err *e)
{
	CLEAN_BUF struct buf body = BUF(BODY_MAX), out = BUF(ANSWER_MAX);
	bool learner;

	if (wants_learner(&learner, j, e) || add_body(&body, j, learner, e))
		return e->code;
	event_step(j->listener, step,
		arena_print(
			j->scratch, "adding %s as a %s", j->name, learner ? "learner" : "voter"));
	if (finish_etcd_call(
		    &out, &j->etcd, j->scratch, "/cluster/member/add", (const char *)body.p, e))
		return refused(j, arena_print(j->scratch, "%s is not added", j->name), e);
	j->added = true;
	*outcome = AT_ONCE;
	return 0;
}

/* It is listed, and has not started: whoever starts it is told with what. */
static int start(struct finish_join *j, const struct join_member *m, struct err *e)
{
	const char *text;

	if (join_initial_cluster(&text, j->scratch, &j->list, j->name, m->id, e))
		return final(j, e);
	if (!j->told || strcmp(j->told, text)) {
		event_step(j->listener, step,
			arena_print(j->scratch, "%s is member %s of cluster %s; it can start",
				j->name, id_text(j, m->id), id_text(j, j->list.cluster)));
		if (j->start && j->start(j->ctx, text, e))
			return e->code;
		j->told = arena_copy(j->arena, str_from(text));
	}
	return err_set(e, ERR_NOTFOUND, "%s has not started yet: see the log of its etcd", j->name);
}

static int promote(
	enum outcome *outcome, struct finish_join *j, const struct join_member *m, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(ANSWER_MAX);

	if (!j->learns)
		event_step(j->listener, step,
			arena_print(
				j->scratch, "%s has started, and learns; promoting it", j->name));
	j->learns = true;
	if (finish_etcd_call(&out, &j->etcd, j->scratch, "/cluster/member/promote",
		    arena_print(j->scratch, "{\"ID\":\"%" PRIu64 "\"}", m->id), e))
		return refused(j, arena_print(j->scratch, "%s is not promoted", j->name), e);
	j->promoted = true;
	*outcome = AT_ONCE;
	return 0;
}

/* A started one with our addresses, when it is not known whether it is us. */
static int check_alive(struct finish_join *j, const struct join_member *m, struct err *e)
{
	if (!j->data || j->data(j->ctx) != JOIN_DATA_UNKNOWN || answers_at(j, m))
		return 0;
	err_set(e, ERR_DECLINED,
		"member %s has our address, has run, and does not answer: start it when its data "
		"are there; else say --data-dir, so that it can be seen that they are gone",
		id_text(j, m->id));
	return final(j, e);
}

static int act(enum outcome *outcome, struct finish_join *j, struct err *e)
{
	const struct join_verdict v = judge(j);

	j->id = j->list.cluster;
	j->own = v.what != JOIN_STALE && v.member ? v.member->id : 0;
	switch (v.what) {
	case JOIN_STALE:
		return remove_stale(outcome, j, v.member, e);
	case JOIN_ADD:
		return add(outcome, j, e);
	case JOIN_ADDED:
		return start(j, v.member, e);
	default:
		break;
	}
	if (check_alive(j, v.member, e))
		return e->code;
	if (v.member->learner)
		return promote(outcome, j, v.member, e);
	*outcome = DONE;
	return 0;
}

static int try(enum outcome *outcome, struct finish_join *j, struct err *e)
{
	bool quorum;

	*outcome = WAIT;
	if (connect_seed(&quorum, j, e) || list(j, j->scratch, e))
		return e->code;
	const struct join_verdict v = judge(j);
	if (!j->looked && j->check && j->check(j->ctx, &v, e))
		return final(j, e);
	j->looked = true;
	const bool rest = v.what != JOIN_STARTED || v.member->learner;
	/* Without a quorum nobody can be added; only who has been can start. */
	if (!quorum && v.what != JOIN_ADDED && rest)
		return err_set(e, ERR_NET,
			"the cluster at %s has no quorum: members of it have to be started before "
			"another one can come",
			j->etcd.url);
	if (quorum && rest) {
		if (join_lock_keep(&j->lock, &j->etcd, j->scratch, e) ||
			join_lock_take(&j->lock, &j->etcd, j->scratch, j->name, e))
			return e->code;
		/* Who had it before us may have changed them. */
		if (list(j, j->scratch, e))
			return e->code;
	}
	return act(outcome, j, e);
}

static int nap(struct finish_join *j, int64_t ms, struct err *e)
{
	const int64_t until = monotonic_ms() + ms;

	while (monotonic_ms() < until) {
		const struct timespec slice = { 0, SLICE_MS * 1000000L };
		if (j->stopped && j->stopped(j->ctx, e))
			return e->code;
		nanosleep(&slice, NULL);
	}
	return 0;
}

/* True: once more. */
static bool again(struct finish_join *j, struct err *e)
{
	const int64_t now = monotonic_ms(), left = j->deadline_ms - now;
	struct err stop = { 0 };
	const char *words;

	if (join_refusal_of(&words, e->text) == JOIN_REFUSAL_NEVER) {
		err_set(e, ERR_DECLINED, "%s", words);
		return false;
	}
	if (j->final || left <= 0)
		return false;
	if (!j->told_ms || now - j->told_ms >= TELL_MS) {
		event_info(j->listener, step, "not yet, %lld s left: %s", (long long)left / 1000,
			e->text);
		j->told_ms = now;
	}
	/* Certificates may have been replaced meanwhile. */
	if (e->code == ERR_AUTH)
		disconnect(j);
	if (nap(j, PAUSE_MS < left ? PAUSE_MS : left, &stop)) {
		*e = stop;
		return false;
	}
	*e = (struct err){ 0 };
	return true;
}

/* Addresses are compared as etcd keeps them. */
static int prepare(struct finish_join *j, struct err *e)
{
	j->seeds = *j->cluster;
	j->seeds.clients = j->cluster->seeds;
	j->urls = (struct kube_texts){ 0 };
	for (size_t i = 0; i < j->cluster->urls.n; i++) {
		struct str url;
		if (etcd_peerurl_normalise(&url, j->arena, str_from(j->cluster->urls.v[i]), e))
			return e->code;
		kube_add_text(&j->urls, j->arena, arena_copy(j->arena, url));
	}
	return 0;
}

int finish_join(struct finish_join *j, struct err *e)
{
	struct arena scratch = ARENA(SCRATCH);
	enum outcome outcome = WAIT;

	if (prepare(j, e))
		return e->code;
	j->scratch = &scratch;
	while (outcome != DONE) {
		const struct arena_mark mark = arena_mark(&scratch);
		if (try(&outcome, j, e) && !again(j, e))
			break;
		arena_release(&scratch, mark);
	}
	if (j->lock.lease) {
		struct err ignored = { 0 };
		bool quorum;
		if (j->etcd.url || !connect_seed(&quorum, j, &ignored))
			join_lock_drop(&j->lock, &j->etcd, &scratch);
	}
	disconnect(j);
	arena_free(&scratch);
	j->scratch = NULL;
	j->list = (struct join_list){ 0 };
	return e->code;
}

int finish_join_look(struct join_verdict *verdict, struct finish_join *j, struct err *e)
{
	struct arena scratch = ARENA(SCRATCH);
	bool quorum;

	if (prepare(j, e))
		return e->code;
	j->scratch = &scratch;
	if (!connect_seed(&quorum, j, e) && !list(j, j->arena, e) &&
		!wants_learner(&j->learns, j, e))
		*verdict = judge(j);
	disconnect(j);
	arena_free(&scratch);
	j->scratch = NULL;
	return e->code;
}
