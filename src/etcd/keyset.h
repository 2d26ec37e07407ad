/* etcd/keyset.h - a set of user keys in little memory, for counting and for "seen before"
 *
 * What is kept of a key is 96 bits of a 128-bit SipHash under a random secret, in 256
 * tables chosen by 8 further bits, at 14 to 21 bytes a key.  Two keys of ten million are
 * taken for one with a chance below 10^-17, whatever the keys are.
 *
 * A set has a bound.  When it is passed, the upper half of the tables in use is dropped
 * and `from`, `to` tell which part of all keys the set still holds; the caller goes
 * through the data again with etcd_keyset_next_part for the rest.  Counts stay exact.
 *
 * Source:     SipHash-2-4-128, Aumasson and Bernstein.
 * Units:      keys; the bound in bytes.
 * Ownership:  the set owns its tables: CLEAN_KEYSET.
 * Errors:     none.
 */
#pragma once

#include <stdbool.h>

#include "base/span.h"

enum { ETCD_KEYSET_TABLES = 256 };

struct etcd_keyset_table {
	uint8_t *slots;
	uint32_t n, room;
};

struct etcd_keyset {
	struct etcd_keyset_table table[ETCD_KEYSET_TABLES];
	uint64_t secret[2];
	uint64_t count;      /* keys in the set */
	size_t bytes, bound; /* 0: no bound */
	unsigned from, to;   /* the tables in use */
};

#define CLEAN_KEYSET __attribute__((cleanup(etcd_keyset_free)))

struct etcd_keyset etcd_keyset_new(size_t bound);
void etcd_keyset_free(struct etcd_keyset *set);

/* False when nothing changed. */
bool etcd_keyset_add(struct etcd_keyset *set, struct span key);
bool etcd_keyset_remove(struct etcd_keyset *set, struct span key);
bool etcd_keyset_has(const struct etcd_keyset *set, struct span key);

/* Forget all and go on with the part after `to`; false when there is none. */
bool etcd_keyset_next_part(struct etcd_keyset *set);
