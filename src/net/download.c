#include "net/download.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/monotonic.h"
#include "net/download_lane.h"

enum { STREAMS = 4, PART = 8 << 20, STALL_MS = 30000, SLOW = 2048, TRIES = 10, TEXTS = 1 << 20 };

static struct lane *idle_lane(struct download *d)
{
	for (unsigned i = 0; i < d->n_lanes; i++) {
		if (!d->lanes[i].part)
			return &d->lanes[i];
	}
	return NULL;
}

static bool has_another_part(const struct download *d)
{
	if (d->plain || (!d->known && d->begun) || d->begun >= d->head + d->n_parts)
		return false;
	return !d->known || d->begun * d->q.part < d->size;
}

/* What failed goes first: it is what the reader waits for soonest. */
static struct part *next_part(struct download *d, int64_t now)
{
	for (uint64_t i = d->head; i < d->begun; i++) {
		struct part *p = &d->parts[i % d->n_parts];
		if (p->state == PART_WAITS && p->retry_at <= now)
			return p;
	}
	if (!has_another_part(d))
		return NULL;
	struct part *p = &d->parts[d->begun % d->n_parts];
	const uint64_t at = d->begun++ * d->q.part;
	const uint64_t left = d->known ? d->size - at : d->q.part;
	*p = (struct part){
		.at = at, .len = (size_t)(left < d->q.part ? left : d->q.part), .bytes = p->bytes
	};
	return p;
}

static void schedule(struct download *d)
{
	const int64_t now = monotonic_ms();
	struct lane *lane;
	struct part *part;

	while (!d->failed.code && (lane = idle_lane(d)) && (part = next_part(d, now))) {
		/* Nothing is waited for: the reader sees `failed`. */
		if (lane_begin(lane, part, &d->failed))
			lane->part = NULL;
	}
}

static void tick(struct download *d)
{
	const int64_t now = monotonic_ms();

	d->clock += now - d->entered;
	d->entered = now;
}

static void unpause(struct download *d)
{
	for (unsigned i = 0; i < d->n_lanes; i++) {
		if (d->lanes[i].part && d->lanes[i].paused) {
			d->lanes[i].paused = false;
			curl_easy_pause(d->lanes[i].curl, CURLPAUSE_CONT);
		}
	}
}

static int drive(struct download *d)
{
	int n = 0;
	CURLMsg *m;

	schedule(d);
	tick(d);
	if (d->failed.code)
		return d->failed.code;
	if (d->plain)
		unpause(d);
	if (curl_multi_perform(d->multi, &n))
		return err_set(&d->failed, ERR_BUG, "libcurl is at its end");
	while (!d->failed.code && (m = curl_multi_info_read(d->multi, &n))) {
		struct lane *lane = NULL;
		const CURLcode code = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&lane);
		lane_end(lane, code);
	}
	for (unsigned i = 0; i < d->n_lanes && !d->failed.code; i++) {
		if (d->lanes[i].part)
			lane_watch(&d->lanes[i]);
	}
	return d->failed.code;
}

static void wait_a_little(struct download *d)
{
	const int64_t now = monotonic_ms();
	int64_t until = now + (d->q.stall_ms < 4000 ? d->q.stall_ms / 4 : 1000);

	for (uint64_t i = d->head; i < d->begun; i++) {
		const struct part *p = &d->parts[i % d->n_parts];
		if (p->state == PART_WAITS && p->retry_at < until)
			until = p->retry_at;
	}
	if (until > now)
		curl_multi_poll(d->multi, NULL, 0, (int)(until - now), NULL);
}

static bool at_end(const struct download *d)
{
	if (d->plain)
		return d->ended && d->head == d->begun;
	return d->known && d->head * d->q.part >= d->size;
}

/* From the head of the ring, as much as is there. */
static size_t hand_out(struct download *d, uint8_t *to, size_t room)
{
	size_t done = 0;

	while (done < room && d->head < d->begun) {
		struct part *p = &d->parts[d->head % d->n_parts];
		const size_t left = p->have - d->out, n = left < room - done ? left : room - done;
		memcpy(to + done, p->bytes + d->out, n);
		done += n;
		d->out += n;
		if (p->state != PART_WHOLE || d->out < p->len)
			break;
		p->state = PART_UNUSED;
		d->head++;
		d->out = 0;
	}
	return done;
}

static int download_read(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	struct download *d = ctx;

	*got = 0;
	d->entered = monotonic_ms();
	/* Also when bytes are waiting: the connections must not stand still meanwhile. */
	while (!drive(d)) {
		*got = hand_out(d, bytes, room);
		if (*got || !room || at_end(d))
			return 0;
		wait_a_little(d);
	}
	*e = d->failed;
	return e->code;
}

static void download_close(void *ctx)
{
	struct download *d = ctx;

	for (unsigned i = 0; i < d->n_lanes; i++) {
		struct lane *lane = &d->lanes[i];
		if (lane->part) {
			curl_multi_remove_handle(d->multi, lane->curl);
			transfer_end(&lane->t, CURLE_ABORTED_BY_CALLBACK);
		}
		curl_easy_cleanup(lane->curl);
	}
	curl_multi_cleanup(d->multi);
	for (unsigned i = 0; i < d->n_parts; i++)
		munmap(d->parts[i].bytes, (size_t)d->q.part);
	/* Keys of encryption may be among them. */
	for (size_t i = 0; i < d->n_headers; i++)
		explicit_bzero(d->own_headers[i], strlen(d->own_headers[i]));
	struct arena arena = d->arena;
	free(d);
	arena_free(&arena);
}

static void fill_in(struct download *d, const struct download_request *q)
{
	struct arena *a = &d->arena;

	d->q = *q;
	d->q.url = arena_copy(a, str_from(q->url));
	d->q.etag = q->etag && *q->etag ? arena_copy(a, str_from(q->etag)) : NULL;
	while (q->headers && q->headers[d->n_headers])
		d->n_headers++;
	d->own_headers = arena_array(a, d->n_headers + 1, sizeof *d->own_headers);
	for (size_t i = 0; i < d->n_headers; i++)
		d->own_headers[i] = arena_copy(a, str_from(q->headers[i]));
	if (!q->streams)
		d->q.streams = STREAMS;
	if (d->q.streams > DOWNLOAD_STREAMS_MAX)
		d->q.streams = DOWNLOAD_STREAMS_MAX;
	d->q.part = q->part ? q->part : PART;
	d->q.stall_ms = q->stall_ms ? q->stall_ms : STALL_MS;
	d->q.slow = q->slow ? q->slow : SLOW;
	d->q.tries = q->tries ? q->tries : TRIES;
	d->q.hurry = q->hurry ? q->hurry : 1;
	d->stats = q->stats ? q->stats : &d->own_stats;
	*d->stats = (struct download_stats){ 0 };
}

static struct download *make(const struct download_request *q)
{
	struct download *d = calloc(1, sizeof *d);

	if (!d)
		out_of_memory(sizeof *d);
	d->arena = ARENA(TEXTS);
	fill_in(d, q);
	d->size = UINT64_MAX;
	d->n_lanes = d->q.streams;
	/* One a stream is enough: the one that is read empties while it fills. */
	d->n_parts = d->q.streams > 1 ? d->q.streams : 2;
	d->lanes = arena_array(&d->arena, d->n_lanes, sizeof *d->lanes);
	d->parts = arena_array(&d->arena, d->n_parts, sizeof *d->parts);
	d->multi = curl_multi_init();
	for (unsigned i = 0; i < d->n_lanes; i++) {
		d->lanes[i] = (struct lane){ .d = d, .curl = curl_easy_init() };
		d->lanes[i].headers =
			arena_array(&d->arena, d->n_headers + 2, sizeof(const char *));
		if (!d->multi || !d->lanes[i].curl)
			out_of_memory(0);
	}
	curl_multi_setopt(d->multi, CURLMOPT_MAXCONNECTS, (long)d->n_lanes);
	/* Pages nobody writes to cost nothing: a small object needs one part. */
	for (unsigned i = 0; i < d->n_parts; i++) {
		d->parts[i].bytes = mmap(NULL, (size_t)d->q.part, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (d->parts[i].bytes == MAP_FAILED)
			out_of_memory((size_t)d->q.part);
	}
	return d;
}

int download_open(struct stream *stream, const struct download_request *request, struct err *e)
{
	struct download *d;

	if (request->part > (uint64_t)1 << 30)
		return err_set(e, ERR_USAGE, "parts of more than 1 GiB");
	d = make(request);
	d->entered = monotonic_ms();
	while (!d->known && !drive(d)) {
		if (!d->known)
			wait_a_little(d);
	}
	if (d->failed.code) {
		*e = d->failed;
		download_close(d);
		return e->code;
	}
	*stream = (struct stream){ download_read, download_close, d,
		d->size == UINT64_MAX ? 0 : d->size };
	return 0;
}
