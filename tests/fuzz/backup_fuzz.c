/* Any text as the name of a backup: what is read out of it stays inside it. */
#include <stdlib.h>

#include "base/span.h"
#include "source/catalogue_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct str part, struct str all)
{
	if (part.len && (part.p < all.p || part.p + part.len > all.p + all.len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = { (const char *)data, size };
	struct catalogue_name n;
	struct name_time t;

	if (name_time_find(&t, text)) {
		inside(t.text, text);
		if (!t.text.len || t.seconds < 946684800 - 86400 || t.seconds > 4102444800 + 86400)
			abort();
	}
	catalogue_name_read(&n, text);
	inside(n.base, text);
	inside(n.parent, text);
	inside(n.folder, text);
	inside(n.node, text);
	inside(n.ending, text);
	if (n.has_time)
		inside(n.time.text, text);
	return 0;
}
