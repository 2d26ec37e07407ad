/* One program at a time on one disk. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "target/commit.h"
#include "target/file.h"

int commit_hold(struct root *held, const struct root *top, const char *state, struct err *e)
{
	CLEAN_ROOT struct root dir = NO_ROOT;

	if (target_make_directories(top, state, 0700, e) ||
		root_open_at(&dir.fd, top, state, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, e))
		return e->code;
	if (flock(dir.fd, LOCK_EX | LOCK_NB)) {
		const int why = errno;
		if (why != EWOULDBLOCK)
			return err_sys(e, "%s: locking", state);
		err_set(e, ERR_DECLINED,
			"another etcd-rescue is at work on this disk (it holds %s); wait for its "
			"end, or end it: its journal tells how far it came",
			state);
		e->errnum = why;
		return e->code;
	}
	root_close(held);
	*held = dir;
	dir = NO_ROOT;
	return 0;
}

bool commit_is_held(const struct err *e)
{
	return e->code == ERR_DECLINED && e->errnum == EWOULDBLOCK;
}
