#include "codec/json.h"

#include <inttypes.h>
#include <stdio.h>

#include "codec/text.h"

static void put(struct json *j, const char *p, size_t len)
{
	if (!j->e.code)
		buf_add(j->out, p, len, &j->e);
}

static void before_value(struct json *j)
{
	if (j->comma)
		put(j, ",", 1);
	j->comma = true;
}

void json_open(struct json *j, char bracket)
{
	before_value(j);
	put(j, &bracket, 1);
	j->comma = false;
}

void json_close(struct json *j, char bracket)
{
	put(j, &bracket, 1);
	j->comma = true;
}

static void put_quoted(struct json *j, struct str s)
{
	const uint8_t *p = (const uint8_t *)s.p;

	put(j, "\"", 1);
	for (size_t i = 0; i < s.len;) {
		const size_t n = codec_text_utf8(p + i, s.len - i);
		char escape[8];

		if (p[i] == '"' || p[i] == '\\') {
			const char pair[2] = { '\\', s.p[i] };
			put(j, pair, 2);
		} else if (p[i] == '\n') {
			put(j, "\\n", 2);
		} else if (p[i] == '\t') {
			put(j, "\\t", 2);
		} else if (p[i] < 0x20 || p[i] == 0x7f) {
			snprintf(escape, sizeof escape, "\\u%04x", p[i]);
			put(j, escape, 6);
		} else if (!n) {
			put(j, "\\ufffd", 6);
		} else {
			put(j, s.p + i, n);
		}
		i += n ? n : 1;
	}
	put(j, "\"", 1);
}

void json_key(struct json *j, const char *key)
{
	before_value(j);
	put_quoted(j, str_from(key));
	put(j, ":", 1);
	j->comma = false;
}

void json_str(struct json *j, struct str s)
{
	before_value(j);
	put_quoted(j, s);
}

void json_text(struct json *j, const char *text)
{
	if (text)
		json_str(j, str_from(text));
	else
		json_null(j);
}

void json_u64(struct json *j, uint64_t v)
{
	before_value(j);
	if (!j->e.code)
		buf_print(j->out, &j->e, "%" PRIu64, v);
}

void json_i64(struct json *j, int64_t v)
{
	before_value(j);
	if (!j->e.code)
		buf_print(j->out, &j->e, "%" PRId64, v);
}

void json_bool(struct json *j, bool v)
{
	before_value(j);
	put(j, v ? "true" : "false", v ? 4 : 5);
}

void json_null(struct json *j)
{
	before_value(j);
	put(j, "null", 4);
}

int json_end(struct json *j, struct err *e)
{
	if (j->e.code)
		*e = j->e;
	return j->e.code;
}

void json_key_text(struct json *j, const char *key, const char *text)
{
	json_key(j, key);
	json_text(j, text);
}

void json_key_str(struct json *j, const char *key, struct str s)
{
	json_key(j, key);
	json_str(j, s);
}

void json_key_u64(struct json *j, const char *key, uint64_t v)
{
	json_key(j, key);
	json_u64(j, v);
}

void json_key_bool(struct json *j, const char *key, bool v)
{
	json_key(j, key);
	json_bool(j, v);
}
