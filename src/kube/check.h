/* kube/check.h - is a changed document what it was meant to become?
 *
 * The result is read again and compared, value by value: what was changed has the new text,
 * everything else has its old one, nothing came or went, and no text became a number, a null
 * or a list on the way.  A file that was not read as a document passes.
 *
 * Source:     none.
 * Units:      none.
 * Ownership:  the result's tree lives in the arena of the file's set.
 * Errors:     ERR_FORMAT "PATH:LINE:COLUMN: why".
 */
#pragma once

#include "kube/file.h"

int kube_check(const struct kube_file *file, struct str result, struct err *e);

/* Does a reader of YAML take this word, written bare, for something else than text? */
bool kube_is_typed(struct str word);
