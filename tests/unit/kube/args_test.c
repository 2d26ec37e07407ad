#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "kube/args.h"

static struct arena arena = ARENA(64 << 20);

static int clean(void **state)
{
	(void)state;
	arena_free(&arena);
	arena = ARENA(64 << 20);
	return 0;
}

static struct kube_file *file_of(struct kube_files *set, const char *text)
{
	struct kube_file *file = arena_alloc(&arena, sizeof *file);

	*set = kube_files(&arena, NULL);
	file->set = set;
	file->path = "f";
	file->text = str_from(text);
	return file;
}

static const char *result(const struct kube_file *file)
{
	CLEAN_BUF struct buf out = BUF(1 << 20);
	struct err e = { 0 };

	assert_int_equal(kube_result(&out, file, &e), 0);
	return arena_copy(&arena, buf_text(&out));
}

struct change {
	const char *before, *flag, *value, *to,
		*after; /* after NULL: refused with `value` as text */
};

static void run(const struct change *c, struct kube_file *file, const struct kube_args *args)
{
	struct kube_slot slot;
	struct err e = { 0 };

	if (!kube_flag(&slot, args, c->flag))
		fail_msg("no --%s in: %s", c->flag, c->before);
	if (!c->after) {
		assert_int_equal(kube_slot_set(&slot, str_from(c->to), "test", &e), ERR_FORMAT);
		assert_string_equal(e.text, c->value);
		assert_string_equal(result(file), c->before);
		return;
	}
	assert_string_equal(arena_copy(&arena, slot.value), c->value);
	if (kube_slot_set(&slot, str_from(c->to), "test", &e))
		fail_msg("%s", e.text);
	assert_string_equal(result(file), c->after);
}

static void container(const struct change *c)
{
	struct kube_files set;
	struct kube_file *file = file_of(&set, c->before);
	struct kube_args args;
	struct err e = { 0 };

	if (kube_file_parse(file, DOC_YAML, &e) ||
		kube_args_container(&args, file, file->doc.root, &e))
		fail_msg("%s", e.text);
	run(c, file, &args);
}

static void flags_of_lists(void **state)
{
	static const struct change changes[] = {
		{ "command:\n- etcd\n- --name=a # me\n", "name", "a", "bb",
			"command:\n- etcd\n- --name=bb # me\n" },
		{ "command: [etcd, --name, a]", "name", "a", "bb", "command: [etcd, --name, bb]" },
		{ "command: [etcd, -name=a]", "name", "a", "bb", "command: [etcd, -name=bb]" },
		{ "command: [etcd]\nargs:\n  - '--name=a'\n", "name", "a", "b's",
			"command: [etcd]\nargs:\n  - '--name=b''s'\n" },
		{ "command: [etcd, \"--name=a\"]", "name", "a", "b\"s",
			"command: [etcd, \"--name=b\\\"s\"]" },
		{ "command: [\"etcd\", \"--na\\u006de=a\\/b\"]", "name", "a/b", "c",
			"command: [\"etcd\", \"--na\\u006de=c\"]" },
		/* A comma ends an item in [] but not in a list of lines. */
		{ "command:\n- --initial-cluster=a=u\n", "initial-cluster", "a=u", "a=u,b=v",
			"command:\n- --initial-cluster=a=u,b=v\n" },
		{ "command: [--initial-cluster=a=u]", "initial-cluster", "a=u", "a=u,b=v",
			"command: [\"--initial-cluster=a=u,b=v\"]" },
		/* The last one counts. */
		{ "command: [--name=a, --name=b]", "name", "b", "c",
			"command: [--name=a, --name=c]" },
		/* What a reader would take for a number or a comment gets quotes. */
		{ "command: [--name, a]", "name", "a", "12", "command: [--name, \"12\"]" },
		{ "command: [--name, a]", "name", "a", "true", "command: [--name, \"true\"]" },
		{ "command: [--name, a]", "name", "a", "a #b", "command: [--name, \"a #b\"]" },
		{ "command: [--name, a]", "name", "a", "a: b", "command: [--name, \"a: b\"]" },
		{ "command: [--name, a]", "name", "a", "", "command: [--name, \"\"]" },
		{ "command: [--name=]", "name", "", "a", "command: [--name=a]" },
		/* JSON has no bare texts, but numbers. */
		{ "{\"command\": [\"--port\", 1]}", "port", "1", "m1",
			"{\"command\": [\"--port\", \"m1\"]}" },
		{ "{\"command\": [\"--port\", 1]}", "port", "1", "2",
			"{\"command\": [\"--port\", 2]}" },
		/* Line ends of another system stay. */
		{ "command:\r\n- --name=a\r\n- x\r\n", "name", "a", "b",
			"command:\r\n- --name=b\r\n- x\r\n" },
		{ "command: [etcd, --name=a, --, --name=b]", "name", "a", "c",
			"command: [etcd, --name=c, --, --name=b]" },
		/* An alias gives way; its anchor must not. */
		{ "x: &n a\ncommand: [--name, *n]\n", "name", "a", "b",
			"x: &n a\ncommand: [--name, b]\n" },
		{ "command: [--name, &n a]\nx: *n\n", "name",
			"f:1:22: --name is used again through an alias; write the value itself in "
			"both places",
			"b", NULL },
		{ "command: &c [--name, a]\nx: *c\n", "name",
			"f:1:22: --name is used again through an alias; write the value itself in "
			"both places",
			"b", NULL },
		{ "command: [--name, a]", "name",
			"f:1:19: --name: a new value with '-' in front would be taken for a flag",
			"-b", NULL },
		{ "command:\n- --name=a\n  b\n", "name",
			"f:2:3: this text goes on over several lines; write it on one", "c", NULL },
		{ "command:\n- >\n  --name=a\n", "name",
			"f:3:1: this text is folded over several lines; write it on one", "c",
			NULL },
		/* Nothing is guessed. */
		{ "command: [--name=$(NODE)]", "name",
			"f:1:18: --name is '$(NODE)', which another program fills in; write the "
			"value itself there",
			"a", NULL },
		{ "command: [--name]", "name",
			"f:1:17: --name is quoted in pieces; write it in one", "a", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
		container(&changes[i]);
}

static void flags_of_scripts(void **state)
{
	static const struct change changes[] = {
		{ "command: [/bin/sh, -c, 'exec etcd --name a --x=1 >>log 2>&1']", "name", "a",
			"bb", "command: [/bin/sh, -c, 'exec etcd --name bb --x=1 >>log 2>&1']" },
		{ "command: [\"sh\",\"-ec\",\"etcd --name=\\\"a\\\"\\nend\"]", "name", "a", "bb",
			"command: [\"sh\",\"-ec\",\"etcd --name=\\\"bb\\\"\\nend\"]" },
		{ "command:\n- /bin/sh\n- -c\n- |\n  set -e\n  exec etcd \\\n    --name=a \\\n"
		  "    --data-dir=/d\n",
			"name", "a", "bb",
			"command:\n- /bin/sh\n- -c\n- |\n  set -e\n  exec etcd \\\n    --name=bb "
			"\\\n"
			"    --data-dir=/d\n" },
		{ "command: [sh, -c, etcd --name a]", "name", "a", "b c",
			"command: [sh, -c, etcd --name 'b c']" },
		{ "command: [sh, -c, etcd --name a --x b]", "name", "a", "",
			"command: [sh, -c, etcd --name '' --x b]" },
		/* Not the flag of a comment. */
		{ "command:\n- sh\n- -c\n- |\n  etcd --name=a # --name=z\n", "name", "a", "b",
			"command:\n- sh\n- -c\n- |\n  etcd --name=b # --name=z\n" },
		{ "command: [sh, -c, 'etcd --name=$NODE']", "name",
			"f:1:32: --name is '$NODE', which another program fills in; write the "
			"value "
			"itself there",
			"a", NULL },
		{ "command: [sh, -c, \"etcd --name=a'b'\"]", "name",
			"f:1:32: --name is quoted in pieces; write it in one", "a", NULL },
		{ "command:\n- sh\n- -c\n- >-\n  etcd\n  --name=a\n", "name",
			"f:5:1: this text is folded over several lines; write it on one", "b",
			NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
		container(&changes[i]);
}

static void flags_of_units(void **state)
{
	static const struct change changes[] = {
		{ "/usr/bin/etcd --name a \\\n  # one\n --x=1\n", "name", "a", "bb",
			"/usr/bin/etcd --name bb \\\n  # one\n --x=1\n" },
		{ "/usr/bin/etcd \"--name=a b\"", "name", "a b", "c d",
			"/usr/bin/etcd \"--name=c d\"" },
		{ "/usr/bin/etcd --name='a'", "name",
			"f:1:23: --name: '$x' cannot be written in the quotes there", "$x", NULL },
		{ "/usr/bin/etcd --name=%H", "name",
			"f:1:22: --name is '%H', which another program fills in; write the value "
			"itself there",
			"a", NULL },
		{ "/usr/bin/etcd --name=a", "name",
			"f:1:22: --name: '50%' cannot be written in the quotes there", "50%",
			NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		struct kube_files set;
		struct kube_file *file = file_of(&set, changes[i].before);
		struct kube_args args;
		struct err e = { 0 };
		assert_int_equal(
			kube_args_text(&args, file, 0, file->text.len, KUBE_SYSTEMD, &e), 0);
		run(&changes[i], file, &args);
	}
}

/* Which command of a script is etcd's: its words, or "-" for none; "!" refused. */
static void the_command_of_a_program(void **state)
{
	static const struct {
		const char *script, *words;
	} cases[] = {
		{ "exec etcd --name a", "etcd --name a" },
		{ "etcdctl --name x member list && exec /usr/bin/etcd --name a",
			"/usr/bin/etcd --name a" },
		{ "etcd --name a --x b & etcdctl --name y", "etcd --name a --x b" },
		{ "exec etcd --name a >>/var/log/etcd.log 2>&1 --x b", "etcd --name a --x b" },
		{ "exec etcd --name a &>log --x b", "etcd --name a --x b" },
		{ "exec etcd --name a 2>/dev/null; etcdctl --name y", "etcd --name a" },
		{ "if [ -e /etcd ]; then A=b exec nice -n -19 ionice -c2 etcd --name a; fi",
			"etcd --name a" },
		{ "etcd --version | grep etcd\\nexec etcd --name a", "etcd --name a" },
		{ "etcd --version", "etcd --version" },
		{ "chown -R etcd /var/lib/etcd; mkdir -p /run/etcd; ls --data-dir=/etcd", "-" },
		{ "echo etcd --name a # etcd --name b", "-" },
		{ "etcd --name a || etcd --name b", "!" },
		{ "( etcd --name a )", "etcd --name a" },
		{ "timeout 9 nice chown -R etcd /var/lib/etcd", "-" },
		{ "nice -n 5 flock /run/lock gosu etcd etcd --name a", "etcd --name a" },
		{ "chpst -u etcd:etcd etcd", "etcd" },
		{ "nice -5 etcd --name a", "etcd --name a" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct kube_files set;
		struct kube_file *file = file_of(
			&set, arena_print(&arena, "command: [sh, -c, \"%s\"]\n", cases[i].script));
		struct kube_args args, command;
		struct err e = { 0 };
		const char *words = "";
		assert_int_equal(kube_file_parse(file, DOC_YAML, &e), 0);
		assert_int_equal(kube_args_container(&args, file, file->doc.root, &e), 0);
		if (kube_args_program(&command, &args, "etcd", &e)) {
			assert_string_equal(e.text, "f:1:19: etcd is started more than once here");
			words = "!";
		}
		for (size_t k = 0; k < command.n && *words != '!'; k++)
			words = arena_print(&arena, "%s%s%.*s", words, k ? " " : "",
				STR_ARG(command.v[k].text));
		assert_string_equal(*words ? words : "-", cases[i].words);
	}
}

/* Several parts of one text change, and the diff shows whole lines. */
static void two_flags_of_one_script(void **state)
{
	static const char before[] = "a: 1\nb: 2\nc: 3\nd: 4\ncommand: [sh, -c, etcd --name a "
				     "--token b]\ne: 5\nf: 6\ng: 7\nh: 8\n";
	struct kube_files set;
	struct kube_file *file = file_of(&set, before);
	struct kube_args args, command;
	struct kube_slot slot;
	struct err e = { 0 };
	CLEAN_BUF struct buf diff = BUF(1 << 20);

	(void)state;
	assert_int_equal(kube_file_parse(file, DOC_YAML, &e), 0);
	assert_int_equal(kube_args_container(&args, file, file->doc.root, &e), 0);
	assert_true(args.shell);
	assert_int_equal(kube_args_program(&command, &args, "etcd", &e), 0);
	assert_int_equal(command.n, 5); /* etcd --name a --token b */
	assert_int_equal(kube_args_program(&command, &args, "etcdctl", &e), 0);
	assert_int_equal(command.n, 0);
	assert_true(kube_flag(&slot, &args, "token"));
	assert_int_equal(kube_slot_set(&slot, STR("tkn"), "", &e), 0);
	assert_true(kube_flag(&slot, &args, "name"));
	assert_int_equal(kube_slot_set(&slot, STR("m1"), "", &e), 0);
	/* The same once more is no other change; another value is. */
	assert_int_equal(kube_slot_set(&slot, STR("m1"), "", &e), 0);
	assert_int_equal(kube_slot_set(&slot, STR("m2"), "", &e), ERR_FORMAT);
	assert_int_equal(kube_diff(&diff, file, &e), 0);
	assert_string_equal(arena_copy(&arena, buf_text(&diff)),
		"--- a/f\n+++ b/f\n@@ -2,7 +2,7 @@\n b: 2\n c: 3\n d: 4\n"
		"-command: [sh, -c, etcd --name a --token b]\n"
		"+command: [sh, -c, etcd --name m1 --token tkn]\n e: 5\n f: 6\n g: 7\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(flags_of_lists, clean),
		cmocka_unit_test_teardown(flags_of_scripts, clean),
		cmocka_unit_test_teardown(flags_of_units, clean),
		cmocka_unit_test_teardown(the_command_of_a_program, clean),
		cmocka_unit_test_teardown(two_flags_of_one_script, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
