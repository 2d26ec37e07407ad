/* os/attribute.h - the one-line files of sysfs and proc
 *
 * What is not there is not known: no function here fails.  Texts come from hardware, so
 * bytes that are not printable ASCII become '?' before anybody prints them on a terminal.
 *
 * Source:     sysfs(5), Documentation/filesystems/sysfs.rst of Linux 6.12.
 * Units:      none; numbers are decimal, or hexadecimal behind 0x.
 * Ownership:  texts live in the caller's arena.
 * Errors:     none; see each function for how "not known" looks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "os/root.h"

/* The trimmed content, NULL when there is none. */
const char *attribute_text(struct arena *arena, const struct root *root, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The number it holds; `missing` when it holds none. */
uint64_t attribute_u64(uint64_t missing, const struct root *root, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The last component of where a link points, NULL when there is none. */
const char *attribute_link(struct arena *arena, const struct root *root, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
