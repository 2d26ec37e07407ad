/* Any bytes as an answer of a service: a tree within its limits, or one error. */
#include <stdlib.h>

#include "codec/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct xml_limits limits = { 1u << 16, 1000, 16, false };

static size_t count(const struct xml_node *node, unsigned depth)
{
	size_t n = 0;

	for (; node; node = node->next) {
		if (depth > limits.depth || !node->name.len || (node->first && node->text.len))
			abort();
		n += 1 + count(node->first, depth + 1);
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA(1 << 20);
	const struct xml_node *root;
	struct err e = { 0 };

	limits.cut = size % 2;
	if (!xml_parse(&root, &a, (struct span){ data, size }, limits, &e)) {
		if (root->next || count(root, 1) > limits.nodes)
			abort();
	} else if ((e.code != ERR_FORMAT && e.code != ERR_SPACE) || !*e.text) {
		abort();
	}
	arena_free(&a);
	return 0;
}
