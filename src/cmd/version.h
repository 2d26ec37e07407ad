/* cmd/version.h - this program's version and those of the libraries in it
 *
 * Ownership:  texts are static.
 */
#pragma once

#include "base/buf.h"

extern const char version_text[];

/* "etcd-rescue VERSION" and, with `libraries`, one line for each library. */
int version_print(struct buf *out, bool libraries, struct err *e);
