/* A member that does not fit beside its successor: moved to another file system and back, cut after
 * every single change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "target/commit.h"

#define STATE "var/lib/etcd-rescue"
#define ID    "0123abcdeeff00112233445566778899aabbccddeeff00112233445566778899"

enum { STEPS_MAX = 200 };

static char dir[64], other[64];
static struct root roots[2];
static struct commit_root devices[2];
static struct arena arena = ARENA(64 << 20);

static void put(const char *top, const char *path, const char *text)
{
	char whole[512];

	snprintf(whole, sizeof whole, "%s/%s", top, path);
	for (char *slash = strchr(whole + strlen(top) + 1, '/'); slash;
		slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(whole, 0750);
		*slash = '/';
	}
	FILE *f = fopen(whole, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* "": there is none. */
static const char *get(const char *top, const char *path)
{
	static char texts[4][64];
	static int turn;
	char whole[512], *text = texts[turn++ % 4];

	memset(text, 0, sizeof texts[0]);
	snprintf(whole, sizeof whole, "%s/%s", top, path);
	FILE *f = fopen(whole, "r");
	if (f) {
		assert_true(fread(text, 1, sizeof texts[0] - 1, f) > 0);
		fclose(f);
	}
	return text;
}

static void make(char *text, const char *name)
{
	snprintf(text, 64, "commit_moved_%s.XXXXXX", name);
	assert_non_null(mkdtemp(text));
}

static void setup(void)
{
	struct err e = { 0 };

	make(dir, "disk");
	make(other, "other");
	assert_int_equal(root_open(&roots[0], dir, &e) || root_open(&roots[1], other, &e), 0);
	devices[0] = (struct commit_root){ "", &roots[0] };
	devices[1] = (struct commit_root){ "UUID=other", &roots[1] };
	put(dir, "data/member/snap/db", "old db");
	put(dir, "data/member/wal/0.wal", "old wal");
	put(dir, "etc/etcd.yaml", "old manifest");
	put(other, "spare/mine", "mine");
}

static void teardown(void)
{
	char command[256];

	root_close(&roots[0]);
	root_close(&roots[1]);
	snprintf(command, sizeof command, "rm -rf %s %s", dir, other);
	assert_int_equal(system(command), 0);
	arena_free(&arena);
}

struct cut {
	int left; /* changes that may still be made; -1: all */
};

static int watch(void *ctx, const char *what, struct err *e)
{
	struct cut *cut = ctx;

	if (cut->left < 0 || cut->left-- > 0)
		return 0;
	cut->left = 0;
	return err_set(e, ERR_IO, "cut before: %s", what);
}

static struct commit opened(struct cut *cut)
{
	struct commit c = { .arena = &arena,
		.roots = devices,
		.n_roots = 2,
		.state = STATE,
		.watch = watch,
		.ctx = cut };
	struct err e = { 0 };

	assert_int_equal(commit_open(&c, &e), 0);
	return c;
}

static int stage(struct commit *c, struct err *e)
{
	const struct journal about = { .plan_id = ID, .generation = 1 };
	const struct commit_place aside = { "UUID=other", "spare/etcd" };
	const struct commit_place member = { "", "data/member" };
	const struct commit_file manifest = {
		.place = { "", "etc/etcd.yaml" }, .content = SPAN("new manifest"), .fence = true
	};
	struct root made = NO_ROOT;
	const char *inside;
	char path[256];

	if (commit_begin(c, &about, e) || commit_stage_directory(&made, &inside, c, &aside, e))
		return e->code;
	root_close(&made);
	snprintf(path, sizeof path, "%s/new/member/snap/db", inside);
	put(other, path, "new db");
	snprintf(path, sizeof path, "%s/new/member", inside);
	return commit_add_moved(c, &member, path, &aside, e) || commit_add_file(c, &manifest, e) ||
			       commit_prepare(c, e)
		       ? e->code
		       : 0;
}

/* Old and whole, new and whole, or fenced. */
static int state(void)
{
	const char *db = get(dir, "data/member/snap/db"), *pod = get(dir, "etc/etcd.yaml");

	assert_string_equal(get(other, "spare/mine"), "mine");
	if (!*pod)
		return 'f';
	if (!strcmp(pod, "old manifest")) {
		assert_string_equal(db, "old db");
		assert_string_equal(get(dir, "data/member/wal/0.wal"), "old wal");
		return 'o';
	}
	assert_string_equal(pod, "new manifest");
	assert_string_equal(db, "new db");
	assert_string_equal(get(dir, "data/member/wal/0.wal"), "");
	return 'n';
}

static void nothing_else(bool back)
{
	struct stat st;
	char path[256];
	static const char *const gone[] = { "data/member.etcd-rescue-in",
		"data/member.etcd-rescue-out", STATE "/intent", STATE "/stage" };

	for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, gone[i]);
		assert_int_equal(lstat(path, &st), -1);
	}
	snprintf(path, sizeof path, "%s/spare/etcd/.etcd-rescue", other);
	assert_int_equal(lstat(path, &st), -1);
	assert_string_equal(
		get(other, "spare/etcd/member.before-0123abcd/snap/db"), back ? "" : "old db");
	assert_string_equal(
		get(other, "spare/etcd/member.rolled-back-0123abcd/snap/db"), back ? "new db" : "");
}

/* Forwards with a cut before change `n`; false: it came to its end. */
static bool commit_cut(int n)
{
	struct cut cut = { -1 };
	struct commit c = opened(&cut);
	struct err e = { 0 };

	assert_int_equal(stage(&c, &e), 0);
	assert_int_equal(state(), 'o');
	cut.left = n;
	return commit_go(&c, &e);
}

static void a_cut_commit_goes_on(void **unused)
{
	int n = 0;

	(void)unused;
	for (bool was_cut = true; was_cut; n++) {
		struct cut cut = { -1 };
		struct err e = { 0 };
		assert_true(n < STEPS_MAX);
		setup();
		was_cut = commit_cut(n);
		state();
		struct commit c = opened(&cut);
		bool served;
		if (c.journal.phase != JOURNAL_COMMITTED)
			assert_int_equal(commit_resume(&c, &e), 0);
		assert_int_equal(state(), 'n');
		assert_int_equal(commit_verify(&served, &c, &e), 0);
		assert_false(served);
		if (was_cut)
			nothing_else(false);
		teardown();
	}
	assert_int_equal(n, 12); /* eleven changes, and once none was cut */
}

/* From each cut of a commit, and each cut of the rollback again. */
static void the_way_back_is_open_from_everywhere(void **unused)
{
	(void)unused;
	bool was_cut = true;
	for (int n = 2; was_cut; n++) {
		bool was_cut_back = true;
		for (int m = 0; was_cut_back; m++) {
			struct cut cut = { -1 };
			struct err e = { 0 };
			assert_true(m < STEPS_MAX);
			setup();
			was_cut = commit_cut(n);
			struct commit c = opened(&cut);
			assert_true(c.journal.phase >= JOURNAL_COMMITTING);
			cut.left = m;
			was_cut_back = commit_rollback(&c, &e);
			assert_true(state() != 'n' || was_cut_back);
			cut.left = -1;
			c = opened(&cut);
			e = (struct err){ 0 };
			if (c.journal.phase != JOURNAL_ROLLED_BACK)
				assert_int_equal(commit_rollback(&c, &e), 0);
			assert_int_equal(state(), 'o');
			if (was_cut_back && !was_cut)
				nothing_else(true);
			teardown();
		}
	}
}

static void what_changed_since_it_was_copied_stays(void **unused)
{
	struct cut cut = { -1 };
	struct err e = { 0 };

	(void)unused;
	setup();
	struct commit c = opened(&cut);
	assert_int_equal(stage(&c, &e), 0);
	put(dir, "data/member/snap/db", "newer db");
	assert_int_equal(commit_go(&c, &e), ERR_MISMATCH);
	assert_string_equal(get(dir, "data/member/snap/db"), "newer db");
	e = (struct err){ 0 };
	c = opened(&cut);
	assert_int_equal(commit_rollback(&c, &e), 0);
	assert_string_equal(get(dir, "data/member/snap/db"), "newer db");
	assert_string_equal(get(dir, "etc/etcd.yaml"), "old manifest");
	teardown();
}

static void what_is_abandoned_leaves_nothing_there(void **unused)
{
	struct cut cut = { -1 };
	struct err e = { 0 };
	struct stat st;
	char path[256];

	(void)unused;
	setup();
	struct commit c = opened(&cut);
	assert_int_equal(stage(&c, &e) || commit_abandon(&c, &e), 0);
	snprintf(path, sizeof path, "%s/spare/etcd/.etcd-rescue", other);
	assert_int_equal(lstat(path, &st), -1);
	assert_int_equal(state(), 'o');
	teardown();
}

static void forgotten_it_is_gone_there(void **unused)
{
	struct err e = { 0 };
	struct cut cut = { -1 };
	uint64_t told, freed;

	(void)unused;
	setup();
	assert_false(commit_cut(-1));
	struct commit c = opened(&cut);
	assert_int_equal(commit_old_size(&told, &c, &e) || commit_forget(&freed, &c, &e), 0);
	assert_true(freed && freed == told);
	assert_string_equal(get(other, "spare/etcd/member.before-0123abcd/snap/db"), "");
	assert_int_equal(state(), 'n');
	teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cut_commit_goes_on),
		cmocka_unit_test(the_way_back_is_open_from_everywhere),
		cmocka_unit_test(what_changed_since_it_was_copied_stays),
		cmocka_unit_test(what_is_abandoned_leaves_nothing_there),
		cmocka_unit_test(forgotten_it_is_gone_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
