/* What is looked for in a tree that has been read. */
#include "codec/doc.h"

const struct doc_node *doc_get(const struct doc_node *map, const char *key)
{
	if (!map || map->kind != DOC_MAP)
		return NULL;
	for (const struct doc_node *c = map->first; c; c = c->next) {
		if (str_is(c->key->text, key))
			return c;
	}
	return NULL;
}

struct str doc_text(const struct doc_node *map, const char *key)
{
	const struct doc_node *node = doc_get(map, key);

	return node && node->kind == DOC_SCALAR ? node->text : (struct str){ "", 0 };
}

/* Is `part` of a pointer, with ~1 for / and ~0 for ~, this key? */
static bool pointer_names(struct str part, struct str key)
{
	size_t at = 0;

	for (size_t i = 0; i < part.len; i++, at++) {
		char c = part.p[i];
		if (c == '~' && i + 1 < part.len)
			c = part.p[++i] == '1' ? '/' : '~';
		if (at >= key.len || key.p[at] != c)
			return false;
	}
	return at == key.len;
}

const struct doc_node *doc_find(const struct doc_node *node, const char *pointer)
{
	struct str rest = str_from(*pointer == '/' ? pointer + 1 : pointer), part;

	while (node && str_next(&part, &rest, '/')) {
		const bool is_list = node->kind == DOC_LIST;
		const struct doc_node *child = node->first;
		uint64_t index = 0;

		if (node->kind == DOC_SCALAR || (is_list && !str_u64(&index, part, 10, node->n)))
			return NULL;
		while (child && (is_list ? index-- > 0 : !pointer_names(part, child->key->text)))
			child = child->next;
		node = child;
	}
	return node;
}

bool doc_is_null(const struct doc_node *node)
{
	return node->kind == DOC_SCALAR && node->style == DOC_PLAIN &&
	       (!node->text.len || str_is(node->text, "~") || str_is(node->text, "null"));
}
