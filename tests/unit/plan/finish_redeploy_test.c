/* When an operator is asked, and when its turn is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "plan/finish_redeploy.h"

static struct arena arena = ARENA(64 << 20);

#define STATUS(reason, latest, status, why, nodes)                                                 \
	"{\"spec\":{\"forceRedeploymentReason\":\"" reason                                         \
	"\"},\"status\":{\"latestAvailableRevision\":" latest                                      \
	",\"conditions\":[{\"type\":\"Available\",\"status\":\"True\"},"                           \
	"{\"type\":\"NodeInstallerProgressing\",\"status\":\"" status "\",\"reason\":\"" why       \
	"\"}],\"nodeStatuses\":[" nodes "]}}"
#define AT(node, revision)                                                                         \
	"{\"nodeName\":\"" node "\",\"currentRevision\":" revision ",\"targetRevision\":0}"
#define THREE(a, b, c) AT("m1", a) "," AT("m2", b) "," AT("m3", c)
#define OURS           "etcd-rescue snapshot 0123 cluster 7, after revision 4"
#define DONE           "AllNodesAtLatestRevision"

static void it_is_asked_once_and_waited_for(void **state)
{
	static const struct {
		const char *object;
		enum finish_redeployed is;
		const char *text;
	} rows[] = {
		{ "{}", FINISH_REDEPLOY_ASK,
			"etcd-rescue snapshot 0123 cluster 7, after revision 0" },
		{ STATUS("", "4", "False", DONE, THREE("4", "4", "4")), FINISH_REDEPLOY_ASK, OURS },
		/* another restore's, or a person's */
		{ STATUS("etcd-rescue snapshot 0123 cluster 6, after revision 3", "4", "False",
			  DONE, THREE("4", "4", "4")),
			FINISH_REDEPLOY_ASK, OURS },
		{ STATUS("etcd-rescue snapshot 0123 cluster 7", "4", "False", DONE,
			  THREE("4", "4", "4")),
			FINISH_REDEPLOY_ASK, OURS },
		/* the operator has not seen it yet, and still says that all is done */
		{ STATUS(OURS, "4", "False", DONE, THREE("4", "4", "4")), FINISH_REDEPLOY_WAIT,
			"waits for a revision after 4" },
		{ STATUS(OURS, "5", "False", DONE, THREE("4", "4", "4")), FINISH_REDEPLOY_WAIT,
			"0 of 3 nodes at revision 5" },
		{ STATUS(OURS, "5", "True", "", THREE("5", "5", "4")), FINISH_REDEPLOY_WAIT,
			"2 of 3 nodes at revision 5" },
		{ STATUS(OURS, "5", "True", DONE, THREE("5", "5", "5")), FINISH_REDEPLOY_WAIT,
			"3 of 3 nodes at revision 5" },
		{ STATUS(OURS, "5", "False", "", THREE("5", "5", "5")), FINISH_REDEPLOY_WAIT,
			"3 of 3 nodes at revision 5" },
		{ STATUS(OURS, "5", "False", DONE, ""), FINISH_REDEPLOY_WAIT,
			"0 of 0 nodes at revision 5" },
		{ STATUS(OURS, "5", "False", DONE, THREE("5", "5", "5")), FINISH_REDEPLOY_DONE,
			"3 of 3 nodes at revision 5" },
		{ STATUS(OURS, "7", "False", DONE, AT("m1", "7")), FINISH_REDEPLOY_DONE,
			"1 of 1 nodes at revision 7" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err e = { 0 };
		struct doc doc;
		const char *text;
		if (doc_parse(&doc, &arena, str_from(rows[i].object), "object", DOC_JSON,
			    DOC_LIMITS, &e))
			fail_msg("%s", e.text);
		const enum finish_redeployed is = finish_redeploy_judge(
			&text, &arena, doc.root, "etcd-rescue snapshot 0123 cluster 7");
		if (is != rows[i].is || strcmp(text, rows[i].text))
			fail_msg("%zu: %d, %s", i, is, text);
	}
}

static void masters_of_one_restore_say_the_same(void **state)
{
	struct finish_cluster one = { .id = 0xabcdef, .own = 1 },
			      two = { .id = 0xabcdef, .own = 2 },
			      again = { .id = 0xabcdee, .own = 1 };
	const struct finish_record m1 = { .plan = "1",
		.node = "m1",
		.restored = 10,
		.snapshot = "0123456789abcdef",
		.clusters = &one,
		.n_clusters = 1 };
	struct finish_record m2 = m1, another = m1;

	(void)state;
	m2.plan = "2";
	m2.node = "m2";
	m2.restored = 99;
	m2.clusters = &two;
	assert_string_equal(finish_redeploy_mark(&arena, &m1),
		"etcd-rescue snapshot 0123456789ab cluster abcdef");
	assert_string_equal(finish_redeploy_mark(&arena, &m1), finish_redeploy_mark(&arena, &m2));
	another.snapshot = "1123456789abcdef";
	assert_string_not_equal(
		finish_redeploy_mark(&arena, &m1), finish_redeploy_mark(&arena, &another));
	another = m1;
	another.clusters = &again;
	assert_string_not_equal(
		finish_redeploy_mark(&arena, &m1), finish_redeploy_mark(&arena, &another));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_asked_once_and_waited_for),
		cmocka_unit_test(masters_of_one_restore_say_the_same),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
