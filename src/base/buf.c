#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"

/* One byte more than asked for, so that buf_print's closing zero has a place. */
static int make_room(struct buf *b, size_t more, struct err *e)
{
	if (b->max - b->len < more)
		return err_set(e, ERR_SPACE, "more than %zu bytes", b->max);
	if (b->room - b->len > more)
		return 0;

	size_t room = b->room ? b->room : 256;
	while (room - b->len <= more)
		room *= 2;
	uint8_t *p = realloc(b->p, room);
	if (!p)
		out_of_memory(room);
	b->p = p;
	b->room = room;
	return 0;
}

int buf_extend(uint8_t **at, struct buf *b, size_t len, struct err *e)
{
	/* Kept, as the analyzer cannot see that e->code is the same. */
	const int refused = make_room(b, len, e);
	if (refused)
		return refused;
	*at = b->p + b->len;
	b->len += len;
	return 0;
}

int buf_add(struct buf *b, const void *bytes, size_t len, struct err *e)
{
	uint8_t *at = NULL;

	if (buf_extend(&at, b, len, e))
		return e->code;
	if (len)
		memcpy(at, bytes, len);
	return 0;
}

int buf_add_str(struct buf *b, struct str s, struct err *e)
{
	return buf_add(b, s.p, s.len, e);
}

int buf_print(struct buf *b, struct err *e, const char *fmt, ...)
{
	va_list ap, again;

	va_start(ap, fmt);
	va_copy(again, ap);
	const int len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0 || make_room(b, (size_t)len, e)) {
		va_end(ap);
		return len < 0 ? err_set(e, ERR_BUG, "bad print format") : (int)e->code;
	}
	vsnprintf((char *)b->p + b->len, (size_t)len + 1, fmt, ap);
	b->len += (size_t)len;
	va_end(ap);
	return 0;
}

struct span buf_span(const struct buf *b)
{
	return (struct span){ b->p, b->len };
}

struct str buf_text(const struct buf *b)
{
	return (struct str){ (const char *)b->p, b->len };
}

void buf_clear(struct buf *b)
{
	b->len = 0;
}

void buf_free(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->len); /* it may hold a key */
	free(b->p);
	*b = BUF(b->max);
}
