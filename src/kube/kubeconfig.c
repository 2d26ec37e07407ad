#include "kube/kubeconfig.h"

#include <string.h>

#include "base/ascii.h"
#include "codec/json.h"
#include "codec/text.h"
#include "kube/check.h"

enum { DATA_MAX = 1 << 18, NAME_BYTES = 8192 };

static int print_base64(struct buf *out, const char *key, struct str text, struct err *e)
{
	const struct span bytes = { (const uint8_t *)text.p, text.len };

	return buf_print(out, e, "    %s: ", key) || codec_text_base64(out, bytes, e) ||
			       buf_add(out, "\n", 1, e)
		       ? e->code
		       : 0;
}

/* Bare where that is a text for every reader; else in quotes. */
static int print_text(struct buf *out, const char *text, struct err *e)
{
	bool bare = *text && !kube_is_typed(str_from(text)) && !strchr("-?:@", *text);

	for (const char *p = text; *p; p++)
		bare = bare && (ascii_is_word(*p) || strchr("-.:@/", *p)) && !(*p == ':' && !p[1]);
	if (bare)
		return buf_add(out, text, strlen(text), e);
	struct json j = JSON(out);
	json_text(&j, text);
	return json_end(&j, e);
}

static int print_pair(struct buf *out, const char *key, const char *text, struct err *e)
{
	return buf_print(out, e, "%s: ", key) || print_text(out, text, e) ||
			       buf_add(out, "\n", 1, e)
		       ? e->code
		       : 0;
}

int kube_kubeconfig_print(struct buf *out, const struct kube_kubeconfig *c, struct err *e)
{
	CLEAN_BUF struct buf both = BUF(NAME_BYTES);

	if (buf_print(&both, e, "%s@%s", c->user, c->cluster) || buf_add(&both, "", 1, e))
		return e->code;
	const char *context = (const char *)both.p;
	if (buf_print(out, e, "apiVersion: v1\nclusters:\n- cluster:\n") ||
		print_base64(out, "certificate-authority-data", c->ca, e) ||
		print_pair(out, "    server", c->server, e) ||
		print_pair(out, "  name", c->cluster, e) ||
		buf_print(out, e, "contexts:\n- context:\n") ||
		print_pair(out, "    cluster", c->cluster, e) ||
		print_pair(out, "    user", c->user, e) || print_pair(out, "  name", context, e) ||
		print_pair(out, "current-context", context, e) ||
		buf_print(out, e, "kind: Config\n%susers:\n",
			c->preferences ? "preferences: {}\n" : "") ||
		print_pair(out, "- name", c->user, e) || buf_print(out, e, "  user:\n") ||
		print_base64(out, "client-certificate-data", c->cert, e) ||
		print_base64(out, "client-key-data", c->key, e))
		return e->code;
	return 0;
}

static const struct doc_node *entry(
	const struct doc_node *root, const char *list, const char *what, struct str name)
{
	const struct doc_node *l = doc_get(root, list);

	for (const struct doc_node *c = l && l->kind == DOC_LIST ? l->first : NULL; c;
		c = c->next) {
		if (str_equal(doc_text(c, "name"), name))
			return doc_get(c, what);
	}
	return NULL;
}

static int data(struct str *pem, struct kube_file *file, const struct doc_node *map,
	const char *key, struct err *e)
{
	const struct doc_node *node = doc_get(map, key);
	CLEAN_BUF struct buf bytes = BUF(DATA_MAX);

	*pem = (struct str){ "", 0 };
	if (!node)
		return 0;
	if (node->kind != DOC_SCALAR || codec_text_unbase64(&bytes, node->text, e))
		return kube_refuse(file, node->start, e, "%s is no base64 text", key);
	*pem = (struct str){ arena_copy(file->set->arena, buf_text(&bytes)), bytes.len };
	if (bytes.len)
		explicit_bzero(bytes.p, bytes.len);
	return 0;
}

static const char *text_of(struct arena *a, const struct doc_node *map, const char *key)
{
	const struct str text = doc_text(map, key);

	return text.len ? arena_copy(a, text) : NULL;
}

int kube_kubeconfig_read(struct kube_kubeconfig *c, struct kube_file *file, struct err *e)
{
	struct arena *a = file->set->arena;

	if (kube_file_parse(file, DOC_YAML, e))
		return e->code;
	const struct doc_node *root = file->doc.root;
	const struct doc_node *context =
		entry(root, "contexts", "context", doc_text(root, "current-context"));
	const struct doc_node *cluster =
		entry(root, "clusters", "cluster", doc_text(context, "cluster"));
	const struct doc_node *user = entry(root, "users", "user", doc_text(context, "user"));
	if (!context || !cluster || !user)
		return kube_refuse(file, root ? root->start : 0, e,
			"no kubeconfig: current-context leads to no cluster and user");
	c->cluster = arena_copy(a, doc_text(context, "cluster"));
	c->user = arena_copy(a, doc_text(context, "user"));
	c->server = arena_copy(a, doc_text(cluster, "server"));
	c->server_name = text_of(a, cluster, "tls-server-name");
	c->ca_file = text_of(a, cluster, "certificate-authority");
	c->cert_file = text_of(a, user, "client-certificate");
	c->key_file = text_of(a, user, "client-key");
	c->token_file = text_of(a, user, "tokenFile");
	c->token = text_of(a, user, "token");
	return data(&c->ca, file, cluster, "certificate-authority-data", e) ||
			       data(&c->cert, file, user, "client-certificate-data", e) ||
			       data(&c->key, file, user, "client-key-data", e)
		       ? e->code
		       : 0;
}
