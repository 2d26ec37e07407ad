/* cmd/preview.h - what a Kubernetes snapshot holds, gathered in one walk over the live keys
 *
 * Source:     the keys of kube-apiserver 1.31 and CoreDNS as they stand in etcd.
 * Units:      bytes of key and value; seconds since 1970, 0: not known.
 * Ownership:  everything lives in the arena given.
 * Errors:     those of etcd/live.h.
 */
#pragma once

#include "base/arena.h"
#include "bolt/db.h"

/* Objects of one kind of resource, or keys with one beginning. */
struct preview_group {
	struct str resource, kind, api_version;
	bool kubernetes;
	uint64_t n, bytes;
	int64_t newest; /* creation of the newest object */
	struct preview_group *next, *same_hash;
};

/* Names in the order of the walk: the latest change first. */
struct preview_name {
	struct str name, holder;
	int64_t time;
	struct preview_name *next;
};

struct preview_list {
	struct preview_name *first, **last;
	size_t n;
};

/* How Secrets are stored: a provider and a key, or plain. */
struct preview_secret {
	struct str provider, key_name;
	uint64_t n;
	struct preview_secret *next;
};

enum { PREVIEW_HASH = 1024, PREVIEW_NAMES = 20000, PREVIEW_GROUPS = 5000 };

struct preview {
	struct arena *arena;
	struct preview_group *groups, *hash[PREVIEW_HASH];
	size_t n_groups;
	uint64_t keys, bytes;
	struct preview_list nodes, namespaces, apiservers, masterleases;
	struct preview_secret *secrets;
	int64_t newest; /* creation of any object, or renewal of any lease */
	struct str newest_key;
	bool kubernetes;
};

/* Groups come sorted by size, the largest first. */
int preview_read(struct preview *p, struct arena *a, const struct bolt_db *db, int64_t revision,
	struct err *e);
