#include "plan/identify.h"

#include <string.h>
#include <strings.h>

#include "codec/address.h"
#include "kube/rewrite.h"
#include "net/url.h"
#include "node/found.h"

struct look {
	struct arena *a;
	const struct node_found *disk;
	const struct plan_machine *machine;
};

static bool fits(const char *wish, const char *have)
{
	return have && !strcasecmp(wish, have);
}

static bool has_address(const struct look *l, const char *address)
{
	const struct plan_machine *m = l->machine;
	const struct str text = str_from(address);

	for (size_t i = 0; i < l->disk->n; i++) {
		if (address_same(str_from(l->disk->addresses[i].text), text))
			return true;
	}
	for (size_t i = 0; m && i < m->addresses.n; i++) {
		if (address_same(str_from(m->addresses.v[i]), text))
			return true;
	}
	return m && m->cloud_address && address_same(str_from(m->cloud_address), text);
}

static bool has_mac(const struct plan_machine *machine, const char *mac)
{
	for (const char *const *m = machine ? machine->macs : NULL; m && *m; m++) {
		if (!strcasecmp(*m, mac))
			return true;
	}
	return false;
}

static bool is_called(const struct look *l, const char *hostname)
{
	const struct plan_machine *m = l->machine;

	return fits(hostname, l->disk->hostname) ||
	       (m && (fits(hostname, m->line_hostname) || fits(hostname, m->lease_hostname) ||
			     fits(hostname, m->cloud_hostname)));
}

/* By what this member is this machine; NULL: it is not.  Every match that is said has to fit,
 * and one has to be said. */
static const char *matches(const struct look *l, const struct plan_match *m)
{
	const struct dmi none = { 0 },
			 *dmi = l->machine && l->machine->dmi ? l->machine->dmi : &none;
	const struct {
		const char *key, *wish;
		bool fits;
	} all[] = {
		{ "mac", m->mac, m->mac && has_mac(l->machine, m->mac) },
		{ "uuid", m->uuid, m->uuid && fits(m->uuid, dmi->uuid) },
		{ "serial", m->serial, m->serial && fits(m->serial, dmi->serial) },
		{ "hostname", m->hostname, m->hostname && is_called(l, m->hostname) },
		{ "ip", m->ip, m->ip && has_address(l, m->ip) },
	};
	const char *by = NULL;

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (!all[i].wish)
			continue;
		if (!all[i].fits)
			return NULL;
		by = by ? by : arena_print(l->a, "the plan by %s %s", all[i].key, all[i].wish);
	}
	return by;
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

/* The address in a peer URL; NULL: it has a name. */
static const char *address_of(struct arena *a, const char *peer)
{
	struct err none = { 0 };
	struct url url;

	if (!peer || url_parse(&url, str_from(peer), &none) || !address_read(url.host).len)
		return NULL;
	return arena_copy(a, url.host);
}

/* A peer URL of an address that nobody gives to this machine: one of the two is another node's. */
static void compare_address(
	struct kube_node *node, const struct kube_cluster *c, const struct look *l)
{
	const struct plan_machine *m = l->machine;
	const char *host = c->peer_urls.n ? address_of(l->a, c->peer_urls.v[0]) : NULL;

	if (!host || has_address(l, host))
		return;
	if (l->disk->n)
		kube_warn(node, "%s advertises %s; the disk's network configuration has %s (%s)",
			c->what, host, l->disk->addresses[0].text, l->disk->addresses[0].file);
	else if (m && m->cloud_address)
		kube_warn(node, "%s advertises %s; this instance has %s", c->what, host,
			m->cloud_address);
	else if (m && m->addresses.n)
		kube_warn(node, "%s advertises %s; the kernel line has %s", c->what, host,
			m->addresses.v[0]);
}

static int claim_by_plan(
	struct plan_identity *f, const struct look *l, const struct plan *plan, struct err *e)
{
	const char *first = NULL;

	for (size_t i = 0; plan && i < plan->cluster.members.n; i++) {
		const struct plan_member *m = &plan->cluster.members.v[i];
		const char *by = matches(l, &m->match);
		if (!by)
			continue;
		/* The same member may stand there twice, with two URLs. */
		if (f->member && strcmp(f->member->name, m->name))
			return err_set(e, ERR_DECLINED,
				"two members of the plan are this machine: %s (%s) and %s (%s); "
				"correct their match: in cluster.members",
				f->member->name, first, m->name, by);
		first = first ? first : by;
		f->member = f->member ? f->member : m;
		identity_claim(&f->identity, IDENTITY_NAME, IDENTITY_PLAN, m->name, by);
		identity_claim(&f->identity, IDENTITY_PEER, IDENTITY_PLAN, m->peer, by);
	}
	return 0;
}

static void claim_by_machine(struct identity *id, const struct plan_machine *m)
{
	static const char line[] = "ip= of the kernel line", cloud[] = "the EC2 metadata";

	if (!m)
		return;
	identity_claim(id, IDENTITY_NAME, IDENTITY_KERNEL_LINE, m->line_hostname, line);
	for (size_t i = 0; i < m->addresses.n; i++)
		identity_claim(id, IDENTITY_ADDRESS, IDENTITY_KERNEL_LINE, m->addresses.v[i], line);
	identity_claim(id, IDENTITY_NAME, IDENTITY_CLOUD, m->cloud_hostname, cloud);
	identity_claim(id, IDENTITY_ADDRESS, IDENTITY_CLOUD, m->cloud_address, cloud);
}

int plan_identify(struct plan_identity *f, struct kube_node *node, const struct plan *plan,
	const struct plan_machine *machine, struct err *e)
{
	struct arena *a = node->files->arena;
	const struct kube_cluster *c = &node->clusters[0];
	const char *peer = c->peer_urls.n ? c->peer_urls.v[0] : NULL;
	struct identity *id = &f->identity;
	struct node_found disk;
	const struct look look = { a, &disk, machine };

	*f = (struct plan_identity){ .identity = { .arena = a } };
	node_found(&disk, a, node->files->host ? node->files->host : node->files->root);
	if (claim_by_plan(f, &look, plan, e))
		return e->code;
	claim_by_machine(id, machine);
	identity_claim(id, IDENTITY_NAME, IDENTITY_FILES, c->name, node->marker);
	identity_claim(id, IDENTITY_PEER, IDENTITY_FILES, peer, node->marker);
	identity_claim(id, IDENTITY_ADDRESS, IDENTITY_FILES, address_of(a, peer), node->marker);
	identity_claim(id, IDENTITY_NAME, IDENTITY_DISK, disk.hostname, "etc/hostname");
	for (size_t i = 0; i < disk.n; i++) {
		identity_claim(id, IDENTITY_ADDRESS, IDENTITY_DISK, disk.addresses[i].text,
			disk.addresses[i].file);
		kube_add_text(&node->addresses, a, disk.addresses[i].text);
	}
	identity_judge(id);
	warn_conflicts(node, id);
	for (size_t i = 0; i < node->n_clusters; i++)
		compare_address(node, &node->clusters[i], &look);
	return 0;
}

static bool is_claimed(const struct identity *id, const char *address)
{
	for (size_t i = 0; address && i < id->n; i++) {
		if (id->v[i].what == IDENTITY_ADDRESS &&
			address_same(str_from(id->v[i].value), str_from(address)))
			return true;
	}
	return false;
}

/* Claim what this member says if it has an address of this node; was it this node's? */
static bool claim_member(struct identity *id, struct arena *a, const char *name, const char *urls)
{
	static const char source[] = "the snapshot's members";
	struct str rest = str_from(urls), part;

	while (str_next(&part, &rest, ',')) {
		const char *url = arena_copy(a, part);
		if (!is_claimed(id, address_of(a, url)))
			continue;
		identity_claim(id, IDENTITY_NAME, IDENTITY_SNAPSHOT, name, source);
		identity_claim(id, IDENTITY_PEER, IDENTITY_SNAPSHOT, url, source);
		return true;
	}
	return false;
}

void plan_identify_members(struct plan_identity *f, struct kube_node *node, const struct plan *plan,
	const struct etcd_known_member *known)
{
	struct arena *a = node->files->arena;
	const size_t n = plan ? plan->replace.n : 0;
	struct kube_replacement *list = arena_array(a, n + 1, sizeof *list);
	const struct kube_wanted wanted = { NULL, list, n };

	for (size_t i = 0; i < n; i++)
		list[i] =
			(struct kube_replacement){ plan->replace.v[i].from, plan->replace.v[i].to };
	for (const struct etcd_known_member *m = known; m; m = m->next) {
		const char *name = arena_copy(a, m->name), *urls = arena_copy(a, m->urls);
		if (!claim_member(&f->identity, a, name, urls) && n)
			claim_member(&f->identity, a, kube_replaced(a, name, &wanted),
				kube_replaced(a, urls, &wanted));
	}
	identity_judge(&f->identity);
	warn_conflicts(node, &f->identity);
}
