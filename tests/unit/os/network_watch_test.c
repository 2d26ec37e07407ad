#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "os/network_lease.h"
#include "os/network_watch.h"

/* One netlink message with a router's option: card 7, RDNSS of two servers. */
static size_t message(uint8_t *p, uint16_t type, uint8_t units, uint32_t lifetime, uint8_t first)
{
	const uint16_t options = 40;
	const uint32_t len = 16 + 16 + options, index = 7;

	memset(p, 0, len);
	memcpy(p, &len, 4);
	memcpy(p + 4, &type, 2);
	p[16] = 10; /* AF_INET6 */
	memcpy(p + 18, &options, 2);
	memcpy(p + 20, &index, 4);
	p[32] = 25;
	p[33] = units;
	put_be32(p + 36, lifetime);
	static const uint8_t server[16] = { 0x20, 1, 0x0d, 0xb8, [15] = 0x53 };
	memcpy(p + 40, server, 16);
	memcpy(p + 56, server, 16);
	p[56] = first;
	return len;
}

static bool servers(struct buf *lines, unsigned *index, const uint8_t *p, size_t len)
{
	/* A copy of just that length, so that the sanitizer sees a read beyond it. */
	uint8_t *own = malloc(len ? len : 1);

	assert_non_null(own);
	memcpy(own, p, len);
	buf_clear(lines);
	const bool any = network_watch_servers(lines, index, (struct span){ own, len });
	free(own);
	return any;
}

static void network_watch_reads_the_servers_a_router_names(void **state)
{
	CLEAN_BUF struct buf lines = BUF(1024);
	uint8_t p[256];
	unsigned index = 0;

	(void)state;
	size_t len = message(p, RTM_NEWNDUSEROPT, 5, 600, 0x20);
	assert_true(servers(&lines, &index, p, len));
	assert_int_equal(index, 7);
	assert_true(str_is(buf_text(&lines), "nameserver 2001:db8::53\nnameserver 2001:db8::53\n"));
	/* fe80:: is left out */
	len = message(p, RTM_NEWNDUSEROPT, 5, 600, 0xfe);
	assert_true(servers(&lines, &index, p, len));
	assert_true(str_is(buf_text(&lines), "nameserver 2001:db8::53\n"));
	/* behind another message */
	len = message(p, RTM_NEWLINK, 5, 600, 0x20);
	len += message(p + len, RTM_NEWNDUSEROPT, 5, 600, 0x20);
	assert_true(servers(&lines, &index, p, len));
}

static void network_watch_takes_nothing_from_broken_messages(void **state)
{
	CLEAN_BUF struct buf lines = BUF(1024);
	uint8_t p[256];
	unsigned index = 0;

	(void)state;
	const size_t len = message(p, RTM_NEWNDUSEROPT, 5, 600, 0x20);
	for (size_t cut = 0; cut < len; cut++)
		assert_false(servers(&lines, &index, p, cut));
	message(p, RTM_NEWNDUSEROPT, 6, 600, 0x20); /* longer than its room */
	assert_false(servers(&lines, &index, p, len));
	message(p, RTM_NEWNDUSEROPT, 0, 600, 0x20);
	assert_false(servers(&lines, &index, p, len));
	message(p, RTM_NEWNDUSEROPT, 5, 0, 0x20); /* taken back */
	assert_false(servers(&lines, &index, p, len));
	message(p, RTM_NEWNDUSEROPT, 5, 600, 0x20);
	memset(p, 0xff, 4); /* a length that wraps */
	assert_false(servers(&lines, &index, p, len));
	message(p, RTM_NEWNDUSEROPT, 5, 600, 0x20);
	memset(p + 18, 0xff, 2); /* options beyond the message */
	assert_false(servers(&lines, &index, p, len));
}

static void network_lease_text_decodes_what_the_client_gives_in_hex(void **state)
{
	struct arena a = ARENA(1 << 20);
	char longest[2050];

	(void)state;
	assert_string_equal(network_lease_text(&a, STR("687474703a2f2f682f70")), "http://h/p");
	assert_string_equal(
		network_lease_text(&a, STR("687474703a2f2f68002f")) ? "" : "bad", "bad");
	assert_string_equal(network_lease_text(&a, STR("6869"
						       "00")),
		"hi"); /* as in C */
	assert_null(network_lease_text(&a, STR("")));
	assert_null(network_lease_text(&a, STR("00")));
	assert_null(network_lease_text(&a, STR("686")));
	assert_null(network_lease_text(&a, STR("68zz")));
	assert_null(network_lease_text(&a, STR("68206a"))); /* a blank ends a word */
	assert_null(network_lease_text(&a, STR("680a")));
	memset(longest, '6', sizeof longest);
	assert_non_null(network_lease_text(&a, (struct str){ longest, 2048 }));
	assert_null(network_lease_text(&a, (struct str){ longest, 2050 }));
	arena_free(&a);
}

static void network_lease_host_is_a_host_name_or_nothing(void **state)
{
	(void)state;
	assert_string_equal(network_lease_host("ncn-m001.local"), "ncn-m001.local");
	assert_null(network_lease_host(NULL));
	assert_null(network_lease_host(""));
	assert_null(network_lease_host("-m001"));
	assert_null(network_lease_host("../etc"));
	assert_null(network_lease_host("m001/x"));
	assert_null(network_lease_host("m 1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(network_watch_reads_the_servers_a_router_names),
		cmocka_unit_test(network_watch_takes_nothing_from_broken_messages),
		cmocka_unit_test(network_lease_text_decodes_what_the_client_gives_in_hex),
		cmocka_unit_test(network_lease_host_is_a_host_name_or_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
