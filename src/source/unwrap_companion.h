/* source/unwrap_companion.h - a small file of an archive, read into memory
 *
 * Each name comes once, and neither one of them nor all together are longer than unwrap.h says.
 *
 * Source:     none.
 * Units:      bytes.
 * Ownership:  what was read lives in the arena; companions_free gives back what it was read with.
 * Errors:     ERR_FORMAT: the same name twice, or not as long as was told; ERR_SPACE past a cap.
 */
#pragma once

#include "base/buf.h"
#include "source/unwrap_layers.h"

enum { COMPANIONS_MAX = 4096 };

struct companions {
	const char *paths[COMPANIONS_MAX];
	size_t n;
	uint64_t size; /* of all of them */
	struct buf bytes;
};

#define COMPANIONS ((struct companions){ .bytes = BUF(UNWRAP_COMPANION_MAX) })

/* The archive's current member; `*fits` is false for one that is too long, and is no error. */
int companion_read(struct span *bytes, bool *fits, struct companions *c, struct arena *a,
	const struct layer *archive, const char *name, struct err *e);
void companions_free(struct companions *c);
