#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "source/web_index.h"

#define PAGES "../tests/golden/index/"

static char page[1 << 16], told[1 << 16];
static size_t told_len;
static struct web_index read_index;
static struct arena arena;

static const char *parse_at(struct str body, const char *address)
{
	struct url url;
	struct err e;

	arena_free(&arena);
	arena = ARENA(64 << 20);
	assert_int_equal(url_parse(&url, str_from(address), &e), 0);
	if (web_index_parse(&read_index, &arena, body, &url, &e))
		return arena_print(&arena, "%s", e.text);
	told_len = 0;
	*told = 0;
	for (size_t i = 0; i < read_index.n; i++) {
		const struct web_entry *w = &read_index.v[i];
		told_len += (size_t)snprintf(told + told_len, sizeof told - told_len,
			"%s %s%s %jd %jd\n", w->name, w->path, w->place ? " place" : "",
			w->size == UINT64_MAX ? (intmax_t)-1 : (intmax_t)w->size,
			(intmax_t)w->modified);
		assert_true(told_len < sizeof told);
	}
	return told;
}

static const char *parse(const char *body)
{
	return parse_at(str_from(body), "https://h.example/backups/");
}

static const char *parse_file(const char *name)
{
	FILE *f = fopen(name, "rb");

	if (!f)
		fail_msg("%s", name);
	const size_t len = fread(page, 1, sizeof page, f);
	fclose(f);
	return parse_at((struct str){ page, len }, "http://localhost:8080/backups/");
}

static const struct {
	const char *name, *path;
	int64_t size, modified;
} files[] = {
	{ "a-very-long-name-that-every-index-page-cuts-off-somewhere-in-the-middle-2020-02-04.db."
	  "gz",
		"a-very-long-name-that-every-index-page-cuts-off-somewhere-in-the-middle-2020-02-04"
		".db.gz",
		100000, 1580853600 },
	{ "etcd backup & co #1 100%.db", "etcd%20backup%20%26%20co%20%231%20100%25.db", 10,
		1580839200 },
	{ "etcd-backup-2020-02-04-18-50-03.tar.gz", "etcd-backup-2020-02-04-18-50-03.tar.gz", 10000,
		1580850000 },
	{ "gr\xc3\xb6\xc3\x9f"
	  "e.db",
		"gr%C3%B6%C3%9Fe.db", 1000, 1580846400 },
	{ "it's <odd> \"q\".db", "it%27s%20%3Codd%3E%20%22q%22.db", 100, 1580842800 },
	{ "plus+sign;semi:colon.db", "plus%2Bsign%3Bsemi%3Acolon.db", 5, 1580860800 },
	{ "query?x=1.db", "query%3Fx%3D1.db", 1000000, 1580857200 },
	{ "snapshot_2020-03-18_220218.db", "snapshot_2020-03-18_220218.db", 1, 1580835600 },
};

/* Every file, and no more than two folders and Apache's hidden one beside them. */
static void check_page(const char *name, bool times, int64_t exact_below, size_t others)
{
	size_t found = 0;

	parse_file(name);
	assert_false(read_index.cut);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		for (size_t j = 0; j < read_index.n; j++) {
			const struct web_entry *w = &read_index.v[j];
			if (strcmp(w->name, files[i].name) != 0)
				continue;
			found++;
			assert_false(w->place);
			assert_string_equal(w->path, files[i].path);
			assert_int_equal(w->modified, times ? files[i].modified : 0);
			if (files[i].size < exact_below)
				assert_int_equal(w->size, files[i].size);
			else
				assert_true(w->size == UINT64_MAX);
		}
	}
	assert_int_equal(found, sizeof files / sizeof *files);
	assert_int_equal(read_index.n, found + others);
}

static void pages_of_nginx_and_apache_are_read(void **state)
{
	(void)state;
	check_page(PAGES "nginx.html", true, INT64_MAX, 2);
	check_page(PAGES "nginx-short.html", true, 10000, 2);
	check_page(PAGES "nginx.json", true, INT64_MAX, 2);
	check_page(PAGES "apache-plain.html", false, 0, 3);
	check_page(PAGES "apache-fancy.html", true, 973, 3);
	check_page(PAGES "apache-table.html", true, 973, 3);
	parse_file(PAGES "nginx.html");
	assert_string_equal(read_index.v[0].name, "2020-02");
	assert_string_equal(read_index.v[0].path, "2020-02/");
	assert_true(read_index.v[0].place);
	parse_file(PAGES "nginx.json");
	assert_string_equal(read_index.v[0].path, "2020-02/");
	assert_true(read_index.v[0].place);
}

static void links_that_lead_elsewhere_do_not_count(void **state)
{
	static const char *const links[] = { "../", "..", ".", "./", "/", "/other/a.db",
		"/backups/sub/a.db", "sub/a.db", "?C=N;O=D", "a.db?x", "#top", "", "mailto:a@b",
		"javascript:x", "https://other.example/backups/a.db",
		"//other.example/backups/a.db", "http://h.example/backups/a.db",
		"https://h.example:1/backups/a.db", "%2e%2e", "%2e%2e/", "..%2fa.db", "a%2fb.db",
		"a%00b", "a%0ab.db", "/backups/../a.db" };
	char body[256];

	(void)state;
	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		snprintf(body, sizeof body, "<a href=\"%s\">x</a>", links[i]);
		if (*parse(body))
			fail_msg("%s gives %s", links[i], told);
	}
}

static void links_below_count_however_they_are_written(void **state)
{
	static const char *const links[] = { "href=\"a.db\"", "HREF='a.db'", "href=a.db",
		"class=\"x>y\" href = \"a.db\" id=b", "href=\"./a.db\"", "href=\"/backups/a.db\"",
		"href=\"/%62ackups/a.db\"", "href=\"https://H.example/backups/a.db\"",
		"href=\"//h.example/backups/a.db\"", "href=\"%61.db\"", "href=\"&#97;&#x2e;db\"",
		"href=\"a.db#frag\"", "href=\" a.db \"", "x href=\"a.db\"" };
	char body[256];

	(void)state;
	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		snprintf(body, sizeof body, "<p><A %s>x</A>", links[i]);
		if (strcmp(parse(body), "a.db a.db -1 0\n") != 0)
			fail_msg("%s gives %s", links[i], told);
	}
}

static void other_servers_are_read_too(void **state)
{
	(void)state;
	/* lighttpd, python, an icon that is a link, Caddy */
	assert_string_equal(
		parse("<tr class=\"d\"><td class=\"n\"><a href=\"../\">..</a>/</td></tr>"
		      "<tr><td class=\"n\"><a href=\"a.db\">a.db</a></td><td class=\"m\">"
		      "2020-Feb-04 17:00:00</td><td class=\"s\">98.0K</td></tr>"),
		"a.db a.db -1 1580835600\n");
	assert_string_equal(parse("<ul>\n<li><a href=\"a.db\">a.db</a></li>\n"
				  "<li><a href=\"b/\">b/</a></li>\n</ul>"),
		"a.db a.db -1 0\nb b/ place -1 0\n");
	assert_string_equal(parse("<a href=\"a.db\"><img src=\"i.png\"></a> <a href=\"a.db\">a.db"
				  "</a> 2020-02-04 17:00  7"),
		"a.db a.db 7 1580835600\n");
	assert_string_equal(parse("[{\"name\":\"a.db\",\"size\":7,\"url\":\"./a.db\","
				  "\"mod_time\":\"2020-02-04T18:00:00.5+01:00\",\"is_dir\":false},"
				  "{\"name\":\"b/\",\"size\":4096,\"is_dir\":true}]"),
		"a.db a.db 7 1580835600\nb b/ place -1 0\n");
}

static void what_is_no_index_gives_nothing(void **state)
{
	static const char *const bodies[] = { "", "<", "<a", "<a href", "<a href=", "<a href=\"",
		"<a href=\"a.db", "<!-- <a href=\"a.db\">x</a> -->", "<!-- <a href=\"a.db\">",
		"plain text", "[]", "[1, \"a\", null]",
		"[{\"name\":\"../x\"},{\"name\":\"..\"},"
		"{\"name\":\"a/b\"},{\"size\":1}]" };

	(void)state;
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		if (*parse(bodies[i]))
			fail_msg("%s gives %s", bodies[i], told);
	}
	assert_non_null(strstr(parse("[{\"name\":"), "the index page:"));
}

static void there_is_a_limit(void **state)
{
	static char body[(WEB_INDEX_ENTRIES + 5) * 24];
	size_t n = 0;

	(void)state;
	for (unsigned i = 0; i < WEB_INDEX_ENTRIES + 5; i++)
		n += (size_t)snprintf(body + n, sizeof body - n, "<a href=%u>x</a>", i);
	struct url url;
	struct err e;
	arena_free(&arena);
	arena = ARENA(64 << 20);
	assert_int_equal(url_parse(&url, STR("http://h/"), &e), 0);
	assert_int_equal(
		web_index_parse(&read_index, &arena, (struct str){ body, n }, &url, &e), 0);
	assert_int_equal(read_index.n, WEB_INDEX_ENTRIES);
	assert_true(read_index.cut);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_of_nginx_and_apache_are_read),
		cmocka_unit_test(links_that_lead_elsewhere_do_not_count),
		cmocka_unit_test(links_below_count_however_they_are_written),
		cmocka_unit_test(other_servers_are_read_too),
		cmocka_unit_test(what_is_no_index_gives_nothing),
		cmocka_unit_test(there_is_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
