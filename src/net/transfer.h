/* net/transfer.h - one request on one libcurl handle: what http.h and download.h share
 *
 *   transfer_begin(&t, curl, request, response, e)
 *   curl_easy_perform(curl), or a multi handle that gets to the same end
 *   transfer_end(&t, code)
 *
 * Source:     libcurl 8 easy interface.
 * Units:      those of net/http.h.
 * Ownership:  the handle is the caller's and is reset first; request, response and error
 *             are borrowed until transfer_end.
 * Errors:     those of net/http.h.
 */
#pragma once

#include <curl/curl.h>

#include "net/http.h"

/* A sink may return this: it takes nothing of these bytes until curl_easy_pause. */
enum { TRANSFER_PAUSE = 1 };

enum { TRANSFER_REDIRECTS = 5 };

struct transfer {
	CURL *curl;
	const struct http_request *request;
	struct http_response *response;
	struct curl_slist *headers, *connect_to;
	bool started;   /* the answer was looked at */
	bool any_range; /* all of it is as good as the range */
	struct err *e;
	char why[CURL_ERROR_SIZE];
};

int transfer_begin(struct transfer *t, CURL *curl, const struct http_request *request,
	struct http_response *response, struct err *e);

/* Always after transfer_begin, also a failed one; `code` as libcurl ended. */
int transfer_end(struct transfer *t, CURLcode code);

/* Why it did not work, for people: libcurl's reason, and a status that is no success. */
int transfer_error(struct transfer *t, CURLcode code);
int transfer_refusal(struct err *e, unsigned status);
