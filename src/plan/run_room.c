/* Is there room for the new member beside the old one; else where do both go?  A snapshot that
 * comes compressed tells its size at its end, so room is looked for while it is written, too. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "os/file.h"
#include "plan/run.h"

enum { BESIDES = 80 << 20, LEFT = 4 << 20 }; /* a segment of the log, edits; what a disk needs */
/* Of that, once the stages are made. */
enum { AFTER = 79 << 20, REST = 1 << 16 };

static const char choices[] =
	"the choices: `old: move:/PATH` in the plan (a directory on another file system of this "
	"machine, with room for old and new), `etcd-rescue forget` (deletes what earlier "
	"restores kept), or a larger file system";

static struct commit_place member_of(const struct run *r, const struct run_cluster *c)
{
	const char *dir = c->data.path;

	return (struct commit_place){ c->data.device,
		arena_print(r->arena, "%s%smember", dir, *dir ? "/" : "") };
}

static int device_of(
	dev_t *device, const struct run *r, const struct commit_place *place, struct err *e)
{
	CLOSE_FD int fd = -1;
	struct stat st;

	if (root_open_at(&fd, site_root(&r->site, place->device), *place->path ? place->path : ".",
		    O_PATH | O_DIRECTORY, e))
		return e->code;
	if (fstat(fd, &st))
		return err_sys(e, "%s", place->path);
	*device = st.st_dev;
	return 0;
}

/* The directory that old: move: names, on another file system, with room for both. */
static int find_aside(
	struct run *r, struct run_cluster *c, uint64_t need, uint64_t old, struct err *e)
{
	const char *path = r->site.aside;
	struct commit_place base;
	uint64_t free_bytes;
	dev_t here, there;

	if (site_directory(&base, &r->site, &r->site.target.aside, e))
		return err_wrap(e, "old: move:%s", path);
	if (!site_root(&r->site, base.device) || device_of(&there, r, &base, e))
		return err_set(e, ERR_NOTFOUND,
			"old: move:%s: there is no such directory; make it, or mount what holds it",
			path);
	if (device_of(&here, r, &c->data, e))
		return e->code;
	if (here == there)
		return err_set(e, ERR_USAGE,
			"old: move:%s is on the very file system that is too small; name a "
			"directory on another one",
			path);
	if (site_free(&free_bytes, &r->site, &base, e))
		return e->code;
	if (free_bytes < old + need)
		return err_set(e, ERR_SPACE,
			"old: move:%s: %" PRIu64 " bytes are missing there: the old member has "
			"%" PRIu64 ", the new one up to %" PRIu64,
			path, old + need - free_bytes, old, need);
	c->aside = (struct commit_place){ base.device,
		arena_print(r->arena, "%s%s%s", base.path, *base.path ? "/" : "",
			c->target->cluster->what) };
	c->moved = true;
	event_info(r->listener, "member",
		"old and new do not fit side by side: the old member goes to %s/%s", path,
		c->target->cluster->what);
	return 0;
}

/* The rest is read for its length alone, so that the text has the whole number. */
static int too_large(struct run_room *w, struct err *e)
{
	uint8_t *rest = arena_alloc(w->run->arena, REST);
	const struct run_cluster *c = w->cluster;
	struct err why = { 0 };
	size_t more = 1;

	while (more && !stream_read(w->from, &more, rest, REST, &why))
		w->size += more;
	const char *least = more ? "at least " : "";
	return err_set(e, ERR_SPACE,
		"%s: %s%" PRIu64 " bytes are missing: unpacked the snapshot has %s%" PRIu64
		", %" PRIu64 " are for what else is written, and %" PRIu64 " are free%s%s",
		c->moved ? w->run->site.aside : c->target->cluster->data_dir, least,
		w->size + w->reserve - w->free_bytes, least, w->size, w->reserve, w->free_bytes,
		c->moved ? "" : "; ", c->moved ? "" : choices);
}

/* By count, not by what is free now: a file system may hold more for a file that grows. */
static int read_watched(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	struct run_room *w = ctx;

	if (stream_read(w->from, got, bytes, room, e))
		return e->code;
	w->size += *got;
	return w->size + w->reserve <= w->free_bytes ? 0 : too_large(w, e);
}

int run_room_watch(struct stream *watched, struct run_room *w, const struct run *r,
	const struct run_cluster *c, const struct stream *from, struct err *e)
{
	const struct commit_place member = member_of(r, c);
	uint64_t free_bytes, old = 0;

	/* The old one is copied there, too. */
	if (site_free(&free_bytes, &r->site, c->moved ? &c->aside : &c->data, e) ||
		(c->moved && commit_size(&old, &r->commit, &member, e)))
		return e->code;
	*w = (struct run_room){ r, c, from, free_bytes, AFTER + old, 0 };
	*watched = (struct stream){ .read = read_watched, .ctx = w, .size = from->size };
	return 0;
}

int run_room(struct run *r, struct run_cluster *c, struct err *e)
{
	const uint64_t size = r->choose.item->object->size;
	const uint64_t need = (size == UINT64_MAX ? 0 : size) + BESIDES;
	const char *dir = c->target->cluster->data_dir;
	const struct commit_place member = member_of(r, c);
	uint64_t free_bytes, old;

	if (site_free(&free_bytes, &r->site, &c->data, e))
		return e->code;
	if (free_bytes >= need)
		return 0;
	if (commit_size(&old, &r->commit, &member, e))
		return e->code;
	const uint64_t missing = need - free_bytes;
	if (missing > old)
		return err_set(e, ERR_SPACE,
			"%s: %" PRIu64 " bytes are missing for the new member, and the old one "
			"holds but %" PRIu64 "; make room, or a larger file system",
			dir, missing, old);
	if (!r->site.aside)
		return err_set(e, ERR_SPACE,
			"%s: %" PRIu64 " bytes are missing to lay the new member down beside the "
			"old one; %s",
			dir, missing, choices);
	if (c->target->data.place.n_lower)
		return err_set(e, ERR_UNSUPPORTED,
			"%s: %" PRIu64 " bytes are missing, and on an overlay the old member is "
			"not moved; `etcd-rescue forget`, or a larger upper layer",
			dir, missing);
	return find_aside(r, c, need, old, e);
}

/* Once the new one is known to the byte. */
int run_room_left(const struct run *r, const struct run_cluster *c, struct err *e)
{
	const struct commit_place member = member_of(r, c), made = { c->aside.device, c->inside };
	uint64_t free_bytes, old, new;

	if (site_free(&free_bytes, &r->site, &c->data, e) ||
		commit_size(&old, &r->commit, &member, e) ||
		commit_size(&new, &r->commit, &made, e))
		return e->code;
	if (free_bytes + old >= new + LEFT)
		return 0;
	return err_set(e, ERR_SPACE,
		"%s: %" PRIu64 " bytes are missing for the new member even without the old one",
		c->target->cluster->data_dir, new + LEFT - free_bytes - old);
}
