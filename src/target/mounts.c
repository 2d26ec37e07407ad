#include <string.h>
#include <strings.h>

#include "base/ascii.h"
#include "os/mountinfo.h"
#include "target/mounts_part.h"

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

/* "\x2d" in units and below /dev/disk; other backslashes stay. */
static struct str unescape(struct arena *a, struct str s)
{
	char *out = arena_alloc(a, s.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < s.len; i++) {
		const char *p = s.p + i;
		out[len] = *p;
		if (*p == '\\' && s.len - i > 3 && p[1] == 'x' && ascii_is_hex(p[2]) &&
			ascii_is_hex(p[3])) {
			out[len] = (char)(ascii_hex(p[2]) << 4 | ascii_hex(p[3]));
			i += 3;
		}
		len++;
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
		rest = unescape(a, (struct str){ what.p + len, what.len - len });
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
		const char *where = target_path(a, mountinfo_unescape(a, f[1]));
		if (!where)
			continue; /* "none" of swap */
		const struct target_mount m = {
			.where = where,
			.what = device(a, mountinfo_unescape(a, f[0])),
			.type = n > 2 ? arena_copy(a, f[2]) : "auto",
			.option = n > 3 ? arena_copy(a, mountinfo_unescape(a, f[3])) : "",
			.origin = arena_print(a, "%s:%u", path, number),
		};
		if (target_mounts_add(mounts, a, &m, e))
			return e->code;
	}
	return 0;
}

const char *mounts_place_of_name(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct str name = str_from(slash ? slash + 1 : path), part;

	if (!str_ends(name, STR(".mount")))
		return NULL;
	name.len -= strlen(".mount");
	char *out = arena_alloc(a, name.len + 2);
	size_t len = 0;
	while (str_next(&part, &name, '-')) {
		const struct str plain = unescape(a, part);
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
		if (line->len > MOUNTS_TEXT_MAX / 16) /* thousands of joined lines are no unit */
			return false;
	}
	*line = str_trim(*line);
	return true;
}

void mounts_read_unit(struct target_mount *m, struct arena *a, struct str text, const char *named)
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
	const char *named = mounts_place_of_name(a, path);

	m.where = named;
	mounts_read_unit(&m, a, text, named);
	/* systemd refuses a unit that is called after another place. */
	if (!named || !m.where || !m.what || strcmp(named, m.where))
		return 0;
	return target_mounts_add(mounts, a, &m, e);
}
