#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "source/sftp_address.h"
#include "source/sftp_link.h"
#include "source/sftp_login.h"

static struct arena arena = ARENA(1 << 20);

static int clean(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void address_takes_user_password_port_and_path(void **state)
{
	struct sftp_address at;
	struct err e;

	(void)state;
	assert_int_equal(sftp_address_parse(&at, &arena,
				 "sftp://me:p%40s%3As%2F%25@h.example:2222/a%20b/c%3F.db", &e),
		0);
	assert_string_equal(at.user, "me");
	assert_string_equal(at.password, "p@s:s/%");
	assert_string_equal(at.host, "h.example");
	assert_int_equal(at.port, 2222);
	assert_string_equal(at.path, "/a b/c?.db");
	assert_string_equal(at.shown, "sftp://h.example:2222/a%20b/c%3F.db");
	sftp_address_wipe(&at);
	assert_null(at.password);
}

static void address_begins_at_home_when_it_says_so(void **state)
{
	static const char *const cases[][2] = {
		{ "sftp://h", "." },
		{ "sftp://h/~", "." },
		{ "sftp://h/~/", "." },
		{ "sftp://h/~/backup/a.db", "backup/a.db" },
		{ "sftp://h/", "/" },
		{ "sftp://h/~x", "/~x" },
	};
	struct sftp_address at;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(sftp_address_parse(&at, &arena, cases[i][0], &e), 0);
		assert_string_equal(at.path, cases[i][1]);
		assert_int_equal(at.port, 22);
		assert_null(at.user);
		if (!strcmp(cases[i][0], "sftp://h"))
			assert_string_equal(at.shown, "sftp://h/~");
		assert_null(at.password);
	}
}

static void address_refuses_without_repeating_the_password(void **state)
{
	static const char *const cases[] = {
		"sftp://me:canary%zz@h/",
		"sftp://me:canary%00@h/",
		"sftp://me:canary%4@h/",
		"sftp://me:canary@h/a?b",
		"sftp://me:canary@h/a#b",
		"sftp://me:canary@/a",
		"sftp:me:canary",
		"sftp://me:canary@h;x/a",
		"sftp://me:canary@h/%",
	};
	struct sftp_address at;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(sftp_address_parse(&at, &arena, cases[i], &e), ERR_USAGE);
		assert_null(strstr(e.text, "canary"));
	}
}

static void address_encodes_what_it_could_not_read_back(void **state)
{
	static const char name[] = "a b/%?#\xc3\xa9~:+.db";
	struct sftp_address at;
	struct err e;

	(void)state;
	const char *url = arena_print(&arena, "sftp://h/%s", sftp_address_encode(&arena, name));
	assert_string_equal(url, "sftp://h/a%20b/%25%3F%23%C3%A9~:+.db");
	assert_int_equal(sftp_address_parse(&at, &arena, url, &e), 0);
	assert_string_equal(at.path + 1, name);
}

static void pin_is_a_sha256_fingerprint_and_nothing_else(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(
		sftp_link_check_pin("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", &e), 0);
	assert_int_equal(
		sftp_link_check_pin("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", &e), 0);
	assert_int_equal(
		sftp_link_check_pin("MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48", &e),
		ERR_USAGE);
	assert_non_null(strstr(e.text, "SHA256:"));
	assert_int_equal(sftp_link_check_pin("16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48", &e),
		ERR_USAGE);
	assert_non_null(strstr(e.text, "MD5"));
	assert_int_equal(sftp_link_check_pin("SHA256:47DEQpj8", &e), ERR_USAGE);
	assert_int_equal(sftp_link_check_pin("", &e), ERR_USAGE);
}

static void key_tells_whether_it_is_locked(void **state)
{
	(void)state;
	assert_true(sftp_login_is_locked(
		STR("-----BEGIN OPENSSH PRIVATE KEY-----\n"
		    "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABDLH4tBed\n"
		    "/mwVcPYxdZ8N/PAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIFjRClYh68ayy523\n")));
	assert_false(sftp_login_is_locked(
		STR("-----BEGIN OPENSSH PRIVATE KEY-----\n"
		    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
		    "QyNTUxOQAAACAbT7qYn4PiWS5ofY6wR6lxgWpPQCzZcu3ZNe/j9k78BQAAAJC/Y9wjv2Pc\n")));
	assert_true(sftp_login_is_locked(STR("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIF")));
	assert_true(sftp_login_is_locked(
		STR("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n")));
	assert_false(sftp_login_is_locked(STR("-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKC")));
	assert_false(sftp_login_is_locked(STR("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl")));
	assert_false(sftp_login_is_locked(STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(address_takes_user_password_port_and_path, clean),
		cmocka_unit_test_teardown(address_begins_at_home_when_it_says_so, clean),
		cmocka_unit_test_teardown(address_refuses_without_repeating_the_password, clean),
		cmocka_unit_test_teardown(address_encodes_what_it_could_not_read_back, clean),
		cmocka_unit_test(pin_is_a_sha256_fingerprint_and_nothing_else),
		cmocka_unit_test(key_tells_whether_it_is_locked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
