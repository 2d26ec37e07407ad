#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "node/cmdline.h"

static struct arena arena = ARENA(64 << 20);
static struct node_cmdline c;

static void parse(const char *line)
{
	struct err e;

	assert_int_equal(node_cmdline_parse(&c, &arena, str_from(line), &e), 0);
}

static int drop(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void cmdline_knows_its_keys_and_consoles(void **state)
{
	(void)state;
	parse("BOOT_IMAGE=/vmlinuz ro console=tty0 console=ttyS1,115200n8 "
	      "rescue.plan=https://h/p.yaml "
	      "rescue.source=s3://b/p/ rescue.snapshot=latest rescue.auto=yes rescue.handoff=stay "
	      "rescue.proxy=http://p:3128 quiet");
	assert_string_equal(c.plan, "https://h/p.yaml");
	assert_string_equal(c.source, "s3://b/p/");
	assert_string_equal(c.snapshot, "latest");
	assert_string_equal(c.automatic, "yes");
	assert_string_equal(c.handoff, "stay");
	assert_string_equal(c.proxy, "http://p:3128");
	assert_int_equal(c.n_consoles, 2);
	assert_string_equal(c.console[1], "ttyS1,115200n8");
	assert_false(c.network.given);
	assert_int_equal(c.n_refused, 0);
}

static void cmdline_quotes_as_the_kernel_does(void **state)
{
	(void)state;
	parse("rescue.plan=\"https://h/a b\" \"rescue.source=s3://b/x y\" rescue.snapshot=a\" \"b "
	      "rescue.auto= rescue.handoff");
	assert_string_equal(c.plan, "https://h/a b");
	assert_string_equal(c.source, "s3://b/x y");
	assert_string_equal(c.snapshot, "a\" \"b");
	assert_string_equal(c.automatic, "");
	assert_string_equal(c.handoff, "");
	/* A quote that is never closed reaches to the end of the line. */
	parse("rescue.plan=\"a b c");
	assert_string_equal(c.plan, "a b c");
	parse("\t rescue.plan=1\n rescue.plan=2\n");
	assert_string_equal(c.plan, "2");
	parse("");
	assert_null(c.plan);
}

static void cmdline_names_the_nearest_key(void **state)
{
	(void)state;
	parse("rescue.sorce=s3://b rescue.plan=x");
	assert_int_equal(c.n_refused, 1);
	assert_string_equal(c.refused[0], "rescue.sorce: no such key; did you mean rescue.source?");
	assert_string_equal(c.plan, "x");
}

static void cmdline_goes_on_after_a_bad_word(void **state)
{
	(void)state;
	parse("ip=dchp nameserver=192.0.2.53 rescue.ntp=192.0.2.1,time.example,-x");
	assert_int_equal(c.n_refused, 2);
	assert_non_null(strstr(c.refused[0], "ip=dchp: 'dchp' is none of dhcp"));
	assert_string_equal(c.refused[1], "time server: '-x' is not a host name");
	assert_string_equal(c.network.nameserver[0], "192.0.2.53");
	assert_int_equal(c.network.n_ip, 0);
	assert_int_equal(c.network.n_ntp, 2);
	assert_string_equal(c.network.ntp[1], "time.example");
}

static void cmdline_counts_what_the_list_has_no_room_for(void **state)
{
	char line[1024] = "";

	(void)state;
	for (int i = 0; i < 20; i++)
		strcat(line, "ip=dchp ");
	parse(line);
	assert_int_equal(c.n_refused, NODE_CMDLINE_LIST);
	assert_int_equal(c.n_more, 4);
}

static void cmdline_refuses_a_line_that_is_no_line(void **state)
{
	struct err e;
	char *line = calloc(1, NODE_CMDLINE_MAX + 1);

	(void)state;
	assert_non_null(line);
	memset(line, 'a', NODE_CMDLINE_MAX + 1);
	assert_int_equal(
		node_cmdline_parse(&c, &arena, (struct str){ line, NODE_CMDLINE_MAX + 1 }, &e),
		ERR_FORMAT);
	free(line);
}

static void cmdline_network_is_strict_and_knows_remarks(void **state)
{
	struct network n = { 0 };
	struct err e;

	(void)state;
	assert_int_equal(
		node_cmdline_network(&n, &arena,
			STR("# eth1 is the storage net\nip=eth0:dhcp # boot\nvlan=eth0.5:eth0"),
			&e),
		0);
	assert_int_equal(n.n_ip, 1);
	assert_int_equal(n.n_vlans, 1);
	assert_true(n.given);
	assert_int_equal(node_cmdline_network(&n, &arena, STR("console=tty0"), &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "console: not a word of the network"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cmdline_knows_its_keys_and_consoles),
		cmocka_unit_test(cmdline_quotes_as_the_kernel_does),
		cmocka_unit_test(cmdline_names_the_nearest_key),
		cmocka_unit_test(cmdline_goes_on_after_a_bad_word),
		cmocka_unit_test(cmdline_counts_what_the_list_has_no_room_for),
		cmocka_unit_test(cmdline_refuses_a_line_that_is_no_line),
		cmocka_unit_test(cmdline_network_is_strict_and_knows_remarks),
	};
	return cmocka_run_group_tests(tests, NULL, drop);
}
