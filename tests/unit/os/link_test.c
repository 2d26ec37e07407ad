#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/link.h"

static struct arena arena = ARENA(4 << 20);
static char top[] = "/tmp/etcd-rescue-link-XXXXXX";
static struct root root = NO_ROOT;

/* A machine's /sys/class/net: files and links as `sh` makes them. */
static const char tree[] =
	"set -e; mkdir -p sys/class/net sys/bus/drivers/tg3 sys/devices/0000:03:00.0 && "
	"cd sys/class/net && echo >bonding_masters; "
	"card() { mkdir $1; cd $1; echo $2 >ifindex; echo $3 >type; echo $4 >address; "
	"echo $5 >flags; echo 1500 >mtu; echo \"$6\" >uevent; cd ..; }\n"
	"card eth10 10 1 52:54:00:00:00:10 0x1002 INTERFACE=eth10\n"
	"card lo 1 772 00:00:00:00:00:00 0x9 INTERFACE=lo\n"
	"card eth2 2 1 52:54:00:00:00:02 0x1003 INTERFACE=eth2\n"
	"echo 1 >eth2/carrier; echo 10000 >eth2/speed; ln -s ../../../devices/0000:03:00.0 "
	"eth2/device; ln -s ../../bus/drivers/tg3 ../../devices/0000:03:00.0/driver\n"
	"card bond0 5 1 52:54:00:00:00:02 0x1403 DEVTYPE=bond; echo 0 >bond0/carrier; echo -1 "
	">bond0/speed\n"
	"card ib0 6 32 80:00:02:08:fe:80 0x1002 INTERFACE=ib0\n"
	"mkdir eth2/bonding_slave; echo 52:54:00:AA:BB:CC >eth2/bonding_slave/perm_hwaddr\n"
	"mkdir vanished";

static int make_tree(void **state)
{
	char command[sizeof tree + 64];
	struct err e;

	(void)state;
	if (!mkdtemp(top) || root_open(&root, top, &e))
		return -1;
	snprintf(command, sizeof command, "cd %s; %s", top, tree);
	return system(command);
}

static int drop_tree(void **state)
{
	char command[64];

	(void)state;
	arena_free(&arena);
	root_close(&root);
	snprintf(command, sizeof command, "rm -r %s", top);
	return system(command);
}

static void link_list_counts_numbers_and_puts_loopback_last(void **state)
{
	struct link *links;
	struct err e;
	size_t n;

	(void)state;
	assert_int_equal(link_list(&links, &n, &arena, &root, &e), 0);
	assert_int_equal(n, 5);
	assert_string_equal(links[0].name, "bond0");
	assert_string_equal(links[1].name, "eth2");
	assert_string_equal(links[2].name, "eth10");
	assert_string_equal(links[3].name, "ib0");
	assert_string_equal(links[4].name, "lo");
	assert_true(links[4].loopback);
}

static void link_list_tells_driver_carrier_speed_and_kind(void **state)
{
	struct link *links;
	struct err e;
	size_t n;

	(void)state;
	assert_int_equal(link_list(&links, &n, &arena, &root, &e), 0);
	const struct link *card = link_named(links, n, "eth2");
	assert_string_equal(card->driver, "tg3");
	assert_string_equal(card->bus, "0000:03:00.0");
	assert_int_equal(card->carrier, 1);
	assert_int_equal(card->speed, 10000);
	assert_int_equal(card->mtu, 1500);
	assert_true(card->up && card->wired);

	card = link_named(links, n, "eth10");
	assert_int_equal(card->carrier, -1);
	assert_int_equal(card->speed, 0);
	assert_string_equal(card->driver, "");
	assert_false(card->up);

	card = link_named(links, n, "bond0");
	assert_string_equal(card->kind, "bond");
	assert_int_equal(card->carrier, 0);
	assert_int_equal(card->speed, 0);
	assert_false(card->wired);
	assert_false(link_named(links, n, "ib0")->wired);
	assert_string_equal(link_named(links, n, "ib0")->mac, "");
}

static void link_with_mac_finds_the_card_under_its_bond(void **state)
{
	struct link *links;
	struct err e;
	size_t n;

	(void)state;
	assert_int_equal(link_list(&links, &n, &arena, &root, &e), 0);
	/* eth2 wears the bond's MAC; the one printed on it is the permanent one. */
	assert_string_equal(link_with_mac(links, n, "52:54:00:aa:bb:cc")->name, "eth2");
	assert_null(link_with_mac(links, n, "52:54:00:00:00:02"));
	assert_null(link_with_mac(links, n, NULL));
	assert_null(link_named(links, n, "eth1"));
}

static void link_list_says_when_there_is_no_sys(void **state)
{
	CLEAN_ROOT struct root none = NO_ROOT;
	struct link *links;
	struct err e;
	size_t n;

	(void)state;
	assert_int_equal(root_open(&none, "/var/empty", &e) && root_open(&none, "/dev/shm", &e), 0);
	assert_int_equal(link_list(&links, &n, &arena, &none, &e), ERR_NOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(link_list_counts_numbers_and_puts_loopback_last),
		cmocka_unit_test(link_list_tells_driver_carrier_speed_and_kind),
		cmocka_unit_test(link_with_mac_finds_the_card_under_its_bond),
		cmocka_unit_test(link_list_says_when_there_is_no_sys),
	};
	return cmocka_run_group_tests(tests, make_tree, drop_tree);
}
