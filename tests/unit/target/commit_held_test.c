/* What a commit leaves to the first boot, and what goes away: cut after every single change, and
 * what comes after it. */
#include "commit_cut.h"

/* Pods that wait for the first boot, one as it was and one that changes; a unit that the first
 * boot takes away again. */
static void old_held(void)
{
	old_plain();
	put(at("%s/etc/kubernetes/manifests/api.yaml", dir), "old api");
	put(at("%s/etc/kubernetes/manifests/dns.yaml", dir), "dns as ever");
}

static int stage_held_pod(struct commit *c, const char *name, const char *text, struct err *e)
{
	return commit_add_file(c,
		&(struct commit_file){ .place = { "", at("etc/kubernetes/manifests/%s", name) },
			.content = { (const uint8_t *)text, strlen(text) },
			.held = arena_print(c->arena, STATE "/held/%s", name) },
		e);
}

static int stage_held(struct commit *c, struct err *e)
{
	const struct commit_file unit = { .place = { "", "etc/systemd/kubelet.service.d/50.conf" },
		.content = SPAN("[Unit]\n"),
		.passing = true };

	return stage_plain(c, e) || stage_held_pod(c, "api.yaml", "new api", e) ||
			       stage_held_pod(c, "dns.yaml", "dns as ever", e) ||
			       commit_add_file(c, &unit, e)
		       ? e->code
		       : 0;
}

/* And one that an earlier restore left, whose first boot never came. */
static void old_left(void)
{
	old_held();
	put(at("%s/etc/record", dir), "the first one's");
}

static int stage_left(struct commit *c, struct err *e)
{
	const struct commit_file record = {
		.place = { "", "etc/record" }, .content = SPAN("the second one's"), .passing = true
	};

	return stage_held(c, e) || commit_add_file(c, &record, e) ? e->code : 0;
}

static const struct scene left_over = { old_left, stage_left, fence_plain, NULL };

static const struct scene held = { old_held, stage_held, fence_plain, NULL };

static void a_commit_survives_every_cut_when_pods_wait_for_the_first_boot(void **state)
{
	(void)state;
	sweep(&held);
	sweep(&left_over);
	/* Gone with the first boot, it is back with what was there before. */
	learn(&left_over);
	assert_int_equal(unlink(at("%s/etc/record", dir)), 0);
	finish(&left_over, BACK, old_state);
}

/* What the first boot does. */
static void release(const char *name)
{
	assert_int_equal(rename(at("%s/" STATE "/held/%s", dir, name),
				 at("%s/etc/kubernetes/manifests/%s", dir, name)),
		0);
}

static void what_the_first_boot_did_with_its_own_is_as_it_should_be(void **state)
{
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };
	bool served = true;

	(void)state;
	learn(&held);
	assert_null(strstr(new_state, "manifests/api.yaml"));
	assert_null(strstr(new_state, "manifests/dns.yaml"));
	struct commit c = commit_of(&a);
	assert_int_equal(commit_open(&c, &e) || commit_verify(&served, &c, &e), 0);
	release("dns.yaml");
	assert_int_equal(commit_verify(&served, &c, &e), 0);
	release("api.yaml");
	assert_int_equal(unlink(at("%s/etc/systemd/kubelet.service.d/50.conf", dir)), 0);
	assert_int_equal(commit_verify(&served, &c, &e), 0);
	/* Nor does it hinder the way back, half done or whole. */
	assert_int_equal(commit_rollback(&c, &e), 0);
	is(old_state);
	arena_free(&a);

	learn(&held);
	release("dns.yaml");
	finish(&held, BACK, old_state);
	assert_int_not_equal(access(at("%s/etc/systemd/kubelet.service.d", dir), F_OK), 0);
	/* Also when the file was gone, and its directory not yet. */
	for (int m = 0;; m++) {
		learn(&held);
		if (!cut(&held, BACK, m))
			break;
		finish(&held, BACK, old_state);
		assert_int_not_equal(access(at("%s/etc/systemd/kubelet.service.d", dir), F_OK), 0);
	}

	/* A pod that somebody changed is not taken for ours. */
	learn(&held);
	release("api.yaml");
	put(at("%s/etc/kubernetes/manifests/api.yaml", dir), "by hand");
	a = ARENA(64 << 20);
	c = commit_of(&a);
	assert_int_equal(commit_open(&c, &e), 0);
	assert_int_equal(commit_verify(&served, &c, &e), ERR_MISMATCH);
	assert_int_equal(commit_rollback(&c, &e), ERR_DECLINED);
	arena_free(&a);
}

/* A node that joins: the old member goes away, its manifest waits for the first boot, which writes
 * to it; another directory, a file that changes. */
static void old_gone(void)
{
	old_plain();
	put(at("%s/var/lib/kubelet/pods/1234/etc-hosts", dir), "old pod");
	put(at("%s/etc/etcd/etcd.conf", dir), "old variables");
	put(at("%s/0000000000000003-00000000000000aa.wal", other), "old wal");
}

static int stage_waiting(struct commit *c, const char *path, const char *text, struct err *e)
{
	const struct commit_file file = { .place = { "", path },
		.content = { (const uint8_t *)text, strlen(text) },
		.fence = true,
		.changing = true,
		.held = arena_print(c->arena, STATE "/held/%s", strrchr(path, '/') + 1) };

	return commit_add_file(c, &file, e);
}

static int stage_gone(struct commit *c, struct err *e)
{
	const struct commit_place member = { "", "var/lib/etcd/member" },
				  pods = { "", "var/lib/kubelet/pods" },
				  none = { "", "var/lib/nothing" }, wal = { "UUID=other", "" };
	const struct commit_file conf = { .place = { "", "etc/etcd/etcd.conf" },
		.content = SPAN("new variables"),
		.changing = true };

	return commit_add_gone(c, &member, e) || commit_add_gone(c, &pods, e) ||
			       commit_add_gone(c, &none, e) || commit_add_gone(c, &wal, e) ||
			       stage_waiting(c, "etc/kubernetes/manifests/etcd.yaml", "join", e) ||
			       commit_add_file(c, &conf, e)
		       ? e->code
		       : 0;
}

static const struct scene gone = { old_gone, stage_gone, fence_plain, NULL };

/* The manifest does not change, and there was none of the events' etcd. */
static int stage_gone_same(struct commit *c, struct err *e)
{
	const struct commit_place member = { "", "var/lib/etcd/member" },
				  pods = { "", "var/lib/kubelet/pods" },
				  none = { "", "var/lib/nothing" };

	return commit_add_gone(c, &member, e) || commit_add_gone(c, &pods, e) ||
			       commit_add_gone(c, &none, e) ||
			       stage_waiting(c, "etc/kubernetes/manifests/etcd.yaml",
				       "old manifest", e) ||
			       stage_waiting(c, "etc/kubernetes/manifests/etcd-events.yaml",
				       "new events", e)
		       ? e->code
		       : 0;
}

static const struct scene gone_same = { old_gone, stage_gone_same, fence_plain, NULL };

static void a_commit_survives_every_cut_when_directories_go_away(void **state)
{
	(void)state;
	sweep(&gone);
	assert_non_null(strstr(old_state, "kubelet/pods/1234"));
	assert_null(strstr(new_state, "kubelet/pods/1234"));
	assert_null(strstr(new_state, "snap/db"));
	assert_null(strstr(new_state, "manifests/etcd.yaml"));
	assert_null(strstr(new_state, "old wal"));
	sweep(&gone_same);
}

static void verify(bool served)
{
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };
	bool has = !served;
	struct commit c = commit_of(&a);

	if (commit_open(&c, &e) || commit_verify(&has, &c, &e))
		fail_msg("%s", e.text);
	assert_int_equal(has, served);
	arena_free(&a);
}

static void join(const char *manifest)
{
	put(at("%s/" STATE "/held/etcd.yaml", dir), manifest);
	release("etcd.yaml");
	put(at("%s/var/lib/etcd/member/snap/db", dir), "joined");
	/* Where nothing was before. */
	put(at("%s/var/lib/nothing/0.wal", dir), "its log");
}

static int not_idle(void *ctx, struct err *e)
{
	(void)ctx;
	return err_set(e, ERR_DECLINED, "it runs");
}

/* What came after it: the rest of the join, and the kubelet. */
static void what_goes_away_may_be_followed_by_others(void **state)
{
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };

	(void)state;
	for (int same = 0; same < 2; same++) {
		const struct scene *scene = same ? &gone_same : &gone;
		learn(scene);
		verify(false);
		/* The first boot writes to what waits. */
		put(at("%s/" STATE "/held/etcd.yaml", dir), "join them");
		verify(false);
		finish(scene, BACK, old_state);

		learn(scene);
		put(at("%s/etc/etcd/etcd.conf", dir), same ? "old variables" : "variables, listed");
		join(same ? "old manifest" : "join them");
		put(at("%s/var/lib/kubelet/pods/5678/etc-hosts", dir), "new pod");
		char *joined = look();
		verify(true);
		/* Called off while etcd runs. */
		struct commit c = commit_of(&a);
		c.idle = not_idle;
		assert_int_equal(commit_open(&c, &e), 0);
		assert_int_equal(commit_rollback(&c, &e), ERR_DECLINED);
		e = (struct err){ 0 };
		is(joined);
		verify(true);
		free(joined);
		for (int m = 0;; m++) {
			learn(scene);
			join(same ? "old manifest" : "join them");
			put(at("%s/var/lib/kubelet/pods/5678/etc-hosts", dir), "new pod");
			free(new_state);
			new_state = look();
			const bool was_cut = cut(scene, BACK, m);
			is_safe(scene);
			/* The one or the other, at any instant. */
			assert_int_equal(access(at("%s/var/lib/kubelet/pods", dir), F_OK), 0);
			if (!was_cut)
				break;
			finish(scene, BACK, old_state);
		}
		is(old_state);
		assert_int_equal(
			access(at("%s/var/lib/etcd/member.rolled-back-%.8s/snap/db", dir, ID),
				F_OK),
			0);
		assert_int_equal(
			access(at("%s/var/lib/nothing.rolled-back-%.8s/0.wal", dir, ID), F_OK), 0);
	}
	/* What is forgotten is gone; nothing is missed. */
	learn(&gone);
	join("join them");
	uint64_t freed = 0;
	struct commit c = commit_of(&a);
	assert_int_equal(commit_open(&c, &e) || commit_forget(&freed, &c, &e), 0);
	assert_true(freed > 0);
	verify(true);
	/* Back by hand is not what was restored. */
	learn(&gone);
	assert_int_equal(rename(at("%s/var/lib/kubelet/pods.before-%.8s", dir, ID),
				 at("%s/var/lib/kubelet/pods", dir)),
		0);
	bool served;
	c = commit_of(&a);
	assert_int_equal(commit_open(&c, &e), 0);
	assert_int_equal(commit_verify(&served, &c, &e), ERR_MISMATCH);
	/* No directory, or a link. */
	fresh(&gone);
	put(at("%s/plain", dir), "x");
	assert_int_equal(symlink("var", at("%s/link", dir)), 0);
	c = commit_of(&a);
	e = (struct err){ 0 };
	assert_int_equal(commit_open(&c, &e) || commit_begin(&c, &about, &e), 0);
	assert_int_equal(
		commit_add_gone(&c, &(struct commit_place){ "", "plain" }, &e), ERR_DECLINED);
	assert_int_equal(
		commit_add_gone(&c, &(struct commit_place){ "", "link" }, &e), ERR_DECLINED);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_commit_survives_every_cut_when_pods_wait_for_the_first_boot),
		cmocka_unit_test(a_commit_survives_every_cut_when_directories_go_away),
		cmocka_unit_test(what_goes_away_may_be_followed_by_others),
		cmocka_unit_test(what_the_first_boot_did_with_its_own_is_as_it_should_be),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
