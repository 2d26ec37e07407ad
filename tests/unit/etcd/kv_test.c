#include "../bolt/fixture.h"

#include "etcd/kv.h"
#include "etcd/schema.h"

static void revisions_write_and_read(void **state)
{
	uint8_t p[ETCD_REV_SIZE + 1];
	struct etcd_rev rev;
	struct err e;

	(void)state;
	assert_int_equal(etcd_rev_write(p, (struct etcd_rev){ 258, 3, false }), 17);
	assert_memory_equal(p, "\0\0\0\0\0\0\1\2_\0\0\0\0\0\0\0\3", 17);
	assert_int_equal(etcd_rev_write(p, (struct etcd_rev){ 258, 3, true }), 18);
	assert_int_equal(etcd_rev_parse(&rev, (struct span){ p, 18 }, &e), 0);
	assert_true(rev.main == 258 && rev.sub == 3 && rev.tombstone);
	assert_int_equal(etcd_rev_parse(&rev, (struct span){ p, 16 }, &e), ERR_FORMAT);
	p[17] = 'x';
	assert_int_equal(etcd_rev_parse(&rev, (struct span){ p, 18 }, &e), ERR_FORMAT);
	p[0] = 0x80;
	assert_int_equal(etcd_rev_parse(&rev, (struct span){ p, 17 }, &e), ERR_FORMAT);
	assert_true(etcd_rev_compare((struct etcd_rev){ 1, 9, false },
			    (struct etcd_rev){ 2, 0, false }) < 0);
}

static void key_values_write_and_read(void **state)
{
	/* What etcd 3.5 wrote for `put a b`. */
	static const uint8_t real[] = { 0x0a, 1, 'a', 0x10, 2, 0x18, 2, 0x20, 1, 0x2a, 1, 'b' };
	CLEAN_BUF struct buf out = BUF(1000);
	struct etcd_kv kv;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(etcd_kv_parse(&kv, (struct span){ real, sizeof real }, &e), 0);
	assert_true(span_equal(kv.key, SPAN("a")) && span_equal(kv.value, SPAN("b")));
	assert_true(kv.create == 2 && kv.mod == 2 && kv.version == 1 && !kv.lease);
	assert_int_equal(etcd_kv_write(&out, &kv, &e), 0);
	assert_int_equal(out.len, sizeof real);
	assert_memory_equal(out.p, real, sizeof real);

	struct err e2 = { 0 };
	assert_int_equal(etcd_kv_parse(&kv, SPAN("\x08\1"), &e2), ERR_FORMAT);
	assert_non_null(strstr(e2.text, "field 1 of the KeyValue has the wrong type"));
	struct err e3 = { 0 };
	assert_int_equal(etcd_kv_parse(&kv, SPAN("\x0a\5ab"), &e3), ERR_FORMAT);
	struct err e4 = { 0 };
	assert_int_equal(etcd_kv_parse(&kv, (struct span){ 0 }, &e4), 0);
}

static void the_current_revision_is_the_greatest_of_three(void **state)
{
	CLOSE_FD int fd = fixture_empty(4096, false);
	struct bolt_db db = fixture_open(fd);
	struct arena arena = ARENA(1 << 20);
	struct etcd_revisions r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(etcd_revisions_read(&r, &db, &e), 0);
	assert_true(r.current == 1 && r.compacted == 0 && r.last.main == 0);

	struct bolt_tx tx = bolt_tx_begin(&db, &arena);
	bolt_tx_put(&tx, ETCD_KEY, SPAN("\0\0\0\0\0\0\0\7_\0\0\0\0\0\0\0\1"), SPAN(""));
	bolt_tx_put(
		&tx, ETCD_META, ETCD_META_SCHEDULED, SPAN("\0\0\0\0\0\0\0\11_\0\0\0\0\0\0\0\0"));
	bolt_tx_put(&tx, ETCD_META, ETCD_META_FINISHED, SPAN("\0\0\0\0\0\0\0\4_\0\0\0\0\0\0\0\0"));
	bolt_tx_put(&tx, ETCD_META, ETCD_META_TERM, SPAN("\0\0\0\0\0\0\1\0"));
	assert_int_equal(bolt_tx_commit(&tx, &e), 0);
	assert_int_equal(etcd_revisions_read(&r, &db, &e), 0);
	assert_true(r.last.main == 7 && r.last.sub == 1);
	assert_true(r.scheduled == 9 && r.finished == 4 && r.compacted == 9 && r.current == 9);
	struct etcd_number n;
	assert_int_equal(etcd_meta_u64(&n, &db, ETCD_META_TERM, &e), 0);
	assert_true(n.found && n.value == 256);
	assert_int_equal(etcd_meta_u64(&n, &db, ETCD_META_INDEX, &e), 0);
	assert_false(n.found);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(revisions_write_and_read),
		cmocka_unit_test(key_values_write_and_read),
		cmocka_unit_test(the_current_revision_is_the_greatest_of_three),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
