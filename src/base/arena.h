/* base/arena.h - memory that lives as long as one command or one step
 *
 * Chunks are taken from malloc as needed and given back all at once.  There is no free
 * for a single piece; `arena_mark` and `arena_release` bound a loop.
 *
 * Source:     none; malloc(3) below.
 * Units:      bytes; every piece is zeroed and aligned for any type.
 * Ownership:  the arena owns all pieces; they die with arena_release or arena_free.
 * Errors:     none to handle: past `limit`, or when malloc gives nothing, the process
 *             ends with one line.  Sizes that come from outside are checked against a
 *             named limit before they reach an arena, so input cannot get here.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "base/str.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *top;
	size_t used, limit; /* bytes handed out, and how many may be */
};

struct arena_mark {
	struct arena_chunk *chunk;
	size_t at, used;
};

#define ARENA(max_bytes) ((struct arena){ .limit = (max_bytes) })

void *arena_alloc(struct arena *a, size_t size);
void *arena_array(struct arena *a, size_t n, size_t size);

/* Zero-terminated copies. */
char *arena_copy(struct arena *a, struct str s);
char *arena_print(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprint(struct arena *a, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

struct arena_mark arena_mark(const struct arena *a);
void arena_release(struct arena *a, struct arena_mark mark);
void arena_free(struct arena *a);

/* The one way this program ends for want of memory. */
_Noreturn void out_of_memory(size_t wanted);
