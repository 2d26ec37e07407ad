/* Any bytes as a protobuf message: fields lie inside it, and written again they read the same;
 * and as each of raft's messages. */
#include <stdlib.h>

#include "codec/pb.h"
#include "etcd/raftpb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_again(const struct codec_pb_field *f)
{
	CLEAN_BUF struct buf out = BUF(SIZE_MAX / 4);
	struct codec_pb pb = CODEC_PB(&out);
	struct codec_pb_field again;
	struct err e = { 0 };

	if (f->wire == CODEC_PB_BYTES)
		codec_pb_put_bytes(&pb, f->number, f->bytes);
	else
		codec_pb_put_u64(&pb, f->number, f->value);
	struct cursor in = { .in = buf_span(&out) };

	if (codec_pb_end(&pb, &e) || codec_pb_next(&again, &in, &e) || cursor_left(&in) ||
		again.number != f->number || again.value != f->value ||
		!span_equal(again.bytes, f->bytes))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span bytes = { data, size };
	struct cursor in = { .in = bytes };
	struct codec_pb_field f;
	struct err e = { 0 };

	while (!codec_pb_next(&f, &in, &e) && f.number) {
		if (f.bytes.len && (f.bytes.p < data || f.bytes.p + f.bytes.len > data + size))
			abort();
		read_again(&f);
	}

	struct etcd_metadata metadata;
	struct etcd_entry entry;
	struct etcd_hard_state state;
	struct etcd_wal_snapshot wal_snapshot;
	struct etcd_snapshot snapshot;

	etcd_raftpb_read_metadata(&metadata, bytes, &e);
	etcd_raftpb_read_hard_state(&state, bytes, &e);
	if (!etcd_raftpb_read_entry(&entry, bytes, &e) && entry.data.len > size)
		abort();
	if (!etcd_raftpb_read_wal_snapshot(&wal_snapshot, bytes, &e) &&
		wal_snapshot.conf_state.n_voters > ETCD_MEMBERS_MAX)
		abort();
	if (!etcd_raftpb_read_snapshot(&snapshot, bytes, &e) && snapshot.data.len > size)
		abort();
	return 0;
}
