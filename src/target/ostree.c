#include "target/ostree.h"

#include <fcntl.h>
#include <string.h>

#include "os/file.h"
#include "os/names.h"

#define DEPLOY "ostree/deploy"

enum { ENTRY_MAX = 1 << 16, NAME = 4096, ENTRIES = 256 };

static bool is_name(struct str s)
{
	return s.len && !memchr(s.p, '/', s.len) && !str_is(s, ".") && !str_is(s, "..");
}

static bool is_directory(const struct root *root, const char *path)
{
	CLOSE_FD int fd = -1;
	struct err none;

	return !root_open_at(&fd, root, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, &none);
}

/* "STATEROOT/deploy/SUM.0" */
static int set(struct target_ostree *o, struct arena *a, const struct root *root, struct str text,
	const char *origin, struct err *e)
{
	struct str stateroot, rest, word, name;

	if (!str_cut(&stateroot, &rest, text, '/') || !str_cut(&word, &name, rest, '/') ||
		!is_name(stateroot) || !str_is(word, "deploy") || !is_name(name))
		return err_set(
			e, ERR_FORMAT, "%s: names no deployment: %.*s", origin, STR_ARG(text));
	o->deployment = arena_print(a, DEPLOY "/%.*s", STR_ARG(text));
	o->var = arena_print(a, DEPLOY "/%.*s/var", STR_ARG(stateroot));
	o->origin = origin;
	if (!is_directory(root, o->deployment))
		return err_set(
			e, ERR_NOTFOUND, "%s: boots %s, which is not here", origin, o->deployment);
	return 0;
}

struct entry {
	const char *version, *path, *argument;
};

/* The lines that count of one entry. */
static void read_entry(struct entry *entry, struct arena *a, struct str text)
{
	struct str line, key, word;

	while (str_next(&line, &text, '\n')) {
		if (!str_word(&key, &line))
			continue;
		if (str_is(key, "version") && str_word(&word, &line))
			entry->version = arena_copy(a, word);
		if (!str_is(key, "options"))
			continue;
		while (str_word(&word, &line)) {
			if (str_starts(word, STR("ostree=")))
				entry->argument =
					arena_copy(a, (struct str){ word.p + strlen("ostree="),
							      word.len - strlen("ostree=") });
		}
	}
}

static int newest(struct entry *best, struct arena *a, const struct root *root, const char *dir,
	struct err *e)
{
	struct names names;

	if (names_read(&names, a, root, dir, e))
		return err_forgive(e, ERR_NOTFOUND);
	if (names.n > ENTRIES)
		return err_set(e, ERR_SPACE, "%s: more than %d entries", dir, ENTRIES);
	for (size_t i = 0; i < names.n; i++) {
		CLEAN_BUF struct buf text = BUF(ENTRY_MAX);
		struct entry entry = { .version = "" };
		if (!str_ends(str_from(names.v[i]), STR(".conf")))
			continue;
		entry.path = arena_print(a, "%s/%s", dir, names.v[i]);
		if (file_read(&text, root, entry.path, e))
			return e->code;
		read_entry(&entry, a, buf_text(&text));
		if (!entry.argument)
			continue;
		/* Of the same version the last name, names being in order. */
		if (!best->path || names_compare(entry.version, best->version) >= 0)
			*best = entry;
	}
	return 0;
}

/* What "/ostree/boot.1/rhcos/SUM/0" is a link to. */
static int follow(struct target_ostree *o, struct arena *a, const struct root *root,
	const struct entry *entry, struct err *e)
{
	char target[NAME];
	struct str text;

	if (root_read_link(target, sizeof target, root, entry->argument, e))
		return err_wrap(e, "%s: ostree=", entry->path);
	text = str_from(target);
	while (str_starts(text, STR("../")))
		text = (struct str){ text.p + 3, text.len - 3 };
	if (!str_starts(text, STR("deploy/")))
		return err_set(e, ERR_FORMAT, "%s: %s is a link to %s, which is no deployment",
			entry->path, entry->argument, target);
	text = (struct str){ text.p + strlen("deploy/"), text.len - strlen("deploy/") };
	return set(o, a, root, text, entry->path, e);
}

static int only_one(struct target_ostree *o, struct arena *a, const struct root *root,
	const struct names *stateroots, struct err *e)
{
	const char *one = NULL, *all = "";
	size_t n = 0;

	for (size_t i = 0; i < stateroots->n && n < ENTRIES; i++) {
		struct names names;
		const char *dir = arena_print(a, DEPLOY "/%s/deploy", stateroots->v[i]);
		if (!is_directory(root, dir))
			continue;
		if (names_read(&names, a, root, dir, e))
			return e->code;
		for (size_t k = 0; k < names.n && n < ENTRIES; k++) {
			const char *path = arena_print(a, "%s/%s", dir, names.v[k]);
			if (!is_directory(root, path))
				continue;
			one = arena_print(a, "%s/deploy/%s", stateroots->v[i], names.v[k]);
			all = arena_print(a, "%s%s%s", all, *all ? ", " : "", path);
			n++;
		}
	}
	if (n == 1)
		return set(o, a, root, str_from(one), "the only deployment", e);
	if (n)
		return err_set(e, ERR_DECLINED,
			"which deployment boots is said in boot/loader/entries, which is not here: "
			"mount /boot too; there are %s",
			all);
	return err_set(e, ERR_NOTFOUND, DEPLOY " holds no deployment");
}

int target_ostree(struct target_ostree *found, struct arena *a, const struct root *root,
	const struct root *boot, struct err *e)
{
	struct names stateroots;
	struct entry entry = { 0 };

	*found = (struct target_ostree){ 0 };
	if (!is_directory(root, DEPLOY))
		return 0;
	if (names_read(&stateroots, a, root, DEPLOY, e))
		return e->code;
	if (newest(&entry, a, root, "boot/loader/entries", e) ||
		(!entry.path && boot && newest(&entry, a, boot, "loader/entries", e)))
		return e->code;
	return entry.path ? follow(found, a, root, &entry, e)
			  : only_one(found, a, root, &stateroots, e);
}
