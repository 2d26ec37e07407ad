#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "etcd/raftpb.h"

static const struct str url = STR("http://a:1");
static const struct etcd_member members[] = {
	{ 1, STR("m1"), &url, 1 },
	{ UINT64_MAX, STR("m2"), &url, 1 },
};
static const struct etcd_cluster cluster = { 7, STR("tok"), members, 2 };

static void raftpb_reads_back_what_it_wrote(void **state)
{
	CLEAN_BUF struct buf out = BUF(1000);
	struct etcd_metadata metadata;
	struct etcd_hard_state hard;
	struct etcd_entry entry;
	struct err e;

	(void)state;
	assert_int_equal(
		etcd_raftpb_put_metadata(&out, &(struct etcd_metadata){ UINT64_MAX, 5 }, &e), 0);
	assert_int_equal(etcd_raftpb_read_metadata(&metadata, buf_span(&out), &e), 0);
	assert_true(metadata.node_id == UINT64_MAX && metadata.cluster_id == 5);

	buf_clear(&out);
	assert_int_equal(
		etcd_raftpb_put_hard_state(&out, &(struct etcd_hard_state){ 1, 2, 3 }, &e), 0);
	assert_int_equal(etcd_raftpb_read_hard_state(&hard, buf_span(&out), &e), 0);
	assert_true(hard.term == 1 && hard.vote == 2 && hard.commit == 3);

	buf_clear(&out);
	assert_int_equal(etcd_raftpb_put_add_node(&out, &members[0], 9, &e), 0);
	assert_int_equal(etcd_raftpb_read_entry(&entry, buf_span(&out), &e), 0);
	assert_true(entry.type == ETCD_ENTRY_CONF_CHANGE && entry.term == 1 && entry.index == 9);
	assert_true(span_equal(
		entry.data, SPAN("\x08\0\x10\0\x18\1\x22\x2e"
				 "{\"id\":1,\"peerURLs\":[\"http://a:1\"],\"name\":\"m1\"}")));
}

static void raftpb_writes_zeros_as_etcd_does(void **state)
{
	CLEAN_BUF struct buf out = BUF(1000);
	struct err e;

	(void)state;
	assert_int_equal(etcd_raftpb_put_wal_snapshot(&out, 0, 0, SPAN(""), &e), 0);
	assert_true(span_equal(buf_span(&out), SPAN("\x08\0\x10\0")));
	buf_clear(&out);
	assert_int_equal(etcd_raftpb_put_conf_state(&out, &cluster, &e), 0);
	assert_true(span_equal(
		buf_span(&out), SPAN("\x08\1\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\x28\0")));
}

static void raftpb_reads_a_conf_state_packed_or_not(void **state)
{
	struct etcd_wal_snapshot s;
	struct err e;

	(void)state;
	assert_int_equal(etcd_raftpb_read_wal_snapshot(
				 &s, SPAN("\x08\5\x10\2\x1a\x08\x08\1\x08\2\x10\3\x28\1"), &e),
		0);
	assert_true(s.index == 5 && s.term == 2 && s.has_conf_state && s.conf_state.auto_leave);
	assert_true(s.conf_state.n_voters == 2 && s.conf_state.voters[1] == 2);
	assert_true(s.conf_state.n_learners == 1 && s.conf_state.learners[0] == 3);
	assert_false(s.conf_state.joint);
	assert_int_equal(
		etcd_raftpb_read_wal_snapshot(&s, SPAN("\x1a\7\x0a\3\1\x80\1\x18\4"), &e), 0);
	assert_true(s.conf_state.n_voters == 2 && s.conf_state.voters[1] == 128);
	assert_true(s.conf_state.joint);
	/* What 3.4 writes. */
	assert_int_equal(etcd_raftpb_read_wal_snapshot(&s, SPAN("\x08\1\x10\1"), &e), 0);
	assert_false(s.has_conf_state);
}

static void raftpb_reads_a_snapshot(void **state)
{
	CLEAN_BUF struct buf out = BUF(1000);
	CLEAN_BUF struct buf conf_state = BUF(1000);
	struct etcd_snapshot s;
	struct err e;

	(void)state;
	assert_int_equal(etcd_raftpb_put_conf_state(&conf_state, &cluster, &e), 0);
	assert_int_equal(
		etcd_raftpb_put_snapshot(&out, SPAN("{}"), buf_span(&conf_state), 2, 1, &e), 0);
	assert_int_equal(etcd_raftpb_read_snapshot(&s, buf_span(&out), &e), 0);
	assert_true(span_equal(s.data, SPAN("{}")) && s.index == 2 && s.term == 1);
	assert_true(s.conf_state.n_voters == 2 && s.conf_state.voters[1] == UINT64_MAX);
}

static void raftpb_refuses_known_fields_of_the_wrong_kind(void **state)
{
	struct etcd_metadata metadata;
	struct etcd_hard_state hard;
	struct etcd_wal_snapshot wal_snapshot;
	struct etcd_snapshot snapshot;
	struct etcd_entry entry;
	struct err e;

	(void)state;
	assert_int_equal(etcd_raftpb_read_metadata(&metadata, SPAN("\x0a\0"), &e), ERR_FORMAT);
	assert_string_equal(e.text, "metadata: field 1 is of the wrong kind");
	assert_int_equal(etcd_raftpb_read_hard_state(&hard, SPAN("\x1a\0"), &e), ERR_FORMAT);
	assert_int_equal(etcd_raftpb_read_entry(&entry, SPAN("\x20\1"), &e), ERR_FORMAT);
	assert_int_equal(
		etcd_raftpb_read_wal_snapshot(&wal_snapshot, SPAN("\x1a\2\x0d\0"), &e), ERR_FORMAT);
	assert_int_equal(etcd_raftpb_read_snapshot(&snapshot, SPAN("\x10\1"), &e), ERR_FORMAT);
	assert_string_equal(e.text, "snapshot: field 2 is of the wrong kind");
	assert_int_equal(
		etcd_raftpb_read_snapshot(&snapshot, SPAN("\x12\2\x08\1"), &e), ERR_FORMAT);
	assert_string_equal(e.text, "snapshot metadata: field 1 is of the wrong kind");
	/* A field of a later version is not ours to judge. */
	assert_int_equal(etcd_raftpb_read_metadata(&metadata, SPAN("\x08\1\x1a\0"), &e), 0);
	assert_true(metadata.node_id == 1);
}

static void raftpb_refuses_more_members_than_any_cluster_has(void **state)
{
	CLEAN_BUF struct buf in = BUF(1000);
	struct etcd_wal_snapshot s;
	struct err e;

	(void)state;
	assert_int_equal(buf_add(&in, "\x1a\xca\1", 3, &e), 0);
	for (int i = 0; i <= ETCD_MEMBERS_MAX; i++)
		assert_int_equal(buf_add(&in, "\x08\1", 2, &e), 0);
	assert_int_equal(etcd_raftpb_read_wal_snapshot(&s, buf_span(&in), &e), ERR_FORMAT);
	assert_string_equal(e.text, "conf state: more than 100 members");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raftpb_reads_back_what_it_wrote),
		cmocka_unit_test(raftpb_writes_zeros_as_etcd_does),
		cmocka_unit_test(raftpb_reads_a_conf_state_packed_or_not),
		cmocka_unit_test(raftpb_reads_a_snapshot),
		cmocka_unit_test(raftpb_refuses_known_fields_of_the_wrong_kind),
		cmocka_unit_test(raftpb_refuses_more_members_than_any_cluster_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
