#include "codec/text.h"

#include <stdio.h>

#include "base/ascii.h"

int codec_text_hex(struct buf *out, struct span bytes, struct err *e)
{
	static const char digits[16] = "0123456789abcdef";
	uint8_t *at;

	if (bytes.len > SIZE_MAX / 2)
		return err_set(e, ERR_SPACE, "too long for hex");
	if (buf_extend(&at, out, bytes.len * 2, e))
		return e->code;
	for (size_t i = 0; i < bytes.len; i++) {
		at[2 * i] = (uint8_t)digits[bytes.p[i] >> 4];
		at[2 * i + 1] = (uint8_t)digits[bytes.p[i] & 15];
	}
	return 0;
}

int codec_text_unhex(struct buf *out, struct str hex, struct err *e)
{
	uint8_t *at;

	if (hex.len % 2)
		return err_set(
			e, ERR_FORMAT, "hex needs an even number of digits, this has %zu", hex.len);
	for (size_t i = 0; i < hex.len; i++) {
		if (ascii_hex(hex.p[i]) < 0)
			return err_set(e, ERR_FORMAT, "character %zu is not a hex digit", i + 1);
	}
	if (buf_extend(&at, out, hex.len / 2, e))
		return e->code;
	for (size_t i = 0; i < hex.len / 2; i++)
		at[i] = (uint8_t)(ascii_hex(hex.p[2 * i]) << 4 | ascii_hex(hex.p[2 * i + 1]));
	return 0;
}

static const char base64_digits[64] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int codec_text_base64(struct buf *out, struct span bytes, struct err *e)
{
	uint8_t *at;

	if (bytes.len > SIZE_MAX / 2)
		return err_set(e, ERR_SPACE, "too long for base64");
	if (buf_extend(&at, out, (bytes.len + 2) / 3 * 4, e))
		return e->code;
	for (size_t i = 0; i < bytes.len; i += 3, at += 4) {
		const size_t left = bytes.len - i;
		const uint32_t v = (uint32_t)bytes.p[i] << 16 |
				   (left > 1 ? (uint32_t)bytes.p[i + 1] << 8 : 0) |
				   (left > 2 ? bytes.p[i + 2] : 0);

		at[0] = (uint8_t)base64_digits[v >> 18];
		at[1] = (uint8_t)base64_digits[v >> 12 & 63];
		at[2] = left > 1 ? (uint8_t)base64_digits[v >> 6 & 63] : '=';
		at[3] = left > 2 ? (uint8_t)base64_digits[v & 63] : '=';
	}
	return 0;
}

static int base64_value(char c)
{
	for (int i = 0; i < 64; i++) {
		if (base64_digits[i] == c)
			return i;
	}
	return -1;
}

int codec_text_unbase64(struct buf *out, struct str text, struct err *e)
{
	size_t padding = 0;
	uint8_t *at;

	if (text.len % 4)
		return err_set(
			e, ERR_FORMAT, "base64 comes in fours, this has %zu characters", text.len);
	while (padding < 2 && padding < text.len && text.p[text.len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < text.len - padding; i++) {
		if (base64_value(text.p[i]) < 0)
			return err_set(e, ERR_FORMAT, "character %zu is not base64", i + 1);
	}
	if (buf_extend(&at, out, text.len / 4 * 3 - padding, e))
		return e->code;
	uint32_t bits = 0;

	for (size_t i = 0; i < text.len - padding; i++) {
		bits = bits << 6 | (uint32_t)base64_value(text.p[i]);
		/* Digits 2, 3 and 4 of a group complete a byte. */
		if (i % 4)
			*at++ = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	return 0;
}

size_t codec_text_utf8(const uint8_t *p, size_t left)
{
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	const size_t n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (left < n)
		return 0;
	const uint8_t low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
	const uint8_t high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;

	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	}
	return n;
}

/* The escape of the character of `n` bytes at p, or the empty text when it stands as it is. */
static struct str go_escape(char room[8], const uint8_t *p, size_t n)
{
	static const char letters[][3] = { "\"\"", "\\\\", "\bb", "\ff", "\nn", "\rr", "\tt" };

	for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
		if (p[0] == (uint8_t)letters[i][0]) {
			room[0] = '\\';
			room[1] = letters[i][1];
			return (struct str){ room, 2 };
		}
	}
	unsigned code = p[0];

	if (!n)
		code = 0xfffd;
	else if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9))
		code = 0x2000U | (p[2] & 0x3fU);
	else if (p[0] >= 0x20 && p[0] != '<' && p[0] != '>' && p[0] != '&')
		return (struct str){ room, 0 };
	snprintf(room, 8, "\\u%04x", code);
	return (struct str){ room, 6 };
}

int codec_text_go_json(struct buf *out, struct str s, struct err *e)
{
	const uint8_t *p = (const uint8_t *)s.p;

	if (buf_add(out, "\"", 1, e))
		return e->code;
	for (size_t i = 0; i < s.len;) {
		const size_t n = codec_text_utf8(p + i, s.len - i);
		char room[8];
		const struct str escape = go_escape(room, p + i, n);

		if (escape.len ? buf_add_str(out, escape, e) : buf_add(out, p + i, n, e))
			return e->code;
		i += n ? n : 1;
	}
	return buf_add(out, "\"", 1, e);
}
