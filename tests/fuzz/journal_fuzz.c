/* Any bytes as a journal; also with a sum that is right, or a fuzzer never gets past it.  What is
 * taken leads nowhere outside, and prints and reads the same again. */
#include <stdlib.h>
#include <string.h>

#include "codec/crc32c.h"
#include "target/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.9.4 forgets one block when it gives up on a text: fy_atom_format_text. */
const char *__lsan_default_suppressions(void)
{
	return "leak:fy_atom_iter_grow_chunk";
}

static void check_path(const char *path)
{
	if (path && (path[0] == '/' || strstr(path, "//") || !strcmp(path, "..") ||
			    !strncmp(path, "../", 3) || strstr(path, "/../")))
		abort();
}

static void one(struct str text)
{
	struct arena a = ARENA(256 << 20);
	CLEAN_BUF struct buf out = BUF(2 * JOURNAL_SIZE_MAX), again = BUF(2 * JOURNAL_SIZE_MAX);
	struct journal j = { 0 }, k = { 0 };
	struct err e = { 0 };

	if (journal_parse(&j, &a, text, &e)) {
		if (!e.text[0] || j.phase)
			abort();
	} else {
		for (size_t i = 0; i < j.n_items; i++) {
			check_path(j.items[i].path);
			check_path(j.items[i].staged);
			check_path(j.items[i].kept);
		}
		/* Texts with control characters are read, but never written. */
		if (!journal_print(&out, &j, &e) &&
			(journal_parse(&k, &a, buf_text(&out), &e) ||
				journal_print(&again, &k, &e) ||
				!str_equal(buf_text(&out), buf_text(&again))))
			abort();
	}
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEAN_BUF struct buf sealed = BUF(1 << 20);
	struct err e;

	if (size > 65536)
		return 0;
	one((struct str){ (const char *)data, size });
	if (!buf_add(&sealed, data, size, &e) &&
		!buf_print(
			&sealed, &e, "crc32c %08x\n", codec_crc32c(0, (struct span){ data, size })))
		one(buf_text(&sealed));
	return 0;
}
