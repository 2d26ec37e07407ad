#include "os/kmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"

enum { FIRMWARE_MAX = 64, RECORD_MAX = 8192 };

/* A name that can be printed and typed; the kernel escapes the rest as \x.. anyway. */
static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
			return false;
	}
	return s.len > 0 && s.len < 256;
}

static bool cut_at(struct str *before, struct str *after, struct str s, struct str what)
{
	size_t at;

	if (!str_find(&at, s, what))
		return false;
	*before = (struct str){ s.p, at };
	*after = (struct str){ s.p + at + what.len, s.len - at - what.len };
	return true;
}

bool kmsg_missing(struct str *file, struct str *driver, struct str *device, struct str record)
{
	struct str header, text, who, rest, name;

	if (!str_cut(&header, &text, record, ';'))
		return false;
	if (!cut_at(&who, &rest, text, STR(": Direct firmware load for ")))
		return false;
	if (!str_word(&name, &rest) || !is_name(name))
		return false;
	*file = name;
	*driver = *device = (struct str){ "", 0 };
	if (str_word(&name, &who) && is_name(name))
		*driver = name;
	if (str_word(&name, &who) && is_name(name))
		*device = name;
	return true;
}

struct found {
	struct kmsg_firmware *v;
	size_t n;
	struct arena *arena;
};

static void take(struct found *f, struct str record)
{
	struct str file, driver, device;

	/* A record's further lines begin with a blank and belong to programs. */
	if (!record.len || record.p[0] == ' ' || f->n == FIRMWARE_MAX ||
		!kmsg_missing(&file, &driver, &device, record))
		return;
	for (size_t i = 0; i < f->n; i++) {
		if (str_is(file, f->v[i].file))
			return;
	}
	f->v[f->n++] = (struct kmsg_firmware){ arena_copy(f->arena, file),
		arena_copy(f->arena, driver), arena_copy(f->arena, device) };
}

static void take_lines(struct found *f, struct str text)
{
	struct str line;

	while (str_next(&line, &text, '\n'))
		take(f, line);
}

void kmsg_firmware(
	struct kmsg_firmware **missing, size_t *n, struct arena *a, const struct root *root)
{
	struct found f = { .arena = a };
	CLOSE_FD int fd = -1;
	char record[RECORD_MAX];
	struct err e;

	f.v = arena_array(a, FIRMWARE_MAX, sizeof *f.v);
	if (!root_open_at(&fd, root, "dev/kmsg", O_RDONLY | O_NONBLOCK, &e)) {
		/* Each read gives one record; EPIPE says that older ones were overwritten. */
		for (;;) {
			const ssize_t len = read(fd, record, sizeof record);
			if (len < 0 && (errno == EPIPE || errno == EINTR))
				continue;
			if (len <= 0)
				break;
			take_lines(&f, (struct str){ record, (size_t)len });
		}
	}
	*missing = f.v;
	*n = f.n;
}

void kmsg_write(int level, const char *text)
{
	char line[900];
	const int fd = open("/dev/kmsg", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return;
	/* One line a record; longer than the kernel takes is cut here. */
	snprintf(line, sizeof line, "<%d>etcd-rescue: %s\n", level, text);
	const ssize_t n = write(fd, line, strlen(line));
	(void)n;
	close(fd);
}
