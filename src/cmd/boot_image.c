/* Did all of the image arrive?  Boot loaders and BMCs cut large images without a word, and
 * the kernel unpacks what it got, or as much of it as memory holds, likewise without one. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/monotonic.h"
#include "cmd/boot.h"
#include "codec/sha256.h"
#include "codec/text.h"
#include "os/file.h"

enum { MANIFEST_MAX = 4 * 1024 * 1024, BLOCK = 128 * 1024 };

static const char manifest_path[] = "etc/etcd-rescue/manifest";

/* These are rewritten while the image runs: by /init and by the DHCP client. */
static bool is_rewritten(struct str path)
{
	return str_is(path, "etc/shadow") || str_is(path, "etc/resolv.conf");
}

static int hash_file(uint8_t digest[CODEC_SHA256_SIZE], uint64_t *bytes, const struct root *root,
	const char *path, struct err *e)
{
	static uint8_t block[BLOCK];
	CLOSE_FD int fd = -1;
	struct codec_sha256 sha;

	if (root_open_at(&fd, root, path, O_RDONLY, e))
		return e->code;
	codec_sha256_init(&sha);
	for (;;) {
		size_t got;
		if (file_read_some(&got, fd, block, sizeof block, e))
			return err_wrap(e, "%s", path);
		if (!got)
			break;
		codec_sha256_update(&sha, (struct span){ block, got });
		*bytes += got;
	}
	codec_sha256_final(digest, &sha);
	return 0;
}

/* "9f86d081...  lib/modules/x.ko.xz", as sha256sum prints it. */
static int check_line(struct boot *b, struct str line, struct err *e)
{
	CLEAN_BUF struct buf wanted = BUF(CODEC_SHA256_SIZE);
	uint8_t digest[CODEC_SHA256_SIZE];
	struct str hex, rest;
	struct boot_image *image = &b->image;

	if (!str_cut(&hex, &rest, line, ' ') || hex.len != 64 ||
		codec_text_unhex(&wanted, hex, e) || rest.len < 2)
		return err_set(
			e, ERR_FORMAT, "line %zu is no checksum and path", image->n_files + 1);
	/* A blank, or '*' for binary, stands in front of the path, and may be the root's slash. */
	struct str path = { rest.p + 1, rest.len - 1 };
	if (str_starts(path, STR("/")))
		path = (struct str){ path.p + 1, path.len - 1 };
	image->n_files++;
	if (is_rewritten(path))
		return 0;
	const char *name = arena_copy(b->arena, path);
	if (hash_file(digest, &image->bytes, b->root, name, e)) {
		if (!image->n_missing++)
			image->first_missing = name;
	} else if (memcmp(digest, wanted.p, sizeof digest)) {
		if (!image->n_changed++)
			image->first_changed = name;
	}
	return 0;
}

static void say_incomplete(const struct boot *b)
{
	const struct boot_image *image = &b->image;
	uint64_t total, available;

	if (image->n_missing)
		event_failed(b->listener, "image",
			arena_print(b->arena,
				"this image arrived incomplete: %zu of %zu files are missing, "
				"first /%s",
				image->n_missing, image->n_files, image->first_missing));
	if (image->n_changed)
		event_failed(b->listener, "image",
			arena_print(b->arena,
				"this image arrived damaged: %zu of %zu files are not what was "
				"built, first /%s",
				image->n_changed, image->n_files, image->first_changed));
	system_memory(&total, &available, b->root);
	/* The kernel unpacks into half of the memory and drops what does not fit. */
	if (total && total < (uint64_t)256 * 1024 * 1024)
		event_info(b->listener, "image",
			"the machine has %ju MB of memory, which may be too little to unpack it: "
			"give it 256 MB or more, then boot again",
			(uintmax_t)(total / (1024 * 1024)));
	else
		event_info(b->listener, "image",
			"boot it again; if this comes back, write the medium anew, compare it "
			"with SHA256SUMS, or boot the same image another way (CD, USB, network)");
}

void boot_check_image(struct boot *b)
{
	CLEAN_BUF struct buf manifest = BUF(MANIFEST_MAX);
	const int64_t started = monotonic_ms();
	struct err e = { 0 };
	struct str line;

	if (file_read(&manifest, b->root, manifest_path, &e)) {
		b->image.state = IMAGE_NONE;
		/* On a host there is nothing to check; in the image the list itself is lost. */
		if (!b->dry) {
			b->image.state = IMAGE_UNKNOWN;
			event_failed(b->listener, "image",
				"this image arrived incomplete: its list of files "
				"(/etc/etcd-rescue/manifest) is missing; boot it again or from "
				"another medium");
		}
		return;
	}
	event_step(b->listener, "image", "is all of this image here?");
	struct str rest = buf_text(&manifest);
	while (str_next(&line, &rest, '\n')) {
		if (check_line(b, line, &e)) {
			b->image.state = IMAGE_UNKNOWN;
			event_failed(b->listener, "image",
				arena_print(b->arena, "/%s: %s", manifest_path, e.text));
			return;
		}
	}
	b->image.took_ms = (unsigned)(monotonic_ms() - started);
	const bool whole = b->image.n_files && !b->image.n_missing && !b->image.n_changed;
	b->image.state = whole ? IMAGE_COMPLETE : IMAGE_INCOMPLETE;
	if (!whole) {
		say_incomplete(b);
		return;
	}
	event_done(b->listener, "image",
		arena_print(b->arena, "complete: %zu files, %ju.%ju MB, checked in %u ms",
			b->image.n_files, (uintmax_t)(b->image.bytes / 1000000),
			(uintmax_t)(b->image.bytes / 100000 % 10), b->image.took_ms));
}

void boot_check_memory(struct boot *b)
{
	uint64_t total, available;

	system_memory(&total, &available, b->root);
	if (!available || b->memory == MEMORY_LOW)
		return;
	if (available >= BOOT_MEMORY_NEEDED) {
		if (b->memory == MEMORY_NOT_ASKED)
			event_info(b->listener, "memory",
				"%ju MB of %ju MB are free, a restore takes %d MB",
				(uintmax_t)(available >> 20), (uintmax_t)(total >> 20),
				BOOT_MEMORY_NEEDED >> 20);
		b->memory = MEMORY_ENOUGH;
		return;
	}
	b->memory = MEMORY_LOW;
	event_warning(b->listener, "memory",
		"only %ju MB of %ju MB are free and a restore takes %d MB: give the machine more "
		"memory, or boot without firmware.img",
		(uintmax_t)(available >> 20), (uintmax_t)(total >> 20), BOOT_MEMORY_NEEDED >> 20);
}
