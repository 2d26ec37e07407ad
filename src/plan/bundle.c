#include "plan/bundle.h"

#include <string.h>

#include "target/file.h"

static bool is_ours(const char *path)
{
	static const char *const places[] = { "etc/kubernetes/", "etc/cray/kubernetes/",
		"etc/cray/encryption/", "etc/cfc/conf/", "var/lib/kubelet/config.yaml",
		"var/lib/kubelet/kubeadm-flags.env", "etc/default/kubelet", "etc/sysconfig/kubelet",
		NULL };

	for (const char *const *p = places; *p; p++) {
		const size_t len = strlen(*p);
		if ((*p)[len - 1] == '/' ? !strncmp(path, *p, len) : !strcmp(path, *p))
			return true;
	}
	return false;
}

static void keep(struct plan_bundle *bundle, struct plan_bundle_file ***last, struct arena *a,
	const struct unwrap_entry *entry, const struct root *root, const struct listener *listener)
{
	if (entry->role != UNWRAP_COMPANION || entry->inside || !is_ours(entry->name)) {
		event_warning(listener, "bundle",
			"%s lies in none of the places that are brought back: left out",
			entry->name);
		return;
	}
	const bool is_secret = str_ends(str_from(entry->name), STR(".key")) ||
			       str_ends(str_from(entry->name), STR(".conf"));
	struct plan_bundle_file *f = arena_alloc(a, sizeof *f);
	f->path = entry->name;
	f->bytes = entry->bytes;
	f->mode = is_secret || !entry->mode ? 0600 : entry->mode & 0755;
	f->is_there = root_exists(root, f->path);
	bundle->n++;
	bundle->n_there += f->is_there;
	**last = f;
	*last = &f->next;
}

static int unwrap_all(struct plan_bundle *bundle, struct arena *a, const struct settings *settings,
	const char *url, const struct root *root, const struct stream *in, struct err *e)
{
	const struct unwrap_settings how = {
		.name = url, .companions = true, .arena = a, .listener = settings->source.listener
	};
	struct plan_bundle_file **last = &bundle->first;
	struct unwrap_entry entry;
	struct unwrap *unwrap;

	if (unwrap_open(&unwrap, &how, in, e))
		return e->code;
	int status;
	while (!(status = unwrap_next(&entry, unwrap, e)) && entry.role != UNWRAP_END)
		keep(bundle, &last, a, &entry, root, how.listener);
	unwrap_close(unwrap);
	return status;
}

static int read_object(struct plan_bundle *bundle, struct arena *a, const struct settings *settings,
	struct source *source, const char *url, const struct root *root, struct err *e)
{
	struct source_objects objects;
	struct stream stream;

	if (source_list(source, &objects, a, e))
		return e->code;
	if (objects.n != 1)
		return err_set(e, ERR_USAGE,
			"%zu things lie at the address of the bundle; name one", objects.n);
	if (source_read(source, &stream, &objects.v[0], e))
		return e->code;
	const int status = unwrap_all(
		bundle, a, settings, objects.v[0].url ? objects.v[0].url : url, root, &stream, e);
	stream_close(&stream);
	return status;
}

int plan_bundle_read(struct plan_bundle *bundle, struct arena *a, const struct settings *settings,
	const char *url, const struct root *root, struct err *e)
{
	struct source_settings place = settings->source;
	struct source *source;

	*bundle = (struct plan_bundle){ 0 };
	place.url = url;
	if (source_open(&source, &place, e))
		return e->code;
	const int status = read_object(bundle, a, settings, source, url, root, e);
	source_close(source);
	if (status)
		return status;
	for (const struct plan_bundle_file *f = bundle->first; f; f = f->next) {
		if (!strncmp(f->path, "etc/kubernetes/pki/", strlen("etc/kubernetes/pki/")))
			return 0;
	}
	return err_set(e, ERR_NOTFOUND,
		"this archive holds no etc/kubernetes/pki; etcd-rescue collect makes such a one");
}

int plan_bundle_write(const struct plan_bundle *bundle, const struct root *root, struct err *e)
{
	for (const struct plan_bundle_file *f = bundle->first; f; f = f->next) {
		if (!f->is_there && target_create(root, f->path, NULL, f->mode, f->bytes, e))
			return e->code;
	}
	return 0;
}
