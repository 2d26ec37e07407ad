/* Where the parts of a target's boot are, and when it last ran. */
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "os/efivar.h"
#include "os/file.h"
#include "os/names.h"
#include "plan/handoff.h"

static const struct target_mount *mount_at(const struct site *site, const char *where)
{
	const struct target_mounts *m = &site->target.tree.mounts;

	for (size_t i = 0; i < m->n; i++) {
		if (!strcmp(m->v[i].where, where))
			return &m->v[i];
	}
	return NULL;
}

static const struct target_volume *volume_at(const struct site *site, const char *where)
{
	const struct target_mount *m = mount_at(site, where);

	return m ? target_probe_find(&site->volumes, m->what) : NULL;
}

static bool has_loader(const struct root *root)
{
	static const char *const marks[] = { "grub/grub.cfg", "grub2/grub.cfg", "loader/entries",
		"extlinux/extlinux.conf" };

	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
		if (root_exists(root, marks[i]))
			return true;
	}
	return false;
}

/* As fstab says; else what looks like one on the disk of the root. */
static const struct root *find_boot(const struct site *site)
{
	const struct target_volume *own = site->target.volume, *v = volume_at(site, "/boot");
	const struct root *found = NULL;

	if (!own)
		return NULL;
	if (v && v != own && !v->why)
		return &v->root;
	for (size_t i = 0; i < site->volumes.n; i++) {
		v = &site->volumes.v[i];
		if (v == own || v->why || v->disk->removable || v->disk->optical ||
			v->content->kind == SUPERBLOCK_VFAT || !has_loader(&v->root))
			continue;
		if (v->disk == own->disk)
			return &v->root;
		found = found ? NULL : &v->root;
	}
	/* A root on LVM or md is on no disk: then the only one there is counts. */
	return strncmp(own->disk->name, "dm-", 3) && strncmp(own->disk->name, "md", 2) ? NULL
										       : found;
}

static const struct block_part *part_of(const struct target_volume *v)
{
	for (size_t i = 0; i < v->disk->n_parts; i++) {
		if (v->name == v->disk->parts[i].name || !strcmp(v->name, v->disk->parts[i].name))
			return &v->disk->parts[i];
	}
	return NULL;
}

static bool is_medium(const struct block *b)
{
	return b->removable || b->optical || (b->transport && !strcmp(b->transport, "usb"));
}

static bool is_esp(const struct target_volume *v)
{
	return !v->why && !v->twin && v->content->kind == SUPERBLOCK_VFAT && part_of(v) &&
	       root_exists(&v->root, "EFI") && !is_medium(v->disk);
}

static const struct target_volume *find_esp(
	struct handoff_place *place, struct arena *a, const struct site *site)
{
	static const char *const places[] = { "/boot/efi", "/efi", "/boot" };
	const struct target_volume *own = site->target.volume, *found = NULL;
	const char *all = "";
	size_t n = 0;

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		const struct target_volume *v = volume_at(site, places[i]);
		if (v && is_esp(v))
			return v;
	}
	for (int same = 1; same >= 0 && !n; same--) {
		for (size_t i = 0; i < site->volumes.n; i++) {
			const struct target_volume *v = &site->volumes.v[i];
			if (!is_esp(v) || (same && v->disk != own->disk))
				continue;
			all = arena_print(a, "%s%s%s", all, n ? ", " : "", v->name);
			found = v;
			n++;
		}
	}
	if (n == 1)
		return found;
	place->esp_why = n ? arena_print(a,
				     "several EFI system partitions could be the disk's: %s; "
				     "its fstab does not say which",
				     all)
			   : "the disk has no EFI system partition that could be looked into";
	return NULL;
}

/* Below a tree that somebody mounted for us. */
static void find_in_tree(struct handoff_place *place, const struct site *site)
{
	static const char *const places[] = { "boot/efi", "efi", "boot" };
	struct err none;

	place->esp_why = "of a mounted tree it is not known which partition its ESP is";
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		struct root dir = NO_ROOT;
		if (root_open_at(&dir.fd, &site->tree, places[i], O_PATH | O_DIRECTORY, &none))
			continue;
		if (root_exists(&dir, "EFI")) {
			place->esp_root = dir;
			place->roots.esp = &place->esp_root;
			return;
		}
		root_close(&dir);
	}
}

void handoff_find(struct handoff_place *place, struct arena *a, const struct site *site,
	const struct root *machine)
{
	*place = (struct handoff_place){ .site = site, .esp_root = NO_ROOT };
	place->roots.uefi = efivar_here(machine);
	place->roots.root = site->roots[0].root;
	if (!site->target.volume) {
		find_in_tree(place, site);
		return;
	}
	place->roots.boot = find_boot(site);
	const struct target_volume *v = find_esp(place, a, site);
	if (!v)
		return;
	place->roots.esp = &v->root;
	place->esp_part = *part_of(v);
	if (place->esp_part.uuid) {
		place->esp = &place->esp_part;
		place->esp_disk = v->disk;
	} else {
		place->esp_why = arena_print(a, "%s has no GUID partition table", v->disk->name);
	}
}

void handoff_find_close(struct handoff_place *place)
{
	root_close(&place->esp_root);
}

static void newest(int64_t *at, const struct root *root, const char *path, int64_t now)
{
	CLOSE_FD int fd = -1;
	struct stat st;
	struct err none;

	if (root_open_at(&fd, root, path, O_PATH | O_NOFOLLOW, &none) || fstat(fd, &st))
		return;
	if (st.st_mtime > *at && st.st_mtime <= now)
		*at = st.st_mtime;
}

/* Each is written at a start or a stop of the system, and by nothing of ours. */
int64_t handoff_alive(struct arena *a, const struct site *site, int64_t now)
{
	static const char *const files[] = { "var/lib/systemd/random-seed", "var/log/wtmp",
		"var/log/lastlog", "var/log/syslog", "var/log/messages",
		"var/lib/urandom/random-seed", "var/lib/systemd/timesync/clock",
		"var/lib/NetworkManager/timestamps", "var/lib/kubelet/cpu_manager_state" };
	const struct root *top = site->roots[0].root;
	const struct root *running = &site->target.running;
	const char *var = site->target.tree.ostree.var;
	struct names names;
	struct err none;
	int64_t at = 0;

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		newest(&at, running, files[i], now);
		if (var)
			newest(&at, top, arena_print(a, "%s%s", var, files[i] + strlen("var")),
				now);
	}
	const char *journal = var ? arena_print(a, "%s/log/journal", var) : "var/log/journal";
	const struct root *root = var ? top : running;
	if (!names_read(&names, a, root, journal, &none)) {
		for (size_t i = 0; i < names.n && i < 16; i++)
			newest(&at, root,
				arena_print(a, "%s/%s/system.journal", journal, names.v[i]), now);
	}
	return at;
}
