#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024 };

void file_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int file_read_some(size_t *got, int fd, void *bytes, size_t len, struct err *e)
{
	ssize_t n;

	do
		n = read(fd, bytes, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "read");
	*got = (size_t)n;
	return 0;
}

int file_read_once(size_t *got, int fd, void *bytes, size_t len, struct err *e)
{
	enum { WINDOW = 8 << 20 };

	if (file_read_some(got, fd, bytes, len, e))
		return e->code;
	const off_t at = lseek(fd, 0, SEEK_CUR), window = at / WINDOW;
	if (at < 0 || (*got && (at - (off_t)*got) / WINDOW == window))
		return 0;
	/* What the cache holds in one piece goes only as a whole, so the window before is named
	 * again for what lay across their border. */
	const off_t from = window < 2 ? 0 : (window - 2) * WINDOW;
	posix_fadvise(fd, from, *got ? window * WINDOW - from : 0, POSIX_FADV_DONTNEED);
	return 0;
}

bool file_is_cached(int fd, uint64_t size)
{
	enum { LOOKS = 128, ENOUGH = 120 };
	unsigned hits = 0;

	for (uint64_t i = 0; i < LOOKS; i++) {
		uint8_t byte;
		const struct iovec v = { &byte, 1 };
		hits += preadv2(fd, &v, 1, (off_t)(size / LOOKS * i), RWF_NOWAIT) == 1;
	}
	return hits >= ENOUGH;
}

int file_read_fd(struct buf *b, int fd, struct err *e)
{
	for (;;) {
		uint8_t block[4096];
		size_t got = 0;

		if (file_read_some(&got, fd, block, sizeof block, e))
			return e->code;
		if (!got)
			return 0;
		if (buf_add(b, block, got, e))
			return e->code;
	}
}

int file_read(struct buf *b, const struct root *root, const char *path, struct err *e)
{
	CLOSE_FD int fd = -1;
	struct stat st;

	/* A FIFO on somebody's stick must not hold the machine's start up. */
	if (root_open_at(&fd, root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, e))
		return e->code;
	if (fstat(fd, &st))
		return err_sys(e, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_FORMAT, "%s: is %s, not a file", path,
			S_ISDIR(st.st_mode) ? "a directory" : "a device or a pipe");
	if (file_read_fd(b, fd, e))
		return err_wrap(e, "%s", path);
	return 0;
}

void file_read_line(char *text, size_t size, const struct root *root, const char *path)
{
	CLOSE_FD int fd = -1;
	struct err e;
	size_t len = 0, got = 0;

	text[0] = 0;
	if (root_open_at(&fd, root, path, O_RDONLY | O_NONBLOCK, &e))
		return;
	while (len < size - 1) {
		if (file_read_some(&got, fd, text + len, size - 1 - len, &e) || !got)
			break;
		len += got;
	}
	const struct str s = str_trim((struct str){ text, len });
	memmove(text, s.p, s.len);
	text[s.len] = 0;
}

int file_read_at(int fd, void *bytes, size_t len, uint64_t at, struct err *e)
{
	size_t done = 0;

	while (done < len) {
		const ssize_t n =
			pread(fd, (uint8_t *)bytes + done, len - done, (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read at byte %ju", (uintmax_t)at);
		if (!n)
			return err_set(e, ERR_FORMAT, "ends at byte %ju, %ju expected",
				(uintmax_t)(at + done), (uintmax_t)(at + len));
		done += (size_t)n;
	}
	return 0;
}

int file_write(int fd, const void *bytes, size_t len, struct err *e)
{
	const uint8_t *p = bytes;

	while (len) {
		const ssize_t n = write(fd, p, len < 1024 * (size_t)BLOCK ? len : 1024 * BLOCK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "write");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_write_at(int fd, const void *bytes, size_t len, uint64_t at, struct err *e)
{
	size_t done = 0;

	while (done < len) {
		const ssize_t n =
			pwrite(fd, (const uint8_t *)bytes + done, len - done, (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "write at byte %ju", (uintmax_t)at);
		done += (size_t)n;
	}
	return 0;
}

int file_sync(int fd, struct err *e)
{
	return fsync(fd) ? err_sys(e, "fsync") : 0;
}

static int write_sibling(int dir, const char *name, struct span content, mode_t mode, struct err *e)
{
	CLOSE_FD int fd = openat(
		dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 07777);

	if (fd < 0)
		return err_sys(e, "%s", name);
	if (fchmod(fd, mode & 07777))
		return err_sys(e, "%s", name);
	if (file_write(fd, content.p, content.len, e) || file_sync(fd, e))
		return err_wrap(e, "%s", name);
	return 0;
}

int file_replace(int dir, const char *name, struct span content, mode_t mode, struct err *e)
{
	char sibling[256];

	const int len = snprintf(sibling, sizeof sibling, ".%s.new", name);
	if (len < 0 || (size_t)len >= sizeof sibling)
		return err_set(e, ERR_USAGE, "%s: name is too long", name);
	if (unlinkat(dir, sibling, 0) && errno != ENOENT)
		return err_sys(e, "%s", sibling);
	if (write_sibling(dir, sibling, content, mode, e))
		goto gone;
	if (renameat(dir, sibling, dir, name)) {
		err_sys(e, "%s", name);
		goto gone;
	}
	return fsync(dir) ? err_sys(e, "directory of %s", name) : 0;
gone:
	unlinkat(dir, sibling, 0);
	return e->code;
}
