/* A commit, its resumption or its rollback, cut before its n-th change; and all of them in turn. */
#pragma once

#include <sys/wait.h>

#include "commit_site.h"

/* With the sanitizers a fork takes long: cuts of a rollback of a cut commit are fewer then. */
#ifdef __SANITIZE_ADDRESS__
enum { STRIDE = 17 };
#else
enum { STRIDE = 7 };
#endif
enum { STEPS_MAX = 400 };

/* Ends the process, as a power cut or a kill would, before the n-th change. */
static int countdown;

static inline int die(void *ctx, const char *what, struct err *e)
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
static inline bool cut(const struct scene *scene, enum action action, int n)
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
static inline char *without(const char *state, const struct scene *scene)
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
static inline void is_safe(const struct scene *scene)
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

static inline void learn(const struct scene *scene)
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
static inline int no_stage(const char *path, const struct stat *st, int kind, struct FTW *ftw)
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

static inline void is_tidy(void)
{
	nftw(dir, no_stage, 16, FTW_PHYS);
	nftw(other, no_stage, 16, FTW_PHYS);
}

static inline void finish(const struct scene *scene, enum action action, const char *want)
{
	assert_false(cut(scene, action, STEPS_MAX));
	is(want);
	is_tidy();
	/* And again, which changes nothing. */
	if (phase_now() != JOURNAL_NONE)
		assert_false(cut(scene, action, STEPS_MAX));
	is(want);
}

static inline void sweep(const struct scene *scene)
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
