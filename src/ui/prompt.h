/* ui/prompt.h - questions at a terminal: lines, secrets, single keys, long texts page by page
 *
 * The kernel's own line editing does (Backspace, Ctrl-U, Ctrl-W), so any terminal does.
 * Keys that would send a signal are taken as text: Ctrl-C in a line gives the question up.
 * What was typed ahead is left for whoever reads next; only secrets and keys drop it.
 *
 * Source:     termios(3).
 * Units:      bytes.
 * Ownership:  the caller keeps the descriptors; prompt_end gives the terminal back as it was.
 * Errors:     ERR_NOTFOUND: the terminal hung up; ERR_DECLINED: Ctrl-C or Ctrl-D; ERR_SPACE:
 *             a longer line than fits, all of which is dropped.
 */
#pragma once

#include <stdbool.h>
#include <termios.h>

#include "base/err.h"
#include "base/str.h"

enum prompt_input { PROMPT_LINES, PROMPT_HIDDEN, PROMPT_KEYS };

struct prompt {
	int in, out;
	bool terminal;
	struct termios before;
};

void prompt_start(struct prompt *p, int in, int out);
void prompt_end(struct prompt *p);

/* How the next input comes; KEYS drops what was typed before. */
void prompt_input(struct prompt *p, enum prompt_input input);

void prompt_say(struct prompt *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The line that comes next, without its end. */
int prompt_read(struct prompt *p, char *text, size_t room, struct err *e);

/* Question and answer; `initial` is taken for an empty answer, NULL: the empty text is. */
int prompt_ask(struct prompt *p, char *text, size_t room, const char *question, const char *initial,
	struct err *e);
/* The same; what is typed is not shown. */
int prompt_secret(struct prompt *p, char *text, size_t room, const char *question, struct err *e);

/* A long text, a screen at a time. */
int prompt_page(struct prompt *p, struct str text, struct err *e);
