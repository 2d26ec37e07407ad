#include "bolt/meta.h"

#include <inttypes.h>

#include "bolt/page.h"
#include "codec/fnv.h"
#include "os/file.h"

static const uint32_t magic = 0xED0CDAED;

int bolt_meta_parse(struct bolt_meta *meta, struct span bytes, struct err *e)
{
	if (bytes.len < BOLT_HEADER + BOLT_META_SIZE)
		return err_set(e, ERR_FORMAT, "only %zu bytes", bytes.len);
	const uint8_t *p = bytes.p + BOLT_HEADER;
	const struct bolt_meta m = {
		.page_size = le32(p + 8),
		.flags = le32(p + 12),
		.root = le64(p + 16),
		.sequence = le64(p + 24),
		.freelist = le64(p + 32),
		.pgid = le64(p + 40),
		.txid = le64(p + 48),
	};

	if (le32(p) != magic)
		return err_set(e, ERR_FORMAT, "not a bbolt meta page");
	if (le32(p + 4) != 2)
		return err_set(e, ERR_FORMAT, "bbolt version %u, not 2", le32(p + 4));
	if (codec_fnv1a64((struct span){ p, 56 }) != le64(p + 56))
		return err_set(e, ERR_FORMAT, "wrong checksum");
	if (m.page_size < BOLT_PAGE_SIZE_MIN || m.page_size > BOLT_PAGE_SIZE_MAX ||
		m.page_size & (m.page_size - 1))
		return err_set(e, ERR_FORMAT, "page size %u", m.page_size);
	if (m.pgid < 3 || m.pgid > INT64_MAX / m.page_size)
		return err_set(e, ERR_FORMAT, "%" PRIu64 " pages in use", m.pgid);
	if (m.root < 2 || m.root >= m.pgid)
		return err_set(e, ERR_FORMAT,
			"root page %" PRIu64 " is none of the %" PRIu64 " pages", m.root, m.pgid);
	if (m.freelist != BOLT_NO_FREELIST && (m.freelist < 2 || m.freelist >= m.pgid))
		return err_set(e, ERR_FORMAT,
			"freelist page %" PRIu64 " is none of the %" PRIu64 " pages", m.freelist,
			m.pgid);
	*meta = m;
	return 0;
}

void bolt_meta_write(uint8_t *page, const struct bolt_meta *m)
{
	const struct bolt_header h = { m->txid % 2, BOLT_META, 0, 0 };
	uint8_t *p = page + BOLT_HEADER;

	memset(page, 0, m->page_size);
	bolt_header_write(page, &h);
	put_le32(p, magic);
	put_le32(p + 4, 2);
	put_le32(p + 8, m->page_size);
	put_le32(p + 12, m->flags);
	put_le64(p + 16, m->root);
	put_le64(p + 24, m->sequence);
	put_le64(p + 32, m->freelist);
	put_le64(p + 40, m->pgid);
	put_le64(p + 48, m->txid);
	put_le64(p + 56, codec_fnv1a64((struct span){ p, 56 }));
}

/* The checksum leaves the page's own header out; bbolt panics over it when it checks. */
static void check_header(const uint8_t *bytes, unsigned page, struct err *odd)
{
	const struct bolt_header h = bolt_header_read(bytes);

	if (h.id != page)
		err_set(odd, ERR_FORMAT, "page %u says it is page %" PRIu64, page, h.id);
	else if (h.flags != BOLT_META)
		err_set(odd, ERR_FORMAT, "page %u: kind 0x%x", page, h.flags);
}

static int read_one(struct bolt_meta *meta, struct err *odd, unsigned page, int fd, uint64_t at,
	uint64_t size, struct err *e)
{
	uint8_t bytes[BOLT_HEADER + BOLT_META_SIZE];

	if (at > size || size - at < sizeof bytes)
		return err_set(e, ERR_FORMAT, "beyond the end of the file");
	if (file_read_at(fd, bytes, sizeof bytes, at, e))
		return e->code;
	check_header(bytes, page, odd);
	return bolt_meta_parse(meta, (struct span){ bytes, sizeof bytes }, e);
}

int bolt_meta_read(struct bolt_meta *meta, unsigned *index, struct err *other, int fd,
	uint64_t size, struct err *e)
{
	struct bolt_meta m[2];
	struct err why[2] = { 0 }, odd[2] = { 0 };

	/* Without the first page its size is not known; the second stands at one of them. */
	const bool first = !read_one(&m[0], &odd[0], 0, fd, 0, size, &why[0]);
	bool second = false;
	for (uint64_t at = first ? m[0].page_size : BOLT_PAGE_SIZE_MIN;
		!second && at <= BOLT_PAGE_SIZE_MAX; at *= 2) {
		struct err this = { 0 };
		odd[1] = (struct err){ 0 };
		second = !read_one(&m[1], &odd[1], 1, fd, at, size, &this);
		if (second && m[1].page_size != at) {
			err_set(&this, ERR_FORMAT, "page size %u", m[1].page_size);
			second = false;
		}
		if (!second && !why[1].code)
			why[1] = this;
		if (first)
			break;
	}
	/* A page that cannot be read may be the newer one: to go on would be to go back. */
	for (int i = 0; i < 2; i++) {
		if (why[i].code && why[i].code != ERR_FORMAT) {
			*e = why[i];
			return err_wrap(e, "meta page %d", i);
		}
	}
	if (!first && !second)
		return err_set(e, ERR_FORMAT,
			"neither meta page is usable: page 0: %.200s; page 1: %.200s", why[0].text,
			why[1].text);
	const unsigned best = first && (!second || m[0].txid > m[1].txid) ? 0 : 1;
	*meta = m[best];
	*index = best;
	*other = why[!best].code ? why[!best] : odd[best].code ? odd[best] : odd[!best];
	return 0;
}
