/* One master at a time: the Lease, and the ConfigMap that does for it on API servers before 1.14.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/monotonic.h"
#include "codec/json.h"
#include "codec/rfc3339.h"
#include "plan/finish_api.h"

enum { BODY_MAX = 1 << 16 };

#define LEASES    "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
#define MAPS      "/api/v1/namespaces/kube-system/configmaps"
/* The same that other holders of a ConfigMap write it into. */
#define LEADER    "control-plane.alpha.kubernetes.io/leader"
#define LOCK_NAME "etcd-rescue"
#define DONE      "etcd-rescue/done"

int finish_lease_find(struct finish_api *api, struct err *e)
{
	struct finish_answer answer;

	api->old = false;
	if (!finish_api_call(&answer, api, "GET", LEASES "?limit=1", NULL, e) ||
		answer.status != 404)
		return e->code;
	*e = (struct err){ 0 };
	api->old = true;
	return finish_api_call(&answer, api, "GET", MAPS "?limit=1", NULL, e);
}

/* What the lock says of its holder. */
struct turn {
	const char *holder, *acquired, *now;
	uint64_t turns;
};

static void print_turn(struct json *j, const struct turn *t, const char *turns_key)
{
	json_open(j, '{');
	json_key_text(j, "holderIdentity", t->holder);
	json_key_u64(j, "leaseDurationSeconds", FINISH_LEASE_S);
	json_key_text(j, "acquireTime", t->acquired);
	json_key_text(j, "renewTime", t->now);
	json_key_u64(j, turns_key, t->turns);
	json_close(j, '}');
}

static void print_record(struct json *j, const struct turn *t)
{
	CLEAN_BUF struct buf text = BUF(BODY_MAX);
	struct json inner = JSON(&text);
	struct err none = { 0 };

	print_turn(&inner, t, "leaderTransitions");
	if (!json_end(&inner, &none))
		json_key_str(j, LEADER, buf_text(&text));
}

static void print_annotations(struct json *j, const struct finish_api *api, const struct turn *t)
{
	if (!api->old && !*api->done)
		return;
	json_key(j, "annotations");
	json_open(j, '{');
	if (api->old)
		print_record(j, t);
	if (*api->done)
		json_key_text(j, DONE, api->done);
	json_close(j, '}');
}

static const char *body_of(const struct finish_api *api, struct str version, const struct turn *t)
{
	CLEAN_BUF struct buf body = BUF(BODY_MAX);
	struct json j = JSON(&body);
	struct err ignored = { 0 };

	json_open(&j, '{');
	json_key_text(&j, "apiVersion", api->old ? "v1" : "coordination.k8s.io/v1");
	json_key_text(&j, "kind", api->old ? "ConfigMap" : "Lease");
	json_key(&j, "metadata");
	json_open(&j, '{');
	json_key_text(&j, "name", LOCK_NAME);
	json_key_text(&j, "namespace", "kube-system");
	if (version.len)
		json_key_str(&j, "resourceVersion", version);
	print_annotations(&j, api, t);
	json_close(&j, '}');
	if (!api->old) {
		json_key(&j, "spec");
		print_turn(&j, t, "leaseTransitions");
	}
	json_close(&j, '}');
	return json_end(&j, &ignored) ? NULL : arena_copy(api->arena, buf_text(&body));
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

static const struct doc_node *meta(const struct doc_node *root)
{
	return doc_get(root, "metadata");
}

/* Somebody else's: for how long has it said the same? */
static int64_t unchanged(struct finish_api *api, const struct doc_node *root)
{
	const struct str version = doc_text(meta(root), "resourceVersion");
	const int64_t now = monotonic_ms();

	if (!*api->seen || !str_is(version, api->seen)) {
		snprintf(api->seen, sizeof api->seen, "%.*s", STR_ARG(version));
		api->seen_ms = now;
	}
	return now - api->seen_ms;
}

/* The lock as it is, and what it says of its holder; NULL: nothing yet. */
static int look(const struct doc_node **root, const struct doc_node **turn, struct finish_api *api,
	struct err *e)
{
	struct finish_answer answer;
	struct doc record = { 0 };

	*root = *turn = NULL;
	if (finish_api_call(&answer, api, "GET",
		    api->old ? MAPS "/" LOCK_NAME : LEASES "/" LOCK_NAME, NULL, e))
		return e->code;
	*root = answer.root;
	*turn = doc_get(answer.root, "spec");
	if (!api->old)
		return 0;
	const struct str text = doc_text(doc_get(meta(answer.root), "annotations"), LEADER);
	if (text.len && doc_parse(&record, api->arena, text, LEADER, DOC_JSON, DOC_LIMITS, e))
		return e->code;
	*turn = record.root;
	return 0;
}

static int make(struct finish_api *api, const struct turn *t, struct err *e)
{
	struct finish_answer answer;

	return finish_api_call(
		&answer, api, "POST", api->old ? MAPS : LEASES, body_of(api, STR(""), t), e);
}

/* Refused when it has changed since it was looked at. */
static int change(
	struct finish_api *api, const struct doc_node *root, const struct turn *t, struct err *e)
{
	struct finish_answer answer;

	return finish_api_call(&answer, api, "PUT",
		api->old ? MAPS "/" LOCK_NAME : LEASES "/" LOCK_NAME,
		body_of(api, doc_text(meta(root), "resourceVersion"), t), e);
}

static uint64_t turns_of(const struct finish_api *api, const struct doc_node *turn)
{
	uint64_t n = 0;

	str_u64(&n, doc_text(turn, api->old ? "leaderTransitions" : "leaseTransitions"), 10,
		INT32_MAX - 1);
	return n;
}

/* Of another restore is as if nothing were; who knows no mark leaves it as it is. */
static void read_done(struct finish_api *api, const struct doc_node *root)
{
	const struct str text = doc_text(doc_get(meta(root), "annotations"), DONE);
	const size_t n = api->mark ? strlen(api->mark) : 0;

	*api->done = '\0';
	if (text.len < sizeof api->done && (!n || (str_starts(text, str_from(api->mark)) &&
							  (text.len == n || text.p[n] == ' '))))
		snprintf(api->done, sizeof api->done, "%.*s", STR_ARG(text));
}

bool finish_lease_did(const struct finish_api *api, const char *what)
{
	struct str rest = str_from(api->done), word;

	while (api->mark && str_word(&word, &rest)) {
		if (str_is(word, what))
			return true;
	}
	return false;
}

void finish_lease_note(struct finish_api *api, const char *what)
{
	const char *before = *api->done ? api->done : api->mark;
	char text[sizeof api->done];

	if (!api->mark || finish_lease_did(api, what))
		return;
	const int n = snprintf(text, sizeof text, "%s %s", before, what);
	if (n > 0 && (size_t)n < sizeof text)
		memcpy(api->done, text, (size_t)n + 1);
}

static int take(struct finish_api *api, struct err *e)
{
	const char *now = now_text(api->arena);
	struct turn t = { api->holder, now, now, 0 };
	const struct doc_node *root, *turn;
	struct err why = { 0 };

	if (look(&root, &turn, api, &why)) {
		if (why.code != ERR_NOTFOUND) {
			*e = why;
			return e->code;
		}
		if (make(api, &t, e))
			return e->code;
	} else {
		const struct str who = doc_text(turn, "holderIdentity");
		const bool ours = str_is(who, api->holder);
		const struct str since = doc_text(turn, "acquireTime");
		if (!finish_lease_is_free(turn, api->holder, unchanged(api, root)))
			return err_set(e, ERR_DECLINED, "%.*s is at it", STR_ARG(who));
		t.turns = turns_of(api, turn) + !ours;
		if (ours && api->held && since.len)
			t.acquired = arena_copy(api->arena, since);
		if (!api->held)
			read_done(api, root);
		if (change(api, root, &t, e))
			return e->code;
	}
	api->held = true;
	api->renewed_ms = monotonic_ms();
	return 0;
}

/* Hours of this leave nothing behind. */
int finish_lease_take(struct finish_api *api, struct err *e)
{
	const struct arena_mark mark = arena_mark(api->arena);

	take(api, e);
	arena_release(api->arena, mark);
	return e->code;
}

int finish_lease_keep(struct finish_api *api, struct err *e)
{
	if (!api->held || monotonic_ms() - api->renewed_ms < FINISH_LEASE_S * 1000 / 3)
		return 0;
	if (!finish_lease_take(api, e))
		return 0;
	api->lost = e->code == ERR_DECLINED;
	return err_wrap(e, "the lock kube-system/" LOCK_NAME);
}

void finish_lease_drop(struct finish_api *api)
{
	const struct doc_node *root, *turn;
	struct err ignored = { 0 };

	if (!api->held)
		return;
	api->held = false;
	if (look(&root, &turn, api, &ignored) ||
		!str_is(doc_text(turn, "holderIdentity"), api->holder))
		return;
	const char *now = now_text(api->arena);
	change(api, root, &(struct turn){ "", now, now, turns_of(api, turn) }, &ignored);
}
