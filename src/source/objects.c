#include "source/objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/s3.h"
#include "source/web.h"

enum { DEADLINE_MS = 15000, CONNECT_MS = 5000, TEXTS_MAX = 1 << 20, ANSWER_MAX = 64 << 10 };

struct objects {
	struct source *source; /* a struct s3 or a struct web: its kind tells */
	struct arena arena;
	unsigned deadline_ms;
	const char *shown;
};

static struct s3 *s3_of(const struct objects *o)
{
	return o->source->kind == &source_s3 ? (struct s3 *)o->source : NULL;
}

int objects_open(struct objects **objects, const struct source_settings *settings,
	unsigned deadline_ms, struct err *e)
{
	struct source *source;

	if (source_open(&source, settings, e))
		return e->code;
	if (source->kind != &source_s3 && source->kind != &source_https &&
		source->kind != &source_http) {
		const char *scheme = source->kind->scheme;
		source_close(source);
		return err_set(e, ERR_UNSUPPORTED,
			"%s: is no place where machines can leave word for each other: use s3:// "
			"or https://",
			scheme);
	}
	struct objects *o = calloc(1, sizeof *o);
	if (!o)
		out_of_memory(sizeof *o);
	o->source = source;
	o->arena = ARENA(TEXTS_MAX);
	o->deadline_ms = deadline_ms ? deadline_ms : DEADLINE_MS;
	o->shown = s3_of(o) ? s3_address_print(
				      &o->arena, s3_of(o)->address.bucket, s3_of(o)->address.key)
			    : ((struct web *)source)->shown;
	*objects = o;
	return 0;
}

void objects_close(struct objects *o)
{
	if (!o)
		return;
	source_close(o->source);
	arena_free(&o->arena);
	free(o);
}

const char *objects_shown(const struct objects *o)
{
	return o->shown;
}

struct question {
	const char *name, *method;
	struct span bytes;
	const char *const *headers;
};

static int ask_s3(struct buf *body, struct http_response *r, struct objects *o,
	const struct question *what, struct err *e)
{
	struct s3 *s = s3_of(o);
	const struct str prefix = s->address.key;
	const bool joined = !prefix.len || prefix.p[prefix.len - 1] == '/';
	const char *key =
		arena_print(&o->arena, "%.*s%s%s", STR_ARG(prefix), joined ? "" : "/", what->name);
	const struct s3_question q = { .key = str_from(key),
		.method = what->method,
		.body = what->bytes,
		.headers = what->headers,
		.deadline_ms = o->deadline_ms };

	if (q.key.len > S3_KEY_MAX)
		return err_set(e, ERR_USAGE, "%s: the name of the object is too long", o->shown);
	snprintf(s->object, sizeof s->object, "'%s'", key);
	s->writes = what->method != NULL;
	const int bad = s3_ask(s, body, r, &q, e);
	if (bad && s3_is_code(s, "NoSuchBucket")) /* more is missing than the object */
		return e->code = ERR_MISMATCH;
	/* Who may not list is not told either that there is nothing. */
	if (bad && !what->method && s3_is_code(s, "AccessDenied"))
		return err_set(e, ERR_AUTH,
			"%s may not be read, or is not there: without s3:ListBucket the store does "
			"not tell (AccessDenied); allow s3:GetObject, s3:PutObject and "
			"s3:ListBucket",
			s->object);
	return bad;
}

static int into_buf(void *ctx, struct span bytes, struct err *e)
{
	return buf_add(ctx, bytes.p, bytes.len, e);
}

static int ask_web(struct buf *body, struct http_response *r, struct objects *o,
	const struct question *what, struct err *e)
{
	struct web *w = (struct web *)o->source;
	const struct http_request request = {
		.url = arena_print(&o->arena, "%s%s%s%s%.*s", w->shown, w->index ? "" : "/",
			s3_encode(&o->arena, str_from(what->name), true),
			w->url.has_query ? "?" : "", STR_ARG(w->url.query)),
		.method = what->method,
		.body = what->bytes,
		.headers = what->headers,
		.auth = w->auth.kind ? &w->auth : NULL,
		.trust = w->settings->trust,
		.proxy = w->settings->proxy,
		.session = w->session,
		.cap = body->max,
		.connect_ms = CONNECT_MS,
		.total_ms = o->deadline_ms,
		.sink = into_buf,
		.ctx = body,
	};

	buf_clear(body);
	if (!http_get(r, &request, e) || !r->status)
		return e->code;
	w->asked = url_text_shown(&o->arena, request.url);
	if (what->method && (r->status == 405 || r->status == 501))
		err_set(e, ERR_UNSUPPORTED,
			"%s: the server takes no PUT (status %u): allow it there (WebDAV)",
			w->asked, r->status);
	else if (r->status != 404)
		web_explain(w, r, e);
	w->asked = w->shown;
	return e->code;
}

static int ask(struct buf *body, struct http_response *r, struct objects *o,
	const struct question *what, struct err *e)
{
	const struct arena_mark mark = arena_mark(&o->arena);

	*r = (struct http_response){ 0 };
	e->code = ERR_OK;
	const int bad = s3_of(o) ? ask_s3(body, r, o, what, e) : ask_web(body, r, o, what, e);
	arena_release(&o->arena, mark);
	return bad;
}

int objects_put(
	struct objects *o, const char *name, struct span bytes, bool only_new, struct err *e)
{
	static const char *const new[] = { "Content-Type: application/json", "If-None-Match: *",
		NULL };
	static const char *const any[] = { "Content-Type: application/json", NULL };
	CLEAN_BUF struct buf answer = BUF(ANSWER_MAX);
	const struct question q = { name, "PUT", bytes, only_new ? new : any };
	struct http_response r;

	const int bad = ask(&answer, &r, o, &q, e);
	if (bad && only_new && (r.status == 412 || r.status == 409))
		return err_set(e, ERR_DECLINED, "%s: there is a %s already", o->shown, name);
	return bad;
}

int objects_get(struct buf *bytes, struct objects *o, const char *name, struct err *e)
{
	static const char *const fresh[] = { "Cache-Control: no-cache", NULL };
	const struct question q = { .name = name, .headers = fresh };
	struct http_response r;

	return ask(bytes, &r, o, &q, e);
}

int objects_probe_new(bool *honoured, struct objects *o, const char *name, struct err *e)
{
	CLEAN_BUF struct buf found = BUF(64);

	if (objects_put(o, name, SPAN("1"), false, e))
		return e->code;
	if (objects_put(o, name, SPAN("2"), true, e) && e->code != ERR_DECLINED)
		return e->code;
	if (objects_get(&found, o, name, e))
		return e->code;
	*honoured = str_is(buf_text(&found), "1");
	return 0;
}
