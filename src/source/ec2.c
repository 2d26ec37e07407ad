#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "net/http.h"
#include "net/url.h"
#include "source/credentials.h"
#include "source/ec2_ask.h"

enum { LISTED_MAX = 10000, PAGE = 500 };
/* A page may be empty and have another one behind it, but not for ever. */
enum { PAGES_MAX = 1000 };

int ec2_open(struct ec2 *ec2, const struct source_settings *settings,
	const struct credentials_settings *ways, struct credentials *credentials,
	const char *region, struct err *e)
{
	const char *endpoint = settings->ebs.endpoint;
	struct url url;

	*ec2 = (struct ec2){ .settings = settings, .ways = ways, .credentials = credentials };
	for (const char *c = region; *c; c++) {
		if (!ascii_is_word(*c) && *c != '-')
			return err_set(e, ERR_USAGE, "this is no name of a region: %s", region);
	}
	if (snprintf(ec2->region, sizeof ec2->region, "%s", region) >= (int)sizeof ec2->region)
		return err_set(e, ERR_USAGE, "this is no name of a region: %s", region);
	if (!endpoint && !settings->image && !(endpoint = getenv("AWS_ENDPOINT_URL_EC2")))
		endpoint = getenv("AWS_ENDPOINT_URL");
	if (endpoint && *endpoint) {
		struct str text = str_from(endpoint);
		while (text.len && text.p[text.len - 1] == '/')
			text.len--;
		if (url_parse(&url, text, e))
			return err_wrap(e, "endpoint of EC2");
		if (!url.host.len || url.has_userinfo || url.has_query ||
			(!url_scheme_is(&url, "https") && !url_scheme_is(&url, "http")) ||
			text.len >= sizeof ec2->endpoint - 1)
			return err_set(e, ERR_USAGE,
				"endpoint of EC2: not of the form https://HOST[:PORT]");
		snprintf(ec2->endpoint, sizeof ec2->endpoint, "%.*s/", STR_ARG(text));
	} else {
		snprintf(ec2->endpoint, sizeof ec2->endpoint, "https://ec2.%s.amazonaws.com%s/",
			region, str_starts(str_from(region), STR("cn-")) ? ".cn" : "");
	}
	ec2->session = http_session_open();
	return 0;
}

void ec2_close(struct ec2 *ec2)
{
	if (ec2->session)
		http_session_close(ec2->session);
	*ec2 = (struct ec2){ 0 };
}

/* In a filter's value '*' and '?' stand for any text; we mean what we say. */
static void add_filter(struct ec2_form *f, unsigned filter, unsigned value, const char *text)
{
	struct buf plain CLEAN_BUF = BUF(4096);

	for (const char *c = text; *c && !f->bad; c++) {
		if (strchr("*?\\", *c))
			f->bad = buf_add(&plain, "\\", 1, f->e);
		if (!f->bad)
			f->bad = buf_add(&plain, c, 1, f->e);
	}
	if (!f->bad)
		f->bad = buf_add(&plain, "", 1, f->e);
	if (!f->bad)
		ec2_add(f, (const char *)plain.p, "Filter.%u.Value.%u", filter, value);
}

static void add_filters(struct ec2_form *f, const struct ec2_filter *filters, size_t n)
{
	unsigned number = 0;

	for (size_t i = 0; i < n; i++) {
		size_t first = 0;
		while (strcmp(filters[first].name, filters[i].name))
			first++;
		if (first < i)
			continue; /* went with the first of that name */
		ec2_add(f, filters[i].name, "Filter.%u.Name", ++number);
		unsigned value = 0;
		for (size_t k = i; k < n; k++) {
			if (!strcmp(filters[k].name, filters[i].name))
				add_filter(f, number, ++value, filters[k].value);
		}
	}
}

struct list {
	const char *action, *id_name, *what;
	bool own;    /* what strangers share in public may be called anything */
	size_t size; /* of one */
	/* Those of one page. */
	int (*read)(void **some, size_t *n, const char **more, struct arena *a, struct span xml,
		struct err *e);
};

static int ask_page(struct buf *answer, struct ec2 *ec2, const struct list *list, const char *id,
	const struct ec2_filter *filters, size_t n, const char *page, struct err *e)
{
	struct ec2_form f = ec2_form(list->action, e);
	char size[16];

	if (id) { /* with an id there are no pages */
		ec2_add(&f, id, "%s", list->id_name);
		return ec2_ask(answer, ec2, &f, e);
	}
	snprintf(size, sizeof size, "%d", PAGE);
	ec2_add(&f, size, "MaxResults");
	if (page)
		ec2_add(&f, page, "NextToken");
	add_filters(&f, filters, n);
	if (list->own)
		ec2_add(&f, "self", "Owner.1");
	return ec2_ask(answer, ec2, &f, e);
}

/* All pages in one array. */
static int read_all(void **all, size_t *n, struct ec2 *ec2, struct arena *a,
	const struct list *list, const char *id, const struct ec2_filter *filters, size_t n_filters,
	struct err *e)
{
	const char *page = NULL;
	int bad = 0;

	*all = NULL;
	*n = 0;
	for (unsigned pages = 1; !bad && (pages == 1 || page); pages++) {
		struct buf answer CLEAN_BUF = BUF(EC2_ANSWER_MAX);
		void *some = NULL;
		size_t more = 0;
		bad = ask_page(&answer, ec2, list, id, filters, n_filters, page, e);
		if (!bad)
			bad = list->read(&some, &more, &page, a, buf_span(&answer), e);
		if (!bad && (*n + more > LISTED_MAX || pages > PAGES_MAX))
			bad = err_set(e, ERR_SPACE, "more than %d EBS %s fit; name more tags",
				LISTED_MAX, list->what);
		if (bad || !more)
			continue;
		uint8_t *both = arena_array(a, *n + more, list->size);
		if (*all)
			memcpy(both, *all, *n * list->size);
		memcpy(both + *n * list->size, some, more * list->size);
		*all = both;
		*n += more;
	}
	return bad;
}

static int read_snapshots(
	void **some, size_t *n, const char **more, struct arena *a, struct span xml, struct err *e)
{
	struct ec2_snapshot *v = NULL;
	const int bad = ec2_read_snapshots(&v, n, more, a, xml, e);

	*some = v;
	return bad;
}

int ec2_snapshots(struct ec2_snapshot **v, size_t *n, struct ec2 *ec2, struct arena *a,
	const char *id, const struct ec2_filter *filters, size_t n_filters, struct err *e)
{
	static const struct list list = { "DescribeSnapshots", "SnapshotId.1", "snapshots", true,
		sizeof **v, read_snapshots };
	void *all;
	const int bad = read_all(&all, n, ec2, a, &list, id, filters, n_filters, e);

	*v = all;
	return bad;
}

static int read_volumes(
	void **some, size_t *n, const char **more, struct arena *a, struct span xml, struct err *e)
{
	struct ec2_volume *v = NULL;
	const int bad = ec2_read_volumes(&v, n, more, a, xml, e);

	*some = v;
	return bad;
}

int ec2_volumes(struct ec2_volume **v, size_t *n, struct ec2 *ec2, struct arena *a, const char *id,
	const struct ec2_filter *filters, size_t n_filters, struct err *e)
{
	static const struct list list = { "DescribeVolumes", "VolumeId.1", "volumes", false,
		sizeof **v, read_volumes };
	void *all;
	const int bad = read_all(&all, n, ec2, a, &list, id, filters, n_filters, e);

	*v = all;
	return bad;
}

int ec2_create_volume(
	char id[EC2_ID], struct ec2 *ec2, const struct ec2_order *order, struct err *e)
{
	struct buf answer CLEAN_BUF = BUF(EC2_ANSWER_MAX);
	struct ec2_form f = ec2_form("CreateVolume", e);
	char iops[24];

	ec2_add(&f, order->snapshot, "SnapshotId");
	ec2_add(&f, order->zone, "AvailabilityZone");
	ec2_add(&f, order->type ? order->type : "gp3", "VolumeType");
	if (order->iops) {
		snprintf(iops, sizeof iops, "%" PRIu64, order->iops);
		ec2_add(&f, iops, "Iops");
	}
	ec2_add(&f, order->token, "ClientToken");
	ec2_add(&f, "volume", "TagSpecification.1.ResourceType");
	for (size_t i = 0; i < order->n_tags; i++) {
		ec2_add(&f, order->tags[i].name, "TagSpecification.1.Tag.%zu.Key", i + 1);
		ec2_add(&f, order->tags[i].value, "TagSpecification.1.Tag.%zu.Value", i + 1);
	}
	if (ec2_ask(&answer, ec2, &f, e)) {
		if (!strcmp(ec2->refusal, "UnauthorizedOperation"))
			err_set(e, ERR_AUTH,
				"EC2 does not let us CreateVolume: add the rights ec2:CreateVolume "
				"and "
				"ec2:CreateTags (for new volumes) to the policy of the credentials "
				"(%s)",
				ec2->credentials->from);
		return e->code;
	}
	return ec2_read_created(id, buf_span(&answer), e);
}

static int move(struct ec2 *ec2, const char *action, const char *volume, const char *instance,
	const char *device, struct err *e)
{
	struct buf answer CLEAN_BUF = BUF(EC2_ANSWER_MAX);
	struct ec2_form f = ec2_form(action, e);

	ec2_add(&f, volume, "VolumeId");
	if (instance)
		ec2_add(&f, instance, "InstanceId");
	if (device)
		ec2_add(&f, device, "Device");
	return ec2_ask(&answer, ec2, &f, e);
}

int ec2_attach(struct ec2 *ec2, const char *volume, const char *instance, const char *device,
	struct err *e)
{
	return move(ec2, "AttachVolume", volume, instance, device, e);
}

int ec2_detach(struct ec2 *ec2, const char *volume, const char *instance, const char *device,
	struct err *e)
{
	return move(ec2, "DetachVolume", volume, instance, device, e);
}

int ec2_delete(struct ec2 *ec2, const char *volume, struct err *e)
{
	return move(ec2, "DeleteVolume", volume, NULL, NULL, e);
}
