#include "codec/xml.h"

#include <expat.h>
#include <string.h>

#include "base/buf.h"

enum { DEPTH_MAX = 64, PIECE = 1 << 20 };

struct open_node {
	struct xml_node *node, *last; /* and its last child so far */
};

struct reader {
	XML_Parser parser;
	struct arena *arena;
	struct buf text; /* of the innermost element, as long as it has no child */
	struct open_node open[DEPTH_MAX];
	struct xml_node *root;
	struct xml_limits limits;
	size_t n_nodes;
	unsigned depth;
	bool failed; /* and e says why */
	struct err *e;
};

static void refuse(struct reader *r, enum err_code code, const char *what)
{
	if (!r->failed)
		err_set(r->e, code, "line %lu: %s",
			(unsigned long)XML_GetCurrentLineNumber(r->parser), what);
	r->failed = true;
	XML_StopParser(r->parser, XML_FALSE);
}

static struct str local_name(const char *name)
{
	const char *colon = strrchr(name, ':');

	return str_from(colon && colon[1] ? colon + 1 : name);
}

static void on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
	struct reader *r = ctx;

	(void)attributes;
	if (r->failed)
		return;
	if (r->depth == r->limits.depth || r->depth == DEPTH_MAX) {
		refuse(r, ERR_SPACE, "elements are nested too deeply");
		return;
	}
	if (r->n_nodes == r->limits.nodes) {
		refuse(r, ERR_SPACE, "too many elements");
		return;
	}
	r->n_nodes++;
	struct xml_node *node = arena_alloc(r->arena, sizeof *node);
	const struct str local = local_name(name);
	node->name = (struct str){ arena_copy(r->arena, local), local.len };
	if (r->depth) {
		struct open_node *parent = &r->open[r->depth - 1];
		if (parent->last)
			parent->last->next = node;
		else
			parent->node->first = node;
		parent->last = node;
	} else {
		r->root = node;
	}
	r->open[r->depth++] = (struct open_node){ .node = node };
	buf_clear(&r->text);
}

static void on_end(void *ctx, const XML_Char *name)
{
	struct reader *r = ctx;

	(void)name;
	if (r->failed || !r->depth)
		return;
	struct xml_node *node = r->open[--r->depth].node;
	if (!node->first && r->text.len) {
		const struct str text = buf_text(&r->text);
		node->text = (struct str){ arena_copy(r->arena, text), text.len };
	}
	buf_clear(&r->text);
}

static void on_text(void *ctx, const XML_Char *text, int len)
{
	struct reader *r = ctx;

	/* What stands between children is white space of the layout. */
	if (r->failed || !r->depth || r->open[r->depth - 1].node->first)
		return;
	if (buf_add(&r->text, text, (size_t)len, r->e))
		refuse(r, ERR_SPACE, "too much text");
}

static void on_doctype(void *ctx, const XML_Char *name, const XML_Char *system,
	const XML_Char *public, int internal)
{
	(void)name, (void)system, (void)public, (void)internal;
	refuse(ctx, ERR_FORMAT, "a document type, which no answer of a service has");
}

static int parse_all(struct reader *r, struct span source, struct err *e)
{
	while (!r->failed) {
		const size_t n = source.len < PIECE ? source.len : PIECE;
		const bool last = n == source.len;
		const enum XML_Status status = XML_Parse(
			r->parser, (const char *)source.p, (int)n, last && !r->limits.cut);
		if (status != XML_STATUS_OK && !r->failed)
			return err_set(e, ERR_FORMAT, "line %lu: %s",
				(unsigned long)XML_GetCurrentLineNumber(r->parser),
				XML_ErrorString(XML_GetErrorCode(r->parser)));
		if (last)
			break;
		source = (struct span){ source.p + n, source.len - n };
	}
	if (!r->failed && !r->root)
		return err_set(e, ERR_FORMAT, "line 1: no element found");
	return r->failed ? (int)e->code : 0;
}

int xml_parse(const struct xml_node **root, struct arena *a, struct span source,
	struct xml_limits limits, struct err *e)
{
	struct reader r = { .arena = a, .limits = limits, .e = e, .text = BUF(limits.bytes) };

	if (source.len > limits.bytes)
		return err_set(e, ERR_SPACE, "%zu bytes of XML, more than the %zu allowed",
			source.len, limits.bytes);
	r.parser = XML_ParserCreate(NULL);
	if (!r.parser)
		out_of_memory(0);
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_start, on_end);
	XML_SetCharacterDataHandler(r.parser, on_text);
	XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
	const int bad = parse_all(&r, source, e);
	XML_ParserFree(r.parser);
	buf_free(&r.text);
	if (!bad)
		*root = r.root;
	return bad;
}

static const struct xml_node *named(const struct xml_node *node, struct str name)
{
	while (node && !str_equal(node->name, name))
		node = node->next;
	return node;
}

const struct xml_node *xml_child(const struct xml_node *node, const char *name)
{
	return node ? named(node->first, str_from(name)) : NULL;
}

const struct xml_node *xml_next(const struct xml_node *node)
{
	return node ? named(node->next, node->name) : NULL;
}

const struct xml_node *xml_find(const struct xml_node *node, const char *path)
{
	struct str name, rest = str_from(path);

	while (node && str_next(&name, &rest, '/'))
		node = named(node->first, name);
	return node;
}

struct str xml_text(const struct xml_node *node, const char *path)
{
	const struct xml_node *found = xml_find(node, path);

	return found ? found->text : (struct str){ "", 0 };
}
