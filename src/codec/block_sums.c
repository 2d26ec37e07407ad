#include "codec/block_sums.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

static size_t trimmed(struct span b)
{
	if (b.len && !b.p[0] && !memcmp(b.p, b.p + 1, b.len - 1))
		return 0;
	while (b.len && !b.p[b.len - 1])
		b.len--;
	return b.len;
}

struct codec_block_sum codec_block_sum(struct span block)
{
	struct codec_block_sum sum;

	codec_sha256_of(sum.sha256, (struct span){ block.p, trimmed(block) });
	return sum;
}

bool codec_block_is_empty(const struct codec_block_sum *sum)
{
	const struct codec_block_sum empty = codec_block_sum((struct span){ 0 });

	return !memcmp(sum, &empty, sizeof empty);
}

void codec_block_sums_put(struct codec_block_sums *sums, size_t first, struct span bytes)
{
	sums->n = first;
	while (bytes.len) {
		const size_t len = bytes.len < CODEC_BLOCK ? bytes.len : CODEC_BLOCK;
		if (sums->n == sums->room) {
			const size_t room = sums->room ? 2 * sums->room : 1024;
			void *more = reallocarray(sums->v, room, sizeof *sums->v);
			if (!more)
				out_of_memory(room * sizeof *sums->v);
			sums->v = more;
			sums->room = room;
		}
		sums->v[sums->n++] = codec_block_sum((struct span){ bytes.p, len });
		bytes = (struct span){ bytes.p + len, bytes.len - len };
	}
}

void codec_block_sums_free(struct codec_block_sums *sums)
{
	free(sums->v);
	*sums = (struct codec_block_sums){ 0 };
}
