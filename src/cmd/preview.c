#include "cmd/preview.h"

#include <stdlib.h>

#include "codec/fnv.h"
#include "etcd/live.h"
#include "kube/stored.h"

/* Names come from whoever wrote the snapshot and go to a terminal. */
static struct str keep(struct arena *a, struct str s)
{
	char *text = arena_copy(a, s);

	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
			text[i] = '?';
	}
	return (struct str){ text, s.len };
}

static void add_name(struct preview *p, struct preview_list *list, struct str name,
	struct str holder, int64_t time)
{
	if (list->n++ >= PREVIEW_NAMES)
		return;
	struct preview_name *entry = arena_alloc(p->arena, sizeof *entry);
	*entry = (struct preview_name){ keep(p->arena, name), keep(p->arena, holder), time, NULL };
	if (!list->first)
		list->last = &list->first;
	*list->last = entry;
	list->last = &entry->next;
}

/* What is no API server's: the first part of the key, up to the second slash. */
static struct str beginning(struct span key)
{
	const struct str text = { (const char *)key.p, key.len < 64 ? key.len : 64 };
	size_t at = 0;

	while (at < text.len && (!at || text.p[at] != '/'))
		at++;
	return (struct str){ text.p, at };
}

static struct preview_group *find_group(struct preview *p, struct str resource, bool kubernetes)
{
	const struct span bytes = { (const uint8_t *)resource.p, resource.len };
	struct preview_group **slot = &p->hash[codec_fnv1a64(bytes) % PREVIEW_HASH];

	for (struct preview_group *g = *slot; g; g = g->same_hash) {
		if (g->kubernetes == kubernetes && str_equal(g->resource, resource))
			return g;
	}
	/* A database of a million different beginnings is not worth a million lines. */
	if (p->n_groups >= PREVIEW_GROUPS && !str_is(resource, "(others)"))
		return find_group(p, STR("(others)"), false);
	struct preview_group *g = arena_alloc(p->arena, sizeof *g);
	*g = (struct preview_group){ .resource = keep(p->arena, resource),
		.kubernetes = kubernetes,
		.next = p->groups,
		.same_hash = *slot };
	p->groups = *slot = g;
	p->n_groups++;
	return g;
}

static void add_secret(struct preview *p, const struct kube_stored *object)
{
	struct preview_secret *s = p->secrets;

	while (s && !(str_equal(s->provider, object->provider) &&
			    str_equal(s->key_name, object->key_name)))
		s = s->next;
	if (!s) {
		s = arena_alloc(p->arena, sizeof *s);
		*s = (struct preview_secret){ keep(p->arena, object->provider),
			keep(p->arena, object->key_name), 0, p->secrets };
		p->secrets = s;
	}
	s->n++;
}

static void add_special(
	struct preview *p, struct str resource, struct str name, const struct kube_stored *object)
{
	const struct str none = { 0 };
	size_t at;

	if (str_is(resource, "minions"))
		add_name(p, &p->nodes, name, none, object->created);
	else if (str_is(resource, "namespaces"))
		add_name(p, &p->namespaces, name, none, object->created);
	else if (str_is(resource, "masterleases"))
		add_name(p, &p->masterleases, name, none, object->created);
	else if (str_is(resource, "secrets"))
		add_secret(p, object);
	else if (str_is(resource, "leases") && str_starts(name, STR("kube-system/")) &&
		 str_find(&at, name, STR("apiserver-")))
		add_name(p, &p->apiservers, name, object->holder, object->renewed);
}

static int add_key(void *ctx, const struct etcd_kv *kv, struct err *e)
{
	struct preview *p = ctx;
	struct str name;
	struct str resource = kube_stored_resource(&name, kv->key);
	const bool kubernetes = resource.len > 0;

	(void)e;
	if (!kubernetes)
		resource = beginning(kv->key);
	struct preview_group *g = find_group(p, resource, kubernetes);
	p->keys++;
	p->bytes += kv->key.len + kv->value.len;
	g->n++;
	g->bytes += kv->key.len + kv->value.len;
	if (!kubernetes)
		return 0;
	const struct kube_stored object = kube_stored_read(kv->value);
	p->kubernetes = true;
	if (!g->kind.len && object.kind.len && object.kind.len < 256) {
		g->kind = keep(p->arena, object.kind);
		g->api_version = keep(p->arena, object.api_version);
	}
	const int64_t time = object.renewed > object.created ? object.renewed : object.created;
	if (object.created > g->newest)
		g->newest = object.created;
	if (time > p->newest) {
		p->newest = time;
		p->newest_key =
			keep(p->arena, (struct str){ (const char *)kv->key.p, kv->key.len });
	}
	add_special(p, resource, name, &object);
	return 0;
}

static int by_size(const void *a, const void *b)
{
	const struct preview_group *x = *(const struct preview_group *const *)a;
	const struct preview_group *y = *(const struct preview_group *const *)b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return str_compare(x->resource, y->resource);
}

static int by_name(const void *a, const void *b)
{
	const struct preview_name *x = *(const struct preview_name *const *)a;
	const struct preview_name *y = *(const struct preview_name *const *)b;

	return str_compare(x->name, y->name);
}

static void sort_groups(struct preview *p)
{
	struct preview_group **v = arena_array(p->arena, p->n_groups + 1, sizeof *v);
	size_t n = 0;

	for (struct preview_group *g = p->groups; g; g = g->next)
		v[n++] = g;
	qsort(v, n, sizeof *v, by_size);
	for (size_t i = 0; i < n; i++)
		v[i]->next = v[i + 1];
	p->groups = v[0];
}

static void sort_names(struct arena *a, struct preview_list *list)
{
	const size_t n = list->n < PREVIEW_NAMES ? list->n : (size_t)PREVIEW_NAMES;
	struct preview_name **v = arena_array(a, n + 1, sizeof *v);
	size_t i = 0;

	for (struct preview_name *name = list->first; name; name = name->next)
		v[i++] = name;
	qsort(v, n, sizeof *v, by_name);
	for (i = 0; i < n; i++)
		v[i]->next = v[i + 1];
	list->first = v[0];
}

int preview_read(struct preview *p, struct arena *a, const struct bolt_db *db, int64_t revision,
	struct err *e)
{
	struct etcd_live_visitor visitor = { add_key, p, false };

	*p = (struct preview){ .arena = a };
	if (etcd_live_walk(db, revision, &visitor, e))
		return e->code;
	sort_groups(p);
	sort_names(a, &p->nodes);
	sort_names(a, &p->namespaces);
	sort_names(a, &p->apiservers);
	sort_names(a, &p->masterleases);
	return 0;
}
