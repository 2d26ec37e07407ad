/* A snapshot with its other half, from a directory into another one. */
#include "plan/fetch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/file.h"

#define GOLDEN "../tests/golden/etcd-3.5/1/db"
#define DB     "snapshot_2026-11-20_120000.db"
#define HALF   "static_kuberesources_2026-11-20_120000.tar.gz"

enum { DB_MAX = 16 << 20 };

struct place {
	struct arena arena;
	struct root root;
	char dir[64];
};

static const char *path_in(struct place *p, const char *name)
{
	return arena_print(&p->arena, "%s/%s", p->dir, name);
}

static void put(struct place *p, const char *name, struct span bytes)
{
	struct err e = { 0 };
	CLOSE_FD int fd = open(path_in(p, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, bytes.p, bytes.len, &e), 0);
}

static int start(void **state)
{
	static struct place p;
	CLEAN_BUF struct buf db = BUF(DB_MAX);
	CLOSE_FD int fd = open(GOLDEN, O_RDONLY | O_CLOEXEC);
	struct err e = { 0 };

	p = (struct place){ .arena = ARENA(64 << 20) };
	snprintf(p.dir, sizeof p.dir, "/tmp/fetch-test-XXXXXX");
	*state = &p;
	if (!mkdtemp(p.dir) || mkdir(path_in(&p, "from"), 0700) || file_read_fd(&db, fd, &e) ||
		root_open(&p.root, "/", &e))
		return -1;
	put(&p, "from/" DB, buf_span(&db));
	put(&p, "from/" HALF, (struct span){ (const uint8_t *)"the other half", 14 });
	return 0;
}

static int end(void **state)
{
	struct place *p = *state;
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", p->dir);
	root_close(&p->root);
	arena_free(&p->arena);
	return system(command); /* NOLINT: a name of our own */
}

/* What was said of something that went well in the end is not the outcome. */
static struct err stale(void)
{
	return (struct err){ .code = ERR_NET, .text = "said before, and got over" };
}

static void fetch_is_judged_by_what_happens_to_it(void **state)
{
	struct place *p = *state;
	const struct source_settings settings = { .url = path_in(p, "from"), .root = &p->root };
	const struct choose_wish wish = { .catalogue = { .now = 1795262400 } };
	struct fetch_wish how = { .to = path_in(p, "to"), .whole = true, .skip_hash = true };

	/* The second time it replaces what is there. */
	for (unsigned round = 0; round < 2; round++) {
		CLEAN_CHOOSE struct choose c = { 0 };
		struct fetch_result result = { 0 };
		struct stat st;
		struct err e = { 0 };
		how.replace = round > 0;
		assert_int_equal(choose_open(&c, &p->arena, &settings, &wish, &e), 0);
		e = stale();
		assert_int_equal(fetch_run(&result, &c, &how, &e), 0);
		assert_string_equal(result.main.path, path_in(p, "to/" DB));
		assert_true(result.main.revision > 0);
		assert_int_equal(result.n_others, 1);
		assert_int_equal(stat(path_in(p, "to/" HALF), &st), 0);
		assert_int_equal(st.st_size, 14);
	}
}

/* As a connection that was lost and came back leaves its error behind. */
static int read_with_a_scare(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	if (file_read_some(got, *(const int *)ctx, bytes, room, e))
		return e->code;
	*e = stale();
	return 0;
}

static void feed_forgets_what_its_source_got_over(void **state)
{
	struct place *p = *state;
	CLOSE_FD int fd = open(GOLDEN, O_RDONLY | O_CLOEXEC);
	CLEAN_FEED struct feed feed = { 0 };
	struct stream raw = { read_with_a_scare, NULL, &fd, 0 };
	const struct feed_settings how = {
		.name = DB, .size = UINT64_MAX, .step = "test", .arena = &p->arena
	};
	struct err e = stale();
	uint8_t bytes[4096];
	size_t got = 1;

	assert_int_equal(feed_open(&feed, &how, &raw, &e), 0);
	const struct stream db = feed_stream(&feed);
	while (got) {
		assert_int_equal(stream_read(&db, &got, bytes, sizeof bytes, &e), 0);
		assert_int_equal(e.code, 0);
	}
	assert_int_equal(stream_read(&db, &got, bytes, sizeof bytes, &e), 0);
	assert_int_equal(got, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fetch_is_judged_by_what_happens_to_it, start, end),
		cmocka_unit_test_setup_teardown(feed_forgets_what_its_source_got_over, start, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
