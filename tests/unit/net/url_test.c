#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "net/url.h"

static void url_takes_everything_apart(void **state)
{
	struct url u;
	struct err e;

	(void)state;
	assert_int_equal(
		url_parse(&u, STR("https://me:p@ss@Host.example:8443/a/b%20c?x=1&y#top"), &e), 0);
	assert_true(url_scheme_is(&u, "HTTPS"));
	assert_true(str_is(u.userinfo, "me:p@ss"));
	assert_true(str_is(u.host, "Host.example"));
	assert_int_equal(u.port, 8443);
	assert_true(str_is(u.path, "/a/b%20c"));
	assert_true(str_is(u.query, "x=1&y"));
	assert_true(str_is(u.fragment, "top"));
}

static void url_knows_ipv6_hosts_and_missing_parts(void **state)
{
	struct url u;
	struct err e;

	(void)state;
	assert_int_equal(url_parse(&u, STR("http://[2001:db8::1]:80"), &e), 0);
	assert_true(str_is(u.host, "2001:db8::1"));
	assert_int_equal(u.port, 80);
	assert_int_equal(u.path.len, 0);
	assert_int_equal(url_parse(&u, STR("s3://bucket/prefix/?versionId=7"), &e), 0);
	assert_true(str_is(u.host, "bucket"));
	assert_true(str_is(u.path, "/prefix/"));
	assert_int_equal(url_parse(&u, STR("file:/media/db"), &e), 0);
	assert_false(u.authority);
	assert_true(str_is(u.path, "/media/db"));
	assert_int_equal(url_parse(&u, STR("http://h:/"), &e), 0);
	assert_int_equal(u.port, 0);
}

static void url_shows_no_secret(void **state)
{
	struct arena a = ARENA(1 << 20);

	(void)state;
	assert_string_equal(
		url_text_shown(&a, "https://me:secret@h.example:1/p?X-Amz-Signature=s#f"),
		"https://h.example:1/p?...");
	assert_string_equal(url_text_shown(&a, "http://[::1]/x"), "http://[::1]/x");
	assert_string_equal(url_text_shown(&a, "secret without a scheme"), "(not a URL)");
	arena_free(&a);
}

static void url_refuses_without_repeating_the_text(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "not a URL: no scheme such as https://" },
		{ "plans.example/x", "not a URL: no scheme such as https://" },
		{ "1http://h/", "not a URL: no scheme such as https://" },
		{ "ht_tp://h/", "not a URL: no scheme such as https://" },
		{ "http://h/a b?secret", "URL: holds a blank or a control byte" },
		{ "http://h/\nHost: x", "URL: holds a blank or a control byte" },
		{ "http://u:secret@h:99999/", "URL: the port is not a number from 1 to 65535" },
		{ "http://h:0/", "URL: the port is not a number from 1 to 65535" },
		{ "http://h:8o/", "URL: the port is not a number from 1 to 65535" },
		{ "http://[::1/", "URL: the bracket of the address is not closed" },
		{ "http://[::1]x/", "URL: something follows the bracket of the address" },
		{ "http://[a/b]/", "URL: the bracket of the address is not closed" },
		{ "http://[::&]/", "URL: no IPv6 address in the brackets" },
	};
	struct url u = { 0 };
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(url_parse(&u, str_from(bad[i].text), &e), ERR_FORMAT);
		assert_string_equal(e.text, bad[i].why);
	}
	assert_null(u.text.p);
}

static void url_refuses_what_is_too_long(void **state)
{
	static char text[URL_MAX + 2] = "http://h/";
	struct url u;
	struct err e;

	(void)state;
	memset(text + 9, 'a', sizeof text - 9);
	assert_int_equal(url_parse(&u, (struct str){ text, URL_MAX }, &e), 0);
	assert_int_equal(url_parse(&u, (struct str){ text, URL_MAX + 1 }, &e), ERR_FORMAT);
}

static void url_of_one_door_has_many_spellings(void **state)
{
	(void)state;
	assert_true(url_same("https://[fd00::7]:2380", "HTTPS://[FD00:0::7]:2380/"));
	assert_false(url_same("https://10.0.0.1:2380", "http://10.0.0.1:2380"));
	assert_false(url_same("https://10.0.0.1:2380", "https://10.0.0.1:2381"));
	assert_false(url_same("https://10.0.0.1:2380", "https://10.0.0.10:2380"));
	assert_true(url_same("nonsense", "nonsense"));
	assert_false(url_same("nonsense", "https://a:1"));
	assert_true(url_may_be("https://etcd-0.example.org:2380", "https://10.0.0.1:2380"));
	assert_false(url_may_be("https://etcd-0.example.org:2380", "https://10.0.0.1:2381"));
	assert_false(url_may_be("https://10.0.0.2:2380", "https://10.0.0.1:2380"));
	assert_false(url_may_be("https://a:2380", "https://b:2380"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(url_takes_everything_apart),
		cmocka_unit_test(url_knows_ipv6_hosts_and_missing_parts),
		cmocka_unit_test(url_shows_no_secret),
		cmocka_unit_test(url_refuses_without_repeating_the_text),
		cmocka_unit_test(url_refuses_what_is_too_long),
		cmocka_unit_test(url_of_one_door_has_many_spellings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
