/* etcd/ident.h - who the members of a restored cluster are
 *
 *   member id  = first 8 bytes of SHA-1(peer URLs sorted and joined, then the token)
 *   cluster id = first 8 bytes of SHA-1(all member ids ascending, 8 bytes each)
 *
 * A pure function of URLs and token; the name enters nothing.  Host names are compared as
 * text and never resolved: during a restore they often cannot be.
 *
 * Source:     etcd server/etcdserver/api/membership/{member,cluster}.go and
 *             server/config/config.go (VerifyBootstrap), 3.5.
 * Units:      ids are numbers; their text is hexadecimal without leading zeros.
 * Ownership:  everything a cluster points to lives in the arena given.
 * Errors:     ERR_USAGE with etcd's own words, which operators search for.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define ETCD_DEFAULT_NAME      "default"
#define ETCD_DEFAULT_CLUSTER   "default=http://localhost:2380"
#define ETCD_DEFAULT_TOKEN     "etcd-cluster"
#define ETCD_DEFAULT_ADVERTISE "http://localhost:2380"

enum { ETCD_MEMBERS_MAX = 100, ETCD_MEMBER_URLS_MAX = 100 };

struct etcd_member {
	uint64_t id;
	struct str name;
	const struct str *urls; /* normalised, sorted */
	size_t n_urls;
};

struct etcd_cluster {
	uint64_t id;
	struct str token;
	const struct etcd_member *members; /* by ascending id */
	size_t n_members;
};

/* The arguments of `snapshot restore` as given; all four texts are needed, but an
 * `advertise` with a NULL pointer is taken from `initial_cluster` by name. */
struct etcd_restore_config {
	struct str name;            /* --name */
	struct str initial_cluster; /* --initial-cluster */
	struct str token;           /* --initial-cluster-token */
	struct str advertise;       /* --initial-advertise-peer-urls */
};

/* Parse, check in etcd's order, compute the ids; `*own` is the member that is restored. */
int etcd_ident_cluster(struct etcd_cluster *cluster, const struct etcd_member **own,
	struct arena *a, const struct etcd_restore_config *config, struct err *e);

/* NULL when no member has that name. */
const struct etcd_member *etcd_ident_find(const struct etcd_cluster *cluster, struct str name);

/* An id as etcd prints it: lower-case hex without leading zeros. */
struct etcd_id_text {
	char text[17];
};
struct etcd_id_text etcd_ident_text(uint64_t id);

/* {"id":..,"peerURLs":[..],"name":".."} as in the members bucket and the WAL. */
int etcd_ident_member_json(struct buf *out, const struct etcd_member *member, struct err *e);

/* {"peerURLs":[..]} as in the v2 store. */
int etcd_ident_attributes_json(struct buf *out, const struct etcd_member *member, struct err *e);
