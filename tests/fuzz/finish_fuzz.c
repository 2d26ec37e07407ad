/* Any bytes as the record of the first boot, as a schedule, as what etcd and the Kubernetes API
 * answer.  A record that is taken leads nowhere outside, and prints and reads the same again. */
#include <stdlib.h>
#include <string.h>

#include "plan/finish_clean.h"
#include "plan/finish_cron.h"
#include "plan/finish_csr.h"
#include "plan/finish_etcd.h"
#include "plan/finish_join_judge.h"
#include "plan/finish_join_lock.h"
#include "plan/finish_redeploy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.9.4 forgets one block when it gives up on a text: fy_atom_format_text. */
const char *__lsan_default_suppressions(void)
{
	return "leak:fy_atom_iter_grow_chunk";
}

static void check_path(const char *path)
{
	if (path[0] == '/' || strstr(path, "//") || !strcmp(path, "..") ||
		!strncmp(path, "../", 3) || strstr(path, "/../"))
		abort();
}

static void record(struct arena *a, struct str text)
{
	CLEAN_BUF struct buf out = BUF(8 * FINISH_RECORD_MAX), again = BUF(8 * FINISH_RECORD_MAX);
	struct finish_record r, s;
	struct err e = { 0 };

	if (finish_record_parse(&r, a, text, &e)) {
		if (!e.text[0])
			abort();
		return;
	}
	for (size_t i = 0; i < r.n_held; i++) {
		check_path(r.held[i].path);
		check_path(r.held[i].held);
	}
	for (size_t i = 0; i < r.files.n; i++)
		check_path(r.files.v[i]);
	if (finish_record_print(&out, &r, &e) || finish_record_parse(&s, a, buf_text(&out), &e) ||
		finish_record_print(&again, &s, &e) || !str_equal(buf_text(&out), buf_text(&again)))
		abort();
}

static void schedule(struct str text)
{
	struct finish_schedule s;

	if (!finish_schedule_parse(&s, text))
		return;
	const int64_t next = finish_schedule_next(&s, 1795262400);
	if (next && (next <= 1795262400 || next % 60))
		abort();
}

static void answers(struct arena *a, struct str text)
{
	static const char *urls[] = { "https://a:2380" };
	static struct finish_member members[] = { { "m1", 1, { urls, 1 } } };
	static const struct finish_cluster c = {
		.what = "etcd", .id = 0xcafe, .own = 1, .members = members, .n = 1
	};
	static const char *known[] = { "m1" };
	const struct finish_record r = { .node = "m0",
		.layout = "openshift-4.2",
		.known = { known, 1 },
		.clusters = (struct finish_cluster *)(uintptr_t)&c,
		.n_clusters = 1 };
	struct finish_csr_request asked;
	const char *said;
	CLEAN_BUF struct buf out = BUF(FINISH_RECORD_MAX);
	struct finish_cronjob job;
	struct err e = { 0 };
	struct doc doc;
	size_t started;
	bool at_once;

	finish_members_judge(&started, a, &c, text, &e);
	e = (struct err){ 0 };
	if (doc_parse(&doc, a, text, "answer", DOC_JSON, DOC_LIMITS, &e))
		return;
	finish_node_lost(doc.root, &r);
	finish_node_is_unsure(doc.root, &r);
	finish_redeploy_judge(&said, a, doc.root, "etcd-rescue snapshot x cluster 1");
	if (finish_csr_waits(doc.root) && !finish_csr_read(&asked, a, &r, doc.root)) {
		finish_csr_judge(&asked, doc.root);
		finish_csr_judge_other(&asked, doc.root);
	}
	finish_csr_is_nobodys(text);
	finish_pod_stuck(&at_once, doc.root, &(struct finish_nodes){ NULL }, 1795262400);
	finish_cronjob_read(&job, doc.root);
	finish_lease_is_free(doc.root, "m1", 0);
	/* What is made again is JSON as long as what it is made of is. */
	if (!finish_object_again(&out, doc.root, text, "batch/v1", "CronJob", &e) &&
		doc_parse(&doc, a, buf_text(&out), "again", DOC_JSON, DOC_LIMITS, &e))
		abort();
}

/* Whatever members are called, what stands in a file ends no quotes there. */
static void joins(struct arena *a, struct str text)
{
	static const char *urls[] = { "https://a:2380" };
	const struct kube_texts own = { urls, 1 };
	struct join_list list;
	struct err e = { 0 };
	const char *said;

	join_lock_judge(&said, a, text, &e);
	if (join_list_parse(&list, a, text, "etcd", &e))
		return;
	for (enum join_data data = JOIN_DATA_GONE; data <= JOIN_DATA_UNKNOWN; data++) {
		const struct join_verdict v = join_judge(&list, "m1", &own, data);
		if ((v.what == JOIN_ADD) != !v.member)
			abort();
		if (!v.member || join_initial_cluster(&said, a, &list, "m1", v.member->id, &e))
			continue;
		if (strpbrk(said, " \t\n\"'\\$`") || !strstr(said, "m1="))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = { (const char *)data, size };
	struct arena a = ARENA(256 << 20);

	if (size > FINISH_RECORD_MAX / 16)
		return 0;
	record(&a, text);
	schedule(text);
	answers(&a, text);
	joins(&a, text);
	arena_free(&a);
	return 0;
}
