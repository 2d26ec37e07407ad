#include "os/efi_option.h"

#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "base/utf8.h"

enum {
	NODE = 4,
	MEDIA = 4,
	HARD_DRIVE = 1,
	FILE_PATH = 4,
	END = 0x7f,
	HARD_DRIVE_SIZE = 42,
	FORMAT_MBR = 1,
	FORMAT_GPT = 2,
	TEXT = 1024,
};

/* Up to `n` UTF-16 units, at most to the first zero; what a terminal would obey becomes '?'. */
static const char *text_of(struct arena *a, const uint8_t *units, size_t n, char slash)
{
	char text[TEXT * 3 + 1]; /* no unit alone takes more */
	size_t len = 0;

	for (size_t i = 0; i < n && i < TEXT; i++) {
		const uint16_t c = le16(units + 2 * i);
		if (!c)
			break;
		if (c == '\\' && slash)
			text[len++] = slash;
		else if (c < 0x20 || c == 0x7f || (c >= 0xd800 && c < 0xe000))
			text[len++] = '?';
		else
			len += utf8_put(text + len, c);
	}
	return arena_copy(a, (struct str){ text, len });
}

/* "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", whose first three groups are little-endian. */
static const char *guid_of(struct arena *a, const uint8_t *g)
{
	return arena_print(a, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", le32(g),
		le16(g + 4), le16(g + 6), g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]);
}

static void take_node(struct efi_option *option, struct arena *a, struct span node)
{
	if (node.p[0] != MEDIA)
		return;
	if (node.p[1] == HARD_DRIVE && node.len >= HARD_DRIVE_SIZE && !option->partition) {
		if (node.p[40] == FORMAT_GPT && node.p[41] == 2)
			option->partition = guid_of(a, node.p + 24);
		/* The kernel spells it so for want of a UUID. */
		else if (node.p[40] == FORMAT_MBR && node.p[41] == 1)
			option->partition =
				arena_print(a, "%08x-%02x", le32(node.p + 24), le32(node.p + 4));
	}
	if (node.p[1] == FILE_PATH && !option->file) {
		const char *file = text_of(a, node.p + NODE, (node.len - NODE) / 2, '/');
		while (*file == '/')
			file++;
		option->file = *file ? file : NULL;
	}
}

int efi_option_parse(struct efi_option *option, struct arena *a, struct span bytes, struct err *e)
{
	struct cursor c = { .in = bytes };
	struct efi_option found = { .attributes = cursor_le32(&c) };
	const struct span length = cursor_take(&c, 2);
	size_t n = 0;

	if (!length.p)
		return err_set(e, ERR_FORMAT, "boot entry: shorter than its header");
	const uint8_t *title = bytes.p + c.at;
	for (;; n++) {
		const struct span unit = cursor_take(&c, 2);
		if (!unit.p)
			return err_set(e, ERR_FORMAT, "boot entry: its name has no end");
		if (!le16(unit.p))
			break;
	}
	found.title = text_of(a, title, n, 0);
	const struct span path = cursor_take(&c, le16(length.p));
	if (!path.p && le16(length.p))
		return err_set(e, ERR_FORMAT, "boot entry: its device path is cut");
	struct cursor nodes = { .in = path };
	while (cursor_left(&nodes) >= NODE) {
		const uint8_t *node = path.p + nodes.at;
		const uint16_t len = le16(node + 2);
		const struct span whole = cursor_take(&nodes, len);
		if (len < NODE || !whole.p)
			return err_set(
				e, ERR_FORMAT, "boot entry: a node of its device path is cut");
		if (node[0] == END)
			break;
		take_node(&found, a, whole);
	}
	*option = found;
	return 0;
}

static int put_units(struct buf *out, const char *text, struct err *e)
{
	do {
		const uint8_t unit[2] = { (uint8_t)(*text == '/' ? '\\' : *text), 0 };
		if (buf_add(out, unit, sizeof unit, e))
			return e->code;
	} while (*text++);
	return 0;
}

/* The 16 bytes of a GUID as text. */
static bool guid_bytes(uint8_t *g, const char *text)
{
	static const uint8_t order[] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	size_t n = 0;

	for (; *text && n < 16; n++) {
		uint64_t byte;
		if (*text == '-')
			text++;
		if (!text[0] || !text[1] || !str_u64(&byte, (struct str){ text, 2 }, 16, 255))
			return false;
		g[order[n]] = (uint8_t)byte;
		text += 2;
	}
	return n == 16 && !*text;
}

int efi_option_print(struct buf *out, const struct efi_partition *partition, const char *title,
	const char *file, struct err *e)
{
	uint8_t drive[HARD_DRIVE_SIZE] = { MEDIA, HARD_DRIVE, HARD_DRIVE_SIZE, 0 };
	const uint8_t end[] = { END, 0xff, 4, 0 };
	const size_t name = 2 * (strlen(file) + 2); /* a backslash in front, a zero behind */
	uint8_t head[6], node[NODE] = { MEDIA, FILE_PATH };

	if (strlen(file) > EFI_PATH_MAX || !guid_bytes(drive + 24, partition->uuid))
		return err_set(e, ERR_USAGE, "%s of partition %s cannot be a boot entry", file,
			partition->uuid);
	put_le32(drive + 4, partition->number);
	put_le64(drive + 8, partition->start);
	put_le64(drive + 16, partition->blocks);
	drive[40] = FORMAT_GPT;
	drive[41] = 2;
	put_le16(node + 2, (uint16_t)(NODE + name));
	put_le32(head, EFI_ACTIVE);
	put_le16(head + 4, (uint16_t)(sizeof drive + NODE + name + sizeof end));
	if (buf_add(out, head, sizeof head, e) || put_units(out, title, e) ||
		buf_add(out, drive, sizeof drive, e) || buf_add(out, node, sizeof node, e))
		return e->code;
	char path[EFI_PATH_MAX + 2];
	snprintf(path, sizeof path, "/%s", file);
	return put_units(out, path, e) ? e->code : buf_add(out, end, sizeof end, e);
}
