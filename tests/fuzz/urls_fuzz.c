/* Any text as a peer URL, which normalised twice is the same as once, but for blanks at the end;
 * and as the argument of --initial-cluster, which gives sorted members with ids. */
#include <stdlib.h>

#include "etcd/ident.h"
#include "etcd/peerurl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_url(struct str text)
{
	struct arena a = ARENA(1 << 20);
	struct str once, twice;
	struct err e;

	if (!etcd_peerurl_normalise(&once, &a, text, &e)) {
		for (size_t i = 0; i < once.len; i++) {
			/* A query is kept as it came. */
			if ((unsigned char)once.p[i] < 0x20)
				abort();
		}
		/* Go itself refuses some of what it prints: a zone with bytes beyond ASCII.  And it
		 * keeps the blanks before an empty fragment, which the next time are at the end. */
		if (!etcd_peerurl_normalise(&twice, &a, once, &e) &&
			!str_equal(str_trim(once), twice))
			abort();
	}
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = { (const char *)data, size };
	struct arena a = ARENA(64 << 20);
	struct etcd_restore_config config = { .initial_cluster = text, .token = STR("t") };
	const struct etcd_member *own;
	struct etcd_cluster c;
	struct str url;
	struct err e;

	if (size > 65536)
		return 0;
	check_url(text);
	str_cut(&config.name, &url, text, '=');
	if (!etcd_ident_cluster(&c, &own, &a, &config, &e)) {
		if (!own || !c.n_members || c.n_members > ETCD_MEMBERS_MAX)
			abort();
		for (size_t i = 1; i < c.n_members; i++) {
			if (c.members[i - 1].id >= c.members[i].id)
				abort();
		}
	}
	arena_free(&a);
	return 0;
}
