#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ui/menu_server.h"
#include "ui/password.h"

enum { ALL = (1u << MENU_CHOICES) - 2 };

static void screen_fits_the_smallest_terminal_with_everything_on_offer(void **state)
{
	CLEAN_BUF struct buf out = BUF(8192);
	struct menu_state s = { .mode = MENU_WAITING, .offers = ALL };
	struct str line, rest;
	struct err e = { 0 };
	size_t n = 0;

	(void)state;
	strcpy(s.head, "plan      a (image)\nsource    s3://b/\nwaits     because\n");
	assert_int_equal(menu_print(&out, &s, &e), 0);
	rest = buf_text(&out);
	while (str_next(&line, &rest, '\n')) {
		n++;
		assert_true(line.len < 80);
		for (size_t i = 0; i < line.len; i++)
			assert_true(line.p[i] >= ' ' && line.p[i] < 0x7f);
	}
	assert_true(n <= 22);
}

static void enter_is_a_shell_and_never_writes(void **state)
{
	struct menu_state s = { .mode = MENU_WAITING, .offers = ALL };

	(void)state;
	assert_int_equal(menu_pick(&s, STR("")), MENU_SHELL);
	assert_int_equal(menu_pick(&s, STR("  \r")), MENU_SHELL);
	s.offers &= ~(1u << MENU_SHELL);
	assert_int_equal(menu_pick(&s, STR("")), MENU_NOTHING);
}

static void only_a_whole_word_chooses_and_only_what_is_offered(void **state)
{
	struct menu_state s = { .mode = MENU_WAITING, .offers = ALL };

	(void)state;
	assert_int_equal(menu_pick(&s, STR("r")), MENU_RESTORE);
	assert_int_equal(menu_pick(&s, STR(" R ")), MENU_RESTORE);
	assert_int_equal(menu_pick(&s, STR("restore")), MENU_RESTORE);
	assert_int_equal(menu_pick(&s, STR("b")), MENU_DISK);
	assert_int_equal(menu_pick(&s, STR("reboot")), MENU_NOTHING);
	assert_int_equal(menu_pick(&s, STR("echo awake-1001")), MENU_NOTHING);
	assert_int_equal(menu_pick(&s, STR("-")), MENU_NOTHING);
	assert_int_equal(menu_pick(&s, STR("key")), MENU_NOTHING);
	s.offers = 1u << MENU_SHELL;
	assert_int_equal(menu_pick(&s, STR("r")), MENU_NOTHING);
}

static void messages_survive_the_way_and_bad_ones_are_refused(void **state)
{
	struct menu_state s = { .mode = MENU_COUNTDOWN, .offers = 1u << MENU_PLAN, .seconds = 7 };
	struct menu_ask a = { .choice = MENU_RESTORE };
	struct menu_state heard;
	struct menu_ask asked;
	char text[MENU_MESSAGE];
	struct err e = { 0 };
	size_t n;

	(void)state;
	strcpy(s.who, "ttyS0");
	strcpy(s.head, "one\ntwo \033[2J\n");
	n = menu_state_write(text, &s);
	assert_int_equal(menu_state_read(&heard, (struct str){ text, n }, &e), 0);
	assert_int_equal(heard.mode, MENU_COUNTDOWN);
	assert_int_equal(heard.offers, s.offers);
	assert_int_equal(heard.seconds, 7);
	assert_string_equal(heard.who, "ttyS0");
	/* What could steer a terminal does not come through. */
	assert_string_equal(heard.head, "one\ntwo ?[2J\n");
	for (size_t cut = 0; cut < n - strlen(s.head) - 6; cut++)
		assert_int_equal(
			menu_state_read(&heard, (struct str){ text, cut }, &e), ERR_FORMAT);

	strcpy(a.who, "tty1");
	strcpy(a.file, "/run/x.yaml");
	n = menu_ask_write(text, &a);
	assert_int_equal(menu_ask_read(&asked, (struct str){ text, n }, &e), 0);
	assert_int_equal(asked.choice, MENU_RESTORE);
	assert_string_equal(asked.file, "/run/x.yaml");
	assert_int_equal(menu_ask_read(&asked, STR("ask nothing tty1"), &e), ERR_FORMAT);
	assert_int_equal(menu_ask_read(&asked, STR("ask restore"), &e), ERR_FORMAT);
	assert_int_equal(menu_ask_read(&asked, STR("state restore x"), &e), ERR_FORMAT);
}

/* A server, and two consoles that are connected to it. */
struct place {
	char path[60];
	struct menu_server server;
	int one, two;
};

static int connected(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	strcpy(name.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
	return fd;
}

static void make_place(struct place *p, enum menu_mode mode, unsigned offers)
{
	const struct menu_state s = { .mode = mode, .offers = offers };
	struct err e = { 0 };

	snprintf(p->path, sizeof p->path, "/tmp/etcd-rescue-menu-%d", getpid());
	assert_int_equal(menu_server_open(&p->server, p->path, &e), 0);
	menu_server_tell(&p->server, &s);
	p->one = connected(p->path);
	p->two = connected(p->path);
}

static void drop_place(struct place *p)
{
	close(p->one);
	close(p->two);
	menu_server_close(&p->server);
	assert_int_not_equal(access(p->path, F_OK), 0);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

static struct menu_state last_heard(int fd)
{
	struct menu_state s = { 0 };
	char text[MENU_MESSAGE];
	struct err e;
	ssize_t n;

	while ((n = recv(fd, text, sizeof text, MSG_DONTWAIT)) > 0)
		assert_int_equal(menu_state_read(&s, (struct str){ text, (size_t)n }, &e), 0);
	return s;
}

static void first_choice_counts_and_the_other_console_learns_of_it(void **state)
{
	struct place p;
	struct menu_ask ask;
	struct menu_state busy = { .mode = MENU_BUSY, .who = "ttyS0", .head = "restore" };

	(void)state;
	make_place(&p, MENU_WAITING, ALL);
	say(p.one, "ask restore ttyS0 ");
	say(p.two, "ask disk tty1 ");
	assert_true(menu_server_wait(&p.server, &ask, -1, 2000));
	const bool first_is_one = ask.choice == MENU_RESTORE;
	menu_server_tell(&p.server, &busy);
	assert_false(menu_server_wait(&p.server, &ask, -1, 50));
	const struct menu_state heard = last_heard(first_is_one ? p.two : p.one);
	assert_int_equal(heard.mode, MENU_BUSY);
	assert_string_equal(heard.who, "ttyS0");
	drop_place(&p);
}

static void what_is_not_offered_is_not_done(void **state)
{
	static const char *const asks[] = { "ask restore tty1 ", "ask plan tty1 ", "ask key tty1 ",
		"ask restore tty1 /run/x.yaml", "ask nonsense", "" };
	struct place p;
	struct menu_ask ask;

	(void)state;
	make_place(&p, MENU_WAITING, 1u << MENU_DISK | 1u << MENU_PLAN);
	for (size_t i = 0; i + 1 < sizeof asks / sizeof *asks; i++) {
		say(p.one, asks[i]);
		assert_false(menu_server_wait(&p.server, &ask, -1, 20));
	}
	say(p.one, "ask disk tty1 ");
	assert_true(menu_server_wait(&p.server, &ask, -1, 2000));
	assert_int_equal(ask.choice, MENU_DISK);
	drop_place(&p);
}

static void plan_that_was_typed_needs_the_offer_to_type_one(void **state)
{
	struct place p;
	struct menu_ask ask;

	(void)state;
	make_place(&p, MENU_WAITING, 1u << MENU_SOURCE);
	say(p.one, "ask restore tty1 ");
	assert_false(menu_server_wait(&p.server, &ask, -1, 20));
	say(p.one, "ask restore tty1 /run/x.yaml");
	assert_true(menu_server_wait(&p.server, &ask, -1, 2000));
	assert_string_equal(ask.file, "/run/x.yaml");
	drop_place(&p);
}

static void shell_that_was_taken_before_the_countdown_stops_it(void **state)
{
	struct place p;
	struct menu_ask ask;
	const struct menu_state countdown = { .mode = MENU_COUNTDOWN, .seconds = 3 };

	(void)state;
	make_place(&p, MENU_BUSY, 0);
	/* It asked while nobody listened, and is gone to its shell. */
	say(p.two, "ask shell ttyS1 ");
	close(p.two);
	p.two = dup(p.one);
	menu_server_tell(&p.server, &countdown);
	assert_true(menu_server_wait(&p.server, &ask, -1, 2000));
	assert_int_equal(ask.choice, MENU_KEY);
	assert_string_equal(ask.who, "ttyS1");
	drop_place(&p);
}

static void console_that_takes_nothing_holds_up_nobody(void **state)
{
	struct place p;
	struct menu_ask ask;
	struct menu_state s = { .mode = MENU_WAITING, .offers = ALL };

	(void)state;
	make_place(&p, MENU_WAITING, ALL);
	assert_false(menu_server_wait(&p.server, &ask, -1, 20));
	memset(s.head, 'x', 1000);
	for (int i = 0; i < 2000; i++) {
		menu_server_tell(&p.server, &s);
		last_heard(p.one);
	}
	say(p.one, "ask disk tty1 ");
	assert_true(menu_server_wait(&p.server, &ask, -1, 2000));
	drop_place(&p);
}

static void password_opens_its_own_hash_alone(void **state)
{
	/* openssl passwd -6 -salt saltsalt correct-horse */
	static const char hash[] =
		"$6$saltsalt$K7UFl//"
		"Wp07xMvFGF5CNr3JVL52HTe9O9C8NXwEvinkuKFSKIlvZQXSwQoNHq5D.BYsXc7IkvOpvWCBRDof1g1";

	(void)state;
	assert_true(password_matches(hash, "correct-horse"));
	assert_false(password_matches(hash, "correct-hors"));
	assert_false(password_matches(hash, ""));
	assert_false(password_matches("off", "off"));
	assert_false(password_matches("", ""));
	assert_int_equal(password_lock(NULL), PASSWORD_NONE);
	assert_int_equal(password_lock(hash), PASSWORD_ASKED);
	assert_int_equal(password_lock(""), PASSWORD_CLOSED);
	assert_int_equal(password_lock("off"), PASSWORD_CLOSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(screen_fits_the_smallest_terminal_with_everything_on_offer),
		cmocka_unit_test(enter_is_a_shell_and_never_writes),
		cmocka_unit_test(only_a_whole_word_chooses_and_only_what_is_offered),
		cmocka_unit_test(messages_survive_the_way_and_bad_ones_are_refused),
		cmocka_unit_test(first_choice_counts_and_the_other_console_learns_of_it),
		cmocka_unit_test(what_is_not_offered_is_not_done),
		cmocka_unit_test(plan_that_was_typed_needs_the_offer_to_type_one),
		cmocka_unit_test(shell_that_was_taken_before_the_countdown_stops_it),
		cmocka_unit_test(console_that_takes_nothing_holds_up_nobody),
		cmocka_unit_test(password_opens_its_own_hash_alone),
	};
	return cmocka_run_group_tests_name("menu", tests, NULL, NULL);
}
