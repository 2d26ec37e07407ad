/* kube/layout.h - which kind of control plane a disk holds, and what it says of etcd
 *
 *   kube_layout_find   the layout whose marker is there; none or two of them are refused
 *   kube_layout_bare   of a node that runs no etcd: whose marker of such nodes is there
 *   layout->read       what the files say, as they are
 *   layout->rewrite    the changes that make them say what the restore decided
 *
 * A layout is one row of the table in layout.c and one file.  Paths are as the running
 * system sees them, from its root; nothing here knows on which disk they lie.
 *
 * Source:     kubeadm 1.13 - 1.34, HPE Cray CSM 1.0 - 1.6, IBM Cloud Private 3.x, OpenShift
 *             4.1 - 4.16, kube-up's salt manifests.
 * Units:      none.
 * Ownership:  everything lives in the arena of the set of files.
 * Errors:     ERR_NOTFOUND no layout; ERR_DECLINED more than one, with the markers;
 *             ERR_FORMAT "PATH:LINE:COLUMN: why".
 */
#pragma once

#include "kube/args.h"
#include "kube/file.h"

/* More is no cluster of etcd, and is not read. */
enum { KUBE_TEXTS_MAX = 200 };

struct kube_texts {
	const char **v;
	size_t n;
};

struct kube_member {
	const char *name;
	struct kube_texts urls;
};

struct kube_members {
	struct kube_member *v;
	size_t n;
};

/* One etcd that this node runs. */
struct kube_cluster {
	const char *what; /* "etcd"; "etcd-events" */
	const char *name; /* of this node's member; NULL: the disk does not say */
	struct kube_texts peer_urls, client_urls;
	struct kube_members members;    /* as the disk says */
	bool partial;                   /* the disk may know but some of them */
	const char *token;              /* the disk's, else the layout's own */
	const char *data_dir, *wal_dir; /* wal_dir NULL: below data_dir */
	const char *fence;           /* without this file (manifest or unit) etcd does not start */
	const char *ca, *cert, *key; /* of its peers' TLS; NULL: none */
	uint16_t uid, gid;
};

struct kube_node {
	const struct kube_layout *layout;
	const char *marker;
	struct kube_files *files;
	const char *name;            /* the Node object's; NULL: the disk does not say */
	struct kube_texts addresses; /* its own, as its files say */
	struct kube_cluster *clusters;
	size_t n_clusters;
	struct kube_texts warnings;
};

struct kube_replacement { /* a name or an address that is another one now */
	const char *from, *to;
};

/* What the restore decided for one cluster; what is NULL or empty stays.  A data directory that
 * is there (a restore's) makes etcd ignore --initial-cluster-state, so that a restore leaves it;
 * a node that joins has none, and must say "existing": where etcd is not told a state at all,
 * which means "new", that is refused. */
struct kube_wanted_cluster {
	const char *name, *token;
	const char *state; /* "new", "existing" */
	struct kube_members members;
};

struct kube_wanted {
	const struct kube_wanted_cluster *clusters; /* as many as the node has, or none */
	const struct kube_replacement *replace;
	size_t n_replace;
};

struct kube_layout {
	const char *name;
	const char *token;          /* what its clusters are made with */
	const char *const *markers; /* any of them, NULL-terminated */
	const char *const *unless;  /* but none of these: another layout's; NULL: no such */
	/* What its nodes without an etcd have, any of them; and what is a master's alone, so that
	 * one that lost its manifest is not taken for such a node.  NULL: they are not known. */
	const char *const *bare, *const *never;
	int (*read)(struct kube_node *node, struct err *e);
	int (*rewrite)(struct kube_node *node, const struct kube_wanted *wanted, struct err *e);
};

extern const struct kube_layout *const kube_layouts[]; /* NULL-terminated */
extern const struct kube_layout kube_layout_kubeadm, kube_layout_csm, kube_layout_icp,
	kube_layout_salt, kube_layout_openshift42, kube_layout_openshift46;

/* `forced`: a layout's name, or NULL. */
int kube_layout_find(const struct kube_layout **layout, const char **marker,
	const struct root *root, struct arena *a, const char *forced, struct err *e);

/* ERR_NOTFOUND none; ERR_DECLINED there is a part of a master, which `e` names. */
int kube_layout_bare(const struct kube_layout **layout, const char **marker,
	const struct root *root, const char *forced, struct err *e);

/* Find, read. */
int kube_node(struct kube_node *node, struct kube_files *files, const char *forced, struct err *e);

/* For the layouts: growing lists, and what flags hold. */
void kube_add_text(struct kube_texts *texts, struct arena *a, const char *text);
/* The texts of a list; of anything else none. */
struct kube_texts kube_texts_of(struct arena *a, const struct doc_node *list);
void kube_warn(struct kube_node *node, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct kube_cluster *kube_add_cluster(struct kube_node *node, const char *what);
/* "a=https://1.2.3.4:2380,b=...,a=https://1.2.3.4:2381": a name may come again. */
void kube_read_members(struct kube_members *members, struct arena *a, struct str initial_cluster);
/* The members as --initial-cluster has them, in the given order. */
const char *kube_print_members(struct arena *a, const struct kube_members *members);
/* "https://1.2.3.4:2380,https://..." */
void kube_read_urls(struct kube_texts *urls, struct arena *a, struct str text);
/* Name, URLs, members, token, data and WAL directory and certificates from etcd's flags or,
 * where a flag is not given, its environment; paths as the container sees them. */
struct kube_pod;
struct kube_pod_etcd;
/* The same of a pod, paths as they are on the host; a data directory that is not on the host
 * is refused. */
int kube_read_pod_etcd(
	struct kube_cluster *cluster, const struct kube_pod_etcd *etcd, struct err *e);
void kube_read_etcd(struct kube_cluster *cluster, const struct kube_args *args,
	const struct kube_pod *pod, const struct doc_node *container);
