#include "etcd/v2store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/text.h"

enum { HISTORY = 1000 }; /* store.go: newWatchHub(1000) */

/* A node up to its value or children; `created` and `modified` are always equal here. */
static int open_node(struct buf *out, struct err *e, const char *path, uint64_t created)
{
	return buf_print(out, e,
		"{\"Path\":\"%s\",\"CreatedIndex\":%" PRIu64 ",\"ModifiedIndex\":%" PRIu64
		",\"ExpireTime\":\"0001-01-01T00:00:00Z\",\"Value\":",
		path, created, created);
}

static int open_directory(struct buf *out, struct err *e, const char *path, uint64_t created)
{
	return open_node(out, e, path, created) ? e->code
						: buf_add_str(out, STR("\"\",\"Children\":{"), e);
}

/* The attributes as a JSON text inside JSON: escaped twice. */
static int put_attributes(struct buf *out, const struct etcd_member *m, struct err *e)
{
	CLEAN_BUF struct buf inner = BUF(1 << 20);

	if (etcd_ident_attributes_json(&inner, m, e))
		return e->code;
	return codec_text_go_json(out, buf_text(&inner), e);
}

static int put_member(struct buf *out, const struct etcd_member *m, uint64_t index, struct err *e)
{
	const struct etcd_id_text id = etcd_ident_text(m->id);
	char path[64];

	snprintf(path, sizeof path, "/0/members/%s", id.text);
	if (buf_print(out, e, "\"%s\":", id.text) || open_directory(out, e, path, index))
		return e->code;
	snprintf(path, sizeof path, "/0/members/%s/raftAttributes", id.text);
	if (buf_add_str(out, STR("\"raftAttributes\":"), e) || open_node(out, e, path, index) ||
		put_attributes(out, m, e))
		return e->code;
	return buf_add_str(out, STR(",\"Children\":null}}}"), e);
}

static int put_event(struct buf *out, const struct etcd_member *m, uint64_t index, struct err *e)
{
	if (buf_print(out, e,
		    "{\"action\":\"create\",\"node\":{\"key\":\"/0/members/%s/raftAttributes\","
		    "\"value\":",
		    etcd_ident_text(m->id).text) ||
		put_attributes(out, m, e))
		return e->code;
	return buf_print(out, e, ",\"modifiedIndex\":%" PRIu64 ",\"createdIndex\":%" PRIu64 "}}",
		index, index);
}

/* Go sorts the keys of a map as text, so "ab" comes before "b" though it is greater. */
static int order_texts(const void *a, const void *b)
{
	const struct etcd_member *const *x = a, *const *y = b;

	return strcmp(etcd_ident_text((*x)->id).text, etcd_ident_text((*y)->id).text);
}

static int put_tree(struct buf *out, const struct etcd_cluster *cluster, struct err *e)
{
	const struct etcd_member *sorted[ETCD_MEMBERS_MAX] = { NULL };

	for (size_t i = 0; i < cluster->n_members; i++)
		sorted[i] = &cluster->members[i];
	qsort(sorted, cluster->n_members, sizeof *sorted, order_texts);
	if (open_directory(out, e, "/", 0) || buf_add_str(out, STR("\"0\":"), e) ||
		open_directory(out, e, "/0", 0) || buf_add_str(out, STR("\"members\":"), e) ||
		/* Made on the way by the first member's creation. */
		open_directory(out, e, "/0/members", 1))
		return e->code;
	for (size_t i = 0; i < cluster->n_members; i++) {
		const uint64_t index = (uint64_t)(sorted[i] - cluster->members) + 1;

		if ((i && buf_add(out, ",", 1, e)) || put_member(out, sorted[i], index, e))
			return e->code;
	}
	if (buf_add_str(out, STR("}}}},\"1\":"), e) || open_directory(out, e, "/1", 0))
		return e->code;
	return buf_add_str(out, STR("}}}}"), e);
}

static int put_history(struct buf *out, const struct etcd_cluster *cluster, struct err *e)
{
	const size_t n = cluster->n_members;

	if (buf_add_str(out, STR("{\"EventHistory\":{\"Queue\":{\"Events\":["), e))
		return e->code;
	for (size_t i = 0; i < HISTORY; i++) {
		if ((i && buf_add(out, ",", 1, e)) ||
			(i < n ? put_event(out, &cluster->members[i], i + 1, e)
			       : buf_add_str(out, STR("null"), e)))
			return e->code;
	}
	return buf_print(out, e,
		"],\"Size\":%zu,\"Front\":0,\"Back\":%zu,\"Capacity\":%d},\"StartIndex\":1,"
		"\"LastIndex\":%zu}}",
		n, n, HISTORY, n);
}

int etcd_v2store_dump(struct buf *out, const struct etcd_cluster *cluster, struct err *e)
{
	if (buf_add_str(out, STR("{\"Root\":"), e) || put_tree(out, cluster, e) ||
		buf_add_str(out, STR(",\"WatcherHub\":"), e) || put_history(out, cluster, e))
		return e->code;
	return buf_print(out, e,
		",\"CurrentIndex\":%zu,\"Stats\":{\"getsSuccess\":0,\"getsFail\":0,"
		"\"setsSuccess\":0,\"setsFail\":0,\"deleteSuccess\":0,\"deleteFail\":0,"
		"\"updateSuccess\":0,\"updateFail\":0,\"createSuccess\":%zu,\"createFail\":0,"
		"\"compareAndSwapSuccess\":0,\"compareAndSwapFail\":0,"
		"\"compareAndDeleteSuccess\":0,\"compareAndDeleteFail\":0,\"expireCount\":0,"
		"\"watchers\":0},\"CurrentVersion\":2}",
		cluster->n_members, cluster->n_members);
}
