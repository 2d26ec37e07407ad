#include "plan/feed.h"

#include <string.h>

#include "base/buf.h"
#include "codec/text.h"

enum { TELL_EVERY = 1 << 20, HEX = 2 * CODEC_SHA256_SIZE };

static int read_raw(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	struct feed *f = ctx;
	const struct feed_settings *s = &f->settings;

	if (s->stopped && s->stopped(s->ctx, e))
		return e->code;
	if (stream_read(&f->raw, got, bytes, room, e))
		return e->code;
	e->code = ERR_OK; /* of a connection that was lost and came back */
	if (f->hashing)
		codec_sha256_update(&f->came_sha, (struct span){ bytes, *got });
	f->came += *got;
	const uint64_t total = s->size == UINT64_MAX ? 0 : s->size;
	if (f->came - f->told >= TELL_EVERY || (!*got && f->told != f->came)) {
		f->told = f->came;
		event_progress(s->listener, s->step, f->came, total);
	}
	return 0;
}

/* As in etcd/copy.c: the last 32 bytes may be the trailer. */
static void hash_db(struct feed *f, struct span b)
{
	if (b.len >= sizeof f->held) {
		codec_sha256_update(&f->db_sha, (struct span){ f->held, f->n_held });
		codec_sha256_update(&f->db_sha, (struct span){ b.p, b.len - sizeof f->held });
		memcpy(f->held, b.p + b.len - sizeof f->held, sizeof f->held);
		f->n_held = sizeof f->held;
		return;
	}
	const size_t all = f->n_held + b.len;
	const size_t out = all > sizeof f->held ? all - sizeof f->held : 0;
	codec_sha256_update(&f->db_sha, (struct span){ f->held, out });
	memmove(f->held, f->held + out, f->n_held - out);
	f->n_held -= out;
	memcpy(f->held + f->n_held, b.p, b.len);
	f->n_held += b.len;
}

static bool is_digest(const char *hex, const uint8_t digest[CODEC_SHA256_SIZE])
{
	CLEAN_BUF struct buf text = BUF(HEX + 1);
	struct err ignored;

	return !codec_text_hex(&text, (struct span){ digest, CODEC_SHA256_SIZE }, &ignored) &&
	       str_is(buf_text(&text), hex);
}

static int check_sums(struct feed *f, struct err *e)
{
	const struct feed_settings *s = &f->settings;
	uint8_t came[CODEC_SHA256_SIZE], bare[CODEC_SHA256_SIZE], whole[CODEC_SHA256_SIZE];
	CLEAN_BUF struct buf text = BUF(HEX + 1);
	struct codec_sha256 all = f->db_sha;

	if (!f->hashing)
		return 0;
	codec_sha256_update(&all, (struct span){ f->held, f->n_held });
	codec_sha256_final(came, &f->came_sha);
	codec_sha256_final(bare, &f->db_sha);
	codec_sha256_final(whole, &all);
	const char *const wants[] = { s->wanted, s->sidecar };
	for (size_t i = 0; i < 2; i++) {
		if (!wants[i] || is_digest(wants[i], came) || is_digest(wants[i], whole) ||
			is_digest(wants[i], bare))
			continue;
		if (codec_text_hex(&text, (struct span){ came, sizeof came }, e))
			return e->code;
		return err_set(e, ERR_MISMATCH, "%s has sha256 %.*s, %s", s->name,
			STR_ARG(buf_text(&text)),
			i ? "the sum that lies beside it says otherwise: one of them was changed"
			  : "which is not the one that was asked for");
	}
	return 0;
}

static void keep(struct feed *f, const struct unwrap_entry *entry)
{
	struct feed_companion *c = arena_alloc(f->settings.arena, sizeof *c);
	struct feed_companion **last = &f->companions;

	while (*last)
		last = &(*last)->next;
	*c = (struct feed_companion){ entry->name, entry->bytes, entry->mode, NULL };
	*last = c;
	f->n_companions++;
}

/* On to the database, or behind it to the end. */
static int advance(struct feed *f, struct err *e)
{
	const struct feed_settings *s = &f->settings;
	struct unwrap_entry entry;

	for (;;) {
		if (unwrap_next(&entry, f->unwrap, e))
			return e->code;
		/* What is no archive is what was asked for, whatever its name says. */
		if (entry.role == UNWRAP_DB_EVENTS && !strcmp(entry.name, s->name))
			entry.role = UNWRAP_DB;
		switch (entry.role) {
		case UNWRAP_COMPANION:
			keep(f, &entry);
			break;
		case UNWRAP_DB_EVENTS:
			if (s->events && s->events(s->ctx, &entry, e))
				return err_wrap(e, "%s", entry.name);
			break;
		case UNWRAP_DB:
			if (f->began)
				return err_set(e, ERR_DECLINED,
					"%s holds %s and %s; say which with "
					"--node NAME",
					s->name, f->entry.name, entry.name);
			f->entry = entry;
			f->began = true;
			f->archived = strcmp(entry.name, s->name) != 0;
			return 0;
		case UNWRAP_END:
			f->ended = true;
			if (!f->began)
				return err_set(e, ERR_NOTFOUND,
					"%s holds no database but that of the events", s->name);
			return check_sums(f, e);
		}
	}
}

static int read_db(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	struct feed *f = ctx;

	*got = 0;
	if (f->ended)
		return 0;
	if (!f->began && advance(f, e))
		return e->code;
	if (stream_read(&f->entry.stream, got, bytes, room, e))
		return e->code;
	if (f->hashing)
		hash_db(f, (struct span){ bytes, *got });
	return *got ? 0 : advance(f, e);
}

int feed_open(
	struct feed *f, const struct feed_settings *settings, struct stream *raw, struct err *e)
{
	*f = (struct feed){
		.settings = *settings, .raw = *raw, .hashing = settings->wanted || settings->sidecar
	};
	*raw = (struct stream){ 0 };
	f->counted = (struct stream){ read_raw, NULL, f, f->raw.size };
	codec_sha256_init(&f->came_sha);
	codec_sha256_init(&f->db_sha);
	f->how = (struct unwrap_settings){ .name = settings->name,
		.node = settings->node,
		.arena = settings->arena,
		.listener = settings->listener };
	const int bad = unwrap_open(&f->unwrap, &f->how, &f->counted, e);
	if (bad)
		feed_close(f);
	return bad;
}

struct stream feed_stream(struct feed *f)
{
	return (struct stream){ read_db, NULL, f, 0 };
}

void feed_close(struct feed *f)
{
	if (f->unwrap)
		unwrap_close(f->unwrap);
	f->unwrap = NULL;
	stream_close(&f->raw);
}

static void hear_but_progress(void *ctx, const struct event *event)
{
	const struct feed_hush *hush = ctx;

	if (event->kind != EVENT_PROGRESS && hush->to && hush->to->hear)
		hush->to->hear(hush->to->ctx, event);
}

struct listener feed_hush(struct feed_hush *hush, const struct listener *l)
{
	hush->to = l;
	return (struct listener){ hear_but_progress, hush };
}
