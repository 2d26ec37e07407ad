#include "ui/prompt.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CTRL_C = 3, PAGE = 22, SAY_MAX = 4096 };

void prompt_start(struct prompt *p, int in, int out)
{
	*p = (struct prompt){ .in = in, .out = out };
	p->terminal = !tcgetattr(in, &p->before);
	prompt_input(p, PROMPT_LINES);
}

void prompt_end(struct prompt *p)
{
	if (p->terminal)
		tcsetattr(p->in, TCSANOW, &p->before);
}

void prompt_input(struct prompt *p, enum prompt_input input)
{
	struct termios t = p->before;

	if (!p->terminal)
		return;
	t.c_iflag |= ICRNL;
	t.c_iflag &= ~(tcflag_t)(INLCR | IGNCR);
	t.c_lflag |= ICANON | ECHO | ECHOE | ECHOK;
	t.c_lflag &= ~(tcflag_t)(ISIG | ECHONL);
	if (input == PROMPT_HIDDEN)
		t.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
	if (input == PROMPT_KEYS) {
		t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		t.c_cc[VMIN] = 1;
		t.c_cc[VTIME] = 0;
	}
	/* Not TCSADRAIN: a port that drains nothing would hold us. */
	tcsetattr(p->in, TCSANOW, &t);
	if (input != PROMPT_LINES)
		tcflush(p->in, TCIFLUSH);
}

void prompt_say(struct prompt *p, const char *fmt, ...)
{
	char text[SAY_MAX];
	va_list ap;

	va_start(ap, fmt);
	const int len = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	const size_t n = len < SAY_MAX ? (size_t)len : SAY_MAX - 1;
	for (size_t at = 0; at < n;) {
		const ssize_t done = write(p->out, text + at, n - at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return;
		at += (size_t)done;
	}
}

int prompt_read(struct prompt *p, char *text, size_t room, struct err *e)
{
	size_t len = 0;
	bool stop = false;

	for (;;) {
		char c;
		const ssize_t n = read(p->in, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, ERR_NOTFOUND, "the terminal is gone");
		/* In the middle of a line that is Ctrl-D on a terminal. */
		if (!n)
			return err_set(e, len ? ERR_DECLINED : ERR_NOTFOUND,
				len ? "given up" : "the terminal is gone");
		if (c == '\n')
			break;
		stop = stop || c == CTRL_C;
		if (len < room)
			text[len++] = c;
	}
	if (stop || len == room)
		explicit_bzero(text, room);
	if (stop)
		return err_set(e, ERR_DECLINED, "given up");
	if (len == room)
		return err_set(e, ERR_SPACE, "more than %zu letters", room - 1);
	text[len] = '\0';
	return 0;
}

int prompt_ask(struct prompt *p, char *text, size_t room, const char *question, const char *initial,
	struct err *e)
{
	if (initial && *initial)
		prompt_say(p, "%s [%s]: ", question, initial);
	else
		prompt_say(p, "%s: ", question);
	if (prompt_read(p, text, room, e))
		return e->code;
	const struct str said = str_trim(str_from(text));
	if (said.len) {
		memmove(text, said.p, said.len);
		text[said.len] = '\0';
	} else {
		snprintf(text, room, "%s", initial ? initial : "");
	}
	return 0;
}

int prompt_secret(struct prompt *p, char *text, size_t room, const char *question, struct err *e)
{
	/* Hidden before it is asked for: who sees the question may already type. */
	prompt_input(p, PROMPT_HIDDEN);
	prompt_say(p, "%s (not shown): ", question);
	const int failed = prompt_read(p, text, room, e);
	prompt_input(p, PROMPT_LINES);
	prompt_say(p, "\n");
	return failed;
}

int prompt_page(struct prompt *p, struct str text, struct err *e)
{
	struct str line;
	char answer[16];
	unsigned shown = 0;

	while (str_next(&line, &text, '\n')) {
		prompt_say(p, "%.*s\n", STR_ARG(line));
		/* A long line takes more than one of the screen's. */
		shown += 1 + (unsigned)(line.len / 80);
		if (shown < PAGE || !text.len)
			continue;
		prompt_say(p, "-- more: Enter; enough: q, Enter -- ");
		if (prompt_read(p, answer, sizeof answer, e))
			return e->code == ERR_NOTFOUND ? e->code : 0;
		if (answer[0])
			return 0;
		shown = 0;
	}
	return 0;
}
