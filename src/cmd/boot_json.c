/* The report as one JSON object.  Keys are added, never renamed; what is not known is null. */
#include "cmd/boot.h"
#include "cmd/version.h"
#include "codec/json.h"

static void key_known(struct json *j, const char *key, int yes)
{
	json_key(j, key);
	if (yes < 0)
		json_null(j);
	else
		json_bool(j, yes);
}

/* "" is how os/link.h says "none". */
static void key_word(struct json *j, const char *key, const char *text)
{
	json_key_text(j, key, text && *text ? text : NULL);
}

static void image(struct json *j, const struct boot *b)
{
	static const char *const words[] = {
		[IMAGE_NONE] = "none",
		[IMAGE_COMPLETE] = "complete",
		[IMAGE_INCOMPLETE] = "incomplete",
		[IMAGE_UNKNOWN] = "unknown",
	};
	const struct boot_image *i = &b->image;

	json_key(j, "image");
	json_open(j, '{');
	json_key_text(j, "state", words[i->state]);
	json_key_u64(j, "files", i->n_files);
	json_key_u64(j, "missing", i->n_missing);
	json_key_text(j, "first_missing", i->first_missing);
	json_key_u64(j, "changed", i->n_changed);
	json_key_text(j, "first_changed", i->first_changed);
	json_key_u64(j, "bytes", i->bytes);
	json_key_u64(j, "took_ms", i->took_ms);
	json_close(j, '}');
}

static void drivers(struct json *j, const struct boot *b)
{
	json_key(j, "drivers");
	json_open(j, '{');
	json_key_bool(j, "loaded", b->drivers.done);
	json_key_u64(j, "modules", b->drivers.n_modules);
	json_key_u64(j, "took_ms", b->drivers.took_ms);
	json_close(j, '}');
	json_key(j, "missing_firmware");
	json_open(j, '[');
	for (size_t i = 0; i < b->n_firmware; i++) {
		json_open(j, '{');
		json_key_text(j, "file", b->firmware[i].file);
		key_word(j, "driver", b->firmware[i].driver);
		key_word(j, "device", b->firmware[i].device);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_key(j, "without_driver");
	json_open(j, '[');
	for (size_t i = 0; i < b->n_orphans; i++) {
		json_open(j, '{');
		json_key_text(j, "address", b->orphans[i].address);
		json_key_text(j, "kind", b->orphans[i].kind);
		json_key_text(j, "vendor", b->orphans[i].vendor);
		json_key_text(j, "device", b->orphans[i].device);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void maker(struct json *j, const struct dmi *d)
{
	json_key(j, "dmi");
	json_open(j, '{');
	json_key_text(j, "vendor", d->vendor);
	json_key_text(j, "product", d->product);
	json_key_text(j, "version", d->version);
	json_key_text(j, "serial", d->serial);
	json_key_text(j, "uuid", d->uuid);
	json_key_text(j, "board_vendor", d->board_vendor);
	json_key_text(j, "board", d->board);
	json_key_text(j, "board_serial", d->board_serial);
	json_key_text(j, "chassis", d->chassis);
	json_key_text(j, "chassis_serial", d->chassis_serial);
	json_key_text(j, "asset", d->asset);
	json_key_text(j, "bios_vendor", d->bios_vendor);
	json_key_text(j, "bios_version", d->bios_version);
	json_key_text(j, "bios_date", d->bios_date);
	json_close(j, '}');
}

static void system_facts(struct json *j, const struct boot *b)
{
	const struct system *s = &b->system;

	json_key(j, "firmware");
	json_open(j, '{');
	json_key_text(j, "type", s->firmware);
	key_known(j, "secure_boot", s->secure_boot);
	key_known(j, "setup_mode", s->setup_mode);
	json_close(j, '}');
	json_key(j, "kernel");
	json_open(j, '{');
	json_key_text(j, "release", s->kernel);
	json_key_text(j, "cmdline", s->line ? boot_line_shown(b->arena, s->line) : NULL);
	json_key_text(j, "lockdown", s->lockdown);
	json_close(j, '}');
	json_key(j, "cpu");
	json_open(j, '{');
	json_key_text(j, "model", s->cpu);
	json_key_u64(j, "count", s->n_cpus);
	json_close(j, '}');
	json_key(j, "memory");
	json_open(j, '{');
	json_key_u64(j, "total", s->memory);
	json_key_u64(j, "available", s->available);
	json_key_u64(j, "needed", BOOT_MEMORY_NEEDED);
	key_known(j, "enough", s->available ? s->available >= BOOT_MEMORY_NEEDED : -1);
	json_close(j, '}');
}

static void consoles(struct json *j, const struct boot *b)
{
	json_key(j, "consoles");
	json_open(j, '[');
	for (size_t i = 0; i < b->n_ttys; i++) {
		const struct tty *t = &b->ttys[i];
		json_open(j, '{');
		json_key_text(j, "name", t->name);
		json_key_text(j, "kind", t->kind);
		json_key_text(j, "hardware", t->hardware);
		key_known(j, "answers", t->answers);
		key_known(j, "connected", t->connected);
		json_key_bool(j, "kernel", t->kernel);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void nics(struct json *j, const struct boot *b)
{
	json_key(j, "nics");
	json_open(j, '[');
	for (size_t i = 0; i < b->n_links; i++) {
		const struct link *l = &b->links[i];
		if (l->loopback)
			continue;
		json_open(j, '{');
		json_key_text(j, "name", l->name);
		key_word(j, "mac", l->mac);
		key_word(j, "driver", l->driver);
		key_word(j, "bus", l->bus);
		key_word(j, "kind", l->kind);
		json_key_bool(j, "wired", l->wired);
		json_key_bool(j, "up", l->up);
		key_known(j, "carrier", l->carrier);
		json_key(j, "speed_mbps");
		if (l->speed)
			json_u64(j, l->speed);
		else
			json_null(j);
		json_key_u64(j, "mtu", l->mtu);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void content(struct json *j, const struct superblock *sb, const char *trouble)
{
	json_key_text(j, "table", superblock_table_word(sb->table));
	json_key_text(j, "content", superblock_word(sb->kind));
	json_key_text(j, "label", sb->label[0] ? sb->label : NULL);
	json_key_text(j, "uuid", sb->uuid[0] ? sb->uuid : NULL);
	json_key_text(j, "trouble", trouble);
}

static void partitions(struct json *j, const struct block *d)
{
	json_key(j, "partitions");
	json_open(j, '[');
	for (size_t i = 0; i < d->n_parts; i++) {
		const struct block_part *p = &d->parts[i];
		json_open(j, '{');
		json_key_text(j, "name", p->name);
		json_key_u64(j, "number", p->number);
		json_key_u64(j, "start", p->start);
		json_key_u64(j, "size", p->size);
		json_key_text(j, "part_label", p->label);
		json_key_text(j, "part_uuid", p->uuid);
		content(j, &p->content, p->trouble);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void disks(struct json *j, const struct boot *b)
{
	json_key(j, "disks");
	json_open(j, '[');
	for (size_t i = 0; i < b->n_blocks; i++) {
		const struct block *d = &b->blocks[i];
		json_open(j, '{');
		json_key_text(j, "name", d->name);
		json_key_text(j, "alias", d->alias);
		json_key_u64(j, "size", d->size);
		json_key_u64(j, "sector", d->sector);
		json_key_text(j, "model", d->model);
		json_key_text(j, "serial", d->serial);
		json_key_text(j, "wwn", d->wwn);
		json_key_text(j, "transport", d->transport);
		json_key_text(j, "driver", d->driver);
		json_key_bool(j, "removable", d->removable);
		json_key_bool(j, "read_only", d->read_only);
		json_key_bool(j, "rotational", d->rotational);
		json_key_bool(j, "optical", d->optical);
		json_key_u64(j, "paths", d->paths);
		content(j, &d->content, d->trouble);
		partitions(j, d);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void network(struct json *j, const struct boot *b)
{
	const struct boot_network *n = &b->network;
	struct str line, rest = str_from(n->actions);

	json_key(j, "network");
	json_open(j, '{');
	json_key_text(j, "from", n->from);
	json_key_text(j, "link", n->result.link);
	json_key_text(j, "address", n->result.address);
	json_key_text(j, "trouble", n->trouble);
	json_key(j, "would_do");
	json_open(j, '[');
	while (str_next(&line, &rest, '\n'))
		json_str(j, line);
	json_close(j, ']');
	json_close(j, '}');
}

static void clock_facts(struct json *j, const struct boot *b)
{
	char now[32], floor[32];

	clock_print(now, b->clock.now);
	clock_print(floor, b->clock.floor);
	json_key(j, "clock");
	json_open(j, '{');
	json_key_text(j, "now", now);
	json_key_text(j, "not_before", floor);
	json_key_bool(j, "believable", b->clock.believable);
	json_key_bool(j, "rtc", b->clock.rtc);
	json_key_bool(j, "set", b->clock_set.set);
	json_key_text(j, "trouble", b->clock_trouble);
	json_close(j, '}');
}

int boot_print_json(struct buf *out, const struct boot *b, struct err *e)
{
	struct json j = JSON(out);

	json_open(&j, '{');
	json_key_text(&j, "event", "machine");
	json_key_text(&j, "version", version_text);
	json_key_bool(&j, "dry_run", b->dry);
	image(&j, b);
	drivers(&j, b);
	maker(&j, &b->dmi);
	system_facts(&j, b);
	consoles(&j, b);
	nics(&j, b);
	disks(&j, b);
	network(&j, b);
	clock_facts(&j, b);
	boot_json_plan(&j, b);
	json_close(&j, '}');
	if (json_end(&j, e))
		return e->code;
	return buf_add(out, "\n", 1, e);
}
