/* One `finish` at a time: the unit of the first boot, and a person who is impatient. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "os/file.h"
#include "plan/finish.h"

enum { PATIENCE_MS = 5000, PAUSE_MS = 100 };

/* The lock says that somebody is at work, and a second one beside it says who, for that is all
 * that it is good for: it goes as soon as its program closes the file anywhere. */
static int refused(int fd, const char *path, struct err *e)
{
	struct flock by = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_GETLK, &by) || by.l_type == F_UNLCK || by.l_pid <= 0)
		return err_set(e, ERR_DECLINED,
			"another etcd-rescue finish is at work here (it holds /%s); wait for its "
			"end, or end it: the next one goes on",
			path);
	return err_set(e, ERR_DECLINED,
		"another etcd-rescue finish is at work here, process %d (it holds /%s); wait for "
		"its end, or end it: the next one goes on",
		(int)by.l_pid, path);
}

static int wait_for(int fd, const struct finish *f, const char *path, struct err *e)
{
	const int64_t until = monotonic_ms() + PATIENCE_MS;

	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, "/%s: locking", path);
		if (monotonic_ms() >= until)
			return refused(fd, path, e);
		if (finish_wait_nap(&f->wait, PAUSE_MS, e))
			return e->code;
	}
	return 0;
}

/* The record itself: it is there as long as there is something to do, and leaves nothing behind. */
int finish_hold(int *lock, struct finish *f, struct err *e)
{
	const char *path = arena_print(f->arena, "%s/" FINISH_RECORD, f->state);
	struct flock name = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	while (1) {
		CLOSE_FD int fd = -1, now = -1;
		struct stat held, there;
		if (root_open_at(&fd, f->root, path, O_RDONLY | O_NOFOLLOW, e) ||
			wait_for(fd, f, path, e) ||
			root_open_at(&now, f->root, path, O_PATH | O_NOFOLLOW, e))
			return e->code;
		if (fstat(fd, &held) || fstat(now, &there))
			return err_sys(e, "/%s", path);
		if (held.st_dev != there.st_dev || held.st_ino != there.st_ino)
			continue;
		if (finish_read(f, e))
			return e->code;
		fcntl(fd, F_SETLK, &name);
		*lock = fd;
		fd = -1;
		return 0;
	}
}
