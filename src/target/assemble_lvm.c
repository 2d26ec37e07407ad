/* Volume groups: those volumes whose activation writes nothing, each group by its UUID. */
#include <string.h>

#include "base/ascii.h"
#include "target/assemble_parts.h"
#include "target/tool_report.h"

struct group {
	const char *name, *uuid, *system_id;
	const char **from;
	size_t n_from;
	uint64_t n_missing;
};

const char *assemble_lvm_alias(struct arena *a, const char *group, const char *volume)
{
	char *out = arena_alloc(a, 2 * (strlen(group) + strlen(volume)) + 2), *p = out;

	for (const char *c = group; *c; c++) {
		*p++ = *c;
		if (*c == '-')
			*p++ = '-';
	}
	*p++ = '-';
	for (const char *c = volume; *c; c++) {
		*p++ = *c;
		if (*c == '-')
			*p++ = '-';
	}
	return out;
}

/* Names and ids go into a configuration text: only what LVM itself allows may. */
static bool is_plain(const char *text)
{
	for (; *text; text++) {
		if (!ascii_is_digit(*text) && !((*text | 32) >= 'a' && (*text | 32) <= 'z') &&
			!strchr("_.+-:", *text))
			return false;
	}
	return true;
}

/* `--config`: only these disks are looked at, and groups of another host are taken as ours. */
static const char *config(const struct target_assembly *as, const char *const *from, size_t n_from,
	const char *system_id, const char *read_only)
{
	struct arena *a = as->arena;
	const char *filter = "";

	for (size_t i = 0; i < n_from; i++)
		filter = arena_print(a, "%s\"a|^/dev/%s$|\",", filter, from[i]);
	return arena_print(a,
		"devices{filter=[%s\"r|.*|\"]} local{extra_system_ids=[\"%s\"]} "
		"activation{read_only_volume_list=[%s]}",
		filter, system_id, read_only);
}

static int report(struct buf *out, struct target_assembly *as, const char *what, const char *fields,
	const char *settings, struct err *e)
{
	const char *argv[] = { "/bin/lvm", what, "--foreign", "--reportformat", "json", "-o",
		fields, "--config", settings, NULL };

	return assemble_tool(as, argv, (struct span){ 0 }, ASSEMBLE_TOOL_MS, out, e);
}

/* "vg_uuid=.. && (lv_name=a || lv_name=b)" */
static const char *selection(struct arena *a, const struct target_layer *l)
{
	const char *names = "";

	for (size_t i = 0; i < l->n_volumes; i++)
		names = arena_print(a, "%s%slv_name=\"%s\"", names, i ? " || " : "", l->volumes[i]);
	return arena_print(a, "vg_uuid=\"%s\" && (%s)", l->uuid, names);
}

static int change(struct target_assembly *as, const struct target_layer *l, const char *verb,
	const char *settings, struct err *e)
{
	const char *mode = as->options.degraded ? "degraded" : "complete";
	const char *argv[] = { "/bin/lvm", "lvchange", verb, "--activationmode", mode, "--config",
		settings, "-S", selection(as->arena, l), NULL };

	return assemble_tool(as, argv, (struct span){ 0 }, ASSEMBLE_TOOL_MS, NULL, e);
}

static bool is_wanted(const struct target_assembly *as, const struct target_layer *l,
	const char *volume, const struct names *needed)
{
	const char *alias = assemble_lvm_alias(as->arena, l->name, volume);

	for (size_t i = 0; needed && i < needed->n; i++) {
		if (!strcmp(needed->v[i], alias))
			return true;
	}
	return false;
}

int assemble_lvm_open(struct target_assembly *as, struct target_layer *l,
	const struct names *needed, struct err *e)
{
	const char *read_only = "", *system_id = l->system_id;

	/* A part of it may be in a container that has another number now. */
	for (size_t i = 0; i < l->n_from; i++) {
		const char *now = assemble_device_name(as, l->from_alias[i]);
		if (!now)
			return err_set(e, ERR_NOTFOUND, "%s: %s did not come back", l->name,
				l->from_alias[i]);
		l->from[i] = now;
	}
	for (size_t i = 0; i < l->n_volumes; i++) {
		if (!is_wanted(as, l, l->volumes[i], needed))
			read_only = arena_print(as->arena, "%s%s\"%s/%s\"", read_only,
				*read_only ? "," : "", l->name, l->volumes[i]);
	}
	return change(as, l, "-ay", config(as, l->from, l->n_from, system_id, read_only), e);
}

int assemble_lvm_close(struct target_assembly *as, const struct target_layer *l, struct err *e)
{
	return change(as, l, "-an", config(as, l->from, l->n_from, l->system_id, ""), e);
}

/* Only these are mapped without a byte written: pools, caches and LVM's RAID keep books. */
static bool is_quiet(const char *segtype)
{
	return !strcmp(segtype, "linear") || !strcmp(segtype, "striped");
}

static bool is_among(const char *const *v, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(v[i], text))
			return true;
	}
	return false;
}

/* The volumes to be opened; `*left` names the others. */
static void choose(
	struct target_layer *l, const char **left, struct arena *a, const struct lvm_lvs *lvs)
{
	const char **out = arena_array(a, lvs->n + 1, sizeof *out);
	size_t n_out = 0;

	l->volumes = arena_array(a, lvs->n + 1, sizeof *l->volumes);
	for (size_t i = 0; i < lvs->n; i++) {
		const struct lvm_lv *lv = &lvs->v[i];
		if (strcmp(lv->vg_uuid, l->uuid) || is_among(out, n_out, lv->name))
			continue;
		if (is_quiet(lv->segtype) && is_plain(lv->name) && !lv->active)
			continue;
		out[n_out++] = lv->name;
		if (!lv->active)
			*left = arena_print(
				a, "%s%s%s (%s)", *left, **left ? ", " : "", lv->name, lv->segtype);
	}
	for (size_t i = 0; i < lvs->n; i++) {
		const char *name = lvs->v[i].name;
		if (!strcmp(lvs->v[i].vg_uuid, l->uuid) && !is_among(out, n_out, name) &&
			!is_among(l->volumes, l->n_volumes, name))
			l->volumes[l->n_volumes++] = name;
	}
}

static void refuse(struct target_assembly *as, const struct group *g, const char *why)
{
	for (size_t i = 0; i < g->n_from; i++)
		assemble_refuse(as, g->from[i],
			arena_print(as->arena, "volume group %s: %s", g->name, why));
}

/* One volume that lies on a missing disk keeps no other from being opened. */
static size_t open_one_by_one(struct target_assembly *as, struct target_layer *l)
{
	struct target_layer one = *l;
	struct err none;

	l->n_volumes = 0;
	for (size_t i = 0, n = one.n_volumes; i < n; i++) {
		const char *volume = one.volumes[i];
		struct target_layer single = one;
		single.volumes = &volume;
		single.n_volumes = 1;
		if (!assemble_lvm_open(as, &single, NULL, &none))
			l->volumes[l->n_volumes++] = volume;
	}
	return l->n_volumes;
}

static size_t open_group(
	struct target_assembly *as, const struct group *g, const struct lvm_lvs *lvs)
{
	struct target_layer l = { .kind = TARGET_LVM,
		.name = g->name,
		.uuid = g->uuid,
		.system_id = g->system_id,
		.from = g->from,
		.n_from = g->n_from,
		.degraded = g->n_missing != 0 };
	const char *left = "";
	struct err e = { 0 };

	if (assemble_tried(as, arena_print(as->arena, "lvm %s %zu", g->uuid, g->n_from)))
		return 0;
	/* What was said when fewer of its disks were there does not count any more. */
	for (size_t i = 0; i < g->n_from; i++)
		assemble_refuse(as, g->from[i], NULL);
	l.from_alias = arena_array(as->arena, l.n_from + 1, sizeof *l.from_alias);
	for (size_t i = 0; i < l.n_from; i++)
		l.from_alias[i] = assemble_alias(as, l.from[i]);
	choose(&l, &left, as->arena, lvs);
	if (*left)
		refuse(as, g,
			arena_print(as->arena,
				"opening %s would write; `lvm vgchange -ay %s`, then start again",
				left, g->name));
	if (!l.n_volumes) {
		if (!*left)
			refuse(as, g, "no volume that is not open");
		return 0;
	}
	assemble_note(as, &l);
	if (assemble_lvm_open(as, &l, NULL, &e) && !open_one_by_one(as, &l)) {
		assemble_unnote(as, &l);
		refuse(as, g,
			g->n_missing ? arena_print(as->arena, "%ju of its disks are missing: %s",
					       (uintmax_t)g->n_missing, e.text)
				     : arena_copy(as->arena, str_from(e.text)));
		return 0;
	}
	event_info(as->options.listener, "target", "%s: volume group with %zu volumes, read-only%s",
		l.name, l.n_volumes, l.degraded ? ", disks are missing" : "");
	assemble_add(as, &l);
	return 1;
}

static struct group *group_of(
	struct group *groups, size_t *n, const struct lvm_pv *pv, struct arena *a, size_t room)
{
	for (size_t i = 0; i < *n; i++) {
		if (!strcmp(groups[i].uuid, pv->vg_uuid))
			return &groups[i];
	}
	groups[*n] = (struct group){ pv->vg_name, pv->vg_uuid, pv->system_id,
		arena_array(a, room, sizeof(char *)), 0, pv->n_missing };
	return &groups[(*n)++];
}

size_t assemble_lvm(struct target_assembly *as)
{
	CLEAN_BUF struct buf pv_text = BUF(ASSEMBLE_OUTPUT_MAX);
	CLEAN_BUF struct buf lv_text = BUF(ASSEMBLE_OUTPUT_MAX);
	struct assemble_pieces pieces;
	struct lvm_pvs pvs;
	struct lvm_lvs lvs;
	struct err e = { 0 };
	size_t opened = 0, n_groups = 0;

	/* A disk whose volumes are open belongs to a group all the same. */
	assemble_find(&pieces, as, SUPERBLOCK_LVM2, SUPERBLOCK_LVM2, true);
	bool any = false;
	for (size_t i = 0; i < pieces.n; i++)
		any |= !assemble_is_held(as, &pieces.v[i]);
	if (!any)
		return 0;
	const char **names = arena_array(as->arena, pieces.n, sizeof *names);
	for (size_t i = 0; i < pieces.n; i++)
		names[i] = pieces.v[i].name;
	const char *settings = config(as, names, pieces.n, "", "");
	if (report(&pv_text, as, "pvs", "pv_name,vg_uuid,vg_name,vg_missing_pv_count,vg_systemid",
		    settings, &e) ||
		report(&lv_text, as, "lvs", "vg_uuid,lv_name,segtype,lv_active", settings, &e) ||
		tool_report_pvs(&pvs, as->arena, buf_text(&pv_text), &e) ||
		tool_report_lvs(&lvs, as->arena, buf_text(&lv_text), &e)) {
		for (size_t i = 0; i < pieces.n; i++)
			assemble_refuse(as, names[i], arena_copy(as->arena, str_from(e.text)));
		return 0;
	}
	struct group *groups = arena_array(as->arena, pvs.n + 1, sizeof *groups);
	for (size_t i = 0; i < pvs.n; i++) {
		const char *device = assemble_device_name(as, pvs.v[i].name);
		if (!device || !is_plain(pvs.v[i].vg_name) || !is_plain(pvs.v[i].system_id) ||
			!is_plain(pvs.v[i].vg_uuid))
			continue;
		struct group *g = group_of(groups, &n_groups, &pvs.v[i], as->arena, pvs.n);
		g->from[g->n_from++] = device;
	}
	for (size_t i = 0; i < n_groups; i++)
		opened += open_group(as, &groups[i], &lvs);
	return opened;
}
