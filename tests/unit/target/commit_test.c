/* A commit and its rollback on real directories, cut after every single change, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "os/file.h"
#include "target/commit.h"

#define STATE "var/lib/etcd-rescue"
#define ID    "0123abcdeeff00112233445566778899aabbccddeeff00112233445566778899"

/* With the sanitizers a fork takes long: cuts of a rollback of a cut commit are fewer then. */
#ifdef __SANITIZE_ADDRESS__
enum { STRIDE = 17 };
#else
enum { STRIDE = 7 };
#endif
enum { TEXT = 64 * 1024, STEPS_MAX = 400 };

/* Two file systems: below build/, and in memory. */
static char dir[64], other[64];
static struct root roots[2];
static struct commit_root devices[2];

/* What one scenario is made of. */
struct scene {
	void (*old)(void);
	int (*stage)(struct commit *c, struct err *e);
	const char *const *fences;  /* without these etcd does not start */
	const char *const *dropins; /* with these neither */
};

static const char *at(const char *fmt, ...)
{
	static char texts[8][512];
	static int turn;
	char *text = texts[turn++ % 8];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof texts[0], fmt, ap);
	va_end(ap);
	return text;
}

static void put(const char *path, const char *text)
{
	char whole[512];
	snprintf(whole, sizeof whole, "%s", path);
	for (char *slash = strchr(whole + 2, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(whole, 0755);
		*slash = '/';
	}
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void put_fd(int fd, const char *path, const char *text)
{
	char whole[512];
	snprintf(whole, sizeof whole, "%s", path);
	for (char *slash = strchr(whole, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdirat(fd, whole, 0700);
		*slash = '/';
	}
	const int f = openat(fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(f >= 0);
	assert_int_equal(write(f, text, strlen(text)), strlen(text));
	close(f);
}

static char *seen;

static int see(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	char text[256] = "";

	(void)st;
	(void)ftw;
	/* What is ours does not count: state, what is kept aside, what is staged. */
	if (strstr(path, "etcd-rescue") || strstr(path, ".before-") ||
		strstr(path, ".rolled-back-"))
		return 0;
	if (kind == FTW_F) {
		FILE *f = fopen(path, "r");
		text[f ? fread(text, 1, sizeof text - 1, f) : 0] = 0;
		if (f)
			fclose(f);
		char *line = NULL;
		assert_true(asprintf(&line, "%s=%s\n", path, text) > 0);
		assert_true(strlen(seen) + strlen(line) < TEXT);
		strcat(seen, line);
		free(line);
	}
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All files that are not ours, sorted, with their content. */
static char *look(void)
{
	char *lines[256], *sorted = calloc(1, TEXT), *save = NULL;
	size_t n = 0;

	seen = calloc(1, TEXT);
	nftw(dir, see, 16, FTW_PHYS);
	nftw(other, see, 16, FTW_PHYS);
	for (char *l = strtok_r(seen, "\n", &save); l && n < 256; l = strtok_r(NULL, "\n", &save))
		lines[n++] = l;
	qsort(lines, n, sizeof *lines, by_text);
	for (size_t i = 0; i < n; i++) {
		strcat(sorted, lines[i]);
		strcat(sorted, "\n");
	}
	free(seen);
	return sorted;
}

static int wipe(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void clear(void)
{
	root_close(&roots[0]);
	root_close(&roots[1]);
	nftw(dir, wipe, 16, FTW_PHYS | FTW_DEPTH);
	nftw(other, wipe, 16, FTW_PHYS | FTW_DEPTH);
}

static void fresh(const struct scene *scene)
{
	struct err e = { 0 };

	clear();
	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(mkdir(other, 0755), 0);
	assert_int_equal(root_open(&roots[0], dir, &e), 0);
	assert_int_equal(root_open(&roots[1], other, &e), 0);
	devices[0] = (struct commit_root){ "", &roots[0] };
	devices[1] = (struct commit_root){ "UUID=other", &roots[1] };
	scene->old();
}

static int begin(void **state)
{
	(void)state;
	roots[0] = roots[1] = NO_ROOT;
	/* In memory where that is possible: each cut syncs a hundred times. */
	strcpy(dir,
		access("/dev/shm", W_OK) ? "./commit_test.XXXXXX" : "/dev/shm/commit_test.XXXXXX");
	strcpy(other, "./commit_other.XXXXXX");
	return !mkdtemp(dir) || !mkdtemp(other);
}

static int end(void **state)
{
	(void)state;
	clear();
	return 0;
}

static struct commit commit_of(struct arena *a)
{
	return (struct commit){ .arena = a, .roots = devices, .n_roots = 2, .state = STATE };
}

static const struct journal about = { .plan_id = ID, .generation = 1, .version = "test" };

static int all(struct commit *c, const struct scene *scene, struct err *e)
{
	return commit_open(c, e) || commit_begin(c, &about, e) || scene->stage(c, e) ||
			       commit_prepare(c, e) || commit_go(c, e)
		       ? e->code
		       : 0;
}

/* Ends the process, as a power cut or a kill would, before the n-th change. */
static int countdown;

static int die(void *ctx, const char *what, struct err *e)
{
	(void)ctx;
	(void)what;
	(void)e;
	if (!countdown--)
		_exit(9);
	return 0;
}

enum action { ALL, RESUME, BACK };

/* True: it was cut before its n-th change. */
static bool cut(const struct scene *scene, enum action action, int n)
{
	int status;
	const pid_t child = fork();

	if (!child) {
		struct arena a = ARENA(64 << 20);
		struct err e = { 0 };
		struct commit c = commit_of(&a);
		c.watch = die;
		countdown = n;
		int rc = action == ALL ? all(&c, scene, &e) : commit_open(&c, &e);
		if (!rc && action == RESUME)
			rc = commit_resume(&c, &e);
		if (!rc && action == BACK)
			rc = commit_rollback(&c, &e);
		if (rc)
			fprintf(stderr, "step %d: %s\n", n, e.text);
		_exit(rc ? 1 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 9 || WEXITSTATUS(status) == 0);
	return WEXITSTATUS(status) == 9;
}

static char *old_state, *new_state;

/* The file's own lines of a look, without the fences. */
static char *without(const char *state, const struct scene *scene)
{
	char *out = calloc(1, TEXT), *copy = strdup(state), *save = NULL;

	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		bool fence = false;
		for (const char *const *f = scene->fences; f && *f; f++)
			fence |= strstr(l, *f) != NULL;
		for (const char *const *f = scene->dropins; f && *f; f++)
			fence |= strstr(l, *f) != NULL;
		if (!fence)
			strcat(strcat(out, l), "\n");
	}
	free(copy);
	return out;
}

/* Either etcd cannot start, or all is old, or all is new. */
static void is_safe(const struct scene *scene)
{
	char *now = look(), *files = without(now, scene);
	char *olds = without(old_state, scene), *news = without(new_state, scene);
	bool fenced = true;

	for (const char *const *f = scene->fences; f && *f; f++)
		fenced &= !strstr(now, *f);
	if (scene->dropins) {
		fenced = false;
		for (const char *const *f = scene->dropins; *f; f++)
			fenced |= strstr(now, *f) != NULL;
	}
	if (!fenced && strcmp(files, olds) && strcmp(files, news))
		fail_msg("etcd may start on a mixture:\n%s", now);
	free(now);
	free(files);
	free(olds);
	free(news);
}

static void is(const char *want)
{
	char *now = look();

	assert_string_equal(now, want);
	free(now);
}

static enum journal_phase phase_now(void)
{
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };
	struct commit c = commit_of(&a);

	assert_int_equal(commit_open(&c, &e), 0);
	const enum journal_phase phase = c.journal.phase;
	arena_free(&a);
	return phase;
}

static void learn(const struct scene *scene)
{
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };
	struct commit c = commit_of(&a);

	fresh(scene);
	free(old_state);
	free(new_state);
	new_state = NULL;
	old_state = look();
	if (all(&c, scene, &e))
		fail_msg("%s", e.text);
	new_state = look();
	assert_string_not_equal(old_state, new_state);
	assert_int_equal(phase_now(), JOURNAL_COMMITTED);
	arena_free(&a);
}

/* Nothing staged is left anywhere. */
static int no_stage(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	if (strstr(path, "/.etcd-rescue") || strstr(path, ".etcd-rescue-") ||
		strstr(path, STATE "/stage") || strstr(path, STATE "/intent") ||
		strstr(path, ".going"))
		fail_msg("left behind: %s", path);
	return 0;
}

static void is_tidy(void)
{
	nftw(dir, no_stage, 16, FTW_PHYS);
	nftw(other, no_stage, 16, FTW_PHYS);
}

static void finish(const struct scene *scene, enum action action, const char *want)
{
	assert_false(cut(scene, action, STEPS_MAX));
	is(want);
	is_tidy();
	/* And again, which changes nothing. */
	if (phase_now() != JOURNAL_NONE)
		assert_false(cut(scene, action, STEPS_MAX));
	is(want);
}

static void sweep(const struct scene *scene)
{
	int n;

	learn(scene);
	for (n = 0;; n++) {
		fresh(scene);
		const bool was_cut = cut(scene, ALL, n);
		assert_true(n < STEPS_MAX);
		is_safe(scene);
		const enum journal_phase phase = phase_now();
		if (!was_cut)
			break;
		if (phase <= JOURNAL_PREPARED) {
			is(old_state);
			/* Starting anew converges. */
			assert_false(cut(scene, ALL, STEPS_MAX));
			is(new_state);
			is_tidy();
			continue;
		}
		finish(scene, RESUME, new_state);
		assert_int_equal(phase_now(), JOURNAL_COMMITTED);

		fresh(scene);
		assert_true(cut(scene, ALL, n));
		finish(scene, BACK, old_state);
		assert_int_equal(phase_now(),
			phase == JOURNAL_PREPARED ? JOURNAL_NONE : JOURNAL_ROLLED_BACK);

		/* Cut again on the way back, and on the way on. */
		for (int m = 0; m < STEPS_MAX; m += STRIDE) {
			fresh(scene);
			assert_true(cut(scene, ALL, n));
			if (!cut(scene, BACK, m))
				break;
			is_safe(scene);
			finish(scene, BACK, old_state);
		}
	}
	assert_true(n > 8);
	/* From a whole commit back. */
	for (int m = 0;; m++) {
		fresh(scene);
		assert_false(cut(scene, ALL, STEPS_MAX));
		is(new_state);
		const bool was_cut = cut(scene, BACK, m);
		is_safe(scene);
		if (!was_cut)
			break;
		finish(scene, BACK, old_state);
		assert_int_equal(phase_now(), JOURNAL_ROLLED_BACK);
	}
	is(old_state);
	/* And the same plan once more. */
	assert_false(cut(scene, ALL, STEPS_MAX));
	is(new_state);
	finish(scene, BACK, old_state);
}

static int stage_member(struct commit *c, const struct commit_place *data, const char *db,
	const char *name, struct err *e)
{
	CLEAN_ROOT struct root stage = NO_ROOT;
	const char *inside;

	if (commit_stage_directory(&stage, &inside, c, data, e))
		return e->code;
	put_fd(stage.fd, at("%s/member/snap/db", name), db);
	put_fd(stage.fd, at("%s/member/wal/0000000000000000-0000000000000000.wal", name), "wal");
	const struct commit_place place = { data->device,
		at("%s%smember", data->path, *data->path ? "/" : "") };
	return commit_add_directory(c, &place, at("%s/%s/member", inside, name), e);
}

static int stage_text(struct commit *c, const char *device, const char *path, const char *text,
	bool fence, struct err *e)
{
	return commit_add_file(c,
		&(struct commit_file){ .place = { device, path },
			.content = { (const uint8_t *)text, text ? strlen(text) : 0 },
			.remove = !text,
			.fence = fence },
		e);
}

/* kubeadm: one disk. */
static void old_plain(void)
{
	put(at("%s/var/lib/etcd/member/snap/db", dir), "old db");
	put(at("%s/var/lib/etcd/member/wal/0000000000000003-00000000000000aa.wal", dir), "old");
	put(at("%s/etc/kubernetes/manifests/etcd.yaml", dir), "old manifest");
	put(at("%s/etc/kubernetes/admin.conf", dir), "old admin");
	put(at("%s/etc/kubernetes/dead.conf", dir), "goes away");
	put(at("%s/etc/kubernetes/same.conf", dir), "stays");
}

static int stage_plain(struct commit *c, struct err *e)
{
	return stage_member(c, &(struct commit_place){ "", "var/lib/etcd" }, "new db", "new", e) ||
			       stage_text(
				       c, "", "etc/kubernetes/admin.conf", "new admin", false, e) ||
			       stage_text(c, "", "etc/kubernetes/dead.conf", NULL, false, e) ||
			       stage_text(c, "", "etc/kubernetes/same.conf", "stays", false, e) ||
			       stage_text(c, "", "etc/kubernetes/pki/new.crt", "cert", false, e) ||
			       stage_text(c, "", "etc/kubernetes/manifests/etcd.yaml",
				       "new manifest", true, e)
		       ? e->code
		       : 0;
}

static const char *const fence_plain[] = { "manifests/etcd.yaml=", NULL };
static const struct scene plain = { old_plain, stage_plain, fence_plain, NULL };

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
			free(new_state);
			new_state = look();
			const bool was_cut = cut(scene, BACK, m);
			is_safe(scene);
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
		cmocka_unit_test(a_commit_survives_every_cut_on_one_disk),
		cmocka_unit_test(a_commit_survives_every_cut_with_a_service_and_no_old_member),
		cmocka_unit_test(a_commit_survives_every_cut_with_two_clusters_on_another_disk),
		cmocka_unit_test(a_commit_survives_every_cut_with_a_wal_directory_that_is_a_mount),
		cmocka_unit_test(a_commit_survives_every_cut_when_files_lie_on_another_disk),
		cmocka_unit_test(a_commit_survives_every_cut_when_pods_wait_for_the_first_boot),
		cmocka_unit_test(a_commit_survives_every_cut_when_directories_go_away),
		cmocka_unit_test(what_goes_away_may_be_followed_by_others),
		cmocka_unit_test(what_the_first_boot_did_with_its_own_is_as_it_should_be),
		cmocka_unit_test(what_somebody_else_changed_is_left_alone),
		cmocka_unit_test(a_commit_whose_machine_has_run_since_is_whole),
		cmocka_unit_test(what_is_staged_and_has_changed_is_not_put_in_place),
		cmocka_unit_test(a_rollback_does_not_take_the_database_from_a_running_etcd),
		cmocka_unit_test(metadata_of_the_old_are_those_of_the_new),
		cmocka_unit_test(an_abandoned_attempt_does_not_hide_the_restore_before),
		cmocka_unit_test(verify_tells_what_is_not_what_was_restored),
		cmocka_unit_test(what_is_forgotten_cannot_be_rolled_back),
		cmocka_unit_test(what_is_immutable_is_refused_or_opened_and_closed_again),
		cmocka_unit_test(what_is_to_be_replaced_may_not_be_a_link),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
