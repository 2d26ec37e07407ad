#include "etcd/examine.h"

#include <pthread.h>

#include "os/file.h"

struct verifying {
	struct etcd_snapshot_file *s;
	const struct listener *listener;
	struct err e;
};

static void *verify(void *ctx)
{
	struct verifying *v = ctx;

	etcd_snapshot_verify(v->s, v->listener, &v->e);
	return NULL;
}

int etcd_examine(struct etcd_status *status, struct etcd_snapshot_file *s, struct arena *a,
	const struct listener *listener, struct err *e)
{
	struct verifying v = { .s = s, .listener = listener };
	struct bolt_db db = s->db;
	struct err other = { 0 };
	pthread_t thread;

	/* What the hashing has not brought into the cache yet, the walk asks for itself. */
	db.ahead = !file_is_cached(s->fd, s->size);
	if (s->trailer == ETCD_TRAILER_NONE || pthread_create(&thread, NULL, verify, &v)) {
		if (etcd_snapshot_verify(s, listener, e))
			return e->code;
		return etcd_status_read(status, a, &db, e);
	}
	etcd_status_read(status, a, &db, &other);
	pthread_join(thread, NULL);
	if (!v.e.code)
		etcd_snapshot_was_damaged(&other);
	if (v.e.code || other.code)
		*e = v.e.code ? v.e : other;
	return e->code;
}
