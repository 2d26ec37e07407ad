#include "plan/gate_note.h"

#include <stdio.h>
#include <string.h>

#include "codec/doc.h"
#include "codec/json.h"

enum { VERSION_READ = 1, ARENA_MAX = 1 << 20 };

static const char *const words[] = {
	[GATE_READY] = "ready",
	[GATE_RELEASED] = "released",
	[GATE_COMMITTED] = "committed",
	[GATE_HANDED_OFF] = "handed-off",
	[GATE_HEALTHY] = "healthy",
	[GATE_ASIDE] = "aside",
	[GATE_ROLLED_BACK] = "rolled-back",
	[GATE_STOPPED] = "stopped",
};

enum { PHASES = sizeof words / sizeof *words };

const char *gate_phase_word(enum gate_phase phase)
{
	return (unsigned)phase < PHASES ? words[phase] : NULL;
}

bool gate_phase_is_committed(enum gate_phase phase)
{
	return phase == GATE_COMMITTED || phase == GATE_HANDED_OFF || phase == GATE_HEALTHY;
}

/* Lower-case hex of just that many digits: these are compared as texts. */
static bool is_hex(struct str s, size_t len)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!memchr("0123456789abcdef", s.p[i], 16))
			return false;
	}
	return s.len == len;
}

/* It is shown to people, who would not see what a control byte does. */
static bool is_printable(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	}
	return true;
}

static int bad_key(struct err *e, const char *key)
{
	return err_set(e, ERR_FORMAT, "'%s' of the note makes no sense", key);
}

static int read_text(
	char *to, size_t size, const struct doc_node *root, const char *key, struct err *e)
{
	const struct doc_node *node = doc_get(root, key);

	if (!node || node->kind != DOC_SCALAR || node->style != DOC_DOUBLE_QUOTED ||
		node->text.len >= size || !is_printable(node->text))
		return bad_key(e, key);
	snprintf(to, size, "%.*s", STR_ARG(node->text));
	return 0;
}

static int read_hex(
	char *to, size_t digits, const struct doc_node *root, const char *key, struct err *e)
{
	if (read_text(to, digits + 1, root, key, e))
		return e->code;
	return is_hex(str_from(to), digits) ? 0 : bad_key(e, key);
}

static int read_number(uint64_t *to, const struct doc_node *root, const char *key, struct err *e)
{
	const struct doc_node *node = doc_get(root, key);

	if (!node || node->kind != DOC_SCALAR || node->style != DOC_PLAIN ||
		!str_u64(to, node->text, 10, UINT64_MAX))
		return bad_key(e, key);
	return 0;
}

static int read_phase(enum gate_phase *phase, const struct doc_node *root, struct err *e)
{
	const struct str word = doc_text(root, "phase");

	for (unsigned i = 0; i < PHASES; i++) {
		if (str_is(word, words[i])) {
			*phase = i;
			return 0;
		}
	}
	return bad_key(e, "phase");
}

static int read_all(struct gate_note *n, const struct doc_node *root, struct err *e)
{
	const struct doc_node *against = doc_get(root, "against");
	uint64_t version;

	if (read_number(&version, root, "gate", e))
		return e->code;
	if (version != VERSION_READ)
		return err_set(e, ERR_UNSUPPORTED,
			"the note is of another program (version %ju): boot the same image on all "
			"masters",
			(uintmax_t)version);
	if (read_hex(n->plan, 64, root, "plan", e) ||
		read_number(&n->generation, root, "generation", e) ||
		read_hex(n->ready, 64, root, "ready", e) ||
		read_hex(n->snapshot, 64, root, "snapshot", e) ||
		read_text(n->token, sizeof n->token, root, "token", e) ||
		read_text(n->node, sizeof n->node, root, "node", e) ||
		read_text(n->hardware, sizeof n->hardware, root, "hardware", e) ||
		read_phase(&n->phase, root, e) || read_hex(n->start, 16, root, "start", e) ||
		read_number(&n->beat, root, "beat", e))
		return e->code;
	return !against || doc_is_null(against) ? 0 : read_hex(n->against, 64, root, "against", e);
}

int gate_note_parse(struct gate_note *note, struct span bytes, struct err *e)
{
	const struct doc_limits limits = { GATE_NOTE_MAX, 100, 0, 4 };
	const struct str text = { (const char *)bytes.p, bytes.len };
	struct arena a = ARENA(ARENA_MAX);
	struct gate_note n = { 0 };
	struct doc doc;

	if (bytes.len > GATE_NOTE_MAX)
		return err_set(e, ERR_FORMAT, "%zu bytes are no note", bytes.len);
	if (!doc_parse(&doc, &a, text, "note", DOC_JSON, limits, e)) {
		if (!doc.root || doc.root->kind != DOC_MAP || doc.n_documents != 1)
			err_set(e, ERR_FORMAT, "this is no note");
		else
			e->code = ERR_OK, read_all(&n, doc.root, e);
	}
	arena_free(&a);
	if (!e->code)
		*note = n;
	return e->code;
}

int gate_note_print(struct buf *out, const struct gate_note *n, struct err *e)
{
	struct json j = JSON(out);

	json_open(&j, '{');
	json_key_u64(&j, "gate", VERSION_READ);
	json_key_text(&j, "plan", n->plan);
	json_key_u64(&j, "generation", n->generation);
	json_key_text(&j, "ready", n->ready);
	json_key_text(&j, "snapshot", n->snapshot);
	json_key_text(&j, "token", n->token);
	json_key_text(&j, "node", n->node);
	json_key_text(&j, "hardware", n->hardware);
	json_key_text(&j, "phase", gate_phase_word(n->phase));
	json_key_text(&j, "against", *n->against ? n->against : NULL);
	json_key_text(&j, "start", n->start);
	json_key_u64(&j, "beat", n->beat);
	json_close(&j, '}');
	if (json_end(&j, e))
		return e->code;
	return buf_add(out, "\n", 1, e);
}
