#include "plan/identify.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "net/url.h"
#include "node/found.h"

static bool fits(const char *wish, const char *have)
{
	return !wish || (have && !strcasecmp(wish, have));
}

static bool has_address(const struct node_found *disk, const char *address)
{
	for (size_t i = 0; i < disk->n; i++) {
		if (!strcmp(disk->addresses[i].text, address))
			return true;
	}
	return false;
}

static bool has_mac(const struct plan_machine *machine, const char *mac)
{
	for (const char *const *m = machine ? machine->macs : NULL; m && *m; m++) {
		if (!strcasecmp(*m, mac))
			return true;
	}
	return false;
}

/* Every match that is said has to fit, and one has to be said. */
static bool is_this(const struct plan_match *m, const struct node_found *disk,
	const struct plan_machine *machine)
{
	const struct dmi none = { 0 }, *dmi = machine && machine->dmi ? machine->dmi : &none;

	if (!m->mac && !m->uuid && !m->serial && !m->hostname && !m->ip)
		return false;
	return (!m->mac || has_mac(machine, m->mac)) && fits(m->uuid, dmi->uuid) &&
	       fits(m->serial, dmi->serial) && fits(m->hostname, disk->hostname) &&
	       (!m->ip || has_address(disk, m->ip));
}

static void warn_conflicts(struct kube_node *node, const struct identity *id)
{
	for (size_t i = 0; i < id->n; i++) {
		const struct identity_claim *c = &id->v[i];
		const struct identity_claim *winner = identity_of(id, c->what);
		if (c->disagrees)
			kube_warn(node, "%s: %s says %s, %s says %s, which is taken",
				identity_word(c->what), c->source, c->value, winner->source,
				winner->value);
	}
}

/* A peer URL of an address that the disk gives to nobody: one of the two is another node's. */
static void compare_address(
	struct kube_node *node, const struct kube_cluster *c, const struct node_found *disk)
{
	struct arena *a = node->files->arena;
	struct err none = { 0 };
	struct url url;
	uint8_t bytes[16];

	if (!disk->n || !c->peer_urls.n || url_parse(&url, str_from(c->peer_urls.v[0]), &none))
		return;
	const char *host = arena_copy(a, url.host);
	if (inet_pton(AF_INET, host, bytes) != 1 && inet_pton(AF_INET6, host, bytes) != 1)
		return;
	if (!has_address(disk, host))
		kube_warn(node, "%s advertises %s; the disk's network configuration has %s (%s)",
			c->what, host, disk->addresses[0].text, disk->addresses[0].file);
}

void plan_identify(struct plan_identity *f, struct kube_node *node, const struct plan *plan,
	const struct plan_machine *machine)
{
	struct arena *a = node->files->arena;
	const struct kube_cluster *c = &node->clusters[0];
	struct node_found disk;

	*f = (struct plan_identity){ .identity = { .arena = a } };
	node_found(&disk, a, node->files->root);
	for (size_t i = 0; plan && i < plan->cluster.members.n; i++) {
		const struct plan_member *m = &plan->cluster.members.v[i];
		if (!is_this(&m->match, &disk, machine))
			continue;
		f->member = f->member ? f->member : m;
		identity_claim(&f->identity, IDENTITY_NAME, IDENTITY_PLAN, m->name, "the plan");
		identity_claim(&f->identity, IDENTITY_PEER, IDENTITY_PLAN, m->peer, "the plan");
	}
	identity_claim(&f->identity, IDENTITY_NAME, IDENTITY_FILES, c->name, node->marker);
	identity_claim(&f->identity, IDENTITY_PEER, IDENTITY_FILES,
		c->peer_urls.n ? c->peer_urls.v[0] : NULL, node->marker);
	identity_claim(&f->identity, IDENTITY_NAME, IDENTITY_DISK, disk.hostname, "etc/hostname");
	identity_judge(&f->identity);
	warn_conflicts(node, &f->identity);
	for (size_t i = 0; i < disk.n; i++)
		kube_add_text(&node->addresses, a, disk.addresses[i].text);
	for (size_t i = 0; i < node->n_clusters; i++)
		compare_address(node, &node->clusters[i], &disk);
}
