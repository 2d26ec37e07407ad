#include "plan/finish_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "codec/rfc3339.h"

static struct arena arena = ARENA(64 << 20);

static struct finish_record full(void)
{
	static const char *clients[] = { "https://127.0.0.1:2379" }, *urls[] = { "https://a:2380" },
			  *lost[] = { "m9" }, *files[] = { "etc/x.conf" },
			  *seeds[] = { "https://b:2379" }, *known[] = { "m1", "w1" },
			  *configs[] = { "etc/kubernetes/admin.conf" };
	static struct finish_member members[] = { { "m1", 0xfedcba9876543210, { urls, 1 } } };
	static struct finish_cluster clusters[] = { { .what = "etcd",
		.id = 0xcafe,
		.own = 0xfedcba9876543210,
		.clients = { clients, 1 },
		.ca = "etc/ca.crt",
		.cert = "etc/c.crt",
		.key = "etc/c.key",
		.members = members,
		.n = 1,
		.urls = { urls, 1 },
		.seeds = { seeds, 1 },
		.listed = "m1=https://a:2380",
		.files = { files, 1 } } };
	static struct finish_held held[] = { { "etc/pods/a.json", "var/lib/x/held/a.json" } };

	return (struct finish_record){ .plan = "0123",
		.node = "m\"1",
		.layout = "icp",
		.role = "join",
		.report = "https://r/",
		.restored = 1700000000,
		.deadline_s = 900,
		.redeploy_s = 3600,
		.wanted = { .cronjobs = true, .nodes = true },
		.clusters = clusters,
		.n_clusters = 1,
		.held = held,
		.n_held = 1,
		.lost = { lost, 1 },
		.known = { known, 2 },
		.kubeconfigs = { configs, 1 },
		.files = { files, 1 } };
}

static int parse(struct finish_record *r, const char *text)
{
	struct err e = { 0 };

	return finish_record_parse(r, &arena, str_from(text), &e);
}

static void what_is_printed_is_read_again(void **state)
{
	CLEAN_BUF struct buf out = BUF(FINISH_RECORD_MAX), again = BUF(FINISH_RECORD_MAX);
	const struct finish_record was = full();
	struct finish_record is;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(finish_record_print(&out, &was, &e), 0);
	assert_int_equal(finish_record_parse(&is, &arena, buf_text(&out), &e), 0);
	assert_string_equal(is.node, "m\"1");
	assert_null(is.syslog);
	assert_string_equal(is.role, "join");
	assert_int_equal(is.deadline_s, 900);
	assert_int_equal(is.redeploy_s, 3600);
	assert_string_equal(is.known.v[1], "w1");
	assert_string_equal(is.clusters[0].urls.v[0], "https://a:2380");
	assert_string_equal(is.clusters[0].listed, "m1=https://a:2380");
	assert_true(is.clusters[0].members[0].id == 0xfedcba9876543210);
	assert_true(is.wanted.cronjobs && !is.wanted.stuck_pods && is.wanted.nodes);
	assert_string_equal(is.held[0].held, "var/lib/x/held/a.json");
	assert_int_equal(finish_record_print(&again, &is, &e), 0);
	assert_true(str_equal(buf_text(&out), buf_text(&again)));
}

/* Else the first boot would not read what a plan was taken with. */
static void a_deadline_is_as_long_as_a_plan_may_say(void **state)
{
	CLEAN_BUF struct buf out = BUF(FINISH_RECORD_MAX);
	struct finish_record was = full(), is;
	struct err e = { 0 };

	(void)state;
	assert_true(duration_parse(&was.deadline_s, STR("366d")));
	assert_true(duration_parse(&was.redeploy_s, STR("8d")));
	assert_int_equal(finish_record_print(&out, &was, &e), 0);
	assert_int_equal(finish_record_parse(&is, &arena, buf_text(&out), &e), 0);
	assert_true(is.deadline_s == was.deadline_s && is.redeploy_s == was.redeploy_s);
}

static void what_is_no_record_is_refused(void **state)
{
	static const char *const bad[] = { "", "[]", "{}", "{\"version\":1}",
		"{\"version\":1,\"layout\":\"icp\",\"restored\":1,\"deadline\":1}",
		"{\"version\":1,\"layout\":\"icp\",\"restored\":1,\"deadline\":1,\"clusters\":[{}]"
		"}",
		"{\"version\":1,\"layout\":\"icp\",\"restored\":1,\"deadline\":1,\"clusters\":[],"
		"\"files\":[\"../x\"]}",
		"{\"version\":1,\"layout\":\"icp\",\"restored\":1,\"deadline\":1,\"clusters\":[],"
		"\"kubeconfigs\":[\"/etc/x\"]}",
		"{\"version\":1,\"layout\":\"icp\",\"restored\":1,\"deadline\":1,\"clusters\":[],"
		"\"held\":[{\"path\":\"a\",\"held\":\"a/../../b\"}]}",
		"{\"version\":1,\"layout\":\"icp\",\"restored\":1,\"deadline\":99999999,"
		"\"clusters\":[]}",
		"{\"version\":1,\"layout\":\"icp\",\"restored\":1,\"deadline\":1,\"clusters\":[],"
		"\"redeploy-deadline\":99999999}" };
	struct finish_record r;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (parse(&r, bad[i]) != ERR_FORMAT)
			fail_msg("taken: %s", bad[i]);
	}
	assert_int_equal(parse(&r, "{\"version\":2}"), ERR_UNSUPPORTED);
	assert_int_equal(
		parse(&r, "{\"version\":1,\"layout\":\"icp\",\"restored\":1,\"deadline\":1,"
			  "\"clusters\":[]}"),
		0);
}

static void a_switch_turns_its_step_off(void **state)
{
	const struct finish_wanted all = { true, true, true, true, true }, none = { 0 };
	const struct finish_part replaces = { .replaces = true };
	struct finish_step steps[FINISH_ACTIONS];

	(void)state;
	finish_steps(steps, "csm", &all, &replaces);
	assert_true(steps[FINISH_CRONJOBS].done && steps[FINISH_STUCK_PODS].done);
	assert_true(steps[FINISH_NODES].done && !steps[FINISH_PODS].done);
	finish_steps(steps, "csm", &none, &replaces);
	for (size_t i = 0; i < FINISH_ACTIONS; i++) {
		assert_non_null(steps[i].text);
		assert_true(!steps[i].key || !steps[i].done);
	}
	finish_steps(steps, "icp", &all, &replaces);
	assert_true(steps[FINISH_PODS].done && !steps[FINISH_CRONJOBS].done);
}

/* Where masters are made anew it is all that are not ready; else those that the plan replaced. */
static void whose_nodes_go_is_known_to_who_was_restored(void **state)
{
	static const struct {
		const char *layout;
		struct finish_part part;
		bool goes;
	} rows[] = { { "openshift-4.2", { .alone = true }, true },
		{ "openshift-4.2", { false }, false },
		{ "openshift-4.2", { .joins = true, .alone = true }, false },
		{ "openshift-4.2", { .joins = true, .replaces = true }, true },
		{ "kubeadm", { .alone = true }, false }, { "kubeadm", { .replaces = true }, true },
		{ "kubeadm", { .joins = true }, false }, { "salt", { .replaces = true }, false } };
	const struct finish_wanted all = { true, true, true, true, true };
	struct finish_step steps[FINISH_ACTIONS];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		finish_steps(steps, rows[i].layout, &all, &rows[i].part);
		assert_int_equal(steps[FINISH_NODES].done, rows[i].goes);
		assert_int_equal(
			strstr(steps[FINISH_ETCD].text, "adds") != NULL, rows[i].part.joins);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_printed_is_read_again),
		cmocka_unit_test(a_deadline_is_as_long_as_a_plan_may_say),
		cmocka_unit_test(what_is_no_record_is_refused),
		cmocka_unit_test(a_switch_turns_its_step_off),
		cmocka_unit_test(whose_nodes_go_is_known_to_who_was_restored),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
