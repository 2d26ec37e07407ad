#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/trust.h"
#include "node/anchors.h"
#include "os/file.h"

/* A self-signed certificate on P-256 made for this file; its key was never kept. */
static const char pem[] = "-----BEGIN CERTIFICATE-----\n"
			  "MIIBdDCCARugAwIBAgIUemjpN4qqVkrw0uUvnXyawWontC8wCgYIKoZIzj0EAwIw\n"
			  "DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjExMjI0MjhaGA8yMTI2MTAyODEyMjQy\n"
			  "OFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFwO\n"
			  "4BB2rVlaEJdsZfHIo14TsVzY8z27zvxI/Tpbcdrm1/DxZMtkZGlDR11rLrYGRohe\n"
			  "j5fDZI4mVMg1SkxSYCqjUzBRMB0GA1UdDgQWBBSlIkCZbLwIbPDsXr86VBlgC9os\n"
			  "IzAfBgNVHSMEGDAWgBSlIkCZbLwIbPDsXr86VBlgC9osIzAPBgNVHRMBAf8EBTAD\n"
			  "AQH/MAoGCCqGSM49BAMCA0cAMEQCIDtsEYMYffS/z1JvIMA+RY8Rkp5BUyfxo+3S\n"
			  "nDH2++NZAiA/ZAJwfvnLtxhbj6NFp+QTjxKVHtiM0MNqqiHG9DoBcA==\n"
			  "-----END CERTIFICATE-----\n";

static char top[] = "/tmp/etcd-rescue-anchors-XXXXXX";
static struct root root = NO_ROOT;

static void put(const char *path, const char *text)
{
	char full[256];
	struct err e;

	snprintf(full, sizeof full, "%s/%s", top, path);
	CLOSE_FD int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, text, strlen(text), &e), 0);
}

static int make_tree(void **state)
{
	char command[256];
	struct err e;

	(void)state;
	if (!mkdtemp(top) || root_open(&root, top, &e))
		return -1;
	snprintf(
		command, sizeof command, "cd %s && mkdir -p etc/ssl/certs etc/etcd-rescue/ca", top);
	return system(command);
}

static int drop_tree(void **state)
{
	char command[64];

	(void)state;
	root_close(&root);
	snprintf(command, sizeof command, "rm -r %s", top);
	return system(command);
}

static void anchors_join_the_bundle_and_the_sites_own_in_order(void **state)
{
	CLEAN_BUF struct buf all = BUF(NODE_ANCHORS_MAX);
	char remark[2048];
	struct err e = { 0 };
	size_t first = 0, second = 0;

	(void)state;
	assert_int_equal(node_anchors_load(&all, &root, &e), 0);
	assert_int_equal(all.len, 0); /* no file, no anchors, no error */
	put("etc/ssl/certs/ca-certificates.crt", pem);
	snprintf(remark, sizeof remark, "# second\n%s", pem);
	put("etc/etcd-rescue/ca/b.crt", remark);
	snprintf(remark, sizeof remark, "# first\n%s", pem);
	remark[strlen(remark) - 1] = 0; /* no line end */
	put("etc/etcd-rescue/ca/a.pem", remark);
	put("etc/etcd-rescue/ca/README", "not looked at");
	assert_int_equal(node_anchors_load(&all, &root, &e), 0);
	assert_true(str_find(&first, buf_text(&all), STR("# first")));
	assert_true(str_find(&second, buf_text(&all), STR("-----\n# second")));
	assert_true(first < second && first > sizeof pem - 2);
	assert_int_equal(trust_check(buf_span(&all), "all", &e), 0);
}

static void anchors_name_the_file_that_holds_none(void **state)
{
	CLEAN_BUF struct buf all = BUF(NODE_ANCHORS_MAX), little = BUF(16);
	struct err e = { 0 };

	(void)state;
	put("etc/etcd-rescue/ca/c.pem", "-----BEGIN RUBBISH-----\n");
	assert_int_equal(node_anchors_load(&all, &root, &e), ERR_FORMAT);
	assert_string_equal(e.text, "/etc/etcd-rescue/ca/c.pem: holds no certificate in PEM form "
				    "(-----BEGIN CERTIFICATE-----)");
	put("etc/etcd-rescue/ca/c.pem", pem);
	assert_int_equal(node_anchors_load(&little, &root, &e), ERR_SPACE);
	assert_int_equal(trust_check(SPAN(""), "nothing", &e), ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anchors_join_the_bundle_and_the_sites_own_in_order),
		cmocka_unit_test(anchors_name_the_file_that_holds_none),
	};
	return cmocka_run_group_tests(tests, make_tree, drop_tree);
}
