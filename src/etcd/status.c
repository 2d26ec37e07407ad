#include "etcd/status.h"

#include <inttypes.h>

#include "codec/crc32c.h"
#include "codec/doc.h"
#include "codec/pb.h"
#include "etcd/keyset.h"
#include "etcd/kv.h"
#include "etcd/schema.h"

/* At 14 to 21 bytes a key: 2.3 million keys are counted in one walk. */
enum { KEYS_BOUND = 48 * 1024 * 1024 };

struct reading {
	struct etcd_status *s;
	struct arena *a;
	struct etcd_known_member **last_member;
	struct etcd_removed **last_removed;
	struct etcd_alarm **last_alarm;
	struct etcd_keyset live;
};

static struct str text_of(struct span s)
{
	return (struct str){ (const char *)s.p, s.len };
}

static struct str keep(struct arena *a, struct span s)
{
	return (struct str){ arena_copy(a, text_of(s)), s.len };
}

static struct str join_urls(struct arena *a, const struct doc_node *list)
{
	const char *text = "";

	for (const struct doc_node *n = list ? list->first : NULL; n; n = n->next)
		text = arena_print(a, "%s%s%.*s", text, *text ? "," : "", STR_ARG(n->text));
	return str_from(text);
}

static int read_member(struct reading *r, struct span key, struct span value, struct err *e)
{
	struct etcd_known_member *m = arena_alloc(r->a, sizeof *m);
	struct doc doc;

	if (!str_u64(&m->id, text_of(key), 16, UINT64_MAX))
		return err_set(
			e, ERR_FORMAT, "'%.*s' is no member id", (int)key.len, (const char *)key.p);
	if (doc_parse(&doc, r->a, text_of(value), "member", DOC_JSON, DOC_LIMITS, e))
		return err_wrap(e, "member %" PRIx64, m->id);
	const struct doc_node *name = doc_get(doc.root, "name");
	const struct doc_node *learner = doc_get(doc.root, "isLearner");
	m->name = name ? name->text : STR("");
	m->urls = join_urls(r->a, doc_get(doc.root, "peerURLs"));
	m->client_urls = join_urls(r->a, doc_get(doc.root, "clientURLs"));
	m->learner = learner && str_is(learner->text, "true");
	r->s->n_members++;
	r->s->n_learners += m->learner;
	*r->last_member = m;
	r->last_member = &m->next;
	return 0;
}

static int read_alarm(struct reading *r, struct span key, struct err *e)
{
	struct etcd_alarm *alarm = arena_alloc(r->a, sizeof *alarm);
	struct cursor in = { .in = key };
	struct codec_pb_field f;

	for (;;) {
		if (codec_pb_next(&f, &in, e))
			return err_wrap(e, "alarm");
		if (!f.number)
			break;
		if (f.number == 1)
			alarm->member = f.value;
		if (f.number == 2)
			alarm->kind = (int)(f.value & 0xFF);
	}
	r->s->n_alarms++;
	*r->last_alarm = alarm;
	r->last_alarm = &alarm->next;
	return 0;
}

static int read_meta(struct reading *r, struct span key, struct span value, struct err *e)
{
	struct etcd_status *s = r->s;
	const bool index = span_equal(key, ETCD_META_INDEX);

	if (index || span_equal(key, ETCD_META_TERM)) {
		if (value.len != 8)
			return err_set(e, ERR_FORMAT, "%.*s has %zu bytes, not 8", (int)key.len,
				(const char *)key.p, value.len);
		*(index ? &s->consistent_index : &s->term) = be64(value.p);
	} else if (span_equal(key, ETCD_META_STORAGE)) {
		s->storage_version = keep(r->a, value);
	} else if (span_equal(key, ETCD_META_CONFSTATE)) {
		s->confstate = keep(r->a, value);
	} else if (span_equal(key, ETCD_META_SCHEDULED) || span_equal(key, ETCD_META_FINISHED)) {
		struct etcd_rev rev;
		if (etcd_rev_parse(&rev, value, e))
			return err_wrap(e, "%.*s", (int)key.len, (const char *)key.p);
		if (rev.main > s->compacted)
			s->compacted = rev.main;
	}
	return 0;
}

static int read_small(
	struct reading *r, struct span bucket, struct span key, struct span value, struct err *e)
{
	struct etcd_status *s = r->s;

	if (span_equal(bucket, ETCD_META))
		return read_meta(r, key, value, e);
	if (span_equal(bucket, ETCD_MEMBERS))
		return read_member(r, key, value, e);
	if (span_equal(bucket, ETCD_ALARM))
		return read_alarm(r, key, e);
	if (span_equal(bucket, ETCD_MEMBERS_REMOVED)) {
		struct etcd_removed *gone = arena_alloc(r->a, sizeof *gone);
		gone->id = keep(r->a, key);
		s->n_removed++;
		*r->last_removed = gone;
		r->last_removed = &gone->next;
	} else if (span_equal(bucket, ETCD_CLUSTER)) {
		if (span_equal(key, ETCD_CLUSTER_VERSION))
			s->cluster_version = keep(r->a, value);
		else if (span_equal(key, ETCD_CLUSTER_DOWN))
			s->downgrade = keep(r->a, value);
	} else if (span_equal(bucket, ETCD_AUTH)) {
		if (span_equal(key, ETCD_AUTH_ENABLED))
			s->auth_enabled = value.len && value.p[0] == 1;
	} else if (span_equal(bucket, ETCD_LEASE)) {
		s->leases++;
	} else if (span_equal(bucket, ETCD_AUTH_USERS)) {
		s->users++;
	} else if (span_equal(bucket, ETCD_AUTH_ROLES)) {
		s->roles++;
	}
	return 0;
}

/* A put makes a key live, a tombstone ends it; revisions come in order. */
static int count_live(struct reading *r, struct etcd_rev rev, struct span value, struct err *e)
{
	struct etcd_kv kv;

	if (etcd_kv_parse(&kv, value, e))
		return err_wrap(e, "revision %" PRId64, rev.main);
	if (rev.tombstone)
		etcd_keyset_remove(&r->live, kv.key);
	else
		etcd_keyset_add(&r->live, kv.key);
	return 0;
}

static int on_bucket(void *ctx, struct span name, struct err *e)
{
	struct reading *r = ctx;

	(void)e;
	r->s->hash = codec_crc32c(r->s->hash, name);
	return 0;
}

static int on_entry(
	void *ctx, struct span bucket, struct span key, struct span value, struct err *e)
{
	struct reading *r = ctx;
	struct etcd_rev rev;

	r->s->entries++;
	/* The value stands right behind the key. */
	if (value.p)
		r->s->hash = codec_crc32c(r->s->hash, (struct span){ key.p, key.len + value.len });
	else
		r->s->hash = codec_crc32c(r->s->hash, key);
	if (!span_equal(bucket, ETCD_KEY))
		return read_small(r, bucket, key, value, e);
	if (etcd_rev_parse(&rev, key, e))
		return e->code;
	r->s->revision = rev.main;
	return count_live(r, rev, value, e);
}

static int on_key_again(
	void *ctx, struct span bucket, struct span key, struct span value, struct err *e)
{
	struct etcd_rev rev;

	(void)bucket;
	if (etcd_rev_parse(&rev, key, e))
		return e->code;
	return count_live(ctx, rev, value, e);
}

static int on_small_entry(
	void *ctx, struct span bucket, struct span key, struct span value, struct err *e)
{
	return read_small(ctx, bucket, key, value, e);
}

static struct reading begin(struct etcd_status *s, struct arena *a, const struct bolt_db *db)
{
	*s = (struct etcd_status){ .size = db->meta.pgid * db->meta.page_size };
	return (struct reading){ s, a, &s->members, &s->removed, &s->alarms,
		etcd_keyset_new(KEYS_BOUND) };
}

int etcd_status_read(
	struct etcd_status *status, struct arena *a, const struct bolt_db *db, struct err *e)
{
	struct etcd_status s;
	struct reading r = begin(&s, a, db);
	const struct bolt_visitor all = { on_bucket, on_entry, &r };
	const struct bolt_visitor again = { NULL, on_key_again, &r };

	if (bolt_check(&s.tally, db, &all, e))
		goto out;
	s.live_keys = r.live.count;
	while (etcd_keyset_next_part(&r.live)) {
		if (bolt_walk_bucket(db, ETCD_KEY, &again, e))
			goto out;
		s.live_keys += r.live.count;
	}
	*status = s;
out:
	etcd_keyset_free(&r.live);
	return e->code;
}

int etcd_status_brief(
	struct etcd_status *status, struct arena *a, const struct bolt_db *db, struct err *e)
{
	static const char *const small[] = { "alarm", "auth", "cluster", "members",
		"members_removed", "meta" };
	struct etcd_status s;
	struct reading r = begin(&s, a, db);
	const struct bolt_visitor visitor = { NULL, on_small_entry, &r };
	struct etcd_revisions revisions;

	for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
		const struct str name = str_from(small[i]);
		const struct span bucket = { (const uint8_t *)name.p, name.len };
		if (bolt_walk_bucket(db, bucket, &visitor, e))
			return e->code;
	}
	if (etcd_revisions_read(&revisions, db, e))
		return e->code;
	s.revision = revisions.last.main;
	*status = s;
	return 0;
}

const char *etcd_alarm_word(int kind)
{
	return kind == 1 ? "NOSPACE" : kind == 2 ? "CORRUPT" : "UNKNOWN";
}
