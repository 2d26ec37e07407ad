#include "kube/words.h"

#include <string.h>

struct reader {
	struct arena *arena;
	struct str text;
	enum kube_dialect dialect;
	size_t at;
	/* The word in the making; never longer than the text. */
	char *bytes, *quotes;
	size_t *places, len;
	bool fixed, begun;
	struct kube_words *words;
	struct err *e;
};

static int peek(const struct reader *r, size_t ahead)
{
	return r->at + ahead < r->text.len ? (unsigned char)r->text.p[r->at + ahead] : -1;
}

static void keep(struct reader *r, char c, size_t at, char quote)
{
	r->bytes[r->len] = c;
	r->quotes[r->len] = quote;
	r->places[r->len++] = at;
	r->begun = true;
}

static void push(struct reader *r, bool operator)
{
	struct kube_word *w = &r->words->v[r->words->n++];
	size_t *places = arena_array(r->arena, r->len + 1, sizeof *places);

	memcpy(places, r->places, r->len * sizeof *places);
	/* Behind the last byte, or inside the quotes when it is in some. */
	places[r->len] = r->len ? r->places[r->len - 1] + 1 : r->at;
	w->text = (struct str){ arena_copy(r->arena, (struct str){ r->bytes, r->len }), r->len };
	w->at = places;
	w->quote = arena_copy(r->arena, (struct str){ r->quotes, r->len });
	w->fixed = r->fixed;
	w->operator= operator;
	r->len = 0;
	r->fixed = true;
	r->begun = false;
}

static void end_word(struct reader *r)
{
	if (r->begun)
		push(r, false);
}

static bool is_end_of_line(int c)
{
	return c == '\n' || c == '\r';
}

/* A byte; what a variable, substitution or specifier begins with is doubled in a unit where it
 * is itself. */
static void byte(struct reader *r, int c, char quote, bool raw)
{
	const bool shell = r->dialect == KUBE_SHELL;

	if (!raw && !shell && (c == '$' || c == '%') && peek(r, 1) == c) {
		keep(r, (char)c, r->at, '\\');
		r->at += 2;
		return;
	}
	if (!raw && (c == '$' || c == (shell ? '`' : '%')))
		r->fixed = false;
	keep(r, (char)c, r->at++, quote);
}

/* In a unit, comments may stand between the lines of a value. */
static void skip_comments(struct reader *r)
{
	for (;;) {
		size_t at = r->at;
		while (at < r->text.len && strchr(" \t", r->text.p[at]) && r->text.p[at])
			at++;
		if (at >= r->text.len || (r->text.p[at] != '#' && r->text.p[at] != ';'))
			return;
		while (at < r->text.len && r->text.p[at] != '\n')
			at++;
		r->at = at < r->text.len ? at + 1 : at;
	}
}

/* A backslash: the end of a line, an escape, or itself. */
static void backslash(struct reader *r, char quote)
{
	const int next = peek(r, 1);
	static const char known[] = "n\nt\ts \"\"''\\\\";

	if (next < 0) {
		keep(r, '\\', r->at++, quote);
	} else if (is_end_of_line(next)) {
		r->at += next == '\r' && peek(r, 2) == '\n' ? 3 : 2;
		if (r->dialect == KUBE_SYSTEMD) { /* a blank in its place */
			if (quote)
				keep(r, ' ', r->at - 1, '\\'); /* no byte of its own */
			else
				end_word(r);
			skip_comments(r);
		}
	} else if (r->dialect == KUBE_SHELL) {
		if (quote == '"' && !strchr("$`\"\\", next)) {
			keep(r, '\\', r->at++, quote);
		} else {
			keep(r, (char)next, r->at, '\\');
			r->at += 2;
		}
	} else {
		const char *k = known;
		while (*k && *k != next)
			k += 2;
		r->fixed = r->fixed && *k;
		keep(r, *k ? k[1] : (char)next, r->at, '\\');
		r->at += 2;
	}
}

static int quoted(struct reader *r, size_t *where)
{
	const char quote = r->text.p[r->at];
	const bool raw = quote == '\'' && r->dialect == KUBE_SHELL;

	*where = r->at++;
	r->begun = true;
	for (int c; (c = peek(r, 0)) != quote;) {
		if (c < 0)
			return err_set(r->e, ERR_FORMAT, "a quote without its end");
		if (c == '\\' && !raw) {
			backslash(r, quote);
			continue;
		}
		byte(r, c, quote, raw);
	}
	r->at++;
	return 0;
}

static void skip_line(struct reader *r)
{
	while (peek(r, 0) >= 0 && !is_end_of_line(peek(r, 0)))
		r->at++;
}

static int step(struct reader *r, size_t *where)
{
	const int c = peek(r, 0);
	const bool shell = r->dialect == KUBE_SHELL;

	if (c == ' ' || c == '\t' || (!shell && is_end_of_line(c))) {
		end_word(r);
		r->at++;
	} else if (c == '#' && shell && !r->begun) {
		skip_line(r);
	} else if (shell && (is_end_of_line(c) || strchr(";&|<>()", c))) {
		/* The number before a redirection is none of the command's words. */
		if ((c == '<' || c == '>') && r->len == 1 && r->bytes[0] >= '0' &&
			r->bytes[0] <= '9')
			r->begun = false, r->len = 0;
		end_word(r);
		keep(r, (char)c, r->at++, 0);
		push(r, true);
	} else if (c == '\'' || c == '"') {
		return quoted(r, where);
	} else if (c == '\\') {
		backslash(r, 0);
	} else {
		byte(r, c, 0, false);
	}
	return 0;
}

int kube_words(struct kube_words *words, size_t *at, struct arena *a, struct str text,
	enum kube_dialect dialect, struct err *e)
{
	struct reader r = { .arena = a,
		.text = text,
		.dialect = dialect,
		.bytes = arena_alloc(a, text.len + 1),
		.quotes = arena_alloc(a, text.len + 1),
		.places = arena_array(a, text.len + 1, sizeof(size_t)),
		.fixed = true,
		.words = words,
		.e = e };

	*words = (struct kube_words){ arena_array(a, text.len + 1, sizeof *words->v), 0 };
	while (r.at < text.len) {
		if (step(&r, at))
			return e->code;
	}
	end_word(&r);
	return 0;
}
