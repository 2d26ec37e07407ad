#include "target/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "codec/crc32c.h"
#include "codec/json.h"
#include "codec/text.h"
#include "os/file.h"
#include "target/journal_part.h"

static const char *const phases[] = {
	[JOURNAL_NONE] = "none",
	[JOURNAL_INTENT] = "intent",
	[JOURNAL_PREPARED] = "prepared",
	[JOURNAL_COMMITTING] = "committing",
	[JOURNAL_COMMITTED] = "committed",
	[JOURNAL_ROLLING_BACK] = "rolling-back",
	[JOURNAL_ROLLED_BACK] = "rolled-back",
};

static const char *const kinds[] = {
	[JOURNAL_DIRECTORY] = "directory",
	[JOURNAL_CONTENTS] = "contents",
	[JOURNAL_MOVED] = "moved",
	[JOURNAL_FILE] = "file",
	[JOURNAL_FENCE] = "fence",
	[JOURNAL_DROPIN] = "drop-in",
};

const char *journal_phase_word(enum journal_phase phase)
{
	return phases[phase];
}

const char *journal_kind_word(enum journal_kind kind)
{
	return kinds[kind];
}

const struct journal_text journal_texts[] = {
	{ "plan", offsetof(struct journal, plan_id) },
	{ "said", offsetof(struct journal, plan_digest) },
	{ "program", offsetof(struct journal, version) },
	{ "layout", offsetof(struct journal, layout) },
	{ "node", offsetof(struct journal, node) },
	{ "machine", offsetof(struct journal, machine) },
	{ "source", offsetof(struct journal, source) },
	{ "snapshot-sha256", offsetof(struct journal, snapshot_sha256) },
	{ "token", offsetof(struct journal, token) },
	{ "cluster-id", offsetof(struct journal, cluster_id) },
	{ 0 },
};

const struct journal_text journal_item_texts[] = {
	{ "device", offsetof(struct journal_item, device) },
	{ "path", offsetof(struct journal_item, path) },
	{ "staged", offsetof(struct journal_item, staged) },
	{ "kept", offsetof(struct journal_item, kept) },
	{ "before", offsetof(struct journal_item, before) },
	{ "after", offsetof(struct journal_item, after) },
	{ "held", offsetof(struct journal_item, held) },
	{ "elsewhere", offsetof(struct journal_item, elsewhere) },
	{ 0 },
};

static bool is_utf8(const char *text)
{
	size_t left = strlen(text);

	while (left) {
		const size_t n = codec_text_utf8((const uint8_t *)text, left);
		if (!n || (unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
		text += n;
		left -= n;
	}
	return true;
}

static int add_texts(
	struct json *j, const void *fields, const struct journal_text *row, struct err *e)
{
	for (; row->key; row++) {
		const char *text;
		memcpy(&text, (const char *)fields + row->field, sizeof text);
		if (!text)
			continue;
		/* The writer would put something else in its place, and the path would be lost. */
		if (!is_utf8(text))
			return err_set(e, ERR_UNSUPPORTED,
				"the %s of something to be changed is not UTF-8 text", row->key);
		json_key_text(j, row->key, text);
	}
	return 0;
}

static int add_items(struct json *out, const struct journal *j, struct err *e)
{
	json_key(out, "items");
	json_open(out, '[');
	for (size_t i = 0; i < j->n_items; i++) {
		const struct journal_item *item = &j->items[i];
		json_open(out, '{');
		json_key_text(out, "kind", kinds[item->kind]);
		if (add_texts(out, item, journal_item_texts, e))
			return e->code;
		json_key_bool(out, "existed", item->existed);
		if (item->passing)
			json_key_bool(out, "passing", true);
		if (item->changing)
			json_key_bool(out, "changing", true);
		json_key_u64(out, "old-inode", item->old_inode);
		json_key_u64(out, "new-inode", item->new_inode);
		json_close(out, '}');
	}
	json_close(out, ']');
	return 0;
}

static int add_places(struct json *out, const char *key, const struct journal_place *places,
	size_t n, struct err *e)
{
	json_key(out, key);
	json_open(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (!is_utf8(places[i].path) || !is_utf8(places[i].device))
			return err_set(e, ERR_UNSUPPORTED, "a path below %s is not UTF-8 text",
				places[i].device);
		json_open(out, '{');
		json_key_text(out, "device", places[i].device);
		json_key_text(out, "path", places[i].path);
		json_key_u64(out, "flags", places[i].flags);
		json_close(out, '}');
	}
	json_close(out, ']');
	return 0;
}

int journal_print(struct buf *out, const struct journal *j, struct err *e)
{
	struct json json = JSON(out);
	const size_t from = out->len;

	json_open(&json, '{');
	json_key_u64(&json, "version", JOURNAL_VERSION);
	json_key_text(&json, "phase", phases[j->phase]);
	if (add_texts(&json, j, journal_texts, e))
		return e->code;
	json_key_u64(&json, "generation", j->generation);
	json_key_u64(&json, "began", j->began > 0 ? (uint64_t)j->began : 0);
	json_key_u64(&json, "changed", j->changed > 0 ? (uint64_t)j->changed : 0);
	json_key_bool(&json, "forgotten", j->forgotten);
	if (add_items(&json, j, e) || add_places(&json, "stages", j->stages, j->n_stages, e) ||
		add_places(&json, "locked", j->locked, j->n_locked, e))
		return e->code;
	json_close(&json, '}');
	if (json_end(&json, e) || buf_add(out, "\n", 1, e))
		return e->code;
	const uint32_t crc = codec_crc32c(0, (struct span){ out->p + from, out->len - from });
	return buf_print(out, e, "crc32c %08x\n", crc);
}

int journal_read(struct journal *j, struct arena *a, const struct root *state, const char *name,
	struct err *e)
{
	CLEAN_BUF struct buf text = BUF(JOURNAL_SIZE_MAX);

	if (file_read(&text, state, name, e))
		return e->code;
	return journal_parse(j, a, buf_text(&text), e);
}

int journal_write(
	const struct journal *j, const struct root *state, const char *name, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(JOURNAL_SIZE_MAX);
	CLOSE_FD int dir = -1;

	if (journal_print(&text, j, e) ||
		root_open_at(&dir, state, ".", O_RDONLY | O_DIRECTORY, e) ||
		file_replace(dir, name, buf_span(&text), 0600, e))
		return err_wrap(e, "the journal");
	return 0;
}
