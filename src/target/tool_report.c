#include "target/tool_report.h"

#include <string.h>

#include "codec/doc.h"

static int parse(const struct doc_node **root, struct arena *a, struct str text, const char *name,
	struct err *e)
{
	const char *start = text.len ? memchr(text.p, '{', text.len) : NULL;
	const char *end = text.len ? memrchr(text.p, '}', text.len) : NULL;
	struct doc doc;

	if (!start || !end || end < start)
		return err_set(e, ERR_FORMAT, "%s: no report", name);
	if (doc_parse(&doc, a, (struct str){ start, (size_t)(end - start) + 1 }, name, DOC_JSON,
		    DOC_LIMITS, e))
		return e->code;
	*root = doc.root;
	return 0;
}

static const char *text_of(struct arena *a, const struct doc_node *map, const char *key)
{
	return arena_copy(a, doc_text(map, key));
}

/* The rows of {"report": [{"pv": [..]}]}. */
static const struct doc_node *rows_of(const struct doc_node *root, const char *kind, struct err *e)
{
	const struct doc_node *rows = doc_find(root, kind);

	if (!rows || rows->kind != DOC_LIST) {
		err_set(e, ERR_FORMAT, "lvm: a report without %s", kind);
		return NULL;
	}
	return rows;
}

int tool_report_pvs(struct lvm_pvs *pvs, struct arena *a, struct str text, struct err *e)
{
	const struct doc_node *root, *rows;

	if (parse(&root, a, text, "lvm pvs", e) || !(rows = rows_of(root, "/report/0/pv", e)))
		return e->code;
	*pvs = (struct lvm_pvs){ arena_array(a, rows->n + 1, sizeof *pvs->v), 0 };
	for (const struct doc_node *row = rows->first; row; row = row->next) {
		struct lvm_pv pv = {
			text_of(a, row, "pv_name"),
			text_of(a, row, "vg_uuid"),
			text_of(a, row, "vg_name"),
			text_of(a, row, "vg_systemid"),
			0,
		};
		str_u64(&pv.n_missing, doc_text(row, "vg_missing_pv_count"), 10, UINT32_MAX);
		if (*pv.name && *pv.vg_uuid && *pv.vg_name)
			pvs->v[pvs->n++] = pv;
	}
	return 0;
}

int tool_report_lvs(struct lvm_lvs *lvs, struct arena *a, struct str text, struct err *e)
{
	const struct doc_node *root, *rows;

	if (parse(&root, a, text, "lvm lvs", e) || !(rows = rows_of(root, "/report/0/lv", e)))
		return e->code;
	*lvs = (struct lvm_lvs){ arena_array(a, rows->n + 1, sizeof *lvs->v), 0 };
	for (const struct doc_node *row = rows->first; row; row = row->next) {
		const struct lvm_lv lv = {
			text_of(a, row, "lv_name"),
			text_of(a, row, "vg_uuid"),
			text_of(a, row, "segtype"),
			str_is(doc_text(row, "lv_active"), "active"),
		};
		if (*lv.name && *lv.vg_uuid)
			lvs->v[lvs->n++] = lv;
	}
	return 0;
}

int tool_report_slots(struct luks_slots *slots, struct arena *a, struct str text, struct err *e)
{
	const struct doc_node *root, *map;
	uint64_t number, kib;

	if (parse(&root, a, text, "cryptsetup luksDump", e))
		return e->code;
	map = doc_get(root, "keyslots");
	if (!map || map->kind != DOC_MAP)
		return err_set(e, ERR_FORMAT, "cryptsetup luksDump: no keyslots");
	*slots = (struct luks_slots){ arena_array(a, map->n + 1, sizeof *slots->v), 0 };
	for (const struct doc_node *slot = map->first; slot; slot = slot->next) {
		if (!slot->key || !str_u64(&number, slot->key->text, 10, 31))
			continue;
		/* Of PBKDF2 there is no "memory". */
		if (!str_u64(&kib, doc_text(doc_get(slot, "kdf"), "memory"), 10, UINT32_MAX))
			kib = 0;
		size_t at = slots->n++;
		for (; at && slots->v[at - 1].number > number; at--)
			slots->v[at] = slots->v[at - 1];
		slots->v[at] = (struct luks_slot){ (unsigned)number, kib * 1024 };
	}
	return 0;
}
