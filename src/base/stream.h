/* base/stream.h - bytes that come one after another, whoever makes them
 *
 * Files, downloads and what unwraps them all end in one of these, so that a reader need not
 * know which: a restore takes its snapshot straight from an object store without a copy.
 *
 * `read` fills up to `room` bytes and says in `*got` how many; it returns as soon as it has
 * some, and 0 bytes only at the end.  After an error the stream is dead.
 *
 * Source:     none.
 * Units:      bytes.
 * Ownership:  whoever opened the stream calls stream_close once; `close` may be NULL where
 *             nothing is held. A stream that reads another one does not close it.
 * Errors:     those of whoever makes the bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct stream {
	int (*read)(void *ctx, size_t *got, void *bytes, size_t room, struct err *e);
	void (*close)(void *ctx);
	void *ctx;
	uint64_t size; /* of all, for progress and plausibility; 0: not known */
};

static inline int stream_read(
	const struct stream *s, size_t *got, void *bytes, size_t room, struct err *e)
{
	return s->read(s->ctx, got, bytes, room, e);
}

static inline void stream_close(struct stream *s)
{
	if (s->close)
		s->close(s->ctx);
	*s = (struct stream){ 0 };
}
