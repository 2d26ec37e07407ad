#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "target/crypttab.h"

static void crypttab_parse_reads_the_forms_that_are_written(void **state)
{
	static const char text[] = "# comment\n"
				   "etcd_crypt UUID=5f0c-1 /etc/keys/../keys/etcd.key luks\n"
				   "data\t/dev/sdb  /etcd.key:LABEL=ROOTRAID luks,nofail\n"
				   "home PARTLABEL=\"home\" none\n"
				   "swap /dev/sdc /dev/urandom swap\n"
				   "half\n"
				   "../evil /dev/sdd /key\n"
				   "a/b /dev/sdd /key\n"
				   "rel UUID=1 etc/key";
	struct arena a = ARENA(1 << 20);
	struct crypttab tab;

	(void)state;
	crypttab_parse(&tab, &a, STR(text));
	assert_int_equal(tab.n, 5);
	assert_string_equal(tab.v[0].name, "etcd_crypt");
	assert_string_equal(tab.v[0].device, "UUID=5f0c-1");
	assert_string_equal(tab.v[0].key, "/etc/keys/etcd.key");
	assert_null(tab.v[0].on);
	assert_string_equal(tab.v[1].key, "/etcd.key");
	assert_string_equal(tab.v[1].on, "LABEL=ROOTRAID");
	assert_string_equal(tab.v[2].device, "PARTLABEL=home");
	assert_null(tab.v[2].key);
	assert_null(tab.v[3].key);
	assert_null(tab.v[4].key);
	arena_free(&a);
}

static void crypttab_parse_stops_at_its_limit(void **state)
{
	static char text[64 * CRYPTTAB_MAX];
	struct arena a = ARENA(1 << 20);
	struct crypttab tab;
	size_t len = 0;

	(void)state;
	for (unsigned i = 0; i < 4 * CRYPTTAB_MAX; i++) {
		static const char line[] = "n /dev/x\n";
		for (size_t k = 0; k < sizeof line - 1; k++)
			text[len++] = line[k];
	}
	crypttab_parse(&tab, &a, (struct str){ text, len });
	assert_int_equal(tab.n, CRYPTTAB_MAX);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crypttab_parse_reads_the_forms_that_are_written),
		cmocka_unit_test(crypttab_parse_stops_at_its_limit),
	};

	return cmocka_run_group_tests_name("crypttab", tests, NULL, NULL);
}
