#include "node/identity.h"

#include <string.h>
#include <strings.h>

#include "net/url.h"

void identity_claim(struct identity *id, enum identity_what what, enum identity_rank rank,
	const char *value, const char *source)
{
	if (!value || !*value)
		return;
	for (size_t i = 0; i < id->n; i++) {
		const struct identity_claim *c = &id->v[i];
		if (c->what == what && c->rank == rank && !strcmp(c->value, value) &&
			!strcmp(c->source, source))
			return;
	}
	struct identity_claim *more = arena_array(id->arena, id->n + 1, sizeof *more);
	if (id->n)
		memcpy(more, id->v, id->n * sizeof *more);
	more[id->n++] = (struct identity_claim){ what, rank, value, source, false, false };
	id->v = more;
}

static struct str bare(const char *name)
{
	static const char *const before[] = { "etcd-member-", "etcd-" };
	struct str first, rest, text = str_from(name);

	for (int i = 0; i < 2; i++) {
		const size_t len = strlen(before[i]);
		if (!strncasecmp(name, before[i], len) && name[len]) {
			text = str_from(name + len);
			break;
		}
	}
	str_cut(&first, &rest, text, '.');
	return first;
}

static bool agree(const struct identity_claim *a, const struct identity_claim *b)
{
	if (!strcasecmp(a->value, b->value) || a->what == IDENTITY_ADDRESS)
		return true;
	if (a->what == IDENTITY_PEER)
		return url_may_be(a->value, b->value);
	const struct str x = bare(a->value), y = bare(b->value);
	return x.len == y.len && !strncasecmp(x.p, y.p, x.len);
}

void identity_judge(struct identity *id)
{
	for (enum identity_what what = 0; what < IDENTITY_WHATS; what++) {
		struct identity_claim *winner = NULL;
		for (size_t i = 0; i < id->n; i++) {
			struct identity_claim *c = &id->v[i];
			if (c->what == what && (!winner || c->rank < winner->rank))
				winner = c;
		}
		for (size_t i = 0; winner && i < id->n; i++) {
			struct identity_claim *c = &id->v[i];
			if (c->what != what)
				continue;
			c->won = c == winner;
			c->disagrees = c != winner && !agree(c, winner);
		}
	}
}

const struct identity_claim *identity_of(const struct identity *id, enum identity_what what)
{
	for (size_t i = 0; i < id->n; i++) {
		if (id->v[i].what == what && id->v[i].won)
			return &id->v[i];
	}
	return NULL;
}

const char *identity_word(enum identity_what what)
{
	static const char *const words[] = { "name", "peer", "address" };

	return words[what];
}

const char *identity_rank_word(enum identity_rank rank)
{
	static const char *const words[] = { "the plan", "the kernel line",
		"the control plane's files", "the disk's configuration", "the cloud",
		"the snapshot" };

	return words[rank - IDENTITY_PLAN];
}

const char *identity_why(const struct identity *id, const struct identity_claim *c)
{
	const struct identity_claim *winner = identity_of(id, c->what);

	if (c->what == IDENTITY_ADDRESS)
		return "one of this machine's addresses";
	if (c->won && c->rank == IDENTITY_PLAN)
		return "taken: the plan comes first";
	if (c->won)
		return arena_print(
			id->arena, "taken: nothing before %s says it", identity_rank_word(c->rank));
	if (!c->disagrees)
		return "says the same";
	return c->rank == winner->rank ? "not taken: it was said otherwise before"
				       : arena_print(id->arena, "not taken, behind %s",
						 identity_rank_word(winner->rank));
}
