#include "bolt/db.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/arena.h"
#include "os/file.h"

enum { FIRST_READ_MAX = 64 * 1024 };

int bolt_db_open(struct bolt_db *db, int fd, uint64_t size, struct err *e)
{
	struct bolt_db found = { .fd = fd, .size = size };

	if (!size)
		return err_set(e, ERR_FORMAT, "the file is empty");
	if (bolt_meta_read(&found.meta, &found.meta_page, &found.other_meta, fd, size, e))
		return err_wrap(e, "no bbolt database");
	if (found.meta.pgid > size / found.meta.page_size)
		return err_set(e, ERR_FORMAT,
			"cut short: it should have %" PRIu64 " pages of %u bytes, but ends at "
			"byte %" PRIu64,
			found.meta.pgid, found.meta.page_size, size);
	*db = found;
	return 0;
}

static void slot_room(struct bolt_slot *slot, size_t len)
{
	if (slot->room >= len)
		return;
	uint8_t *p = realloc(slot->p, len);
	if (!p)
		out_of_memory(len);
	slot->p = p;
	slot->room = len;
}

static int check_end(const struct bolt_db *db, uint64_t id, uint32_t overflow, struct err *e)
{
	if (overflow < db->meta.pgid - id)
		return 0;
	return err_set(e, ERR_FORMAT, "page %" PRIu64 ": goes on for %u more pages, past the end",
		id, overflow);
}

int bolt_db_mark(const struct bolt_db *db, uint64_t first, uint32_t overflow, struct err *e)
{
	if (check_end(db, first, overflow, e))
		return e->code;
	for (uint64_t id = first; db->seen && id <= first + overflow; id++) {
		const uint64_t bit = UINT64_C(1) << (id % 64);
		if (db->seen[id / 64] & bit)
			return err_set(e, ERR_FORMAT,
				"page %" PRIu64 ": used twice (found again through page %" PRIu64
				")",
				id, first);
		db->seen[id / 64] |= bit;
	}
	return 0;
}

int bolt_db_load(struct bolt_slot *slot, const struct bolt_db *db, uint64_t id, struct err *e)
{
	const uint32_t page_size = db->meta.page_size;

	if (id < 2 || id >= db->meta.pgid)
		return err_set(e, ERR_FORMAT,
			"page %" PRIu64 ": referenced, but the file has pages 2 to %" PRIu64, id,
			db->meta.pgid - 1);
	/* Neighbours are mostly of one size, so that one read is mostly enough. */
	const uint64_t left = (db->meta.pgid - id) * page_size;
	size_t first = slot->last > page_size ? slot->last : page_size;
	if (first > FIRST_READ_MAX && page_size < FIRST_READ_MAX)
		first = FIRST_READ_MAX;
	if (first > left)
		first = (size_t)left;
	slot_room(slot, first);
	if (file_read_at(db->fd, slot->p, first, id * page_size, e))
		return err_wrap(e, "page %" PRIu64, id);

	const struct bolt_header h = bolt_header_read(slot->p);
	if (h.id != id)
		return err_set(
			e, ERR_FORMAT, "page %" PRIu64 ": says it is page %" PRIu64, id, h.id);
	if (check_end(db, id, h.overflow, e))
		return e->code;
	const uint64_t len = (1 + (uint64_t)h.overflow) * page_size;
	if (len > BOLT_PAGE_LIMIT)
		return err_set(e, ERR_UNSUPPORTED,
			"page %" PRIu64 ": has %" PRIu64 " bytes, the limit is %u", id, len,
			BOLT_PAGE_LIMIT);
	if (len > first) {
		slot_room(slot, (size_t)len);
		if (file_read_at(db->fd, slot->p + first, (size_t)len - first,
			    id * page_size + first, e))
			return err_wrap(e, "page %" PRIu64, id);
	}
	slot->last = (size_t)len;
	if (bolt_page_parse(&slot->page, (struct span){ slot->p, (size_t)len }, id, e))
		return e->code;
	return bolt_db_mark(db, id, h.overflow, e);
}

void bolt_slot_free(struct bolt_slot *slot)
{
	free(slot->p);
	*slot = (struct bolt_slot){ 0 };
}

static int by_id(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Children that lie close together are told of at once. */
static void advise(const struct bolt_db *db, const struct bolt_page *branch, int advice)
{
	enum { BATCH = 512, GAP = 8 };
	uint64_t id[BATCH];

	for (unsigned done = 0; done < branch->count; done += BATCH) {
		const unsigned n =
			branch->count - done < BATCH ? branch->count - done : (unsigned)BATCH;
		for (unsigned i = 0; i < n; i++)
			id[i] = bolt_page_item(branch, done + i).child;
		qsort(id, n, sizeof *id, by_id);
		for (unsigned i = 0, j; i < n; i = j) {
			for (j = i + 1; j < n && id[j] - id[j - 1] <= GAP; j++)
				;
			if (id[j - 1] >= db->meta.pgid)
				return;
			posix_fadvise(db->fd, (off_t)(id[i] * db->meta.page_size),
				(off_t)((id[j - 1] - id[i] + 2) * db->meta.page_size), advice);
		}
	}
}

void bolt_db_ahead(const struct bolt_db *db, const struct bolt_page *branch)
{
	advise(db, branch, POSIX_FADV_WILLNEED);
}

void bolt_db_behind(const struct bolt_db *db, const struct bolt_page *branch)
{
	advise(db, branch, POSIX_FADV_DONTNEED);
}
