#include "etcd/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "codec/crc32c.h"
#include "codec/pb.h"
#include "os/file.h"

enum { USED_MAX = 16 << 20, RECORD_MAX = 1 << 20, ALIGNMENT = 8, RESTORE_TERM = 1 };

const char *etcd_wal_type_word(enum etcd_wal_type type)
{
	switch (type) {
	case ETCD_WAL_END:
		return "end";
	case ETCD_WAL_METADATA:
		return "metadata";
	case ETCD_WAL_ENTRY:
		return "entry";
	case ETCD_WAL_STATE:
		return "state";
	case ETCD_WAL_CRC:
		return "crc";
	case ETCD_WAL_SNAPSHOT:
		return "snapshot";
	}
	return "unknown";
}

struct writer {
	struct buf *out;
	uint32_t crc;
};

/* encoder.go: encode.  The record of type CRC has no data field at all. */
static int append(struct writer *w, enum etcd_wal_type type, const struct buf *data, struct err *e)
{
	static const uint8_t zeros[ALIGNMENT];
	CLEAN_BUF struct buf record = BUF(RECORD_MAX);
	struct codec_pb pb = CODEC_PB(&record);
	uint8_t length[8];

	if (data)
		w->crc = codec_crc32c(w->crc, buf_span(data));
	codec_pb_put_u64(&pb, 1, type);
	codec_pb_put_u64(&pb, 2, w->crc);
	if (data)
		codec_pb_put_bytes(&pb, 3, buf_span(data));
	if (codec_pb_end(&pb, e))
		return e->code;

	const size_t padding = (ALIGNMENT - record.len % ALIGNMENT) % ALIGNMENT;

	put_le64(length, record.len | (padding ? (0x80 | (uint64_t)padding) << 56 : 0));
	if (buf_add(w->out, length, sizeof length, e) || buf_add(w->out, record.p, record.len, e) ||
		buf_add(w->out, zeros, padding, e))
		return e->code;
	return 0;
}

int etcd_wal_encode(struct buf *out, const struct etcd_cluster *cluster,
	const struct etcd_member *own, struct err *e)
{
	const struct etcd_metadata metadata = { own->id, cluster->id };
	/* The lowest id is the one etcd's restore votes for. */
	const struct etcd_hard_state state = { RESTORE_TERM, cluster->members[0].id,
		cluster->n_members };
	CLEAN_BUF struct buf data = BUF(RECORD_MAX);
	CLEAN_BUF struct buf conf_state = BUF(RECORD_MAX);
	struct writer w = { out, 0 };

	if (append(&w, ETCD_WAL_CRC, NULL, e) || etcd_raftpb_put_metadata(&data, &metadata, e) ||
		append(&w, ETCD_WAL_METADATA, &data, e))
		return e->code;
	buf_clear(&data);
	if (etcd_raftpb_put_wal_snapshot(&data, 0, 0, (struct span){ NULL, 0 }, e) ||
		append(&w, ETCD_WAL_SNAPSHOT, &data, e))
		return e->code;
	for (size_t i = 0; i < cluster->n_members; i++) {
		buf_clear(&data);
		if (etcd_raftpb_put_add_node(&data, &cluster->members[i], i + 1, e) ||
			append(&w, ETCD_WAL_ENTRY, &data, e))
			return e->code;
	}
	buf_clear(&data);
	if (etcd_raftpb_put_hard_state(&data, &state, e) || append(&w, ETCD_WAL_STATE, &data, e))
		return e->code;
	buf_clear(&data);
	if (etcd_raftpb_put_conf_state(&conf_state, cluster, e) ||
		etcd_raftpb_put_wal_snapshot(
			&data, cluster->n_members, RESTORE_TERM, buf_span(&conf_state), e))
		return e->code;
	return append(&w, ETCD_WAL_SNAPSHOT, &data, e);
}

/* Full size at once, so that a full disk shows now and not under a running etcd; where the
 * file system cannot, a short file does as well. */
static int preallocate(int fd, struct err *e)
{
	int rc;

	do
		rc = fallocate(fd, 0, 0, ETCD_WAL_SEGMENT_SIZE);
	while (rc && errno == EINTR);
	if (!rc || errno == EOPNOTSUPP || errno == ENOSYS)
		return 0;
	return err_sys(e, "reserve %d bytes", ETCD_WAL_SEGMENT_SIZE);
}

int etcd_wal_create(
	int dir, const struct etcd_cluster *cluster, const struct etcd_member *own, struct err *e)
{
	static const char name[] = "0000000000000000-0000000000000000.wal";
	CLEAN_BUF struct buf used = BUF(USED_MAX);
	CLOSE_FD int fd = -1;

	if (etcd_wal_encode(&used, cluster, own, e))
		return err_wrap(e, "%s", name);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, "%s", name);
	if (preallocate(fd, e) || file_write(fd, used.p, used.len, e) || file_sync(fd, e))
		return err_wrap(e, "%s", name);
	return 0;
}
