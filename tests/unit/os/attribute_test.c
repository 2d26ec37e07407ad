#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/attribute.h"

static struct arena arena;
static struct root root = NO_ROOT;
static char path[64];

static int set_up(void **state)
{
	struct err e;

	(void)state;
	arena = ARENA(1 << 20);
	strcpy(path, "/tmp/etcd-rescue-test-XXXXXX");
	return mkdtemp(path) ? root_open(&root, path, &e) : -1;
}

static int tear_down(void **state)
{
	char full[128];

	(void)state;
	snprintf(full, sizeof full, "%s/model", path);
	unlink(full);
	root_close(&root);
	arena_free(&arena);
	return rmdir(path);
}

static void put(const char *text)
{
	char full[128];

	snprintf(full, sizeof full, "%s/model", path);
	FILE *f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* Bytes above 0x7f steer some terminals too (0x9b is CSI), whatever sign a char has. */
static void attribute_text_is_printable_ascii(void **state)
{
	(void)state;
	put("  A\033[2J\177B\233C\303\251~ \n");
	assert_string_equal(attribute_text(&arena, &root, "%s", "model"), "A?[2J?B?C??~");
	put("\n");
	assert_null(attribute_text(&arena, &root, "model"));
	assert_null(attribute_text(&arena, &root, "nowhere"));
}

static void attribute_u64_is_decimal_or_hexadecimal(void **state)
{
	(void)state;
	put("4096\n");
	assert_int_equal(attribute_u64(7, &root, "model"), 4096);
	put("0x10de\n");
	assert_int_equal(attribute_u64(7, &root, "model"), 0x10de);
	put("-1\n");
	assert_int_equal(attribute_u64(7, &root, "model"), 7);
	assert_int_equal(attribute_u64(7, &root, "nowhere"), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attribute_text_is_printable_ascii),
		cmocka_unit_test(attribute_u64_is_decimal_or_hexadecimal),
	};
	return cmocka_run_group_tests_name("attribute", tests, set_up, tear_down);
}
