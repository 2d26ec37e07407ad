/* After the commit: is all of it there, and the end of what was there before. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "os/names.h"
#include "target/commit_part.h"

static const char step_verify[] = "verify";

static int differs(const struct journal_item *i, struct err *e)
{
	return err_set(e, ERR_MISMATCH, "%s%s/%s is not what was restored", i->device,
		*i->device ? ": " : "", i->path);
}

/* The one that was staged; whether etcd has written to it since is no fault.  Nor is another in its
 * place, copied to a new disk or joined anew by a person: but there has to be one, and not the one
 * from before the restore. */
static int verify_directory(
	bool *served, const struct commit *c, const struct journal_item *i, struct err *e)
{
	const struct digest_way way = {
		.listener = c->listener, .step = step_verify, .go_on = c->stopped, .ctx = c->ctx
	};
	char hex[DIGEST_HEX];
	struct commit_spot at;
	enum commit_is is;

	if (commit_look(&is, c, i, e) || commit_at(&at, c, i, e))
		return e->code;
	if (commit_is_gone(i)) {
		*served |= commit_exists(at);
		return is == COMMIT_NEW ? 0 : differs(i, e);
	}
	/* A mount's top holds more than what moved into it. */
	if (i->kind == JOURNAL_CONTENTS)
		return is == COMMIT_NEW ? 0 : differs(i, e);
	if (is != COMMIT_NEW && is != COMMIT_OTHER)
		return differs(i, e);
	if (digest_directory(hex, NULL, at.root, at.path, &way, e))
		return e->code;
	if (!strcmp(hex, i->after))
		return 0;
	*served = true;
	if (is == COMMIT_OTHER)
		event_warning(
			c->listener, step_verify, "/%s is not the one that was restored", i->path);
	return 0;
}

static int verify_file(bool *is_so, const struct commit *c, const struct journal_item *i,
	bool *is_there, struct err *e)
{
	char sum[DIGEST_HEX];
	struct commit_spot at;
	enum commit_is is;

	if (commit_at(&at, c, i, e) || commit_sum(sum, at, e) ||
		(i->held && commit_look(&is, c, i, e)))
		return e->code;
	*is_there = *sum;
	if (i->held)
		*is_so = is == COMMIT_NEW || !strcmp(sum, i->after);
	else if (i->changing && *sum)
		*is_so = !i->before || strcmp(sum, i->before) != 0;
	else if (i->passing && !*sum)
		*is_so = true;
	else
		*is_so = !strcmp(sum, i->kind == JOURNAL_DROPIN || !i->after ? "" : i->after);
	return 0;
}

/* Without its fence etcd does not start, whatever else is there. */
static bool holds_etcd_back(const struct journal_item *i, bool is_there)
{
	return i->kind == JOURNAL_DROPIN || (i->kind == JOURNAL_FENCE && !is_there);
}

int commit_verify(bool *served, const struct commit *c, struct err *e)
{
	const struct journal *j = &c->journal;

	*served = false;
	if (j->phase != JOURNAL_COMMITTED)
		return err_set(e, ERR_MISMATCH, "no restore is committed here");
	for (size_t n = 0; n < j->n_items; n++) {
		const struct journal_item *i = &j->items[n];
		if (commit_is_tree(i) && verify_directory(served, c, i, e))
			return e->code;
	}
	for (size_t n = 0; n < j->n_items; n++) {
		const struct journal_item *i = &j->items[n];
		bool is_so = false, is_there = false;
		if (commit_is_tree(i))
			continue;
		if (verify_file(&is_so, c, i, &is_there, e))
			return e->code;
		if (is_so)
			continue;
		/* On a machine that has run since, people and programs change files. */
		if (!*served || holds_etcd_back(i, is_there))
			return differs(i, e);
		event_warning(c->listener, step_verify, "/%s has been %s since the restore",
			i->path, is_there ? "changed" : "removed");
	}
	return 0;
}

/* "before-0123abcd", "rolled-back-0123abcd-2": what this program names so, and nothing else. */
static bool is_old_name(const char *text)
{
	const size_t head = !strncmp(text, "before-", 7)         ? 7
			    : !strncmp(text, "rolled-back-", 12) ? 12
								 : 0;
	const size_t hex = strspn(text + head, "0123456789abcdef");
	const char *rest = text + head + hex;

	return head && hex == 8 &&
	       (!*rest || (*rest == '-' && rest[1] && !rest[1 + strspn(rest + 1, "0123456789")]));
}

struct forgotten {
	uint64_t bytes;
	bool pretend;
};

/* In one directory: STEM followed by one of those names. */
static int forget_in(struct forgotten *f, struct commit *c, struct commit_spot dir,
	const char *stem, struct err *e)
{
	struct names names = { 0 };
	const size_t len = strlen(stem);
	struct err why = { 0 };

	if (names_read(&names, c->arena, dir.root, *dir.path ? dir.path : ".", &why)) {
		if (why.code == ERR_NOTFOUND)
			return 0;
		*e = why;
		return e->code;
	}
	for (size_t i = 0; i < names.n; i++) {
		if (strncmp(names.v[i], stem, len) || !is_old_name(names.v[i] + len))
			continue;
		const struct commit_spot at = { dir.root,
			arena_print(
				c->arena, "%s%s%s", dir.path, *dir.path ? "/" : "", names.v[i]) };
		if (f->pretend ? commit_measure(&f->bytes, at, e)
			       : commit_remove(&f->bytes, at, e)) {
			if (e->errnum == EPERM)
				return err_set(e, ERR_DECLINED,
					"%s holds something immutable; chattr -R -i it", at.path);
			return e->code;
		}
	}
	return 0;
}

static int forget_item(
	struct forgotten *f, struct commit *c, const struct journal_item *i, struct err *e)
{
	const char *slash = strrchr(i->path, '/');
	const char *name = slash ? slash + 1 : i->path;
	struct commit_spot dir;

	if (commit_at(&dir, c, i, e))
		return e->code;
	if (i->kind == JOURNAL_CONTENTS)
		return forget_in(f, c, dir, ".", e);
	if (i->kind == JOURNAL_MOVED) {
		if (commit_kept_at(&dir, c, i, e))
			return e->code;
		slash = strrchr(dir.path, '/');
		dir.path = arena_print(
			c->arena, "%.*s", slash ? (int)(slash - dir.path) : 0, dir.path);
		return forget_in(f, c, dir, arena_print(c->arena, "%s.", name), e);
	}
	if (i->kind != JOURNAL_DIRECTORY)
		return 0;
	dir.path = arena_print(c->arena, "%.*s", slash ? (int)(slash - i->path) : 0, i->path);
	return forget_in(f, c, dir, arena_print(c->arena, "%s.", name), e);
}

static int forget_all(struct forgotten *f, struct commit *c, struct err *e)
{
	const struct commit_spot state = { c->roots[0].root, c->state };

	for (size_t n = 0; n < c->journal.n_items; n++) {
		if (forget_item(f, c, &c->journal.items[n], e))
			return e->code;
	}
	return forget_in(f, c, state, "", e);
}

static int is_forgettable(const struct commit *c, struct err *e)
{
	return c->journal.phase == JOURNAL_COMMITTED
		       ? 0
		       : err_set(e, ERR_DECLINED,
				 "only what a committed restore has replaced can be forgotten; "
				 "this "
				 "one is %s",
				 c->journal.phase ? journal_phase_word(c->journal.phase)
						  : "not there");
}

int commit_old_size(uint64_t *bytes, struct commit *c, struct err *e)
{
	struct forgotten f = { .pretend = true };

	if (is_forgettable(c, e) || forget_all(&f, c, e))
		return e->code;
	*bytes = f.bytes;
	return 0;
}

int commit_forget(uint64_t *freed, struct commit *c, struct err *e)
{
	struct forgotten f = { 0 };

	if (is_forgettable(c, e))
		return e->code;
	/* Before the first byte goes: a rollback may not begin on what is half there. */
	c->journal.forgotten = true;
	if (commit_save(c, JOURNAL_COMMITTED, e) || forget_all(&f, c, e))
		return e->code;
	*freed = f.bytes;
	return 0;
}
