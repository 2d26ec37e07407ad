#include "etcd/wal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/crc32c.h"
#include "codec/pb.h"
#include "os/file.h"

enum { SECTOR = 512 /* decoder.go: minSectorSize */, LENGTH = 8 };

static bool segment_name(struct etcd_wal_segment *segment, const char *name)
{
	const struct str s = str_from(name);

	if (s.len != ETCD_WAL_NAME - 1 || s.p[16] != '-' || !str_ends(s, STR(".wal")) ||
		!str_u64(&segment->sequence, (struct str){ s.p, 16 }, 16, UINT64_MAX) ||
		!str_u64(&segment->first_index, (struct str){ s.p + 17, 16 }, 16, UINT64_MAX))
		return false;
	memcpy(segment->name, name, ETCD_WAL_NAME);
	return true;
}

static int order_segments(const void *a, const void *b)
{
	const struct etcd_wal_segment *x = a, *y = b;

	return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

/* Other names are left alone: etcd keeps *.tmp and *.broken here, and warns of the rest. */
static int list(struct buf *found, int dir, struct err *e)
{
	const int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int rc = 0;

	if (!d) {
		err_sys(e, "open directory");
		if (fd >= 0)
			close(fd);
		return e->code;
	}
	while (!rc) {
		struct etcd_wal_segment segment;

		errno = 0;
		const struct dirent *entry = readdir(d);

		if (!entry) {
			rc = errno ? err_sys(e, "read directory") : 0;
			break;
		}
		if (segment_name(&segment, entry->d_name))
			rc = buf_add(found, &segment, sizeof segment, e);
	}
	closedir(d);
	return rc;
}

static void start(
	struct etcd_wal_reader *wal, int dir, const struct etcd_wal_segment *segments, size_t n)
{
	*wal = (struct etcd_wal_reader){
		.dir = dir,
		.segments = segments,
		.n_segments = n,
		.current = (size_t)-1,
		.fd = -1,
		.bytes = BUF(ETCD_WAL_RECORD_MAX),
	};
}

int etcd_wal_open(struct etcd_wal_reader *wal, int dir, struct arena *a, struct err *e)
{
	CLEAN_BUF struct buf found = BUF(ETCD_WAL_SEGMENTS_MAX * sizeof(struct etcd_wal_segment));

	if (list(&found, dir, e))
		return e->code;
	const size_t n = found.len / sizeof(struct etcd_wal_segment);

	if (!n)
		return err_set(e, ERR_NOTFOUND, "no file of the form %%016x-%%016x.wal");
	struct etcd_wal_segment *segments = arena_array(a, n, sizeof *segments);

	memcpy(segments, found.p, found.len);
	qsort(segments, n, sizeof *segments, order_segments);
	for (size_t i = 1; i < n; i++) {
		if (segments[i].sequence != segments[i - 1].sequence + 1)
			return err_set(e, ERR_FORMAT, "a segment is missing between %s and %s",
				segments[i - 1].name, segments[i].name);
		if (segments[i].first_index < segments[i - 1].first_index)
			return err_set(e, ERR_FORMAT, "%s begins before %s", segments[i].name,
				segments[i - 1].name);
	}
	start(wal, dir, segments, n);
	return 0;
}

int etcd_wal_open_file(
	struct etcd_wal_reader *wal, int dir, const char *name, struct arena *a, struct err *e)
{
	struct etcd_wal_segment *segment = arena_alloc(a, sizeof *segment);

	if (strlen(name) >= sizeof segment->name)
		return err_set(e, ERR_USAGE, "%.40s..: name is too long", name);
	memcpy(segment->name, name, strlen(name) + 1);
	start(wal, dir, segment, 1);
	return 0;
}

void etcd_wal_close(struct etcd_wal_reader *wal)
{
	file_close(&wal->fd);
	buf_free(&wal->bytes);
}

static int next_segment(struct etcd_wal_reader *wal, struct err *e)
{
	struct stat st;

	file_close(&wal->fd);
	wal->current++;
	const char *name = wal->segments[wal->current].name;

	wal->fd = openat(wal->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (wal->fd < 0 || fstat(wal->fd, &st))
		return err_sys(e, "%s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_FORMAT, "%s is not a file", name);
	wal->at = 0;
	wal->size = (uint64_t)st.st_size;
	return 0;
}

/* Something is wrong with the frame at wal->at.  `torn`: a write that was cut off can look
 * so; then it is an error only when records follow in another segment. */
static int damaged(
	struct etcd_wal_reader *wal, bool torn, enum err_code code, struct err *e, const char *what)
{
	if (torn && wal->current + 1 == wal->n_segments) {
		wal->torn = true;
		snprintf(wal->torn_why, sizeof wal->torn_why, "%s", what);
		return 0;
	}
	return err_set(e, code, "%s: record at byte %" PRIu64 ": %s",
		wal->segments[wal->current].name, wal->at, what);
}

/* decoder.go: isTornEntry.  Storage writes whole sectors, so one that was not written is
 * all zero; the sectors are those of the file. */
static bool has_empty_sector(uint64_t at, struct span bytes)
{
	size_t from = 0;

	while (from < bytes.len) {
		const size_t room = SECTOR - (size_t)((at + from) % SECTOR);
		const size_t n = room < bytes.len - from ? room : bytes.len - from;
		size_t zeros = 0;

		while (zeros < n && !bytes.p[from + zeros])
			zeros++;
		if (zeros == n)
			return true;
		from += n;
	}
	return false;
}

struct parsed {
	uint64_t type, crc;
	struct span data;
};

static int parse(struct parsed *out, struct span bytes, struct err *e)
{
	struct cursor in = { .in = bytes };
	struct codec_pb_field f;
	struct parsed p = { 0 };

	for (;;) {
		if (codec_pb_next(&f, &in, e))
			return e->code;
		if (!f.number)
			break;
		if (f.number <= 3 && f.wire != (f.number == 3 ? CODEC_PB_BYTES : CODEC_PB_VARINT))
			return err_set(e, ERR_FORMAT, "field %u is of the wrong kind", f.number);
		if (f.number == 1)
			p.type = f.value;
		else if (f.number == 2)
			p.crc = f.value;
		else if (f.number == 3)
			p.data = f.bytes;
	}
	if (p.type < ETCD_WAL_METADATA || p.type > ETCD_WAL_SNAPSHOT)
		return err_set(e, ERR_FORMAT, "unknown record type %" PRIu64, p.type);
	if (p.crc > UINT32_MAX)
		return err_set(e, ERR_FORMAT, "checksum of more than 32 bits");
	*out = p;
	return 0;
}

/* Does the record fit the chain?  Moves the chain on. */
static int check_crc(
	char *why, size_t why_size, struct etcd_wal_reader *wal, const struct parsed *p)
{
	if (p->type == ETCD_WAL_CRC) {
		/* The very first segment that is left begins a chain of its own. */
		const bool first = wal->current == 0 && wal->at == 0;

		if (!first && wal->crc && wal->crc != p->crc) {
			snprintf(why, why_size,
				"it continues checksum %08" PRIx64 ", reached was %08" PRIx32,
				p->crc, wal->crc);
			return ERR_MISMATCH;
		}
		wal->crc = (uint32_t)p->crc;
		return 0;
	}
	const uint32_t crc = codec_crc32c(wal->crc, p->data);

	if (crc != p->crc) {
		snprintf(why, why_size, "checksum says %08" PRIx64 ", the data gives %08" PRIx32,
			p->crc, crc);
		return ERR_MISMATCH;
	}
	wal->crc = crc;
	return 0;
}

/* The frame at wal->at into `record`; type END when the segment has no more. */
static int read_frame(struct etcd_wal_record *record, struct etcd_wal_reader *wal, struct err *e)
{
	const uint64_t left = wal->size - wal->at;
	uint8_t length[LENGTH], *bytes;

	*record = (struct etcd_wal_record){ .type = ETCD_WAL_END };
	if (!left)
		return 0;
	if (left < LENGTH)
		return damaged(wal, true, ERR_FORMAT, e, "the file ends within its length");
	if (file_read_at(wal->fd, length, LENGTH, wal->at, e))
		return err_wrap(e, "%s", wal->segments[wal->current].name);
	const uint64_t field = le64(length);
	const uint64_t size = field & ~(UINT64_C(0xff) << 56);
	const uint64_t padding = field >> 63 ? field >> 56 & 7 : 0;

	if (!field)
		return 0;
	if (size > left - LENGTH || padding > left - LENGTH - size)
		return damaged(wal, true, ERR_FORMAT, e, "it is longer than the file");
	if (size > ETCD_WAL_RECORD_MAX - 8)
		return damaged(wal, false, ERR_UNSUPPORTED, e, "it is longer than 128 MiB");
	buf_clear(&wal->bytes);
	if (buf_extend(&bytes, &wal->bytes, (size_t)(size + padding), e) ||
		file_read_at(wal->fd, bytes, wal->bytes.len, wal->at + LENGTH, e))
		return err_wrap(e, "%s", wal->segments[wal->current].name);

	const bool torn = has_empty_sector(wal->at + LENGTH, buf_span(&wal->bytes));
	struct parsed p = { 0 };
	char why[160];

	if (parse(&p, (struct span){ bytes, (size_t)size }, e)) {
		snprintf(why, sizeof why, "%.150s", e->text);
		return damaged(wal, torn, ERR_FORMAT, e, why);
	}
	if (check_crc(why, sizeof why, wal, &p))
		return damaged(wal, torn, ERR_MISMATCH, e, why);
	*record = (struct etcd_wal_record){ (enum etcd_wal_type)p.type, (uint32_t)p.crc, p.data,
		wal->segments[wal->current].name, wal->at, LENGTH + size + padding };
	wal->at += record->size;
	return 0;
}

int etcd_wal_next(struct etcd_wal_record *record, struct etcd_wal_reader *wal, struct err *e)
{
	struct etcd_wal_record r = { .type = ETCD_WAL_END };

	while (!wal->torn) {
		if (wal->fd >= 0 && read_frame(&r, wal, e))
			return e->code;
		if (r.type != ETCD_WAL_END || wal->torn || wal->current + 1 == wal->n_segments)
			break;
		if (next_segment(wal, e))
			return e->code;
		if (!wal->size && wal->current + 1 < wal->n_segments)
			return err_set(
				e, ERR_FORMAT, "%s is empty", wal->segments[wal->current].name);
	}
	*record = r;
	return 0;
}
