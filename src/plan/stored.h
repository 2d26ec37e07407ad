/* plan/stored.h - does what a snapshot holds go with the control plane on a disk?
 *
 *   - the CA that pods are told (kube-root-ca.crt) is the disk's, or the snapshot is another
 *     cluster's
 *   - what is encrypted in it needs keys by name, which the API server's configuration on the
 *     disk has or has not
 *   - kubeadm-config says what a blank disk does not: ClusterConfiguration
 *   - the names of Node objects, whose kubelets may have certificates again
 *   - kubeadm-certs holds the CAs, encrypted with a key that `kubeadm init --upload-certs` printed
 *
 * Source:     the keys of kube-apiserver 1.31 as they stand in etcd; kubeadm's uploadconfig and
 *             copycerts phases.
 * Units:      none.
 * Ownership:  everything lives in the arena given.
 * Errors:     those of etcd/snapshot.h and etcd/live.h; ERR_MISMATCH from plan_stored_judge when
 *             something could not be read.
 */
#pragma once

#include "base/arena.h"
#include "etcd/live.h"
#include "etcd/status.h"
#include "kube/encryption.h"

/* Objects of one resource that are stored alike. */
struct plan_stored_kind {
	const char *resource, *provider, *key; /* provider "": not encrypted */
	uint64_t n;
	struct plan_stored_kind *next;
};

struct plan_stored {
	struct arena *arena;
	struct plan_stored_kind *stored;
	size_t n_stored;
	bool has_certs, certs_encrypted;         /* the Secret kubeadm-certs */
	struct span certs;                       /* it, as stored; empty: none that can be read */
	struct str cluster_configuration;        /* YAML; empty: there is none */
	struct str root_ca;                      /* PEM; empty: there is none (before 1.20) */
	const struct etcd_known_member *members; /* NULL: it holds none */
	const char **nodes;                      /* names of Node objects, in any order */
	size_t n_nodes, node_bytes;
};

int plan_stored_file(struct plan_stored *s, struct arena *a, const char *path, struct err *e);

/* The same for who walks over a database himself; `members` stays NULL. */
struct etcd_live_visitor plan_stored_visitor(struct plan_stored *s, struct arena *a);

/* ERR_DECLINED when both name a CA and not one of them is the same: another cluster's. */
int plan_stored_same_cluster(
	const struct plan_stored *s, const struct kube_node *node, struct err *e);

/* Warnings for the node; ERR_MISMATCH when its API server could not read all of it. */
int plan_stored_judge(const struct plan_stored *s, struct kube_node *node, struct err *e);
