#include "node/found.h"

#include <arpa/inet.h>
#include <string.h>

#include "codec/doc.h"
#include "os/file.h"
#include "os/names.h"

enum { FILE_MAX = 1 << 18, ADDRESSES = 256, FILES_MAX = 200 };

struct look {
	struct node_found *found;
	struct arena *a;
	const struct root *root;
};

/* One address, with or without prefix, quotes, or a gateway behind a comma. */
static void add(struct look *l, struct str text, const char *file)
{
	struct str address, rest;
	uint8_t bytes[16];

	text = str_trim(text);
	str_cut(&address, &rest, text, ',');
	str_cut(&text, &rest, address, '/');
	while (text.len && strchr("'\" ", text.p[0]))
		text = (struct str){ text.p + 1, text.len - 1 };
	while (text.len && strchr("'\" ", text.p[text.len - 1]))
		text.len--;
	const char *copy = arena_copy(l->a, text);
	if ((inet_pton(AF_INET, copy, bytes) != 1 && inet_pton(AF_INET6, copy, bytes) != 1) ||
		!strcmp(copy, "127.0.0.1") || !strcmp(copy, "::1"))
		return;
	for (size_t i = 0; i < l->found->n; i++) {
		if (!strcmp(l->found->addresses[i].text, copy))
			return;
	}
	if (l->found->n < ADDRESSES)
		l->found->addresses[l->found->n++] = (struct node_address){ copy, file };
}

static bool read_text(struct str *text, struct look *l, const char *path)
{
	CLEAN_BUF struct buf b = BUF(FILE_MAX);
	struct err none = { 0 };

	if (file_read(&b, l->root, path, &none))
		return false;
	*text = (struct str){ arena_copy(l->a, buf_text(&b)), b.len };
	return true;
}

/* "KEY<mark>VALUE" lines; a key counts with a number behind it too ("IPADDR1", "address2"). */
static void read_lines(struct look *l, const char *path, const char *const *keys, char mark)
{
	struct str rest, line, key, value;

	if (!read_text(&rest, l, path))
		return;
	while (str_next(&line, &rest, '\n')) {
		line = str_trim(line);
		if (!line.len || line.p[0] == '#' || !str_cut(&key, &value, line, mark))
			continue;
		key = str_trim(key);
		while (key.len && key.p[key.len - 1] >= '0' && key.p[key.len - 1] <= '9')
			key.len--;
		for (const char *const *k = keys; *k; k++) {
			if (str_is(key, *k))
				add(l, value, path);
		}
	}
}

/* Every list below a key "addresses" but those of name servers. */
static void walk_netplan(struct look *l, const struct doc_node *node, const char *path)
{
	for (const struct doc_node *c = node->kind == DOC_SCALAR ? NULL : node->first; c;
		c = c->next) {
		const bool is_list =
			c->key && str_is(c->key->text, "addresses") && c->kind == DOC_LIST;
		if (c->key && str_is(c->key->text, "nameservers"))
			continue;
		for (const struct doc_node *v = is_list ? c->first : NULL; v; v = v->next) {
			/* "10.0.0.1/24", or that as the key of its options */
			if (v->kind == DOC_SCALAR)
				add(l, v->text, path);
			else if (v->kind == DOC_MAP && v->first)
				add(l, v->first->key->text, path);
		}
		if (!is_list)
			walk_netplan(l, c, path);
	}
}

static void read_netplan(struct look *l, const char *path)
{
	struct err none = { 0 };
	struct doc doc;
	struct str text;

	if (read_text(&text, l, path) &&
		!doc_parse(&doc, l->a, text, path, DOC_YAML, DOC_LIMITS, &none) && doc.root)
		walk_netplan(l, doc.root, path);
}

static void read_directory(struct look *l, const char *dir, const char *begin, const char *end,
	const char *const *keys, char mark)
{
	struct names names;
	struct err none = { 0 };

	if (names_read(&names, l->a, l->root, dir, &none))
		return;
	for (size_t i = 0, n = 0; i < names.n && n < FILES_MAX; i++) {
		const struct str name = str_from(names.v[i]);
		const char *path = arena_print(l->a, "%s/%s", dir, names.v[i]);
		if (!str_starts(name, str_from(begin)) || !str_ends(name, str_from(end)))
			continue;
		n++;
		if (keys)
			read_lines(l, path, keys, mark);
		else
			read_netplan(l, path);
	}
}

static void read_hostname(struct look *l)
{
	char name[256];

	file_read_line(name, sizeof name, l->root, "etc/hostname");
	if (*name && strncmp(name, "localhost", strlen("localhost")))
		l->found->hostname = arena_copy(l->a, str_from(name));
}

void node_found(struct node_found *found, struct arena *a, const struct root *root)
{
	static const char *const sysconfig[] = { "IPADDR", "IPV6ADDR", NULL };
	static const char *const keyfile[] = { "address", NULL };
	static const char *const networkd[] = { "Address", NULL };
	struct look l = { found, a, root };

	*found = (struct node_found){ .addresses =
					      arena_array(a, ADDRESSES, sizeof *found->addresses) };
	read_hostname(&l);
	read_directory(&l, "etc/netplan", "", ".yaml", NULL, 0);
	read_lines(&l, "etc/network/interfaces", keyfile, ' ');
	read_directory(&l, "etc/network/interfaces.d", "", "", keyfile, ' ');
	read_directory(&l, "etc/sysconfig/network-scripts", "ifcfg-", "", sysconfig, '=');
	read_directory(&l, "etc/sysconfig/network", "ifcfg-", "", sysconfig, '=');
	read_directory(&l, "etc/NetworkManager/system-connections", "", "", keyfile, '=');
	read_directory(&l, "etc/systemd/network", "", ".network", networkd, '=');
}
