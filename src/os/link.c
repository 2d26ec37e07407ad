#include "os/link.h"

#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "os/file.h"
#include "os/names.h"

enum { LINE = 256 };

/* Attributes of one card below /sys/class/net/NAME. */
static const char *attribute(
	char line[static LINE], const struct root *root, const char *name, const char *what)
{
	char path[LINE];

	snprintf(path, sizeof path, "/sys/class/net/%s/%s", name, what);
	file_read_line(line, LINE, root, path);
	return line;
}

static unsigned number(const struct root *root, const char *name, const char *what, unsigned limit)
{
	char line[LINE];
	uint64_t v = 0;

	/* "-1" and the empty text of a card that is switched off both mean: not known. */
	str_u64(&v, str_from(attribute(line, root, name, what)), 10, limit);
	return (unsigned)v;
}

static const char *link_target(
	struct arena *a, const struct root *root, const char *name, const char *what)
{
	char path[LINE], target[LINE];
	struct err e;

	snprintf(path, sizeof path, "/sys/class/net/%s/%s", name, what);
	if (root_read_link(target, sizeof target, root, path, &e))
		return "";
	const char *slash = strrchr(target, '/');
	return arena_copy(a, str_from(slash ? slash + 1 : target));
}

/* What the kernel calls the kind of a card that is not simply Ethernet. */
static const char *kind_of(struct arena *a, const struct root *root, const char *name)
{
	static const char mark[] = "DEVTYPE=";
	char path[LINE];
	CLEAN_BUF struct buf uevent = BUF(4096);
	struct err e;
	struct str line;

	snprintf(path, sizeof path, "/sys/class/net/%s/uevent", name);
	if (file_read(&uevent, root, path, &e))
		return "";
	struct str rest = buf_text(&uevent);
	while (str_next(&line, &rest, '\n')) {
		if (str_starts(line, str_from(mark))) {
			line.p += sizeof mark - 1;
			line.len -= sizeof mark - 1;
			return arena_copy(a, line);
		}
	}
	return "";
}

static bool read_link(struct link *l, struct arena *a, const struct root *root, const char *name)
{
	char line[LINE];
	uint64_t flags = 0;

	const unsigned index = number(root, name, "ifindex", INT32_MAX);
	if (!index)
		return false; /* /sys/class/net/bonding_masters, or gone meanwhile */
	attribute(line, root, name, "flags");
	str_u64(&flags, str_from(strncmp(line, "0x", 2) ? line : line + 2), 16, UINT32_MAX);
	*l = (struct link){
		.name = arena_copy(a, str_from(name)),
		.driver = link_target(a, root, name, "device/driver"),
		.bus = link_target(a, root, name, "device"),
		.kind = kind_of(a, root, name),
		.index = index,
		.mtu = number(root, name, "mtu", INT32_MAX),
		.speed = number(root, name, "speed", 10000000),
		.up = flags & IFF_UP,
		.loopback = flags & IFF_LOOPBACK,
	};
	const unsigned type = number(root, name, "type", UINT16_MAX);
	/* A bond's port wears the bond's MAC; its own is kept aside. */
	if (!*attribute(line, root, name, "bonding_slave/perm_hwaddr"))
		attribute(line, root, name, "address");
	l->mac = type == ARPHRD_ETHER && strcmp(line, "00:00:00:00:00:00")
			 ? arena_copy(a, str_from(line))
			 : "";
	attribute(line, root, name, "carrier"); /* EINVAL while it is switched off */
	l->carrier = *line ? *line == '1' : -1;
	l->wired = type == ARPHRD_ETHER && !*l->kind && !l->loopback;
	return true;
}

int link_list(
	struct link **links, size_t *n, struct arena *a, const struct root *root, struct err *e)
{
	struct names names;
	size_t found = 0;

	if (names_read(&names, a, root, "/sys/class/net", e))
		return e->code;
	struct link *list = arena_array(a, names.n + 1, sizeof *list), loopback = { 0 };
	for (size_t i = 0; i < names.n; i++) {
		struct link *l = &list[found];
		if (!read_link(l, a, root, names.v[i]))
			continue;
		if (l->loopback)
			loopback = *l;
		else
			found++;
	}
	if (loopback.loopback)
		list[found++] = loopback;
	*links = list;
	*n = found;
	return 0;
}

const struct link *link_named(const struct link *links, size_t n, const char *name)
{
	for (size_t i = 0; name && i < n; i++) {
		if (!strcmp(links[i].name, name))
			return &links[i];
	}
	return NULL;
}

const struct link *link_with_mac(const struct link *links, size_t n, const char *mac)
{
	for (size_t i = 0; mac && i < n; i++) {
		/* A VLAN has its parent's MAC, a bond its first port's. */
		if (!*links[i].kind && *links[i].mac && !strcasecmp(links[i].mac, mac))
			return &links[i];
	}
	return NULL;
}
