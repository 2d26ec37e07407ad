/* kube/slot.h - a value that stands somewhere in a file, and putting another in its place
 *
 * A value is a part of a text: of a scalar of YAML or JSON, or of a file as it is; the text
 * may be a command line with quotes of its own.  Setting a slot writes the new value in the
 * quoting that is there, and refuses when that cannot be done without guessing.
 *
 *   - --initial-cluster=a=https://10.0.0.1:2380     the part behind the second '='
 *   "command": ["/bin/sh", "-c", "exec etcd --name \"a\" >>log"]
 *                                                   a word, in shell quotes, in JSON's
 *
 * Source:     YAML 1.2.2 (7.3 flow scalar styles, 8.1 block scalars); RFC 8259 section 7.
 * Units:      bytes.
 * Ownership:  borrows file, node and word, which live in the arena of the file's set.
 * Errors:     ERR_FORMAT "PATH:LINE:COLUMN: why this cannot be written here".
 */
#pragma once

#include "kube/file.h"
#include "kube/words.h"

struct kube_slot {
	struct kube_file *file;
	const struct doc_node *node; /* NULL: a part of the file's own text */
	size_t from, to;             /* of node->text, or of the file */
	enum kube_dialect dialect;
	char quote;       /* of the word it stands in; 0: none */
	bool fixed;       /* nothing in it would be expanded */
	bool everywhere;  /* it is meant to change where an alias shows it, too */
	bool in_pieces;   /* its quoting changes on the way */
	struct str value; /* as the program that reads it sees it */
	const char *what; /* "--name of container etcd", for people */
};

/* The whole text of a scalar. */
struct kube_slot kube_slot_scalar(
	struct kube_file *file, const struct doc_node *node, const char *what);
/* Bytes [from, to) of a scalar's text. */
struct kube_slot kube_slot_part(struct kube_file *file, const struct doc_node *node, size_t from,
	size_t to, const char *what);
/* Bytes [from, to) of a word; `base` is where the words' text begins in its scalar or file. */
struct kube_slot kube_slot_word(struct kube_file *file, const struct doc_node *node, size_t base,
	const struct kube_word *word, size_t from, size_t to, enum kube_dialect dialect,
	const char *what);

/* Where it stands in the file, for messages. */
size_t kube_slot_at(const struct kube_slot *slot);

int kube_slot_set(const struct kube_slot *slot, struct str value, const char *why, struct err *e);
