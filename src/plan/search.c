#include "plan/search.h"

#include <string.h>

#include "node/dmi.h"
#include "os/link.h"
#include "os/network_lease.h"
#include "plan/reach.h"

/* The card the machine was booted from; else the first that has a cable; else the first. */
static const char *mac_of(const struct link *links, size_t n_links, const struct node_cmdline *line)
{
	const struct link *best = NULL;

	if (line && line->network.bootif)
		return line->network.bootif;
	if (line && line->network.bootdev)
		best = link_named(links, n_links, line->network.bootdev);
	for (size_t i = 0; i < n_links && !best; i++) {
		if (links[i].wired && links[i].mac[0] && links[i].carrier == 1)
			best = &links[i];
	}
	for (size_t i = 0; i < n_links && !best; i++) {
		if (links[i].wired && links[i].mac[0])
			best = &links[i];
	}
	return best && best->mac[0] ? best->mac : NULL;
}

static const char *hostname_of(struct arena *a, const struct root *root, const struct link *links,
	size_t n_links, const struct node_cmdline *line)
{
	for (size_t i = 0; line && i < line->network.n_ip; i++) {
		if (line->network.ip[i].hostname)
			return line->network.ip[i].hostname;
	}
	for (size_t i = 0; i < n_links; i++) {
		const char *name = network_lease_value(a, root, links[i].name, "hostname");
		if (name && name[0])
			return name;
	}
	return NULL;
}

static const char *lower(struct arena *a, const char *text)
{
	char *copy = text ? arena_copy(a, str_from(text)) : NULL;

	for (char *p = copy; p && *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	}
	return copy;
}

void search_facts(struct template_facts *facts, struct arena *a, const struct root *root,
	const struct node_cmdline *line)
{
	struct link *links = NULL;
	struct dmi dmi = { 0 };
	struct err ignored;
	size_t n = 0;

	if (link_list(&links, &n, a, root, &ignored))
		n = 0; /* a machine without cards still has a plan */
	dmi_read(&dmi, a, root);
	*facts = (struct template_facts){
		.mac = lower(a, mac_of(links, n, line)),
		.uuid = lower(a, dmi.uuid),
		.serial = dmi.serial,
		.hostname = hostname_of(a, root, links, n, line),
	};
}

/* Nobody would answer, and waiting for that would only keep the network from coming. */
static int fetch_nothing(void *ctx, struct buf *out, const char *url, struct err *e)
{
	(void)ctx;
	(void)out;
	(void)url;
	return err_set(e, ERR_NET, "there is no network yet");
}

static int with_reach(struct delivery *d, struct arena *a, const struct search_machine *machine,
	const char *path, struct err *e)
{
	struct reach reach;
	struct delivery_from from = {
		.arena = a,
		.root = machine->root,
		.line = machine->line,
		.blocks = machine->blocks,
		.n_blocks = machine->n_blocks,
		.fetch = machine->offline ? fetch_nothing : reach_fetch,
		.open_volume = reach_volume,
		.ctx = &reach,
	};

	reach_start(&reach, machine->root, machine->line ? machine->line->proxy : NULL);
	search_facts(&from.facts, a, machine->root, machine->line);
	const int status = path ? delivery_file(d, &from, path, e) : delivery_find(d, &from, e);
	reach_free(&reach);
	return status;
}

int search_plan(
	struct delivery *d, struct arena *a, const struct search_machine *machine, struct err *e)
{
	return with_reach(d, a, machine, NULL, e);
}

int search_file(struct delivery *d, struct arena *a, const struct search_machine *machine,
	const char *path, struct err *e)
{
	return with_reach(d, a, machine, path, e);
}
