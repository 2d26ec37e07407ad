/* codec/xml.h - answers of web services as a small tree: names, text, children
 *
 *   <ListBucketResult><Contents><Key>a.db</Key></Contents></ListBucketResult>
 *
 *   xml_parse(&root, &arena, bytes, XML_LIMITS, e);           root->name: ListBucketResult
 *   for (c = xml_child(root, "Contents"); c; c = xml_next(c))
 *           key = xml_text(c, "Key");
 *
 * Only elements and their text: attributes and comments are passed over, a namespace's
 * prefix is taken off the name.  The text of an element that has children is empty.  A
 * document type, and with it every entity of its own, is refused before it is read.
 *
 * Source:     XML 1.0; expat 2.
 * Units:      bytes, in UTF-8 whatever the document came in.
 * Ownership:  everything lives in the arena; nothing borrows from the source.
 * Errors:     ERR_FORMAT, "line L: what is wrong"; ERR_SPACE past a limit.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

struct xml_node {
	struct str name, text;
	const struct xml_node *first, *next; /* child, sibling */
};

struct xml_limits {
	size_t bytes, nodes;
	unsigned depth;
	bool cut; /* the source may end anywhere: what is whole of it counts */
};

/* Enough for 1,000 objects with names of full length; the tree takes less than 24 MiB then. */
#define XML_LIMITS ((struct xml_limits){ 8u << 20, 100000, 32, false })

int xml_parse(const struct xml_node **root, struct arena *a, struct span source,
	struct xml_limits limits, struct err *e);

/* The first child of that name, the next sibling of the same name; NULL: there is none.
 * A NULL node has none. */
const struct xml_node *xml_child(const struct xml_node *node, const char *name);
const struct xml_node *xml_next(const struct xml_node *node);

/* Down a path of names with '/' between them: "Error/Code". */
const struct xml_node *xml_find(const struct xml_node *node, const char *path);

/* The text at such a path below the node; empty where there is none. */
struct str xml_text(const struct xml_node *node, const char *path);
