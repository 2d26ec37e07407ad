/* target/boot_entry_parts.h - what the readers of boot configurations share; for
 * target/boot_entry*.c alone
 *
 * Source:     as target/boot_entry.h.
 * Units:      bytes.
 * Ownership:  texts live in the arena.
 * Errors:     as target/boot_entry.h.
 */
#pragma once

#include "base/buf.h"
#include "target/boot_entry.h"

enum { BOOT_CONFIG_MAX = 1 << 20, BOOT_ENTRIES_MAX = 512 };

/* Where a path of a boot loader lies: "/vmlinuz" of /boot's own file system, "/boot/vmlinuz",
 * "/@/boot/vmlinuz" of a btrfs, "(hd0,gpt2)/vmlinuz".  False: nowhere, or it is no file. */
bool boot_locate(
	struct boot_file *file, struct arena *a, const struct boot_roots *roots, const char *path);

/* The whole file, ERR_SPACE past `max`. */
int boot_read(struct buf *out, const struct boot_file *file, struct err *e);

/* Put what a loader names into the entry; not there is ERR_NOTFOUND. */
int boot_set_kernel(struct boot_entry *entry, struct arena *a, const struct boot_roots *roots,
	const char *path, struct err *e);
int boot_add_initrd(struct boot_entry *entry, struct arena *a, const struct boot_roots *roots,
	const char *path, struct err *e);
int boot_set_options(struct boot_entry *entry, const char *options, struct err *e);

/* An entry of the Boot Loader Specification, as it stands. */
struct boot_bls {
	const struct root *root;
	const char *path; /* "loader/entries/x.conf" */
	const char *id;   /* "x" */
	const char *title, *version, *sort_key, *machine, *kernel, *efi;
	const char *options; /* those of several lines with a blank between them; "": none */
	const char *initrds[BOOT_INITRDS_MAX];
	size_t n_initrds;
	unsigned line; /* of `linux` or `efi` */
	bool bad;      /* boot counting has given it up */
};

/* Those of a directory, best first; none and no directory are no error. */
int boot_bls_read(struct boot_bls **list, size_t *n, struct arena *a, const struct root *root,
	const char *dir, struct err *e);

/* The parser of one, which may be anything. */
void boot_bls_parse(struct boot_bls *bls, struct arena *a, struct str text);

/* `expand` puts in what the loader's variables hold; NULL: there are none. */
int boot_bls_use(struct boot_entry *entry, struct arena *a, const struct boot_roots *roots,
	const struct boot_bls *bls,
	const char *(*expand)(void *ctx, struct arena *a, const char *text), void *ctx,
	struct err *e);

/* Below or above zero, as versions are ordered: "5.14.0-362" before "5.14.0-70" is false. */
int boot_version_compare(const char *a, const char *b);

/* A whole menu; *found is false where there is no such configuration at all. */
typedef int boot_reader(bool *found, struct boot_entry *entry, struct arena *a,
	const struct boot_roots *roots, struct err *e);
boot_reader boot_grub, boot_systemd, boot_extlinux;

/* The parser of extlinux.conf; paths are below its directory `dir`. */
struct boot_extlinux {
	const char *label, *kernel, *append, *initrds;
	unsigned line;
};
int boot_extlinux_parse(struct boot_extlinux *chosen, struct arena *a, struct str text,
	const char *origin, struct err *e);

/* Kernel, initrd and line out of one EFI program. */
int boot_uki(struct boot_entry *entry, struct arena *a, const struct root *root, const char *path,
	struct err *e);

/* Where the sections of a PE file are, out of its first bytes. */
struct boot_section {
	char name[9];
	uint32_t size, at; /* in the file */
};
int boot_pe_sections(
	struct boot_section *sections, size_t *n, size_t room, struct span head, struct err *e);
