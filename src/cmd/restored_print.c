/* What a journal says, for people and programs. */
#include <inttypes.h>
#include <string.h>

#include "cmd/output.h"
#include "cmd/restored.h"
#include "codec/json.h"

enum { OUTPUT_LIMIT = 8 << 20 };

static int print_json(struct buf *out, const struct restored *r, const char *event, const char *did,
	uint64_t bytes, struct err *e)
{
	const struct journal *j = &r->commit.journal;
	struct json json = JSON(out);

	json_open(&json, '{');
	json_key_text(&json, "event", event);
	json_key_text(&json, "outcome", did);
	json_key_text(&json, "phase", journal_phase_word(j->phase));
	json_key_text(&json, "plan_id", j->plan_id);
	json_key_u64(&json, "generation", j->generation);
	json_key_text(&json, "layout", j->layout);
	json_key_text(&json, "node", j->node);
	json_key_text(&json, "snapshot_sha256", j->snapshot_sha256);
	json_key_bool(&json, "forgotten", j->forgotten);
	json_key_u64(&json, "bytes", bytes);
	json_key(&json, "items");
	json_open(&json, '[');
	for (size_t i = 0; i < j->n_items; i++) {
		json_open(&json, '{');
		json_key_text(&json, "kind", journal_kind_word(j->items[i].kind));
		json_key_text(&json, "device", j->items[i].device);
		json_key_text(&json, "path", j->items[i].path);
		json_key_text(&json, "kept", j->items[i].kept);
		json_key_bool(&json, "existed", j->items[i].existed);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
	return json_end(&json, e) ? e->code : buf_add(out, "\n", 1, e);
}

static int print_text(struct buf *out, const struct restored *r, const char *did, struct err *e)
{
	const struct journal *j = &r->commit.journal;

	if (buf_print(out, e, "%-11s  plan %.8s, generation %" PRIu64 "%s%s\n", did,
		    j->plan_id ? j->plan_id : "", j->generation, j->node ? ", " : "",
		    j->node ? j->node : ""))
		return e->code;
	for (size_t i = 0; i < j->n_items; i++) {
		const struct journal_item *item = &j->items[i];
		if (buf_print(out, e, "  %-9s  %s%s/%s\n", journal_kind_word(item->kind),
			    item->device, *item->device ? ": " : "", item->path))
			return e->code;
	}
	return 0;
}

int restored_print(struct restored *r, const char *event, const char *did, uint64_t bytes,
	bool json, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(OUTPUT_LIMIT);

	if (json ? print_json(&out, r, event, did, bytes, e) : print_text(&out, r, did, e))
		return e->code;
	if (!json)
		output_tame(&out);
	return app_print(&out, e);
}

void restored_tell(
	struct restored *r, const char *event, const char *did, uint64_t bytes, bool json)
{
	struct err e = { 0 };

	if (restored_print(r, event, did, bytes, json, &e))
		event_warning(r->app->listener, event, "%s", e.text);
}
