/* What others lay down at the gate: read, it can be written, and then reads the same. */
#include <stdlib.h>
#include <string.h>

#include "plan/gate_note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEAN_BUF struct buf out = BUF(4 * GATE_NOTE_MAX);
	struct gate_note note, again;
	struct err e = { 0 };

	memset(&note, 0, sizeof note);
	memset(&again, 0, sizeof again);
	if (gate_note_parse(&note, (struct span){ data, size }, &e))
		return 0;
	if (gate_note_print(&out, &note, &e) || gate_note_parse(&again, buf_span(&out), &e) ||
		strcmp(note.node, again.node) != 0 || strcmp(note.token, again.token) != 0 ||
		note.phase != again.phase || note.beat != again.beat)
		abort();
	return 0;
}
