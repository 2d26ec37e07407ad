/* The firmware's own way: BootNext, to the entry of the target's EFI system partition. */
#include <string.h>
#include <strings.h>

#include "os/efi_option.h"
#include "os/efivar.h"
#include "os/file.h"
#include "os/names.h"
#include "plan/handoff.h"

#ifdef __aarch64__
#define ARCH "aa64"
#else
#define ARCH "x64"
#endif

enum { OS_RELEASE_MAX = 65536, DIRECTORIES = 64 };

/* Below: better.  What is no boot loader at all is none. */
enum rank { RANK_OWN, RANK_DISTRIBUTION, RANK_OTHER, RANK_REMOVABLE, RANK_NONE };

struct loader {
	enum rank rank;
	unsigned order;   /* of its name: shim first, which Secure Boot wants */
	const char *file; /* "EFI/debian/shimx64.efi" */
};

static const char *const names_of_loaders[] = { "shim" ARCH ".efi", "shim.efi", "grub" ARCH ".efi",
	"grub.efi", "systemd-boot" ARCH ".efi", "refind_" ARCH ".efi", "elilo.efi",
	"syslinux.efi" };

enum { LOADERS = sizeof names_of_loaders / sizeof *names_of_loaders };

/* The directory below EFI of the distribution that the target runs; NULL: not known. */
static const char *vendor_of(struct arena *a, const struct root *running)
{
	CLEAN_BUF struct buf text = BUF(OS_RELEASE_MAX);
	static const char *const others[][2] = { { "rhel", "redhat" }, { "rhcos", "redhat" },
		{ "ol", "redhat" }, { "opensuse-leap", "opensuse" },
		{ "opensuse-tumbleweed", "opensuse" } };
	struct str line, key, value, rest;
	struct err none;

	if (file_read(&text, running, "etc/os-release", &none))
		return NULL;
	rest = buf_text(&text);
	while (str_next(&line, &rest, '\n')) {
		if (!str_cut(&key, &value, line, '=') || !str_is(key, "ID"))
			continue;
		value = str_trim(value);
		if (value.len >= 2 && (value.p[0] == '"' || value.p[0] == '\''))
			value = (struct str){ value.p + 1, value.len - 2 };
		for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
			if (str_is(value, others[i][0]))
				return others[i][1];
		}
		return arena_copy(a, value);
	}
	return NULL;
}

/* FAT does not know upper and lower case; a tree that stands for one does. */
static const char *real_name(
	struct arena *a, const struct root *root, const char *dir, struct str name)
{
	struct names names;
	struct err none;

	if (names_read(&names, a, root, dir, &none))
		return NULL;
	for (size_t i = 0; i < names.n; i++) {
		if (strlen(names.v[i]) == name.len && !strncasecmp(names.v[i], name.p, name.len))
			return names.v[i];
	}
	return NULL;
}

static bool is_there(struct arena *a, const struct root *esp, const char *path)
{
	struct str part, rest = str_from(path);
	const char *dir = ".";

	while (str_next(&part, &rest, '/')) {
		const char *name = real_name(a, esp, dir, part);
		if (!name)
			return false;
		dir = arena_print(a, "%s/%s", dir, name);
	}
	return true;
}

static struct loader judge(struct arena *a, const char *file, const char *vendor)
{
	struct loader l = { RANK_NONE, LOADERS, file };
	struct str efi, rest, dir, name;

	if (!str_cut(&efi, &rest, str_from(file), '/') || efi.len != 3 ||
		strncasecmp(efi.p, "EFI", 3) || !str_cut(&dir, &name, rest, '/') ||
		memchr(name.p, '/', name.len))
		return l;
	const char *base = arena_copy(a, name), *directory = arena_copy(a, dir);
	for (unsigned i = 0; i < LOADERS; i++) {
		if (!strcasecmp(base, names_of_loaders[i]))
			l.order = i;
	}
	if (!strcasecmp(directory, "BOOT"))
		l.rank = !strcasecmp(base, "boot" ARCH ".efi") ? RANK_REMOVABLE : RANK_NONE;
	else if (!strcasecmp(directory, "Linux") && str_ends(name, STR(".efi")))
		l.rank = RANK_OTHER;
	else if (l.order == LOADERS)
		l.rank = RANK_NONE;
	else if (vendor && !strcasecmp(directory, vendor))
		l.rank = RANK_OWN;
	else
		l.rank = !strcasecmp(directory, "systemd") ? RANK_OTHER : RANK_DISTRIBUTION;
	return l;
}

static bool better(const struct loader *a, const struct loader *b)
{
	return a->rank != b->rank ? a->rank < b->rank : a->order < b->order;
}

/* The best file of the partition itself. */
static struct loader find_loader(struct arena *a, const struct root *esp, const char *vendor)
{
	struct loader best = { RANK_NONE, LOADERS, NULL };
	struct names dirs, files;
	struct err none;

	if (names_read(&dirs, a, esp, "EFI", &none))
		return best;
	for (size_t i = 0; i < dirs.n && i < DIRECTORIES; i++) {
		if (names_read(&files, a, esp, arena_print(a, "EFI/%s", dirs.v[i]), &none))
			continue;
		for (size_t k = 0; k < files.n; k++) {
			const struct loader l = judge(
				a, arena_print(a, "EFI/%s/%s", dirs.v[i], files.v[k]), vendor);
			if (better(&l, &best))
				best = l;
		}
	}
	return best;
}

struct choice {
	uint16_t number;
	bool found;
	struct loader loader;
	const char *title;
	uint32_t attributes, kept; /* of the option; of the variable */
	struct span bytes;
};

static size_t place_in(const struct efi_boots *order, uint16_t number)
{
	size_t i = 0;

	while (i < order->n && order->v[i] != number)
		i++;
	return i;
}

/* The best entry for a loader that exists on this partition; of equals the first in BootOrder. */
static int find_entry(struct choice *best, struct arena *a, const struct handoff_from *from,
	const struct efi_boots *entries, const struct efi_boots *order, const char *vendor,
	struct err *e)
{
	const struct handoff_place *p = from->place;

	*best = (struct choice){ .loader = { RANK_NONE, LOADERS, NULL } };
	for (size_t i = 0; i < entries->n; i++) {
		CLEAN_BUF struct buf bytes = BUF(EFI_VARIABLE_MAX);
		const char *name = arena_print(a, "Boot%04X", entries->v[i]);
		struct efi_option option;
		uint32_t kept;
		if (efivar_read(&kept, &bytes, from->machine, name, e))
			return e->code;
		if (efi_option_parse(&option, a, buf_span(&bytes), e)) {
			event_debug(from->listener, "handoff", "%s: %s", name, e->text);
			continue;
		}
		if (!option.partition || strcasecmp(option.partition, p->esp->uuid) ||
			option.attributes & EFI_CATEGORY)
			continue;
		const char *file = option.file ? option.file : "EFI/BOOT/boot" ARCH ".efi";
		const struct loader l = judge(a, file, vendor);
		if (l.rank == RANK_NONE || !is_there(a, p->roots.esp, file))
			continue;
		if (best->found && !better(&l, &best->loader) &&
			(better(&best->loader, &l) ||
				place_in(order, best->number) <= place_in(order, entries->v[i])))
			continue;
		uint8_t *copy = arena_alloc(a, bytes.len);
		memcpy(copy, bytes.p, bytes.len);
		*best = (struct choice){ entries->v[i], true, l, option.title, option.attributes,
			kept, { copy, bytes.len } };
	}
	return 0;
}

static int create(struct choice *c, struct arena *a, const struct handoff_from *from,
	const struct efi_boots *entries, const struct loader *loader, const char *vendor,
	struct err *e)
{
	CLEAN_BUF struct buf bytes = BUF(EFI_VARIABLE_MAX);
	const struct handoff_place *p = from->place;
	const unsigned sector = p->esp_disk->sector ? p->esp_disk->sector : 512;
	const struct efi_partition partition = { p->esp->number, p->esp->start / sector,
		p->esp->size / sector, p->esp->uuid };
	uint32_t number = 0;

	while (number <= 0xffff && place_in(entries, (uint16_t)number) < entries->n)
		number++;
	*c = (struct choice){ (uint16_t)number, true, *loader,
		loader->rank == RANK_OWN && vendor ? vendor : "Linux (etcd-rescue)", EFI_ACTIVE,
		EFI_KEPT, { NULL, 0 } };
	if (efi_option_print(&bytes, &partition, c->title, loader->file, e))
		return e->code;
	uint8_t *copy = arena_alloc(a, bytes.len);
	memcpy(copy, bytes.p, bytes.len);
	c->bytes = (struct span){ copy, bytes.len };
	return 0;
}

/* The entry as it must be, then its place in BootOrder, then BootNext. */
static int write_all(struct arena *a, const struct handoff_from *from, const struct choice *c,
	const struct efi_boots *order, struct err *e)
{
	uint8_t *option = arena_alloc(a, c->bytes.len);
	uint8_t *list = arena_array(a, order->n + 1, 2), next[2];
	size_t n = order->n;

	memcpy(option, c->bytes.p, c->bytes.len);
	put_le32(option, c->attributes | EFI_ACTIVE);
	for (size_t i = 0; i < order->n; i++)
		put_le16(list + 2 * i, order->v[i]);
	/* Some firmware forgets a BootNext that is in no order. */
	if (place_in(order, c->number) == order->n)
		put_le16(list + 2 * n++, c->number);
	put_le16(next, c->number);
	return efivar_write(from->machine, arena_print(a, "Boot%04X", c->number), c->kept,
		       (struct span){ option, c->bytes.len }, e) ||
			       efivar_write(from->machine, "BootOrder", EFI_KEPT,
				       (struct span){ list, 2 * n }, e) ||
			       efivar_write(from->machine, "BootNext", EFI_KEPT,
				       (struct span){ next, sizeof next }, e)
		       ? e->code
		       : 0;
}

int handoff_firmware(
	const char **text, struct arena *a, const struct handoff_from *from, struct err *e)
{
	const struct handoff_place *p = from->place;
	struct efi_boots entries, order;
	struct choice c;

	if (!p->roots.uefi)
		return err_set(e, ERR_UNSUPPORTED, "this machine was not started by UEFI");
	if (!p->esp)
		return err_set(e, ERR_NOTFOUND, "%s", p->esp_why);
	const char *vendor = vendor_of(a, &p->site->target.running);
	const struct loader own = find_loader(a, p->roots.esp, vendor);
	if (own.rank == RANK_NONE)
		return err_set(e, ERR_NOTFOUND, "%s: has no boot loader below EFI", p->esp->name);
	if (efivar_boot_entries(&entries, a, from->machine, e) ||
		efivar_boot_order(&order, a, from->machine, e) ||
		find_entry(&c, a, from, &entries, &order, vendor, e))
		return e->code;
	const bool is_new = !c.found || c.loader.rank > own.rank;
	if (is_new && create(&c, a, from, &entries, &own, vendor, e))
		return e->code;
	*text = arena_print(a, "firmware starts %s of %s next: Boot%04X \"%s\"%s", c.loader.file,
		p->esp->name, c.number, c.title,
		is_new                                  ? ", a new entry"
		: !(c.attributes & EFI_ACTIVE)          ? ", which was inactive"
		: place_in(&order, c.number) == order.n ? ", which was not in the boot order"
							: "");
	return from->dry_run ? 0 : write_all(a, from, &c, &order, e);
}
