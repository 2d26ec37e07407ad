#include "plan/finish_redeploy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/json.h"

enum { POLL_MS = 3000, BODY_MAX = 1 << 16, SAID = 300 };

static const char step[] = "finish";

#define AFTER ", after revision "

static uint64_t number(const struct doc_node *map, const char *key)
{
	uint64_t n = 0;

	str_u64(&n, doc_text(map, key), 10, INT32_MAX);
	return n;
}

static const struct doc_node *progressing(const struct doc_node *status)
{
	const struct doc_node *all = doc_get(status, "conditions");

	for (const struct doc_node *c = all ? all->first : NULL; c; c = c->next) {
		if (str_is(doc_text(c, "type"), "NodeInstallerProgressing"))
			return c;
	}
	return NULL;
}

/* Is a reason ours, and which revision was the latest then? */
static bool is_ours(uint64_t *before, struct str reason, const char *mark)
{
	struct str rest;
	const size_t n = strlen(mark) + strlen(AFTER);

	if (!str_starts(reason, str_from(mark)) || reason.len <= n)
		return false;
	rest = (struct str){ reason.p + strlen(mark), strlen(AFTER) };
	return str_is(rest, AFTER) &&
	       str_u64(before, (struct str){ reason.p + n, reason.len - n }, 10, INT32_MAX);
}

enum finish_redeployed finish_redeploy_judge(
	const char **text, struct arena *a, const struct doc_node *object, const char *mark)
{
	const struct doc_node *status = doc_get(object, "status");
	const struct doc_node *nodes = doc_get(status, "nodeStatuses");
	const struct doc_node *c = progressing(status);
	const uint64_t latest = number(status, "latestAvailableRevision");
	uint64_t before, at = 0, n = 0;

	if (!is_ours(&before, doc_text(doc_get(object, "spec"), "forceRedeploymentReason"), mark)) {
		*text = arena_print(a, "%s" AFTER "%" PRIu64, mark, latest);
		return FINISH_REDEPLOY_ASK;
	}
	for (const struct doc_node *s = nodes ? nodes->first : NULL; s; s = s->next, n++)
		at += number(s, "currentRevision") == latest;
	*text = latest <= before
			? arena_print(a, "waits for a revision after %" PRIu64, before)
			: arena_print(a, "%" PRIu64 " of %" PRIu64 " nodes at revision %" PRIu64,
				  at, n, latest);
	return latest > before && n && at == n && str_is(doc_text(c, "status"), "False") &&
			       str_is(doc_text(c, "reason"), "AllNodesAtLatestRevision")
		       ? FINISH_REDEPLOY_DONE
		       : FINISH_REDEPLOY_WAIT;
}

/* Refused when somebody else has changed it since it was looked at. */
static int ask(struct finish_clean *c, const char *path, const struct doc_node *object,
	const char *reason, struct err *e)
{
	CLEAN_BUF struct buf body = BUF(BODY_MAX);
	struct json j = JSON(&body);
	struct finish_answer answer;

	json_open(&j, '{');
	json_key(&j, "metadata");
	json_open(&j, '{');
	json_key_str(
		&j, "resourceVersion", doc_text(doc_get(object, "metadata"), "resourceVersion"));
	json_close(&j, '}');
	json_key(&j, "spec");
	json_open(&j, '{');
	json_key_text(&j, "forceRedeploymentReason", reason);
	json_close(&j, '}');
	json_close(&j, '}');
	if (json_end(&j, e) || buf_add(&body, "", 1, e))
		return e->code;
	return finish_api_call(&answer, c->api, "PATCH", path, (const char *)body.p, e);
}

struct turn {
	const char *what, *path, *mark;
	char told[SAID];
	bool seen, over;
};

/* 404: the cluster has no such operator; or its API server, being young, does not serve it yet,
 * which its definition tells, for that is built in.  Says so by what it returns, or with an error.
 */
static bool is_none(const struct turn *t, struct finish_clean *c, struct err *e)
{
	struct arena *a = c->api->arena;
	struct finish_answer answer;
	struct err why = { 0 };

	if (finish_api_call(&answer, c->api, "GET",
		    arena_print(a,
			    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
			    "%s.operator.openshift.io",
			    t->what),
		    NULL, &why)) {
		if (answer.status != 404)
			*e = why;
		return answer.status == 404;
	}
	/* It is defined: is it served by now, and still not there? */
	if (finish_api_call(&answer, c->api, "GET",
		    arena_print(a, "/apis/operator.openshift.io/v1/%s?limit=1", t->what), NULL, e))
		return false;
	if (!finish_api_call(&answer, c->api, "GET", t->path, NULL, &why))
		err_set(e, ERR_NET, "it is served now");
	else if (answer.status != 404)
		*e = why;
	return !e->code;
}

/* Once, until it is something else. */
static void tell(struct turn *t, const struct finish_clean *c, const char *text)
{
	if (strncmp(t->told, text, sizeof t->told - 1))
		event_info(c->listener, step, "%s: %s", t->what, text);
	snprintf(t->told, sizeof t->told, "%s", text);
}

static int look(struct turn *t, struct finish_clean *c, struct err *e)
{
	struct finish_answer answer;
	const char *text;

	if (finish_api_call(&answer, c->api, "GET", t->path, NULL, e)) {
		struct err why = { 0 };
		if (answer.status != 404 || t->seen)
			return e->code;
		t->over = is_none(t, c, &why);
		*e = why;
		if (!t->over)
			return e->code;
		event_info(c->listener, step, "%s: there is none to be redeployed", t->what);
		return 0;
	}
	t->seen = true;
	switch (finish_redeploy_judge(&text, c->api->arena, answer.root, t->mark)) {
	case FINISH_REDEPLOY_ASK:
		if (ask(c, t->path, answer.root, text, e))
			return e->code;
		event_info(c->listener, step, "%s: redeployment is asked for: %s", t->what, text);
		c->removed++;
		break;
	case FINISH_REDEPLOY_DONE:
		t->over = true;
		/* fall through */
	case FINISH_REDEPLOY_WAIT:
		tell(t, c, text);
	}
	return 0;
}

/* An API server that is being redeployed is away for a while, and refuses what it does not know
 * yet. */
static bool may_pass(const struct err *e)
{
	return e->code == ERR_NET || e->code == ERR_AUTH || e->code == ERR_MISMATCH ||
	       e->code == ERR_NOTFOUND;
}

static int redeploy(struct finish_clean *c, const char *what, const char *mark, struct err *e)
{
	const int64_t turn = monotonic_ms() + c->turn_s * 1000,
		      until = turn > c->wait->deadline_ms ? turn : c->wait->deadline_ms;
	struct turn t = { .what = what,
		.path = arena_print(
			c->api->arena, "/apis/operator.openshift.io/v1/%s/cluster", what),
		.mark = mark };

	while (1) {
		const struct arena_mark before = arena_mark(c->api->arena);
		struct err why = { 0 };
		look(&t, c, &why);
		arena_release(c->api->arena, before);
		if (t.over || (why.code && !may_pass(&why))) {
			*e = why;
			return e->code;
		}
		if (why.code)
			tell(&t, c, why.text);
		if (until - monotonic_ms() < POLL_MS)
			return err_set(e, ERR_MISMATCH,
				"%s: %s, and there is no time left; `etcd-rescue finish` goes on",
				what, *t.told ? t.told : "its redeployment is asked for");
		why = (struct err){ 0 };
		if (finish_clean_rest(c, POLL_MS, &why) && !may_pass(&why)) {
			*e = why;
			return e->code;
		}
	}
}

/* What every master of one restore has alike, so that the second one asks nothing again.  A
 * snapshot holds no reason that names itself: restored once more, it brings back an older one. */
const char *finish_redeploy_mark(struct arena *a, const struct finish_record *record)
{
	return arena_print(a, "etcd-rescue snapshot %.12s cluster %" PRIx64,
		record->snapshot ? record->snapshot : "?",
		record->n_clusters ? record->clusters[0].id : 0);
}

int finish_redeploy(struct finish_clean *c, struct err *e)
{
	static const char *const operators[] = { "etcds", "kubeapiservers",
		"kubecontrollermanagers", "kubeschedulers" };
	const char *mark = finish_redeploy_mark(c->api->arena, c->record);

	for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
		if (redeploy(c, operators[i], mark, e))
			return e->code;
	}
	return 0;
}
