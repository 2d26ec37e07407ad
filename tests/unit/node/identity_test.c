#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/found.h"
#include "node/identity.h"

static struct arena arena = ARENA(64 << 20);

static void first_rank_wins_and_the_others_are_compared(void **state)
{
	struct identity id = { .arena = &arena };

	(void)state;
	assert_null(identity_of(&id, IDENTITY_NAME));
	identity_claim(&id, IDENTITY_NAME, IDENTITY_DISK, "master0.example.org", "etc/hostname");
	identity_claim(&id, IDENTITY_NAME, IDENTITY_FILES, "etcd-member-master0", "etcd.conf");
	identity_claim(&id, IDENTITY_NAME, IDENTITY_SNAPSHOT, "master1", "members");
	identity_claim(&id, IDENTITY_NAME, IDENTITY_PLAN, NULL, "plan");
	identity_claim(&id, IDENTITY_PEER, IDENTITY_SNAPSHOT, "https://a:2380", "members");
	identity_judge(&id);
	assert_int_equal(id.n, 4);
	assert_string_equal(identity_of(&id, IDENTITY_NAME)->value, "etcd-member-master0");
	assert_string_equal(identity_of(&id, IDENTITY_PEER)->value, "https://a:2380");
	assert_false(id.v[0].disagrees);
	assert_true(id.v[1].won);
	assert_true(id.v[2].disagrees);
	identity_claim(&id, IDENTITY_NAME, IDENTITY_PLAN, "master1", "plan");
	identity_judge(&id);
	assert_string_equal(identity_of(&id, IDENTITY_NAME)->source, "plan");
	assert_true(id.v[0].disagrees && id.v[1].disagrees && !id.v[1].won);
	assert_false(id.v[2].disagrees);
}

static void urls_and_addresses_have_rules_of_their_own(void **state)
{
	struct identity id = { .arena = &arena };

	(void)state;
	identity_claim(&id, IDENTITY_PEER, IDENTITY_FILES, "https://[fd00::7]:2380", "etcd.yaml");
	identity_claim(&id, IDENTITY_PEER, IDENTITY_SNAPSHOT, "https://[FD00:0::7]:2380", "m");
	identity_claim(&id, IDENTITY_PEER, IDENTITY_SNAPSHOT, "https://etcd-0.x.org:2380", "m");
	identity_claim(&id, IDENTITY_PEER, IDENTITY_SNAPSHOT, "https://[fd00::8]:2380", "m");
	identity_claim(&id, IDENTITY_ADDRESS, IDENTITY_KERNEL_LINE, "10.0.0.1", "ip=");
	identity_claim(&id, IDENTITY_ADDRESS, IDENTITY_DISK, "10.9.9.9", "ifcfg");
	identity_claim(&id, IDENTITY_ADDRESS, IDENTITY_DISK, "10.9.9.9", "ifcfg");
	assert_int_equal(id.n, 6);
	identity_judge(&id);
	assert_true(id.v[0].won);
	assert_string_equal(identity_why(&id, &id.v[0]),
		"taken: nothing before the control plane's files says it");
	assert_false(id.v[1].disagrees || id.v[2].disagrees);
	assert_string_equal(identity_why(&id, &id.v[2]), "says the same");
	assert_true(id.v[3].disagrees);
	assert_string_equal(
		identity_why(&id, &id.v[3]), "not taken, behind the control plane's files");
	assert_false(id.v[4].disagrees || id.v[5].disagrees);
	identity_claim(&id, IDENTITY_PEER, IDENTITY_PLAN, "https://a:1", "the plan");
	identity_judge(&id);
	assert_string_equal(identity_why(&id, &id.v[6]), "taken: the plan comes first");
}

static void addresses_of_every_kind_of_configuration(void **state)
{
	static const struct {
		const char *path, *text;
	} files[] = {
		{ "etc/hostname", "m1\n" },
		{ "etc/netplan/01.yaml", "network:\n  ethernets:\n    eth0:\n      addresses: "
					 "[10.0.0.1/24, \"fd00::1/64\": {label: x}]\n"
					 "      nameservers: {addresses: [9.9.9.9]}\n" },
		{ "etc/network/interfaces", "iface eth0 inet static\n    address 10.0.1.1/24\n" },
		{ "etc/sysconfig/network-scripts/ifcfg-eth0",
			"IPADDR=10.0.2.1\nIPADDR1=\"10.0.2.2\"\n#IPADDR2=10.0.2.3\n" },
		{ "etc/sysconfig/network/ifcfg-eth0", "IPADDR='10.0.3.1/24'\n" },
		{ "etc/NetworkManager/system-connections/a.nmconnection",
			"[ipv4]\naddress1=10.0.4.1/24,10.0.4.254\ndns=9.9.9.9\n" },
		{ "etc/systemd/network/10.network",
			"[Network]\nAddress=10.0.5.1/24\nDNS=9.9.9.9\n" },
		{ "etc/systemd/network/10.link", "Address=10.0.6.1/24\n" },
	};
	static const char *const expected[] = { "10.0.0.1", "fd00::1", "10.0.1.1", "10.0.2.1",
		"10.0.2.2", "10.0.3.1", "10.0.4.1", "10.0.5.1" };
	char dir[] = "/tmp/found_test.XXXXXX", text[512];
	struct node_found found;
	struct root root;
	struct err e = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(text, sizeof text, "mkdir -p $(dirname %s/%s)", dir, files[i].path);
		assert_int_equal(system(text), 0);
		snprintf(text, sizeof text, "%s/%s", dir, files[i].path);
		FILE *f = fopen(text, "w");
		assert_non_null(f);
		fputs(files[i].text, f);
		fclose(f);
	}
	assert_int_equal(root_open(&root, dir, &e), 0);
	node_found(&found, &arena, &root);
	assert_string_equal(found.hostname, "m1");
	assert_int_equal(found.n, sizeof expected / sizeof *expected);
	for (size_t i = 0; i < found.n; i++)
		assert_string_equal(found.addresses[i].text, expected[i]);
	root_close(&root);
	snprintf(text, sizeof text, "rm -rf %s", dir);
	assert_int_equal(system(text), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_rank_wins_and_the_others_are_compared),
		cmocka_unit_test(urls_and_addresses_have_rules_of_their_own),
		cmocka_unit_test(addresses_of_every_kind_of_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
