#include "os/efivar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/file.h"
#include "os/names.h"

#define VARIABLES "sys/firmware/efi/efivars"

enum { PATH = 160, ATTRIBUTES = 4 };

bool efivar_here(const struct root *machine)
{
	struct err none;
	int fd = -1;
	size_t n = 0;

	/* The directory is there too when efivarfs could not be mounted on it. */
	if (root_open_at(&fd, machine, VARIABLES, O_RDONLY | O_DIRECTORY, &none))
		return false;
	DIR *dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return false;
	}
	while (n < 3 && readdir(dir))
		n++;
	closedir(dir);
	return n == 3;
}

static void path_of(char path[PATH], const char *name)
{
	snprintf(path, PATH, VARIABLES "/%s-" EFI_GLOBAL, name);
}

int efivar_read(uint32_t *attributes, struct buf *value, const struct root *machine,
	const char *name, struct err *e)
{
	CLEAN_BUF struct buf bytes = BUF(EFI_VARIABLE_MAX);
	char path[PATH];

	path_of(path, name);
	if (file_read(&bytes, machine, path, e))
		return err_wrap(e, "UEFI variable %s", name);
	if (bytes.len < ATTRIBUTES)
		return err_set(e, ERR_FORMAT, "UEFI variable %s: holds %zu bytes", name, bytes.len);
	*attributes = le32(bytes.p);
	return buf_add(value, bytes.p + ATTRIBUTES, bytes.len - ATTRIBUTES, e);
}

/* Not there is good, and no file system with flags as well. */
static void take_immutable_off(int dir, const char *name)
{
	CLOSE_FD int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int flags = 0;

	if (fd < 0 || syscall(SYS_ioctl, fd, FS_IOC_GETFLAGS, &flags) || !(flags & FS_IMMUTABLE_FL))
		return;
	flags &= ~FS_IMMUTABLE_FL;
	syscall(SYS_ioctl, fd, FS_IOC_SETFLAGS, &flags);
}

/* All in one write: each is a call of the firmware's. */
static int write_once(int dir, const char *name, struct span bytes, struct err *e)
{
	struct stat st;
	CLOSE_FD int fd =
		openat(dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, (mode_t)0644);
	ssize_t n;

	if (fd < 0)
		return err_sys(e, "open");
	do
		n = write(fd, bytes.p, bytes.len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "write");
	if ((size_t)n != bytes.len)
		return err_set(e, ERR_IO, "the firmware took %zd of %zu bytes", n, bytes.len);
	/* efivarfs sets the size itself; a plain file keeps the rest of a longer value. */
	if (!fstat(fd, &st) && st.st_size > (off_t)bytes.len && ftruncate(fd, (off_t)bytes.len))
		return err_sys(e, "truncate");
	return 0;
}

static bool holds(
	const struct root *machine, const char *name, uint32_t attributes, struct span value)
{
	CLEAN_BUF struct buf now = BUF(EFI_VARIABLE_MAX);
	uint32_t has;
	struct err none;

	return !efivar_read(&has, &now, machine, name, &none) && has == attributes &&
	       span_equal(buf_span(&now), value);
}

int efivar_write(const struct root *machine, const char *name, uint32_t attributes,
	struct span value, struct err *e)
{
	CLEAN_BUF struct buf bytes = BUF(EFI_VARIABLE_MAX);
	CLOSE_FD int dir = -1;
	uint8_t head[ATTRIBUTES];
	char path[PATH];

	if (holds(machine, name, attributes, value))
		return 0;
	put_le32(head, attributes);
	snprintf(path, sizeof path, "%s-" EFI_GLOBAL, name);
	if (root_open_at(&dir, machine, VARIABLES, O_RDONLY | O_DIRECTORY, e) ||
		buf_add(&bytes, head, sizeof head, e) || buf_add(&bytes, value.p, value.len, e))
		return err_wrap(e, "UEFI variable %s", name);
	take_immutable_off(dir, path);
	if (write_once(dir, path, buf_span(&bytes), e))
		return err_wrap(e, "UEFI variable %s", name);
	if (!holds(machine, name, attributes, value))
		return err_set(e, ERR_MISMATCH,
			"UEFI variable %s: the firmware keeps another value than was written",
			name);
	return 0;
}

int efivar_read_u16(uint16_t *value, const struct root *machine, const char *name, struct err *e)
{
	CLEAN_BUF struct buf b = BUF(EFI_VARIABLE_MAX);
	uint32_t attributes;

	if (efivar_read(&attributes, &b, machine, name, e))
		return e->code;
	if (b.len != 2)
		return err_set(e, ERR_FORMAT, "UEFI variable %s: is %zu bytes, not 2", name, b.len);
	*value = le16(b.p);
	return 0;
}

int efivar_boot_order(
	struct efi_boots *order, struct arena *a, const struct root *machine, struct err *e)
{
	CLEAN_BUF struct buf b = BUF(EFI_VARIABLE_MAX);
	uint32_t attributes;

	*order = (struct efi_boots){ 0 };
	if (efivar_read(&attributes, &b, machine, "BootOrder", e))
		return err_forgive(e, ERR_NOTFOUND);
	if (b.len % 2 || b.len / 2 > EFI_BOOT_MAX)
		return err_set(e, ERR_FORMAT, "UEFI variable BootOrder: is %zu bytes", b.len);
	order->v = arena_array(a, b.len / 2 + 1, sizeof *order->v);
	for (size_t i = 0; i < b.len / 2; i++)
		order->v[order->n++] = le16(b.p + 2 * i);
	return 0;
}

static int by_number(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

int efivar_boot_entries(
	struct efi_boots *entries, struct arena *a, const struct root *machine, struct err *e)
{
	struct names names;

	*entries = (struct efi_boots){ 0 };
	if (names_read(&names, a, machine, VARIABLES, e))
		return e->code;
	entries->v = arena_array(a, EFI_BOOT_MAX, sizeof *entries->v);
	for (size_t i = 0; i < names.n; i++) {
		const struct str name = str_from(names.v[i]);
		uint64_t number;
		if (name.len != 8 + 1 + strlen(EFI_GLOBAL) || !str_starts(name, STR("Boot")) ||
			strcmp(name.p + 8, "-" EFI_GLOBAL) != 0 ||
			!str_u64(&number, (struct str){ name.p + 4, 4 }, 16, 0xffff))
			continue;
		if (entries->n == EFI_BOOT_MAX)
			return err_set(
				e, ERR_UNSUPPORTED, "more than %d boot entries", EFI_BOOT_MAX);
		entries->v[entries->n++] = (uint16_t)number;
	}
	qsort(entries->v, entries->n, sizeof *entries->v, by_number);
	return 0;
}
