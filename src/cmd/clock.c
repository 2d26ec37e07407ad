/* etcd-rescue clock: set the clock from whoever can tell the time. */
#include <inttypes.h>

#include "cmd/applets.h"
#include "codec/json.h"
#include "node/anchors.h"
#include "node/clock.h"

struct clock_options {
	struct option_common common;
	struct option_list ntp;
	const char *url;
	bool yes;
};

static const struct option_row rows[] = {
	{ "ntp", 0, OPTION_LIST, offsetof(struct clock_options, ntp), "SERVER",
		"ask this time server" },
	{ "url", 0, OPTION_TEXT, offsetof(struct clock_options, url), "URL",
		"else the Date of its answer" },
	{ "yes", 'y', OPTION_FLAG, offsetof(struct clock_options, yes), NULL,
		"also on a machine that did not boot from this image" },
	{ 0 },
};

static int show(struct buf *out, const struct clock_state *now, const struct node_clock *set,
	bool as_json, struct err *e)
{
	struct json j = JSON(out);
	char text[32], floor[32];

	clock_print(text, now->now);
	clock_print(floor, now->floor);
	if (!as_json)
		return buf_print(
			out, e, "%s%s\n", text, now->believable ? "" : ", which cannot be right");
	json_open(&j, '{');
	json_key_text(&j, "now", text);
	json_key_text(&j, "not_before", floor);
	json_key_bool(&j, "believable", now->believable);
	json_key_bool(&j, "rtc", now->rtc);
	json_key_bool(&j, "set", set->set);
	json_key(&j, "off_ms");
	json_i64(&j, set->off_ms);
	json_close(&j, '}');
	return json_end(&j, e) ? (int)e->code : buf_print(out, e, "\n");
}

static int clock_run(struct app *app, struct err *e)
{
	const struct clock_options *o = app->options;
	CLEAN_BUF struct buf out = BUF(4096), pem = BUF(NODE_ANCHORS_MAX);
	struct clock_state now;
	struct node_clock set = { 0 };

	if (o->ntp.n || o->url) {
		if (!o->yes && !root_exists(&app->root, "/etc/etcd-rescue/manifest"))
			return err_set(e, ERR_DECLINED,
				"this machine did not boot from the rescue image; its clock is "
				"left "
				"alone without --yes");
		if (node_anchors_load(&pem, &app->root, e))
			return e->code;
		const struct trust trust = { .anchors = buf_span(&pem) };
		const struct node_clock_wish wish = {
			.ntp = o->ntp.v,
			.n_ntp = o->ntp.n,
			.url = o->url,
			.trust = &trust,
		};
		if (node_clock_set(&set, &wish, &app->root, app->listener, e))
			return e->code;
	}
	clock_check(&now, &app->root);
	return show(&out, &now, &set, o->common.json, e) ? (int)e->code : app_print(&out, e);
}

const struct applet applet_clock = {
	.name = "clock",
	.purpose = "say what time it is, and set the clock",
	.about = "Without --ntp or --url it only looks.  A Date over https counts only when the\n"
		 "server's certificate is valid at that time.",
	.options = rows,
	.options_size = sizeof(struct clock_options),
	.run = clock_run,
};
