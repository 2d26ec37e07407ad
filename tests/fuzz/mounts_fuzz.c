/* Any bytes as an fstab and as a mount unit; every place that comes out can be followed. */
#include <stdlib.h>
#include <string.h>

#include "target/place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = { (const char *)data, size };
	struct arena a = ARENA(256 << 20);
	CLEAN_ROOT struct root root = NO_ROOT;
	struct target_tree tree = { .arena = &a, .root = &root, .base = "" };
	struct target_place place;
	struct err e = { 0 };

	if (size > 4096 || root_open(&root, "/proc/self/fdinfo", &e))
		return 0;
	if (!target_mounts_fstab(&tree.mounts, &a, text, "etc/fstab", &e))
		target_mounts_unit(&tree.mounts, &a, text, "x/var-lib-etcd.mount", &e);
	for (size_t i = 0; i < tree.mounts.n && i < 4; i++) {
		const struct target_mount *m = &tree.mounts.v[i];
		if (m->where[0] != '/' || strstr(m->where, "/../") || !m->what)
			abort();
		if (!target_place(&place, &tree, m->where, &e) && place.spot.inside[0] == '/')
			abort();
	}
	arena_free(&a);
	return 0;
}
