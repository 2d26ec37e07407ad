/* cmd/plan_snapshot.h - does what a snapshot holds go with the control plane on a disk?
 *
 *   - what is encrypted in it needs keys by name, which the API server's configuration on the
 *     disk has or has not
 *   - kubeadm-config says what a blank disk does not: ClusterConfiguration
 *   - kubeadm-certs holds the CAs, encrypted with a key that `kubeadm init --upload-certs` printed
 *
 * Source:     the keys of kube-apiserver 1.31 as they stand in etcd; kubeadm's uploadconfig and
 *             copycerts phases.
 * Units:      none.
 * Ownership:  everything lives in the arena given.
 * Errors:     those of etcd/snapshot.h and etcd/live.h; ERR_MISMATCH from cmd_snapshot_judge when
 *             something could not be read.
 */
#pragma once

#include "base/arena.h"
#include "etcd/status.h"
#include "kube/encryption.h"

/* Objects of one resource that are stored alike. */
struct cmd_stored {
	const char *resource, *provider, *key; /* provider "": not encrypted */
	uint64_t n;
	struct cmd_stored *next;
};

struct cmd_snapshot {
	struct arena *arena;
	struct cmd_stored *stored;
	size_t n_stored;
	bool has_certs, certs_encrypted;         /* the Secret kubeadm-certs */
	struct str cluster_configuration;        /* YAML; empty: there is none */
	const struct etcd_known_member *members; /* NULL: it holds none */
};

int cmd_snapshot_read(struct cmd_snapshot *s, struct arena *a, const char *path, struct err *e);

/* Warnings for the node; ERR_MISMATCH when its API server could not read all of it. */
int cmd_snapshot_judge(const struct cmd_snapshot *s, struct kube_node *node, struct err *e);
