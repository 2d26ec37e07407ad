#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "etcd/peerurl.h"

/* Both tables were printed by Go's net/url and etcd's checks. */
static void peerurl_becomes_what_go_prints(void **state)
{
	static const char *const pairs[][2] = {
		{ "http://a:1", "http://a:1" },
		{ " \tHTTPS://Foo.EXAMPLE:2380\n", "https://Foo.EXAMPLE:2380" },
		{ "http://:2380", "http://:2380" },
		{ "http://h:", "http://h:" },
		{ "http://a:1?", "http://a:1?" },
		{ "http://a:1??", "http://a:1??" },
		{ "http://a:1?x=<>", "http://a:1?x=<>" },
		{ "http://a:1#", "http://a:1" },
		{ "http://a:1#f[x]!^", "http://a:1#f%5Bx%5D!%5E" },
		{ "http://u:p@h:1", "http://u:p@h:1" },
		{ "http://u%40x:p!@h:1", "http://u%40x:p%21@h:1" },
		{ "http://[::1]:2380", "http://[::1]:2380" },
		{ "http://[fe80::1%25eth0]:2380", "http://[fe80::1%25eth0]:2380" },
		{ "http://\xc3\xa9:1", "http://%C3%A9:1" },
		{ "http://h%e9:1", "http://h%E9:1" },
		{ "unix:foo", "unix:foo" },
		{ "unix:foo #", "unix:foo " },
		{ "unix:/x", "unix:/x" },
		{ "unix://", "unix:" },
		{ "unix:///a/b", "unix:///a/b" },
		{ "unixs://a/b c", "unixs://a/b%20c" },
		{ "unix:///p%2Fq%41", "unix:///p%2Fq%41" },
		{ "unix:///%41^", "unix:///A%5E" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		struct arena a = ARENA(1 << 16);
		struct str url;
		struct err e;

		assert_int_equal(etcd_peerurl_normalise(&url, &a, str_from(pairs[i][0]), &e), 0);
		assert_string_equal(url.p, pairs[i][1]);
		arena_free(&a);
	}
}

static void peerurl_is_refused_with_the_words_of_etcd(void **state)
{
	static const char *const pairs[][2] = {
		{ "", "URL scheme must be http, https, unix, or unixs: " },
		{ "a:1", "URL scheme must be http, https, unix, or unixs: a:1" },
		{ "//h:1", "URL scheme must be http, https, unix, or unixs: //h:1" },
		{ "127.0.0.1:1",
			"parse \"127.0.0.1:1\": first path segment in URL cannot contain colon" },
		{ ":x", "parse \":x\": missing protocol scheme" },
		{ "http:a", "URL address does not have the form \"host:port\": http:a" },
		{ "http://h", "URL address does not have the form \"host:port\": http://h" },
		{ "http://[::1]",
			"URL address does not have the form \"host:port\": http://[::1]" },
		{ "http://::1:80",
			"URL address does not have the form \"host:port\": http://::1:80" },
		{ "http://a]:80",
			"URL address does not have the form \"host:port\": http://a]:80" },
		{ "http://a:1/", "URL must not contain a path: http://a:1/" },
		{ "http://h:80x", "parse \"http://h:80x\": invalid port \":80x\" after host" },
		{ "unix://h:m1/x", "parse \"unix://h:m1/x\": invalid port \":m1\" after host" },
		{ "http://[::1", "parse \"http://[::1\": missing ']' in host" },
		{ "http://x[::1]:1", "parse \"http://x[::1]:1\": invalid IP-literal" },
		{ "http://a b:1", "parse \"http://a b:1\": invalid character \" \" in host name" },
		{ "http://%41:1", "parse \"http://%41:1\": invalid URL escape \"%41\"" },
		{ "http://a:1#%4", "parse \"http://a:1#%4\": invalid URL escape \"%4\"" },
		{ "http://u^@a:1", "parse \"http://u^@a:1\": net/url: invalid userinfo" },
		{ "http://a\1:1",
			"parse \"http://a\\x01:1\": net/url: invalid control character in URL" },
		{ "http://\"\\:1",
			"parse \"http://\\\"\\\\:1\": invalid character \"\\\\\" in host "
			"name" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		struct arena a = ARENA(1 << 16);
		struct str url = { 0 };
		struct err e;

		assert_int_equal(
			etcd_peerurl_normalise(&url, &a, str_from(pairs[i][0]), &e), ERR_USAGE);
		assert_string_equal(e.text, pairs[i][1]);
		assert_null(url.p);
		arena_free(&a);
	}
}

static void peerurl_longer_than_any_is_refused(void **state)
{
	struct arena a = ARENA(1 << 16);
	CLEAN_BUF struct buf text = BUF(2 * ETCD_URL_MAX);
	struct str url;
	struct err e;

	(void)state;
	assert_int_equal(buf_add_str(&text, STR("http://a:1?"), &e), 0);
	while (text.len <= ETCD_URL_MAX)
		assert_int_equal(buf_add(&text, "x", 1, &e), 0);
	assert_int_equal(etcd_peerurl_normalise(&url, &a, buf_text(&text), &e), ERR_USAGE);
	assert_string_equal(e.text, "URL of 4097 bytes; 4096 are the most");
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peerurl_becomes_what_go_prints),
		cmocka_unit_test(peerurl_is_refused_with_the_words_of_etcd),
		cmocka_unit_test(peerurl_longer_than_any_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
