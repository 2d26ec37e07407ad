#include "plan/finish.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "os/file.h"
#include "plan/finish_clean.h"
#include "plan/finish_csr.h"
#include "plan/finish_etcd.h"
#include "plan/finish_join_record.h"
#include "plan/finish_redeploy.h"
#include "target/file.h"

enum { POLL_MS = 2000, SLICE_MS = 200, TELL_MS = 30000, PAUSE_MS = 5000, SCRATCH = 64 << 20 };

static const char step[] = "finish";

struct job {
	struct finish *f;
	int64_t deadline_ms, told_ms;
	int64_t seconds, patience_s;
};

static int64_t left(const struct job *j)
{
	return j->deadline_ms - monotonic_ms();
}

static int nap(void *ctx, int64_t ms, struct err *e)
{
	const struct job *j = ctx;
	const int64_t until = monotonic_ms() + ms;

	while (monotonic_ms() < until) {
		const struct timespec slice = { 0, SLICE_MS * 1000000L };
		if (j->f->stopped && j->f->stopped(j->f->ctx, e))
			return e->code;
		nanosleep(&slice, NULL);
	}
	return 0;
}

/* True: the deadline is not there yet, and nobody wants us to stop. */
static bool again(struct job *j, const char *what, const struct err *why, struct err *e)
{
	const int64_t now = monotonic_ms();

	if (left(j) <= 0) {
		*e = *why;
		return false;
	}
	if (now - j->told_ms >= TELL_MS) {
		event_info(j->f->listener, step, "%s: not yet, %lld s left: %s", what,
			(long long)left(j) / 1000, why->text);
		j->told_ms = now;
	}
	return !nap(j, POLL_MS < left(j) ? POLL_MS : left(j), e);
}

/* Who was restored alone is joined by the others, who may come while it is at work. */
static void set_joining(struct finish *f)
{
	const bool alone = f->record.role && !strcmp(f->record.role, "single");
	bool joins = false;

	for (size_t i = 0; i < f->record.n_clusters; i++) {
		f->record.clusters[i].grows = alone;
		joins |= f->record.clusters[i].urls.n;
	}
	if (!joins)
		return;
	f->steps[FINISH_ETCD].text =
		"adds this node's member to the cluster, starts its etcd, and waits until it "
		"serves";
	f->steps[FINISH_MEMBERS].text = "compares the cluster's id with that of who let it in";
	f->steps[FINISH_PODS].done = f->record.n_held;
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
	finish_steps(f->steps, f->record.layout, &f->record.wanted);
	if (!f->record.lost.n && !finish_loses(f->record.layout))
		f->steps[FINISH_NODES].done = false;
	set_joining(f);
	return 0;
}

/* One try at one cluster. */
static int look_at(const struct finish_cluster *c, struct job *j, size_t *started, struct err *e)
{
	struct arena scratch = ARENA(SCRATCH);
	struct finish_etcd s;

	if (finish_etcd_open(&s, j->f->root, c, e))
		return e->code;
	if (!finish_etcd_serves(&s, &scratch, e))
		finish_etcd_members(started, &s, &scratch, e);
	finish_etcd_close(&s);
	arena_free(&scratch);
	return e->code;
}

/* With `all`, until every member has been started; the deadline is no error then. */
static int wait_cluster(
	const struct finish_cluster *c, struct job *j, bool all, size_t *started, struct err *e)
{
	struct err why = { 0 };

	j->told_ms = monotonic_ms();
	while (1) {
		why = (struct err){ 0 };
		const int bad = look_at(c, j, started, &why);
		if (!bad && (!all || *started >= c->n))
			return 0;
		if (!bad)
			err_set(&why, ERR_NET, "%zu of %zu members have been started", *started,
				c->n);
		/* It answers, and is another cluster: waiting makes it no better. */
		if (why.code == ERR_MISMATCH) {
			*e = why;
			return e->code;
		}
		if (!again(j, c->what, &why, e))
			return e->code;
	}
}

static int wait_etcd(struct job *j, struct err *e)
{
	struct finish *f = j->f;

	for (size_t i = 0; i < f->record.n_clusters; i++) {
		const struct finish_cluster *c = &f->record.clusters[i];
		size_t started = 0;
		event_step(f->listener, step, arena_print(f->arena, "waiting for %s", c->what));
		if (wait_cluster(c, j, false, &started, e))
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
static int wait_members(struct job *j, struct err *e)
{
	struct finish *f = j->f;

	for (size_t i = 0; i < f->record.n_clusters; i++) {
		const struct finish_cluster *c = &f->record.clusters[i];
		size_t started = 0;
		struct err why = { 0 };
		const int bad = wait_cluster(c, j, true, &started, &why);
		f->members += c->n;
		f->started += started;
		if (bad && (why.code != ERR_NET || left(j) > 0)) {
			*e = why;
			return e->code;
		}
		if (bad)
			event_warning(f->listener, step, "%s: %zu of %zu members have been started",
				c->what, started, c->n);
	}
	return 0;
}

static int parent_of(
	int *dir, const char **name, const struct finish *f, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');

	*name = slash ? slash + 1 : path;
	return root_open_at(dir, f->root,
		slash ? arena_print(f->arena, "%.*s", (int)(slash - path), path) : ".",
		O_RDONLY | O_DIRECTORY, e);
}

static int make_parent(struct finish *f, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	const char *parent =
		slash ? arena_print(f->arena, "%.*s", (int)(slash - path), path) : NULL;

	return parent && !root_exists(f->root, parent)
		       ? target_make_directories(f->root, parent, 0755, e)
		       : 0;
}

static bool is_same(int a, const char *a_name, int b, const char *b_name)
{
	struct stat x, y;

	return !fstatat(a, a_name, &x, AT_SYMLINK_NOFOLLOW) &&
	       !fstatat(b, b_name, &y, AT_SYMLINK_NOFOLLOW) && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* Under a name of its own until it is whole. */
int finish_release(struct finish *f, const struct finish_held *h, struct err *e)
{
	CLOSE_FD int from = -1, to = -1;
	const char *from_name, *to_name;

	if (!root_exists(f->root, h->held))
		return 0;
	if (parent_of(&from, &from_name, f, h->held, e) || make_parent(f, h->path, e) ||
		parent_of(&to, &to_name, f, h->path, e))
		return e->code;
	/* The other half of a try that was cut. */
	if (is_same(from, from_name, to, to_name)) {
		unlinkat(from, from_name, 0);
		return 0;
	}
	if (root_exists(f->root, h->path)) {
		event_warning(f->listener, step, "%s is there already; %s is left where it is",
			h->path, h->held);
		return 0;
	}
	if (target_second_name(from, from_name, to, to_name, e))
		return e->code;
	unlinkat(from, from_name, 0);
	event_info(f->listener, step, "%s is in place", h->path);
	f->released++;
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

static int open_api(struct finish_api *api, struct job *j, struct err *e)
{
	struct err why = { 0 };

	event_step(j->f->listener, step, "waiting for the API server");
	j->told_ms = monotonic_ms();
	while (finish_api_open(api, j->f->root, &j->f->record, &why)) {
		if (!again(j, "the API server", &why, e))
			return err_wrap(e, "the API server");
		why = (struct err){ 0 };
	}
	event_info(j->f->listener, step, "the API server lets us in with %s", api->config);
	return 0;
}

/* `*ours` is false when somebody else was at it all the time. */
static int take_lease(bool *ours, struct finish_api *api, struct job *j, struct err *e)
{
	struct err why = { 0 };

	*ours = true;
	j->told_ms = monotonic_ms();
	while (finish_lease_take(api, &why)) {
		if (!again(j, "the Lease", &why, e)) {
			*ours = why.code != ERR_DECLINED || left(j) > 0;
			return *ours ? err_wrap(e, "the Lease") : err_forgive(e, ERR_DECLINED);
		}
		why = (struct err){ 0 };
	}
	return 0;
}

/* The API server is young yet: what it refuses now it may grant in a moment. */
static int try(int (*clean)(struct finish_clean *c, struct err *e), struct finish_clean *c,
	struct job *j, struct err *e)
{
	while (clean(c, e)) {
		const bool may_pass =
			e->code == ERR_NET || e->code == ERR_AUTH || e->code == ERR_MISMATCH;
		struct err why = *e;
		if (!may_pass || left(j) < PAUSE_MS)
			return e->code;
		*e = (struct err){ 0 };
		event_info(j->f->listener, step, "again: %s", why.text);
		if (nap(j, PAUSE_MS, e))
			return e->code;
	}
	return 0;
}

static int clean_up(struct finish_api *api, struct job *j, struct err *e)
{
	static const struct {
		enum finish_action action;
		int (*clean)(struct finish_clean *c, struct err *e);
	} rows[] = { { FINISH_NODES, finish_clean_nodes }, { FINISH_STUCK_PODS, finish_clean_pods },
		{ FINISH_CRONJOBS, finish_clean_cronjobs }, { FINISH_REDEPLOY, finish_redeploy },
		{ FINISH_CSR, finish_csr } };
	CLEAN_ROOT struct root state = NO_ROOT;
	struct finish *f = j->f;
	struct finish_csrs csrs = { 0 };
	struct finish_clean c = { .api = api,
		.record = &f->record,
		.listener = f->listener,
		.state = &state,
		.up = time(NULL),
		.deadline_ms = j->deadline_ms,
		.patience_s = j->patience_s,
		.turn_s = j->seconds,
		.nap = nap,
		.ctx = j,
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
		c.removed = 0;
		if (try(rows[i].clean, &c, j, &why)) {
			err_wrap(&why, "%s", s->name);
			event_warning(f->listener, step, "%s", why.text);
			if (!first.code)
				first = why;
		} else {
			event_done(f->listener, step,
				arena_print(f->arena, "%s: %zu", s->name, c.removed));
		}
		f->cleaned += c.removed;
	}
	finish_csr_free(&csrs);
	*e = first;
	return e->code;
}

static int use_api(struct job *j, struct err *e)
{
	struct arena scratch = ARENA(SCRATCH * 4);
	struct finish_api api = { .arena = &scratch,
		.holder = j->f->record.node ? j->f->record.node : "etcd-rescue" };
	bool ours = true;

	if (!open_api(&api, j, e) && !take_lease(&ours, &api, j, e)) {
		if (ours)
			clean_up(&api, j, e);
		else
			event_warning(j->f->listener, step,
				"another master was at it all the time; it is left to that one");
	}
	finish_lease_drop(&api);
	finish_api_close(&api);
	arena_free(&scratch);
	return e->code;
}

int finish_run(struct finish *f, struct err *e)
{
	const uint64_t seconds = f->deadline_s ? f->deadline_s : f->record.deadline_s;
	const int64_t share = (int64_t)seconds / 8;
	struct job j = { .f = f,
		.deadline_ms = monotonic_ms() + (int64_t)seconds * 1000,
		.seconds = (int64_t)seconds,
		.patience_s = share < FINISH_SETTLE_S ? share : FINISH_SETTLE_S };
	struct err first = { 0 }, why = { 0 };

	const bool bad = finish_join_record(f, j.deadline_ms, &first) || wait_etcd(&j, &first);
	/* Somebody stops us: the next boot goes on. */
	if (bad && f->stopped && f->stopped(f->ctx, e))
		return e->code;
	if (bad)
		event_warning(f->listener, step, "%s", first.text);
	if (release_all(f, &why) && !first.code)
		first = why;
	why = (struct err){ 0 };
	if (!bad && wants_api(f) && use_api(&j, &why) && !first.code)
		first = why;
	why = (struct err){ 0 };
	if (!bad && wait_members(&j, &why) && !first.code)
		first = why;
	*e = first;
	return e->code;
}

/* A file, and the directory that it was alone in when that was made for it. */
static int drop(struct finish *f, const char *path, struct err *e)
{
	CLOSE_FD int dir = -1, up = -1;
	struct err none = { 0 };
	const char *name;

	if (parent_of(&dir, &name, f, path, &none))
		return 0;
	if (unlinkat(dir, name, 0) && errno != ENOENT)
		return err_sys(e, "%s", path);
	if (fsync(dir))
		return err_sys(e, "the directory of %s", path);
	path = arena_print(f->arena, "%.*s", (int)(strrchr(path, '/') - path), path);
	if (!str_ends(str_from(path), STR(".service.d")))
		return 0;
	if (!parent_of(&up, &name, f, path, &none))
		unlinkat(up, name, AT_REMOVEDIR);
	return 0;
}

/* Only when nothing is in it. */
static void drop_directory_of(struct finish *f, const char *path)
{
	const char *slash = strrchr(path, '/'), *name;
	CLOSE_FD int dir = -1;
	struct err none = { 0 };

	if (slash && !parent_of(&dir, &name, f,
			     arena_print(f->arena, "%.*s", (int)(slash - path), path), &none))
		unlinkat(dir, name, AT_REMOVEDIR);
}

int finish_remove(struct finish *f, struct err *e)
{
	CLEAN_ROOT struct root state = NO_ROOT;

	for (size_t i = 0; i < f->record.files.n; i++) {
		if (!strchr(f->record.files.v[i], '/'))
			return err_set(
				e, ERR_FORMAT, "%s is none of its files", f->record.files.v[i]);
		if (drop(f, f->record.files.v[i], e))
			return e->code;
	}
	if (root_open_at(&state.fd, f->root, f->state, O_RDONLY | O_DIRECTORY, e))
		return e->code;
	unlinkat(state.fd, "finish", AT_REMOVEDIR);
	/* Where pods waited, once the last of them is in place. */
	for (size_t i = 0; i < f->record.n_held; i++)
		drop_directory_of(f, f->record.held[i].held);
	if (unlinkat(state.fd, FINISH_RECORD, 0) && errno != ENOENT)
		return err_sys(e, "%s/" FINISH_RECORD, f->state);
	f->removed = true;
	return fsync(state.fd) ? err_sys(e, "%s", f->state) : 0;
}
