#include "plan/token.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/sha256.h"

/* An edit that is added there has to be added here, or masters with different bytes could meet. */
_Static_assert(sizeof(struct etcd_edits) == 56, "every edit of the database enters the token");

enum { SHOWN = 12 }; /* digits */

static void add(struct codec_sha256 *sha, struct str text)
{
	codec_sha256_update(sha, (struct span){ (const uint8_t *)text.p, text.len });
}

static void add_number(struct codec_sha256 *sha, const char *what, uint64_t value, const char *end)
{
	char text[64];

	snprintf(text, sizeof text, "%s%" PRIu64 "%s", what, value, end);
	add(sha, str_from(text));
}

/* With its length in front no text can pass for another one. */
static void add_counted(struct codec_sha256 *sha, struct str text)
{
	add_number(sha, "", text.len, ":");
	add(sha, text);
}

static void add_hex(struct codec_sha256 *sha, const char *what, const uint8_t digest[32])
{
	char hex[65];

	codec_sha256_hex(hex, digest);
	add(sha, str_from(what));
	add(sha, str_from(hex));
	add(sha, STR("\n"));
}

static int by_bytes(const void *a, const void *b)
{
	return str_compare(str_from(*(const char *const *)a), str_from(*(const char *const *)b));
}

/* Order and repetition change nothing in the database. */
static void add_keys(struct codec_sha256 *sha, struct arena *a, const char *what,
	const char *const *keys, size_t n)
{
	const struct arena_mark mark = arena_mark(a);
	const char **v = arena_array(a, n + 1, sizeof *v);

	for (size_t i = 0; i < n; i++)
		v[i] = keys[i];
	qsort(v, n, sizeof *v, by_bytes);
	for (size_t i = 0; i < n; i++) {
		if (i && !by_bytes(&v[i - 1], &v[i]))
			continue;
		add(sha, str_from(what));
		add_counted(sha, str_from(v[i]));
		add(sha, STR("\n"));
	}
	arena_release(a, mark);
}

const char *plan_token(struct arena *a, const char *layout_token, const uint8_t snapshot_sha256[32],
	const struct etcd_edits *edits, uint64_t generation)
{
	uint8_t digest[CODEC_SHA256_SIZE];
	char hex[CODEC_SHA256_HEX];
	struct codec_sha256 sha;

	codec_sha256_init(&sha);
	add(&sha, STR("etcd-rescue token 1\n"));
	add_hex(&sha, "snapshot ", snapshot_sha256);
	add_keys(&sha, a, "drop-key ", edits->drop_keys, edits->n_drop_keys);
	add_keys(&sha, a, "drop-prefix ", edits->drop_prefixes, edits->n_drop_prefixes);
	add_number(&sha, "bump-revision ", edits->bump, "\n");
	add(&sha, edits->mark_compacted ? STR("mark-compacted\n") : STR(""));
	add(&sha, edits->drop_leases ? STR("drop-leases\n") : STR(""));
	add(&sha, edits->clear_alarms ? STR("clear-alarms\n") : STR(""));
	add(&sha, edits->fix_markers ? STR("fix-version-markers\n") : STR(""));
	if (generation > 1)
		add_number(&sha, "generation ", generation, "\n");
	codec_sha256_final(digest, &sha);
	codec_sha256_hex(hex, digest);
	return arena_print(a, "%s-%.*s", layout_token, SHOWN, hex);
}

static int by_name(const void *a, const void *b)
{
	const struct etcd_member *x = *(const struct etcd_member *const *)a;
	const struct etcd_member *y = *(const struct etcd_member *const *)b;

	return str_compare(x->name, y->name);
}

static void add_members(struct codec_sha256 *sha, const struct etcd_cluster *cluster)
{
	const struct etcd_member *v[ETCD_MEMBERS_MAX];
	const size_t n =
		cluster->n_members < ETCD_MEMBERS_MAX ? cluster->n_members : ETCD_MEMBERS_MAX;

	for (size_t i = 0; i < n; i++)
		v[i] = &cluster->members[i];
	qsort(v, n, sizeof *v, by_name);
	for (size_t i = 0; i < n; i++) {
		add(sha, STR("member "));
		add_counted(sha, v[i]->name);
		for (size_t j = 0; j < v[i]->n_urls; j++) {
			add(sha, j ? STR(",") : STR(" "));
			add_counted(sha, v[i]->urls[j]);
		}
		add(sha, STR("\n"));
	}
}

void plan_ready_digest(char hex[65], const struct plan_ready *clusters, size_t n)
{
	uint8_t digest[CODEC_SHA256_SIZE];
	struct codec_sha256 sha;

	codec_sha256_init(&sha);
	add(&sha, STR("etcd-rescue ready 1\n"));
	for (size_t i = 0; i < n; i++) {
		add_hex(&sha, "database ", clusters[i].database_sha256);
		add(&sha, STR("token "));
		add_counted(&sha, clusters[i].cluster->token);
		add_number(&sha, "\nbump-revision ", clusters[i].bump, "\n");
		add_members(&sha, clusters[i].cluster);
	}
	codec_sha256_final(digest, &sha);
	codec_sha256_hex(hex, digest);
}
