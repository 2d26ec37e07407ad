#include "plan/choose.h"

#include <string.h>
#include <time.h>

#include "base/ascii.h"
#include "net/url.h"
#include "plan/schema.h"

enum { SIDECARS = 64, SIDECAR_MAX = 4096, HEX = 64, ALOUD = 5 };

static const char step[] = "choose";

int choose_wish_of(struct choose_wish *wish, const struct plan *plan, struct err *e)
{
	const bool latest = !plan->snapshot.name || !strcmp(plan->snapshot.name, "latest");

	if (plan->snapshot.before && plan->snapshot.sha256)
		return err_set(
			e, ERR_USAGE, "a snapshot is chosen by time or by SHA-256, not both");
	*wish = (struct choose_wish){
		.catalogue = { .name = latest ? NULL : plan->snapshot.name,
			.before = plan->snapshot.before,
			.node = plan->snapshot.node,
			.folder = plan->snapshot.folder,
			.allow_dirty = plan->snapshot.allow_dirty,
			.now = (int64_t)time(NULL) },
		.sha256 = plan->snapshot.sha256,
	};
	return 0;
}

static int look(
	struct choose_place *p, struct choose *c, const struct catalogue_wish *wish, struct err *e)
{
	p->shown = url_text_shown(c->arena, p->settings.url);
	if (p->settings.url[0] == '/')
		p->shown = p->settings.url;
	if (source_open(&p->source, &p->settings, e))
		return e->code;
	if (source_list(p->source, &p->objects, c->arena, e)) {
		source_close(p->source);
		p->source = NULL;
		return e->code;
	}
	catalogue_make(&p->catalogue, c->arena, &p->objects, wish);
	return 0;
}

/* What stands in the way of being the first: newer than the chosen one, and passed over. */
static void tell(const struct choose *c, const struct choose_place *p)
{
	const struct catalogue *list = &p->catalogue;
	const struct catalogue_item *first = list->n_usable ? &list->v[0] : NULL;
	size_t n = 0, increments = 0;

	if (list->cut)
		event_warning(c->listener, step,
			"%s: more lies there than was looked at; give a longer prefix", p->shown);
	if (list->doubt)
		event_warning(c->listener, step, "%s: %s", p->shown, list->doubt);
	if (c->wish.catalogue.name)
		return;
	for (size_t i = list->n_usable; i < list->n_usable + list->n_passed; i++) {
		const struct catalogue_item *item = &list->v[i];
		if (first && item->time <= first->time)
			continue;
		increments += item->name.role == CATALOGUE_INCREMENT;
		if (item->name.role == CATALOGUE_DATABASE && n++ < ALOUD)
			event_warning(
				c->listener, step, "passed over %s: %s", item->shown, item->why);
	}
	if (n > ALOUD)
		event_warning(c->listener, step, "and %zu more; list shows them all", n - ALOUD);
	if (first && increments)
		event_warning(c->listener, step,
			"%zu increments came after %s and cannot be applied: what changed since is "
			"not in it",
			increments, first->shown);
}

void choose_tell(const struct choose *c)
{
	tell(c, &c->place);
}

int choose_open(struct choose *c, struct arena *a, const struct source_settings *settings,
	const struct choose_wish *wish, struct err *e)
{
	*c = (struct choose){ .arena = a,
		.listener = settings->listener,
		.wish = *wish,
		.place = { .settings = *settings } };
	return look(&c->place, c, &c->wish.catalogue, e);
}

/* Exactly 64 hex digits somewhere: sha256sum's line, BSD's, or the bare sum. */
static const char *sum_in(struct arena *a, struct str text)
{
	for (size_t at = 0; at < text.len;) {
		size_t n = 0;
		while (at + n < text.len && ascii_is_hex(text.p[at + n]))
			n++;
		if (n == HEX) {
			char *sum = arena_copy(a, (struct str){ text.p + at, HEX });
			for (char *p = sum; *p; p++)
				*p = (char)(*p >= 'A' && *p <= 'F' ? *p + 32 : *p);
			return sum;
		}
		at += n ? n : 1;
	}
	return NULL;
}

static const char *read_sidecar(
	struct choose *c, struct source *source, const struct source_object *object)
{
	char text[SIDECAR_MAX];
	struct stream s = { 0 };
	struct err e = { 0 };
	size_t len = 0, got = 1;
	int bad = source_read(source, &s, object, &e);

	while (!bad && got && len < sizeof text) {
		bad = stream_read(&s, &got, text + len, sizeof text - len, &e);
		len += bad ? 0 : got;
	}
	stream_close(&s);
	if (bad)
		event_warning(c->listener, step, "%s: %s", object->name, e.text);
	return bad ? NULL : sum_in(c->arena, (struct str){ text, len });
}

/* The one whose sidecar has the sum that was asked for becomes the only one. */
static void find_sum(struct choose *c)
{
	size_t asked = 0;

	for (size_t i = 0; i < c->place.catalogue.n_usable && asked < SIDECARS; i++) {
		const struct catalogue_item *item = &c->place.catalogue.v[i];
		if (!item->sidecar)
			continue;
		asked++;
		const char *sum = read_sidecar(c, c->place.source, item->sidecar);
		if (!sum || strcmp(sum, c->wish.sha256) != 0)
			continue;
		c->next = i;
		c->only = true;
		c->reason = "the SHA-256 beside it is the one that was asked for";
		return;
	}
}

static void leave_inner(struct choose *c)
{
	if (c->inner.source)
		source_close(c->inner.source);
	c->inner = (struct choose_place){ 0 };
}

/* The item is a volume or the like: what lies in it is chosen by the same rules. */
static int enter(struct choose *c, struct err *e)
{
	const struct catalogue_wish wish = { .node = c->wish.catalogue.node,
		.allow_dirty = c->wish.catalogue.allow_dirty,
		.folder = c->wish.catalogue.folder,
		.now = c->wish.catalogue.now };

	event_info(c->listener, step, "%s: opened, to see what lies in it", c->item->shown);
	c->inner.settings = c->place.settings;
	c->inner.settings.url = c->item->object->url;
	if (look(&c->inner, c, &wish, e)) {
		leave_inner(c);
		return e->code;
	}
	tell(c, &c->inner);
	if (catalogue_choose(&c->item, &c->inner.catalogue, &wish, c->inner.shown, e)) {
		leave_inner(c);
		return e->code;
	}
	return 0;
}

int choose_next(struct choose *c, struct err *e)
{
	const struct catalogue *list = &c->place.catalogue;

	leave_inner(c);
	if (!c->tries) {
		tell(c, &c->place);
		if (catalogue_choose(&c->item, list, &c->wish.catalogue, c->place.shown, e))
			return e->code;
		c->reason = list->reason;
		c->only = c->wish.catalogue.name != NULL;
		if (c->wish.sha256 && !c->only)
			find_sum(c);
	}
	c->tries++;
	c->item = &list->v[c->next++];
	c->sidecar = NULL;
	if (c->item->object->place && enter(c, e))
		return err_wrap(e, "%s", list->v[c->next - 1].shown);
	if (c->item->doubt)
		event_warning(c->listener, step, "%s: %s", c->item->shown, c->item->doubt);
	if (c->item->sidecar)
		c->sidecar = read_sidecar(
			c, c->inner.source ? c->inner.source : c->place.source, c->item->sidecar);
	event_info(c->listener, step, "%s: %s", c->item->shown,
		c->tries == 1 || c->only ? c->reason : "the next one");
	return 0;
}

bool choose_again(struct choose *c, struct err *e)
{
	const struct catalogue *list = &c->place.catalogue;
	const bool its_own_fault = e->code == ERR_FORMAT || e->code == ERR_MISMATCH ||
				   e->code == ERR_NOTFOUND || e->code == ERR_UNSUPPORTED;

	if (!c->item || !its_own_fault || c->only || c->next >= list->n_usable ||
		c->tries >= CHOOSE_TRIES)
		return false;
	event_warning(
		c->listener, step, "%s; trying the next one, %s", e->text, list->v[c->next].shown);
	*e = (struct err){ 0 };
	return true;
}

int choose_read(
	struct choose *c, struct stream *stream, const struct source_object *object, struct err *e)
{
	return source_read(c->inner.source ? c->inner.source : c->place.source, stream, object, e);
}

void choose_close(struct choose *c)
{
	leave_inner(c);
	if (c->place.source)
		source_close(c->place.source);
	c->place.source = NULL;
}
