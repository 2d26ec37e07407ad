/* A fake machine below a temporary directory, and all the ways a plan may come to it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/text.h"
#include "os/file.h"
#include "plan/delivery.h"

#define MAC "52:54:00:12:34:56"

/* A fake machine below a temporary directory, and a fake web and media beside it. */
static struct arena arena;
static char machine_path[64], medium_path[2][64];
static struct root machine = NO_ROOT;
static struct node_cmdline line;
static struct block blocks[3];
static struct block_part parts[1];
static struct delivery_from from;
static struct delivery d;
static struct err e;

static struct {
	const char *url, *body;
	size_t len;
} web[4];
static size_t n_fetched, n_opened;

static inline int fetch(void *ctx, struct buf *out, const char *url, struct err *why)
{
	(void)ctx;
	n_fetched++;
	for (size_t i = 0; i < sizeof web / sizeof *web; i++) {
		if (web[i].url && !strcmp(web[i].url, url))
			return buf_add(out, web[i].body, web[i].len, why);
	}
	return err_set(why, ERR_NOTFOUND, "%s: 404", url);
}

static inline int open_volume(void *ctx, struct root *volume, const char *device,
	enum superblock_kind kind, struct err *why)
{
	(void)ctx;
	n_opened++;
	assert_int_not_equal(kind, SUPERBLOCK_NONE);
	return root_open(volume, medium_path[!strcmp(device, "sdb1")], why);
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int set_up(void **state)
{
	(void)state;
	arena = ARENA(64 << 20);
	strcpy(machine_path, "/tmp/etcd-rescue-test-XXXXXX");
	strcpy(medium_path[0], "/tmp/etcd-rescue-test-XXXXXX");
	strcpy(medium_path[1], "/tmp/etcd-rescue-test-XXXXXX");
	if (!mkdtemp(machine_path) || !mkdtemp(medium_path[0]) || !mkdtemp(medium_path[1]) ||
		root_open(&machine, machine_path, &e))
		return -1;
	memset(&line, 0, sizeof line);
	memset(blocks, 0, sizeof blocks);
	memset(web, 0, sizeof web);
	n_fetched = n_opened = 0;
	from = (struct delivery_from){ .arena = &arena,
		.root = &machine,
		.line = &line,
		.fetch = fetch,
		.open_volume = open_volume,
		.facts = { .mac = MAC, .serial = "B5/2" } };
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	root_close(&machine);
	nftw(machine_path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	nftw(medium_path[0], remove_one, 8, FTW_DEPTH | FTW_PHYS);
	nftw(medium_path[1], remove_one, 8, FTW_DEPTH | FTW_PHYS);
	arena_free(&arena);
	return 0;
}

/* A file below `base`, with the directories it needs. */
static inline void put(const char *base, const char *path, const void *bytes, size_t len)
{
	char full[512];

	snprintf(full, sizeof full, "%s/%s", base, path);
	for (char *p = full + strlen(base) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(full, 0755);
		*p = '/';
	}
	const int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static inline void put_text(const char *path, const char *text)
{
	put(machine_path, path, text, strlen(text));
}

static inline const char *golden(size_t *len, const char *name)
{
	CLEAN_BUF struct buf b = BUF(1 << 20);
	CLEAN_ROOT struct root root = NO_ROOT;

	if (root_open(&root, "../tests/golden/signature", &e) || file_read(&b, &root, name, &e))
		fail_msg("%s", e.text);
	*len = b.len;
	return arena_copy(&arena, buf_text(&b));
}

static inline void put_golden(const char *base, const char *path, const char *name)
{
	size_t len;
	const char *bytes = golden(&len, name);

	put(base, path, bytes, len);
}

static inline void serve(size_t at, const char *url, const char *body)
{
	web[at].url = url;
	web[at].body = body;
	web[at].len = strlen(body);
}

static inline void serve_golden(size_t at, const char *url, const char *name)
{
	web[at].url = url;
	web[at].body = golden(&web[at].len, name);
}

static inline void optical(const char *label)
{
	blocks[0] = (struct block){ .name = "sr0", .optical = true, .size = 40 << 20 };
	blocks[0].content.kind = SUPERBLOCK_ISO9660;
	snprintf(blocks[0].content.label, sizeof blocks[0].content.label, "%s", label);
	from.blocks = blocks;
	from.n_blocks = 1;
}

static inline void stick(const char *transport, uint64_t size, const char *label)
{
	parts[0] = (struct block_part){ .name = "sdb1", .size = size };
	parts[0].content.kind = SUPERBLOCK_VFAT;
	snprintf(parts[0].content.label, sizeof parts[0].content.label, "%s", label);
	blocks[1] = (struct block){
		.name = "sdb", .transport = transport, .size = size, .parts = parts, .n_parts = 1
	};
	from.blocks = blocks;
	from.n_blocks = 2;
}

static inline void smbios(const char *const *texts)
{
	CLEAN_BUF struct buf raw = BUF(1 << 20);

	buf_add(&raw, "\x0b\x05\x00\x0b\x02", 5, &e);
	for (; *texts; texts++)
		buf_add(&raw, *texts, strlen(*texts) + 1, &e);
	buf_add(&raw, "", 1, &e);
	put(machine_path, "sys/firmware/dmi/entries/11-0/raw", raw.p, raw.len);
}

static inline void lease(const char *url)
{
	CLEAN_BUF struct buf text = BUF(4096);

	buf_print(&text, &e, "ip=192.0.2.7\nopt224=");
	codec_text_hex(&text, (struct span){ (const uint8_t *)url, strlen(url) }, &e);
	buf_print(&text, &e, "\nhostname=node7\n");
	put(machine_path, "run/etcd-rescue/net/eth0.lease", text.p, text.len);
}

static inline void taken(enum delivery_way way, const char *source)
{
	if (delivery_find(&d, &from, &e))
		fail_msg("%s", e.text);
	assert_int_equal(d.way, way);
	assert_string_equal(d.plan.source, source);
	assert_int_equal(d.places[way].state, DELIVERY_TAKEN);
}

static inline void ends_with(int code, const char *text)
{
	assert_int_equal(delivery_find(&d, &from, &e), code);
	assert_string_equal(e.text, text);
}

#define FW_CFG "sys/firmware/qemu_fw_cfg/by_name/opt/etcd-rescue/"

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
