#include "source/sftp_address.h"

#include <string.h>

#include "base/ascii.h"
#include "net/percent.h"
#include "net/url.h"

enum { SSH_PORT = 22, HOST_MAX = 255 };

/* NULL when a '%' is not followed by two digits, or means a zero byte. */
static char *decode(struct arena *a, struct str s)
{
	char *out = arena_alloc(a, s.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		if (c == '%') {
			if (!percent_at(&c, s, i) || !c)
				return NULL;
			i += 2;
		}
		out[len++] = c;
	}
	return out;
}

const char *sftp_address_encode(struct arena *a, const char *name)
{
	return percent_encode(a, str_from(name), "-._~/+,=@:", false);
}

static int read_userinfo(
	struct sftp_address *address, struct arena *a, struct str userinfo, struct err *e)
{
	struct str user, password;
	const bool has_password = str_cut(&user, &password, userinfo, ':');

	address->user = user.len ? decode(a, user) : NULL;
	address->password = has_password ? decode(a, password) : NULL;
	if ((user.len && !address->user) || (has_password && !address->password))
		return err_set(e, ERR_USAGE,
			"sftp: user or password in the address hold a '%%' that starts no %%XX; "
			"write it as %%25");
	return 0;
}

int sftp_address_parse(
	struct sftp_address *address, struct arena *a, const char *text, struct err *e)
{
	struct sftp_address at = { 0 };
	struct err why;
	struct url url;

	if (url_parse(&url, str_from(text), &why))
		return err_set(e, ERR_USAGE, "%s", why.text);
	if (!url.authority || !url.host.len || url.host.len > HOST_MAX)
		return err_set(e, ERR_USAGE, "sftp: write sftp://USER@HOST/PATH");
	if (url.has_query || url.fragment.p)
		return err_set(e, ERR_USAGE, "sftp: write '?' and '#' in a path as %%3F and %%23");
	/* It goes to the resolver and into known_hosts: a name or an address, nothing else. */
	for (size_t i = 0; i < url.host.len; i++) {
		if (!ascii_is_word(url.host.p[i]) && !strchr(".-_:%", url.host.p[i]))
			return err_set(e, ERR_USAGE, "sftp: '%.*s' is no name of a host",
				STR_ARG(url.host));
	}
	if (url.has_userinfo && read_userinfo(&at, a, url.userinfo, e))
		return e->code;
	char *path = decode(a, url.path);
	if (!path)
		return err_set(e, ERR_USAGE,
			"sftp: the path holds a '%%' that starts no %%XX; write it as %%25");
	at.host = arena_copy(a, url.host);
	at.port = url.port ? url.port : SSH_PORT;
	at.path = path;
	if (!*path || !strcmp(path, "/~") || !strcmp(path, "/~/"))
		at.path = ".";
	else if (!strncmp(path, "/~/", 3))
		at.path = path + 3;
	/* What lies in it is listed below this. */
	if (!*path)
		url.path = STR("/~");
	at.shown = url_shown(a, &url);
	*address = at;
	return 0;
}

void sftp_address_wipe(struct sftp_address *address)
{
	if (address->password)
		explicit_bzero(address->password, strlen(address->password));
	address->password = NULL;
}
