/* grub.cfg, read as GRUB reads it.
 *
 * It runs as a whole, which gives the menu and the variables; then the body of the entry that
 * would be started runs. */
#include <string.h>

#include "os/names.h"
#include "target/boot_entry_grub.h"

/* The part of "1>2" up to the next '>', of which two stand for one. */
static const char *next_part(struct arena *a, const char **rest)
{
	char *part = arena_copy(a, str_from(*rest)), *to = part;
	const char *from = *rest;

	while (*from && (from[0] != '>' || from[1] == '>')) {
		from += from[0] == '>';
		*to++ = *from++;
	}
	*to = 0;
	*rest = *from ? from + 1 : from;
	return part;
}

/* The item of that number, id or title among those of one menu; the first when none fits. */
static const struct boot_item *pick(const struct boot_grub *g, size_t parent, const char *name)
{
	const struct boot_item *first = NULL;
	uint64_t wanted, count = 0;
	const bool by_number = str_u64(&wanted, str_from(name), 10, BOOT_ENTRIES_MAX);

	for (size_t i = 0; i < g->n_items; i++) {
		const struct boot_item *item = &g->items[i];
		if (item->parent != parent)
			continue;
		if (!first)
			first = item;
		if (by_number ? count == wanted
			      : !strcmp(item->title, name) || (item->id && !strcmp(item->id, name)))
			return item;
		count++;
	}
	return first;
}

/* A title that GRUB's tools saved without the menu it is in is found in any. */
static const struct boot_item *choose(const struct boot_grub *g, const char *name)
{
	const char *rest = name, *part = next_part(g->arena, &rest);
	const struct boot_item *item = pick(g, 0, part);

	if (!*rest && *part) {
		for (size_t i = 0; i < g->n_items; i++) {
			if (g->items[i].id && !strcmp(g->items[i].id, part) && !g->items[i].submenu)
				return &g->items[i];
		}
	}
	for (unsigned depth = 0; item && item->submenu && depth < BOOT_GRUB_DEPTH; depth++)
		item = pick(g, (size_t)(item - g->items) + 1, next_part(g->arena, &rest));
	return item && !item->submenu ? item : NULL;
}

/* $kernelopts and the like of an entry that is no script. */
static const char *expand_line(void *ctx, struct arena *a, const char *text)
{
	const struct boot_grub *g = ctx;
	struct str word, rest = str_from(text);
	const char *line = "";

	while (str_word(&word, &rest)) {
		const struct boot_token token = { BOOT_WORD, 0, word };
		struct boot_words w = { .n = 0 };
		struct err none;
		if (!memchr(word.p, '$', word.len)) {
			line = arena_print(a, "%s%s%.*s", line, *line ? " " : "", STR_ARG(word));
			continue;
		}
		if (boot_script_expand(&w, a, &token, &g->variables, "", &none))
			continue;
		for (size_t i = 0; i < w.n; i++)
			line = arena_print(a, "%s%s%s", line, *line ? " " : "", w.v[i]);
	}
	return line;
}

static int start_item(
	struct boot_grub *g, struct boot_entry *entry, const struct boot_item *item, struct err *e)
{
	static const char *const close[] = { "}", NULL };
	struct boot_at at = { item->script, item->body };

	if (item->bls)
		return boot_bls_use(entry, g->arena, g->roots, item->bls, expand_line, g, e);
	entry->title = item->title;
	entry->origin = item->script->origin;
	entry->line = item->line;
	g->entry = entry;
	if (boot_variable_set(&g->variables, g->arena, STR("chosen"), item->title, e) ||
		boot_grub_statements(g, &at, true, close, e))
		return e->code;
	if (!g->has_kernel)
		return err_set(e, ERR_UNSUPPORTED, "%s:%u: the entry \"%s\" loads no Linux kernel",
			entry->origin, item->line, item->title);
	return 0;
}

/* ---- where the file is ---- */

static const char *find_config(const char **prefix, struct boot_grub *g)
{
	static const char *const places[] = { "/boot/grub2", "/boot/grub", "/grub2", "/grub" };
	struct boot_file file;
	struct names names;
	struct err none;

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		const char *path = arena_print(g->arena, "%s/grub.cfg", places[i]);
		if (!boot_locate(&file, g->arena, g->roots, path))
			continue;
		*prefix = places[i];
		return path;
	}
	/* Red Hat 8 under UEFI has it beside its loader. */
	if (!g->roots->esp || names_read(&names, g->arena, g->roots->esp, "EFI", &none))
		return NULL;
	for (size_t i = 0; i < names.n; i++) {
		*prefix = arena_print(g->arena, "/EFI/%s", names.v[i]);
		const char *path = arena_print(g->arena, "%s/grub.cfg", *prefix);
		if (boot_locate(&file, g->arena, g->roots, path))
			return path;
	}
	return NULL;
}

static int begin(struct boot_grub *g, const char *prefix, struct err *e)
{
	const char *const set[][2] = {
		{ "prefix", prefix },
		{ "config_directory", prefix },
		{ "root", "found" },
		{ "cmdpath", prefix },
		{ "grub_platform", g->roots->uefi ? "efi" : "pc" },
		{ "grub_cpu", "x86_64" },
		{ "feature_200_final", "y" },
		{ "feature_all_video_module", "y" },
		{ "feature_chainloader_bpb", "y" },
		{ "feature_default_font_path", "y" },
		{ "feature_menuentry_id", "y" },
		{ "feature_menuentry_options", "y" },
		{ "feature_nativedisk", "y" },
		{ "feature_ntldr", "y" },
		{ "feature_platform_search_hint", "y" },
		{ "feature_timeout_style", "y" },
	};

	for (size_t i = 0; i < sizeof set / sizeof *set; i++) {
		if (boot_variable_set(&g->variables, g->arena, str_from(set[i][0]), set[i][1], e))
			return e->code;
	}
	return 0;
}

int boot_grub(bool *found, struct boot_entry *entry, struct arena *a,
	const struct boot_roots *roots, struct err *e)
{
	struct boot_grub *g = arena_alloc(a, sizeof *g);
	const char *prefix = NULL;

	g->arena = a;
	g->roots = roots;
	const char *path = find_config(&prefix, g);
	if (!path)
		return 0;
	*found = true;
	g->items = arena_array(a, BOOT_ENTRIES_MAX, sizeof *g->items);
	if (begin(g, prefix, e) || boot_grub_script(g, path, e))
		return e->code;
	const struct boot_item *item = choose(g, boot_variable(&g->variables, STR("default")));
	if (!item)
		return err_set(e, ERR_NOTFOUND, "%s: has no entry to boot", path);
	return start_item(g, entry, item, e);
}
