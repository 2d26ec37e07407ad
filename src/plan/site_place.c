/* Where a path of the running system lies in a site, and how much room there is. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "os/file.h"
#include "plan/site_part.h"

const char *site_device(struct arena *a, const struct target_volume *v)
{
	return *v->content->uuid ? arena_print(a, "UUID=%s", v->content->uuid)
				 : arena_print(a, "/dev/%s", v->name);
}

bool site_is_elsewhere(const struct root *root, const char *path)
{
	CLOSE_FD int fd = -1;
	struct stat top, st;
	struct err none = { 0 };

	return !root_open_at(&fd, root, path, O_PATH | O_DIRECTORY, &none) &&
	       !fstat(root->fd, &top) && !fstat(fd, &st) && st.st_dev != top.st_dev;
}

int site_file(struct commit_place *place, const struct site *s, const char *path, struct err *e)
{
	static const char kubelet[] = "var/lib/kubelet/";
	const char *base = s->target.tree.base, *inside;
	const struct kube_files *files = &s->target.files;

	if (s->config && !strncmp(path, kubelet, strlen(kubelet))) {
		if (site_directory(place, s, &s->target.kubelet, e))
			return e->code;
		place->path = arena_print(s->arena, "%s%s%s", place->path, *place->path ? "/" : "",
			path + strlen(kubelet));
		return 0;
	}
	/* With ostree /var, and /home in it, is no directory of the deployment. */
	if (files->var && kube_below(&inside, files, path) == files->var) {
		base = s->target.tree.ostree.var;
		path = inside;
	}
	*place = (struct commit_place){ "",
		*base ? arena_print(s->arena, "%s/%s", base, path) : path };
	return 0;
}

static const char *trimmed(const char *path)
{
	while (*path == '/')
		path++;
	return path;
}

int site_directory(struct commit_place *place, const struct site *s,
	const struct plan_target_directory *d, struct err *e)
{
	const struct target_spot *spot = &d->place.spot;

	if (!spot->device) {
		*place = (struct commit_place){ "", spot->inside };
		return 0;
	}
	if (s->dir && !d->place.n_lower && site_is_elsewhere(&s->tree, trimmed(d->place.path))) {
		*place = (struct commit_place){ "", trimmed(d->place.path) };
		return 0;
	}
	if (s->dir)
		return err_set(e, ERR_NOTFOUND, "%s is on %s; mount it at %s%s, then start again",
			d->place.path, spot->device, s->dir, d->place.path);
	if (!d->volume)
		return err_set(e, ERR_NOTFOUND,
			"%s is on %s, and no disk of this machine has that; attach it, or correct "
			"%s",
			d->place.path, spot->device, "the root's etc/fstab");
	if (d->volume->why)
		return err_set(e, ERR_NOTFOUND, "%s is on %s (%s): %s", d->place.path, spot->device,
			d->volume->name, d->volume->why);
	*place = (struct commit_place){
		d->volume == s->target.volume ? "" : site_device(s->arena, d->volume), spot->inside
	};
	return 0;
}

const struct root *site_root(const struct site *s, const char *device)
{
	for (size_t i = 0; i < s->n_roots; i++) {
		if (!strcmp(s->roots[i].device, device))
			return s->roots[i].root;
	}
	return NULL;
}

int site_free(
	uint64_t *bytes, const struct site *s, const struct commit_place *place, struct err *e)
{
	const struct root *root = site_root(s, place->device);
	CLOSE_FD int fd = -1;
	struct statvfs v;

	/* What is not there yet is made on the file system of what is. */
	const char *path = place->path;
	while (*path && !root_exists(root, path)) {
		const char *slash = strrchr(path, '/');
		path = arena_copy(
			s->arena, (struct str){ path, slash ? (size_t)(slash - path) : 0 });
	}
	if (root_open_at(&fd, root, *path ? path : ".", O_RDONLY | O_DIRECTORY, e))
		return e->code;
	if (fstatvfs(fd, &v))
		return err_sys(e, "%s", place->path);
	*bytes = (uint64_t)v.f_bavail * v.f_frsize;
	return 0;
}
