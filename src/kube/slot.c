#include "kube/slot.h"

#include <string.h>

#include "kube/scalar.h"

struct kube_slot kube_slot_part(struct kube_file *file, const struct doc_node *node, size_t from,
	size_t to, const char *what)
{
	const struct str text = node ? node->text : file->text;

	return (struct kube_slot){ .file = file,
		.node = node,
		.from = from,
		.to = to,
		.fixed = true,
		.value = { text.p + from, to - from },
		.what = what };
}

struct kube_slot kube_slot_scalar(
	struct kube_file *file, const struct doc_node *node, const char *what)
{
	return kube_slot_part(file, node, 0, node->text.len, what);
}

struct kube_slot kube_slot_word(struct kube_file *file, const struct doc_node *node, size_t base,
	const struct kube_word *word, size_t from, size_t to, enum kube_dialect dialect,
	const char *what)
{
	/* An empty value behind '=' stands in the quotes of the '='. */
	const char quote = to > from ? word->quote[from] : from ? word->quote[from - 1] : 0;
	struct kube_slot slot = { .file = file,
		.node = node,
		.from = base + word->at[from],
		.to = base + word->at[to],
		.dialect = dialect,
		.quote = quote,
		.fixed = word->fixed,
		.value = { word->text.p + from, to - from },
		.what = what };

	if (to > from) /* not up to the next byte: a quote may end in between */
		slot.to = base + word->at[to - 1] + 1;
	for (size_t i = from; i < to; i++)
		slot.in_pieces = slot.in_pieces || word->quote[i] != quote;
	slot.in_pieces = slot.in_pieces || quote == '\\';
	return slot;
}

size_t kube_slot_at(const struct kube_slot *slot)
{
	size_t start, end;

	if (!slot->node)
		return slot->from;
	if (slot->node->alias ||
		kube_scalar_bytes(&start, &end, slot->file, slot->node, slot->from, slot->to))
		return slot->node->start;
	return start;
}

static bool is_safe(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       strchr("_./:=,@+-", c);
}

/* The value as the words' quoting wants it. */
static int spell(struct str *out, const struct kube_slot *s, struct str value, struct err *e)
{
	struct arena *a = s->file->set->arena;
	bool safe = value.len > 0;

	*out = value;
	if (value.len && value.p[0] == '-')
		return kube_refuse(s->file, kube_slot_at(s), e,
			"%s: a new value with '-' in front would be taken for a flag", s->what);
	for (size_t i = 0; i < value.len; i++) {
		if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f)
			return kube_refuse(s->file, kube_slot_at(s), e,
				"%s: the new value holds a control character", s->what);
		safe = safe && is_safe(value.p[i]);
	}
	if (s->dialect == KUBE_NO_WORDS || safe)
		return 0;
	/* A unit's variables and specifiers are filled in within every kind of quotes. */
	const char *never = s->dialect == KUBE_SYSTEMD ? "'\"$\\%"
			    : s->quote == '\''         ? "'"
			    : s->quote == '"'          ? "\"$`\\"
						       : "'\"$`\\";
	for (size_t i = 0; i < value.len; i++) {
		if (strchr(never, value.p[i]))
			return kube_refuse(s->file, kube_slot_at(s), e,
				"%s: '%.*s' cannot be written in the quotes there", s->what,
				STR_ARG(value));
	}
	if (!s->quote) {
		char *text = arena_print(a, "'%.*s'", STR_ARG(value));
		*out = str_from(text);
	}
	return 0;
}

/* How often a scalar is seen, by aliases too. */
static size_t seen(const struct doc_node *node, const struct doc_node *what)
{
	size_t n = 0;

	for (; node; node = node->next) {
		n += node == what ||
		     (node->alias && node->kind == DOC_SCALAR && node->text.p == what->text.p);
		n += node->kind == DOC_SCALAR ? 0 : seen(node->first, what);
	}
	return n;
}

int kube_slot_set(const struct kube_slot *s, struct str value, const char *why, struct err *e)
{
	struct str put;

	if (s->fixed && str_equal(s->value, value))
		return 0;
	if (!s->fixed)
		return kube_refuse(s->file, kube_slot_at(s), e,
			"%s is '%.*s', which another program fills in; write the value itself "
			"there",
			s->what, STR_ARG(s->value));
	if (s->in_pieces)
		return kube_refuse(s->file, kube_slot_at(s), e,
			"%s is quoted in pieces; write it in one", s->what);
	if (s->node && !s->node->alias && !s->everywhere && seen(s->file->doc.root, s->node) > 1)
		return kube_refuse(s->file, kube_slot_at(s), e,
			"%s is used again through an alias; write the value itself in both places",
			s->what);
	if (spell(&put, s, value, e))
		return e->code;
	struct kube_change change = { .start = s->from,
		.end = s->to,
		.put = put,
		.what = s->what,
		.old = s->value,
		.new = value,
		.why = why,
		.node = s->node,
		.from = s->from,
		.to = s->to,
		.text = put };
	if (s->node && kube_scalar_put(&change, s->file, s->node, s->from, s->to, put, e))
		return e->code;
	return kube_change(s->file, &change, e);
}
