#include "plan/places.h"

#include <string.h>

#include "codec/text.h"
#include "net/url.h"
#include "os/file.h"
#include "os/names.h"
#include "os/network_actions.h"
#include "os/network_lease.h"
#include "plan/file.h"
#include "plan/signature.h"

#define FW_CFG "sys/firmware/qemu_fw_cfg/by_name/opt/etcd-rescue/"

/* A whole file below `root` into the arena; `*found` false when it is not there. */
static int read_small(struct str *text, bool *found, const struct search *s,
	const struct root *root, const char *path, size_t max, struct err *e)
{
	CLEAN_BUF struct buf content = BUF(max);

	*found = root_exists(root, path);
	if (!*found)
		return 0;
	if (file_read(&content, root, path, e)) {
		if (e->code == ERR_SPACE)
			return err_set(e, ERR_FORMAT,
				"%s: is no plan, it holds more than %zu bytes", path, max);
		return e->code;
	}
	*text = (struct str){ arena_copy(s->from->arena, buf_text(&content)), content.len };
	return 0;
}

/* The plan at `path` and its signature at `signature`. */
static int read_pair(struct candidate *c, const struct search *s, const struct root *root,
	const char *path, const char *signature, struct err *e)
{
	if (s->peek) {
		c->there = root_exists(root, path);
		return 0;
	}
	if (read_small(&c->text, &c->there, s, root, path, PLAN_FILE_MAX, e) || !c->there)
		return e->code;
	if (!s->wants_signature)
		return 0;
	return read_small(&c->signature, &c->has_signature, s, root, signature, SIGNATURE_MAX, e);
}

static int from_base64(
	struct str *out, const struct search *s, struct str text, size_t max, struct err *e)
{
	CLEAN_BUF struct buf content = BUF(max);

	if (codec_text_unbase64(&content, text, e))
		return e->code;
	*out = (struct str){ arena_copy(s->from->arena, buf_text(&content)), content.len };
	return 0;
}

int place_file(struct candidate *c, const struct search *s, const char *path, struct err *e)
{
	struct arena *a = s->from->arena;

	c->where = c->name = path;
	return read_pair(c, s, s->from->root, path, arena_print(a, "%s.sig", path), e);
}

/* ".sig" behind the path, before a '?'. */
static const char *signature_url(struct arena *a, const struct url *url)
{
	const size_t head = (size_t)(url->path.p + url->path.len - url->text.p);
	const struct str tail = { url->text.p + head, url->text.len - head };

	return arena_print(a, "%.*s.sig%.*s", (int)head, url->text.p, STR_ARG(tail));
}

static int fetch(
	struct str *out, const struct search *s, const char *url, size_t max, struct err *e)
{
	CLEAN_BUF struct buf body = BUF(max);

	if (s->from->fetch(s->from->ctx, &body, url, e))
		return e->code;
	*out = (struct str){ arena_copy(s->from->arena, buf_text(&body)), body.len };
	return 0;
}

/* A plan behind an address that came by `what`. */
static int from_url(struct candidate *c, const struct search *s, const char *text, const char *what,
	bool may_be_file, struct err *e)
{
	struct arena *a = s->from->arena;
	struct url url;

	c->there = true;
	c->where = c->name = url_text_shown(a, text);
	if (s->peek)
		return 0;
	if (template_expand(&text, a, text, &s->from->facts, e) ||
		url_parse(&url, str_from(text), e))
		return err_wrap(e, "%s", what);
	c->where = c->name = url_shown(a, &url);
	if (url.has_userinfo)
		return err_set(e, ERR_FORMAT,
			"%s: an address with user or password can be read by everybody; take them "
			"out",
			what);
	if (may_be_file && url_scheme_is(&url, "file")) {
		const char *path = arena_copy(a, url.path);
		const int status =
			read_pair(c, s, s->from->root, path, arena_print(a, "%s.sig", path), e);
		if (!status && !c->there)
			return err_set(e, ERR_NOTFOUND, "%s: %s is not there", what, path);
		return status;
	}
	c->plain_http = url_scheme_is(&url, "http");
	if (!c->plain_http && !url_scheme_is(&url, "https"))
		return err_set(e, ERR_UNSUPPORTED, "%s: a plan comes by https, http%s, not '%.*s:'",
			what, may_be_file ? " or file" : "", STR_ARG(url.scheme));
	if (fetch(&c->text, s, text, PLAN_FILE_MAX, e))
		return err_wrap(e, "%s", what);
	if (!s->wants_signature)
		return 0;
	c->has_signature = !fetch(&c->signature, s, signature_url(a, &url), SIGNATURE_MAX, e);
	if (!c->has_signature && e->code != ERR_NOTFOUND)
		return err_wrap(e, "%s: signature", what);
	return e->code = 0;
}

int place_kernel_line(struct candidate *c, const struct search *s, struct err *e)
{
	const struct node_cmdline *line = s->from->line;

	if (!line || !line->plan || !line->plan[0])
		return 0;
	return from_url(c, s, line->plan, "rescue.plan", true, e);
}

int place_image(struct candidate *c, const struct search *s, struct err *e)
{
	return place_file(c, s, "/etc/etcd-rescue/plan.yaml", e);
}

int place_fw_cfg(struct candidate *c, const struct search *s, struct err *e)
{
	c->where = "fw_cfg opt/etcd-rescue/plan";
	c->name = "fw_cfg";
	return read_pair(c, s, s->from->root, FW_CFG "plan/raw", FW_CFG "plan.sig/raw", e);
}

/* The strings of one structure of type 11: a header whose length is its second byte, then
 * texts that each end with a zero byte, then one more. */
static void read_strings(struct str *plan, struct str *signature, struct str raw)
{
	const size_t header = raw.len > 1 ? (uint8_t)raw.p[1] : raw.len;
	struct str rest, value, key;

	if (raw.len < 5 || raw.p[0] != 11 || header < 5 || header >= raw.len)
		return;
	rest = (struct str){ raw.p + header, raw.len - header };
	while (str_next(&value, &rest, 0) && value.len) {
		if (!str_cut(&key, &value, value, '='))
			continue;
		if (!plan->len && str_is(key, "etcd-rescue.plan"))
			*plan = value;
		else if (!signature->len && str_is(key, "etcd-rescue.plan.sig"))
			*signature = value;
	}
}

int place_smbios(struct candidate *c, const struct search *s, struct err *e)
{
	const char *const entries = "sys/firmware/dmi/entries";
	struct arena *a = s->from->arena;
	struct names names = { 0 };
	struct str value = { 0 }, signature = { 0 };
	size_t at;

	if (!root_exists(s->from->root, entries))
		return 0;
	if (names_read(&names, a, s->from->root, entries, e))
		return e->code;
	for (size_t i = 0; i < names.n; i++) {
		struct str raw;
		bool found = false;
		const char *path = arena_print(a, "%s/%s/raw", entries, names.v[i]);

		if (!str_starts(str_from(names.v[i]), STR("11-")))
			continue;
		if (read_small(&raw, &found, s, s->from->root, path, 2 * PLAN_FILE_MAX, e))
			return e->code;
		if (found)
			read_strings(&value, &signature, raw);
	}
	if (!value.len)
		return 0;
	if (str_find(&at, value, STR("://")))
		return from_url(c, s, arena_copy(a, value), "SMBIOS string", false, e);
	c->there = true;
	c->where = "SMBIOS string etcd-rescue.plan";
	c->name = "smbios";
	if (s->peek)
		return 0;
	if (from_base64(&c->text, s, value, PLAN_FILE_MAX, e))
		return err_wrap(
			e, "SMBIOS string etcd-rescue.plan is neither an address nor base64");
	c->has_signature = signature.len > 0;
	c->signature = signature; /* base64, which a signature may be */
	return 0;
}

int place_dhcp(struct candidate *c, const struct search *s, struct err *e)
{
	struct arena *a = s->from->arena;
	struct names names = { 0 };

	if (!root_exists(s->from->root, NETWORK_STATE))
		return 0;
	if (names_read(&names, a, s->from->root, NETWORK_STATE, e))
		return e->code;
	for (size_t i = 0; i < names.n; i++) {
		struct str card = str_from(names.v[i]);
		if (!str_ends(card, STR(".lease")))
			continue;
		card.len -= strlen(".lease");
		const char *hex =
			network_lease_value(a, s->from->root, arena_copy(a, card), "opt224");
		const char *url = hex ? network_lease_text(a, str_from(hex)) : NULL;
		if (url && url[0])
			return from_url(c, s, url, "DHCP option 224", false, e);
	}
	return 0;
}
