#include "plan/finish_api.h"

#include <string.h>

#include "codec/json.h"

enum { PAGES_MAX = 10000, PAGE = 50, NODES = 2000000, BODY_MAX = 1 << 20 };

void finish_api_close(struct finish_api *api)
{
	http_session_close(api->peer.session);
	*api = (struct finish_api){ 0 };
}

int finish_api_call(struct finish_answer *answer, struct finish_api *api, const char *method,
	const char *path, const char *body, struct err *e)
{
	static const struct doc_limits limits = { FINISH_ANSWER_MAX, NODES, 0, 100 };
	CLEAN_BUF struct buf out = BUF(FINISH_ANSWER_MAX);
	const struct finish_question q = {
		.url = arena_print(api->arena, "%s%s", api->server, path),
		.method = method,
		.type = !strcmp(method, "PATCH") ? "application/merge-patch+json" : NULL,
		.body = str_from(body),
	};
	struct doc doc = { 0 };

	*answer = (struct finish_answer){ 0 };
	if (finish_ask(&out, &answer->status, &api->peer, &q, e))
		return e->code;
	answer->text = (struct str){ arena_copy(api->arena, buf_text(&out)), out.len };
	if (out.len && doc_parse(&doc, api->arena, answer->text, path, DOC_JSON, limits, e))
		return e->code;
	answer->root = doc.root;
	return 0;
}

int finish_api_list(struct finish_api *api, const char *path,
	int (*each)(void *ctx, const struct doc_node *object, struct str text, struct err *e),
	void *ctx, struct err *e)
{
	char more[4096] = "";

	for (int page = 0; page < PAGES_MAX; page++) {
		const struct arena_mark mark = arena_mark(api->arena);
		struct finish_answer answer;
		if (finish_lease_keep(api, e) ||
			finish_api_call(&answer, api, "GET",
				arena_print(api->arena, "%s?limit=%d%s%s", path, PAGE,
					*more ? "&continue=" : "", more),
				NULL, e))
			return e->code;
		const struct doc_node *items = doc_get(answer.root, "items");
		for (const struct doc_node *n = items ? items->first : NULL; n; n = n->next) {
			if (each(ctx, n, answer.text, e))
				return e->code;
		}
		const struct str next = doc_text(doc_get(answer.root, "metadata"), "continue");
		if (next.len >= sizeof more)
			return err_set(e, ERR_FORMAT, "%s: a page that cannot be asked for", path);
		memcpy(more, next.p, next.len);
		more[next.len] = '\0';
		arena_release(api->arena, mark);
		if (!*more)
			return 0;
	}
	return err_set(e, ERR_FORMAT, "%s does not end", path);
}

bool finish_api_is_name(struct str name)
{
	if (!name.len || name.len > 253 || name.p[0] == '.')
		return false;
	for (size_t i = 0; i < name.len; i++) {
		const char c = name.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
			return false;
	}
	return true;
}

int finish_api_delete(struct finish_api *api, const char *path, struct str uid, struct str version,
	bool at_once, struct err *e)
{
	CLEAN_BUF struct buf body = BUF(BODY_MAX);
	struct json j = JSON(&body);
	struct finish_answer answer;
	struct err why = { 0 };

	json_open(&j, '{');
	json_key_text(&j, "kind", "DeleteOptions");
	json_key_text(&j, "apiVersion", "v1");
	json_key_text(&j, "propagationPolicy", "Background");
	if (at_once)
		json_key_u64(&j, "gracePeriodSeconds", 0);
	json_key(&j, "preconditions");
	json_open(&j, '{');
	json_key_str(&j, "uid", uid);
	if (version.len)
		json_key_str(&j, "resourceVersion", version);
	json_close(&j, '}');
	json_close(&j, '}');
	if (json_end(&j, e) || buf_add(&body, "", 1, e))
		return e->code;
	if (finish_api_call(&answer, api, "DELETE", path, (const char *)body.p, &why) &&
		why.code != ERR_NOTFOUND) {
		*e = why;
		return e->code;
	}
	return 0;
}
