/* A command of ours as a child: its events become ours, its end an outcome in words. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/boot_menu.h"
#include "codec/doc.h"
#include "os/child.h"
#include "os/file.h"

static const char self[] = "/bin/etcd-rescue";
static const char result_path[] = "/run/etcd-rescue/result.json";

struct relay {
	struct boot *b;
	const struct listener *to; /* the child keeps its own log */
	struct boot_outcome *outcome;
};

const char *boot_state_of_target(int status)
{
	switch (status) {
	case 0:
		return "done; this machine's disk holds what the plan says";
	case 1:
	case 2:
		return "nothing was changed on it";
	case 3:
		return "rolled back: it is as it was before";
	case 4:
		return "neither finished nor rolled back; etcd is fenced and does not start";
	case 5:
		return "holding at the gate: the old state is intact";
	case 6:
		return "refused: nothing was changed on it";
	default:
		return "not known: the program was ended; what is on it is old, fenced or new, "
		       "never a mixture";
	}
}

static void copy(char *to, size_t room, struct str text)
{
	const size_t n = text.len < room ? text.len : room - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f ? '?' : text.p[i];
	to[n] = '\0';
}

static enum event_kind kind_of(struct str word, bool *known)
{
	*known = true;
	for (enum event_kind k = EVENT_STEP; k <= EVENT_DEBUG; k++) {
		if (str_is(word, event_word(k)))
			return k;
	}
	*known = false;
	return EVENT_INFO;
}

static uint64_t number(const struct doc_node *map, const char *key)
{
	uint64_t v = 0;

	str_u64(&v, doc_text(map, key), 10, UINT64_MAX);
	return v;
}

/* {"event":"step","step":"fetch","text":".."}, or main's last word: {"event":"error",..} */
static void relay_line(void *ctx, struct str line)
{
	const struct relay *r = ctx;
	struct arena *a = r->b->arena;
	const struct arena_mark mark = arena_mark(a);
	struct doc doc;
	struct err ignored;
	bool known;

	if (doc_parse(&doc, a, line, "event", DOC_JSON, DOC_LIMITS, &ignored) || !doc.root) {
		/* A library that speaks past us; a person may need it. */
		if (line.len)
			event_info(r->to, "run", "%.*s", STR_ARG(line));
		arena_release(a, mark);
		return;
	}
	const struct str word = doc_text(doc.root, "event"), text = doc_text(doc.root, "text");
	const enum event_kind kind = kind_of(word, &known);
	if (str_is(word, "error")) {
		r->outcome->unreached = str_is(doc_text(doc.root, "code"), err_word(ERR_NET));
		copy(r->outcome->reason, sizeof r->outcome->reason, text);
		copy(r->outcome->hint, sizeof r->outcome->hint, doc_text(doc.root, "hint"));
	} else if (known && r->to) {
		if (kind == EVENT_STEP || kind == EVENT_FAILED)
			copy(r->outcome->step, sizeof r->outcome->step, doc_text(doc.root, "step"));
		const struct event event = {
			.kind = kind,
			.step = arena_copy(a, doc_text(doc.root, "step")),
			.text = text.len ? arena_copy(a, text) : NULL,
			.done = number(doc.root, "done"),
			.total = number(doc.root, "total"),
		};
		r->to->hear(r->to->ctx, &event);
	}
	arena_release(a, mark);
}

int boot_do(struct boot_outcome *outcome, struct boot *b, struct menu_server *s,
	const char *const *argv, struct err *e)
{
	struct relay relay = { b, b->screen ? b->screen : b->listener, outcome };
	struct child *child = arena_alloc(b->arena, sizeof *child);
	struct menu_ask ignored;
	CLOSE_FD int out =
		open(result_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	*outcome = (struct boot_outcome){ 0 };
	if (out < 0)
		return err_sys(e, "%s", result_path);
	if (child_start(child, argv, out, e))
		return e->code;
	/* Nothing is on offer now: whoever asks is told what is being done. */
	do {
		while (menu_server_wait(s, &ignored, child->fd, -1))
			;
	} while (child_read(child, relay_line, &relay));
	outcome->status = child_end(child);
	return 0;
}

int boot_restore(struct boot_outcome *outcome, struct boot *b, struct menu_server *s,
	const struct boot_choice *choice, struct err *e)
{
	const char *argv[8];
	size_t n = 0;

	argv[n++] = self;
	argv[n++] = "run";
	argv[n++] = "--json";
	argv[n++] = choice->unattended ? "--unattended" : "--yes";
	if (choice->plan) {
		argv[n++] = "--file";
		argv[n++] = choice->plan;
	}
	argv[n] = NULL;
	return boot_do(outcome, b, s, argv, e);
}
