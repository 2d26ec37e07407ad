/* Any bytes as a plan: refused with a place, or taken; and what is shown of a plan that was
 * taken is a plan again. */
#include <stdlib.h>
#include <string.h>

#include "plan/file.h"
#include "plan/show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.9.4 forgets one block when it gives up on a text: fy_atom_format_text. */
const char *__lsan_default_suppressions(void)
{
	return "leak:fy_atom_iter_grow_chunk";
}

static void show(const struct plan *plan, struct arena *a)
{
	CLEAN_BUF struct buf text = BUF(8 << 20);
	CLEAN_BUF struct buf json = BUF(8 << 20);
	struct json j = JSON(&json);
	struct plan again;
	struct err e = { 0 };
	size_t at;

	if (plan_show(&text, a, plan, &e))
		abort();
	plan_show_json(&j, a, plan);
	if (json_end(&j, &e))
		abort();
	/* Addresses lose what is behind '?' and '#', and hashes are not shown. */
	if (str_find(&at, buf_text(&text), STR("?...")) ||
		str_find(&at, buf_text(&text), STR("(set)")))
		return;
	if (text.len <= PLAN_FILE_MAX && plan_read(&again, a, buf_text(&text), "shown", &e))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA(64 << 20);
	const struct str text = { (const char *)data, size };
	struct plan plan;
	struct err e = { 0 };

	if (plan_read(&plan, &arena, text, "plan", &e)) {
		if (e.code != ERR_FORMAT || !str_starts(str_from(e.text), STR("plan:")))
			abort();
	} else if (plan_check(&plan, "plan", &e)) {
		if (e.code != ERR_FORMAT || !str_starts(str_from(e.text), STR("plan:")))
			abort();
	} else {
		show(&plan, &arena);
	}
	arena_free(&arena);
	return 0;
}
