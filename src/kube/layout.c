#include "kube/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "kube/pod.h"
#include "os/file.h"

const struct kube_layout *const kube_layouts[] = { &kube_layout_kubeadm, &kube_layout_csm,
	&kube_layout_icp, &kube_layout_salt, &kube_layout_openshift42, &kube_layout_openshift46,
	NULL };

/* Is one of them there?  What cannot be looked at is not taken for missing; with O_NOFOLLOW nor is
 * a link that leads to another file system. */
static int first_of(const char **found, const char *const *paths, const struct root *root,
	int follow, struct err *e)
{
	*found = NULL;
	for (const char *const *m = paths; m && *m && !*found; m++) {
		CLOSE_FD int fd = -1;
		if (!root_open_at(&fd, root, *m, O_PATH | follow, e))
			*found = *m;
		else if (e->errnum != ENOENT && e->errnum != ENOTDIR && e->errnum != ELOOP)
			return e->code;
		*e = (struct err){ 0 };
	}
	return 0;
}

static int marker_of(const char **marker, const struct kube_layout *layout, const struct root *root,
	struct err *e)
{
	if (first_of(marker, layout->unless, root, 0, e))
		return e->code;
	if (*marker) {
		*marker = NULL;
		return 0;
	}
	return first_of(marker, layout->markers, root, 0, e);
}

int kube_layout_find(const struct kube_layout **layout, const char **marker,
	const struct root *root, struct arena *a, const char *forced, struct err *e)
{
	const char *seen = "", *known = "";
	size_t n = 0;

	for (const struct kube_layout *const *l = kube_layouts; *l; l++) {
		const char *m;
		if (marker_of(&m, *l, root, e))
			return e->code;
		known = arena_print(a, "%s%s%s", known, *known ? ", " : "", (*l)->name);
		if (forced ? strcmp((*l)->name, forced) : !m)
			continue;
		*layout = *l;
		*marker = m ? m : "(told)";
		seen = arena_print(a, "%s%s%s (%s)", seen, *seen ? ", " : "", (*l)->name, *marker);
		n++;
	}
	if (n == 1)
		return 0;
	if (n)
		return err_set(e, ERR_DECLINED,
			"more than one control plane is here: %s; say which with layout:", seen);
	return forced ? err_set(e, ERR_USAGE, "no layout '%s'; there are %s", forced, known)
		      : err_set(e, ERR_NOTFOUND, "no control plane here: looked for %s", known);
}

int kube_layout_bare(const struct kube_layout **layout, const char **marker,
	const struct root *root, const char *forced, struct err *e)
{
	for (const struct kube_layout *const *l = kube_layouts; *l; l++) {
		const char *part;
		if ((forced && strcmp((*l)->name, forced)) ||
			first_of(marker, (*l)->bare, root, 0, e) ||
			first_of(&part, (*l)->never, root, O_NOFOLLOW, e)) {
			if (e->code)
				return e->code;
			continue;
		}
		if (*marker && part)
			return err_set(e, ERR_DECLINED,
				"%s makes this a node of the layout %s, without the manifest of an "
				"etcd, and %s is a master's: bring the manifest back, or move what "
				"is left of the master away",
				*marker, (*l)->name, part);
		*layout = *l;
		if (*marker)
			return 0;
	}
	return err_set(e, ERR_NOTFOUND, "no node without an etcd is recognised here");
}

static bool has(const struct kube_texts *texts, const char *text)
{
	for (size_t i = 0; i < texts->n; i++) {
		if (!strcmp(texts->v[i], text))
			return true;
	}
	return false;
}

/* Of "https://HOST:2380", is HOST a name? */
static bool is_name(const char *url)
{
	const char *host = strstr(url, "://");
	size_t digits;

	if (!host || host[3] == '[')
		return false;
	host += 3;
	digits = strspn(host, "0123456789.");
	return host[digits] && host[digits] != ':' && host[digits] != '/';
}

/* What cannot all be true: the member list, this node's name and its peer URLs. */
static void compare(struct kube_node *node, const struct kube_cluster *c)
{
	const struct kube_member *own = NULL;

	for (size_t i = 0; i < c->members.n; i++) {
		const struct kube_member *m = &c->members.v[i];
		own = c->name && !strcmp(m->name, c->name) ? m : own;
		for (size_t k = 0; k < i; k++) {
			for (size_t u = 0; u < m->urls.n; u++) {
				if (has(&c->members.v[k].urls, m->urls.v[u]))
					kube_warn(node, "%s: members %s and %s have one URL, %s",
						c->what, c->members.v[k].name, m->name,
						m->urls.v[u]);
			}
		}
	}
	if (c->name && c->members.n && !own)
		kube_warn(node, "%s: this node's member %s is not among its members, %s", c->what,
			c->name, kube_print_members(node->files->arena, &c->members));
	for (size_t i = 0; own && i < c->peer_urls.n; i++) {
		const char *url = c->peer_urls.v[i];
		if (has(&own->urls, url))
			continue;
		/* Both may be true: the name server knows, and it is not asked. */
		if (is_name(url) != is_name(own->urls.v[0]))
			kube_warn(node,
				"%s: %s advertises %s, its member list has %s; that is one member "
				"if the name leads to the address",
				c->what, c->name, url, own->urls.v[0]);
		else
			kube_warn(node, "%s: %s advertises %s, its member list says %s", c->what,
				c->name, url, own->urls.v[0]);
	}
}

static bool next_name(struct str *name, struct str *path)
{
	while (str_next(name, path, '/')) {
		if (name->len && !str_is(*name, "."))
			return true;
	}
	return false;
}

/* What `path` has behind `dir`; false: it is not below it. */
static bool is_below(struct str *rest, const char *path, const char *dir)
{
	struct str of = str_from(dir), is, want;

	*rest = str_from(path);
	while (next_name(&want, &of)) {
		if (!next_name(&is, rest) || !str_equal(is, want))
			return false;
	}
	return true;
}

/* A log apart has a place of its own: where it would be anyway, it is none; and what holds the
 * member, or lies in it, cannot be replaced without it. */
static int check_wal(struct kube_cluster *c, struct err *e)
{
	struct str rest, first, second, third;

	if (!c->wal_dir || !c->data_dir)
		return 0;
	for (rest = str_from(c->wal_dir); next_name(&first, &rest);) {
		if (str_is(first, ".."))
			return err_set(e, ERR_UNSUPPORTED,
				"%s: --wal-dir %s leads back by \"..\"; write the path out",
				c->what, c->wal_dir);
	}
	const bool below = is_below(&rest, c->wal_dir, c->data_dir), has = next_name(&first, &rest);
	if (below && has && str_is(first, "member") && next_name(&second, &rest) &&
		str_is(second, "wal") && !next_name(&third, &rest)) {
		c->wal_dir = NULL;
		return 0;
	}
	if (below ? has && !str_is(first, "member") : !is_below(&rest, c->data_dir, c->wal_dir))
		return 0;
	return err_set(e, ERR_UNSUPPORTED,
		"%s: its write-ahead log (--wal-dir), %s, and its member, %s/member, lie in each "
		"other; leave --wal-dir out, or give the log a directory of its own",
		c->what, c->wal_dir, c->data_dir);
}

int kube_node(struct kube_node *node, struct kube_files *files, const char *forced, struct err *e)
{
	*node = (struct kube_node){ .files = files };
	if (kube_layout_find(&node->layout, &node->marker, files->root, files->arena, forced, e))
		return e->code;
	if (node->layout->read(node, e))
		return e->code;
	for (size_t i = 0; i < node->n_clusters; i++) {
		if (check_wal(&node->clusters[i], e))
			return e->code;
		compare(node, &node->clusters[i]);
	}
	return 0;
}

void kube_add_text(struct kube_texts *texts, struct arena *a, const char *text)
{
	for (size_t i = 0; i < texts->n; i++) {
		if (!strcmp(texts->v[i], text))
			return;
	}
	if (texts->n == KUBE_TEXTS_MAX)
		return;
	const char **more = arena_array(a, texts->n + 1, sizeof *more);
	if (texts->n)
		memcpy(more, texts->v, texts->n * sizeof *more);
	more[texts->n++] = text;
	texts->v = more;
}

struct kube_texts kube_texts_of(struct arena *a, const struct doc_node *list)
{
	struct kube_texts out = { 0 };

	if (!list || list->kind != DOC_LIST)
		return out;
	out.v = arena_array(a, list->n + 1, sizeof *out.v);
	for (const struct doc_node *n = list->first; n; n = n->next) {
		if (n->kind == DOC_SCALAR)
			out.v[out.n++] = arena_copy(a, n->text);
	}
	return out;
}

void kube_warn(struct kube_node *node, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	kube_add_text(
		&node->warnings, node->files->arena, arena_vprint(node->files->arena, fmt, ap));
	va_end(ap);
}

struct kube_cluster *kube_add_cluster(struct kube_node *node, const char *what)
{
	struct kube_cluster *more =
		arena_array(node->files->arena, node->n_clusters + 1, sizeof *more);

	if (node->n_clusters)
		memcpy(more, node->clusters, node->n_clusters * sizeof *more);
	node->clusters = more;
	more[node->n_clusters] =
		(struct kube_cluster){ .what = what, .token = node->layout->token };
	return &more[node->n_clusters++];
}

void kube_read_urls(struct kube_texts *urls, struct arena *a, struct str text)
{
	struct str url;

	while (str_next(&url, &text, ',')) {
		url = str_trim(url);
		if (url.len)
			kube_add_text(urls, a, arena_copy(a, url));
	}
}

void kube_read_members(struct kube_members *members, struct arena *a, struct str text)
{
	struct str pair, name, url;

	while (str_next(&pair, &text, ',')) {
		if (!str_cut(&name, &url, str_trim(pair), '='))
			continue;
		struct kube_member *m = NULL;
		for (size_t i = 0; i < members->n && !m; i++) {
			if (str_is(name, members->v[i].name))
				m = &members->v[i];
		}
		if (!m && members->n == KUBE_TEXTS_MAX)
			return;
		if (!m) {
			struct kube_member *more = arena_array(a, members->n + 1, sizeof *more);
			if (members->n)
				memcpy(more, members->v, members->n * sizeof *more);
			members->v = more;
			m = &more[members->n++];
			m->name = arena_copy(a, name);
		}
		kube_add_text(&m->urls, a, arena_copy(a, url));
	}
}

const char *kube_print_members(struct arena *a, const struct kube_members *members)
{
	const char *text = "";

	for (size_t i = 0; i < members->n; i++) {
		for (size_t k = 0; k < members->v[i].urls.n; k++)
			text = arena_print(a, "%s%s%s=%s", text, *text ? "," : "",
				members->v[i].name, members->v[i].urls.v[k]);
	}
	return text;
}
