/* The statements of a grub.cfg: which of them run, and in what order. */
#include <string.h>

#include "os/file.h"
#include "target/boot_entry_grub.h"

static const struct boot_token *peek(const struct boot_at *at)
{
	return &at->script->tokens[at->i];
}

int boot_grub_unknown(struct err *e, const struct boot_at *at, unsigned line, const char *what)
{
	return err_set(e, ERR_UNSUPPORTED,
		"%s:%u: %s is not understood: what the disk would boot is not clear",
		at->script->origin, line, what);
}

static bool is_word(const struct boot_token *t, const char *word)
{
	return t->kind == BOOT_WORD && str_is(t->raw, word);
}

/* Behind the brace that closes what begins at `at`, which is behind the opening one. */
static int skip_block(struct boot_at *at, struct err *e)
{
	const unsigned line = peek(at)->line;

	for (size_t depth = 1; depth;) {
		const struct boot_token *t = peek(at);
		if (t->kind == BOOT_END)
			return err_set(
				e, ERR_FORMAT, "%s:%u: '{' has no '}'", at->script->origin, line);
		depth += t->kind == BOOT_OPEN;
		depth -= t->kind == BOOT_CLOSE;
		at->i++;
	}
	return 0;
}

static int words_of(struct boot_grub *g, struct boot_words *w, struct boot_at *at, struct err *e)
{
	w->n = 0;
	while (peek(at)->kind == BOOT_WORD) {
		if (boot_script_expand(w, g->arena, peek(at), &g->variables, at->script->origin, e))
			return e->code;
		at->i++;
	}
	return 0;
}

static int menu(struct boot_grub *g, struct boot_at *at, bool live, bool submenu, struct err *e)
{
	static const char *const close[] = { "}", NULL };
	static const char *const with_value[] = { "--class", "--users", "--hotkey", "--source" };
	const unsigned line = peek(at)->line;
	struct boot_words w;
	struct boot_item item = {
		.submenu = submenu, .line = line, .parent = g->parent, .title = ""
	};
	bool has_title = false;

	at->i++;
	if (words_of(g, &w, at, e))
		return e->code;
	if (peek(at)->kind != BOOT_OPEN)
		return err_set(
			e, ERR_FORMAT, "%s:%u: an entry without '{'", at->script->origin, line);
	at->i++;
	for (size_t i = 0; i < w.n; i++) {
		if (!strcmp(w.v[i], "--id") && i + 1 < w.n)
			item.id = w.v[++i];
		else if (!strncmp(w.v[i], "--id=", 5))
			item.id = w.v[i] + 5;
		else if (BOOT_IS_ONE(w.v[i], with_value))
			i++;
		else if (strncmp(w.v[i], "--", 2) != 0 && !has_title) {
			item.title = w.v[i];
			has_title = true;
		}
	}
	item.script = at->script;
	item.body = at->i;
	if (!live)
		return skip_block(at, e);
	if (g->n_items == BOOT_ENTRIES_MAX || ++g->depth > BOOT_GRUB_DEPTH)
		return err_set(e, ERR_UNSUPPORTED, "%s:%u: too many entries, or menus in menus",
			at->script->origin, line);
	g->items[g->n_items++] = item;
	const size_t outer = g->parent;
	g->parent = g->n_items;
	const int status =
		submenu ? boot_grub_statements(g, at, true, close, e) : skip_block(at, e);
	g->parent = outer;
	g->depth--;
	return status;
}

static int if_statement(struct boot_grub *g, struct boot_at *at, bool live, struct err *e)
{
	static const char *const then[] = { "then", NULL };
	static const char *const branch[] = { "fi", "elif", "else", NULL };
	bool done = false; /* a branch was taken */

	at->i++;
	for (;;) {
		if (boot_grub_statements(g, at, live && !done, then, e))
			return e->code;
		const bool taken = live && !done && g->status;
		if (boot_grub_statements(g, at, taken, branch, e))
			return e->code;
		done |= taken;
		const struct boot_token *stop = &at->script->tokens[at->i - 1];
		if (is_word(stop, "fi"))
			return 0;
		if (!is_word(stop, "else"))
			continue;
		static const char *const fi[] = { "fi", NULL };
		return boot_grub_statements(g, at, live && !done, fi, e);
	}
}

static int loop(struct boot_grub *g, struct boot_at *at, bool live, struct err *e)
{
	static const char *const done[] = { "done", NULL };
	const struct boot_token *t = peek(at);

	if (live)
		return boot_grub_unknown(e, at, t->line, arena_copy(g->arena, t->raw));
	at->i++;
	return boot_grub_statements(g, at, false, done, e);
}

static int define(struct boot_grub *g, struct boot_at *at, bool live, struct err *e)
{
	const struct boot_token *t = peek(at);

	at->i++;
	const struct boot_token *name = peek(at);
	if (name->kind == BOOT_WORD)
		at->i++;
	while (peek(at)->kind == BOOT_SEPARATOR)
		at->i++;
	if (name->kind != BOOT_WORD || peek(at)->kind != BOOT_OPEN)
		return err_set(e, ERR_FORMAT, "%s:%u: function without name or '{'",
			at->script->origin, t->line);
	at->i++;
	if (live && g->n_functions == BOOT_GRUB_FUNCTIONS)
		return err_set(e, ERR_UNSUPPORTED, "more than %d functions", BOOT_GRUB_FUNCTIONS);
	if (live)
		g->functions[g->n_functions++] =
			(struct boot_function){ arena_copy(g->arena, name->raw), at->script,
				at->i };
	return skip_block(at, e);
}

static int statement(struct boot_grub *g, struct boot_at *at, bool live, struct err *e)
{
	const struct boot_token *t = peek(at);
	struct boot_words w;

	if (is_word(t, "if"))
		return if_statement(g, at, live, e);
	if (is_word(t, "menuentry") || is_word(t, "submenu"))
		return menu(g, at, live, is_word(t, "submenu"), e);
	if (is_word(t, "function"))
		return define(g, at, live, e);
	if (is_word(t, "for") || is_word(t, "while") || is_word(t, "until"))
		return loop(g, at, live, e);
	if (is_word(t, "do")) {
		at->i++;
		return 0;
	}
	if (!live) {
		while (peek(at)->kind == BOOT_WORD)
			at->i++;
		return 0;
	}
	if (words_of(g, &w, at, e))
		return e->code;
	if (!w.n)
		return 0;
	return boot_grub_command(g, at, t->line, &w, e)
		       ? e->code
		       : boot_variable_set(
				 &g->variables, g->arena, STR("?"), g->status ? "0" : "1", e);
}

/* Up to one of the words `stops`, or to the end where there are none; stands behind it then. */
int boot_grub_statements(
	struct boot_grub *g, struct boot_at *at, bool live, const char *const *stops, struct err *e)
{
	const unsigned line = peek(at)->line;
	int status = 0;

	if (++g->depth > 4 * BOOT_GRUB_DEPTH)
		return boot_grub_unknown(e, at, line, "what is nested so deep");
	for (;;) {
		const struct boot_token *t = peek(at);
		if (t->kind == BOOT_END) {
			if (stops)
				status = err_set(e, ERR_FORMAT, "%s:%u: '%s' is missing",
					at->script->origin, line, stops[0]);
			break;
		}
		for (size_t i = 0; stops && stops[i]; i++) {
			if (t->kind == BOOT_CLOSE ? stops[i][0] == '}' : is_word(t, stops[i])) {
				at->i++;
				goto out;
			}
		}
		if (t->kind == BOOT_SEPARATOR) {
			at->i++;
			continue;
		}
		if (t->kind == BOOT_OPEN || t->kind == BOOT_CLOSE) {
			status = err_set(e, ERR_FORMAT, "%s:%u: '%.*s' has no place here",
				at->script->origin, t->line, STR_ARG(t->raw));
			break;
		}
		status = statement(g, at, live, e);
		if (status)
			break;
	}
out:
	g->depth--;
	return status;
}

int boot_grub_script(struct boot_grub *g, const char *path, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(BOOT_CONFIG_MAX);
	struct boot_script *script = arena_alloc(g->arena, sizeof *script);
	struct boot_file file;

	if (!boot_locate(&file, g->arena, g->roots, path))
		return err_set(e, ERR_NOTFOUND, "%s: is not on this disk", path);
	if (boot_read(&text, &file, e))
		return e->code;
	/* Tokens borrow the text, and bodies are read again. */
	const struct str copy = { arena_copy(g->arena, buf_text(&text)), text.len };
	script->origin = file.path;
	if (boot_script_split(&script->tokens, &script->n, g->arena, copy, file.path, e))
		return e->code;
	if (++g->depth > BOOT_GRUB_DEPTH)
		return err_set(e, ERR_UNSUPPORTED, "%s: files name each other", path);
	struct boot_at at = { script, 0 };
	const int status = boot_grub_statements(g, &at, true, NULL, e);
	g->depth--;
	return status;
}
