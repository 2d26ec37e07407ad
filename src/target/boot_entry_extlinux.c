/* extlinux.conf and syslinux.cfg, which are the same language. */
#include <string.h>
#include <strings.h>

#include "os/file.h"
#include "target/boot_entry_parts.h"

static bool is(struct str word, const char *keyword)
{
	return word.len == strlen(keyword) && !strncasecmp(word.p, keyword, word.len);
}

static bool is_kernel_word(struct str key)
{
	return is(key, "kernel") || is(key, "linux");
}

int boot_extlinux_parse(struct boot_extlinux *chosen, struct arena *a, struct str text,
	const char *origin, struct err *e)
{
	struct boot_extlinux *labels = arena_array(a, BOOT_ENTRIES_MAX, sizeof *labels);
	struct boot_extlinux common = { 0 }, *now = &common;
	const char *wanted = NULL, *marked = NULL;
	struct str line, key, word, rest = text;
	unsigned number = 0;
	size_t n = 0;

	while (str_next(&line, &rest, '\n')) {
		number++;
		if (!str_word(&key, &line) || key.p[0] == '#')
			continue;
		const struct str value = str_trim(line);
		if (is(key, "label")) {
			if (n == BOOT_ENTRIES_MAX)
				return err_set(e, ERR_UNSUPPORTED, "%s: more than %d labels",
					origin, BOOT_ENTRIES_MAX);
			now = &labels[n++];
			*now = (struct boot_extlinux){ .label = arena_copy(a, value),
				.append = common.append,
				.line = number };
		} else if (is(key, "default")) {
			wanted = arena_copy(a, value);
		} else if (is(key, "ontimeout")) {
			wanted = arena_copy(a, value);
		} else if (is_kernel_word(key)) {
			now->kernel = arena_copy(a, value);
			now->line = number;
		} else if (is(key, "append")) {
			now->append = is(value, "-") ? "" : arena_copy(a, value);
		} else if (is(key, "initrd")) {
			now->initrds = arena_copy(a, value);
		} else if (is(key, "menu") && str_word(&word, &line)) {
			if (is(word, "default"))
				marked = now->label;
			if (is(word, "include"))
				return err_set(e, ERR_UNSUPPORTED,
					"%s:%u: menu include is not understood", origin, number);
		} else if (is(key, "include") || is(key, "config")) {
			return err_set(e, ERR_UNSUPPORTED, "%s:%u: %.*s is not understood", origin,
				number, STR_ARG(key));
		}
	}
	/* "default menu.c32" names the program that shows the menu. */
	if (!wanted || str_ends(str_from(wanted), STR(".c32")) || marked)
		wanted = marked ? marked : n ? labels[0].label : NULL;
	for (size_t i = 0; wanted && i < n; i++) {
		if (strcasecmp(labels[i].label, wanted) != 0)
			continue;
		*chosen = labels[i];
		if (!chosen->kernel)
			return err_set(e, ERR_UNSUPPORTED, "%s:%u: the label %s names no kernel",
				origin, chosen->line, chosen->label);
		return 0;
	}
	return err_set(e, ERR_NOTFOUND, "%s: has no label %s", origin, wanted ? wanted : "at all");
}

/* Relative paths are those of the directory of the file. */
static const char *path_of(struct arena *a, const char *dir, struct str name)
{
	return name.len && name.p[0] == '/' ? arena_copy(a, name)
					    : arena_print(a, "/%s/%.*s", dir, STR_ARG(name));
}

static int add_initrds(struct boot_entry *entry, struct arena *a, const struct boot_roots *roots,
	const char *dir, struct str list, struct err *e)
{
	struct str name;

	while (str_next(&name, &list, ',')) {
		if (boot_add_initrd(entry, a, roots, path_of(a, dir, str_trim(name)), e))
			return e->code;
	}
	return 0;
}

static int use(struct boot_entry *entry, struct arena *a, const struct boot_roots *roots,
	const struct boot_extlinux *label, const char *dir, struct err *e)
{
	struct str word, rest = str_from(label->append ? label->append : "");
	const char *options = "";

	entry->title = label->label;
	entry->line = label->line;
	if (boot_set_kernel(entry, a, roots, path_of(a, dir, str_from(label->kernel)), e) ||
		(label->initrds && add_initrds(entry, a, roots, dir, str_from(label->initrds), e)))
		return e->code;
	while (str_word(&word, &rest)) {
		if (str_starts(word, STR("initrd="))) {
			if (!label->initrds && add_initrds(entry, a, roots, dir,
						       (struct str){ word.p + 7, word.len - 7 }, e))
				return e->code;
			continue;
		}
		options = arena_print(a, "%s%s%.*s", options, *options ? " " : "", STR_ARG(word));
	}
	return boot_set_options(entry, options, e);
}

int boot_extlinux(bool *found, struct boot_entry *entry, struct arena *a,
	const struct boot_roots *roots, struct err *e)
{
	static const char *const places[][2] = { { "boot/extlinux", "extlinux.conf" },
		{ "extlinux", "extlinux.conf" }, { "boot/syslinux", "syslinux.cfg" },
		{ "syslinux", "syslinux.cfg" }, { "boot/syslinux", "extlinux.conf" },
		{ "EFI/syslinux", "syslinux.cfg" } };

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		CLEAN_BUF struct buf text = BUF(BOOT_CONFIG_MAX);
		struct boot_extlinux label = { 0 };
		struct boot_file file;
		if (!boot_locate(
			    &file, a, roots, arena_print(a, "/%s/%s", places[i][0], places[i][1])))
			continue;
		*found = true;
		entry->origin = file.path;
		return boot_read(&text, &file, e) ||
				       boot_extlinux_parse(
					       &label, a, buf_text(&text), file.path, e) ||
				       use(entry, a, roots, &label, places[i][0], e)
			       ? e->code
			       : 0;
	}
	return 0;
}
