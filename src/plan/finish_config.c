/* Into the API with one of this node's own kubeconfigs. */
#include <string.h>

#include "kube/cert.h"
#include "kube/kubeconfig.h"
#include "net/url.h"
#include "os/file.h"
#include "os/names.h"
#include "plan/finish_api.h"

enum { PEM_MAX = 1 << 20, TOKEN_MAX = 1 << 15 };

#define RESOURCES "etc/kubernetes/static-pod-resources/"

/* Where a file that a kubeconfig names may lie: beside the kubeconfig, or from the root; and what a
 * container of OpenShift has as its resources or its certificates is the directory of its own
 * revision, or the one that all revisions share. */
static const char *place(struct arena *a, const struct root *root, const char *config,
	const char *path, unsigned way)
{
	static const struct {
		const char *inside, *ends;
	} mounts[] = { { "/etc/kubernetes/static-pod-resources/", "" },
		{ "/etc/kubernetes/static-pod-certs/", "-certs" } };
	const char *slash = strrchr(config, '/'), *own = config + strlen(RESOURCES);

	if (!way)
		return *path == '/' ? path + 1
		       : slash      ? arena_print(a, "%.*s/%s", (int)(slash - config), config, path)
				    : path;
	const struct str inside = str_from(mounts[way - 1].inside);
	if (!str_starts(str_from(path), inside) || !str_starts(str_from(config), STR(RESOURCES)) ||
		!strchr(own, '/'))
		return NULL;
	struct str dir = { own, (size_t)(strchr(own, '/') - own) }, component = dir;
	size_t at;
	/* "kube-controller-manager-pod-7" has its certificates in "kube-controller-manager-certs".
	 */
	if (way == 2 && str_find(&at, dir, STR("-pod-")))
		component.len = at;
	const char *there = arena_print(a, RESOURCES "%.*s%s/%s", STR_ARG(component),
		component.len < dir.len ? mounts[way - 1].ends : "", path + inside.len);
	return root_exists(root, there) ? there : NULL;
}

/* The bytes that a kubeconfig has in itself, or in a file. */
static int fill(struct str *pem, struct arena *a, const struct root *root, const char *config,
	const char *path, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(PEM_MAX);
	const char *there = NULL;

	if (pem->len || !path)
		return 0;
	for (unsigned way = 3; way-- > 1 && !there;)
		there = place(a, root, config, path, way);
	if (file_read(&text, root, there ? there : place(a, root, config, path, 0), e))
		return e->code;
	*pem = (struct str){ arena_copy(a, buf_text(&text)), text.len };
	explicit_bzero(text.p, text.len);
	return 0;
}

/* What stands in the file goes first, as with other clients: it is renewed there. */
static int read_token(const char **token, struct arena *a, const struct root *root,
	const char *config, const struct kube_kubeconfig *c, struct err *e)
{
	struct str text = { "", 0 };
	struct err why = { 0 };

	if (fill(&text, a, root, config, c->token_file, &why) && !c->token) {
		*e = why;
		return e->code;
	}
	text = str_trim(text.len ? text : str_from(c->token ? c->token : ""));
	*token = text.len ? arena_copy(a, text) : NULL;
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] <= ' ' || text.p[i] > '~' || text.len > TOKEN_MAX)
			return err_set(e, ERR_FORMAT, "the token of %s is none", config);
	}
	return 0;
}

/* Who is called otherwise than it is reached. */
static int set_name(struct finish_api *api, const char *name, struct err *e)
{
	struct arena *a = api->arena;
	struct url url;

	if (url_parse(&url, str_from(api->server), e))
		return e->code;
	if (!finish_api_is_name(str_from(name)))
		return err_set(e, ERR_FORMAT, "its tls-server-name is none");
	const unsigned port = url.port ? url.port : 443;
	api->peer.connect_to =
		arena_print(a, memchr(url.host.p, ':', url.host.len) ? "[%.*s]:%u" : "%.*s:%u",
			STR_ARG(url.host), port);
	api->server = arena_print(a, "https://%s:%u%.*s", name, port, STR_ARG(url.path));
	return 0;
}

/* Else another kubeconfig is better: one may read all, and change little. */
static int may_delete_nodes(struct finish_api *api, struct err *e)
{
	static const char body[] =
		"{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\","
		"\"spec\":{\"resourceAttributes\":{\"verb\":\"delete\",\"resource\":\"nodes\"}}}";
	struct finish_answer answer;

	if (finish_api_call(&answer, api, "POST",
		    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body, e))
		return e->code;
	return str_is(doc_text(doc_get(answer.root, "status"), "allowed"), "true")
		       ? 0
		       : err_set(e, ERR_AUTH,
				 "the API server does not let it delete Nodes; do it by hand "
				 "(kubectl delete node), or leave it (finish: {nodes: no})");
}

static int read_config(struct kube_kubeconfig *c, struct arena *a, const struct root *root,
	const char *path, struct err *e)
{
	struct kube_files files = kube_files(a, root);
	struct kube_file *file;

	return kube_file(&file, &files, path, e) || kube_kubeconfig_read(c, file, e) ||
			       fill(&c->ca, a, root, path, c->ca_file, e) ||
			       fill(&c->cert, a, root, path, c->cert_file, e) ||
			       fill(&c->key, a, root, path, c->key_file, e)
		       ? e->code
		       : 0;
}

static int enter(struct finish_api *api, const struct root *root, const char *path, struct err *e)
{
	struct arena *a = api->arena;
	struct kube_kubeconfig c;
	const char *token = NULL;

	if (read_config(&c, a, root, path, e) || read_token(&token, a, root, path, &c, e))
		return e->code;
	if (!c.ca.len)
		return err_set(e, ERR_UNSUPPORTED, "%s holds no CA of its server", path);
	const bool both = c.cert.len && c.key.len;
	if (!both && !token)
		return err_set(e, ERR_UNSUPPORTED,
			"%s holds neither a client certificate nor a token", path);
	if (token && !str_starts(str_from(c.server), STR("https://")))
		return err_set(e, ERR_UNSUPPORTED, "%s would send its token in the clear", path);
	api->server = c.server;
	while (str_ends(str_from(api->server), STR("/")))
		api->server = arena_print(a, "%.*s", (int)strlen(api->server) - 1, api->server);
	api->peer.trust = (struct trust){
		.anchors = { (const uint8_t *)c.ca.p, c.ca.len },
		.cert = { (const uint8_t *)c.cert.p, both ? c.cert.len : 0 },
		.key = { (const uint8_t *)c.key.p, both ? c.key.len : 0 },
	};
	api->peer.token = token;
	api->peer.connect_to = NULL;
	if (c.server_name && set_name(api, c.server_name, e))
		return e->code;
	http_session_close(api->peer.session);
	api->peer.session = http_session_open();
	return finish_lease_find(api, e);
}

const char *finish_config_newest(struct arena *a, const struct root *root, const char *path)
{
	const char *star = strchr(path, '*');
	const struct str before = { path, (size_t)(star - path) };
	const char *slash = memrchr(path, '/', before.len);
	struct names names = { 0 };
	struct err none = { 0 };
	const char *found = NULL;
	uint64_t most = 0;

	if (!slash)
		return NULL;
	const struct str start = { slash + 1, (size_t)(star - slash - 1) };
	const char *dir = arena_print(a, "%.*s", (int)(slash - path), path);
	if (names_read(&names, a, root, dir, &none))
		return NULL;
	for (size_t i = 0; i < names.n; i++) {
		const struct str name = str_from(names.v[i]);
		uint64_t n;
		if (!str_starts(name, start) ||
			!str_u64(&n, (struct str){ name.p + start.len, name.len - start.len }, 10,
				UINT32_MAX) ||
			(found && n <= most))
			continue;
		most = n;
		found = arena_print(a, "%s/%s%s", dir, names.v[i], star + 1);
	}
	return found;
}

bool finish_config_would_do(struct arena *a, const struct root *root, const char *path,
	const char *organization, int64_t now)
{
	struct kube_kubeconfig c;
	struct err none = { 0 };

	if (strchr(path, '*') && !(path = finish_config_newest(a, root, path)))
		return false;
	return !read_config(&c, a, root, path, &none) && c.key.len &&
	       kube_leaf_serves(
		       (struct span){ (const uint8_t *)c.cert.p, c.cert.len }, organization, now);
}

int finish_api_open(struct finish_api *api, const struct root *root,
	const struct finish_record *record, struct err *e)
{
	struct err first = { 0 };

	err_set(&first, ERR_NOTFOUND, "there is no kubeconfig to ask the API server with");
	for (size_t i = 0; i < record->kubeconfigs.n; i++) {
		const char *path = record->kubeconfigs.v[i];
		const struct arena_mark mark = arena_mark(api->arena);
		struct err why = { 0 };
		if (strchr(path, '*') && !(path = finish_config_newest(api->arena, root, path)))
			continue;
		if (!enter(api, root, path, &why) &&
			(!api->nodes || !may_delete_nodes(api, &why))) {
			api->config = path;
			return 0;
		}
		err_wrap(&why, "%s", path);
		api->peer.trust = (struct trust){ 0 };
		api->peer.token = api->peer.connect_to = NULL;
		api->server = NULL;
		arena_release(api->arena, mark);
		/* The best of them come first. */
		if (first.code == ERR_NOTFOUND)
			first = why;
	}
	*e = first;
	return e->code;
}
