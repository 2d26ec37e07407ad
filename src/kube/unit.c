#include "kube/unit.h"

#include <stdlib.h>
#include <string.h>

#include "kube/env.h"
#include "os/names.h"

enum { DROP_INS = 256 };

static const char *const places[] = { "etc/systemd/system", "run/systemd/system",
	"usr/lib/systemd/system", "lib/systemd/system" };
enum { PLACES = sizeof places / sizeof *places };

static void add(struct kube_unit *unit, const struct kube_setting *setting)
{
	struct kube_setting *more;

	if (!(unit->n & (unit->n - 1))) { /* 0, 1, 2, 4, 8, .. are full */
		more = arena_array(unit->files->arena, unit->n ? unit->n * 2 : 1, sizeof *more);
		if (unit->n)
			memcpy(more, unit->v, unit->n * sizeof *more);
		unit->v = more;
	}
	unit->v[unit->n++] = *setting;
}

/* Does this line go on in the next one? */
static bool goes_on(struct str line)
{
	return line.len && line.p[line.len - 1] == '\\';
}

static bool is_comment(struct str line)
{
	const struct str text = str_trim(line);

	return text.len && (text.p[0] == '#' || text.p[0] == ';');
}

static struct str without_cr(struct str line)
{
	if (line.len && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

static void read_file(struct kube_unit *unit, struct kube_file *file)
{
	struct str rest = file->text, line, section = { "", 0 };
	struct kube_setting s = { .file = file };

	while (str_next(&line, &rest, '\n')) {
		struct str text = str_trim(line), value;
		if (!text.len || is_comment(line))
			continue;
		if (text.p[0] == '[' && text.p[text.len - 1] == ']') {
			section = (struct str){ text.p + 1, text.len - 2 };
			continue;
		}
		if (!str_cut(&s.name, &value, line, '='))
			continue;
		s.name = str_trim(s.name);
		s.section = section;
		s.from = (size_t)(value.p - file->text.p);
		/* Comments may stand between the lines of a value. */
		while ((goes_on(without_cr(line)) || is_comment(line)) &&
			str_next(&line, &rest, '\n'))
			;
		s.to = (size_t)(line.p + line.len - file->text.p);
		add(unit, &s);
	}
}

static int by_name(const void *a, const void *b)
{
	const char *x = strrchr(*(char *const *)a, '/'), *y = strrchr(*(char *const *)b, '/');

	return strcmp(x, y);
}

/* The drop-ins of all places; one of the same name in an earlier place hides the later. */
static int read_drop_ins(struct kube_unit *unit, struct err *e)
{
	struct arena *a = unit->files->arena;
	char **paths = arena_array(a, DROP_INS, sizeof *paths);
	size_t n = 0;

	for (int i = 0; i < PLACES; i++) {
		const char *dir = arena_print(a, "%s/%s.d", places[i], unit->name);
		struct err ignored = { 0 };
		struct names names;
		if (names_read(&names, a, unit->files->root, dir, &ignored))
			continue;
		for (size_t j = 0; j < names.n && n < DROP_INS; j++) {
			const char *name = names.v[j];
			bool hidden = !str_ends(str_from(name), STR(".conf"));
			for (size_t k = 0; k < n; k++)
				hidden = hidden || !strcmp(strrchr(paths[k], '/') + 1, name);
			if (!hidden)
				paths[n++] = arena_print(a, "%s/%s", dir, name);
		}
	}
	qsort(paths, n, sizeof *paths, by_name);
	for (size_t k = 0; k < n; k++) {
		struct kube_file *file;
		if (kube_file(&file, unit->files, paths[k], e))
			return e->code;
		read_file(unit, file);
	}
	return 0;
}

int kube_unit(struct kube_unit *unit, struct kube_files *files, const char *name, struct err *e)
{
	struct kube_file *file;
	char target[256];

	*unit = (struct kube_unit){ .name = name, .files = files };
	for (int i = 0; i < PLACES; i++) {
		const char *path = arena_print(files->arena, "%s/%s", places[i], name);
		struct err ignored = { 0 };
		if (!root_read_link(target, sizeof target, files->root, path, &ignored) &&
			!strcmp(target, "/dev/null"))
			return err_set(
				e, ERR_DECLINED, "%s is masked: %s leads to /dev/null", name, path);
		if (!root_exists(files->root, path))
			continue;
		if (kube_file(&file, files, path, e))
			return e->code;
		unit->path = path;
		read_file(unit, file);
		return read_drop_ins(unit, e);
	}
	return err_set(e, ERR_NOTFOUND, "no unit %s", name);
}

static struct str value_of(const struct kube_setting *s)
{
	return str_trim((struct str){ s->file->text.p + s->from, s->to - s->from });
}

const struct kube_setting *kube_unit_get(
	const struct kube_unit *unit, const char *section, const char *name)
{
	const struct kube_setting *found = NULL;

	for (size_t i = 0; i < unit->n; i++) {
		const struct kube_setting *s = &unit->v[i];
		if (str_is(s->section, section) && str_is(s->name, name))
			found = value_of(s).len ? s : NULL;
	}
	return found;
}

int kube_unit_args(struct kube_args *args, const struct kube_unit *unit, struct err *e)
{
	const struct kube_setting *s = kube_unit_get(unit, "Service", "ExecStart");

	struct kube_file *file;

	if (!s && kube_file(&file, unit->files, unit->path, e))
		return e->code;
	if (!s)
		return kube_refuse(file, 0, e, "this unit has no ExecStart=");
	return kube_args_text(args, s->file, s->from, s->to, KUBE_SYSTEMD, e);
}

/* Of one Environment= line. */
static bool env_of_line(struct kube_slot *slot, const struct kube_setting *s, const char *name)
{
	struct kube_args args;
	struct err ignored = { 0 };
	struct str left, right;
	bool found = false;

	if (kube_args_text(&args, s->file, s->from, s->to, KUBE_SYSTEMD, &ignored))
		return false;
	for (size_t i = 0; i < args.n; i++) {
		const struct kube_arg *arg = &args.v[i];
		if (!str_cut(&left, &right, arg->text, '=') || !str_is(left, name))
			continue;
		*slot = kube_slot_word(s->file, NULL, s->from, arg->word, left.len + 1,
			arg->text.len, KUBE_SYSTEMD, arena_copy(s->file->set->arena, left));
		found = true;
	}
	return found;
}

static bool env_of_file(
	struct kube_slot *slot, const struct kube_unit *unit, struct str path, const char *name)
{
	struct kube_file *file;
	struct err ignored = { 0 };

	if (path.len && path.p[0] == '-')
		path = (struct str){ path.p + 1, path.len - 1 };
	return !kube_file(&file, unit->files, arena_copy(unit->files->arena, path), &ignored) &&
	       kube_env(slot, file, name);
}

bool kube_unit_env(struct kube_slot *slot, const struct kube_unit *unit, const char *name)
{
	bool in_line = false, in_file = false;
	struct kube_slot line, file;

	for (size_t i = 0; i < unit->n; i++) {
		const struct kube_setting *s = &unit->v[i];
		const struct str value = value_of(s);
		if (!str_is(s->section, "Service"))
			continue;
		if (str_is(s->name, "Environment"))
			in_line = value.len && (env_of_line(&line, s, name) || in_line);
		else if (str_is(s->name, "EnvironmentFile"))
			in_file = value.len && (env_of_file(&file, unit, value, name) || in_file);
	}
	if (in_file)
		*slot = file;
	else if (in_line)
		*slot = line;
	return in_file || in_line;
}
