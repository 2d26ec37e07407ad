/* A damaged database is edited: no crash whatever it holds; and one that passes the check
 * passes it again afterwards, with the members it was given. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "bolt/check.h"
#include "dbfile.h"
#include "etcd/edit.h"
#include "etcd/status.h"

static const struct str urls[] = { { "http://127.0.0.1:2380", 21 } };
static const struct etcd_member members[] = { { 0x1234, { "a", 1 }, urls, 1 },
	{ 0x5678, { "b", 1 }, urls, 1 } };
static const struct etcd_cluster cluster = { 0x9abc, { "t", 1 }, members, 2 };

static void edit(int fd, uint64_t size, unsigned choice)
{
	static const char *const keys[] = { "k", "/registry/pods/a" }, *const prefixes[] = { "/",
		"k0" };
	const struct etcd_edits edits = { .cluster = choice & 1 ? &cluster : NULL,
		.bump = choice & 2 ? 1000 : 0,
		.mark_compacted = choice & 2,
		.fix_markers = choice & 4,
		.clear_alarms = choice & 8,
		.drop_leases = choice & 16,
		.drop_keys = keys,
		.n_drop_keys = choice & 32 ? 2 : 0,
		.drop_prefixes = prefixes,
		.n_drop_prefixes = choice & 64 ? 2 : 0 };
	struct arena arena = ARENA(64u << 20);
	struct etcd_edited edited;
	struct bolt_tally tally;
	struct etcd_status s;
	struct err e = { 0 }, ignored = { 0 };
	struct bolt_db db;

	if (bolt_db_open(&db, fd, size, &e))
		return;
	const bool sound = !bolt_check(&tally, &db, NULL, &ignored);
	if (!etcd_edits_apply(&edited, &db, &edits, NULL, &e) && sound) {
		if (bolt_db_open(&db, fd, (uint64_t)lseek(fd, 0, SEEK_END), &e) ||
			bolt_check(&tally, &db, NULL, &e))
			abort();
		if (!etcd_status_brief(&s, &arena, &db, &e) && choice & 1 &&
			(s.n_members != 2 || s.consistent_index != 2))
			abort();
	}
	arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (!len)
		return 0;
	CLOSE_FD int fd = dbfile_open(bytes, len - 1);

	if (fd >= 0)
		edit(fd, len - 1, bytes[len - 1]);
	return 0;
}
