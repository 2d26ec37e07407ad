#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "codec/doc.h"

static const char manifest[] = "# first\n"
			       "name: \"ncn-m001\"  # the node\n"
			       "quoted: 'it''s'\n"
			       "args:\n"
			       "  - --name=a # one\n"
			       "  - {k: [1, 'two'], \xc3\xa9: x}\n"
			       "text: |\n"
			       "  line\n"
			       "  end\n"
			       "empty:\n"
			       "last/one: &here [a]\n"
			       "again: *here\n";

static struct arena arena = ARENA(64 << 20);

static int clean(void **state)
{
	(void)state;
	arena_free(&arena);
	arena = ARENA(64 << 20);
	return 0;
}

static const struct doc_node *parse(const char *text)
{
	struct doc doc;
	struct err e = { 0 };

	if (doc_parse(&doc, &arena, str_from(text), "f", DOC_YAML, DOC_LIMITS, &e))
		fail_msg("%s", e.text);
	return doc.root;
}

static void refused_by(
	const char *text, enum doc_format format, struct doc_limits limits, const char *message)
{
	struct doc doc = { 0 };
	struct err e = { 0 };

	assert_int_equal(
		doc_parse(&doc, &arena, str_from(text), "f", format, limits, &e), ERR_FORMAT);
	assert_string_equal(e.text, message);
	assert_null(doc.root);
}

static void refused(const char *text, const char *message)
{
	refused_by(text, DOC_YAML, DOC_LIMITS, message);
}

static void has(const struct doc_node *node, unsigned line, unsigned column, const char *source,
	const char *value, const char *text)
{
	assert_non_null(node);
	assert_int_equal(node->line, line);
	assert_int_equal(node->column, column);
	assert_int_equal(node->end - node->start, strlen(value));
	assert_memory_equal(source + node->start, value, strlen(value));
	assert_true(str_is(node->text, text));
}

static void doc_tells_where_each_value_stands(void **state)
{
	const struct doc_node *root = parse(manifest);

	(void)state;
	has(doc_get(root, "name"), 2, 7, manifest, "\"ncn-m001\"", "ncn-m001");
	has(doc_get(root, "quoted"), 3, 9, manifest, "'it''s'", "it's");
	has(doc_find(root, "/args/0"), 5, 5, manifest, "--name=a", "--name=a");
	has(doc_find(root, "/args/1/k/1"), 6, 13, manifest, "'two'", "two");
	has(doc_find(root, "/args/1/\xc3\xa9"), 6, 24, manifest, "x", "x");
	has(doc_find(root, "/args/1/k"), 6, 9, manifest, "[1, 'two']", "");
	has(doc_get(root, "text"), 8, 1, manifest, "  line\n  end\n", "line\nend\n");
	has(doc_get(root, "empty"), 10, 7, manifest, "", "");
	has(doc_find(root, "/last~1one"), 11, 17, manifest, "[a]", "");
	has(doc_get(root, "again"), 12, 8, manifest, "*here", "");
	has(doc_get(root, "args"), 5, 3, manifest,
		"- --name=a # one\n  - {k: [1, 'two'], \xc3\xa9: x}", "");
	assert_int_equal(doc_get(root, "text")->style, DOC_LITERAL);
	assert_int_equal(doc_get(root, "name")->style, DOC_DOUBLE_QUOTED);
	assert_int_equal(doc_get(root, "args")->style, DOC_BLOCK);
	assert_int_equal(doc_get(root, "last/one")->style, DOC_FLOW);
}

static void doc_follows_an_alias_to_what_it_stands_for(void **state)
{
	const struct doc_node *root = parse(manifest);

	(void)state;
	assert_true(doc_get(root, "again")->alias);
	assert_true(str_is(doc_find(root, "/again/0")->text, "a"));
	assert_null(doc_get(root, "again")->next);
}

static void doc_find_gives_nothing_for_what_is_not_there(void **state)
{
	const struct doc_node *root = parse(manifest);

	(void)state;
	assert_null(doc_get(root, "nam"));
	assert_null(doc_get(root, "names"));
	assert_null(doc_get(doc_get(root, "name"), "x"));
	assert_null(doc_find(root, "/args/2"));
	assert_null(doc_find(root, "/args/-1"));
	assert_null(doc_find(root, "/name/0"));
	assert_null(doc_find(root, "/last/one"));
	assert_ptr_equal(doc_find(root, ""), root);
}

static void doc_knows_nothing_from_the_word_for_it(void **state)
{
	const struct doc_node *root = parse("a:\nb: ~\nc: null\nd: 'null'\ne: ''\nf: none\n");

	(void)state;
	assert_true(doc_is_null(doc_get(root, "a")));
	assert_true(doc_is_null(doc_get(root, "b")));
	assert_true(doc_is_null(doc_get(root, "c")));
	assert_false(doc_is_null(doc_get(root, "d")));
	assert_false(doc_is_null(doc_get(root, "e")));
	assert_false(doc_is_null(doc_get(root, "f")));
}

static void doc_reads_several_documents_and_none(void **state)
{
	const struct doc_node *root = parse("kind: a\n---\nkind: b\n---\n- c\n");
	struct doc doc;
	struct err e;

	(void)state;
	assert_true(str_is(doc_get(root->next, "kind")->text, "b"));
	assert_int_equal(root->next->next->kind, DOC_LIST);
	assert_null(root->next->next->next);
	assert_null(parse("# nothing\n"));
	assert_int_equal(doc_parse(&doc, &arena, STR(""), "f", DOC_YAML, DOC_LIMITS, &e), 0);
	assert_int_equal(doc.n_documents, 0);
}

static void doc_counts_bytes_behind_a_byte_order_mark_and_carriage_returns(void **state)
{
	static const char text[] = "\xef\xbb\xbf"
				   "a: 1\r\nb: \"2\"\r\n";

	(void)state;
	has(doc_get(parse(text), "a"), 1, 4, text, "1", "1");
	has(doc_get(parse(text), "b"), 2, 4, text, "\"2\"", "2");
}

static void doc_reads_json_as_json_only_when_asked(void **state)
{
	static const char text[] = "{\n\t\"a\": [true, \"\\u00e9\\n\"],\n\t\"b\": {}\n}\n";
	struct doc doc;
	struct err e;

	(void)state;
	assert_int_equal(doc_parse(&doc, &arena, str_from(text), "f", DOC_JSON, DOC_LIMITS, &e), 0);
	has(doc_find(doc.root, "/a/1"), 2, 14, text, "\"\\u00e9\\n\"", "\xc3\xa9\n");
	has(doc_find(parse(text), "/a/0"), 2, 8, text, "true", "true");
	refused_by("a: 1\n", DOC_JSON, DOC_LIMITS, "f:1:1: Invalid JSON plain scalar");
	refused_by("{\"a\": 1,}", DOC_JSON, DOC_LIMITS,
		"f:1:8: JSON disallows trailing comma before closing brace");
	refused_by("{\"a\": 1, \"a\": 2}", DOC_JSON, DOC_LIMITS,
		"f:1:10: 'a' stands here again, it is in line 1");
}

static void doc_refuses_bad_syntax_with_its_place(void **state)
{
	(void)state;
	refused("a: b: c\n", "f:1:5: invalid nested block mapping on the same line");
	refused("a:\n\t- b\n", "f:2:1: tab character may not be used as indentation");
	refused("a: \"x\n", "f:1:5: double-quoted scalar without closing quote");
	refused("b: 1\n- a\n", "f:2:1: did not find expected key");
	refused("[a]: b\n", "f:1:1: a key must be a plain word or a quoted text");
}

static void doc_refuses_a_key_that_stands_twice(void **state)
{
	(void)state;
	refused("a: 1\nb: 2\n\"a\": 3\n", "f:3:1: 'a' stands here again, it is in line 1");
	refused("x: {b: 1, a: 1, a: 2, b: 2}\n", "f:1:17: 'a' stands here again, it is in line 1");
}

static void doc_refuses_bytes_that_are_not_text(void **state)
{
	struct doc doc;
	struct err e = { 0 };

	(void)state;
	refused("a: 1\nb: \xff\n", "f:2:4: byte 0xff is not UTF-8 text");
	refused("a: \xc0\xaf\n", "f:1:4: byte 0xc0 is not UTF-8 text");
	refused("a: \xed\xa0\x80\n", "f:1:4: byte 0xed is not UTF-8 text");
	refused("a: \xe2\x82", "f:1:4: byte 0xe2 is not UTF-8 text");
	refused("a: \xc2\x9b"
		"2J\n",
		"f:1:4: byte 0xc2 is not UTF-8 text");
	refused("a: \xef\xbf\xbe\n", "f:1:4: byte 0xef is not UTF-8 text");
	refused("a: \xf4\x90\x80\x80\n", "f:1:4: byte 0xf4 is not UTF-8 text");
	refused("a: \x1b[2J\n", "f:1:4: byte 0x1b is not UTF-8 text");
	assert_int_equal(
		doc_parse(&doc, &arena, (struct str){ "a: \0b", 5 }, "f", DOC_YAML, DOC_LIMITS, &e),
		ERR_FORMAT);
	assert_string_equal(e.text, "f:1:4: byte 0x00 is not UTF-8 text");
}

static void doc_refuses_aliases_that_unfold_without_end(void **state)
{
	CLEAN_BUF struct buf bomb = BUF(10000);
	struct err e;

	(void)state;
	buf_print(&bomb, &e, "a: &a [x,x,x,x,x,x,x,x,x,x]\n");
	for (char c = 'b'; c < 'k'; c++) {
		buf_print(&bomb, &e, "%c: &%c [", c, c);
		for (int i = 0; i < 10; i++)
			buf_print(&bomb, &e, "*%c,", c - 1);
		buf_print(&bomb, &e, "]\n");
	}
	buf_add(&bomb, "", 1, &e);
	refused((const char *)bomb.p, "f:5:29: too many values for this kind of file");
	refused("a: &x [*x]\n", "f:1:8: this alias has no finished anchor before it");
	refused("a: &x 1\n---\nb: *x\n", "f:3:4: this alias has no finished anchor before it");
}

static void doc_keeps_to_its_limits(void **state)
{
	char deep[200];
	struct doc_limits limits = DOC_LIMITS;

	(void)state;
	memset(deep, '[', 100);
	deep[100] = 0;
	refused(deep, "f:1:65: nested too deeply");
	limits.bytes = 3;
	refused_by("a: 1", DOC_YAML, limits, "f: holds 4 bytes, more than 3");
	limits = DOC_LIMITS;
	limits.nodes = 4;
	refused_by(
		"[1, 2, 3, 4]", DOC_YAML, limits, "f:1:11: too many values for this kind of file");
	limits = DOC_LIMITS;
	limits.aliases = 1;
	refused_by("[&a 1, *a, *a]", DOC_YAML, limits,
		"f:1:12: too many aliases for this kind of file");
	limits = DOC_LIMITS;
	limits.depth = 4;
	refused_by("a: &a [[1]]\nb: [[*a]]", DOC_YAML, limits,
		"f:2:6: nested too deeply through this alias");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doc_tells_where_each_value_stands),
		cmocka_unit_test(doc_follows_an_alias_to_what_it_stands_for),
		cmocka_unit_test(doc_find_gives_nothing_for_what_is_not_there),
		cmocka_unit_test(doc_knows_nothing_from_the_word_for_it),
		cmocka_unit_test(doc_reads_several_documents_and_none),
		cmocka_unit_test(doc_counts_bytes_behind_a_byte_order_mark_and_carriage_returns),
		cmocka_unit_test(doc_reads_json_as_json_only_when_asked),
		cmocka_unit_test(doc_refuses_bad_syntax_with_its_place),
		cmocka_unit_test(doc_refuses_a_key_that_stands_twice),
		cmocka_unit_test(doc_refuses_bytes_that_are_not_text),
		cmocka_unit_test(doc_refuses_aliases_that_unfold_without_end),
		cmocka_unit_test(doc_keeps_to_its_limits),
	};

	return cmocka_run_group_tests_name("doc", tests, NULL, clean);
}
