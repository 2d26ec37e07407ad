#include "os/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/root_walk.h"

enum { TRIES = 100 };

static int open_in(const struct root *root, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd, tries = 0;

	/* EAGAIN: something was renamed or mounted anywhere while ".." was followed, as when
	 * drivers load and cards change their names; the next try is on its own again. */
	do
		fd = (int)syscall(SYS_openat2, root->fd, path, &how, sizeof how);
	while (fd < 0 && errno == EAGAIN && ++tries < TRIES);
	return fd < 0 && errno == ENOSYS ? root_walk(root->fd, path, flags) : fd;
}

int root_open(struct root *root, const char *path, struct err *e)
{
	const int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "%s", path);
	root->fd = fd;
	return 0;
}

void root_close(struct root *root)
{
	if (root->fd >= 0)
		close(root->fd);
	root->fd = -1;
}

int root_open_at(int *fd, const struct root *root, const char *path, int flags, struct err *e)
{
	const int got = open_in(root, path, flags);

	if (got < 0)
		return err_sys(e, "%s", path);
	*fd = got;
	return 0;
}

int root_exists(const struct root *root, const char *path)
{
	const int fd = open_in(root, path, O_PATH);

	if (fd < 0)
		return 0;
	close(fd);
	return 1;
}

int root_read_link(
	char *target, unsigned long size, const struct root *root, const char *path, struct err *e)
{
	const int fd = open_in(root, path, O_PATH | O_NOFOLLOW);
	const int saved = errno;

	if (fd < 0) {
		errno = saved;
		return err_sys(e, "%s", path);
	}
	const ssize_t len = readlinkat(fd, "", target, size - 1);
	if (len < 0) {
		err_sys(e, "%s", path);
		close(fd);
		return e->code;
	}
	target[len] = 0;
	close(fd);
	return 0;
}
