#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "target/file.h"
#include "target/place.h"

static struct arena arena = ARENA(64 << 20);
static struct root root = NO_ROOT;
static struct target_tree tree;
static struct target_place place;
static char dir[64];

static const char *at(const char *path)
{
	return arena_print(&arena, "%s/%s", dir, path);
}

static int begin(void **state)
{
	struct err e = { 0 };

	(void)state;
	strcpy(dir, "./place_test.XXXXXX");
	return !mkdtemp(dir) || root_open(&root, dir, &e);
}

static int end(void **state)
{
	char command[128];

	(void)state;
	root_close(&root);
	arena_free(&arena);
	arena = ARENA(64 << 20);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static void make(const char *path)
{
	struct err e = { 0 };

	if (target_make_directories(&root, path, 0755, &e))
		fail_msg("%s", e.text);
}

static void put(const char *path, const char *text)
{
	struct err e = { 0 };

	if (target_create(&root, path, NULL, 0644,
		    (struct span){ (const uint8_t *)text, strlen(text) }, &e))
		fail_msg("%s", e.text);
}

static void link_to(const char *target, const char *path)
{
	assert_int_equal(symlink(target, at(path)), 0);
}

static void find(const char *path)
{
	struct err e = { 0 };

	if (target_tree(&tree, &arena, &root, NULL, &e) || target_place(&place, &tree, path, &e))
		fail_msg("%s: %s", path, e.text);
}

/* Device "" is the root's own. */
static void lies(const char *path, const char *device, const char *inside)
{
	find(path);
	assert_string_equal(place.spot.device ? place.spot.device : "", device);
	assert_string_equal(place.spot.inside, inside);
}

static void refused(const char *path, enum err_code code, const char *part)
{
	struct err e = { 0 };

	if (!target_tree(&tree, &arena, &root, NULL, &e) && !target_place(&place, &tree, path, &e))
		fail_msg("%s was found", path);
	assert_int_equal(e.code, code);
	if (!strstr(e.text, part))
		fail_msg("'%s' is not in: %s", part, e.text);
}

static void says(const char *part)
{
	for (size_t i = 0; i < place.n_chain; i++) {
		if (strstr(place.chain[i], part))
			return;
	}
	fail_msg("no line of the chain says '%s'", part);
}

static void fstab_is_followed(void **state)
{
	(void)state;
	put("etc/fstab", "# UUID=0 /var/lib/etcd xfs\n\n"
			 "UUID=\"aa-bb\" / ext4 defaults 0 1\n"
			 "/dev/disk/by-label/etcd\\x2ddata /var/lib/etcd/ xfs defaults 0 2\n"
			 "LABEL=second /var/lib/etcd xfs\n"
			 "PARTUUID=1-2 /mnt/a\\040b auto noauto\n"
			 "/mnt/a\\040b/deep /srv/wal none defaults,bind 0 0\n"
			 "/dev/sdz1 none swap sw 0 0\n"
			 "/dev/mapper/vg-x /data btrfs subvol=/@data,ro\n"
			 "short\n");
	lies("/etc/kubernetes", "", "etc/kubernetes");
	lies("/var/lib/etcd", "LABEL=etcd-data", "");
	says("/var/lib/etcd is LABEL=etcd-data, xfs, defaults (etc/fstab:4)");
	lies("/var/lib/etcd/member/snap", "LABEL=etcd-data", "member/snap");
	lies("/var/lib/etcd-other", "", "var/lib/etcd-other");
	lies("/srv/wal/0", "PARTUUID=1-2", "deep/0");
	says("/srv/wal is bound to /mnt/a b/deep");
	lies("/data/etcd", "/dev/mapper/vg-x", "@data/etcd");
	refused("relative", ERR_USAGE, "absolute");
}

static void units_are_followed(void **state)
{
	(void)state;
	put("etc/systemd/system/var-lib-etcd.mount",
		"[Unit]\nWhat=/dev/wrong\n[Mount]\n# What=/dev/no\n"
		"What=/dev/disk/by-uuid/11-22\nWhere=/var/lib/etcd\nType = xfs\n"
		"Options=noatime,\\\n  nodev\n");
	put("etc/systemd/system/var-lib-etcd\\x2dwal.mount", "[Mount]\nWhat=LABEL=wal\n");
	put("etc/systemd/system/misnamed.mount", "[Mount]\nWhat=LABEL=x\nWhere=/opt\n");
	put("etc/fstab", "LABEL=loses /var/lib/etcd xfs\nLABEL=wins /srv xfs\n");
	put("usr/lib/systemd/system/srv.mount", "[Mount]\nWhat=LABEL=vendor\nWhere=/srv\n");
	put("usr/lib/systemd/system/opt.mount", "[Mount]\nWhat=LABEL=masked\nWhere=/opt\n");
	put("usr/lib/systemd/system/tmp.mount", "[Mount]\nWhat=tmpfs\nWhere=/tmp\nType=tmpfs\n");
	link_to("/dev/null", "etc/systemd/system/opt.mount");
	lies("/var/lib/etcd", "UUID=11-22", "");
	says("etc/systemd/system/var-lib-etcd.mount");
	lies("/var/lib/etcd-wal/x", "LABEL=wal", "x");
	lies("/srv", "LABEL=wins", "");
	lies("/opt", "", "opt");
	lies("/tmp", "tmpfs", "");
}

/* What drop-ins say comes last, by their names, whichever directory they are in. */
static void drop_ins_are_read(void **state)
{
	(void)state;
	put("etc/fstab", "LABEL=old /data ext4 defaults 0 2\n");
	put("etc/systemd/system/data.mount.d/10-disk.conf", "[Mount]\nWhat=LABEL=new\n");
	put("etc/systemd/system/var-lib-etcd.mount",
		"[Mount]\nWhat=/dev/sdb1\nWhere=/var/lib/etcd\nType=xfs\n");
	put("usr/lib/systemd/system/var-lib-etcd.mount.d/20-b.conf", "[Mount]\nWhat=/dev/sdc1\n");
	put("etc/systemd/system/var-lib-etcd.mount.d/10-a.conf",
		"[Unit]\nWhat=/dev/never\n[Mount]\nWhat=/dev/sdd1\nType=ext4\n");
	put("usr/lib/systemd/system/var-lib-etcd.mount.d/10-a.conf",
		"[Mount]\nType=never\n"); /* hidden by that of etc */
	put("etc/systemd/system/var-lib-etcd.mount.d/30-readme.txt", "[Mount]\nWhat=/dev/no\n");
	link_to("/nowhere", "etc/systemd/system/var-lib-etcd.mount.d/40-gone.conf");
	put("etc/systemd/system/srv.mount", "[Mount]\nWhat=/dev/sde1\nWhere=/srv\n");
	put("etc/systemd/system/srv.mount.d/x.conf", "[Mount]\nWhere=/elsewhere\n");
	find("/data/etcd");
	assert_string_equal(place.spot.device, "LABEL=new");
	assert_string_equal(place.spot.type, "ext4");
	find("/var/lib/etcd");
	assert_string_equal(place.spot.device, "/dev/sdc1");
	assert_string_equal(place.spot.type, "ext4");
	says("20-b.conf");
	/* systemd would refuse it; what was said before is taken */
	find("/srv/x");
	assert_string_equal(place.spot.device, "/dev/sde1");
}

static void links_stay_inside(void **state)
{
	(void)state;
	make("var/lib");
	make("data/etcd");
	put("etc/fstab", "LABEL=d /disk xfs\n");
	link_to("/data/etcd", "var/lib/etcd");
	link_to("../../../../../../data", "var/lib/up");
	link_to("/disk/etcd", "var/lib/far");
	link_to("b", "var/lib/a");
	link_to("a", "var/lib/b");
	lies("/var/lib/etcd/member", "", "data/etcd/member");
	assert_string_equal(place.path, "/data/etcd/member");
	says("/var/lib/etcd is a link to /data/etcd");
	lies("/var/lib/up/etcd", "", "data/etcd");
	lies("/var/lib/far", "LABEL=d", "etcd");
	lies("/var/lib/etcd/../x", "", "data/x");
	lies("/../..", "", "");
	refused("/var/lib/a", ERR_FORMAT, "links that lead to each other");
}

static void overlay_upper_is_found(void **state)
{
	(void)state;
	put("etc/fstab",
		"LABEL=ETCDK8S /run/lib-etcd xfs noatime 0 0\n"
		"etcd_overlay /var/lib/etcd overlay "
		"lowerdir=/var/lib/etcd,upperdir=/run/lib-etcd/overlayfs,workdir=/run/w 0 0\n"
		"overlay /ro overlay lowerdir=/a:/b\n");
	lies("/var/lib/etcd/member", "LABEL=ETCDK8S", "overlayfs/member");
	assert_int_equal(place.n_lower, 1);
	assert_null(place.lower[0].device);
	assert_string_equal(place.lower[0].inside, "var/lib/etcd/member");
	says("/var/lib/etcd is an overlay, /run/lib-etcd/overlayfs over /var/lib/etcd "
	     "(etc/fstab:2)");
	says("/run/lib-etcd is LABEL=ETCDK8S, xfs, noatime (etc/fstab:1)");
	refused("/ro/x", ERR_FORMAT, "without upperdir=");
}

static void circles_end(void **state)
{
	char text[16384];
	size_t len = 0;

	(void)state;
	/* Each is an overlay over all the others. */
	for (int i = 0; i < 40; i++) {
		len += (size_t)snprintf(text + len, sizeof text - len,
			"o /o%d overlay upperdir=/o%d/x,lowerdir=", i, (i + 1) % 40);
		for (int k = 0; k < 40; k++)
			len += (size_t)snprintf(text + len, sizeof text - len, "/o%d/y:", k);
		len += (size_t)snprintf(text + len, sizeof text - len, "\n");
	}
	put("etc/fstab", text);
	refused("/o0/a/b", ERR_FORMAT, "without end");
}

static void ostree_deployment_is_the_root(void **state)
{
	(void)state;
	make("ostree/deploy/rhcos/deploy/aaa.0/etc/kubernetes");
	make("ostree/deploy/rhcos/deploy/bbb.1/etc");
	make("ostree/deploy/rhcos/var/lib/etcd");
	make("ostree/boot.1.1/rhcos/123");
	make("boot/loader.1/entries");
	make("data");
	refused("/etc", ERR_DECLINED, "aaa.0, ostree/deploy/rhcos/deploy/bbb.1");
	link_to("boot.1.1", "ostree/boot.1");
	link_to("loader.1", "boot/loader");
	link_to("../../../deploy/rhcos/deploy/aaa.0", "ostree/boot.1.1/rhcos/123/0");
	link_to("../../../deploy/rhcos/deploy/bbb.1", "ostree/boot.1.1/rhcos/123/1");
	put("boot/loader.1/entries/ostree-1-rhcos.conf",
		"title old\nversion 9\noptions root=x ostree=/ostree/boot.1/rhcos/123/1\n");
	put("boot/loader.1/entries/ostree-2-rhcos.conf",
		"version 10\noptions quiet ostree=/ostree/boot.1/rhcos/123/0 rw\n");
	put("ostree/deploy/rhcos/deploy/aaa.0/etc/fstab", "LABEL=wal /var/lib/wal xfs\n");
	link_to("/data", "ostree/deploy/rhcos/var/lib/odd");
	link_to("/sysroot/data", "ostree/deploy/rhcos/var/lib/own");
	lies("/etc/kubernetes", "", "ostree/deploy/rhcos/deploy/aaa.0/etc/kubernetes");
	lies("/var/lib/etcd", "", "ostree/deploy/rhcos/var/lib/etcd");
	says("/var is ostree/deploy/rhcos/var of this file system");
	lies("/var/lib/wal/x", "LABEL=wal", "x");
	lies("/var/lib/odd", "", "ostree/deploy/rhcos/deploy/aaa.0/data");
	lies("/var/lib/own", "", "data");
	assert_string_equal(tree.ostree.origin, "boot/loader/entries/ostree-2-rhcos.conf");
}

static void hostile_ostree_is_refused(void **state)
{
	(void)state;
	make("ostree/deploy/s/deploy");
	refused("/", ERR_NOTFOUND, "holds no deployment");
	make("ostree/x");
	link_to("../../etc", "ostree/x/0");
	link_to("deploy/../deploy/..", "ostree/x/1");
	put("boot/loader/entries/a.conf", "version 1\noptions ostree=/ostree/x/0\n");
	refused("/", ERR_FORMAT, "no deployment");
	put("boot/loader/entries/b.conf", "version 2\noptions ostree=/ostree/x/1\n");
	refused("/", ERR_FORMAT, "no deployment");
	put("boot/loader/entries/c.conf", "version 3\noptions ostree=\n");
	refused("/", ERR_NOTFOUND, "c.conf");
	assert_int_equal(mkfifo(at("boot/loader/entries/d.conf"), 0600), 0);
	refused("/", ERR_FORMAT, "d.conf");
}

static void files_that_are_none_are_refused(void **state)
{
	(void)state;
	make("etc");
	assert_int_equal(mkfifo(at("etc/fstab"), 0600), 0);
	refused("/", ERR_FORMAT, "etc/fstab");
}

static void any_bytes_are_read(void **state)
{
	struct target_mounts mounts = { 0 };
	struct err e = { 0 };
	const struct str odd = STR("\0 /\0 x\n\\0 /a\\0\n\\ /\\\n= /e =\n\"\" /q\n/ / / / /");

	(void)state;
	assert_int_equal(target_mounts_fstab(&mounts, &arena, odd, "f", &e), 0);
	assert_int_equal(
		target_mounts_unit(&mounts, &arena, STR("[Mount]\nWhat=a\\"), "-.mount", &e), 0);
	assert_int_equal(
		target_mounts_unit(&mounts, &arena, STR("[Mount]\nWhat"), "\\x2.mount", &e), 0);
	assert_int_equal(target_mounts_unit(&mounts, &arena, STR("[Mount]\nWhat=b"), "x", &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fstab_is_followed, begin, end),
		cmocka_unit_test_setup_teardown(units_are_followed, begin, end),
		cmocka_unit_test_setup_teardown(drop_ins_are_read, begin, end),
		cmocka_unit_test_setup_teardown(links_stay_inside, begin, end),
		cmocka_unit_test_setup_teardown(overlay_upper_is_found, begin, end),
		cmocka_unit_test_setup_teardown(circles_end, begin, end),
		cmocka_unit_test_setup_teardown(ostree_deployment_is_the_root, begin, end),
		cmocka_unit_test_setup_teardown(hostile_ostree_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(files_that_are_none_are_refused, begin, end),
		cmocka_unit_test_setup_teardown(any_bytes_are_read, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
