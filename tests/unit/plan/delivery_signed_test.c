/* Which plans are believed: those that are signed, and what may run without anybody. */
#include "delivery_machine.h"

static void plan_from_dhcp_or_plain_http_does_not_run_unattended(void **state)
{
	(void)state;
	lease("https://dhcp/p");
	serve(0, "https://dhcp/p", "source: s3://a/\nauto: yes\n");
	taken(DELIVERY_DHCP, "s3://a/");
	assert_false(d.may_run_unattended);
	assert_string_equal(
		d.why_attended, "the plan's address came by DHCP and the plan is not signed");
	line.plan = "http://h/p";
	serve(1, "http://h/p", "source: s3://b/\n");
	taken(DELIVERY_KERNEL_LINE, "s3://b/");
	assert_false(d.may_run_unattended);
	assert_string_equal(d.why_attended, "the plan came over plain http and is not signed");
	line.plan = "https://h/p";
	serve(1, "https://h/p", "source: s3://b/\n");
	taken(DELIVERY_KERNEL_LINE, "s3://b/");
	assert_true(d.may_run_unattended);
	assert_null(d.why_attended);
}

static void with_a_key_only_signed_plans_are_taken(void **state)
{
	(void)state;
	put_golden(machine_path, "etc/etcd-rescue/keys/site.pem", "first.pem");
	/* Not signed: refused, and the search goes on to a signed one. */
	put_text("etc/etcd-rescue/plan.yaml", "source: s3://image/\n");
	ends_with(ERR_AUTH,
		"/etc/etcd-rescue/plan.yaml: not signed, and this image takes signed plans only; "
		"openssl dgst -sha256 -sign KEY -out PLAN.sig PLAN");
	lease("http://dhcp/p.yaml?a=1");
	serve_golden(0, "http://dhcp/p.yaml?a=1", "plan.yaml");
	serve_golden(1, "http://dhcp/p.yaml.sig?a=1", "first.b64");
	taken(DELIVERY_DHCP, "s3://etcd-backup/bare-metal/");
	assert_int_equal(d.places[DELIVERY_IMAGE].state, DELIVERY_REFUSED);
	assert_string_equal(d.signed_by, "/etc/etcd-rescue/keys/site.pem");
	assert_true(d.may_run_unattended);

	/* Signed by somebody else. */
	serve_golden(1, "http://dhcp/p.yaml.sig?a=1", "second.sig");
	assert_int_equal(delivery_find(&d, &from, &e), ERR_AUTH);
	assert_int_equal(d.places[DELIVERY_DHCP].state, DELIVERY_REFUSED);

	put_golden(machine_path, "etc/etcd-rescue/plan.yaml", "plan.yaml");
	put_golden(machine_path, "etc/etcd-rescue/plan.yaml.sig", "first.sig");
	taken(DELIVERY_IMAGE, "s3://etcd-backup/bare-metal/");
	put_golden(machine_path, "etc/etcd-rescue/plan.yaml.sig", "rsa.sig");
	assert_int_equal(delivery_find(&d, &from, &e), ERR_AUTH);
}

static void every_way_can_carry_a_signature(void **state)
{
	CLEAN_BUF struct buf text = BUF(1 << 20);
	const char *texts[3] = { 0 };
	size_t len;

	(void)state;
	put_golden(machine_path, "etc/etcd-rescue/keys/site.pem", "first.pem");
	optical("RESCUE");
	put_golden(medium_path[0], "plan.yaml", "plan.yaml");
	put_golden(medium_path[0], "plan.yaml.sig", "first.sig");
	taken(DELIVERY_VOLUME, "s3://etcd-backup/bare-metal/");
	from.n_blocks = 0;
	put_golden(machine_path, FW_CFG "plan/raw", "plan.yaml");
	put_golden(machine_path, FW_CFG "plan.sig/raw", "first.sig");
	taken(DELIVERY_FW_CFG, "s3://etcd-backup/bare-metal/");
	remove(arena_print(&arena, "%s/" FW_CFG "plan/raw", machine_path));

	const char *plan = golden(&len, "plan.yaml");
	buf_print(&text, &e, "etcd-rescue.plan=");
	codec_text_base64(&text, (struct span){ (const uint8_t *)plan, len }, &e);
	texts[0] = arena_copy(&arena, buf_text(&text));
	texts[1] = arena_print(&arena, "etcd-rescue.plan.sig=%s", golden(&len, "first.line"));
	smbios(texts);
	taken(DELIVERY_SMBIOS, "s3://etcd-backup/bare-metal/");
	assert_string_equal(d.signed_by, "/etc/etcd-rescue/keys/site.pem");
}

static void with_a_key_words_nobody_signed_are_not_heard(void **state)
{
	(void)state;
	put_golden(machine_path, "etc/etcd-rescue/keys/site.pem", "first.pem");
	line.source = "s3://evil/";
	ends_with(ERR_AUTH, "rescue.source is not signed, and this image takes signed plans only");
	put_golden(machine_path, "etc/etcd-rescue/plan.yaml", "plan.yaml");
	put_golden(machine_path, "etc/etcd-rescue/plan.yaml.sig", "first.sig");
	line.handoff = "kexec";
	line.automatic = "yes";
	taken(DELIVERY_IMAGE, "s3://etcd-backup/bare-metal/");
	assert_string_equal(d.unheard, "rescue.source rescue.handoff rescue.auto");
	assert_false(d.plan.automatic);
	/* To be asked first is always granted. */
	line.source = line.handoff = NULL;
	line.automatic = "no";
	taken(DELIVERY_IMAGE, "s3://etcd-backup/bare-metal/");
	assert_null(d.unheard);
}

static void broken_key_is_not_the_same_as_no_key(void **state)
{
	(void)state;
	put_text("etc/etcd-rescue/keys/site.pem", "garbage\n");
	put_text("etc/etcd-rescue/plan.yaml", "source: s3://image/\n");
	ends_with(ERR_FORMAT,
		"/etc/etcd-rescue/keys/site.pem: is no public key in PEM form; openssl ec -pubout "
		"writes one");
}

static void key_under_another_name_is_not_the_same_as_no_key(void **state)
{
	(void)state;
	put_golden(machine_path, "etc/etcd-rescue/keys/site.pub", "first.pem");
	put_text("etc/etcd-rescue/plan.yaml", "source: s3://image/\n");
	ends_with(ERR_FORMAT,
		"/etc/etcd-rescue/keys: holds 'site.pub' and no key; the name of a public key ends "
		"in .pem");
	remove(arena_print(&arena, "%s/etc/etcd-rescue/keys/site.pub", machine_path));
	/* Nothing at all in there: nobody meant a key. */
	taken(DELIVERY_IMAGE, "s3://image/");
	remove(arena_print(&arena, "%s/etc/etcd-rescue/keys", machine_path));
	put_text("etc/etcd-rescue/keys", "");
	ends_with(ERR_IO, "/etc/etcd-rescue/keys: Not a directory");
}

static void file_named_by_a_person_keeps_to_the_same_rules(void **state)
{
	(void)state;
	put_text("root/my.yaml", "source: s3://mine/\n");
	assert_int_equal(delivery_file(&d, &from, "/root/my.yaml", &e), 0);
	assert_int_equal(d.way, DELIVERY_FILE);
	assert_int_equal(delivery_file(&d, &from, "/root/none.yaml", &e), ERR_NOTFOUND);
	assert_string_equal(e.text, "/root/none.yaml: there is no such file");
	put_golden(machine_path, "etc/etcd-rescue/keys/site.pem", "first.pem");
	assert_int_equal(delivery_file(&d, &from, "/root/my.yaml", &e), ERR_AUTH);
	put_golden(machine_path, "root/my.yaml", "plan.yaml");
	put_golden(machine_path, "root/my.yaml.sig", "first.sig");
	assert_int_equal(delivery_file(&d, &from, "/root/my.yaml", &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(plan_from_dhcp_or_plain_http_does_not_run_unattended),
		TEST(with_a_key_only_signed_plans_are_taken),
		TEST(every_way_can_carry_a_signature),
		TEST(with_a_key_words_nobody_signed_are_not_heard),
		TEST(broken_key_is_not_the_same_as_no_key),
		TEST(key_under_another_name_is_not_the_same_as_no_key),
		TEST(file_named_by_a_person_keeps_to_the_same_rules),
	};

	return cmocka_run_group_tests_name("delivery_signed", tests, NULL, NULL);
}
