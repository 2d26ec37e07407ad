/* Every file of tests/golden/network: a remark, the words, "---", the commands that follow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "node/cmdline.h"
#include "os/file.h"
#include "os/names.h"

static const struct link cards[] = {
	{ .name = "eth0", .mac = "52:54:00:00:00:00", .kind = "", .index = 2, .wired = true },
	{ .name = "eth1", .mac = "52:54:00:00:00:01", .kind = "", .index = 3, .wired = true },
	{ .name = "eth2", .mac = "52:54:00:00:00:02", .kind = "", .index = 4, .wired = true },
	{ .name = "wlan0", .mac = "52:54:00:00:00:03", .kind = "wlan", .index = 5 },
	{ .name = "lo", .mac = "", .kind = "", .index = 1, .loopback = true },
};

static void network_golden_commands_follow_from_the_words(void **state)
{
	struct arena arena = ARENA(16 << 20);
	CLEAN_ROOT struct root root = NO_ROOT;
	struct names names;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(root_open(&root, "../tests/golden/network", &e), 0);
	assert_int_equal(names_read(&names, &arena, &root, "/", &e), 0);
	assert_true(names.n > 15);
	for (size_t i = 0; i < names.n; i++) {
		CLEAN_BUF struct buf file = BUF(1 << 16), got = BUF(1 << 16);
		struct network *n = arena_alloc(&arena, sizeof *n);
		struct actions list = { .arena = &arena };
		size_t at = 0;

		assert_int_equal(file_read(&file, &root, names.v[i], &e), 0);
		const struct str all = buf_text(&file);
		assert_true(str_find(&at, all, STR("\n---\n")));
		if (node_cmdline_network(n, &arena, (struct str){ all.p, at }, &e))
			fail_msg("%s: %s", names.v[i], e.text);
		network_actions(&list, n, cards, sizeof cards / sizeof *cards);
		assert_int_equal(network_actions_print(&got, &list, &e), 0);
		const struct str want = { all.p + at + 5, all.len - at - 5 };
		if (!str_equal(want, buf_text(&got)))
			fail_msg("%s: wanted\n%.*sgot\n%.*s", names.v[i], STR_ARG(want),
				STR_ARG(buf_text(&got)));
	}
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(network_golden_commands_follow_from_the_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
