#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/text.h"
#include "os/file.h"
#include "plan/delivery.h"

#define MAC "52:54:00:12:34:56"

/* A fake machine below a temporary directory, and a fake web and media beside it. */
static struct arena arena;
static char machine_path[64], medium_path[2][64];
static struct root machine = NO_ROOT;
static struct node_cmdline line;
static struct block blocks[3];
static struct block_part parts[1];
static struct delivery_from from;
static struct delivery d;
static struct err e;

static struct {
	const char *url, *body;
	size_t len;
} web[4];
static size_t n_fetched, n_opened;

static int fetch(void *ctx, struct buf *out, const char *url, struct err *why)
{
	(void)ctx;
	n_fetched++;
	for (size_t i = 0; i < sizeof web / sizeof *web; i++) {
		if (web[i].url && !strcmp(web[i].url, url))
			return buf_add(out, web[i].body, web[i].len, why);
	}
	return err_set(why, ERR_NOTFOUND, "%s: 404", url);
}

static int open_volume(void *ctx, struct root *volume, const char *device,
	enum superblock_kind kind, struct err *why)
{
	(void)ctx;
	n_opened++;
	assert_int_not_equal(kind, SUPERBLOCK_NONE);
	return root_open(volume, medium_path[!strcmp(device, "sdb1")], why);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int set_up(void **state)
{
	(void)state;
	arena = ARENA(64 << 20);
	strcpy(machine_path, "/tmp/etcd-rescue-test-XXXXXX");
	strcpy(medium_path[0], "/tmp/etcd-rescue-test-XXXXXX");
	strcpy(medium_path[1], "/tmp/etcd-rescue-test-XXXXXX");
	if (!mkdtemp(machine_path) || !mkdtemp(medium_path[0]) || !mkdtemp(medium_path[1]) ||
		root_open(&machine, machine_path, &e))
		return -1;
	memset(&line, 0, sizeof line);
	memset(blocks, 0, sizeof blocks);
	memset(web, 0, sizeof web);
	n_fetched = n_opened = 0;
	from = (struct delivery_from){ .arena = &arena,
		.root = &machine,
		.line = &line,
		.fetch = fetch,
		.open_volume = open_volume,
		.facts = { .mac = MAC, .serial = "B5/2" } };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	root_close(&machine);
	nftw(machine_path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	nftw(medium_path[0], remove_one, 8, FTW_DEPTH | FTW_PHYS);
	nftw(medium_path[1], remove_one, 8, FTW_DEPTH | FTW_PHYS);
	arena_free(&arena);
	return 0;
}

/* A file below `base`, with the directories it needs. */
static void put(const char *base, const char *path, const void *bytes, size_t len)
{
	char full[512];

	snprintf(full, sizeof full, "%s/%s", base, path);
	for (char *p = full + strlen(base) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(full, 0755);
		*p = '/';
	}
	const int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static void put_text(const char *path, const char *text)
{
	put(machine_path, path, text, strlen(text));
}

static const char *golden(size_t *len, const char *name)
{
	CLEAN_BUF struct buf b = BUF(1 << 20);
	CLEAN_ROOT struct root root = NO_ROOT;

	if (root_open(&root, "../tests/golden/signature", &e) || file_read(&b, &root, name, &e))
		fail_msg("%s", e.text);
	*len = b.len;
	return arena_copy(&arena, buf_text(&b));
}

static void put_golden(const char *base, const char *path, const char *name)
{
	size_t len;
	const char *bytes = golden(&len, name);

	put(base, path, bytes, len);
}

static void serve(size_t at, const char *url, const char *body)
{
	web[at].url = url;
	web[at].body = body;
	web[at].len = strlen(body);
}

static void serve_golden(size_t at, const char *url, const char *name)
{
	web[at].url = url;
	web[at].body = golden(&web[at].len, name);
}

static void optical(const char *label)
{
	blocks[0] = (struct block){ .name = "sr0", .optical = true, .size = 40 << 20 };
	blocks[0].content.kind = SUPERBLOCK_ISO9660;
	snprintf(blocks[0].content.label, sizeof blocks[0].content.label, "%s", label);
	from.blocks = blocks;
	from.n_blocks = 1;
}

static void stick(const char *transport, uint64_t size, const char *label)
{
	parts[0] = (struct block_part){ .name = "sdb1", .size = size };
	parts[0].content.kind = SUPERBLOCK_VFAT;
	snprintf(parts[0].content.label, sizeof parts[0].content.label, "%s", label);
	blocks[1] = (struct block){
		.name = "sdb", .transport = transport, .size = size, .parts = parts, .n_parts = 1
	};
	from.blocks = blocks;
	from.n_blocks = 2;
}

static void smbios(const char *const *texts)
{
	CLEAN_BUF struct buf raw = BUF(1 << 20);

	buf_add(&raw, "\x0b\x05\x00\x0b\x02", 5, &e);
	for (; *texts; texts++)
		buf_add(&raw, *texts, strlen(*texts) + 1, &e);
	buf_add(&raw, "", 1, &e);
	put(machine_path, "sys/firmware/dmi/entries/11-0/raw", raw.p, raw.len);
}

static void lease(const char *url)
{
	CLEAN_BUF struct buf text = BUF(4096);

	buf_print(&text, &e, "ip=192.0.2.7\nopt224=");
	codec_text_hex(&text, (struct span){ (const uint8_t *)url, strlen(url) }, &e);
	buf_print(&text, &e, "\nhostname=node7\n");
	put(machine_path, "run/etcd-rescue/net/eth0.lease", text.p, text.len);
}

static void taken(enum delivery_way way, const char *source)
{
	if (delivery_find(&d, &from, &e))
		fail_msg("%s", e.text);
	assert_int_equal(d.way, way);
	assert_string_equal(d.plan.source, source);
	assert_int_equal(d.places[way].state, DELIVERY_TAKEN);
}

static void ends_with(int code, const char *text)
{
	assert_int_equal(delivery_find(&d, &from, &e), code);
	assert_string_equal(e.text, text);
}

#define FW_CFG "sys/firmware/qemu_fw_cfg/by_name/opt/etcd-rescue/"

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

static void plan_that_is_too_large_is_none(void **state)
{
	char *text = arena_alloc(&arena, 300 * 1024);

	(void)state;
	memset(text, '#', 300 * 1024 - 1);
	put(machine_path, "etc/etcd-rescue/plan.yaml", text, 300 * 1024 - 1);
	ends_with(ERR_FORMAT,
		"/etc/etcd-rescue/plan.yaml: is no plan, it holds more than 262144 bytes");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
		TEST(plan_from_dhcp_or_plain_http_does_not_run_unattended),
		TEST(with_a_key_only_signed_plans_are_taken),
		TEST(every_way_can_carry_a_signature),
		TEST(with_a_key_words_nobody_signed_are_not_heard),
		TEST(broken_key_is_not_the_same_as_no_key),
		TEST(key_under_another_name_is_not_the_same_as_no_key),
		TEST(file_named_by_a_person_keeps_to_the_same_rules),
		TEST(plan_that_is_too_large_is_none),
	};

	return cmocka_run_group_tests_name("delivery", tests, NULL, NULL);
}
