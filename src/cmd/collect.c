/* What a fresh master will need, packed on a healthy one. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/applets.h"
#include "codec/json.h"
#include "kube/collect.h"
#include "os/file.h"

enum { OUTPUT_MAX = 1 << 20, PATH = 4096 };

struct collect_options {
	struct option_common common;
	const char *root, *output;
};

static int print(struct buf *out, const struct kube_collected *c, const char *path, bool as_json,
	struct err *e)
{
	struct json j = JSON(out);

	if (!as_json)
		return buf_print(out, e,
			"%s: %zu files, %ju bytes; keep it as safe as the cluster's keys: it holds "
			"them\n",
			path, c->files.n, (uintmax_t)c->bytes);
	json_open(&j, '{');
	json_key_text(&j, "event", "collected");
	json_key_text(&j, "file", path);
	json_key_u64(&j, "bytes", c->bytes);
	for (int i = 0; i < 2; i++) {
		const struct kube_texts *t = i ? &c->missing : &c->files;
		json_key(&j, i ? "missing" : "files");
		json_open(&j, '[');
		for (size_t k = 0; k < t->n; k++)
			json_text(&j, t->v[k]);
		json_close(&j, ']');
	}
	json_close(&j, '}');
	return json_end(&j, e) ? e->code : buf_add(out, "\n", 1, e);
}

/* Under its name for good, power cut or not, and over nothing that appeared meanwhile. */
static int publish(const char *part, const char *to, struct err *e)
{
	char dir[PATH];
	const char *slash = strrchr(to, '/');

	snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - to) + 1 : 1, slash ? to : ".");
	CLOSE_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || renameat2(AT_FDCWD, part, AT_FDCWD, to, RENAME_NOREPLACE))
		return err_sys(e, "%s", to);
	return file_sync(fd, e) ? err_wrap(e, "%s", dir) : 0;
}

static int pack(bool *made, struct app *app, const struct root *root, const char *part,
	const char *to, struct err *e)
{
	const struct collect_options *o = app->options;
	struct kube_files files = kube_files(app->arena, root);
	CLEAN_BUF struct buf out = BUF(OUTPUT_MAX);
	struct kube_collected collected;
	CLOSE_FD int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "%s", part);
	*made = true;
	if (kube_collect(&collected, fd, &files, app->listener, e) || file_sync(fd, e))
		return e->code;
	for (size_t i = 0; i < collected.missing.n; i++)
		event_warning(app->listener, "collect",
			"%s is not here, and a fresh master will want it", collected.missing.v[i]);
	if (publish(part, to, e))
		return e->code;
	*made = false;
	return print(&out, &collected, to, o->common.json, e) ? e->code : app_print(&out, e);
}

static int collect_run(struct app *app, struct err *e)
{
	const struct collect_options *o = app->options;
	CLEAN_ROOT struct root root = NO_ROOT;
	char part[PATH];

	if (!o->output)
		return err_set(e, ERR_USAGE, "collect needs --output FILE");
	if (!access(o->output, F_OK))
		return err_set(e, ERR_DECLINED, "%s exists already", o->output);
	if (snprintf(part, sizeof part, "%s.part", o->output) >= (int)sizeof part)
		return err_set(e, ERR_USAGE, "%s: this path is too long", o->output);
	if (root_open(&root, o->root ? o->root : "/", e))
		return e->code;
	bool made = false;
	const int status = pack(&made, app, &root, part, o->output, e);
	/* Only what this run made: a part of another one made it end above. */
	if (status && made)
		unlink(part);
	return status;
}

static const struct option_row options[] = {
	{ "output", 'o', OPTION_TEXT, offsetof(struct collect_options, output), "FILE",
		"the archive, which must not exist: NAME.tar.zst" },
	{ "root", 0, OPTION_TEXT, offsetof(struct collect_options, root), "DIR",
		"where the disk of the master is mounted (/)" },
	{ 0 },
};

const struct applet applet_collect = {
	.name = "collect",
	.purpose = "pack what a fresh master needs of this healthy one",
	.about = "Certificates, keys, manifests, kubeconfigs, encryption and kubelet "
		 "configuration, in one\n"
		 "tar.zst of mode 0600, which the plan's `pki:` names. It holds every secret of "
		 "the cluster.",
	.options = options,
	.options_size = sizeof(struct collect_options),
	.run = collect_run,
};
