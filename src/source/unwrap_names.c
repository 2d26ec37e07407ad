#include "source/unwrap_names.h"

#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#include "base/ascii.h"

struct row {
	const char *pattern;
	enum name_use use;
};

/* Of the last part of a name; the first that fits wins. */
static const struct row files[] = {
	{ "._*", NAME_NONE }, /* what macOS puts beside each file */
	{ "meta.db", NAME_NONE }, { "metadata.db", NAME_NONE }, { "raft.db", NAME_NONE },
	{ "SHA256SUMS", NAME_COMPANION }, { "token", NAME_COMPANION }, { "*.db", NAME_DB },
	{ "*.db.*", NAME_DB }, { "*.dump", NAME_DB }, { "*.bin", NAME_DB }, { "*.bin.*", NAME_DB },
	{ "*.meta", NAME_COMPANION }, { "*.sha256", NAME_COMPANION }, { "*.yaml", NAME_COMPANION },
	{ "*.yml", NAME_COMPANION }, { "*.json", NAME_COMPANION }, { "*.manifest", NAME_COMPANION },
	{ "*.crt", NAME_COMPANION }, { "*.key", NAME_COMPANION }, { "*.pem", NAME_COMPANION },
	{ "*.pub", NAME_COMPANION }, { "*.conf", NAME_COMPANION }, { "*.cnf", NAME_COMPANION },
	{ "*.kubeconfig", NAME_COMPANION }, { "kubeconfig", NAME_COMPANION },
	{ "*.env", NAME_COMPANION }, { "*.service", NAME_COMPANION },
	{ "static_kuberesources_*", NAME_ARCHIVE }, { "*.tar", NAME_ARCHIVE },
	{ "*.tgz", NAME_ARCHIVE }, { "*.txz", NAME_ARCHIVE }, { "*.tbz2", NAME_ARCHIVE },
	{ "*.tzst", NAME_ARCHIVE }, { "*.tar.*", NAME_ARCHIVE }, { "*.zip", NAME_ARCHIVE },
	{ "etcd.backup*", NAME_DB }, { "etcd-snapshot*", NAME_DB }, { "on-demand-*", NAME_DB },
	{ "*snapshot*", NAME_DB }, { "Full-*", NAME_DB }, /* of gardener's etcd-backup-restore */
};

/* Of the whole name, with a slash in front; looked at before the others. */
static const struct row paths[] = {
	{ "*/__MACOSX/*", NAME_NONE },
	{ "*/io.containerd.*", NAME_NONE },
	{ "*/static-pod-resources/*", NAME_COMPANION },
	{ "*/.metadata/*", NAME_COMPANION }, /* k3s writes one beside each snapshot */
	{ "*/snap/db", NAME_DB },
	{ "*/member/wal/*", NAME_NONE },
	{ "*/member/snap/*", NAME_NONE },
};

/* First folders that are no nodes. */
static const char *const usual[] = { "assets", "backup", "backups", "bare-metal", "core", "data",
	"db", "etc", "etcd", "etcd-backup", "etcd-backups", "etcd-snapshot", "etcd-snapshots",
	"export", "home", "kubernetes", "manifests", "master", "media", "member", "misc", "mnt",
	"opt", "pki", "restore", "root", "run", "server", "snap", "snapshot", "snapshots", "srv",
	"static-pod-resources", "tmp", "var" };

static const char *const archive_ends[] = { ".tar", ".tgz", ".txz", ".tbz2", ".tzst", ".zip", ".gz",
	".zst", ".xz", ".bz2", ".lz4" };

enum name_verdict name_clean(char clean[NAME_SIZE], const char *raw)
{
	enum name_verdict verdict = NAME_FINE;
	struct str part, rest = str_from(raw);
	size_t n = 0;

	if (rest.len &&
		(*rest.p == '/' || (rest.len > 1 && ascii_is_letter(*rest.p) && rest.p[1] == ':')))
		verdict = NAME_ABSOLUTE;
	while (str_next(&part, &rest, '/')) {
		if (!part.len || str_is(part, "."))
			continue;
		if (str_is(part, ".."))
			verdict = NAME_OUTSIDE;
		if (n + 1 + part.len + 1 > NAME_SIZE) {
			verdict = verdict == NAME_OUTSIDE ? verdict : NAME_ODD;
			break;
		}
		if (n)
			clean[n++] = '/';
		for (size_t i = 0; i < part.len; i++) {
			const unsigned char c = (unsigned char)part.p[i];
			const bool odd = c < ' ' || c == 0x7f || c == '\\';
			if (odd && verdict == NAME_FINE)
				verdict = NAME_ODD;
			clean[n++] = (char)(odd ? '?' : c);
		}
	}
	clean[n] = 0;
	return n || verdict == NAME_OUTSIDE ? verdict : NAME_ODD;
}

static const char *last_part(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

bool name_is_events(const char *name)
{
	return strcasestr(last_part(name), "events") != NULL;
}

enum name_use name_use(const char *clean)
{
	char rooted[NAME_SIZE + 1] = "/";
	const char *file = last_part(clean);
	enum name_use use = NAME_NONE;
	size_t i;

	strncat(rooted, clean, NAME_SIZE - 1);
	for (i = 0; i < sizeof paths / sizeof *paths; i++) {
		if (!fnmatch(paths[i].pattern, rooted, 0)) {
			use = paths[i].use;
			goto found;
		}
	}
	for (i = 0; i < sizeof files / sizeof *files; i++) {
		if (!fnmatch(files[i].pattern, file, 0)) {
			use = files[i].use;
			goto found;
		}
	}
found:
	return use == NAME_DB && name_is_events(file) ? NAME_DB_EVENTS : use;
}

static struct str without_ends(struct str s)
{
	for (size_t i = 0; i < sizeof archive_ends / sizeof *archive_ends; i++) {
		const struct str end = str_from(archive_ends[i]);
		if (s.len > end.len && str_ends(s, end)) {
			s.len -= end.len;
			i = (size_t)-1; /* ".tar.gz" */
		}
	}
	return s;
}

/* Dates and counters have many digits, nodes few: but ip-10-0-12-34 is one. */
static bool is_dated(struct str s)
{
	size_t run = 0;

	for (size_t i = 0; i < s.len; i++) {
		run = ascii_is_digit(s.p[i]) ? run + 1 : 0;
		if (run >= 8 ||
			(run == 4 && i + 1 < s.len && strchr("-_.", s.p[i + 1]) &&
				(i < 4 || !ascii_is_digit(s.p[i - 4])) &&
				(!memcmp(s.p + i - 3, "19", 2) || !memcmp(s.p + i - 3, "20", 2))))
			return true;
	}
	return false;
}

static bool may_be_node(struct str s)
{
	if (!s.len || is_dated(s) || *s.p == '.')
		return false;
	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
		if (s.len == strlen(usual[i]) && !strncasecmp(s.p, usual[i], s.len))
			return false;
	}
	return true;
}

struct str name_node(bool *sure, const char *clean, const char *inside)
{
	struct str path = str_from(clean), first, rest;
	size_t at;

	*sure = false;
	/* NODE/assets/backup/, at whatever depth: the folder above "assets". */
	if (str_find(&at, path, STR("/assets/backup/"))) {
		struct str above = { path.p, at };
		const char *slash = memrchr(above.p, '/', above.len);
		if (slash)
			above = (struct str){ slash + 1,
				above.len - (size_t)(slash + 1 - above.p) };
		if (may_be_node(above)) {
			*sure = true;
			return above;
		}
	}
	if (str_cut(&first, &rest, path, '/') && may_be_node(first))
		return first;
	if (inside) {
		const struct str stem = without_ends(str_from(last_part(inside)));
		if (may_be_node(stem))
			return stem;
	}
	return (struct str){ NULL, 0 };
}

bool name_node_is(struct str node, const char *wanted)
{
	const struct str w = str_from(wanted);
	struct str node_host, wanted_host, rest;
	const bool node_long = str_cut(&node_host, &rest, node, '.');
	const bool wanted_long = str_cut(&wanted_host, &rest, w, '.');

	if (node.len == w.len && !strncasecmp(node.p, w.p, w.len))
		return node.len > 0;
	return node_long != wanted_long && node_host.len && node_host.len == wanted_host.len &&
	       !strncasecmp(node_host.p, wanted_host.p, node_host.len);
}
