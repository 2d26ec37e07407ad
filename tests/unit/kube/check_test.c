#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kube/check.h"
#include "kube/slot.h"

static struct arena arena = ARENA(64 << 20);

/* name: a becomes name: m1; then `result` is looked at instead. */
static int check(const char *result, struct err *e)
{
	struct kube_files set = kube_files(&arena, NULL);
	struct kube_file file = {
		.set = &set, .path = "f", .text = STR("name: &n a\nx: *n\ny: [b]\n")
	};

	assert_int_equal(kube_file_parse(&file, DOC_YAML, e), 0);
	struct kube_slot slot = kube_slot_scalar(&file, doc_get(file.doc.root, "name"), "the name");
	assert_int_equal(kube_slot_set(&slot, STR("m1"), "", e), ERR_FORMAT);
	slot.everywhere = true;
	*e = (struct err){ 0 };
	assert_int_equal(kube_slot_set(&slot, STR("m1"), "", e), 0);
	return kube_check(&file, str_from(result), e);
}

static void only_what_was_meant_passes(void **state)
{
	static const char *const wrong[] = { "name: &n a\nx: *n\ny: [b]\n",
		"name: &n m1\nx: a\ny: [b]\n", "name: &n m1\nx: *n\ny: [c]\n",
		"name: &n m1\nx: *n\ny: [b, b]\n", "name: &n m1\nx: *n\nz: [b]\n",
		"name: &n m1\nx: *n\ny: b\n", "name: [m1\n",
		"name: &n m1\nx: *n\ny: [b]\n---\na: b\n", "" };

	(void)state;
	struct err e = { 0 };
	assert_int_equal(check("name: &n m1\nx: *n\ny: [b]\n", &e), 0);
	assert_int_equal(check("# c\nname: &n \"m1\"\nx: *n\ny:\n- b\n", &e), 0);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct err refused = { 0 };
		assert_int_equal(check(wrong[i], &refused), ERR_FORMAT);
		assert_memory_equal(refused.text, "f:", 2);
	}
	arena_free(&arena);
}

static void words_that_are_no_texts(void **state)
{
	static const char *const typed[] = { "", "1", "0x1f", "1e3", "no", "~", "1_000", "-.inf",
		"12:30", "2001-01-01", "0b1" };
	static const char *const texts[] = { "m1", "10.0.0.1", "a", "-", "0.0.0", "fd00::x",
		"none" };

	(void)state;
	for (size_t i = 0; i < sizeof typed / sizeof *typed; i++)
		assert_true(kube_is_typed(str_from(typed[i])));
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_false(kube_is_typed(str_from(texts[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_was_meant_passes),
		cmocka_unit_test(words_that_are_no_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
