/* What the machine is made of: read it, say what is wrong with it, print it for a person. */
#include <string.h>

#include "cmd/boot.h"
#include "net/url.h"

/* A disk that gives no answer for so long is named and left. */
enum { PROBE_MS = 12000 };

void boot_look(struct boot *b)
{
	struct err e = { 0 };

	system_read(&b->system, b->arena, b->root);
	dmi_read(&b->dmi, b->arena, b->root);
	if (!b->ttys)
		tty_list(&b->ttys, &b->n_ttys, b->arena, b->root);
	/* Without /sys there is nothing to list, and the warnings say so. */
	if (link_list(&b->links, &b->n_links, b->arena, b->root, &e))
		b->n_links = 0;
	if (block_list(&b->blocks, &b->n_blocks, b->arena, b->root, &e))
		b->n_blocks = 0;
	block_probe(b->blocks, b->n_blocks, b->arena, b->root, PROBE_MS);
	module_orphans(&b->orphans, &b->n_orphans, b->arena, b->root);
	if (node_cmdline_parse(&b->cmdline, b->arena, str_from(b->system.line), &e))
		event_warning(b->listener, "machine", "kernel line: %s", e.text);
}

static bool has_card(const struct boot *b)
{
	for (size_t i = 0; i < b->n_links; i++) {
		if (b->links[i].wired)
			return true;
	}
	return false;
}

static bool has_disk(const struct boot *b)
{
	for (size_t i = 0; i < b->n_blocks; i++) {
		if (!b->blocks[i].optical)
			return true;
	}
	return false;
}

static bool is_known(const struct boot *b, const char *file)
{
	for (size_t i = 0; i < b->n_firmware; i++) {
		if (!strcmp(b->firmware[i].file, file))
			return true;
	}
	return false;
}

void boot_warn_firmware(struct boot *b)
{
	struct kmsg_firmware *all;
	size_t n, n_new = 0;

	kmsg_firmware(&all, &n, b->arena, b->root);
	for (size_t i = 0; i < n; i++) {
		const struct kmsg_firmware *f = &all[i];
		if (is_known(b, f->file))
			continue;
		n_new++;
		event_warning(b->listener, "drivers", "%s%s%s did not find its firmware %s",
			f->driver[0] ? f->driver : "a driver", f->device[0] ? " at " : "",
			f->device, f->file);
	}
	b->firmware = all;
	b->n_firmware = n;
	if (n_new)
		event_info(b->listener, "drivers",
			"if that device does not work: boot etcd-rescue-firmware.iso, or add "
			"firmware.img as a second initrd");
}

void boot_warn(struct boot *b)
{
	boot_warn_firmware(b);
	for (size_t i = 0; i < b->n_orphans; i++) {
		const struct module_orphan *o = &b->orphans[i];
		event_warning(b->listener, "drivers",
			"the %s at %s (PCI %s:%s) has no driver: it cannot be used",
			strcmp(o->kind, "storage") ? "network card" : "disk controller", o->address,
			o->vendor ? o->vendor : "?", o->device ? o->device : "?");
	}
	if (!has_card(b))
		event_warning(b->listener, "machine",
			"no network card was found: a plan and a snapshot can only come from a "
			"disk or a removable volume");
	if (!has_disk(b))
		event_warning(b->listener, "machine",
			"no disk was found: look at the controller's settings (dmesg | less), or "
			"whether the disks are plugged in");
	for (size_t i = 0; i < b->cmdline.n_refused; i++)
		event_warning(b->listener, "machine", "kernel line: %s", b->cmdline.refused[i]);
	if (b->cmdline.n_more)
		event_warning(b->listener, "machine", "kernel line: %zu more words like these",
			b->cmdline.n_more);
}

/* The report: a name in front of each group, then lines under each other. */
static int heading(struct buf *out, const char *name, struct err *e)
{
	return buf_print(out, e, "%-10s", name);
}

/* "480.1 GB"; one digit behind the point, by powers of ten as disks are sold. */
static int size(struct buf *out, uint64_t bytes, struct err *e)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	uint64_t unit = 1;
	size_t i = 0;

	while (i + 1 < sizeof units / sizeof *units && bytes / unit >= 1000) {
		unit *= 1000;
		i++;
	}
	if (!i)
		return buf_print(out, e, "%ju B", (uintmax_t)bytes);
	return buf_print(out, e, "%ju.%ju %s", (uintmax_t)(bytes / unit),
		(uintmax_t)(bytes % unit * 10 / unit), units[i]);
}

/* ", word text" or nothing when the text is not known. */
static int also(struct buf *out, const char *word, const char *text, struct err *e)
{
	return text ? buf_print(out, e, ", %s%s%s", word, *word ? " " : "", text) : 0;
}

static int print_maker(struct buf *out, const struct boot *b, struct err *e)
{
	const struct dmi *d = &b->dmi;

	if (heading(out, "machine", e) ||
		buf_print(out, e, "%s%s%s", d->vendor ? d->vendor : "", d->vendor ? " " : "",
			d->product  ? d->product
			: d->vendor ? ""
				    : "maker not known") ||
		also(out, "serial", d->serial, e) || also(out, "", d->chassis, e) ||
		also(out, "asset", d->asset, e) || buf_print(out, e, "\n"))
		return e->code;
	if (d->uuid && (heading(out, "", e) || buf_print(out, e, "uuid %s\n", d->uuid)))
		return e->code;
	return 0;
}

static const char *secure_boot(const struct system *s)
{
	if (!s->firmware || strcmp(s->firmware, "uefi"))
		return "";
	return s->secure_boot < 0    ? ", Secure Boot not known"
	       : s->secure_boot == 0 ? ", Secure Boot off"
	       : s->setup_mode == 1  ? ", Secure Boot on, in setup mode"
				     : ", Secure Boot on";
}

static int print_system(struct buf *out, const struct boot *b, struct err *e)
{
	const struct system *s = &b->system;
	const char *firmware = !s->firmware                   ? "not known"
			       : !strcmp(s->firmware, "uefi") ? "UEFI"
			       : !strcmp(s->firmware, "bios") ? "BIOS"
							      : "device tree";

	if (heading(out, "firmware", e) || buf_print(out, e, "%s%s", firmware, secure_boot(s)) ||
		also(out, "version", b->dmi.bios_version, e) ||
		also(out, "of", b->dmi.bios_date, e) || buf_print(out, e, "\n"))
		return e->code;
	if (heading(out, "cpu", e) ||
		buf_print(out, e, "%u x %s\n", s->n_cpus, s->cpu ? s->cpu : "not known"))
		return e->code;
	if (heading(out, "memory", e) ||
		buf_print(out, e, "%ju MB, %ju MB free\n", (uintmax_t)(s->memory >> 20),
			(uintmax_t)(s->available >> 20)))
		return e->code;
	if (heading(out, "kernel", e) ||
		buf_print(out, e, "%s", s->kernel ? s->kernel : "not known") ||
		also(out, "lockdown", s->lockdown, e) || buf_print(out, e, "\n"))
		return e->code;
	return 0;
}

/* "proxy=user:password@host": what stands before the host, without a "://" to tell it by. */
static int add_plain_word(struct buf *out, struct str word, struct err *e)
{
	const char *at = memrchr(word.p, '@', word.len);
	size_t start = 0, secret;

	if (!at || !str_find(&secret, word, STR(":")) || word.p + secret > at)
		return buf_add_str(out, word, e);
	if (str_find(&start, word, STR("=")) && word.p + start < at)
		start++;
	else
		start = 0;
	return buf_print(
		out, e, "%.*s...%.*s", (int)start, word.p, (int)(word.p + word.len - at), at);
}

/* A presigned URL is a password: words with an address in them are shown without it. */
const char *boot_line_shown(struct arena *a, const char *line)
{
	CLEAN_BUF struct buf shown = BUF(16 * 1024);
	struct str rest = str_from(line), word, key, value;
	struct err e;
	size_t at;

	while (str_word(&word, &rest)) {
		if (shown.len && buf_print(&shown, &e, " "))
			break;
		if (!str_find(&at, word, STR("://"))) {
			if (add_plain_word(&shown, word, &e))
				break;
			continue;
		}
		/* "rescue.source=https://..": the key has no address in it. */
		const bool keyed =
			str_cut(&key, &value, word, '=') && !str_find(&at, key, STR("://"));
		const char *url = arena_copy(a, keyed ? value : word);
		if (keyed && buf_print(&shown, &e, "%.*s=", STR_ARG(key)))
			break;
		if (buf_print(&shown, &e, "%s", url_text_shown(a, url)))
			break;
	}
	return arena_copy(a, buf_text(&shown));
}

static int print_consoles(struct buf *out, const struct boot *b, struct err *e)
{
	size_t n = 0;

	if (heading(out, "consoles", e))
		return e->code;
	for (size_t i = 0; i < b->n_ttys; i++) {
		const struct tty *t = &b->ttys[i];
		if (!t->answers)
			continue;
		if (buf_print(out, e, "%s%s (%s%s%s%s)", n++ ? ", " : "", t->name, t->kind,
			    t->hardware ? " " : "", t->hardware ? t->hardware : "",
			    t->answers < 0     ? ", not asked"
			    : t->connected > 0 ? ", connected"
					       : ""))
			return e->code;
	}
	return buf_print(out, e, "%s\n", n ? "" : "none");
}

static int print_link(struct buf *out, const struct link *l, struct err *e)
{
	if (buf_print(out, e, "%-8s %-17s %-10s ", l->name, l->mac[0] ? l->mac : "-",
		    l->driver[0] ? l->driver
		    : l->kind[0] ? l->kind
				 : "-"))
		return e->code;
	if (l->carrier > 0 && l->speed)
		return buf_print(out, e, "link, %u Mb/s\n", l->speed);
	return buf_print(out, e, "%s\n",
		l->carrier > 0    ? "link"
		: l->carrier == 0 ? "no link: cable, switch port?"
				  : "not switched on");
}

static int print_links(struct buf *out, const struct boot *b, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n_links; i++) {
		if (b->links[i].loopback)
			continue;
		if (heading(out, n++ ? "" : "network", e) || print_link(out, &b->links[i], e))
			return e->code;
	}
	return n ? 0 : buf_print(out, e, "%-10snone\n", "network");
}

static int print_content(struct buf *out, const struct superblock *sb, const char *trouble,
	const char *label, struct err *e)
{
	const char *table = superblock_table_word(sb->table), *kind = superblock_word(sb->kind);

	if (trouble)
		return buf_print(out, e, "  %s\n", trouble);
	if (table && buf_print(out, e, "  %s", table))
		return e->code;
	if (kind && buf_print(out, e, "  %s", kind))
		return e->code;
	if (sb->label[0] && buf_print(out, e, " \"%s\"", sb->label))
		return e->code;
	if (sb->uuid[0] && buf_print(out, e, " %s", sb->uuid))
		return e->code;
	if (label && buf_print(out, e, "  (%s)", label))
		return e->code;
	return buf_print(out, e, "%s\n", kind || table ? "" : "  nothing known on it");
}

static int print_disk(struct buf *out, const struct block *d, struct err *e)
{
	if (buf_print(out, e, "%-10s ", d->name) || size(out, d->size, e) ||
		also(out, "", d->alias, e) || also(out, "", d->transport, e) ||
		also(out, "", d->driver, e) || also(out, "", d->model, e) ||
		also(out, "serial", d->serial, e) ||
		also(out, "wwn", d->serial ? NULL : d->wwn, e) ||
		(d->removable && also(out, "", "removable", e)) ||
		(d->read_only && also(out, "", "read only", e)) ||
		(d->paths > 1 && buf_print(out, e, ", one of %u paths to it", d->paths)) ||
		print_content(out, &d->content, d->trouble, NULL, e))
		return e->code;
	for (size_t i = 0; i < d->n_parts; i++) {
		const struct block_part *p = &d->parts[i];
		if (heading(out, "", e) || buf_print(out, e, "  %-8s ", p->name) ||
			size(out, p->size, e) ||
			print_content(out, &p->content, p->trouble, p->label, e))
			return e->code;
	}
	return 0;
}

int boot_print_text(struct buf *out, const struct boot *b, struct err *e)
{
	if (print_maker(out, b, e) || print_system(out, b, e))
		return e->code;
	if (b->system.line &&
		(heading(out, "line", e) ||
			buf_print(out, e, "%s\n", boot_line_shown(b->arena, b->system.line))))
		return e->code;
	if (print_consoles(out, b, e) || print_links(out, b, e))
		return e->code;
	for (size_t i = 0; i < b->n_blocks; i++) {
		if (heading(out, i ? "" : "disks", e) || print_disk(out, &b->blocks[i], e))
			return e->code;
	}
	return b->n_blocks ? 0 : buf_print(out, e, "%-10snone\n", "disks");
}
