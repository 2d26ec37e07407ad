#include "source/unwrap_magic.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/ascii.h"
#include "base/str.h"

enum { META_MAGIC_AT = 16, TAR_BLOCK = 512, TAR_SUM_AT = 148, TAR_SUM_LEN = 8 };

static const struct {
	struct span starts;
	enum magic magic;
	const char *words; /* of what is encrypted or refused */
} table[] = {
	{ SPAN("\x1f\x8b\x08"), MAGIC_GZIP, NULL },
	{ SPAN("\x28\xb5\x2f\xfd"), MAGIC_ZSTD, NULL },
	{ SPAN("\xfd"
	       "7zXZ\0"),
		MAGIC_XZ, NULL },
	{ SPAN("\x04\x22\x4d\x18"), MAGIC_LZ4, NULL },
	{ SPAN("PK\x03\x04"), MAGIC_ZIP, NULL },
	{ SPAN("PK\x05\x06"), MAGIC_ZIP, NULL }, /* an empty one */
	{ SPAN("Salted__"), MAGIC_ENCRYPTED, "encrypted by openssl enc" },
	{ SPAN("U2FsdGVkX1"), MAGIC_ENCRYPTED, "encrypted by openssl enc, in base64" },
	{ SPAN("age-encryption.org/"), MAGIC_ENCRYPTED, "encrypted by age" },
	{ SPAN("-----BEGIN AGE ENCRYPTED FILE-----"), MAGIC_ENCRYPTED, "encrypted by age" },
	{ SPAN("-----BEGIN PGP MESSAGE-----"), MAGIC_ENCRYPTED, "encrypted by gpg" },
	{ SPAN("$ANSIBLE_VAULT"), MAGIC_ENCRYPTED, "encrypted by ansible-vault" },
	{ SPAN("LUKS\xba\xbe"), MAGIC_ENCRYPTED, "a LUKS container" },
	{ SPAN("\x02\x21\x4c\x18"), MAGIC_REFUSED, "the old format of lz4 -l" },
	{ SPAN("LZIP"), MAGIC_REFUSED, "lzip" },
	{ SPAN("\x89LZO\0\r\n"), MAGIC_REFUSED, "lzop" },
	{ SPAN("7z\xbc\xaf\x27\x1c"), MAGIC_REFUSED, "7-Zip" },
	{ SPAN("Rar!\x1a\x07"), MAGIC_REFUSED, "RAR" },
	{ SPAN("\x1f\x9d"), MAGIC_REFUSED, "compress (.Z)" },
	{ SPAN("\xff\x06\0\0sNaPpY"), MAGIC_REFUSED, "snappy" },
	{ SPAN("\x5d\0\0"), MAGIC_REFUSED, "lzma" },
};

/* Page 1 begins after one page, whose size only page 0 would have told. */
static bool is_bolt(struct span s)
{
	static const size_t pages[] = { 0, 4096, 8192, 16384, 32768, 65536 };

	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
		const size_t at = pages[i] + META_MAGIC_AT;
		if (s.len < at + 4)
			return false;
		/* Page 1 has the number 1, so that a database within another file is none. */
		if (le32(s.p + at) == 0xED0CDAED && (!i || le64(s.p + pages[i]) == 1))
			return true;
	}
	return false;
}

static bool is_tar(struct span s)
{
	uint32_t sum = 0, told = 0;
	bool digits = false;

	if (s.len < TAR_BLOCK || !*s.p)
		return false;
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i - TAR_SUM_AT < TAR_SUM_LEN ? ' ' : s.p[i];
	for (size_t i = TAR_SUM_AT; i < TAR_SUM_AT + TAR_SUM_LEN; i++) {
		if (s.p[i] >= '0' && s.p[i] <= '7') {
			told = told * 8 + (uint32_t)(s.p[i] - '0');
			digits = true;
		} else if (digits || s.p[i] != ' ') {
			break;
		}
	}
	return digits && told == sum;
}

/* A packet that holds a session key: what an OpenPGP message to somebody begins with. */
static bool is_openpgp(struct span s)
{
	size_t version_at;
	bool key; /* to a public key; else to a passphrase */

	if (s.len < 16)
		return false;
	switch (s.p[0]) {
	case 0x84: /* old headers: tag 1 and 3 with one, two or four bytes of length */
	case 0x85:
	case 0x86:
	case 0x8c:
	case 0x8d:
	case 0x8e:
		key = s.p[0] < 0x8c;
		version_at = 1 + (size_t)(1 << (s.p[0] & 3));
		break;
	case 0xc1:
	case 0xc3:
		key = s.p[0] == 0xc1;
		version_at = s.p[1] < 192 ? 2 : s.p[1] < 224 ? 3 : 6;
		break;
	case 0xd2: /* the encrypted data itself; version 1 or 2 */
		version_at = s.p[1] < 192 ? 2 : s.p[1] == 255 ? 6 : s.p[1] < 224 ? 3 : 2;
		return s.p[version_at] == 1 || s.p[version_at] == 2;
	default:
		return false;
	}
	const uint8_t v = s.p[version_at];
	return key ? v == 3 || v == 6 : v >= 4 && v <= 6;
}

enum magic magic_of(struct span s)
{
	if (!s.len)
		return MAGIC_EMPTY;
	if (is_bolt(s))
		return MAGIC_BOLT;
	if (is_tar(s))
		return MAGIC_TAR;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (span_starts(s, table[i].starts))
			return table[i].magic;
	}
	/* pzstd and others begin with a frame to be skipped, which lz4 has too. */
	if (s.len >= 12 && (le32(s.p) & 0xfffffff0) == 0x184d2a50) {
		const uint64_t at = 8 + (uint64_t)le32(s.p + 4);
		if (at + 4 > s.len || le32(s.p + at) == 0xfd2fb528)
			return MAGIC_ZSTD;
		return le32(s.p + at) == 0x184d2204 ? MAGIC_LZ4 : MAGIC_ZSTD;
	}
	if (s.len >= 10 && !memcmp(s.p, "BZh", 3) && s.p[3] >= '1' && s.p[3] <= '9' &&
		(!memcmp(s.p + 4, "\x31\x41\x59\x26\x53\x59", 6) ||
			!memcmp(s.p + 4, "\x17\x72\x45\x38\x50\x90", 6)))
		return MAGIC_BZIP2;
	if (is_openpgp(s))
		return MAGIC_ENCRYPTED;
	if (s.len >= 6 && s.p[0] == 0x78 && be16(s.p) % 31 == 0 && !(s.p[1] & 0x20))
		return MAGIC_ZLIB;
	return MAGIC_OTHER;
}

const char *magic_name(enum magic magic)
{
	static const char *const names[] = {
		[MAGIC_GZIP] = "gzip",
		[MAGIC_ZLIB] = "zlib",
		[MAGIC_ZSTD] = "zstd",
		[MAGIC_XZ] = "xz",
		[MAGIC_BZIP2] = "bzip2",
		[MAGIC_LZ4] = "lz4",
		[MAGIC_TAR] = "tar",
		[MAGIC_ZIP] = "zip",
		[MAGIC_OTHER] = NULL,
	};
	return names[magic];
}

/* The code of an object store's refusal: letters only, so it can be nothing secret. */
static struct str xml_code(struct str text)
{
	size_t at, len = 0;

	if (!str_find(&at, text, STR("<Code>")))
		return (struct str){ NULL, 0 };
	text = (struct str){ text.p + at + 6, text.len - at - 6 };
	while (len < text.len && len < 64 && ascii_is_letter(text.p[len]))
		len++;
	return (struct str){ text.p, len < text.len && text.p[len] == '<' ? len : 0 };
}

static void markup_words(char words[MAGIC_WORDS], struct str text)
{
	const size_t shown = text.len < 1024 ? text.len : 1024;
	struct str head = { text.p, shown };
	size_t at;

	if ((text.len >= 5 && !strncasecmp(text.p, "<html", 5)) ||
		(text.len >= 9 && !strncasecmp(text.p, "<!doctype", 9)) ||
		str_find(&at, head, STR("<html"))) {
		snprintf(words, MAGIC_WORDS, "an HTML page, as a login or an error gives");
		return;
	}
	const struct str code = xml_code(head);
	if (code.len)
		snprintf(words, MAGIC_WORDS, "an XML answer, code %.*s", STR_ARG(code));
	else
		snprintf(words, MAGIC_WORDS, "an XML answer, as an error gives");
}

static bool is_text(struct span s)
{
	const size_t n = s.len < 512 ? s.len : 512;

	for (size_t i = 0; i < n; i++) {
		if (s.p[i] < ' ' && !strchr("\t\r\n\f", s.p[i] ? s.p[i] : 1))
			return false;
	}
	return true;
}

static bool is_zero(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i])
			return false;
	}
	return true;
}

void magic_words(char words[MAGIC_WORDS], struct span s)
{
	static const struct {
		struct span starts;
		const char *words;
	} others[] = {
		{ SPAN("SQLite format 3"), "an SQLite database" },
		{ SPAN("\x7f"
		       "ELF"),
			"a program" },
		{ SPAN("-----BEGIN "), "a certificate or key" },
	};
	const enum magic magic = magic_of(s);

	if (magic == MAGIC_EMPTY) {
		snprintf(words, MAGIC_WORDS, "an empty file");
		return;
	}
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (table[i].words && span_starts(s, table[i].starts)) {
			snprintf(words, MAGIC_WORDS, "%s", table[i].words);
			return;
		}
	}
	if (magic == MAGIC_ENCRYPTED) {
		snprintf(words, MAGIC_WORDS, "encrypted by gpg");
		return;
	}
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		if (span_starts(s, others[i].starts)) {
			snprintf(words, MAGIC_WORDS, "%s", others[i].words);
			return;
		}
	}
	if (is_zero(s)) {
		snprintf(words, MAGIC_WORDS, "nothing but zero bytes");
		return;
	}
	const struct span bare =
		span_starts(s, SPAN("\xef\xbb\xbf")) ? (struct span){ s.p + 3, s.len - 3 } : s;
	const struct str text = str_trim((struct str){ (const char *)bare.p, bare.len });
	if (text.len && *text.p == '<' && is_text(bare))
		markup_words(words, text);
	else if (text.len && *text.p == '{' && is_text(bare))
		snprintf(words, MAGIC_WORDS, "JSON text");
	else if (is_text(bare))
		snprintf(words, MAGIC_WORDS, "text");
	else
		snprintf(words, MAGIC_WORDS, "bytes %02x %02x %02x %02x", s.p[0],
			s.len > 1 ? s.p[1] : 0, s.len > 2 ? s.p[2] : 0, s.len > 3 ? s.p[3] : 0);
}
