#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "source/unwrap_magic.h"

static uint8_t page[MAGIC_WANTED];

static void bolt_is_known_by_either_meta_page(void **state)
{
	static const size_t sizes[] = { 4096, 8192, 16384, 32768, 65536 };

	(void)state;
	memset(page, 0, sizeof page);
	put_le32(page + 16, 0xED0CDAED);
	assert_int_equal(magic_of((struct span){ page, 20 }), MAGIC_BOLT);
	assert_int_equal(magic_of((struct span){ page, 19 }), MAGIC_OTHER);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		memset(page, 0xff, sizeof page);
		put_le64(page + sizes[i], 1);
		put_le32(page + sizes[i] + 16, 0xED0CDAED);
		assert_int_equal(magic_of((struct span){ page, sizes[i] + 20 }), MAGIC_BOLT);
		assert_int_equal(magic_of((struct span){ page, sizes[i] + 19 }), MAGIC_OTHER);
		put_le64(page + sizes[i], 2); /* not page 1 */
		assert_int_equal(magic_of((struct span){ page, sizes[i] + 20 }), MAGIC_OTHER);
	}
}

static void wrappings_are_known_by_their_first_bytes(void **state)
{
	static const struct {
		struct span head;
		enum magic magic;
		const char *name;
	} known[] = {
		{ SPAN("\x1f\x8b\x08\0\0\0\0\0\0\x03"), MAGIC_GZIP, "gzip" },
		{ SPAN("\x78\x9c\x01\x01\x01\x01"), MAGIC_ZLIB, "zlib" },
		{ SPAN("\x28\xb5\x2f\xfd"), MAGIC_ZSTD, "zstd" },
		{ SPAN("\x50\x2a\x4d\x18\x04\0\0\0abcd\x28\xb5\x2f\xfd"), MAGIC_ZSTD, "zstd" },
		{ SPAN("\x5f\x2a\x4d\x18\x04\0\0\0abcd\x04\x22\x4d\x18"), MAGIC_LZ4, "lz4" },
		{ SPAN("\x50\x2a\x4d\x18\xff\xff\xff\xff    "), MAGIC_ZSTD, "zstd" },
		{ SPAN("\xfd\x37\x7a\x58\x5a\0"), MAGIC_XZ, "xz" },
		{ SPAN("BZh91AY&SY"), MAGIC_BZIP2, "bzip2" },
		{ SPAN("\x04\x22\x4d\x18"), MAGIC_LZ4, "lz4" },
		{ SPAN("PK\x03\x04"), MAGIC_ZIP, "zip" },
		{ SPAN(""), MAGIC_EMPTY, NULL },
		{ SPAN("BZh9 hello"), MAGIC_OTHER, NULL },
		{ SPAN("xylophone!"), MAGIC_OTHER, NULL },
		{ SPAN("\x1f\x8b"), MAGIC_OTHER, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		assert_int_equal(magic_of(known[i].head), known[i].magic);
		if (known[i].name)
			assert_string_equal(magic_name(known[i].magic), known[i].name);
		else
			assert_null(magic_name(known[i].magic));
	}
}

static void tar_is_known_by_its_sum(void **state)
{
	uint32_t sum = 8 * ' ';

	(void)state;
	memset(page, 0, sizeof page);
	strcpy((char *)page, "snapshot.db");
	for (const char *c = "snapshot.db"; *c; c++)
		sum += (uint8_t)*c;
	snprintf((char *)page + 148, 8, "%06o", sum);
	assert_int_equal(magic_of((struct span){ page, 512 }), MAGIC_TAR);
	assert_int_equal(magic_of((struct span){ page, 511 }), MAGIC_OTHER);
	page[300] = 1;
	assert_int_equal(magic_of((struct span){ page, 512 }), MAGIC_OTHER);
}

static void words_say_what_it_looks_like(void **state)
{
	static const struct {
		struct span head;
		enum magic magic;
		const char *words;
	} known[] = {
		{ SPAN(""), MAGIC_EMPTY, "an empty file" },
		{ SPAN("Salted__12345678"), MAGIC_ENCRYPTED, "encrypted by openssl enc" },
		{ SPAN("age-encryption.org/v1\n-> X25519"), MAGIC_ENCRYPTED, "encrypted by age" },
		{ SPAN("-----BEGIN PGP MESSAGE-----\n"), MAGIC_ENCRYPTED, "encrypted by gpg" },
		{ SPAN("\x85\x01\x0c\x03 and sixteen bytes"), MAGIC_ENCRYPTED, "encrypted by gpg" },
		{ SPAN("\x8c\x0d\x04\x09\x03\x02 and sixteen"), MAGIC_ENCRYPTED,
			"encrypted by gpg" },
		{ SPAN("\xc3\x0d\x04\x09\x03\x02 and sixteen"), MAGIC_ENCRYPTED,
			"encrypted by gpg" },
		{ SPAN("\x85\x01\x0c\x09 and sixteen bytes"), MAGIC_OTHER, "bytes 85 01 0c 09" },
		{ SPAN("7z\xbc\xaf\x27\x1c"), MAGIC_REFUSED, "7-Zip" },
		{ SPAN("<!DOCTYPE html><title>secret</title>"), MAGIC_OTHER,
			"an HTML page, as a login or an error gives" },
		{ SPAN("\n  <HTML>"), MAGIC_OTHER, "an HTML page, as a login or an error gives" },
		{ SPAN("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Key>s</Key>"),
			MAGIC_OTHER, "an XML answer, code AccessDenied" },
		{ SPAN("\xef\xbb\xbf<?xml version=\"1.0\"?><Error><Code>bad secret"), MAGIC_OTHER,
			"an XML answer, as an error gives" },
		{ SPAN("{\"kind\": \"Status\"}"), MAGIC_OTHER, "JSON text" },
		{ SPAN("password: hunter2\n"), MAGIC_OTHER, "text" },
		{ SPAN("\0\0\0\0\0\0"), MAGIC_OTHER, "nothing but zero bytes" },
		{ SPAN("SQLite format 3\0"), MAGIC_OTHER, "an SQLite database" },
		{ SPAN("\x01"), MAGIC_OTHER, "bytes 01 00 00 00" },
	};
	char words[MAGIC_WORDS];

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		assert_int_equal(magic_of(known[i].head), known[i].magic);
		magic_words(words, known[i].head);
		assert_string_equal(words, known[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bolt_is_known_by_either_meta_page),
		cmocka_unit_test(wrappings_are_known_by_their_first_bytes),
		cmocka_unit_test(tar_is_known_by_its_sum),
		cmocka_unit_test(words_say_what_it_looks_like),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
