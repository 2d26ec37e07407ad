#include "source/name_time.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/rfc3339.h"

static void test_names(void **state)
{
	static const struct {
		const char *name, *time, *text;
		enum name_precision precision;
		bool zone;
	} t[] = {
#define S NAME_PRECISION_SECOND
		{ "bare-metal/etcd-backup-2026-11-20-18-00-30.tar.gz", "2026-11-20T18:00:30Z",
			"2026-11-20-18-00-30", S, false },
		{ "snapshot_2026-11-20_180030.db", "2026-11-20T18:00:30Z", "2026-11-20_180030", S,
			false },
		{ "static_kuberesources_2026-11-20_180030__POSSIBLY_DIRTY__.tar.gz",
			"2026-11-20T18:00:30Z", "2026-11-20_180030", S, false },
		{ "backup_2020_03_16_101112.snapshots.tgz", "2020-03-16T10:11:12Z",
			"2020_03_16_101112", S, false },
		{ "etcd.2019.06.05-04.03.02.db", "2019-06-05T04:03:02Z", "2019.06.05-04.03.02", S,
			false },
		{ "main/2026-11-20T18:00:30Z-000123/etcd.backup.gz", "2026-11-20T18:00:30Z",
			"2026-11-20T18:00:30Z", S, true },
		{ "etcd-snapshot-ip-10-0-1-5-1795197630.zip", "2026-11-20T18:00:30Z", "1795197630",
			S, true },
		{ "on-demand-node2-1795197630", "2026-11-20T18:00:30Z", "1795197630", S, true },
		{ "v2/Full-00000000-00012345-1795197630.gz", "2026-11-20T18:00:30Z", "1795197630",
			S, true },
		{ "Full-00000000-20261119-1795197630", "2026-11-20T18:00:30Z", "1795197630", S,
			true },
		{ "dump-20261120T180030+0100.db", "2026-11-20T17:00:30Z", "20261120T180030+0100", S,
			true },
		{ "dump-20261120T180030-05:30.db", "2026-11-20T23:30:30Z", "20261120T180030-05:30",
			S, true },
		{ "a-2026-11-20T18:00:30.123456Z.db", "2026-11-20T18:00:30Z",
			"2026-11-20T18:00:30.123456Z", S, true },
		{ "a 2026-11-20 18:00 UTC.db", "2026-11-20T18:00:00Z", "2026-11-20 18:00 UTC", S,
			true },
		{ "20261120180030.db", "2026-11-20T18:00:30Z", "20261120180030", S, false },
		{ "etcd_202611201800.db", "2026-11-20T18:00:00Z", "202611201800", S, false },
		{ "20261120-180030-node1.db", "2026-11-20T18:00:30Z", "20261120-180030", S, false },
		{ "20261120-1800.db", "2026-11-20T18:00:00Z", "20261120-1800", S, false },
		{ "1795197630123.db", "2026-11-20T18:00:30Z", "1795197630123", S, true },
		{ "1795197630123456789.db", "2026-11-20T18:00:30Z", "1795197630123456789", S,
			true },
		{ "2026/11/20/18/00/etcd.db", "2026-11-20T00:00:00Z", "2026/11/20",
			NAME_PRECISION_DAY, false },
		{ "2026-11-19/etcd-2026-11-20.db", "2026-11-20T00:00:00Z", "2026-11-20",
			NAME_PRECISION_DAY, false },
		{ "2026-11-20/etcd-1795197630-2026-11-21.db", "2026-11-20T18:00:30Z", "1795197630",
			S, true },
		{ "etcd-2026112018.db", "2026-11-20T18:00:00Z", "2026112018", NAME_PRECISION_HOUR,
			false },
		{ "etcd-2024-02-29.db", "2024-02-29T00:00:00Z", "2024-02-29", NAME_PRECISION_DAY,
			false },
		{ "etcd-2026-11-20-3.db", "2026-11-20T00:00:00Z", "2026-11-20", NAME_PRECISION_DAY,
			false },
#undef S
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct name_time found = { .seconds = -1 };
		char text[RFC3339_SIZE];
		if (!name_time_find(&found, str_from(t[i].name)))
			fail_msg("%s: no time found", t[i].name);
		rfc3339_format(text, found.seconds);
		if (strcmp(text, t[i].time) || !str_is(found.text, t[i].text) ||
			found.precision != t[i].precision || found.zone != t[i].zone)
			fail_msg("%s: %s '%.*s' precision %d zone %d", t[i].name, text,
				STR_ARG(found.text), (int)found.precision, found.zone);
	}
}

static void test_no_time(void **state)
{
	static const char *const t[] = { "", "snapshot.db", "etcd-3.5.16.tar.gz", "ip-10-252-1-7",
		"2026-13-20.db", "2026-11-31.db", "2025-02-29.db", "1999-12-31.db", "2026_11-20.db",
		"2026-11", "0000000000", "99999999999", "12345678", "v1.30.2", "2026-1-2",
		"20261120180", "00000000-00000000" };

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct name_time found = { .seconds = -1 };
		if (name_time_find(&found, str_from(t[i])))
			fail_msg("%s: found '%.*s'", t[i], STR_ARG(found.text));
		assert_int_equal(found.seconds, -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
