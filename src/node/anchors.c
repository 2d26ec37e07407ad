#include "node/anchors.h"

#include "net/trust.h"
#include "os/file.h"
#include "os/names.h"

static const char bundle[] = "/etc/ssl/certs/ca-certificates.crt";
static const char own[] = "/etc/etcd-rescue/ca";

enum { NAMES_ARENA = 1 << 20 };

static int add_file(struct buf *pem, const struct root *root, const char *path, struct err *e)
{
	const size_t before = pem->len;

	if (file_read(pem, root, path, e))
		return err_wrap(e, "certificate authorities");
	const struct span added = { pem->p + before, pem->len - before };
	if (trust_check(added, path, e))
		return e->code;
	/* A file may end without a line end; the next one must not begin on its last line. */
	return buf_add(pem, "\n", 1, e);
}

int node_anchors_load(struct buf *pem, const struct root *root, struct err *e)
{
	struct arena arena = ARENA(NAMES_ARENA);
	struct names names = { 0 };
	int bad = 0;

	if (root_exists(root, bundle) && add_file(pem, root, bundle, e))
		return e->code;
	if (root_exists(root, own))
		bad = names_read(&names, &arena, root, own, e);
	for (size_t i = 0; !bad && i < names.n; i++) {
		const struct str name = str_from(names.v[i]);
		if (str_ends(name, STR(".pem")) || str_ends(name, STR(".crt")))
			bad = add_file(pem, root, arena_print(&arena, "%s/%s", own, names.v[i]), e);
	}
	arena_free(&arena);
	return bad;
}
