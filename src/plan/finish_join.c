#include "plan/finish_join.h"

#include <string.h>

#include "etcd/ident.h"
#include "etcd/peerurl.h"
#include "plan/finish_join_change.h"

enum { SCRATCH = 64 << 20, ANSWER_MAX = 1 << 20 };

static const char step[] = "join";

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
		return j->patient ? e->code : join_final(j, e);
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

/* It is listed, and has not started: whoever starts it is told with what. */
static int start(struct finish_join *j, const struct join_member *m, struct err *e)
{
	const char *text;

	if (join_initial_cluster(&text, j->scratch, &j->list, j->name, m->id, e))
		return join_final(j, e);
	if (!j->told || strcmp(j->told, text)) {
		event_step(j->listener, step,
			arena_print(j->scratch, "%s is member %s of cluster %s; it can start",
				j->name, etcd_ident_text(m->id).text,
				etcd_ident_text(j->list.cluster).text));
		if (j->start && j->start(j->ctx, text, e))
			return e->code;
		j->told = arena_copy(j->arena, str_from(text));
	}
	return err_set(e, ERR_NOTFOUND, "%s has not started yet: see the log of its etcd", j->name);
}

/* A started one with our addresses, when it is not known whether it is us. */
static int check_alive(struct finish_join *j, const struct join_member *m, struct err *e)
{
	if (!j->data || j->data(j->ctx) != JOIN_DATA_UNKNOWN || join_answers_at(j, m))
		return 0;
	err_set(e, ERR_DECLINED,
		"member %s has our address, has run, and does not answer: start it when its data "
		"are there; else say --data-dir, so that it can be seen that they are gone",
		etcd_ident_text(m->id).text);
	return join_final(j, e);
}

/* 0: something was changed, or all of it is `done`. */
static int act(bool *done, struct finish_join *j, struct err *e)
{
	const struct join_verdict v = judge(j);

	j->id = j->list.cluster;
	j->own = v.what != JOIN_STALE && v.member ? v.member->id : 0;
	j->added |= j->asked_add && j->own;
	switch (v.what) {
	case JOIN_STALE:
		return join_remove(j, v.member, e);
	case JOIN_ADD:
		return join_add(j, e);
	case JOIN_ADDED:
		return start(j, v.member, e);
	default:
		break;
	}
	if (check_alive(j, v.member, e))
		return e->code;
	if (v.member->learner)
		return join_promote(j, v.member, e);
	j->promoted |= j->asked_promote;
	*done = true;
	return 0;
}

static int try(bool *done, struct finish_join *j, struct err *e)
{
	bool quorum;

	if (connect_seed(&quorum, j, e) || list(j, j->scratch, e))
		return e->code;
	const struct join_verdict v = judge(j);
	if (!j->looked && j->check && j->check(j->ctx, &v, e))
		return join_final(j, e);
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
	return act(done, j, e);
}

/* True: once more. */
static bool again(struct finish_join *j, struct err *e)
{
	const bool may_be_old = e->code == ERR_AUTH;
	const char *words;

	if (join_refusal_of(&words, e->text) == JOIN_REFUSAL_NEVER) {
		err_set(e, ERR_DECLINED, "%s", words);
		return false;
	}
	if (j->final || !finish_wait_again(&j->wait, NULL, e))
		return false;
	/* Certificates may have been replaced meanwhile. */
	if (may_be_old)
		disconnect(j);
	return true;
}

/* Addresses are compared as etcd keeps them. */
static int prepare(struct finish_join *j, struct err *e)
{
	j->wait.listener = j->listener;
	j->wait.step = step;
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
	bool done = false;

	if (prepare(j, e))
		return e->code;
	j->scratch = &scratch;
	while (!done) {
		const struct arena_mark mark = arena_mark(&scratch);
		if (try(&done, j, e) && !again(j, e))
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
		!join_wants_learner(&j->learns, j, e))
		*verdict = judge(j);
	disconnect(j);
	arena_free(&scratch);
	j->scratch = NULL;
	return e->code;
}
