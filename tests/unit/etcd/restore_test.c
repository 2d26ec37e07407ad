#include "../bolt/fixture.h"

#include <fcntl.h>

#include "etcd/hashkv.h"
#include "etcd/live.h"
#include "etcd/restore.h"
#include "etcd/snapshot.h"
#include "etcd/status.h"
#include "etcd/verify.h"

#define GOLDEN "../tests/golden/etcd-3.5/snapshot.db"

struct snapshot {
	uint8_t *p;
	size_t len;
};

static int load(void **state)
{
	static struct snapshot s;
	CLOSE_FD int fd = open(GOLDEN, O_RDONLY | O_CLOEXEC);
	struct err e;

	if (fd < 0)
		return -1;
	s.len = (size_t)lseek(fd, 0, SEEK_END);
	s.p = malloc(s.len);
	*state = &s;
	return file_read_at(fd, s.p, s.len, 0, &e);
}

static int unload(void **state)
{
	struct snapshot *s = *state;

	free(s->p);
	return 0;
}

static const struct str urls[] = { { "http://127.0.0.1:23901", 22 } };
static const struct etcd_member members[] = { { 0xe5e059ccc61ab4b1, { "m1", 2 }, urls, 1 } };
static const struct etcd_cluster cluster = { 0x1234, { "tok", 3 }, members, 1 };

/* The second half of a restore, in memory. */
static int finish(int fd, const struct snapshot *s, const uint8_t digest[32], struct err *e)
{
	CLEAN_SCAN struct bolt_scan scan = { 0 };
	struct etcd_copied copied = { .size = s->len, .scan = &scan };
	struct etcd_restore_result result = { .cluster = &cluster };
	const struct etcd_restore r = { .edits = { .bump = 10, .mark_compacted = true } };

	*e = (struct err){ 0 };
	memcpy(copied.last, s->p + s->len - 32, 32);
	memcpy(copied.digest, digest, 32);
	bolt_scan_feed(&scan, (struct span){ s->p, s->len });
	if (ftruncate(fd, 0) || file_write_at(fd, s->p, s->len, 0, e))
		return -1;
	return etcd_restore_finish_db(&result, fd, &copied, &r, NULL, e);
}

static void every_flipped_byte_is_refused(void **state)
{
	struct snapshot *s = *state;
	struct etcd_copied copied = { .size = s->len };
	struct err e;

	memcpy(copied.last, s->p + s->len - 32, 32);
	codec_sha256_of(copied.digest, (struct span){ s->p, s->len - 32 });
	assert_int_equal(etcd_snapshot_check_trailer(&copied, &e), 0);
	for (size_t i = 0; i < s->len; i++) {
		s->p[i] ^= 0x10;
		memcpy(copied.last, s->p + s->len - 32, 32);
		codec_sha256_of(copied.digest, (struct span){ s->p, s->len - 32 });
		assert_int_equal(etcd_snapshot_check_trailer(&copied, &e), ERR_MISMATCH);
		s->p[i] ^= 0x10;
	}
}

/* Damage behind a trailer that was made to fit: refused with the page, or the result is
 * sound; never a crash.  Values may be off. */
static void damage_behind_a_right_trailer_is_refused_or_harmless(void **state)
{
	struct snapshot *s = *state;
	CLOSE_FD int fd = memfd_create("db", MFD_CLOEXEC);
	struct bolt_tally tally;
	struct bolt_db db;
	uint8_t digest[32];
	unsigned refused = 0, passed = 0;
	struct err e;

	memcpy(digest, s->p + s->len - 32, 32);
	for (size_t i = 0; i < s->len - 32; i += i < 4096 * 2 ? 1 : 5) {
		const uint8_t mask = (uint8_t)(1 << i % 8);
		s->p[i] ^= mask;
		if (finish(fd, s, digest, &e)) {
			refused++;
			assert_true(e.code && e.text[0]);
		} else {
			struct err e2 = { 0 };
			passed++;
			db = fixture_open(fd);
			if (bolt_check(&tally, &db, NULL, &e2))
				fail_msg("byte %zu: %s", i, e2.text);
		}
		s->p[i] ^= mask;
	}
	assert_true(refused > 100 && passed > 1000);
}

static void what_is_written_is_what_was_asked_for(void **state)
{
	struct snapshot *s = *state;
	CLOSE_FD int fd = memfd_create("db", MFD_CLOEXEC);
	struct arena a = ARENA(1 << 24);
	struct etcd_status status;
	struct bolt_db db;
	struct err e;

	assert_int_equal(finish(fd, s, s->p + s->len - 32, &e), 0);
	db = fixture_open(fd);
	assert_int_equal(lseek(fd, 0, SEEK_END), db.meta.pgid * db.meta.page_size);
	assert_int_equal(etcd_status_read(&status, &a, &db, &e), 0);
	assert_int_equal(status.revision, 32);
	assert_int_equal(status.compacted, 32);
	assert_int_equal(status.n_members, 1);
	assert_true(status.members->id == members[0].id && str_is(status.members->name, "m1"));
	assert_true(str_is(status.members->urls, "http://127.0.0.1:23901"));
	assert_int_equal(status.consistent_index, 1);
	assert_int_equal(status.term, 1);
	assert_true(str_is(
		status.confstate, "{\"voters\":[16564338165500523697],\"auto_leave\":false}"));
	assert_int_equal(etcd_verify_keys(&db, &e), 0);
	arena_free(&a);
}

struct counting {
	uint64_t keys, bytes;
};

static int count(void *ctx, const struct etcd_kv *kv, struct err *e)
{
	struct counting *c = ctx;

	(void)e;
	c->keys++;
	c->bytes += kv->value.len;
	return 0;
}

static void keys_are_counted_the_same_in_both_directions(void **state)
{
	struct snapshot *s = *state;
	CLOSE_FD int fd = memfd_create("db", MFD_CLOEXEC);
	CLEAN_BUF struct buf out = BUF(1 << 20);
	struct counting c = { 0 };
	struct etcd_live_visitor visitor = { count, &c, false };
	struct arena a = ARENA(1 << 24);
	struct etcd_status status;
	struct etcd_live_key key;
	struct etcd_hashkv hash;
	struct bolt_db db;
	struct err e = { 0 };

	assert_int_equal(file_write_at(fd, s->p, s->len - 32, 0, &e), 0);
	db = fixture_open(fd);
	assert_int_equal(etcd_status_read(&status, &a, &db, &e), 0);
	assert_int_equal(etcd_live_walk(&db, 0, &visitor, &e), 0);
	assert_int_equal(c.keys, status.live_keys);
	assert_int_equal(etcd_live_get(&key, &out, &db, SPAN("/txn/b"), 0, &e), 0);
	assert_true(key.found && span_equal(key.kv.value, SPAN("2")));
	assert_int_equal(etcd_live_get(&key, &out, &db, SPAN("/txn"), 0, &e), 0);
	assert_false(key.found);
	/* expect.json of the golden files */
	assert_int_equal(etcd_hashkv_read(&hash, &db, 0, &e), 0);
	assert_true(hash.hash == 3584600022u && hash.revision == 22 && hash.compacted == 14);
	struct err e2 = { 0 }, e3 = { 0 };
	assert_int_equal(etcd_hashkv_read(&hash, &db, 13, &e2), ERR_USAGE);
	assert_int_equal(etcd_hashkv_read(&hash, &db, 23, &e3), ERR_USAGE);
	arena_free(&a);
}

static void edits_that_do_not_fit_are_refused(void **state)
{
	static const char *const empty[] = { "" };
	static const struct etcd_edits wrong[] = {
		{ .bump = 5 },
		{ .mark_compacted = true },
		{ .bump = UINT64_MAX, .mark_compacted = true },
		{ .drop_keys = empty, .n_drop_keys = 1 },
		{ .drop_prefixes = empty, .n_drop_prefixes = 1 },
	};
	char one[65], two[65];
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct err refused = { 0 };
		assert_int_equal(etcd_edits_check(&wrong[i], &refused), ERR_USAGE);
	}
	const struct etcd_edits a = { .bump = 5, .mark_compacted = true, .cluster = &cluster };
	struct etcd_edits b = a;
	assert_int_equal(etcd_edits_digest(one, &a, &e), 0);
	assert_int_equal(etcd_edits_digest(two, &b, &e), 0);
	assert_string_equal(one, two);
	b.drop_leases = true;
	assert_int_equal(etcd_edits_digest(two, &b, &e), 0);
	assert_string_not_equal(one, two);
}

static void what_is_no_snapshot_is_named(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_true(etcd_snapshot_has_trailer(4096 * 5 + 32));
	assert_false(etcd_snapshot_has_trailer(4096 * 5));
	etcd_snapshot_no_trailer(&e, 0, (struct span){ 0 });
	assert_string_equal(e.text, "the file is empty");
	etcd_snapshot_no_trailer(&e, 100, SPAN("\x1f\x8b\x08"));
	assert_non_null(strstr(e.text, "gzip"));
	etcd_snapshot_no_trailer(&e, 100, SPAN("abc"));
	assert_non_null(strstr(e.text, "cut short"));
	etcd_snapshot_no_trailer(&e, 4096, SPAN("abc"));
	assert_non_null(strstr(e.text, "--skip-hash-check"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_flipped_byte_is_refused),
		cmocka_unit_test(damage_behind_a_right_trailer_is_refused_or_harmless),
		cmocka_unit_test(what_is_written_is_what_was_asked_for),
		cmocka_unit_test(keys_are_counted_the_same_in_both_directions),
		cmocka_unit_test(edits_that_do_not_fit_are_refused),
		cmocka_unit_test(what_is_no_snapshot_is_named),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
