#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "target/tool_report.h"

static void tool_report_reads_groups_between_warnings(void **state)
{
	static const char pvs_text[] =
		"  WARNING: Couldn't find device with uuid x.\n"
		"  {\n \"report\": [ { \"pv\": [\n"
		"{\"pv_name\":\"/dev/sda2\", \"vg_uuid\":\"X2-wb\", \"vg_name\":\"etcdvg0\", "
		"\"vg_missing_pv_count\":\"1\", \"vg_systemid\":\"ncn\"},\n"
		"{\"pv_name\":\"/dev/sdb\", \"vg_uuid\":\"\", \"vg_name\":\"\", "
		"\"vg_missing_pv_count\":\"\", \"vg_systemid\":\"\"} ] } ], \"log\": [ ] }\n"
		"  a warning behind it\n";
	static const char lvs_text[] =
		"{\"report\":[{\"lv\":[{\"vg_uuid\":\"X2-wb\",\"lv_name\":\"root\",\"segtype\":"
		"\"linear\",\"lv_active\":\"active\"},{\"vg_uuid\":\"X2-wb\",\"lv_name\":\"p\","
		"\"segtype\":\"thin-pool\",\"lv_active\":\"\"}]}]}";
	struct arena a = ARENA(1 << 20);
	struct lvm_pvs pvs;
	struct lvm_lvs lvs;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(tool_report_pvs(&pvs, &a, STR(pvs_text), &e), 0);
	assert_int_equal(pvs.n, 1);
	assert_string_equal(pvs.v[0].name, "/dev/sda2");
	assert_string_equal(pvs.v[0].vg_uuid, "X2-wb");
	assert_string_equal(pvs.v[0].system_id, "ncn");
	assert_int_equal(pvs.v[0].n_missing, 1);
	assert_int_equal(tool_report_lvs(&lvs, &a, STR(lvs_text), &e), 0);
	assert_int_equal(lvs.n, 2);
	assert_true(lvs.v[0].active);
	assert_string_equal(lvs.v[1].segtype, "thin-pool");
	assert_false(lvs.v[1].active);
	arena_free(&a);
}

static void tool_report_knows_what_each_slot_takes(void **state)
{
	static const char text[] =
		"{\"keyslots\":{\"7\":{\"kdf\":{\"type\":\"argon2id\",\"memory\":1048576}},"
		"\"0\":{\"kdf\":{\"type\":\"pbkdf2\",\"iterations\":1000}},"
		"\"99\":{\"kdf\":{}}}}";
	struct arena a = ARENA(1 << 20);
	struct luks_slots slots;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(tool_report_slots(&slots, &a, STR(text), &e), 0);
	assert_int_equal(slots.n, 2);
	assert_int_equal(slots.v[0].number, 0);
	assert_int_equal(slots.v[0].memory, 0);
	assert_int_equal(slots.v[1].number, 7);
	assert_int_equal(slots.v[1].memory, 1 << 30);
	arena_free(&a);
}

static void tool_report_refuses_what_is_none(void **state)
{
	static const char *const texts[] = { "", "}{", "nothing", "{", "{}", "{\"report\":[]}",
		"{\"keyslots\":[]}", "{\"report\":[{\"pv\":{}}]}" };
	struct arena a = ARENA(1 << 20);
	struct luks_slots slots;
	struct lvm_pvs pvs;
	struct lvm_lvs lvs;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		const struct str text = str_from(texts[i]);
		assert_int_equal(tool_report_pvs(&pvs, &a, text, &e), ERR_FORMAT);
		assert_int_equal(tool_report_lvs(&lvs, &a, text, &e), ERR_FORMAT);
		assert_int_equal(tool_report_slots(&slots, &a, text, &e), ERR_FORMAT);
	}
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tool_report_reads_groups_between_warnings),
		cmocka_unit_test(tool_report_knows_what_each_slot_takes),
		cmocka_unit_test(tool_report_refuses_what_is_none),
	};

	return cmocka_run_group_tests_name("tool_report", tests, NULL, NULL);
}
