#include "plan/survivors.h"

#include <time.h>

#include "base/monotonic.h"
#include "net/http.h"
#include "net/url.h"

enum { CONNECT_MS = 3000, TOTAL_MS = 10000, BODY_MAX = 1 << 20, PAUSE_MS = 500 };

const char *survivors_word(enum survivors_kind kind)
{
	static const char *const words[] = {
		[SURVIVORS_NOBODY] = "nobody",
		[SURVIVORS_RESTORED] = "restored",
		[SURVIVORS_SURVIVOR] = "survivor",
		[SURVIVORS_UNKNOWN] = "unknown",
	};

	return words[kind];
}

static bool is_named(const char *const *names, const char *name)
{
	for (; names && *names; names++) {
		if (str_is(str_from(*names), name))
			return true;
	}
	return false;
}

/* Whose id is it?  The answer's kind and words. */
static void judge_id(struct survivors_answer *answer, struct arena *a,
	const struct survivors_question *q, uint64_t id)
{
	const char *text = arena_copy(a, str_from(etcd_ident_text(id).text));

	answer->cluster_id = id;
	answer->kind = SURVIVORS_SURVIVOR;
	if (id != q->cluster->id) {
		answer->why = arena_print(
			a, "is of cluster %s%s", text, id == q->old_id ? ", the old one" : "");
	} else if (id == q->old_id && !is_named(q->committed, answer->name)) {
		answer->why = arena_print(
			a, "is of cluster %s, as the old one is and the new one will be", text);
	} else {
		answer->kind = SURVIVORS_RESTORED;
		answer->why = arena_print(a, "is restored, of cluster %s", text);
	}
}

static int take(void *ctx, struct span bytes, struct err *e)
{
	(void)ctx, (void)bytes, (void)e;
	return 0;
}

/* True: it took the connection, and what it is may be told by another try. */
static bool ask_once(struct survivors_answer *answer, struct arena *a,
	const struct survivors_question *q, const char *url)
{
	const struct trust trust = { .anchors = q->ca, .cert = q->cert, .key = q->key };
	const struct http_request request = {
		.url = arena_print(a, "%s/members", url),
		.trust = q->ca.len ? &trust : NULL,
		.proxy = "",
		.stay = true,
		.cap = BODY_MAX,
		.connect_ms = q->connect_ms ? q->connect_ms : CONNECT_MS,
		.total_ms = q->total_ms ? q->total_ms : TOTAL_MS,
		.sink = take,
	};
	struct http_response r;
	struct err why = { 0 };
	uint64_t id;

	const int bad = http_get(&r, &request, &why);
	answer->url = url;
	if (r.status && str_u64(&id, str_from(r.cluster), 16, UINT64_MAX) && id) {
		judge_id(answer, a, q, id);
	} else if (!r.connected) {
		answer->kind = SURVIVORS_NOBODY;
		answer->why = arena_print(a, "%s", why.text);
	} else {
		answer->kind = SURVIVORS_UNKNOWN;
		answer->why = bad ? arena_print(a, "%s", why.text)
				  : "answers without saying of which cluster it is";
		return why.code == ERR_NET;
	}
	return false;
}

static void ask(struct survivors_answer *answer, struct arena *a,
	const struct survivors_question *q, const char *url)
{
	const int64_t until = monotonic_ms() + q->patience_ms;
	const struct timespec pause = { 0, PAUSE_MS * 1000000L };
	bool told = false;

	while (ask_once(answer, a, q, url) && monotonic_ms() < until) {
		struct err stop = { 0 };
		if (!told)
			event_info(q->listener, "survivors",
				"%s takes the connection and says nothing yet; it is asked again "
				"for %u s",
				answer->name, q->patience_ms / 1000);
		told = true;
		if (q->go_on && q->go_on(q->ctx, &stop))
			return;
		nanosleep(&pause, NULL);
	}
}

/* Without the slash that /members brings; NULL: no address of a peer. */
static const char *clean(struct arena *a, struct str url)
{
	struct err ignored;
	struct url u;

	url = str_trim(url);
	while (url.len && url.p[url.len - 1] == '/')
		url.len--;
	if (url_parse(&u, url, &ignored) || !u.host.len || u.has_userinfo || u.has_query ||
		(!url_scheme_is(&u, "https") && !url_scheme_is(&u, "http")))
		return NULL;
	return arena_copy(a, url);
}

/* A URL of the cluster that is made is in its normal form; one from a disk need not be. */
static bool is_own(struct arena *a, const struct etcd_member *own, const char *url)
{
	for (size_t i = 0; own && i < own->n_urls; i++) {
		const char *mine = clean(a, own->urls[i]);
		if (mine && str_is(str_from(mine), url))
			return true;
	}
	return false;
}

struct urls {
	const char *v[ETCD_MEMBER_URLS_MAX];
	size_t n;
};

static void add_url(
	struct urls *urls, struct arena *a, const struct survivors_question *q, struct str text)
{
	const char *url = clean(a, text);

	if (!url || is_own(a, q->own, url) || urls->n == ETCD_MEMBER_URLS_MAX)
		return;
	for (size_t i = 0; i < urls->n; i++) {
		if (str_is(str_from(urls->v[i]), url))
			return;
	}
	urls->v[urls->n++] = url;
}

static void add_old(
	struct urls *urls, struct arena *a, const struct survivors_question *q, const char *name)
{
	for (size_t i = 0; q->old && i < q->old->n; i++) {
		const struct kube_member *m = &q->old->v[i];
		for (size_t j = 0; str_is(str_from(m->name), name) && j < m->urls.n; j++)
			add_url(urls, a, q, str_from(m->urls.v[j]));
	}
}

/* What its URLs say, the most telling of them. */
static void ask_member(struct survivors *survivors, struct arena *a,
	const struct survivors_question *q, const char *name, const struct urls *urls)
{
	static const int weight[] = { [SURVIVORS_NOBODY] = 0,
		[SURVIVORS_RESTORED] = 1,
		[SURVIVORS_UNKNOWN] = 2,
		[SURVIVORS_SURVIVOR] = 3 };
	struct survivors_answer best = { .name = name };

	if (!urls->n)
		return;
	for (size_t i = 0; i < urls->n; i++) {
		struct survivors_answer answer = { .name = name };
		ask(&answer, a, q, urls->v[i]);
		if (!i || weight[answer.kind] > weight[best.kind])
			best = answer;
	}
	event_debug(q->listener, "survivors", "%s (%s): %s: %s", name, best.url,
		survivors_word(best.kind), best.why);
	survivors->v[survivors->n++] = best;
}

int survivors_ask(struct survivors *survivors, struct arena *a, const struct survivors_question *q,
	struct err *e)
{
	const size_t n_old = q->old ? q->old->n : 0;

	if (q->cert.len && !q->ca.len)
		return err_set(
			e, ERR_USAGE, "a certificate to show to peers, and none of their CA");
	*survivors = (struct survivors){
		.v = arena_array(a, q->cluster->n_members + n_old + 1, sizeof *survivors->v),
		.same_id = q->cluster->id == q->old_id,
	};
	for (size_t i = 0; i < q->cluster->n_members; i++) {
		const struct etcd_member *m = &q->cluster->members[i];
		const char *name = arena_copy(a, m->name);
		struct urls urls = { .n = 0 };
		for (size_t j = 0; m != q->own && j < m->n_urls; j++)
			add_url(&urls, a, q, m->urls[j]);
		add_old(&urls, a, q, name);
		ask_member(survivors, a, q, name, &urls);
	}
	for (size_t i = 0; i < n_old; i++) {
		const char *name = q->old->v[i].name;
		struct urls urls = { .n = 0 };
		bool again = etcd_ident_find(q->cluster, str_from(name)) != NULL;
		for (size_t j = 0; j < i; j++)
			again |= str_is(str_from(q->old->v[j].name), name);
		if (again)
			continue;
		add_old(&urls, a, q, name);
		ask_member(survivors, a, q, name, &urls);
	}
	return 0;
}

static int refuse_same_id(struct err *e)
{
	return err_set(e, ERR_DECLINED,
		"the token that the plan names gives the new cluster the id of the old one, so "
		"that "
		"nobody can tell a restored master from an old one: leave cluster.token out of the "
		"plan, or say survivors: none if nothing old answers");
}

static int refuse(const struct survivors_answer *v, bool same_id, struct err *e)
{
	const char *name = v->name, *url = v->url;

	if (same_id)
		return err_set(e, ERR_DECLINED,
			"%s answers at %s, and with the token that the plan names nobody can tell "
			"whether it is restored (%s): end etcd there, or leave cluster.token out "
			"of the plan, or give all masters a gate",
			name, url, v->why);
	if (v->kind == SURVIVORS_UNKNOWN)
		return err_set(e, ERR_DECLINED,
			"somebody answers for %s, and cannot be told from a survivor of the old "
			"cluster (%s): end etcd there, boot the image there too, or say "
			"survivors: proceed in the plan",
			name, v->why);
	return err_set(e, ERR_DECLINED,
		"%s answers at %s and %s: a survivor; end etcd there, boot the image there too, or "
		"say survivors: proceed in the plan",
		name, url, v->why);
}

int survivors_judge(const struct survivors *survivors, enum plan_survivors policy,
	const struct listener *listener, struct err *e)
{
	if (survivors->same_id && policy != PLAN_SURVIVORS_NONE)
		return refuse_same_id(e);
	for (size_t i = 0; i < survivors->n; i++) {
		const struct survivors_answer *v = &survivors->v[i];
		if (v->kind == SURVIVORS_NOBODY || v->kind == SURVIVORS_RESTORED)
			continue;
		if (policy != PLAN_SURVIVORS_PROCEED)
			return refuse(v, survivors->same_id, e);
		event_warning(listener, "survivors",
			"%s (%s) %s; restoring beside it, as the plan says", v->name, v->url,
			v->kind == SURVIVORS_UNKNOWN ? "answers and cannot be told from a survivor"
						     : v->why);
	}
	return 0;
}

int survivors_check(struct survivors *survivors, struct arena *a,
	const struct survivors_question *question, enum plan_survivors policy, struct err *e)
{
	if (question->cluster->id == question->old_id && policy != PLAN_SURVIVORS_NONE) {
		*survivors = (struct survivors){ .same_id = true };
		return refuse_same_id(e);
	}
	if (survivors_ask(survivors, a, question, e))
		return e->code;
	return survivors_judge(survivors, policy, question->listener, e);
}
