/* kube/rewrite.h - changes that every layout needs
 *
 *   kube_rewrite_etcd      the flags (or environment) of etcd say the wanted name, members, token
 *   kube_rewrite_replace   a replaced node's names and addresses, in all values of a file
 *
 * An address is replaced where it stands alone: 10.0.0.1 is not a part of 10.0.0.10, nor is
 * m1 of m10 or of xm1; comments stay as they are.  One of version 6 is found in any spelling:
 * fd00::7, FD00:0:0:0:0:0:0:7.
 *
 * Source:     etcd's flags; kubeadm's list of files that hold names and addresses.
 * Units:      none.
 * Ownership:  that of the files.
 * Errors:     ERR_FORMAT "PATH:LINE:COLUMN: why".
 */
#pragma once

#include "kube/layout.h"
#include "kube/pod.h"

int kube_rewrite_etcd(const struct kube_args *args, const struct kube_pod *pod,
	const struct doc_node *container, const struct kube_wanted_cluster *wanted, struct err *e);

/* Where etcd is not told --initial-cluster-state, `state` other than "new" is refused. */
int kube_rewrite_no_state(
	const struct kube_file *file, size_t at, const char *state, struct err *e);

/* What kube_rewrite_replace makes of a text that is no file's. */
const char *kube_replaced(struct arena *a, const char *text, const struct kube_wanted *wanted);

enum kube_kind { KUBE_YAML, KUBE_JSON, KUBE_TEXT /* lines; # begins a comment */ };

/* A file that is not there is none of the node's. */
int kube_rewrite_replace(struct kube_files *files, const char *path, enum kube_kind kind,
	const struct kube_wanted *wanted, struct err *e);
/* Each path of a NULL-terminated list. */
int kube_rewrite_replace_all(struct kube_files *files, const char *const *paths,
	enum kube_kind kind, const struct kube_wanted *wanted, struct err *e);
/* All files of a directory whose names end in one of the endings ("" for all), NULL-terminated. */
int kube_rewrite_replace_in(struct kube_files *files, const char *dir, const char *const *endings,
	enum kube_kind kind, const struct kube_wanted *wanted, struct err *e);
