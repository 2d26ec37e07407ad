/* base/span.h - borrowed bytes, and a cursor that cannot leave them
 *
 * Bytes from outside travel as a span and are decoded by these readers after a length
 * check; never by casting a struct over them.
 *
 * Source:     none; byte orders as their names say.
 * Units:      bytes; offsets count from the span's start.
 * Ownership:  a span borrows; it is passed by value and owns nothing.
 * Errors:     the le/be readers trust the caller's check; the cursor checks itself and
 *             turns `bad` once and for all at the first read past the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *p;
	size_t len;
};

#define SPAN(literal) ((struct span){ (const uint8_t *)(literal), sizeof(literal) - 1 })

static inline uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t le64(const uint8_t *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

static inline uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t be64(const uint8_t *p)
{
	return (uint64_t)be32(p) << 32 | be32(p + 4);
}

static inline void put_le16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void put_le32(uint8_t *p, uint32_t v)
{
	put_le16(p, (uint16_t)v);
	put_le16(p + 2, (uint16_t)(v >> 16));
}

static inline void put_le64(uint8_t *p, uint64_t v)
{
	put_le32(p, (uint32_t)v);
	put_le32(p + 4, (uint32_t)(v >> 32));
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static inline void put_be64(uint8_t *p, uint64_t v)
{
	put_be32(p, (uint32_t)(v >> 32));
	put_be32(p + 4, (uint32_t)v);
}

static inline bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && (!a.len || !memcmp(a.p, b.p, a.len));
}

/* Order of keys in bbolt: bytes as unsigned numbers, a prefix first. */
static inline int span_compare(struct span a, struct span b)
{
	const size_t n = a.len < b.len ? a.len : b.len;
	const int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool span_starts(struct span s, struct span prefix)
{
	return s.len >= prefix.len && (!prefix.len || !memcmp(s.p, prefix.p, prefix.len));
}

/* A place in a span.  Readers return zero and set `bad` when too little is left. */
struct cursor {
	struct span in;
	size_t at;
	bool bad;
};

static inline struct span cursor_take(struct cursor *c, uint64_t len)
{
	if (c->bad || c->in.len - c->at < len) {
		c->bad = true;
		return (struct span){ NULL, 0 };
	}
	const struct span s = { c->in.p + c->at, (size_t)len };
	c->at += (size_t)len;
	return s;
}

static inline size_t cursor_left(const struct cursor *c)
{
	return c->bad ? 0 : c->in.len - c->at;
}

static inline uint32_t cursor_le32(struct cursor *c)
{
	const struct span s = cursor_take(c, 4);
	return s.p ? le32(s.p) : 0;
}

static inline uint64_t cursor_le64(struct cursor *c)
{
	const struct span s = cursor_take(c, 8);
	return s.p ? le64(s.p) : 0;
}
