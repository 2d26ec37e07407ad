#include "plan/finish_join_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "os/names.h"
#include "os/process.h"
#include "target/file.h"

#define KEPT "joins-"

enum { FILE_MAX = 8 << 20, RELOAD_MS = 60000, OUTPUT = 4096 };

static const struct finish_cluster *cluster_of(const struct join_files *files)
{
	return &files->f->record.clusters[files->cluster];
}

static bool holds(const struct kube_texts *texts, const char *text)
{
	for (size_t i = 0; i < texts->n; i++) {
		if (!strcmp(texts->v[i], text))
			return true;
	}
	return false;
}

/* Files of the clusters tell; of one that is filled in where it lies, only the name does. */
bool join_files_own(const struct finish_record *r, size_t cluster, size_t held)
{
	const char *path = r->held[held].path, *slash = strrchr(path, '/');
	size_t joins = r->n_clusters;

	for (size_t i = 0; i < r->n_clusters; i++) {
		if (holds(&r->clusters[i].files, r->held[held].held))
			return i == cluster;
	}
	for (size_t i = r->n_clusters; i--;) {
		if (r->clusters[i].urls.n)
			joins = i;
	}
	return joins == cluster && !strncmp(slash ? slash + 1 : path, "etcd", 4);
}

bool join_files_released(const struct join_files *files)
{
	const struct finish_record *r = &files->f->record;

	for (size_t i = 0; i < r->n_held; i++) {
		if (join_files_own(r, files->cluster, i) &&
			root_exists(files->f->root, r->held[i].path))
			return true;
	}
	return false;
}

/* Where it lies now: it may have been put in place. */
static const char *place_of(const struct join_files *files, const char *path)
{
	const struct finish_record *r = &files->f->record;

	for (size_t i = 0; i < r->n_held; i++) {
		if (!strcmp(r->held[i].held, path) && root_exists(files->f->root, r->held[i].path))
			return r->held[i].path;
	}
	return path;
}

/* Each restore has its own: what one has left that was not finished is of other files. */
static const char *kept_prefix(const struct join_files *files)
{
	const struct finish_record *r = &files->f->record;

	return arena_print(
		files->f->arena, KEPT "%.12s-%" PRId64 "-", r->plan ? r->plan : "", r->restored);
}

static const char *kept_name(const struct join_files *files, size_t i)
{
	return arena_print(files->f->arena, "%s%zu-%zu", kept_prefix(files), files->cluster, i);
}

/* The directory of what is kept. */
static int open_kept(int *dir, const struct join_files *files, struct err *e)
{
	CLEAN_ROOT struct root state = NO_ROOT;

	if (root_open_at(&state.fd, files->f->root, files->f->state, O_RDONLY | O_DIRECTORY, e))
		return e->code;
	if (mkdirat(state.fd, "finish", 0700) && errno != EEXIST)
		return err_sys(e, "%s/finish", files->f->state);
	return root_open_at(dir, &state, "finish", O_RDONLY | O_DIRECTORY, e);
}

/* As it was before anything was filled in. */
static int read_first(
	struct buf *text, const struct join_files *files, size_t i, const char *path, struct err *e)
{
	const char *kept =
		arena_print(files->f->arena, "%s/finish/%s", files->f->state, kept_name(files, i));
	CLOSE_FD int dir = -1;

	if (!file_read(text, files->f->root, kept, e))
		return 0;
	if (err_forgive(e, ERR_NOTFOUND) || file_read(text, files->f->root, path, e) ||
		open_kept(&dir, files, e))
		return e->code;
	return file_replace(dir, kept_name(files, i), buf_span(text), 0600, e);
}

static int fill(struct buf *out, struct str text, const char *listed, const char *with,
	const char *path, struct err *e)
{
	const struct str what = str_from(listed);
	size_t at, n = 0;

	for (; what.len && str_find(&at, text, what); n++) {
		if (buf_add(out, text.p, at, e) || buf_add_str(out, str_from(with), e))
			return e->code;
		text.p += at + what.len;
		text.len -= at + what.len;
	}
	if (!n)
		return err_set(e, ERR_FORMAT,
			"%s does not hold the list of members that the restore left there; put it "
			"back, or say --initial-cluster=%s and --initial-cluster-state=existing in "
			"it by hand",
			path, with);
	return buf_add(out, text.p, text.len, e);
}

/* systemd has a unit as it was when it was read.  The system's own program is asked. */
static int reload(const struct finish *f, struct err *e)
{
	CLEAN_BUF struct buf said = BUF(OUTPUT);
	char top[PATH_MAX];
	int status;

	const ssize_t n = readlink(
		arena_print(f->arena, "/proc/self/fd/%d", f->root->fd), top, sizeof top - 1);
	if (n < 0)
		return err_sys(e, "/proc/self/fd");
	top[n] = 0;
	const char *program =
		root_exists(f->root, "usr/bin/systemctl") ? "usr/bin/systemctl" : "bin/systemctl";
	const char *const argv[] = { arena_print(f->arena, "%s/%s", n > 1 ? top : "", program),
		"daemon-reload", NULL };
	if (process_run(&status, argv, RELOAD_MS, &said, e))
		return e->code;
	return status ? err_set(e, ERR_IO, "%s daemon-reload ends with status %d: %.*s", argv[0],
				status, STR_ARG(str_trim(buf_text(&said))))
		      : 0;
}

int join_files_fill(
	bool *changed, const struct join_files *files, const char *initial_cluster, struct err *e)
{
	const struct finish_cluster *c = cluster_of(files);
	struct finish *f = files->f;
	bool units = false;

	*changed = false;
	for (size_t i = 0; i < c->files.n; i++) {
		CLEAN_BUF struct buf first = BUF(FILE_MAX), now = BUF(FILE_MAX),
				     out = BUF(FILE_MAX);
		const char *path = place_of(files, c->files.v[i]);
		if (read_first(&first, files, i, path, e) ||
			fill(&out, buf_text(&first), c->listed, initial_cluster, path, e) ||
			file_read(&now, f->root, path, e))
			return e->code;
		if (str_starts(str_from(path), STR("etc/systemd/system/")))
			units = true;
		if (str_equal(buf_text(&now), buf_text(&out)))
			continue;
		if (target_overwrite(f->root, path, buf_span(&out), e))
			return e->code;
		*changed = true;
		event_info(f->listener, "finish", "%s: --initial-cluster is filled in", path);
	}
	/* Also when nothing changed: the crash may have come in between. */
	return units && reload(f, e) ? err_wrap(e, "etcd's unit is written, and not read again")
				     : 0;
}

void join_files_forget(const struct join_files *files)
{
	CLEAN_ROOT struct root dir = NO_ROOT;
	struct err none = { 0 };
	struct names names;

	if (root_open_at(&dir.fd, files->f->root,
		    arena_print(files->f->arena, "%s/finish", files->f->state),
		    O_RDONLY | O_DIRECTORY, &none))
		return;
	for (size_t i = 0; i < cluster_of(files)->files.n; i++)
		unlinkat(dir.fd, kept_name(files, i), 0);
	if (names_read(&names, files->f->arena, &dir, ".", &none))
		return;
	const struct str own = str_from(kept_prefix(files));
	for (size_t i = 0; i < names.n; i++) {
		const struct str name = str_from(names.v[i]);
		if (str_starts(name, STR(KEPT)) && !str_starts(name, own))
			unlinkat(dir.fd, names.v[i], 0);
	}
}
