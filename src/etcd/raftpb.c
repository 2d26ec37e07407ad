#include "etcd/raftpb.h"

#include "codec/pb.h"

/* A message of a restore: a member's JSON and little else, or the v2 store of 100 members. */
enum { MESSAGE_MAX = 1 << 20 };

static int wrong_kind(struct err *e, const char *message, uint32_t number)
{
	return err_set(e, ERR_FORMAT, "%s: field %u is of the wrong kind", message, number);
}

/* The next field of `message`; a field among the first `n_known` has to be of the kind
 * that `kinds` gives it: 'n' number, 'b' bytes, '*' either (repeated numbers, packed). */
static int next(struct codec_pb_field *f, struct cursor *in, const char *message, const char *kinds,
	struct err *e)
{
	if (codec_pb_next(f, in, e))
		return err_wrap(e, "%s", message);
	if (!f->number || f->number > strlen(kinds))
		return 0;
	const char kind = kinds[f->number - 1];

	if ((kind == 'n' && f->wire != CODEC_PB_VARINT) ||
		(kind == 'b' && f->wire != CODEC_PB_BYTES) ||
		(kind == '*' && f->wire != CODEC_PB_BYTES && f->wire != CODEC_PB_VARINT))
		return wrong_kind(e, message, f->number);
	return 0;
}

int etcd_raftpb_read_metadata(struct etcd_metadata *m, struct span in, struct err *e)
{
	struct cursor c = { .in = in };
	struct etcd_metadata found = { 0 };
	struct codec_pb_field f;

	for (;;) {
		if (next(&f, &c, "metadata", "nn", e))
			return e->code;
		if (!f.number)
			break;
		if (f.number == 1)
			found.node_id = f.value;
		else if (f.number == 2)
			found.cluster_id = f.value;
	}
	*m = found;
	return 0;
}

int etcd_raftpb_read_entry(struct etcd_entry *m, struct span in, struct err *e)
{
	struct cursor c = { .in = in };
	struct etcd_entry found = { 0 };
	struct codec_pb_field f;

	for (;;) {
		if (next(&f, &c, "entry", "nnnb", e))
			return e->code;
		if (!f.number)
			break;
		if (f.number == 1)
			found.type = f.value;
		else if (f.number == 2)
			found.term = f.value;
		else if (f.number == 3)
			found.index = f.value;
		else if (f.number == 4)
			found.data = f.bytes;
	}
	*m = found;
	return 0;
}

int etcd_raftpb_read_hard_state(struct etcd_hard_state *m, struct span in, struct err *e)
{
	struct cursor c = { .in = in };
	struct etcd_hard_state found = { 0 };
	struct codec_pb_field f;

	for (;;) {
		if (next(&f, &c, "hard state", "nnn", e))
			return e->code;
		if (!f.number)
			break;
		if (f.number == 1)
			found.term = f.value;
		else if (f.number == 2)
			found.vote = f.value;
		else if (f.number == 3)
			found.commit = f.value;
	}
	*m = found;
	return 0;
}

/* One id as a field of its own, or several packed into one. */
static int add_ids(uint64_t *ids, size_t *n, const struct codec_pb_field *f, struct err *e)
{
	struct cursor packed = { .in = f->bytes };
	uint64_t id = f->value;

	do {
		if (f->wire == CODEC_PB_BYTES) {
			if (!cursor_left(&packed))
				return 0;
			if (codec_pb_varint(&id, &packed, e))
				return err_wrap(e, "conf state");
		}
		if (*n == ETCD_MEMBERS_MAX)
			return err_set(e, ERR_FORMAT, "conf state: more than %d members",
				ETCD_MEMBERS_MAX);
		ids[(*n)++] = id;
	} while (f->wire == CODEC_PB_BYTES);
	return 0;
}

static int read_conf_state(struct etcd_conf_state *m, struct span in, struct err *e)
{
	struct cursor c = { .in = in };
	struct codec_pb_field f;

	*m = (struct etcd_conf_state){ 0 };
	for (;;) {
		if (next(&f, &c, "conf state", "****n", e))
			return e->code;
		if (!f.number)
			return 0;
		if (f.number == 1 && add_ids(m->voters, &m->n_voters, &f, e))
			return e->code;
		if (f.number == 2 && add_ids(m->learners, &m->n_learners, &f, e))
			return e->code;
		if (f.number == 3 || f.number == 4)
			m->joint = true;
		else if (f.number == 5)
			m->auto_leave = f.value;
	}
}

int etcd_raftpb_read_wal_snapshot(struct etcd_wal_snapshot *m, struct span in, struct err *e)
{
	struct cursor c = { .in = in };
	struct etcd_wal_snapshot found = { 0 };
	struct codec_pb_field f;

	for (;;) {
		if (next(&f, &c, "snapshot record", "nnb", e))
			return e->code;
		if (!f.number)
			break;
		if (f.number == 1)
			found.index = f.value;
		else if (f.number == 2)
			found.term = f.value;
		else if (f.number == 3) {
			found.has_conf_state = true;
			if (read_conf_state(&found.conf_state, f.bytes, e))
				return e->code;
		}
	}
	*m = found;
	return 0;
}

static int read_snapshot_metadata(struct etcd_snapshot *m, struct span in, struct err *e)
{
	struct cursor c = { .in = in };
	struct codec_pb_field f;

	for (;;) {
		if (next(&f, &c, "snapshot metadata", "bnn", e))
			return e->code;
		if (!f.number)
			return 0;
		if (f.number == 1 && read_conf_state(&m->conf_state, f.bytes, e))
			return e->code;
		if (f.number == 2)
			m->index = f.value;
		else if (f.number == 3)
			m->term = f.value;
	}
}

int etcd_raftpb_read_snapshot(struct etcd_snapshot *m, struct span in, struct err *e)
{
	struct cursor c = { .in = in };
	struct etcd_snapshot found = { 0 };
	struct codec_pb_field f;

	for (;;) {
		if (next(&f, &c, "snapshot", "bb", e))
			return e->code;
		if (!f.number)
			break;
		if (f.number == 1)
			found.data = f.bytes;
		else if (f.number == 2 && read_snapshot_metadata(&found, f.bytes, e))
			return e->code;
	}
	*m = found;
	return 0;
}

int etcd_raftpb_put_metadata(struct buf *out, const struct etcd_metadata *m, struct err *e)
{
	struct codec_pb pb = CODEC_PB(out);

	codec_pb_put_u64(&pb, 1, m->node_id);
	codec_pb_put_u64(&pb, 2, m->cluster_id);
	return codec_pb_end(&pb, e);
}

int etcd_raftpb_put_hard_state(struct buf *out, const struct etcd_hard_state *m, struct err *e)
{
	struct codec_pb pb = CODEC_PB(out);

	codec_pb_put_u64(&pb, 1, m->term);
	codec_pb_put_u64(&pb, 2, m->vote);
	codec_pb_put_u64(&pb, 3, m->commit);
	return codec_pb_end(&pb, e);
}

int etcd_raftpb_put_conf_state(struct buf *out, const struct etcd_cluster *c, struct err *e)
{
	struct codec_pb pb = CODEC_PB(out);

	for (size_t i = 0; i < c->n_members; i++)
		codec_pb_put_u64(&pb, 1, c->members[i].id);
	codec_pb_put_u64(&pb, 5, 0);
	return codec_pb_end(&pb, e);
}

int etcd_raftpb_put_add_node(
	struct buf *out, const struct etcd_member *m, uint64_t index, struct err *e)
{
	CLEAN_BUF struct buf context = BUF(MESSAGE_MAX);
	CLEAN_BUF struct buf change = BUF(MESSAGE_MAX);
	struct codec_pb pb = CODEC_PB(&change);

	if (etcd_ident_member_json(&context, m, e))
		return e->code;
	codec_pb_put_u64(&pb, 1, 0);
	codec_pb_put_u64(&pb, 2, 0);
	codec_pb_put_u64(&pb, 3, m->id);
	codec_pb_put_bytes(&pb, 4, buf_span(&context));
	if (codec_pb_end(&pb, e))
		return e->code;
	pb = CODEC_PB(out);
	codec_pb_put_u64(&pb, 1, ETCD_ENTRY_CONF_CHANGE);
	codec_pb_put_u64(&pb, 2, 1);
	codec_pb_put_u64(&pb, 3, index);
	codec_pb_put_bytes(&pb, 4, buf_span(&change));
	return codec_pb_end(&pb, e);
}

int etcd_raftpb_put_wal_snapshot(
	struct buf *out, uint64_t index, uint64_t term, struct span conf_state, struct err *e)
{
	struct codec_pb pb = CODEC_PB(out);

	codec_pb_put_u64(&pb, 1, index);
	codec_pb_put_u64(&pb, 2, term);
	if (conf_state.len)
		codec_pb_put_bytes(&pb, 3, conf_state);
	return codec_pb_end(&pb, e);
}

int etcd_raftpb_put_snapshot(struct buf *out, struct span data, struct span conf_state,
	uint64_t index, uint64_t term, struct err *e)
{
	CLEAN_BUF struct buf metadata = BUF(MESSAGE_MAX);
	struct codec_pb pb = CODEC_PB(&metadata);

	codec_pb_put_bytes(&pb, 1, conf_state);
	codec_pb_put_u64(&pb, 2, index);
	codec_pb_put_u64(&pb, 3, term);
	if (codec_pb_end(&pb, e))
		return e->code;
	pb = CODEC_PB(out);
	codec_pb_put_bytes(&pb, 1, data);
	codec_pb_put_bytes(&pb, 2, buf_span(&metadata));
	return codec_pb_end(&pb, e);
}
