#include "source/s3_address.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/ascii.h"
#include "net/percent.h"
#include "net/url.h"

#define AWS_REGION "us-east-1"

const char *s3_encode(struct arena *a, struct str text, bool path)
{
	return percent_encode(a, text, path ? "-._~/" : "-._~", false);
}

const char *s3_address_print(struct arena *a, const char *bucket, struct str key)
{
	return arena_print(a, "s3://%s/%s", bucket,
		percent_encode(a, key, "-._~/!$&'()*+,;=:@[]{}|^`\\", true));
}

static int check_bucket(struct str bucket, struct err *e)
{
	if (!bucket.len)
		return err_set(e, ERR_USAGE, "no bucket in the address; it is s3://BUCKET/PREFIX");
	for (size_t i = 0; i < bucket.len; i++)
		if (!ascii_is_word(bucket.p[i]) && !(bucket.p[i] && strchr("._-", bucket.p[i])))
			return err_set(e, ERR_USAGE,
				"'%.*s' is no name of a bucket: letters, digits, '.', '_' and '-'",
				STR_ARG(bucket));
	if (bucket.len > 255)
		return err_set(e, ERR_USAGE, "the name of the bucket is too long");
	return 0;
}

static int read_query(struct s3_address *address, struct arena *a, struct str query, struct err *e)
{
	struct str part, name, value;

	while (str_next(&part, &query, '&')) {
		str_cut(&name, &value, part, '=');
		if (str_is(name, "versions") && !value.len) {
			address->versions = true;
		} else if (str_is(name, "versionId") && value.len) {
			address->version = percent_decode(a, value).p;
		} else if (str_starts(name, STR("X-Amz-"))) {
			return err_set(e, ERR_USAGE,
				"a presigned address begins with https://, not with s3://");
		} else {
			return err_set(e, ERR_USAGE,
				"only ?versionId=ID and ?versions may follow an s3:// address; "
				"write a '?' of the name as %%3F");
		}
	}
	if (address->version && address->versions)
		return err_set(e, ERR_USAGE, "?versionId= and ?versions exclude each other");
	return 0;
}

static bool has_control(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((uint8_t)text.p[i] < ' ' || text.p[i] == 0x7f)
			return true;
	return false;
}

int s3_address_parse(struct s3_address *address, struct arena *a, struct str text, struct err *e)
{
	struct s3_address found = { 0 };
	struct str rest, bucket, query;

	if (text.len < 5 || strncasecmp(text.p, "s3://", 5) != 0)
		return err_set(e, ERR_USAGE, "an address of S3 is s3://BUCKET/PREFIX");
	if (text.len > URL_MAX || has_control(text))
		return err_set(e, ERR_USAGE, "the address is too long or holds a control byte");
	str_cut(&rest, &query, (struct str){ text.p + 5, text.len - 5 }, '?');
	str_cut(&bucket, &rest, rest, '/');
	/* ID:SECRET@BUCKET, and what is left of it when the '@' was forgotten. */
	if (memchr(bucket.p, '@', bucket.len) || memchr(bucket.p, ':', bucket.len))
		return err_set(e, ERR_USAGE,
			"take the keys out of the address and say where they are with "
			"--credentials file:PATH (s3.credentials in a plan)");
	if (memchr(rest.p ? rest.p : "", '#', rest.len) || memchr(bucket.p, '#', bucket.len))
		return err_set(e, ERR_USAGE, "write a '#' of the name as %%23");
	if (check_bucket(bucket, e) || read_query(&found, a, query, e))
		return e->code;
	found.bucket = arena_copy(a, bucket);
	found.key = percent_decode(a, rest);
	if (found.key.len > S3_KEY_MAX)
		return err_set(
			e, ERR_USAGE, "no object has a name of more than %d bytes", S3_KEY_MAX);
	if (memchr(found.key.p, 0, found.key.len) ||
		(found.version && has_control(str_from(found.version))))
		return err_set(e, ERR_USAGE, "the address holds a control byte");
	if (found.version && !found.key.len)
		return err_set(e, ERR_USAGE, "?versionId= needs the name of an object");
	*address = found;
	return 0;
}

bool s3_region_is_one(struct str region)
{
	for (size_t i = 0; i < region.len; i++)
		if (!ascii_is_word(region.p[i]) && region.p[i] != '-' && region.p[i] != '_')
			return false;
	return region.len > 0 && region.len < sizeof((struct s3_endpoint *)0)->region;
}

static void set_region(struct s3_endpoint *endpoint, struct str region)
{
	memcpy(endpoint->region, region.p, region.len);
	endpoint->region[region.len] = 0;
}

void s3_endpoint_move(struct s3_endpoint *endpoint, struct arena *a, struct str region)
{
	set_region(endpoint, region);
	if (endpoint->aws)
		endpoint->host = arena_print(a, "s3.%s.amazonaws.com%s", endpoint->region,
			str_starts(region, STR("cn-")) ? ".cn" : "");
}

/* "s3.eu-west-1.amazonaws.com", also behind "bucket." or "dualstack.". */
static struct str region_of(struct str host)
{
	struct str part, rest = host, region = { 0 };
	bool service = false;

	if (!str_ends(host, STR(".amazonaws.com")) && !str_ends(host, STR(".amazonaws.com.cn")))
		return region;
	while (str_next(&part, &rest, '.')) {
		if (service && !str_is(part, "dualstack"))
			return str_is(part, "amazonaws") ? region : part;
		service |= str_is(part, "s3");
	}
	return region;
}

static bool is_ip(const char *host)
{
	struct in6_addr ip;

	return inet_pton(AF_INET, host, &ip) == 1 || inet_pton(AF_INET6, host, &ip) == 1;
}

/* In a host name, a bucket has to be a label that a certificate for "*.ENDPOINT" covers. */
static bool is_label(const char *bucket)
{
	for (const char *c = bucket; *c; c++)
		if (*c == '.' || *c == '_' || (*c >= 'A' && *c <= 'Z'))
			return false;
	return strlen(bucket) <= 63 && *bucket != '-';
}

static int read_endpoint(
	struct s3_endpoint *endpoint, struct arena *a, const char *text, struct err *e)
{
	struct url url;

	if (!strstr(text, "://"))
		return err_set(e, ERR_USAGE,
			"the endpoint begins with https:// (or with http:// for one in the clear)");
	if (url_parse(&url, str_from(text), e)) {
		e->code = ERR_USAGE;
		return err_wrap(e, "endpoint");
	}
	if ((!url_scheme_is(&url, "https") && !url_scheme_is(&url, "http")) || !url.host.len ||
		url.has_userinfo || url.has_query || url.fragment.len)
		return err_set(e, ERR_USAGE, "the endpoint is of the form https://HOST[:PORT]");
	while (url.path.len && url.path.p[url.path.len - 1] == '/')
		url.path.len--;
	endpoint->scheme = url_scheme_is(&url, "https") ? "https" : "http";
	endpoint->host = arena_copy(a, url.host);
	endpoint->port = url.port;
	endpoint->base = arena_copy(a, url.path);
	return 0;
}

int s3_endpoint_set(struct s3_endpoint *endpoint, struct arena *a, const char *text,
	const char *region, enum source_addressing addressing, const char *bucket, struct err *e)
{
	struct s3_endpoint made = { .scheme = "https", .base = "", .aws = !text || !*text };
	struct str where = str_from(region);

	if (!made.aws && read_endpoint(&made, a, text, e))
		return e->code;
	if (!where.len && !made.aws)
		where = region_of(str_from(made.host));
	if (!where.len)
		where = STR(AWS_REGION);
	if (!s3_region_is_one(where))
		return err_set(e, ERR_USAGE, "'%.*s' is no name of a region", STR_ARG(where));
	s3_endpoint_move(&made, a, where);
	made.by_host = addressing == SOURCE_ADDRESSING_HOST ||
		       (addressing == SOURCE_ADDRESSING_AUTO && made.aws && is_label(bucket));
	if (made.by_host && is_ip(made.host))
		return err_set(e, ERR_USAGE,
			"addressing by host needs an endpoint with a name; with the address %s it "
			"can only be by path",
			made.host);
	*endpoint = made;
	return 0;
}

static const char *place(struct arena *a, const struct s3_endpoint *endpoint, const char *before)
{
	const char *port = endpoint->port ? arena_print(a, ":%u", endpoint->port) : "";
	const bool v6 = strchr(endpoint->host, ':');

	return arena_print(a, "%s://%s%s%s%s%s%s%s", endpoint->scheme, before, *before ? "." : "",
		v6 ? "[" : "", endpoint->host, v6 ? "]" : "", port, endpoint->base);
}

const char *s3_endpoint_url(struct arena *a, const struct s3_endpoint *endpoint, const char *bucket,
	struct str key, const char *query)
{
	const bool by_host = endpoint->by_host;

	return arena_print(a, "%s%s%s/%s%s%s", place(a, endpoint, by_host ? bucket : ""),
		by_host ? "" : "/", by_host ? "" : bucket, s3_encode(a, key, true),
		query ? "?" : "", query ? query : "");
}

const char *s3_endpoint_shown(struct arena *a, const struct s3_endpoint *endpoint)
{
	return place(a, endpoint, "");
}
