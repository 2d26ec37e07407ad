#include "etcd/snapshot.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"

int etcd_snapshot_was_damaged(struct err *e)
{
	if (e->code != ERR_FORMAT)
		return e->code;
	return err_wrap(e,
		"the sha256 is right, so it was damaged before it was saved; take one of "
		"another time or member");
}

bool etcd_snapshot_has_trailer(uint64_t size)
{
	return size % 512 == CODEC_SHA256_SIZE;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i])
			return false;
	}
	return true;
}

static void hex(char text[2 * CODEC_SHA256_SIZE + 1], const uint8_t *p)
{
	for (int i = 0; i < CODEC_SHA256_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", p[i]);
}

int etcd_snapshot_check_trailer(const struct etcd_copied *copied, struct err *e)
{
	char want[2 * CODEC_SHA256_SIZE + 1], have[2 * CODEC_SHA256_SIZE + 1];

	if (!memcmp(copied->last, copied->digest, CODEC_SHA256_SIZE))
		return 0;
	if (is_zero(copied->last, CODEC_SHA256_SIZE))
		return err_set(e, ERR_MISMATCH,
			"the trailer is all zero: an incomplete download or upload; fetch the "
			"snapshot again");
	hex(want, copied->last);
	hex(have, copied->digest);
	return err_set(e, ERR_MISMATCH,
		"the trailer says sha256 %s, the file has %s; it was changed or cut after it was "
		"saved, fetch it again or take another one",
		want, have);
}

/* What people have passed for snapshots. */
static const char *looks_like(struct span first)
{
	static const struct {
		struct span magic;
		const char *what;
	} known[] = {
		{ SPAN("\x1f\x8b"), "gzip data; decompress it first" },
		{ SPAN("\x28\xb5\x2f\xfd"), "zstd data; decompress it first" },
		{ SPAN("BZh"), "bzip2 data; decompress it first" },
		{ SPAN("\xfd"
		       "7zXZ"),
			"xz data; decompress it first" },
		{ SPAN("PK\x03\x04"), "a zip archive; unpack it first" },
		{ SPAN("<?xml"), "an XML text, perhaps the error message of an object store" },
		{ SPAN("<Error"), "an XML text, perhaps the error message of an object store" },
		{ SPAN("<!"), "an HTML page" },
		{ SPAN("<html"), "an HTML page" },
		{ SPAN("{"), "a JSON text" },
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (span_starts(first, known[i].magic))
			return known[i].what;
	}
	return NULL;
}

int etcd_snapshot_no_trailer(struct err *e, uint64_t size, struct span first)
{
	const char *what = looks_like(first);

	if (!size)
		return err_set(e, ERR_FORMAT, "the file is empty");
	if (what)
		return err_set(e, ERR_FORMAT, "no snapshot: it begins like %s", what);
	if (size % 512)
		return err_set(e, ERR_FORMAT,
			"cut short: %" PRIu64 " bytes are neither a snapshot (whole pages and 32 "
			"bytes of sha256) nor a copied database (whole pages); fetch it again",
			size);
	return err_set(e, ERR_FORMAT,
		"no sha256 behind the database: either a copy of member/snap/db, then say "
		"--skip-hash-check, or a snapshot that was cut short");
}

static int open_member(int *fd, int dir, const char *path, struct err *e)
{
	static const char *const places[] = { "member/snap/db", "snap/db", "db" };
	char name[4096];

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		snprintf(name, sizeof name, "%s/%s", path, places[i]);
		*fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (*fd >= 0)
			return 0;
	}
	return err_set(e, ERR_NOTFOUND, "%s: is a directory without member/snap/db", path);
}

int etcd_snapshot_open(struct etcd_snapshot_file *s, int dir, const char *path, struct err *e)
{
	CLOSE_FD int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct etcd_snapshot_file found = { .trailer = ETCD_TRAILER_NONE };
	uint8_t first[16] = { 0 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return err_sys(e, "%s", path);
	if (S_ISDIR(st.st_mode)) {
		file_close(&fd);
		found.member = true;
		if (open_member(&fd, dir, path, e))
			return e->code;
		if (fstat(fd, &st))
			return err_sys(e, "%s", path);
	}
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE, "%s: is no regular file", path);
	found.size = found.db_size = (uint64_t)st.st_size;
	/* bbolt takes an exclusive lock while it may write. */
	if (flock(fd, LOCK_SH | LOCK_NB))
		found.busy = true;
	if (!found.member && etcd_snapshot_has_trailer(found.size)) {
		found.db_size -= CODEC_SHA256_SIZE;
		found.trailer = ETCD_TRAILER_UNCHECKED;
	}
	if (bolt_db_open(&found.db, fd, found.db_size, e)) {
		const ssize_t n = pread(fd, first, sizeof first, 0);
		const char *what = looks_like((struct span){ first, n > 0 ? (size_t)n : 0 });
		if (what)
			err_set(e, ERR_FORMAT, "no snapshot: it begins like %s", what);
		return err_wrap(e, "%s", path);
	}
	*s = found;
	s->fd = s->db.fd = fd;
	fd = -1;
	return 0;
}

void etcd_snapshot_close(struct etcd_snapshot_file *s)
{
	file_close(&s->fd);
}

int etcd_snapshot_verify(
	struct etcd_snapshot_file *s, const struct listener *listener, struct err *e)
{
	const struct stream source = etcd_source_keep(&s->fd);
	struct etcd_copied copied = { 0 };

	if (s->trailer == ETCD_TRAILER_NONE)
		return 0;
	if (lseek(s->fd, 0, SEEK_SET) < 0)
		return err_sys(e, "seek");
	if (etcd_copy(&copied, -1, &source, listener, "verify", e))
		return e->code;
	if (copied.size != s->size)
		return err_set(e, ERR_MISMATCH, "the file changed while it was read");
	if (etcd_snapshot_check_trailer(&copied, e))
		return e->code;
	s->trailer = ETCD_TRAILER_GOOD;
	return 0;
}
