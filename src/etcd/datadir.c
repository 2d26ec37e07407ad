#include "etcd/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "etcd/snapfile.h"
#include "etcd/wal.h"
#include "os/file.h"

enum { COPY_BLOCK = 1 << 20, COPY_RANGE = 64 << 20 };

/* A WAL directory directly below a data directory that does not exist yet is made with it:
 * its name, or NULL.  "member/wal" is where it is anyway. */
static const char *wal_inside(const struct etcd_datadir_config *c)
{
	size_t len = strlen(c->data_dir);

	while (len > 1 && c->data_dir[len - 1] == '/')
		len--;
	if (!c->wal_dir || strncmp(c->wal_dir, c->data_dir, len) || c->wal_dir[len] != '/')
		return NULL;
	const char *rest = c->wal_dir + len;

	return rest + strspn(rest, "/");
}

static bool is_default_wal(const struct etcd_datadir_config *c)
{
	const char *inside = wal_inside(c);

	return !c->wal_dir ||
	       (inside && (!strcmp(inside, "member/wal") || !strcmp(inside, "member/wal/")));
}

/* Which WAL directory there is to find on its own: NULL when it comes with the data. */
static int separate_wal(const char **path, const struct etcd_datadir_config *c,
	const struct etcd_datadir_place *data, struct err *e)
{
	const char *inside = wal_inside(c);

	*path = NULL;
	if (is_default_wal(c))
		return 0;
	if (inside && (!*inside || !strcmp(inside, "member") || !strncmp(inside, "member/", 7)))
		return err_set(e, ERR_USAGE, "wal-dir \"%s\" is part of data-dir \"%s\"",
			c->wal_dir, c->data_dir);
	if (inside && !data->into_existing) {
		if (strchr(inside, '/') || strlen(inside) >= ETCD_PLACE_NAME)
			return err_set(e, ERR_USAGE,
				"wal-dir \"%s\" is deep inside data-dir \"%s\", which does not "
				"exist",
				c->wal_dir, c->data_dir);
		return 0;
	}
	*path = c->wal_dir;
	return 0;
}

int etcd_datadir_check(const struct etcd_datadir_config *c, struct err *e)
{
	struct etcd_datadir_place place;
	const char *wal;

	if (etcd_place_find(&place, c->parent, c->data_dir, ETCD_PLACE_DATA, false, e) ||
		separate_wal(&wal, c, &place, e))
		return e->code;
	return wal ? etcd_place_find(&place, c->parent, wal, ETCD_PLACE_WAL, false, e) : 0;
}

static int make_below(int *fd, int dir, const char *name, struct err *e)
{
	if (mkdirat(dir, name, 0700))
		return err_sys(e, "make directory %s", name);
	*fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return *fd < 0 ? err_sys(e, "%s", name) : 0;
}

static int begin(struct etcd_datadir *d, struct err *e)
{
	const struct etcd_datadir_config *c = &d->config;
	CLOSE_FD int staging = -1;
	const char *wal;

	if (etcd_place_find(&d->data, c->parent, c->data_dir, ETCD_PLACE_DATA, true, e) ||
		separate_wal(&wal, c, &d->data, e) ||
		(wal && etcd_place_find(&d->log, c->parent, wal, ETCD_PLACE_WAL, true, e)) ||
		etcd_place_stage(&staging, &d->data, e))
		return e->code;
	if (d->data.into_existing)
		d->member = fcntl(staging, F_DUPFD_CLOEXEC, 0);
	else if (make_below(&d->member, staging, "member", e))
		return e->code;
	if (d->member < 0)
		return err_sys(e, "member");
	if (make_below(&d->snap, d->member, "snap", e))
		return e->code;
	const char *inside = is_default_wal(c) ? NULL : wal_inside(c);

	if (wal ? etcd_place_stage(&d->wal, &d->log, e)
		: make_below(&d->wal, inside ? staging : d->member, inside ? inside : "wal", e))
		return e->code;
	d->db = openat(d->snap, "db", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return d->db < 0 ? err_sys(e, "db") : 0;
}

int etcd_datadir_begin(
	struct etcd_datadir *dir, const struct etcd_datadir_config *config, struct err *e)
{
	*dir = NO_DATADIR;
	dir->config = *config;
	if (!begin(dir, e))
		return 0;
	etcd_datadir_abort(dir);
	return e->code;
}

/* What neither reflink nor the kernel's own copy could do; `at` bytes are there already. */
static int copy_rest(int to, int from, uint64_t at, uint64_t size, const struct etcd_permit *permit,
	struct err *e)
{
	uint8_t *block = malloc(COPY_BLOCK);
	int rc = 0;

	if (!block)
		return err_set(e, ERR_IO, "no memory for a block of %d bytes", COPY_BLOCK);
	while (!rc && at < size) {
		const size_t n = size - at < COPY_BLOCK ? (size_t)(size - at) : COPY_BLOCK;

		rc = etcd_permit_ask(permit, e);
		if (!rc)
			rc = file_read_at(from, block, n, at, e);
		if (!rc)
			rc = file_write_at(to, block, n, at, e);
		at += n;
	}
	free(block);
	return rc;
}

int etcd_datadir_clone_db(struct etcd_datadir *to, const struct etcd_datadir *from,
	const struct etcd_permit *permit, struct err *e)
{
	struct stat st;
	uint64_t at = 0;

	if (!ioctl(to->db, FICLONE, from->db))
		return 0;
	if (fstat(from->db, &st))
		return err_sys(e, "db");
	const uint64_t size = (uint64_t)st.st_size;

	while (at < size) {
		off_t in = (off_t)at, out = (off_t)at;
		if (etcd_permit_ask(permit, e))
			return e->code;
		const ssize_t n = copy_file_range(from->db, &in, to->db, &out, COPY_RANGE, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOSPC)
			return err_sys(e, "db");
		if (n <= 0)
			break;
		at += (uint64_t)n;
	}
	if (copy_rest(to->db, from->db, at, size, permit, e))
		return e->code == ERR_DECLINED ? (int)e->code : err_wrap(e, "db");
	return 0;
}

static int give_away(struct etcd_datadir *d, const struct etcd_cluster *cluster, struct err *e)
{
	const uid_t uid = d->config.uid;
	const gid_t gid = d->config.gid;
	const int fds[] = { d->db, d->snap, d->wal, d->member };
	char snap[ETCD_SNAPFILE_NAME];

	snprintf(snap, sizeof snap, "%016x-%016zx.snap", 1, cluster->n_members);
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (fchown(fds[i], uid, gid))
			return err_sys(e, "give the member directory to %u:%u", uid, gid);
	}
	if (fchownat(d->snap, snap, uid, gid, AT_SYMLINK_NOFOLLOW) ||
		fchownat(d->wal, "0000000000000000-0000000000000000.wal", uid, gid,
			AT_SYMLINK_NOFOLLOW) ||
		fchownat(d->data.parent, d->data.staging, uid, gid, AT_SYMLINK_NOFOLLOW))
		return err_sys(e, "give the member directory to %u:%u", uid, gid);
	if (etcd_place_chown(&d->data, uid, gid, e))
		return e->code;
	return d->log.staged ? etcd_place_chown(&d->log, uid, gid, e) : 0;
}

int etcd_datadir_prepare(struct etcd_datadir *dir, const struct etcd_cluster *cluster,
	const struct etcd_member *own, struct err *e)
{
	if (etcd_wal_create(dir->wal, cluster, own, e) ||
		etcd_snapfile_create(dir->snap, cluster, e) ||
		(dir->config.owned && give_away(dir, cluster, e)))
		return e->code;
	CLOSE_FD int staging =
		openat(dir->data.parent, dir->data.staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (staging < 0)
		return err_sys(e, "%s", dir->data.staging);
	if (file_sync(dir->db, e))
		return err_wrap(e, "db");
	if (file_sync(dir->snap, e) || file_sync(dir->wal, e) || file_sync(dir->member, e) ||
		file_sync(staging, e))
		return e->code;
	return 0;
}

int etcd_datadir_publish(struct etcd_datadir *dir, struct err *e)
{
	const struct etcd_datadir_config *c = &dir->config;

	if (dir->log.staged && etcd_place_publish(&dir->log, e))
		return err_wrap(e, "wal-dir \"%s\"", c->wal_dir);
	if (etcd_place_publish(&dir->data, e))
		return err_wrap(e, "data-dir \"%s\"", c->data_dir);
	/* etcd tries to write here when it starts. */
	if (c->owned && dir->data.into_existing && fchown(dir->data.parent, c->uid, c->gid))
		return err_sys(e, "give data-dir \"%s\" to %u:%u", c->data_dir, c->uid, c->gid);
	return 0;
}

static void close_all(struct etcd_datadir *dir)
{
	file_close(&dir->db);
	file_close(&dir->member);
	file_close(&dir->snap);
	file_close(&dir->wal);
	etcd_place_close(&dir->data);
	etcd_place_close(&dir->log);
}

void etcd_datadir_keep(struct etcd_datadir *dir)
{
	close_all(dir);
	*dir = NO_DATADIR;
}

void etcd_datadir_abort(struct etcd_datadir *dir)
{
	etcd_place_remove(&dir->data);
	etcd_place_remove(&dir->log);
	close_all(dir);
	*dir = NO_DATADIR;
}

int etcd_datadir_finish(struct etcd_datadir *dir, const struct etcd_cluster *cluster,
	const struct etcd_member *own, struct err *e)
{
	if (etcd_datadir_prepare(dir, cluster, own, e) || etcd_datadir_publish(dir, e))
		return e->code;
	etcd_datadir_keep(dir);
	return 0;
}
