/* Any bytes as netlink messages about a router's announcement, and as an option in hexadecimal. */
#include <stdlib.h>
#include <string.h>

#include "os/network_lease.h"
#include "os/network_watch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEAN_BUF struct buf lines = BUF(4096);
	struct arena a = ARENA(1 << 20);
	struct str line, word;
	unsigned index = 0;

	const bool any = network_watch_servers(&lines, &index, (struct span){ data, size });
	struct str rest = buf_text(&lines);
	while (any && str_next(&line, &rest, '\n')) {
		if (!str_word(&word, &line) || !str_is(word, "nameserver") ||
			!str_word(&word, &line) || line.len)
			abort();
	}
	const char *text = network_lease_text(&a, (struct str){ (const char *)data, size });
	for (; text && *text; text++) {
		if (*text <= ' ' || *text > '~')
			abort();
	}
	arena_free(&a);
	return 0;
}
