/* What is in the bucket: pages one after another, whatever version of listing is spoken. */
#include "source/s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Of a bucket with more, the newest are kept. */
enum {
	PAGES_MAX = 5000,
	OBJECTS_MAX = 20000,
	KEPT = OBJECTS_MAX / 2,
	TEXTS_MAX = 96 << 20,
	SHOWN_BELOW = 8
};

struct listing {
	struct s3 *s;
	struct s3_item *v;
	size_t n;
	struct arena texts; /* of v */
	bool cut;
	size_t n_below_exact; /* objects whose name goes on behind the address's own and a '/' */
	bool has_exact;
};

static int newest_first(const void *a, const void *b)
{
	const struct s3_item *x = a, *y = b;

	if (x->modified != y->modified)
		return x->modified < y->modified ? 1 : -1;
	return str_compare(y->key, x->key);
}

static int by_name(const void *a, const void *b)
{
	const struct s3_item *x = a, *y = b;
	const int order = str_compare(x->key, y->key);

	return order ? order : x->old - y->old;
}

static const char *copy_text(struct arena *a, const char *text)
{
	return text ? arena_copy(a, str_from(text)) : NULL;
}

static void copy_item(struct s3_item *to, const struct s3_item *from, struct arena *a)
{
	*to = *from;
	to->key.p = arena_copy(a, from->key);
	to->etag = copy_text(a, from->etag);
	to->version = copy_text(a, from->version);
	to->storage = copy_text(a, from->storage);
}

static void make_room(struct listing *l)
{
	struct arena texts = ARENA(TEXTS_MAX);

	qsort(l->v, l->n, sizeof *l->v, newest_first);
	if (l->n > KEPT)
		l->n = KEPT;
	for (size_t i = 0; i < l->n; i++)
		copy_item(&l->v[i], &l->v[i], &texts);
	arena_free(&l->texts);
	l->texts = texts;
	l->cut = true;
}

static void take(struct listing *l, const struct s3_page *page)
{
	const struct str exact = l->s->address.key;

	for (size_t i = 0; i < page->n; i++) {
		const struct s3_item *item = &page->v[i];
		/* A console's folder is an empty object; it holds nothing. */
		if (str_ends(item->key, STR("/")))
			continue;
		if (exact.len && str_equal(item->key, exact))
			l->has_exact = true;
		else if (str_starts(item->key, exact) && item->key.p[exact.len] == '/')
			l->n_below_exact++;
		if (l->n == OBJECTS_MAX)
			make_room(l);
		copy_item(&l->v[l->n++], item, &l->texts);
	}
}

static const char *query_of(const struct s3 *s, struct arena *a, const struct s3_page *last,
	const char *prefix, const char *delimiter)
{
	const char *q = s->address.versions ? "versions&" : s->v1 ? "" : "list-type=2&";
	const char *next = "";

	if (last && last->token)
		next = arena_print(
			a, "&continuation-token=%s", s3_encode(a, str_from(last->token), false));
	else if (last)
		next = arena_print(a, "&%smarker=%s%s%s", s->address.versions ? "key-" : "",
			s3_encode(a, last->marker ? str_from(last->marker) : last->last, false),
			last->marker_version ? "&version-id-marker=" : "",
			last->marker_version ? s3_encode(a, str_from(last->marker_version), false)
					     : "");
	return arena_print(a, "%sencoding-type=url%s&prefix=%s%s", q, next,
		s3_encode(a, str_from(prefix), false), delimiter);
}

/* Does the server not know the second version, rather than refuse us? */
static bool lacks_v2(const struct s3 *s)
{
	const char *code = s->refusal.code;

	return !s->v1 && !s->address.versions && !s->refusal.web_page &&
	       (!strcmp(code, "NotImplemented") || s->status == 501 || s->status == 405 ||
		       (s->status == 400 && (!strcmp(code, "InvalidArgument") ||
						    !strcmp(code, "InvalidRequest") || !*code)));
}

static void speak_v1(struct s3 *s)
{
	s->v1 = true;
	event_info(s->settings->listener, "s3",
		"%s knows only the first version of listing; using that", s->shown);
}

static int ask_page(struct s3_page *page, struct s3 *s, struct arena *a, const struct s3_page *last,
	const char *prefix, const char *delimiter, struct err *e)
{
	CLEAN_BUF struct buf body = BUF(S3_ANSWER_MAX);
	struct http_response r;
	int bad;

	*s->object = 0;
	for (;;) {
		const struct s3_question q = { .query = query_of(s, a, last, prefix, delimiter) };
		bad = s3_ask(s, &body, &r, &q, e);
		if (!bad || !r.status || last || !lacks_v2(s))
			break;
		speak_v1(s);
	}
	if (bad)
		return bad;
	if (s3_page_parse(page, a, buf_span(&body), e)) {
		if (strstr(e->text, "ListAllMyBucketsResult"))
			return err_set(e, ERR_MISMATCH,
				"%s takes no bucket in the name of the host; set --addressing path "
				"(s3.addressing in a plan)",
				s->shown);
		if (s3_is_web_page(buf_text(&body)))
			return err_set(e, ERR_MISMATCH,
				"%s answers with a web page, so it is no S3 endpoint; a console "
				"often has another port than the store",
				s->shown);
		return err_wrap(e, "%s", s->shown);
	}
	/* Some pass over what they do not know and answer as ever. */
	if (page->more && !page->token && !s->v1 && !s->address.versions)
		speak_v1(s);
	return 0;
}

/* A server whose next page is the one before would keep us for ever. */
static int check_progress(
	const struct s3 *s, const struct s3_page *last, const struct s3_page *page, struct err *e)
{
	bool stands = page->more && !page->token && !page->marker && !page->last.len;

	if (last && page->more && page->token)
		stands = last->token && !strcmp(last->token, page->token);
	else if (last && page->more && !s->address.versions)
		stands = str_compare(page->last, last->last) <= 0;
	else if (last && page->more)
		stands = page->marker && last->marker && !strcmp(page->marker, last->marker) &&
			 page->marker_version && last->marker_version &&
			 !strcmp(page->marker_version, last->marker_version);
	return stands ? err_set(e, ERR_MISMATCH, "the listing of %s goes in circles", s->shown) : 0;
}

static int all_pages(struct listing *l, struct err *e)
{
	struct arena pages[2] = { ARENA(S3_TREE_MAX), ARENA(S3_TREE_MAX) };
	struct s3_page page[2];
	const struct s3_page *last = NULL;
	unsigned i = 0;
	int bad;

	do {
		arena_free(&pages[i % 2]);
		pages[i % 2] = ARENA(S3_TREE_MAX);
		bad = ask_page(&page[i % 2], l->s, &pages[i % 2], last, l->s->address.key.p, "", e);
		if (!bad)
			bad = check_progress(l->s, last, &page[i % 2], e);
		if (!bad && i == PAGES_MAX)
			bad = err_set(e, ERR_SPACE,
				"more than %d pages of names at %s; a longer prefix helps",
				PAGES_MAX, l->s->shown);
		if (!bad)
			take(l, &page[i % 2]);
		last = &page[i++ % 2];
	} while (!bad && last->more);
	/* What came behind the last cut may be older than what went with it. */
	if (l->cut)
		make_room(l);
	arena_free(&pages[0]);
	arena_free(&pages[1]);
	return bad;
}

static size_t name_some(struct buf *seen, const struct s3_page *page)
{
	struct err ignored;
	size_t n = 0;

	for (size_t i = 0; i < page->n_below && n < SHOWN_BELOW; i++, n++)
		buf_print(seen, &ignored, "%s%.100s", n ? ", " : "", page->below[i]);
	for (size_t i = 0; i < page->n && n < SHOWN_BELOW; i++, n++)
		buf_print(seen, &ignored, "%s%.100s", n ? ", " : "", page->v[i].key.p);
	return n;
}

/* "a/b/c" and "a/b/" give "a/b/" and "a/", the folder above. */
static size_t above(struct str key, size_t len)
{
	while (len && key.p[len - 1] == '/')
		len--;
	while (len && key.p[len - 1] != '/')
		len--;
	return len;
}

/* What there is instead, where a name was mistyped. */
static int nothing_there(struct s3 *s, struct err *e)
{
	const struct str key = s->address.key;
	CLEAN_BUF struct buf seen = BUF(1024);
	struct err ignored;
	size_t len = key.len, n = 0;

	if (!key.len)
		return err_set(e, ERR_NOTFOUND, "bucket '%s' is empty", s->address.bucket);
	while (len && !n) {
		struct arena a = ARENA(S3_TREE_MAX);
		struct s3_page page;
		len = above(key, len);
		const char *folder = arena_copy(&a, (struct str){ key.p, len });
		if (ask_page(&page, s, &a, NULL, folder, "&delimiter=%2F", &ignored))
			len = 0;
		else
			n = name_some(&seen, &page);
		arena_free(&a);
	}
	return err_set(e, ERR_NOTFOUND, "nothing in bucket '%s' begins with '%s'%s%.*s",
		s->address.bucket, key.p, n ? "; there is " : "", STR_ARG(buf_text(&seen)));
}

static int64_t read_date(const char *text)
{
	struct tm tm = { 0 };

	return strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm) ? timegm(&tm) : 0;
}

/* One object by its headers, where it is named and listing is no use or not allowed. */
static int probe(struct listing *l, struct err *e)
{
	CLEAN_BUF struct buf body = BUF(64);
	struct s3 *s = l->s;
	const char *version = s->address.version;
	struct arena a = ARENA(65536);
	struct http_response r;

	snprintf(s->object, sizeof s->object, "'%s'", s->address.key.p);
	const struct s3_question q = { .key = s->address.key,
		.query = version ? arena_print(&a, "versionId=%s",
					   s3_encode(&a, str_from(version), false))
				 : NULL,
		.first_byte = true };
	int bad = s3_ask(s, &body, &r, &q, e);
	if (bad && r.status == 416) { /* an empty object has no first byte */
		r.length = 0;
		bad = 0;
	} else if (bad && r.status == 200 && r.length != UINT64_MAX) {
		bad = 0; /* no ranges, but the headers are good */
	}
	if (!bad) {
		l->v[l->n++] = (struct s3_item){
			.key = s->address.key,
			.etag = *r.etag ? arena_copy(&l->texts, str_from(r.etag)) : NULL,
			.version = version      ? version
				   : *r.version ? arena_copy(&l->texts, str_from(r.version))
						: NULL,
			.size = r.length,
			.modified = read_date(r.modified),
		};
		l->has_exact = true;
	}
	arena_free(&a);
	return bad;
}

static bool is_archived(const char *storage)
{
	return storage && (!strcmp(storage, "GLACIER") || !strcmp(storage, "DEEP_ARCHIVE"));
}

/* Names begin behind the last '/' of the address: as people see them in a folder. */
static size_t folder_of(struct str key)
{
	size_t len = key.len;

	while (len && key.p[len - 1] != '/')
		len--;
	return len;
}

static void hand_over(struct source_objects *objects, struct listing *l, struct arena *a)
{
	const struct s3 *s = l->s;
	const struct str exact = s->address.key;
	const size_t folder = folder_of(exact);

	*objects = (struct source_objects){ .v = arena_array(a, l->n + 1, sizeof *objects->v),
		.cut = l->cut };
	qsort(l->v, l->n, sizeof *l->v, by_name);
	for (size_t i = 0; i < l->n; i++) {
		const struct s3_item *item = &l->v[i];
		const bool is_exact = str_equal(item->key, exact);
		if (l->has_exact && !is_exact)
			continue;
		const struct str name = { item->key.p + folder, item->key.len - folder };
		objects->v[objects->n++] = (struct source_object){
			.name = is_exact ? "" : arena_copy(a, name),
			.url = s3_address_print(a, s->address.bucket, item->key),
			.size = item->size,
			.modified = item->modified,
			.etag = copy_text(a, item->etag),
			.version = copy_text(a, item->version),
			.note = copy_text(a, item->storage ? item->storage
					     : item->old   ? "older version"
							   : NULL),
			.unfit = is_archived(item->storage)
					 ? "archived; restore it first: aws s3api restore-object"
					 : NULL,
		};
	}
}

int s3_list(struct source *source, struct source_objects *objects, struct arena *a, struct err *e)
{
	struct s3 *s = (struct s3 *)source;
	struct listing l = { .s = s, .texts = ARENA(TEXTS_MAX) };
	const struct str key = s->address.key;
	int bad;

	l.v = calloc(OBJECTS_MAX, sizeof *l.v);
	if (!l.v)
		out_of_memory(OBJECTS_MAX * sizeof *l.v);
	if (s->address.version) {
		bad = probe(&l, e);
	} else {
		bad = all_pages(&l, e);
		/* Who may not list may still read what is named. */
		if (bad == ERR_AUTH && !strcmp(s->refusal.code, "AccessDenied") && key.len &&
			!str_ends(key, STR("/"))) {
			struct err why = *e;
			bad = probe(&l, e);
			if (bad)
				*e = why;
		}
	}
	if (!bad && !l.n)
		bad = nothing_there(s, e);
	if (!bad)
		hand_over(objects, &l, a);
	if (!bad && l.has_exact && l.n_below_exact)
		event_info(s->settings->listener, "s3",
			"there %s %zu more below '%s/'; for %s end the address with '/'",
			l.n_below_exact == 1 ? "is" : "are", l.n_below_exact, key.p,
			l.n_below_exact == 1 ? "it" : "them");
	if (!bad && l.cut)
		event_warning(s->settings->listener, "s3",
			"more than %d objects: only the newest %zu are looked at; a longer prefix "
			"helps",
			OBJECTS_MAX, objects->n);
	arena_free(&l.texts);
	free(l.v);
	return bad;
}
