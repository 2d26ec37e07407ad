#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "source/sftp_hosts.h"

/* Hashed by ssh-keygen -H of OpenSSH 9.2: backup.example, and [backup.example]:2222. */
#define KEY   "AAAAC3NzaC1lZDI1NTE5AAAAIBtPupifg+JZLmh9jrBHqXGBak9ALNly7dk17+P2TvwF"
#define OTHER "AAAAC3NzaC1lZDI1NTE5AAAAIKq2w0o9V0J8yJ0S9yqgG0d1Q2lRk3xv3S5n9mYtXb4A"
#define LINE  " ssh-ed25519 " KEY "\n"

static const char hashed[] = "|1|GJLflbs8QNkDWEkdtCrL3M+M+Rs=|xFCdDgSs4VGH7YFbo6I+Q/Rz1HM=" LINE
			     "|1|vx/njS4GuA8dYP4AIp7jjAR3vPQ=|R4WfJp+BI4vdsxpE759A6kbCeew=" LINE;

static struct sftp_hosts_answer ask(
	const char *text, const char *name, unsigned port, const char *key)
{
	struct sftp_hosts_answer answer = { 0 };
	const struct sftp_host host = { name, port, "ssh-ed25519", key };

	sftp_hosts_ask(&answer, str_from(text), &host);
	return answer;
}

static void hosts_know_a_plain_name(void **state)
{
	(void)state;
	assert_true(ask("backup.example" LINE, "backup.example", 22, KEY).known);
	assert_true(ask("# x\n\n  a,Backup.Example" LINE, "backup.example", 22, KEY).known);
	assert_false(ask("backup.example" LINE, "backup.example.org", 22, KEY).known);
	assert_false(ask("backup.example" LINE, "backup", 22, KEY).known);
	/* Without its line end, and the padding of base64 left out or there. */
	assert_true(ask("h ssh-ed25519 " KEY "==", "h", 22, KEY).known);
}

static void hosts_know_hashed_names_with_and_without_port(void **state)
{
	(void)state;
	assert_true(ask(hashed, "backup.example", 22, KEY).known);
	assert_true(ask(hashed, "BACKUP.example", 2222, KEY).known);
	assert_false(ask(hashed, "backup.example.", 22, KEY).known);
	const char *second = strchr(hashed, '\n') + 1;
	assert_true(ask(second, "backup.example", 2222, KEY).known);
	assert_false(ask(second, "backup.example", 22, KEY).known);
}

static void hosts_match_patterns_and_take_back_with_a_bang(void **state)
{
	(void)state;
	assert_true(ask("*.example,!bad.example" LINE, "good.example", 22, KEY).known);
	assert_false(ask("*.example,!bad.example" LINE, "bad.example", 22, KEY).known);
	assert_true(ask("10.0.?.*" LINE, "10.0.1.25", 22, KEY).known);
	assert_false(ask("10.0.?.*" LINE, "10.0.11.25", 22, KEY).known);
	assert_true(ask("*a*b*c" LINE, "xxaxxbxxbxc", 22, KEY).known);
	assert_false(ask("*a*b*c" LINE, "xxaxxbxxbx", 22, KEY).known);
}

static void hosts_tell_a_changed_key_by_its_line(void **state)
{
	struct sftp_hosts_answer answer;

	(void)state;
	answer = ask("other" LINE "h" LINE, "h", 22, OTHER);
	assert_false(answer.known);
	assert_int_equal(answer.changed_line, 2);
	assert_int_equal(answer.types, SFTP_KEY_ED25519);
	/* Two keys, one of them right. */
	answer = ask("h ssh-ed25519 " OTHER "\nh" LINE, "h", 22, KEY);
	assert_true(answer.known);
}

static void hosts_do_not_call_another_port_or_type_a_change(void **state)
{
	struct sftp_hosts_answer answer;

	(void)state;
	answer = ask("h" LINE, "h", 2222, OTHER);
	assert_false(answer.known);
	assert_int_equal(answer.changed_line, 0);
	assert_true(ask("h" LINE, "h", 2222, KEY).known);
	answer = ask("h ssh-rsa AAAAB3NzaC1yc2E=\n", "h", 22, KEY);
	assert_false(answer.known);
	assert_int_equal(answer.changed_line, 0);
	assert_int_equal(answer.types, SFTP_KEY_RSA);
}

static void hosts_hold_what_is_revoked_against_the_key(void **state)
{
	struct sftp_hosts_answer answer;

	(void)state;
	answer = ask("h" LINE "@revoked *" LINE, "h", 22, KEY);
	assert_true(answer.known);
	assert_true(answer.revoked);
	assert_false(ask("@revoked h" LINE, "h", 22, OTHER).revoked);
	assert_false(ask("@cert-authority h" LINE, "h", 22, KEY).known);
}

static void hosts_pass_over_lines_that_make_no_sense(void **state)
{
	(void)state;
	assert_false(ask("h\nh ssh-ed25519\nh ssh-ed25519 \n@revoked\n|1|\n", "h", 22, KEY).known);
	assert_false(ask("|1|x|y" LINE "|1||" LINE "|1|GJLflbs8|" LINE, "h", 22, KEY).known);
	assert_false(ask("h ssh-dss " KEY "\n", "h", 22, KEY).known);
	assert_false(ask("h ssh-ed25519 =\n", "h", 22, "").known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_know_a_plain_name),
		cmocka_unit_test(hosts_know_hashed_names_with_and_without_port),
		cmocka_unit_test(hosts_match_patterns_and_take_back_with_a_bang),
		cmocka_unit_test(hosts_tell_a_changed_key_by_its_line),
		cmocka_unit_test(hosts_do_not_call_another_port_or_type_a_change),
		cmocka_unit_test(hosts_hold_what_is_revoked_against_the_key),
		cmocka_unit_test(hosts_pass_over_lines_that_make_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
