/* codec/doc.h - YAML and JSON as a tree that knows where each value stands
 *
 * A node tells its line and column, for messages, and the bytes of its value in the
 * source, so that an edit can replace just these and leave comments, order and quoting
 * of everything else alone:
 *
 *   name: "ncn-m001"  # first        start and end hold "ncn-m001" with its quotes,
 *                                    text is ncn-m001
 *   args: [a, b]                     from [ up to and with ]
 *   list:                            block lists and maps: from the first child up to
 *     - a                            the end of the last one
 *   text: |                          block scalars: the lines behind the |
 *
 * What is refused beyond bad syntax: bytes that are not UTF-8, control characters, the
 * same key twice in a map, keys that are not scalars, an alias inside its own anchor, and
 * anything past the limits.  Aliases count as what they stand for, so a small file cannot
 * unfold into a large tree.
 *
 * Source:     YAML 1.2.2; RFC 8259; libfyaml 0.9.4, of which only the event parser is
 *             used (its loader has other limits, and keeps its errors to itself).
 * Units:      lines and columns count from 1, columns in characters; the rest is bytes.
 * Ownership:  everything lives in the arena; nothing borrows from the source.
 * Errors:     ERR_FORMAT, "NAME:LINE:COLUMN: what is wrong".
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum doc_kind { DOC_SCALAR, DOC_LIST, DOC_MAP };

enum doc_style {
	DOC_PLAIN,
	DOC_SINGLE_QUOTED,
	DOC_DOUBLE_QUOTED,
	DOC_LITERAL, /* | */
	DOC_FOLDED,  /* > */
	DOC_BLOCK,   /* a list or map by indentation */
	DOC_FLOW,    /* [] or {} */
};

enum doc_format { DOC_YAML, DOC_JSON }; /* YAML takes JSON too; JSON takes nothing else */

struct doc_node {
	enum doc_kind kind;
	enum doc_style style;
	struct str text; /* a scalar's value: unquoted, unescaped, unfolded */
	unsigned line, column;
	size_t start, end;      /* the value's bytes in the source */
	struct doc_node *key;   /* of an entry of a map; else NULL */
	struct doc_node *first; /* child of a list or map */
	struct doc_node *next;  /* sibling; of a root: the root of the next document */
	size_t n;               /* children */
	size_t weight;          /* nodes below and with this one, aliases unfolded */
	unsigned height;        /* levels below and with this one */
	bool alias;             /* stands for another node; start and end are the alias's */
};

struct doc {
	struct doc_node *root; /* of the first document; NULL: nothing but comments */
	size_t n_documents;
};

struct doc_limits {
	size_t bytes, nodes, aliases;
	unsigned depth;
};

/* Enough for any file a control plane has; the tree takes less than 16 MiB then. */
#define DOC_LIMITS ((struct doc_limits){ 1u << 20, 100000, 1000, 64 })

/* Parse all documents of `source`; `name` is what messages call it. */
int doc_parse(struct doc *doc, struct arena *a, struct str source, const char *name,
	enum doc_format format, struct doc_limits limits, struct err *e);

/* The value of a key of a map; NULL when there is none or `map` is none. */
const struct doc_node *doc_get(const struct doc_node *map, const char *key);

/* The text of a scalar that is the value of a key of a map; empty when there is none. */
struct str doc_text(const struct doc_node *map, const char *key);

/* The node at an RFC 6901 pointer, "/spec/containers/0/command"; NULL when there is none. */
const struct doc_node *doc_find(const struct doc_node *node, const char *pointer);

/* Nothing, `~` or `null`, written without quotes. */
bool doc_is_null(const struct doc_node *node);
