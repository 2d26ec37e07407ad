/* One page from anywhere: whatever parses can be walked without leaving it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "bolt/freelist.h"
#include "bolt/page.h"

static uint64_t touch(struct span s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s.len; i++)
		sum += s.p[i];
	return sum;
}

static uint64_t walk(const struct bolt_page *page)
{
	uint64_t sum = 0;

	if (page->flags != BOLT_LEAF && page->flags != BOLT_BRANCH)
		return 0;
	for (unsigned i = 0; i < page->count; i++) {
		const struct bolt_item item = bolt_page_item(page, i);
		sum += touch(item.key) + touch(item.value) + item.child;
		if (bolt_page_find(page, item.key) != i)
			abort();
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const struct span in = { bytes, len };
	uint64_t sum = 0;
	struct bolt_freelist list;
	struct bolt_page page;
	struct err e = { 0 };

	if (!bolt_page_parse_inline(&page, in, SPAN("fuzz"), &e))
		sum += walk(&page);
	if (len >= 8 && !bolt_page_parse(&page, in, le64(bytes), &e)) {
		sum += walk(&page);
		if (!bolt_freelist_parse(&list, &page, 1 << 20, &e))
			sum += touch(list.ids);
	}
	/* Used, so that the reads are not optimised away. */
	return sum == UINT64_MAX ? -1 : 0;
}
