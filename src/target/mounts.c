#include "target/mounts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/ascii.h"
#include "os/file.h"
#include "os/names.h"

/* systemd's directories, the first that has a name wins. */
static const char *const dirs[] = { "etc/systemd/system", "run/systemd/system",
	"usr/lib/systemd/system", "lib/systemd/system" };

enum {
	TEXT_MAX = 1 << 20,
	DROP_IN_MAX = 1 << 16,
	DROP_INS_MAX = 100, /* of all units */
	DIRS = sizeof dirs / sizeof *dirs,
};

const char *target_path(struct arena *a, struct str path)
{
	struct str part;

	if (!path.len || path.p[0] != '/' || path.len >= TARGET_PATH_MAX ||
		memchr(path.p, 0, path.len))
		return NULL;
	char *out = arena_alloc(a, path.len + 2);
	size_t len = 0;
	while (str_next(&part, &path, '/')) {
		if (!part.len || str_is(part, "."))
			continue;
		if (str_is(part, "..")) {
			while (len && out[--len] != '/')
				;
			continue;
		}
		out[len++] = '/';
		memcpy(out + len, part.p, part.len);
		len += part.len;
	}
	if (!len)
		out[len++] = '/';
	out[len] = 0;
	return out;
}

bool target_mount_option(struct str *value, const struct target_mount *m, const char *name)
{
	struct str rest = str_from(m->option), part, key, text;
	bool found = false;

	while (str_next(&part, &rest, ',')) {
		str_cut(&key, &text, part, '=');
		if (!str_is(key, name))
			continue;
		*value = text;
		found = true;
	}
	return found;
}

int target_mounts_add(
	struct target_mounts *mounts, struct arena *a, const struct target_mount *m, struct err *e)
{
	for (size_t i = 0; i < mounts->n; i++) {
		if (!strcmp(mounts->v[i].where, m->where))
			return 0;
	}
	if (mounts->n == TARGET_MOUNTS_MAX)
		return err_set(
			e, ERR_SPACE, "%s: more than %d mounts", m->origin, TARGET_MOUNTS_MAX);
	if (mounts->n == mounts->room) {
		const size_t room = mounts->room ? 2 * mounts->room : 16;
		struct target_mount *more = arena_array(a, room, sizeof *more);
		if (mounts->n)
			memcpy(more, mounts->v, mounts->n * sizeof *more);
		mounts->v = more;
		mounts->room = room;
	}
	mounts->v[mounts->n++] = *m;
	return 0;
}

static int hex(char c)
{
	return ascii_is_digit(c) ? c - '0' : (c | 32) - 'a' + 10;
}

/* "\040" in fstab, "\x2d" in units and below /dev/disk; other backslashes stay. */
static struct str unescape(struct arena *a, struct str s, bool octal)
{
	char *out = arena_alloc(a, s.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < s.len; i++) {
		const char *p = s.p + i;
		const size_t left = s.len - i;
		if (octal && *p == '\\' && left > 3 && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' &&
			p[2] <= '7' && p[3] >= '0' && p[3] <= '7') {
			out[len++] = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			i += 3;
		} else if (!octal && *p == '\\' && left > 3 && p[1] == 'x' && ascii_is_hex(p[2]) &&
			   ascii_is_hex(p[3])) {
			out[len++] = (char)(hex(p[2]) << 4 | hex(p[3]));
			i += 3;
		} else {
			out[len++] = *p;
		}
	}
	return (struct str){ out, len };
}

/* One spelling for a device, however it is named. */
static const char *device(struct arena *a, struct str what)
{
	static const char *const tags[] = { "UUID", "LABEL", "PARTUUID", "PARTLABEL" };
	struct str key, value, rest;

	if (str_cut(&key, &value, what, '=') && value.len > 1 && value.p[0] == '"' &&
		value.p[value.len - 1] == '"')
		return arena_print(a, "%.*s=%.*s", STR_ARG(key), (int)value.len - 2, value.p + 1);
	for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
		const char *below = arena_print(a, "/dev/disk/by-%s/", tags[i]);
		const size_t len = strlen(below);
		if (what.len <= len || strncasecmp(what.p, below, len))
			continue;
		rest = unescape(a, (struct str){ what.p + len, what.len - len }, false);
		return arena_print(a, "%s=%.*s", tags[i], STR_ARG(rest));
	}
	return arena_copy(a, what);
}

int target_mounts_fstab(struct target_mounts *mounts, struct arena *a, struct str text,
	const char *path, struct err *e)
{
	struct str line, f[4];

	for (unsigned number = 1; str_next(&line, &text, '\n'); number++) {
		size_t n = 0;
		while (n < 4 && str_word(&f[n], &line))
			n++;
		if (n < 2 || f[0].p[0] == '#')
			continue;
		const char *where = target_path(a, unescape(a, f[1], true));
		if (!where)
			continue; /* "none" of swap */
		const struct target_mount m = {
			.where = where,
			.what = device(a, unescape(a, f[0], true)),
			.type = n > 2 ? arena_copy(a, f[2]) : "auto",
			.option = n > 3 ? arena_copy(a, unescape(a, f[3], true)) : "",
			.origin = arena_print(a, "%s:%u", path, number),
		};
		if (target_mounts_add(mounts, a, &m, e))
			return e->code;
	}
	return 0;
}

/* "var-lib-etcd\x2dwal.mount" is /var/lib/etcd-wal. */
static const char *place_of_name(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct str name = str_from(slash ? slash + 1 : path), part;

	if (!str_ends(name, STR(".mount")))
		return NULL;
	name.len -= strlen(".mount");
	char *out = arena_alloc(a, name.len + 2);
	size_t len = 0;
	while (str_next(&part, &name, '-')) {
		const struct str plain = unescape(a, part, false);
		out[len++] = '/';
		memcpy(out + len, plain.p, plain.len);
		len += plain.len;
	}
	return target_path(a, (struct str){ out, len });
}

/* A line with those that continue it. */
static bool unit_line(struct str *line, struct arena *a, struct str *text)
{
	struct str more;

	if (!str_next(line, text, '\n'))
		return false;
	while (line->len && line->p[line->len - 1] == '\\' && str_next(&more, text, '\n')) {
		const char *joined =
			arena_print(a, "%.*s %.*s", (int)line->len - 1, line->p, STR_ARG(more));
		*line = str_from(joined);
		if (line->len > TEXT_MAX / 16) /* thousands of joined lines are no unit */
			return false;
	}
	*line = str_trim(*line);
	return true;
}

/* What a unit or a drop-in of it says; what it does not say stays. */
static void read_unit(struct target_mount *m, struct arena *a, struct str text, const char *named)
{
	bool in_mount = false;
	struct str line, key, value;

	while (unit_line(&line, a, &text)) {
		if (!line.len || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (line.p[0] == '[') {
			in_mount = str_is(line, "[Mount]");
			continue;
		}
		if (!in_mount || !str_cut(&key, &value, line, '='))
			continue;
		key = str_trim(key);
		value = str_trim(value);
		if (str_is(key, "What"))
			m->what = value.len ? device(a, value) : NULL;
		else if (str_is(key, "Where"))
			m->where = value.len ? target_path(a, value) : named;
		else if (str_is(key, "Type"))
			m->type = value.len ? arena_copy(a, value) : "auto";
		else if (str_is(key, "Options"))
			m->option = arena_copy(a, value);
	}
}

int target_mounts_unit(struct target_mounts *mounts, struct arena *a, struct str text,
	const char *path, struct err *e)
{
	struct target_mount m = {
		.type = "auto", .option = "", .origin = arena_copy(a, str_from(path))
	};
	const char *named = place_of_name(a, path);

	m.where = named;
	read_unit(&m, a, text, named);
	/* systemd refuses a unit that is called after another place. */
	if (!named || !m.where || !m.what || strcmp(named, m.where))
		return 0;
	return target_mounts_add(mounts, a, &m, e);
}

static int read_fstab(struct target_mounts *mounts, struct arena *a, const struct root *root,
	const char *path, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(TEXT_MAX);

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
		CLEAN_BUF struct buf text = BUF(TEXT_MAX);
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
		read_unit(&new, a, buf_text(&text), m->where);
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
			const char *where = place_of_name(a, unit);
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
