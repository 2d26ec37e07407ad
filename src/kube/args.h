/* kube/args.h - the arguments and flags of a command, wherever it is written
 *
 *   command: [etcd, --name=a, --data-dir, /d]       a list of YAML or JSON, command and args
 *   command: ["/bin/sh", "-c", "exec etcd --name a >>log"]   the words of a shell's string
 *   ExecStart=/usr/bin/etcd --name a \              a unit's line
 *
 * A flag is "--name=value", "--name value", with one dash too, or "--name" alone; the last
 * of the same name is the one that counts, as in Go's flag package.
 *
 * Source:     Go's flag and pflag packages; Kubernetes Pod v1 (command, args).
 * Units:      none.
 * Ownership:  lives in the arena of the file's set.
 * Errors:     ERR_FORMAT "PATH:LINE:COLUMN: why".
 */
#pragma once

#include "kube/slot.h"

struct kube_arg {
	struct str text;
	bool fixed;
	struct kube_file *file;
	const struct doc_node *node;
	const struct kube_word *word; /* NULL: all of `node` */
	size_t base;
	enum kube_dialect dialect;
};

struct kube_args {
	struct kube_arg *v;
	size_t n;
	bool shell;      /* a shell runs them: what is read may be but a part of what happens */
	size_t script;   /* where its script's words begin */
	struct str text; /* the shell's whole string */
};

/* Of a container: its command and args. */
int kube_args_container(struct kube_args *args, struct kube_file *file,
	const struct doc_node *container, struct err *e);
/* Of bytes [from, to) of the file's own text. */
int kube_args_text(struct kube_args *args, struct kube_file *file, size_t from, size_t to,
	enum kube_dialect dialect, struct err *e);

/* The value of --NAME; false when there is no such flag. A flag without a value has the
 * value "true", which cannot be set. */
bool kube_flag(struct kube_slot *slot, const struct kube_args *args, const char *name);

/* The command that runs the program of that name (its last path component), from its own word
 * on: of a shell's script the one of several that does, without redirections.  n is 0 when
 * there is none; that two of them have flags is refused. */
int kube_args_program(
	struct kube_args *command, const struct kube_args *args, const char *name, struct err *e);

/* One more argument behind --NAME and its value: a line of its own below the item of a list of
 * YAML; anything else is refused. */
int kube_args_add(const struct kube_args *args, const char *name, const char *text, const char *why,
	struct err *e);
