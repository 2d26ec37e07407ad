#include "os/network_tell.h"

#include "os/network_lease.h"

static void add_time_servers(struct network_result *result, struct arena *a, const char *list)
{
	struct str word, rest = str_from(list);

	while (result->n_ntp < NETWORK_SERVERS && str_word(&word, &rest))
		result->ntp[result->n_ntp++] = arena_copy(a, word);
}

void network_tell_result(struct network_result *result, struct arena *a, const struct network *n,
	const struct root *root, const char *link, const char *address)
{
	*result = (struct network_result){ 0 };
	for (size_t i = 0; i < n->n_ntp; i++)
		result->ntp[result->n_ntp++] = n->ntp[i];
	if (!link)
		return;
	result->link = link;
	result->address = arena_copy(a, str_from(address));
	add_time_servers(result, a, network_lease_value(a, root, link, "ntpsrv"));
	result->hostname = network_lease_host(network_lease_value(a, root, link, "hostname"));
	const char *url = network_lease_value(a, root, link, "opt224");
	result->plan_url = url ? network_lease_text(a, str_from(url)) : NULL;
}

void network_tell_absent(
	struct buf *text, const struct network *n, const struct link *links, size_t n_links)
{
	struct err e;

	for (size_t i = 0; i < n->n_ip; i++) {
		const char *name = n->ip[i].link;
		if (name && !link_named(links, n_links, name))
			buf_print(text, &e, "%s%s does not exist", text->len ? ", " : "", name);
	}
}
