#include "plan/report_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "os/file.h"

enum { COPY_MAX = 64 << 20, PATH = 512 };

/* A directory below another, made where it is missing; links are not followed. */
static int enter(int *dir, const char *name, mode_t mode, struct err *e)
{
	if (mkdirat(*dir, name, mode) && errno != EEXIST)
		return err_sys(e, "%s", name);
	const int next = openat(*dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (next < 0)
		return err_sys(e, "%s", name);
	close(*dir);
	*dir = next;
	return 0;
}

static int make(struct report_log *log, int dir, const char *plan, struct err *e)
{
	const time_t t = time(NULL);
	struct tm tm;
	char stamp[32], *name = log->name;

	gmtime_r(&t, &tm);
	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
	for (unsigned again = 0; again < 100; again++) {
		char more[16] = "";
		if (again)
			snprintf(more, sizeof more, "-%u", again);
		snprintf(name, sizeof log->name, "%s-%.8s%s.jsonl", stamp, plan ? plan : "no-plan",
			more);
		log->fd = openat(dir, name,
			O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (log->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return err_sys(e, "%s", name);
}

/* All of `path` but its last two names, and these. */
static int split(char *parent, size_t room, const char *names[2], char *copy, const char *path,
	struct err *e)
{
	snprintf(copy, room, "%s", path);
	for (int i = 1; i >= 0; i--) {
		char *slash = strrchr(copy, '/');
		if (strlen(path) >= room || !slash || !slash[1])
			return err_set(e, ERR_USAGE, "%s: no place for a log", path);
		*slash = '\0';
		names[i] = slash + 1;
	}
	snprintf(parent, room, "%s", copy);
	return 0;
}

int report_log_open(struct report_log *log, const struct root *root, const char *path,
	const char *plan, struct err *e)
{
	CLOSE_FD int dir = -1;
	char parent[PATH], copy[PATH];
	const char *names[2];

	if (split(parent, PATH, names, copy, path, e) ||
		root_open_at(&dir, root, parent, O_RDONLY | O_DIRECTORY, e) ||
		enter(&dir, names[0], 0755, e) || enter(&dir, names[1], 0700, e) ||
		make(log, dir, plan, e))
		return e->code;
	log->dir = dir;
	dir = -1;
	return 0;
}

int report_log_copy(
	const struct report_log *log, const char *path, const char *ending, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(COPY_MAX);
	CLOSE_FD int in = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char name[sizeof log->name + 32];
	const char *dot = strrchr(log->name, '.');

	if (log->dir < 0)
		return err_set(e, ERR_NOTFOUND, "there is no log on the target");
	if (in < 0)
		return err_sys(e, "%s", path);
	snprintf(name, sizeof name, "%.*s%s", dot ? (int)(dot - log->name) : 0, log->name, ending);
	if (file_read_fd(&text, in, e))
		return err_wrap(e, "%s", path);
	return file_replace(log->dir, name, buf_span(&text), 0600, e) ? err_wrap(e, "%s", name) : 0;
}

void report_log_close(struct report_log *log)
{
	file_close(&log->fd);
	file_close(&log->dir);
}
