#include "cmd/restored.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/passphrase.h"
#include "cmd/plan_find.h"
#include "cmd/signals.h"
#include "os/block.h"
#include "os/file.h"
#include "os/mountinfo.h"
#include "os/names.h"

enum { MOUNTS_MAX = 4 << 20, SECOND_MS = 1000, PROBE_MS = 10000 };

static const char *const states[] = { "var/lib/etcd-rescue", "etc/etcd-rescue", "lib/etcd-rescue",
	NULL };

/* A file system's top where it is mounted as a whole; `fits` decides among several. */
static bool find_top(struct root *top, struct restored *r, dev_t device, const char *source,
	bool (*fits)(const struct root *top, void *ctx), void *ctx)
{
	CLEAN_BUF struct buf text = BUF(MOUNTS_MAX);
	struct err none = { 0 };
	struct mountinfo m;

	if (file_read(&text, &r->app->root, "proc/self/mountinfo", &none))
		return false;
	struct str rest = buf_text(&text);
	while (mountinfo_next(&m, r->app->arena, &rest)) {
		if (!str_is(m.root, "/") ||
			(m.device != device && !(source && str_is(m.source, source))) ||
			root_open(top, m.where, &none))
			continue;
		if (!fits || fits(top, ctx))
			return true;
		root_close(top);
	}
	return false;
}

/* Where nobody makes links by UUID, the disks say it themselves. */
static const char *path_of_uuid(struct restored *r, const char *uuid)
{
	struct arena *a = r->app->arena;
	const char *link = arena_print(a, "/dev/disk/by-uuid/%s", uuid);
	struct err none = { 0 };
	struct block *disks;
	struct stat st;
	size_t n;

	if (!stat(link, &st) || block_list(&disks, &n, a, &r->app->root, &none))
		return link;
	block_probe(disks, n, a, &r->app->root, PROBE_MS);
	for (size_t i = 0; i < n; i++) {
		const struct block *d = &disks[i];
		if (!strcmp(d->content.uuid, uuid))
			return arena_print(a, "/dev/%s", d->name);
		for (size_t k = 0; k < d->n_parts; k++) {
			if (!strcmp(d->parts[k].content.uuid, uuid))
				return arena_print(a, "/dev/%s", d->parts[k].name);
		}
	}
	return link;
}

/* "UUID=.." or "/dev/.." as the running system knows it. */
static int open_device(struct root *top, struct restored *r, const char *device, struct err *e)
{
	const char *path = !strncmp(device, "UUID=", 5) ? path_of_uuid(r, device + 5) : device;
	struct stat st = { 0 };
	char *source = NULL;

	if (!stat(path, &st))
		source = realpath(path, NULL);
	const bool found = S_ISBLK(st.st_mode) && find_top(top, r, st.st_rdev, source, NULL, NULL);
	free(source);
	return found ? 0
		     : err_set(e, ERR_NOTFOUND,
			       "%s takes part in the restore and is not mounted; mount it, "
			       "anywhere",
			       device);
}

static bool has_device(const struct restored *r, const char *device)
{
	for (size_t i = 0; i < r->n_roots; i++) {
		if (!strcmp(r->roots[i].device, device))
			return true;
	}
	return false;
}

static int add_device(struct restored *r, const char *device, struct err *e)
{
	if (has_device(r, device))
		return 0;
	if (r->n_roots == SITE_ROOTS_MAX)
		return err_set(e, ERR_SPACE, "more than %d file systems", SITE_ROOTS_MAX);
	r->tops[r->n_roots] = NO_ROOT;
	if (open_device(&r->tops[r->n_roots], r, device, e))
		return e->code;
	r->roots[r->n_roots] = (struct commit_root){ device, &r->tops[r->n_roots] };
	r->n_roots++;
	return 0;
}

/* The journal that lies in `state`, and what it calls its own directory: its files say so. */
static bool peek(const char **called, struct restored *r, const struct root *root,
	const char *state, struct journal *j, struct err *e)
{
	CLEAN_ROOT struct root dir = NO_ROOT;
	struct err none = { 0 };

	*called = state;
	if (root_open_at(&dir.fd, root, state, O_RDONLY | O_DIRECTORY, &none))
		return false;
	if (journal_read(j, r->app->arena, &dir, JOURNAL_NAME, e) &&
		(e->code != ERR_NOTFOUND ||
			journal_read(j, r->app->arena, &dir, JOURNAL_INTENT_NAME, e)))
		return e->code != ERR_NOTFOUND;
	*e = (struct err){ 0 };
	for (size_t i = 0; i < j->n_items; i++) {
		const struct journal_item *item = &j->items[i];
		const char *end = item->kept ? strstr(item->kept, "/before-") : NULL;
		if (end && item->kind >= JOURNAL_FILE)
			*called = arena_print(
				r->app->arena, "%.*s", (int)(end - item->kept), item->kept);
	}
	return true;
}

struct same {
	const char *path;
	struct stat st;
};

static bool is_same(const struct root *top, void *ctx)
{
	const struct same *want = ctx;
	struct err none = { 0 };
	struct stat st;
	CLOSE_FD int fd = -1;

	return !root_open_at(&fd, top, want->path, O_RDONLY | O_DIRECTORY, &none) &&
	       !fstat(fd, &st) && st.st_dev == want->st.st_dev && st.st_ino == want->st.st_ino;
}

/* The tree shows a part of the file system: its top has to be mounted too. */
static int find_first(struct restored *r, const char *state, const char *called, struct err *e)
{
	struct same want = { .path = called };
	CLOSE_FD int fd = -1;

	if (!strcmp(state, called)) {
		r->roots[0] = (struct commit_root){ "", &r->tree };
		r->n_roots = 1;
		return 0;
	}
	if (root_open_at(&fd, &r->tree, state, O_RDONLY | O_DIRECTORY, e))
		return e->code;
	if (fstat(fd, &want.st))
		return err_sys(e, "%s", state);
	r->tops[0] = NO_ROOT;
	if (!find_top(&r->tops[0], r, want.st.st_dev, NULL, is_same, &want))
		return err_set(e, ERR_NOTFOUND,
			"this tree shows only a part of the disk, or a layer over it; start the "
			"rescue image, or mount the disk and say --root");
	r->roots[0] = (struct commit_root){ "", &r->tops[0] };
	r->n_roots = 1;
	return 0;
}

static int open_tree_at(struct restored *r, const char *dir, struct err *e)
{
	struct journal j = { 0 };
	const char *called = NULL, *state = NULL;

	if (root_open(&r->tree, dir, e))
		return e->code;
	for (size_t i = 0; states[i] && !state; i++) {
		if (peek(&called, r, &r->tree, states[i], &j, e))
			state = states[i];
	}
	if (!state)
		return err_set(e, ERR_NOTFOUND, "no restore has been done below %s: no %s/journal",
			dir, states[0]);
	if (e->code || find_first(r, state, called, e))
		return e->code;
	for (size_t i = 0; i < j.n_items; i++) {
		const char *other = j.items[i].elsewhere;
		if (add_device(r, j.items[i].device, e) || (other && add_device(r, other, e)))
			return e->code;
	}
	r->commit.state = called;
	return 0;
}

/* Where a journal may be below the top of a file system, with ostree too. */
static bool search(const char **state, struct restored *r, const struct root *root,
	struct journal *j, struct err *e)
{
	struct names stateroots = { 0 };
	struct err none = { 0 };
	const char *called;

	for (size_t i = 0; states[i]; i++) {
		*state = states[i];
		if (peek(&called, r, root, *state, j, e))
			return true;
	}
	if (names_read(&stateroots, r->app->arena, root, "ostree/deploy", &none))
		return false;
	for (size_t i = 0; i < stateroots.n; i++) {
		*state = arena_print(
			r->app->arena, "ostree/deploy/%s/var/lib/etcd-rescue", stateroots.v[i]);
		if (peek(&called, r, root, *state, j, e))
			return true;
	}
	return false;
}

static int add(struct restored *r, struct target_volume *v, const char *device, struct err *e)
{
	if (has_device(r, device))
		return 0;
	if (r->n_roots == SITE_ROOTS_MAX)
		return err_set(e, ERR_SPACE, "more than %d file systems", SITE_ROOTS_MAX);
	/* One kernel superblock cannot be mounted in both ways. */
	if (r->writes)
		root_close(&v->root);
	if (r->writes &&
		mount_open(&v->root, &r->app->root, arena_print(r->app->arena, "/dev/%s", v->name),
			v->content->kind, MOUNT_WRITE, e))
		return e->code;
	r->roots[r->n_roots++] = (struct commit_root){ device, &v->root };
	return 0;
}

/* Disks on which nothing is recognised, since a fence is up: whose journal is it? */
static int open_volumes(struct restored *r, struct err *e)
{
	struct target_volume *found = NULL;
	struct journal j = { 0 };
	const char *state = NULL;

	for (size_t i = 0; i < r->site.volumes.n && !found; i++) {
		struct target_volume *v = &r->site.volumes.v[i];
		if (!v->twin && !v->why && search(&state, r, &v->root, &j, e))
			found = v;
	}
	if (!found)
		return err_set(e, ERR_NOTFOUND, "no disk of this machine has a restore's journal");
	if (e->code || add(r, found, "", e))
		return e->code;
	for (size_t n = 0; n < 2 * j.n_items; n++) {
		const struct journal_item *item = &j.items[n / 2];
		const char *device = n % 2 ? item->elsewhere : item->device;
		if (!device)
			continue;
		const struct target_volume *v =
			*device ? target_probe_find(&r->site.volumes, device) : found;
		if (!v)
			return err_set(e, ERR_NOTFOUND,
				"%s takes part in the restore; attach or unlock it", device);
		if (add(r, &r->site.volumes.v[v - r->site.volumes.v], device, e))
			return e->code;
	}
	r->commit.state = state;
	return 0;
}

static int open_disks(struct restored *r, struct err *e)
{
	struct delivery *d = arena_alloc(r->app->arena, sizeof *d);
	struct err why = { 0 }, none = { 0 };

	const bool planned = !cmd_plan_find(d, r->app, &r->app->root, true, &none);
	passphrase_storage(&r->site.storage, r->app->arena, planned ? &d->plan : NULL);
	r->site.arena = r->app->arena;
	r->site.machine = &r->app->root;
	r->site.listener = r->app->listener;
	r->site.replay = r->writes;
	if (site_look(&r->site, &why)) {
		if (!r->site.volumes.n) {
			*e = why;
			return e->code;
		}
		return open_volumes(r, e);
	}
	if (r->writes && site_write(&r->site, e))
		return e->code;
	r->commit.state = r->site.state;
	return 0;
}

int restored_open(struct restored *r, struct app *app, const char *dir, struct err *e)
{
	const bool image = root_exists(&app->root, "etc/etcd-rescue/manifest");
	const bool disks = !dir && image;

	r->app = app;
	r->commit = (struct commit){ .arena = app->arena, .listener = app->listener };
	if (disks ? open_disks(r, e) : open_tree_at(r, dir ? dir : "/", e))
		return e->code;
	r->commit.roots = r->n_roots ? r->roots : r->site.roots;
	r->commit.n_roots = r->n_roots ? r->n_roots : r->site.n_roots;
	return commit_open(&r->commit, e);
}

int restored_hold(struct restored *r, struct err *e)
{
	if (commit_hold(&r->held, r->commit.roots[0].root, r->commit.state, e)) {
		r->app->status = 1;
		return e->code;
	}
	return commit_open(&r->commit, e);
}

void restored_close(struct restored *r)
{
	root_close(&r->held);
	for (size_t i = 0; i < r->n_roots; i++) {
		if (r->roots[i].root == &r->tops[i])
			root_close(&r->tops[i]);
	}
	root_close(&r->tree);
	site_close(&r->site);
}

int restored_wait(void *ctx, struct err *e)
{
	struct restored_wait *w = ctx;
	const char *what;

	for (uint64_t s = 0;; s++) {
		if (commit_in_use(&what, w->commit, e))
			return e->code;
		if (!what)
			return 0;
		if (s == 0)
			event_info(w->commit->listener, "rollback",
				"waiting for etcd to end: it holds /%s; where it is a service, "
				"systemctl stop it",
				what);
		if (s >= w->wait_s || signals_go_on(NULL, e)) {
			w->gave_up = true;
			return err_set(e, ERR_DECLINED,
				"etcd still runs on /%s; stop it (systemctl stop etcd, or the "
				"kubelet's static pod), then start again: nothing was moved, and "
				"its manifest or unit is as it was",
				what);
		}
		usleep(SECOND_MS * 1000);
	}
}

int restored_status(const struct restored *r, const struct err *e)
{
	if (r->commit.changed)
		return 4;
	return e->code == ERR_DECLINED ? 6 : 0;
}
