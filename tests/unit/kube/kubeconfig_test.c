#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kube/kubeconfig.h"

#define HEAD                                                                                       \
	"apiVersion: v1\nkind: Config\ncurrent-context: b\n"                                       \
	"contexts:\n- {name: a, context: {cluster: other, user: other}}\n"                         \
	"- {name: b, context: {cluster: loopback, user: me}}\n"                                    \
	"clusters:\n- {name: other, cluster: {server: 'https://x', tls-server-name: wrong}}\n"     \
	"- {name: loopback, cluster: {server: 'https://localhost:6443'%s}}\n"                      \
	"users:\n- {name: other, user: {token: wrong, tokenFile: wrong}}\n"                        \
	"- {name: me, user: %s}\n"
#define TOKEN "eyJhbGciOi.never-shown"

static struct arena arena;
static struct kube_kubeconfig c;
static struct err e;

static int set_up(void **state)
{
	(void)state;
	arena = ARENA(1 << 20);
	e = (struct err){ 0 };
	memset(&c, 0xa5, sizeof c);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static int read_it(const char *text)
{
	static struct kube_files files;

	files = kube_files(&arena, NULL);
	struct kube_file file = { .set = &files, .path = "kubeconfig", .text = str_from(text) };
	return kube_kubeconfig_read(&c, &file, &e);
}

static void a_token_is_its_users(void **state)
{
	(void)state;
	assert_int_equal(read_it(arena_print(&arena, HEAD, "", "{token: " TOKEN "}")), 0);
	assert_string_equal(c.token, TOKEN);
	assert_null(c.token_file);
	assert_null(c.cert_file);
	assert_int_equal(c.cert.len, 0);
	assert_string_equal(c.server, "https://localhost:6443");
}

static void a_tokens_file_is_named(void **state)
{
	(void)state;
	assert_int_equal(read_it(arena_print(&arena, HEAD, ", tls-server-name: localhost-recovery",
				 "{tokenFile: /etc/kubernetes/token}")),
		0);
	assert_null(c.token);
	assert_string_equal(c.token_file, "/etc/kubernetes/token");
	assert_string_equal(c.server_name, "localhost-recovery");
}

static void what_is_no_text_is_none(void **state)
{
	(void)state;
	assert_int_equal(
		read_it(arena_print(&arena, HEAD, ", tls-server-name: ''",
			"{token: [" TOKEN "], tokenFile: {a: b}, client-certificate: c.crt}")),
		0);
	assert_null(c.token);
	assert_null(c.token_file);
	assert_null(c.server_name);
	assert_string_equal(c.cert_file, "c.crt");
	/* As one release of OpenShift indented it. */
	assert_int_equal(read_it(arena_print(&arena, HEAD, "", "null, tokenFile: f")), 0);
	assert_null(c.token);
	assert_null(c.token_file);
}

static void no_refusal_shows_a_token(void **state)
{
	static const char *const bad[] = { "{token: " TOKEN ", client-key-data: '?" TOKEN "'}",
		"{token: \"" TOKEN, "{token: " TOKEN "}, user: {token: " TOKEN "}}\n}",
		"{token: &x " TOKEN ", tokenFile: *y}" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		e = (struct err){ 0 };
		if (!read_it(arena_print(&arena, HEAD, "", bad[i])))
			fail_msg("%s was read", bad[i]);
		assert_null(strstr(e.text, "never-shown"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_token_is_its_users, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_tokens_file_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_text_is_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_refusal_shows_a_token, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
