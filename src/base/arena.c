#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 64 * 1024 };

struct arena_chunk {
	struct arena_chunk *below;
	size_t at, size;
	alignas(max_align_t) unsigned char bytes[];
};

_Noreturn void out_of_memory(size_t wanted)
{
	fprintf(stderr, "etcd-rescue: out of memory, %zu more bytes wanted\n", wanted);
	exit(1);
}

static struct arena_chunk *grow(struct arena *a, size_t size)
{
	const size_t room = size > CHUNK ? size : CHUNK;
	struct arena_chunk *c = malloc(sizeof *c + room);

	if (!c)
		out_of_memory(size);
	*c = (struct arena_chunk){ .below = a->top, .size = room };
	a->top = c;
	return c;
}

void *arena_alloc(struct arena *a, size_t size)
{
	const size_t step = alignof(max_align_t);

	if (size > a->limit || a->limit - size < a->used)
		out_of_memory(size);
	size = (size + step - 1) / step * step;
	if (!size)
		size = step;

	struct arena_chunk *c = a->top;
	if (!c || c->size - c->at < size)
		c = grow(a, size);
	void *piece = c->bytes + c->at;
	c->at += size;
	a->used += size;
	return memset(piece, 0, size);
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		out_of_memory(SIZE_MAX);
	return arena_alloc(a, bytes);
}

char *arena_copy(struct arena *a, struct str s)
{
	char *copy = arena_alloc(a, s.len + 1);

	if (s.len)
		memcpy(copy, s.p, s.len);
	return copy;
}

char *arena_vprint(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;

	va_copy(again, ap);
	const int len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		out_of_memory(0);
	char *text = arena_alloc(a, (size_t)len + 1);
	vsnprintf(text, (size_t)len + 1, fmt, ap);
	return text;
}

char *arena_print(struct arena *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *text = arena_vprint(a, fmt, ap);
	va_end(ap);
	return text;
}

struct arena_mark arena_mark(const struct arena *a)
{
	return (struct arena_mark){ a->top, a->top ? a->top->at : 0, a->used };
}

void arena_release(struct arena *a, struct arena_mark mark)
{
	while (a->top != mark.chunk) {
		struct arena_chunk *below = a->top->below;
		/* Keys and passwords may be among them. */
		explicit_bzero(a->top->bytes, a->top->at);
		free(a->top);
		a->top = below;
	}
	if (a->top)
		a->top->at = mark.at;
	a->used = mark.used;
}

void arena_free(struct arena *a)
{
	arena_release(a, (struct arena_mark){ 0 });
}
