/* A unified kernel image: the kernel, its initrd and its line as sections of one EFI program.
 *
 *   0       "MZ"
 *   60      offset of "PE\0\0"
 *   PE + 6  number of sections, PE + 20 size of the optional header, sections behind it:
 *           0 name, 8 size in memory, 16 size in the file, 20 offset in the file; 40 bytes each
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "os/file.h"
#include "target/boot_entry_parts.h"

enum { HEAD = 4096, SECTIONS = 64, PE_HEADER = 24, SECTION = 40, CMDLINE_MAX = 65536 };

int boot_pe_sections(
	struct boot_section *sections, size_t *n, size_t room, struct span head, struct err *e)
{
	struct cursor c = { .in = head };
	const struct span mz = cursor_take(&c, 64);

	if (!mz.p || mz.p[0] != 'M' || mz.p[1] != 'Z')
		return err_set(e, ERR_FORMAT, "is no EFI program");
	const uint32_t pe = le32(mz.p + 60);
	c = (struct cursor){ .in = head };
	cursor_take(&c, pe);
	const struct span header = cursor_take(&c, PE_HEADER);
	if (!header.p || memcmp(header.p, "PE\0\0", 4) != 0)
		return err_set(e, ERR_FORMAT, "is no EFI program");
	const uint16_t count = le16(header.p + 6);
	cursor_take(&c, le16(header.p + 20));
	if (count > room)
		return err_set(e, ERR_UNSUPPORTED, "has %u sections", count);
	for (uint16_t i = 0; i < count; i++) {
		const struct span s = cursor_take(&c, SECTION);
		if (!s.p)
			return err_set(e, ERR_FORMAT, "ends inside of its table of sections");
		const uint32_t in_memory = le32(s.p + 8), in_file = le32(s.p + 16);
		sections[i] = (struct boot_section){
			/* What a file rounds up is not part of it. */
			.size = in_memory && in_memory < in_file ? in_memory : in_file,
			.at = le32(s.p + 20),
		};
		memcpy(sections[i].name, s.p, 8);
	}
	*n = count;
	return 0;
}

static const struct boot_section *find(
	const struct boot_section *sections, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(sections[i].name, name))
			return &sections[i];
	}
	return NULL;
}

static int read_line(struct boot_entry *entry, struct arena *a, int fd,
	const struct boot_section *section, struct err *e)
{
	uint8_t text[CMDLINE_MAX];

	if (!section)
		return boot_set_options(entry, "", e);
	if (section->size > sizeof text)
		return err_set(e, ERR_UNSUPPORTED, "its command line is longer than %d bytes",
			CMDLINE_MAX);
	if (file_read_at(fd, text, section->size, section->at, e))
		return e->code;
	const uint8_t *end = memchr(text, 0, section->size);
	const size_t len = end ? (size_t)(end - text) : section->size;
	char *line = arena_copy(a, str_trim((struct str){ (const char *)text, len }));
	for (char *c = line; *c; c++) {
		if (*c == '\n')
			*c = ' ';
	}
	return boot_set_options(entry, line, e);
}

int boot_uki(struct boot_entry *entry, struct arena *a, const struct root *root, const char *path,
	struct err *e)
{
	CLOSE_FD int fd = -1;
	struct boot_section sections[SECTIONS];
	uint8_t head[HEAD];
	struct stat st;
	size_t n, got = 0;

	if (!entry->origin || !*entry->origin)
		entry->origin = path;
	if (!entry->title || !*entry->title)
		entry->title = path;
	if (root_open_at(&fd, root, path, O_RDONLY | O_NONBLOCK, e))
		return e->code;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return err_set(e, ERR_FORMAT, "%s: is not a file", path);
	if (file_read_some(&got, fd, head, sizeof head, e) ||
		boot_pe_sections(sections, &n, SECTIONS, (struct span){ head, got }, e))
		return err_wrap(e, "%s", path);
	const struct boot_section *kernel = find(sections, n, ".linux");
	const struct boot_section *initrd = find(sections, n, ".initrd");
	if (!kernel)
		return err_set(
			e, ERR_UNSUPPORTED, "%s: is an EFI program without a kernel in it", path);
	for (size_t i = 0; i < n; i++) {
		const bool counts = &sections[i] == kernel || &sections[i] == initrd;
		if (counts && (uint64_t)sections[i].at + sections[i].size > (uint64_t)st.st_size)
			return err_set(e, ERR_FORMAT, "%s: %s lies outside of the file", path,
				sections[i].name);
	}
	const char *kept = arena_copy(a, str_from(path));
	entry->kernel = (struct boot_file){ root, kept, kernel->at, kernel->size };
	if (initrd && initrd->size)
		entry->initrds[entry->n_initrds++] =
			(struct boot_file){ root, kept, initrd->at, initrd->size };
	return read_line(entry, a, fd, find(sections, n, ".cmdline"), e) ? err_wrap(e, "%s", path)
									 : 0;
}
