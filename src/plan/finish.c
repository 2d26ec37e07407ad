#include "plan/finish.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "os/file.h"
#include "plan/finish_clean.h"
#include "plan/finish_csr.h"
#include "plan/finish_etcd.h"
#include "plan/finish_join_record.h"
#include "plan/finish_redeploy.h"

enum { PAUSE_MS = 5000, SCRATCH = 64 << 20 };

static const char step[] = "finish";

static int64_t seconds_of(const struct finish *f)
{
	return (int64_t)(f->deadline_s ? f->deadline_s : f->record.deadline_s);
}

/* What is there in a moment is not worth a word. */
static struct finish_wait *waits(struct finish *f)
{
	f->wait.told_ms = monotonic_ms();
	return &f->wait;
}

static void set_steps(struct finish *f)
{
	/* Who was restored alone is joined by the others, who may come while it is at work. */
	const bool alone = f->record.role && !strcmp(f->record.role, "single");
	struct finish_part part = { .replaces = f->record.lost.n,
		.alone = finish_alone(&f->record) };

	for (size_t i = 0; i < f->record.n_clusters; i++) {
		f->record.clusters[i].grows = alone;
		part.joins |= f->record.clusters[i].urls.n > 0;
	}
	finish_steps(f->steps, f->record.layout, &f->record.wanted, &part);
	f->steps[FINISH_PODS].done &= !part.joins || f->record.n_held;
}

int finish_read(struct finish *f, struct err *e)
{
	static const char *const states[] = { "var/lib/etcd-rescue", "etc/etcd-rescue" };
	CLEAN_BUF struct buf text = BUF(FINISH_RECORD_MAX);

	for (size_t i = 0; i < sizeof states / sizeof *states && !text.len; i++) {
		const char *path = arena_print(f->arena, "%s/" FINISH_RECORD, states[i]);
		f->state = states[i];
		if (file_read(&text, f->root, path, e) && err_forgive(e, ERR_NOTFOUND))
			return e->code;
	}
	if (!text.len)
		return err_set(e, ERR_NOTFOUND, "nothing is left to finish here");
	if (finish_record_parse(&f->record, f->arena, buf_text(&text), e))
		return err_wrap(e, "%s", f->state);
	set_steps(f);
	return 0;
}

/* One try at one cluster. */
static int look_at(
	const struct finish_cluster *c, const struct finish *f, size_t *started, struct err *e)
{
	struct arena scratch = ARENA(SCRATCH);
	struct finish_etcd s;

	if (finish_etcd_open(&s, f->root, c, e))
		return e->code;
	if (!finish_etcd_serves(&s, &scratch, e))
		finish_etcd_members(started, &s, &scratch, e);
	finish_etcd_close(&s);
	arena_free(&scratch);
	return e->code;
}

/* With `all`, until every member has been started. */
static int wait_cluster(
	const struct finish_cluster *c, struct finish *f, bool all, size_t *started, struct err *e)
{
	struct finish_wait *wait = waits(f);

	do {
		if (!look_at(c, f, started, e)) {
			if (!all || *started >= c->n)
				return 0;
			err_set(e, ERR_NET, "%zu of %zu members have been started", *started, c->n);
		}
		/* It answers, and is another cluster: waiting makes it no better. */
	} while (e->code != ERR_MISMATCH && finish_wait_again(wait, c->what, e));
	return e->code;
}

static int wait_etcd(struct finish *f, struct err *e)
{
	for (size_t i = 0; i < f->record.n_clusters; i++) {
		const struct finish_cluster *c = &f->record.clusters[i];
		size_t started = 0;
		event_step(f->listener, step, arena_print(f->arena, "waiting for %s", c->what));
		if (wait_cluster(c, f, false, &started, e))
			return err_wrap(e, "%s", c->what);
		event_done(f->listener, step,
			arena_print(f->arena,
				"%s serves: the %s cluster, %zu of %zu members started", c->what,
				c->urls.n ? "joined" : "restored", started, c->n));
	}
	f->served = true;
	return 0;
}

/* At the end, as long as there is time. */
static int wait_members(struct finish *f, struct err *e)
{
	for (size_t i = 0; i < f->record.n_clusters; i++) {
		const struct finish_cluster *c = &f->record.clusters[i];
		size_t started = 0;
		struct err why = { 0 };
		const int bad = wait_cluster(c, f, true, &started, &why);
		f->members += c->n;
		f->started += started;
		if (bad && (why.code != ERR_NET || finish_wait_left(&f->wait) > 0)) {
			*e = why;
			return e->code;
		}
		if (bad)
			event_warning(f->listener, step, "%s: %zu of %zu members have been started",
				c->what, started, c->n);
	}
	return 0;
}

static int release_all(struct finish *f, struct err *e)
{
	struct err first = { 0 };

	for (size_t i = 0; i < f->record.n_held; i++) {
		struct err why = { 0 };
		/* Alone it would be no member of anything. */
		if (finish_join_waits(f, i))
			continue;
		if (finish_release(f, &f->record.held[i], &why) && !first.code) {
			first = why;
			err_wrap(&first, "%s", f->record.held[i].path);
		}
	}
	*e = first;
	return e->code;
}

static bool wants_api(const struct finish *f)
{
	for (size_t i = 0; i < FINISH_ACTIONS; i++) {
		if (f->steps[i].done && f->steps[i].api)
			return true;
	}
	return false;
}

static int open_api(struct finish_api *api, struct finish *f, struct err *e)
{
	struct finish_wait *wait = waits(f);

	event_step(f->listener, step, "waiting for the API server");
	while (finish_api_open(api, f->root, &f->record, e)) {
		if (!finish_wait_again(wait, "the API server", e))
			return err_wrap(e, "the API server");
	}
	event_info(f->listener, step, "the API server lets us in with %s", api->config);
	return 0;
}

/* `*ours` is false when somebody else was at it all the time. */
static int take_lease(bool *ours, struct finish_api *api, struct finish *f, struct err *e)
{
	struct finish_wait *wait = waits(f);

	*ours = true;
	while (finish_lease_take(api, e)) {
		if (!finish_wait_again(wait, "the Lease", e)) {
			*ours = e->code != ERR_DECLINED || finish_wait_left(wait) > 0;
			return *ours ? err_wrap(e, "the Lease") : err_forgive(e, ERR_DECLINED);
		}
	}
	return 0;
}

/* The API server is young yet: what it refuses now it may grant in a moment. */
static int try(int (*clean)(struct finish_clean *c, struct err *e), struct finish_clean *c,
	const struct finish *f, struct err *e)
{
	while (clean(c, e)) {
		const bool may_pass =
			e->code == ERR_NET || e->code == ERR_AUTH || e->code == ERR_MISMATCH;
		struct err why = *e;
		if (!may_pass || finish_wait_left(&f->wait) < PAUSE_MS)
			return e->code;
		*e = (struct err){ 0 };
		event_info(f->listener, step, "again: %s", why.text);
		if (finish_wait_nap(&f->wait, PAUSE_MS, e))
			return e->code;
	}
	return 0;
}

static int clean_up(struct finish_api *api, struct finish *f, struct err *e)
{
	static const struct {
		enum finish_action action;
		int (*clean)(struct finish_clean *c, struct err *e);
		bool once; /* on one master for all */
	} rows[] = { { FINISH_NODES, finish_clean_nodes, true },
		{ FINISH_STUCK_PODS, finish_clean_pods, true },
		{ FINISH_CRONJOBS, finish_clean_cronjobs, true },
		{ FINISH_REDEPLOY, finish_redeploy, false }, { FINISH_CSR, finish_csr, false } };
	CLEAN_ROOT struct root state = NO_ROOT;
	const int64_t seconds = seconds_of(f), share = seconds / 8;
	struct finish_csrs csrs = { 0 };
	struct finish_clean c = { .api = api,
		.record = &f->record,
		.listener = f->listener,
		.state = &state,
		.up = time(NULL),
		.wait = &f->wait,
		.patience_s = share < FINISH_SETTLE_S ? share : FINISH_SETTLE_S,
		.turn_s = f->deadline_s || !f->record.redeploy_s ? seconds
								 : (int64_t)f->record.redeploy_s,
		.csrs = f->steps[FINISH_CSR].done ? &csrs : NULL };
	struct err first = { 0 };

	if (root_open_at(&state.fd, f->root, f->state, O_RDONLY | O_DIRECTORY, e))
		return e->code;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct finish_step *s = &f->steps[rows[i].action];
		struct err why = { 0 };
		if (!s->done)
			continue;
		event_step(f->listener, step, s->name);
		if (rows[i].once && finish_lease_did(api, s->name)) {
			event_done(f->listener, step,
				arena_print(f->arena, "%s: another master has done it", s->name));
			continue;
		}
		c.removed = 0;
		c.cut = false;
		if (try(rows[i].clean, &c, f, &why)) {
			err_wrap(&why, "%s", s->name);
			event_warning(f->listener, step, "%s", why.text);
			if (!first.code)
				first = why;
			if (api->lost)
				break;
		} else {
			if (rows[i].once && !c.cut)
				finish_lease_note(api, s->name);
			event_done(f->listener, step,
				arena_print(f->arena, "%s: %zu", s->name, c.removed));
		}
		f->cleaned += c.removed;
	}
	finish_csr_free(&csrs);
	*e = first;
	return e->code;
}

/* What all masters of this restore have alike, and no other restore has; NULL: not known. */
static const char *mark_of(struct finish *f)
{
	const struct finish_record *r = &f->record;

	return r->snapshot && r->n_clusters && r->clusters[0].id ? finish_redeploy_mark(f->arena, r)
								 : NULL;
}

static int use_api(struct finish *f, struct err *e)
{
	struct arena scratch = ARENA(SCRATCH * 4);
	struct finish_api api = { .arena = &scratch,
		.holder = f->record.node ? f->record.node : "etcd-rescue",
		.mark = mark_of(f),
		.nodes = f->steps[FINISH_NODES].done };
	bool ours = true;

	if (!open_api(&api, f, e) && !take_lease(&ours, &api, f, e)) {
		if (ours)
			clean_up(&api, f, e);
		else
			event_warning(f->listener, step,
				"another master was at it all the time; it is left to that one");
	}
	finish_lease_drop(&api);
	finish_api_close(&api);
	arena_free(&scratch);
	return e->code;
}

int finish_run(struct finish *f, struct err *e)
{
	struct err first = { 0 }, why = { 0 };

	f->wait.listener = f->listener;
	f->wait.step = step;
	f->wait.deadline_ms = monotonic_ms() + seconds_of(f) * 1000;
	const bool bad = finish_join_record(f, &first) || wait_etcd(f, &first);
	/* Somebody stops us: the next boot goes on. */
	if (bad && f->wait.stopped && f->wait.stopped(f->wait.ctx, e))
		return e->code;
	if (bad)
		event_warning(f->listener, step, "%s", first.text);
	if (release_all(f, &why) && !first.code)
		first = why;
	if (bad && !why.code && f->released) {
		const struct err told = first;
		err_set(&first, told.code,
			"%s; the %zu static pods that waited for it are in place all the same, and "
			"the next boot looks again",
			told.text, f->released);
	}
	why = (struct err){ 0 };
	if (!bad && wants_api(f) && use_api(f, &why) && !first.code)
		first = why;
	why = (struct err){ 0 };
	if (!bad && wait_members(f, &why) && !first.code)
		first = why;
	*e = first;
	return e->code;
}
