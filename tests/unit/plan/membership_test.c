#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "plan/membership.h"

static struct arena arena = ARENA(16 << 20);

#define M1  "m1=https://10.0.0.1:2380"
#define M2  "m2=https://10.0.0.2:2380"
#define M3  "m3=https://10.0.0.3:2380"
#define ALL M1 "," M2 "," M3

/* "m1=URL,..."; "!m1=URL" is a learner, "=URL" one that never started. */
static const struct etcd_known_member *known(const char *text)
{
	struct etcd_known_member *first = NULL, **last = &first;
	struct str rest = str_from(text), pair;

	while (str_next(&pair, &rest, ',')) {
		struct etcd_known_member *m = arena_alloc(&arena, sizeof *m);
		m->learner = pair.p[0] == '!';
		pair.p += m->learner;
		pair.len -= m->learner;
		str_cut(&m->name, &m->urls, pair, '=');
		/* As the bucket has several URLs: with a comma. */
		m->urls = str_from(arena_copy(&arena, m->urls));
		for (char *p = (char *)(uintptr_t)m->urls.p; *p; p++)
			*p = *p == '+' ? ',' : *p;
		*last = m;
		last = &m->next;
	}
	return first;
}

struct a_case {
	const char *name, *url, *disk, *snapshot, *plan, *from, *to;
	bool partial;
	enum plan_role role;
	const char *what;
	const char *expect, *says; /* expect NULL: refused, with `says` */
};

static void run(const struct a_case *c)
{
	struct kube_cluster cluster = {
		.what = c->what ? c->what : "etcd", .name = c->name, .partial = c->partial
	};
	const struct kube_replacement replace = { c->from, c->to };
	struct plan plan = { .role = c->role };
	struct plan_member list[8] = { 0 };
	struct kube_members members;
	struct err e = { 0 };
	const char *why;

	if (c->url)
		kube_read_urls(&cluster.peer_urls, &arena, str_from(c->url));
	if (c->disk)
		kube_read_members(&cluster.members, &arena, str_from(c->disk));
	struct str rest = str_from(c->plan), pair, name, url;
	while (str_next(&pair, &rest, ',')) {
		str_cut(&name, &url, pair, '=');
		list[plan.cluster.members.n++] =
			(struct plan_member){ .name = arena_copy(&arena, name),
				.peer = arena_copy(&arena, url) };
	}
	plan.cluster.members.v = list;
	const int bad = plan_membership(&members, &why, &arena, &cluster, &plan, known(c->snapshot),
		&replace, !!c->from, &e);
	if (bad && c->expect)
		fail_msg("%s", e.text);
	if (!c->expect) {
		assert_int_equal(bad, ERR_DECLINED);
		if (!strstr(e.text, c->says))
			fail_msg("'%s' says no '%s'", e.text, c->says);
		return;
	}
	assert_string_equal(kube_print_members(&arena, &members), c->expect);
	if (c->says && !strstr(why, c->says))
		fail_msg("'%s' says no '%s'", why, c->says);
}

static void the_plan_wins(void **state)
{
	static const struct a_case cases[] = {
		{ .name = "m1",
			.disk = M1,
			.snapshot = ALL,
			.plan = M1 "," M2,
			.expect = M1 "," M2,
			.says = "plan" },
		/* another cluster of the same hosts has its own port */
		{ .name = "m1",
			.what = "etcd-events",
			.url = "http://10.0.0.1:2381",
			.plan = ALL,
			.expect = "m1=http://10.0.0.1:2381,m2=http://10.0.0.2:2381,"
				  "m3=http://10.0.0.3:2381" },
		{ .name = "m4", .plan = ALL, .says = "m4) is not among the members" },
		{ .name = "m4",
			.url = "https://10.0.0.2:2380",
			.plan = ALL,
			.says = "its URL is that of m2" },
		{ .name = "m1",
			.plan = M1 ",m2=https://10.0.0.1:2380",
			.says = "m1 and m2 would have one URL" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		run(&cases[i]);
}

static void disk_and_snapshot_are_compared(void **state)
{
	static const struct a_case cases[] = {
		/* kubeadm's first master lists itself alone */
		{ .name = "m1",
			.url = "https://10.0.0.1:2380",
			.disk = M1,
			.partial = true,
			.snapshot = ALL,
			.expect = ALL,
			.says = "but some" },
		/* a list that calls itself whole, and is not */
		{ .name = "m1", .disk = M1 "," M2, .snapshot = ALL, .expect = ALL },
		{ .name = "m1", .disk = ALL, .snapshot = ALL, .expect = ALL, .says = "disk's are" },
		{ .name = "m1", .disk = ALL, .expect = ALL, .says = "the disk has" },
		/* when it joined, m2 was another one */
		{ .name = "m3",
			.disk = M1 ",m2=https://10.0.0.9:2380," M3,
			.partial = true,
			.snapshot = ALL,
			.expect = ALL,
			.says = "m2=https://10.0.0.9:2380, from before" },
		{ .name = "m1",
			.disk = M1 ",m2=https://10.0.0.9:2380," M3,
			.snapshot = ALL,
			.says = "m2 has two addresses" },
		{ .name = "m1", .disk = ALL, .snapshot = M1 "," M2, .says = "m3 is on the disk" },
		/* this node joined after the snapshot was made */
		{ .name = "m3",
			.disk = ALL,
			.partial = true,
			.snapshot = M1 "," M2,
			.says = "m3) is not among" },
		/* another cluster's snapshot */
		{ .name = "m1",
			.url = "https://10.0.0.1:2380",
			.disk = M1,
			.partial = true,
			.snapshot = "m1=https://172.16.0.1:2380,m2=https://172.16.0.2:2380",
			.says = "has https://10.0.0.1:2380 on the disk and https://172.16.0.1" },
		{ .name = "m1", .disk = M1, .partial = true, .says = "may know but some" },
		{ .name = "m1", .says = "the disk has nobody" },
		{ .url = "https://10.0.0.2:2380", .snapshot = ALL, .expect = ALL },
		{ .snapshot = ALL, .says = "of no known name" },
		/* one spelling of all masters: the snapshot's */
		{ .name = "m1",
			.disk = "m1=https://[FD00:0:0:0:0:0:0:1]:2380",
			.snapshot = "m1=https://[fd00::1]:2380",
			.expect = "m1=https://[fd00::1]:2380" },
		/* a name beside an address */
		{ .name = "m1",
			.url = "https://10.0.0.1:2380",
			.disk = "m1=https://etcd-0.example.org:2380,m2=https://"
				"etcd-1.example.org:2380",
			.snapshot = M1 "," M2,
			.expect = M1 "," M2 },
		{ .name = "m1",
			.disk = "m1=https://etcd-0.example.org:2380",
			.snapshot = "m1=https://etcd-7.example.org:2380",
			.says = "m1 has https://etcd-0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		run(&cases[i]);
}

static void learners_and_those_that_never_started(void **state)
{
	static const struct a_case cases[] = {
		{ .name = "m1",
			.disk = M1,
			.partial = true,
			.snapshot = M1 ",!" M2,
			.expect = M1,
			.says = "learner m2 is left out" },
		{ .name = "m2",
			.disk = M1 "," M2,
			.partial = true,
			.snapshot = M1 ",!" M2,
			.expect = M1 "," M2 },
		{ .name = "m1",
			.disk = M1,
			.partial = true,
			.snapshot = M1 ",=https://10.0.0.2:2380",
			.says = "never started" },
		{ .name = "m1",
			.disk = ALL,
			.snapshot = M1 "," M2 ",=https://10.0.0.3:2380",
			.expect = ALL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		run(&cases[i]);
}

static void what_is_replaced_is_replaced_in_both(void **state)
{
	static const char to[] = "m1=https://10.0.0.7:2380," M2 "," M3;
	static const struct a_case cases[] = {
		{ .name = "m1",
			.url = "https://10.0.0.1:2380",
			.disk = ALL,
			.snapshot = ALL,
			.from = "10.0.0.1",
			.to = "10.0.0.7",
			.expect = to },
		/* done on the disk already */
		{ .name = "m1",
			.url = "https://10.0.0.7:2380",
			.disk = to,
			.snapshot = ALL,
			.from = "10.0.0.1",
			.to = "10.0.0.7",
			.expect = to },
		{ .name = "m1",
			.disk = ALL,
			.snapshot = ALL,
			.from = "10.0.0.1",
			.to = "10.0.0.2",
			.says = "would have one URL" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		run(&cases[i]);
}

static void a_single_one_is_alone(void **state)
{
	static const struct a_case cases[] = {
		{ .name = "m2",
			.url = "https://10.0.0.2:2380",
			.disk = ALL,
			.snapshot = ALL,
			.role = PLAN_ROLE_SINGLE,
			.expect = M2,
			.says = "single" },
		{ .name = "m2", .plan = ALL, .role = PLAN_ROLE_SINGLE, .expect = M2 },
		{ .name = "m2", .snapshot = ALL, .role = PLAN_ROLE_SINGLE, .expect = M2 },
		{ .name = "m4", .plan = ALL, .role = PLAN_ROLE_SINGLE, .says = "m4) is not among" },
		{ .role = PLAN_ROLE_SINGLE, .says = "of no known name" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		run(&cases[i]);
}

static int clean(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_plan_wins),
		cmocka_unit_test(disk_and_snapshot_are_compared),
		cmocka_unit_test(learners_and_those_that_never_started),
		cmocka_unit_test(what_is_replaced_is_replaced_in_both),
		cmocka_unit_test(a_single_one_is_alone),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
