#include "kube/check.h"

#include <string.h>

static int differs(
	const struct kube_file *file, const struct doc_node *node, const char *why, struct err *e)
{
	return kube_refuse(file, node->start, e, "this cannot be changed safely: %s", why);
}

/* An alias that stays shows what its anchor became. */
static bool is_of(const struct kube_change *c, const struct doc_node *node)
{
	return c->node && (c->node == node || (node->alias && !c->node->alias &&
						      c->node->text.p == node->text.p));
}

static bool is_told(const struct kube_file *file, const struct doc_node *node)
{
	for (size_t i = 0; i < file->n_changes; i++) {
		if (file->changes[i].node == node)
			return true;
	}
	return false;
}

static int meant(struct buf *out, bool *changed, const struct kube_file *file,
	const struct doc_node *node, struct err *e)
{
	const bool own = is_told(file, node);
	const struct str old = node->text;
	size_t at = 0;

	*changed = false;
	for (size_t i = 0; i < file->n_changes; i++) {
		const struct kube_change *c = &file->changes[i];
		if (own ? c->node != node : !is_of(c, node))
			continue;
		if (c->from < at || c->to < c->from || c->to > old.len)
			return differs(file, node, "two changes of it overlap", e);
		if (buf_add(out, old.p + at, c->from - at, e) || buf_add_str(out, c->text, e))
			return e->code;
		at = c->to;
		*changed = true;
	}
	return buf_add(out, old.p + at, old.len - at, e);
}

static bool is_bare(const struct doc_node *node)
{
	return node->style == DOC_PLAIN && !node->alias && kube_is_typed(node->text);
}

static int compare_scalar(const struct kube_file *file, const struct doc_node *old,
	const struct doc_node *new, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(4 * KUBE_FILE_MAX);
	bool changed;

	if (meant(&text, &changed, file, old, e))
		return e->code;
	if (!str_equal(new->text, buf_text(&text)))
		return differs(file, old, "it would have another text than it should", e);
	if (is_bare(new) && !old->alias && !is_bare(old))
		return differs(file, old, "it would no longer be a text", e);
	return 0;
}

/* What is to follow this item of a list; NULL: nothing new. */
static const struct kube_change *put_behind(
	const struct kube_file *file, const struct doc_node *item)
{
	for (size_t i = 0; i < file->n_changes; i++) {
		if (file->changes[i].after == item)
			return &file->changes[i];
	}
	return NULL;
}

static size_t count_put(const struct kube_file *file, const struct doc_node *list)
{
	size_t n = 0;

	for (const struct doc_node *c = list->kind == DOC_LIST ? list->first : NULL; c; c = c->next)
		n += !!put_behind(file, c);
	return n;
}

static int compare(const struct kube_file *file, const struct doc_node *old,
	const struct doc_node *new, struct err *e)
{
	if (old->kind != new->kind || old->n + count_put(file, old) != new->n)
		return differs(file, old, "it would become something else", e);
	if (old->kind == DOC_SCALAR)
		return compare_scalar(file, old, new, e);
	if (old->alias) /* compared where its anchor stands */
		return new->alias ? 0 : differs(file, old, "it would not be an alias any more", e);
	const struct doc_node *b = new->first;
	for (const struct doc_node *a = old->first; a; a = a->next, b = b->next) {
		if (old->kind == DOC_MAP && !str_equal(a->key->text, b->key->text))
			return differs(file, a, "its key would change", e);
		if (compare(file, a, b, e))
			return e->code;
		const struct kube_change *more = put_behind(file, a);
		if (!more)
			continue;
		b = b->next;
		if (b->kind != DOC_SCALAR || b->alias || !str_equal(b->text, more->text))
			return differs(file, a, "what is put behind it would be something else", e);
	}
	return 0;
}

int kube_check(const struct kube_file *file, struct str result, struct err *e)
{
	const struct doc_node *a, *b;
	struct doc doc;

	if (!file->read || !file->n_changes)
		return 0;
	if (doc_parse(&doc, file->set->arena, result, file->path, file->format, DOC_LIMITS, e))
		return kube_refuse(file, file->changes[0].start, e,
			"with this changed, the file could not be read any more");
	for (a = file->doc.root, b = doc.root; a && b; a = a->next, b = b->next) {
		if (compare(file, a, b, e))
			return e->code;
	}
	return a || b ? kube_refuse(file, 0, e, "a document would come or go") : 0;
}
