#include "os/network_lease.h"

#include <stdio.h>
#include <string.h>

#include "os/file.h"
#include "os/network_actions.h"

enum { LEASE_MAX = 65536, TEXT_MAX = 1024, HOST_MAX = 253 };

const char *network_lease_value(
	struct arena *a, const struct root *root, const char *link, const char *key)
{
	CLEAN_BUF struct buf text = BUF(LEASE_MAX);
	char path[128];
	struct str line, name, value;
	struct err e;

	snprintf(path, sizeof path, NETWORK_STATE "/%s.lease", link);
	if (file_read(&text, root, path, &e))
		return NULL;
	for (struct str rest = buf_text(&text); str_next(&line, &rest, '\n');) {
		if (str_cut(&name, &value, line, '=') && str_is(name, key) && value.len)
			return arena_copy(a, value);
	}
	return NULL;
}

const char *network_lease_text(struct arena *a, struct str hex)
{
	if (!hex.len || hex.len % 2 || hex.len > 2 * TEXT_MAX)
		return NULL;
	char *text = arena_alloc(a, hex.len / 2 + 1);
	size_t len = 0;
	for (size_t i = 0; i < hex.len; i += 2) {
		uint64_t c;
		if (!str_u64(&c, (struct str){ hex.p + i, 2 }, 16, 255))
			return NULL;
		/* Some servers send the zero byte that ends a text in C. */
		if (!c && i + 2 == hex.len)
			break;
		if (c <= ' ' || c > '~')
			return NULL;
		text[len++] = (char)c;
	}
	return len ? text : NULL;
}

const char *network_lease_host(const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789.-";

	return name && *name && *name != '-' && *name != '.' && strlen(name) <= HOST_MAX &&
			       strspn(name, plain) == strlen(name)
		       ? name
		       : NULL;
}
