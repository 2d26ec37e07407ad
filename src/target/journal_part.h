/* target/journal_part.h - what printing and parsing a journal share
 *
 * Source:     target/journal.h.
 * Units:      none.
 * Ownership:  constant.
 * Errors:     none.
 */
#pragma once

#include <stddef.h>

#include "target/journal.h"

/* Raised when an older program would do the wrong thing with what a newer one wrote. */
enum { JOURNAL_VERSION = 1 };

/* A key with a text, and where in the struct its pointer is; a NULL key ends a table. */
struct journal_text {
	const char *key;
	size_t field;
};

extern const struct journal_text journal_texts[], journal_item_texts[];
