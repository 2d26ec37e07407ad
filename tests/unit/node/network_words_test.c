#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/cmdline.h"
#include "node/network_words.h"

static struct arena arena = ARENA(64 << 20);

static int drop(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void network_words_refuse_with_one_clear_line(void **state)
{
	static const struct {
		const char *word, *why;
	} bad[] = {
		{ "ip=ibft", "ip=ibft: ibft is not done here; give the address itself: "
			     "ip=<client>::<gateway>:<mask>:<hostname>:<card>:none" },
		{ "ip=eth0:ibft", "ip=eth0:ibft: ibft is not done here; give the address itself: "
				  "ip=<client>::<gateway>:<mask>:<hostname>:<card>:none" },
		{ "ip=", "ip=: '' is none of dhcp on any single-dhcp dhcp6 auto6 either6 link6 "
			 "none off" },
		{ "ip=192.0.2.7::192.0.2.1::h:eth0:none",
			"ip=192.0.2.7::192.0.2.1::h:eth0:none: no netmask for 192.0.2.7" },
		{ "ip=192.0.2.7::192.0.2.1:255.0.255.0:h:eth0:none",
			"ip=192.0.2.7::192.0.2.1:255.0.255.0:h:eth0:none: '255.0.255.0' is not a "
			"netmask" },
		{ "ip=192.0.2.7::[2001:db8::1]:24:h:eth0:none",
			"ip=192.0.2.7::[2001:db8::1]:24:h:eth0:none: 192.0.2.7 and its gateway or "
			"peer are of two families" },
		{ "ip=192.0.2.777::192.0.2.1:24:h:eth0:none",
			"ip=192.0.2.777::192.0.2.1:24:h:eth0:none: client: '192.0.2.777' is not an "
			"IP address" },
		{ "ip=192.0.2.7::192.0.2.1:33:h:eth0:none",
			"ip=192.0.2.7::192.0.2.1:33:h:eth0:none: netmask '33' is not a number from "
			"0 "
			"to 32" },
		{ "ip=192.0.2.7::192.0.2.1:24:h:-eth0:none",
			"ip=192.0.2.7::192.0.2.1:24:h:-eth0:none: '-eth0' is not the name of a "
			"network card" },
		{ "ip=192.0.2.7::192.0.2.1:24:h;reboot:eth0:none",
			"ip=192.0.2.7::192.0.2.1:24:h;reboot:eth0:none: 'h;reboot' is not a host "
			"name" },
		{ "ip=192.0.2.7::192.0.2.1:24:h:eth0:dchp",
			"ip=192.0.2.7::192.0.2.1:24:h:eth0:dchp: 'dchp' is none of dhcp on any "
			"single-dhcp dhcp6 auto6 either6 link6 none off" },
		{ "ip=eth0:dhcp:9", "ip=eth0:dhcp:9: MTU '9' is not a number from 68 to 65535" },
		{ "ip=eth0:dhcp::52:54:00:12:34",
			"ip=eth0:dhcp::52:54:00:12:34: '52:54:00:12:34' is not a MAC address "
			"(52:54:00:12:34:56)" },
		{ "ip=::::h:eth0", "ip=::::h:eth0: neither an address nor a way to get one" },
		{ "ip=2001:db8::1", "ip=2001:db8::1: client: '2001' is not an IP address" },
		{ "bridge=br0:eth0",
			"bridge=br0:eth0: is not done here; name the card below it with "
			"ip=<card>:dhcp, or use bond= or vlan=" },
		{ "team=t0:eth0", "team=t0:eth0: is not done here; name the card below it with "
				  "ip=<card>:dhcp, or use bond= or vlan=" },
		{ "vlan=eth0.5", "vlan=eth0.5: no card below it: vlan=<name>:<card>" },
		{ "vlan=storage:eth0",
			"vlan=storage:eth0: VLAN number at the name's end '' is not a "
			"number from 1 to 4094" },
		{ "vlan=eth0.4095:eth0",
			"vlan=eth0.4095:eth0: VLAN number at the name's end '4095' is "
			"not a number from 1 to 4094" },
		{ "bond=bond0:eth0:../../x=1",
			"bond=bond0:eth0:../../x=1: '../../x' is not an option of a bond" },
		{ "bond=bond0:eth0:mode", "bond=bond0:eth0:mode: 'mode' is not option=value" },
		{ "bond=..:eth0", "bond=..:eth0: '..' is not the name of a network card" },
		{ "nameserver=dns.example",
			"nameserver=dns.example: 'dns.example' is not an IP address" },
		{ "nameserver=[2001:db8::1",
			"nameserver=[2001:db8::1: '[2001:db8::1' is not an IP address; brackets do "
			"not match" },
		{ "rd.route=192.0.2.0:192.0.2.1", "rd.route=192.0.2.0:192.0.2.1: no netmask: "
						  "rd.route=<net>/<len>:<gateway>[:<card>]" },
		{ "rd.route=192.0.2.0/24:",
			"rd.route=192.0.2.0/24:: neither a gateway nor a card" },
		{ "ifname=eth0", "ifname=eth0: no MAC: ifname=<name>:<mac>" },
		{ "BOOTIF=20-52-54-00-12-34-56",
			"BOOTIF=20-52-54-00-12-34-56: '20-52-54-00-12-34-56' is not a MAC address "
			"(52:54:00:12:34:56)" },
		{ "rd.net.timeout.carrier=soon",
			"rd.net.timeout.carrier=soon: time 'soon' is not a number from 1 to 3600" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct network n = { 0 };
		struct err e = { 0 };
		const int got = node_cmdline_network(&n, &arena, str_from(bad[i].word), &e);
		assert_true(got == ERR_USAGE || got == ERR_UNSUPPORTED);
		assert_string_equal(e.text, bad[i].why);
		assert_int_equal(n.n_ip + n.n_bonds + n.n_vlans + n.n_routes + n.n_names, 0);
		assert_false(n.given);
	}
}

static void network_words_stop_at_their_limits(void **state)
{
	struct network n = { 0 };
	struct err e;
	int got = 0;

	(void)state;
	for (int i = 0; i <= NETWORK_LIST && !got; i++) {
		assert_int_equal(n.n_ip, i);
		got = node_cmdline_network(&n, &arena, STR("ip=eth0:dhcp"), &e);
	}
	assert_int_equal(got, ERR_USAGE);
	assert_string_equal(e.text, "ip=eth0:dhcp: more than 16 of them");
}

static void network_words_read_masks_and_macs(void **state)
{
	struct network n = { 0 };
	struct err e;

	(void)state;
	assert_int_equal(
		node_cmdline_network(&n, &arena,
			STR("ip=192.0.2.7/26::192.0.2.1::h:eth0:none ip=192.0.2.8:::0.0.0.0::"
			    "eth0:none"),
			&e),
		ERR_USAGE);
	assert_int_equal(n.ip[0].prefix, 26);
	assert_int_equal(node_cmdline_network(&n, &arena,
				 STR("ip=192.0.2.8:::255.255.255.255::eth0:none::52-54-00-AA-00-01 "
				     "BOOTIF=52:54:00:AB:CD:EF"),
				 &e),
		ERR_USAGE); /* a MAC with dashes is one part, and no address of a name server */
	assert_int_equal(node_cmdline_network(&n, &arena,
				 STR("ip=192.0.2.8:::255.255.255.255::eth0:none::52:54:00:AA:00:01 "
				     "BOOTIF=52:54:00:AB:CD:EF"),
				 &e),
		0);
	assert_int_equal(n.ip[1].prefix, 32);
	assert_string_equal(n.ip[1].mac, "52:54:00:aa:00:01");
	assert_string_equal(n.bootif, "52:54:00:ab:cd:ef");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(network_words_refuse_with_one_clear_line),
		cmocka_unit_test(network_words_stop_at_their_limits),
		cmocka_unit_test(network_words_read_masks_and_macs),
	};
	return cmocka_run_group_tests(tests, NULL, drop);
}
