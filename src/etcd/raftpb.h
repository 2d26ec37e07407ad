/* etcd/raftpb.h - the raft messages that a WAL and a .snap file hold
 *
 *   message     fields, in the order written; zeros are written too
 *   Metadata    1 node id, 2 cluster id
 *   Entry       1 type, 2 term, 3 index, 4 data
 *   HardState   1 term, 2 vote, 3 commit
 *   WalSnapshot 1 index, 2 term, 3 conf state (absent before 3.5)
 *   ConfState   1 voters, one field each, 2 learners, 5 auto leave
 *   ConfChange  1 id, 2 type (0: add node), 3 node id, 4 context
 *   Snapshot    1 data, 2 { 1 conf state, 2 index, 3 term }
 *
 * Source:     go.etcd.io/raft raftpb/raft.proto; server/storage/wal/walpb/record.proto.
 * Units:      indexes and terms of raft; ids are numbers.
 * Ownership:  spans in decoded messages borrow the input.
 * Errors:     ERR_FORMAT naming message and field; unknown fields are passed over, a known
 *             one of the wrong kind is refused.
 */
#pragma once

#include "base/buf.h"
#include "etcd/ident.h"

struct etcd_metadata {
	uint64_t node_id, cluster_id;
};

enum { ETCD_ENTRY_NORMAL = 0, ETCD_ENTRY_CONF_CHANGE = 1, ETCD_ENTRY_CONF_CHANGE_V2 = 2 };

struct etcd_entry {
	uint64_t type, term, index;
	struct span data;
};

struct etcd_hard_state {
	uint64_t term, vote, commit;
};

struct etcd_conf_state {
	uint64_t voters[ETCD_MEMBERS_MAX], learners[ETCD_MEMBERS_MAX];
	size_t n_voters, n_learners;
	bool auto_leave, joint; /* joint: a change of two sets was under way */
};

struct etcd_wal_snapshot {
	uint64_t index, term;
	bool has_conf_state;
	struct etcd_conf_state conf_state;
};

struct etcd_snapshot {
	struct span data; /* the v2 store as JSON */
	uint64_t index, term;
	struct etcd_conf_state conf_state;
};

int etcd_raftpb_read_metadata(struct etcd_metadata *m, struct span in, struct err *e);
int etcd_raftpb_read_entry(struct etcd_entry *m, struct span in, struct err *e);
int etcd_raftpb_read_hard_state(struct etcd_hard_state *m, struct span in, struct err *e);
int etcd_raftpb_read_wal_snapshot(struct etcd_wal_snapshot *m, struct span in, struct err *e);
int etcd_raftpb_read_snapshot(struct etcd_snapshot *m, struct span in, struct err *e);

/* What a restore writes: every member a voter, index and commit the number of members. */
int etcd_raftpb_put_metadata(struct buf *out, const struct etcd_metadata *m, struct err *e);
int etcd_raftpb_put_hard_state(struct buf *out, const struct etcd_hard_state *m, struct err *e);
int etcd_raftpb_put_conf_state(struct buf *out, const struct etcd_cluster *c, struct err *e);
int etcd_raftpb_put_add_node(
	struct buf *out, const struct etcd_member *m, uint64_t index, struct err *e);
/* `conf_state` may be empty: then there is none. */
int etcd_raftpb_put_wal_snapshot(
	struct buf *out, uint64_t index, uint64_t term, struct span conf_state, struct err *e);
int etcd_raftpb_put_snapshot(struct buf *out, struct span data, struct span conf_state,
	uint64_t index, uint64_t term, struct err *e);
