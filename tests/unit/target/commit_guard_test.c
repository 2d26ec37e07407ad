/* What a commit, its resumption and its rollback do not touch, and what is not believed any more.
 */
#include "commit_cut.h"

#include <linux/fs.h>
#include <sys/file.h>
#include <sys/syscall.h>

static void what_somebody_else_changed_is_left_alone(void **state)
{
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };

	(void)state;
	fresh(&plain);
	struct commit c = commit_of(&a);
	assert_int_equal(commit_open(&c, &e) || commit_begin(&c, &about, &e) ||
				 stage_plain(&c, &e) || commit_prepare(&c, &e),
		0);
	put(at("%s/etc/kubernetes/admin.conf", dir), "changed by hand");
	assert_int_equal(commit_go(&c, &e), ERR_DECLINED);
	assert_non_null(strstr(e.text, "etc/kubernetes/admin.conf"));
	assert_false(c.changed);
	assert_int_equal(access(at("%s/etc/kubernetes/manifests/etcd.yaml", dir), F_OK), 0);

	put(at("%s/etc/kubernetes/admin.conf", dir), "old admin");
	assert_int_equal(commit_go(&c, &e), 0);
	put(at("%s/etc/kubernetes/admin.conf", dir), "renewed since");
	assert_int_equal(commit_rollback(&c, &e), ERR_DECLINED);
	char *now = look();
	assert_non_null(strstr(now, "renewed since"));
	assert_non_null(strstr(now, "new manifest"));
	assert_non_null(strstr(now, "new db"));
	free(now);
	arena_free(&a);
}

static void what_is_staged_and_has_changed_is_not_put_in_place(void **state)
{
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };

	(void)state;
	learn(&plain);
	fresh(&plain);
	struct commit c = commit_of(&a);
	assert_int_equal(commit_open(&c, &e) || commit_begin(&c, &about, &e) ||
				 stage_plain(&c, &e) || commit_prepare(&c, &e),
		0);
	put(at("%s/var/lib/etcd/.etcd-rescue/new/member/snap/db", dir), "new dB");
	assert_int_equal(commit_open(&c, &e), 0);
	assert_int_equal(commit_resume(&c, &e), ERR_MISMATCH);
	is(old_state);
	assert_int_equal(commit_rollback(&c, &e), 0);
	is(old_state);
	is_tidy();
	arena_free(&a);
}

/* Held by somebody: the fence goes away again, and the journal is as before. */
static int busy(void *ctx, struct err *e)
{
	const char *what;

	if (commit_in_use(&what, ctx, e))
		return e->code;
	assert_non_null(what);
	assert_string_equal(what, "var/lib/etcd/member/snap/db");
	assert_int_not_equal(access(at("%s/etc/kubernetes/manifests/etcd.yaml", dir), F_OK), 0);
	return err_set(e, ERR_DECLINED, "%s is in use", what);
}

static void a_rollback_does_not_take_the_database_from_a_running_etcd(void **state)
{
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };
	const char *what;

	(void)state;
	learn(&plain);
	struct commit c = commit_of(&a);
	c.idle = busy;
	c.ctx = &c;
	const int db = open(at("%s/var/lib/etcd/member/snap/db", dir), O_RDWR);
	assert_int_equal(flock(db, LOCK_EX), 0);
	assert_int_equal(commit_open(&c, &e), 0);
	assert_int_equal(commit_rollback(&c, &e), ERR_DECLINED);
	assert_string_equal(e.text, "var/lib/etcd/member/snap/db is in use");
	assert_false(c.changed);
	is(new_state);
	assert_int_equal(phase_now(), JOURNAL_COMMITTED);
	close(db);
	assert_int_equal(commit_in_use(&what, &c, &e), 0);
	assert_null(what);
	c.idle = NULL;
	assert_int_equal(commit_rollback(&c, &e), 0);
	is(old_state);
	arena_free(&a);
}

static void an_abandoned_attempt_does_not_hide_the_restore_before(void **state)
{
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };
	const struct journal next = { .plan_id = "ffffffff00", .generation = 2 };

	(void)state;
	learn(&plain);
	struct commit c = commit_of(&a);
	assert_int_equal(commit_open(&c, &e) || commit_begin(&c, &next, &e) ||
				 stage_member(&c, &(struct commit_place){ "", "var/lib/etcd" },
					 "third db", "new", &e),
		0);
	assert_int_equal(phase_now(), JOURNAL_COMMITTED);
	assert_int_equal(commit_abandon(&c, &e), 0);
	assert_int_equal(c.journal.phase, JOURNAL_COMMITTED);
	assert_string_equal(c.journal.plan_id, ID);
	is(new_state);
	is_tidy();
	arena_free(&a);
}

static void verify_tells_what_is_not_what_was_restored(void **state)
{
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };
	bool served = true;

	(void)state;
	learn(&plain);
	struct commit c = commit_of(&a);
	assert_int_equal(commit_open(&c, &e), 0);
	assert_int_equal(commit_verify(&served, &c, &e), 0);
	assert_false(served);
	put(at("%s/var/lib/etcd/member/snap/db", dir), "written to by etcd");
	assert_int_equal(commit_verify(&served, &c, &e), 0);
	assert_true(served);
	/* A certificate that was renewed. */
	put(at("%s/etc/kubernetes/admin.conf", dir), "somebody's");
	assert_int_equal(commit_verify(&served, &c, &e), 0);
	assert_int_equal(unlink(at("%s/etc/kubernetes/manifests/etcd.yaml", dir)), 0);
	assert_int_equal(commit_verify(&served, &c, &e), ERR_MISMATCH);
	assert_string_equal(e.text, "/etc/kubernetes/manifests/etcd.yaml is not what was restored");
	arena_free(&a);

	/* Before etcd ever ran nobody has a reason to. */
	learn(&plain);
	a = ARENA(64 << 20);
	c = commit_of(&a);
	e = (struct err){ 0 };
	assert_int_equal(commit_open(&c, &e), 0);
	put(at("%s/etc/kubernetes/admin.conf", dir), "somebody's");
	assert_int_equal(commit_verify(&served, &c, &e), ERR_MISMATCH);
	assert_string_equal(e.text, "/etc/kubernetes/admin.conf is not what was restored");
	e = (struct err){ 0 };
	assert_int_equal(rename(at("%s/var/lib/etcd/member", dir), at("%s/gone", dir)), 0);
	assert_int_equal(commit_verify(&served, &c, &e), ERR_MISMATCH);
	assert_string_equal(e.text, "/var/lib/etcd/member is not what was restored");
	arena_free(&a);
}

static void what_is_forgotten_cannot_be_rolled_back(void **state)
{
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };
	uint64_t freed = 0;

	(void)state;
	learn(&plain);
	put(at("%s/var/lib/etcd/member.before-mine/x", dir), "not of this program");
	struct commit c = commit_of(&a);
	assert_int_equal(commit_open(&c, &e), 0);
	assert_int_equal(access(at("%s/var/lib/etcd/member.before-0123abcd", dir), F_OK), 0);
	assert_int_equal(commit_forget(&freed, &c, &e), 0);
	assert_true(freed > 0);
	assert_int_not_equal(access(at("%s/var/lib/etcd/member.before-0123abcd", dir), F_OK), 0);
	assert_int_not_equal(access(at("%s/" STATE "/before-0123abcd", dir), F_OK), 0);
	assert_int_equal(access(at("%s/var/lib/etcd/member.before-mine/x", dir), F_OK), 0);
	is(new_state);
	assert_int_equal(commit_open(&c, &e), 0);
	assert_int_equal(commit_rollback(&c, &e), ERR_DECLINED);
	assert_non_null(strstr(e.text, "forget"));
	is(new_state);
	arena_free(&a);
}

static int set_flags(const char *path, int flags)
{
	const int fd = open(path, O_RDONLY);
	const int rc = (int)syscall(SYS_ioctl, fd, FS_IOC_SETFLAGS, &flags);

	close(fd);
	return rc;
}

static int get_flags(const char *path)
{
	const int fd = open(path, O_RDONLY);
	int flags = 0;

	syscall(SYS_ioctl, fd, FS_IOC_GETFLAGS, &flags);
	close(fd);
	return flags & (FS_IMMUTABLE_FL | FS_APPEND_FL);
}

static void what_is_immutable_is_refused_or_opened_and_closed_again(void **state)
{
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };

	(void)state;
	learn(&plain);
	fresh(&plain);
	char manifest[256];
	snprintf(manifest, sizeof manifest, "%s/etc/kubernetes/manifests/etcd.yaml", dir);
	if (set_flags(manifest, FS_IMMUTABLE_FL))
		skip(); /* not root, or a file system without flags */
	struct commit c = commit_of(&a);
	assert_int_equal(commit_open(&c, &e) || commit_begin(&c, &about, &e), 0);
	assert_int_equal(stage_plain(&c, &e), ERR_DECLINED);
	assert_non_null(strstr(e.text, "chattr -i"));
	assert_int_equal(commit_abandon(&c, &e), 0);
	c = commit_of(&a);
	c.clear_immutable = true;
	e = (struct err){ 0 };
	assert_int_equal(all(&c, &plain, &e), 0);
	is(new_state);
	assert_int_equal(get_flags(manifest), FS_IMMUTABLE_FL);
	assert_int_equal(commit_rollback(&c, &e), 0);
	is(old_state);
	assert_int_equal(get_flags(manifest), FS_IMMUTABLE_FL);
	assert_int_equal(set_flags(manifest, 0), 0);
	arena_free(&a);
}

static void what_is_to_be_replaced_may_not_be_a_link(void **state)
{
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };

	(void)state;
	fresh(&plain);
	assert_int_equal(symlink("admin.conf", at("%s/etc/kubernetes/link.conf", dir)), 0);
	assert_int_equal(rename(at("%s/var/lib/etcd/member", dir), at("%s/elsewhere", dir)), 0);
	assert_int_equal(symlink("/elsewhere", at("%s/var/lib/etcd/member", dir)), 0);
	struct commit c = commit_of(&a);
	assert_int_equal(commit_open(&c, &e) || commit_begin(&c, &about, &e), 0);
	assert_int_equal(
		stage_text(&c, "", "etc/kubernetes/link.conf", "x", false, &e), ERR_DECLINED);
	assert_int_equal(
		stage_member(&c, &(struct commit_place){ "", "var/lib/etcd" }, "db", "new", &e),
		ERR_DECLINED);
	assert_int_equal(commit_abandon(&c, &e), 0);
	is_tidy();
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_somebody_else_changed_is_left_alone),
		cmocka_unit_test(what_is_staged_and_has_changed_is_not_put_in_place),
		cmocka_unit_test(a_rollback_does_not_take_the_database_from_a_running_etcd),
		cmocka_unit_test(an_abandoned_attempt_does_not_hide_the_restore_before),
		cmocka_unit_test(verify_tells_what_is_not_what_was_restored),
		cmocka_unit_test(what_is_forgotten_cannot_be_rolled_back),
		cmocka_unit_test(what_is_immutable_is_refused_or_opened_and_closed_again),
		cmocka_unit_test(what_is_to_be_replaced_may_not_be_a_link),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
