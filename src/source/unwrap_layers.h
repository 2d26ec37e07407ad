/* source/unwrap_layers.h - what is inside what: streams on streams, the innermost on top
 *
 *   thing.tgz      gzip       layers[0]  looks at the thing, takes the compression off
 *                  tar        layers[1]  looks at what came out, gives members
 *     a.db.zst     zstd       layers[2]  looks at the member that is read now
 *                  database   layers[3]  is what is handed on
 *
 * Source:     none.
 * Units:      bytes.
 * Ownership:  the layers own decoders, archives and the first bytes they looked at; the
 *             outermost stream is borrowed.
 * Errors:     those of unwrap_codec.h and unwrap_archive.h; ERR_SPACE for what unpacks to more
 *             than `unpacked_max`; ERR_UNSUPPORTED too many in each other.
 */
#pragma once

#include "source/unwrap.h"
#include "source/unwrap_archive.h"

struct layers;

/* One thing that is looked at: its first bytes, and what takes it apart. */
struct layer {
	const struct stream *in;
	struct stream seen; /* all of `in`, the first bytes included */
	struct layers *layers;
	uint8_t *head;
	size_t len, at; /* of the head: what there is, what was given */
	bool in_end;
	enum magic magic;
	struct stream plain; /* of a compression */
	struct unwrap_archive *archive;
	struct stream member;     /* what is read of the archive's current one */
	struct unwrap_member now; /* that one */
	const char *inside;       /* name of this archive in the one around it */
};

struct layers {
	struct layer v[UNWRAP_DEPTH_MAX];
	unsigned n;
	size_t memory; /* for a decompressor */
	uint64_t unpacked, unpacked_max;
};

struct layer *layers_top(struct layers *s); /* NULL: there is none */

/* Look at `in` and take off compressions until something else is on top: an archive, a
 * database, or neither. `inside`: its name in the archive it is in. */
int layers_open(struct layers *s, const struct stream *in, const char *inside, struct err *e);

/* Read what is left of the top to its end and drop it, and so on down to the next archive:
 * a checksum may stand at the end of each. */
int layers_leave(struct layers *s, struct err *e);
void layers_pop(struct layers *s); /* without reading */

int layers_drain(const struct stream *s, struct err *e);

/* "gzip, tar" */
const char *layers_words(const struct layers *s, struct arena *a);
