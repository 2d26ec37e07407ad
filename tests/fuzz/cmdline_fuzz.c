/* Any text as a kernel line, and what follows from it: every word of every command is one that a
 * network card, an address or a number may be, so nothing can smuggle in an option or a path. */
#include <stdlib.h>
#include <string.h>

#include "node/cmdline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct link cards[] = {
	{ .name = "eth0", .mac = "52:54:00:00:00:00", .kind = "", .wired = true, .carrier = 1 },
	{ .name = "eth1", .mac = "52:54:00:00:00:01", .kind = "", .wired = true },
};

static void check(const struct actions *list)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct action *action = &list->v[i];
		if (!action->argv) {
			if (strstr(action->path, "/../") || strlen(action->path) > 100)
				abort();
			continue;
		}
		if (action->argv[0][0] != '/')
			abort();
		for (size_t k = 1; action->argv[k]; k++) {
			const char *word = action->argv[k];
			if (!*word || strpbrk(word, " \t\n\"'$`;&|<>()*?\\"))
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA(64 << 20);
	struct node_cmdline *c = arena_alloc(&a, sizeof *c);
	struct actions list = { .arena = &a };
	struct network *n = arena_alloc(&a, sizeof *n);
	CLEAN_BUF struct buf text = BUF(1 << 20);
	struct err e = { 0 };

	if (!node_cmdline_parse(c, &a, (struct str){ (const char *)data, size }, &e)) {
		network_actions(&list, &c->network, cards, 2);
		check(&list);
		network_actions_print(&text, &list, &e);
		for (size_t i = 0; i < c->n_refused; i++) {
			if (!*c->refused[i])
				abort();
		}
	}
	if (node_cmdline_network(n, &a, (struct str){ (const char *)data, size }, &e) &&
		e.code != ERR_USAGE && e.code != ERR_UNSUPPORTED && e.code != ERR_FORMAT)
		abort();
	arena_free(&a);
	return 0;
}
