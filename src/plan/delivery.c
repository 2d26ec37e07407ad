#include "plan/delivery.h"

#include <string.h>

#include "plan/file.h"
#include "plan/places.h"
#include "plan/signature.h"

static const char keys_path[] = "/etc/etcd-rescue/keys";

static const struct {
	const char *word;
	place_look *look;
} ways[DELIVERY_WAYS] = {
	[DELIVERY_FILE] = { "file", NULL },
	[DELIVERY_KERNEL_LINE] = { "kernel-line", place_kernel_line },
	[DELIVERY_IMAGE] = { "image", place_image },
	[DELIVERY_VOLUME] = { "volume", place_volume },
	[DELIVERY_FW_CFG] = { "fw-cfg", place_fw_cfg },
	[DELIVERY_SMBIOS] = { "smbios", place_smbios },
	[DELIVERY_DHCP] = { "dhcp", place_dhcp },
	[DELIVERY_KERNEL_WORDS] = { "kernel-words", NULL },
};

const char *delivery_way_word(enum delivery_way way)
{
	return ways[way].word;
}

const char *delivery_state_word(enum delivery_state state)
{
	static const char *const words[] = { "absent", "taken", "refused", "left", "broken" };

	return words[state];
}

static void start(struct delivery *d)
{
	*d = (struct delivery){ .may_run_unattended = true };
}

static void report(struct delivery *d, const struct delivery_from *from, enum delivery_way way,
	const struct candidate *c, enum delivery_state state, const struct err *e)
{
	d->places[way] = (struct delivery_place){
		.where = c->where ? c->where : delivery_way_word(way),
		.why = e && e->code ? arena_copy(from->arena, str_from(e->text)) : NULL,
		.state = state,
	};
}

/* 0: signed, or need not be; ERR_AUTH: refused. */
static int authenticate(struct delivery *d, const struct candidate *c,
	const struct signature_keys *keys, struct err *e)
{
	const struct signature_key *key;
	const struct span text = { (const uint8_t *)c->text.p, c->text.len };
	const struct span signature = { (const uint8_t *)c->signature.p, c->signature.len };

	if (!keys->n)
		return 0;
	if (!c->has_signature)
		return err_set(e, ERR_AUTH,
			"not signed, and this image takes signed plans only; openssl dgst -sha256 "
			"-sign KEY -out PLAN.sig PLAN");
	if (signature_verify(&key, keys, text, signature, e))
		return e->code = ERR_AUTH;
	d->signed_by = key->name;
	return 0;
}

/* Words of the kernel line over the plan; nobody signed them. */
static int add_words(
	struct delivery *d, const struct delivery_from *from, bool has_keys, struct err *e)
{
	const struct node_cmdline *line = from->line;

	if (!line)
		return 0;
	const struct {
		const char *key, *value, *word;
	} words[] = {
		{ "source", line->source, "rescue.source" },
		{ "snapshot", line->snapshot, "rescue.snapshot" },
		{ "handoff", line->handoff, "rescue.handoff" },
		{ "auto", line->automatic, "rescue.auto" },
	};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (!words[i].value)
			continue;
		/* Asking at the console is never wrong. */
		const bool is_careful =
			!strcmp(words[i].key, "auto") &&
			(!strcmp(words[i].value, "no") || !strcmp(words[i].value, "false"));
		if (has_keys && !is_careful) {
			d->unheard = d->unheard ? arena_print(from->arena, "%s %s", d->unheard,
							  words[i].word)
						: words[i].word;
			continue;
		}
		if (plan_override(
			    &d->plan, from->arena, words[i].key, words[i].value, words[i].word, e))
			return e->code;
	}
	return 0;
}

static void judge(struct delivery *d, enum delivery_way way, const struct candidate *c)
{
	if (d->signed_by)
		return;
	if (way == DELIVERY_DHCP)
		d->why_attended = "the plan's address came by DHCP and the plan is not signed";
	else if (c->plain_http)
		d->why_attended = "the plan came over plain http and is not signed";
	d->may_run_unattended = !d->why_attended;
}

static int take(struct delivery *d, const struct delivery_from *from, enum delivery_way way,
	const struct candidate *c, bool has_keys, struct err *e)
{
	d->way = way;
	d->name = c->name;
	if (plan_read(&d->plan, from->arena, c->text, c->name, e) ||
		add_words(d, from, has_keys, e) || plan_check(&d->plan, c->name, e))
		return e->code;
	judge(d, way, c);
	return 0;
}

/* One way; `*taken` when its plan is the one. */
static int look(struct delivery *d, bool *taken, const struct delivery_from *from,
	enum delivery_way way, const struct signature_keys *keys, struct err *e)
{
	const struct search s = { from, keys->n > 0, *taken };
	struct candidate c = { 0 };
	struct err ignored = { 0 };

	if (ways[way].look(&c, &s, *taken ? &ignored : e)) {
		/* "Not found" is for a machine that nobody gave a plan. */
		if (e->code == ERR_NOTFOUND)
			e->code = ERR_MISMATCH;
		report(d, from, way, &c, *taken ? DELIVERY_LEFT : DELIVERY_BROKEN,
			*taken ? &ignored : e);
		return *taken ? 0 : e->code;
	}
	if (!c.there)
		return 0;
	if (*taken) {
		report(d, from, way, &c, DELIVERY_LEFT, NULL);
		return 0;
	}
	if (authenticate(d, &c, keys, e)) {
		report(d, from, way, &c, DELIVERY_REFUSED, e);
		*e = (struct err){ 0 };
		return 0;
	}
	if (take(d, from, way, &c, keys->n > 0, e)) {
		report(d, from, way, &c, DELIVERY_BROKEN, e);
		return e->code;
	}
	report(d, from, way, &c, DELIVERY_TAKEN, NULL);
	*taken = true;
	return 0;
}

/* No file anywhere: rescue.source= may say all that is needed. */
static int take_words(
	struct delivery *d, const struct delivery_from *from, bool has_keys, struct err *e)
{
	const struct candidate c = { .name = "kernel line", .where = "rescue.source" };

	if (!from->line || !from->line->source)
		return err_set(e, ERR_NOTFOUND,
			"no plan: none by the kernel line, in the image, on a removable volume "
			"RESCUE, by fw_cfg, SMBIOS or DHCP");
	if (has_keys) {
		err_set(e, ERR_AUTH,
			"rescue.source is not signed, and this image takes signed plans only");
		report(d, from, DELIVERY_KERNEL_WORDS, &c, DELIVERY_REFUSED, e);
		return e->code;
	}
	if (take(d, from, DELIVERY_KERNEL_WORDS, &c, false, e)) {
		report(d, from, DELIVERY_KERNEL_WORDS, &c, DELIVERY_BROKEN, e);
		return e->code;
	}
	report(d, from, DELIVERY_KERNEL_WORDS, &c, DELIVERY_TAKEN, NULL);
	return 0;
}

int delivery_find(struct delivery *d, const struct delivery_from *from, struct err *e)
{
	struct signature_keys keys;
	bool taken = false;
	const struct delivery_place *refused = NULL;

	start(d);
	*e = (struct err){ 0 };
	if (signature_keys_read(&keys, from->arena, from->root, keys_path, e))
		return e->code;
	for (enum delivery_way way = DELIVERY_KERNEL_LINE; way < DELIVERY_KERNEL_WORDS; way++) {
		if (look(d, &taken, from, way, &keys, e))
			return e->code;
		if (!refused && d->places[way].state == DELIVERY_REFUSED)
			refused = &d->places[way];
	}
	if (taken)
		return 0;
	if (refused)
		return err_set(e, ERR_AUTH, "%s: %s", refused->where, refused->why);
	return take_words(d, from, keys.n > 0, e);
}

int delivery_file(
	struct delivery *d, const struct delivery_from *from, const char *path, struct err *e)
{
	struct signature_keys keys;
	struct candidate c = { 0 };

	start(d);
	*e = (struct err){ 0 };
	if (signature_keys_read(&keys, from->arena, from->root, keys_path, e))
		return e->code;
	const struct search s = { from, keys.n > 0, false };
	if (place_file(&c, &s, path, e))
		return e->code;
	if (!c.there)
		return err_set(e, ERR_NOTFOUND, "%s: there is no such file", path);
	if (authenticate(d, &c, &keys, e))
		return err_wrap(e, "%s", path);
	if (take(d, from, DELIVERY_FILE, &c, keys.n > 0, e))
		return e->code;
	report(d, from, DELIVERY_FILE, &c, DELIVERY_TAKEN, NULL);
	return 0;
}
