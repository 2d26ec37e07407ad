/* What the commands of a grub.cfg do. */
#include <string.h>

#include "os/file.h"
#include "target/boot_entry_grub.h"

enum { GRUBENV = 65536 };

/* For the screen, the keyboard, modules, and who may do what. */
static const char *const harmless[] = { "insmod", "rmmod", "export", "loadfont", "terminal_input",
	"terminal_output", "terminal", "echo", "play", "serial", "keymap", "background_image",
	"background_color", "clear", "sleep", "save_env", "password", "password_pbkdf2", "badram",
	"cutmem", "true", "normal", "videoinfo", "increment", "decrement", "authenticate",
	"gptsync", "setparams", "nativedisk", "devicetree", "ls", "lsfonts", "cryptomount",
	"cpuid" };

/* Asks the machine something; here the answer is no. */
static const char *const negative[] = { "false", "keystatus", "hwmatch", "cmostest", "sendkey" };

/* Starts something that is no Linux. */
static const char *const others[] = { "chainloader", "multiboot", "multiboot2", "xen_hypervisor",
	"ntldr", "freedos", "kfreebsd", "xnu_kernel64", "fwsetup", "reboot", "halt", "exit",
	"pxechainloader", "appleloader" };

/* NAME=VALUE lines behind a first line of comment; '#' fills the rest. */
static int load_env(struct boot_grub *g, const struct boot_words *w, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(GRUBENV);
	struct boot_file file;
	const char *path =
		arena_print(g->arena, "%s/grubenv", boot_variable(&g->variables, STR("prefix")));
	struct str line, name, value, rest;
	struct err none;

	for (size_t i = 1; i < w->n; i++) {
		if ((!strcmp(w->v[i], "-f") || !strcmp(w->v[i], "--file")) && i + 1 < w->n)
			path = w->v[i + 1];
	}
	g->status = boot_locate(&file, g->arena, g->roots, path) && !boot_read(&text, &file, &none);
	rest = buf_text(&text);
	while (g->status && str_next(&line, &rest, '\n')) {
		if (!line.len || line.p[0] == '#' || !str_cut(&name, &value, line, '='))
			continue;
		if (boot_variable_set(
			    &g->variables, g->arena, name, arena_copy(g->arena, value), e))
			return e->code;
	}
	return 0;
}

/* search --set=root, --set boot: which disk it finds is no matter, paths are looked for. */
static int search(struct boot_grub *g, const struct boot_words *w, struct err *e)
{
	for (size_t i = 1; i < w->n; i++) {
		const struct str word = str_from(w->v[i]);
		struct str name = STR("root");
		if (str_starts(word, STR("--set=")))
			name = (struct str){ word.p + 6, word.len - 6 };
		else if (str_is(word, "--set") && i + 1 < w->n && w->v[i + 1][0] != '-')
			name = str_from(w->v[i + 1]);
		else if (!str_is(word, "--set") && !str_is(word, "-s"))
			continue;
		if (boot_variable_set(&g->variables, g->arena, name, "found", e))
			return e->code;
	}
	return 0;
}

static int source(struct boot_grub *g, const struct boot_at *at, unsigned line,
	const struct boot_words *w, struct err *e)
{
	if (w->n != 2)
		return boot_grub_unknown(e, at, line, w->v[0]);
	if (!boot_grub_sees(g, w->v[1])) {
		g->status = false;
		return 0;
	}
	return boot_grub_script(g, w->v[1], e);
}

static int add_bls(struct boot_grub *g, struct err *e)
{
	const struct {
		const struct root *root;
		const char *dir;
	} places[] = { { g->roots->boot, "loader/entries" },
		{ g->roots->root, "boot/loader/entries" }, { g->roots->esp, "loader/entries" } };
	struct boot_bls *list = NULL;
	size_t n = 0;

	for (size_t i = 0; i < sizeof places / sizeof *places && !n; i++) {
		if (boot_bls_read(&list, &n, g->arena, places[i].root, places[i].dir, e))
			return e->code;
	}
	for (size_t i = 0; i < n; i++) {
		if (g->n_items == BOOT_ENTRIES_MAX)
			return err_set(
				e, ERR_UNSUPPORTED, "more than %d boot entries", BOOT_ENTRIES_MAX);
		g->items[g->n_items++] =
			(struct boot_item){ .title = list[i].title ? list[i].title : list[i].id,
				.id = list[i].id,
				.parent = g->parent,
				.bls = &list[i] };
	}
	return 0;
}

/* The words behind the path, as GRUB joins them: with quotes around what holds a blank. */
static const char *join(struct arena *a, const struct boot_words *w, size_t from)
{
	const char *line = "";

	for (size_t i = from; i < w->n; i++)
		line = arena_print(a, strpbrk(w->v[i], " \t") ? "%s%s\"%s\"" : "%s%s%s", line,
			i > from ? " " : "", w->v[i]);
	return line;
}

static int set_linux(struct boot_grub *g, unsigned line, const struct boot_words *w, struct err *e)
{
	size_t at = 1;

	if (!g->entry) /* outside of an entry GRUB would load it and boot nothing */
		return 0;
	while (at < w->n && !strncmp(w->v[at], "--", 2))
		at++;
	g->entry->line = line;
	if (at == w->n)
		return err_set(
			e, ERR_FORMAT, "%s:%u: linux without a file", g->entry->origin, line);
	g->has_kernel = true;
	return boot_set_kernel(g->entry, g->arena, g->roots, w->v[at], e) ||
			       boot_set_options(g->entry, join(g->arena, w, at + 1), e)
		       ? e->code
		       : 0;
}

static int set_initrd(struct boot_grub *g, unsigned line, const struct boot_words *w, struct err *e)
{
	const unsigned kernel_line = g->entry ? g->entry->line : 0;

	for (size_t i = 1; g->entry && i < w->n; i++) {
		const char *path = w->v[i];
		if (!strncmp(path, "--", 2))
			continue;
		if (!strncmp(path, "newc:", 5))
			return err_set(e, ERR_UNSUPPORTED,
				"%s:%u: newc: of initrd is not understood", g->entry->origin, line);
		g->entry->line = line;
		if (boot_add_initrd(g->entry, g->arena, g->roots, path, e))
			return e->code;
		g->entry->line = kernel_line;
	}
	return 0;
}

static int call(struct boot_grub *g, const struct boot_function *f, const struct boot_words *w,
	struct err *e)
{
	static const char *const close[] = { "}", NULL };
	static const char *const numbers[] = { "1", "2", "3", "4", "5", "6", "7", "8", "9" };
	struct boot_at at = { f->script, f->body };

	if (++g->depth > BOOT_GRUB_DEPTH)
		return err_set(
			e, ERR_UNSUPPORTED, "%s: functions call each other too deep", f->name);
	for (size_t i = 0; i < 9; i++) {
		if (boot_variable_set(&g->variables, g->arena, str_from(numbers[i]),
			    i + 1 < w->n ? w->v[i + 1] : "", e))
			return e->code;
	}
	const int status = boot_grub_statements(g, &at, true, close, e);
	g->depth--;
	return status;
}

int boot_grub_command(struct boot_grub *g, const struct boot_at *at, unsigned line,
	const struct boot_words *w, struct err *e)
{
	const char *name = w->v[0];
	const char *equals = strchr(!strcmp(name, "set") && w->n > 1 ? w->v[1] : name, '=');
	const char *pair = !strcmp(name, "set") && w->n > 1 ? w->v[1] : name;

	if (++g->steps > BOOT_GRUB_STEPS)
		return err_set(e, ERR_UNSUPPORTED, "%s: runs too long", at->script->origin);
	g->status = true;
	for (size_t i = g->n_functions; i-- > 0;) {
		if (!strcmp(g->functions[i].name, name))
			return call(g, &g->functions[i], w, e);
	}
	if (!strcmp(name, "[") || !strcmp(name, "test"))
		return boot_grub_test(g, at, line, w, e);
	if (equals && equals > pair)
		return boot_variable_set(&g->variables, g->arena,
			(struct str){ pair, (size_t)(equals - pair) }, equals + 1, e);
	if (!strcmp(name, "unset") && w->n > 1)
		return boot_variable_set(&g->variables, g->arena, str_from(w->v[1]), "", e);
	if (!strcmp(name, "set") || BOOT_IS_ONE(name, harmless))
		return 0;
	if (BOOT_IS_ONE(name, negative) || (!strcmp(name, "fwsetup") && w->n > 1)) {
		g->status = false;
		return 0;
	}
	if (!strcmp(name, "linux") || !strcmp(name, "linux16") || !strcmp(name, "linuxefi"))
		return set_linux(g, line, w, e);
	if (!strcmp(name, "initrd") || !strcmp(name, "initrd16") || !strcmp(name, "initrdefi"))
		return set_initrd(g, line, w, e);
	if (!strcmp(name, "load_env"))
		return load_env(g, w, e);
	if (!strncmp(name, "search", 6))
		return search(g, w, e);
	if (!strcmp(name, "source") || !strcmp(name, ".") || !strcmp(name, "configfile"))
		return source(g, at, line, w, e);
	if (!strcmp(name, "blscfg"))
		return add_bls(g, e);
	if (BOOT_IS_ONE(name, others))
		return err_set(e, ERR_UNSUPPORTED,
			"%s:%u: %s starts something that is not a Linux kernel", at->script->origin,
			line, name);
	return boot_grub_unknown(e, at, line, name);
}
