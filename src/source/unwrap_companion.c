#include "source/unwrap_companion.h"

#include <string.h>

/* The two halves of an archive may not both have a say on one name. */
static int check_new(
	struct companions *c, struct arena *a, const char *name, const char *inside, struct err *e)
{
	const char *path = inside ? arena_print(a, "%s//%s", inside, name) : name;

	if (c->n == COMPANIONS_MAX)
		return err_set(e, ERR_SPACE, "more than %d companions", COMPANIONS_MAX);
	for (size_t i = 0; i < c->n; i++) {
		if (!strcmp(c->paths[i], path))
			return err_set(e, ERR_FORMAT, "%s comes twice in it", name);
	}
	c->paths[c->n++] = path;
	return 0;
}

int companion_read(struct span *bytes, bool *fits, struct companions *c, struct arena *a,
	const struct layer *archive, const char *name, struct err *e)
{
	const uint64_t told = archive->now.size;
	uint8_t piece[4096];
	size_t got;

	*fits = told == UINT64_MAX || told <= UNWRAP_COMPANION_MAX;
	if (!*fits)
		return 0;
	if (check_new(c, a, name, archive->inside, e))
		return e->code;
	buf_clear(&c->bytes);
	do {
		if (stream_read(&archive->member, &got, piece, sizeof piece, e))
			return err_wrap(e, "%s", name);
		*fits = c->bytes.len + got <= UNWRAP_COMPANION_MAX;
		if (!*fits)
			return 0;
		if (buf_add(&c->bytes, piece, got, e))
			return e->code;
	} while (got);
	if (told != UINT64_MAX && told != c->bytes.len)
		return err_set(e, ERR_FORMAT, "%s: %zu bytes, where %ju were told", name,
			c->bytes.len, (uintmax_t)told);
	c->size += c->bytes.len;
	if (c->size > UNWRAP_COMPANIONS_MAX)
		return err_set(e, ERR_SPACE, "more than %d MiB of companions",
			UNWRAP_COMPANIONS_MAX >> 20);
	*bytes = (struct span){ (uint8_t *)arena_copy(a, buf_text(&c->bytes)), c->bytes.len };
	return 0;
}

void companions_free(struct companions *c)
{
	buf_free(&c->bytes);
}
