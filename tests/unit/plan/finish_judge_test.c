/* What may go and what stays, by objects as API servers print them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "plan/finish_clean.h"
#include "plan/finish_cron.h"

static struct arena arena = ARENA(64 << 20);
static struct err e;

static const struct doc_node *object(const char *text)
{
	struct doc doc;

	e = (struct err){ 0 };
	if (doc_parse(&doc, &arena, str_from(text), "object", DOC_JSON, DOC_LIMITS, &e))
		fail_msg("%s", e.text);
	return doc.root;
}

#define NODE(name, role, ready)                                                                    \
	"{\"metadata\":{\"name\":\"" name "\",\"labels\":{\"" role "\":\"\"}},\"status\":{"        \
	"\"conditions\":[{\"type\":\"MemoryPressure\",\"status\":\"False\"},{\"type\":\"Ready\","  \
	"\"status\":\"" ready "\"}]}}"
#define MASTER "node-role.kubernetes.io/control-plane"

static void only_a_replaced_master_that_is_not_ready_is_lost(void **state)
{
	static const char *lost[] = { "old", "m2", "me", "worker" };
	static struct finish_member members[] = { { .name = "m2" } };
	static struct finish_cluster clusters[] = {
		{ .what = "etcd", .members = members, .n = 1 }
	};
	const struct finish_record r = {
		.node = "me", .lost = { lost, 4 }, .clusters = clusters, .n_clusters = 1
	};

	(void)state;
	assert_non_null(finish_node_lost(object(NODE("old", MASTER, "Unknown")), &r));
	assert_non_null(finish_node_lost(
		object(NODE("old", "node-role.kubernetes.io/master", "False")), &r));
	assert_null(finish_node_lost(object(NODE("old", MASTER, "True")), &r));
	assert_null(finish_node_lost(object(NODE("other", MASTER, "Unknown")), &r));
	assert_null(finish_node_lost(object(NODE("m2", MASTER, "Unknown")), &r));
	assert_null(finish_node_lost(object(NODE("me", MASTER, "Unknown")), &r));
	assert_null(finish_node_lost(object(NODE("worker", "x", "Unknown")), &r));
}

#define SILENT(name, role, created, ready, heard)                                                  \
	"{\"metadata\":{\"name\":\"" name "\",\"creationTimestamp\":\"" created                    \
	"\",\"labels\":{\"" role "\":\"\"}},\"status\":{\"conditions\":[{\"type\":\"Ready\","      \
	"\"status\":\"" ready "\",\"lastHeartbeatTime\":\"" heard "\"}]}}"
#define BEFORE "2026-11-20T00:00:00Z"
#define AFTER  "2026-11-21T12:00:01Z"

static void a_silent_master_of_openshift_that_is_no_member_is_lost(void **state)
{
	static const char *known[] = { "m1", "m2", "m3", "w1" };
	static struct finish_member members[] = { { .name = "etcd-member-m1" } };
	static struct finish_cluster clusters[] = {
		{ .what = "etcd", .members = members, .n = 1 }
	};
	struct finish_record r = { .node = "m1",
		.layout = "openshift-4.2",
		.restored = 1795262400,
		.known = { known, 4 },
		.clusters = clusters,
		.n_clusters = 1 };

	(void)state;
	const struct doc_node *lost = object(SILENT("m2", MASTER, BEFORE, "Unknown", BEFORE));
	assert_non_null(finish_node_lost(lost, &r));
	assert_null(finish_node_lost(object(SILENT("m1", MASTER, BEFORE, "Unknown", BEFORE)), &r));
	assert_null(finish_node_lost(object(SILENT("w1", "x", BEFORE, "Unknown", BEFORE)), &r));
	assert_null(finish_node_lost(object(SILENT("m2", MASTER, BEFORE, "False", AFTER)), &r));
	assert_null(finish_node_lost(object(SILENT("m2", MASTER, AFTER, "Unknown", AFTER)), &r));
	assert_null(finish_node_lost(object(SILENT("new", MASTER, BEFORE, "Unknown", BEFORE)), &r));
	/* As the snapshot has it, nobody has missed it yet. */
	const struct doc_node *stale = object(SILENT("m2", MASTER, BEFORE, "True", BEFORE)),
			      *alive = object(SILENT("m2", MASTER, BEFORE, "True", AFTER));
	assert_null(finish_node_lost(stale, &r));
	assert_true(finish_node_is_unsure(stale, &r));
	assert_false(finish_node_is_unsure(alive, &r));
	assert_false(finish_node_is_unsure(lost, &r));
	/* Without a name of its own it might be itself; another layout's masters come back. */
	r.node = NULL;
	assert_null(finish_node_lost(lost, &r));
	r.node = "m1";
	r.layout = "openshift-4.6";
	assert_null(finish_node_lost(lost, &r));
	assert_false(finish_node_is_unsure(stale, &r));
}

#define OWNER(kind) "\"ownerReferences\":[{\"kind\":\"" kind "\",\"controller\":true}],"
#define POD(more, created, node, phase)                                                            \
	"{\"metadata\":{" more "\"creationTimestamp\":\"" created "\"},\"spec\":{" node            \
	"\"x\":1},\"status\":{\"phase\":\"" phase "\"}}"
#define OLD    "2026-11-20T00:00:00Z"
#define YOUNG  "2026-11-21T12:00:01Z"
#define ON(n)  "\"nodeName\":\"" n "\","
#define GOING  "\"deletionTimestamp\":\"2026-11-20T01:00:00Z\","
#define MIRROR "\"annotations\":{\"kubernetes.io/config.mirror\":\"x\"},"

static void only_what_is_stuck_since_before_goes(void **state)
{
	static const struct {
		const char *pod;
		bool goes, at_once;
	} rows[] = {
		{ POD(OWNER("ReplicaSet"), OLD, ON("up"), "Pending"), true, false },
		{ POD(OWNER("ReplicaSet"), OLD, ON("up"), "Running"), false, false },
		{ POD(OWNER("ReplicaSet"), YOUNG, ON("up"), "Pending"), false, false },
		{ POD(OWNER("ReplicaSet"), OLD, "", "Pending"), false, false },
		{ POD("", OLD, ON("up"), "Pending"), false, false },
		{ POD(OWNER("Node") MIRROR, OLD, ON("up"), "Pending"), false, false },
		{ POD(OWNER("Node"), OLD, ON("up"), "Pending"), false, false },
		{ POD(OWNER("StatefulSet"), OLD, ON("down"), "Unknown"), true, true },
		{ POD(OWNER("StatefulSet"), OLD, ON("up"), "Unknown"), false, false },
		{ POD(GOING, OLD, ON("down"), "Running"), true, true },
		{ POD(GOING, OLD, ON("none"), "Running"), true, true },
		{ POD(GOING OWNER("ReplicaSet"), OLD, ON("up"), "Pending"), false, false },
	};
	struct finish_node down = { "down", false, NULL }, up = { "up", true, &down };
	const struct finish_nodes nodes = { &up };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		bool at_once;
		const char *why =
			finish_pod_stuck(&at_once, object(rows[i].pod), &nodes, 1795262400);
		if ((why != NULL) != rows[i].goes || (why && at_once != rows[i].at_once))
			fail_msg("%zu: %s", i, why ? why : "stays");
	}
	/* Nothing is known of its age: it stays. */
	bool at_once;
	assert_null(finish_pod_stuck(&at_once, object("{}"), &nodes, 1795262400));
}

static void a_cronjob_is_read_and_made_again(void **state)
{
	static const char text[] =
		"{\"metadata\":{\"name\":\"b\",\"namespace\":\"n\",\"uid\":\"u\","
		"\"resourceVersion\":\"7\",\"creationTimestamp\":\"2026-11-20T00:00:00Z\","
		"\"labels\":{\"a\":\"b\"},\"managedFields\":[{}]},"
		"\"spec\":{\"schedule\":\"*/5 * * * *\",\"suspend\":false,"
		"\"concurrencyPolicy\":\"Forbid\",\"jobTemplate\":{\"x\":[1, 2]}},"
		"\"status\":{\"active\":[{\"name\":\"j\"}],"
		"\"lastScheduleTime\":\"2026-11-21T00:00:00Z\"}}";
	CLEAN_BUF struct buf out = BUF(1 << 20);
	const struct doc_node *o = object(text);
	struct finish_cronjob job;

	(void)state;
	finish_cronjob_read(&job, o);
	assert_true(str_is(job.schedule, "*/5 * * * *") && job.waits && !job.suspended);
	assert_true(!job.has_deadline && job.last == 1795219200 && job.created == 1795132800);
	assert_int_equal(
		finish_object_again(&out, o, str_from(text), "batch/v1", "CronJob", &e), 0);
	assert_int_equal(buf_add(&out, "", 1, &e), 0);
	assert_string_equal((const char *)out.p,
		"{\"apiVersion\":\"batch/v1\",\"kind\":\"CronJob\",\"metadata\":{\"name\":\"b\","
		"\"namespace\":\"n\",\"labels\":{\"a\":\"b\"}},\"spec\":{\"schedule\":\"*/5 * * * "
		"*\",\"suspend\":false,\"concurrencyPolicy\":\"Forbid\",\"jobTemplate\":{\"x\":[1, "
		"2]}}}");
	object((const char *)out.p);
}

static void a_lease_is_free_when_nobody_renews_it(void **state)
{
	static const char mine[] = "{\"holderIdentity\":\"me\",\"leaseDurationSeconds\":15}",
			  theirs[] = "{\"holderIdentity\":\"you\",\"leaseDurationSeconds\":15}";

	(void)state;
	assert_true(finish_lease_is_free(object(mine), "me", 0));
	assert_false(finish_lease_is_free(object(theirs), "me", 0));
	assert_false(finish_lease_is_free(object(theirs), "me", 15000));
	assert_true(finish_lease_is_free(object(theirs), "me", 15001));
	assert_true(finish_lease_is_free(object("{}"), "me", 0));
	assert_true(finish_lease_is_free(NULL, "me", 0));
}

static void what_is_done_is_noted_under_the_restores_mark(void **state)
{
	struct finish_api api = { .mark = "mark 1" }, nothing = { 0 };
	char before[sizeof api.done];

	(void)state;
	assert_false(finish_lease_did(&api, "nodes"));
	finish_lease_note(&api, "nodes");
	finish_lease_note(&api, "nodes");
	assert_string_equal(api.done, "mark 1 nodes");
	finish_lease_note(&api, "stuck-pods");
	assert_string_equal(api.done, "mark 1 nodes stuck-pods");
	assert_true(finish_lease_did(&api, "nodes") && finish_lease_did(&api, "stuck-pods"));
	assert_false(finish_lease_did(&api, "pods") || finish_lease_did(&api, "stuck"));
	/* Rather done again than half a word. */
	memset(api.done + strlen(api.done), 'x', sizeof api.done - 1 - strlen(api.done));
	memcpy(before, api.done, sizeof before);
	finish_lease_note(&api, "cronjobs");
	assert_memory_equal(api.done, before, sizeof before);
	finish_lease_note(&nothing, "nodes");
	assert_string_equal(nothing.done, "");
	/* Who joins does not know of which restore it is. */
	strcpy(nothing.done, "mark 1 nodes");
	finish_lease_note(&nothing, "cronjobs");
	assert_string_equal(nothing.done, "mark 1 nodes");
	assert_false(finish_lease_did(&nothing, "nodes"));
}

static void names_do_not_lead_elsewhere(void **state)
{
	static const char *const bad[] = { "", "a/b", "../x", "a?b", "a%2fb", ".", "A", "a b" };

	(void)state;
	assert_true(finish_api_is_name(STR("ncn-m001.local")));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(finish_api_is_name(str_from(bad[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_replaced_master_that_is_not_ready_is_lost),
		cmocka_unit_test(a_silent_master_of_openshift_that_is_no_member_is_lost),
		cmocka_unit_test(only_what_is_stuck_since_before_goes),
		cmocka_unit_test(a_cronjob_is_read_and_made_again),
		cmocka_unit_test(a_lease_is_free_when_nobody_renews_it),
		cmocka_unit_test(what_is_done_is_noted_under_the_restores_mark),
		cmocka_unit_test(names_do_not_lead_elsewhere),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
