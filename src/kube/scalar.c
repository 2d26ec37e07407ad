#include "kube/scalar.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "codec/text.h"
#include "kube/check.h"

/* Where the byte of the text that stands at `at` ends, and what it is; a walk over the
 * source that has to give just the text that the reader of documents gave. */
struct walk {
	struct str source;
	size_t at, end;
	size_t indent; /* of a literal block */
	bool begins;   /* a line of it */
	enum doc_style style;
};

static int hex(struct str s, size_t at, size_t n, uint32_t *v)
{
	uint64_t value;

	if (at + n > s.len || !str_u64(&value, (struct str){ s.p + at, n }, 16, 0x10ffff))
		return -1;
	*v = (uint32_t)value;
	return 0;
}

/* A backslash in double quotes: how long it is and what it stands for. */
static size_t escape(char out[4], size_t *n, struct str s, size_t at)
{
	static const char known[] = "0\0a\ab\bt\tn\nv\vf\fr\re\033\"\"//\\\\";
	uint32_t c = 0, low = 0;
	size_t len;

	if (at + 1 >= s.len)
		return 0;
	const char kind = s.p[at + 1];
	*n = 1;
	for (size_t i = 0; i + 1 < sizeof known; i += 2) {
		if (known[i] == kind) {
			out[0] = known[i + 1];
			return 2;
		}
	}
	if (kind == ' ') {
		out[0] = ' ';
		return 2;
	}
	len = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
	if (!len || hex(s, at + 2, len, &c))
		return 0;
	len += 2;
	if (kind == 'u' && c >= 0xd800 && c < 0xdc00) { /* a pair of them */
		if (at + len + 6 > s.len || s.p[at + len] != '\\' || s.p[at + len + 1] != 'u' ||
			hex(s, at + len + 2, 4, &low) || low < 0xdc00 || low > 0xdfff)
			return 0;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		len += 6;
	}
	*n = utf8_put(out, c);
	return len;
}

/* The next piece of text, 1 to 4 bytes; how many bytes of source it takes, 0: not told. */
static size_t piece(char out[4], size_t *n, struct walk *w)
{
	const char c = w->source.p[w->at];

	*n = 1;
	out[0] = c;
	switch (w->style) {
	case DOC_DOUBLE_QUOTED:
		return c == '\\' ? escape(out, n, w->source, w->at) : c == '\n' ? 0 : 1;
	case DOC_SINGLE_QUOTED:
		return c == '\'' ? 2 : c == '\n' ? 0 : 1;
	case DOC_LITERAL:
		return 1;
	default:
		return c == '\n' ? 0 : 1;
	}
}

/* Blanks before the first line that is not empty. */
static size_t indent_of(struct str source, size_t at, size_t end)
{
	size_t n = 0;

	for (; at < end; at++) {
		if (source.p[at] == ' ')
			n++;
		else if (source.p[at] == '\n')
			n = 0;
		else
			break;
	}
	return n;
}

static void skip_indent(struct walk *w)
{
	for (size_t n = 0; n < w->indent && w->at < w->end && w->source.p[w->at] == ' '; n++)
		w->at++;
}

static struct walk begin(const struct kube_file *file, const struct doc_node *node)
{
	const bool quoted = node->style == DOC_SINGLE_QUOTED || node->style == DOC_DOUBLE_QUOTED;
	struct walk w = { file->text, node->start, node->end, 0, false, node->style };

	if (quoted) {
		w.at++;
		w.end--;
	}
	if (node->style == DOC_LITERAL) {
		while (w.at && file->text.p[w.at - 1] != '\n')
			w.at--;
		w.indent = indent_of(file->text, w.at, w.end);
		skip_indent(&w);
	}
	return w;
}

bool kube_scalar_bytes(size_t *start, size_t *end, const struct kube_file *file,
	const struct doc_node *node, size_t from, size_t to)
{
	struct walk w = begin(file, node);
	size_t done = 0, n;
	char out[4];

	*start = *end = SIZE_MAX;
	if (node->kind != DOC_SCALAR || node->alias || node->style == DOC_FOLDED)
		return true;
	for (;;) {
		if (done == from)
			*start = w.at;
		if (done == to && (to > from || *end == SIZE_MAX))
			*end = w.at;
		if (w.at >= w.end || done >= node->text.len)
			break;
		const size_t len = piece(out, &n, &w);
		if (!len || done + n > node->text.len || memcmp(node->text.p + done, out, n))
			return true;
		done += n;
		w.at += len;
		/* The end of what is replaced stands before the next line's indentation. */
		if (done == to && *end == SIZE_MAX)
			*end = w.at;
		if (w.style == DOC_LITERAL && out[0] == '\n')
			skip_indent(&w);
	}
	return done != node->text.len || *start == SIZE_MAX || *end == SIZE_MAX || *end < *start;
}

/* What a reader takes for something else than text. */
bool kube_is_typed(struct str s)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL", "true", "True",
		"TRUE", "false", "False", "FALSE", "yes", "Yes", "YES", "no", "No", "NO", "on",
		"On", "ON", "off", "Off", "OFF", "y", "Y", "n", "N", ".inf", ".Inf", ".INF",
		"-.inf", "-.Inf", "-.INF", "+.inf", "+.Inf", "+.INF", ".nan", ".NaN", ".NAN", "<<",
		"=", NULL };
	bool digit = false;
	unsigned points = 0;

	for (const char *const *w = words; *w; w++) {
		if (str_is(s, *w))
			return true;
	}
	for (size_t i = 0; i < s.len; i++) {
		const char c = s.p[i];
		const bool is_hex = s.len > 2 && s.p[0] == '0' && memchr("xob", s.p[1], 3) != NULL;
		digit = digit || (c >= '0' && c <= '9');
		points += c == '.';
		if (!(c >= '0' && c <= '9') && !strchr("+-_.:eE", c) &&
			!(is_hex && strchr("xoabcdfABCDF", c)))
			return false;
	}
	return digit && points < 2;
}

static bool is_plain(struct str s, bool flow)
{
	if (!s.len || s.p[0] == ' ' || s.p[s.len - 1] == ' ' || s.p[s.len - 1] == ':' ||
		strchr(",[]{}#&*!|>'\"%@`", s.p[0]))
		return false;
	if (strchr("-?:", s.p[0]) &&
		(s.len == 1 || strchr(" \t", s.p[1]) || (flow && strchr(",[]{}", s.p[1]))))
		return false;
	if (s.len >= 3 && (!memcmp(s.p, "---", 3) || !memcmp(s.p, "...", 3)))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		const char c = s.p[i], next = i + 1 < s.len ? s.p[i + 1] : 0;
		if ((unsigned char)c < 0x20 || c == 0x7f ||
			(c == ':' && (next == ' ' || next == '\t')) ||
			(next == '#' && (c == ' ' || c == '\t')))
			return false;
		if (flow && (strchr(",[]{}", c) || (c == ':' && next && strchr(",[]{}", next))))
			return false;
	}
	return true;
}

static bool is_json(const struct kube_file *file)
{
	const struct str text = str_trim(file->text);

	return text.len && (text.p[0] == '{' || text.p[0] == '[');
}

static bool is_in_flow(const struct doc_node *node, size_t at)
{
	for (; node; node = node->next) {
		if (node->kind == DOC_SCALAR || node->alias || at < node->start || at >= node->end)
			continue;
		if (node->style == DOC_FLOW || is_in_flow(node->first, at))
			return true;
	}
	return false;
}

static int quote_double(struct buf *out, struct str s, struct err *e)
{
	for (size_t i = 0; i < s.len; i++) {
		const unsigned char c = (unsigned char)s.p[i];
		const int status = c == '"' || c == '\\' ? buf_print(out, e, "\\%c", c)
				   : c == '\n'           ? buf_print(out, e, "\\n")
				   : c == '\t'           ? buf_print(out, e, "\\t")
				   : c < 0x20            ? buf_print(out, e, "\\u%04x", c)
							 : buf_add(out, s.p + i, 1, e);
		if (status)
			return status;
	}
	return 0;
}

static int quote_single(struct buf *out, struct str s, struct err *e)
{
	for (size_t i = 0; i < s.len; i++) {
		if (buf_add(out, s.p + i, 1, e) || (s.p[i] == '\'' && buf_add(out, "'", 1, e)))
			return e->code;
	}
	return 0;
}

static struct str kept(struct kube_file *file, const struct buf *b)
{
	return (struct str){ arena_copy(file->set->arena, buf_text(b)), b->len };
}

/* The scalar as a whole, in quotes. */
static int put_whole(struct kube_change *change, struct kube_file *file,
	const struct doc_node *node, struct str text, bool bare, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(2 * KUBE_FILE_MAX);
	const char *mark = bare ? "" : "\"";

	change->start = node->start;
	change->end = node->end;
	/* Nothing yet behind "key:". */
	if (node->start == node->end && node->start && file->text.p[node->start - 1] == ':' &&
		buf_add(&out, " ", 1, e))
		return e->code;
	if (buf_print(&out, e, "%s", mark) ||
		(bare ? buf_add_str(&out, text, e) : quote_double(&out, text, e)) ||
		buf_print(&out, e, "%s", mark))
		return e->code;
	change->put = kept(file, &out);
	return 0;
}

/* A plain scalar stays one if it can; more than one part of it may change then. */
static int put_plain(struct kube_change *change, struct kube_file *file,
	const struct doc_node *node, size_t from, size_t to, struct str put, struct err *e)
{
	const struct str old = node->text;
	const struct str whole = str_from(arena_print(file->set->arena, "%.*s%.*s%.*s", (int)from,
		old.p, STR_ARG(put), (int)(old.len - to), old.p + to));
	/* What was a number may become another one. */
	const bool may_be_typed = !node->alias && old.len && kube_is_typed(old);
	/* JSON has no bare texts. */
	const bool bare = is_plain(whole, is_in_flow(file->doc.root, node->start)) &&
			  (kube_is_typed(whole) ? may_be_typed : !is_json(file));

	if (node->alias)
		return put_whole(change, file, node, whole, bare, e);
	if (kube_scalar_bytes(&change->start, &change->end, file, node, from, to))
		return kube_refuse(file, node->start, e,
			"this text goes on over several lines; write it on one");
	return bare && old.len ? 0 : put_whole(change, file, node, whole, bare, e);
}

int kube_scalar_put(struct kube_change *change, struct kube_file *file, const struct doc_node *node,
	size_t from, size_t to, struct str put, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(2 * KUBE_FILE_MAX);

	if (node->alias || node->style == DOC_PLAIN)
		return put_plain(change, file, node, from, to, put, e);
	if (kube_scalar_bytes(&change->start, &change->end, file, node, from, to))
		return kube_refuse(file, node->start, e,
			"this text is folded over several lines; write it on one");
	if (node->style == DOC_LITERAL && memchr(put.p, '\n', put.len))
		return kube_refuse(file, node->start, e, "one more line does not fit here");
	if (node->style != DOC_LITERAL) {
		if (node->style == DOC_DOUBLE_QUOTED ? quote_double(&out, put, e)
						     : quote_single(&out, put, e))
			return e->code;
		change->put = kept(file, &out);
	}
	return 0;
}
