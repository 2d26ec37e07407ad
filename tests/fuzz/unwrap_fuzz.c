/* Any bytes through every compression and archive: they end in entries or in one error, which
 * stays; companions keep to their caps, names never lead out. */
#include <stdlib.h>
#include <string.h>

#include "source/unwrap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DB_MAX = 1 << 20 };

struct input {
	const uint8_t *p;
	size_t left, step;
};

static int give(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	struct input *in = ctx;
	size_t n = in->left < in->step ? in->left : in->step;

	(void)e;
	n = n < room ? n : room;
	if (n)
		memcpy(bytes, in->p, n);
	in->p += n;
	in->left -= n;
	*got = n;
	return 0;
}

static void must(bool right)
{
	if (!right)
		abort();
}

static int read_all(const struct unwrap_entry *entry, struct err *e)
{
	uint8_t bytes[4096];
	uint64_t sum = 0;
	size_t got;

	do {
		if (stream_read(&entry->stream, &got, bytes, sizeof bytes, e))
			return e->code;
		must(got <= sizeof bytes);
		sum += got;
	} while (got);
	must(sum <= DB_MAX);
	must(entry->size == UINT64_MAX || entry->size == sum);
	return 0;
}

static void check_name(const char *name)
{
	must(*name && *name != '/' && strcmp(name, "..") != 0 && strncmp(name, "../", 3) != 0 &&
		!strstr(name, "/../"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA(UNWRAP_ARENA);
	struct input input = { data, size, size % 7 ? 4096 : 5 };
	const struct stream in = { .read = give, .ctx = &input };
	const struct unwrap_settings settings = {
		.name = "snapshot.db",
		.node = size % 3 ? NULL : "m1",
		.companions = size % 2,
		.db_max = DB_MAX,
		.memory = 4 << 20,
		.arena = &arena,
	};
	struct unwrap_entry entry;
	struct unwrap *u;
	struct err e = { 0 };
	int bad;

	must(!unwrap_open(&u, &settings, &in, &e));
	while (!(bad = unwrap_next(&entry, u, &e)) && entry.role != UNWRAP_END) {
		check_name(entry.name);
		if (entry.role == UNWRAP_COMPANION)
			must(entry.bytes.len <= UNWRAP_COMPANION_MAX && !(entry.mode & ~0777u));
		else if (size % 5 && read_all(&entry, &e))
			must(unwrap_next(&entry, u, &e) == (int)e.code);
	}
	must(entry.role == UNWRAP_END);
	must(!bad || (e.code && *e.text));
	must(bad || !input.left);
	unwrap_close(u);
	arena_free(&arena);
	return 0;
}
