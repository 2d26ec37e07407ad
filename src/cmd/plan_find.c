#include "cmd/plan_find.h"

#include <string.h>

#include "os/file.h"

enum { PROBE_MS = 5000 };

/* Disks that a plan may be on; the others are not even read. */
static void find_media(struct search_machine *machine, struct app *app)
{
	struct block *blocks = NULL;
	struct err ignored;
	size_t n = 0, kept = 0;

	if (block_list(&blocks, &n, app->arena, &app->root, &ignored))
		return;
	for (size_t i = 0; i < n; i++) {
		const bool is_usb = blocks[i].transport && !strcmp(blocks[i].transport, "usb");
		if (blocks[i].optical || is_usb)
			blocks[kept++] = blocks[i];
	}
	block_probe(blocks, kept, app->arena, &app->root, PROBE_MS);
	machine->blocks = blocks;
	machine->n_blocks = kept;
}

/* What was seen on the way and is not the plan that is shown. */
static void tell_places(const struct app *app, const struct delivery *d)
{
	for (enum delivery_way way = 0; way < DELIVERY_WAYS; way++) {
		const struct delivery_place *p = &d->places[way];
		if (p->state == DELIVERY_REFUSED)
			event_warning(app->listener, "plan", "%s: refused: %s", p->where, p->why);
		else if (p->state == DELIVERY_LEFT)
			event_info(app->listener, "plan",
				"%s: there too, but another plan came first", p->where);
	}
	if (d->unheard)
		event_warning(app->listener, "plan",
			"not heard on the kernel line, since this image takes signed plans only: "
			"%s",
			d->unheard);
}

static int read_kernel_line(
	struct node_cmdline *line, struct app *app, const struct root *root, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(NODE_CMDLINE_MAX);
	struct err why = { 0 };

	/* Without /proc there is no kernel line, which is no reason not to look elsewhere. */
	if (file_read(&text, root, "/proc/cmdline", &why))
		event_debug(app->listener, "plan", "%s", why.text);
	return node_cmdline_parse(line, app->arena, buf_text(&text), e);
}

int cmd_plan_find(
	struct delivery *d, struct app *app, const struct root *root, bool media, struct err *e)
{
	struct node_cmdline *line = arena_alloc(app->arena, sizeof *line);
	struct search_machine machine = { .root = root, .line = line };

	if (read_kernel_line(line, app, root, e))
		return e->code;
	if (media)
		find_media(&machine, app);
	const int status = search_plan(d, app->arena, &machine, e);
	tell_places(app, d);
	return status;
}
