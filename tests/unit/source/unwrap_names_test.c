#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "source/unwrap_names.h"

static void names_are_cleaned_and_judged(void **state)
{
	static const struct {
		const char *raw, *clean;
		enum name_verdict verdict;
	} known[] = {
		{ "snapshot.db", "snapshot.db", NAME_FINE },
		{ "./a//b/./c.db", "a/b/c.db", NAME_FINE },
		{ "a/b/", "a/b", NAME_FINE },
		{ "..a/b..", "..a/b..", NAME_FINE },
		{ "../snapshot.db", "../snapshot.db", NAME_OUTSIDE },
		{ "a/../../b", "a/../../b", NAME_OUTSIDE },
		{ "a/..", "a/..", NAME_OUTSIDE },
		{ "..", "..", NAME_OUTSIDE },
		{ "/../x", "../x", NAME_OUTSIDE },
		{ "/etc/shadow", "etc/shadow", NAME_ABSOLUTE },
		{ "C:snapshot.db", "C:snapshot.db", NAME_ABSOLUTE },
		{ "..\\x", "..?x", NAME_ODD },
		{ "a\nb", "a?b", NAME_ODD },
		{ "", "", NAME_ODD },
		{ "./", "", NAME_ODD },
	};
	char clean[NAME_SIZE], raw[NAME_SIZE + 8];

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		assert_int_equal(name_clean(clean, known[i].raw), known[i].verdict);
		assert_string_equal(clean, known[i].clean);
	}
	memset(raw, 'a', sizeof raw);
	raw[NAME_SIZE - 2] = 0;
	assert_int_equal(name_clean(clean, raw), NAME_FINE);
	raw[NAME_SIZE - 2] = 'a';
	raw[NAME_SIZE] = 0;
	assert_int_equal(name_clean(clean, raw), NAME_ODD);
	memcpy(raw, "../", 3);
	assert_int_equal(name_clean(clean, raw), NAME_OUTSIDE);
}

static void names_of_the_seeds_have_their_use(void **state)
{
	static const struct {
		const char *name;
		enum name_use use;
	} known[] = {
		{ "etcd-backup-2020-02-04-18-50-03/etcd-dump.bin", NAME_DB },
		{ "ocp-master0/assets/backup/snapshot.db", NAME_DB },
		{ "ocp-master0/assets/backup/etcd-member.yaml", NAME_COMPANION },
		{ "ocp-master0/assets/backup/etcd-client.key", NAME_COMPANION },
		{ "ocp-master0/assets/backup/etcd-ca-bundle.crt", NAME_COMPANION },
		{ "snapshot_2020-03-18_220218.db", NAME_DB },
		{ "static_kuberesources_2020-03-18_220218.tar.gz", NAME_ARCHIVE },
		{ "static-pod-resources/etcd-pod-7/etcd-pod.yaml", NAME_COMPANION },
		{ "static-pod-resources/etcd-pod-7/configmaps/restore/version", NAME_COMPANION },
		{ "2020-02-04T18:00:10Z-000001/etcd.backup.gz", NAME_DB },
		{ "2020-02-04T18:00:10Z-000001/_etcd_backup.meta", NAME_COMPANION },
		{ "snapshot-events.db", NAME_DB_EVENTS },
		{ "snapshot-events.db.gz", NAME_DB_EVENTS },
		{ "etcd.2020.02.04-18.00.10.db", NAME_DB },
		{ "etcd-snapshot-m1-1580835600", NAME_DB },
		{ "on-demand-m1-1580835600", NAME_DB },
		{ "snapshots/etcd-snapshot-m1-1580835600.zip", NAME_ARCHIVE },
		{ ".metadata/etcd-snapshot-m1-1580835600", NAME_COMPANION },
		{ "default.etcd/member/snap/db", NAME_DB },
		{ "default.etcd/member/snap/0000000000000002-0000000000000007.snap", NAME_NONE },
		{ "default.etcd/member/wal/0000000000000000-0000000000000000.wal", NAME_NONE },
		{ "pki/etcd/ca.key", NAME_COMPANION },
		{ "encryption/current.yaml", NAME_COMPANION },
		{ "cfc/pods/etcd.json", NAME_COMPANION },
		{ "io.containerd.metadata.v1.bolt/meta.db", NAME_NONE },
		{ "consul/raft.db", NAME_NONE },
		{ "._snapshot.db", NAME_NONE },
		{ "__MACOSX/snapshot.db", NAME_NONE },
		{ "bin/etcdctl", NAME_NONE },
		{ ".ssh/authorized_keys", NAME_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (name_use(known[i].name) != known[i].use)
			fail_msg("%s", known[i].name);
	}
}

static void the_node_is_told_by_folder_or_archive(void **state)
{
	static const struct {
		const char *name, *inside, *node;
		bool sure;
	} known[] = {
		{ "ocp-master0/assets/backup/snapshot.db", NULL, "ocp-master0", true },
		{ "all/ip-10-0-12-34/assets/backup/snapshot.db", NULL, "ip-10-0-12-34", true },
		{ "ocp-master0/snapshot.db", NULL, "ocp-master0", false },
		{ "snapshot.db", "nodes/ocp-master1.tar.gz", "ocp-master1", false },
		{ "snapshot.db", "backup_2019_09_22_131749.snapshots.tgz", "", false },
		{ "snapshot.db", NULL, "", false },
		{ "assets/backup/snapshot.db", NULL, "", false },
		{ "etcd-backup-2020-02-04-18-50-03/etcd-dump.bin", NULL, "", false },
		{ "20200204/etcd-dump.bin", NULL, "", false },
		{ "backup/snapshot.db", NULL, "", false },
		{ "root/backup/snapshot.db", "m1.tgz", "m1", false },
	};
	bool sure;

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		const struct str node = name_node(&sure, known[i].name, known[i].inside);
		if (!str_is(node, known[i].node) || sure != known[i].sure)
			fail_msg("%s: %.*s", known[i].name, STR_ARG(node));
	}
	assert_true(name_node_is(STR("M1"), "m1"));
	assert_true(name_node_is(STR("m1"), "m1.example.org"));
	assert_true(name_node_is(STR("m1.example.org"), "m1"));
	assert_false(name_node_is(STR("m1.example.org"), "m1.example.net"));
	assert_false(name_node_is(STR("m1"), "m10"));
	assert_false(name_node_is(STR("m10"), "m1"));
	assert_false(name_node_is(STR(""), ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_cleaned_and_judged),
		cmocka_unit_test(names_of_the_seeds_have_their_use),
		cmocka_unit_test(the_node_is_told_by_folder_or_archive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
