/* The files of a disk that say what is mounted where, in the order in which they count. */
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "os/names.h"
#include "target/mounts_part.h"

/* systemd's directories, the first that has a name wins. */
static const char *const dirs[] = { "etc/systemd/system", "run/systemd/system",
	"usr/lib/systemd/system", "lib/systemd/system" };

enum {
	DROP_IN_MAX = 1 << 16,
	DROP_INS_MAX = 100, /* of all units */
	DIRS = sizeof dirs / sizeof *dirs,
};

static int read_fstab(struct target_mounts *mounts, struct arena *a, const struct root *root,
	const char *path, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(MOUNTS_TEXT_MAX);

	if (file_read(&text, root, path, e))
		return err_forgive(e, ERR_NOTFOUND);
	return target_mounts_fstab(mounts, a, buf_text(&text), path, e);
}

struct seen {
	const char **v;
	size_t n;
};

/* Is that name taken by a directory that comes first?  If not, it is now. */
static bool is_seen(struct seen *seen, const char *name)
{
	for (size_t i = 0; i < seen->n; i++) {
		if (!strcmp(seen->v[i], name))
			return true;
	}
	seen->v[seen->n++] = name;
	return false;
}

static int read_units(struct target_mounts *mounts, struct seen *seen, struct arena *a,
	const struct root *root, const char *dir, struct err *e)
{
	struct names names;
	char link[16];
	struct err none;

	if (names_read(&names, a, root, dir, e))
		return err_forgive(e, ERR_NOTFOUND);
	for (size_t i = 0; i < names.n; i++) {
		CLEAN_BUF struct buf text = BUF(MOUNTS_TEXT_MAX);
		if (!str_ends(str_from(names.v[i]), STR(".mount")))
			continue;
		if (seen->n == TARGET_MOUNTS_MAX)
			return err_set(e, ERR_SPACE, "%s: more than %d mount units", dir,
				TARGET_MOUNTS_MAX);
		if (is_seen(seen, names.v[i]))
			continue;
		const char *path = arena_print(a, "%s/%s", dir, names.v[i]);
		if (!root_read_link(link, sizeof link, root, path, &none) &&
			!strcmp(link, "/dev/null"))
			continue; /* masked */
		if (file_read(&text, root, path, e)) {
			if (e->code == ERR_NOTFOUND) /* a link to nowhere */
				continue;
			return e->code;
		}
		if (target_mounts_unit(mounts, a, buf_text(&text), path, e))
			return e->code;
	}
	return 0;
}

/* Drop-ins of one unit, of all its directories, the first of a name; by name. */
struct drop_ins {
	struct drop_in {
		const char *name, *path;
	} v[DROP_INS_MAX];
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	const struct drop_in *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int list_drop_ins(struct drop_ins *list, struct arena *a, const struct root *root,
	const char *dir, struct err *e)
{
	struct names names;

	if (names_read(&names, a, root, dir, e))
		return err_forgive(e, ERR_NOTFOUND);
	for (size_t i = 0; i < names.n; i++) {
		size_t k = 0;
		if (!str_ends(str_from(names.v[i]), STR(".conf")))
			continue;
		while (k < list->n && strcmp(list->v[k].name, names.v[i]))
			k++;
		if (k < list->n)
			continue;
		if (k == DROP_INS_MAX)
			return err_set(
				e, ERR_SPACE, "%s: more than %d drop-ins", dir, DROP_INS_MAX);
		list->v[list->n++] =
			(struct drop_in){ names.v[i], arena_print(a, "%s/%s", dir, names.v[i]) };
	}
	return 0;
}

/* "var-lib-etcd.mount.d/10-disk.conf", of a unit that fstab makes as well. */
static int read_drop_ins(struct target_mount *m, size_t *n, struct arena *a,
	const struct root *root, const char *unit, struct err *e)
{
	struct drop_ins *list = arena_alloc(a, sizeof *list);
	struct target_mount new = *m;
	const char *last = NULL;

	for (size_t i = 0; i < DIRS; i++) {
		if (list_drop_ins(list, a, root, arena_print(a, "%s/%s.d", dirs[i], unit), e))
			return e->code;
	}
	*n += list->n;
	if (*n > DROP_INS_MAX)
		return err_set(
			e, ERR_SPACE, "%s: more than %d drop-ins of mounts", unit, DROP_INS_MAX);
	qsort(list->v, list->n, sizeof *list->v, by_name);
	for (size_t i = 0; i < list->n; i++) {
		CLEAN_BUF struct buf text = BUF(DROP_IN_MAX);
		if (file_read(&text, root, list->v[i].path, e)) {
			if (err_forgive(e, ERR_NOTFOUND)) /* a link to nowhere says nothing */
				return e->code;
			continue;
		}
		mounts_read_unit(&new, a, buf_text(&text), m->where);
		last = list->v[i].path;
	}
	/* One that leaves no unit that works is none of ours to judge: what was said before stays.
	 */
	if (!last || !new.what || !new.where || strcmp(new.where, m->where))
		return 0;
	new.origin = arena_print(a, "%s, %s", m->origin, last);
	*m = new;
	return 0;
}

/* Only what has drop-ins at all is asked for them. */
static int read_all_drop_ins(
	struct target_mounts *mounts, struct arena *a, const struct root *root, struct err *e)
{
	struct seen seen = { arena_array(a, TARGET_MOUNTS_MAX, sizeof(char *)), 0 };
	size_t read = 0;

	for (size_t d = 0; d < DIRS; d++) {
		struct names names;
		if (names_read(&names, a, root, dirs[d], e)) {
			if (err_forgive(e, ERR_NOTFOUND))
				return e->code;
			continue;
		}
		for (size_t i = 0; i < names.n && seen.n < TARGET_MOUNTS_MAX; i++) {
			if (!str_ends(str_from(names.v[i]), STR(".mount.d")) ||
				is_seen(&seen, names.v[i]))
				continue;
			const char *unit = arena_copy(
				a, (struct str){ names.v[i], strlen(names.v[i]) - strlen(".d") });
			const char *where = mounts_place_of_name(a, unit);
			for (size_t k = 0; where && k < mounts->n; k++) {
				if (!strcmp(mounts->v[k].where, where) &&
					read_drop_ins(&mounts->v[k], &read, a, root, unit, e))
					return e->code;
			}
		}
	}
	return 0;
}

int target_mounts(
	struct target_mounts *mounts, struct arena *a, const struct root *root, struct err *e)
{
	struct seen seen = { arena_array(a, TARGET_MOUNTS_MAX, sizeof(char *)), 0 };

	*mounts = (struct target_mounts){ 0 };
	if (read_units(mounts, &seen, a, root, dirs[0], e) ||
		read_fstab(mounts, a, root, "etc/fstab", e) ||
		read_fstab(mounts, a, root, "etc/fstab.metal", e))
		return e->code;
	for (size_t i = 1; i < DIRS; i++) {
		if (read_units(mounts, &seen, a, root, dirs[i], e))
			return e->code;
	}
	return read_all_drop_ins(mounts, a, root, e);
}
