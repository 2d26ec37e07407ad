/* etcd-rescue network: the network by hand, with the words of the kernel line. */
#include "cmd/applets.h"
#include "codec/json.h"
#include "node/cmdline.h"
#include "os/file.h"

struct network_options {
	struct option_common common;
	bool dry_run, yes;
};

static const struct option_row rows[] = {
	{ "dry-run", 'n', OPTION_FLAG, offsetof(struct network_options, dry_run), NULL,
		"print the commands, change nothing" },
	{ "yes", 'y', OPTION_FLAG, offsetof(struct network_options, yes), NULL,
		"also on a machine that did not boot from this image" },
	{ 0 },
};

/* The words given, or else those of the kernel line and of the image. */
static int read_words(struct network *n, const struct app *app, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(NODE_CMDLINE_MAX);
	struct node_cmdline *line = arena_alloc(app->arena, sizeof *line);

	for (size_t i = 0; i < app->n_operands; i++) {
		if (buf_print(&text, e, "%s\n", app->operands[i]))
			return e->code;
	}
	if (app->n_operands)
		return node_cmdline_network(n, app->arena, buf_text(&text), e);
	if (file_read(&text, &app->root, "/proc/cmdline", e) ||
		node_cmdline_parse(line, app->arena, buf_text(&text), e))
		return err_wrap(e, "kernel line");
	for (size_t i = 0; i < line->n_refused; i++)
		event_warning(app->listener, "network", "kernel line: %s", line->refused[i]);
	*n = line->network;
	if (n->given)
		return 0;
	buf_clear(&text);
	if (file_read(&text, &app->root, "/etc/etcd-rescue/network", e))
		return err_forgive(e, ERR_NOTFOUND);
	return node_cmdline_network(n, app->arena, buf_text(&text), e)
		       ? err_wrap(e, "/etc/etcd-rescue/network")
		       : 0;
}

static int dry_run(struct buf *out, const struct app *app, const struct network *n, struct err *e)
{
	const struct network_options *o = app->options;
	struct actions list = { .arena = app->arena };
	CLEAN_BUF struct buf text = BUF(1 << 20);
	struct link *links;
	size_t n_links;
	struct str line;

	if (link_list(&links, &n_links, app->arena, &app->root, e))
		return e->code;
	network_actions(&list, n, links, n_links);
	if (!o->common.json)
		return network_actions_print(out, &list, e);
	if (network_actions_print(&text, &list, e))
		return e->code;
	struct json j = JSON(out);
	json_open(&j, '{');
	json_key(&j, "actions");
	json_open(&j, '[');
	for (struct str rest = buf_text(&text); str_next(&line, &rest, '\n');)
		json_str(&j, line);
	json_close(&j, ']');
	json_close(&j, '}');
	return json_end(&j, e) ? (int)e->code : buf_print(out, e, "\n");
}

static int show(struct buf *out, const struct network_result *r, bool as_json, struct err *e)
{
	struct json j = JSON(out);

	if (!as_json)
		return r->link ? buf_print(out, e, "%s %s\n", r->link, r->address) : 0;
	json_open(&j, '{');
	json_key_text(&j, "link", r->link);
	json_key_text(&j, "address", r->address);
	json_key_text(&j, "hostname", r->hostname);
	json_key_text(&j, "plan_url", r->plan_url);
	json_key(&j, "ntp");
	json_open(&j, '[');
	for (size_t i = 0; i < r->n_ntp; i++)
		json_text(&j, r->ntp[i]);
	json_close(&j, ']');
	json_close(&j, '}');
	return json_end(&j, e) ? (int)e->code : buf_print(out, e, "\n");
}

static int network_run(struct app *app, struct err *e)
{
	const struct network_options *o = app->options;
	CLEAN_BUF struct buf out = BUF(1 << 20);
	struct network *n = arena_alloc(app->arena, sizeof *n);
	struct network_result result;

	if (read_words(n, app, e))
		return e->code;
	if (o->dry_run)
		return dry_run(&out, app, n, e) ? (int)e->code : app_print(&out, e);
	if (!o->yes && !root_exists(&app->root, "/etc/etcd-rescue/manifest"))
		return err_set(e, ERR_DECLINED,
			"this machine did not boot from the rescue image; its network is left "
			"alone "
			"without --yes");
	if (network_up(&result, app->arena, n, app->listener, e) ||
		show(&out, &result, o->common.json, e))
		return e->code;
	return app_print(&out, e);
}

const struct applet applet_network = {
	.name = "network",
	.purpose = "bring the network up, with the words of the kernel line",
	.operands = "[WORD]...",
	.about = "Words are dracut's: ip=dhcp, ip=eth1:dhcp, bond=.., vlan=.., nameserver=..\n"
		 "ip=192.0.2.7::192.0.2.1:24:node1:eth0:none gives eth0 that address and gateway.\n"
		 "Without words the kernel line counts, and then /etc/etcd-rescue/network.",
	.options = rows,
	.options_size = sizeof(struct network_options),
	.max_operands = 64,
	.run = network_run,
};
