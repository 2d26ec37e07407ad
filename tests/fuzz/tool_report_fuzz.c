/* Any bytes as what lvm and cryptsetup print. */
#include <stdlib.h>
#include <string.h>

#include "target/tool_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = { (const char *)data, size };
	struct arena a = ARENA(256 << 20);
	struct luks_slots slots;
	struct lvm_pvs pvs;
	struct lvm_lvs lvs;
	struct err e = { 0 };

	if (size > 65536)
		return 0;
	if (!tool_report_pvs(&pvs, &a, text, &e)) {
		for (size_t i = 0; i < pvs.n; i++) {
			if (!*pvs.v[i].name || !*pvs.v[i].vg_uuid)
				abort();
		}
	}
	tool_report_lvs(&lvs, &a, text, &e);
	if (!tool_report_slots(&slots, &a, text, &e)) {
		for (size_t i = 1; i < slots.n; i++) {
			if (slots.v[i].number < slots.v[i - 1].number)
				abort();
		}
	}
	arena_free(&a);
	return 0;
}
