/* kube/scalar.h - the bytes of a scalar: which of them hold a part of its text, and how
 * another text is written in its style
 *
 *   plain, 'single', "double"   on one line; a plain scalar that the new text would make
 *                               something else (a number, a comment, a list) gets quotes
 *   | literal                   line by line, behind the indentation
 *   *alias                      gives way to the text itself; its anchor stays
 *   nothing behind "key:"       a blank and the text
 *
 * What is folded over several lines is refused: its bytes cannot be told one by one.
 *
 * Source:     YAML 1.2.2 chapters 7 and 8; YAML 1.1 for what old readers take for numbers.
 * Units:      bytes.
 * Ownership:  new text lives in the arena of the file's set.
 * Errors:     ERR_FORMAT "PATH:LINE:COLUMN: why".
 */
#pragma once

#include "kube/file.h"

/* The bytes of the file that hold text [from, to); false when all is well. */
bool kube_scalar_bytes(size_t *start, size_t *end, const struct kube_file *file,
	const struct doc_node *node, size_t from, size_t to);

/* Fill start, end and put of `change` so that text [from, to) becomes `put`. */
int kube_scalar_put(struct kube_change *change, struct kube_file *file, const struct doc_node *node,
	size_t from, size_t to, struct str put, struct err *e);
