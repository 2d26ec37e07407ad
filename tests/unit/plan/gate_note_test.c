#include "plan/gate_note.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEX8  "0123abcd"
#define HEX64 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8

static const char good[] =
	"{\"gate\":1,\"plan\":\"" HEX64 "\",\"generation\":7,\"ready\":\"" HEX64
	"\",\"snapshot\":\"" HEX64 "\",\"token\":\"tkn-0\",\"node\":\"m\u00fc1\","
	"\"hardware\":\"a \\\"b\\\"\",\"phase\":\"handed-off\",\"against\":null,"
	"\"start\":\"00000000000000ff\",\"beat\":18446744073709551615}\n";

static struct span span_of(const char *text)
{
	return (struct span){ (const uint8_t *)text, strlen(text) };
}

static void note_is_read_as_it_was_written(void **state)
{
	CLEAN_BUF struct buf out = BUF(GATE_NOTE_MAX);
	struct gate_note n;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(gate_note_parse(&n, span_of(good), &e), 0);
	assert_int_equal(n.generation, 7);
	assert_string_equal(n.node, "m\u00fc1");
	assert_string_equal(n.hardware, "a \"b\"");
	assert_string_equal(n.against, "");
	assert_int_equal(n.phase, GATE_HANDED_OFF);
	assert_true(n.beat == UINT64_MAX);
	assert_int_equal(gate_note_print(&out, &n, &e), 0);
	assert_int_equal(out.len, strlen(good));
	assert_memory_equal(out.p, good, out.len);
}

static void note_has_each_phase(void **state)
{
	(void)state;
	for (enum gate_phase phase = GATE_READY; phase <= GATE_STOPPED; phase++) {
		CLEAN_BUF struct buf out = BUF(GATE_NOTE_MAX);
		struct gate_note n, again;
		struct err e = { 0 };
		assert_int_equal(gate_note_parse(&n, span_of(good), &e), 0);
		n.phase = phase;
		memcpy(n.against, n.ready, sizeof n.against);
		assert_int_equal(gate_note_print(&out, &n, &e), 0);
		assert_int_equal(gate_note_parse(&again, buf_span(&out), &e), 0);
		assert_int_equal(again.phase, phase);
		assert_string_equal(again.against, n.ready);
	}
	assert_null(gate_phase_word(99));
}

/* The good one with `from` made `to`. */
static int change(struct err *e, const char *from, const char *to)
{
	const char *at = strstr(good, from);
	struct gate_note n;
	char text[2048];

	assert_non_null(at);
	snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
	return gate_note_parse(&n, span_of(text), e);
}

static void note_refuses_what_is_none(void **state)
{
	static const struct {
		const char *from, *to, *text;
	} v[] = {
		{ "\"plan\":\"0", "\"plan\":\"G", "'plan' of the note makes no sense" },
		{ "\"plan\":\"01", "\"plan\":\"1", "'plan' of the note makes no sense" },
		{ "\"ready\":\"0", "\"ready\":\"A", "'ready' of the note makes no sense" },
		{ "\"snapshot\":\"", "\"snapshot\":[],\"x\":\"",
			"'snapshot' of the note makes no sense" },
		{ "\"generation\":7", "\"generation\":\"7\"",
			"'generation' of the note makes no sense" },
		{ "\"generation\":7", "\"generation\":-7",
			"'generation' of the note makes no sense" },
		{ "tkn-0", "\\u0007", "'token' of the note makes no sense" },
		{ "\"node\"", "\"nod\"", "'node' of the note makes no sense" },
		{ "handed-off", "gone", "'phase' of the note makes no sense" },
		{ "\"against\":null", "\"against\":\"0\"", "'against' of the note makes no sense" },
		{ "00000000000000ff", "ff", "'start' of the note makes no sense" },
		{ "18446744073709551615", "18446744073709551616",
			"'beat' of the note makes no sense" },
		{ "\"gate\":1", "\"gate\":2",
			"the note is of another program (version 2): boot the "
			"same image on all masters" },
	};
	struct gate_note n;

	(void)state;
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct err e = { 0 };
		assert_int_not_equal(change(&e, v[i].from, v[i].to), 0);
		assert_string_equal(e.text, v[i].text);
	}
	static const char *const texts[] = { "", "{}", "[]", "null", "hello", "{\"gate\":1}",
		"{\"gate\":1}{\"gate\":1}" };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct err e = { 0 };
		assert_int_equal(gate_note_parse(&n, span_of(texts[i]), &e), ERR_FORMAT);
	}
	static char large[GATE_NOTE_MAX + 2];
	struct err e = { 0 };
	memset(large, ' ', sizeof large - 1);
	assert_int_equal(gate_note_parse(&n, span_of(large), &e), ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(note_is_read_as_it_was_written),
		cmocka_unit_test(note_has_each_phase),
		cmocka_unit_test(note_refuses_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
