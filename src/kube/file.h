/* kube/file.h - a text file of a control plane, and the changes to be made to it
 *
 * Every change is a range of bytes of the file as it is now, and what takes its place; all
 * other bytes stay, so comments, order, quoting and line ends do.
 *
 *   kube_file      the file of that path, read once, whoever asks
 *   kube_change    one more change; one that changes nothing is dropped
 *   kube_result    the text with all changes
 *   kube_diff      the same as a unified diff
 *
 * Source:     diff's unified format.
 * Units:      bytes; lines and columns from 1.
 * Ownership:  everything lives in the set's arena; the root is borrowed.
 * Errors:     ERR_FORMAT "PATH:LINE:COLUMN: why" for changes that overlap; those of os/file.h.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "codec/doc.h"
#include "os/root.h"

enum { KUBE_FILE_MAX = 1 << 20, KUBE_CHANGES_MAX = 1000 };

struct kube_change {
	size_t start, end; /* of the text; equal: put in between */
	struct str put;
	const char *what;    /* "--initial-cluster of container etcd" */
	struct str old, new; /* as values, without quotes */
	const char *why;
	/* Of a document: text [from, to) of `node` becomes `text`. */
	const struct doc_node *node;
	size_t from, to;
	struct str text;
	const struct doc_node *after; /* or: `text` is one more item of the list behind this one */
};

struct kube_file {
	struct kube_files *set;
	const char *path; /* below the root */
	struct str text;  /* as it is; empty for a file that is to be made */
	bool is_new;
	bool read; /* `doc` is filled, from `format` */
	enum doc_format format;
	struct doc doc;
	struct kube_change *changes;
	size_t n_changes, room;
	struct kube_file *next;
};

struct kube_files {
	struct arena *arena;
	const struct root *root;
	struct kube_file *first, **last;
	/* With ostree: what the running system has as /var, with /home and /root in it; NULL: it
	 * is a directory like others. */
	const struct root *var;
	/* Whose host name and network configuration count; NULL: those below the root. */
	const struct root *host;
};

struct kube_files kube_files(struct arena *a, const struct root *root);

/* Where `path` of the running system is looked for: below the root that is given back. */
const struct root *kube_below(const char **inside, const struct kube_files *set, const char *path);
bool kube_exists(const struct kube_files *set, const char *path);

/* ERR_NOTFOUND when there is none. */
int kube_file(struct kube_file **file, struct kube_files *set, const char *path, struct err *e);
/* One that does not exist yet; ERR_MISMATCH when it does. */
int kube_file_new(struct kube_file **file, struct kube_files *set, const char *path, struct err *e);
/* Its documents, parsed once. */
int kube_file_parse(struct kube_file *file, enum doc_format format, struct err *e);

/* ERR_FORMAT for "<<: *defaults" anywhere below: what it brings would not be seen. */
int kube_no_merges(const struct kube_file *file, const struct doc_node *node, struct err *e);

/* `change` is copied, its texts are borrowed from the arena. */
int kube_change(struct kube_file *file, const struct kube_change *change, struct err *e);

/* Does a change made so far touch these bytes? */
bool kube_is_changed(const struct kube_file *file, size_t start, size_t end);

void kube_place(unsigned *line, unsigned *column, const struct kube_file *file, size_t at);
/* "PATH:LINE:COLUMN: text" */
int kube_refuse(const struct kube_file *file, size_t at, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

int kube_result(struct buf *out, const struct kube_file *file, struct err *e);
int kube_diff(struct buf *out, const struct kube_file *file, struct err *e);
