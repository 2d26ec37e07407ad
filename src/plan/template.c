#include "plan/template.h"

#include <string.h>

#include "base/buf.h"

enum { URL_MAX_EXPANDED = 8192 };

static int add_encoded(struct buf *out, const char *text, struct err *e)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-._~:";

	for (const char *p = text; *p; p++) {
		const int status = strchr(plain, *p) ? buf_add(out, p, 1, e)
						     : buf_print(out, e, "%%%02X",
							       (unsigned)(unsigned char)*p);
		if (status)
			return status;
	}
	return 0;
}

static int add_fact(
	struct buf *out, struct str name, const struct template_facts *facts, struct err *e)
{
	const struct {
		const char *name, *value, *what;
	} known[] = {
		{ "mac", facts->mac, "no network card with a MAC address" },
		{ "uuid", facts->uuid, "no system UUID" },
		{ "serial", facts->serial, "no serial number" },
		{ "hostname", facts->hostname, "no host name, neither from DHCP nor from ip=" },
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (!str_is(name, known[i].name))
			continue;
		if (!known[i].value || !known[i].value[0])
			return err_set(e, ERR_NOTFOUND,
				"the address wants ${%s} and this machine has %s", known[i].name,
				known[i].what);
		return add_encoded(out, known[i].value, e);
	}
	return err_set(e, ERR_FORMAT,
		"'${%.*s}' is unknown; an address may hold ${mac}, ${uuid}, ${serial} and "
		"${hostname}",
		name.len > 40 ? 40 : (int)name.len, name.p);
}

int template_expand(const char **out, struct arena *a, const char *url,
	const struct template_facts *facts, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(URL_MAX_EXPANDED);
	struct str rest = str_from(url);
	size_t at, end;

	while (str_find(&at, rest, STR("${"))) {
		const struct str tail = { rest.p + at + 2, rest.len - at - 2 };
		if (!str_find(&end, tail, STR("}")))
			return err_set(e, ERR_FORMAT, "'${' without '}' in the address");
		if (buf_add(&text, rest.p, at, e) ||
			add_fact(&text, (struct str){ tail.p, end }, facts, e))
			return e->code;
		rest = (struct str){ tail.p + end + 1, tail.len - end - 1 };
	}
	if (buf_add_str(&text, rest, e))
		return e->code;
	*out = arena_copy(a, buf_text(&text));
	return 0;
}
