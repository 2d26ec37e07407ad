#include "kube/collect.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube/encryption.h"
#include "os/file.h"
#include "os/names.h"

enum { ONE_MAX = 4 << 20, ALL_MAX = 64 << 20, DEPTH = 16 };

/* Without these a fresh master cannot be made. */
static const char *const wanted[] = { "etc/kubernetes/pki/ca.crt", "etc/kubernetes/pki/ca.key",
	"etc/kubernetes/pki/sa.key", "etc/kubernetes/pki/sa.pub",
	"etc/kubernetes/pki/front-proxy-ca.crt", "etc/kubernetes/pki/front-proxy-ca.key",
	"etc/kubernetes/pki/etcd/ca.crt", "etc/kubernetes/pki/etcd/ca.key" };
enum { WANTED = sizeof wanted / sizeof *wanted };

struct pack {
	bool has[WANTED];
	struct kube_collected *done;
	struct kube_files *files;
	struct arena *a;
	struct archive *archive;
	const struct listener *listener;
	struct err *e;
};

static int broken(struct pack *p, const char *path)
{
	const char *why = archive_error_string(p->archive);

	return err_set(p->e, ERR_IO, "writing %s into the archive: %s", path, why ? why : "failed");
}

static int add_file(struct pack *p, const char *path, const struct stat *st)
{
	CLEAN_BUF struct buf text = BUF(ONE_MAX);

	for (size_t i = 0; i < p->done->files.n; i++) {
		if (!strcmp(p->done->files.v[i], path))
			return 0;
	}
	if (file_read(&text, p->files->root, path, p->e))
		return p->e->code == ERR_SPACE
			       ? err_set(p->e, ERR_SPACE, "%s holds more than %d bytes", path,
					 ONE_MAX)
			       : p->e->code;
	if (p->done->bytes + text.len > ALL_MAX)
		return err_set(p->e, ERR_SPACE, "more than %d bytes in all", ALL_MAX);
	struct archive_entry *entry = archive_entry_new();
	archive_entry_set_pathname(entry, path);
	archive_entry_set_size(entry, (la_int64_t)text.len);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, st->st_mode & 07777);
	archive_entry_set_uid(entry, st->st_uid);
	archive_entry_set_gid(entry, st->st_gid);
	archive_entry_set_mtime(entry, st->st_mtime, 0);
	const bool good = archive_write_header(p->archive, entry) == ARCHIVE_OK &&
			  archive_write_data(p->archive, text.p, text.len) == (la_ssize_t)text.len;
	archive_entry_free(entry);
	explicit_bzero(text.p, text.len);
	if (!good)
		return broken(p, path);
	p->done->bytes += text.len;
	for (size_t i = 0; i < WANTED; i++)
		p->has[i] = p->has[i] || !strcmp(path, wanted[i]);
	kube_add_text(&p->done->files, p->a, path);
	return 0;
}

/* What kubeadm and people leave there. */
static bool is_old_copy(const char *name)
{
	const struct str s = str_from(name);

	return !strcmp(name, "tmp") || str_ends(s, STR(".bak")) || str_ends(s, STR(".old")) ||
	       str_ends(s, STR("~")) || str_starts(s, STR("pki.backup")) ||
	       str_starts(s, STR("kubeadm-backup-"));
}

static int add(struct pack *p, const char *path, unsigned depth);

static int add_directory(struct pack *p, const char *path, unsigned depth)
{
	struct names names;

	if (depth == DEPTH)
		return err_set(p->e, ERR_SPACE, "%s: directories nested too deeply", path);
	if (names_read(&names, p->a, p->files->root, path, p->e))
		return p->e->code;
	for (size_t i = 0; i < names.n; i++) {
		if (!is_old_copy(names.v[i]) &&
			add(p, arena_print(p->a, "%s/%s", path, names.v[i]), depth + 1))
			return p->e->code;
	}
	return 0;
}

static int add(struct pack *p, const char *path, unsigned depth)
{
	char target[1024];
	struct stat st;
	struct err none = { 0 };
	CLOSE_FD int fd = -1;

	if (!root_read_link(target, sizeof target, p->files->root, path, &none)) {
		event_warning(
			p->listener, "collect", "%s is a link to %s and left out", path, target);
		return 0;
	}
	if (root_open_at(&fd, p->files->root, path, O_PATH, p->e))
		return p->e->code;
	if (fstat(fd, &st))
		return err_sys(p->e, "%s", path);
	if (S_ISDIR(st.st_mode))
		return add_directory(p, path, depth);
	if (S_ISREG(st.st_mode))
		return add_file(p, path, &st);
	event_warning(p->listener, "collect", "%s is no file and left out", path);
	return 0;
}

static int add_all(struct pack *p)
{
	static const char *const more[] = { "var/lib/kubelet/config.yaml",
		"var/lib/kubelet/kubeadm-flags.env", "etc/default/kubelet", "etc/sysconfig/kubelet",
		"etc/cray/kubernetes", "etc/cfc/conf", NULL };
	const struct root *root = p->files->root;
	const char *encryption = kube_encryption_path(p->files);

	if (!root_exists(root, "etc/kubernetes/pki"))
		return err_set(p->e, ERR_NOTFOUND,
			"no etc/kubernetes/pki here; run this on a healthy master");
	if (add(p, "etc/kubernetes", 0))
		return p->e->code;
	for (const char *const *m = more; *m; m++) {
		if (root_exists(root, *m) && add(p, *m, 0))
			return p->e->code;
	}
	if (encryption && root_exists(root, encryption) && add(p, encryption, 0))
		return p->e->code;
	if (encryption && !root_exists(root, encryption))
		kube_add_text(&p->done->missing, p->a, encryption);
	/* What a link leads to is left out, and so it is not there. */
	for (size_t i = 0; i < WANTED; i++) {
		if (!p->has[i])
			kube_add_text(&p->done->missing, p->a, wanted[i]);
	}
	return 0;
}

int kube_collect(struct kube_collected *collected, int fd, struct kube_files *files,
	const struct listener *listener, struct err *e)
{
	struct pack p = { .done = collected,
		.files = files,
		.a = files->arena,
		.archive = archive_write_new(),
		.listener = listener,
		.e = e };

	*collected = (struct kube_collected){ 0 };
	if (!p.archive)
		out_of_memory(0);
	int status =
		archive_write_add_filter_zstd(p.archive) != ARCHIVE_OK ||
				archive_write_set_format_pax_restricted(p.archive) != ARCHIVE_OK ||
				archive_write_open_fd(p.archive, fd) != ARCHIVE_OK
			? broken(&p, "the header")
			: add_all(&p);
	if (!status && archive_write_close(p.archive) != ARCHIVE_OK)
		status = broken(&p, "the end");
	archive_write_free(p.archive);
	return status;
}
