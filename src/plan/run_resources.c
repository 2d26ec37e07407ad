/* OpenShift's backup is a pair: the database, and what the static pods of its time were made of.
 * The vendor's script unpacks that over etc/kubernetes and starts the API server, the controller
 * manager and the scheduler by the revisions in it; etcd's own pod stays, as it starts on whatever
 * lies in its data directory.  Here each file goes through the commit.  Directories of a newer
 * revision stay as they are: nothing names them any more once the manifests are those of the
 * backup, the operators write over them, and under another name beside the rest they would stop
 * the operators' pruning, which takes what follows "-pod-" for a number. */
#include <string.h>

#include "os/names.h"
#include "plan/fetch.h"
#include "plan/run.h"

#define KUBERNETES "etc/kubernetes/"
#define RESOURCES  "static-pod-resources/"
#define MANIFESTS  KUBERNETES "manifests/"

static const char step[] = "rewrite";
static const char *const started[] = { "kube-apiserver", "kube-controller-manager",
	"kube-scheduler", NULL };

/* "kube-apiserver-pod-7" of component kube-apiserver. */
static bool revision_of(uint64_t *revision, struct str name, const char *component)
{
	const size_t len = strlen(component), more = strlen("-pod-");

	return str_starts(name, str_from(component)) && name.len > len + more &&
	       !memcmp(name.p + len, "-pod-", more) &&
	       str_u64(revision, (struct str){ name.p + len + more, name.len - len - more }, 10,
		       UINT32_MAX);
}

/* "static-pod-resources/kube-apiserver-pod-7/kube-apiserver-pod.yaml" */
static bool is_pod(uint64_t *revision, const char *path, const char *component, struct arena *a)
{
	struct str dir, rest = str_from(path + strlen(KUBERNETES RESOURCES));

	return str_cut(&dir, &rest, rest, '/') && revision_of(revision, dir, component) &&
	       str_is(rest, arena_print(a, "%s-pod.yaml", component));
}

static void keep(struct run *r, struct plan_bundle_file ***last, const struct unwrap_entry *entry)
{
	struct arena *a = r->arena;

	if (entry->role != UNWRAP_COMPANION || entry->inside ||
		!str_starts(str_from(entry->name), STR(RESOURCES))) {
		event_warning(r->listener, step, "%s is no resource of a static pod: left out",
			entry->name);
		return;
	}
	struct plan_bundle_file *f = arena_alloc(a, sizeof *f);
	*f = (struct plan_bundle_file){ .path = arena_print(a, KUBERNETES "%s", entry->name),
		.bytes = entry->bytes,
		.mode = strstr(entry->name, "/secrets/") || !entry->mode ? 0600
									 : entry->mode & 0755 };
	r->n_resources++;
	**last = f;
	*last = &f->next;
}

static int unpack(struct run *r, const char *name, const struct stream *in, struct err *e)
{
	const struct unwrap_settings how = {
		.name = name, .companions = true, .arena = r->arena, .listener = r->listener
	};
	struct plan_bundle_file **last = &r->resources;
	struct unwrap_entry entry;
	struct unwrap *unwrap;

	if (unwrap_open(&unwrap, &how, in, e))
		return e->code;
	int status;
	while (!(status = unwrap_next(&entry, unwrap, e)) && entry.role != UNWRAP_END)
		keep(r, &last, &entry);
	unwrap_close(unwrap);
	return status;
}

int run_resources(struct run *r, struct err *e)
{
	const struct catalogue_item *item = r->choose.item;
	struct stream stream = { 0 };

	r->resources = NULL;
	r->n_resources = 0;
	if (r->rewrite.node.layout != &kube_layout_openshift46)
		return 0;
	if (!item->partner) {
		event_warning(r->listener, step,
			"%s has no static_kuberesources beside it: the static pods stay as they "
			"are",
			item->shown);
		return 0;
	}
	if (choose_read(&r->choose, &stream, item->partner, e))
		return err_wrap(e, "%s", item->partner->name);
	const int status = unpack(r, item->partner->name, &stream, e);
	stream_close(&stream);
	if (status)
		return err_wrap(e, "%s", item->partner->name);
	if (!r->resources)
		return err_set(e, ERR_NOTFOUND, "%s holds no " RESOURCES, item->partner->name);
	return 0;
}

static int add(struct run *r, const char *path, const struct plan_bundle_file *f, struct err *e)
{
	struct commit_file file = { .content = f->bytes, .mode = f->mode };

	if (run_has(r, path)) {
		event_warning(r->listener, step,
			"%s is not taken from the backup: it is this node's with changes of its "
			"own",
			path);
		return 0;
	}
	return site_file(&file.place, &r->site, path, e) ? e->code
							 : commit_add_file(&r->commit, &file, e);
}

static int tell_newer(struct run *r, const char *component, uint64_t revision, struct err *e)
{
	struct names names = { 0 };
	struct err none = { 0 };
	uint64_t other;

	if (names_read(&names, r->arena, r->site.target.files.root, KUBERNETES RESOURCES, &none))
		return none.code == ERR_NOTFOUND ? 0 : err_set(e, none.code, "%s", none.text);
	for (size_t i = 0; i < names.n; i++) {
		if (revision_of(&other, str_from(names.v[i]), component) && other > revision)
			event_info(r->listener, step,
				KUBERNETES RESOURCES "%s is newer than the backup, and stays as it "
						     "is",
				names.v[i]);
	}
	return 0;
}

/* The one the backup tells: of several the newest. */
static int start(struct run *r, const char *component, struct err *e)
{
	const char *path = arena_print(r->arena, MANIFESTS "%s-pod.yaml", component);
	const struct plan_bundle_file *best = NULL;
	uint64_t revision, newest = 0;

	for (const struct plan_bundle_file *f = r->resources; f; f = f->next) {
		if (is_pod(&revision, f->path, component, r->arena) &&
			(!best || revision > newest)) {
			best = f;
			newest = revision;
		}
	}
	if (!best)
		return 0;
	event_info(r->listener, step, "%s: revision %ju, as the backup has it", path,
		(uintmax_t)newest);
	return add(r, path, best, e) || tell_newer(r, component, newest, e) ? e->code : 0;
}

int run_resources_files(struct run *r, struct err *e)
{
	for (const struct plan_bundle_file *f = r->resources; f; f = f->next) {
		if (add(r, f->path, f, e))
			return e->code;
	}
	for (const char *const *c = started; r->resources && *c; c++) {
		if (start(r, *c, e))
			return e->code;
	}
	if (r->resources)
		event_info(r->listener, step, "%zu resources of static pods, from the backup",
			r->n_resources);
	return 0;
}
