#include "plan/fresh.h"

#include <string.h>

#include "codec/address.h"
#include "net/url.h"
#include "node/found.h"

static const char marker[] = "(told)";

/* The address in the first peer URL that has one; NULL: none. */
static const char *address_of(struct arena *a, struct str urls)
{
	struct str part;

	while (str_next(&part, &urls, ',')) {
		struct err none = { 0 };
		struct url url;
		if (!url_parse(&url, part, &none) && address_read(url.host).len)
			return arena_copy(a, url.host);
	}
	return NULL;
}

static const char *of_snapshot(
	struct arena *a, const struct etcd_known_member *known, const char *name)
{
	for (const struct etcd_known_member *m = known; m; m = m->next) {
		if (str_is(m->name, name))
			return address_of(a, m->urls);
	}
	return NULL;
}

int plan_fresh(struct plan_rewrite *r, struct kube_files *files, const struct plan *plan,
	const struct plan_machine *machine, const struct plan_fresh *told,
	const struct etcd_known_member *known, struct err *e)
{
	struct arena *a = files->arena;
	struct node_found disk;

	*r = (struct plan_rewrite){
		.node = { .layout = &kube_layout_kubeadm, .marker = marker, .files = files }
	};
	struct kube_cluster *c = kube_add_cluster(&r->node, "etcd");
	c->partial = true;
	/* Without a name or an address of its own yet: by the plan's match and the disk. */
	if (plan_identify(&r->who, &r->node, plan, machine, e))
		return e->code;
	node_found(&disk, a, files->root);
	const struct identity_claim *name = identity_of(&r->who.identity, IDENTITY_NAME),
				    *peer = identity_of(&r->who.identity, IDENTITY_PEER);
	c->name = told->name ? told->name : name ? name->value : NULL;
	if (!c->name)
		return err_set(e, ERR_USAGE,
			"who this fresh master will be stands nowhere: cluster.members in the plan "
			"with a match: that fits this machine, or certs --name and --address");
	const char *address = told->address;
	if (!address && peer)
		address = address_of(a, str_from(peer->value));
	if (!address)
		address = of_snapshot(a, known, c->name);
	if (!address && disk.n == 1)
		address = disk.addresses[0].text;
	if (!address && machine && machine->addresses.n == 1)
		address = machine->addresses.v[0];
	if (!address && machine)
		address = machine->cloud_address;
	if (!address)
		return err_set(e, ERR_USAGE,
			"the address of %s stands neither in the plan nor in the snapshot, and not "
			"alone on the disk: write it into the plan's cluster.members, or certs "
			"--address",
			c->name);
	if (!address_read(str_from(address)).len)
		return err_set(e, ERR_USAGE, "--address %s: is no IP address", address);
	r->node.name = c->name;
	kube_add_text(&c->peer_urls, a,
		arena_print(a, strchr(address, ':') ? "https://[%s]:2380" : "https://%s:2380",
			address));
	return 0;
}
