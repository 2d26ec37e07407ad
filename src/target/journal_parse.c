/* A journal's text, which may be torn, foreign or from the future, to a struct. */
#include <string.h>

#include "codec/crc32c.h"
#include "codec/doc.h"
#include "target/journal_part.h"

enum { TEXT_MAX = 4096, CRC_LINE = 16 }; /* "crc32c 01234567\n" */

static const char remedy[] = "; look at it, then move it away by hand";

static const struct doc_limits limits = { JOURNAL_SIZE_MAX, 200000, 0, 8 };

static int bad(struct err *e, const struct doc_node *n, const char *what)
{
	return err_set(e, ERR_FORMAT, "the journal, column %u: %s%s", n->column, what, remedy);
}

static bool is_number(uint64_t *value, const struct doc_node *n)
{
	return n->kind == DOC_SCALAR && n->style == DOC_PLAIN &&
	       str_u64(value, n->text, 10, UINT64_MAX);
}

static bool is_flag(bool *value, const struct doc_node *n)
{
	*value = str_is(n->text, "true");
	return n->kind == DOC_SCALAR && n->style == DOC_PLAIN &&
	       (*value || str_is(n->text, "false"));
}

static int text(const char **value, struct arena *a, const struct doc_node *n, struct err *e)
{
	if (n->kind != DOC_SCALAR || n->style != DOC_DOUBLE_QUOTED || n->text.len > TEXT_MAX ||
		(n->text.len && memchr(n->text.p, 0, n->text.len)))
		return bad(e, n, "is no text");
	*value = arena_copy(a, n->text);
	return 0;
}

/* The row's text, if the key is one of them. */
static int known_text(bool *known, void *fields, struct arena *a, const struct journal_text *row,
	const struct doc_node *n, struct err *e)
{
	const char *value;

	for (*known = false; row->key; row++) {
		if (!str_is(n->key->text, row->key))
			continue;
		*known = true;
		if (text(&value, a, n, e))
			return e->code;
		memcpy((char *)fields + row->field, &value, sizeof value);
	}
	return 0;
}

/* A path from a disk: it is only ever opened below a root, and has to lead somewhere plain. */
static bool is_plain(const char *path, bool may_be_top)
{
	struct str rest = str_from(path), part;

	if (!rest.len)
		return may_be_top;
	if (rest.p[0] == '/' || rest.p[rest.len - 1] == '/')
		return false;
	while (str_next(&part, &rest, '/')) {
		if (!part.len || str_is(part, ".") || str_is(part, ".."))
			return false;
	}
	return true;
}

static bool is_digest(const char *s)
{
	return !s || (strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64);
}

static int check_item(const struct journal_item *item, const struct doc_node *n, struct err *e)
{
	if (!item->device || !item->path || !is_plain(item->path, item->kind == JOURNAL_CONTENTS) ||
		(item->staged && !is_plain(item->staged, false)) ||
		(item->kept && !is_plain(item->kept, false)) ||
		(item->held && ((item->kind != JOURNAL_FILE && item->kind != JOURNAL_FENCE) ||
				       !is_plain(item->held, false))))
		return bad(e, n, "an item's path leads nowhere");
	if (!item->staged && (item->kind == JOURNAL_CONTENTS || item->kind == JOURNAL_DROPIN ||
				     (item->kind == JOURNAL_DIRECTORY && !item->kept) ||
				     (item->held && item->after)))
		return bad(e, n, "an item has nothing new, and nothing goes away");
	if (item->kind == JOURNAL_MOVED
			? !item->elsewhere || !item->staged || !item->kept || !item->before
			: !!item->elsewhere)
		return bad(e, n, "an item is moved to nowhere, or lies in two places");
	if (!is_digest(item->before) || !is_digest(item->after))
		return bad(e, n, "an item's sum is no SHA-256");
	return 0;
}

static int item_key(bool *has_kind, struct journal_item *item, struct arena *a,
	const struct doc_node *n, struct err *e)
{
	bool known, ok = true;

	if (known_text(&known, item, a, journal_item_texts, n, e))
		return e->code;
	if (known)
		return 0;
	if (str_is(n->key->text, "existed")) {
		ok = is_flag(&item->existed, n);
	} else if (str_is(n->key->text, "passing")) {
		ok = is_flag(&item->passing, n);
	} else if (str_is(n->key->text, "changing")) {
		ok = is_flag(&item->changing, n);
	} else if (str_is(n->key->text, "old-inode")) {
		ok = is_number(&item->old_inode, n);
	} else if (str_is(n->key->text, "new-inode")) {
		ok = is_number(&item->new_inode, n);
	} else if (str_is(n->key->text, "kind")) {
		for (int k = JOURNAL_DIRECTORY; k <= JOURNAL_DROPIN && !*has_kind; k++) {
			if (str_is(n->text, journal_kind_word((enum journal_kind)k))) {
				item->kind = (enum journal_kind)k;
				*has_kind = true;
			}
		}
		ok = *has_kind;
	} else {
		return bad(e, n->key, "an item has a key nobody knows");
	}
	return ok ? 0 : bad(e, n, "is not what this key takes");
}

static int items(struct journal *j, struct arena *a, const struct doc_node *list, struct err *e)
{
	if (list->kind != DOC_LIST || list->n > JOURNAL_ITEMS_MAX)
		return bad(e, list, "items is no list, or too long");
	j->items = arena_array(a, list->n + 1, sizeof *j->items);
	for (const struct doc_node *n = list->first; n; n = n->next) {
		struct journal_item *item = &j->items[j->n_items++];
		bool has_kind = false;

		if (n->kind != DOC_MAP)
			return bad(e, n, "an item is no object");
		for (const struct doc_node *k = n->first; k; k = k->next) {
			if (item_key(&has_kind, item, a, k, e))
				return e->code;
		}
		if (!has_kind)
			return bad(e, n, "an item has no kind");
		if (check_item(item, n, e))
			return e->code;
	}
	return 0;
}

static int places(struct journal_place **to, size_t *n_to, struct arena *a,
	const struct doc_node *list, struct err *e)
{
	if (list->kind != DOC_LIST || list->n > JOURNAL_PLACES_MAX)
		return bad(e, list, "is no list of places, or too long");
	*to = arena_array(a, list->n + 1, sizeof **to);
	for (const struct doc_node *n = list->first; n; n = n->next) {
		struct journal_place *place = &(*to)[(*n_to)++];
		uint64_t flags;
		const struct doc_node *device = doc_get(n, "device"), *path = doc_get(n, "path"),
				      *number = doc_get(n, "flags");

		if (!device || !path || !number || n->n != 3 || !is_number(&flags, number) ||
			flags > UINT32_MAX)
			return bad(e, n, "is no place");
		if (text(&place->device, a, device, e) || text(&place->path, a, path, e))
			return e->code;
		place->flags = (unsigned)flags;
		if (!is_plain(place->path, true))
			return bad(e, path, "a place's path leads nowhere");
	}
	return 0;
}

static int number(uint64_t *value, uint64_t most, const struct doc_node *n, struct err *e)
{
	return is_number(value, n) && *value <= most ? 0 : bad(e, n, "is no number for this key");
}

static int key(struct journal *j, struct arena *a, const struct doc_node *n, struct err *e)
{
	const struct str k = n->key->text;
	uint64_t v = 0;
	bool known;

	if (known_text(&known, j, a, journal_texts, n, e))
		return e->code;
	if (known || str_is(k, "version"))
		return 0;
	if (str_is(k, "generation"))
		return number(&j->generation, UINT64_MAX, n, e);
	if (str_is(k, "items"))
		return items(j, a, n, e);
	if (str_is(k, "stages"))
		return places(&j->stages, &j->n_stages, a, n, e);
	if (str_is(k, "locked"))
		return places(&j->locked, &j->n_locked, a, n, e);
	if (str_is(k, "forgotten"))
		return is_flag(&j->forgotten, n) ? 0 : bad(e, n, "is neither true nor false");
	if (str_is(k, "phase")) {
		for (int p = JOURNAL_INTENT; p <= JOURNAL_ROLLED_BACK; p++) {
			if (str_is(n->text, journal_phase_word((enum journal_phase)p)))
				j->phase = (enum journal_phase)p;
		}
		return j->phase ? 0 : bad(e, n, "is no phase");
	}
	int64_t *time = str_is(k, "began") ? &j->began : str_is(k, "changed") ? &j->changed : NULL;
	if (!time)
		return bad(e, n->key, "has a key nobody knows");
	if (number(&v, INT64_MAX, n, e))
		return e->code;
	*time = (int64_t)v;
	return 0;
}

/* The object alone, once the last line has said that all of it is there. */
static int unseal(struct str *object, struct str s, struct err *e)
{
	uint64_t crc;

	if (s.len <= CRC_LINE || s.p[s.len - 1] != '\n' ||
		!str_starts((struct str){ s.p + s.len - CRC_LINE, CRC_LINE }, STR("crc32c ")) ||
		!str_u64(&crc, (struct str){ s.p + s.len - 9, 8 }, 16, UINT32_MAX))
		return err_set(e, ERR_MISMATCH, "the journal does not end in its sum%s", remedy);
	*object = (struct str){ s.p, s.len - CRC_LINE };
	const uint32_t is =
		codec_crc32c(0, (struct span){ (const uint8_t *)object->p, object->len });
	return is == crc ? 0
			 : err_set(e, ERR_MISMATCH, "the journal's sum is %08x, it says %08x%s", is,
				   (uint32_t)crc, remedy);
}

int journal_parse(struct journal *out, struct arena *a, struct str source, struct err *e)
{
	struct journal j = { 0 };
	struct doc doc = { 0 };
	struct str object;
	uint64_t version;

	if (unseal(&object, source, e) ||
		doc_parse(&doc, a, object, "the journal", DOC_JSON, limits, e))
		return e->code;
	if (!doc.root || doc.root->kind != DOC_MAP)
		return err_set(e, ERR_FORMAT, "the journal is no object%s", remedy);
	const struct doc_node *n = doc_get(doc.root, "version");
	if (!n || !is_number(&version, n) || !version)
		return err_set(e, ERR_FORMAT, "the journal has no version%s", remedy);
	if (version > JOURNAL_VERSION) {
		const struct str by = doc_text(doc.root, "program");
		return err_set(e, ERR_UNSUPPORTED,
			"the journal was written by a newer etcd-rescue (%.*s); use that one",
			by.len > 40 ? 40 : (int)by.len, by.p);
	}
	for (n = doc.root->first; n; n = n->next) {
		if (key(&j, a, n, e))
			return e->code;
	}
	if (!j.phase)
		return err_set(e, ERR_FORMAT, "the journal has no phase%s", remedy);
	*out = j;
	return 0;
}
