#include "source/catalogue_name.h"

#include <string.h>

#include "base/ascii.h"

/* `head` and one of `endings` enclose the time; with `node` a node's name and a '-' stand
 * before the time; a row without `timed` is the whole name. */
struct form {
	const char *kind;
	enum catalogue_role role;
	const char *head, *endings;
	bool timed, node;
};

static const struct form forms[] = {
	{ "csm", CATALOGUE_DATABASE, "etcd-backup-", ".tar.gz|.tgz|.tar", true, false },
	{ "openshift", CATALOGUE_DATABASE, "snapshot_", ".db", true, false },
	{ "openshift", CATALOGUE_COMPANION, "static_kuberesources_", ".tar.gz", true, false },
	{ "openshift-4.2", CATALOGUE_DATABASE, "backup_", ".snapshots.tgz", true, false },
	{ "openshift-4.2", CATALOGUE_COMPANION, "backup_", ".misc.tgz", true, false },
	{ "icp", CATALOGUE_DATABASE, "etcd.", ".db", true, false },
	{ "k3s", CATALOGUE_DATABASE, "etcd-snapshot-", "|.zip", true, true },
	{ "k3s", CATALOGUE_DATABASE, "on-demand-", "|.zip", true, true },
	{ "gardener", CATALOGUE_DATABASE, "Full-",
		"|.gz|.zlib|.lzw|.final|.gz.final|.zlib.final|.lzw.final", true, true },
	{ "gardener", CATALOGUE_INCREMENT, "Incr-", "|.gz|.zlib|.lzw", true, true },
	{ "kops", CATALOGUE_DATABASE, "etcd.backup.gz", "", false, false },
	{ "kops", CATALOGUE_COMPANION, "_etcd_backup.meta", "", false, false },
	{ "kube-up", CATALOGUE_DATABASE, "snapshot.db", "", false, false },
	{ "kube-up", CATALOGUE_EVENTS, "snapshot-events.db", "", false, false },
};

static const char dirty_mark[] = "__POSSIBLY_DIRTY__";

static struct str from(struct str s, size_t at)
{
	return (struct str){ s.p + at, s.len - at };
}

static struct str last_part(struct str path)
{
	size_t at = path.len;

	while (at && path.p[at - 1] != '/')
		at--;
	return from(path, at);
}

static struct str without_last_part(struct str path)
{
	const struct str base = last_part(path);
	size_t len = path.len - base.len;

	while (len && path.p[len - 1] == '/')
		len--;
	return (struct str){ path.p, len };
}

static bool is_any_of(struct str s, const char *words)
{
	struct str word, rest = str_from(words);

	if (!s.len)
		return *words == '\0' || *words == '|';
	while (str_next(&word, &rest, '|')) {
		if (str_equal(s, word))
			return true;
	}
	return false;
}

/* Take an ending off; the longest first where one ends in another. */
static bool cut_ending(struct str *s, const char *words)
{
	struct str word, rest = str_from(words);

	while (str_next(&word, &rest, '|')) {
		if (s->len > word.len && str_ends(*s, word)) {
			s->len -= word.len;
			return true;
		}
	}
	return false;
}

/* Names in the making and leftovers. */
static const char *unfinished(struct str path)
{
	struct str part, rest = path;
	struct str base = last_part(path);

	while (str_next(&part, &rest, '/')) {
		if (str_is(part, ".metadata"))
			return "metadata of k3s, no snapshot";
	}
	if (str_starts(base, STR(".")) && base.len > 1)
		return "a hidden file: something unfinished";
	if (cut_ending(&base, ".part|.partial|.tmp|.temp|.filepart|.crdownload|.incomplete|.swp|~"))
		return "its ending says that it is unfinished";
	if (cut_ending(&base, ".gpg|.pgp|.asc|.age|.enc"))
		return "encrypted; decrypt it first";
	return NULL;
}

/* hourly, v2, 2026-11-20, Backup-1795197630: folders of time, not of clusters. */
static bool is_passing(struct str part)
{
	static const char words[] = "hourly|daily|weekly|monthly|yearly|v1|v2|latest|current|"
				    "assets|backup|backups|snapshots|snapshot|db";
	struct name_time t;
	bool digits = true;

	for (size_t i = 0; i < part.len; i++)
		digits &= ascii_is_digit(part.p[i]);
	return digits || is_any_of(part, words) || name_time_find(&t, part);
}

/* The folder that tells clusters apart: what stands before the first passing part, counted
 * from the end. */
static struct str lasting_folder(struct str parent)
{
	while (parent.len && is_passing(last_part(parent)))
		parent = without_last_part(parent);
	return parent;
}

static void read_form(struct catalogue_name *n, struct str head, struct str tail)
{
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		const struct form *f = &forms[i];
		const struct str start = str_from(f->head);
		struct str node = { n->base.p, 0 };
		if (!f->timed ? !str_equal(n->base, start)
			      : !head.len || !str_starts(head, start) ||
					!is_any_of(tail, f->endings))
			continue;
		if (f->timed && f->node) {
			node = from(head, start.len);
			if (node.len < 2 || node.p[node.len - 1] != '-')
				continue;
			node.len--;
		} else if (f->timed && head.len != start.len) {
			continue;
		}
		n->role = f->role;
		n->kind = f->kind;
		n->ending = tail;
		/* Of gardener's it is the revisions that stand there. */
		if (f->node && strcmp(f->kind, "gardener") != 0)
			n->node = node;
		return;
	}
}

static bool has_word(struct str s)
{
	size_t at;

	return str_find(&at, s, STR("etcd")) || str_find(&at, s, STR("snapshot")) ||
	       str_find(&at, s, STR("backup")) || str_find(&at, s, STR("snap-"));
}

/* Backups nobody has told us of: a fitting ending, and a time or a telling word. */
static void read_other(struct catalogue_name *n, struct str tail)
{
	static const char packed[] = ".gz|.zst|.zstd|.xz|.bz2|.lz4|.zip|.tgz|.txz|.tbz2|.tzst|.tar";
	struct str rest = tail;
	bool was_packed = false;

	while (cut_ending(&rest, packed) || (rest.len && is_any_of(rest, packed))) {
		was_packed = true;
		if (is_any_of(rest, packed))
			rest.len = 0;
	}
	const struct str whole = rest;
	const bool fits = cut_ending(&rest, ".db|.snap|.snapshot|.etcd|.bin|.dump|.backup|.bak") ||
			  is_any_of(rest, ".db|.snap|.snapshot|.etcd|.bin|.dump|.backup|.bak");
	const bool bare = !memchr(last_part(whole).p, '.', last_part(whole).len);
	if (!fits && !was_packed && !(bare && n->has_time))
		return;
	if (!n->has_time && !has_word(n->base) && !(fits && str_ends(whole, STR(".db"))))
		return;
	n->role = CATALOGUE_DATABASE;
	n->kind = "other";
	n->ending = tail;
}

void catalogue_name_read(struct catalogue_name *name, struct str path)
{
	struct catalogue_name n = { .role = CATALOGUE_ALIEN, .kind = "", .path = path };
	struct str head, tail;
	size_t at;

	n.base = last_part(path);
	n.parent = without_last_part(path);
	n.ending = n.node = (struct str){ n.base.p, 0 };
	n.has_time = name_time_find(&n.time, n.base);
	if (n.has_time) {
		head = (struct str){ n.base.p, (size_t)(n.time.text.p - n.base.p) };
		tail = from(n.base, head.len + n.time.text.len);
	} else {
		head = (struct str){ n.base.p, 0 };
		tail = n.base;
		n.has_time = name_time_find(&n.time, n.parent);
	}
	n.folder = lasting_folder(n.parent);
	if (str_starts(tail, str_from(dirty_mark))) {
		n.dirty = true;
		tail = from(tail, sizeof dirty_mark - 1);
	}
	n.why = unfinished(path);
	if (n.why) {
		struct str rest = n.base;
		cut_ending(&rest, ".gpg|.pgp|.asc|.age|.enc");
		n.role = n.has_time || has_word(rest) ? CATALOGUE_DATABASE : CATALOGUE_ALIEN;
		n.kind = "other";
		*name = n;
		return;
	}
	struct str hashed = n.base;
	if (cut_ending(&hashed, ".sha256|.sha256sum")) {
		n.role = CATALOGUE_SIDECAR;
		*name = n;
		return;
	}
	read_form(&n, head, tail);
	if (n.role == CATALOGUE_ALIEN && str_ends(path, STR("member/snap/db")) &&
		(path.len == 14 || path.p[path.len - 15] == '/')) {
		n.role = CATALOGUE_DATABASE;
		n.kind = "member";
	} else if (n.role == CATALOGUE_ALIEN) {
		read_other(&n, tail);
	}
	/* NODE/assets/backup/snapshot.db */
	if (str_ends(n.parent, STR("assets/backup"))) {
		const struct str above = without_last_part(without_last_part(n.parent));
		n.node = last_part(above);
		n.folder = lasting_folder(without_last_part(above));
		n.kind = n.role == CATALOGUE_DATABASE ? "assets" : n.kind;
	} else if (n.role == CATALOGUE_DATABASE && str_find(&at, n.parent, STR("events")) &&
		   (str_is(last_part(n.folder), "events") ||
			   str_is(last_part(n.folder), "etcd-events"))) {
		n.role = CATALOGUE_EVENTS;
		n.folder = without_last_part(n.folder);
	} else if (!strcmp(n.kind, "kops") && str_is(last_part(n.folder), "main")) {
		n.folder = without_last_part(n.folder);
	}
	*name = n;
}

const char *catalogue_partner(const char *kind)
{
	static const struct {
		const char *kind, *partner;
	} pairs[] = {
		{ "openshift", "static_kuberesources" },
		{ "openshift-4.2", "misc.tgz" },
		{ "kops", "_etcd_backup.meta" },
	};

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		if (!strcmp(pairs[i].kind, kind))
			return pairs[i].partner;
	}
	return NULL;
}
