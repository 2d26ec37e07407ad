#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What is quoted in a text may come from a hostile file: it must stay one line and must not
 * talk to the terminal. */
static void one_line(struct err *e)
{
	for (char *p = e->text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	one_line(e);
	e->code = code;
	e->errnum = 0;
	return code;
}

static enum err_code code_of(int errnum)
{
	switch (errnum) {
	case ENOENT:
		return ERR_NOTFOUND;
	case ENOSPC:
	case EDQUOT:
		return ERR_SPACE;
	default:
		return ERR_IO;
	}
}

int err_sys(struct err *e, const char *fmt, ...)
{
	const int errnum = errno;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	const size_t at = strlen(e->text);
	snprintf(e->text + at, sizeof e->text - at, ": %s", strerror(errnum));
	one_line(e);
	e->code = code_of(errnum);
	e->errnum = errnum;
	return e->code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char inner[sizeof e->text];
	va_list ap;

	memcpy(inner, e->text, sizeof inner);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	const size_t at = strlen(e->text);
	snprintf(e->text + at, sizeof e->text - at, ": %s", inner);
	one_line(e);
	return e->code;
}

const char *err_word(enum err_code code)
{
	switch (code) {
#define X(name, value, word, status, hint)                                                         \
	case name:                                                                                 \
		return word;
		ERR_TABLE(X)
#undef X
	case ERR_OK:
		break;
	}
	return "ok";
}

int err_status(enum err_code code)
{
	switch (code) {
#define X(name, value, word, status, hint)                                                         \
	case name:                                                                                 \
		return status;
		ERR_TABLE(X)
#undef X
	case ERR_OK:
		break;
	}
	return 0;
}

static const char *hint_of(enum err_code code)
{
	switch (code) {
#define X(name, value, word, status, hint)                                                         \
	case name:                                                                                 \
		return hint;
		ERR_TABLE(X)
#undef X
	case ERR_OK:
		break;
	}
	return NULL;
}

const char *err_advice(const struct err *e)
{
	if (e->code != ERR_IO)
		return hint_of(e->code);
	switch (e->errnum) {
	/* No errno: a device was too slow, or told something that cannot be. */
	case 0:
	case EIO:
	case ENXIO:
	case ENODEV:
	case ENOMEDIUM:
	case EREMOTEIO:
	case ETIMEDOUT:
	case EUCLEAN:
	case EBADMSG:
		return hint_of(ERR_IO);
	case EACCES:
	case EPERM:
		return "it is not permitted: look at owner and mode with ls -ld, or be root";
	case ELOOP:
		return "symbolic links are not followed here: give the path they lead to";
	case EROFS:
		return "the file system is mounted read-only: choose another place";
	default:
		return NULL;
	}
}
