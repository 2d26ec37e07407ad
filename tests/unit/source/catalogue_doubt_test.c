/* What is doubted, passed over or refused of a listing. */
#include "catalogue_listing.h"

static void suspicious_ones_are_passed_over(void **state)
{
	struct listing *l = *state;

	add(l, "etcd-2026-11-20T10:00:00Z.db", 100000);
	add(l, "etcd-2026-11-20T11:00:00Z.db", 101000);
	add(l, "etcd-2026-11-20T12:00:00Z.db", 99000);
	add(l, "etcd-2026-11-20T13:00:00Z.db", 30000);
	add(l, "etcd-2026-11-20T14:00:00Z.db", 0);
	add(l, "etcd-2026-11-20T15:00:00Z.db.part", 50000);
	add(l, "etcd-2026-11-20T16:00:00Z.db.gpg", 50000);
	add(l, "etcd-2026-11-22T16:00:00Z.db", 100000);
	add(l, "notes.txt", 10);
	chosen(l, "etcd-2026-11-20T12:00:00Z.db");
	passed_over(l, "etcd-2026-11-20T13:00:00Z.db",
		"much smaller than those before it: 30000 bytes instead of about 100000");
	passed_over(l, "etcd-2026-11-20T14:00:00Z.db", "it is empty: 0 bytes");
	passed_over(
		l, "etcd-2026-11-20T15:00:00Z.db.part", "its ending says that it is unfinished");
	passed_over(l, "etcd-2026-11-20T16:00:00Z.db.gpg", "encrypted; decrypt it first");
	passed_over(l, "etcd-2026-11-22T16:00:00Z.db", "dated 45 hours in the future");
	assert_int_equal(l->c.n_usable, 3);
	assert_int_equal(l->c.n_passed, 5);
	assert_int_equal(l->c.n, 9);
	/* Who names one of them wants it; but nothing is nothing. */
	l->wish.name = "etcd-2026-11-20T13:00:00Z.db";
	chosen(l, "etcd-2026-11-20T13:00:00Z.db");
	assert_string_equal(l->c.v[0].doubt,
		"much smaller than those before it: 30000 bytes instead of about 100000");
	l->wish.name = "etcd-2026-11-20T15:00:00Z.db.part";
	chosen(l, "etcd-2026-11-20T15:00:00Z.db.part");
	l->wish.name = "etcd-2026-11-22T16:00:00Z.db";
	chosen(l, "etcd-2026-11-22T16:00:00Z.db");
	l->wish.name = "etcd-2026-11-20T14:00:00Z.db";
	refused(l, ERR_NOTFOUND, "etcd-2026-11-20T14:00:00Z.db: it is empty: 0 bytes");
}

/* After a defragmentation all are small; the third one is believed. */
static void a_new_size_becomes_the_usual_one(void **state)
{
	struct listing *l = *state;
	char name[64];

	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof name, "etcd-2026-11-20T1%d:00:00Z.db", i);
		add(l, arena_copy(&l->arena, str_from(name)), i < 5 ? 1000000 : 1000);
	}
	chosen(l, "etcd-2026-11-20T14:00:00Z.db");
	snprintf(name, sizeof name, "etcd-2026-11-20T18:00:00Z.db");
	add(l, name, 1000);
	chosen(l, "etcd-2026-11-20T18:00:00Z.db");
	assert_non_null(find(l, "etcd-2026-11-20T17:00:00Z.db")->why);
}

static void a_clock_that_is_wrong_is_doubted_instead(void **state)
{
	struct listing *l = *state;

	l->wish.now = 1000;
	add(l, "etcd-2026-11-20T10:00:00Z.db", 100000);
	add(l, "etcd-2026-11-20T11:00:00Z.db", 100000);
	chosen(l, "etcd-2026-11-20T11:00:00Z.db");
	assert_non_null(strstr(l->c.doubt, "the clock of this machine is wrong"));
}

static void a_time_without_zone_may_be_ahead(void **state)
{
	struct listing *l = *state;

	add(l, "etcd-backup-2026-11-21-04-00-00.tar.gz", 1000);
	add(l, "etcd-backup-2026-11-21-03-00-00.tar.gz", 1000);
	chosen(l, "etcd-backup-2026-11-21-04-00-00.tar.gz");
	add(l, "etcd-backup-2026-11-21-14-00-00.tar.gz", 1000);
	chosen(l, "etcd-backup-2026-11-21-04-00-00.tar.gz");
	passed_over(l, "etcd-backup-2026-11-21-14-00-00.tar.gz", "dated 19 hours in the future");
}

static void backups_that_stopped_are_noticed(void **state)
{
	struct listing *l = *state;

	add(l, "etcd-2026-11-18T10:00:00Z.db", 1000);
	add(l, "etcd-2026-11-18T10:10:00Z.db", 1000);
	add(l, "etcd-2026-11-18T10:20:00Z.db", 1000);
	chosen(l, "etcd-2026-11-18T10:20:00Z.db");
	assert_null(l->c.doubt);
	add(l, "etcd-2026-11-18T10:30:00Z.db", 1000);
	chosen(l, "etcd-2026-11-18T10:30:00Z.db");
	assert_string_equal(l->c.doubt, "backups seem to have stopped: they came every 10 minutes, "
					"the newest is 2 days old");
}

static void a_mixed_pair_is_refused(void **state)
{
	struct listing *l = *state;

	add(l, "snapshot_2026-11-20_170000.db", 1000);
	add(l, "static_kuberesources_2026-11-20_170500.tar.gz", 10);
	refused(l, ERR_DECLINED,
		"s3://bucket/: none of 1 snapshots can be taken; the newest, "
		"snapshot_2026-11-20_170000.db: a mixed pair: its static_kuberesources is not "
		"there, "
		"but static_kuberesources_2026-11-20_170500.tar.gz of another backup is; "
		"--allow-dirty takes it all the same");
	l->wish.allow_dirty = true;
	chosen(l, "snapshot_2026-11-20_170000.db");
	assert_non_null(l->c.v[0].doubt);
}

static void what_may_be_dirty_is_refused(void **state)
{
	struct listing *l = *state;

	add(l, "snapshot_2026-11-20_170000__POSSIBLY_DIRTY__.db", 1000);
	add(l, "static_kuberesources_2026-11-20_170000__POSSIBLY_DIRTY__.tar.gz", 10);
	add(l, "snapshot_2026-11-20_160000.db", 1000);
	add(l, "static_kuberesources_2026-11-20_160000.tar.gz", 10);
	chosen(l, "snapshot_2026-11-20_160000.db");
	l->wish.name = "snapshot_2026-11-20_170000__POSSIBLY_DIRTY__.db";
	refused(l, ERR_DECLINED,
		"snapshot_2026-11-20_170000__POSSIBLY_DIRTY__.db: made with --force while "
		"operators were at work (__POSSIBLY_DIRTY__); --allow-dirty takes it all the same");
	l->wish.allow_dirty = true;
	chosen(l, "snapshot_2026-11-20_170000__POSSIBLY_DIRTY__.db");
	assert_non_null(l->c.v[0].partner);
}

static void what_the_place_says_counts(void **state)
{
	struct listing *l = *state;

	add_dated(l, "snap-1", UINT64_MAX, now - 7200);
	add_dated(l, "snap-2", UINT64_MAX, now - 3600);
	l->v[0].place = l->v[1].place = true;
	l->v[1].unfit = "still being made, 45%";
	chosen(l, "snap-1");
	passed_over(l, "snap-2", "still being made, 45%");
}

static void nothing_is_said_so(void **state)
{
	struct listing *l = *state;

	refused(l, ERR_NOTFOUND, "s3://bucket/: nothing is there");
	add(l, "index.html", 5);
	refused(l, ERR_NOTFOUND,
		"s3://bucket/: 1 things are there, none has the name of a snapshot; name one in "
		"the address");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, end)
	const struct CMUnitTest tests[] = {
		T(suspicious_ones_are_passed_over),
		T(a_new_size_becomes_the_usual_one),
		T(a_clock_that_is_wrong_is_doubted_instead),
		T(a_time_without_zone_may_be_ahead),
		T(backups_that_stopped_are_noticed),
		T(a_mixed_pair_is_refused),
		T(what_may_be_dirty_is_refused),
		T(nothing_is_said_so),
		T(what_the_place_says_counts),
	};
#undef T

	return cmocka_run_group_tests_name("catalogue_doubt", tests, NULL, NULL);
}
