/* Any bytes as YAML and as JSON: no crash, and every node lies inside the source. */
#include <stdlib.h>
#include <string.h>

#include "codec/doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.9.4 forgets one block when it gives up on a text: fy_atom_format_text. */
const char *__lsan_default_suppressions(void)
{
	return "leak:fy_atom_iter_grow_chunk";
}

static const struct doc_limits limits = { 64 * 1024, 5000, 100, 32 };

/* Counts nodes, and stops the run when one is not what the header promises. */
static size_t walk(const struct doc_node *node, struct str source, unsigned depth)
{
	size_t n = 1, children = 0;

	if (node->start > node->end || node->end > source.len || !node->line || !node->column)
		abort();
	if (depth > limits.depth + 1 || node->height > limits.depth + 1)
		abort();
	if (node->kind == DOC_SCALAR && node->style == DOC_PLAIN && !node->alias &&
		!memchr(source.p + node->start, '\n', node->end - node->start) &&
		!memchr(source.p + node->start, '\r', node->end - node->start) && node->text.len &&
		!str_equal(node->text,
			(struct str){ source.p + node->start, node->end - node->start }))
		abort();
	for (const struct doc_node *c = node->first; c; c = c->next) {
		if (!!c->key != (node->kind == DOC_MAP))
			abort();
		n += walk(c, source, depth + 1);
		children++;
	}
	if (children != node->n || n != node->weight)
		abort();
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str source = { (const char *)data, size };

	for (enum doc_format format = DOC_YAML; format <= DOC_JSON; format++) {
		struct arena arena = ARENA(32 << 20);
		struct doc doc = { 0 };
		struct err e = { 0 };

		if (!doc_parse(&doc, &arena, source, "input", format, limits, &e)) {
			for (const struct doc_node *d = doc.root; d; d = d->next)
				walk(d, source, 1);
		} else if (e.code != ERR_FORMAT || !e.text[0] || doc.root) {
			abort();
		}
		arena_free(&arena);
	}
	return 0;
}
