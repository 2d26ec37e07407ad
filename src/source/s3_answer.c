#include "source/s3_answer.h"

#include <string.h>
#include <strings.h>

#include "codec/rfc3339.h"
#include "codec/xml.h"
#include "net/percent.h"
#include "source/s3_address.h"

enum { PAGE_MAX = 1100, BELOW_MAX = 1100, TOKEN_MAX = 4096, REFUSAL_TREE = 1 << 18 };

struct reading {
	struct arena *a;
	bool encoded; /* names are, as in a form */
};

static struct str name_of(const struct reading *r, struct str text)
{
	char *copy = arena_copy(r->a, text);

	if (!r->encoded)
		return (struct str){ copy, text.len };
	for (size_t i = 0; i < text.len; i++) {
		if (copy[i] == '+')
			copy[i] = ' ';
	}
	return percent_decode(r->a, (struct str){ copy, text.len });
}

static const char *text_or_null(const struct reading *r, struct str text)
{
	return text.len ? arena_copy(r->a, text) : NULL;
}

/* If-Match wants quotes, and not everybody lists them. */
static const char *etag_of(const struct reading *r, struct str text)
{
	if (!text.len || text.len > 100)
		return NULL;
	return arena_print(
		r->a, memchr(text.p, '"', text.len) ? "%.*s" : "\"%.*s\"", STR_ARG(text));
}

static void read_item(struct s3_item *item, const struct reading *r, const struct xml_node *node)
{
	const struct str storage = xml_text(node, "StorageClass");

	*item = (struct s3_item){
		.key = name_of(r, xml_text(node, "Key")),
		.etag = etag_of(r, xml_text(node, "ETag")),
		.version = text_or_null(r, xml_text(node, "VersionId")),
		.storage = str_is(storage, "STANDARD") ? NULL : text_or_null(r, storage),
		.size = UINT64_MAX,
		.old = str_is(xml_text(node, "IsLatest"), "false"),
	};
	str_u64(&item->size, xml_text(node, "Size"), 10, UINT64_MAX - 1);
	rfc3339_parse(&item->modified, xml_text(node, "LastModified"));
}

static size_t count(const struct xml_node *root, const char *name)
{
	size_t n = 0;

	for (const struct xml_node *c = xml_child(root, name); c; c = xml_next(c))
		n++;
	return n;
}

static int read_items(
	struct s3_page *page, const struct reading *r, const struct xml_node *root, struct err *e)
{
	const bool versions = str_is(root->name, "ListVersionsResult");
	const char *const kind = versions ? "Version" : "Contents";
	const size_t n = count(root, kind), n_below = count(root, "CommonPrefixes");

	if (n > PAGE_MAX || n_below > BELOW_MAX)
		return err_set(e, ERR_SPACE, "more than %d objects in one answer", PAGE_MAX);
	page->v = arena_array(r->a, n + 1, sizeof *page->v);
	for (const struct xml_node *c = xml_child(root, kind); c; c = xml_next(c)) {
		read_item(&page->v[page->n], r, c);
		if (page->v[page->n].key.len > S3_KEY_MAX)
			return err_set(e, ERR_FORMAT, "a name of more than %d bytes", S3_KEY_MAX);
		page->last = page->v[page->n].key;
		page->n += page->last.len > 0;
	}
	page->below = arena_array(r->a, n_below + 1, sizeof *page->below);
	for (const struct xml_node *c = xml_child(root, "CommonPrefixes"); c; c = xml_next(c))
		page->below[page->n_below++] = name_of(r, xml_text(c, "Prefix")).p;
	return 0;
}

int s3_page_parse(struct s3_page *page, struct arena *a, struct span answer, struct err *e)
{
	const struct xml_node *root;
	struct reading r = { .a = a };

	*page = (struct s3_page){ 0 };
	if (xml_parse(&root, a, answer, XML_LIMITS, e))
		return err_wrap(e, "the listing is no XML");
	if (!str_is(root->name, "ListBucketResult") && !str_is(root->name, "ListVersionsResult"))
		return err_set(e, ERR_FORMAT, "the answer is a %.60s, not a listing",
			arena_copy(a, root->name));
	r.encoded = str_is(xml_text(root, "EncodingType"), "url");
	page->more = str_is(xml_text(root, "IsTruncated"), "true");
	page->token = text_or_null(&r, xml_text(root, "NextContinuationToken"));
	const bool versions = str_is(root->name, "ListVersionsResult");
	const struct str marker = xml_text(root, versions ? "NextKeyMarker" : "NextMarker");
	const struct str id = xml_text(root, "NextVersionIdMarker");
	if (marker.len > 3 * S3_KEY_MAX || id.len > TOKEN_MAX ||
		(page->token && strlen(page->token) > TOKEN_MAX))
		return err_set(e, ERR_FORMAT, "the listing's mark of the next page is too long");
	page->marker = marker.len ? name_of(&r, marker).p : NULL;
	page->marker_version = text_or_null(&r, id);
	return read_items(page, &r, root, e);
}

static void copy(char *out, size_t size, struct str text)
{
	const size_t len = text.len < size ? text.len : size - 1;

	memcpy(out, text.p, len);
	out[len] = 0;
}

bool s3_is_web_page(struct str text)
{
	static const char *const begins[] = { "<!doctype html", "<html" };

	text = str_trim(text);
	for (size_t i = 0; i < 2; i++)
		if (text.len >= strlen(begins[i]) &&
			!strncasecmp(text.p, begins[i], strlen(begins[i])))
			return true;
	return false;
}

void s3_refusal_parse(struct s3_refusal *refusal, const struct http_response *response)
{
	const struct str text = str_trim(str_from(response->refusal));
	const struct span bytes = { (const uint8_t *)text.p, text.len };
	struct xml_limits limits = { sizeof response->refusal, 64, 8, .cut = true };
	struct arena a = ARENA(REFUSAL_TREE);
	const struct xml_node *root, *error;
	struct err ignored;

	*refusal = (struct s3_refusal){ .web_page = s3_is_web_page(text) };
	copy(refusal->region, sizeof refusal->region, str_from(response->region));
	if (text.len && !xml_parse(&root, &a, bytes, limits, &ignored)) {
		/* EC2 and STS put theirs one level deeper. */
		error = xml_child(root, "Error");
		if (!error)
			error = root;
		copy(refusal->code, sizeof refusal->code, xml_text(error, "Code"));
		copy(refusal->message, sizeof refusal->message, xml_text(error, "Message"));
		if (!*refusal->region)
			copy(refusal->region, sizeof refusal->region, xml_text(error, "Region"));
	}
	arena_free(&a);
}
