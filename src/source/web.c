/* https:// and http:// as kinds of source. */
#include "source/web.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/download.h"
#include "net/retry.h"
#include "source/unwrap_magic.h"
#include "source/web_index.h"

enum { TEXTS_MAX = 1 << 20, TRIES = 4 };

static int set_credentials(struct web *w, const struct url *url, struct err *e)
{
	const struct source_settings *s = w->settings;
	struct str user, secret;

	if (!url->has_userinfo) {
		w->auth.user = s->https.user;
		w->auth.secret = s->https.secret;
	} else {
		const bool both = str_cut(&user, &secret, url->userinfo, ':');
		char *u = arena_alloc(&w->arena, URL_MAX), *p = arena_alloc(&w->arena, URL_MAX);
		if (!web_decode(u, URL_MAX, user) || !web_decode(p, URL_MAX, secret))
			return err_set(e, ERR_USAGE,
				"%s: user and password of the address hold control bytes",
				w->shown);
		w->auth.user = *u ? u : NULL;
		w->auth.secret = both ? p : s->https.secret;
	}
	if (w->auth.user && !w->auth.secret)
		w->auth.secret = "";
	if (!w->auth.secret)
		return 0;
	w->auth.kind = w->auth.user ? HTTP_AUTH_BASIC : HTTP_AUTH_BEARER;
	if (url_scheme_is(url, "http"))
		event_warning(s->listener, "source",
			"%s: the %s goes over the network for all to read: use https", w->shown,
			w->auth.user ? "password" : "token");
	return 0;
}

static void web_close(struct source *source)
{
	struct web *w = (struct web *)source;

	if (w->session)
		http_session_close(w->session);
	arena_free(&w->arena);
	explicit_bzero(w, sizeof *w);
	free(w);
}

static int set_address(struct web *w, struct err *e)
{
	struct url url;
	struct arena *a = &w->arena;

	if (url_parse(&url, str_from(w->settings->url), e))
		return e->code;
	if (!url.authority || !url.host.len)
		return err_set(e, ERR_USAGE, "no host in the address: https://HOST/PATH");
	const bool v6 = memchr(url.host.p, ':', url.host.len) != NULL;
	const char *path = url.path.len ? arena_copy(a, url.path) : "/";
	w->origin = arena_print(a, "%s://%s%.*s%s%s",
		url_scheme_is(&url, "https") ? "https" : "http", v6 ? "[" : "", STR_ARG(url.host),
		v6 ? "]" : "", url.port ? arena_print(a, ":%u", url.port) : "");
	w->shown = arena_print(a, "%s%s", w->origin, path);
	w->full =
		url.has_query ? arena_print(a, "%s?%.*s", w->shown, STR_ARG(url.query)) : w->shown;
	w->asked = w->shown;
	if (url_parse(&w->url, str_from(w->full), e))
		return e->code;
	w->index = path[strlen(path) - 1] == '/';
	return set_credentials(w, &url, e);
}

static int web_open(struct source **source, const struct source_settings *settings, struct err *e)
{
	struct web *w = calloc(1, sizeof *w);

	if (!w)
		out_of_memory(sizeof *w);
	w->arena = ARENA(TEXTS_MAX);
	w->settings = settings;
	*source = &w->source;
	if (set_address(w, e)) {
		web_close(*source);
		*source = NULL;
		return e->code;
	}
	w->session = http_session_open();
	return 0;
}

struct http_request web_question(const struct web *w, const char *url)
{
	return (struct http_request){
		.url = url,
		.auth = w->auth.kind ? &w->auth : NULL,
		.trust = w->settings->trust,
		.proxy = w->settings->proxy,
		.session = w->session,
	};
}

/* A server that wants a certificate may just hang up; libcurl then has no word of one. */
static bool hung_up(const char *text)
{
	static const char *const words[] = { "fatal alert", "FATAL_ALERT", "Broken pipe",
		"Connection reset", "Connection was reset" };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strstr(text, words[i]))
			return true;
	}
	return false;
}

int web_why(struct web *w, const struct http_response *r, struct err *e)
{
	if (r->status)
		web_explain(w, r, e);
	else if (url_scheme_is(&w->url, "https") && hung_up(e->text))
		err_set(e, e->code, "%s%s", arena_print(&w->arena, "%s", e->text),
			w->settings->trust->cert.len
				? "; it may not accept our client certificate (https.client-cert)"
				: "; it may want a client certificate (https.client-cert)");
	return (int)e->code;
}

void web_set_object(struct source_object *o, struct arena *a, const struct http_response *r)
{
	const time_t modified = *r->modified ? curl_getdate(r->modified, NULL) : -1;

	o->size = r->length;
	if (modified > 0)
		o->modified = modified;
	if (*r->etag)
		o->etag = arena_copy(a, str_from(r->etag));
}

struct first_bytes {
	uint8_t bytes[512];
	size_t len;
};

/* The first piece is enough; the rest of the body is not waited for. */
static int keep_first(void *ctx, struct span bytes, struct err *e)
{
	struct first_bytes *first = ctx;

	first->len = bytes.len < sizeof first->bytes ? bytes.len : sizeof first->bytes;
	memcpy(first->bytes, bytes.p, first->len);
	return err_set(e, ERR_DECLINED, "that will do");
}

/* An answer to GET, since presigned addresses are for nothing else. */
static int look(struct web *w, struct http_response *r, struct first_bytes *first, struct err *e)
{
	struct http_request q = web_question(w, w->full);

	q.sink = keep_first;
	q.ctx = first;
	for (unsigned n = 1;; n++) {
		first->len = 0;
		const int bad = http_get(r, &q, e);
		if (!bad || (first->len && e->code == ERR_DECLINED)) {
			*e = (struct err){ 0 };
			return 0;
		}
		if (n == TRIES || !retry_worth(e->code, r->status))
			return web_why(w, r, e);
		const unsigned wait = retry_wait_ms(n, r->retry_ms, n);
		event_info(w->settings->listener, "source", "%s; trying again", e->text);
		nanosleep(&(struct timespec){ wait / 1000, (long)(wait % 1000) * 1000000 }, NULL);
	}
}

static int list_one(struct web *w, struct source_objects *objects, struct arena *a, struct err *e)
{
	struct http_response r;
	struct first_bytes first;
	struct source_object *o = arena_array(a, 1, sizeof *o);

	if (look(w, &r, &first, e))
		return e->code;
	*o = (struct source_object){ .name = "", .url = arena_copy(a, str_from(w->shown)) };
	web_set_object(o, a, &r);
	if (str_starts(str_from(r.type), STR("text/html")) &&
		magic_of((struct span){ first.bytes, first.len }) == MAGIC_OTHER)
		o->unfit = "a page of HTML; for what lies in a directory, end the address with '/'";
	*objects = (struct source_objects){ o, 1, false };
	return 0;
}

static int web_list(
	struct source *source, struct source_objects *objects, struct arena *a, struct err *e)
{
	struct web *w = (struct web *)source;

	*objects = (struct source_objects){ 0 };
	e->code = ERR_OK;
	w->asked = w->shown;
	return w->index ? web_walk(w, objects, a, e) : list_one(w, objects, a, e);
}

static int give_auth(void *ctx, struct http_auth *auth, bool expired, struct err *e)
{
	struct web *w = ctx;

	if (expired) { /* there are no others */
		const struct http_response r = { .status = 401 };
		err_set(e, ERR_AUTH, "%s: the server refuses us", w->asked);
		web_explain(w, &r, e);
		return e->code;
	}
	*auth = w->auth;
	return 0;
}

static int web_read(struct source *source, struct stream *stream,
	const struct source_object *object, struct err *e)
{
	struct web *w = (struct web *)source;
	const struct source_settings *s = w->settings;
	const struct str url = str_from(object->url), origin = str_from(w->origin);
	const bool own = str_is(url, w->shown);

	/* The credentials are for this server alone. */
	if (!own && (!str_starts(url, origin) || url.len == origin.len || url.p[origin.len] != '/'))
		return err_set(
			e, ERR_USAGE, "%s lies on another server than %s", object->url, w->origin);
	w->asked = own ? w->shown : arena_copy(&w->arena, url);
	const struct download_request request = {
		.url = own ? w->full : w->asked,
		.etag = object->etag,
		.trust = s->trust,
		.proxy = s->proxy,
		.listener = s->listener,
		.auth = w->auth.kind ? give_auth : NULL,
		.explain = web_explain,
		.ctx = w,
		.streams = s->streams,
		.part = s->part,
	};
	const struct http_response none = { 0 };
	return download_open(stream, &request, e) ? web_why(w, &none, e) : 0;
}

const struct source_kind source_https = {
	.scheme = "https", .open = web_open, .list = web_list, .read = web_read, .close = web_close
};
const struct source_kind source_http = {
	.scheme = "http", .open = web_open, .list = web_list, .read = web_read, .close = web_close
};
