/* etcd/v2store.h - the dump of the v2 store inside a .snap file
 *
 * etcd 3.4 and 3.5 learn the members at start-up from here and from nowhere else: a tree
 * of nodes /0/members/<id>/raftAttributes, the history of the N creations, counters.
 *
 * Source:     server/etcdserver/api/v2store/{store,node,watcher_hub,stats}.go, 3.5.16.
 * Units:      bytes of JSON.
 * Ownership:  the buf is the caller's.
 * Errors:     ERR_SPACE from the buf.
 */
#pragma once

#include "base/buf.h"
#include "etcd/ident.h"

/* The JSON text that etcdutl 3.5 writes for a restored cluster, byte for byte. */
int etcd_v2store_dump(struct buf *out, const struct etcd_cluster *cluster, struct err *e);
