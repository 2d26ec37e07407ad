/* Where a machine's plan comes from: the ways, which goes first, and what is said of the others. */
#include "delivery_machine.h"

static void everywhere(void)
{
	static const char *const texts[] = { "vendor", "etcd-rescue.plan=http://smbios/p", NULL };

	line.plan = "https://kernel/p";
	line.source = "s3://words/";
	serve(0, "https://kernel/p", "source: s3://kernel/\n");
	put_text("etc/etcd-rescue/plan.yaml", "source: s3://image/\n");
	optical("RESCUE");
	put(medium_path[0], "plan.yaml", "source: s3://volume/\n", 21);
	put_text(FW_CFG "plan/raw", "source: s3://fwcfg/\n");
	smbios(texts);
	serve(1, "http://smbios/p", "source: s3://smbios/\n");
	lease("https://dhcp/p");
	serve(2, "https://dhcp/p", "source: s3://dhcp/\n");
}

static void first_way_with_a_plan_wins_and_the_rest_is_reported(void **state)
{
	(void)state;
	everywhere();
	line.source = NULL;
	taken(DELIVERY_KERNEL_LINE, "s3://kernel/");
	for (enum delivery_way w = DELIVERY_IMAGE; w <= DELIVERY_DHCP; w++)
		assert_int_equal(d.places[w].state, DELIVERY_LEFT);
	/* What came too late is neither fetched nor mounted. */
	assert_int_equal(n_fetched, 1);
	assert_int_equal(n_opened, 0);

	line.plan = NULL;
	taken(DELIVERY_IMAGE, "s3://image/");
	assert_int_equal(
		remove(arena_print(&arena, "%s/etc/etcd-rescue/plan.yaml", machine_path)), 0);
	taken(DELIVERY_VOLUME, "s3://volume/");
	assert_string_equal(d.name, "sr0:plan.yaml");
	from.n_blocks = 0;
	taken(DELIVERY_FW_CFG, "s3://fwcfg/");
	remove(arena_print(&arena, "%s/" FW_CFG "plan/raw", machine_path));
	taken(DELIVERY_SMBIOS, "s3://smbios/");
	remove(arena_print(&arena, "%s/sys/firmware/dmi/entries/11-0/raw", machine_path));
	taken(DELIVERY_DHCP, "s3://dhcp/");
	assert_int_equal(d.places[DELIVERY_IMAGE].state, DELIVERY_ABSENT);
	remove(arena_print(&arena, "%s/run/etcd-rescue/net/eth0.lease", machine_path));
	ends_with(ERR_NOTFOUND,
		"no plan: none by the kernel line, in the image, on a removable volume RESCUE, by "
		"fw_cfg, SMBIOS or DHCP");
	line.source = "s3://words/";
	taken(DELIVERY_KERNEL_WORDS, "s3://words/");
}

static void kernel_words_go_over_the_plan(void **state)
{
	(void)state;
	put_text("etc/etcd-rescue/plan.yaml",
		"generation: 3\nsource: s3://image/\nhandoff: kexec\n");
	line.source = "s3://words/";
	line.snapshot = "x.db";
	line.automatic = "yes";
	line.handoff = "stay";
	taken(DELIVERY_IMAGE, "s3://words/");
	assert_int_equal(d.plan.generation, 3);
	assert_string_equal(d.plan.snapshot.name, "x.db");
	assert_true(d.plan.automatic);
	assert_int_equal(d.plan.handoff, PLAN_HANDOFF_STAY);
	line.handoff = "fly";
	ends_with(ERR_FORMAT,
		"kernel line: rescue.handoff: 'fly' is none of: auto, firmware, kexec, poweroff, "
		"stay");
}

static void plan_without_source_is_completed_by_the_kernel_line(void **state)
{
	(void)state;
	put_text("etc/etcd-rescue/plan.yaml", "role: single\n");
	ends_with(ERR_FORMAT,
		"/etc/etcd-rescue/plan.yaml:1:1: source is missing: say where the snapshots are, "
		"such as source: s3://BUCKET/PREFIX/");
	line.source = "s3://words/";
	taken(DELIVERY_IMAGE, "s3://words/");
	assert_int_equal(d.plan.role, PLAN_ROLE_SINGLE);
}

static void address_on_the_kernel_line_is_made_for_this_machine(void **state)
{
	(void)state;
	line.plan = "https://h/${mac}/${serial}.yaml?x=${mac}";
	serve(0, "https://h/" MAC "/B5%2F2.yaml?x=" MAC, "source: s3://a/\n");
	taken(DELIVERY_KERNEL_LINE, "s3://a/");
	line.plan = "https://h/${uuid}";
	ends_with(ERR_MISMATCH,
		"rescue.plan: the address wants ${uuid} and this machine has no system UUID");
	line.plan = "https://h/${MAC}";
	ends_with(ERR_FORMAT,
		"rescue.plan: '${MAC}' is unknown; an address may hold ${mac}, ${uuid}, ${serial} "
		"and ${hostname}");
	line.plan = "https://h/${mac";
	ends_with(ERR_FORMAT, "rescue.plan: '${' without '}' in the address");
}

static void kernel_line_that_cannot_be_followed_ends_the_search(void **state)
{
	(void)state;
	put_text("etc/etcd-rescue/plan.yaml", "source: s3://image/\n");
	line.plan = "https://h/gone";
	ends_with(ERR_MISMATCH, "rescue.plan: https://h/gone: 404");
	assert_int_equal(d.places[DELIVERY_KERNEL_LINE].state, DELIVERY_BROKEN);
	line.plan = "s3://bucket/plan.yaml";
	ends_with(ERR_UNSUPPORTED, "rescue.plan: a plan comes by https, http or file, not 's3:'");
	line.plan = "https://joe:hunter2@h/p";
	ends_with(ERR_FORMAT,
		"rescue.plan: an address with user or password can be read by everybody; take them "
		"out");
	line.plan = "file:/media/plan.yaml";
	ends_with(ERR_MISMATCH, "rescue.plan: /media/plan.yaml is not there");
	put_text("media/plan.yaml", "source: s3://media/\n");
	taken(DELIVERY_KERNEL_LINE, "s3://media/");
}

static void broken_plan_ends_the_search_with_its_place(void **state)
{
	(void)state;
	put_text("etc/etcd-rescue/plan.yaml", "source: s3://image/\nrole: chief\n");
	lease("https://dhcp/p");
	ends_with(ERR_FORMAT,
		"/etc/etcd-rescue/plan.yaml:2:7: role: 'chief' is none of: auto, restore, single, "
		"join, stand-aside, purge-only");
	assert_int_equal(n_fetched, 0);
}

static void volume_must_be_one_that_can_be_pulled_out(void **state)
{
	(void)state;
	put(medium_path[1], "plan.yaml", "source: s3://stick/\n", 20);
	stick("usb", 3ull << 30, "rescue");
	taken(DELIVERY_VOLUME, "s3://stick/");
	stick("usb", 4ull << 30, "RESCUE");
	assert_int_equal(delivery_find(&d, &from, &e), ERR_NOTFOUND);
	/* A small partition of a big disk is a part of somebody's data. */
	parts[0].size = 1ull << 30;
	blocks[1].size = 2ull << 40;
	assert_int_equal(delivery_find(&d, &from, &e), ERR_NOTFOUND);
	stick("sata", 1ull << 30, "RESCUE");
	assert_int_equal(delivery_find(&d, &from, &e), ERR_NOTFOUND);
	stick("usb", 1ull << 30, "BACKUP");
	assert_int_equal(delivery_find(&d, &from, &e), ERR_NOTFOUND);
	parts[0].content.kind = SUPERBLOCK_LVM2;
	assert_int_equal(delivery_find(&d, &from, &e), ERR_NOTFOUND);
	assert_int_equal(n_opened, 1);
}

static void volume_of_a_cloud_holds_a_plan_only_under_our_mark(void **state)
{
	static const char ours[] = "#etcd-rescue\nsource: s3://cloud/\n";
	static const char other[] = "#cloud-config\nusers: []\n";

	(void)state;
	optical("config-2");
	put(medium_path[0], "openstack/latest/user_data", other, sizeof other - 1);
	assert_int_equal(delivery_find(&d, &from, &e), ERR_NOTFOUND);
	put(medium_path[0], "openstack/latest/user_data", ours, sizeof ours - 1);
	taken(DELIVERY_VOLUME, "s3://cloud/");
	assert_string_equal(d.name, "sr0:openstack/latest/user_data");
}

static void two_volumes_with_a_plan_are_one_too_many(void **state)
{
	(void)state;
	optical("CIDATA");
	stick("usb", 1ull << 30, "RESCUE");
	put(medium_path[1], "plan.yaml", "source: s3://stick/\n", 20);
	taken(DELIVERY_VOLUME, "s3://stick/");
	put(medium_path[0], "plan.yaml", "source: s3://disc/\n", 19);
	ends_with(ERR_DECLINED,
		"sr0 (CIDATA) and sdb1 (RESCUE) both hold a plan; take one of them out");
}

/* In the image they are kept in memory; on a host nothing is written. */
static void credentials_beside_the_plan_are_kept_in_the_image(void **state)
{
	CLEAN_BUF struct buf kept = BUF(4096);
	struct stat st;
	char path[512];

	(void)state;
	optical("RESCUE");
	put(medium_path[0], "plan.yaml", "source: s3://disc/\n", 19);
	put(medium_path[0], "credentials", "[default]\n", 10);
	put(medium_path[0], "identity", "a key\n", 6);
	put(medium_path[0], "wallet", "no\n", 3);
	put(machine_path, "run/etcd-rescue/boot.log", "", 0);
	snprintf(path, sizeof path, "%s/run/etcd-rescue/credentials", machine_path);
	taken(DELIVERY_VOLUME, "s3://disc/");
	assert_int_equal(stat(path, &st), -1);
	put(machine_path, "etc/etcd-rescue/manifest", "", 0);
	taken(DELIVERY_VOLUME, "s3://disc/");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(file_read(&kept, &machine, "run/etcd-rescue/credentials", &e), 0);
	assert_true(str_is(buf_text(&kept), "[default]\n"));
	buf_clear(&kept);
	assert_int_equal(file_read(&kept, &machine, "run/etcd-rescue/identity", &e), 0);
	assert_true(str_is(buf_text(&kept), "a key\n"));
	assert_false(root_exists(&machine, "run/etcd-rescue/wallet"));
}

static void smbios_string_may_be_the_plan_in_base64(void **state)
{
	CLEAN_BUF struct buf text = BUF(4096);
	const char *texts[] = { "etcd-rescue.plan=", NULL };

	(void)state;
	buf_print(&text, &e, "etcd-rescue.plan=");
	codec_text_base64(&text, SPAN("source: s3://base64/\n"), &e);
	texts[0] = arena_copy(&arena, buf_text(&text));
	smbios(texts);
	taken(DELIVERY_SMBIOS, "s3://base64/");
	texts[0] = "etcd-rescue.plan=what?";
	smbios(texts);
	assert_int_equal(delivery_find(&d, &from, &e), ERR_FORMAT);
	assert_true(str_starts(str_from(e.text),
		STR("SMBIOS string etcd-rescue.plan is neither an address nor base64")));
}

static void smbios_table_that_lies_about_its_length_is_no_plan(void **state)
{
	static const char *const tables[] = { "", "\x0b", "\x0b\xff\x00\x0b\x01x",
		"\x0b\x05\x00\x0b\x01",
		"\x01\x05\x00\x0b\x01"
		"etcd-rescue.plan=http://x/",
		"\x0b\x04\x00\x0b\x01"
		"etcd-rescue.plan=http://x/" };
	static const size_t lengths[] = { 0, 1, 6, 5, 31, 31 };

	(void)state;
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
		put(machine_path, "sys/firmware/dmi/entries/11-0/raw", tables[i], lengths[i]);
		assert_int_equal(delivery_find(&d, &from, &e), ERR_NOTFOUND);
	}
}

static void plan_that_is_too_large_is_none(void **state)
{
	char *text = arena_alloc(&arena, 300 * 1024);

	(void)state;
	memset(text, '#', 300 * 1024 - 1);
	put(machine_path, "etc/etcd-rescue/plan.yaml", text, 300 * 1024 - 1);
	ends_with(ERR_FORMAT,
		"/etc/etcd-rescue/plan.yaml: is no plan, it holds more than 262144 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_way_with_a_plan_wins_and_the_rest_is_reported),
		TEST(kernel_words_go_over_the_plan),
		TEST(plan_without_source_is_completed_by_the_kernel_line),
		TEST(address_on_the_kernel_line_is_made_for_this_machine),
		TEST(kernel_line_that_cannot_be_followed_ends_the_search),
		TEST(broken_plan_ends_the_search_with_its_place),
		TEST(volume_must_be_one_that_can_be_pulled_out),
		TEST(volume_of_a_cloud_holds_a_plan_only_under_our_mark),
		TEST(two_volumes_with_a_plan_are_one_too_many),
		TEST(credentials_beside_the_plan_are_kept_in_the_image),
		TEST(smbios_string_may_be_the_plan_in_base64),
		TEST(smbios_table_that_lies_about_its_length_is_no_plan),
		TEST(plan_that_is_too_large_is_none),
	};

	return cmocka_run_group_tests_name("delivery", tests, NULL, NULL);
}
