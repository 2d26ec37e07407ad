#include "plan/site.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "os/file.h"

/* "UUID=..", which a journal can be read by after the disks changed their names. */
static const char *device_of(struct arena *a, const struct target_volume *v)
{
	return *v->content->uuid ? arena_print(a, "UUID=%s", v->content->uuid)
				 : arena_print(a, "/dev/%s", v->name);
}

/* Is the directory on another file system than `root` itself? */
static bool is_elsewhere(const struct root *root, const char *path)
{
	CLOSE_FD int fd = -1;
	struct stat top, st;
	struct err none = { 0 };

	return !root_open_at(&fd, root, path, O_PATH | O_DIRECTORY, &none) &&
	       !fstat(root->fd, &top) && !fstat(fd, &st) && st.st_dev != top.st_dev;
}

/* Where the journal is: on the file system of the manifests, in /var where that is the same. */
static int find_state(struct site *s, struct err *e)
{
	struct arena *a = s->arena;
	struct target_place var;

	if (target_place(&var, &s->target.tree, "/var/lib", e))
		return err_wrap(e, "/var/lib");
	const bool other = var.spot.device || (s->dir && is_elsewhere(&s->tree, "var/lib"));
	if (!other) {
		s->state = arena_print(
			a, "%s%setcd-rescue", var.spot.inside, *var.spot.inside ? "/" : "");
		return 0;
	}
	const char *base = s->target.tree.base;
	s->state = arena_print(a, "%s%setc/etcd-rescue", base, *base ? "/" : "");
	return 0;
}

static int add_root(struct site *s, const char *device, const struct root *root, struct err *e)
{
	for (size_t i = 0; i < s->n_roots; i++) {
		if (s->roots[i].root == root)
			return 0;
	}
	if (s->n_roots == SITE_ROOTS_MAX)
		return err_set(e, ERR_SPACE, "etcd's directories are on more than %d file systems",
			SITE_ROOTS_MAX - 1);
	s->roots[s->n_roots++] = (struct commit_root){ device, root };
	return 0;
}

static int add_directory(struct site *s, const struct plan_target_directory *d, struct err *e)
{
	if (!d->place.spot.device || !d->volume || d->volume == s->target.volume)
		return 0;
	return d->volume->why ? 0
			      : add_root(s, device_of(s->arena, d->volume), &d->volume->root, e);
}

/* The file systems that take part, the manifests' first. */
static int find_roots(struct site *s, struct err *e)
{
	const struct plan_target *t = &s->target;

	s->n_roots = 0;
	if (add_root(s, "", t->volume ? &t->volume->root : &s->tree, e))
		return e->code;
	for (size_t i = 0; i < t->node.n_clusters; i++) {
		if (add_directory(s, &t->clusters[i].data, e) ||
			(t->node.clusters[i].wal_dir && add_directory(s, &t->clusters[i].wal, e)))
			return e->code;
	}
	if ((t->kubelet.place.path && add_directory(s, &t->kubelet, e)) ||
		(s->aside && add_directory(s, &t->aside, e)))
		return e->code;
	return find_state(s, e);
}

/* Is it as it should be that no control plane is recognised? */
static bool is_settled(const struct journal *j)
{
	if (j->phase != JOURNAL_COMMITTED && j->phase != JOURNAL_ROLLED_BACK)
		return false;
	if (!j->layout)
		return true;
	for (size_t i = 0; i < j->n_items && j->phase == JOURNAL_COMMITTED; i++) {
		const struct journal_item *item = &j->items[i];
		if (item->kind == JOURNAL_FENCE && (item->held || !item->after))
			return true;
	}
	return false;
}

static bool is_cut(const struct journal *j)
{
	return j->phase == JOURNAL_COMMITTING || j->phase == JOURNAL_ROLLING_BACK;
}

/* All that the journal names of an unfinished commit or rollback, or of one that leaves no layout
 * to be seen; n_roots 0: there is none. */
static int find_journal(struct site *s, const struct root *root, const struct target_volume *v,
	bool (*is_it)(const struct journal *j), bool *found, struct err *e)
{
	const struct root *boot = v ? plan_target_boot(&s->volumes, v) : NULL;
	CLEAN_ROOT struct root state = NO_ROOT;
	struct journal j = { 0 };
	struct err none = { 0 };

	s->n_roots = 0;
	s->target = (struct plan_target){ .volume = v, .running = NO_ROOT };
	if (target_tree(&s->target.tree, s->arena, root, boot, &none) || find_state(s, &none) ||
		root_open_at(&state.fd, root, s->state, O_RDONLY | O_DIRECTORY, &none))
		return 0;
	if (journal_read(&j, s->arena, &state, JOURNAL_NAME, &none)) {
		if (none.code != ERR_NOTFOUND)
			s->unread = arena_print(
				s->arena, "%s%s%s", v ? v->name : "", v ? ": " : "", none.text);
		return 0;
	}
	if (!is_it(&j))
		return 0;
	add_root(s, "", root, e);
	*found = true;
	for (size_t n = 0; n < 2 * j.n_items; n++) {
		const struct journal_item *item = &j.items[n / 2];
		const char *device = n % 2 ? item->elsewhere : item->device;
		if (!device)
			continue;
		const struct target_volume *other =
			*device ? target_probe_find(&s->volumes, device) : v;
		if (*device && !s->dir && (!other || other->why))
			return err_set(e, ERR_NOTFOUND,
				"%s takes part in a restore %s; attach or unlock it", device,
				is_cut(&j) ? "that is not finished" : "of this disk");
		if (*device && other && add_root(s, device, &other->root, e))
			return e->code;
	}
	return 0;
}

/* A disk without a layout that is to have none; `e` says that there is no control plane. */
static int find_settled(struct site *s, struct err *e)
{
	const struct err why = *e;

	if (why.code != ERR_NOTFOUND)
		return e->code;
	*e = (struct err){ 0 };
	plan_target_close(&s->target);
	if (s->dir && find_journal(s, &s->tree, NULL, is_settled, &s->settled, e))
		return e->code;
	for (size_t i = 0; i < s->volumes.n && !s->settled; i++) {
		const struct target_volume *v = &s->volumes.v[i];
		if (!v->why && find_journal(s, &v->root, v, is_settled, &s->settled, e))
			return e->code;
	}
	if (!s->settled)
		*e = why;
	return e->code;
}

static int look_at_tree(struct site *s, struct err *e)
{
	const struct plan_target_from from = {
		.root = &s->tree, .layout = s->layout, .aside = s->aside
	};

	if ((s->tree.fd < 0 && root_open(&s->tree, s->dir, e)) ||
		find_journal(s, &s->tree, NULL, is_cut, &s->interrupted, e))
		return e->code;
	if (s->interrupted)
		return 0;
	return plan_target(&s->target, s->arena, &from, e) ? find_settled(s, e) : find_roots(s, e);
}

/* The chosen one, with all that was asked for. */
static int read_again(struct site *s, struct err *e)
{
	const struct target_volume *v = s->target.volume;
	const struct plan_target_from from = { v ? &v->root : &s->tree,
		v ? plan_target_boot(&s->volumes, v) : NULL, v ? &s->volumes : NULL, s->layout,
		s->config, s->aside, s->bare };

	plan_target_close(&s->target);
	if (plan_target(&s->target, s->arena, &from, e))
		return e->code;
	s->target.volume = v;
	return find_roots(s, e);
}

static int look_at_disks(struct site *s, struct err *e)
{
	for (size_t i = 0; i < s->volumes.n; i++) {
		const struct target_volume *v = &s->volumes.v[i];
		if (v->why)
			continue;
		if (find_journal(s, &v->root, v, is_cut, &s->interrupted, e))
			return e->code;
		if (s->interrupted)
			return 0;
	}
	if (plan_target_choose(&s->target, &s->why, s->arena, &s->volumes, s->layout, e))
		return find_settled(s, e);
	return s->aside ? read_again(s, e) : find_roots(s, e);
}

static bool is_mapped(const struct target_volume *v)
{
	return !strncmp(v->disk->name, "dm-", 3);
}

static bool is_array(const struct target_volume *v)
{
	return !strncmp(v->disk->name, "md", 2);
}

/* Of a control plane, or of a restore; what is there and cannot be read counts, too. */
static bool concerns(const struct target_volume *v)
{
	static const char *const names[] = { "etc/kubernetes", "etc/cfc", "var/lib/etcd-rescue",
		"etc/etcd-rescue", "lib/etcd-rescue", "ostree/deploy", "member", ".etcd-rescue" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct err e = { 0 };
		CLOSE_FD int fd = -1;
		if (!root_open_at(&fd, &v->root, names[i], O_PATH | O_NOFOLLOW, &e) ||
			e.code != ERR_NOTFOUND)
			return true;
	}
	return false;
}

/* After a power cut a file system that is taken as it lies is an old one, or has holes.  A clean
 * one is not written to by this. */
static void replay_journals(struct site *s)
{
	for (size_t i = 0; i < s->volumes.n; i++) {
		struct target_volume *v = &s->volumes.v[i];
		struct err e = { 0 };
		if (v->why || v->twin || v->disk->read_only || is_mapped(v) || is_array(v) ||
			!concerns(v))
			continue;
		const char *device = arena_print(s->arena, "/dev/%s", v->name);
		root_close(&v->root);
		if (!mount_open(&v->root, s->machine, device, v->content->kind, MOUNT_REPLAY, &e))
			continue;
		event_warning(s->listener, "target", "%s: its journal: %s", v->name, e.text);
		if (mount_open(&v->root, s->machine, device, v->content->kind, MOUNT_AS_IT_IS, &e))
			v->why = arena_print(s->arena, "%s", e.text);
	}
}

/* No control plane, and nothing says any more whether a restore has its manifest put away. */
static int explain(const struct site *s, struct err *e)
{
	const struct err why = *e;

	if (why.code != ERR_NOTFOUND || s->interrupted || !s->unread)
		return e->code;
	return err_set(e, ERR_MISMATCH, "%s; %s", s->unread, why.text);
}

int site_look(struct site *s, struct err *e)
{
	s->unread = NULL;
	s->interrupted = s->settled = false;
	if (s->dir)
		return look_at_tree(s, e) ? explain(s, e) : 0;
	s->storage.probe_ms = SITE_PROBE_MS;
	s->storage.listener = s->listener;
	if (target_assemble(&s->assembly, s->arena, s->machine, &s->storage, e))
		return e->code;
	s->blocks = s->assembly.blocks;
	s->n_blocks = s->assembly.n_blocks;
	target_probe(&s->volumes, s->arena, s->machine, s->blocks, s->n_blocks);
	target_assemble_explain(&s->volumes, &s->assembly);
	if (s->replay)
		replay_journals(s);
	return look_at_disks(s, e) ? explain(s, e) : 0;
}

/* Which volumes are the roots'; by number, since they are opened anew. */
static void mark_used(bool *used, const struct site *s)
{
	for (size_t i = 0; i < s->volumes.n; i++) {
		used[i] = false;
		for (size_t k = 0; k < s->n_roots; k++)
			used[i] |= &s->volumes.v[i].root == s->roots[k].root;
	}
}

static int open_writable(struct site *s, struct target_volume *v, struct err *e)
{
	const char *device = arena_print(s->arena, "/dev/%s", v->name);

	root_close(&v->root);
	return mount_open(&v->root, s->machine, device, v->content->kind, MOUNT_WRITE, e);
}

/* A file system that says of itself that it has errors is not written to. */
static int may_write(const struct target_volume *v, struct err *e)
{
	if (v->disk->read_only)
		return err_set(e, ERR_DECLINED,
			"%s: the disk is read-only; make it writable (a switch, the storage array, "
			"`blockdev --setrw /dev/%s`) and start again",
			v->name, v->name);
	if (v->content->errors)
		return err_set(e, ERR_DECLINED,
			"%s: the file system says that it has errors; `e2fsck -f /dev/%s` repairs "
			"it, then start again",
			v->name, v->name);
	return 0;
}

static const struct block *disk_of(const struct site *s, const char *name)
{
	for (size_t i = 0; i < s->n_blocks; i++) {
		const struct block *b = &s->blocks[i];
		if (!strcmp(b->name, name))
			return b;
		for (size_t k = 0; k < b->n_parts; k++) {
			if (!strcmp(b->parts[k].name, name))
				return b;
		}
	}
	return NULL;
}

/* Containers and volume groups are opened again, so that nothing on them may be mounted. */
static int make_writable(struct site *s, const bool *used, struct err *e)
{
	const char **names = arena_array(s->arena, s->volumes.n + 1, sizeof *names);
	size_t *of = arena_array(s->arena, s->volumes.n + 1, sizeof *of), n = 0;

	if (!s->assembly.n)
		return 0;
	for (size_t i = 0; i < s->volumes.n; i++) {
		struct target_volume *v = &s->volumes.v[i];
		if (v->why || !(is_mapped(v) || (used[i] && is_array(v))))
			continue;
		root_close(&v->root);
		if (used[i]) {
			of[n] = i;
			names[n++] = v->name;
		}
	}
	if (target_assemble_writable(&s->assembly, names, n, e))
		return e->code;
	s->blocks = s->assembly.blocks;
	s->n_blocks = s->assembly.n_blocks;
	for (size_t i = 0; i < n; i++) {
		struct target_volume *v = &s->volumes.v[of[i]];
		v->name = names[i];
		v->disk = disk_of(s, names[i]);
		if (!v->disk)
			return err_set(e, ERR_NOTFOUND, "%s did not come back", names[i]);
	}
	for (size_t i = 0; i < s->volumes.n; i++) {
		struct target_volume *v = &s->volumes.v[i];
		/* Not needed, and under its old name maybe another's. */
		if (!v->why && !used[i] && is_mapped(v))
			v->why = "closed while others are written to";
	}
	return 0;
}

int site_write(struct site *s, struct err *e)
{
	bool *used = arena_array(s->arena, s->volumes.n + 1, sizeof *used);

	if (s->dir) {
		s->writable = true;
		return 0;
	}
	const size_t chosen = (size_t)(s->target.volume - s->volumes.v);
	mark_used(used, s);
	plan_target_close(&s->target);
	if (make_writable(s, used, e))
		return e->code;
	/* One kernel superblock cannot be mounted in both ways. */
	for (size_t i = 0; i < s->volumes.n; i++) {
		struct target_volume *v = &s->volumes.v[i];
		if (used[i] && (may_write(v, e) || open_writable(s, v, e)))
			return e->code;
	}
	const struct target_volume *v = &s->volumes.v[chosen];
	if (s->interrupted || s->settled) {
		s->writable = true;
		return find_journal(s, &v->root, v, s->settled ? is_settled : is_cut,
			s->settled ? &s->settled : &s->interrupted, e);
	}
	s->target.volume = v;
	s->writable = true;
	return read_again(s, e) ? err_wrap(e, "%s", v->name) : 0;
}

int site_fresh(struct site *s, const struct root *config, struct err *e)
{
	s->config = config;
	return read_again(s, e);
}

int site_bare(struct site *s, struct err *e)
{
	s->bare = true;
	s->settled = false;
	return read_again(s, e);
}

void site_close(struct site *s)
{
	plan_target_close(&s->target);
	target_probe_close(&s->volumes);
	target_disassemble(&s->assembly);
	root_close(&s->tree);
	s->n_roots = 0;
}

int site_file(struct commit_place *place, const struct site *s, const char *path, struct err *e)
{
	static const char kubelet[] = "var/lib/kubelet/";
	const char *base = s->target.tree.base, *inside;
	const struct kube_files *files = &s->target.files;

	if (s->config && !strncmp(path, kubelet, strlen(kubelet))) {
		if (site_directory(place, s, &s->target.kubelet, e))
			return e->code;
		place->path = arena_print(s->arena, "%s%s%s", place->path, *place->path ? "/" : "",
			path + strlen(kubelet));
		return 0;
	}
	/* With ostree /var, and /home in it, is no directory of the deployment. */
	if (files->var && kube_below(&inside, files, path) == files->var) {
		base = s->target.tree.ostree.var;
		path = inside;
	}
	*place = (struct commit_place){ "",
		*base ? arena_print(s->arena, "%s/%s", base, path) : path };
	return 0;
}

static const char *trimmed(const char *path)
{
	while (*path == '/')
		path++;
	return path;
}

int site_directory(struct commit_place *place, const struct site *s,
	const struct plan_target_directory *d, struct err *e)
{
	const struct target_spot *spot = &d->place.spot;

	if (!spot->device) {
		*place = (struct commit_place){ "", spot->inside };
		return 0;
	}
	if (s->dir && !d->place.n_lower && is_elsewhere(&s->tree, trimmed(d->place.path))) {
		*place = (struct commit_place){ "", trimmed(d->place.path) };
		return 0;
	}
	if (s->dir)
		return err_set(e, ERR_NOTFOUND, "%s is on %s; mount it at %s%s, then start again",
			d->place.path, spot->device, s->dir, d->place.path);
	if (!d->volume)
		return err_set(e, ERR_NOTFOUND,
			"%s is on %s, and no disk of this machine has that; attach it, or correct "
			"%s",
			d->place.path, spot->device, "the root's etc/fstab");
	if (d->volume->why)
		return err_set(e, ERR_NOTFOUND, "%s is on %s (%s): %s", d->place.path, spot->device,
			d->volume->name, d->volume->why);
	*place = (struct commit_place){
		d->volume == s->target.volume ? "" : device_of(s->arena, d->volume), spot->inside
	};
	return 0;
}

const struct root *site_root(const struct site *s, const char *device)
{
	for (size_t i = 0; i < s->n_roots; i++) {
		if (!strcmp(s->roots[i].device, device))
			return s->roots[i].root;
	}
	return NULL;
}

int site_free(
	uint64_t *bytes, const struct site *s, const struct commit_place *place, struct err *e)
{
	const struct root *root = site_root(s, place->device);
	CLOSE_FD int fd = -1;
	struct statvfs v;

	/* What is not there yet is made on the file system of what is. */
	const char *path = place->path;
	while (*path && !root_exists(root, path)) {
		const char *slash = strrchr(path, '/');
		path = arena_copy(
			s->arena, (struct str){ path, slash ? (size_t)(slash - path) : 0 });
	}
	if (root_open_at(&fd, root, *path ? path : ".", O_RDONLY | O_DIRECTORY, e))
		return e->code;
	if (fstatvfs(fd, &v))
		return err_sys(e, "%s", place->path);
	*bytes = (uint64_t)v.f_bavail * v.f_frsize;
	return 0;
}
