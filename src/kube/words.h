/* kube/words.h - the words of a command line that stands in a text
 *
 * A shell's string of a static pod ("exec etcd --name a --x='b c' >>log 2>&1") or the line of
 * a systemd unit.  Each word knows where each of its bytes stands in the text and in which
 * quotes, so that a part of it can be replaced alone.  Nothing is expanded: a word with a
 * variable, a substitution or a specifier is not `fixed`, its text is as written.
 *
 * Source:     POSIX.1-2017 shell command language 2.2, 2.3; systemd.syntax(7), systemd 252.
 * Units:      bytes of the text.
 * Ownership:  words live in the arena; they borrow the text.
 * Errors:     ERR_FORMAT, "quote without its end", with the offset in `*at`.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum kube_dialect {
	KUBE_NO_WORDS, /* the text is the value, whatever it holds */
	KUBE_SHELL,
	KUBE_SYSTEMD,
	KUBE_ENV_FILE, /* the value of a line NAME=VALUE of an environment file */
};

struct kube_word {
	struct str text;
	const size_t *at;  /* of each byte of `text`, and of the end */
	const char *quote; /* of each byte: '\'', '"', '\\' or 0 */
	bool fixed;
	bool operator; /* of a shell: ; & | < > ( ) and the end of a line */
};

struct kube_words {
	struct kube_word *v;
	size_t n;
};

int kube_words(struct kube_words *words, size_t *at, struct arena *a, struct str text,
	enum kube_dialect dialect, struct err *e);
