#include "plan/fetch.h"

#include <string.h>
#include <sys/stat.h>

#include "etcd/received.h"
#include "net/url.h"
#include "os/file.h"

enum { OTHERS_MAX = 4096, BLOCK = 256 << 10 };

static const char step[] = "fetch";

struct fetching {
	struct choose *choose;
	const struct fetch_wish *wish;
	struct stage stage;
	struct fetch_result result;
	struct feed_hush hush;
	struct listener quiet;
	const char *db_name;
};

const char *fetch_name(struct arena *a, const char *object_name)
{
	static const char *const packed[] = { ".gz", ".zst", ".zstd", ".xz", ".bz2", ".lz4", ".zip",
		".tgz", ".txz", ".tbz2", ".tzst", ".tar", ".snapshots" };
	const char *slash = strrchr(object_name, '/');
	struct str s = str_from(slash && slash[1] ? slash + 1 : object_name);
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < sizeof packed / sizeof *packed; i++) {
			if (s.len > strlen(packed[i]) && str_ends(s, str_from(packed[i]))) {
				s.len -= strlen(packed[i]);
				more = true;
			}
		}
	}
	if (!s.len || s.p[0] == '.')
		s = STR("snapshot");
	return arena_print(a, "%.*s%s", STR_ARG(s), str_ends(s, STR(".db")) ? "" : ".db");
}

static const char *shown_path(const struct fetching *f, const struct stage_file *file)
{
	const char *dir = f->stage.path;
	const size_t n = strlen(dir);

	if (!strcmp(dir, "."))
		return file->path;
	return arena_print(
		f->choose->arena, "%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", file->path);
}

static void add_other(struct fetching *f, const struct stage_file *file)
{
	struct fetch_result *r = &f->result;
	struct arena *a = f->choose->arena;

	if (!r->others)
		r->others = arena_array(a, OTHERS_MAX, sizeof *r->others);
	if (r->n_others < OTHERS_MAX)
		r->others[r->n_others++] = shown_path(f, file);
}

/* A database from a stream into a staged file, and proved. */
static int take_database(struct fetch_database *db, struct fetching *f, const char *name,
	uint64_t size, const struct stream *from, struct err *e)
{
	uint64_t entries = 0;
	CLEAN_SCAN struct bolt_scan scan = etcd_received_scan(&entries);
	struct etcd_copied copied = { .scan = &scan };
	struct etcd_received received;
	struct stage_file *file;

	if (stage_begin(&file, &f->stage, name, size, e) ||
		etcd_copy(&copied, file->fd, from, &f->quiet, step, e) ||
		etcd_received_check(&received, file->fd, &copied, f->wish->skip_hash,
			f->choose->listener, step, e))
		return e->code;
	*db = (struct fetch_database){ .path = shown_path(f, file),
		.size = copied.size,
		.entries = received.entries,
		.revision = received.revision,
		.verified = received.verified };
	memcpy(db->sha256, copied.whole, sizeof db->sha256);
	return 0;
}

static int on_events(void *ctx, const struct unwrap_entry *entry, struct err *e)
{
	struct fetching *f = ctx;

	if (!f->wish->whole) {
		f->result.n_left++;
		return 0;
	}
	return take_database(&f->result.events, f, "snapshot-events.db",
		entry->size == UINT64_MAX ? 0 : entry->size, &entry->stream, e);
}

static int is_stopped(void *ctx, struct err *e)
{
	const struct fetching *f = ctx;

	return f->wish->stopped ? f->wish->stopped(f->wish->ctx, e) : 0;
}

int fetch_object(struct feed *feed, struct choose *c, const struct source_object *object,
	const struct feed_settings *extra, struct err *e)
{
	struct feed_settings settings = *extra;
	struct stream raw = { 0 };

	settings.name = object->name && *object->name ? object->name : c->item->shown;
	settings.node = c->wish.catalogue.node;
	settings.size = object->size;
	settings.listener = c->listener;
	settings.arena = c->arena;
	return choose_read(c, &raw, object, e) ? e->code : feed_open(feed, &settings, &raw, e);
}

int fetch_feed(
	struct feed *feed, struct choose *c, const struct feed_settings *extra, struct err *e)
{
	struct feed_settings settings = *extra;

	settings.wanted = c->wish.sha256;
	settings.sidecar = c->sidecar;
	return fetch_object(feed, c, c->item->object, &settings, e)
		       ? err_wrap(e, "%s", c->item->shown)
		       : 0;
}

static int write_companion(struct fetching *f, const struct feed_companion *c, struct err *e)
{
	struct stage_file *file;

	if (stage_begin(&file, &f->stage, c->name, c->bytes.len, e) ||
		file_write(file->fd, c->bytes.p, c->bytes.len, e))
		return err_wrap(e, "%s", c->name);
	if (c->mode)
		fchmod(file->fd, c->mode & 0700);
	add_other(f, file);
	return 0;
}

/* The other half of a pair goes as it is: its reader unpacks it. */
static int take_as_it_is(struct fetching *f, const struct source_object *object, struct err *e)
{
	const char *slash = strrchr(object->name, '/');
	const char *name = slash ? slash + 1 : object->name;
	uint8_t *block = arena_alloc(f->choose->arena, BLOCK);
	struct stream s = { 0 };
	struct stage_file *file;
	size_t got = 1;
	int bad = 0;

	if (stage_begin(&file, &f->stage, name, object->size == UINT64_MAX ? 0 : object->size, e) ||
		choose_read(f->choose, &s, object, e))
		return e->code;
	while (!bad && got)
		bad = is_stopped(f, e) || stream_read(&s, &got, block, BLOCK, e) ||
		      file_write(file->fd, block, got, e);
	stream_close(&s);
	if (bad)
		return err_wrap(e, "%s", name);
	add_other(f, file);
	return 0;
}

static int take_events_object(struct fetching *f, const struct source_object *object, struct err *e)
{
	CLEAN_FEED struct feed feed = { 0 };

	const struct feed_settings extra = { .step = step, .stopped = is_stopped, .ctx = f };

	if (fetch_object(&feed, f->choose, object, &extra, e))
		return e->code;
	const struct stream stream = feed_stream(&feed);
	return take_database(&f->result.events, f, fetch_name(f->choose->arena, object->name),
		       object->size == UINT64_MAX ? 0 : object->size, &stream, e)
		       ? err_wrap(e, "%s", object->name)
		       : 0;
}

static int take_whole(struct fetching *f, const struct feed *feed, struct err *e)
{
	const struct catalogue_item *item = f->choose->item;

	for (const struct feed_companion *c = feed->companions; c; c = c->next) {
		if (write_companion(f, c, e))
			return e->code;
	}
	if (item->partner && take_as_it_is(f, item->partner, e))
		return e->code;
	if (item->events && !f->result.events.path && take_events_object(f, item->events, e))
		return e->code;
	return 0;
}

/* One candidate, up to staged files that are proved and have no name yet. */
static int take(struct fetching *f, struct err *e)
{
	CLEAN_FEED struct feed feed = { 0 };
	const struct catalogue_item *item = f->choose->item;
	const struct source_object *object = item->object;
	const char *name = f->db_name ? f->db_name : fetch_name(f->choose->arena, item->shown);

	const struct feed_settings extra = {
		.step = step, .stopped = is_stopped, .events = on_events, .ctx = f
	};

	f->result = (struct fetch_result){ .from = object->url };
	if (fetch_feed(&feed, f->choose, &extra, e))
		return e->code;
	const struct stream stream = feed_stream(&feed);
	if (take_database(&f->result.main, f, name, object->size == UINT64_MAX ? 0 : object->size,
		    &stream, e) ||
		(f->wish->whole && take_whole(f, &feed, e))) {
		/* A full disk or a file in the way is not the snapshot's fault. */
		const bool is_ours =
			e->code == ERR_SPACE || e->code == ERR_IO || e->code == ERR_DECLINED;
		return is_ours ? e->code : err_wrap(e, "%s", item->shown);
	}
	if (!f->wish->whole)
		f->result.n_left +=
			feed.n_companions + (item->partner != NULL) + (item->events != NULL);
	f->result.inside = feed.archived ? feed.entry.name : NULL;
	f->result.wrapping = feed.entry.wrapping;
	f->result.came = feed.came;
	f->result.tries = f->choose->tries;
	return 0;
}

/* DIR/NAME, NAME here, or a directory that takes what comes under its own name. */
static int open_stage(struct fetching *f, struct err *e)
{
	struct arena *a = f->choose->arena;
	const char *to = f->wish->to ? f->wish->to : ".";

	if (f->wish->whole || !f->wish->to)
		return stage_open(&f->stage, a, to, f->wish->to != NULL, e);
	const char *slash = strrchr(to, '/');
	f->db_name = slash ? slash + 1 : to;
	return stage_open(&f->stage, a,
		!slash        ? "."
		: slash == to ? "/"
			      : arena_copy(a, (struct str){ to, (size_t)(slash - to) }),
		false, e);
}

/* Candidates, until one is whole and proved; the stage is open then, else closed. */
static int fill_stage(struct fetching *f, struct err *e)
{
	f->quiet = feed_hush(&f->hush, f->choose->listener);
	if (open_stage(f, e))
		return e->code;
	f->stage.replace = f->wish->replace;
	for (;;) {
		if (!choose_next(f->choose, e)) {
			const struct arena_mark mark = arena_mark(f->choose->arena);
			if (!take(f, e))
				return 0;
			/* Companions of several bad ones would be too much in the end. */
			stage_drop(&f->stage, 0);
			arena_release(f->choose->arena, mark);
		}
		if (!choose_again(f->choose, e)) {
			stage_close(&f->stage);
			return e->code;
		}
	}
}

int fetch_run(
	struct fetch_result *result, struct choose *c, const struct fetch_wish *wish, struct err *e)
{
	struct fetching f = { .choose = c, .wish = wish, .stage = NO_STAGE };

	if (fill_stage(&f, e))
		return e->code;
	const int bad = stage_publish(&f.stage, e);
	if (!bad) {
		event_done(c->listener, step, "received, proved and in place");
		*result = f.result;
	}
	stage_close(&f.stage);
	return bad;
}

int fetch_hold(
	struct fetch_held *held, struct choose *c, const struct fetch_wish *wish, struct err *e)
{
	struct fetching f = { .choose = c, .wish = wish, .stage = NO_STAGE };

	if (fill_stage(&f, e))
		return e->code;
	const struct stage_file *file = f.stage.v[0];
	held->stage = f.stage;
	held->path = file->part ? arena_print(c->arena, "%s/%s", f.stage.path, file->part)
				: arena_print(c->arena, "/proc/self/fd/%d", file->fd);
	event_done(c->listener, step, "received and proved");
	return 0;
}

void fetch_let_go(struct fetch_held *held)
{
	stage_close(&held->stage);
}
