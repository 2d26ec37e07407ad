#include "source/unwrap_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum {
	IN_SIZE = 65536,
	TAIL_SIZE = 1024, /* the end of all input: room for a zip's last record */
	TAR_BLOCK = 512,
	ZIP_END_SIZE = 22,
	HEADERS_MAX = 16 << 20,
};

struct unwrap_archive {
	struct archive *a;
	const struct stream *in;
	enum magic magic;
	struct err e; /* of the input, which libarchive cannot carry */
	bool in_bad, in_end, more, over;
	uint64_t total, zeros; /* bytes read, and zero bytes at their end */
	uint64_t header_left;  /* while a header is read: bytes it may still take */
	bool in_header;
	uint64_t n_members;
	size_t last; /* bytes of the last read */
	size_t tail_len;
	uint8_t tail[TAIL_SIZE];
	uint8_t bytes[IN_SIZE];
};

static void note(struct unwrap_archive *u, size_t n)
{
	size_t zeros = 0;

	while (zeros < n && !u->bytes[n - 1 - zeros])
		zeros++;
	u->zeros = zeros == n ? u->zeros + n : zeros;
	u->total += n;
	u->last = n;
	if (n >= TAIL_SIZE) {
		memcpy(u->tail, u->bytes + (n - TAIL_SIZE), TAIL_SIZE);
		u->tail_len = TAIL_SIZE;
		return;
	}
	const size_t keep = u->tail_len + n > TAIL_SIZE ? TAIL_SIZE - n : u->tail_len;
	memmove(u->tail, u->tail + u->tail_len - keep, keep);
	memcpy(u->tail + keep, u->bytes, n);
	u->tail_len = keep + n;
}

static int fill(struct unwrap_archive *u, size_t *got)
{
	*got = 0;
	if (u->in_end)
		return 0;
	if (stream_read(u->in, got, u->bytes, sizeof u->bytes, &u->e)) {
		u->in_bad = true;
		return u->e.code;
	}
	u->in_end = !*got;
	if (*got)
		note(u, *got);
	return 0;
}

static la_ssize_t give(struct archive *a, void *ctx, const void **bytes)
{
	struct unwrap_archive *u = ctx;
	size_t got;

	(void)a;
	if (u->in_header && !u->header_left) {
		u->in_bad = true;
		err_set(&u->e, ERR_FORMAT, "the headers of an entry are longer than %d MiB",
			HEADERS_MAX >> 20);
		return ARCHIVE_FATAL;
	}
	if (fill(u, &got))
		return ARCHIVE_FATAL;
	if (u->in_header)
		u->header_left -= got < u->header_left ? got : u->header_left;
	*bytes = u->bytes;
	return (la_ssize_t)got;
}

static int refuse(struct unwrap_archive *u, struct err *e)
{
	if (u->in_bad) {
		*e = u->e;
		return e->code;
	}
	const char *why = archive_error_string(u->a);
	if (u->in_end && (!why || strcasestr(why, "truncated")))
		return err_set(e, ERR_FORMAT, "the %s archive is cut off behind %ju bytes",
			magic_name(u->magic), (uintmax_t)u->total);
	return err_set(e, ERR_FORMAT, "the %s archive is damaged: %s", magic_name(u->magic),
		why ? why : "it cannot be read");
}

void unwrap_archive_open(struct unwrap_archive **archive, enum magic magic, const struct stream *in)
{
	struct unwrap_archive *u = calloc(1, sizeof *u);

	if (!u)
		out_of_memory(sizeof *u);
	u->in = in;
	u->magic = magic;
	u->a = archive_read_new();
	if (!u->a)
		out_of_memory(0);
	if (magic == MAGIC_ZIP)
		archive_read_support_format_zip_streamable(u->a);
	else
		archive_read_support_format_tar(u->a);
	*archive = u;
}

static bool any_but_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i])
			return true;
	}
	return false;
}

static int zip_end(struct unwrap_archive *u, struct err *e)
{
	for (size_t at = u->tail_len; at-- > 0;) {
		const uint8_t *p = u->tail + at;
		if (u->tail_len - at < ZIP_END_SIZE || le32(p) != 0x06054b50 ||
			at + ZIP_END_SIZE + le16(p + 20) != u->tail_len)
			continue;
		const unsigned told = le16(p + 10);
		if (told == UINT16_MAX || told == u->n_members)
			return 0;
		return err_set(e, ERR_FORMAT,
			"the zip archive holds %ju entries, its list of contents %u: it is "
			"damaged or was tampered with",
			(uintmax_t)u->n_members, told);
	}
	return err_set(e, ERR_FORMAT,
		"the zip archive is cut off: its list of contents is not at its end");
}

/* libarchive has seen the end of the archive; the rest of the input is read here, for the
 * checksums of what lies around it. */
static int finish(struct unwrap_archive *u, struct err *e)
{
	size_t got;

	/* An end of input where a header should be is an end to libarchive too. */
	if (u->magic == MAGIC_TAR && u->in_end && u->zeros < TAR_BLOCK)
		return err_set(
			e, ERR_FORMAT, "the tar archive is cut off: no blocks of zeros at its end");
	const uint64_t eaten = (uint64_t)archive_filter_bytes(u->a, 0);
	const uint64_t left = eaten < u->total ? u->total - eaten : 0;
	if (left <= u->last)
		u->more = any_but_zero(u->bytes + u->last - left, (size_t)left);
	do {
		if (fill(u, &got)) {
			*e = u->e;
			return e->code;
		}
		u->more = u->more || any_but_zero(u->bytes, got);
	} while (got);
	return u->magic == MAGIC_ZIP ? zip_end(u, e) : 0;
}

static enum unwrap_member_kind kind_of(struct archive_entry *entry)
{
	if (archive_entry_hardlink(entry) || archive_entry_symlink(entry))
		return MEMBER_LINK;
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		return MEMBER_FILE;
	case AE_IFDIR:
		return MEMBER_DIRECTORY;
	case AE_IFLNK:
		return MEMBER_LINK;
	default:
		return MEMBER_DEVICE;
	}
}

/* The method stands in the format's name alone: "ZIP 2.0 (deflation)". */
static int check_method(struct unwrap_archive *u, struct err *e)
{
	const char *format = archive_format_name(u->a);
	const char *method = format ? strchr(format, '(') : NULL;

	if (!method || !strcmp(method, "(uncompressed)") || !strcmp(method, "(deflation)"))
		return 0;
	return err_set(e, ERR_UNSUPPORTED,
		"the zip archive is packed with %s; deflate is what is read here", method);
}

int unwrap_archive_next(struct unwrap_member *member, struct unwrap_archive *u, struct err *e)
{
	struct archive_entry *entry;

	*member = (struct unwrap_member){ .kind = MEMBER_END };
	if (u->over)
		return 0;
	/* Not opened before, so that nothing is read at the opening. */
	if (!u->n_members && archive_read_open(u->a, u, NULL, give, NULL) != ARCHIVE_OK)
		return refuse(u, e);
	if (u->n_members && archive_read_data_skip(u->a) < ARCHIVE_WARN)
		return refuse(u, e);
	u->in_header = true;
	u->header_left = HEADERS_MAX;
	const int r = archive_read_next_header(u->a, &entry);
	u->in_header = false;
	if (r == ARCHIVE_EOF) {
		u->over = true;
		return finish(u, e);
	}
	if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
		return refuse(u, e);
	u->n_members++;
	const char *name = archive_entry_pathname(entry);
	if (!name)
		name = archive_entry_pathname_utf8(entry);
	*member = (struct unwrap_member){
		.kind = kind_of(entry),
		.name = name ? name : "",
		.size = archive_entry_size_is_set(entry) ? (uint64_t)archive_entry_size(entry)
							 : UINT64_MAX,
		.modified = archive_entry_mtime_is_set(entry) ? archive_entry_mtime(entry) : 0,
		.mode = (unsigned)archive_entry_perm(entry) & 0777,
		.encrypted = archive_entry_is_encrypted(entry) != 0,
	};
	if (u->magic == MAGIC_ZIP && member->kind == MEMBER_FILE && !member->encrypted)
		return check_method(u, e);
	return 0;
}

int unwrap_archive_read(void *ctx, size_t *got, void *bytes, size_t room, struct err *e)
{
	struct unwrap_archive *u = ctx;

	const la_ssize_t n = archive_read_data(u->a, bytes, room);
	/* Warnings too: that is how a wrong length is told. */
	if (n < 0)
		return refuse(u, e);
	*got = (size_t)n;
	return 0;
}

bool unwrap_archive_more(const struct unwrap_archive *u)
{
	return u->magic == MAGIC_TAR && u->more;
}

void unwrap_archive_close(struct unwrap_archive *u)
{
	if (!u)
		return;
	archive_read_free(u->a);
	free(u);
}
