#include "etcd/keyset.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/arena.h"

enum { SLOT = 12, FIRST_ROOM = 64 };

struct hash {
	uint8_t table;
	uint8_t slot[SLOT]; /* never all zero: that is an empty slot */
};

static uint64_t rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void round_once(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static void siphash(uint64_t out[2], const uint64_t secret[2], struct span key)
{
	uint64_t v[4] = { secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d ^ 0xee,
		secret[0] ^ 0x6c7967656e657261, secret[1] ^ 0x7465646279746573 };
	const size_t whole = key.len / 8 * 8;
	uint64_t m = (uint64_t)key.len << 56;

	for (size_t i = 0; i < whole; i += 8) {
		const uint64_t word = le64(key.p + i);
		v[3] ^= word;
		round_once(v);
		round_once(v);
		v[0] ^= word;
	}
	for (size_t i = whole; i < key.len; i++)
		m |= (uint64_t)key.p[i] << 8 * (i - whole);
	v[3] ^= m;
	round_once(v);
	round_once(v);
	v[0] ^= m;
	v[2] ^= 0xee;
	for (int i = 0; i < 4; i++)
		round_once(v);
	out[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
	v[1] ^= 0xdd;
	for (int i = 0; i < 4; i++)
		round_once(v);
	out[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}

static struct hash hash_of(const struct etcd_keyset *set, struct span key)
{
	static const uint8_t empty[SLOT];
	uint64_t h[2];
	struct hash out;

	siphash(h, set->secret, key);
	put_le64(out.slot, h[0]);
	put_le32(out.slot + 8, (uint32_t)h[1]);
	out.table = (uint8_t)(h[1] >> 56);
	if (!memcmp(out.slot, empty, SLOT))
		out.slot[0] = 1;
	return out;
}

struct etcd_keyset etcd_keyset_new(size_t bound)
{
	struct etcd_keyset set = { .bound = bound, .to = ETCD_KEYSET_TABLES };

	/* Without the kernel's randomness the set still works; only an adversary who knows
	 * the time to the nanosecond could then make keys collide. */
	if (getrandom(set.secret, sizeof set.secret, GRND_NONBLOCK) != sizeof set.secret) {
		struct timespec now;
		clock_gettime(CLOCK_REALTIME, &now);
		set.secret[0] ^= (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec;
	}
	return set;
}

static void drop_table(struct etcd_keyset *set, unsigned i)
{
	struct etcd_keyset_table *t = &set->table[i];

	set->bytes -= (size_t)t->room * SLOT;
	set->count -= t->n;
	free(t->slots);
	*t = (struct etcd_keyset_table){ 0 };
}

void etcd_keyset_free(struct etcd_keyset *set)
{
	for (unsigned i = 0; i < ETCD_KEYSET_TABLES; i++)
		drop_table(set, i);
}

static bool is_empty(const uint8_t *slot)
{
	return !le64(slot) && !le32(slot + 8);
}

/* The hash spread over the room, which need not be a power of two. */
static uint32_t home_of(const struct etcd_keyset_table *t, const uint8_t *slot)
{
	return (uint32_t)((uint64_t)le32(slot) * t->room >> 32);
}

static uint32_t behind(const struct etcd_keyset_table *t, uint32_t at)
{
	return at + 1 < t->room ? at + 1 : 0;
}

/* Where the hash is, or the empty slot where it would be. */
static uint32_t probe(const struct etcd_keyset_table *t, const uint8_t *slot)
{
	for (uint32_t at = home_of(t, slot);; at = behind(t, at)) {
		const uint8_t *p = t->slots + (size_t)at * SLOT;
		if (is_empty(p) || !memcmp(p, slot, SLOT))
			return at;
	}
}

static void grow(struct etcd_keyset *set, struct etcd_keyset_table *t)
{
	const struct etcd_keyset_table old = *t;

	/* The tables begin with different rooms, lest they all grow at the same time. */
	t->room = old.room ? old.room + old.room / 2
			   : FIRST_ROOM + (uint32_t)(t - set->table) * FIRST_ROOM / 512;
	t->slots = calloc(t->room, SLOT);
	if (!t->slots)
		out_of_memory((size_t)t->room * SLOT);
	for (uint32_t i = 0; i < old.room; i++) {
		const uint8_t *p = old.slots + (size_t)i * SLOT;
		if (!is_empty(p))
			memcpy(t->slots + (size_t)probe(t, p) * SLOT, p, SLOT);
	}
	free(old.slots);
	set->bytes += (size_t)(t->room - old.room) * SLOT;
}

static void keep_bound(struct etcd_keyset *set)
{
	while (set->bound && set->bytes > set->bound && set->to - set->from > 1) {
		const unsigned half = set->from + (set->to - set->from) / 2;
		for (unsigned i = half; i < set->to; i++)
			drop_table(set, i);
		set->to = half;
	}
}

bool etcd_keyset_add(struct etcd_keyset *set, struct span key)
{
	const struct hash h = hash_of(set, key);
	struct etcd_keyset_table *t = &set->table[h.table];

	if (h.table < set->from || h.table >= set->to)
		return false;
	/* Up to 7/8 full: probing stays short, and a key costs 14 to 21 bytes. */
	if (t->n >= t->room - t->room / 8) {
		grow(set, t);
		keep_bound(set);
		if (h.table >= set->to)
			return false;
	}
	uint8_t *p = t->slots + (size_t)probe(t, h.slot) * SLOT;
	if (!is_empty(p))
		return false;
	memcpy(p, h.slot, SLOT);
	t->n++;
	set->count++;
	return true;
}

bool etcd_keyset_has(const struct etcd_keyset *set, struct span key)
{
	const struct hash h = hash_of(set, key);
	const struct etcd_keyset_table *t = &set->table[h.table];

	return t->n && !is_empty(t->slots + (size_t)probe(t, h.slot) * SLOT);
}

static uint32_t distance(const struct etcd_keyset_table *t, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + t->room - from;
}

bool etcd_keyset_remove(struct etcd_keyset *set, struct span key)
{
	const struct hash h = hash_of(set, key);
	struct etcd_keyset_table *t = &set->table[h.table];

	if (!t->n)
		return false;
	uint32_t hole = probe(t, h.slot);
	if (is_empty(t->slots + (size_t)hole * SLOT))
		return false;
	/* Move back what the hole would cut off from its place. */
	for (uint32_t at = behind(t, hole);; at = behind(t, at)) {
		const uint8_t *p = t->slots + (size_t)at * SLOT;
		if (is_empty(p))
			break;
		if (distance(t, home_of(t, p), at) < distance(t, hole, at))
			continue;
		memcpy(t->slots + (size_t)hole * SLOT, p, SLOT);
		hole = at;
	}
	memset(t->slots + (size_t)hole * SLOT, 0, SLOT);
	t->n--;
	set->count--;
	return true;
}

bool etcd_keyset_next_part(struct etcd_keyset *set)
{
	const unsigned width = set->to - set->from;

	for (unsigned i = set->from; i < set->to; i++)
		drop_table(set, i);
	set->from = set->to;
	set->to = set->from + width < ETCD_KEYSET_TABLES ? set->from + width
							 : (unsigned)ETCD_KEYSET_TABLES;
	return set->from < set->to;
}
