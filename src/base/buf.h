/* base/buf.h - bytes that grow, up to a maximum given at the start
 *
 * Source:     none; realloc(3) below.
 * Units:      bytes.
 * Ownership:  the buf owns its bytes; buf_free, or CLEAN_BUF at its declaration, gives
 *             them back.  `buf_span` and `buf_text` borrow until the next change.
 * Errors:     ERR_SPACE when the maximum would be passed; the content is then as before.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"
#include "base/str.h"

struct buf {
	uint8_t *p;
	size_t len, room, max;
};

#define BUF(max_bytes) ((struct buf){ .max = (max_bytes) })
#define CLEAN_BUF      __attribute__((cleanup(buf_free)))

int buf_add(struct buf *b, const void *bytes, size_t len, struct err *e);
int buf_add_str(struct buf *b, struct str s, struct err *e);
int buf_print(struct buf *b, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Room for `len` more bytes at `*at`, to be filled by the caller, counted as content. */
int buf_extend(uint8_t **at, struct buf *b, size_t len, struct err *e);

struct span buf_span(const struct buf *b);
struct str buf_text(const struct buf *b);
void buf_clear(struct buf *b); /* forget the content, keep the room */
void buf_free(struct buf *b);
