#include "bolt/page.h"

#include <inttypes.h>

struct bolt_header bolt_header_read(const uint8_t *p)
{
	return (struct bolt_header){ le64(p), le16(p + 8), le16(p + 10), le32(p + 12) };
}

void bolt_header_write(uint8_t *p, const struct bolt_header *h)
{
	put_le64(p, h->id);
	put_le16(p + 8, h->flags);
	put_le16(p + 10, h->count);
	put_le32(p + 12, h->overflow);
}

const char *bolt_kind(uint16_t flags)
{
	switch (flags) {
	case BOLT_BRANCH:
		return "branch";
	case BOLT_LEAF:
		return "leaf";
	case BOLT_META:
		return "meta";
	case BOLT_FREELIST:
		return "freelist";
	}
	return NULL;
}

static int check_items(const struct bolt_page *page, struct err *e)
{
	const uint8_t *p = page->bytes.p;
	const size_t len = page->bytes.len;
	const size_t data = BOLT_HEADER + (size_t)page->count * BOLT_ELEMENT;
	const bool leaf = page->flags == BOLT_LEAF;
	struct span last = { 0 };

	/* node.go reads count as up to 65535, but 0xFFFF is the freelist's escape. */
	if (page->count == 0xFFFF || data > len)
		return err_set(e, ERR_FORMAT, "page %" PRIu64 ": %u elements do not fit in it",
			page->id, page->count);
	for (unsigned i = 0; i < page->count; i++) {
		const size_t at = BOLT_HEADER + (size_t)i * BOLT_ELEMENT;
		const uint32_t flags = leaf ? le32(p + at) : 0;
		const uint64_t pos = at + (uint64_t)le32(p + at + (leaf ? 4 : 0));
		const uint64_t key_len = le32(p + at + (leaf ? 8 : 4));
		const uint64_t value_len = leaf ? le32(p + at + 12) : 0;

		if (pos < data || pos > len || key_len + value_len > len - pos)
			return err_set(e, ERR_FORMAT,
				"page %" PRIu64 ": element %u points outside the page", page->id,
				i);
		if (flags & ~(uint32_t)BOLT_ITEM_BUCKET)
			return err_set(e, ERR_FORMAT,
				"page %" PRIu64 ": element %u has unknown flags 0x%x", page->id, i,
				flags);
		if (!key_len)
			return err_set(e, ERR_FORMAT, "page %" PRIu64 ": element %u has no key",
				page->id, i);
		const struct span key = { p + pos, (size_t)key_len };
		if (i && span_compare(last, key) >= 0)
			return err_set(e, ERR_FORMAT,
				"page %" PRIu64 ": element %u is not behind element %u in key "
				"order",
				page->id, i, i - 1);
		last = key;
	}
	return 0;
}

int bolt_page_parse(struct bolt_page *page, struct span bytes, uint64_t id, struct err *e)
{
	if (bytes.len < BOLT_HEADER)
		return err_set(
			e, ERR_FORMAT, "page %" PRIu64 ": has only %zu bytes", id, bytes.len);
	const struct bolt_header h = bolt_header_read(bytes.p);
	const struct bolt_page found = { bytes, id, h.flags, h.count, h.overflow };

	if (h.id != id)
		return err_set(
			e, ERR_FORMAT, "page %" PRIu64 ": says it is page %" PRIu64, id, h.id);
	if (!bolt_kind(h.flags))
		return err_set(e, ERR_FORMAT, "page %" PRIu64 ": unknown kind 0x%x", id, h.flags);
	if ((h.flags == BOLT_BRANCH || h.flags == BOLT_LEAF) && check_items(&found, e))
		return e->code;
	*page = found;
	return 0;
}

int bolt_page_parse_inline(
	struct bolt_page *page, struct span bytes, struct span name, struct err *e)
{
	if (bytes.len < BOLT_HEADER)
		return err_set(e, ERR_FORMAT, "bucket '%.*s': its page has only %zu bytes",
			(int)name.len, (const char *)name.p, bytes.len);
	const struct bolt_header h = bolt_header_read(bytes.p);
	const struct bolt_page found = { bytes, 0, h.flags, h.count, 0 };

	if (h.flags != BOLT_LEAF)
		return err_set(e, ERR_FORMAT, "bucket '%.*s': its page is no leaf but 0x%x",
			(int)name.len, (const char *)name.p, h.flags);
	if (check_items(&found, e))
		return err_wrap(
			e, "bucket '%.*s', stored inline", (int)name.len, (const char *)name.p);
	*page = found;
	return 0;
}

struct bolt_item bolt_page_item(const struct bolt_page *page, unsigned index)
{
	const uint8_t *p = page->bytes.p + BOLT_HEADER + (size_t)index * BOLT_ELEMENT;

	if (page->flags == BOLT_BRANCH) {
		const struct span key = { p + le32(p), le32(p + 4) };
		return (struct bolt_item){ .key = key, .child = le64(p + 8) };
	}
	const struct span key = { p + le32(p + 4), le32(p + 8) };
	const struct span value = { key.p + key.len, le32(p + 12) };
	return (struct bolt_item){ .key = key, .value = value, .flags = le32(p) };
}

int bolt_page_check_bounds(
	const struct bolt_page *page, struct span low, struct span high, struct err *e)
{
	if (!page->count)
		return 0;
	if (span_compare(bolt_page_item(page, 0).key, low) < 0)
		return err_set(e, ERR_FORMAT,
			"page %" PRIu64 ": its first key is less than its parent says", page->id);
	if (high.len && span_compare(bolt_page_item(page, page->count - 1u).key, high) >= 0)
		return err_set(e, ERR_FORMAT,
			"page %" PRIu64 ": its last key belongs to the next page, its parent says",
			page->id);
	return 0;
}

unsigned bolt_page_find(const struct bolt_page *page, struct span key)
{
	unsigned low = 0, high = page->count;

	while (low < high) {
		const unsigned mid = low + (high - low) / 2;
		if (span_compare(bolt_page_item(page, mid).key, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}
