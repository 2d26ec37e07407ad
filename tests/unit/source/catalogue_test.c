/* What names say, what belongs together, and which is taken. */
#include "catalogue_listing.h"

static void names_say_what_they_are(void **state)
{
	static const struct {
		const char *name, *kind, *folder, *node;
		enum catalogue_role role;
	} t[] = {
		{ "bare-metal/etcd-backup-2026-11-20-18-00-30.tar.gz", "csm", "bare-metal", "",
			CATALOGUE_DATABASE },
		{ "snapshot_2026-11-20_180030.db", "openshift", "", "", CATALOGUE_DATABASE },
		{ "snapshot_2026-11-20_180030__POSSIBLY_DIRTY__.db", "openshift", "", "",
			CATALOGUE_DATABASE },
		{ "static_kuberesources_2026-11-20_180030.tar.gz", "openshift", "", "",
			CATALOGUE_COMPANION },
		{ "backup_2020_03_16_101112.snapshots.tgz", "openshift-4.2", "", "",
			CATALOGUE_DATABASE },
		{ "backup_2020_03_16_101112.misc.tgz", "openshift-4.2", "", "",
			CATALOGUE_COMPANION },
		{ "site/etcd-0.example.com/assets/backup/snapshot.db", "assets", "site",
			"etcd-0.example.com", CATALOGUE_DATABASE },
		{ "etcd.2019.06.05-04.03.02.db", "icp", "", "", CATALOGUE_DATABASE },
		{ "backups/etcd/main/2026-11-20T18:00:30Z-000123/etcd.backup.gz", "kops",
			"backups/etcd", "", CATALOGUE_DATABASE },
		{ "backups/etcd/events/2026-11-20T18:00:30Z-000123/etcd.backup.gz", "kops",
			"backups/etcd", "", CATALOGUE_EVENTS },
		{ "main/2026-11-20T18:00:30Z-000123/_etcd_backup.meta", "kops", "", "",
			CATALOGUE_COMPANION },
		{ "k/etcd-snapshot-ip-10-0-1-5-1795197630", "k3s", "k", "ip-10-0-1-5",
			CATALOGUE_DATABASE },
		{ "on-demand-node2-1795197630.zip", "k3s", "", "node2", CATALOGUE_DATABASE },
		{ ".metadata/etcd-snapshot-node2-1795197630", "other", ".metadata", "",
			CATALOGUE_DATABASE },
		{ "shoot--x/v2/Full-00000000-00012345-1795197630.gz", "gardener", "shoot--x", "",
			CATALOGUE_DATABASE },
		{ "v2/Backup-1795197630/Incr-00012346-00012400-1795197700", "gardener", "", "",
			CATALOGUE_INCREMENT },
		{ "2026/11/20/snapshot.db", "kube-up", "", "", CATALOGUE_DATABASE },
		{ "2026/11/20/snapshot-events.db", "kube-up", "", "", CATALOGUE_EVENTS },
		{ "var/lib/etcd/member/snap/db", "member", "var/lib/etcd/member/snap", "",
			CATALOGUE_DATABASE },
		{ "prod/daily/c-x7k2p-rl-abc_2026-11-20T18:00:30Z.zip", "other", "prod", "",
			CATALOGUE_DATABASE },
		{ "talos-2026-11-20.db.zst", "other", "", "", CATALOGUE_DATABASE },
		{ "etcd.snap.xz", "other", "", "", CATALOGUE_DATABASE },
		{ "20261120T180030Z", "other", "", "", CATALOGUE_DATABASE },
		{ "snapshot_2026-11-20_180030.db.sha256", "", "", "", CATALOGUE_SIDECAR },
		{ "etcd-backup-2026-11-20.log", "", "", "", CATALOGUE_ALIEN },
		{ "README.md", "", "", "", CATALOGUE_ALIEN },
		{ "photos.zip", "", "", "", CATALOGUE_ALIEN },
		{ "0000000000000001.snap", "", "", "", CATALOGUE_ALIEN },
		{ "", "", "", "", CATALOGUE_ALIEN },
		{ "/", "", "", "", CATALOGUE_ALIEN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct catalogue_name n;
		catalogue_name_read(&n, str_from(t[i].name));
		if (n.role != t[i].role || strcmp(n.kind, t[i].kind) != 0 ||
			!str_is(n.folder, t[i].folder) || !str_is(n.node, t[i].node))
			fail_msg("%s: role %d kind '%s' folder '%.*s' node '%.*s'", t[i].name,
				(int)n.role, n.kind, STR_ARG(n.folder), STR_ARG(n.node));
	}
}

static void newest_by_name_is_first(void **state)
{
	struct listing *l = *state;

	add_dated(l, "etcd-backup-2026-11-20-18-10-00.tar.gz", 1000, now - 9000);
	add_dated(l, "etcd-backup-2026-11-20-18-30-00.tar.gz", 1000, now - 8000);
	add_dated(l, "etcd-backup-2026-11-20-18-20-00.tar.gz", 1000, now - 100);
	chosen(l, "etcd-backup-2026-11-20-18-30-00.tar.gz");
	assert_string_equal(l->c.reason, "the newest of 3, by the time in its name");
	assert_null(l->c.doubt);
}

static void without_times_the_file_tells(void **state)
{
	struct listing *l = *state;

	add_dated(l, "a.db", 5000, now - 900);
	add_dated(l, "b.db", 5000, now - 90);
	add(l, "c.db", 9000);
	chosen(l, "b.db");
	assert_string_equal(l->c.reason, "the newest of 3, by the time of the file");
	assert_string_equal(l->c.v[2].shown, "c.db");
}

static void pairs_belong_together(void **state)
{
	struct listing *l = *state;

	add(l, "b/snapshot_2026-11-20_170000.db", 1000);
	add(l, "b/static_kuberesources_2026-11-20_170000.tar.gz", 10);
	add(l, "b/snapshot_2026-11-20_170500.db", 1000);
	chosen(l, "b/snapshot_2026-11-20_170000.db");
	assert_string_equal(
		l->c.v[0].partner->name, "b/static_kuberesources_2026-11-20_170000.tar.gz");
	passed_over(l, "b/snapshot_2026-11-20_170500.db",
		"incomplete or still being written: its static_kuberesources is missing; "
		"--allow-dirty takes it all the same");
	add(l, "b/static_kuberesources_2026-11-20_170500.tar.gz", 10);
	chosen(l, "b/snapshot_2026-11-20_170500.db");
}

static void what_was_asked_for_narrows(void **state)
{
	struct listing *l = *state;

	add(l, "etcd-snapshot-n1-1795190000", 1000);
	add(l, "etcd-snapshot-n2-1795191000", 1000);
	add(l, "etcd-snapshot-n11-1795192000", 1000);
	chosen(l, "etcd-snapshot-n11-1795192000");
	l->wish.node = "n1";
	chosen(l, "etcd-snapshot-n1-1795190000");
	l->wish.node = NULL;
	l->wish.before = 1795192000;
	chosen(l, "etcd-snapshot-n2-1795191000");
	l->wish.before = 1000000000;
	refused(l, ERR_NOTFOUND,
		"s3://bucket/: none of 3 snapshots can be taken; the newest, "
		"etcd-snapshot-n11-1795192000: not before the time that was asked for");
	l->wish.before = 0;
	l->wish.name = "etcd-snapshot-n2-1795191000";
	chosen(l, "etcd-snapshot-n2-1795191000");
	l->wish.name = "etcd-snapshot-n2";
	refused(l, ERR_NOTFOUND,
		"s3://bucket/: no 'etcd-snapshot-n2' is there; the newest is "
		"etcd-snapshot-n11-1795192000");
}

static void folders_are_not_mixed(void **state)
{
	struct listing *l = *state;

	add(l, "prod/2026-11-20/etcd.db", 1000);
	add(l, "prod/2026-11-19/etcd.db", 1000);
	chosen(l, "prod/2026-11-20/etcd.db");
	add(l, "test/daily/etcd-2026-11-20T12:00:00Z.db", 1000);
	refused(l, ERR_DECLINED,
		"s3://bucket/: snapshots lie in several folders, perhaps of different clusters: "
		"test, prod; add one to the address or say --folder NAME");
	l->wish.folder = "prod";
	chosen(l, "prod/2026-11-20/etcd.db");
	l->wish.folder = "any";
	chosen(l, "test/daily/etcd-2026-11-20T12:00:00Z.db");
	l->wish.folder = NULL;
	l->wish.name = "etcd.db";
	refused(l, ERR_USAGE,
		"etcd.db: there are prod/2026-11-20/etcd.db and prod/2026-11-19/etcd.db; give the "
		"whole name");
}

static void an_address_of_one_thing_is_that(void **state)
{
	struct listing *l = *state;

	l->v[l->n++] =
		(struct source_object){ .name = "", .url = "s3://b/x/weird.part", .size = 100 };
	chosen(l, "weird.part");
	assert_string_equal(l->c.v[0].doubt, "its ending says that it is unfinished");
	l->v[0].size = 0;
	refused(l, ERR_NOTFOUND,
		"s3://bucket/: none of 1 snapshots can be taken; the newest, weird.part: it is "
		"empty: 0 bytes");
}

static void events_and_sums_go_with_it(void **state)
{
	struct listing *l = *state;

	add(l, "d1/snapshot.db", 1000);
	add(l, "d1/snapshot-events.db", 1000);
	add(l, "d1/snapshot.db.sha256", 80);
	chosen(l, "d1/snapshot.db");
	assert_string_equal(l->c.v[0].events->name, "d1/snapshot-events.db");
	assert_string_equal(l->c.v[0].sidecar->name, "d1/snapshot.db.sha256");
}

static void increments_are_of_no_use_alone(void **state)
{
	struct listing *l = *state;

	add(l, "v2/Full-00000000-00000100-1795190000", 1000);
	add(l, "v2/Incr-00000101-00000200-1795191000", 100);
	chosen(l, "v2/Full-00000000-00000100-1795190000");
	passed_over(l, "v2/Incr-00000101-00000200-1795191000",
		"holds only what changed since a Full one");
}

static void spans_are_in_words(void **state)
{
	(void)state;
	assert_string_equal(catalogue_span(-5).text, "0 seconds");
	assert_string_equal(catalogue_span(1).text, "1 second");
	assert_string_equal(catalogue_span(119).text, "119 seconds");
	assert_string_equal(catalogue_span(600).text, "10 minutes");
	assert_string_equal(catalogue_span(86400).text, "24 hours");
	assert_string_equal(catalogue_span(9 * 86400 + 5).text, "9 days");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, end)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_say_what_they_are),
		T(newest_by_name_is_first),
		T(without_times_the_file_tells),
		T(pairs_belong_together),
		T(what_was_asked_for_narrows),
		T(folders_are_not_mixed),
		T(an_address_of_one_thing_is_that),
		T(events_and_sums_go_with_it),
		T(increments_are_of_no_use_alone),
		cmocka_unit_test(spans_are_in_words),
	};
#undef T

	return cmocka_run_group_tests_name("catalogue", tests, NULL, NULL);
}
