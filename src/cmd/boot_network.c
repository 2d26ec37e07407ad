/* Network and clock, in this order, since the time comes over the network. */
#include "cmd/boot.h"

#include <string.h>

#include "net/url.h"
#include "node/anchors.h"
#include "os/file.h"

enum { WORDS_MAX = 64 * 1024, SERVERS = 2 * NETWORK_SERVERS };

static const char embedded_path[] = "etc/etcd-rescue/network";

/* BOOTIF alone, which a PXE loader adds, is no wish for a certain network. */
static bool is_said(const struct network *n)
{
	return n->n_ip || n->n_bonds || n->n_vlans;
}

static void add_embedded(struct boot *b, struct network *n)
{
	CLEAN_BUF struct buf words = BUF(WORDS_MAX);
	struct err e = { 0 };
	struct str line;

	if (file_read(&words, b->root, embedded_path, &e)) {
		if (e.code != ERR_NOTFOUND)
			event_warning(b->listener, "network", "%s", e.text);
		return;
	}
	/* A slip in one line must not lose the others, nor end in DHCP where none answers. */
	for (struct str rest = buf_text(&words); str_next(&line, &rest, '\n');) {
		if (node_cmdline_network(n, b->arena, line, &e))
			event_warning(b->listener, "network", "/%s: %s", embedded_path, e.text);
	}
	if (is_said(n))
		b->network.from = "image";
}

void boot_describe_network(struct boot *b, const char *const *plan_words, size_t n_words)
{
	struct network *n = &b->cmdline.network;
	struct err e = { 0 };

	b->network.from = is_said(n) ? "kernel-line" : "default";
	if (!is_said(n))
		add_embedded(b, n);
	for (size_t i = 0; i < n_words && !strcmp(b->network.from, "default"); i++) {
		if (node_cmdline_network(n, b->arena, str_from(plan_words[i]), &e))
			event_warning(b->listener, "network", "plan: %s", e.text);
	}
	if (n_words && !strcmp(b->network.from, "default") && is_said(n))
		b->network.from = "plan";
}

/* What would be done, as a person would type it. */
static void list_actions(struct boot *b)
{
	CLEAN_BUF struct buf text = BUF(1 << 20);
	struct actions list = { .arena = b->arena };
	struct err e = { 0 };

	network_actions(&list, &b->cmdline.network, b->links, b->n_links);
	if (!network_actions_print(&text, &list, &e))
		b->network.actions = arena_copy(b->arena, buf_text(&text));
}

void boot_bring_network_up(struct boot *b)
{
	struct boot_network *net = &b->network;
	struct err e = { 0 };

	if (b->dry) {
		list_actions(b);
		return;
	}
	event_step(b->listener, "network",
		!strcmp(net->from, "kernel-line") ? "by the kernel line"
		: !strcmp(net->from, "image")     ? "by /etc/etcd-rescue/network"
		: !strcmp(net->from, "plan")      ? "by the plan"
						  : "nothing is said about it: DHCP on all cards");
	if (network_up(&net->result, b->arena, &b->cmdline.network, b->listener, &e)) {
		net->trouble = arena_copy(b->arena, str_from(e.text));
		event_failed(b->listener, "network", e.text);
		event_info(b->listener, "network",
			"by hand: etcd-rescue network ip=ADDRESS::GATEWAY:PREFIX::CARD:none "
			"nameserver=ADDRESS");
		return;
	}
	if (net->result.link)
		event_done(b->listener, "network",
			arena_print(b->arena, "%s has %s", net->result.link, net->result.address));
}

/* "https://user@host:port/a?b" to "https://host:port/"; NULL for what is not http. */
static const char *origin(struct arena *a, const char *address)
{
	struct url url;
	struct err e;

	if (!address || url_parse(&url, str_from(address), &e) || !url.authority ||
		(!url_scheme_is(&url, "http") && !url_scheme_is(&url, "https")))
		return NULL;
	const bool is_v6 = memchr(url.host.p, ':', url.host.len) != NULL;
	const char *host =
		arena_print(a, "%s%.*s%s", is_v6 ? "[" : "", STR_ARG(url.host), is_v6 ? "]" : "");
	return url.port ? arena_print(a, "%.*s://%s:%u/", STR_ARG(url.scheme), host, url.port)
			: arena_print(a, "%.*s://%s/", STR_ARG(url.scheme), host);
}

static size_t collect_servers(const char *servers[SERVERS], const struct boot *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->network.result.n_ntp && n < SERVERS; i++)
		servers[n++] = b->network.result.ntp[i];
	for (size_t i = 0; i < b->n_plan_ntp && n < SERVERS; i++)
		servers[n++] = b->plan_ntp[i];
	return n;
}

static void ask_time(struct boot *b)
{
	CLEAN_BUF struct buf pem = BUF(NODE_ANCHORS_MAX);
	const char *servers[SERVERS];
	struct err e = { 0 };

	if (node_anchors_load(&pem, b->root, &e))
		event_warning(b->listener, "clock", "%s", e.text);
	const struct trust trust = { .anchors = buf_span(&pem) };
	struct node_clock_wish wish = {
		.ntp = servers,
		.n_ntp = collect_servers(servers, b),
		.url = origin(b->arena, b->cmdline.plan),
		.trust = &trust,
		.proxy = b->cmdline.proxy,
	};
	if (!wish.url)
		wish.url = origin(b->arena, b->cmdline.source);
	if (!wish.url)
		wish.url = origin(b->arena, b->network.result.plan_url);
	if (!wish.url)
		wish.url = origin(b->arena, b->plan_source);
	if (!b->network.result.link) {
		wish.n_ntp = 0;
		wish.url = NULL;
	}
	/* With nobody to ask and a clock that can be right there is nothing to do. */
	if (b->clock.believable && !wish.n_ntp && !wish.url)
		return;
	if (node_clock_set(&b->clock_set, &wish, b->root, b->listener, &e)) {
		/* The step's name stands in front already. */
		struct str why = str_from(e.text);
		if (str_starts(why, STR("clock: ")))
			why = (struct str){ why.p + 7, why.len - 7 };
		b->clock_trouble = arena_copy(b->arena, why);
		event_warning(b->listener, "clock", "%s", b->clock_trouble);
	}
	clock_check(&b->clock, b->root);
}

void boot_set_clock(struct boot *b)
{
	char now[32];

	clock_check(&b->clock, b->root);
	if (b->dry)
		return;
	event_step(b->listener, "clock", "is the time right?");
	ask_time(b);
	if (b->clock_set.set)
		return; /* said already, with who told */
	clock_print(now, b->clock.now);
	if (b->clock.believable)
		event_done(b->listener, "clock",
			arena_print(b->arena, "%s by the machine's own clock", now));
	else
		event_failed(b->listener, "clock",
			arena_print(b->arena,
				"%s cannot be right, and certificates will look invalid; set it: "
				"date -s 'YYYY-MM-DD hh:mm:ss', or etcd-rescue clock --ntp SERVER",
				now));
}
