/* The disk that a commit is tried on: two file systems, what is on them, and one plain restore. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "target/commit.h"

#define STATE "var/lib/etcd-rescue"
#define ID    "0123abcdeeff00112233445566778899aabbccddeeff00112233445566778899"

enum { TEXT = 64 * 1024 };

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

static inline const char *at(const char *fmt, ...)
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

static inline void put(const char *path, const char *text)
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

static inline void put_fd(int fd, const char *path, const char *text)
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

static inline int see(const char *path, const struct stat *st, int kind, struct FTW *ftw)
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

static inline int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All files that are not ours, sorted, with their content. */
static inline char *look(void)
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

static inline int wipe(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline void clear(void)
{
	root_close(&roots[0]);
	root_close(&roots[1]);
	nftw(dir, wipe, 16, FTW_PHYS | FTW_DEPTH);
	nftw(other, wipe, 16, FTW_PHYS | FTW_DEPTH);
}

static inline void fresh(const struct scene *scene)
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

static inline int begin(void **state)
{
	(void)state;
	roots[0] = roots[1] = NO_ROOT;
	/* In memory where that is possible: each cut syncs a hundred times. */
	strcpy(dir,
		access("/dev/shm", W_OK) ? "./commit_test.XXXXXX" : "/dev/shm/commit_test.XXXXXX");
	strcpy(other, "./commit_other.XXXXXX");
	return !mkdtemp(dir) || !mkdtemp(other);
}

static inline int end(void **state)
{
	(void)state;
	clear();
	return 0;
}

static inline struct commit commit_of(struct arena *a)
{
	return (struct commit){ .arena = a, .roots = devices, .n_roots = 2, .state = STATE };
}

static const struct journal about = { .plan_id = ID, .generation = 1, .version = "test" };

static inline int all(struct commit *c, const struct scene *scene, struct err *e)
{
	return commit_open(c, e) || commit_begin(c, &about, e) || scene->stage(c, e) ||
			       commit_prepare(c, e) || commit_go(c, e)
		       ? e->code
		       : 0;
}

static inline void is(const char *want)
{
	char *now = look();

	assert_string_equal(now, want);
	free(now);
}

static inline enum journal_phase phase_now(void)
{
	struct arena a = ARENA(64 << 20);
	struct err e = { 0 };
	struct commit c = commit_of(&a);

	assert_int_equal(commit_open(&c, &e), 0);
	const enum journal_phase phase = c.journal.phase;
	arena_free(&a);
	return phase;
}

static inline int stage_member(struct commit *c, const struct commit_place *data, const char *db,
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

static inline int stage_text(struct commit *c, const char *device, const char *path,
	const char *text, bool fence, struct err *e)
{
	return commit_add_file(c,
		&(struct commit_file){ .place = { device, path },
			.content = { (const uint8_t *)text, text ? strlen(text) : 0 },
			.remove = !text,
			.fence = fence },
		e);
}

/* kubeadm: one disk. */
static inline void old_plain(void)
{
	put(at("%s/var/lib/etcd/member/snap/db", dir), "old db");
	put(at("%s/var/lib/etcd/member/wal/0000000000000003-00000000000000aa.wal", dir), "old");
	put(at("%s/etc/kubernetes/manifests/etcd.yaml", dir), "old manifest");
	put(at("%s/etc/kubernetes/admin.conf", dir), "old admin");
	put(at("%s/etc/kubernetes/dead.conf", dir), "goes away");
	put(at("%s/etc/kubernetes/same.conf", dir), "stays");
}

static inline int stage_plain(struct commit *c, struct err *e)
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
