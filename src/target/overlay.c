#include "target/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "os/file.h"

static const char attribute[] = "trusted.overlay.opaque";

/* The directory itself, not what a link leads to. */
static int open_directory(int *fd, const struct root *root, const char *path, struct err *e)
{
	if (!root_open_at(fd, root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, e))
		return 0;
	if (e->errnum == ENOTDIR || e->errnum == ELOOP)
		return err_set(e, ERR_DECLINED,
			"%s is no directory; only one can be put over another", path);
	return e->code;
}

static int ask(bool *opaque, int fd, const char *path, struct err *e)
{
	char value[8];
	const ssize_t n = fgetxattr(fd, attribute, value, sizeof value);

	if (n < 0 && errno != ENODATA && errno != ERANGE)
		return err_sys(e, "%s: %s", path, attribute);
	*opaque = n == 1 && value[0] == 'y';
	return 0;
}

int target_is_opaque(bool *opaque, const struct root *root, const char *directory, struct err *e)
{
	CLOSE_FD int fd = -1;

	if (open_directory(&fd, root, directory, e))
		return e->code;
	return ask(opaque, fd, directory, e);
}

int target_make_opaque(const struct root *root, const char *directory, struct err *e)
{
	CLOSE_FD int fd = -1;
	bool opaque = false;

	if (open_directory(&fd, root, directory, e))
		return e->code;
	if (fsetxattr(fd, attribute, "y", 1, 0)) {
		if (errno == EPERM || errno == ENOTSUP)
			return err_set(e, ERR_UNSUPPORTED,
				"%s cannot be made opaque, and files of the layer below would be "
				"seen in it: %s",
				directory,
				errno == EPERM ? "only root may set trusted attributes"
					       : "its file system keeps no extended attributes");
		return err_sys(e, "%s: %s", directory, attribute);
	}
	if (file_sync(fd, e))
		return err_wrap(e, "%s", directory);
	if (ask(&opaque, fd, directory, e))
		return e->code;
	/* Without CAP_SYS_ADMIN some kernels show no trusted attribute: then nobody knows. */
	return opaque ? 0
		      : err_set(e, ERR_IO, "%s: %s is not there after it was set", directory,
				attribute);
}
