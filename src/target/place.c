#include "target/place.h"

#include <fcntl.h>
#include <string.h>

/* Mounts can refer to each other; a disk that is not hostile needs some dozens of steps. */
enum { STEPS_MAX = 4000, DEPTH_MAX = 16, LINKS_MAX = 40, LOWER_MAX = 64, CHAIN_MAX = 128 };

struct way {
	const struct target_tree *tree;
	struct target_place *place;   /* gets the chain */
	bool used[TARGET_MOUNTS_MAX]; /* not there yet when what it shows was mounted */
	unsigned steps, depth;
};

struct spots { /* the first is what is written to */
	struct target_spot v[LOWER_MAX];
	size_t n;
};

static int resolve(const char **real, struct spots *spots, struct way *w, const char *path,
	bool loud, struct err *e);

static void say(struct way *w, bool loud, const char *line)
{
	struct target_place *p = w->place;

	if (loud && p->n_chain < CHAIN_MAX)
		p->chain[p->n_chain++] = line;
}

static const char *join(struct arena *a, const char *above, const char *below)
{
	while (*below == '/')
		below++;
	return !*above ? below : !*below ? above : arena_print(a, "%s/%s", above, below);
}

/* Is `path` the place or below it?  `*rest` is what follows. */
static bool is_below(const char **rest, const char *path, const char *place)
{
	const size_t len = strcmp(place, "/") ? strlen(place) : 0;

	if (strncmp(path, place, len) || (path[len] && path[len] != '/'))
		return false;
	*rest = path + len;
	return true;
}

static bool is_bind(const struct target_mount *m)
{
	struct str value;

	return target_mount_option(&value, m, "bind") || target_mount_option(&value, m, "rbind") ||
	       !strcmp(m->type, "bind");
}

static int add(struct spots *spots, const struct target_spot *spot, const struct target_mount *m,
	struct err *e)
{
	if (spots->n == LOWER_MAX)
		return err_set(e, ERR_FORMAT, "%s: an overlay of more than %d layers", m->origin,
			LOWER_MAX);
	spots->v[spots->n++] = *spot;
	return 0;
}

static int overlay(
	struct spots *spots, struct way *w, const struct target_mount *m, bool loud, struct err *e)
{
	struct arena *a = w->tree->arena;
	struct str upper, lower, part;
	struct spots below;
	const char *real;

	if (!target_mount_option(&upper, m, "upperdir"))
		return err_set(e, ERR_FORMAT,
			"%s: %s is an overlay without upperdir=, nothing can be written there",
			m->origin, m->where);
	if (!target_mount_option(&lower, m, "lowerdir"))
		lower = str_from("");
	say(w, loud,
		arena_print(a, "%s is an overlay, %.*s over %.*s (%s)", m->where, STR_ARG(upper),
			STR_ARG(lower), m->origin));
	const char *path = target_path(a, upper);
	if (!path)
		return err_set(e, ERR_FORMAT, "%s: upperdir=%.*s is no absolute path", m->origin,
			STR_ARG(upper));
	if (resolve(&real, spots, w, path, loud, e))
		return e->code;
	while (str_next(&part, &lower, ':')) {
		path = target_path(a, part);
		if (!path)
			continue;
		if (resolve(&real, &below, w, path, false, e))
			return e->code;
		for (size_t i = 0; i < below.n; i++) {
			if (add(spots, &below.v[i], m, e))
				return e->code;
		}
	}
	return 0;
}

/* What is at the place of a mount. */
static int mounted(
	struct spots *spots, struct way *w, const struct target_mount *m, bool loud, struct err *e)
{
	struct arena *a = w->tree->arena;
	const char *real, *inside = "";
	struct str subvolume;

	*spots = (struct spots){ .n = 0 };
	if (m->own) {
		say(w, loud,
			arena_print(a, "%s is %s of this file system (%s)", m->where, m->own,
				m->origin));
		return add(spots, &(struct target_spot){ NULL, "auto", m->own }, m, e);
	}
	if (!strcmp(m->type, "overlay"))
		return overlay(spots, w, m, loud, e);
	if (is_bind(m)) {
		say(w, loud,
			arena_print(a, "%s is bound to %s (%s)", m->where, m->what, m->origin));
		const char *path = target_path(a, str_from(m->what));
		return path ? resolve(&real, spots, w, path, loud, e)
			    : err_set(e, ERR_FORMAT, "%s: %s is no absolute path", m->origin,
				      m->what);
	}
	if (target_mount_option(&subvolume, m, "subvol"))
		inside = join(a, "", arena_copy(a, subvolume));
	const bool root = !strcmp(m->where, "/");
	if (root) /* its own line, about the file system we look at */
		return add(spots, &(struct target_spot){ NULL, m->type, w->tree->base }, m, e);
	say(w, loud,
		arena_print(a, "%s is %s, %s%s%s (%s)", m->where, m->what, m->type,
			*m->option ? ", " : "", m->option, m->origin));
	return add(spots, &(struct target_spot){ m->what, m->type, inside }, m, e);
}

/* Where a path without links lies. */
static int locate(struct spots *spots, struct way *w, const char *path, bool loud, struct err *e)
{
	const struct target_mounts *mounts = &w->tree->mounts;
	size_t best = mounts->n, best_len = 0;
	const char *rest = path, *left = path;

	if (++w->steps > STEPS_MAX || w->depth > DEPTH_MAX)
		return err_set(e, ERR_FORMAT,
			"%s: the mounts of this disk lead to each other without end", path);
	for (size_t i = 0; i < mounts->n; i++) {
		const size_t len = strlen(mounts->v[i].where);
		if (!w->used[i] && len > best_len && is_below(&left, path, mounts->v[i].where)) {
			best = i;
			best_len = len;
			rest = left;
		}
	}
	*spots = (struct spots){ .n = 0 };
	if (best == mounts->n) {
		spots->v[spots->n++] = (struct target_spot){ NULL, "auto", w->tree->base };
	} else {
		w->used[best] = true;
		w->depth++;
		const int code = mounted(spots, w, &mounts->v[best], loud, e);
		w->used[best] = false;
		w->depth--;
		if (code)
			return code;
	}
	for (size_t i = 0; i < spots->n; i++)
		spots->v[i].inside = join(w->tree->arena, spots->v[i].inside, rest);
	return 0;
}

/* The first layer that has something there says whether it is a link. */
static bool read_link(char *target, size_t size, const struct way *w, const struct spots *spots)
{
	const struct target_tree *t = w->tree;
	struct err none;

	for (size_t i = 0; i < spots->n; i++) {
		const struct target_spot *s = &spots->v[i];
		const struct root *root = !s->device ? t->root
					  : t->look  ? t->look(t->ctx, s->device)
						     : NULL;
		if (!root || !*s->inside)
			continue;
		if (!root_read_link(target, size, root, s->inside, &none))
			return *target;
		if (root_exists(root, s->inside))
			return false;
	}
	return false;
}

/* Take the last part off a path; "/a" becomes "". */
static void climb(char *path)
{
	char *slash = strrchr(path, '/');

	*(slash ? slash : path) = 0;
}

static int resolve(const char **real, struct spots *spots, struct way *w, const char *path,
	bool loud, struct err *e)
{
	struct arena *a = w->tree->arena;
	char target[TARGET_PATH_MAX], at[TARGET_PATH_MAX] = "";
	struct str todo = str_from(path), part;
	unsigned links = 0;

	while (str_next(&part, &todo, '/')) {
		if (!part.len || str_is(part, "."))
			continue;
		if (str_is(part, "..")) {
			climb(at);
			continue;
		}
		const size_t len = strlen(at);
		if (len + part.len + 2 > sizeof at)
			return err_set(e, ERR_FORMAT, "%s: leads to a path that is too long", path);
		at[len] = '/';
		memcpy(at + len + 1, part.p, part.len);
		at[len + 1 + part.len] = 0;
		if (locate(spots, w, at, false, e))
			return e->code;
		if (!read_link(target, sizeof target, w, spots))
			continue;
		if (++links > LINKS_MAX)
			return err_set(e, ERR_FORMAT, "%s: links that lead to each other", path);
		if (strlen(target) + todo.len + 2 > TARGET_PATH_MAX)
			return err_set(e, ERR_FORMAT, "%s: leads to a path that is too long", path);
		say(w, loud, arena_print(a, "%s is a link to %s", at, target));
		todo = str_from(arena_print(a, "%s/%.*s", target, STR_ARG(todo)));
		if (target[0] == '/')
			at[0] = 0;
		else
			climb(at);
	}
	*real = arena_copy(a, str_from(*at ? at : "/"));
	return locate(spots, w, *real, loud, e);
}

int target_place(
	struct target_place *place, const struct target_tree *tree, const char *path, struct err *e)
{
	struct way w = { .tree = tree, .place = place };
	struct spots spots = { .n = 0 };
	struct arena *a = tree->arena;

	*place = (struct target_place){ .chain = arena_array(a, CHAIN_MAX, sizeof(char *)) };
	if (path[0] != '/' || strlen(path) >= TARGET_PATH_MAX)
		return err_set(e, ERR_USAGE, "%s: no absolute path of at most %d bytes", path,
			TARGET_PATH_MAX - 1);
	if (resolve(&place->path, &spots, &w, path, true, e))
		return e->code;
	place->spot = spots.v[0];
	place->n_lower = spots.n - 1;
	place->lower = arena_array(a, place->n_lower + 1, sizeof *place->lower);
	memcpy(place->lower, spots.v + 1, place->n_lower * sizeof *place->lower);
	return 0;
}

int target_tree_open(struct root *running, const struct target_tree *tree, struct err *e)
{
	return root_open_at(
		&running->fd, tree->root, *tree->base ? tree->base : "/", O_PATH | O_DIRECTORY, e);
}

int target_tree(struct target_tree *tree, struct arena *a, const struct root *root,
	const struct root *boot, struct err *e)
{
	CLEAN_ROOT struct root running = NO_ROOT;

	*tree = (struct target_tree){ .arena = a, .root = root, .base = "" };
	if (target_ostree(&tree->ostree, a, root, boot, e))
		return e->code;
	if (tree->ostree.deployment)
		tree->base = tree->ostree.deployment;
	if (target_tree_open(&running, tree, e) || target_mounts(&tree->mounts, a, &running, e))
		return e->code;
	if (!tree->ostree.deployment)
		return 0;
	const struct target_mount own[] = {
		{ .where = "/var",
			.what = "",
			.type = "auto",
			.option = "",
			.own = tree->ostree.var,
			.origin = "ostree" },
		{ .where = "/sysroot",
			.what = "",
			.type = "auto",
			.option = "",
			.own = "",
			.origin = "ostree" },
	};
	for (size_t i = 0; i < 2; i++) {
		if (target_mounts_add(&tree->mounts, a, &own[i], e))
			return e->code;
	}
	return 0;
}
