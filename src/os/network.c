/* The waiting half of the network: cards come, carrier comes, answers come, in any order.
 * Each pass looks at everything anew and does what has become possible; nothing is done
 * twice.  Between passes it sleeps until the kernel reports a change, a second at most. */
#include "os/network.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "os/network_actions.h"
#include "os/network_bond.h"
#include "os/network_do.h"
#include "os/network_lease.h"
#include "os/network_tell.h"
#include "os/network_watch.h"

enum {
	CARDS = 128,
	PASS_MS = 1000,
	NO_CARD_S = 5,    /* drivers are loaded; a card that is there shows itself by then */
	PREFER_S = 10,    /* the boot card, or IPv4 beside IPv6, may be that much later */
	SPEAK_S = 10,     /* how often to say what is being waited for */
	SCRATCH = 8 << 20 /* 1,000 cards looked at once */
};

struct card {
	const char *name;
	bool on, asked, asked6; /* what was done already */
	size_t fixed;           /* for so many ip= */
	bool boot, candidate;   /* candidate: for an address said without a card */
	unsigned ways;
	int64_t carrier_at;          /* when it came; 0: not yet */
	bool ask4, usable, complete; /* complete: and nothing better is to come */
	char address[64];
};

struct runner {
	const struct network *n;
	const struct listener *listener;
	struct arena *keep;
	struct arena scratch;
	struct root root;
	struct link *links;
	size_t n_links;
	struct card card[CARDS];
	size_t n_cards;
	struct network_bonds bonds;
	bool vlan[NETWORK_LIST]; /* made */
	const char *chosen;
	int64_t start_ms, first_at, spoke_at;
};

static int64_t now_s(void)
{
	return monotonic_ms() / 1000 + 1; /* never 0, which means: not yet */
}

static struct card *card_named(struct runner *r, const char *name)
{
	for (size_t i = 0; i < r->n_cards; i++) {
		if (!strcmp(r->card[i].name, name))
			return &r->card[i];
	}
	if (r->n_cards == CARDS)
		return NULL;
	struct card *card = &r->card[r->n_cards++];
	*card = (struct card){ .name = arena_copy(r->keep, str_from(name)) };
	return card;
}

static int list_links(struct runner *r, struct err *e)
{
	return link_list(&r->links, &r->n_links, &r->scratch, &r->root, e);
}

static struct actions new_list(struct runner *r)
{
	return (struct actions){ .arena = &r->scratch };
}

static void apply_names(struct runner *r)
{
	struct actions list = new_list(r);

	actions_names(&list, r->n, r->links, r->n_links);
	network_do(&list, 0, r->listener);
}

static int make_vlans(struct runner *r, struct err *e)
{
	for (size_t i = 0; i < r->n->n_vlans; i++) {
		const struct network_vlan *v = &r->n->vlan[i];
		if (r->vlan[i] || !link_named(r->links, r->n_links, v->parent))
			continue;
		struct actions list = new_list(r);
		const struct link *old = link_named(r->links, r->n_links, v->name);
		if (old && !strcmp(old->kind, "vlan"))
			actions_remove(&list, v->name);
		actions_vlan(&list, r->n, v);
		network_do(&list, 0, r->listener);
		r->vlan[i] = true;
		if (list_links(r, e))
			return e->code;
	}
	return 0;
}

static const char *lease_of(struct runner *r, const char *name)
{
	return network_lease_value(&r->scratch, &r->root, name, "ip");
}

static void look_for_address(struct runner *r, struct card *card)
{
	struct network_addresses found;

	network_addresses(&found, &r->root, card->name, card->ways == NETWORK_LINK6);
	/* A lease is noted last, after routes and name servers.  It proves that somebody is
	 * there; an address given by hand proves nothing of a bond that is still trying. */
	const bool good4 =
		*found.v4 &&
		(card->ways & NETWORK_STATIC ? network_bonds_settled(&r->bonds, r->n, card->name)
					     : lease_of(r, card->name) != NULL);
	const bool good6 = *found.v6 && (!(card->ways & NETWORK_STATIC) ||
						network_bonds_settled(&r->bonds, r->n, card->name));
	const bool usable = card->carrier_at && (good4 || good6);
	const char *best = good4 ? found.v4 : found.v6;
	if (usable && !card->usable) {
		event_info(r->listener, "network", "%s: %s", card->name, best);
		if (!r->first_at)
			r->first_at = now_s();
	}
	card->usable = usable;
	card->complete = usable && (good4 || !card->ask4);
	if (!good4 && card->ways & NETWORK_DHCP6)
		card->complete =
			card->complete && lease_of(r, arena_print(&r->scratch, "%s.6", card->name));
	snprintf(card->address, sizeof card->address, "%s", best);
}

static void serve_card(struct runner *r, const struct link *l)
{
	const struct network_ip *v[NETWORK_LIST + 1];
	const size_t n = network_entries(v, r->n, r->links, r->n_links, l->name, r->chosen);
	struct card *card;

	/* Only a card that is switched on shows carrier, and so can be chosen. */
	const bool candidate =
		!r->chosen && network_is_candidate(r->n, r->links, r->n_links, l->name);
	if (!n && !candidate && !network_is_parent(r->n, l->name))
		return;
	if (!(card = card_named(r, l->name)))
		return;
	card->candidate = candidate;
	const unsigned metric = network_metric(r->n, r->links, r->n_links, l->name);
	struct actions list = new_list(r);
	card->boot = network_is_boot(r->n, r->links, r->n_links, l->name);
	card->ways = 0;
	for (size_t i = 0; i < n; i++) {
		card->ways |= v[i]->ways;
		card->ask4 = card->ask4 || v[i]->ways & NETWORK_DHCP ||
			     (v[i]->client && !strchr(v[i]->client, ':'));
	}
	if (!card->on) {
		network_end_clients(l->name);
		if (l->up)
			actions_empty(&list, l->name);
		actions_switch_on(&list, v, n, l->name);
		card->on = true;
	}
	/* Which card takes an address said without a card is known only later. */
	if (card->fixed != n) {
		actions_static(&list, r->n, v, n, l->name, metric);
		card->fixed = n;
	}
	const bool carrier = l->up && l->carrier > 0;
	if (carrier && !card->carrier_at) {
		card->carrier_at = now_s();
		if (l->speed)
			event_info(
				r->listener, "network", "%s: carrier, %u Mb/s", l->name, l->speed);
		else
			event_info(r->listener, "network", "%s: carrier", l->name);
	}
	if (carrier && !card->asked) {
		actions_ask(&list, r->n, v, n, NETWORK_DHCP | NETWORK_DHCP6, l->name, metric);
		card->asked = true;
	}
	if (carrier && !card->asked6 && card->ways & NETWORK_EITHER6 && !card->usable &&
		now_s() - card->carrier_at >= NETWORK_EITHER6_S) {
		actions_ask(&list, r->n, v, n, NETWORK_EITHER6, l->name, metric);
		card->asked6 = true;
	}
	network_do(&list, 0, r->listener);
	if (n)
		look_for_address(r, card);
}

static int look_at_all(struct runner *r, struct err *e)
{
	arena_release(&r->scratch, (struct arena_mark){ 0 });
	if (list_links(r, e))
		return e->code;
	apply_names(r);
	if (network_bonds_make(&r->bonds, r->n, r->links, r->n_links, &r->scratch, r->listener) &&
		list_links(r, e))
		return e->code;
	if (make_vlans(r, e))
		return e->code;
	if (!r->chosen) {
		const char *name = network_chosen(r->n, r->links, r->n_links, false);
		r->chosen = name ? arena_copy(r->keep, str_from(name)) : NULL;
	}
	for (int boot = 1; boot >= 0; boot--) {
		for (size_t i = 0; i < r->n_links; i++) {
			if (network_is_boot(r->n, r->links, r->n_links, r->links[i].name) == boot)
				serve_card(r, &r->links[i]);
		}
	}
	/* Changing a bond's mode takes its routes away, so they are laid anew. */
	const char *changed;
	bool address = false;
	for (size_t i = 0; i < r->n_cards; i++)
		address = address || r->card[i].usable;
	while ((changed = network_bonds_turn(&r->bonds, r->n, r->links, r->n_links, address,
			now_s(), &r->scratch, &r->root, r->listener))) {
		for (size_t i = 0; i < r->n_cards; i++)
			r->card[i].fixed = 0;
		event_debug(r->listener, "network", "%s: its addresses are set again", changed);
	}
	return 0;
}

/* The best usable card so far, and whether a better one may follow soon. */
static const struct card *best_card(const struct runner *r, bool *wait)
{
	const struct card *best = NULL;
	bool boot_coming = false;

	for (size_t i = 0; i < r->n_cards; i++) {
		const struct card *card = &r->card[i];
		if (card->usable &&
			(!best || (card->boot && !best->boot) ||
				(card->boot == best->boot && card->complete && !best->complete)))
			best = card;
		boot_coming = boot_coming ||
			      (card->boot && card->ways && card->carrier_at && !card->complete);
	}
	*wait = best && (boot_coming || !best->complete) && now_s() - r->first_at < PREFER_S;
	return best;
}

static void describe(const struct runner *r, struct buf *text)
{
	struct err e;

	for (size_t i = 0; i < r->n_cards; i++) {
		const struct card *card = &r->card[i];
		if (!card->ways && !card->candidate)
			continue;
		buf_print(text, &e, "%s%s ", text->len ? ", " : "", card->name);
		if (!card->carrier_at)
			buf_print(text, &e, "has no carrier");
		else if (card->usable)
			buf_print(text, &e, "has %s", card->address);
		else if (card->ways & NETWORK_STATIC)
			buf_print(text, &e, "waits for its address");
		else
			buf_print(text, &e, "has asked for an address for %d s",
				(int)(now_s() - card->carrier_at));
	}
	network_tell_absent(text, r->n, r->links, r->n_links);
}

/* True when waiting longer makes no sense. */
static bool is_over(const struct runner *r, struct err *e)
{
	const struct network *n = r->n;
	const int64_t waited = (monotonic_ms() - r->start_ms) / 1000; /* whole ones */
	CLEAN_BUF struct buf text = BUF(4096);
	bool carrier = false, any = n->n_bonds || n->n_vlans;

	for (size_t i = 0; i < n->n_ip; i++)
		any = any || n->ip[i].link;
	for (size_t i = 0; i < r->n_cards; i++) {
		any = any || r->card[i].ways || r->card[i].candidate;
		carrier = carrier || r->card[i].carrier_at;
	}
	if (!any) {
		if (waited < NO_CARD_S)
			return false;
		err_set(e, ERR_NET,
			"no network card found; is its driver or firmware missing? "
			"see: dmesg | grep -i firmware");
		return true;
	}
	if (waited < (n->phase_s ? n->phase_s : NETWORK_PHASE_S) &&
		(carrier || waited < (n->carrier_s ? n->carrier_s : NETWORK_CARRIER_S)))
		return false;
	describe(r, &text);
	err_set(e, ERR_NET, "no address after %d s: %.*s", (int)waited, STR_ARG(buf_text(&text)));
	return true;
}

static void speak(struct runner *r)
{
	CLEAN_BUF struct buf text = BUF(4096);
	const int64_t now = now_s();

	if (now - r->spoke_at < SPEAK_S)
		return;
	r->spoke_at = now;
	describe(r, &text);
	if (text.len)
		event_info(r->listener, "network", "waiting: %.*s", STR_ARG(buf_text(&text)));
}

/* Who came first goes on with us; the others go on by themselves. */
static void leave_the_rest(struct runner *r, const struct card *first)
{
	struct actions list = new_list(r);

	for (size_t i = 0; i < r->n_cards; i++) {
		struct card *card = &r->card[i];
		const struct network_ip *v[NETWORK_LIST + 1];
		if (r->n->single && first && card != first) {
			network_end_clients(card->name);
			continue;
		}
		const size_t n =
			network_entries(v, r->n, r->links, r->n_links, card->name, r->chosen);
		if (!card->asked)
			actions_ask(&list, r->n, v, n, NETWORK_DHCP | NETWORK_DHCP6, card->name,
				network_metric(r->n, r->links, r->n_links, card->name));
	}
	actions_last(&list, r->n);
	actions_resolver(&list); /* without what earlier leases had said */
	network_do(&list, 0, r->listener);
}

static int wait_for_address(struct runner *r, int watch, const struct card **first, struct err *e)
{
	for (;;) {
		bool wait;
		if (look_at_all(r, e))
			return e->code;
		*first = best_card(r, &wait);
		if (*first && !wait)
			return 0;
		if (!*first && is_over(r, e))
			return e->code;
		speak(r);
		if (network_watch_wait(watch, PASS_MS) && !r->n->no_peer_dns) {
			struct actions list = new_list(r);
			actions_resolver(&list);
			network_do(&list, 0, r->listener);
		}
	}
}

int network_up(struct network_result *result, struct arena *a, const struct network *network,
	const struct listener *listener, struct err *e)
{
	struct runner *r = arena_alloc(a, sizeof *r);
	const struct card *first = NULL;

	if (network_is_off(network)) {
		event_info(listener, "network", "switched off by ip=off");
		*result = (struct network_result){ 0 };
		return 0;
	}
	*r = (struct runner){
		.n = network,
		.listener = listener,
		.keep = a,
		.scratch = ARENA(SCRATCH),
		.root = NO_ROOT,
		.start_ms = monotonic_ms(),
		.spoke_at = now_s(),
	};
	if (root_open(&r->root, "/", e) || network_note("0.dns", STR(""), e))
		goto out;
	struct actions list = new_list(r);
	actions_first(&list, network);
	network_do(&list, 0, listener);
	const int watch = network_watch_open();
	wait_for_address(r, watch, &first, e);
	if (watch >= 0)
		close(watch);
	leave_the_rest(r, first);
	network_tell_result(result, a, network, &r->root, first ? first->name : NULL,
		first ? first->address : NULL);
out:
	arena_free(&r->scratch);
	root_close(&r->root);
	return first ? 0 : (int)e->code;
}
