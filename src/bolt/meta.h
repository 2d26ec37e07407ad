/* bolt/meta.h - the two meta pages: which is valid, which is newer
 *
 *	 0  magic      u32   0xED0CDAED
 *	 4  version    u32   2
 *	 8  page size  u32   of the machine that created the file, not of this one
 *	12  flags      u32
 *	16  root       u64   page of the root bucket
 *	24  sequence   u64
 *	32  freelist   u64   its page; all ones: not stored
 *	40  pgid       u64   the first page that was never used
 *	48  txid       u64
 *	56  checksum   u64   FNV-1a over the 56 bytes before
 *
 * It stands behind the page header of pages 0 and 1.  A transaction writes page txid % 2,
 * so the other one is the state before it.
 *
 * Source:     bbolt 1.3.11 and 1.4.3, internal/common/meta.go, db.go (getPageSize).
 * Units:      bytes; page ids count pages.
 * Ownership:  plain values.
 * Errors:     ERR_FORMAT, saying what is wrong with each of the two.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

#define BOLT_NO_FREELIST UINT64_MAX

enum {
	BOLT_META_SIZE = 64,
	BOLT_PAGE_SIZE_MIN = 1024,
	BOLT_PAGE_SIZE_MAX = 1024 << 14, /* db.go: getPageSizeFromSecondMeta */
};

struct bolt_meta {
	uint32_t page_size, flags;
	uint64_t root, sequence, freelist, pgid, txid;
};

/* `bytes` begins with the page header; refuses wrong magic, version, checksum and
 * numbers no file can have. */
int bolt_meta_parse(struct bolt_meta *meta, struct span bytes, struct err *e);

/* A whole page for page txid % 2; `page` has meta->page_size bytes. */
void bolt_meta_write(uint8_t *page, const struct bolt_meta *meta);

/* Reads both meta pages of the file; `*index` is the page the newer valid one came from.
 * `*other` tells why the other one was not usable, or what is odd about the header of
 * either, or is empty. */
int bolt_meta_read(struct bolt_meta *meta, unsigned *index, struct err *other, int fd,
	uint64_t size, struct err *e);
