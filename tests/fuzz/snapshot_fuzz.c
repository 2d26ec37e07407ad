/* Everything that only reads a snapshot, on bytes that are hardly one. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bolt/scan.h"
#include "dbfile.h"
#include "etcd/examine.h"
#include "etcd/hashkv.h"
#include "etcd/live.h"
#include "etcd/verify.h"

static int count(void *ctx, const struct etcd_kv *kv, struct err *e)
{
	(void)kv, (void)e;
	++*(uint64_t *)ctx;
	return 0;
}

/* The judge of the stream and the check agree, but for what only the check looks at. */
static void judge(int fd, size_t len)
{
	CLEAN_SCAN struct bolt_scan scan = { 0 };
	struct err e = { 0 }, e2 = { 0 }, e3 = { 0 };
	struct bolt_tally tally;
	struct bolt_db db;
	uint8_t *p = malloc(len);

	if (!file_read_at(fd, p, len, 0, &e) && !bolt_db_open(&db, fd, len, &e)) {
		for (size_t at = 0; at < len; at += 65536)
			bolt_scan_feed(&scan,
				(struct span){ p + at, len - at < 65536 ? len - at : 65536 });
		const bool judged = !bolt_scan_judge(&scan, &db, NULL, &e2);
		const bool checked = !bolt_check(&tally, &db, NULL, &e3);
		if (judged != checked &&
			(checked || (!strstr(e3.text, "freelist") && !strstr(e3.text, "nested"))))
			abort();
	}
	free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	CLOSE_FD int fd = dbfile_open(bytes, len);
	struct arena arena = ARENA(64u << 20);
	struct etcd_snapshot_file file = { .fd = fd, .size = len, .db_size = len };
	uint64_t live = 0;
	struct etcd_live_visitor visitor = { count, &live, false };
	struct etcd_hashkv hash;
	struct etcd_status s;
	struct err e = { 0 }, e2 = { 0 }, e3 = { 0 }, e4 = { 0 };

	if (fd < 0 || bolt_db_open(&file.db, fd, len, &e))
		return 0;
	const bool good = !etcd_examine(&s, &file, &arena, NULL, &e);
	const bool walked = !etcd_live_walk(&file.db, 0, &visitor, &e2);
	/* Forwards with removal and backwards with first sight count the same keys. */
	if (good && walked && live != s.live_keys)
		abort();
	etcd_hashkv_read(&hash, &file.db, 0, &e3);
	etcd_verify_keys(&file.db, &e4);
	judge(fd, len);
	arena_free(&arena);
	return 0;
}
