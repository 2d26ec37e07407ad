#include "codec/doc.h"

#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "codec/text.h"

struct anchor {
	struct str name;
	const struct doc_node *node;
	struct anchor *older;
};

/* A list or map that is still open; `spot` is where its next child goes. */
struct level {
	struct doc_node *node, **spot, *key;
	struct str anchor;
};

enum { MAX_DEPTH = 256, MAX_TEXT = 200 };

struct reader {
	struct arena *arena;
	struct str source;
	const char *name;
	struct doc_limits limits;
	struct doc *doc;
	struct anchor *anchors;
	struct doc_node **spot; /* where the next document goes */
	size_t nodes, aliases, end;
	unsigned depth;
	struct level levels[MAX_DEPTH];
	struct err *e;
};

static int bad(struct reader *r, unsigned line, unsigned column, const char *text)
{
	return err_set(r->e, ERR_FORMAT, "%s:%u:%u: %s", r->name, line, column, text);
}

static int bad_node(struct reader *r, const struct doc_node *node, const char *text)
{
	return bad(r, node->line, node->column, text);
}

/* libfyaml takes a wrong byte for the end of the input and says nothing, so the bytes are
 * checked before it sees them. */
static size_t character(struct str s, size_t at)
{
	const uint8_t *p = (const uint8_t *)s.p + at;

	if (*p < 0x80)
		return *p == '\t' || *p == '\n' || *p == '\r' || (*p >= 0x20 && *p != 0x7f);
	const size_t n = codec_text_utf8(p, s.len - at);
	/* U+0080 to U+009F but for the line end U+0085; U+FFFE and U+FFFF. */
	const bool is_control = (n == 2 && p[0] == 0xc2 && p[1] < 0xa0 && p[1] != 0x85) ||
				(n == 3 && p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe);
	return is_control ? 0 : n;
}

static int check_bytes(struct reader *r)
{
	unsigned line = 1, column = 1;
	size_t n;

	if (r->source.len > r->limits.bytes)
		return err_set(r->e, ERR_FORMAT, "%s: holds %zu bytes, more than %zu", r->name,
			r->source.len, r->limits.bytes);
	for (size_t at = 0; at < r->source.len; at += n) {
		n = character(r->source, at);
		if (!n)
			return err_set(r->e, ERR_FORMAT, "%s:%u:%u: byte 0x%02x is not UTF-8 text",
				r->name, line, column, (uint8_t)r->source.p[at]);
		column++;
		if (r->source.p[at] == '\n') {
			line++;
			column = 1;
		}
	}
	return 0;
}

static int by_text(const void *a, const void *b)
{
	const struct doc_node *x = *(const struct doc_node *const *)a;
	const struct doc_node *y = *(const struct doc_node *const *)b;
	const int order = str_compare(x->text, y->text);

	return order ? order : (x->start > y->start) - (x->start < y->start);
}

static int check_keys(struct reader *r, const struct doc_node *map)
{
	const struct arena_mark mark = arena_mark(r->arena);
	const struct doc_node **keys = arena_array(r->arena, map->n + 1, sizeof *keys);
	const struct doc_node *twice = NULL;
	unsigned first = 0;
	size_t n = 0;

	for (const struct doc_node *c = map->first; c; c = c->next)
		keys[n++] = c->key;
	qsort(keys, n, sizeof *keys, by_text);
	for (size_t i = 1; i < n; i++) {
		if (str_equal(keys[i - 1]->text, keys[i]->text) &&
			(!twice || keys[i]->start < twice->start)) {
			twice = keys[i];
			first = keys[i - 1]->line;
		}
	}
	arena_release(r->arena, mark);
	if (!twice)
		return 0;
	const int len = twice->text.len > MAX_TEXT ? MAX_TEXT : (int)twice->text.len;
	return err_set(r->e, ERR_FORMAT, "%s:%u:%u: '%.*s' stands here again, it is in line %u",
		r->name, twice->line, twice->column, len, twice->text.p, first);
}

static struct doc_node *new_node(struct reader *r, enum doc_kind kind, struct fy_event *event)
{
	const struct fy_mark *start = fy_event_start_mark(event), *end = fy_event_end_mark(event);
	struct doc_node *node = arena_alloc(r->arena, sizeof *node);

	node->kind = kind;
	node->style = kind == DOC_SCALAR ? DOC_PLAIN : DOC_BLOCK;
	node->weight = 1;
	node->height = 1;
	node->line = start ? (unsigned)start->line + 1 : 1;
	node->column = start ? (unsigned)start->column + 1 : 1;
	node->start = start ? start->input_pos : r->end;
	node->end = end ? end->input_pos : node->start;
	return node;
}

/* Hang `node` into what is open. */
static int place(struct reader *r, struct doc_node *node)
{
	if (++r->nodes > r->limits.nodes)
		return bad_node(r, node, "too many values for this kind of file");
	if (node->end > r->end)
		r->end = node->end;
	if (!r->depth) {
		*r->spot = node;
		r->spot = &node->next;
		r->doc->n_documents++;
		return 0;
	}
	struct level *up = &r->levels[r->depth - 1];
	if (up->node->kind == DOC_MAP && !up->key) {
		if (node->kind != DOC_SCALAR || node->alias)
			return bad_node(r, node, "a key must be a plain word or a quoted text");
		up->key = node;
		return 0;
	}
	node->key = up->key;
	up->key = NULL;
	*up->spot = node;
	up->spot = &node->next;
	up->node->n++;
	return 0;
}

/* The text of a token; none when there is no token.  On some quoted texts that go on over
 * several lines libfyaml miscounts and then gives nothing, which must not pass for "". */
static int keep_text(
	struct str *text, struct reader *r, struct fy_token *token, const struct doc_node *node)
{
	size_t len = 0;
	const char *p = token ? fy_token_get_text(token, &len) : "";

	if (!p)
		return bad_node(r, node, "this text cannot be read; write it on one line");
	*text = (struct str){ arena_copy(r->arena, (struct str){ p, len }), len };
	return 0;
}

static void name_anchor(struct reader *r, struct str name, const struct doc_node *node)
{
	if (!name.len)
		return;
	struct anchor *anchor = arena_alloc(r->arena, sizeof *anchor);
	*anchor = (struct anchor){ name, node, r->anchors };
	r->anchors = anchor;
}

/* The event's marks leave out quotes, and run past the last line of a block scalar. */
static void trim_scalar(struct reader *r, struct doc_node *node, enum fy_scalar_style style)
{
	const char *p = r->source.p;

	switch (style) {
	case FYSS_SINGLE_QUOTED:
	case FYSS_DOUBLE_QUOTED:
		node->style = style == FYSS_SINGLE_QUOTED ? DOC_SINGLE_QUOTED : DOC_DOUBLE_QUOTED;
		if (node->start && node->end < r->source.len) {
			node->start--;
			node->end++;
			node->column--;
		}
		break;
	case FYSS_LITERAL:
	case FYSS_FOLDED:
		node->style = style == FYSS_LITERAL ? DOC_LITERAL : DOC_FOLDED;
		while (node->end > node->start &&
			(p[node->end - 1] == ' ' || p[node->end - 1] == '\t'))
			node->end--;
		break;
	default:
		break;
	}
}

static int on_scalar(struct reader *r, struct fy_event *event)
{
	struct fy_token *value = event->scalar.value;
	struct doc_node *node = new_node(r, DOC_SCALAR, event);
	struct str anchor;

	if (value)
		trim_scalar(r, node, fy_token_scalar_style(value));
	/* Nothing after "key:"; a value put in goes behind the colon. */
	if (node->start == node->end && node->start < r->source.len &&
		r->source.p[node->start] == ':') {
		node->start = ++node->end;
		node->column++;
	}
	if (keep_text(&node->text, r, value, node) ||
		keep_text(&anchor, r, event->scalar.anchor, node))
		return r->e->code;
	name_anchor(r, anchor, node);
	return place(r, node);
}

static int on_alias(struct reader *r, struct fy_event *event)
{
	struct doc_node *node = new_node(r, DOC_SCALAR, event);
	const struct anchor *anchor = r->anchors;
	struct str name;

	if (node->start) { /* the star */
		node->start--;
		node->column--;
	}
	if (keep_text(&name, r, event->alias.anchor, node))
		return r->e->code;
	while (anchor && !str_equal(anchor->name, name))
		anchor = anchor->older;
	if (!anchor)
		return bad_node(r, node, "this alias has no finished anchor before it");
	if (++r->aliases > r->limits.aliases)
		return bad_node(r, node, "too many aliases for this kind of file");

	const struct doc_node *target = anchor->node;
	if (r->depth + target->height > r->limits.depth)
		return bad_node(r, node, "nested too deeply through this alias");
	r->nodes += target->weight - 1;
	const size_t start = node->start, end = node->end;
	const unsigned line = node->line, column = node->column;
	*node = *target;
	node->next = node->key = NULL;
	node->line = line;
	node->column = column;
	node->start = start;
	node->end = end;
	node->alias = true;
	return place(r, node);
}

static int on_open(struct reader *r, struct fy_event *event, enum doc_kind kind)
{
	struct doc_node *node = new_node(r, kind, event);
	struct fy_token *token =
		kind == DOC_MAP ? event->mapping_start.anchor : event->sequence_start.anchor;
	struct str anchor;

	if (node->end > node->start)
		node->style = DOC_FLOW;
	if (r->depth >= r->limits.depth || r->depth >= MAX_DEPTH)
		return bad_node(r, node, "nested too deeply");
	if (keep_text(&anchor, r, token, node) || place(r, node))
		return r->e->code;
	r->levels[r->depth++] = (struct level){ node, &node->first, NULL, anchor };
	return 0;
}

static int on_close(struct reader *r, struct fy_event *event)
{
	const struct fy_mark *end = fy_event_end_mark(event);
	const struct level *level = &r->levels[r->depth - 1];
	struct doc_node *node = level->node;

	node->end = node->style == DOC_FLOW && end ? end->input_pos : r->end;
	if (node->end > r->end)
		r->end = node->end;
	for (const struct doc_node *c = node->first; c; c = c->next) {
		node->weight += c->weight;
		if (c->height >= node->height)
			node->height = c->height + 1;
	}
	if (node->kind == DOC_MAP && check_keys(r, node))
		return r->e->code;
	name_anchor(r, level->anchor, node);
	r->depth--;
	return 0;
}

static int on_event(struct reader *r, struct fy_event *event)
{
	switch (event->type) {
	case FYET_DOCUMENT_START:
		r->anchors = NULL; /* anchors end with their document */
		return 0;
	case FYET_SCALAR:
		return on_scalar(r, event);
	case FYET_ALIAS:
		return on_alias(r, event);
	case FYET_SEQUENCE_START:
		return on_open(r, event, DOC_LIST);
	case FYET_MAPPING_START:
		return on_open(r, event, DOC_MAP);
	case FYET_SEQUENCE_END:
	case FYET_MAPPING_END:
		return on_close(r, event);
	default:
		return 0;
	}
}

static int syntax_error(struct reader *r, struct fy_diag *diag)
{
	void *at = NULL;
	const struct fy_diag_error *first = fy_diag_errors_iterate(diag, &at);

	if (!first || !first->msg)
		return bad(r, 1, 1, "cannot be read as YAML");
	return bad(r, (unsigned)(first->line > 0 ? first->line : 1),
		(unsigned)(first->column > 0 ? first->column : 1), first->msg);
}

static int read_events(struct reader *r, struct fy_parser *parser, struct fy_diag *diag)
{
	struct fy_event *event;
	bool ended = false;
	int status = 0;

	while (!status && !ended && (event = fy_parser_parse(parser))) {
		ended = event->type == FYET_STREAM_END;
		status = on_event(r, event);
		fy_parser_event_free(parser, event);
	}
	if (status)
		return status;
	return ended && !fy_parser_get_stream_error(parser) ? 0 : syntax_error(r, diag);
}

int doc_parse(struct doc *doc, struct arena *a, struct str source, const char *name,
	enum doc_format format, struct doc_limits limits, struct err *e)
{
	struct doc found = { 0 };
	struct fy_diag_cfg diag_cfg;
	struct fy_parser *parser = NULL;

	struct reader *r = arena_alloc(a, sizeof *r);
	*r = (struct reader){ .arena = a,
		.source = source,
		.name = name,
		.limits = limits,
		.doc = &found,
		.spot = &found.root,
		.e = e };
	if (check_bytes(r))
		return e->code;

	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL;
	struct fy_diag *diag = fy_diag_create(&diag_cfg);
	if (!diag)
		out_of_memory(0);
	fy_diag_set_collect_errors(diag, true);
	const struct fy_parse_cfg cfg = {
		.flags = FYPCF_QUIET | (format == DOC_JSON ? FYPCF_JSON_FORCE : FYPCF_JSON_NONE),
		.diag = diag,
	};
	parser = fy_parser_create(&cfg);
	/* The length 0 would mean "up to the zero byte". */
	if (!parser || fy_parser_set_string(
			       parser, source.len ? source.p : "\n", source.len ? source.len : 1))
		out_of_memory(source.len);
	const int status = read_events(r, parser, diag);
	fy_parser_destroy(parser);
	fy_diag_destroy(diag);
	if (status)
		return status;
	*doc = found;
	return 0;
}
