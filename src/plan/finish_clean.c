#include "plan/finish_clean.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "os/file.h"
#include "os/names.h"
#include "plan/finish_cron.h"
#include "plan/finish_csr.h"
#include "target/file.h"

enum { KEEP_MAX = 64 << 20, OBJECT_MAX = 2 << 20, ROUND_MS = 15000, LOOKS_MAX = 6 };

#define KEPT "finish" /* below the state directory */

/* What was to go when it was looked at first. */
struct seen {
	const char *uid;
	struct seen *next;
};

struct round {
	struct finish_clean *c;
	struct arena keep;
	struct seen *seen;
	bool again; /* the second look */
	struct finish_nodes nodes;
	const char *version; /* of CronJobs */
	int64_t due;         /* of CronJobs: what tells next; 0: nothing */
	size_t n;
};

static void free_round(struct round *r)
{
	arena_free(&r->keep);
}

#define CLEAN_ROUND  __attribute__((cleanup(free_round)))
#define ROUND(clean) ((struct round){ .c = (clean), .keep = ARENA(KEEP_MAX) })

static const struct doc_node *meta(const struct doc_node *object)
{
	return doc_get(object, "metadata");
}

/* True: it was to go the last time, too. */
static bool was_seen(struct round *r, const struct doc_node *object)
{
	const struct str uid = doc_text(meta(object), "uid");

	for (const struct seen *s = r->seen; s; s = s->next) {
		if (str_is(uid, s->uid))
			return true;
	}
	struct seen *s = arena_alloc(&r->keep, sizeof *s);
	*s = (struct seen){ arena_copy(&r->keep, uid), r->seen };
	r->seen = s;
	return false;
}

int finish_clean_rest(struct finish_clean *c, int64_t ms, struct err *e)
{
	const int64_t until = monotonic_ms() + ms;

	for (int64_t left = ms; left > 0; left = until - monotonic_ms()) {
		if (finish_wait_nap(c->wait, left < ROUND_MS ? left : ROUND_MS, e) ||
			finish_lease_keep(c->api, e))
			return e->code;
		if (c->csrs)
			finish_csr_meanwhile(c);
	}
	return 0;
}

static int settle(struct finish_clean *c, struct err *e)
{
	return finish_clean_rest(c, c->patience_s * 1000, e);
}

static int gone(struct round *r, const char *what, const struct doc_node *object, const char *path,
	const char *why, bool at_once, struct err *e)
{
	const struct str name = doc_text(meta(object), "name");

	if (!finish_api_is_name(name))
		return err_set(e, ERR_FORMAT, "a %s with an impossible name", what);
	if (finish_api_delete(r->c->api, path, doc_text(meta(object), "uid"),
		    doc_text(meta(object), "resourceVersion"), at_once, e)) {
		/* It has changed meanwhile, so it lives. */
		if (err_forgive(e, ERR_MISMATCH))
			return e->code;
		return 0;
	}
	event_info(r->c->listener, "finish", "%s %.*s is deleted: %s", what, STR_ARG(name), why);
	r->c->removed++;
	return 0;
}

static int each_node(void *ctx, const struct doc_node *node, struct str text, struct err *e)
{
	struct round *r = ctx;
	const char *why = finish_node_lost(node, r->c->record);
	const struct str name = doc_text(meta(node), "name");

	(void)text;
	r->n += finish_node_is_unsure(node, r->c->record);
	if (!why)
		return 0;
	if (!was_seen(r, node)) {
		r->n++;
		return 0;
	}
	return gone(r, "Node", node,
		arena_print(r->c->api->arena, "/api/v1/nodes/%.*s", STR_ARG(name)), why, false, e);
}

/* Until two looks in a row find nothing new: the controller that tells who has gone silent is as
 * young as the API server. */
int finish_clean_nodes(struct finish_clean *c, struct err *e)
{
	CLEAN_ROUND struct round r = ROUND(c);

	for (int look = 0; look < LOOKS_MAX; look++) {
		c->cut = look && r.n && finish_wait_left(c->wait) < c->patience_s * 1000;
		if (look && (!r.n || c->cut))
			break;
		if (look && settle(c, e))
			return e->code;
		r.n = 0;
		if (finish_api_list(c->api, "/api/v1/nodes", each_node, &r, e))
			return e->code;
	}
	return 0;
}

static int note_node(void *ctx, const struct doc_node *node, struct str text, struct err *e)
{
	struct round *r = ctx;
	struct finish_node *n = arena_alloc(&r->keep, sizeof *n);

	(void)text, (void)e;
	*n = (struct finish_node){ arena_copy(&r->keep, doc_text(meta(node), "name")),
		finish_node_is_ready(node), r->nodes.first };
	r->nodes.first = n;
	return 0;
}

static int each_pod(void *ctx, const struct doc_node *pod, struct str text, struct err *e)
{
	struct round *r = ctx;
	const struct str name = doc_text(meta(pod), "name"),
			 space = doc_text(meta(pod), "namespace");
	bool at_once;
	const char *why = finish_pod_stuck(&at_once, pod, &r->nodes, r->c->record->restored);

	(void)text;
	if (!why || !was_seen(r, pod) || !r->again || !finish_api_is_name(space))
		return 0;
	return gone(r, "Pod", pod,
		arena_print(r->c->api->arena, "/api/v1/namespaces/%.*s/pods/%.*s", STR_ARG(space),
			STR_ARG(name)),
		why, at_once, e);
}

int finish_clean_pods(struct finish_clean *c, struct err *e)
{
	CLEAN_ROUND struct round r = ROUND(c);

	if (finish_api_list(c->api, "/api/v1/nodes", note_node, &r, e) ||
		finish_api_list(c->api, "/api/v1/pods", each_pod, &r, e) || settle(c, e))
		return e->code;
	r.again = true;
	r.nodes.first = NULL;
	return finish_api_list(c->api, "/api/v1/nodes", note_node, &r, e) ||
			       finish_api_list(c->api, "/api/v1/pods", each_pod, &r, e)
		       ? e->code
		       : 0;
}

/* One that is kept since before the power went: made again unless it is there. */
static int make_kept(struct round *r, const struct root *dir, const char *file, struct err *e)
{
	CLEAN_BUF struct buf body = BUF(OBJECT_MAX);
	struct arena *a = r->c->api->arena;
	struct finish_answer answer;
	struct err why = { 0 };
	struct doc doc;

	if (file_read(&body, dir, file, e) ||
		doc_parse(&doc, a, buf_text(&body), file, DOC_JSON, DOC_LIMITS, e))
		return e->code;
	const struct str space = doc_text(meta(doc.root), "namespace");
	if (!finish_api_is_name(space))
		return err_set(e, ERR_FORMAT, "%s holds no CronJob", file);
	const char *path =
		arena_print(a, "/apis/%s/namespaces/%.*s/cronjobs", r->version, STR_ARG(space));
	if (buf_add(&body, "", 1, e))
		return e->code;
	/* 409: it is there already. */
	if (finish_api_call(&answer, r->c->api, "POST", path, (const char *)body.p, &why) &&
		answer.status != 409) {
		*e = why;
		return err_wrap(e, "making %s again", file);
	}
	unlinkat(dir->fd, file, 0);
	return 0;
}

static int make_all_kept(struct round *r, struct err *e)
{
	CLEAN_ROOT struct root dir = NO_ROOT;
	struct names names = { 0 };
	struct err none = { 0 };

	if (root_open_at(&dir.fd, r->c->state, KEPT, O_RDONLY | O_DIRECTORY, &none))
		return 0;
	if (names_read(&names, r->c->api->arena, &dir, ".", e))
		return e->code;
	for (size_t i = 0; i < names.n; i++) {
		/* A sibling of file_replace that was cut. */
		if (!str_ends(str_from(names.v[i]), STR(".json")))
			unlinkat(dir.fd, names.v[i], 0);
		else if (make_kept(r, &dir, names.v[i], e))
			return e->code;
	}
	return 0;
}

static int replace(struct round *r, const struct doc_node *job, struct str text, const char *why,
	struct err *e)
{
	CLEAN_BUF struct buf body = BUF(OBJECT_MAX);
	CLEAN_ROOT struct root dir = NO_ROOT;
	struct arena *a = r->c->api->arena;
	const struct str name = doc_text(meta(job), "name"),
			 space = doc_text(meta(job), "namespace");

	if (!finish_api_is_name(name) || !finish_api_is_name(space))
		return err_set(e, ERR_FORMAT, "a CronJob with an impossible name");
	const char *file = arena_print(a, "%.*s.%.*s.json", STR_ARG(space), STR_ARG(name));
	if (finish_object_again(&body, job, text, r->version, "CronJob", e) ||
		target_make_directories(r->c->state, KEPT, 0700, e) ||
		root_open_at(&dir.fd, r->c->state, KEPT, O_RDONLY | O_DIRECTORY, e) ||
		file_replace(dir.fd, file, buf_span(&body), 0600, e))
		return e->code;
	const size_t before = r->c->removed;
	if (gone(r, "CronJob", job,
		    arena_print(a, "/apis/%s/namespaces/%.*s/cronjobs/%.*s", r->version,
			    STR_ARG(space), STR_ARG(name)),
		    why, false, e))
		return e->code;
	if (r->c->removed == before) {
		unlinkat(dir.fd, file, 0);
		return 0;
	}
	if (make_kept(r, &dir, file, e))
		return e->code;
	event_info(r->c->listener, "finish", "CronJob %.*s/%.*s is made anew", STR_ARG(space),
		STR_ARG(name));
	return 0;
}

/* It would not be gone when it is to be made. */
static bool has_finalizers(const struct doc_node *object)
{
	const struct doc_node *list = doc_get(meta(object), "finalizers");

	return list && list->n;
}

static int each_cronjob(void *ctx, const struct doc_node *object, struct str text, struct err *e)
{
	struct round *r = ctx;
	struct finish_cronjob job;
	const char *why;
	int64_t due;

	finish_cronjob_read(&job, object);
	switch (finish_cron_judge(&why, &due, &job, r->c->up, time(NULL), r->c->patience_s)) {
	case FINISH_CRON_FINE:
		break;
	case FINISH_CRON_SOON:
		if (!r->due || due < r->due)
			r->due = due;
		break;
	case FINISH_CRON_STUCK:
		if (has_finalizers(object)) {
			event_warning(r->c->listener, "finish",
				"CronJob %.*s/%.*s is left alone, because of its finalizers: %s",
				STR_ARG(doc_text(meta(object), "namespace")),
				STR_ARG(doc_text(meta(object), "name")), why);
			return 0;
		}
		if (was_seen(r, object))
			return replace(r, object, text, why, e);
		r->n++;
	}
	return 0;
}

/* batch/v1 since 1.21. */
static int find_version(struct round *r, struct err *e)
{
	static const char *const versions[] = { "batch/v1", "batch/v1beta1" };
	struct finish_answer answer;

	for (size_t i = 0; i < 2; i++) {
		*e = (struct err){ 0 };
		r->version = versions[i];
		if (!finish_api_call(&answer, r->c->api, "GET",
			    arena_print(r->c->api->arena, "/apis/%s/cronjobs?limit=1", r->version),
			    NULL, e) ||
			e->code != ERR_NOTFOUND)
			return e->code;
	}
	return e->code;
}

/* Until their controller has had its time, of which the other actions may have taken some. */
static int settle_since_up(struct finish_clean *c, struct err *e)
{
	const int64_t left = c->up + c->patience_s - time(NULL);

	return finish_clean_rest(c, (left < c->patience_s ? left : c->patience_s) * 1000, e);
}

int finish_clean_cronjobs(struct finish_clean *c, struct err *e)
{
	CLEAN_ROUND struct round r = ROUND(c);

	if (find_version(&r, e) || make_all_kept(&r, e) || settle_since_up(c, e))
		return e->code;
	const char *path = arena_print(c->api->arena, "/apis/%s/cronjobs", r.version);
	const int64_t again = c->patience_s * 1000 < ROUND_MS ? c->patience_s * 1000 : ROUND_MS;

	while (1) {
		r.due = 0;
		r.n = 0;
		if (finish_api_list(c->api, path, each_cronjob, &r, e))
			return e->code;
		const int64_t left = finish_wait_left(c->wait);
		const int64_t told = r.due ? (r.due - time(NULL) + c->patience_s + 1) * 1000 : 0;
		/* One that runs less often than that goes on by itself, or is for a person. */
		const int64_t wait = r.n ? again : told && told < left ? told : 0;
		c->cut = wait && left < wait;
		if (!wait || c->cut)
			return 0;
		if (finish_clean_rest(c, wait, e))
			return e->code;
	}
}
