/* Which kind of place an address means; all else is that kind's own. */
#include "source/source.h"

#include <string.h>

#include "base/ascii.h"
#include "net/url.h"

/* A row for each kind of place; an address without a scheme is a path. */
static const struct source_kind *const kinds[] = {
	&source_s3,
	&source_https,
	&source_http,
	&source_sftp,
	&source_file,
	&source_dev,
	&source_label,
	&source_ebs,
	NULL,
};

/* What stands before the first ':', when it can be a scheme: "a:b" is one, "./a:b" is none. */
static struct str scheme_of(struct str address)
{
	struct str head, rest;

	if (!str_cut(&head, &rest, address, ':') || !head.len || !ascii_is_letter(head.p[0]))
		return (struct str){ 0 };
	for (size_t i = 0; i < head.len; i++) {
		const char c = head.p[i];
		if (!ascii_is_word(c) && c != '+' && c != '-' && c != '.')
			return (struct str){ 0 };
	}
	return head;
}

static bool is_scheme(struct str scheme, const char *name)
{
	return scheme.len == strlen(name) && !strncasecmp(scheme.p, name, scheme.len);
}

static int unknown(struct err *e, struct str scheme)
{
	const char *nearest = NULL;
	size_t best = scheme.len / 3 + 2;

	for (const struct source_kind *const *k = kinds; *k; k++) {
		const size_t far = str_distance(scheme, str_from((*k)->scheme));
		if (far < best) {
			best = far;
			nearest = (*k)->scheme;
		}
	}
	if (nearest)
		return err_set(e, ERR_USAGE, "'%.*s:' is no kind of source, did you mean '%s:'?",
			STR_ARG(scheme), nearest);
	return err_set(e, ERR_USAGE,
		"'%.*s:' is no kind of source; there are s3, https, http, sftp, file, dev, label "
		"and ebs",
		STR_ARG(scheme));
}

/* What a kind got over by itself, by trying again, is no error of the caller's any more. */
static int well(struct err *e)
{
	e->code = ERR_OK;
	return 0;
}

int source_open(struct source **source, const struct source_settings *settings, struct err *e)
{
	const struct str address = str_from(settings->url);
	struct str scheme = scheme_of(address);

	if (!address.len)
		return err_set(e, ERR_USAGE, "the address of the source is empty");
	if (address.len > URL_MAX)
		return err_set(
			e, ERR_USAGE, "the address of the source is longer than %d bytes", URL_MAX);
	if (!scheme.len)
		scheme = str_is(address, "ebs") ? address : STR("file");
	for (const struct source_kind *const *k = kinds; *k; k++) {
		if (!is_scheme(scheme, (*k)->scheme))
			continue;
		if ((*k)->open(source, settings, e))
			return e->code;
		(*source)->kind = *k;
		(*source)->settings = settings;
		return well(e);
	}
	return unknown(e, scheme);
}

int source_list(
	struct source *source, struct source_objects *objects, struct arena *a, struct err *e)
{
	const int bad = source->kind->list(source, objects, a, e);

	return bad ? bad : well(e);
}

int source_read(struct source *source, struct stream *stream, const struct source_object *object,
	struct err *e)
{
	const int bad = source->kind->read(source, stream, object, e);

	return bad ? bad : well(e);
}

void source_close(struct source *source)
{
	if (source)
		source->kind->close(source);
}
