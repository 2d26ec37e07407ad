#include "target/boot_entry_script.h"

#include <string.h>

#include "base/ascii.h"

enum { WORD_MAX = 16384 };

static bool ends_word(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ';' || c == '{' || c == '}';
}

/* The end of what is quoted from `at`, which is behind the opening quote. */
static size_t skip_quoted(struct str text, size_t at, char quote, unsigned *line)
{
	for (; at < text.len && text.p[at] != quote; at++) {
		*line += text.p[at] == '\n';
		if (quote == '"' && text.p[at] == '\\' && at + 1 < text.len) {
			at++;
			*line += text.p[at] == '\n';
		}
	}
	return at;
}

static int take_word(struct boot_token *token, size_t *at, unsigned *line, struct str text,
	const char *origin, struct err *e)
{
	const size_t start = *at;

	token->kind = BOOT_WORD;
	token->line = *line;
	while (*at < text.len && !ends_word(text.p[*at])) {
		const char c = text.p[*at];
		if (c == '|' || c == '&' || c == '<' || c == '>')
			return err_set(e, ERR_UNSUPPORTED,
				"%s:%u: '%c' outside of quotes is not understood", origin, *line,
				c);
		++*at;
		if (c == '\\' && *at < text.len) {
			*line += text.p[*at] == '\n';
			++*at;
		} else if (c == '\'' || c == '"') {
			*at = skip_quoted(text, *at, c, line);
			if (*at == text.len)
				return err_set(e, ERR_FORMAT, "%s:%u: a quote has no end", origin,
					token->line);
			++*at;
		} else if (c == '$' && *at < text.len && text.p[*at] == '{') {
			const char *end = memchr(text.p + *at, '}', text.len - *at);
			if (!end)
				return err_set(
					e, ERR_FORMAT, "%s:%u: ${ has no end", origin, token->line);
			*at = (size_t)(end - text.p) + 1;
		}
	}
	token->raw = (struct str){ text.p + start, *at - start };
	return 0;
}

int boot_script_split(struct boot_token **tokens, size_t *n, struct arena *a, struct str text,
	const char *origin, struct err *e)
{
	/* One for each byte at most, and the end. */
	const size_t room = text.len < BOOT_TOKENS_MAX ? text.len + 1 : BOOT_TOKENS_MAX;
	struct boot_token *list = arena_array(a, room, sizeof *list);
	unsigned line = 1;
	size_t count = 0;

	for (size_t at = 0; at < text.len;) {
		const char c = text.p[at];
		struct boot_token *t = &list[count];
		if (count + 1 >= room)
			return err_set(e, ERR_UNSUPPORTED, "%s: more than %d words", origin,
				BOOT_TOKENS_MAX);
		if (c == '#') {
			while (at < text.len && text.p[at] != '\n')
				at++;
			continue;
		}
		if (c == '\\' && at + 1 < text.len && text.p[at + 1] == '\n') {
			line++;
			at += 2;
			continue;
		}
		if (c == ' ' || c == '\t' || c == '\r') {
			at++;
			continue;
		}
		if (!ends_word(c)) {
			if (take_word(t, &at, &line, text, origin, e))
				return e->code;
			count++;
			continue;
		}
		*t = (struct boot_token){ c == '{'   ? BOOT_OPEN
					  : c == '}' ? BOOT_CLOSE
						     : BOOT_SEPARATOR,
			line, { text.p + at, 1 } };
		line += c == '\n';
		at++;
		count++;
	}
	list[count++] = (struct boot_token){ BOOT_END, line, { "", 0 } };
	*tokens = list;
	*n = count;
	return 0;
}

const char *boot_variable(const struct boot_variables *variables, struct str name)
{
	for (size_t i = 0; i < variables->n; i++) {
		if (str_is(name, variables->v[i].name))
			return variables->v[i].value;
	}
	return "";
}

int boot_variable_set(struct boot_variables *variables, struct arena *a, struct str name,
	const char *value, struct err *e)
{
	for (size_t i = 0; i < variables->n; i++) {
		if (str_is(name, variables->v[i].name)) {
			variables->v[i].value = value;
			return 0;
		}
	}
	if (variables->n == BOOT_VARIABLES_MAX)
		return err_set(e, ERR_UNSUPPORTED, "more than %d variables", BOOT_VARIABLES_MAX);
	variables->v[variables->n++] = (struct boot_variable){ arena_copy(a, name), value };
	return 0;
}

struct expansion {
	struct boot_words *words;
	struct arena *arena;
	char *text; /* the word that grows */
	size_t len;
	bool started; /* an empty pair of quotes is a word as well */
	bool full;
};

static void put(struct expansion *x, char c)
{
	if (x->len + 1 >= WORD_MAX) {
		x->full = true;
		return;
	}
	x->text[x->len++] = c;
	x->started = true;
}

static void finish(struct expansion *x)
{
	if (!x->started)
		return;
	if (x->words->n == BOOT_WORDS_MAX)
		x->full = true;
	else
		x->words->v[x->words->n++] = arena_copy(x->arena, (struct str){ x->text, x->len });
	x->len = 0;
	x->started = false;
}

/* The name behind '$'; `*at` then stands behind it.  Empty: it is a plain '$'. */
static struct str take_name(size_t *at, struct str raw)
{
	struct str name = { raw.p + *at, 0 };

	if (*at < raw.len && raw.p[*at] == '{') {
		name.p++;
		while (*at + 1 + name.len < raw.len && name.p[name.len] != '}')
			name.len++;
		*at += name.len + 2 <= raw.len - *at ? name.len + 2 : raw.len - *at;
		return name;
	}
	while (*at + name.len < raw.len &&
		(ascii_is_word(name.p[name.len]) || name.p[name.len] == '_'))
		name.len++;
	/* $1, $@, $#, $? are one character long. */
	if (*at < raw.len && (ascii_is_digit(raw.p[*at]) || strchr("@#?*", raw.p[*at])))
		name.len = 1;
	*at += name.len;
	return name;
}

static void put_value(struct expansion *x, const char *value, bool quoted)
{
	for (; *value; value++) {
		if (!quoted && (*value == ' ' || *value == '\t' || *value == '\n'))
			finish(x);
		else
			put(x, *value);
	}
}

int boot_script_expand(struct boot_words *words, struct arena *a, const struct boot_token *token,
	const struct boot_variables *variables, const char *origin, struct err *e)
{
	char text[WORD_MAX];
	struct expansion x = { .words = words, .arena = a, .text = text };
	const struct str raw = token->raw;
	char quote = 0;

	for (size_t at = 0; at < raw.len;) {
		const char c = raw.p[at++];
		if (quote == '\'' && c != '\'') {
			put(&x, c);
		} else if ((c == '\'' && quote != '"') || (c == '"' && quote != '\'')) {
			quote = quote ? 0 : c;
			x.started = true;
		} else if (c == '\\' && at < raw.len && (!quote || strchr("\"\\$\n", raw.p[at]))) {
			if (raw.p[at] != '\n')
				put(&x, raw.p[at]);
			at++;
		} else if (c == '$') {
			const struct str name = take_name(&at, raw);
			if (name.len)
				put_value(&x, boot_variable(variables, name), quote);
			else
				put(&x, c);
		} else {
			put(&x, c);
		}
	}
	finish(&x);
	if (x.full)
		return err_set(e, ERR_UNSUPPORTED, "%s:%u: a line too long to be understood",
			origin, token->line);
	return 0;
}
