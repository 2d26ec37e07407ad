/* cmd/version.h - this program's version and those of the libraries in it
 *
 * Source:     CHANGELOG.md for ours, each library for its own.
 * Units:      none.
 * Ownership:  texts are static.
 * Errors:     ERR_SPACE from the buf.
 */
#pragma once

#include "base/buf.h"

extern const char version_text[];

/* "etcd-rescue VERSION" and, with `libraries`, one line for each library. */
int version_print(struct buf *out, bool libraries, struct err *e);
