#include "target/boot_entry.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "os/file.h"
#include "target/boot_entry_parts.h"

static bool is_file(const struct root *root, const char *path)
{
	CLOSE_FD int fd = -1;
	struct stat st;
	struct err none;

	return root && !root_open_at(&fd, root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, &none) &&
	       !fstat(fd, &st) && S_ISREG(st.st_mode);
}

static bool try(struct boot_file *file, struct arena *a, const struct root *root, const char *path)
{
	while (*path == '/')
		path++;
	if (!*path || !is_file(root, path))
		return false;
	*file = (struct boot_file){ .root = root, .path = arena_copy(a, str_from(path)) };
	return true;
}

bool boot_locate(
	struct boot_file *file, struct arena *a, const struct boot_roots *roots, const char *path)
{
	if (*path == '(') {
		path = strchr(path, ')');
		if (!path)
			return false;
		path++;
	}
	if (strlen(path) >= 4096)
		return false;
	if (try(file, a, roots->boot, path) || try(file, a, roots->root, path))
		return true;
	if (!strncmp(path, "/boot/", 6) && try(file, a, roots->boot, path + 5))
		return true;
	/* A tree that is mounted as the running system sees it. */
	if (try(file, a, roots->root, arena_print(a, "boot/%s", path)) ||
		try(file, a, roots->esp, path))
		return true;
	/* The loader counts from the top of a btrfs, we may stand in the subvolume. */
	const char *inside = strncmp(path, "/@", 2) ? NULL : strstr(path, "/boot/");
	return inside && try(file, a, roots->root, inside);
}

int boot_read(struct buf *out, const struct boot_file *file, struct err *e)
{
	if (file_read(out, file->root, file->path, e)) {
		if (e->code == ERR_SPACE)
			return err_set(e, ERR_UNSUPPORTED,
				"%s: is no boot configuration, it holds "
				"more than %zu bytes",
				file->path, out->max);
		return e->code;
	}
	return 0;
}

int boot_set_kernel(struct boot_entry *entry, struct arena *a, const struct boot_roots *roots,
	const char *path, struct err *e)
{
	if (!boot_locate(&entry->kernel, a, roots, path))
		return err_set(e, ERR_NOTFOUND, "%s:%u: the kernel %s is not on this disk",
			entry->origin, entry->line, path);
	return 0;
}

int boot_add_initrd(struct boot_entry *entry, struct arena *a, const struct boot_roots *roots,
	const char *path, struct err *e)
{
	if (entry->n_initrds == BOOT_INITRDS_MAX)
		return err_set(e, ERR_UNSUPPORTED, "%s:%u: has more than %d initrds", entry->origin,
			entry->line, BOOT_INITRDS_MAX);
	if (!boot_locate(&entry->initrds[entry->n_initrds], a, roots, path))
		return err_set(e, ERR_NOTFOUND, "%s:%u: the initrd %s is not on this disk",
			entry->origin, entry->line, path);
	entry->n_initrds++;
	return 0;
}

int boot_set_options(struct boot_entry *entry, const char *options, struct err *e)
{
	if (strlen(options) >= BOOT_LINE_MAX)
		return err_set(e, ERR_UNSUPPORTED,
			"%s:%u: the command line is longer than the %d bytes a kernel takes",
			entry->origin, entry->line, BOOT_LINE_MAX);
	entry->options = options;
	return 0;
}

int boot_entry_find(
	struct boot_entry *entry, struct arena *a, const struct boot_roots *roots, struct err *e)
{
	static boot_reader *const readers[] = { boot_grub, boot_systemd, boot_extlinux };

	for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
		struct boot_entry found = { .title = "", .options = "" };
		bool is_there = false;
		if (readers[i](&is_there, &found, a, roots, e))
			return e->code;
		if (!is_there)
			continue;
		*entry = found;
		return 0;
	}
	return err_set(e, ERR_NOTFOUND,
		"no grub.cfg, loader/entries, EFI/Linux or extlinux.conf: nothing says which "
		"kernel this disk boots");
}
