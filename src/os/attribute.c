#include "os/attribute.h"

#include <stdio.h>
#include <string.h>

#include "os/file.h"

enum { PATH_SIZE = 1024, TEXT_SIZE = 4096 };

/* A path that does not fit is a path that does not exist. */
#define PATH(path, fmt)                                                                            \
	char path[PATH_SIZE];                                                                      \
	va_list ap;                                                                                \
	va_start(ap, fmt);                                                                         \
	const int path##_len = vsnprintf(path, sizeof path, fmt, ap);                              \
	va_end(ap);                                                                                \
	const bool path##_fits = path##_len >= 0 && (size_t)path##_len < sizeof path

const char *attribute_text(struct arena *arena, const struct root *root, const char *fmt, ...)
{
	char text[TEXT_SIZE];
	PATH(path, fmt);

	if (!path_fits)
		return NULL;
	file_read_line(text, sizeof text, root, path);
	if (!text[0])
		return NULL;
	for (char *c = text; *c; c++) {
		/* Whether a char has a sign is up to the processor. */
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			*c = '?';
	}
	return arena_copy(arena, str_from(text));
}

uint64_t attribute_u64(uint64_t missing, const struct root *root, const char *fmt, ...)
{
	char text[64];
	uint64_t value;
	PATH(path, fmt);

	if (!path_fits)
		return missing;
	file_read_line(text, sizeof text, root, path);
	const struct str s = str_from(text);
	if (str_starts(s, STR("0x")))
		return str_u64(&value, (struct str){ s.p + 2, s.len - 2 }, 16, UINT64_MAX)
			       ? value
			       : missing;
	return str_u64(&value, s, 10, UINT64_MAX) ? value : missing;
}

const char *attribute_link(struct arena *arena, const struct root *root, const char *fmt, ...)
{
	char target[PATH_SIZE];
	struct err e;
	PATH(path, fmt);

	if (!path_fits || root_read_link(target, sizeof target, root, path, &e))
		return NULL;
	const char *slash = strrchr(target, '/');
	const char *last = slash ? slash + 1 : target;
	return *last ? arena_copy(arena, str_from(last)) : NULL;
}
