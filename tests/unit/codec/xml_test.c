#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "codec/xml.h"

static const char listing[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	"<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n"
	"  <Name>etcd-backup</Name><IsTruncated>false</IsTruncated><Prefix/>\n"
	"  <Contents><Key>a &amp; &lt;b&gt; \xc3\xbc&#x20AC;.db</Key><Size>7</Size>\n"
	"    <Owner><ID>me</ID></Owner></Contents>\n"
	"  <!-- between --><Contents><Key><![CDATA[x<y]]></Key></Contents>\n"
	"</ListBucketResult>\n";

static struct span bytes(const char *text)
{
	const struct str s = str_from(text);

	return (struct span){ (const uint8_t *)s.p, s.len };
}

static void xml_gives_names_text_and_children(void **state)
{
	struct arena a = ARENA(1 << 20);
	const struct xml_node *root;
	struct err e;

	(void)state;
	assert_int_equal(xml_parse(&root, &a, bytes(listing), XML_LIMITS, &e), 0);
	assert_true(str_is(root->name, "ListBucketResult"));
	assert_int_equal(root->text.len, 0);
	assert_true(str_is(xml_text(root, "Name"), "etcd-backup"));
	assert_int_equal(xml_text(root, "Prefix").len, 0);
	const struct xml_node *c = xml_child(root, "Contents");
	assert_true(str_is(xml_text(c, "Key"), "a & <b> \xc3\xbc\xe2\x82\xac.db"));
	assert_true(str_is(xml_text(c, "Owner/ID"), "me"));
	assert_true(str_is(xml_text(root, "Contents/Size"), "7"));
	c = xml_next(c);
	assert_true(str_is(xml_text(c, "Key"), "x<y"));
	assert_int_equal(xml_text(c, "Size").len, 0);
	assert_null(xml_next(c));
	assert_null(xml_child(root, "Content"));
	assert_null(xml_find(root, "Name/None"));
	assert_null(xml_child(NULL, "a"));
	arena_free(&a);
}

static void xml_takes_off_prefixes(void **state)
{
	struct arena a = ARENA(1 << 20);
	const struct xml_node *root;
	struct err e;

	(void)state;
	assert_int_equal(
		xml_parse(&root, &a,
			bytes("<s:Error xmlns:s=\"x\"><s:Code>NoSuchKey</s:Code></s:Error>"),
			XML_LIMITS, &e),
		0);
	assert_true(str_is(root->name, "Error"));
	assert_true(str_is(xml_text(root, "Code"), "NoSuchKey"));
	/* A name of colons alone is a name to expat. */
	assert_int_equal(xml_parse(&root, &a, bytes("<a::/>"), XML_LIMITS, &e), 0);
	assert_true(str_is(root->name, "a::"));
	arena_free(&a);
}

static void xml_refuses(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "line 1: no element found" },
		{ "not xml", "line 1: syntax error" },
		{ "<a>\n<b></a>", "line 2: mismatched tag" },
		{ "<a>", "line 1: no element found" },
		{ "<a/><b/>", "line 1: junk after document element" },
		{ "<a>&who;</a>", "line 1: undefined entity" },
		{ "<!DOCTYPE html>\n<html></html>",
			"line 1: a document type, which no answer of a service has" },
		{ "<!DOCTYPE a [<!ENTITY x \"xx\"><!ENTITY y \"&x;&x;\">]><a>&y;</a>",
			"line 1: a document type, which no answer of a service has" },
		{ "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
			"line 1: a document type, which no answer of a service has" },
		{ "<a>\xff</a>", "line 1: not well-formed (invalid token)" },
	};
	struct arena a = ARENA(1 << 20);
	const struct xml_node *root = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(
			xml_parse(&root, &a, bytes(bad[i].text), XML_LIMITS, &e), ERR_FORMAT);
		assert_string_equal(e.text, bad[i].why);
	}
	assert_null(root);
	arena_free(&a);
}

static void xml_keeps_its_limits(void **state)
{
	const struct xml_limits few = { 64, 4, 3, false };
	struct arena a = ARENA(1 << 20);
	const struct xml_node *root;
	struct err e;

	(void)state;
	assert_int_equal(xml_parse(&root, &a, bytes("<a><b><c>x</c></b><d/></a>"), few, &e), 0);
	assert_int_equal(
		xml_parse(&root, &a, bytes("<a><b/><b/><b/><b/></a>"), few, &e), ERR_SPACE);
	assert_string_equal(e.text, "line 1: too many elements");
	assert_int_equal(
		xml_parse(&root, &a, bytes("<a><b><c><d/></c></b></a>"), few, &e), ERR_SPACE);
	assert_string_equal(e.text, "line 1: elements are nested too deeply");
	assert_int_equal(
		xml_parse(&root, &a,
			bytes("<a>                                                          </a>"),
			few, &e),
		ERR_SPACE);
	assert_string_equal(e.text, "65 bytes of XML, more than the 64 allowed");
	/* Above its own array too, whatever the limits say. */
	CLEAN_BUF struct buf deep = BUF(4096);
	for (int i = 0; i < 70; i++)
		assert_int_equal(buf_add_str(&deep, STR("<a>"), &e), 0);
	assert_int_equal(xml_parse(&root, &a, buf_span(&deep),
				 (struct xml_limits){ 4096, 4096, 4096, false }, &e),
		ERR_SPACE);
	arena_free(&a);
}

static void xml_takes_what_is_there_of_a_cut_source(void **state)
{
	const struct xml_limits cut = { .bytes = 64, .nodes = 9, .depth = 3, .cut = true };
	struct arena a = ARENA(1 << 20);
	const struct xml_node *root;
	struct err e;

	(void)state;
	assert_int_equal(xml_parse(&root, &a, bytes("<E><C>No</C><M>It is n"), cut, &e), 0);
	assert_true(str_is(xml_text(root, "C"), "No"));
	assert_int_equal(xml_text(root, "M").len, 0);
	assert_int_equal(xml_parse(&root, &a, bytes("<E><C>No</C></E"), cut, &e), 0);
	assert_int_equal(xml_parse(&root, &a, bytes(" <E"), cut, &e), ERR_FORMAT);
	assert_string_equal(e.text, "line 1: no element found");
	assert_int_equal(xml_parse(&root, &a, bytes("<E></C>"), cut, &e), ERR_FORMAT);
	arena_free(&a);
}

/* More than one piece of the parser, with texts across their border. */
static void xml_reads_long_answers(void **state)
{
	struct arena a = ARENA(32u << 20);
	CLEAN_BUF struct buf text = BUF(8u << 20);
	const struct xml_node *root, *c;
	struct err e;
	size_t n = 0;

	(void)state;
	assert_int_equal(buf_add_str(&text, STR("<r>"), &e), 0);
	for (int i = 0; i < 40000; i++)
		assert_int_equal(buf_print(&text, &e, "<k>%032d</k><none/>", i), 0);
	assert_int_equal(buf_add_str(&text, STR("</r>"), &e), 0);
	assert_int_equal(xml_parse(&root, &a, buf_span(&text), XML_LIMITS, &e), 0);
	for (c = xml_child(root, "k"); c; c = xml_next(c), n++) {
		uint64_t v;
		assert_int_equal(c->text.len, 32);
		assert_true(str_u64(&v, c->text, 10, UINT64_MAX));
		assert_int_equal(v, n);
	}
	assert_int_equal(n, 40000);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xml_gives_names_text_and_children),
		cmocka_unit_test(xml_takes_off_prefixes),
		cmocka_unit_test(xml_refuses),
		cmocka_unit_test(xml_keeps_its_limits),
		cmocka_unit_test(xml_takes_what_is_there_of_a_cut_source),
		cmocka_unit_test(xml_reads_long_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
