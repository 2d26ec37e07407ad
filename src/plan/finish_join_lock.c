#include "plan/finish_join_lock.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/monotonic.h"
#include "codec/doc.h"
#include "codec/json.h"
#include "codec/text.h"
#include "os/file.h"

enum { ANSWER_MAX = 1 << 20, BODY_MAX = 64 << 10, BOOT = 64, DROP_MS = 5000 };

static void read_boot(char boot[BOOT])
{
	CLEAN_ROOT struct root machine = NO_ROOT;
	struct err none = { 0 };

	*boot = 0;
	if (!root_open(&machine, "/", &none))
		file_read_line(boot, BOOT, &machine, "proc/sys/kernel/random/boot_id");
	if (!*boot)
		memcpy(boot, "-", sizeof "-");
}

bool join_lock_is_dead(const char *held, const char *name)
{
	struct str rest = str_from(held), who, when, pid;
	char boot[BOOT];
	uint64_t number;

	read_boot(boot);
	return str_word(&who, &rest) && str_word(&when, &rest) && str_word(&pid, &rest) &&
	       str_is(who, name) && str_is(when, boot) && strcmp(boot, "-") &&
	       str_u64(&number, pid, 10, INT_MAX) && number > 1 && (pid_t)number != getpid() &&
	       kill((pid_t)number, 0) && errno == ESRCH;
}

static void key_base64(struct json *j, const char *key, const char *text)
{
	CLEAN_BUF struct buf out = BUF(BODY_MAX);
	const struct str s = str_from(text);

	if (codec_text_base64(&out, (struct span){ (const uint8_t *)s.p, s.len }, &j->e))
		return;
	json_key_str(j, key, buf_text(&out));
}

static void key_decimal(struct json *j, struct arena *a, const char *key, uint64_t v)
{
	json_key_text(j, key, arena_print(a, "%" PRIu64, v));
}

/* `instead` NULL: if nobody has it; else if it is what stands there. */
static int transaction(struct buf *body, struct arena *a, const char *instead, const char *value,
	uint64_t lease, struct err *e)
{
	struct json j = JSON(body);

	json_open(&j, '{');
	json_key(&j, "compare");
	json_open(&j, '[');
	json_open(&j, '{');
	key_base64(&j, "key", JOIN_LOCK_KEY);
	json_key_text(&j, "result", "EQUAL");
	json_key_text(&j, "target", instead ? "VALUE" : "CREATE");
	if (instead)
		key_base64(&j, "value", instead);
	else
		json_key_text(&j, "createRevision", "0");
	json_close(&j, '}');
	json_close(&j, ']');
	json_key(&j, "success");
	json_open(&j, '[');
	json_open(&j, '{');
	json_key(&j, "requestPut");
	json_open(&j, '{');
	key_base64(&j, "key", JOIN_LOCK_KEY);
	key_base64(&j, "value", value);
	key_decimal(&j, a, "lease", lease);
	json_close(&j, '}');
	json_close(&j, '}');
	json_close(&j, ']');
	json_key(&j, "failure");
	json_open(&j, '[');
	json_open(&j, '{');
	json_key(&j, "requestRange");
	json_open(&j, '{');
	key_base64(&j, "key", JOIN_LOCK_KEY);
	json_close(&j, '}');
	json_close(&j, '}');
	json_close(&j, ']');
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(body, "", 1, e);
}

int join_lock_judge(const char **held, struct arena *a, struct str answer, struct err *e)
{
	CLEAN_BUF struct buf value = BUF(BODY_MAX);
	struct err none = { 0 };
	struct doc doc;

	if (doc_parse(&doc, a, answer, "lock", DOC_JSON, DOC_LIMITS, e))
		return e->code;
	*held = NULL;
	if (str_is(doc_text(doc.root, "succeeded"), "true"))
		return 0;
	if (!doc_get(doc.root, "header"))
		return err_set(e, ERR_FORMAT, "etcd does not say what became of the lock");
	const struct doc_node *kv = doc_find(doc.root, "/responses/0/response_range/kvs/0");
	if (!kv)
		kv = doc_find(doc.root, "/responses/0/responseRange/kvs/0");
	/* It went between comparing and reading: nobody's, at the next try. */
	if (codec_text_unbase64(&value, doc_text(kv, "value"), &none))
		return err_set(e, ERR_FORMAT, "the lock holds what is no text");
	*held = arena_copy(a, buf_text(&value));
	return 0;
}

static int grant(struct join_lock *lock, struct finish_etcd *s, struct arena *a, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(ANSWER_MAX);
	struct doc doc;

	if (lock->lease)
		return 0;
	if (finish_etcd_call(&out, s, a, "/lease/grant",
		    arena_print(a, "{\"TTL\":\"%d\"}", JOIN_LOCK_S), e) ||
		doc_parse(&doc, a, buf_text(&out), "lease", DOC_JSON, DOC_LIMITS, e))
		return e->code;
	if (!str_u64(&lock->lease, doc_text(doc.root, "ID"), 10, INT64_MAX) || !lock->lease)
		return err_set(e, ERR_FORMAT, "etcd gives no lease");
	lock->kept_ms = monotonic_ms();
	return 0;
}

static int compare(const char **held, struct join_lock *lock, struct finish_etcd *s,
	struct arena *a, const char *instead, const char *value, struct err *e)
{
	CLEAN_BUF struct buf body = BUF(BODY_MAX), out = BUF(ANSWER_MAX);

	if (transaction(&body, a, instead, value, lock->lease, e) ||
		finish_etcd_call(&out, s, a, "/kv/txn", (const char *)body.p, e))
		return e->code;
	return join_lock_judge(held, a, buf_text(&out), e);
}

int join_lock_take(struct join_lock *lock, struct finish_etcd *s, struct arena *a, const char *name,
	struct err *e)
{
	char boot[BOOT];
	const char *held;

	if (lock->held)
		return 0;
	read_boot(boot);
	const char *value = arena_print(a, "%s %s %ld", name, boot, (long)getpid());
	if (grant(lock, s, a, e) || compare(&held, lock, s, a, NULL, value, e))
		goto out;
	/* Ours when the answer to an earlier try was lost on the way; it would go with its lease.
	 */
	if (held && (!strcmp(held, value) || join_lock_is_dead(held, name)) &&
		compare(&held, lock, s, a, held, value, e))
		goto out;
	if (held) {
		struct str who, rest;
		str_cut(&who, &rest, str_from(held), ' ');
		err_set(e, ERR_DECLINED, "%.*s joins just now, and one does at a time",
			STR_ARG(who));
		goto out;
	}
	lock->held = true;
	return 0;
out:
	join_lock_drop(lock, s, a);
	return e->code;
}

int join_lock_keep(struct join_lock *lock, struct finish_etcd *s, struct arena *a, struct err *e)
{
	CLEAN_BUF struct buf out = BUF(ANSWER_MAX);
	uint64_t ttl;
	struct doc doc;

	if (!lock->held || monotonic_ms() - lock->kept_ms < JOIN_LOCK_KEEP_MS)
		return 0;
	if (finish_etcd_call(&out, s, a, "/lease/keepalive",
		    arena_print(a, "{\"ID\":\"%" PRIu64 "\"}", lock->lease), e))
		return e->code;
	if (doc_parse(&doc, a, buf_text(&out), "lease", DOC_JSON, DOC_LIMITS, e))
		return e->code;
	lock->kept_ms = monotonic_ms();
	/* Of a lease that is gone there is no TTL. */
	if (str_u64(&ttl, doc_text(doc_get(doc.root, "result"), "TTL"), 10, INT64_MAX) && ttl)
		return 0;
	*lock = (struct join_lock){ 0 };
	return err_set(e, ERR_MISMATCH, "the lock was lost: its lease ran out");
}

static int revoke_it(
	const struct join_lock *lock, struct finish_etcd *s, struct arena *a, struct err *e)
{
	static const char *const paths[] = { "/lease/revoke", "/kv/lease/revoke" };
	CLEAN_BUF struct buf out = BUF(ANSWER_MAX);

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		*e = (struct err){ 0 };
		finish_etcd_call(&out, s, a, paths[i],
			arena_print(a, "{\"ID\":\"%" PRIu64 "\"}", lock->lease), e);
		if (e->code != ERR_NOTFOUND)
			break;
	}
	return e->code;
}

void join_lock_drop(struct join_lock *lock, struct finish_etcd *s, struct arena *a)
{
	const int64_t end = monotonic_ms() + DROP_MS;
	const struct timespec pause = { .tv_nsec = 300000000 };
	struct err e;

	/* A cluster that just got a member may be busy with a new leader; others wait for us. */
	while (lock->lease && revoke_it(lock, s, a, &e) && e.code != ERR_NOTFOUND &&
		monotonic_ms() < end)
		nanosleep(&pause, NULL);
	*lock = (struct join_lock){ 0 };
}
