/* Static pods that wait for etcd at the first boot.  With the layout whose kubelet starts all of
 * them at once: those in its directory, those that a recovery by hand has put beside it, and those
 * that wait since an earlier restore whose first boot has not come. */
#include <string.h>

#include "kube/rewrite.h"
#include "os/file.h"
#include "os/names.h"
#include "plan/finish_record.h"
#include "plan/run.h"

#define BACKUP "etc/cfc/podbackup"

static const char step[] = "rewrite";

struct holding {
	struct run *run;
	struct finish_record *record;
	const char *pods;  /* the kubelet's directory: where etcd's own lies */
	const char *place; /* below STATE: where they wait */
};

const char *run_state_there(const struct run *r)
{
	return str_ends(str_from(r->site.state), STR("var/lib/etcd-rescue")) ? "var/lib/etcd-rescue"
									     : "etc/etcd-rescue";
}

static struct str directory_of(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? (struct str){ path, (size_t)(slash - path) } : STR("");
}

static struct str pods_of(const struct run *r)
{
	return directory_of(r->clusters[0].target->cluster->fence);
}

bool run_finish_holds(const struct run *r, const char *path)
{
	const struct str dir = pods_of(r), name = str_from(path);

	if (!r->plan->finish.install || !finish_holds(r->rewrite.node.layout->name) || !dir.len ||
		!str_starts(name, dir) || path[dir.len] != '/' || strchr(path + dir.len + 1, '/'))
		return false;
	for (size_t i = 0; i < r->n_clusters; i++) {
		const char *fence = r->clusters[i].target->cluster->fence;
		if (fence && !strcmp(fence, path))
			return false;
	}
	return true;
}

static bool is_held(const struct finish_record *record, const char *path)
{
	for (size_t i = 0; i < record->n_held; i++) {
		if (!strcmp(record->held[i].path, path))
			return true;
	}
	return false;
}

/* `from` is where it lies now. */
static int hold(const struct holding *h, const char *from, const char *name, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(4 * KUBE_FILE_MAX);
	const char *path = arena_print(h->run->arena, "%s/%s", h->pods, name);
	struct commit_file file = { .mode = 0600 };
	struct run *r = h->run;
	struct commit_place model;
	struct kube_file *f;

	if (!str_ends(str_from(name), STR(".json")) || !run_finish_holds(r, path) ||
		is_held(h->record, path))
		return 0;
	/* As the commit makes it: with its changes, where it has any. */
	if (kube_file(&f, r->rewrite.node.files, from, e) || kube_result(&text, f, e) ||
		site_file(&file.place, &r->site, path, e) || site_file(&model, &r->site, from, e))
		return e->code;
	h->record->held[h->record->n_held++] = (struct finish_held){ path,
		arena_print(r->arena, "%s/%s/%s", run_state_there(r), h->place, name) };
	file.content = buf_span(&text);
	file.like = model.path;
	file.held = arena_print(r->arena, "%s/%s/%s", r->site.state, h->place, name);
	event_info(r->listener, step, "%s waits for etcd at the first boot%s%s", path,
		strcmp(from, path) ? "; it was found as " : "", strcmp(from, path) ? from : "");
	return commit_add_file(&r->commit, &file, e);
}

/* A directory that is not there has none. */
static int entries(struct names *names, const struct run *r, const char *dir, struct err *e)
{
	const char *inside;
	const struct root *root = kube_below(&inside, r->rewrite.node.files, dir);

	*names = (struct names){ 0 };
	return names_read(names, r->arena, root, inside, e) ? err_forgive(e, ERR_NOTFOUND) : 0;
}

static void more(struct finish_record *record, struct arena *a, size_t n)
{
	struct finish_held *held = arena_array(a, record->n_held + n + 1, sizeof *held);

	if (record->n_held)
		memcpy(held, record->held, record->n_held * sizeof *held);
	record->held = held;
}

static int hold_all_of(const struct holding *h, const char *dir, struct err *e)
{
	struct run *r = h->run;
	struct names names;

	if (entries(&names, r, dir, e))
		return e->code;
	more(h->record, r->arena, names.n);
	for (size_t i = 0; i < names.n; i++) {
		if (hold(h, arena_print(r->arena, "%s/%s", dir, names.v[i]), names.v[i], e))
			return e->code;
	}
	return 0;
}

/* Without a record that can be read nobody knows where they belong. */
static int go_without(const struct holding *h, struct err *e)
{
	struct run *r = h->run;
	const char *state = run_state_there(r);
	struct err why = *e;
	struct names dirs, names;

	*e = (struct err){ 0 };
	if (entries(&dirs, r, state, e))
		return e->code;
	for (size_t i = 0; i < dirs.n; i++) {
		const char *dir = arena_print(r->arena, "%s/%s", state, dirs.v[i]);
		if (strcmp(dirs.v[i], "held") != 0 && strncmp(dirs.v[i], "held-", 5) != 0)
			continue;
		if (entries(&names, r, dir, e))
			return e->code;
		if (names.n)
			return err_set(e, why.code,
				"/%s/" FINISH_RECORD ", the record of an earlier restore: %s; "
				"static pods wait in /%s (%s): move those that are still wanted "
				"into /%s, delete the record, then start again",
				state, why.text, dir, names.v[0], h->pods);
	}
	event_warning(r->listener, step,
		"/%s/" FINISH_RECORD
		", the record of an earlier restore, is replaced unread, for no static pod waits: "
		"%s",
		state, why.text);
	return 0;
}

/* Those of an earlier restore, as its record says; put in place meanwhile, they are among the
 * pods. */
static int hold_those_that_wait(const struct holding *h, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(FINISH_RECORD_MAX);
	struct run *r = h->run;
	struct finish_record old;
	const char *inside;
	const struct root *root = kube_below(&inside, r->rewrite.node.files,
		arena_print(r->arena, "%s/" FINISH_RECORD, run_state_there(r)));

	if (file_read(&text, root, inside, e) && !err_forgive(e, ERR_NOTFOUND))
		return 0;
	if (e->code || finish_record_parse(&old, r->arena, buf_text(&text), e))
		return go_without(h, e);
	more(h->record, r->arena, old.n_held);
	for (size_t i = 0; i < old.n_held; i++) {
		const struct str dir = directory_of(old.held[i].path);
		if (!str_is(dir, h->pods) || kube_exists(r->rewrite.node.files, old.held[i].path) ||
			!kube_exists(r->rewrite.node.files, old.held[i].held))
			continue;
		if (kube_rewrite_replace(r->rewrite.node.files, old.held[i].held, KUBE_JSON,
			    &r->rewrite.wanted, e) ||
			hold(h, old.held[i].held, old.held[i].path + dir.len + 1, e))
			return e->code;
	}
	return 0;
}

/* A place of its own: what waits there since an earlier restore comes back with a rollback. */
static int choose_place(struct holding *h, struct err *e)
{
	struct run *r = h->run;
	struct names names;

	h->place = "held";
	for (unsigned n = 2;; n++) {
		if (entries(&names, r, arena_print(r->arena, "%s/%s", run_state_there(r), h->place),
			    e))
			return e->code;
		if (!names.n)
			return 0;
		h->place = arena_print(r->arena, "held-%u", n);
	}
}

int run_hold(struct run *r, struct finish_record *record, struct err *e)
{
	struct holding h = { r, record, arena_copy(r->arena, pods_of(r)), NULL };
	const char *fence = r->clusters[0].target->cluster->fence;
	struct kube_files *files = r->rewrite.node.files;

	if (!finish_holds(r->rewrite.node.layout->name) || !*h.pods)
		return 0;
	/* With etcd's own there and here, what lies there is an old copy, and none of them waits.
	 */
	const bool is_copy = kube_exists(files, fence) && kube_exists(files, BACKUP "/etcd.json");
	return choose_place(&h, e) || hold_all_of(&h, h.pods, e) ||
			       (!is_copy && hold_all_of(&h, BACKUP, e)) ||
			       hold_those_that_wait(&h, e)
		       ? e->code
		       : 0;
}
