/* kube/pod.h - a static pod: its containers, and where their paths are on the host
 *
 *   containers[].volumeMounts[] {mountPath: /var/etcd, name: v}     etcd sees /var/etcd/data
 *   volumes[] {name: v, hostPath: {path: /mnt/pd/var/etcd}}         it is /mnt/pd/var/etcd/data
 *
 * Source:     Kubernetes Pod v1; kubelet's file source takes YAML and JSON alike.
 * Units:      none.
 * Ownership:  lives in the arena of the file's set.
 * Errors:     ERR_FORMAT "PATH:LINE:COLUMN: why".
 */
#pragma once

#include "kube/args.h"

struct kube_pod {
	struct kube_file *file;
	const struct doc_node *pod, *spec;
};

/* ERR_FORMAT when it is no pod. */
int kube_pod(struct kube_pod *pod, struct kube_file *file, struct err *e);

/* The container, initContainers too, that runs `program` (its last path component); NULL: none.
 * Its command is read into `args`. */
int kube_pod_runs(const struct doc_node **container, struct kube_args *args,
	const struct kube_pod *pod, const char *program, struct err *e);

/* The pod of a file, with the container that runs etcd and its arguments. */
struct kube_pod_etcd {
	struct kube_pod pod;
	const struct doc_node *container;
	struct kube_args args;   /* of etcd alone */
	struct kube_args script; /* all that the container runs */
};
int kube_pod_etcd(
	struct kube_pod_etcd *etcd, struct kube_files *files, const char *path, struct err *e);

/* Where `path` of a container is on the host; NULL when no host path is mounted there. */
const char *kube_pod_host_path(
	const struct kube_pod *pod, const struct doc_node *container, struct str path);

/* The node of volume's hostPath.path that holds `path`; NULL: none. */
const struct doc_node *kube_pod_host_node(struct str *below, const struct kube_pod *pod,
	const struct doc_node *container, struct str path);

/* An environment variable with a value of its own. */
bool kube_pod_env(struct kube_slot *slot, const struct kube_pod *pod,
	const struct doc_node *container, const char *name);
