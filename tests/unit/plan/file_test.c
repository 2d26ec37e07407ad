#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "os/file.h"
#include "os/names.h"
#include "plan/file.h"
#include "plan/show.h"

static const char golden[] = "../tests/golden/plan";

static struct arena arena = ARENA(64 << 20);
static struct root here = NO_ROOT;

static int start(void **state)
{
	struct err e;

	(void)state;
	return root_open(&here, golden, &e);
}

static int finish(void **state)
{
	(void)state;
	root_close(&here);
	arena_free(&arena);
	return 0;
}

static struct str load(const char *name)
{
	CLEAN_BUF struct buf b = BUF(PLAN_FILE_MAX);
	struct err e = { 0 };

	if (file_read(&b, &here, name, &e))
		fail_msg("%s", e.text);
	return (struct str){ arena_copy(&arena, buf_text(&b)), b.len };
}

static int read_plan(struct plan *plan, struct str text, const char *name, struct err *e)
{
	return plan_read(plan, &arena, text, name, e) || plan_check(plan, name, e) ? e->code : 0;
}

static struct plan good(const char *text)
{
	struct plan plan;
	struct err e = { 0 };

	if (read_plan(&plan, str_from(text), "p", &e))
		fail_msg("%s", e.text);
	return plan;
}

static struct plan good_file(const char *name)
{
	struct plan plan;
	struct err e = { 0 };

	if (read_plan(&plan, load(name), name, &e))
		fail_msg("%s", e.text);
	return plan;
}

/* Every *.yaml beside a *.txt, which is the one line that must come of it. */
static void plan_that_is_wrong_is_refused_with_place_and_reason(void **state)
{
	struct names names;
	struct err e = { 0 };
	size_t n = 0;

	(void)state;
	assert_int_equal(names_read(&names, &arena, &here, "/", &e), 0);
	for (size_t i = 0; i < names.n; i++) {
		struct str stem = str_from(names.v[i]);
		struct plan plan;
		if (!str_ends(stem, STR(".yaml")))
			continue;
		stem.len -= 5;
		struct str line = load(arena_print(&arena, "%.*s.txt", STR_ARG(stem)));
		line = str_trim(line);
		memset(&e, 0, sizeof e);
		if (read_plan(&plan, load(names.v[i]), names.v[i], &e) != ERR_FORMAT)
			fail_msg("%s: taken, or not refused as a bad file", names.v[i]);
		if (!str_is(line, e.text))
			fail_msg("%s:\n  %s\nexpected\n  %.*s", names.v[i], e.text, STR_ARG(line));
		n++;
	}
	assert_true(n > 70);
}

static void plan_with_a_source_alone_has_every_default(void **state)
{
	const struct plan p = good_file("good/minimal.yaml");

	(void)state;
	assert_string_equal(p.source, "s3://etcd-backup/bare-metal/");
	assert_int_equal(p.generation, 1);
	assert_null(p.s3.endpoint);
	assert_null(p.s3.region);
	assert_int_equal(p.s3.addressing, PLAN_ADDRESSING_AUTO);
	assert_string_equal(p.s3.credentials, "auto");
	assert_int_equal(p.ebs.tags.n, 0);
	assert_string_equal(p.ebs.volume_type, "gp3");
	assert_string_equal(p.snapshot.name, "latest");
	assert_int_equal(p.snapshot.before, 0);
	assert_null(p.cluster.token);
	assert_int_equal(p.cluster.members.n, 0);
	assert_int_equal(p.role, PLAN_ROLE_AUTO);
	assert_true(p.bump_revision == PLAN_BUMP_AUTO);
	assert_int_equal(p.drop_keys, PLAN_DROP_KEYS_AUTO);
	assert_int_equal(p.survivors, PLAN_SURVIVORS_STOP);
	assert_string_equal(p.gate, "none");
	assert_int_equal(p.missing, PLAN_MISSING_WAIT);
	assert_string_equal(p.old, "keep");
	assert_string_equal(p.storage.luks_key, "auto");
	assert_false(p.storage.degraded);
	assert_false(p.storage.clear_immutable);
	assert_int_equal(p.network.n, 0);
	assert_int_equal(p.ntp.n, 0);
	assert_string_equal(p.layout, "auto");
	assert_true(p.finish.cronjobs && p.finish.stuck_pods && p.finish.nodes &&
		    p.finish.redeploy && p.finish.csr);
	assert_int_equal(p.finish.deadline_s, 900);
	assert_int_equal(p.finish.redeploy_s, 3600);
	assert_string_equal(p.shell.word, "open");
	assert_null(p.shell.password_hash);
	assert_int_equal(p.handoff, PLAN_HANDOFF_AUTO);
	assert_false(p.automatic);
	assert_int_equal(plan_said(&p, "source").line, 1);
	assert_int_equal(plan_said(&p, "auto").line, 0);
}

static void plan_of_the_design_is_read_whole(void **state)
{
	const struct plan p = good_file("good/design.yaml");

	(void)state;
	assert_int_equal(p.generation, 7);
	assert_string_equal(
		p.source, "s3://etcd-backup/bare-metal/db.tar.gz?versionId=3sL4kqtJlcpXroDTDmJ");
	assert_string_equal(p.s3.endpoint, "https://rgw-vip.local");
	assert_string_equal(p.s3.region, "default");
	assert_int_equal(p.s3.addressing, PLAN_ADDRESSING_PATH);
	assert_string_equal(p.s3.credentials, "imds");
	assert_int_equal(p.ebs.tags.n, 1);
	assert_string_equal(p.ebs.tags.v[0].name, "kubernetes.io/created-for/pvc/name");
	assert_string_equal(p.ebs.tags.v[0].value, "kube-etcd-snapshot-pvc");
	assert_string_equal(p.sftp.identity, "/media/id_ed25519");
	assert_string_equal(p.https.ca, "/media/ca.pem");
	assert_string_equal(p.https.client_cert, "/media/client.pem");
	assert_string_equal(p.https.client_key, "/media/client-key.pem");
	assert_null(p.snapshot.name);
	assert_int_equal(p.snapshot.before, 1795197600);
	assert_int_equal(p.cluster.members.n, 2);
	assert_string_equal(p.cluster.members.v[0].name, "ncn-m001");
	assert_string_equal(p.cluster.members.v[0].match.mac, "52:54:00:12:34:5a");
	assert_int_equal(p.cluster.members.v[0].place.line, 12);
	assert_string_equal(p.cluster.members.v[1].peer, "https://[2001:db8::8]:2380");
	assert_string_equal(
		p.cluster.members.v[1].match.uuid, "4c4c4544-0042-3510-8052-b9c04f4a5331");
	assert_string_equal(p.cluster.members.v[1].match.serial, "B5BRJS1/2");
	assert_int_equal(p.replace.n, 2);
	assert_string_equal(p.replace.v[1].from, "ncn-m009");
	assert_int_equal(p.bump_revision, 1000000000);
	assert_int_equal(p.drop_keys, PLAN_DROP_KEYS_NO);
	assert_int_equal(p.survivors, PLAN_SURVIVORS_NONE);
	assert_int_equal(p.missing, PLAN_MISSING_PROCEED);
	assert_string_equal(p.old, "move:/mnt/spare");
	assert_true(p.storage.degraded && p.storage.clear_immutable);
	assert_int_equal(p.network.n, 2);
	assert_int_equal(p.ntp.n, 2);
	assert_string_equal(p.layout, "csm");
	assert_false(p.finish.cronjobs || p.finish.stuck_pods);
	assert_int_equal(p.finish.deadline_s, 5400);
	assert_string_equal(p.syslog, "[2001:db8::1]:514");
	assert_null(p.shell.word);
	assert_non_null(p.shell.password_hash);
	assert_int_equal(p.handoff, PLAN_HANDOFF_KEXEC);
	assert_true(p.automatic);
}

static void plan_may_be_json(void **state)
{
	const struct plan p = good_file("good/plan.json");

	(void)state;
	assert_string_equal(p.source, "sftp://backup@10.0.0.5/etcd/");
	assert_string_equal(p.snapshot.sha256,
		"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
	assert_int_equal(p.network.n, 2);
	assert_int_equal(p.finish.deadline_s, 90);
	assert_false(p.finish.csr);
	assert_true(p.finish.cronjobs);
	assert_true(p.automatic);
	assert_null(p.pki);
	assert_string_equal(p.shell.word, "off");
}

/* The enumerations and the words of the table are two lists of one thing. */
static void word_of_a_row_is_its_enumerator(void **state)
{
	(void)state;
	assert_int_equal(good("source: s3://b\nrole: restore").role, PLAN_ROLE_RESTORE);
	assert_int_equal(good("source: s3://b\nrole: single").role, PLAN_ROLE_SINGLE);
	assert_int_equal(good("source: s3://b\nrole: join").role, PLAN_ROLE_JOIN);
	assert_int_equal(good("source: s3://b\nrole: stand-aside").role, PLAN_ROLE_STAND_ASIDE);
	assert_int_equal(good("source: s3://b\nrole: purge-only").role, PLAN_ROLE_PURGE_ONLY);
	assert_int_equal(
		good("source: s3://b\ns3: {addressing: host}").s3.addressing, PLAN_ADDRESSING_HOST);
	assert_int_equal(
		good("source: s3://b\nsurvivors: proceed").survivors, PLAN_SURVIVORS_PROCEED);
	assert_int_equal(good("source: s3://b\nhandoff: firmware").handoff, PLAN_HANDOFF_FIRMWARE);
	assert_int_equal(good("source: s3://b\nhandoff: poweroff").handoff, PLAN_HANDOFF_POWEROFF);
	assert_int_equal(good("source: s3://b\nhandoff: stay").handoff, PLAN_HANDOFF_STAY);
}

static void plan_takes_every_scheme_it_names(void **state)
{
	static const char *const sources[] = { "s3://bucket/a/b?versionId=x", "ebs",
		"sftp://joe@host:2222/x", "https://host/x?X-Amz-Signature=abc", "http://host/x",
		"file:/mnt/x.db", "file:///mnt/x.db", "dev:/dev/disk/by-label/BACKUP" };

	(void)state;
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
		const struct plan p = good(arena_print(&arena, "source: %s\n", sources[i]));
		assert_string_equal(p.source, sources[i]);
	}
}

static void plan_bump_revision_no_is_zero(void **state)
{
	(void)state;
	assert_int_equal(good("source: s3://b\nbump-revision: no").bump_revision, 0);
	assert_int_equal(good("source: s3://b\nbump-revision: 0").bump_revision, 0);
}

static void plan_override_says_it_came_from_the_kernel_line(void **state)
{
	struct plan plan;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(plan_read(&plan, &arena,
				 STR("snapshot: {sha256: " /* of nothing */
				     "e3b0c44298fc1c149afbf4c8996fb924"
				     "27ae41e4649b934ca495991b7852b855}"),
				 "p", &e),
		0);
	assert_int_equal(plan_override(&plan, &arena, "source", "s3://b/", "rescue.source", &e), 0);
	assert_int_equal(
		plan_override(&plan, &arena, "snapshot", "x.db", "rescue.snapshot", &e), 0);
	assert_int_equal(plan_check(&plan, "p", &e), 0);
	assert_string_equal(plan.snapshot.name, "x.db");
	assert_null(plan.snapshot.sha256);
	assert_int_equal(plan_said(&plan, "source").line, PLAN_KERNEL_LINE.line);
	assert_int_equal(
		plan_override(&plan, &arena, "auto", "maybe", "rescue.auto", &e), ERR_FORMAT);
	assert_string_equal(e.text, "kernel line: rescue.auto: 'maybe' is neither yes nor no");
}

static void plan_shown_is_the_plan_again(void **state)
{
	static const char *const names[] = { "good/minimal.yaml", "good/plan.json" };
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct plan first = good_file(names[i]);
		CLEAN_BUF struct buf once = BUF(1 << 20);
		CLEAN_BUF struct buf twice = BUF(1 << 20);
		struct plan second;
		assert_int_equal(plan_show(&once, &arena, &first, &e), 0);
		if (read_plan(&second, buf_text(&once), "shown", &e))
			fail_msg("%s", e.text);
		assert_int_equal(plan_show(&twice, &arena, &second, &e), 0);
		/* Only the comments may differ: now every line says where it stands. */
		struct str a = buf_text(&once), b = buf_text(&twice), x, y, head, rest;
		while (str_next(&x, &a, '\n')) {
			assert_true(str_next(&y, &b, '\n'));
			str_cut(&head, &rest, x, '#');
			x = str_trim(head);
			str_cut(&head, &rest, y, '#');
			assert_true(str_equal(x, str_trim(head)));
		}
		assert_int_equal(b.len, 0);
	}
}

static void plan_shown_holds_no_hash_and_no_query(void **state)
{
	const struct plan plan = good_file("good/design.yaml");
	CLEAN_BUF struct buf text = BUF(1 << 20);
	CLEAN_BUF struct buf json = BUF(1 << 20);
	struct json j = JSON(&json);
	struct err e = { 0 };
	size_t at;

	(void)state;
	assert_int_equal(plan_show(&text, &arena, &plan, &e), 0);
	plan_show_json(&j, &arena, &plan);
	assert_int_equal(json_end(&j, &e), 0);
	assert_false(str_find(&at, buf_text(&text), STR("$6$")));
	assert_false(str_find(&at, buf_text(&json), STR("$6$")));
	assert_false(str_find(&at, buf_text(&text), STR("versionId=")));
	assert_false(str_find(&at, buf_text(&json), STR("versionId=")));
	assert_true(str_find(&at, buf_text(&text), STR("generation: 7 ")));
}

static void schema_has_each_key_once_with_help_and_a_default_that_fits(void **state)
{
	struct plan plan;

	(void)state;
	plan_defaults(&plan, &arena);
	for (size_t i = 0; i < schema_n; i++) {
		assert_ptr_equal(schema_row(str_from(schema[i].key)), &schema[i]);
		assert_true(schema[i].help && schema[i].help[0]);
		assert_true(strlen(schema[i].help) < 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_that_is_wrong_is_refused_with_place_and_reason),
		cmocka_unit_test(plan_with_a_source_alone_has_every_default),
		cmocka_unit_test(plan_of_the_design_is_read_whole),
		cmocka_unit_test(plan_may_be_json),
		cmocka_unit_test(word_of_a_row_is_its_enumerator),
		cmocka_unit_test(plan_takes_every_scheme_it_names),
		cmocka_unit_test(plan_bump_revision_no_is_zero),
		cmocka_unit_test(plan_override_says_it_came_from_the_kernel_line),
		cmocka_unit_test(plan_shown_is_the_plan_again),
		cmocka_unit_test(plan_shown_holds_no_hash_and_no_query),
		cmocka_unit_test(schema_has_each_key_once_with_help_and_a_default_that_fits),
	};

	return cmocka_run_group_tests_name("plan file", tests, start, finish);
}
