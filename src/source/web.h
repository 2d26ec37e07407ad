/* source/web.h - https:// and http://: one object, or the page that lists a directory
 *
 *   https://HOST/PATH            that object; presigned too, the query is never shown
 *   https://HOST/PATH/           what the index page of the server lists, and those of the
 *                                folders below it, three levels deep and 100 pages at most
 *   https://USER:SECRET@HOST/..  as settings->https; percent-encoded where need be
 *
 * This header is what web.c, web_walk.c (the pages) and web_explain.c (refusals) share.
 *
 * Source:     RFC 9110, 7617, 6750; Amazon S3 "Query string authentication"; error pages of
 *             nginx 1.26.
 * Units:      bytes; seconds since 1970.
 * Ownership:  texts live in the arena of the source, and die with it.
 * Errors:     as source/source.h.
 */
#pragma once

#include "net/http.h"
#include "net/url.h"
#include "source/source.h"

struct web {
	struct source source;
	const struct source_settings *settings;
	struct arena arena;
	struct url url;     /* of `full` */
	const char *full;   /* with its query, without userinfo */
	const char *shown;  /* without both */
	const char *origin; /* "https://h:8443" */
	bool index;         /* a directory */
	struct http_auth auth;
	struct http_session *session;
	const char *asked; /* shown address of the present question */
};

/* Put into `e` why the server refused, and what to change; leaves it alone where the status
 * says it all. `ctx` is the web. */
void web_explain(void *ctx, const struct http_response *response, struct err *e);
/* The same, and what libcurl has no word of. */
int web_why(struct web *web, const struct http_response *response, struct err *e);

struct http_request web_question(const struct web *web, const char *url);
void web_set_object(
	struct source_object *object, struct arena *a, const struct http_response *response);

/* All that the page of the address and those of the folders below it list. */
int web_walk(struct web *web, struct source_objects *objects, struct arena *a, struct err *e);
