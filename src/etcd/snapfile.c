#include "etcd/snapfile.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "codec/crc32c.h"
#include "codec/pb.h"
#include "etcd/v2store.h"
#include "os/file.h"

enum { RESTORE_TERM = 1 };

int etcd_snapfile_parse(struct etcd_snapfile *file, struct span bytes, struct err *e)
{
	struct cursor in = { .in = bytes };
	struct codec_pb_field f;
	struct etcd_snapfile found = { 0 };
	struct span data = { NULL, 0 };

	if (!bytes.len)
		return err_set(e, ERR_FORMAT, "the file is empty");
	for (;;) {
		if (codec_pb_next(&f, &in, e))
			return e->code;
		if (!f.number)
			break;
		if (f.number == 1 && f.wire == CODEC_PB_VARINT && f.value <= UINT32_MAX)
			found.crc = (uint32_t)f.value;
		else if (f.number == 2 && f.wire == CODEC_PB_BYTES)
			data = f.bytes;
		else if (f.number <= 2)
			return err_set(e, ERR_FORMAT, "field %u is of the wrong kind", f.number);
	}
	/* snapshotter.go: both count as an empty snapshot */
	if (!data.len || !found.crc)
		return err_set(e, ERR_FORMAT, "no %s in it", data.len ? "checksum" : "data");
	const uint32_t crc = codec_crc32c(0, data);

	if (crc != found.crc)
		return err_set(e, ERR_MISMATCH,
			"checksum says %08" PRIx32 ", the %zu bytes of data have %08" PRIx32,
			found.crc, data.len, crc);
	if (etcd_raftpb_read_snapshot(&found.snapshot, data, e))
		return e->code;
	*file = found;
	return 0;
}

bool etcd_snapfile_name(uint64_t *term, uint64_t *index, const char *name)
{
	const struct str s = str_from(name);

	return s.len == ETCD_SNAPFILE_NAME - 1 && s.p[16] == '-' && str_ends(s, STR(".snap")) &&
	       str_u64(term, (struct str){ s.p, 16 }, 16, UINT64_MAX) &&
	       str_u64(index, (struct str){ s.p + 17, 16 }, 16, UINT64_MAX);
}

int etcd_snapfile_read(
	struct etcd_snapfile *file, struct buf *bytes, int dir, const char *name, struct err *e)
{
	CLOSE_FD int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t term, index;

	if (fd < 0)
		return err_sys(e, "%s", name);
	buf_clear(bytes);
	if (file_read_fd(bytes, fd, e) || etcd_snapfile_parse(file, buf_span(bytes), e))
		return err_wrap(e, "%s", name);
	if (etcd_snapfile_name(&term, &index, name) &&
		(term != file->snapshot.term || index != file->snapshot.index))
		return err_set(e, ERR_MISMATCH,
			"%s: the name says term %" PRIu64 " and index %" PRIu64
			", the content term %" PRIu64 " and index %" PRIu64,
			name, term, index, file->snapshot.term, file->snapshot.index);
	return 0;
}

int etcd_snapfile_encode(struct buf *out, const struct etcd_cluster *cluster, struct err *e)
{
	CLEAN_BUF struct buf dump = BUF(ETCD_SNAPFILE_MAX);
	CLEAN_BUF struct buf conf_state = BUF(1 << 20);
	CLEAN_BUF struct buf data = BUF(ETCD_SNAPFILE_MAX);
	struct codec_pb pb = CODEC_PB(out);

	if (etcd_v2store_dump(&dump, cluster, e) ||
		etcd_raftpb_put_conf_state(&conf_state, cluster, e) ||
		etcd_raftpb_put_snapshot(&data, buf_span(&dump), buf_span(&conf_state),
			cluster->n_members, RESTORE_TERM, e))
		return e->code;
	codec_pb_put_u64(&pb, 1, codec_crc32c(0, buf_span(&data)));
	codec_pb_put_bytes(&pb, 2, buf_span(&data));
	return codec_pb_end(&pb, e);
}

int etcd_snapfile_create(int dir, const struct etcd_cluster *cluster, struct err *e)
{
	CLEAN_BUF struct buf bytes = BUF(ETCD_SNAPFILE_MAX);
	CLOSE_FD int fd = -1;
	char name[ETCD_SNAPFILE_NAME];

	snprintf(name, sizeof name, "%016x-%016zx.snap", RESTORE_TERM, cluster->n_members);
	if (etcd_snapfile_encode(&bytes, cluster, e))
		return err_wrap(e, "%s", name);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, "%s", name);
	if (file_write(fd, bytes.p, bytes.len, e) || file_sync(fd, e))
		return err_wrap(e, "%s", name);
	return 0;
}
