#include "plan/finish_join_judge.h"

#include <string.h>

#include "base/ascii.h"
#include "codec/doc.h"
#include "etcd/ident.h"

int join_list_parse(
	struct join_list *list, struct arena *a, struct str answer, const char *what, struct err *e)
{
	struct join_list out = { 0 };
	struct doc doc;

	if (doc_parse(&doc, a, answer, "member list", DOC_JSON, DOC_LIMITS, e))
		return e->code;
	const struct doc_node *members = doc_get(doc.root, "members");
	if (!str_u64(&out.cluster, doc_text(doc_get(doc.root, "header"), "cluster_id"), 10,
		    UINT64_MAX) ||
		!members || members->kind != DOC_LIST || members->n > ETCD_MEMBERS_MAX)
		return err_set(e, ERR_FORMAT, "%s does not tell its members", what);
	out.v = arena_array(a, members->n + 1, sizeof *out.v);
	for (const struct doc_node *m = members->first; m; m = m->next) {
		struct join_member *one = &out.v[out.n++];
		*one = (struct join_member){ .name = arena_copy(a, doc_text(m, "name")),
			.urls = kube_texts_of(a, doc_get(m, "peerURLs")),
			.clients = kube_texts_of(a, doc_get(m, "clientURLs")),
			.learner = str_is(doc_text(m, "isLearner"), "true") };
		if (!str_u64(&one->id, doc_text(m, "ID"), 10, UINT64_MAX) || !one->id)
			return err_set(e, ERR_FORMAT, "%s: a member without an id", what);
	}
	*list = out;
	return 0;
}

bool join_member_started(const struct join_member *m)
{
	return m->clients.n;
}

static bool holds(const struct kube_texts *texts, const char *text)
{
	for (size_t i = 0; i < texts->n; i++) {
		if (!strcmp(texts->v[i], text))
			return true;
	}
	return false;
}

static size_t in_common(const struct kube_texts *a, const struct kube_texts *b)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		n += holds(b, a->v[i]);
	return n;
}

static bool same(const struct kube_texts *a, const struct kube_texts *b)
{
	return a->n == b->n && in_common(a, b) == a->n && in_common(b, a) == b->n;
}

struct join_verdict join_judge(const struct join_list *list, const char *name,
	const struct kube_texts *urls, enum join_data data)
{
	struct join_verdict verdict = { JOIN_ADD, NULL };

	for (size_t i = 0; i < list->n; i++) {
		const struct join_member *m = &list->v[i];
		const bool ours = same(&m->urls, urls);
		const bool started = join_member_started(m);
		if (!ours && !in_common(&m->urls, urls) && strcmp(m->name, name))
			continue;
		if (!ours || (started && data == JOIN_DATA_GONE))
			return (struct join_verdict){ JOIN_STALE, m };
		verdict = (struct join_verdict){ started ? JOIN_STARTED : JOIN_ADDED, m };
	}
	return verdict;
}

/* It stands in flags, in files of variables and in quotes of any kind. */
static bool is_plain(const char *text)
{
	for (; *text; text++) {
		if (!ascii_is_word(*text) && !strchr("-_.:/[]%+~", *text))
			return false;
	}
	return true;
}

static bool is_taken(const struct join_list *list, size_t but, const char *name)
{
	for (size_t i = 0; i < list->n; i++) {
		if (i != but && !strcmp(list->v[i].name, name))
			return true;
	}
	return false;
}

int join_initial_cluster(const char **text, struct arena *a, const struct join_list *list,
	const char *own_name, uint64_t own, struct err *e)
{
	struct kube_members members = { arena_array(a, list->n + 1, sizeof *members.v), 0 };
	bool found = false;

	for (size_t i = 0; i < list->n; i++) {
		const struct join_member *m = &list->v[i];
		const char *name = m->name;
		if (m->id == own) {
			found = true;
			name = own_name;
		} else if (!*name || !is_plain(name) || !strcmp(name, own_name) ||
			   is_taken(list, i, name)) {
			/* Only our own name has to be right. */
			name = arena_print(a, "member-%s", etcd_ident_text(m->id).text);
		}
		if (!m->urls.n)
			return err_set(e, ERR_FORMAT, "member %s has no peer address",
				etcd_ident_text(m->id).text);
		for (size_t u = 0; u < m->urls.n; u++) {
			if (!is_plain(m->urls.v[u]))
				return err_set(e, ERR_FORMAT,
					"the peer address '%s' of member %s cannot stand in "
					"--initial-cluster; change it with etcdctl member update",
					m->urls.v[u], etcd_ident_text(m->id).text);
		}
		members.v[members.n++] = (struct kube_member){ name, m->urls };
	}
	if (!found)
		return err_set(e, ERR_FORMAT, "the server does not list the member it added");
	if (!is_plain(own_name) || !*own_name)
		return err_set(e, ERR_FORMAT, "'%s' cannot be the name of a member", own_name);
	*text = kube_print_members(a, &members);
	return 0;
}

enum join_refusal join_refusal_of(const char **why, const char *text)
{
	static const struct {
		const char *says;
		enum join_refusal refusal;
		const char *why;
	} rows[] = {
		{ "too many learner members", JOIN_REFUSAL_YIELD,
			"another member is learning, and the cluster takes one at a time" },
		{ "unhealthy cluster", JOIN_REFUSAL_LATER,
			"the cluster waits until all its members are connected" },
		{ "not enough started members", JOIN_REFUSAL_YIELD,
			"a member that was added has not been started, and with one more the "
			"cluster would stand still" },
		{ "in sync with leader", JOIN_REFUSAL_LATER,
			"the learner has not caught up with the leader yet" },
		{ "eer URLs already exist", JOIN_REFUSAL_EXISTS, NULL },
		{ "can only promote a learner member", JOIN_REFUSAL_EXISTS, NULL },
		{ "member not found", JOIN_REFUSAL_EXISTS, NULL },
		{ "member ID already exist", JOIN_REFUSAL_EXISTS, NULL },
		{ "unknown field \\\"isLearner\\\"", JOIN_REFUSAL_LEARNERS, NULL },
		{ "no leader", JOIN_REFUSAL_LATER, "the cluster has no leader" },
		{ "request timed out", JOIN_REFUSAL_LATER,
			"the cluster does not answer in time: it may have no quorum" },
		{ "member URLs are invalid", JOIN_REFUSAL_NEVER,
			"etcd takes none of our peer addresses; they are to read "
			"https://ADDRESS:2380" },
		{ "user name is empty", JOIN_REFUSAL_NEVER,
			"etcd wants a user and a password, which this program does not have: turn "
			"that off while members join (etcdctl auth disable)" },
		/* The gateway's, to any certificate that has one, as soon as users are wanted. */
		{ "CommonName of client", JOIN_REFUSAL_NEVER,
			"etcd wants a user and a password, which this program does not have: turn "
			"that off while members join (etcdctl auth disable)" },
		{ "permission denied", JOIN_REFUSAL_NEVER,
			"etcd does not let this certificate's user change members: turn "
			"authentication off while members join (etcdctl auth disable)" },
	};

	*why = NULL;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (strstr(text, rows[i].says)) {
			*why = rows[i].why;
			return rows[i].refusal;
		}
	}
	return JOIN_REFUSAL_UNKNOWN;
}

bool join_version(unsigned *major, unsigned *minor, struct str text)
{
	struct str first, rest, second, after;
	uint64_t a, b;

	if (!str_cut(&first, &rest, text, '.'))
		return false;
	str_cut(&second, &after, rest, '.');
	if (!str_u64(&a, first, 10, 1000) || !str_u64(&b, second, 10, 1000))
		return false;
	*major = (unsigned)a;
	*minor = (unsigned)b;
	return true;
}
