/* codec/json.h - writer of JSON text
 *
 *   struct json j = JSON(&buf);
 *   json_open(&j, '{'); json_key(&j, "name"); json_str(&j, STR("ncn-m001")); json_close(&j, '}');
 *
 * Commas and escapes are its business, correct nesting is the caller's.  Bytes that are
 * not UTF-8 become U+FFFD, so that the output always parses.
 *
 * Source:     RFC 8259.
 * Units:      none; numbers are written as they are given.
 * Ownership:  borrows the buf.
 * Errors:     sticky: after the first one nothing more is written; json_end reports it.
 */
#pragma once

#include "base/buf.h"

struct json {
	struct buf *out;
	bool comma;
	struct err e;
};

#define JSON(buf) ((struct json){ .out = (buf) })

void json_open(struct json *j, char bracket);  /* '{' or '[' */
void json_close(struct json *j, char bracket); /* '}' or ']' */
void json_key(struct json *j, const char *key);
void json_str(struct json *j, struct str s);
void json_text(struct json *j, const char *text); /* NULL gives null */
void json_u64(struct json *j, uint64_t v);
void json_i64(struct json *j, int64_t v);
void json_bool(struct json *j, bool v);
void json_null(struct json *j);
int json_end(struct json *j, struct err *e);

/* Key and value at once, for objects. */
void json_key_text(struct json *j, const char *key, const char *text);
void json_key_str(struct json *j, const char *key, struct str s);
void json_key_u64(struct json *j, const char *key, uint64_t v);
void json_key_bool(struct json *j, const char *key, bool v);
