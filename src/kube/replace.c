/* A replaced node's names and addresses, wherever a value holds one. */
#include <string.h>

#include "codec/address.h"
#include "kube/rewrite.h"
#include "kube/scalar.h"
#include "os/names.h"

/* A hostile directory must not take for ever; a real one holds some dozens. */
enum { DIRECTORY_MAX = 1000 };

static bool is_part(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '_';
}

static bool is_v4(struct str what)
{
	unsigned points = 0;

	for (size_t i = 0; i < what.len; i++) {
		if (what.p[i] != '.' && !(what.p[i] >= '0' && what.p[i] <= '9'))
			return false;
		points += what.p[i] == '.';
	}
	return points == 3;
}

/* May `at` be the end of a name or an address?  An address goes on behind a dot; a name's domain
 * is none of the name. */
static bool ends_at(struct str text, size_t at, struct str what)
{
	if (at >= text.len)
		return true;
	const char c = text.p[at], next = at + 1 < text.len ? text.p[at + 1] : 0;

	return !is_part(c) && !(is_v4(what) && c == '.' && is_part(next));
}

static bool begins_at(struct str text, size_t at)
{
	if (!at)
		return true;
	const char c = text.p[at - 1], before = at > 1 ? text.p[at - 2] : 0;
	return !is_part(c) && !(c == '.' && is_part(before));
}

static bool is_v6_part(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
	       c == ':' || c == '.';
}

/* An address of version 6 has many spellings: all that could be one is read. */
static bool next_v6(size_t *at, size_t *len, struct str text, const struct address *what)
{
	/* Up to the end of what a place before this began in. */
	while (*at && *at < text.len && is_v6_part(text.p[*at - 1]) && is_v6_part(text.p[*at]))
		++*at;
	while (*at < text.len) {
		size_t end = *at;
		while (end < text.len && is_v6_part(text.p[end]))
			end++;
		struct str run = { text.p + *at, end - *at };
		const bool alone =
			begins_at(text, *at) && (end == text.len || !is_part(text.p[end]));
		struct address found = address_read(run);
		/* "fd00::7: gone", "this is fd00::7." */
		if (!found.len && run.len && strchr(":.", run.p[run.len - 1])) {
			run.len--;
			found = address_read(run);
		}
		if (alone && found.len == sizeof what->bytes &&
			!memcmp(found.bytes, what->bytes, found.len)) {
			*len = run.len;
			return true;
		}
		*at = end + 1;
	}
	return false;
}

/* The next place at or behind `*at` where `what` stands alone, and how long it is there. */
static bool next_place(size_t *at, size_t *len, struct str text, struct str what)
{
	const struct address address = address_read(what);
	size_t found;

	if (address.len == sizeof address.bytes)
		return next_v6(at, len, text, &address);
	*len = what.len;
	while (*at < text.len &&
		str_find(&found, (struct str){ text.p + *at, text.len - *at }, what)) {
		*at += found;
		if (begins_at(text, *at) && ends_at(text, *at + what.len, what))
			return true;
		++*at;
	}
	return false;
}

const char *kube_replaced(struct arena *a, const char *text, const struct kube_wanted *wanted)
{
	const struct str whole = str_from(text);
	const char *out = "";
	size_t done = 0;

	while (done < whole.len) {
		const struct kube_replacement *first = NULL;
		size_t best = whole.len, size = 0, len;
		for (size_t i = 0; i < wanted->n_replace; i++) {
			size_t at = done;
			if (*wanted->replace[i].from &&
				next_place(&at, &len, whole, str_from(wanted->replace[i].from)) &&
				at < best) {
				best = at;
				size = len;
				first = &wanted->replace[i];
			}
		}
		out = arena_print(a, "%s%.*s%s", out, (int)(best - done), text + done,
			first ? first->to : "");
		done = best + size;
	}
	return out;
}

static bool is_told(const struct kube_slot *slot)
{
	size_t start = slot->from, end = slot->to;

	if (slot->node &&
		kube_scalar_bytes(&start, &end, slot->file, slot->node, slot->from, slot->to)) {
		start = slot->node->start;
		end = slot->node->end;
	}
	return kube_is_changed(slot->file, start, end);
}

static int replace_in_text(struct kube_file *file, const struct doc_node *node, size_t from,
	size_t to, const struct kube_wanted *wanted, struct err *e)
{
	const struct str text = node ? node->text : (struct str){ file->text.p, to };

	for (size_t i = 0; i < wanted->n_replace; i++) {
		const struct str what = str_from(wanted->replace[i].from);
		size_t len;
		for (size_t at = from; what.len && next_place(&at, &len, text, what) && at < to;
			at += len) {
			struct kube_slot slot =
				kube_slot_part(file, node, at, at + len, wanted->replace[i].from);
			/* Told already: the wanted members have the new address. */
			if (is_told(&slot))
				continue;
			slot.everywhere = true;
			if (kube_slot_set(&slot, str_from(wanted->replace[i].to),
				    "the node was replaced", e))
				return e->code;
		}
	}
	return 0;
}

static int replace_in_node(struct kube_file *file, const struct doc_node *node,
	const struct kube_wanted *wanted, struct err *e)
{
	if (node->alias) /* its anchor is changed */
		return 0;
	/* base64, in which a short name may stand by chance */
	if (node->key && str_ends(node->key->text, STR("-data")))
		return 0;
	if (node->kind == DOC_SCALAR)
		return replace_in_text(file, node, 0, node->text.len, wanted, e);
	for (const struct doc_node *c = node->first; c; c = c->next) {
		if (replace_in_node(file, c, wanted, e))
			return e->code;
	}
	return 0;
}

/* Line by line, but for comments. */
static int replace_in_lines(struct kube_file *file, const struct kube_wanted *wanted, struct err *e)
{
	struct str rest = file->text, line;

	while (str_next(&line, &rest, '\n')) {
		const struct str text = str_trim(line);
		const size_t from = (size_t)(line.p - file->text.p);
		size_t to = from + line.len;
		if (!text.len || text.p[0] == '#' || text.p[0] == ';')
			continue;
		for (size_t i = from + 1; i < to; i++) {
			if (file->text.p[i] == '#' && strchr(" \t", file->text.p[i - 1]))
				to = i;
		}
		if (replace_in_text(file, NULL, from, to, wanted, e))
			return e->code;
	}
	return 0;
}

int kube_rewrite_replace(struct kube_files *files, const char *path, enum kube_kind kind,
	const struct kube_wanted *wanted, struct err *e)
{
	struct kube_file *file;

	if (!wanted->n_replace)
		return 0;
	if (kube_file(&file, files, path, e))
		return err_forgive(e, ERR_NOTFOUND);
	if (kind == KUBE_TEXT)
		return replace_in_lines(file, wanted, e);
	if (kube_file_parse(file, kind == KUBE_JSON ? DOC_JSON : DOC_YAML, e))
		return e->code;
	for (const struct doc_node *d = file->doc.root; d; d = d->next) {
		if (replace_in_node(file, d, wanted, e))
			return e->code;
	}
	return 0;
}

int kube_rewrite_replace_all(struct kube_files *files, const char *const *paths,
	enum kube_kind kind, const struct kube_wanted *wanted, struct err *e)
{
	for (const char *const *p = paths; *p; p++) {
		if (kube_rewrite_replace(files, *p, kind, wanted, e))
			return e->code;
	}
	return 0;
}

int kube_rewrite_replace_in(struct kube_files *files, const char *dir, const char *const *endings,
	enum kube_kind kind, const struct kube_wanted *wanted, struct err *e)
{
	struct names names;
	size_t n = 0;

	if (!wanted->n_replace)
		return 0;
	if (names_read(&names, files->arena, files->root, dir, e))
		return err_forgive(e, ERR_NOTFOUND);
	for (size_t i = 0; i < names.n; i++) {
		for (const char *const *end = endings; *end; end++) {
			if (!str_ends(str_from(names.v[i]), str_from(*end)))
				continue;
			if (++n > DIRECTORY_MAX)
				return err_set(e, ERR_SPACE,
					"%s: more than %d files in it, which is no control plane's",
					dir, DIRECTORY_MAX);
			if (kube_rewrite_replace(files,
				    arena_print(files->arena, "%s/%s", dir, names.v[i]), kind,
				    wanted, e))
				return e->code;
			break;
		}
	}
	return 0;
}
