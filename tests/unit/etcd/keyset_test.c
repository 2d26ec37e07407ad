#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "etcd/keyset.h"

enum { KEYS = 200000 };

static struct span key_of(char text[32], unsigned i)
{
	const int n = snprintf(text, 32, "/registry/key-%u", i);

	return (struct span){ (const uint8_t *)text, (size_t)n };
}

/* Against a plain table, with a fixed sequence of adds and removes. */
static void a_set_behaves_like_a_table(void **state)
{
	CLEAN_KEYSET struct etcd_keyset set = etcd_keyset_new(0);
	static uint8_t table[KEYS];
	uint64_t count = 0, random = 1;
	char text[32];

	(void)state;
	for (unsigned n = 0; n < 6 * KEYS; n++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		const unsigned i = (unsigned)(random >> 33) % KEYS;
		const bool add = random >> 32 & 1;
		const struct span key = key_of(text, i);
		if (add)
			assert_int_equal(etcd_keyset_add(&set, key), !table[i]);
		else
			assert_int_equal(etcd_keyset_remove(&set, key), table[i]);
		count += add ? !table[i] : -(uint64_t)table[i];
		table[i] = add;
		assert_true(set.count == count);
	}
	for (unsigned i = 0; i < KEYS; i++)
		assert_int_equal(etcd_keyset_has(&set, key_of(text, i)), table[i]);
}

static void memory_stays_at_21_bytes_a_key(void **state)
{
	CLEAN_KEYSET struct etcd_keyset set = etcd_keyset_new(0);
	char text[32];

	(void)state;
	for (unsigned i = 0; i < 5 * KEYS; i++)
		etcd_keyset_add(&set, key_of(text, i));
	assert_int_equal(set.count, 5 * KEYS);
	assert_true(set.bytes <= 21 * (size_t)5 * KEYS);
}

/* Past its bound the set counts in parts, and the parts add up. */
static void parts_add_up_to_the_whole(void **state)
{
	CLEAN_KEYSET struct etcd_keyset set = etcd_keyset_new(256 * 1024);
	uint64_t count = 0;
	unsigned parts = 0;
	char text[32];

	(void)state;
	do {
		for (unsigned i = 0; i < KEYS; i++)
			etcd_keyset_add(&set, key_of(text, i));
		for (unsigned i = 0; i < KEYS; i += 10)
			etcd_keyset_remove(&set, key_of(text, i));
		assert_true(set.bytes <= 256 * 1024);
		count += set.count;
		parts++;
	} while (etcd_keyset_next_part(&set));
	assert_int_equal(count, KEYS - KEYS / 10);
	assert_true(parts > 4);
}

static void the_empty_key_is_a_key(void **state)
{
	CLEAN_KEYSET struct etcd_keyset set = etcd_keyset_new(0);

	(void)state;
	assert_true(etcd_keyset_add(&set, (struct span){ 0 }));
	assert_false(etcd_keyset_add(&set, (struct span){ 0 }));
	assert_true(etcd_keyset_remove(&set, (struct span){ 0 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_set_behaves_like_a_table),
		cmocka_unit_test(memory_stays_at_21_bytes_a_key),
		cmocka_unit_test(parts_add_up_to_the_whole),
		cmocka_unit_test(the_empty_key_is_a_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
