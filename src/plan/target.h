/* plan/target.h - the control plane on a disk, and where its etcd really lies
 *
 *   plan_target         one mounted tree: deployment, layout, every cluster's directories
 *   plan_target_choose  of all volumes of the machine the one that holds a control plane
 *
 * Nothing is written, nothing of the target is run.
 *
 * Source:     kube/layout.h, target/place.h, target/probe.h; of HPE Cray's masters
 *             where etcd's overlay is, for trees whose fstab does not say.
 * Units:      none.
 * Ownership:  everything but descriptors lives in the arena; plan_target_close gives `running`
 *             back; roots and volumes are borrowed.
 * Errors:     ERR_NOTFOUND, ERR_DECLINED: none or several, with each volume that counts; those
 *             of kube/layout.h and target/place.h.
 */
#pragma once

#include "kube/layout.h"
#include "target/place.h"
#include "target/probe.h"

struct plan_target_directory {
	struct target_place place;
	const struct target_volume *volume; /* NULL: the root's own, or not found */
	bool reached;                       /* it could be looked into */
	bool has_member;                    /* and holds an etcd's member (of a WAL: a segment) */
};

struct plan_target_cluster {
	const struct kube_cluster *cluster;
	struct plan_target_directory data, wal; /* `wal` as far as the cluster has a wal_dir */
};

struct plan_target {
	const struct target_volume *volume; /* NULL: a tree that was mounted already */
	struct target_tree tree;
	struct root running; /* the running system's root: the deployment with ostree */
	struct root *var;    /* with ostree its /var; NULL: none */
	struct kube_files files;
	struct kube_node node;
	struct plan_target_cluster *clusters; /* as many as the node has */
	struct plan_target_directory aside;   /* as it was asked for */
	/* Where the kubelet keeps its pods, of a fresh master, with IBM Cloud Private, and of a
	 * node without an etcd; else nothing. */
	struct plan_target_directory kubelet;
};

struct plan_target_from {
	const struct root *root, *boot;       /* `boot` may be NULL */
	const struct target_volumes *volumes; /* of the other file systems; may be NULL */
	const char *layout;                   /* NULL: found */
	const struct root *config; /* of a fresh master: its files as they will be; NULL: these */
	const char *aside;         /* one more directory to be found; NULL: none */
	bool bare;                 /* a node without an etcd: there is no layout */
};

int plan_target(
	struct plan_target *t, struct arena *a, const struct plan_target_from *from, struct err *e);
void plan_target_close(struct plan_target *t);

/* `why`, one text a volume, says why it is not that one; NULL for the chosen. */
int plan_target_choose(struct plan_target *t, const char ***why, struct arena *a,
	const struct target_volumes *volumes, const char *layout, struct err *e);

/* The file system of a volume's /boot, where it is another one: with ostree it says which
 * deployment is booted.  NULL: none. */
const struct root *plan_target_boot(
	const struct target_volumes *volumes, const struct target_volume *v);
