#include "codec/pb.h"

static int bad(struct err *e, const struct cursor *in, const char *what)
{
	return err_set(e, ERR_FORMAT, "protobuf message: %s at byte %zu", what, in->at);
}

int codec_pb_varint(uint64_t *value, struct cursor *in, struct err *e)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		const struct span byte = cursor_take(in, 1);

		if (!byte.p)
			return bad(e, in, "number cut short");
		/* The tenth byte holds only the last of 64 bits. */
		if (shift == 63 && byte.p[0] > 1)
			return bad(e, in, "number above 64 bits");
		v |= (uint64_t)(byte.p[0] & 0x7f) << shift;
		if (byte.p[0] < 0x80) {
			*value = v;
			return 0;
		}
	}
	return bad(e, in, "number longer than ten bytes");
}

int codec_pb_next(struct codec_pb_field *field, struct cursor *in, struct err *e)
{
	uint64_t tag;

	*field = (struct codec_pb_field){ 0 };
	if (!cursor_left(in) && !in->bad)
		return 0;
	if (codec_pb_varint(&tag, in, e))
		return e->code;
	/* Field numbers have 29 bits. */
	if (tag >> 3 == 0 || tag >> 32)
		return bad(e, in, "field number out of range");

	struct codec_pb_field f = { .number = (uint32_t)(tag >> 3) };

	switch (tag & 7) {
	case CODEC_PB_VARINT:
		f.wire = CODEC_PB_VARINT;
		if (codec_pb_varint(&f.value, in, e))
			return e->code;
		break;
	case CODEC_PB_FIXED64:
		f.wire = CODEC_PB_FIXED64;
		f.value = cursor_le64(in);
		break;
	case CODEC_PB_FIXED32:
		f.wire = CODEC_PB_FIXED32;
		f.value = cursor_le32(in);
		break;
	case CODEC_PB_BYTES: {
		uint64_t len = 0;

		f.wire = CODEC_PB_BYTES;
		if (codec_pb_varint(&len, in, e))
			return e->code;
		f.bytes = cursor_take(in, len);
		break;
	}
	default:
		return bad(e, in, "unknown wire type");
	}
	if (in->bad)
		return bad(e, in, "field runs past the end");
	*field = f;
	return 0;
}

static void put_varint(struct codec_pb *pb, uint64_t value)
{
	uint8_t bytes[10];
	size_t n = 0;

	for (; value >= 0x80; value >>= 7)
		bytes[n++] = (uint8_t)(value | 0x80);
	bytes[n++] = (uint8_t)value;
	if (!pb->e.code)
		buf_add(pb->out, bytes, n, &pb->e);
}

void codec_pb_put_u64(struct codec_pb *pb, uint32_t number, uint64_t value)
{
	put_varint(pb, (uint64_t)number << 3 | CODEC_PB_VARINT);
	put_varint(pb, value);
}

void codec_pb_put_bytes(struct codec_pb *pb, uint32_t number, struct span bytes)
{
	put_varint(pb, (uint64_t)number << 3 | CODEC_PB_BYTES);
	put_varint(pb, bytes.len);
	if (!pb->e.code)
		buf_add(pb->out, bytes.p, bytes.len, &pb->e);
}

int codec_pb_end(struct codec_pb *pb, struct err *e)
{
	if (pb->e.code)
		*e = pb->e;
	return pb->e.code;
}
