/* Files and variables; and a child process on loopback that is STS and a container's agent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "source/credentials.h"
#include "token_services.h"

static char home[] = "/tmp/credentials_test.XXXXXX";
static struct root machine;
static char heard[4096];

static void hear(void *ctx, const struct event *event)
{
	const size_t have = strlen(heard);

	(void)ctx;
	snprintf(heard + have, sizeof heard - have, "%s: %s\n", event_word(event->kind),
		event->text);
}

static const struct listener listener = { .hear = hear };

static void write_file(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", home, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, 0600);
}

static int start(void **state)
{
	struct err e;

	(void)state;
	if (!mkdtemp(home) || root_open(&machine, home, &e))
		return -1;
	return services_start();
}

static int end(void **state)
{
	char command[64];

	(void)state;
	services_end();
	root_close(&machine);
	snprintf(command, sizeof command, "rm -rf %s", home);
	return system(command);
}

static int clean(void **state)
{
	static const char *const names[] = { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
		"AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
		"AWS_ENDPOINT_URL_STS", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_EC2_METADATA_SERVICE_ENDPOINT",
		"http_proxy", "all_proxy", "ALL_PROXY" };

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unsetenv(names[i]);
	setenv("HOME", "/home/me", 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	*heard = 0;
	return 0;
}

static const struct credentials_settings settings = { .root = &machine, .listener = &listener };

static void file_forms_are_all_read(void **state)
{
	static const struct {
		const char *text, *profile, *access, *session;
	} good[] = {
		{ "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = " CANARY "\n",
			NULL, "AKIA1", "" },
		{ "# c\r\n[old]\r\naws_access_key_id=X\r\n\r\n[default]\r\n; c\r\n"
		  "AWS_ACCESS_KEY_ID=AKIA2\r\naws_secret_access_key=" CANARY
		  "\r\naws_session_token=a+b/c==\r\n",
			NULL, "AKIA2", "a+b/c==" },
		{ "[default]\naws_access_key_id=X\naws_secret_access_key=Y\n[profile backup]\n"
		  "aws_access_key_id=AKIA3\naws_secret_access_key=" CANARY "\n[z]\n",
			"backup", "AKIA3", "" },
		{ "[only]\naccess_key = AKIA4\nsecret_key = " CANARY "\nhost_base = h\n", NULL,
			"AKIA4", "" },
		{ "export AWS_ACCESS_KEY_ID=\"AKIA5\"\nexport AWS_SECRET_ACCESS_KEY='" CANARY "'\n",
			NULL, "AKIA5", "" },
		{ "AKIA6:" CANARY "\n", NULL, "AKIA6", "" },
		{ "access_key: AKIA7\nsecret_key: " CANARY "\n", NULL, "AKIA7", "" },
		{ "\xef\xbb\xbf{\"Version\":1,\"AccessKeyId\":\"AKIA8\",\"SecretAccessKey\":"
		  "\"" CANARY "\",\"SessionToken\":\"t\",\"Expiration\":\"2026-11-20T18:00:00Z\"}",
			NULL, "AKIA8", "t" },
		{ "{\"Credentials\":{\"AccessKeyId\":\"AKIA9\",\"SecretAccessKey\":\"" CANARY
		  "\",\"SessionToken\":null}}",
			NULL, "AKIA9", "" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct credentials c = { 0 };
		assert_int_equal(
			credentials_read_file(&c, str_from(good[i].text), good[i].profile, &e), 0);
		assert_string_equal(c.access, good[i].access);
		assert_string_equal(c.secret, CANARY);
		assert_string_equal(c.session, good[i].session);
		credentials_forget(&c);
		assert_int_equal(*c.secret, 0);
	}
}

static void file_refusals_name_the_reason_and_no_secret(void **state)
{
	static const struct {
		const char *text, *profile, *why;
	} bad[] = {
		{ "", NULL, "it has no aws_access_key_id" },
		{ CANARY "\n", NULL, "it has no aws_access_key_id" },
		{ "[default]\naws_access_key_id=A\n", NULL,
			"profile 'default' has no aws_secret_access_key" },
		{ "[default]\naws_secret_access_key=" CANARY "\n", NULL,
			"profile 'default' has no aws_access_key_id" },
		{ "[default]\na=b\n", "backup", "has no profile 'backup'" },
		{ "[a]\naws_access_key_id=A\n[b]\n", NULL,
			"has 2 profiles and none is 'default'; choose one with AWS_PROFILE or name "
			"it default" },
		{ "[default]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = y\n", NULL,
			"profile 'default' gets its keys by role_arn, which is not supported here; "
			"give it aws_access_key_id and aws_secret_access_key" },
		{ "A:x " CANARY "\n", NULL, "it: the key is none: blanks, or too long" },
		{ "{\"AccessKeyId\":\"" CANARY, NULL, "begins like JSON and is none" },
		{ "{\"sso_session\":\"" CANARY "\"}", NULL,
			"the JSON gets its keys by sso_session, which is not supported here; give "
			"it aws_access_key_id and aws_secret_access_key" },
		{ "{\"AccessKeyId\":\"A\"}", NULL, "the JSON has no aws_secret_access_key" },
	};
	struct credentials c = { 0 };
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_not_equal(
			credentials_read_file(&c, str_from(bad[i].text), bad[i].profile, &e), 0);
		assert_string_equal(e.text, bad[i].why);
	}
}

static void environment_comes_first(void **state)
{
	struct credentials c = { 0 };
	struct err e;

	(void)state;
	setenv("AWS_ACCESS_KEY_ID", "AKIAENVENVENVENV0001", 1);
	setenv("AWS_SECRET_ACCESS_KEY", CANARY, 1);
	setenv("AWS_SESSION_TOKEN", "session+of=env", 1);
	assert_int_equal(credentials_get(&c, &settings, &e), 0);
	assert_int_equal(c.kind, CREDENTIALS_ENV);
	assert_string_equal(c.secret, CANARY);
	assert_string_equal(c.session, "session+of=env");
	assert_true(credentials_last(&c, INT64_MAX));
	assert_string_equal(heard, "info: AWS keys from the environment, access key ...0001\n");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	c = (struct credentials){ 0 };
	assert_int_equal(credentials_get(&c, &settings, &e), ERR_AUTH);
	assert_string_equal(e.text, "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not");
}

static void image_takes_no_environment(void **state)
{
	struct credentials_settings image = settings;
	struct credentials c = { 0 };
	struct err e;

	(void)state;
	image.image = true;
	setenv("AWS_ACCESS_KEY_ID", "AKIAENVENVENVENV0001", 1);
	setenv("AWS_SECRET_ACCESS_KEY", CANARY, 1);
	assert_int_equal(credentials_get(&c, &image, &e), ERR_AUTH);
	assert_string_equal(e.text,
		"no AWS credentials: file: /root/.aws/credentials is not there; instance role: no "
		"EC2 instance metadata here, so this is no EC2 instance or its metadata service is "
		"off: AWS_EC2_METADATA_DISABLED is set; say where they are with --credentials "
		"file:PATH");
	image.which = "env";
	assert_int_equal(credentials_get(&c, &image, &e), ERR_AUTH);
	assert_string_equal(e.text, "no AWS credentials: environment: the image takes none");
}

static void none_says_what_was_tried(void **state)
{
	struct credentials c = { 0 };
	struct err e;

	(void)state;
	assert_int_equal(credentials_get(&c, &settings, &e), ERR_AUTH);
	assert_non_null(strstr(e.text, "environment: AWS_ACCESS_KEY_ID is not set"));
	assert_non_null(strstr(e.text, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set"));
	assert_non_null(strstr(e.text, "file: /home/me/.aws/credentials is not there"));
	assert_non_null(strstr(e.text, "container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"));
	assert_non_null(strstr(e.text, "instance role: no EC2 instance metadata"));
}

static void file_of_the_plan_is_the_only_one(void **state)
{
	struct credentials_settings s = settings;
	struct credentials c = { 0 };
	struct err e;

	(void)state;
	setenv("AWS_ACCESS_KEY_ID", "other", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "other", 1);
	write_file("keys", "AKIAFILEFILEFILE0001:" CANARY);
	s.which = "file:/keys";
	assert_int_equal(credentials_get(&c, &s, &e), 0);
	assert_string_equal(c.access, "AKIAFILEFILEFILE0001");
	assert_string_equal(heard, "info: AWS keys from the file /keys, access key ...0001\n");
	/* New ones come from the same place. */
	write_file("keys", "AKIAFILEFILEFILE0002:" CANARY);
	assert_int_equal(credentials_get(&c, &s, &e), 0);
	assert_string_equal(c.access, "AKIAFILEFILEFILE0002");
	c = (struct credentials){ 0 };
	s.which = "file:/gone";
	assert_int_equal(credentials_get(&c, &s, &e), ERR_AUTH);
	assert_string_equal(e.text, "no AWS credentials: file: /gone is not there");
	write_file("open", "AKIAFILEFILEFILE0001:" CANARY);
	char path[128];
	snprintf(path, sizeof path, "%s/open", home);
	chmod(path, 0644);
	*heard = 0;
	s.which = "file:/open";
	assert_int_equal(credentials_get(&c, &s, &e), 0);
	assert_non_null(strstr(heard, "warning: /open can be read by others on this host"));
	assert_null(strstr(heard, CANARY));
}

static void none_wanted_signs_nothing(void **state)
{
	struct credentials_settings s = settings;
	struct credentials c = { 0 };
	struct err e;

	(void)state;
	s.which = "none";
	assert_int_equal(credentials_get(&c, &s, &e), 0);
	assert_int_equal(c.kind, CREDENTIALS_NONE);
	assert_string_equal(c.access, "");
}

static void web_identity_is_changed_into_keys(void **state)
{
	struct credentials c = { 0 };
	char url[64];
	struct err e;

	(void)state;
	snprintf(url, sizeof url, "http://127.0.0.1:%u/sts", port);
	setenv("AWS_ENDPOINT_URL_STS", url, 1);
	setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/token", 1);
	write_file("token", "header.payload.sign-1_=\n");
	assert_int_equal(credentials_get(&c, &settings, &e), ERR_AUTH);
	assert_string_equal(e.text, "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not");
	setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/rescue", 1);
	assert_int_equal(credentials_get(&c, &settings, &e), 0);
	assert_int_equal(c.kind, CREDENTIALS_WEB_IDENTITY);
	assert_string_equal(c.access, "ASIASTSSTSSTSSTS0001");
	assert_string_equal(c.secret, CANARY);
	assert_string_equal(c.session, "sts+session=");
	assert_true(c.expires > 4000000000);
	assert_true(credentials_last(&c, c.expires - 301));
	assert_false(credentials_last(&c, c.expires - 300));
	assert_null(strstr(heard, CANARY));
	assert_null(strstr(heard, "payload"));
	write_file("token", "old");
	assert_int_equal(credentials_get(&c, &settings, &e), ERR_AUTH);
	assert_string_equal(e.text,
		"STS: the web identity token has expired; AWS_WEB_IDENTITY_TOKEN_FILE must be a "
		"file that is kept new");
	/* What we had is as it was. */
	assert_string_equal(c.secret, CANARY);
	write_file("token", "two\nlines");
	assert_int_equal(credentials_get(&c, &settings, &e), ERR_FORMAT);
	assert_string_equal(e.text, "/token holds no token");
	setenv("AWS_ENDPOINT_URL_STS", "http://sts.example/", 1);
	assert_int_equal(credentials_get(&c, &settings, &e), ERR_USAGE);
}

static void container_agent_gives_keys(void **state)
{
	struct credentials c = { 0 };
	char url[64];
	struct err e;

	(void)state;
	snprintf(url, sizeof url, "http://127.0.0.1:%u/agent", port);
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer other", 1);
	assert_int_equal(credentials_get(&c, &settings, &e), ERR_AUTH);
	assert_non_null(strstr(e.text, "container credentials: http://127.0.0.1:"));
	assert_null(strstr(e.text, CANARY));
	/* The file is newer than what the container was started with. */
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token", 1);
	write_file("token", "Bearer");
	write_file("token", "Bearer agent-token");
	assert_int_equal(credentials_get(&c, &settings, &e), 0);
	assert_int_equal(c.kind, CREDENTIALS_CONTAINER);
	assert_string_equal(c.access, "ASIAAGENTAGENTAGENT1");
	assert_string_equal(c.session, "agent+session=");
	assert_null(strstr(heard, CANARY));
}

static void container_token_goes_to_no_stranger(void **state)
{
	static const char *const strangers[] = { "http://10.0.0.1/", "http://agent.example/x",
		"http://169.254.170.2.example/", "ftp://127.0.0.1/" };
	struct credentials c = { 0 };
	struct err e;

	(void)state;
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", CANARY, 1);
	for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
		setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", strangers[i], 1);
		assert_int_equal(credentials_get(&c, &settings, &e), ERR_USAGE);
		assert_non_null(strstr(e.text, "is no container agent"));
		assert_null(strstr(e.text, CANARY));
	}
}

#define TEST(f) cmocka_unit_test_setup(f, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(file_forms_are_all_read),
		TEST(file_refusals_name_the_reason_and_no_secret),
		TEST(environment_comes_first),
		TEST(image_takes_no_environment),
		TEST(none_says_what_was_tried),
		TEST(file_of_the_plan_is_the_only_one),
		TEST(none_wanted_signs_nothing),
		TEST(web_identity_is_changed_into_keys),
		TEST(container_agent_gives_keys),
		TEST(container_token_goes_to_no_stranger),
	};
	return cmocka_run_group_tests(tests, start, end);
}
