#include "etcd/received.h"

#include <unistd.h>

#include "bolt/check.h"
#include "etcd/kv.h"
#include "etcd/schema.h"
#include "etcd/snapshot.h"

/* Without one, what is written is trusted only after a look at every page. */
static int check_trailer(bool *verified, uint64_t *db_size, int fd,
	const struct etcd_copied *copied, bool skip, struct err *e)
{
	const bool trailer = etcd_snapshot_has_trailer(copied->size);
	uint8_t first[16] = { 0 };

	*verified = trailer && !skip;
	*db_size = copied->size - (trailer ? CODEC_SHA256_SIZE : 0);
	if (*verified)
		return etcd_snapshot_check_trailer(copied, e);
	if (trailer || (skip && copied->size))
		return 0;
	const ssize_t n = pread(fd, first, sizeof first, 0);
	return etcd_snapshot_no_trailer(
		e, copied->size, (struct span){ first, n > 0 ? (size_t)n : 0 });
}

static int check_entry(
	void *ctx, struct span bucket, struct span key, struct span value, struct err *e)
{
	uint64_t *entries = ctx;
	struct etcd_rev rev;
	struct etcd_kv kv;

	if (!span_equal(bucket, ETCD_KEY))
		return 0;
	++*entries;
	return etcd_rev_parse(&rev, key, e) ? e->code : etcd_kv_parse(&kv, value, e);
}

/* Leaves that were approved while they streamed by are only counted. */
static void count(void *ctx, struct span bucket, unsigned n)
{
	uint64_t *entries = ctx;

	if (span_equal(bucket, ETCD_KEY))
		*entries += n;
}

/* While the file streams by it is not known which bucket a leaf belongs to; one that is
 * not approved here is read again by the judge, who knows. */
static bool approve(void *ctx, const struct bolt_page *page)
{
	struct etcd_rev rev;
	struct etcd_kv kv;
	struct err ignored;

	(void)ctx;
	for (unsigned i = 0; i < page->count; i++) {
		const struct bolt_item item = bolt_page_item(page, i);
		if (etcd_rev_parse(&rev, item.key, &ignored) ||
			etcd_kv_parse(&kv, item.value, &ignored))
			return false;
	}
	return true;
}

struct bolt_scan etcd_received_scan(uint64_t *entries)
{
	if (!entries)
		return (struct bolt_scan){ .approve = approve };
	*entries = 0;
	return (struct bolt_scan){ .approve = approve, .count = count, .ctx = entries };
}

static int read_revision(struct etcd_received *r, struct err *e)
{
	struct etcd_revisions revisions;

	if (etcd_revisions_read(&revisions, &r->db, e))
		return e->code;
	r->revision = revisions.last.main;
	return 0;
}

int etcd_received_look(struct etcd_received *received, const struct bolt_db *db, struct err *e)
{
	struct etcd_received found = { .db = *db };
	const struct bolt_visitor visitor = { .entry = check_entry, .ctx = &found.entries };
	struct bolt_tally tally;

	if (bolt_check(&tally, db, &visitor, e) || read_revision(&found, e))
		return e->code;
	*received = found;
	return 0;
}

int etcd_received_check(struct etcd_received *received, int fd, const struct etcd_copied *copied,
	bool skip_hash, const struct listener *listener, const char *step, struct err *e)
{
	struct etcd_received found = { 0 };
	const struct bolt_visitor visitor = { .entry = check_entry, .ctx = &found.entries };
	bool verified;
	uint64_t size;

	if (check_trailer(&verified, &size, fd, copied, skip_hash, e))
		return e->code;
	if (bolt_db_open(&found.db, fd, size, e))
		return verified ? etcd_snapshot_was_damaged(e) : (int)e->code;
	if (found.db.other_meta.code)
		event_warning(listener, step, "one of the two meta pages is damaged: %s",
			found.db.other_meta.text);
	if (!verified)
		event_info(listener, step, "no sha256 was compared");
	if (!verified || !copied->scan) {
		const struct bolt_db db = found.db;
		if (etcd_received_look(&found, &db, e))
			return e->code;
	} else if (bolt_scan_judge(copied->scan, &found.db, &visitor, e) ||
		   read_revision(&found, e)) {
		return etcd_snapshot_was_damaged(e);
	}
	if (verified && copied->scan && copied->scan->ctx)
		found.entries += *(const uint64_t *)copied->scan->ctx;
	found.verified = verified;
	*received = found;
	return 0;
}
