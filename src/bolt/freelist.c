#include "bolt/freelist.h"

#include <inttypes.h>

int bolt_freelist_parse(
	struct bolt_freelist *list, const struct bolt_page *page, uint64_t pgid, struct err *e)
{
	const uint8_t *ids = page->bytes.p + BOLT_HEADER;
	size_t room = (page->bytes.len - BOLT_HEADER) / 8;
	uint64_t count = page->count;

	if (page->flags != BOLT_FREELIST)
		return err_set(e, ERR_FORMAT, "page %" PRIu64 ": is a %s page, not the freelist",
			page->id, bolt_kind(page->flags));
	if (count == 0xFFFF) {
		if (!room)
			return err_set(
				e, ERR_FORMAT, "page %" PRIu64 ": no room for its count", page->id);
		count = le64(ids);
		ids += 8;
		room--;
	}
	if (count > room)
		return err_set(e, ERR_FORMAT,
			"page %" PRIu64 ": a freelist of %" PRIu64 " pages does not fit in it",
			page->id, count);
	const struct bolt_freelist found = { { ids, (size_t)count * 8 }, count };
	for (uint64_t i = 0; i < count; i++) {
		const uint64_t id = bolt_freelist_id(&found, i);
		if (id < 2 || id >= pgid)
			return err_set(e, ERR_FORMAT,
				"page %" PRIu64 ": the freelist names page %" PRIu64
				", the file has 2 to %" PRIu64,
				page->id, id, pgid - 1);
		if (i && id <= bolt_freelist_id(&found, i - 1))
			return err_set(e, ERR_FORMAT,
				"page %" PRIu64 ": the freelist names page %" PRIu64
				" twice or out of order",
				page->id, id);
	}
	*list = found;
	return 0;
}

int bolt_freelist_load(
	struct bolt_freelist *list, struct bolt_slot *slot, const struct bolt_db *db, struct err *e)
{
	if (db->meta.freelist == BOLT_NO_FREELIST) {
		*list = (struct bolt_freelist){ 0 };
		return 0;
	}
	if (bolt_db_load(slot, db, db->meta.freelist, e))
		return err_wrap(e, "freelist");
	return bolt_freelist_parse(list, &slot->page, db->meta.pgid, e);
}

uint64_t bolt_freelist_id(const struct bolt_freelist *list, uint64_t index)
{
	return le64(list->ids.p + index * 8);
}
