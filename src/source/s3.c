/* s3:// as a kind of source. */
#include "source/s3.h"

#include <mbedtls/md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/text.h"
#include "net/download.h"
#include "os/file.h"
#include "source/credentials_ways.h"

enum { TEXTS_MAX = 1 << 20, SSE_KEY = 32, SSE_FILE_MAX = 256 };

/* 32 bytes as they are, or as base64 or hex in one line. */
static int read_sse_key(struct buf *key, const struct source_settings *q, struct err *e)
{
	struct buf text CLEAN_BUF = BUF(SSE_FILE_MAX);
	struct err ignored;
	int bad = file_read(&text, q->root, q->s3.sse_key, e);

	if (!bad && text.len == SSE_KEY) {
		bad = buf_add(key, text.p, text.len, e);
	} else if (!bad) {
		const struct str line = str_trim(buf_text(&text));
		if ((line.len != 64 || codec_text_unhex(key, line, &ignored)) &&
			(line.len != 44 || codec_text_unbase64(key, line, &ignored)))
			bad = ERR_FORMAT;
		if (bad || key->len != SSE_KEY)
			bad = err_set(e, ERR_FORMAT,
				"%s: holds no key of 32 bytes, plain, as base64 or as hex",
				q->s3.sse_key);
	}
	credentials_wipe(&text);
	return bad;
}

static int set_sse(struct s3 *s, struct err *e)
{
	struct buf key CLEAN_BUF = BUF(64), text CLEAN_BUF = BUF(128);
	uint8_t sum[16];

	if (!s->settings->s3.sse_key)
		return 0;
	if (strcmp(s->endpoint.scheme, "https") != 0)
		return err_set(e, ERR_USAGE,
			"the key of SSE-C would travel in the clear: use an endpoint with "
			"https://");
	int bad = read_sse_key(&key, s->settings, e);
	if (!bad && mbedtls_md5(key.p, key.len, sum))
		bad = err_set(e, ERR_BUG, "no MD5 of the SSE-C key");
	if (!bad) {
		snprintf(s->sse[0], sizeof s->sse[0],
			"x-amz-server-side-encryption-customer-algorithm: AES256");
		bad = codec_text_base64(&text, buf_span(&key), e);
		snprintf(s->sse[1], sizeof s->sse[1],
			"x-amz-server-side-encryption-customer-key: %.*s",
			STR_ARG(buf_text(&text)));
		credentials_wipe(&text);
		buf_clear(&text);
	}
	if (!bad) {
		bad = codec_text_base64(&text, (struct span){ sum, sizeof sum }, e);
		snprintf(s->sse[2], sizeof s->sse[2],
			"x-amz-server-side-encryption-customer-key-MD5: %.*s",
			STR_ARG(buf_text(&text)));
	}
	for (size_t i = 0; i < 3; i++)
		s->sse_headers[i] = s->sse[i];
	credentials_wipe(&key);
	return bad;
}

static const char *env(const struct s3 *s, const char *name, const char *second)
{
	const char *value = credentials_env(&s->how, name);

	return value || !second ? value : credentials_env(&s->how, second);
}

static int set_endpoint(struct s3 *s, struct err *e)
{
	const struct source_settings *q = s->settings;
	const char *endpoint = q->s3.endpoint, *region = q->s3.region;

	if (!endpoint || !*endpoint)
		endpoint = env(s, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");
	if (!region || !*region)
		region = env(s, "AWS_REGION", "AWS_DEFAULT_REGION");
	if (s3_endpoint_set(&s->endpoint, &s->arena, endpoint, region, q->s3.addressing,
		    s->address.bucket, e))
		return e->code;
	s->shown = s3_endpoint_shown(&s->arena, &s->endpoint);
	s->asks_region = s->endpoint.aws && (!region || !*region);
	return 0;
}

static void s3_close(struct source *source)
{
	struct s3 *s = (struct s3 *)source;

	credentials_forget(&s->credentials);
	if (s->session)
		http_session_close(s->session);
	arena_free(&s->arena);
	explicit_bzero(s, sizeof *s);
	free(s);
}

static int s3_open(struct source **source, const struct source_settings *settings, struct err *e)
{
	struct s3 *s = calloc(1, sizeof *s);

	if (!s)
		out_of_memory(sizeof *s);
	s->arena = ARENA(TEXTS_MAX);
	s->settings = settings;
	s->how = (struct credentials_settings){ .which = settings->s3.credentials,
		.region = settings->s3.region,
		.root = settings->root,
		.trust = settings->trust,
		.proxy = settings->proxy,
		.listener = settings->listener,
		.image = settings->image };
	if (s3_address_parse(&s->address, &s->arena, str_from(settings->url), e) ||
		set_endpoint(s, e) || set_sse(s, e)) {
		s3_close(&s->source);
		return e->code;
	}
	if (!s->address.version && settings->s3.version && s->address.key.len)
		s->address.version = settings->s3.version;
	s->session = http_session_open();
	*source = &s->source;
	return 0;
}

static int s3_read(struct source *source, struct stream *stream, const struct source_object *object,
	struct err *e)
{
	struct s3 *s = (struct s3 *)source;
	const struct source_settings *q = s->settings;
	struct arena a = ARENA(TEXTS_MAX);
	struct s3_address what;
	bool again = true;
	int bad = s3_address_parse(&what, &a, str_from(object->url), e);

	if (!bad)
		bad = s3_prepare(s, e);
	if (bad) {
		arena_free(&a);
		return bad;
	}
	snprintf(s->object, sizeof s->object, "'%s'", what.key.p);
	const char *query = object->version
				    ? arena_print(&a, "versionId=%s",
					      s3_encode(&a, str_from(object->version), false))
				    : NULL;
	for (int round = 0; again && round < 4; round++) {
		struct err why = { 0 };
		const struct download_request request = {
			.url = s3_endpoint_url(
				&a, &s->endpoint, s->address.bucket, what.key, query),
			.headers = s->sse_headers,
			.etag = object->etag,
			.trust = q->trust,
			.proxy = q->proxy,
			.listener = q->listener,
			.auth = s3_auth,
			.explain = s3_explain,
			.ctx = s,
			.streams = q->streams,
			.part = q->part,
		};
		s->status = 0;
		bad = download_open(stream, &request, e);
		if (!bad || !s->status)
			break;
		if (s3_heal(&again, s, &why)) {
			*e = why;
			bad = (int)e->code;
		}
	}
	arena_free(&a);
	return bad;
}

const struct source_kind source_s3 = {
	.scheme = "s3", .open = s3_open, .list = s3_list, .read = s3_read, .close = s3_close
};
