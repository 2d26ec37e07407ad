#include "os/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

int names_compare(const char *a, const char *b)
{
	while (*a && *b) {
		if (digit(*a) && digit(*b)) {
			a += strspn(a, "0");
			b += strspn(b, "0");
			const size_t an = strspn(a, "0123456789"), bn = strspn(b, "0123456789");
			if (an != bn)
				return an < bn ? -1 : 1;
			const int order = memcmp(a, b, an);
			if (order)
				return order;
			a += an;
			b += bn;
			continue;
		}
		if (*a != *b)
			return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
		a++;
		b++;
	}
	return (*a != 0) - (*b != 0);
}

static int compare(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	const int order = names_compare(x, y);

	/* "01" and "1" are equal as numbers but are two names. */
	return order ? order : strcmp(x, y);
}

int names_read(struct names *names, struct arena *arena, const struct root *root, const char *path,
	struct err *e)
{
	const char **v = NULL;
	size_t n = 0, room = 0;
	int fd;

	if (root_open_at(&fd, root, path, O_RDONLY | O_DIRECTORY, e))
		return e->code;
	DIR *dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return err_sys(e, "%s", path);
	}
	for (;;) {
		errno = 0;
		const struct dirent *d = readdir(dir);
		if (!d && errno) {
			err_sys(e, "%s", path);
			break;
		}
		if (!d) {
			e->code = ERR_OK;
			break;
		}
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (n == NAMES_MAX) {
			err_set(e, ERR_SPACE, "%s: more than %d entries", path, NAMES_MAX);
			break;
		}
		if (n == room) {
			const size_t more = room ? room * 2 : 32;
			const char **wider = arena_array(arena, more, sizeof *wider);
			if (n)
				memcpy(wider, v, n * sizeof *v);
			v = wider;
			room = more;
		}
		v[n++] = arena_copy(arena, str_from(d->d_name));
	}
	closedir(dir);
	if (e->code)
		return e->code;
	if (n)
		qsort(v, n, sizeof *v, compare);
	*names = (struct names){ v, n };
	return 0;
}
