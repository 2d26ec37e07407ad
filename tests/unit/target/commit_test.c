/* A commit and its rollback on real directories, cut after every single change, both ways. */
#include "commit_cut.h"

#include <sys/xattr.h>

static void a_commit_survives_every_cut_on_one_disk(void **state)
{
	(void)state;
	sweep(&plain);
}

/* A fence whose content stays, a member that is missing, a service's drop-in. */
static void old_service(void)
{
	put(at("%s/etc/etcd.env", dir), "old env");
	put(at("%s/var/lib/etcd/lost+found/x", dir), "x");
}

static int stage_service(struct commit *c, struct err *e)
{
	return stage_member(c, &(struct commit_place){ "", "var/lib/etcd" }, "new db", "new", e) ||
			       stage_text(c, "", "etc/etcd.env", "new env", false, e) ||
			       commit_add_dropin(c,
				       &(struct commit_place){
					       "", "etc/systemd/system/etcd.service.d/fence.conf" },
				       SPAN("[Unit]\nConditionPathExists=/nowhere\n"), e)
		       ? e->code
		       : 0;
}

static const char *const dropin_service[] = { "fence.conf=", NULL };
static const struct scene service = { old_service, stage_service, NULL, dropin_service };

static void a_commit_survives_every_cut_with_a_service_and_no_old_member(void **state)
{
	(void)state;
	sweep(&service);
	fresh(&service);
	assert_false(cut(&service, ALL, STEPS_MAX));
	assert_int_not_equal(access(at("%s/etc/systemd/system/etcd.service.d", dir), F_OK), 0);
}

/* Two clusters, etcd's data on a second file system whose top is a WAL directory too; one
 * manifest changes, the other does not, and one lies on that file system. */
static void old_two(void)
{
	put(at("%s/data/member/snap/db", other), "old main");
	put(at("%s/data-events/member/snap/db", other), "old events");
	put(at("%s/0000000000000003-00000000000000aa.wal", other), "old wal 3");
	put(at("%s/0000000000000000-0000000000000000.wal", other), "old wal 0");
	put(at("%s/lost+found/y", other), "y");
	put(at("%s/manifests/etcd-events.manifest", other), "events as ever");
	put(at("%s/kubelet.conf", other), "old kubelet");
	put(at("%s/gone.conf", other), "goes");
	put(at("%s/etc/kubernetes/manifests/etcd.manifest", dir), "main as ever");
}

static int stage_wal(struct commit *c, struct err *e)
{
	CLEAN_ROOT struct root stage = NO_ROOT;
	const struct commit_place top = { "UUID=other", "" };
	const char *inside;

	if (commit_stage_directory(&stage, &inside, c, &top, e))
		return e->code;
	put_fd(stage.fd, "wal/0000000000000000-0000000000000000.wal", "new wal 0");
	put_fd(stage.fd, "wal/0000000000000001-0000000000000001.wal", "new wal 1");
	return commit_add_directory(c, &top, at("%s/wal", inside), e);
}

static int stage_two(struct commit *c, struct err *e)
{
	static const char device[] = "UUID=other";

	return stage_member(c, &(struct commit_place){ device, "data" }, "new main", "new", e) ||
			       stage_member(c, &(struct commit_place){ device, "data-events" },
				       "new events", "new", e) ||
			       stage_text(c, "", "etc/kubernetes/manifests/etcd.manifest",
				       "main as ever", true, e) ||
			       stage_text(c, device, "manifests/etcd-events.manifest",
				       "events as ever", true, e) ||
			       stage_text(c, device, "conf/kubelet.conf", "new kubelet", false, e)
		       ? e->code
		       : 0;
}

static const char *const fence_two[] = { "etcd.manifest=", "etcd-events.manifest=", NULL };
static const struct scene two = { old_two, stage_two, fence_two, NULL };

static void a_commit_survives_every_cut_with_two_clusters_on_another_disk(void **state)
{
	(void)state;
	sweep(&two);
}

/* A WAL directory that is a file system's own top. */
static void old_top(void)
{
	old_plain();
	put(at("%s/0000000000000003-00000000000000aa.wal", other), "old wal 3");
	put(at("%s/0000000000000000-0000000000000000.wal", other), "old wal 0");
	put(at("%s/lost+found/y", other), "y");
}

static int stage_top(struct commit *c, struct err *e)
{
	return stage_plain(c, e) || stage_wal(c, e) ? e->code : 0;
}

static const struct scene top = { old_top, stage_top, fence_plain, NULL };

static void a_commit_survives_every_cut_with_a_wal_directory_that_is_a_mount(void **state)
{
	(void)state;
	sweep(&top);
}

/* Files on another file system: replaced, new and gone; the fence too, with new content. */
static void old_far(void)
{
	put(at("%s/etc/manifests/etcd.yaml", other), "old manifest");
	put(at("%s/etc/a.conf", other), "old a");
	put(at("%s/etc/b.conf", other), "old b");
}

static int stage_far(struct commit *c, struct err *e)
{
	static const char device[] = "UUID=other";

	return stage_text(c, device, "etc/a.conf", "new a", false, e) ||
			       stage_text(c, device, "etc/b.conf", NULL, false, e) ||
			       stage_text(c, device, "etc/deep/er/c.conf", "new c", false, e) ||
			       stage_text(c, device, "etc/manifests/etcd.yaml", "new manifest",
				       true, e)
		       ? e->code
		       : 0;
}

static const struct scene far = { old_far, stage_far, fence_plain, NULL };

static void a_commit_survives_every_cut_when_files_lie_on_another_disk(void **state)
{
	(void)state;
	sweep(&far);
}

/* Cut between the commit point and the journal's last word; then the machine ran. */
static void a_commit_whose_machine_has_run_since_is_whole(void **state)
{
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };
	int n = 0;

	(void)state;
	learn(&plain);
	for (;; n++) {
		fresh(&plain);
		assert_true(cut(&plain, ALL, n));
		char *now = look();
		const bool same = !strcmp(now, new_state);
		free(now);
		if (same)
			break;
	}
	assert_int_equal(phase_now(), JOURNAL_COMMITTING);
	put(at("%s/etc/kubernetes/admin.conf", dir), "rotated by the kubelet");
	put(at("%s/var/lib/etcd/member/snap/db", dir), "written to by etcd");
	struct commit c = commit_of(&a);
	assert_int_equal(commit_open(&c, &e), 0);
	assert_int_equal(commit_resume(&c, &e), 0);
	assert_int_equal(phase_now(), JOURNAL_COMMITTED);
	char *now = look();
	assert_non_null(strstr(now, "rotated by the kubelet"));
	assert_non_null(strstr(now, "written to by etcd"));
	free(now);
	arena_free(&a);
}

static void metadata_of_the_old_are_those_of_the_new(void **state)
{
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };
	struct stat st;
	char value[32] = "";

	(void)state;
	fresh(&plain);
	char member[256];
	snprintf(member, sizeof member, "%s/var/lib/etcd/member", dir);
	const bool is_root = !geteuid();
	if (is_root) {
		assert_int_equal(chown(member, 123, 456), 0);
		assert_int_equal(chown(at("%s/snap/db", member), 12, 45), 0);
	}
	assert_int_equal(chmod(member, 0710), 0);
	assert_int_equal(
		chmod(at("%s/wal/0000000000000003-00000000000000aa.wal", member), 0640), 0);
	const bool has_xattr = !setxattr(member, "user.note", "kept", 4, 0) &&
			       !setxattr(at("%s/snap/db", member), "user.db", "yes", 3, 0);
	assert_int_equal(chmod(at("%s/etc/kubernetes/admin.conf", dir), 0604), 0);
	struct commit c = commit_of(&a);
	assert_int_equal(all(&c, &plain, &e), 0);

	assert_int_equal(stat(member, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0710);
	assert_int_equal(st.st_uid, is_root ? 123 : getuid());
	assert_int_equal(stat(at("%s/wal/0000000000000000-0000000000000000.wal", member), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(stat(at("%s/snap/db", member), &st), 0);
	assert_int_equal(st.st_gid, is_root ? 45 : getgid());
	assert_int_equal(stat(at("%s/etc/kubernetes/admin.conf", dir), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
	if (has_xattr) {
		assert_int_equal(getxattr(member, "user.note", value, sizeof value), 4);
		assert_int_equal(getxattr(at("%s/snap/db", member), "user.db", value, 32), 3);
	}
	assert_int_equal(stat(at("%s/" STATE, dir), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(at("%s/" STATE "/journal", dir), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_commit_survives_every_cut_on_one_disk),
		cmocka_unit_test(a_commit_survives_every_cut_with_a_service_and_no_old_member),
		cmocka_unit_test(a_commit_survives_every_cut_with_two_clusters_on_another_disk),
		cmocka_unit_test(a_commit_survives_every_cut_with_a_wal_directory_that_is_a_mount),
		cmocka_unit_test(a_commit_survives_every_cut_when_files_lie_on_another_disk),
		cmocka_unit_test(a_commit_whose_machine_has_run_since_is_whole),
		cmocka_unit_test(metadata_of_the_old_are_those_of_the_new),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
