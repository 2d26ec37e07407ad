#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "plan/redact.h"

static struct redact known;

static const char *redacted(const char *text)
{
	static char shown[4096];
	CLEAN_BUF struct buf out = BUF(sizeof shown - 1);
	struct err e = { 0 };

	assert_int_equal(redact_text(&out, &known, str_from(text), &e), 0);
	snprintf(shown, sizeof shown, "%.*s", (int)out.len, (const char *)out.p);
	return shown;
}

static void harmless_text_stays_as_it_is(void **state)
{
	static const char *const texts[] = {
		"",
		"fetch: 512 MB of 2.1 GB (24 %), 412 MB/s\n",
		"source: s3://etcd-backup/bare-metal/ $HOME costs $5 and $6\n",
		"https://host/path and a question? yes\n",
		"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
		"token: tkn, the keys of secrets are not secret\n",
		"://",
		"what://?",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_string_equal(redacted(texts[i]), texts[i]);
}

static void addresses_lose_user_and_query(void **state)
{
	(void)state;
	assert_string_equal(redacted("get https://u:hunter2@h:1/x?X-Amz-Signature=00&a=b, then"),
		"get https://...@h:1/x?..., then");
	assert_string_equal(
		redacted("\"url\":\"https://h/x?sig=abc\"}"), "\"url\":\"https://h/x?...\"}");
	assert_string_equal(redacted("a://b@c@d/e"), "a://...@d/e");
}

static void values_of_telling_names_are_hidden(void **state)
{
	(void)state;
	assert_string_equal(redacted("aws_secret_access_key = wJalr/UtnFEMI\nregion = x\n"),
		"aws_secret_access_key = (hidden)\nregion = x\n");
	assert_string_equal(redacted("{\"password\":\"a b\",\"x\":1}"),
		"{\"password\":\"(hidden) b\",\"x\":1}");
	assert_string_equal(redacted("Authorization: Basic dTpw\nHost: h\n"),
		"Authorization: (hidden)\nHost: h\n");
	assert_string_equal(
		redacted("rescue.https-secret=abc quiet"), "rescue.https-secret=(hidden) quiet");
}

static void hashes_and_private_keys_are_hidden(void **state)
{
	(void)state;
	assert_string_equal(
		redacted("root:$6$saltsalt$0123456789abcdefghij:19000"), "root:(hidden)");
	assert_string_equal(redacted("a\n-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE "
				     "KEY-----\nb\n"),
		"a\n(hidden)\nb\n");
	/* One that was cut hides the rest. */
	assert_string_equal(redacted("a\n-----BEGIN PRIVATE KEY-----\nMHcC"), "a\n(hidden)");
}

static void tokens_of_an_api_server_are_hidden(void **state)
{
	(void)state;
	assert_string_equal(redacted("token: eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrIn0.c2ln_nature-x\n"),
		"token: (hidden)\n");
	assert_string_equal(redacted("is eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrIn0.c2ln_nature-x. So"),
		"is (hidden) So");
	assert_string_equal(
		redacted("{\"t\":\"sha256~0123456789abcdefghij_-\"}"), "{\"t\":\"(hidden)\"}");
	static const char *const none[] = { "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrIn0",
		"heyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrIn0.c2lnbmF0dXJl", "eyJ.a.b", "sha256~",
		"sha256:0123456789abcdef0123456789abcdef", "e" };
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_string_equal(redacted(none[i]), none[i]);
}

static void known_secrets_are_hidden_wherever_they_stand(void **state)
{
	(void)state;
	known = (struct redact){ 0 };
	redact_know(&known, STR("  CANARY \n"));
	redact_know(&known, STR("CANARY disk words"));
	redact_know(&known, STR("short"));
	assert_int_equal(known.n, 2);
	assert_string_equal(
		redacted("xCANARYx CANARY disk words, short"), "x(hidden)x (hidden), short");
	assert_string_equal(
		redacted("https://CANARY@h/CANARY?CANARY"), "https://...@h/(hidden)?...");
	known = (struct redact){ 0 };
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(harmless_text_stays_as_it_is),
		cmocka_unit_test(addresses_lose_user_and_query),
		cmocka_unit_test(values_of_telling_names_are_hidden),
		cmocka_unit_test(hashes_and_private_keys_are_hidden),
		cmocka_unit_test(tokens_of_an_api_server_are_hidden),
		cmocka_unit_test(known_secrets_are_hidden_wherever_they_stand),
	};
	return cmocka_run_group_tests_name("redact", tests, NULL, NULL);
}
