/* What EC2 answers, as the structs of ec2.h. */
#include "source/ec2.h"

#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "codec/rfc3339.h"
#include "codec/xml.h"

enum { TREE_MAX = 64 << 20 };

#define GIB ((uint64_t)1 << 30)

/* "vol-0123..": what will be part of requests and of messages is looked at once, here. */
static bool is_id(struct str s, const char *prefix)
{
	if (!str_starts(s, str_from(prefix)) || s.len >= EC2_ID || s.len == strlen(prefix))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_is_word(s.p[i]) && s.p[i] != '-')
			return false;
	}
	return true;
}

static const char *word(struct arena *a, const struct xml_node *node, const char *path)
{
	const struct str s = str_trim(xml_text(node, path));

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return "?";
	}
	return s.len < 256 ? arena_copy(a, s) : "?";
}

static uint64_t gib(const struct xml_node *node, const char *path)
{
	uint64_t n = 0;

	return str_u64(&n, str_trim(xml_text(node, path)), 10, UINT64_MAX / GIB) ? n * GIB : 0;
}

static size_t count(const struct xml_node *set)
{
	size_t n = 0;

	for (const struct xml_node *i = xml_child(set, "item"); i; i = xml_next(i))
		n++;
	return n;
}

static const struct ec2_tag *tags(size_t *n, struct arena *a, const struct xml_node *node)
{
	const struct xml_node *set = xml_child(node, "tagSet");
	struct ec2_tag *v = arena_array(a, count(set), sizeof *v);

	*n = 0;
	for (const struct xml_node *i = xml_child(set, "item"); i; i = xml_next(i))
		v[(*n)++] = (struct ec2_tag){ arena_copy(a, xml_text(i, "key")),
			arena_copy(a, xml_text(i, "value")) };
	return v;
}

static int read_root(const struct xml_node **root, const char **more, struct arena *a,
	const char *name, struct span xml, struct err *e)
{
	if (xml_parse(root, a, xml, XML_LIMITS, e))
		return err_wrap(e, "EC2's answer");
	if (!str_is((*root)->name, name))
		return err_set(e, ERR_FORMAT, "EC2's answer is no %s", name);
	const struct str token = xml_text(*root, "nextToken");
	if (more)
		*more = token.len ? arena_copy(a, token) : NULL;
	return 0;
}

int ec2_read_snapshots(struct ec2_snapshot **v, size_t *n, const char **more, struct arena *a,
	struct span xml, struct err *e)
{
	const struct xml_node *root;

	if (read_root(&root, more, a, "DescribeSnapshotsResponse", xml, e))
		return e->code;
	const struct xml_node *set = xml_child(root, "snapshotSet");
	*v = arena_array(a, count(set), sizeof **v);
	*n = 0;
	for (const struct xml_node *i = xml_child(set, "item"); i; i = xml_next(i)) {
		struct ec2_snapshot *s = &(*v)[*n];
		if (!is_id(xml_text(i, "snapshotId"), "snap-"))
			return err_set(e, ERR_FORMAT, "EC2's answer has a snapshot without an id");
		s->id = word(a, i, "snapshotId");
		s->volume = is_id(xml_text(i, "volumeId"), "vol-") ? word(a, i, "volumeId") : "";
		s->state = word(a, i, "status");
		s->progress = word(a, i, "progress");
		s->size = gib(i, "volumeSize");
		if (!rfc3339_parse(&s->started, str_trim(xml_text(i, "startTime"))))
			s->started = 0;
		s->tags = tags(&s->n_tags, a, i);
		++*n;
	}
	return 0;
}

static const struct ec2_attachment *attachments(
	size_t *n, struct arena *a, const struct xml_node *node)
{
	const struct xml_node *set = xml_child(node, "attachmentSet");
	struct ec2_attachment *v = arena_array(a, count(set), sizeof *v);

	*n = 0;
	for (const struct xml_node *i = xml_child(set, "item"); i; i = xml_next(i))
		v[(*n)++] = (struct ec2_attachment){ word(a, i, "instanceId"), word(a, i, "device"),
			word(a, i, "status") };
	return v;
}

int ec2_read_volumes(struct ec2_volume **v, size_t *n, const char **more, struct arena *a,
	struct span xml, struct err *e)
{
	const struct xml_node *root;

	if (read_root(&root, more, a, "DescribeVolumesResponse", xml, e))
		return e->code;
	const struct xml_node *set = xml_child(root, "volumeSet");
	*v = arena_array(a, count(set), sizeof **v);
	*n = 0;
	for (const struct xml_node *i = xml_child(set, "item"); i; i = xml_next(i)) {
		struct ec2_volume *volume = &(*v)[*n];
		if (!is_id(xml_text(i, "volumeId"), "vol-"))
			return err_set(e, ERR_FORMAT, "EC2's answer has a volume without an id");
		volume->id = word(a, i, "volumeId");
		volume->snapshot = word(a, i, "snapshotId");
		volume->zone = word(a, i, "availabilityZone");
		volume->state = word(a, i, "status");
		volume->size = gib(i, "size");
		volume->attached = attachments(&volume->n_attached, a, i);
		volume->tags = tags(&volume->n_tags, a, i);
		++*n;
	}
	return 0;
}

int ec2_read_created(char id[EC2_ID], struct span xml, struct err *e)
{
	struct arena a = ARENA(TREE_MAX);
	const struct xml_node *root;

	int bad = read_root(&root, NULL, &a, "CreateVolumeResponse", xml, e);
	if (!bad) {
		const struct str s = str_trim(xml_text(root, "volumeId"));
		if (is_id(s, "vol-"))
			snprintf(id, EC2_ID, "%.*s", STR_ARG(s));
		else
			bad = err_set(e, ERR_FORMAT, "EC2's answer does not name the new volume");
	}
	arena_free(&a);
	return bad;
}

/* What stands between <name> and the next '<'; the answer may be cut off anywhere. */
static struct str inside(struct str text, const char *open)
{
	size_t at;

	if (!str_find(&at, text, str_from(open)))
		return (struct str){ 0 };
	at += strlen(open);
	struct str head, rest;
	str_cut(&head, &rest, (struct str){ text.p + at, text.len - at }, '<');
	return str_trim(head);
}

static void copy_printable(char *out, size_t size, struct str s)
{
	size_t n = 0;

	for (; n < s.len && n < size - 1; n++)
		out[n] = s.p[n] >= ' ' && s.p[n] <= '~' ? s.p[n] : '?';
	out[n] = 0;
}

void ec2_read_refusal(char code[64], char message[256], struct span xml)
{
	const struct str text = { (const char *)xml.p, xml.len };
	/* What only its maker can read, and what we signed, with our session token in it. */
	static const char *const tails[] = { " Encoded authorization failure message", "\n", "&#",
		"The Canonical String" };
	struct str said = inside(text, "<Message>");
	size_t at;

	for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
		if (str_find(&at, said, str_from(tails[i])))
			said.len = at;
	}
	said = str_trim(said);
	while (said.len && said.p[said.len - 1] == '.')
		said.len--;
	copy_printable(code, 64, inside(text, "<Code>"));
	copy_printable(message, 256, said);
}

const char *ec2_tag(const struct ec2_tag *v, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(v[i].name, name))
			return v[i].value;
	}
	return NULL;
}

const char *ec2_device_name(char name[16], unsigned n)
{
	const unsigned single = 'p' - 'f' + 1, letters = 26;

	if (n < single) {
		snprintf(name, 16, "/dev/sd%c", (char)('f' + n));
	} else if (n < single + 2 * letters) {
		n -= single;
		snprintf(name, 16, "/dev/xvd%c%c", (char)('b' + n / letters),
			(char)('a' + n % letters));
	} else {
		return NULL;
	}
	return name;
}
