#include "os/network_watch.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "os/file.h"
#include "os/network_do.h"

enum {
	MESSAGE_HEADER = 16, /* struct nlmsghdr */
	USER_OPTION = 16,    /* struct nduseroptmsg */
	OPTION_RDNSS = 25,
	SERVERS_MAX = 3, /* what the C library asks */
	SETTLE_MS = 30,  /* changes come in swarms */
	FLAG_TENTATIVE = 0x40,
	FLAG_DAD_FAILED = 0x08,
	SCOPE_GLOBAL = 0x00,
	SCOPE_LINK = 0x20,
};

int network_watch_open(void)
{
	const struct sockaddr_nl self = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			     1u << (RTNLGRP_ND_USEROPT - 1),
	};
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&self, sizeof self)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The kernel writes these numbers in its own byte order. */
static uint32_t native32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static uint16_t native16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static bool add_servers(struct buf *lines, struct span option)
{
	bool any = false;

	if (option.len < 8 || option.p[0] != OPTION_RDNSS || !option.p[1] ||
		option.p[1] * 8u > option.len ||
		!be32(option.p + 4)) /* a lifetime of 0 takes them back */
		return false;
	const size_t n = (option.p[1] * 8u - 8) / 16;
	for (size_t i = 0; i < n && i < SERVERS_MAX; i++) {
		char text[INET6_ADDRSTRLEN];
		struct err e;
		const uint8_t *address = option.p + 8 + 16 * i;
		/* fe80:: would need its card's name, and a router has a better address. */
		if (address[0] == 0xfe || address[0] == 0xff ||
			!inet_ntop(AF_INET6, address, text, sizeof text) ||
			buf_print(lines, &e, "nameserver %s\n", text))
			continue;
		any = true;
	}
	return any;
}

bool network_watch_servers(struct buf *lines, unsigned *index, struct span datagram)
{
	bool any = false;

	while (!any && datagram.len >= MESSAGE_HEADER) {
		const uint32_t len = native32(datagram.p);
		if (len < MESSAGE_HEADER || len > datagram.len)
			return false;
		const uint8_t *body = datagram.p + MESSAGE_HEADER;
		if (native16(datagram.p + 4) == RTM_NEWNDUSEROPT &&
			len >= MESSAGE_HEADER + USER_OPTION) {
			const uint16_t options = native16(body + 2);
			if (options <= len - MESSAGE_HEADER - USER_OPTION)
				any = add_servers(
					lines, (struct span){ body + USER_OPTION, options });
			*index = native32(body + 4);
		}
		const size_t step = (len + 3u) & ~3u;
		if (step >= datagram.len)
			break;
		datagram.p += step;
		datagram.len -= step;
	}
	return any;
}

static bool note_servers(struct span datagram)
{
	CLEAN_BUF struct buf lines = BUF(1024);
	char name[IF_NAMESIZE], file[IF_NAMESIZE + 16];
	unsigned index = 0;
	struct err e;

	if (!network_watch_servers(&lines, &index, datagram) || !if_indextoname(index, name))
		return false;
	snprintf(file, sizeof file, "%s.ra.dns", name);
	return !network_note(file, buf_text(&lines), &e);
}

bool network_watch_wait(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t datagram[16384];
	bool noted = false;

	if (poll(&p, 1, timeout_ms) <= 0)
		return false;
	const struct timespec settle = { .tv_nsec = SETTLE_MS * 1000000L };
	nanosleep(&settle, NULL);
	for (ssize_t len; (len = recv(fd, datagram, sizeof datagram, 0)) > 0;)
		noted |= note_servers((struct span){ datagram, (size_t)len });
	return noted;
}

static void find_v4(struct network_addresses *found, const char *link, bool local)
{
	struct ifaddrs *list;

	if (getifaddrs(&list))
		return;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		struct sockaddr_in address, mask;
		char text[INET_ADDRSTRLEN];
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !i->ifa_netmask ||
			strcmp(i->ifa_name, link))
			continue;
		memcpy(&address, i->ifa_addr, sizeof address);
		memcpy(&mask, i->ifa_netmask, sizeof mask);
		/* 169.254: a card talking to itself. */
		if (!local && ntohl(address.sin_addr.s_addr) >> 16 == 0xa9fe)
			continue;
		inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
		snprintf(found->v4, sizeof found->v4, "%s/%d", text,
			__builtin_popcount(mask.sin_addr.s_addr));
		break;
	}
	freeifaddrs(list);
}

/* "fe8000..5912 02 40 20 80 eth0": address, index, prefix, scope, flags, name. */
static void find_v6(
	struct network_addresses *found, const struct root *root, const char *link, bool local)
{
	CLEAN_BUF struct buf text = BUF(1 << 20);
	struct str line, word[6];
	struct err e;

	if (file_read(&text, root, "/proc/net/if_inet6", &e))
		return;
	for (struct str rest = buf_text(&text); str_next(&line, &rest, '\n');) {
		uint64_t prefix, scope, flags, high, low;
		size_t n = 0;
		while (n < 6 && str_word(&word[n], &line))
			n++;
		if (n < 6 || !str_is(word[5], link) || word[0].len != 32 ||
			!str_u64(&high, (struct str){ word[0].p, 16 }, 16, UINT64_MAX) ||
			!str_u64(&low, (struct str){ word[0].p + 16, 16 }, 16, UINT64_MAX) ||
			!str_u64(&prefix, word[2], 16, 128) || !str_u64(&scope, word[3], 16, 255) ||
			!str_u64(&flags, word[4], 16, UINT32_MAX))
			continue;
		/* Tentative: the card still asks whether somebody else has it. */
		if (flags & (FLAG_TENTATIVE | FLAG_DAD_FAILED) ||
			!(scope == SCOPE_GLOBAL || (local && scope == SCOPE_LINK)))
			continue;
		uint8_t bytes[16];
		char shown[INET6_ADDRSTRLEN];
		put_be32(bytes, (uint32_t)(high >> 32));
		put_be32(bytes + 4, (uint32_t)high);
		put_be32(bytes + 8, (uint32_t)(low >> 32));
		put_be32(bytes + 12, (uint32_t)low);
		inet_ntop(AF_INET6, bytes, shown, sizeof shown);
		snprintf(found->v6, sizeof found->v6, "%s/%u", shown, (unsigned)prefix);
		return;
	}
}

void network_addresses(
	struct network_addresses *found, const struct root *root, const char *link, bool local)
{
	*found = (struct network_addresses){ 0 };
	find_v4(found, link, local);
	find_v6(found, root, link, local);
}
