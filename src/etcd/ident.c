#include "etcd/ident.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/span.h"
#include "codec/sha1.h"
#include "codec/text.h"
#include "etcd/peerurl.h"

/* What goes into a hash or an error text: 100 members with 100 URLs of 4 KiB would not
 * fit, but no command line brings that much either. */
enum { TEXT_MAX = 1 << 20 };

static int order_urls(const void *a, const void *b)
{
	return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static int order_members(const void *a, const void *b)
{
	const uint64_t x = ((const struct etcd_member *)a)->id;
	const uint64_t y = ((const struct etcd_member *)b)->id;

	return (x > y) - (x < y);
}

static struct str keep(struct arena *a, struct str s)
{
	return (struct str){ arena_copy(a, s), s.len };
}

struct etcd_id_text etcd_ident_text(uint64_t id)
{
	struct etcd_id_text t;

	snprintf(t.text, sizeof t.text, "%" PRIx64, id);
	return t;
}

const struct etcd_member *etcd_ident_find(const struct etcd_cluster *cluster, struct str name)
{
	for (size_t i = 0; i < cluster->n_members; i++) {
		if (str_equal(cluster->members[i].name, name))
			return &cluster->members[i];
	}
	return NULL;
}

/* The first eight bytes of the hash, as etcd cuts its ids. */
static uint64_t id_of(struct span bytes)
{
	uint8_t digest[CODEC_SHA1_SIZE];

	codec_sha1_of(digest, bytes);
	return be64(digest);
}

static int member_id(struct etcd_member *m, struct str token, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(TEXT_MAX);

	for (size_t i = 0; i < m->n_urls; i++) {
		if (buf_add_str(&text, m->urls[i], e))
			return e->code;
	}
	if (buf_add_str(&text, token, e))
		return e->code;
	m->id = id_of(buf_span(&text));
	return 0;
}

/* The --initial-cluster while it is read: names with the URLs found so far. */
struct entry {
	struct str name;
	struct str urls[ETCD_MEMBER_URLS_MAX];
	size_t n_urls;
};

struct map {
	struct entry *entries[ETCD_MEMBERS_MAX];
	size_t n;
};

static int map_add(struct map *map, struct arena *a, struct str item, struct err *e)
{
	struct str name, url;
	struct entry *entry = NULL;

	/* "name" without a URL counts as one with an empty URL, which then is refused. */
	str_cut(&name, &url, item, '=');
	for (size_t i = 0; i < map->n; i++) {
		if (str_equal(map->entries[i]->name, name))
			entry = map->entries[i];
	}
	if (!entry) {
		if (map->n == ETCD_MEMBERS_MAX)
			return err_set(e, ERR_USAGE, "--initial-cluster has more than %d members",
				ETCD_MEMBERS_MAX);
		map->entries[map->n++] = entry = arena_alloc(a, sizeof *entry);
		entry->name = keep(a, name);
	}
	if (entry->n_urls == ETCD_MEMBER_URLS_MAX)
		return err_set(e, ERR_USAGE, "%.*s has more than %d peer URLs", STR_ARG(name),
			ETCD_MEMBER_URLS_MAX);
	return etcd_peerurl_normalise(&entry->urls[entry->n_urls++], a, url, e);
}

static int map_parse(struct map *map, struct arena *a, struct str text, struct err *e)
{
	struct str item;

	map->n = 0;
	while (str_next(&item, &text, ',')) {
		if (item.len && map_add(map, a, item, e))
			return e->code;
	}
	for (size_t i = 0; i < map->n; i++)
		qsort(map->entries[i]->urls, map->entries[i]->n_urls, sizeof(struct str),
			order_urls);
	return 0;
}

/* A comma list; unlike in --initial-cluster an empty item is a wrong one. */
static int advertise_parse(struct entry *entry, struct arena *a, struct str text, struct err *e)
{
	struct str item, rest = text;
	bool more;

	do {
		more = str_cut(&item, &rest, rest, ',');
		if (entry->n_urls == ETCD_MEMBER_URLS_MAX)
			return err_set(e, ERR_USAGE,
				"--initial-advertise-peer-urls has more than %d URLs",
				ETCD_MEMBER_URLS_MAX);
		if (etcd_peerurl_normalise(&entry->urls[entry->n_urls++], a, item, e))
			return e->code;
	} while (more);
	qsort(entry->urls, entry->n_urls, sizeof(struct str), order_urls);
	return 0;
}

static bool has_url(const struct entry *entry, struct str url)
{
	for (size_t i = 0; i < entry->n_urls; i++) {
		if (str_equal(entry->urls[i], url))
			return true;
	}
	return false;
}

/* "name=url,name=url", or just the URLs when there is no name. */
static int list_urls(struct buf *out, const struct entry *entry, const struct entry *but,
	struct str name, struct err *e)
{
	for (size_t i = 0; i < entry->n_urls; i++) {
		if (but && has_url(but, entry->urls[i]))
			continue;
		if ((out->len && buf_add(out, ",", 1, e)) || buf_add_str(out, name, e) ||
			(name.len && buf_add(out, "=", 1, e)) ||
			buf_add_str(out, entry->urls[i], e))
			return e->code;
	}
	return 0;
}

/* etcd compares sets, and says which side lacks what (server/config/config.go). */
static int advertise_check(const struct entry *own, const struct entry *advertise, struct err *e)
{
	CLEAN_BUF struct buf missing = BUF(TEXT_MAX);
	CLEAN_BUF struct buf all = BUF(TEXT_MAX);
	bool equal = own->n_urls == advertise->n_urls;

	for (size_t i = 0; equal && i < own->n_urls; i++)
		equal = str_equal(own->urls[i], advertise->urls[i]);
	if (equal)
		return 0;
	if (list_urls(&missing, own, advertise, own->name, e) ||
		list_urls(&all, advertise, NULL, STR(""), e))
		return e->code;
	if (missing.len)
		return err_set(e, ERR_USAGE,
			"--initial-cluster has %.*s but missing from "
			"--initial-advertise-peer-urls=%.*s",
			STR_ARG(buf_text(&missing)), STR_ARG(buf_text(&all)));
	buf_clear(&all);
	if (list_urls(&missing, advertise, own, STR(""), e) ||
		list_urls(&all, own, NULL, own->name, e))
		return e->code;
	if (missing.len)
		return err_set(e, ERR_USAGE,
			"--initial-advertise-peer-urls has %.*s but missing from "
			"--initial-cluster=%.*s",
			STR_ARG(buf_text(&missing)), STR_ARG(buf_text(&all)));
	return err_set(e, ERR_USAGE,
		"a URL is given twice for %.*s in --initial-cluster or "
		"--initial-advertise-peer-urls",
		STR_ARG(own->name));
}

static int duplicates_check(const struct map *map, struct err *e)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct entry *entry = map->entries[i];

		for (size_t u = 0; u < entry->n_urls; u++) {
			bool again = u + 1 < entry->n_urls &&
				     str_equal(entry->urls[u], entry->urls[u + 1]);

			for (size_t j = 0; j < i; j++)
				again |= has_url(map->entries[j], entry->urls[u]);
			if (again)
				return err_set(e, ERR_USAGE,
					"initial cluster has duplicate url %.*s (%.*s)",
					STR_ARG(entry->urls[u]), STR_ARG(entry->name));
		}
	}
	return 0;
}

static int ids_compute(
	struct etcd_cluster *cluster, struct arena *a, const struct map *map, struct err *e)
{
	struct etcd_member *members = arena_array(a, map->n, sizeof *members);
	uint8_t ids[8 * ETCD_MEMBERS_MAX];

	for (size_t i = 0; i < map->n; i++) {
		const struct entry *entry = map->entries[i];

		members[i] = (struct etcd_member){ 0, entry->name, entry->urls, entry->n_urls };
		if (member_id(&members[i], cluster->token, e))
			return e->code;
		if (!members[i].id)
			return err_set(e, ERR_USAGE, "cannot use 0 as member id");
	}
	qsort(members, map->n, sizeof *members, order_members);
	for (size_t i = 0; i < map->n; i++) {
		if (i && members[i].id == members[i - 1].id)
			return err_set(e, ERR_USAGE,
				"member exists with identical ID %s: %.*s and %.*s",
				etcd_ident_text(members[i].id).text, STR_ARG(members[i - 1].name),
				STR_ARG(members[i].name));
		put_be64(ids + 8 * i, members[i].id);
	}
	cluster->members = members;
	cluster->n_members = map->n;
	cluster->id = id_of((struct span){ ids, 8 * map->n });
	return 0;
}

int etcd_ident_cluster(struct etcd_cluster *cluster, const struct etcd_member **own,
	struct arena *a, const struct etcd_restore_config *config, struct err *e)
{
	struct entry *advertise = arena_alloc(a, sizeof *advertise);
	struct etcd_cluster result = { .token = keep(a, config->token) };
	struct map map;
	const struct entry *mine = NULL;

	if (config->advertise.p && advertise_parse(advertise, a, config->advertise, e))
		return err_wrap(e, "--initial-advertise-peer-urls");
	if (map_parse(&map, a, config->initial_cluster, e))
		return err_wrap(e, "--initial-cluster");
	for (size_t i = 0; i < map.n; i++) {
		if (str_equal(map.entries[i]->name, config->name))
			mine = map.entries[i];
	}
	if (!mine)
		return err_set(e, ERR_USAGE,
			"couldn't find local name \"%.*s\" in the initial cluster configuration",
			STR_ARG(config->name));
	if ((config->advertise.p && advertise_check(mine, advertise, e)) ||
		duplicates_check(&map, e) || ids_compute(&result, a, &map, e))
		return e->code;
	*cluster = result;
	*own = etcd_ident_find(cluster, config->name);
	return 0;
}

static int add_urls(struct buf *out, const struct etcd_member *m, struct err *e)
{
	if (buf_add_str(out, STR("\"peerURLs\":["), e))
		return e->code;
	for (size_t i = 0; i < m->n_urls; i++) {
		if ((i && buf_add(out, ",", 1, e)) || codec_text_go_json(out, m->urls[i], e))
			return e->code;
	}
	return buf_add(out, "]", 1, e);
}

int etcd_ident_member_json(struct buf *out, const struct etcd_member *m, struct err *e)
{
	if (buf_print(out, e, "{\"id\":%" PRIu64 ",", m->id) || add_urls(out, m, e))
		return e->code;
	if (m->name.len &&
		(buf_add_str(out, STR(",\"name\":"), e) || codec_text_go_json(out, m->name, e)))
		return e->code;
	return buf_add(out, "}", 1, e);
}

int etcd_ident_attributes_json(struct buf *out, const struct etcd_member *m, struct err *e)
{
	if (buf_add(out, "{", 1, e) || add_urls(out, m, e))
		return e->code;
	return buf_add(out, "}", 1, e);
}
