/* Any page: what is read of it are names right below its address, which lead nowhere else when
 * they are put behind it. */
#include <stdlib.h>
#include <string.h>

#include "source/web_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA(256 << 20);
	struct web_index index;
	struct url page, object;
	struct err e;

	if (url_parse(&page, STR("http://h.example/backups/"), &e))
		abort();
	if (!web_index_parse(&index, &arena, (struct str){ (const char *)data, size }, &page, &e)) {
		for (size_t i = 0; i < index.n; i++) {
			const struct web_entry *w = &index.v[i];
			const char *address =
				arena_print(&arena, "http://h.example/backups/%s", w->path);
			if (!*w->name || strchr(w->name, '/') || !strcmp(w->name, "..") ||
				!strcmp(w->name, ".") ||
				url_parse(&object, str_from(address), &e) || object.has_query ||
				object.fragment.len || strlen(w->path) >= 8000)
				abort();
			const char *slash = strchr(w->path, '/');
			if (w->place ? !slash || slash[1] : slash != NULL)
				abort();
		}
	}
	arena_free(&arena);
	return 0;
}
