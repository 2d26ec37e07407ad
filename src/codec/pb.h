/* codec/pb.h - protobuf wire format, for the dozen messages of etcd
 *
 *   struct codec_pb_field f;
 *   struct cursor in = { .in = message };
 *   while (!codec_pb_next(&f, &in, e) && f.number) { ... }
 *   if (e->code) ...
 *
 * (with *e zeroed before).  Groups, which etcd never wrote, are refused.
 *
 * Source:     protobuf.dev/programming-guides/encoding.
 * Units:      bytes.
 * Ownership:  the bytes of a field borrow the message.
 * Errors:     reading: ERR_FORMAT naming the offset in the message.  Writing: ERR_SPACE,
 *             sticky, reported by codec_pb_end.
 */
#pragma once

#include "base/buf.h"

enum codec_pb_wire {
	CODEC_PB_VARINT = 0,
	CODEC_PB_FIXED64 = 1,
	CODEC_PB_BYTES = 2,
	CODEC_PB_FIXED32 = 5
};

struct codec_pb_field {
	uint32_t number; /* 0: the message is over */
	enum codec_pb_wire wire;
	uint64_t value;    /* VARINT, FIXED32, FIXED64 */
	struct span bytes; /* BYTES */
};

int codec_pb_next(struct codec_pb_field *field, struct cursor *in, struct err *e);

/* A varint on its own, at most ten bytes. */
int codec_pb_varint(uint64_t *value, struct cursor *in, struct err *e);

struct codec_pb {
	struct buf *out;
	struct err e;
};

#define CODEC_PB(buf) ((struct codec_pb){ .out = (buf) })

void codec_pb_put_u64(struct codec_pb *pb, uint32_t number, uint64_t value);
void codec_pb_put_bytes(struct codec_pb *pb, uint32_t number, struct span bytes);
int codec_pb_end(struct codec_pb *pb, struct err *e);
