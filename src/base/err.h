/* base/err.h - why something did not work, with its context
 *
 * A function that can fail returns 0, or one of the negative codes below, and then
 * has filled the caller's `struct err`.  The text reads from the outside in and says
 * what was found, not which function failed: "a.db: trailer says sha256 9f86.., file
 * has 3b0c..".  Lower case, no full stop.
 *
 * Source:     errno(3) for err_sys; the exit statuses are those --help lists.
 * Units:      none.
 * Ownership:  the caller owns the struct, on its stack; nothing is allocated, so it
 *             works when memory does not.
 * Errors:     a text that does not fit is cut, never overrun; control bytes in it become '?'.
 */
#pragma once

#include <stdarg.h>

/* code, value, word in --json, exit status, what to do next.
 * The exit status tells the state of the target: 1 nothing was changed, 2 wrong usage,
 * 6 refused.  Steps that change the target report 3, 4 and 5 themselves. */
#define ERR_TABLE(X)                                                                               \
	X(ERR_BUG, -1, "bug", 1, "this is a defect of etcd-rescue; please report it")              \
	X(ERR_IO, -2, "io", 1, "look at the kernel log for the device: dmesg | tail")              \
	X(ERR_FORMAT, -3, "format", 1, NULL)                                                       \
	X(ERR_MISMATCH, -4, "mismatch", 1, NULL)                                                   \
	X(ERR_NOTFOUND, -5, "not-found", 1, NULL)                                                  \
	X(ERR_AUTH, -6, "auth", 1, "check the credentials, keys and the clock")                    \
	X(ERR_NET, -7, "net", 1, "check link and address with: ip address; ip route")              \
	X(ERR_SPACE, -8, "space", 1, NULL)                                                         \
	X(ERR_UNSUPPORTED, -9, "unsupported", 1, NULL)                                             \
	X(ERR_USAGE, -10, "usage", 2, NULL)                                                        \
	X(ERR_DECLINED, -11, "declined", 6, NULL)

enum err_code {
	ERR_OK = 0,
#define X(code, value, word, status, hint) code = value,
	ERR_TABLE(X)
#undef X
};

struct err {
	enum err_code code;
	int errnum; /* errno where the system said no, else 0 */
	char text[512];
};

/* Set code and text; returns the code, so that it can be a return statement. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ERR_IO with errno's own words behind the text; returns ERR_IO.  ENOENT becomes
 * ERR_NOTFOUND, ENOSPC and EDQUOT become ERR_SPACE. */
int err_sys(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put "context: " in front of the text; returns the code it already has. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The stable word and exit status of a code. */
const char *err_word(enum err_code code);
int err_status(enum err_code code);

/* What to do next, NULL when there is nothing to say; by errno too, where there was one. */
const char *err_advice(const struct err *e);

/* An error that is none here: of this code, it is taken back.  The status that is left. */
static inline int err_forgive(struct err *e, int code)
{
	if (e->code == code)
		*e = (struct err){ 0 };
	return e->code;
}
