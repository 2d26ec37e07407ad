/* Any bytes as a crypttab: what comes out is a name fit for a device, and a path inside a root. */
#include <stdlib.h>
#include <string.h>

#include "target/crypttab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA(64 << 20);
	struct crypttab tab;

	if (size > 65536)
		return 0;
	crypttab_parse(&tab, &a, (struct str){ (const char *)data, size });
	for (size_t i = 0; i < tab.n; i++) {
		const struct crypttab_line *l = &tab.v[i];
		if (!*l->name || strchr(l->name, '/') || l->name[0] == '.' || !l->device)
			abort();
		if (l->key && (l->key[0] != '/' || strstr(l->key, "/../")))
			abort();
	}
	arena_free(&a);
	return 0;
}
