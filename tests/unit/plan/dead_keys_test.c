#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "base/buf.h"
#include "bolt/tx.h"
#include "etcd/live.h"
#include "etcd/schema.h"
#include "os/file.h"
#include "plan/dead_keys.h"

/* A real cluster of version 1.20, and the same with the keys of a later one in it. */
struct snapshot {
	int fd;
	struct bolt_db db;
};

static struct arena arena = ARENA(64 << 20);

static int unpack(void **state)
{
	static struct snapshot s;
	static uint8_t bytes[64 << 10];
	gzFile in = gzopen("../tests/golden/kubernetes/snapshot.db.gz", "rb");
	uint64_t size = 0;
	struct err e = { 0 };
	int n;

	assert_non_null(in);
	s.fd = memfd_create("db", MFD_CLOEXEC);
	while ((n = gzread(in, bytes, sizeof bytes)) > 0) {
		assert_int_equal(file_write_at(s.fd, bytes, (size_t)n, size, &e), 0);
		size += (uint64_t)n;
	}
	gzclose(in);
	assert_int_equal(bolt_db_open(&s.db, s.fd, size - size % 512, &e), 0);
	*state = &s;
	return 0;
}

static int clean(void **state)
{
	close(((struct snapshot *)*state)->fd);
	arena_free(&arena);
	return 0;
}

static const char *print(const struct etcd_edits *edits)
{
	const char *text = "";

	for (size_t i = 0; i < edits->n_drop_keys; i++)
		text = arena_print(&arena, "%s%s\n", text, edits->drop_keys[i]);
	return text;
}

static const char *dead(
	const struct snapshot *s, const struct plan *plan, const struct etcd_known_member *members)
{
	struct etcd_edits edits = { 0 };
	struct err e = { 0 };

	if (plan_dead_keys(&edits, &arena, plan, members, &s->db, NULL, &e))
		fail_msg("%s", e.text);
	return print(&edits);
}

#define LEADERS                                                                                    \
	"/registry/leases/kube-system/kube-controller-manager\n"                                   \
	"/registry/leases/kube-system/kube-scheduler\n"

static void leaders_and_servers_of_a_real_snapshot(void **state)
{
	const struct plan plan = { 0 };

	assert_string_equal(dead(*state, &plan, NULL), LEADERS);
}

/* One key more, or its tombstone. */
static void put(struct bolt_tx *tx, const char *key, int64_t revision, bool gone)
{
	CLEAN_BUF struct buf value = BUF(1000);
	uint8_t rev[ETCD_REV_SIZE + 1];
	const struct etcd_kv kv = { { (const uint8_t *)key, strlen(key) }, SPAN("x"), revision,
		revision, 1, 0 };
	struct err e = { 0 };

	assert_int_equal(etcd_kv_write(&value, &kv, &e), 0);
	const size_t n = etcd_rev_write(rev, (struct etcd_rev){ revision, 0, gone });
	const struct str texts[] = { { (const char *)rev, n }, buf_text(&value) };
	bolt_tx_put(tx, ETCD_KEY, (struct span){ (const uint8_t *)arena_copy(&arena, texts[0]), n },
		(struct span){ (const uint8_t *)arena_copy(&arena, texts[1]), texts[1].len });
}

static void add_keys(struct snapshot *s)
{
	static const char *const keys[] = { "/registry/masterleases/10.0.0.2",
		"/registry/masterleases/10.0.0.1", "/registry/masterleases/fd00::1",
		"/registry/leases/kube-system/cloud-controller-manager",
		"/registry/leases/kube-system/apiserver-abc",
		"/registry/leases/kube-system/kube-apiserver-1b2c",
		"/registry/leases/kube-system/my-operator", "/registry/leases/other/apiserver-x",
		"/registry/leases/kube-node-lease/m1", "/registry/leases/kube-node-lease/m2",
		"/registry/leases/kube-node-lease/m3", "/registry/leases/kube-node-lease/m4",
		"/registry/leases/kube-node-lease/m5", "/registry/leases/kube-node-lease/worker-1",
		"/registry/masterleases/10.0.0.9", "/masterleases/1.2.3.4",
		"/registry/masterleases", "/kubernetes.io/masterleases/10.0.0.7",
		"/registry/masterleasesx/1.1.1.1" };
	struct etcd_revisions r;
	struct bolt_tx tx = bolt_tx_begin(&s->db, &arena);
	struct err e = { 0 };

	assert_int_equal(etcd_revisions_read(&r, &s->db, &e), 0);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		put(&tx, keys[i], r.current + 1 + (int64_t)i, false);
	put(&tx, "/registry/masterleases/10.0.0.9", r.current + 100, true);
	if (bolt_tx_commit(&tx, &e))
		fail_msg("%s", e.text);
}

#define SERVERS                                                                                    \
	"/kubernetes.io/masterleases/10.0.0.7\n"                                                   \
	"%s"                                                                                       \
	"/registry/leases/kube-system/apiserver-abc\n"                                             \
	"/registry/leases/kube-system/cloud-controller-manager\n"                                  \
	"/registry/leases/kube-system/kube-apiserver-1b2c\n" LEADERS                               \
	"/registry/masterleases/10.0.0.1\n"                                                        \
	"/registry/masterleases/10.0.0.2\n"                                                        \
	"/registry/masterleases/fd00::1\n"

#define NODE "/registry/leases/kube-node-lease/"

static void nodes_that_are_gone(void **state)
{
	struct snapshot *s = *state;
	struct plan_member planned[] = { { .name = "m1" }, { .name = "etcd-m2" } };
	struct plan_replace replace[] = { { .from = "m3", .to = "m5" },
		{ .from = "10.0.0.1", .to = "10.0.0.2" }, { .from = "m5", .to = "m9" } };
	struct etcd_known_member third = { .name = STR("etcd-member-m4") };
	struct etcd_known_member second = { .name = STR("m2"), .next = &third };
	struct etcd_known_member first = { .name = STR("m1"), .next = &second };
	struct plan plan = { 0 };

	add_keys(s);
	/* No member list in the plan: nobody but the API servers is known to be gone. */
	assert_string_equal(dead(s, &plan, &first), arena_print(&arena, SERVERS, ""));
	plan.replace = (struct plan_replaces){ replace, 2 };
	assert_string_equal(dead(s, &plan, NULL), arena_print(&arena, SERVERS, NODE "m3\n"));
	/* m5 takes m3's place, whoever went before. */
	plan.replace.n = 3;
	assert_string_equal(dead(s, &plan, NULL), arena_print(&arena, SERVERS, NODE "m3\n"));
	plan.cluster.members = (struct plan_members){ planned, 2 };
	assert_string_equal(
		dead(s, &plan, &first), arena_print(&arena, SERVERS, NODE "m3\n" NODE "m4\n"));
	/* Twice the same. */
	assert_string_equal(dead(s, &plan, &first), dead(s, &plan, &first));
}

static void what_is_named_can_be_dropped(void **state)
{
	struct snapshot *s = *state;
	const struct plan plan = { 0 };
	struct etcd_edits edits = { 0 };
	struct etcd_edited edited;
	struct err e = { 0 };

	assert_int_equal(plan_dead_keys(&edits, &arena, &plan, NULL, &s->db, NULL, &e), 0);
	const size_t n = edits.n_drop_keys;
	assert_true(n > 0);
	assert_int_equal(etcd_edits_check(&edits, &e), 0);
	if (etcd_edits_apply(&edited, &s->db, &edits, NULL, &e))
		fail_msg("%s", e.text);
	assert_int_equal(edited.dropped_keys, n);
	assert_int_equal(plan_dead_keys(&edits, &arena, &plan, NULL, &s->db, NULL, &e), 0);
	assert_int_equal(edits.n_drop_keys, 0);
}

static void nothing_is_dropped_when_the_plan_says_so(void **state)
{
	const struct plan plan = { .drop_keys = PLAN_DROP_KEYS_NO };
	struct etcd_edits edits = { .drop_keys = (const char *[]){ "x" }, .n_drop_keys = 1 };
	struct err e = { 0 };
	struct snapshot *s = *state;

	assert_int_equal(plan_dead_keys(&edits, &arena, &plan, NULL, &s->db, NULL, &e), 0);
	assert_true(!edits.n_drop_keys && !edits.drop_keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaders_and_servers_of_a_real_snapshot),
		cmocka_unit_test(nodes_that_are_gone),
		cmocka_unit_test(what_is_named_can_be_dropped),
		cmocka_unit_test(nothing_is_dropped_when_the_plan_says_so),
	};

	return cmocka_run_group_tests(tests, unpack, clean);
}
