#include "os/root_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINKS_MAX = 40, DEPTH_MAX = 128, PATH_SIZE = 4096 };

struct walk {
	int fd[DEPTH_MAX]; /* fd[0] is the root, which is not ours to close */
	size_t depth;
	unsigned n_links;
	char todo[PATH_SIZE]; /* what is left of the path */
};

static void climb_to(struct walk *w, size_t depth)
{
	while (w->depth > depth)
		close(w->fd[w->depth--]);
}

/* Take the next component off `todo`; false when there is none. */
static bool next(struct walk *w, char name[256])
{
	const char *start = w->todo + strspn(w->todo, "/");
	const size_t len = strcspn(start, "/");

	if (len > 255) {
		errno = ENAMETOOLONG;
		return false;
	}
	errno = 0;
	if (!len)
		return false;
	memcpy(name, start, len);
	name[len] = 0;
	memmove(w->todo, start + len, strlen(start + len) + 1);
	return true;
}

/* Put a link's target in front of what is left. */
static int follow(struct walk *w, const char *target)
{
	char todo[PATH_SIZE];
	const int len = snprintf(todo, sizeof todo, "%s/%s", target, w->todo);

	if (++w->n_links > LINKS_MAX) {
		errno = ELOOP;
		return -1;
	}
	if (len < 0 || (size_t)len >= sizeof todo) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (target[0] == '/')
		climb_to(w, 0);
	memcpy(w->todo, todo, (size_t)len + 1);
	return 0;
}

static int enter(struct walk *w, const char *name)
{
	const int fd = openat(w->fd[w->depth], name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (w->depth + 1 == DEPTH_MAX) {
		close(fd);
		errno = ENAMETOOLONG;
		return -1;
	}
	w->fd[++w->depth] = fd;
	return 0;
}

/* One component; 1: go on, 0: `*fd` is the end of the way, -1: errno. */
static int step(struct walk *w, int *fd, const char *name, int flags)
{
	char target[PATH_SIZE];
	const bool last = !w->todo[strspn(w->todo, "/")];

	if (!strcmp(name, "."))
		return 1;
	if (!strcmp(name, "..")) {
		climb_to(w, w->depth ? w->depth - 1 : 0);
		return 1;
	}
	if (!last || !(flags & O_NOFOLLOW)) {
		const ssize_t len = readlinkat(w->fd[w->depth], name, target, sizeof target - 1);
		if (len >= 0) {
			target[len] = 0;
			return follow(w, target) ? -1 : 1;
		}
	}
	if (!last)
		return enter(w, name) ? -1 : 1;
	*fd = openat(w->fd[w->depth], name, flags | O_NOFOLLOW | O_CLOEXEC, 0);
	return *fd < 0 ? -1 : 0;
}

int root_walk(int root, const char *path, int flags)
{
	struct walk w = { .fd = { root } };
	char name[256];
	int fd = -1, more = 1;

	if (strlen(path) >= sizeof w.todo) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(w.todo, path, strlen(path) + 1);
	while (more > 0 && next(&w, name))
		more = step(&w, &fd, name, flags);
	/* The way ended at a directory we stand in: "/", "a/..", a link to "/". */
	if (more > 0 && !errno)
		fd = openat(w.fd[w.depth], ".", flags | O_CLOEXEC, 0);
	const int saved = errno;
	climb_to(&w, 0);
	errno = saved;
	return fd;
}
