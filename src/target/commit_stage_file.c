/* New files and drop-ins, put beside what is old; nothing of the old is touched. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "target/commit_part.h"
#include "target/file.h"

/* Written and given the metadata; synced with all the others. */
static int write_staged(
	struct commit_spot at, int like, int above, mode_t mode, struct span content, struct err *e)
{
	CLOSE_FD int dir = -1, fd = -1;
	const char *name;

	if (commit_remove(NULL, at, e) || commit_parent(&dir, &name, at, e))
		return e->code;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "%s", at.path);
	if (file_write(fd, content.p, content.len, e))
		return err_wrap(e, "%s", at.path);
	if (like >= 0)
		return target_copy_metadata(like, fd, at.path, e);
	if (fchmod(fd, mode))
		return err_sys(e, "%s", at.path);
	return target_label_like(fd, above, at.path, e);
}

/* The directory of a path, or the nearest one above that there is. */
static int nearest(
	int *fd, const char **path, const struct commit *c, struct commit_spot at, struct err *e)
{
	const char *slash = strrchr(at.path, '/');

	for (;;) {
		struct err why = { 0 };
		*path = arena_print(c->arena, "%.*s", slash ? (int)(slash - at.path) : 0, at.path);
		if (!root_open_at(fd, at.root, **path ? *path : ".", O_RDONLY | O_DIRECTORY, &why))
			return 0;
		if (why.code != ERR_NOTFOUND || !slash) {
			*e = why;
			return e->code;
		}
		slash = memrchr(at.path, '/', (size_t)(slash - at.path));
	}
}

static int stage_in_state(struct journal_item *item, const struct commit *c, struct err *e)
{
	const char *stage = arena_print(c->arena, "%s/stage", c->state);

	item->staged = arena_print(c->arena, "%s/%zu", stage, c->journal.n_items);
	return target_make_directories(c->roots[0].root, stage, 0700, e);
}

/* Below STATE, or above the place when that is another file system. */
static int stage_name(struct journal_item *item, struct commit *c, struct commit_spot at, int above,
	struct err *e)
{
	CLEAN_ROOT struct root state = NO_ROOT;
	struct commit_mount ours, its;

	if (commit_state(&state, c, false, e) || commit_mount(&ours, state.fd, c->state, e) ||
		commit_mount(&its, above, item->path, e))
		return e->code;
	return ours.id == its.id ? stage_in_state(item, c, e)
				 : commit_above(&item->staged, c, at,
					   arena_print(c->arena, "-%zu", c->journal.n_items), e);
}

/* Where the old one, or a drop-in's text, lies afterwards. */
static int kept_name(struct journal_item *item, const struct commit *c, struct err *e)
{
	for (int n = 1; n < COMMIT_NAMES_TRIED; n++) {
		char more[16] = "";
		struct commit_spot at;
		bool taken = false;
		if (n > 1)
			snprintf(more, sizeof more, "-%d", n);
		item->kept = arena_print(
			c->arena, "%s/before-%s%s/%s", c->state, commit_short(c), more, item->path);
		if (commit_kept_at(&at, c, item, e))
			return e->code;
		for (size_t i = 0; i < c->journal.n_items; i++)
			taken |= c->journal.items[i].kept &&
				 !strcmp(c->journal.items[i].kept, item->kept);
		if (!taken && !commit_exists(at))
			return 0;
	}
	return err_set(
		e, ERR_DECLINED, "%s has too many old copies; etcd-rescue forget", item->path);
}

/* The old file: open, a plain file, may be changed; -1 when there is none. */
static int open_old(int *fd, struct commit *c, const struct journal_item *item,
	struct commit_spot at, struct err *e)
{
	struct err none = { 0 };
	struct stat st;
	char link[2];

	if (!root_read_link(link, sizeof link, at.root, at.path, &none))
		return err_set(
			e, ERR_DECLINED, "%s is a symbolic link; name what it leads to", at.path);
	none = (struct err){ 0 };
	if (root_open_at(fd, at.root, at.path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, &none)) {
		if (none.code == ERR_NOTFOUND)
			return 0;
		*e = none;
		return e->code;
	}
	if (fstat(*fd, &st))
		return err_sys(e, "%s", at.path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_DECLINED, "%s is no regular file", at.path);
	return commit_note_flags(c, item->device, item->path, *fd, e);
}

static int stage_file(struct journal_item *item, struct commit *c, const struct commit_file *file,
	int old, int above, struct err *e)
{
	struct commit_spot staged, like;
	CLOSE_FD int model = -1;

	/* A fence that does not change comes back itself, where it can. */
	if (commit_at(&staged, c, item, e) || stage_name(item, c, staged, above, e))
		return e->code;
	const size_t len = strlen(c->state);
	const bool ours = !strncmp(item->staged, c->state, len) && item->staged[len] == '/';
	if (item->before && !strcmp(item->before, item->after) && ours && !item->held) {
		item->staged = item->kept;
		return 0;
	}
	/* In a foreign directory: the record comes first. */
	if (!ours) {
		c->journal.n_items++;
		const int status = commit_save(c, JOURNAL_INTENT, e);
		c->journal.n_items--;
		if (status)
			return e->code;
	}
	if (old < 0 && file->like &&
		(commit_spot(&like, c, file->place.device, file->like, e) ||
			root_open_at(&model, like.root, like.path,
				O_RDONLY | O_NONBLOCK | O_NOFOLLOW, e)))
		return e->code;
	if (commit_staged_at(&staged, c, item, e))
		return e->code;
	return write_staged(staged, old >= 0 ? old : model, above, file->mode ? file->mode : 0644,
		file->content, e);
}

int commit_add_file(struct commit *c, const struct commit_file *file, struct err *e)
{
	char sum[DIGEST_HEX];
	struct journal_item *item;
	struct commit_spot at;
	const char *above_path;
	CLOSE_FD int old = -1, above = -1;

	if (commit_staging(c, e) || commit_new_item(&item, c, &file->place, e) ||
		commit_at(&at, c, item, e) || open_old(&old, c, item, at, e) ||
		nearest(&above, &above_path, c, at, e) ||
		commit_note_flags(c, item->device, above_path, above, e))
		return e->code;
	item->kind = file->fence ? JOURNAL_FENCE : JOURNAL_FILE;
	item->existed = old >= 0;
	item->held = file->held;
	item->passing = file->passing;
	item->changing = file->changing;
	if (item->existed) {
		if (commit_sum(sum, at, e))
			return e->code;
		item->before = arena_copy(c->arena, str_from(sum));
	}
	if (!file->remove) {
		digest_span(sum, file->content);
		item->after = arena_copy(c->arena, str_from(sum));
	}
	/* Neither there nor wanted, or there already: nothing to do. */
	if (!item->before && !item->after)
		return 0;
	if (!file->fence && !file->held && !file->changing && item->before && item->after &&
		!strcmp(item->before, item->after))
		return 0;
	if ((item->existed && kept_name(item, c, e)) ||
		(item->after && stage_file(item, c, file, old, above, e)))
		return e->code;
	c->journal.n_items++;
	return 0;
}

int commit_add_dropin(
	struct commit *c, const struct commit_place *place, struct span content, struct err *e)
{
	char sum[DIGEST_HEX], is[DIGEST_HEX];
	struct journal_item *item;
	struct commit_spot at, staged;
	const char *above_path;
	CLOSE_FD int above = -1;

	if (commit_staging(c, e) || commit_new_item(&item, c, place, e) ||
		commit_at(&at, c, item, e) || commit_sum(is, at, e) ||
		nearest(&above, &above_path, c, at, e) ||
		commit_note_flags(c, item->device, above_path, above, e))
		return e->code;
	digest_span(sum, content);
	item->kind = JOURNAL_DROPIN;
	item->after = arena_copy(c->arena, str_from(sum));
	if (*is && strcmp(is, sum))
		return err_set(e, ERR_DECLINED, "%s is there already, and not ours", at.path);
	const char *slash = strrchr(at.path, '/');
	item->existed = slash && strlen(above_path) == (size_t)(slash - at.path);
	if (stage_in_state(item, c, e) || kept_name(item, c, e) ||
		commit_staged_at(&staged, c, item, e) ||
		write_staged(staged, -1, above, 0644, content, e))
		return e->code;
	c->journal.n_items++;
	return 0;
}
