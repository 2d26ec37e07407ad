#include "source/unwrap_layers.h"

#include <stdlib.h>
#include <string.h>

#include "source/unwrap_codec.h"

enum { DRAIN_SIZE = 16384 };

/* Every byte that comes out of anything is read by a layer, or is the entry that is handed on. */
static int count(struct layers *s, const struct layer *l, size_t n, struct err *e)
{
	if (l == s->v)
		return 0;
	s->unpacked += n;
	if (s->unpacked > s->unpacked_max)
		return err_set(e, ERR_SPACE,
			"unpacks to more than %ju MiB: no backup, but made to fill a disk",
			(uintmax_t)(s->unpacked_max >> 20));
	return 0;
}

static int layer_read(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	struct layer *l = ctx;

	*got = l->len - l->at < room ? l->len - l->at : room;
	if (*got) {
		memcpy(bytes, l->head + l->at, *got);
		l->at += *got;
		return 0;
	}
	if (l->in_end)
		return 0;
	if (stream_read(l->in, got, bytes, room, e))
		return e->code;
	l->in_end = !*got;
	return count(l->layers, l, *got, e);
}

static int look(struct layer *l, struct err *e)
{
	size_t got;

	while (l->len < MAGIC_WANTED && !l->in_end) {
		if (stream_read(l->in, &got, l->head + l->len, MAGIC_WANTED - l->len, e))
			return e->code;
		l->in_end = !got;
		l->len += got;
		if (count(l->layers, l, got, e))
			return e->code;
	}
	l->magic = magic_of((struct span){ l->head, l->len });
	return 0;
}

static int member_read(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	struct layer *l = ctx;

	if (unwrap_archive_read(l->archive, got, bytes, room, e))
		return e->code;
	return count(l->layers, NULL, *got, e);
}

struct layer *layers_top(struct layers *s)
{
	return s->n ? &s->v[s->n - 1] : NULL;
}

static int push(struct layers *s, const struct stream *in, const char *inside, struct err *e)
{
	if (s->n == UNWRAP_DEPTH_MAX)
		return err_set(
			e, ERR_UNSUPPORTED, "packed more than %d times over", UNWRAP_DEPTH_MAX);
	struct layer *l = &s->v[s->n++];
	*l = (struct layer){ .in = in, .layers = s, .inside = inside };
	l->seen = (struct stream){ .read = layer_read, .ctx = l };
	l->head = malloc(MAGIC_WANTED);
	if (!l->head)
		out_of_memory(MAGIC_WANTED);
	return look(l, e);
}

void layers_pop(struct layers *s)
{
	struct layer *l = &s->v[--s->n];

	unwrap_archive_close(l->archive);
	stream_close(&l->plain);
	free(l->head);
	*l = (struct layer){ 0 };
}

static unsigned n_codecs(const struct layers *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++)
		n += s->v[i].plain.read != NULL;
	return n;
}

int layers_open(struct layers *s, const struct stream *in, const char *inside, struct err *e)
{
	for (;;) {
		if (push(s, in, inside, e))
			return e->code;
		struct layer *l = &s->v[s->n - 1];
		switch (l->magic) {
		case MAGIC_GZIP:
		case MAGIC_ZLIB:
		case MAGIC_ZSTD:
		case MAGIC_XZ:
		case MAGIC_BZIP2:
		case MAGIC_LZ4:
			/* Each further one in half the room, so that all stay below twice. */
			if (unwrap_codec_open(
				    &l->plain, l->magic, &l->seen, s->memory >> n_codecs(s), e))
				return e->code;
			in = &l->plain;
			continue;
		case MAGIC_TAR:
		case MAGIC_ZIP:
			unwrap_archive_open(&l->archive, l->magic, &l->seen);
			l->member = (struct stream){ .read = member_read, .ctx = l };
			return 0;
		default:
			return 0;
		}
	}
}

int layers_drain(const struct stream *s, struct err *e)
{
	uint8_t bytes[DRAIN_SIZE];
	size_t got;

	do {
		if (stream_read(s, &got, bytes, sizeof bytes, e))
			return e->code;
	} while (got);
	return 0;
}

int layers_leave(struct layers *s, struct err *e)
{
	for (struct layer *l; (l = layers_top(s)) && !l->archive;) {
		if (layers_drain(l->plain.read ? &l->plain : &l->seen, e))
			return e->code;
		layers_pop(s);
	}
	return 0;
}

const char *layers_words(const struct layers *s, struct arena *a)
{
	const char *text = "";

	for (unsigned i = 0; i < s->n; i++) {
		const char *name = magic_name(s->v[i].magic);
		if (name)
			text = arena_print(a, "%s%s%s", text, *text ? ", " : "", name);
	}
	return text;
}
