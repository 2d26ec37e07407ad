#include "net/download_lane.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/monotonic.h"
#include "net/retry.h"
#include "net/url.h"

enum { TOLD_MS = 5000 };

static struct part *part_of(struct download *d, uint64_t i)
{
	return &d->parts[i % d->n_parts];
}

static bool is_strong(const char *etag)
{
	return *etag == '"';
}

/* The first answer tells which version this download is of, and how long it is. */
static int learn(struct lane *lane, struct err *e)
{
	struct download *d = lane->d;
	const struct http_response *r = &lane->r;

	if (d->q.etag && *r->etag && strcmp(d->q.etag, r->etag) != 0) {
		lane->other_version = true;
		return err_set(e, ERR_MISMATCH, "the object changed since it was listed");
	}
	d->plain = r->status != 206;
	if (!d->plain && r->length == UINT64_MAX)
		return err_set(e, ERR_MISMATCH, "the server does not tell how long the object is");
	d->size = r->length;
	/* One that does not fit would never match. */
	if (strlen(r->etag) + 1 < sizeof r->etag)
		memcpy(d->etag, r->etag, sizeof d->etag);
	memcpy(d->modified, r->modified, sizeof d->modified);
	if (!d->plain && lane->part->len > d->size)
		lane->part->len = (size_t)d->size;
	if (!d->plain && !*d->etag && !*d->modified)
		event_warning(d->q.listener, "fetch",
			"the server tells no version of what it sends: should it change meanwhile, "
			"only its own checksum shows that");
	d->known = true;
	return 0;
}

static int check(struct lane *lane, struct err *e)
{
	struct download *d = lane->d;
	const struct http_response *r = &lane->r;

	if (r->status / 100 != 2)
		return 0;
	if (!d->known)
		return learn(lane, e);
	lane->other_version = strcmp(d->modified, r->modified) != 0 || d->size != r->length ||
			      (*d->etag && strcmp(d->etag, r->etag) != 0);
	if (lane->other_version)
		return err_set(e, ERR_MISMATCH, "the object changed while it was read");
	if (!lane->skip || *d->etag || *d->modified)
		return 0;
	lane->other_version = lane->part->doubted = true;
	return err_set(e, ERR_NET,
		"the connection broke, and the server knows neither ranges nor versions to go on "
		"with");
}

/* All or nothing: libcurl comes again with all that was not taken. */
static int take_plain(struct lane *lane, struct span bytes)
{
	struct download *d = lane->d;
	const uint64_t pass = bytes.len < lane->skip ? bytes.len : lane->skip;
	const size_t need = bytes.len - (size_t)pass;
	size_t room = 0;

	for (uint64_t i = d->begun - 1; i < d->head + d->n_parts; i++)
		room += (size_t)d->q.part - (i < d->begun ? lane->part->have : 0);
	if (room < need) {
		lane->paused = true;
		return TRANSFER_PAUSE;
	}
	lane->skip -= pass;
	bytes = (struct span){ bytes.p + pass, need };
	while (bytes.len) {
		struct part *p = lane->part;
		const size_t left = p->len - p->have, n = bytes.len < left ? bytes.len : left;
		memcpy(p->bytes + p->have, bytes.p, n);
		p->have += n;
		bytes = (struct span){ bytes.p + n, bytes.len - n };
		if (p->have < p->len || !bytes.len)
			continue;
		struct part *next = part_of(d, d->begun++);
		*next = (struct part){ .state = PART_RUNS,
			.at = p->at + p->len,
			.len = p->len,
			.failures = p->failures,
			.bytes = next->bytes };
		p->state = PART_WHOLE;
		lane->part = next;
	}
	return 0;
}

static int take(void *ctx, struct span bytes, struct err *e)
{
	struct lane *lane = ctx;
	struct download *d = lane->d;
	int bad = 0;

	if (!lane->checked && check(lane, e))
		return e->code;
	lane->checked = true;
	if (d->plain) {
		bad = take_plain(lane, bytes);
	} else {
		struct part *p = lane->part;
		if (bytes.len > p->len - p->have)
			return err_set(e, ERR_MISMATCH, "more bytes than the range has");
		memcpy(p->bytes + p->have, bytes.p, bytes.len);
		p->have += bytes.len;
	}
	if (bad)
		return bad;
	if (lane->generation == d->generation)
		d->has_worked = true;
	d->stats->wire += bytes.len;
	lane->heard_at = d->clock;
	lane->window_bytes += bytes.len;
	return 0;
}

static void set_headers(struct lane *lane)
{
	struct download *d = lane->d;
	const char *etag = d->known ? d->etag : d->q.etag;
	size_t n = 0;

	for (; n < d->n_headers; n++)
		lane->headers[n] = d->own_headers[n];
	if (etag && is_strong(etag)) {
		snprintf(lane->match, sizeof lane->match, "If-Match: %s", etag);
		lane->headers[n++] = lane->match;
	} else if (d->known && *d->modified) {
		snprintf(lane->match, sizeof lane->match, "If-Unmodified-Since: %s", d->modified);
		lane->headers[n++] = lane->match;
	}
	lane->headers[n] = NULL;
}

static int set_auth(struct lane *lane, struct err *e)
{
	struct download *d = lane->d;
	const bool renew = d->renew;

	if (!d->q.auth)
		return 0;
	d->renew = false;
	lane->auth = (struct http_auth){ 0 };
	if (d->q.auth(d->q.ctx, &lane->auth, renew, e))
		return e->code;
	lane->q.auth = &lane->auth;
	return 0;
}

int lane_begin(struct lane *lane, struct part *part, struct err *e)
{
	struct download *d = lane->d;

	part->state = PART_RUNS;
	lane->part = part;
	lane->checked = lane->paused = lane->other_version = false;
	lane->skip = d->plain ? part->at + part->have : 0;
	lane->generation = d->generation;
	lane->heard_at = lane->window_from = d->clock;
	lane->window_bytes = 0;
	lane->q = (struct http_request){
		.url = d->q.url,
		.trust = d->q.trust,
		.proxy = d->q.proxy,
		.headers = lane->headers,
		/* libcurl would carry them, and the key of SSE-C is one, to any other host. */
		.stay = d->n_headers > 0,
		.from = d->plain ? 0 : part->at + part->have,
		.len = d->plain ? 0 : part->len - part->have,
		.sink = take,
		.ctx = lane,
	};
	set_headers(lane);
	lane->e = (struct err){ 0 };
	if (set_auth(lane, e))
		return e->code;
	d->stats->requests++;
	if (transfer_begin(&lane->t, lane->curl, &lane->q, &lane->r, &lane->e)) {
		transfer_end(&lane->t, CURLE_OK);
		*e = lane->e;
		return e->code;
	}
	lane->t.any_range = !d->known;
	/* The download has a clock of its own, which stands while nobody reads. */
	curl_easy_setopt(lane->curl, CURLOPT_LOW_SPEED_TIME, 0L);
	curl_easy_setopt(lane->curl, CURLOPT_BUFFERSIZE, 256L * 1024);
	curl_easy_setopt(lane->curl, CURLOPT_PRIVATE, lane);
	if (curl_multi_add_handle(d->multi, lane->curl)) {
		transfer_end(&lane->t, CURLE_ABORTED_BY_CALLBACK);
		return err_set(e, ERR_BUG, "libcurl takes no request");
	}
	return 0;
}

/* What S3 and its like call credentials that were good once. */
static bool has_expired(const struct http_response *r)
{
	return r->status == 401 ||
	       ((r->status == 400 || r->status == 403) &&
		       (strstr(r->refusal, "Expired") || strstr(r->refusal, "TokenRefresh")));
}

static void explain(struct lane *lane)
{
	struct download *d = lane->d;
	const char *query = strchr(d->q.url, '?');
	struct arena shown = ARENA(URL_MAX * 2);

	if (lane->r.status == 412)
		err_set(&lane->e, ERR_MISMATCH, "%s: the object changed since it was %s",
			url_text_shown(&shown, d->q.url), d->known ? "begun" : "listed");
	else if (lane->r.status && lane->r.status / 100 != 2 && d->q.explain)
		d->q.explain(d->q.ctx, &lane->r, &lane->e);
	else if (lane->r.status == 403 && query && strstr(query, "Signature="))
		err_set(&lane->e, ERR_AUTH,
			"%s: the server refuses the presigned address (status 403): it has "
			"expired, is incomplete, or the clock is wrong; make a new one",
			url_text_shown(&shown, d->q.url));
	arena_free(&shown);
}

static bool worth_another(struct lane *lane)
{
	struct download *d = lane->d;
	struct part *p = lane->part;
	const struct http_response *r = &lane->r;

	if (lane->other_version) {
		/* A header may have been damaged on its way: once. */
		const bool first = !p->doubted;
		p->doubted = true;
		return first;
	}
	if (d->q.auth && has_expired(r)) {
		if (lane->generation != d->generation)
			return true;
		if (!d->has_worked && d->generation)
			return false; /* the new ones are no better */
		d->generation++;
		d->has_worked = false;
		d->renew = true;
		return true;
	}
	/* An empty object has no first byte, so no range. */
	if (r->status == 416 && !d->known && !p->at) {
		d->plain = true;
		return true;
	}
	return retry_worth(lane->e.code, r->status) ||
	       (lane->e.code == ERR_MISMATCH && r->status / 100 == 2);
}

/* Whoever waits is told why; not for every connection, not at every try, and not of what is but a
 * turn of the protocol. */
static void tell(
	struct download *d, const struct part *p, const char *why, unsigned wait_ms, bool at_once)
{
	const int64_t now = monotonic_ms();
	char again[80];

	snprintf(again, sizeof again, "trying again from byte %" PRIu64 " in %u.%u s",
		p->at + p->have, wait_ms / 1000, wait_ms % 1000 / 100);
	if (at_once || (d->told_at && now - d->told_at < TOLD_MS)) {
		event_debug(d->q.listener, "fetch", "%s; %s", why, again);
		return;
	}
	d->told_at = now;
	event_warning(d->q.listener, "fetch", "%s; %s", why, again);
}

static void try_again(struct lane *lane)
{
	struct download *d = lane->d;
	struct part *p = lane->part;
	const bool at_once = lane->other_version || lane->r.status == 416 ||
			     (d->q.auth && has_expired(&lane->r));
	struct timespec t;

	/* Bytes are success, but not one by one. */
	if (p->have - p->had > d->q.part / 16)
		p->failures = 0;
	p->had = p->have;
	/* Where nobody ever answered, the address may be wrong: that should be said soon. */
	const unsigned tries =
		d->known || lane->r.status ? d->q.tries : d->q.tries / 2 + d->q.tries % 2;
	if (++p->failures >= tries) {
		d->failed = lane->e;
		err_set(&d->failed, lane->e.code, "%s (%u tries)", lane->e.text, p->failures);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &t);
	const unsigned wait =
		at_once ? 0
			: retry_wait_ms(p->failures, lane->r.retry_ms, (unsigned)t.tv_nsec >> 4);
	d->stats->retries++;
	p->retry_at = monotonic_ms() + wait / d->q.hurry;
	p->state = PART_WAITS;
	tell(d, p, lane->e.text, wait, at_once);
}

void lane_end(struct lane *lane, CURLcode code)
{
	struct download *d = lane->d;
	struct part *p;

	curl_multi_remove_handle(d->multi, lane->curl);
	transfer_end(&lane->t, code);
	if (!lane->e.code && !lane->checked) /* an empty body */
		check(lane, &lane->e);
	p = lane->part;
	if (!lane->e.code && d->plain) {
		if (lane->skip || (d->size != UINT64_MAX && p->at + p->have != d->size))
			err_set(&lane->e, ERR_NET, "the object ended before its time");
		p->len = lane->e.code ? p->len : p->have;
		d->ended = !lane->e.code;
	} else if (!lane->e.code && p->have != p->len) {
		err_set(&lane->e, ERR_MISMATCH, "%zu bytes of a range of %zu", p->have, p->len);
	}
	if (!lane->e.code) {
		p->state = PART_WHOLE;
	} else if (worth_another(lane)) {
		try_again(lane);
	} else {
		explain(lane);
		d->failed = lane->e;
	}
	lane->part = NULL;
}

void lane_watch(struct lane *lane)
{
	const struct download *d = lane->d;
	const int64_t window = d->clock - lane->window_from;

	if (lane->paused) {
		lane->heard_at = lane->window_from = d->clock;
		lane->window_bytes = 0;
		return;
	}
	if (d->clock - lane->heard_at >= d->q.stall_ms) {
		err_set(&lane->e, ERR_NET, "nothing came for %u seconds", d->q.stall_ms / 1000);
	} else if (window >= d->q.stall_ms) {
		if (lane->window_bytes < (uint64_t)d->q.slow * d->q.stall_ms / 1000)
			err_set(&lane->e, ERR_NET, "only %ju bytes came in %u seconds",
				(uintmax_t)lane->window_bytes, d->q.stall_ms / 1000);
		lane->window_from = d->clock;
		lane->window_bytes = 0;
	}
	if (lane->e.code)
		lane_end(lane, CURLE_OPERATION_TIMEDOUT);
}
