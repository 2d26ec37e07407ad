#include "plan/redact.h"

#include <string.h>
#include <strings.h>

enum { TOKEN_LEAST = 24 };

static const char hidden[] = "(hidden)";

void redact_know(struct redact *r, struct str secret)
{
	secret = str_trim(secret);
	if (secret.len >= REDACT_LEAST && r->n < REDACT_KNOWN)
		r->known[r->n++] = secret;
}

static bool is_letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* What a value of its own ends at. */
static bool ends_value(char c)
{
	return (unsigned char)c <= ' ' || c == '"' || c == '\'' || c == ',' || c == '}' ||
	       c == '<' || c == '>';
}

static bool begins(struct str text, size_t at, const char *what)
{
	const size_t len = strlen(what);

	return text.len - at >= len && !strncasecmp(text.p + at, what, len);
}

static size_t value_end(struct str text, size_t at)
{
	while (at < text.len && !ends_value(text.p[at]))
		at++;
	return at;
}

/* A known secret that begins here: its length, the longest of them. */
static size_t known_here(const struct redact *r, struct str text, size_t at)
{
	size_t best = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct str k = r->known[i];
		if (k.len > best && text.len - at >= k.len && !memcmp(text.p + at, k.p, k.len))
			best = k.len;
	}
	return best;
}

static size_t private_key_end(struct str text, size_t at)
{
	static const char end[] = "-----END";
	struct str rest = { text.p + at, text.len - at };
	size_t found;

	if (!begins(text, at, "-----BEGIN"))
		return 0;
	const char *line_end = memchr(rest.p, '\n', rest.len);
	struct str head = { rest.p, line_end ? (size_t)(line_end - rest.p) : rest.len };
	/* In JSON the lines are one, with \n between them. */
	head.len = head.len < 80 ? head.len : 80;
	if (!str_find(&found, head, STR("PRIVATE KEY-----")))
		return 0;
	rest.p += 10;
	rest.len -= 10;
	if (!str_find(&found, rest, (struct str){ end, sizeof end - 1 }))
		return text.len;
	size_t stop = at + 10 + found + sizeof end - 1;
	if (str_find(&found, (struct str){ text.p + stop, text.len - stop }, STR("-----")))
		stop += found + 5;
	return stop;
}

/* $1$, $2b$, $5$, $6$, $y$: hashes of crypt(5). */
static size_t hash_end(struct str text, size_t at)
{
	size_t i = at + 1, dollars = 1;

	if (text.p[at] != '$')
		return 0;
	for (; i < text.len && i < at + 5 && text.p[i] != '$'; i++) {
		if (!is_letter(text.p[i]) && (text.p[i] < '0' || text.p[i] > '9'))
			return 0;
	}
	const size_t end = value_end(text, at);
	for (; i < end; i++)
		dollars += text.p[i] == '$';
	return dollars >= 3 && end - at > 20 ? end : 0;
}

static bool is_token(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/* What an API server believes: a service account's token, "eyJ..." with two dots, or more (the
 * end of a sentence); OpenShift's
 * "sha256~...". */
static size_t token_end(struct str text, size_t at)
{
	const bool hashed = begins(text, at, "sha256~");
	size_t end = at + (hashed ? 7 : 0), dots = 0;

	if ((!hashed && text.p[at] != 'e') || (at && is_token(text.p[at - 1])) ||
		(!hashed && !begins(text, at, "eyJ")))
		return 0;
	for (; end < text.len && is_token(text.p[end]); end++)
		dots += text.p[end] == '.';
	return end - at > TOKEN_LEAST && (hashed || dots >= 2) ? end : 0;
}

/* Behind a name that tells: where its value begins, 0 when there is none. */
static size_t telling_value(struct str text, size_t at)
{
	static const char *const names[] = { "secret", "password", "passwd", "passphrase",
		"session_token", "session-token", "security-token", "authorization", "signature",
		"private_key", "private-key" };
	size_t i = 0, n = sizeof names / sizeof *names;

	while (i < n && !begins(text, at, names[i]))
		i++;
	if (i == n)
		return 0;
	at += strlen(names[i]);
	while (at < text.len && (is_letter(text.p[at]) || text.p[at] == '_' || text.p[at] == '-'))
		at++;
	while (at < text.len && (text.p[at] == ' ' || text.p[at] == '"' || text.p[at] == '\''))
		at++;
	if (at >= text.len || (text.p[at] != '=' && text.p[at] != ':'))
		return 0;
	at++;
	while (at < text.len && (text.p[at] == ' ' || text.p[at] == '"' || text.p[at] == '\''))
		at++;
	return at;
}

static int hide(struct buf *out, size_t *done, struct str text, size_t from, size_t to,
	const char *with, struct err *e)
{
	if (buf_add(out, text.p + *done, from - *done, e) || buf_add(out, with, strlen(with), e))
		return e->code;
	*done = to;
	return 0;
}

/* Behind "://": userinfo up to the last '@' in front of the path.  `*end` is where it ends. */
static int hide_user(
	struct buf *out, size_t *done, size_t *end, size_t at, struct str text, struct err *e)
{
	const size_t start = at + 3;
	size_t slash = start, user = 0;

	*end = value_end(text, start);
	while (slash < *end && text.p[slash] != '/' && text.p[slash] != '?')
		slash++;
	for (size_t i = start; i < slash; i++)
		user = text.p[i] == '@' ? i : user;
	return user ? hide(out, done, text, start, user, "...", e) : 0;
}

int redact_text(struct buf *out, const struct redact *r, struct str text, struct err *e)
{
	size_t done = 0, at = 0, url_end = 0;

	while (at < text.len) {
		size_t end = known_here(r, text, at);
		end = end ? at + end : private_key_end(text, at);
		end = end ? end : hash_end(text, at);
		end = end ? end : token_end(text, at);
		if (end) {
			/* It may overlap with what a URL has hidden already. */
			const size_t from = at > done ? at : done;
			if (end > done && hide(out, &done, text, from, end, hidden, e))
				return e->code;
			at = end;
			continue;
		}
		if (begins(text, at, "://")) {
			if (hide_user(out, &done, &url_end, at, text, e))
				return e->code;
			at += 3;
			continue;
		}
		if (at < url_end && text.p[at] == '?' && at + 1 >= done && at + 1 < url_end) {
			if (hide(out, &done, text, at + 1, url_end, "...", e))
				return e->code;
			at = url_end;
			continue;
		}
		const size_t value = telling_value(text, at);
		if (value && value < text.len && value >= done) {
			const bool basic = begins(text, value, "Basic ") ||
					   begins(text, value, "Bearer ") ||
					   begins(text, value, "AWS4");
			size_t stop = value_end(text, value);
			/* A scheme, and then what it is about. */
			while (basic && stop < text.len && text.p[stop] != '\n' &&
				text.p[stop] != '"')
				stop++;
			if (stop > value && hide(out, &done, text, value, stop, hidden, e))
				return e->code;
			at = stop > at ? stop : at + 1;
			continue;
		}
		at++;
	}
	return done < text.len ? buf_add(out, text.p + done, text.len - done, e) : 0;
}
