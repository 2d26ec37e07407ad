#include "cmd/source_options.h"

#include <string.h>
#include <unistd.h>

#include "base/ascii.h"
#include "codec/rfc3339.h"
#include "net/download.h"
#include "net/url.h"
#include "plan/file.h"
#include "plan/search.h"

enum { PATH = 4096, HEX = 64 };

static const uint64_t part_least = 64 << 10, part_most = 64 << 20;

/* Paths are a person's, from where they stand; sources read them from the root. */
static int from_root(const char **path, struct app *app, const char *text, struct err *e)
{
	char here[PATH];

	*path = text;
	if (!text || text[0] == '/')
		return 0;
	if (!getcwd(here, sizeof here))
		return err_sys(e, "this directory");
	*path = arena_print(app->arena, "%s/%s", strcmp(here, "/") != 0 ? here : "", text);
	return 0;
}

static int set_file(const char **field, struct app *app, const char *text, struct err *e)
{
	const char *path;

	if (!text)
		return 0;
	if (!strncmp(text, "file:", 5))
		text += 5;
	if (!*text)
		return err_set(e, ERR_USAGE, "the name of a file is empty");
	if (from_root(&path, app, text, e))
		return e->code;
	*field = path;
	return 0;
}

static void set_text(const char **field, const char *text)
{
	if (text)
		*field = text;
}

static bool scheme_is(const char *address, const char *scheme)
{
	const size_t n = strlen(scheme);

	return !strncasecmp(address, scheme, n) && address[n] == ':';
}

bool source_options_is_address(const char *operand)
{
	static const char *const schemes[] = { "s3", "http", "https", "sftp", "file", "dev",
		"label", "ebs" };

	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		if (scheme_is(operand, schemes[i]))
			return true;
	}
	return strstr(operand, "://") != NULL;
}

static int set_address(struct plan *plan, struct app *app, const char *address, struct err *e)
{
	const char *path;

	if (!address)
		return 0;
	if (!*address)
		return err_set(e, ERR_USAGE, "the address of the source is empty");
	plan->source = address;
	if (scheme_is(address, "file")) {
		path = address + 5;
		if (path[0] == '/')
			return 0;
		if (from_root(&path, app, path, e))
			return e->code;
		plan->source = arena_print(app->arena, "file:%s", path);
	} else if (!source_options_is_address(address) && strcmp(address, "ebs") != 0) {
		/* A word before a colon that no file has is a scheme somebody mistyped. */
		if (strchr(address, ':') && access(address, F_OK))
			return 0;
		return from_root(&plan->source, app, address, e);
	}
	return 0;
}

static int set_snapshot(struct plan *plan, struct app *app, const char *which, struct err *e)
{
	const struct str text = str_from(which);
	struct str rest = text;

	if (!which)
		return 0;
	plan->snapshot.name = "latest";
	plan->snapshot.before = 0;
	plan->snapshot.sha256 = plan->snapshot.version = NULL;
	if (str_starts(text, STR("before:"))) {
		rest = (struct str){ text.p + 7, text.len - 7 };
		if (!rfc3339_parse(&plan->snapshot.before, rest) || !plan->snapshot.before)
			return err_set(e, ERR_USAGE,
				"--snapshot %s: give the time as 2026-11-20T18:00Z", which);
		return 0;
	}
	if (str_starts(text, STR("sha256:"))) {
		char *sum = arena_copy(app->arena, (struct str){ text.p + 7, text.len - 7 });
		size_t n = 0;
		for (; ascii_is_hex(sum[n]); n++)
			sum[n] = (char)(sum[n] >= 'A' && sum[n] <= 'F' ? sum[n] + 32 : sum[n]);
		if (n != HEX || sum[n])
			return err_set(
				e, ERR_USAGE, "--snapshot %s: a SHA-256 has 64 hex digits", which);
		plan->snapshot.sha256 = sum;
		return 0;
	}
	if (str_starts(text, STR("version:")) && text.len > 8) {
		plan->snapshot.version = which + 8;
		return 0;
	}
	if (!text.len)
		return err_set(e, ERR_USAGE,
			"--snapshot: latest, a name, before:TIME, sha256:HEX "
			"or version:ID is wanted");
	plan->snapshot.name = which;
	return 0;
}

static int set_s3(struct plan *plan, struct app *app, const struct source_options *o, struct err *e)
{
	static const char *const addressing[] = { "auto", "path", "host" };
	static const char *const credentials[] = { "auto", "imds", "file", "env", "none" };

	set_text(&plan->s3.endpoint, o->endpoint);
	set_text(&plan->s3.region, o->region);
	for (unsigned i = 0; o->addressing; i++) {
		if (i == sizeof addressing / sizeof *addressing)
			return err_set(e, ERR_USAGE,
				"--addressing %s: there are auto, path and host", o->addressing);
		if (strcmp(o->addressing, addressing[i]) != 0)
			continue;
		plan->s3.addressing = i;
		break;
	}
	if (o->credentials && !strncmp(o->credentials, "file:", 5)) {
		const char *path = NULL;
		if (set_file(&path, app, o->credentials, e))
			return e->code;
		plan->s3.credentials = arena_print(app->arena, "file:%s", path);
		return 0;
	}
	for (size_t i = 0; o->credentials; i++) {
		/* Not repeated: somebody may have put the keys themselves there. */
		if (i == sizeof credentials / sizeof *credentials)
			return err_set(e, ERR_USAGE,
				"--credentials: there are auto, imds, file, file:PATH, env and "
				"none");
		if (strcmp(o->credentials, credentials[i]) != 0)
			continue;
		plan->s3.credentials = credentials[i];
		break;
	}
	return 0;
}

static int set_tags(
	struct plan *plan, struct app *app, const struct option_list *tags, struct err *e)
{
	if (!tags->n)
		return 0;
	plan->ebs.tags.v = arena_array(app->arena, tags->n, sizeof *plan->ebs.tags.v);
	plan->ebs.tags.n = tags->n;
	for (size_t i = 0; i < tags->n; i++) {
		struct str name, value;
		if (!str_cut(&name, &value, str_from(tags->v[i]), '=') || !name.len)
			return err_set(
				e, ERR_USAGE, "--ebs-tag %s: NAME=TEXT is wanted", tags->v[i]);
		plan->ebs.tags.v[i] = (struct plan_pair){ arena_copy(app->arena, name), value.p };
	}
	return 0;
}

/* As of the source's own address: ps shows it to everybody. */
static int check_proxy(const char *proxy, struct err *e)
{
	struct err ignored;
	struct url url;

	if (!proxy || url_parse(&url, str_from(proxy), &ignored) || !url.has_userinfo)
		return 0;
	return err_set(e, ERR_USAGE,
		"--proxy: take user and password out of the address, where every user of the "
		"machine sees them; http_proxy and https_proxy, or proxy in a plan, may have them");
}

static int set_options(
	struct plan *plan, struct app *app, const struct source_options *o, struct err *e)
{
	if (set_s3(plan, app, o, e) || set_file(&plan->s3.sse_key, app, o->sse_key, e) ||
		set_file(&plan->sftp.known_hosts, app, o->known_hosts, e) ||
		set_file(&plan->sftp.identity, app, o->identity, e) ||
		set_file(&plan->sftp.secret, app, o->secret_file, e) ||
		set_file(&plan->https.secret, app, o->secret_file, e) ||
		set_file(&plan->https.ca, app, o->ca, e) ||
		set_file(&plan->https.client_cert, app, o->client_cert, e) ||
		set_file(&plan->https.client_key, app, o->client_key, e) ||
		set_tags(plan, app, &o->ebs_tags, e) || set_snapshot(plan, app, o->snapshot, e))
		return e->code;
	if (o->client_key && !plan->https.client_cert)
		return err_set(e, ERR_USAGE, "--client-key goes with --client-cert");
	if (o->host_key && strncmp(o->host_key, "SHA256:", 7) != 0)
		return err_set(e, ERR_USAGE,
			"--host-key %s: give it as ssh-keygen -lf shows it, SHA256:...",
			o->host_key);
	if (o->streams > DOWNLOAD_STREAMS_MAX)
		return err_set(
			e, ERR_USAGE, "--streams: more than %d at a time", DOWNLOAD_STREAMS_MAX);
	if (o->part && (o->part < part_least || o->part > part_most))
		return err_set(e, ERR_USAGE, "--part-size: between 64K and 64M");
	set_text(&plan->sftp.host_key, o->host_key);
	set_text(&plan->https.user, o->user);
	if (check_proxy(o->proxy, e))
		return e->code;
	set_text(&plan->proxy, o->proxy);
	set_text(&plan->snapshot.node, o->node);
	set_text(&plan->snapshot.folder, o->folder);
	plan->snapshot.allow_dirty |= o->allow_dirty;
	return 0;
}

int source_options_plan(struct plan *plan, struct app *app, const struct source_options *o,
	const char *address, struct err *e)
{
	plan_defaults(plan, app->arena);
	if (o->plan) {
		const struct search_machine machine = { .root = &app->root };
		struct delivery d = { 0 };
		const char *path;
		if (from_root(&path, app, o->plan, e) ||
			search_file(&d, app->arena, &machine, path, e))
			return e->code;
		*plan = d.plan;
	}
	if (set_address(plan, app, address, e) || set_options(plan, app, o, e))
		return e->code;
	if (!plan->source)
		return err_set(e, ERR_USAGE, "where? give an address, or a plan with --plan");
	return 0;
}

int source_options_open(struct choose *choose, struct settings *settings, struct app *app,
	const struct source_options *o, const char *address, struct err *e)
{
	struct plan *plan = arena_alloc(app->arena, sizeof *plan);
	struct choose_wish wish;

	if (source_options_plan(plan, app, o, address, e) || choose_wish_of(&wish, plan, e) ||
		settings_make(settings, app->arena, plan, &app->root, app->listener, e))
		return e->code;
	settings->source.streams = (unsigned)o->streams;
	settings->source.part = o->part;
	return choose_open(choose, app->arena, &settings->source, &wish, e);
}
