/* os/names.h - what a directory holds, in a stable order
 *
 * The kernel gives names in any order; reports, tests and choices must not depend on it.
 * Numbers inside names count as numbers: sd9 before sd10, nvme0n1p2 before nvme0n1p10.
 *
 * Source:     readdir(3).
 * Units:      entries.
 * Ownership:  the names live in the caller's arena.
 * Errors:     ERR_NOTFOUND, ERR_IO; ERR_SPACE past NAMES_MAX entries.
 */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "os/root.h"

enum { NAMES_MAX = 65536 };

struct names {
	const char **v;
	size_t n;
};

/* All entries but "." and "..", sorted. */
int names_read(struct names *names, struct arena *arena, const struct root *root, const char *path,
	struct err *e);

/* Order of two names, as above: below, equal to or above zero. */
int names_compare(const char *a, const char *b);
